//! Bytes to CSV records (RFC 4180), as they come: nothing is kept but the record that is not yet complete.
//!
//! Quoted fields may hold commas, line ends and doubled quotes. A line ends with LF or CRLF. Empty lines are no records.
//!
//! There are two lanes. The fast one takes records of one line without quotes, whose separators it finds a block at a time. The slow
//! one reads one record, whatever it is, and decides what is a fault.

use crate::separators::{BLOCK_BYTES, Separators};
use memchr::{memchr, memchr_iter, memchr2};
use std::borrow::Cow;

/// The longest record that is accepted, in bytes. A lost closing quote would else swallow the rest of the file.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The most fields a record may have.
pub const MAX_FIELDS: usize = 10_000;

/// Up to how many fields a record may have in the fast lane.
const FAST_FIELDS: usize = 256;

/// Who takes what a scanner finds.
pub trait Rows<E> {
    /// Takes a row of the fast lane if nothing about it is unusual; else it comes again as a record.
    fn take_row(&mut self, row: Row<'_>) -> Option<()>;

    /// Takes a record.
    ///
    /// # Errors
    /// What ends the scan.
    fn take_record(&mut self, record: Record<'_>) -> Result<(), E>;
}

impl<E, F: FnMut(Record<'_>) -> Result<(), E>> Rows<E> for F {
    fn take_row(&mut self, _: Row<'_>) -> Option<()> {
        None
    }

    fn take_record(&mut self, record: Record<'_>) -> Result<(), E> {
        self(record)
    }
}

/// A line without quotes that is UTF-8 and not empty.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// It and what follows, as far as it is there.
    ahead: &'a [u8],
    ends: &'a Ends,
    width: usize,
}

/// Where the fields of a row end, each in front of the next one; before the first one, what stands at -1.
type Ends = [u16; FAST_FIELDS + 1];

const BEFORE_THE_FIRST: u16 = u16::MAX;

impl<'a> Row<'a> {
    /// How many fields it has.
    #[inline(always)]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The field at `position`, from 0, for the quick parsers; none where there is not enough behind it.
    #[inline(always)]
    pub fn head(&self, position: usize) -> Option<Head<'a>> {
        let start = usize::from(self.ends[position].wrapping_add(1));
        let end = usize::from(self.ends[position + 1]);
        Head::new(self.ahead.get(start..)?, end - start)
    }
}

/// One record, or what stands in its place.
#[derive(Debug)]
pub struct Record<'a> {
    /// Number of its first line, from 1.
    pub line: u64,
    /// As it stands in the file, without the line end.
    pub raw: &'a [u8],
    fields: &'a [Field],
    /// What is wrong with its quoting, if anything is.
    pub fault: Option<Fault>,
    /// It and what follows; nothing if its fields are to be read the simple way.
    ahead: &'a [u8],
}

/// What is wrong with a record's quoting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file ends within a quoted field.
    UnclosedQuote,
    /// Something stands between a closing quote and the next comma.
    TextAfterQuote,
}

/// A record beyond [`MAX_RECORD_BYTES`] or [`MAX_FIELDS`]; what follows it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Number of its first line, from 1.
    pub line: u64,
}

/// Places within a record, which has at most [`MAX_RECORD_BYTES`].
#[derive(Clone, Copy, Debug)]
struct Field {
    start: u32,
    end: u32,
    has_doubled_quotes: bool,
}

impl Field {
    #[inline]
    fn new(start: usize, end: usize, has_doubled_quotes: bool) -> Self {
        // Longer records are refused before a field is asked for.
        let place = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        Self { start: place(start), end: place(end), has_doubled_quotes }
    }
}

/// How many bytes are read at once where a field is parsed as a whole.
pub const HEAD_BYTES: usize = 32;

/// A short field as the head of what stands there: so a parser reads all of it at once.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The field, then whatever follows.
    pub bytes: &'a [u8; HEAD_BYTES],
    /// Length of the field.
    pub len: usize,
}

impl<'a> Head<'a> {
    /// The field that begins `ahead`.
    #[inline(always)]
    pub fn new(ahead: &'a [u8], len: usize) -> Option<Self> {
        Some(Self { bytes: ahead.first_chunk()?, len })
    }
}

impl<'a> Record<'a> {
    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no field; no record is.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The field at `position`, from 0, unquoted.
    pub fn field(&self, position: usize) -> Option<Cow<'a, [u8]>> {
        let field = self.fields.get(position)?;
        let bytes = &self.raw[field.start as usize..field.end as usize];
        if !field.has_doubled_quotes {
            return Some(Cow::Borrowed(bytes));
        }
        let mut unquoted = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(quote) = memchr(b'"', rest) {
            unquoted.extend_from_slice(&rest[..=quote]);
            rest = &rest[quote + 2..];
        }
        unquoted.extend_from_slice(rest);
        Some(Cow::Owned(unquoted))
    }

    /// The field at `position` for the quick parsers; none where it has to be read by [`Record::field`].
    #[inline]
    pub fn head(&self, position: usize) -> Option<Head<'a>> {
        let field = self.fields.get(position).filter(|field| !field.has_doubled_quotes)?;
        Head::new(self.ahead.get(field.start as usize..)?, (field.end - field.start) as usize)
    }
}

/// Cuts a stream into records.
#[derive(Debug)]
pub struct Scanner {
    carry: Vec<u8>,
    next_line: u64,
    fields: Vec<Field>,
    ends: Ends,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { carry: Vec::new(), next_line: 1, fields: Vec::new(), ends: [BEFORE_THE_FIRST; FAST_FIELDS + 1] }
    }
}

impl Scanner {
    /// Hands every record that is complete by the end of `chunk` over.
    ///
    /// # Errors
    /// The first error of `rows`, or [`TooLarge`].
    pub fn feed<E: From<TooLarge>>(&mut self, chunk: &[u8], rows: &mut impl Rows<E>) -> Result<(), E> {
        let rest = match self.carry.is_empty() {
            true => chunk,
            false => self.complete(chunk, rows)?,
        };
        let used = self.scan(rest, rows)?;
        self.carry.extend_from_slice(&rest[used..]);
        // One more: the CR of a line end whose LF has not come yet. What is longer all the same is refused when it ends.
        if self.carry.len() > MAX_RECORD_BYTES + 1 {
            return Err(TooLarge { line: self.next_line }.into());
        }
        Ok(())
    }

    /// Hands over what is left at the end of the stream.
    ///
    /// # Errors
    /// As [`Scanner::feed`].
    pub fn finish<E: From<TooLarge>>(&mut self, rows: &mut impl Rows<E>) -> Result<(), E> {
        let window = std::mem::take(&mut self.carry);
        let mut rest = &window[..];
        while !rest.is_empty() {
            rest = &rest[self.scan_slowly(rest, true, &[], rows)?..];
        }
        Ok(())
    }

    /// Completes the record that the last chunk began, with as much of this one as it takes. Returns the rest of the chunk; none of it
    /// if the record does not end here.
    fn complete<'a, E: From<TooLarge>>(&mut self, chunk: &'a [u8], rows: &mut impl Rows<E>) -> Result<&'a [u8], E> {
        let mut window = std::mem::take(&mut self.carry);
        // Mostly it ends with this line. If it does not, it is quoted, and all of the chunk may belong to it.
        let line_end = memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1);
        for (from, to) in [(0, line_end), (line_end, chunk.len())] {
            let carried = window.len();
            window.extend_from_slice(&chunk[from..to]);
            let used = self.scan_slowly(&window, false, &[], rows)?;
            if used > 0 {
                // It was not complete without this chunk, so it ends in it.
                return Ok(&chunk[from + used - carried..]);
            }
            if to == chunk.len() {
                break;
            }
        }
        self.carry = window;
        Ok(&[])
    }

    /// Hands over the records that are complete. Returns how many bytes of `window` are done with.
    fn scan<E: From<TooLarge>>(&mut self, window: &[u8], rows: &mut impl Rows<E>) -> Result<usize, E> {
        let mut start = 0;
        while start < window.len() {
            let ahead = &window[start..];
            start += match find_row(ahead, &mut self.ends) {
                Some((width, len)) => {
                    if rows.take_row(Row { ahead, ends: &self.ends, width }).is_some() {
                        self.next_line += 1;
                        len
                    } else {
                        self.scan_slowly(ahead, false, &[], rows)?
                    }
                }
                None => match self.scan_slowly(ahead, false, ahead, rows)? {
                    0 => break,
                    used => used,
                },
            };
        }
        Ok(start)
    }

    /// The slow lane: one record. Returns its length with its line end; 0 if it is not complete.
    #[cold]
    fn scan_slowly<E: From<TooLarge>>(
        &mut self,
        window: &[u8],
        is_end: bool,
        ahead: &[u8],
        rows: &mut impl Rows<E>,
    ) -> Result<usize, E> {
        let Some(found) = find_record(window, is_end, &mut self.fields) else { return Ok(0) };
        let raw = &window[..found.content_len];
        let line = self.next_line;
        if raw.len() > MAX_RECORD_BYTES || self.fields.len() > MAX_FIELDS {
            return Err(TooLarge { line }.into());
        }
        self.next_line += 1;
        if found.is_multiline {
            self.next_line += memchr_iter(b'\n', raw).count() as u64;
        }
        if !raw.is_empty() {
            rows.take_record(Record { line, raw, fields: &self.fields, fault: found.fault, ahead })?;
        }
        Ok(found.len)
    }
}

/// The fast lane: finds the line that begins `ahead`, if it is one for it. Says how many fields it has, and its length with its line
/// end; where the fields end, is in `ends`.
#[inline(always)]
fn find_row(ahead: &[u8], ends: &mut Ends) -> Option<(usize, usize)> {
    let mut width = 0;
    let mut base = 0_u16;
    let mut is_ascii = true;
    loop {
        let block = ahead.get(usize::from(base)..)?.first_chunk::<BLOCK_BYTES>()?;
        let Separators { ends: mut found, line_feeds, is_odd } = Separators::find(block);
        // Up to the first line feed, or all.
        let own = line_feeds ^ line_feeds.wrapping_sub(1);
        if is_odd {
            let own = &block[..BLOCK_BYTES - own.leading_zeros() as usize];
            is_ascii &= own.is_ascii();
            if own.contains(&b'"') {
                return None;
            }
        }
        found &= own;
        while found != 0 {
            #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
            let place = found.trailing_zeros() as u16;
            width += 1;
            *ends.get_mut(width)? = base + place;
            found &= found - 1;
        }
        if line_feeds == 0 {
            base = base.checked_add(BLOCK_BYTES as u16)?;
            continue;
        }
        // From the block itself, so that the next row need not wait for what was written down about this one.
        let end = usize::from(base) + line_feeds.trailing_zeros() as usize;
        if ahead[..end].ends_with(b"\r") {
            ends[width] -= 1;
        }
        let is_empty = width == 1 && ends[1] == 0;
        let is_text = is_ascii || std::str::from_utf8(&ahead[..end]).is_ok();
        return (!is_empty && is_text).then_some((width, end + 1));
    }
}

/// A record at the head of some bytes.
struct Found {
    /// With its line end.
    len: usize,
    /// Without it.
    content_len: usize,
    is_multiline: bool,
    fault: Option<Fault>,
}

/// Finds the record that begins `bytes` and its fields; none if its end is not there yet.
fn find_record(bytes: &[u8], is_end: bool, fields: &mut Vec<Field>) -> Option<Found> {
    fields.clear();
    let mut has_quotes = false;
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&b'"') {
            has_quotes = true;
            let start = at + 1;
            let Some((end, has_doubled_quotes)) = closing_quote(bytes, start, is_end)? else {
                // Only at the end of the file: the rest of it is this record.
                return Some(faulty(bytes, bytes.len(), Fault::UnclosedQuote));
            };
            fields.push(Field::new(start, end, has_doubled_quotes));
            at = end + 1;
            match bytes.get(at..) {
                Some([b',', ..]) => at += 1,
                Some([b'\n', ..]) => {
                    return Some(Found { len: at + 1, content_len: at, is_multiline: true, fault: None });
                }
                Some([b'\r', b'\n', ..]) => {
                    return Some(Found { len: at + 2, content_len: at, is_multiline: true, fault: None });
                }
                Some([] | [b'\r']) | None if is_end => {
                    return Some(Found { len: bytes.len(), content_len: at, is_multiline: true, fault: None });
                }
                Some([] | [b'\r']) | None => return None,
                Some(_) => {
                    let newline = memchr(b'\n', &bytes[at..]).map(|offset| at + offset + 1);
                    let len = newline.or(is_end.then_some(bytes.len()))?;
                    return Some(faulty(bytes, len, Fault::TextAfterQuote));
                }
            }
        } else {
            match memchr2(b',', b'\n', &bytes[at..]) {
                Some(offset) if bytes[at + offset] == b',' => {
                    fields.push(Field::new(at, at + offset, false));
                    at += offset + 1;
                }
                Some(offset) => {
                    let end = content_end(bytes, at, at + offset);
                    fields.push(Field::new(at, end, false));
                    return Some(Found {
                        len: at + offset + 1,
                        content_len: end,
                        is_multiline: has_quotes,
                        fault: None,
                    });
                }
                None if is_end => {
                    let end = content_end(bytes, at, bytes.len());
                    fields.push(Field::new(at, end, false));
                    return Some(Found { len: bytes.len(), content_len: end, is_multiline: has_quotes, fault: None });
                }
                None => return None,
            }
        }
        if fields.len() > MAX_FIELDS {
            return Some(Found { len: bytes.len(), content_len: bytes.len(), is_multiline: false, fault: None });
        }
    }
}

/// The end of a field that begins at `start`, without the CR of a CRLF at `end`.
fn content_end(bytes: &[u8], start: usize, end: usize) -> usize {
    if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end }
}

fn faulty(bytes: &[u8], len: usize, fault: Fault) -> Found {
    let content = bytes[..len].strip_suffix(b"\n").unwrap_or(&bytes[..len]);
    let content_len = content.strip_suffix(b"\r").unwrap_or(content).len();
    Found { len, content_len, is_multiline: true, fault: Some(fault) }
}

/// Position of the quote that closes a field whose content begins at `start`, and whether there are doubled quotes before
/// it. `None`: not there yet. `Some(None)`: it never comes.
#[expect(clippy::option_option, reason = "two ways of not having it, which the caller treats differently")]
fn closing_quote(bytes: &[u8], start: usize, is_end: bool) -> Option<Option<(usize, bool)>> {
    let mut from = start;
    let mut has_doubled_quotes = false;
    loop {
        let Some(offset) = memchr(b'"', &bytes[from..]) else {
            return is_end.then_some(None);
        };
        let quote = from + offset;
        match bytes.get(quote + 1) {
            Some(b'"') => {
                has_doubled_quotes = true;
                from = quote + 2;
            }
            None if !is_end => return None,
            _ => return Some(Some((quote, has_doubled_quotes))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Seen = (u64, Vec<String>, Option<Fault>);

    fn scan_in_chunks(text: &[u8], chunk_len: usize) -> Result<Vec<Seen>, TooLarge> {
        let mut seen = Vec::new();
        let mut each = |record: Record<'_>| {
            let fields = (0..record.len())
                .map(|position| String::from_utf8_lossy(&record.field(position).unwrap()).into_owned())
                .collect();
            seen.push((record.line, fields, record.fault));
            Ok(())
        };
        let mut scanner = Scanner::default();
        for chunk in text.chunks(chunk_len) {
            scanner.feed(chunk, &mut each)?;
        }
        scanner.finish(&mut each)?;
        Ok(seen)
    }

    fn check(text: &str, expected: &[(u64, &[&str])]) {
        let expected: Vec<Seen> = expected
            .iter()
            .map(|(line, fields)| (*line, fields.iter().map(ToString::to_string).collect(), None))
            .collect();
        for chunk_len in 1..=text.len().max(1) {
            assert_eq!(scan_in_chunks(text.as_bytes(), chunk_len).unwrap(), expected, "{text:?} by {chunk_len}");
        }
    }

    #[test]
    fn records_do_not_depend_on_how_the_stream_is_cut() {
        check("", &[]);
        check("a", &[(1, &["a"])]);
        check("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a,b\r\n1,2\r\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a,b\r\n1,2\r", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a,\n,\n", &[(1, &["a", ""]), (2, &["", ""])]);
        check("\n\r\na\n\n\nb", &[(3, &["a"]), (6, &["b"])]);
        check("\"a,b\",c\n", &[(1, &["a,b", "c"])]);
        check("\"a\nb\",c\nd,e", &[(1, &["a\nb", "c"]), (3, &["d", "e"])]);
        check("\"a\r\nb\"\r\nd", &[(1, &["a\r\nb"]), (3, &["d"])]);
        check("\"say \"\"so\"\"\",\"\"\nx", &[(1, &["say \"so\"", ""]), (2, &["x"])]);
        check("a\"b,c\n", &[(1, &["a\"b", "c"])]);
        check("x,\"a\"", &[(1, &["x", "a"])]);
        check("x,\"a\"\r", &[(1, &["x", "a"])]);
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for chunk_len in 1..20 {
            let seen = scan_in_chunks(b"h\n\"a\"b,c\nd\n", chunk_len).unwrap();
            assert_eq!(
                seen.iter().map(|(line, _, fault)| (*line, *fault)).collect::<Vec<_>>(),
                [(1, None), (2, Some(Fault::TextAfterQuote)), (3, None)]
            );
            let seen = scan_in_chunks(b"h\n\"a,b\nc,d\n", chunk_len).unwrap();
            assert_eq!(
                seen.iter().map(|(line, _, fault)| (*line, *fault)).collect::<Vec<_>>(),
                [(1, None), (2, Some(Fault::UnclosedQuote))]
            );
        }
    }

    #[test]
    fn a_record_has_bounds() {
        let mut text = b"h\n\"".to_vec();
        text.resize(text.len() + MAX_RECORD_BYTES + 10, b'x');
        assert_eq!(scan_in_chunks(&text, 65_536), Err(TooLarge { line: 2 }));
        assert_eq!(scan_in_chunks(&text, text.len()), Err(TooLarge { line: 2 }));
        let wide = ",".repeat(MAX_FIELDS);
        assert_eq!(scan_in_chunks(wide.as_bytes(), 4_096), Err(TooLarge { line: 1 }));
    }

    proptest! {
        #[test]
        fn quoted_records_come_back(
            rows in prop::collection::vec(prop::collection::vec("[a,\"\r\n é]{0,6}", 1..4), 1..6),
            chunk_len in 1_usize..16,
        ) {
            let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let text: String = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n").collect();
            let seen = scan_in_chunks(text.as_bytes(), chunk_len).unwrap();
            prop_assert!(seen.iter().all(|(_, _, fault)| fault.is_none()));
            prop_assert_eq!(seen.into_iter().map(|(_, fields, _)| fields).collect::<Vec<_>>(), rows);
        }
    }
}
