//! Keys as they are written into a part, each with the number of its row.

use super::full::Full;
use crate::sums::{MAX_KEY_BYTES, MAX_KEYS};
use foldhash::quality::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Different keys, by the numbers of their rows, which they get in the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
    /// By the hash of the keys, with open addressing; a power of two, half of them empty.
    slots: Vec<Slot>,
    hasher: RandomState,
}

/// A key's hash, and its row plus one; 0 if there is none. An array, of which as many zeros as are wanted cost nothing
/// before they are used.
type Slot = [u32; 2];

/// A place for a key that has no row: valid until the next one is inserted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Free {
    hash: u32,
    slot: usize,
}

const LEAST_SLOTS: usize = 64;

impl KeyIndex {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The key of a row.
    pub(crate) fn key(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[row] as usize]
    }

    /// The hash of a key. That of keys which differ in the last three bits only differs in these: the slots of eight
    /// numbers or days that follow one another share a cache line.
    #[inline]
    fn hash(&self, key: &[u8]) -> u32 {
        const NEAR: u8 = 7;
        let (last, rest) = key.split_last().unwrap_or((&0, &[]));
        let mut hasher = self.hasher.build_hasher();
        hasher.write(rest);
        hasher.write_u8(last & !NEAR);
        // Truncated on purpose: there are fewer slots than the half has numbers.
        let hash = (hasher.finish() >> u32::BITS) as u32;
        hash & !u32::from(NEAR) | u32::from(last & NEAR)
    }

    /// The row of a key, or where it would go.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Result<usize, Free> {
        let hash = self.hash(key);
        let Some(mask) = self.slots.len().checked_sub(1) else { return Err(Free { hash, slot: 0 }) };
        let mut slot = hash as usize & mask;
        loop {
            let [there, row] = self.slots[slot];
            match row.checked_sub(1) {
                None => return Err(Free { hash, slot }),
                Some(row) if there == hash && self.key(row as usize) == key => return Ok(row as usize),
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }

    /// Gives a key the next row, at the place that was found for it.
    ///
    /// # Errors
    /// [`Full::TooManyKeys`]; everything stays as it was.
    pub(crate) fn insert(&mut self, key: &[u8], free: Free) -> Result<usize, Full> {
        let row = self.len();
        let end = self.bytes.len() + key.len();
        let (Ok(end), true) = (u32::try_from(end), row < MAX_KEYS && end <= MAX_KEY_BYTES) else {
            return Err(Full::TooManyKeys);
        };
        let Free { hash, mut slot } = free;
        if 2 * (row + 1) > self.slots.len() {
            self.grow();
            slot = self.empty_slot(hash);
        }
        self.bytes.extend_from_slice(key);
        self.ends.push(end);
        self.slots[slot] = [hash, u32::try_from(row + 1).expect("at most MAX_KEYS")];
        Ok(row)
    }

    fn grow(&mut self) {
        let slots: Vec<Slot> = vec![[0; 2]; (2 * self.slots.len()).max(LEAST_SLOTS)];
        for [hash, row] in std::mem::replace(&mut self.slots, slots) {
            if row > 0 {
                let slot = self.empty_slot(hash);
                self.slots[slot] = [hash, row];
            }
        }
    }

    /// The first empty slot for a hash.
    fn empty_slot(&self, hash: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot][1] > 0 {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn keys_keep_their_rows_while_the_index_grows() {
        let (mut index, mut known) = (KeyIndex::default(), HashMap::new());
        for number in 0..20_000_u32 {
            // Each comes three times, some are empty, and lengths differ.
            let key = format!("{:.*}", (number % 7) as usize, f64::from(number / 3 % 5_000)).into_bytes();
            let row = match index.find(&key) {
                Ok(row) => row,
                Err(free) => index.insert(&key, free).unwrap(),
            };
            let next = known.len();
            assert_eq!(row, *known.entry(key.clone()).or_insert(next));
            assert_eq!(index.key(row), key);
        }
        assert_eq!(index.len(), known.len());
    }

    #[test]
    fn there_are_bounds() {
        let mut index = KeyIndex::default();
        let long = vec![0; MAX_KEY_BYTES + 1];
        let free = index.find(&long).unwrap_err();
        assert_eq!(index.insert(&long, free), Err(Full::TooManyKeys));
        let free = index.find(&long[1..]).unwrap_err();
        assert_eq!(index.insert(&long[1..], free), Ok(0));
        let free = index.find(b"x").unwrap_err();
        assert_eq!(index.insert(b"x", free), Err(Full::TooManyKeys));
        assert_eq!((index.find(&long[1..]).ok(), index.find(b"x").ok()), (Some(0), None));
    }
}
