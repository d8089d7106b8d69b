//! What committed runs have loaded: one entry per run in the bucket, named by the time of its detection.

use aws_sdk_s3::primitives::DateTime;
use pipeline::contract::{Execution, LedgerEntry, format_time, keys};
use pipeline::store::Store;
use pipeline::{Error, Result};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// File versions, each kept as 128 bits: a million of them fit in 32 MB.
#[derive(Debug, Default)]
pub struct Ledger(HashSet<(u64, u64)>);

impl Ledger {
    /// Reads the entries from `start` on, or all of them.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub async fn load(store: &Store, execution: &Execution, start: Option<DateTime>) -> Result<Self> {
        let prefix = keys::ledger_prefix(execution);
        let listing = store.client().list_objects_v2().bucket(store.bucket()).prefix(&prefix);
        let listing = listing.set_start_after(start.map(|start| format!("{prefix}{}", format_time(start))));
        let mut pages = listing.into_paginator().send();
        let mut ledger = Self::default();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::aws("list the ledger", error))?;
            for key in page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key) {
                // An entry that vanishes between the listing and here was taken away by an operator: so be it.
                if let Some((entry, _)) = store.read_latest_json::<LedgerEntry>(&key).await? {
                    ledger.add(&entry);
                }
            }
        }
        Ok(ledger)
    }

    fn add(&mut self, entry: &LedgerEntry) {
        self.0.extend(entry.files.iter().map(|file| fingerprint(&file.key, &file.etag)));
    }

    /// Has this version of this file been loaded?
    pub fn holds(&self, key: &str, etag: &str) -> bool {
        self.0.contains(&fingerprint(key, etag))
    }

    /// How many file versions it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Only compared within one process, so the hash need not be stable.
fn fingerprint(key: &str, etag: &str) -> (u64, u64) {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, key, etag).hash(&mut hasher);
        hasher.finish()
    };
    (half(0), half(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::contract::SourceFile;

    #[test]
    fn a_file_is_known_by_key_and_version() {
        let file = SourceFile { key: "a".into(), etag: "1".into(), size: 0, last_modified: String::new() };
        let mut ledger = Ledger::default();
        ledger.add(&LedgerEntry { execution: String::new(), detected_at: String::new(), files: vec![file] });
        assert!(ledger.holds("a", "1"));
        assert!(!ledger.holds("a", "2"));
        assert!(!ledger.holds("a1", ""));
        assert_eq!(ledger.len(), 1);
    }
}
