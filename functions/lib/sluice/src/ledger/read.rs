//! The reader, for the function that looks for new files.

use super::versions::{Doubt, Versions};
use crate::contract::{Execution, LedgerEntry, keys};
use crate::store::{Latest, Store, listed_key};
use crate::time::format_time;
use crate::{Error, Result};
use aws_sdk_s3::primitives::DateTime;
use std::collections::{BTreeSet, HashMap, VecDeque};
use tokio_util::task::AbortOnDropHandle;

/// How many entries are read at the same time, each of up to some 500 KB, and of 16 times that where batches are
/// largest.
const READ_AHEAD: usize = 8;

/// What committed runs have loaded since some time, read when it is first asked: a listing without candidates never
/// asks.
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

    /// How many files it knows; 0 if it was not asked.
    pub fn known_count(&self) -> usize {
        self.versions.as_ref().map_or(0, |versions| versions.len())
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
) -> Result<HashMap<String, LoadedVersion>> {
    let mut found: HashMap<String, LoadedVersion> = HashMap::new();
    let mut doubt = Doubt::default();
    each_entry(store, execution, None, |entry| {
        let is_in_doubt = doubt.covers(&entry);
        for file in entry.files.iter().filter(|file| keys.contains(&file.key)) {
            if !is_in_doubt {
                let (execution, detected_at) = (entry.execution.clone(), entry.detected_at.clone());
                let load = LoadedVersion { etag: file.etag.clone(), execution, detected_at };
                found.insert(file.key.clone(), load);
            } else if found.get(&file.key).is_some_and(|load| load.etag != file.etag) {
                found.remove(&file.key);
            }
        }
    })
    .await?;
    Ok(found)
}

/// The version of a file that was loaded last, and by whom.
pub struct LoadedVersion {
    /// The version.
    pub etag: String,
    /// ARN of the execution that loaded it.
    pub execution: String,
    /// When that listed it, RFC 3339.
    pub detected_at: String,
}

/// Reads the entries from `start` on, or all of them; `take` gets them in their order, the older ones first.
///
/// When an entry is read makes no difference: all that changes in one is whether it is in doubt, and of a run only its
/// first entry is asked that. A run that was given up but still writes may add entries meanwhile; what of them is not
/// seen is loaded once more.
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
        for object in page.contents.unwrap_or_default() {
            let key = listed_key(object)?;
            if reads.len() == READ_AHEAD {
                take_first(&mut reads, &mut take).await?;
            }
            // A task of its own, so that it goes on while others are waited for.
            let store = store.clone();
            let read = async move { store.read_latest_json::<LedgerEntry>(&key).await };
            reads.push_back(AbortOnDropHandle::new(tokio::spawn(read)));
        }
    }
    while !reads.is_empty() {
        take_first(&mut reads, &mut take).await?;
    }
    Ok(())
}

/// An entry on its way.
type Read = AbortOnDropHandle<Result<Option<Latest<LedgerEntry>>>>;

/// Waits for the read that was begun first, whichever of them ends first, and takes its entry.
async fn take_first(reads: &mut VecDeque<Read>, take: &mut impl FnMut(LedgerEntry)) -> Result<()> {
    let Some(read) = reads.pop_front() else { return Ok(()) };
    // An entry that vanishes between the listing and here was taken away by an operator: so be it.
    if let Some(entry) = read.await?? {
        take(entry.document);
    }
    Ok(())
}
