//! What pivot left of each batch, beside the manifest.

use futures_util::{StreamExt, TryStreamExt, stream};
use sluice::contract::{Manifest, ObjectRef, PivotResult, SourceFile, keys};
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use std::borrow::Cow;

/// How many of them are read ahead.
const READ_AHEAD: usize = 16;

/// Up to how many files of a run are kept in memory while it is loaded. The lists of a larger run are read again where
/// they are wanted: a million files take more memory than the function has.
const KEPT_FILES: usize = 20_000;

/// The results of a run.
pub(crate) struct Results<'a> {
    store: &'a Store,
    manifest: &'a ObjectRef,
    /// One per batch. Their lists of files may be missing: see [`Results::loaded`].
    pub batches: Vec<PivotResult>,
    has_files: bool,
}

impl<'a> Results<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// `InvalidEvent` if one is not there.
    pub(crate) async fn read(store: &'a Store, reference: &'a ObjectRef, manifest: &Manifest) -> Result<Self> {
        let indices = (0..).take(manifest.batches.len());
        let mut results = stream::iter(indices).map(|index| read(store, reference, index)).buffered(READ_AHEAD);
        let mut batches = Vec::with_capacity(manifest.batches.len());
        let (mut file_count, mut has_files) = (0, true);
        while let Some(mut result) = results.try_next().await? {
            result.changed = Vec::new();
            file_count += result.loaded.len();
            if has_files && file_count > KEPT_FILES {
                has_files = false;
                batches.iter_mut().for_each(|batch: &mut PivotResult| batch.loaded = Vec::new());
            }
            if !has_files {
                result.loaded = Vec::new();
            }
            batches.push(result);
        }
        drop(results);
        Ok(Self { store, manifest: reference, batches, has_files })
    }

    /// The files of a batch that were loaded.
    ///
    /// # Errors
    /// As [`Results::read`].
    pub(crate) async fn loaded(&self, index: u32) -> Result<Cow<'_, [SourceFile]>> {
        match self.batches.get(index as usize).filter(|_| self.has_files) {
            Some(batch) => Ok(Cow::Borrowed(&batch.loaded)),
            None => Ok(Cow::Owned(read(self.store, self.manifest, index).await?.loaded)),
        }
    }
}

async fn read(store: &Store, manifest: &ObjectRef, index: u32) -> Result<PivotResult> {
    let key = keys::pivot_result(&manifest.key, index);
    let result = store.read_latest_json::<PivotResult>(&key).await?.map(|latest| latest.document);
    result.ok_or_else(|| Error::new(Kind::InvalidEvent, format!("{key} is missing: batch {index} was not pivoted")))
}
