//! From a category to its column.

use crate::value::field::{FieldPrefix, LENGTH_MASKS};
use foldhash::quality::RandomState;
use std::collections::HashMap;
use wide::{bytemuck, u8x16};

/// The categories of a spec, each with the index of its column.
#[derive(Debug)]
pub(crate) struct Categories {
    all: HashMap<Vec<u8>, usize, RandomState>,
    /// A perfect hash table of those of at most [`SHORT_BYTES`] bytes, each in a slot of its own; empty if no
    /// multiplier was found that puts them so.
    slots: [Slot; SLOTS],
    multiplier: u64,
}

/// What fits into two words.
const SHORT_BYTES: usize = 16;

/// A power of two.
const SLOTS: usize = 64;

/// How many multipliers are tried to make the hash perfect.
const TRIES: u64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Slot {
    /// The first character its lowest byte.
    text: u128,
    /// More than any field has, if the slot is empty.
    len: usize,
    index: usize,
}

const EMPTY: Slot = Slot { text: 0, len: usize::MAX, index: 0 };

impl FromIterator<(Vec<u8>, usize)> for Categories {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, usize)>>(categories: I) -> Self {
        let all: HashMap<_, _, _> = categories.into_iter().collect();
        let mut short: Vec<Slot> = Vec::new();
        for (category, &index) in &all {
            let mut bytes = [0; SHORT_BYTES];
            if category.len() > SHORT_BYTES {
                continue;
            }
            bytes[..category.len()].copy_from_slice(category);
            short.push(Slot { text: bytemuck::cast(bytes), len: category.len(), index });
        }
        let laid_out = (0..TRIES).find_map(|number| {
            let multiplier = (2 * number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut slots = [EMPTY; SLOTS];
            for slot in &short {
                let there = &mut slots[slot_of(slot.text, multiplier)];
                if *there != EMPTY {
                    return None;
                }
                *there = *slot;
            }
            Some((slots, multiplier))
        });
        let (slots, multiplier) = laid_out.unwrap_or(([EMPTY; SLOTS], 1));
        Self { all, slots, multiplier }
    }
}

#[inline(always)]
fn slot_of(text: u128, multiplier: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let word = text as u64 ^ (text >> 64) as u64;
    #[expect(clippy::cast_possible_truncation, reason = "a few upper bits")]
    let index = (word.wrapping_mul(multiplier) >> (u64::BITS - SLOTS.trailing_zeros())) as usize;
    index
}

impl Categories {
    /// The index of a category's column.
    pub(crate) fn get(&self, category: &[u8]) -> Option<usize> {
        self.all.get(category).copied()
    }

    /// Fast path for short categories; `None` if it is unknown or has to be looked up by [`Categories::get`].
    #[inline(always)]
    pub(crate) fn get_fast(&self, prefix: FieldPrefix<'_>) -> Option<usize> {
        let text: u128 = bytemuck::cast(u8x16::new(*prefix.bytes.first_chunk()?) & *LENGTH_MASKS.get(prefix.len)?);
        let slot = &self.slots[slot_of(text, self.multiplier)];
        // The length too, since a text that ends in NULs is longer than it looks.
        (slot.text == text && slot.len == prefix.len).then_some(slot.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_path_knows_the_same_ones() {
        let names = ["Work", "Wor", "Working sixteens", "Working seventeen", "W\0", "é"];
        let few: Categories = (0..).zip(names).map(|(index, name)| (name.as_bytes().to_vec(), index)).collect();
        let many: Categories = (0..100).map(|index| (format!("category {index}").into_bytes(), index)).collect();
        for categories in [&few, &many] {
            for name in names.iter().chain(&["", "work", "W", "Work ", "category 7"]) {
                let ahead = format!("{name},and more behind it, all the way");
                let fast = FieldPrefix::new(ahead.as_bytes(), name.len()).and_then(|field| categories.get_fast(field));
                assert!(fast.is_none() || fast == categories.get(name.as_bytes()), "{name}");
            }
        }
        let work = FieldPrefix::new(b"Work,and more behind it, all the way", 4).unwrap();
        assert_eq!(few.get_fast(work), few.get(b"Work"));
        assert!(few.get_fast(work).is_some());
    }
}
