//! Fields in quotes on the fast path: those that are quoted as nearly all are, each as a whole, on one line, and
//! without a quote within. The first byte of a chunk that is otherwise is where the fast path ends.

use super::bitmask::{Bitmask, CHUNK_BYTES, bits_of};
use super::record::Dialect;

/// What is known of a chunk by the one before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotes {
    /// All bits set if a quote is not for this: it is none of the dialect, or may be escaped.
    foreign: u64,
    /// All bits set if a quote is open.
    inside: u64,
    /// The lowest bit: whether a field begins here.
    begins: u64,
    /// The same: whether a quote was closed just before.
    is_behind: u64,
    /// The same: whether a quote and a CR stand just before.
    is_behind_cr: u64,
}

impl Quotes {
    /// At the beginning of a line.
    pub(super) fn new(dialect: Dialect) -> Self {
        let foreign = if dialect.quote == Some(b'"') && dialect.escape.is_none() { 0 } else { u64::MAX };
        Self { foreign, inside: 0, begins: 1, is_behind: 0, is_behind_cr: 0 }
    }

    /// The separators of the next chunk without those within quotes, up to the first byte that is not as it should be,
    /// and whether there is one.
    #[inline(always)]
    pub(super) fn pass(&mut self, chunk: &[u8; CHUNK_BYTES], found: Bitmask) -> (Bitmask, bool) {
        let quotes = if found.is_unusual { bits_of(chunk, b'"') } else { 0 };
        if quotes | self.inside | self.is_behind | self.is_behind_cr == 0 {
            self.begins = found.ends >> 63;
            return (found, false);
        }
        let open = open(quotes) ^ self.inside;
        let here = Bitmask { ends: found.ends & !open, line_feeds: found.line_feeds & !open, ..found };
        // A quote opens where a field begins, and what follows the one that closes it is an end.
        let behind = (quotes & !open) << 1 | self.is_behind;
        let crs = if behind == 0 { 0 } else { behind & bits_of(chunk, b'\r') };
        let behind_cr = crs << 1 | self.is_behind_cr;
        let wrong = quotes & self.foreign
            | quotes & open & !(here.ends << 1 | self.begins)
            | behind & !(here.ends | crs)
            | behind_cr & !here.line_feeds
            | found.line_feeds & open;
        *self = Self {
            foreign: self.foreign,
            inside: if open >> 63 == 1 { u64::MAX } else { 0 },
            begins: here.ends >> 63,
            is_behind: (quotes & !open) >> 63,
            is_behind_cr: crs >> 63,
        };
        if wrong == 0 { (here, false) } else { (here.before(wrong.trailing_zeros() as usize), true) }
    }
}

/// The bits from each quote that opens up to the one that closes, that one not included: of each bit whether the number
/// of quotes up to it is odd.
#[inline(always)]
fn open(quotes: u64) -> u64 {
    let mut open = quotes;
    for step in [1, 2, 4, 8, 16, 32] {
        open ^= open << step;
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a text of two chunks the offsets of the separators, up to what is wrong.
    fn ends(text: &str, dialect: Dialect) -> (Vec<usize>, bool) {
        let mut padded = text.as_bytes().to_vec();
        padded.resize(2 * CHUNK_BYTES, b'x');
        let (mut quotes, mut ends) = (Quotes::new(dialect), Vec::new());
        for (number, chunk) in padded.as_chunks::<CHUNK_BYTES>().0.iter().enumerate() {
            let (here, is_wrong) = quotes.pass(chunk, Bitmask::of(chunk, b','));
            ends.extend((0..64).filter(|bit| here.ends >> bit & 1 == 1).map(|bit| number * CHUNK_BYTES + bit));
            if is_wrong {
                return (ends, true);
            }
        }
        (ends, false)
    }

    #[test]
    fn fields_are_quoted_as_a_whole() {
        // Over the end of a chunk, too.
        for pad in (0..2).chain(54..66) {
            let pad_len = pad + 1;
            let check = |text: &str, expected: &[usize], is_wrong: bool| {
                let text = format!("{},{text}", "p".repeat(pad));
                let expected: Vec<usize> = [pad].into_iter().chain(expected.iter().map(|end| end + pad_len)).collect();
                assert_eq!(ends(&text, Dialect::default()), (expected, is_wrong), "{text:?}");
            };
            check("\"a,b\",c\n", &[5, 7], false);
            check("\"a\",\"\"\n\"b\"\r\nc,", &[3, 6, 11, 13], false);
            check("a,\"b\"c,d", &[1], true);
            check("a,b\"c\",d", &[1], true);
            check("a,\"b\"\"c\",d", &[1], true);
            check("a,\"b\nc\",d", &[1], true);
            check("a,\"b\"\r,d", &[1], true);
            check("a,\"b,", &[1], false);
        }
        let escaped = Dialect { escape: Some(b'\\'), ..Dialect::default() };
        let unquoted = Dialect { quote: None, ..Dialect::default() };
        for other in [escaped, unquoted] {
            assert_eq!(ends("a,\"b\",c,", other), (vec![1], true));
        }
    }
}
