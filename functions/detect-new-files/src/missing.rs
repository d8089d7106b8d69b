//! Files that are loaded and that a run would not find. Pure.

use crate::amounts;
use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};

/// How many are named.
const NAMED: usize = 3;

/// Keys, and versions of files, as hashes: a million of them take some 20 MB.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl KeySet {
    /// Adds a key; says whether it is new.
    pub(crate) fn insert(&mut self, key: &str) -> bool {
        self.hashes.insert(self.hasher.hash_one(key))
    }

    /// Is it one of them?
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.hashes.contains(&self.hasher.hash_one(key))
    }
}

/// Those that are missing: how many, and the first ones by name.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    keys: KeySet,
    count: u64,
    first: BTreeSet<String>,
}

impl Missing {
    /// Adds one; it may be there already.
    pub(crate) fn add(&mut self, key: String) {
        if self.keys.insert(&key) {
            self.count += 1;
            self.first.insert(key);
            if self.first.len() > NAMED {
                self.first.pop_last();
            }
        }
    }

    /// `5, among them a, b, c`; nothing if none is missing.
    pub(crate) fn named(&self) -> Option<String> {
        let names = self.first.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.count {
            0 => None,
            1 => Some(format!("1, {names}")),
            count => Some(format!("{}, among them {names}", amounts::count(count))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_once_and_the_first_are_named() {
        let mut missing = Missing::default();
        assert_eq!(missing.named(), None);
        missing.add("e".to_owned());
        missing.add("e".to_owned());
        assert_eq!(missing.named().unwrap(), "1, e");
        for key in ["d", "c", "a", "b", "a"] {
            missing.add(key.to_owned());
        }
        assert_eq!(missing.named().unwrap(), "5, among them a, b, c");
    }

    #[test]
    fn a_set_knows_its_keys() {
        let mut keys = KeySet::default();
        assert!(keys.insert("a") && !keys.insert("a"));
        assert!(keys.contains("a") && !keys.contains("b"));
    }
}
