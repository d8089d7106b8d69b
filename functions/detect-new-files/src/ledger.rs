//! What committed runs have loaded: entries in the bucket, a few per run, named by the time of the run's detection.

use aws_sdk_s3::primitives::DateTime;
use sluice::contract::{Execution, LedgerEntry, format_time, keys};
use sluice::store::{Latest, Store};
use sluice::task::Task;
use sluice::{Error, Result};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many entries are read at the same time, each of up to some 500 KB, and of 16 times that where batches are largest.
const READ_AHEAD: usize = 8;

/// What committed runs have loaded since some time, read when it is first asked: a listing without candidates never asks.
pub struct Ledger<'a> {
    store: &'a Store,
    execution: &'a Execution,
    start: Option<DateTime>,
    versions: Option<Versions>,
}

impl<'a> Ledger<'a> {
    /// The entries from `start` on, or all of them.
    pub fn new(store: &'a Store, execution: &'a Execution, start: Option<DateTime>) -> Self {
        Self { store, execution, start, versions: None }
    }

    /// Is this version of this file the one that was loaded last?
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub async fn holds(&mut self, key: &str, etag: &str) -> Result<bool> {
        if self.versions.is_none() {
            let mut versions = Versions::default();
            each_entry(self.store, self.execution, self.start, |entry| versions.add(&entry)).await?;
            self.versions = Some(versions);
        }
        Ok(self.versions.as_ref().is_some_and(|versions| versions.hold(key, etag)))
    }

    /// How many files it knows; none if it was not asked.
    pub fn len(&self) -> usize {
        self.versions.as_ref().map_or(0, |versions| versions.last.len())
    }
}

/// The version of each key that was loaded last, both kept as hashes: a million of them take some 50 MB, and 80 while it grows.
///
/// Only the last one: a file that is put back to an older version is as new as any other.
#[derive(Debug, Default)]
struct Versions {
    last: HashMap<Hash128, u64>,
    doubt: Doubt,
}

/// Which run is in doubt: one whose first entry is. Its entries follow one another, and the first one is certain only when all are.
#[derive(Debug, Default)]
struct Doubt {
    run: (String, String),
    is_in_doubt: bool,
}

impl Doubt {
    /// Takes the next entry; says whether its run is in doubt.
    fn of(&mut self, entry: &LedgerEntry) -> bool {
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
    fn add(&mut self, entry: &LedgerEntry) {
        let is_in_doubt = self.doubt.of(entry);
        for file in &entry.files {
            let (key, etag) = (hash_of_key(&file.key), hash(0, &file.etag));
            match is_in_doubt {
                // The table holds the version that it held before, or this one; the same one, if they are the same.
                true if self.last.get(&key) != Some(&etag) => self.last.remove(&key),
                true => None,
                false => self.last.insert(key, etag),
            };
        }
    }

    /// Is this version of this file the one that was loaded last?
    fn hold(&self, key: &str, etag: &str) -> bool {
        self.last.get(&hash_of_key(key)) == Some(&hash(0, etag))
    }
}

/// Which run loaded each of `keys` last, and at which version. Looks through the whole ledger.
///
/// # Errors
/// As [`Error::aws`].
pub async fn last_loads(
    store: &Store,
    execution: &Execution,
    keys: &BTreeSet<String>,
) -> Result<HashMap<String, Load>> {
    let mut found: HashMap<String, Load> = HashMap::new();
    let mut doubt = Doubt::default();
    each_entry(store, execution, None, |entry| {
        let is_in_doubt = doubt.of(&entry);
        for file in entry.files.iter().filter(|file| keys.contains(&file.key)) {
            let (execution, detected_at) = (entry.execution.clone(), entry.detected_at.clone());
            match is_in_doubt {
                true if found.get(&file.key).is_some_and(|load| load.etag != file.etag) => found.remove(&file.key),
                true => None,
                false => found.insert(file.key.clone(), Load { etag: file.etag.clone(), execution, detected_at }),
            };
        }
    })
    .await?;
    Ok(found)
}

/// That a version of a file was loaded.
pub struct Load {
    /// The version.
    pub etag: String,
    /// ARN of the execution that loaded it.
    pub execution: String,
    /// When that listed it, RFC 3339.
    pub detected_at: String,
}

/// Reads the entries from `start` on, or all of them; `take` gets them in their order, the older ones first.
///
/// When an entry is read makes no difference: all that changes in one is whether it is in doubt, and of a run only its first
/// entry is asked that. A run that was given up but still writes may add entries meanwhile; what of them is not seen is loaded once more.
async fn each_entry(
    store: &Store,
    execution: &Execution,
    start: Option<DateTime>,
    mut take: impl FnMut(LedgerEntry),
) -> Result<()> {
    let prefix = keys::ledger_prefix(execution);
    let listing = store.client().list_objects_v2().bucket(store.bucket()).prefix(&prefix);
    let listing = listing.set_start_after(start.map(|start| format!("{prefix}{}", format_time(start))));
    let mut pages = listing.into_paginator().send();
    let mut reads: VecDeque<Read> = VecDeque::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Error::aws("list the ledger", error))?;
        for key in page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key) {
            if reads.len() == READ_AHEAD {
                take_first(&mut reads, &mut take).await?;
            }
            // A task of its own, so that it goes on while others are waited for.
            let store = store.clone();
            reads.push_back(Task::start(async move { store.read_latest_json::<LedgerEntry>(&key).await }));
        }
    }
    while !reads.is_empty() {
        take_first(&mut reads, &mut take).await?;
    }
    Ok(())
}

/// An entry on its way.
type Read = Task<Option<Latest<LedgerEntry>>>;

/// Waits for the read that was begun first, whichever of them ends first, and takes its entry.
async fn take_first(reads: &mut VecDeque<Read>, take: &mut impl FnMut(LedgerEntry)) -> Result<()> {
    let Some(read) = reads.pop_front() else { return Ok(()) };
    // An entry that vanishes between the listing and here was taken away by an operator: so be it.
    if let Some(entry) = read.finished().await? {
        take(entry.document);
    }
    Ok(())
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
    use sluice::contract::SourceFile;

    fn entry(key: &str, etag: &str) -> LedgerEntry {
        let file = SourceFile { key: key.into(), etag: etag.into(), size: 0, last_modified: String::new() };
        LedgerEntry { execution: String::new(), detected_at: String::new(), files: vec![file], in_doubt: false }
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
