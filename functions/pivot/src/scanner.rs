//! Bytes to CSV records (RFC 4180), as they come: nothing is kept but the record that is not yet complete.
//!
//! Quoted fields may hold commas, line ends and doubled quotes. A line ends with LF or CRLF. Empty lines are no records.

use memchr::{memchr, memchr_iter, memchr2};
use std::borrow::Cow;

/// The longest record that is accepted, in bytes. A lost closing quote would else swallow the rest of the file.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The most fields a record may have.
pub const MAX_FIELDS: usize = 10_000;

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

#[derive(Clone, Copy, Debug)]
struct Field {
    start: usize,
    end: usize,
    has_doubled_quotes: bool,
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
    #[inline]
    pub fn field(&self, position: usize) -> Option<Cow<'a, [u8]>> {
        let field = self.fields.get(position)?;
        let bytes = &self.raw[field.start..field.end];
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
}

/// Cuts a stream into records.
#[derive(Debug)]
pub struct Scanner {
    carry: Vec<u8>,
    next_line: u64,
    fields: Vec<Field>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { carry: Vec::new(), next_line: 1, fields: Vec::new() }
    }
}

impl Scanner {
    /// Hands every record that is complete by the end of `chunk` to `each`.
    ///
    /// # Errors
    /// The first error of `each`, or [`TooLarge`].
    pub fn feed<E: From<TooLarge>>(
        &mut self,
        chunk: &[u8],
        each: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.carry.is_empty() {
            let used = self.scan(chunk, false, each)?;
            self.carry.extend_from_slice(&chunk[used..]);
        } else {
            let mut window = std::mem::take(&mut self.carry);
            window.extend_from_slice(chunk);
            let used = self.scan(&window, false, each)?;
            window.drain(..used);
            self.carry = window;
        }
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
    pub fn finish<E: From<TooLarge>>(&mut self, each: &mut impl FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E> {
        let window = std::mem::take(&mut self.carry);
        self.scan(&window, true, each).map(|_| ())
    }

    /// Returns how many bytes of `window` are done with.
    fn scan<E: From<TooLarge>>(
        &mut self,
        window: &[u8],
        is_end: bool,
        each: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut start = 0;
        while start < window.len() {
            let rest = &window[start..];
            let Some(found) = find_record(rest, is_end, &mut self.fields) else { break };
            let raw = &rest[..found.content_len];
            let line = self.next_line;
            if raw.len() > MAX_RECORD_BYTES || self.fields.len() > MAX_FIELDS {
                return Err(TooLarge { line }.into());
            }
            self.next_line += 1;
            if found.is_multiline {
                self.next_line += memchr_iter(b'\n', raw).count() as u64;
            }
            start += found.len;
            if !raw.is_empty() {
                each(Record { line, raw, fields: &self.fields, fault: found.fault })?;
            }
        }
        Ok(start)
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
            fields.push(Field { start, end, has_doubled_quotes });
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
                    fields.push(Field { start: at, end: at + offset, has_doubled_quotes: false });
                    at += offset + 1;
                }
                Some(offset) => {
                    let end = content_end(bytes, at, at + offset);
                    fields.push(Field { start: at, end, has_doubled_quotes: false });
                    return Some(Found {
                        len: at + offset + 1,
                        content_len: end,
                        is_multiline: has_quotes,
                        fault: None,
                    });
                }
                None if is_end => {
                    let end = content_end(bytes, at, bytes.len());
                    fields.push(Field { start: at, end, has_doubled_quotes: false });
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
