//! The reader, for the function that looks for new files.

use super::versions::{HashedVersions, Known, NamedVersions, Runs, Sameness};
use crate::contract::{Execution, LedgerEntry, Loaded, SourceFile, keys};
use crate::store::{Latest, Store, listed_key};
use crate::time::format_time;
use crate::{Error, Result};
use aws_sdk_s3::primitives::DateTime;
use std::collections::{BTreeSet, HashMap, VecDeque};
use tokio_util::task::AbortOnDropHandle;

/// How many entries are read at the same time, each of up to some 500 KB, and of 16 times that where batches are
/// largest.
const READ_AHEAD: usize = 8;

/// What committed runs have loaded into a target since some time, read when it is first asked: a listing without
/// candidates never asks.
pub struct Ledger<'a> {
    store: &'a Store,
    execution: &'a Execution,
    assumed: Option<&'a Loaded>,
    sameness: Sameness,
    start: Option<DateTime>,
    versions: Option<HashedVersions>,
}

impl<'a> Ledger<'a> {
    /// The entries that say something of what is `assumed` to be loaded, from `start` on or all of them; none if
    /// nothing is.
    pub fn new(
        store: &'a Store,
        execution: &'a Execution,
        assumed: Option<&'a Loaded>,
        sameness: Sameness,
        start: Option<DateTime>,
    ) -> Self {
        Self { store, execution, assumed, sameness, start, versions: None }
    }

    /// Is this version of this file the one that was loaded, or set aside, last? `last_modified` is RFC 3339, as in
    /// [`SourceFile`](crate::contract::SourceFile).
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub async fn holds(&mut self, key: &str, etag: &str, last_modified: &str) -> Result<bool> {
        let Some(assumed) = self.assumed else { return Ok(false) };
        if self.versions.is_none() {
            let mut versions = HashedVersions::hashed(assumed, self.sameness);
            each_entry(self.store, self.execution, self.start, |entry| versions.add(&entry)).await?;
            self.versions = Some(versions);
        }
        Ok(self.versions.as_ref().is_some_and(|versions| versions.hold(key, etag, last_modified)))
    }

    /// How many files it knows; 0 if it was not asked.
    pub fn known_count(&self) -> usize {
        self.versions.as_ref().map_or(0, |versions| versions.len())
    }
}

/// Tells each file that was loaded into what is `assumed` to be loaded, once for each time, at its version, and the
/// `detected_at` of the run that loaded it; also those of which that is in doubt. Goes through the whole ledger twice,
/// since only a later run says which of those before it were undone.
///
/// # Errors
/// As [`Error::aws`].
pub async fn each_loaded(
    store: &Store,
    execution: &Execution,
    assumed: &Loaded,
    mut take: impl FnMut(SourceFile, &str),
) -> Result<()> {
    let mut runs = Runs::new(assumed);
    each_entry(store, execution, None, |entry| {
        runs.take(&entry);
    })
    .await?;
    each_entry(store, execution, None, |entry| {
        if runs.count(&entry) {
            entry.files.into_iter().for_each(|file| take(file, &entry.detected_at));
        }
    })
    .await
}

/// Which run loaded each of `keys` last into what is `assumed` to be loaded, or set it aside, and at which version.
/// Looks through the whole ledger.
///
/// # Errors
/// As [`Error::aws`].
pub async fn last_known(
    store: &Store,
    execution: &Execution,
    assumed: &Loaded,
    sameness: Sameness,
    keys: &BTreeSet<String>,
) -> Result<HashMap<String, KnownVersion>> {
    let mut versions = LastKnown::new(assumed, sameness, keys);
    each_entry(store, execution, None, |entry| versions.add(&entry)).await?;
    Ok(versions.into_all())
}

/// The same of entries that somebody else reads, as the page, which reads a few at a time and remembers them. Pure.
pub struct LastKnown<'a> {
    versions: NamedVersions,
    keys: &'a BTreeSet<String>,
}

impl<'a> LastKnown<'a> {
    /// None yet of `keys`, in what is `assumed` to be loaded.
    pub fn new(assumed: &Loaded, sameness: Sameness, keys: &'a BTreeSet<String>) -> Self {
        Self { versions: NamedVersions::named(assumed, sameness), keys }
    }

    /// Adds an entry that is newer than those before it.
    pub fn add(&mut self, entry: &LedgerEntry) {
        self.versions.add(entry, self.keys);
    }

    /// Which run loaded each of the keys last, or set it aside, and at which version.
    pub fn into_all(self) -> HashMap<String, KnownVersion> {
        let known = self.versions.into_all().map(|(key, known)| {
            let Known { etag, last_modified, execution, detected_at, is_bad } = known;
            (key, KnownVersion { etag, last_modified, execution, detected_at, is_bad })
        });
        known.collect()
    }
}

/// The version of a file that was dealt with last, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownVersion {
    /// The version.
    pub etag: String,
    /// When S3 dates it, RFC 3339.
    pub last_modified: String,
    /// ARN of the execution that loaded it, or set it aside.
    pub execution: String,
    /// When that listed it, RFC 3339.
    pub detected_at: String,
    /// It was set aside as a bad file.
    pub is_bad: bool,
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
