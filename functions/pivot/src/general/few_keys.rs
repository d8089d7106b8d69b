//! The keys of a table that has few of them, by their values: they are found without being written. Where there are
//! many, this is given up.

use super::value::Value;
use foldhash::fast::RandomState;
use sluice::contract::ColumnKind;
use std::hash::{BuildHasher, Hasher};

/// How many keys there may be.
const MAX_KEYS: usize = 4_096;

/// A power of two.
const SLOTS: usize = 2 * MAX_KEYS;

/// How far from its slot a key may be: a key for which there is no room is found in the other way.
const MAX_STEPS: usize = 16;

/// Words of a key, at most: one of the lengths of its texts, of a text two, of a number or a moment one.
const WORDS: usize = 6;

/// The words of a key, those that it lacks zeros, and its row plus one; 0 if there is none.
type Slot = [u64; WORDS + 1];

/// Short keys, each with its row.
#[derive(Debug)]
pub(super) struct FewKeys {
    /// Nothing before the first key.
    slots: Vec<Slot>,
    len: usize,
    is_given_up: bool,
    hasher: RandomState,
}

/// A short key by its values, which all are of the type of their column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortKey {
    words: [u64; WORDS],
    /// Where it is, or soon after that.
    slot: usize,
}

impl FewKeys {
    /// None yet; none ever if this is not wanted.
    pub(super) fn new(is_wanted: bool) -> Self {
        Self { slots: Vec::new(), len: 0, is_given_up: !is_wanted, hasher: RandomState::default() }
    }

    /// The key of a row's values; `None` if it is a long one, or of other types, or there are many keys.
    #[inline]
    pub(super) fn key(&self, keys: &[(usize, ColumnKind)], values: &[Value<'_>]) -> Option<ShortKey> {
        if self.is_given_up {
            return None;
        }
        let mut words = [0; WORDS];
        let (mut count, mut lengths) = (1, 0);
        for (slot, _) in keys {
            match &values[*slot] {
                Value::Moment(number) | Value::Integer(number) => {
                    *words.get_mut(count)? = number.cast_unsigned();
                    count += 1;
                }
                Value::Text(text) => {
                    words.get_mut(count..count + 2)?.copy_from_slice(&words_of(text)?);
                    count += 2;
                    lengths = lengths << 8 | text.len() as u64;
                }
                Value::Null | Value::Decimal(_) | Value::Boolean(_) => return None,
            }
        }
        words[0] = lengths;
        let mut hasher = self.hasher.build_hasher();
        words[..count].iter().for_each(|word| hasher.write_u64(*word));
        let slot = usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or_default();
        Some(ShortKey { words, slot })
    }

    /// The row of a key, if it is here.
    #[inline]
    pub(super) fn find(&self, key: &ShortKey) -> Option<usize> {
        for step in 0..MAX_STEPS {
            let [words @ .., row] = self.slots.get((key.slot + step) % SLOTS)?;
            let row = row.checked_sub(1)?;
            if *words == key.words {
                return usize::try_from(row).ok();
            }
        }
        None
    }

    /// Remembers the row of a key that is not here.
    pub(super) fn insert(&mut self, key: &ShortKey, row: usize) {
        if self.len == MAX_KEYS {
            *self = Self::new(false);
            return;
        }
        if self.slots.is_empty() {
            self.slots = vec![[0; WORDS + 1]; SLOTS];
        }
        let mut near = (0..MAX_STEPS).map(|step| (key.slot + step) % SLOTS);
        let Some(slot) = near.find(|slot| self.slots[*slot][WORDS] == 0) else { return };
        self.slots[slot][..WORDS].copy_from_slice(&key.words);
        self.slots[slot][WORDS] = row as u64 + 1;
        self.len += 1;
    }
}

/// All bytes of a text of at most sixteen: with its length they tell it from any other.
#[inline]
fn words_of(text: &[u8]) -> Option<[u64; 2]> {
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        return (text.len() <= 16).then(|| [*first, *last].map(u64::from_le_bytes));
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        return Some([*first, *last].map(|half| u64::from(u32::from_le_bytes(half))));
    }
    let byte = |place: usize| text.get(place).map_or(0, |byte| u64::from(*byte));
    Some([byte(0) | byte(1) << 8 | byte(2) << 16, 0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const KEYS: [(usize, ColumnKind); 3] = [(0, ColumnKind::Text), (2, ColumnKind::Bigint), (1, ColumnKind::Text)];

    fn values<'t>(one: &'t str, other: &'t str, number: i64) -> [Value<'t>; 3] {
        let text = |text: &'t str| Value::Text(text.as_bytes().into());
        [text(one), text(other), Value::Integer(number)]
    }

    proptest! {
        #[test]
        fn keys_are_found_by_all_of_their_values(
            rows in prop::collection::vec(("[ab\u{0}]{0,17}", "[ab]{0,4}", -1..2_i64), 1..200),
        ) {
            let (mut few, mut known) = (FewKeys::new(true), HashMap::new());
            for row in &rows {
                let (one, other, number) = row;
                let Some(key) = few.key(&KEYS, &values(one, other, *number)) else {
                    prop_assert!(one.len() > 16);
                    continue;
                };
                prop_assert_eq!(few.find(&key), known.get(row).copied());
                if !known.contains_key(row) {
                    few.insert(&key, known.len());
                    known.insert(row.clone(), known.len());
                }
            }
        }
    }

    #[test]
    fn many_keys_are_given_up() {
        let keys = [(0, ColumnKind::Bigint)];
        let key = |few: &FewKeys, number: usize| few.key(&keys, &[Value::Integer(i64::try_from(number).unwrap())]);
        let mut few = FewKeys::new(true);
        for number in 0..MAX_KEYS + 1_000 {
            let Some(key) = key(&few, number) else { break };
            few.insert(&key, number);
            assert!(few.find(&key).is_none_or(|row| row == number));
        }
        assert!(key(&few, 0).is_none() && few.slots.is_empty());
        assert!(FewKeys::new(false).key(&keys, &[Value::Integer(0)]).is_none());
        assert!(FewKeys::new(true).key(&keys, &[Value::Null]).is_none());
    }
}
