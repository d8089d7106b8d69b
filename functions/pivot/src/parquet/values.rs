//! One column of a row group, value by value: a page is unpacked when it is reached, and dropped when it has been read.

use super::packed::{Deltas, Hybrid};
use super::page::{Codec, Levels, Page, PageKind};
use super::text::Form;
use super::{Checked, MAX_DICTIONARY_BYTES};
use std::borrow::Cow;

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    /// So many bytes.
    Fixed(usize),
    /// An integer of so many bytes.
    Integer(usize),
    /// Any number of bytes.
    Bytes,
    /// A bit.
    Bit,
}

/// What is the same in all row groups of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ColumnLayout {
    /// How its values are stored.
    pub(super) physical: Physical,
    /// What they mean.
    pub(super) form: Form,
    /// How many of the column and of the groups around it may be null: only where a row has so many levels, it has a
    /// value.
    pub(super) levels: u32,
}

/// The value of the current row.
#[derive(Clone, Copy, Debug)]
enum CurrentValue {
    Null,
    /// In the dictionary.
    Entry(usize),
    /// In `text`.
    Text,
}

/// Reads a column chunk.
#[derive(Debug)]
pub(super) struct ColumnReader<'d> {
    layout: ColumnLayout,
    codec: Codec,
    /// The pages to come.
    chunk: &'d [u8],
    dictionary: Option<Dictionary>,
    page: Cow<'d, [u8]>,
    /// Rows of the page to come.
    left: u64,
    levels: Option<Hybrid>,
    values: Values,
    current: CurrentValue,
    text: Vec<u8>,
}

impl<'d> ColumnReader<'d> {
    /// Before the first row of `chunk`.
    pub(super) fn new(layout: ColumnLayout, codec: Codec, chunk: &'d [u8]) -> Self {
        Self {
            layout,
            codec,
            chunk,
            dictionary: None,
            page: Cow::Borrowed(&[]),
            left: 0,
            levels: None,
            values: Values::Plain { at: 0 },
            current: CurrentValue::Null,
            text: Vec::new(),
        }
    }

    /// Whether the next row is in a page that is yet to be opened.
    #[inline]
    pub(super) fn needs_page(&self) -> bool {
        self.left == 0
    }

    /// Advances to the next row, which must be in the open page.
    pub(super) fn advance(&mut self) -> Checked<()> {
        self.left = self.left.checked_sub(1).ok_or("a page has fewer values than were asked of it")?;
        if let Some(levels) = &mut self.levels
            && levels.next(&self.page)? < self.layout.levels
        {
            self.current = CurrentValue::Null;
            return Ok(());
        }
        self.current = if let Values::Entries(entries) = &mut self.values {
            let entry = entries.next(&self.page)? as usize;
            let len = self.dictionary.as_ref().map_or(0, |dictionary| dictionary.ends.len());
            if entry >= len {
                return Err(format!("entry {entry} of a dictionary of {len}").into());
            }
            CurrentValue::Entry(entry)
        } else {
            self.text.clear();
            self.values.write_next(&self.page, self.layout, &mut self.text)?;
            CurrentValue::Text
        };
        Ok(())
    }

    /// The row's value as a text; `None` if it is null.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self.current {
            CurrentValue::Null => None,
            CurrentValue::Entry(entry) => self.dictionary.as_ref().map(|dictionary| dictionary.text(entry)),
            CurrentValue::Text => Some(&self.text),
        }
    }

    /// Whether there is anything after the row.
    pub(super) fn has_rest(&self) -> bool {
        self.left > 0 || !self.chunk.is_empty()
    }

    /// Skips a page after the last row, which must have no values; returns its length in bytes.
    pub(super) fn pass_page(&mut self) -> Checked<usize> {
        const SURPLUS: &str = "it has more values than its row group has rows";
        if self.left > 0 {
            return Err(SURPLUS.into());
        }
        let (page, len) = self.next_page()?;
        if matches!(page.kind, PageKind::Data { values: 1.., .. }) { Err(SURPLUS.into()) } else { Ok(len) }
    }

    /// Opens the next page, which may have no rows; returns how many bytes were read, packed and unpacked.
    pub(super) fn open_page(&mut self) -> Checked<usize> {
        if self.chunk.is_empty() {
            return Err("it has fewer values than its row group has rows".into());
        }
        let (page, len) = self.next_page()?;
        let unpacked_len = match page.kind {
            // What such a page holds is never looked at, so it is not unpacked: it might be large.
            PageKind::Other | PageKind::Data { values: 0, .. } => 0,
            PageKind::Dictionary { values, encoding } => self.open_dictionary(&page, values, encoding)?,
            PageKind::Data { values, encoding, levels } => {
                self.page = page.unpacked(self.codec, self.take_memory())?;
                let start = self.open_levels(levels)?;
                self.values = Values::open(&self.page, start, encoding, self.layout.physical)?;
                self.left = values;
                self.page.len()
            }
        };
        Ok(len + unpacked_len)
    }

    /// The page at the head of those to come, which is none of them any more, and how many bytes it has with its
    /// header.
    fn next_page(&mut self) -> Checked<(Page<'d>, usize)> {
        let (page, rest) = Page::next(self.chunk)?;
        let len = self.chunk.len() - rest.len();
        self.chunk = rest;
        Ok((page, len))
    }

    /// Reads the dictionary; returns how many bytes were read, unpacked and as texts.
    fn open_dictionary(&mut self, page: &Page<'d>, values: u64, encoding: i32) -> Checked<usize> {
        if self.dictionary.is_some() {
            return Err("it has more than one dictionary".into());
        }
        let bytes: Cow<'d, [u8]> =
            if values == 0 { Cow::Borrowed(&[]) } else { page.unpacked(self.codec, self.take_memory())? };
        let dictionary = Dictionary::read(&bytes, values, encoding, self.layout)?;
        let len = bytes.len() + dictionary.texts.len();
        self.dictionary = Some(dictionary);
        if let Cow::Owned(memory) = bytes {
            self.page = Cow::Owned(memory);
        }
        Ok(len)
    }

    /// The memory of the last page, if it was unpacked.
    fn take_memory(&mut self) -> Vec<u8> {
        match std::mem::take(&mut self.page) {
            Cow::Owned(memory) => memory,
            Cow::Borrowed(_) => Vec::new(),
        }
    }

    /// Finds the definition levels; returns where the values begin.
    fn open_levels(&mut self, levels: Levels) -> Checked<usize> {
        let (start, end) = match levels {
            Levels::Packed { .. } if self.layout.levels == 0 => (0, 0),
            Levels::Packed { encoding: RLE } => {
                let (len, _) = self.page.split_first_chunk::<4>().ok_or("the levels of a page are cut off")?;
                (4, usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX).saturating_add(4))
            }
            Levels::Packed { encoding } => return Err(format!("levels of the unknown encoding {encoding}").into()),
            Levels::Apart { before, len, .. } => (before, before.saturating_add(len)),
        };
        if end > self.page.len() {
            return Err("the levels of a page are cut off".into());
        }
        // As many bits as the highest one has.
        let bits = u8::try_from(u32::BITS - self.layout.levels.leading_zeros()).unwrap_or(u8::MAX);
        self.levels = if bits > 0 { Some(Hybrid::new(start, end, bits)?) } else { None };
        Ok(end)
    }
}

/// The values that others point to, as texts: so each is made a text once.
#[derive(Debug)]
struct Dictionary {
    texts: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Dictionary {
    fn read(page: &[u8], count: u64, encoding: i32, layout: ColumnLayout) -> Checked<Self> {
        if !matches!(encoding, PLAIN | PLAIN_DICTIONARY) {
            return Err(format!("a dictionary of the unknown encoding {encoding}").into());
        }
        if layout.physical == Physical::Bit {
            return Err("a dictionary of booleans".into());
        }
        let mut at = 0;
        let mut dictionary = Self { texts: Vec::new(), ends: Vec::new() };
        for _ in 0..count {
            let value = plain_value(page, &mut at, layout.physical)?;
            let texts_len = dictionary.texts.len() + layout.form.max_len(value);
            if texts_len + (dictionary.ends.len() + 1) * size_of::<usize>() > MAX_DICTIONARY_BYTES {
                let what =
                    format!("a dictionary of more than {} MiB; write the file without one", MAX_DICTIONARY_BYTES >> 20);
                return Err(what.into());
            }
            layout.form.write(value, &mut dictionary.texts)?;
            dictionary.ends.push(dictionary.texts.len());
        }
        Ok(dictionary)
    }

    fn text(&self, entry: usize) -> &[u8] {
        let start = entry.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start..self.ends[entry]]
    }
}

const PLAIN: i32 = 0;
const PLAIN_DICTIONARY: i32 = 2;
const RLE: i32 = 3;
const DELTA_BINARY_PACKED: i32 = 5;
const DELTA_LENGTH_BYTE_ARRAY: i32 = 6;
const DELTA_BYTE_ARRAY: i32 = 7;
const RLE_DICTIONARY: i32 = 8;
const BYTE_STREAM_SPLIT: i32 = 9;

/// Where the next value of a page is, and how to read it.
#[derive(Debug)]
enum Values {
    /// One after the other.
    Plain { at: usize },
    /// Bit by bit, the lowest of a byte first.
    Bits { at: usize },
    /// Bits, many of them at once.
    BitRuns(Hybrid),
    /// Places in the dictionary.
    Entries(Hybrid),
    /// Differences of integers.
    Deltas { differences: Deltas, width: usize },
    /// All lengths, then all bytes.
    Lengths { lengths: Deltas, at: usize },
    /// How much of the value before is kept, how much is new, then the new bytes.
    Prefixes { kept: Deltas, lengths: Deltas, at: usize, last: Vec<u8> },
    /// The first bytes of all values, then the second ones, and so on.
    Split { start: usize, count: usize, next: usize, value: Vec<u8> },
}

impl Values {
    /// The values that begin at `at`.
    fn open(page: &[u8], at: usize, encoding: i32, physical: Physical) -> Checked<Self> {
        // A page of nothing but nulls may have no values, nor anything that says how they are stored.
        if at == page.len() {
            return Ok(Values::Plain { at });
        }
        match (encoding, physical) {
            (PLAIN, Physical::Bit) => Ok(Values::Bits { at: 8 * at }),
            (RLE, Physical::Bit) => {
                let (len, rest) = page[at..].split_first_chunk::<4>().ok_or(CUT_OFF)?;
                let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX).min(rest.len());
                Ok(Values::BitRuns(Hybrid::new(at + 4, at + 4 + len, 1)?))
            }
            (PLAIN, _) => Ok(Values::Plain { at }),
            (PLAIN_DICTIONARY | RLE_DICTIONARY, _) => Ok(Values::Entries(Hybrid::new(at + 1, page.len(), page[at])?)),
            (DELTA_BINARY_PACKED, Physical::Integer(width)) => {
                Ok(Values::Deltas { differences: Deltas::new(page, at)?, width })
            }
            (DELTA_LENGTH_BYTE_ARRAY, Physical::Bytes) => {
                let lengths = Deltas::new(page, at)?;
                let at = lengths.end(page)?;
                Ok(Values::Lengths { lengths, at })
            }
            (DELTA_BYTE_ARRAY, Physical::Bytes | Physical::Fixed(_)) => {
                let kept = Deltas::new(page, at)?;
                let lengths = Deltas::new(page, kept.end(page)?)?;
                let at = lengths.end(page)?;
                Ok(Values::Prefixes { kept, lengths, at, last: Vec::new() })
            }
            (BYTE_STREAM_SPLIT, Physical::Fixed(width) | Physical::Integer(width)) => {
                let count = (page.len() - at) / width;
                if at + count * width != page.len() {
                    return Err("the split values of a page are cut off".into());
                }
                Ok(Values::Split { start: at, count, next: 0, value: Vec::new() })
            }
            _ => Err(format!("values of the encoding {encoding}, which is unknown for their type").into()),
        }
    }

    /// Appends the next value's text; none are entries of a dictionary.
    fn write_next(&mut self, page: &[u8], layout: ColumnLayout, text: &mut Vec<u8>) -> Checked<()> {
        match self {
            Values::Plain { at } => layout.form.write(plain_value(page, at, layout.physical)?, text),
            Values::Bits { at } => {
                let byte = page.get(*at / 8).ok_or(CUT_OFF)?;
                let bit = byte >> (*at % 8) & 1;
                *at += 1;
                layout.form.write(&[bit], text)
            }
            Values::BitRuns(runs) => {
                let bit = u8::try_from(runs.next(page)?).map_err(|_| "a value of more than one bit")?;
                layout.form.write(&[bit], text)
            }
            Values::Entries(_) => Err("a dictionary within a dictionary".into()),
            Values::Deltas { differences, width } => {
                let value = differences.next(page)?.to_le_bytes();
                layout.form.write(&value[..*width], text)
            }
            Values::Lengths { lengths, at } => {
                let len = lengths.next_len(page)?;
                layout.form.write(taken(page, at, len).ok_or(CUT_OFF)?, text)
            }
            Values::Prefixes { kept, lengths, at, last } => {
                let (kept, len) = (kept.next_len(page)?, lengths.next_len(page)?);
                if kept > last.len() {
                    return Err("a value keeps more of the one before than there is".into());
                }
                last.truncate(kept);
                last.extend_from_slice(taken(page, at, len).ok_or(CUT_OFF)?);
                if matches!(layout.physical, Physical::Fixed(width) if width != last.len()) {
                    return Err("a value has more or fewer bytes than its type".into());
                }
                layout.form.write(last, text)
            }
            Values::Split { start, count, next, value } => {
                if *next == *count {
                    return Err(CUT_OFF.into());
                }
                value.clear();
                value.extend(page[*start + *next..].iter().step_by(*count));
                *next += 1;
                layout.form.write(value, text)
            }
        }
    }
}

const CUT_OFF: &str = "a page has fewer values than it says";

/// The value that is stored plainly at `at`, which is moved after it.
#[inline]
fn plain_value<'p>(page: &'p [u8], at: &mut usize, physical: Physical) -> Checked<&'p [u8]> {
    let len = match physical {
        Physical::Fixed(width) | Physical::Integer(width) => width,
        Physical::Bit => return Err(CUT_OFF.into()),
        Physical::Bytes => {
            let rest = page.get(*at..).unwrap_or_default();
            let (len, _) = rest.split_first_chunk::<4>().ok_or(CUT_OFF)?;
            *at += 4;
            usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX)
        }
    };
    taken(page, at, len).ok_or_else(|| CUT_OFF.into())
}

/// The `len` bytes at `at`, which is moved after them.
#[inline]
fn taken<'p>(page: &'p [u8], at: &mut usize, len: usize) -> Option<&'p [u8]> {
    let bytes = page.get(*at..)?.get(..len)?;
    *at += len;
    Some(bytes)
}
