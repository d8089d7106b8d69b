//! Reads a listing to its end, and hands on what is new.

use crate::batches::Batches;
use crate::listing::Listing;
use crate::missing::{KeySet, Missing};
use sluice::contract::{Execution, Loaded, SourceFile};
use sluice::input::{PassedOver, Skipped};
use sluice::ledger::{self, Ledger};
use sluice::reason;
use sluice::spec::Source;
use sluice::store::Store;
use sluice::window::Window;
use sluice::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What is looked for.
pub(crate) struct Search<'a> {
    /// Which objects are input.
    pub source: &'a Source,
    /// Under which prefix.
    pub prefix: &'a str,
    /// Which of them are looked at by date.
    pub window: &'a Window,
    /// These are new whatever is known of them.
    pub forget: &'a BTreeSet<String>,
}

impl Search<'_> {
    /// Reads the whole listing, and hands the new files on; returns how many other objects are no input by their names.
    /// The keys of all that are, and their versions, go into `selected`, if they are asked for.
    ///
    /// # Errors
    /// `InvalidEvent` if one of those to forget is not there or no input; others as [`Error::aws`].
    pub(crate) async fn run(
        &self,
        mut listing: Listing,
        ledger: &mut Ledger<'_>,
        batches: &mut Batches,
        mut selected: Option<&mut KeySet>,
    ) -> Result<Skipped> {
        let Self { source, prefix, window, forget } = self;
        // Those of `forget` that are not found as input, with the reason if they are there.
        let mut not_seen: BTreeMap<&str, Option<String>> = forget.iter().map(|key| (key.as_str(), None)).collect();
        let mut skipped = Skipped::default();
        while let Some(objects) = listing.next().await? {
            for object in objects {
                if let Some(reason) = object.passed_over(source, prefix) {
                    skipped.count(reason);
                    if let Some(why) = not_seen.get_mut(object.key.as_str()) {
                        *why = Some(reason.why(source, prefix));
                    }
                    continue;
                }
                let modified = object.modified.secs();
                let file = object.into_file();
                if let Some(selected) = &mut selected {
                    selected.insert(&file.key);
                    selected.insert(&version(&file));
                }
                let is_in_ledger =
                    window.asks_ledger(modified) && ledger.holds(&file.key, &file.etag, &file.last_modified).await?;
                if not_seen.remove(file.key.as_str()).is_some() || window.wants(modified, is_in_ledger) {
                    batches.push(file).await?;
                }
            }
        }
        if not_seen.is_empty() {
            return Ok(skipped);
        }
        let problems = not_seen.into_iter().map(|(key, why)| {
            let why = why.or_else(|| reason::outside(key, prefix));
            format!("{key:?}: {}", why.as_deref().unwrap_or("there is no such object"))
        });
        let what = format!("forget: {}", problems.collect::<Vec<_>>().join("; "));
        Err(Error::new(Kind::InvalidEvent, what))
    }

    /// Could this be the key of an input, whether there is such an object or not?
    fn selects(&self, key: &str) -> bool {
        // Only what is empty may be the marker of a folder, and such a one is never loaded.
        key.starts_with(self.prefix) && PassedOver::of(self.source, self.prefix, key, 1).is_none()
    }

    /// The files that are loaded and no input any more.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub(crate) async fn not_selected(&self, store: &Store, execution: &Execution, assumed: &Loaded) -> Result<Missing> {
        let mut missing = Missing::default();
        let take = |file: SourceFile, _: &str| {
            if !self.selects(&file.key) {
                missing.add(file.key);
            }
        };
        ledger::each_loaded(store, execution, assumed, take).await?;
        Ok(missing)
    }
}

/// Files of which not all that was loaded can be read again.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// They are not among those listed.
    pub gone: Missing,
    /// They are, but at another version than one that was loaded.
    pub overwritten: Missing,
}

impl Unread {
    /// Of those that were loaded after `since`, an RFC 3339 time, or of all.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub(crate) async fn find(
        store: &Store,
        execution: &Execution,
        loaded: &Loaded,
        since: Option<&str>,
        listed: &KeySet,
    ) -> Result<Self> {
        let mut unread = Self::default();
        let take = |file: SourceFile, detected_at: &str| {
            if since.is_some_and(|since| detected_at <= since) {
                return;
            }
            if !listed.contains(&file.key) {
                unread.gone.add(file.key);
            } else if !listed.contains(&version(&file)) {
                unread.overwritten.add(file.key);
            }
        };
        ledger::each_loaded(store, execution, loaded, take).await?;
        Ok(unread)
    }
}

/// What stands for a version of a file among keys: none has a NUL in it.
fn version(file: &SourceFile) -> String {
    format!("{}\0{}", file.key, file.etag)
}
