//! A checksum of rows as COPY has them. Pure.
//!
//! It is the sum of the hashes of all rows, so it is the same for the same rows in any order; and since it is a sum,
//! rows that are there twice count twice. The binary format is the same in every version of PostgreSQL.

use std::fmt;
use xxhash_rust::xxh3::xxh3_128;

/// What begins a stream in the binary format: the signature, the flags, the length of the extension.
pub(crate) const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What ends it, in place of a row's number of fields.
const END: [u8; 2] = [0xff, 0xff];

/// Rows that went by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checksum {
    /// How many.
    pub rows: u64,
    /// Their size, in bytes.
    pub bytes: u64,
    sum: u128,
}

/// Takes the messages of a stream apart.
#[derive(Debug)]
pub(crate) struct Summing {
    checksum: Checksum,
    header_left: usize,
    is_text: bool,
}

impl Summing {
    /// Of a stream in COPY's text or binary format.
    pub(crate) fn new(is_text: bool) -> Self {
        Self { checksum: Checksum::default(), header_left: if is_text { 0 } else { HEADER.len() }, is_text }
    }

    /// Adds a message: a row, with the header before the first one, or the end.
    pub(crate) fn add(&mut self, message: &[u8]) {
        let header = self.header_left.min(message.len());
        self.header_left -= header;
        let row = &message[header..];
        if row.is_empty() || (!self.is_text && row == END) {
            return;
        }
        self.add_row(row.len(), xxh3_128(row));
    }

    /// Adds a row of so many bytes, which have that hash.
    pub(crate) fn add_row(&mut self, bytes: usize, hash: u128) {
        self.checksum.rows += 1;
        self.checksum.bytes += bytes as u64;
        self.checksum.sum = self.checksum.sum.wrapping_add(hash);
    }

    /// What was added.
    pub(crate) fn checksum(&self) -> Checksum {
        self.checksum
    }
}

/// As `sluice.windows` keeps it.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(messages: &[&[u8]]) -> Checksum {
        let mut summing = Summing::new(false);
        messages.iter().for_each(|message| summing.add(message));
        summing.checksum()
    }

    #[test]
    fn the_order_does_not_count_and_repetitions_do() {
        let (a, b) = ([0, 1, 0, 0, 0, 1, 7], [0, 1, 0, 0, 0, 1, 8]);
        let first = |row: &[u8]| [&HEADER[..], row].concat();
        let forwards = sum(&[&first(&a), &b, &END]);
        assert_eq!((forwards.rows, forwards.bytes), (2, 14));
        assert_eq!(forwards, sum(&[&first(&b), &a, &END]));
        assert_eq!(forwards, sum(&[&HEADER, &b, &a, &END]), "however it is cut");
        assert_ne!(forwards, sum(&[&first(&a), &a, &END]));
        assert_ne!(sum(&[&first(&a), &a, &END]), sum(&[&first(&b), &b, &END]), "as an exclusive or would have it");
        assert_eq!(sum(&[&first(&END)]), Checksum::default());
    }

    #[test]
    fn a_text_that_looks_like_the_end_is_a_row() {
        let mut summing = Summing::new(true);
        summing.add(&END);
        summing.add(b"1\tx\n");
        assert_eq!(summing.checksum().rows, 2);
    }
}
