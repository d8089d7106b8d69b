//! What the entries come to, read in their order. Pure.

use crate::contract::LedgerEntry;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The version of each key that was loaded last, both kept as hashes: a million of them take some 50 MB, and 80 while
/// it grows.
///
/// Only the last one: a file that is put back to an older version is as new as any other.
#[derive(Debug, Default)]
pub(super) struct Versions {
    last: HashMap<Hash128, u64>,
    doubt: Doubt,
}

/// Which run is in doubt: one whose first entry is. Its entries follow one another, and the first one is certain only
/// when all are.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    run: (String, String),
    is_in_doubt: bool,
}

impl Doubt {
    /// Takes the next entry; says whether its run is in doubt.
    pub(super) fn covers(&mut self, entry: &LedgerEntry) -> bool {
        let run = (entry.execution.clone(), entry.detected_at.clone());
        if self.run != run {
            *self = Self { run, is_in_doubt: entry.in_doubt };
        }
        self.is_in_doubt
    }
}

/// Of a key; 128 bits, because a collision would be a file that is never loaded.
type Hash128 = (u64, u64);

impl Versions {
    /// Adds an entry that is newer than those before it.
    pub(super) fn add(&mut self, entry: &LedgerEntry) {
        let is_in_doubt = self.doubt.covers(entry);
        for file in &entry.files {
            let (key, etag) = (hash_of_key(&file.key), hash(0, &file.etag));
            if !is_in_doubt {
                self.last.insert(key, etag);
            } else if self.last.get(&key) != Some(&etag) {
                // The table holds the version that it held before, or this one. If they are the same, nothing is
                // uncertain.
                self.last.remove(&key);
            }
        }
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.last.len()
    }

    /// Is this version of this file the one that was loaded last?
    pub(super) fn hold(&self, key: &str, etag: &str) -> bool {
        self.last.get(&hash_of_key(key)) == Some(&hash(0, etag))
    }
}

fn hash_of_key(key: &str) -> Hash128 {
    (hash(1, key), hash(2, key))
}

/// Only compared within one process, so the hash need not be stable.
fn hash(salt: u8, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (salt, text).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::SourceFile;

    fn entry(key: &str, etag: &str) -> LedgerEntry {
        let file = SourceFile { key: key.into(), etag: etag.into(), size: 0, last_modified: String::new() };
        LedgerEntry { execution: String::new(), detected_at: String::new(), files: vec![file], bad: Vec::new(), generation: String::new(), in_doubt: false }
    }

    #[test]
    fn a_file_in_doubt_is_known_at_no_version() {
        let mut versions = Versions::default();
        versions.add(&entry("a", "1"));
        versions.add(&LedgerEntry { in_doubt: true, execution: "dead".into(), ..entry("a", "2") });
        assert!(!versions.hold("a", "1") && !versions.hold("a", "2"));
        // Loaded again at the version that was there: the table holds that, whatever became of the run.
        let mut versions = Versions::default();
        versions.add(&entry("a", "1"));
        versions.add(&LedgerEntry { in_doubt: true, execution: "again".into(), ..entry("a", "1") });
        assert!(versions.hold("a", "1"));
    }

    #[test]
    fn a_run_is_in_doubt_as_a_whole() {
        let of =
            |execution: &str, in_doubt, key| LedgerEntry { in_doubt, execution: execution.into(), ..entry(key, "1") };
        let mut versions = Versions::default();
        for entry in [of("x", true, "a"), of("x", false, "b"), of("y", false, "c")] {
            versions.add(&entry);
        }
        assert!(!versions.hold("a", "1") && !versions.hold("b", "1") && versions.hold("c", "1"));
    }

    #[test]
    fn a_file_is_known_by_key_and_version() {
        let mut versions = Versions::default();
        versions.add(&entry("a", "1"));
        assert!(versions.hold("a", "1"));
        assert!(!versions.hold("a", "2"));
        assert!(!versions.hold("a1", ""));
        assert_eq!(versions.last.len(), 1);
    }

    #[test]
    fn a_file_that_is_put_back_is_new_again() {
        let mut versions = Versions::default();
        for etag in ["1", "2"] {
            versions.add(&entry("a", etag));
        }
        assert!(!versions.hold("a", "1"));
        assert!(versions.hold("a", "2"));
        versions.add(&entry("a", "1"));
        assert!(versions.hold("a", "1"));
    }
}
