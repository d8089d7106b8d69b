//! What a run loads.

use crate::merged::Merged;
use crate::results::Results;
use crate::runs::Recorded;
use sluice::Result;
use sluice::contract::{Manifest, UpsertInput, keys};
use sluice::ledger::{self, BatchFiles, Certainty, LoadingRun};
use sluice::spec::Spec;
use sluice::store::Store;

/// What a run loads.
pub(crate) struct Load<'a> {
    /// The state's input.
    pub input: &'a UpsertInput,
    /// Its spec.
    pub spec: &'a Spec,
    /// The run's manifest.
    pub manifest: &'a Manifest,
    /// What pivot left.
    pub results: &'a Results<'a>,
}

impl Load<'_> {
    /// Names the first keys that notes, or what refuses the load, are about, if they are no dates, in an object of
    /// their own. Returns what says where.
    ///
    /// # Errors
    /// As [`Store::write_json`].
    pub(crate) async fn name_keys(&self, store: &Store, merged: &Merged) -> Result<Option<String>> {
        if !merged.has_untold_keys() {
            return Ok(None);
        }
        let key = keys::named_keys(&self.input.execution.job, &self.input.execution.name);
        store.write_json(&key, &merged.named).await?;
        Ok(Some(format!("first keys: {key}")))
    }

    /// Writes what the run loads into the ledger.
    ///
    /// # Errors
    /// As [`ledger::write`].
    pub(crate) async fn write_ledger(&self, store: &Store, recorded: &Recorded, certainty: Certainty) -> Result<()> {
        let run = LoadingRun {
            execution: &self.input.execution,
            detected_at: &self.manifest.detected_at,
            generation: &recorded.generation,
            after: recorded.after.as_deref(),
            batch_count: u32::try_from(self.manifest.batches.len()).expect("a manifest has at most 2,500 batches"),
        };
        let files_of = |index| async move {
            let files = self.results.files(index).await?;
            let loaded = files.loaded.iter().map(|loaded| loaded.file.clone()).collect();
            Ok(BatchFiles { loaded, bad: files.bad.iter().map(|bad| bad.file.clone()).collect() })
        };
        ledger::write(store, run, files_of, certainty).await
    }
}
