//! What pivot left of each batch, beside the manifest.

use crate::merged::NAMED;
use futures_util::{StreamExt, TryStreamExt, stream};
use sluice::contract::{BadFile, LoadedFile, Manifest, ObjectRef, PivotResult, keys};
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use std::borrow::Cow;
use std::mem::take;

/// How many of them are read ahead.
const READ_AHEAD: usize = 16;

/// Up to how many files of a run are kept in memory while it is loaded. The lists of a larger run are read again where
/// they are wanted: a million files take more memory than the function has.
const KEPT_FILES: usize = 20_000;

/// The results of a run.
pub(crate) struct Results<'a> {
    store: &'a Store,
    manifest: &'a ObjectRef,
    /// One per batch, without the lists of files: see [`Results::files`].
    pub batches: Vec<PivotResult>,
    /// Whether a row is in quarantine whose key could not be read: it may be any.
    pub has_unknown_keys: bool,
    /// The first [`NAMED`] files that were set aside.
    first_bad: Vec<BadFile>,
    /// The first [`NAMED`] files that changed or vanished after they were listed, by their keys.
    first_changed: Vec<String>,
    /// One per batch, if they are kept.
    files: Option<Vec<Files>>,
}

/// The files of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// Those whose rows are in the partial sums.
    pub loaded: Vec<LoadedFile>,
    /// Those that were set aside whole.
    pub bad: Vec<BadFile>,
}

impl Files {
    fn taken_from(result: &mut PivotResult) -> Self {
        Self { loaded: take(&mut result.loaded), bad: take(&mut result.bad) }
    }
}

impl<'a> Results<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// `InvalidEvent` if one is not there.
    pub(crate) async fn read(store: &'a Store, reference: &'a ObjectRef, manifest: &Manifest) -> Result<Self> {
        let indices = (0..).take(manifest.batches.len());
        let mut results = stream::iter(indices).map(|index| read(store, reference, index)).buffered(READ_AHEAD);
        let batches = Vec::with_capacity(manifest.batches.len());
        let mut all = Self {
            store,
            manifest: reference,
            batches,
            has_unknown_keys: false,
            first_bad: Vec::new(),
            first_changed: Vec::new(),
            files: Some(Vec::new()),
        };
        let mut file_count = 0;
        while let Some(mut result) = results.try_next().await? {
            let changed = take(&mut result.changed).into_iter().map(|file| file.key);
            all.first_changed.extend(changed.take(NAMED - all.first_changed.len()));
            let files = Files::taken_from(&mut result);
            all.has_unknown_keys |= files.loaded.iter().any(|file| file.has_unknown_keys);
            all.first_bad.extend(files.bad.iter().take(NAMED - all.first_bad.len()).cloned());
            file_count += files.loaded.len() + files.bad.len();
            match &mut all.files {
                Some(kept) if file_count <= KEPT_FILES => kept.push(files),
                _ => all.files = None,
            }
            all.batches.push(result);
        }
        drop(results);
        Ok(all)
    }

    /// The parts, each with what pivot says of it.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &PivotResult> {
        self.batches.iter().filter(|result| result.output.pivoted.is_some())
    }

    /// Whether each key comes once of each file, or once of each part where files are not kept apart.
    pub(crate) fn have_keys_once(&self) -> bool {
        self.parts().all(|result| result.has_keys_once)
    }

    /// Whether the parts are of one file, of which each key comes once.
    pub(crate) fn are_of_one_file(&self) -> bool {
        self.have_keys_once() && self.parts().map(|result| result.output.files_loaded).sum::<u64>() == 1
    }

    /// How many files were set aside.
    pub(crate) fn files_bad(&self) -> u64 {
        self.batches.iter().map(|result| result.output.files_bad).sum()
    }

    /// Whether a file or a row is in quarantine.
    pub(crate) fn sets_aside(&self) -> bool {
        self.batches.iter().any(|result| result.output.files_bad + result.output.rows_rejected > 0)
    }

    /// How many files changed or vanished after they were listed.
    pub(crate) fn files_changed(&self) -> u64 {
        self.batches.iter().map(|result| result.output.files_changed).sum()
    }

    /// What is to be said of the files that were set aside.
    pub(crate) fn set_aside(&self) -> Option<String> {
        let first: Vec<String> = self.first_bad.iter().map(|bad| format!("{}: {}", bad.file.key, bad.reason)).collect();
        told(self.files_bad(), "set aside", &first, "; ")
    }

    /// What is to be said of the files that changed or vanished after they were listed.
    pub(crate) fn changed(&self) -> Option<String> {
        told(self.files_changed(), "overwritten or deleted while the run loaded them", &self.first_changed, ", ")
    }

    /// The files of a batch.
    ///
    /// # Errors
    /// As [`Results::read`].
    pub(crate) async fn files(&self, index: u32) -> Result<Cow<'_, Files>> {
        match self.files.as_ref().and_then(|files| files.get(index as usize)) {
            Some(files) => Ok(Cow::Borrowed(files)),
            None => Ok(Cow::Owned(Files::taken_from(&mut read(self.store, self.manifest, index).await?))),
        }
    }
}

/// `2 files were <what>: a, b`; nothing of no file.
fn told(count: u64, what: &str, first: &[String], separator: &str) -> Option<String> {
    let files = match count {
        0 => return None,
        1 => "1 file was".to_owned(),
        count => format!("{count} files were"),
    };
    let is_more = usize::try_from(count).is_ok_and(|count| count > first.len());
    let named: Vec<&str> = first.iter().map(String::as_str).chain(is_more.then_some("...")).collect();
    Some(format!("{files} {what}: {}", named.join(separator)))
}

async fn read(store: &Store, manifest: &ObjectRef, index: u32) -> Result<PivotResult> {
    let key = keys::pivot_result(&manifest.key, index);
    let result = store.read_latest_json::<PivotResult>(&key).await?.map(|latest| latest.document);
    result.ok_or_else(|| Error::new(Kind::InvalidEvent, format!("{key} is missing: batch {index} was not pivoted")))
}
