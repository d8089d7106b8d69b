//! One record at the head of some bytes, by the book (RFC 4180): where its fields are, where it ends, and what is wrong
//! with it.

use memchr::{memchr, memchr2};
use std::borrow::Cow;
use wide::u8x16;

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
    /// Where its fields are in `raw`.
    pub(crate) fields: &'a [Field],
    /// What is wrong with its quoting, if anything is.
    pub fault: Option<Fault>,
    /// It and what follows; nothing if its fields are to be read the simple way.
    pub(crate) ahead: &'a [u8],
}

/// What is wrong with a record's quoting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file ends within a quoted field.
    UnclosedQuote,
    /// Something stands between a closing quote and the next comma.
    TextAfterQuote,
}

/// Places within a record, which has at most [`MAX_RECORD_BYTES`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
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
}

/// A row's fields for the quick parsers; none where one has to be read by [`Record::field`].
pub trait Fields<'a> {
    /// The head of the field at `position`, from 0.
    fn head(&self, position: usize) -> Option<Head<'a>>;

    /// All of it, as it stands.
    fn text(&self, position: usize) -> Option<&'a [u8]>;
}

impl Record<'_> {
    /// Where the field at `position` stands, if it does as it is meant.
    #[inline]
    fn plain(&self, position: usize) -> Option<&Field> {
        self.fields.get(position).filter(|field| !field.has_doubled_quotes)
    }
}

impl<'a> Fields<'a> for Record<'a> {
    #[inline]
    fn head(&self, position: usize) -> Option<Head<'a>> {
        let field = self.plain(position)?;
        Head::new(self.ahead.get(field.start as usize..)?, (field.end - field.start) as usize)
    }

    #[inline]
    fn text(&self, position: usize) -> Option<&'a [u8]> {
        let field = self.plain(position)?;
        self.raw.get(field.start as usize..field.end as usize)
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

/// By the length of a field, which of sixteen bytes are its own.
pub const OWN_BYTES: [u8x16; 17] = {
    let mut own = [u8x16::ZERO; 17];
    let mut len = 1;
    while len < own.len() {
        let mut bytes = [0; 16];
        let mut place = 0;
        while place < len {
            bytes[place] = u8::MAX;
            place += 1;
        }
        own[len] = u8x16::new(bytes);
        len += 1;
    }
    own
};

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

/// Finds the record that begins `bytes` and its fields; none if its end is not there yet.
pub(crate) fn find_record(bytes: &[u8], is_end: bool, fields: &mut Vec<Field>) -> Option<Found> {
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

/// Position of the quote that closes a field whose content begins at `start`, and whether there are doubled quotes
/// before it. `None`: not there yet. `Some(None)`: it never comes.
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
