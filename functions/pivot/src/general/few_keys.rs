//! The keys of a table that has few of them, by their values: they are found without being written. Where there are
//! many, this is given up.

use super::columns::{Cell, Line};
use super::value::Value;
use crate::value::field::{FieldPrefix, LENGTH_MASKS};
use foldhash::fast::RandomState;
use sluice::contract::ColumnKind;
use std::hash::{BuildHasher, Hasher};
use wide::{bytemuck, u8x16};

/// How many keys there may be.
const MAX_KEYS: usize = 4_096;

/// A power of two.
const SLOTS: usize = 2 * MAX_KEYS;

/// How far from its slot a key may be: a key for which there is no room is found in the other way.
const MAX_STEPS: usize = 16;

/// Words of a key, at most: of a text two, of a number or a moment one.
const WORDS: usize = 5;

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

    /// Whether none is ever found.
    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// The key of a row's values; `None` if it is a long one, or of other types, or there are many keys.
    #[inline]
    pub(super) fn key(&self, keys: &[(usize, ColumnKind)], values: &[Value<'_>]) -> Option<ShortKey> {
        if self.is_given_up {
            return None;
        }
        let mut words = Words::default();
        for (slot, _) in keys {
            match &values[*slot] {
                Value::Moment(number) | Value::Integer(number) => words.push(number.cast_unsigned())?,
                Value::Text(text) => words.push_text(words_of(text)?)?,
                Value::Null | Value::Decimal(_) | Value::Boolean(_) => return None,
            }
        }
        Some(self.placed(&words))
    }

    /// The row of the key of a line, if it is here.
    #[inline]
    pub(super) fn row_of(&self, keys: &[(usize, ColumnKind)], line: &Line<'_>) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let mut words = Words::default();
        for (slot, _) in keys {
            match line.cell(*slot) {
                Cell::Moment(number) | Cell::Integer(number) => words.push(number.cast_unsigned())?,
                Cell::Text(prefix, _) => words.push_text(words_of_field(prefix)?)?,
                Cell::Number(_) => return None,
            }
        }
        self.find(&self.placed(&words))
    }

    #[inline]
    fn placed(&self, words: &Words) -> ShortKey {
        let mut hasher = self.hasher.build_hasher();
        words.words[..words.len].iter().for_each(|word| hasher.write_u64(*word));
        let slot = usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or_default();
        ShortKey { words: words.words, slot }
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

/// The words of a key, as they are put together.
#[derive(Default)]
struct Words {
    words: [u64; WORDS],
    len: usize,
}

impl Words {
    /// `None` if there are too many.
    #[inline(always)]
    fn push(&mut self, word: u64) -> Option<()> {
        *self.words.get_mut(self.len)? = word;
        self.len += 1;
        Some(())
    }

    #[inline(always)]
    fn push_text(&mut self, [first, second]: [u64; 2]) -> Option<()> {
        self.push(first)?;
        self.push(second)
    }
}

/// All bytes of a text of at most sixteen, and zeros behind them. A text has no zeros itself, so that this tells it
/// from any other.
fn words_of(text: &[u8]) -> Option<[u64; 2]> {
    let mut bytes = [0; 16];
    bytes.get_mut(..text.len())?.copy_from_slice(text);
    Some(bytemuck::cast(bytes))
}

/// The same of a field.
#[inline(always)]
fn words_of_field(FieldPrefix { bytes, len }: FieldPrefix<'_>) -> Option<[u64; 2]> {
    Some(bytemuck::cast(u8x16::new(*bytes.first_chunk()?) & *LENGTH_MASKS.get(len)?))
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
            rows in prop::collection::vec(("[ab]{0,17}", "[ab]{0,4}", -1..2_i64), 1..200),
        ) {
            let (mut few, mut known) = (FewKeys::new(true), HashMap::new());
            for row in &rows {
                let (one, other, number) = row;
                let Some(key) = few.key(&KEYS, &values(one, other, *number)) else {
                    prop_assert!(one.len() > 16);
                    continue;
                };
                prop_assert_eq!(few.find(&key), known.get(row).copied());
                let ahead = format!("{one},{other},and what follows, up to the length that is loaded");
                let field = FieldPrefix::new(ahead.as_bytes(), one.len()).unwrap();
                prop_assert_eq!(words_of_field(field), words_of(one.as_bytes()));
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
