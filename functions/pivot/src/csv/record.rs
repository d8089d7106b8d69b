//! The slow path: one record at the head of some bytes, by RFC 4180: where its fields are, where it ends, and what is
//! wrong with it.

use crate::value::field::FieldPrefix;
use memchr::{memchr, memchr2};
use sluice::spec::Csv;
use std::borrow::Cow;

/// The most fields a record may have.
pub const MAX_FIELDS: usize = 10_000;

/// How fields are separated and quoted. By default as RFC 4180 has it. All marks are ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What separates fields.
    pub(crate) delimiter: u8,
    /// What encloses a field; `None`: nothing does.
    pub(crate) quote: Option<u8>,
    /// What stands before a quote, or before itself, within quotes; `None`: quotes are doubled.
    pub(crate) escape: Option<u8>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b',', quote: Some(b'"'), escape: None }
    }
}

impl Dialect {
    /// That of a spec.
    pub(crate) fn of(csv: &Csv) -> Self {
        let ascii = |mark: char| u8::try_from(mark).unwrap_or(b',');
        Self { delimiter: ascii(csv.delimiter), quote: csv.quote.map(ascii), escape: csv.escape.map(ascii) }
    }
}

/// One record, also if its quoting is faulty.
#[derive(Debug)]
pub struct Record<'a> {
    /// Number of its first line, from 1.
    pub line: u64,
    /// As in the file, without the line end.
    pub raw: &'a [u8],
    /// Where its fields are in `raw`.
    pub(crate) fields: &'a [FieldRange],
    /// What is wrong with its quoting, if anything is.
    pub fault: Option<Fault>,
    /// It and what follows; empty if its fields have to be read by [`Record::field`].
    pub(crate) ahead: &'a [u8],
    /// How it is written.
    pub(crate) dialect: Dialect,
}

/// Why the rest of a file cannot be read from a record on that ends in [`Fault::UnclosedQuote`]: it may have swallowed
/// any number of rows.
pub(crate) const UNCLOSED_QUOTE: &str = "a quote that is never closed; is the file cut off?";

/// What is wrong with a record's quoting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file ends within a quoted field.
    UnclosedQuote,
    /// There is something between a closing quote and the next comma.
    TextAfterQuote,
}

/// Offsets of a field in its record, which has at most [`MAX_ROW_BYTES`](crate::batch::MAX_ROW_BYTES).
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldRange {
    start: u32,
    end: u32,
    has_escapes: bool,
}

impl FieldRange {
    #[inline]
    fn new(start: usize, end: usize, has_escapes: bool) -> Self {
        // At most the end of what is carried from one piece and of the next piece.
        let offset = |offset: usize| u32::try_from(offset).expect("a piece is much smaller than 4 GiB");
        Self { start: offset(start), end: offset(end), has_escapes }
    }
}

impl<'a> Record<'a> {
    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no field, which is never the case.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The field at `position`, from 0, unquoted.
    pub fn field(&self, position: usize) -> Option<Cow<'a, [u8]>> {
        let field = self.fields.get(position)?;
        let bytes = &self.raw[field.start as usize..field.end as usize];
        if !field.has_escapes {
            return Some(Cow::Borrowed(bytes));
        }
        let Dialect { quote: Some(quote), escape, .. } = self.dialect else { return Some(Cow::Borrowed(bytes)) };
        let mark = escape.unwrap_or(quote);
        let mut unquoted = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(at) = memchr(mark, rest) {
            unquoted.extend_from_slice(&rest[..at]);
            match rest.get(at + 1) {
                Some(&next) if next == quote || next == mark => {
                    unquoted.push(next);
                    rest = &rest[at + 2..];
                }
                // It stands before nothing that it could be for.
                _ => {
                    unquoted.push(mark);
                    rest = &rest[at + 1..];
                }
            }
        }
        unquoted.extend_from_slice(rest);
        Some(Cow::Owned(unquoted))
    }
}

/// A row's fields for the fast path; `None` where one has to be read by [`Record::field`].
pub trait RawFields<'a> {
    /// The field at `position`, from 0, with what follows it.
    fn prefix(&self, position: usize) -> Option<FieldPrefix<'a>>;

    /// The field alone.
    fn text(&self, position: usize) -> Option<&'a [u8]>;
}

impl Record<'_> {
    /// Where the field at `position` is, if its bytes are its text.
    #[inline]
    fn plain(&self, position: usize) -> Option<&FieldRange> {
        self.fields.get(position).filter(|field| !field.has_escapes)
    }
}

impl<'a> RawFields<'a> for Record<'a> {
    #[inline]
    fn prefix(&self, position: usize) -> Option<FieldPrefix<'a>> {
        let field = self.plain(position)?;
        FieldPrefix::new(self.ahead.get(field.start as usize..)?, (field.end - field.start) as usize)
    }

    #[inline]
    fn text(&self, position: usize) -> Option<&'a [u8]> {
        let field = self.plain(position)?;
        self.raw.get(field.start as usize..field.end as usize)
    }
}

/// A record at the head of some bytes.
pub(crate) struct Found {
    /// With its line end.
    pub(crate) len: usize,
    /// Without it.
    pub(crate) content_len: usize,
    /// Whether a line may end within it.
    pub(crate) is_multiline: bool,
    /// What is wrong with its quoting, if anything is.
    pub(crate) fault: Option<Fault>,
}

/// Finds the record that begins `bytes` and its fields; `None` if its end is not there yet.
pub(crate) fn find_record(bytes: &[u8], is_end: bool, dialect: Dialect, fields: &mut Vec<FieldRange>) -> Option<Found> {
    fields.clear();
    let delimiter = dialect.delimiter;
    let mut has_quotes = false;
    let mut at = 0;
    loop {
        let quote = dialect.quote.filter(|quote| bytes.get(at) == Some(quote));
        if let Some(quote) = quote {
            has_quotes = true;
            let start = at + 1;
            let Some((end, has_escapes)) = closing_quote(bytes, start, is_end, quote, dialect.escape)? else {
                // Only at the end of the file: the rest of it is this record.
                return Some(faulty(bytes, bytes.len(), Fault::UnclosedQuote));
            };
            fields.push(FieldRange::new(start, end, has_escapes));
            at = end + 1;
            match bytes.get(at..) {
                Some([next, ..]) if *next == delimiter => at += 1,
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
            match memchr2(delimiter, b'\n', &bytes[at..]) {
                Some(offset) if bytes[at + offset] == delimiter => {
                    fields.push(FieldRange::new(at, at + offset, false));
                    at += offset + 1;
                }
                Some(offset) => {
                    let end = content_end(bytes, at, at + offset);
                    fields.push(FieldRange::new(at, end, false));
                    return Some(Found {
                        len: at + offset + 1,
                        content_len: end,
                        is_multiline: has_quotes,
                        fault: None,
                    });
                }
                None if is_end => {
                    let end = content_end(bytes, at, bytes.len());
                    fields.push(FieldRange::new(at, end, false));
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

/// Position of the quote that closes a field whose content begins at `start`, and whether there are doubled quotes
/// before it. `None`: not there yet. `Some(None)`: it never comes.
#[expect(clippy::option_option, reason = "two ways of not having it, which the caller treats differently")]
fn closing_quote(
    bytes: &[u8],
    start: usize,
    is_end: bool,
    mark: u8,
    escape: Option<u8>,
) -> Option<Option<(usize, bool)>> {
    let mut from = start;
    let mut has_escapes = false;
    loop {
        let Some(offset) = memchr2(mark, escape.unwrap_or(mark), bytes.get(from..).unwrap_or_default()) else {
            return is_end.then_some(None);
        };
        let found = from + offset;
        let next = bytes.get(found + 1);
        if next.is_none() && !is_end {
            return None;
        }
        match escape {
            Some(escape) if bytes[found] == escape => {
                let is_for_next = next.is_some_and(|next| *next == mark || *next == escape);
                has_escapes |= is_for_next;
                from = found + if is_for_next { 2 } else { 1 };
            }
            None if next == Some(&mark) => {
                has_escapes = true;
                from = found + 2;
            }
            _ => return Some(Some((found, has_escapes))),
        }
    }
}
