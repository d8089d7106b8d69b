//! The fast path: where fields and lines end in a block of text. All of it is found, chunk by chunk, before any line is
//! read, so the next line need not wait for the end of this one.
//!
//! For the block `ab,c\nd,e\n` and a width of two, `ends` is `[-1, 2, 4, 6, 8]`: the offsets of delimiters and line
//! feeds, after a sentinel. Field `f` of line `l` lies between `ends[2 * l + f] + 1` and `ends[2 * l + f + 1]`.

use super::bitmask::{Bitmask, CHUNK_BYTES};
use super::quotes::Quotes;
use super::record::{Dialect, RawFields};
use crate::value::field::{FieldPrefix, PREFIX_BYTES};

/// Length of a block: so little that it stays in the fastest cache, with its offsets.
const BLOCK_BYTES: usize = 4_096;

/// A block, and what may be loaded after a field that begins at its end.
type Block = [u8; BLOCK_BYTES + PREFIX_BYTES];

/// How many offsets are stored at once, whether there are as many or not.
const OFFSETS_AT_ONCE: usize = 8;

/// One sentinel, at most one offset per byte, and slack for stores of eight: twice a block, so that a mask of its
/// index replaces the bounds check.
type Offsets = [u16; 2 * BLOCK_BYTES + OFFSETS_AT_ONCE];

/// Only indexes below these are used, so the masks change nothing; but with them the compiler omits its checks.
const BLOCK_MASK: usize = BLOCK_BYTES - 1;
const OFFSETS_MASK: usize = 2 * BLOCK_BYTES - 1;

/// The sentinel: one more is 0.
const BEFORE_THE_FIRST: u16 = u16::MAX;

const NEXT_CHUNK: u16 = 64;
const _: () = assert!(NEXT_CHUNK as usize == CHUNK_BYTES);

const MAX_CHUNKS: usize = BLOCK_BYTES / CHUNK_BYTES;
const MIN_CHUNKS: usize = 4;

/// Finds the lines of one block after the other.
#[derive(Debug)]
pub(super) struct BlockScanner {
    dialect: Dialect,
    /// Where fields end, counted from the start of the block; the first one is the sentinel.
    ends: Box<Offsets>,
    /// How many chunks are scanned: few where line after line has to take the slow path.
    chunks: usize,
    /// The end of a piece, padded with zeros.
    last: Box<Block>,
}

/// What lines may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// No quotes, and nothing but UTF-8.
    Text,
    /// Any bytes, and fields that are quoted as a whole, each on one line and without a quote within. They come as they
    /// stand there.
    Any,
}

/// Lines that have the same number of fields, and what they may have.
#[derive(Debug)]
pub struct BlockLines<'a> {
    block: &'a Block,
    ends: &'a Offsets,
    width: usize,
    count: usize,
}

/// Where a field is in its block, without quotes around it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u16,
    len: u16,
}

/// One of these lines.
#[derive(Clone, Copy, Debug)]
pub struct FastRow<'a> {
    block: &'a Block,
    ends: &'a Offsets,
    /// Index of the offset before its first field.
    first: usize,
    /// Where its last field ends: before the line feed there may be a CR.
    end: usize,
}

impl BlockScanner {
    /// Of lines of this dialect.
    pub(super) fn new(dialect: Dialect) -> Self {
        let mut ends: Box<Offsets> = Box::new([0; _]);
        ends[0] = BEFORE_THE_FIRST;
        Self { dialect, ends, chunks: MAX_CHUNKS, last: Box::new([0; _]) }
    }

    /// The lines at the head of `ahead` that have `width` fields: those of one block, up to one that is different.
    #[inline(always)]
    pub(super) fn lines<'a>(&'a mut self, ahead: &'a [u8], width: usize, takes: Takes) -> BlockLines<'a> {
        let Self { dialect, ends, chunks, last } = self;
        let block = ahead.first_chunk().unwrap_or_else(|| padded(ahead, last));
        let mut found = match takes {
            Takes::Text => find(block, *dialect, ends, *chunks),
            Takes::Any => find_quoted(block, *dialect, ends, *chunks),
        };
        if found.line_feeds == 0 && *chunks < MAX_CHUNKS {
            found = find_all(block, *dialect, ends, takes);
        }
        let mut count = found.line_feeds;
        *chunks = (2 * *chunks).min(MAX_CHUNKS);
        if !are_equal(block, ends, width, &found) {
            *chunks = MIN_CHUNKS;
            let ends = &ends[1..found.offsets];
            let is_other = |(at, end): &(usize, &u16)| is_line_feed(block, **end) != (at + 1).is_multiple_of(width);
            count = ends.iter().enumerate().find(is_other).map_or(ends.len(), |(at, _)| at) / width;
        }
        if takes == Takes::Text && !found.is_ascii {
            count = count_text(block, ends, width, count);
        }
        BlockLines { block, ends, width, count }
    }
}

/// What was found in a block, up to a quote; `offsets` counts the sentinel too.
struct Found {
    offsets: usize,
    line_feeds: usize,
    is_ascii: bool,
}

/// Finds where fields end in the first `chunks` of a block.
#[inline(always)]
fn find(block: &Block, dialect: Dialect, ends: &mut Offsets, chunks: usize) -> Found {
    let (all, _) = block.as_chunks::<CHUNK_BYTES>();
    let mut found = Found { offsets: 1, line_feeds: 0, is_ascii: true };
    let mut base = 0;
    for chunk in &all[..chunks] {
        let here = Bitmask::of(chunk, dialect.delimiter);
        if here.is_unusual {
            found.is_ascii = false;
            if let Some(quote) = chunk.iter().position(|byte| *byte == b'"') {
                found.add_last(ends, base, here.before(quote));
                break;
            }
        }
        found.add(ends, base, here);
        base += NEXT_CHUNK;
    }
    found
}

/// The same where fields may be quoted.
#[inline(always)]
fn find_quoted(block: &Block, dialect: Dialect, ends: &mut Offsets, chunks: usize) -> Found {
    let (all, _) = block.as_chunks::<CHUNK_BYTES>();
    let mut found = Found { offsets: 1, line_feeds: 0, is_ascii: true };
    let (mut base, mut quotes) = (0, Quotes::new(dialect));
    for chunk in &all[..chunks] {
        let (here, is_last) = quotes.pass(chunk, Bitmask::of(chunk, dialect.delimiter));
        found.add(ends, base, here);
        if is_last {
            break;
        }
        base += NEXT_CHUNK;
    }
    found
}

/// The same in all of it. Not inlined, so that the loop of the common case keeps its values in registers.
#[cold]
fn find_all(block: &Block, dialect: Dialect, ends: &mut Offsets, takes: Takes) -> Found {
    match takes {
        Takes::Text => find(block, dialect, ends, MAX_CHUNKS),
        Takes::Any => find_quoted(block, dialect, ends, MAX_CHUNKS),
    }
}

impl Found {
    /// Adds the separators of a chunk.
    #[inline(always)]
    fn add(&mut self, ends: &mut Offsets, base: u16, here: Bitmask) {
        put(ends, self.offsets, base, here.ends);
        self.offsets += here.ends.count_ones() as usize;
        self.line_feeds += here.line_feeds.count_ones() as usize;
    }

    /// The same before a quote; not inlined for the same reason.
    #[cold]
    fn add_last(&mut self, ends: &mut Offsets, base: u16, here: Bitmask) {
        self.add(ends, base, here);
    }
}

#[inline(always)]
fn is_line_feed(block: &Block, offset: u16) -> bool {
    block[usize::from(offset) & BLOCK_MASK] == b'\n'
}

/// Whether all lines have `width` fields: then every offset at a multiple of `width` is a line feed, and there are no
/// more.
#[inline(always)]
fn are_equal(block: &Block, ends: &Offsets, width: usize, found: &Found) -> bool {
    let (mut are_equal, mut at) = (found.line_feeds * width < found.offsets, 0);
    for _ in 0..found.line_feeds {
        at += width;
        are_equal &= is_line_feed(block, ends[at & OFFSETS_MASK]);
    }
    are_equal
}

/// How many of the first `count` lines are UTF-8.
#[cold]
fn count_text(block: &Block, ends: &Offsets, width: usize, count: usize) -> usize {
    let text = match std::str::from_utf8(&block[..usize::from(ends[count * width].wrapping_add(1))]) {
        Ok(_) => return count,
        Err(error) => error.valid_up_to(),
    };
    (1..=count).take_while(|line| usize::from(ends[line * width]) < text).count()
}

/// Pads a text that is shorter than a block.
#[cold]
fn padded<'a>(ahead: &[u8], last: &'a mut Block) -> &'a Block {
    last[..ahead.len()].copy_from_slice(ahead);
    last[ahead.len()..].fill(0);
    last
}

/// Stores the offsets of the set bits, eight at a time: those beyond the last one are overwritten by the next call.
#[inline(always)]
fn put(offsets: &mut Offsets, mut at: usize, base: u16, mut bits: u64) {
    loop {
        let at_once: &mut [u16; OFFSETS_AT_ONCE] =
            offsets[at & OFFSETS_MASK..].first_chunk_mut().unwrap_or_else(|| unreachable!());
        for offset in at_once {
            #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
            let within = bits.trailing_zeros() as u16;
            *offset = base + within;
            bits &= bits.wrapping_sub(1);
        }
        if bits == 0 {
            return;
        }
        at += OFFSETS_AT_ONCE;
    }
}

impl<'a> BlockLines<'a> {
    /// How many there are.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The line at `position`, from 0; there must be one.
    #[inline(always)]
    pub(crate) fn row(&self, position: usize) -> FastRow<'a> {
        let Self { block, ends, width, .. } = *self;
        let first = position * width;
        let end = usize::from(ends[(first + width) & OFFSETS_MASK]);
        let has_cr = block[end.wrapping_sub(1) & BLOCK_MASK] == b'\r';
        FastRow { block, ends, first, end: end - usize::from(has_cr) }
    }

    /// Where the field at `position` of each line is; every line must have one.
    #[inline(always)]
    pub(crate) fn spans(&self, position: usize) -> impl Iterator<Item = Span> {
        (0..self.count).map(move |line| self.span(line, position))
    }

    #[inline(always)]
    fn span(&self, line: usize, position: usize) -> Span {
        let at = (line * self.width + position) & OFFSETS_MASK;
        let (start, mut end) = (self.ends[at].wrapping_add(1), self.ends[at + 1]);
        let byte = |offset: u16| self.block[usize::from(offset) & BLOCK_MASK];
        if position + 1 == self.width && end > start && byte(end - 1) == b'\r' {
            end -= 1;
        }
        let len = end.saturating_sub(start);
        let is_quoted = byte(start) == b'"' && len >= 2;
        if is_quoted { Span { start: start + 1, len: len - 2 } } else { Span { start, len } }
    }

    /// A field and what follows it.
    #[inline(always)]
    pub(crate) fn prefix(&self, span: Span) -> FieldPrefix<'a> {
        let ahead = &self.block[usize::from(span.start) & BLOCK_MASK..];
        FieldPrefix { bytes: ahead.first_chunk().unwrap_or_else(|| unreachable!()), len: span.len.into() }
    }

    /// A field alone.
    #[inline(always)]
    pub(crate) fn text(&self, span: Span) -> &'a [u8] {
        let start = usize::from(span.start);
        self.block.get(start..start + usize::from(span.len)).unwrap_or_default()
    }

    /// How many bytes the first `count` lines have.
    #[inline(always)]
    pub(super) fn len(&self, count: usize) -> usize {
        usize::from(self.ends[(count * self.width) & OFFSETS_MASK].wrapping_add(1))
    }
}

impl<'a> FastRow<'a> {
    /// The first byte of the field at `position`, or what it begins with within quotes; of an empty one what follows
    /// it. There must be one.
    #[inline(always)]
    pub(crate) fn first_byte(&self, position: usize) -> u8 {
        let at = (self.first + position) & OFFSETS_MASK;
        let start = usize::from(self.ends[at].wrapping_add(1)) & BLOCK_MASK;
        let [first, second] = [self.block[start], self.block[start + 1]];
        if first == b'"' { second } else { first }
    }

    /// The field at `position` without the first and the last of its bytes, of which it must have two.
    #[inline]
    pub(crate) fn prefix_within(&self, position: usize) -> Option<FieldPrefix<'a>> {
        let (start, end) = self.range(position);
        let len = (end - start).checked_sub(2)?;
        Some(FieldPrefix { bytes: self.block.get(start + 1..)?.first_chunk()?, len })
    }

    /// Start and end in the block of the field at `position`; there must be one.
    #[inline(always)]
    fn range(&self, position: usize) -> (usize, usize) {
        let at = (self.first + position) & OFFSETS_MASK;
        let start = usize::from(self.ends[at].wrapping_add(1)) & BLOCK_MASK;
        (start, usize::from(self.ends[at + 1]).min(self.end))
    }
}

impl<'a> RawFields<'a> for FastRow<'a> {
    #[inline(always)]
    fn prefix(&self, position: usize) -> Option<FieldPrefix<'a>> {
        let (start, end) = self.range(position);
        Some(FieldPrefix { bytes: self.block[start..].first_chunk()?, len: end - start })
    }

    #[inline(always)]
    fn text(&self, position: usize) -> Option<&'a [u8]> {
        let (start, end) = self.range(position);
        self.block.get(start..end)
    }
}
