//! Numbers of at most sixteen characters, all of whose digits are read at once.

use super::decimal::Decimal;
use super::field::{FieldPrefix, LENGTH_MASKS};
use super::simd_digits;
use wide::u8x16;

/// A number of at most sixteen digits: `magnitude / 10^decimals`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    pub(super) magnitude: i64,
    pub(super) decimals: usize,
}

/// Without zeros at the end of its decimals.
impl From<Digits> for Decimal {
    #[inline(always)]
    fn from(Digits { mut magnitude, mut decimals }: Digits) -> Self {
        while decimals > 0 && magnitude % 10 == 0 {
            (magnitude, decimals) = (magnitude / 10, decimals - 1);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most sixteen")]
        let scale = decimals as u32;
        Self { mantissa: magnitude.into(), scale }
    }
}

/// All of a number's digits at once. They are moved to the end of sixteen, without the mark between them: `-31.5`
/// becomes `0000000000000315`.
#[inline(always)]
pub(super) fn at_once(prefix: FieldPrefix<'_>, mark: u8) -> Option<Digits> {
    let len = prefix.len;
    let marks = places_of(prefix, mark)?;
    let mark_count = marks.count_ones();
    if mark_count > 1 || len <= usize::from(prefix.bytes[0] == b'-') + mark_count as usize {
        return None;
    }
    // What is in front of the mark has one place more to go.
    let (in_front, decimals) = match mark_count {
        0 => (0, 0),
        _ => (marks.trailing_zeros() as usize + 17 - len, len - 1 - marks.trailing_zeros() as usize),
    };
    digits_at_once(prefix, LENGTH_MASKS[in_front], decimals)
}

/// The same of a number with one or two marks between groups of three digits.
#[inline(always)]
pub(super) fn groups_at_once(prefix: FieldPrefix<'_>, mark: u8, group: u8) -> Option<Digits> {
    let len = prefix.len;
    let (marks, groups) = (places_of(prefix, mark)?, places_of(prefix, group)?);
    let mark_count = marks.count_ones() as usize;
    if mark_count > 1 {
        return None;
    }
    let start = usize::from(prefix.bytes[0] == b'-');
    let whole_end = len.min(marks.trailing_zeros() as usize);
    let last = whole_end.checked_sub(start + 5).filter(|_| prefix.bytes[start] != b'0')? + start + 1;
    // What is in front of a mark that so many others follow.
    let in_front = |place: usize, behind: usize| LENGTH_MASKS[place + 17 + behind - len];
    let before_mark = if mark_count == 1 { in_front(whole_end, 0) } else { u8x16::ZERO };
    let moves = before_mark + in_front(last, mark_count);
    let moves = match last - start {
        1..=3 if groups == 1 << last => moves,
        5..=7 if groups == 1 << last | 1 << (last - 4) => moves + in_front(last - 4, mark_count + 1),
        _ => return None,
    };
    digits_at_once(prefix, moves, len - whole_end - mark_count)
}

/// A bit for each place of a mark in a text of at most sixteen bytes.
#[inline(always)]
pub(super) fn places_of(FieldPrefix { bytes, len }: FieldPrefix<'_>, mark: u8) -> Option<u32> {
    let mask = LENGTH_MASKS.get(len)?;
    Some((u8x16::new(*bytes.first_chunk()?).simd_eq(u8x16::splat(mark)) & *mask).to_bitmask())
}

/// Digits that are moved to the end of sixteen, each by its own number of places more; so many are decimals.
#[inline(always)]
fn digits_at_once(FieldPrefix { bytes, len }: FieldPrefix<'_>, moves: u8x16, decimals: usize) -> Option<Digits> {
    const PLACES: u8x16 = u8x16::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    /// A minus sign is masked out at the start only.
    const SIGN: u8x16 = u8x16::new(*b"-000000000000000");
    let text = u8x16::new(*bytes.first_chunk()?);
    let mask = LENGTH_MASKS.get(len)?;
    let is_negative = bytes[0] == b'-';
    let places = PLACES + u8x16::splat(u8::try_from(len).ok()?.wrapping_sub(16)) + moves;
    // A place before the first character is one above 127, and becomes a zero.
    let values = (simd_digits::values(text) & *mask & !text.simd_eq(SIGN)).shuffle_zeroing(places);
    if !simd_digits::are_digits(values) {
        return None;
    }
    let [first, last] = simd_digits::eights(values);
    let magnitude = i64::from(first) * 100_000_000 + i64::from(last);
    Some(Digits { magnitude: if is_negative { -magnitude } else { magnitude }, decimals })
}
