//! Where fields and lines end in a piece of text: all of it is found, block by block, before any line is looked at. So the next line need
//! not wait for the end of this one.

use crate::records::{Fields, HEAD_BYTES, Head};
use crate::separators::{BLOCK_BYTES, Separators};

/// How much is laid out at once: so little that it stays in the fastest cache, with its places.
const PIECE_BYTES: usize = 4_096;

/// A piece, and what may be read behind a field that begins at its end.
type Piece = [u8; PIECE_BYTES + HEAD_BYTES];

/// How many places are written down at once, whether there are as many or not.
const AT_ONCE: usize = 8;

/// One before all others, at most one per byte, and what is written beyond the last one: rounded up, so that a mask does for a bound.
type Places = [u16; 2 * PIECE_BYTES + AT_ONCE];

/// Only what is below these is asked for, so they change nothing; but the compiler sees it too, and leaves its checks out.
const PIECE_MASK: usize = PIECE_BYTES - 1;
const PLACES_MASK: usize = 2 * PIECE_BYTES - 1;

const BEFORE_THE_FIRST: u16 = u16::MAX;

const NEXT_BLOCK: u16 = 64;
const _: () = assert!(NEXT_BLOCK as usize == BLOCK_BYTES);

const MOST_BLOCKS: usize = PIECE_BYTES / BLOCK_BYTES;
const FEWEST_BLOCKS: usize = 4;

/// The places of a piece, counted from its start.
#[derive(Debug)]
pub struct Layout {
    /// Where fields end, each place in front of the next field; the first one is in front of the piece.
    ends: Box<Places>,
    /// How many blocks are worth a look: few where line after line has to be left to the slow lane.
    blocks: usize,
    /// The end of a chunk, and zeros.
    last: Box<Piece>,
}

/// Lines that have the same number of fields, no quotes, and are UTF-8.
#[derive(Debug)]
pub struct Lines<'a> {
    piece: &'a Piece,
    ends: &'a Places,
    width: usize,
    count: usize,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    piece: &'a Piece,
    ends: &'a Places,
    /// Which of them is in front of its first field.
    first: usize,
    /// Where its last field ends: before the line feed there may be a CR.
    end: usize,
}

impl Default for Layout {
    fn default() -> Self {
        let mut ends: Box<Places> = Box::new([0; _]);
        ends[0] = BEFORE_THE_FIRST;
        Self { ends, blocks: MOST_BLOCKS, last: Box::new([0; _]) }
    }
}

impl Layout {
    /// The lines at the head of `ahead` that have `width` fields: as many as are laid out at once, up to one that is different.
    #[inline(always)]
    pub fn lines<'a>(&'a mut self, ahead: &'a [u8], width: usize) -> Lines<'a> {
        let Self { ends, blocks, last } = self;
        let piece = ahead.first_chunk().unwrap_or_else(|| padded(ahead, last));
        let mut found = find(piece, ends, *blocks);
        if found.line_feeds == 0 && *blocks < MOST_BLOCKS {
            found = find_all(piece, ends);
        }
        let mut count = found.line_feeds;
        *blocks = (2 * *blocks).min(MOST_BLOCKS);
        if !are_equal(piece, ends, width, &found) {
            *blocks = FEWEST_BLOCKS;
            let ends = &ends[1..found.places];
            let is_odd = |(at, end): &(usize, &u16)| is_line_feed(piece, **end) != (at + 1).is_multiple_of(width);
            count = ends.iter().enumerate().find(is_odd).map_or(ends.len(), |(at, _)| at) / width;
        }
        if !found.is_ascii {
            count = count_text(piece, ends, width, count);
        }
        Lines { piece, ends, width, count }
    }
}

/// What was found in a piece, up to a quote.
struct Found {
    places: usize,
    line_feeds: usize,
    is_ascii: bool,
}

/// Finds where fields end in the first `blocks` of a piece.
#[inline(always)]
fn find(piece: &Piece, ends: &mut Places, blocks: usize) -> Found {
    let (all, _) = piece.as_chunks::<BLOCK_BYTES>();
    let mut found = Found { places: 1, line_feeds: 0, is_ascii: true };
    let mut base = 0;
    for block in &all[..blocks] {
        let here = Separators::find(block);
        if here.is_odd {
            found.is_ascii = false;
            if let Some(quote) = block.iter().position(|byte| *byte == b'"') {
                found.add_last(ends, base, here.before(quote));
                break;
            }
        }
        found.add(ends, base, here);
        base += NEXT_BLOCK;
    }
    found
}

/// The same in all of it. Apart, so that the loop stands once where rows are usual, with its values in registers.
#[cold]
fn find_all(piece: &Piece, ends: &mut Places) -> Found {
    find(piece, ends, MOST_BLOCKS)
}

impl Found {
    /// Writes down what a block holds.
    #[inline(always)]
    fn add(&mut self, ends: &mut Places, base: u16, here: Separators) {
        put(ends, self.places, base, here.ends);
        self.places += here.ends.count_ones() as usize;
        self.line_feeds += here.line_feeds.count_ones() as usize;
    }

    /// The same before a quote; apart likewise.
    #[cold]
    fn add_last(&mut self, ends: &mut Places, base: u16, here: Separators) {
        self.add(ends, base, here);
    }
}

#[inline(always)]
fn is_line_feed(piece: &Piece, place: u16) -> bool {
    piece[usize::from(place) & PIECE_MASK] == b'\n'
}

/// Whether all lines have `width` fields.
#[inline(always)]
fn are_equal(piece: &Piece, ends: &Places, width: usize, found: &Found) -> bool {
    let (mut are_equal, mut at) = (found.line_feeds * width < found.places, 0);
    for _ in 0..found.line_feeds {
        at += width;
        are_equal &= is_line_feed(piece, ends[at & PLACES_MASK]);
    }
    are_equal
}

/// How many of the first `count` lines are UTF-8.
#[cold]
fn count_text(piece: &Piece, ends: &Places, width: usize, count: usize) -> usize {
    let text = match std::str::from_utf8(&piece[..usize::from(ends[count * width].wrapping_add(1))]) {
        Ok(_) => return count,
        Err(error) => error.valid_up_to(),
    };
    (1..=count).take_while(|line| usize::from(ends[line * width]) < text).count()
}

/// What is too short for a piece as one.
#[cold]
fn padded<'a>(ahead: &[u8], last: &'a mut Piece) -> &'a Piece {
    last[..ahead.len()].copy_from_slice(ahead);
    last[ahead.len()..].fill(0);
    last
}

/// Writes down the places that `bits` say.
#[inline(always)]
fn put(places: &mut Places, mut at: usize, base: u16, mut bits: u64) {
    loop {
        let at_once: &mut [u16; AT_ONCE] =
            places[at & PLACES_MASK..].first_chunk_mut().unwrap_or_else(|| unreachable!());
        for place in at_once {
            #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
            let within = bits.trailing_zeros() as u16;
            *place = base + within;
            bits &= bits.wrapping_sub(1);
        }
        if bits == 0 {
            return;
        }
        at += AT_ONCE;
    }
}

impl<'a> Lines<'a> {
    /// How many there are.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The line at `position`, from 0; there must be one.
    #[inline(always)]
    pub fn row(&self, position: usize) -> Row<'a> {
        let Self { piece, ends, width, .. } = *self;
        let first = position * width;
        let end = usize::from(ends[(first + width) & PLACES_MASK]);
        let has_cr = piece[end.wrapping_sub(1) & PIECE_MASK] == b'\r';
        Row { piece, ends, first, end: end - usize::from(has_cr) }
    }

    /// How many bytes the first `count` lines have.
    #[inline(always)]
    pub fn len(&self, count: usize) -> usize {
        usize::from(self.ends[(count * self.width) & PLACES_MASK].wrapping_add(1))
    }
}

impl Row<'_> {
    /// From where to where the field at `position` stands in the piece; there must be one.
    #[inline(always)]
    fn place(&self, position: usize) -> (usize, usize) {
        let at = (self.first + position) & PLACES_MASK;
        let start = usize::from(self.ends[at].wrapping_add(1)) & PIECE_MASK;
        (start, usize::from(self.ends[at + 1]).min(self.end))
    }
}

impl<'a> Fields<'a> for Row<'a> {
    #[inline(always)]
    fn head(&self, position: usize) -> Option<Head<'a>> {
        let (start, end) = self.place(position);
        Some(Head { bytes: self.piece[start..].first_chunk()?, len: end - start })
    }

    #[inline(always)]
    fn text(&self, position: usize) -> Option<&'a [u8]> {
        let (start, end) = self.place(position);
        self.piece.get(start..end)
    }
}
