//! What a run loads, written down for the next detection: in doubt right before the commit, for certain after it.
//!
//! Without the first, a run that dies between the two would leave an older entry standing: if the file is then put back to the
//! version of that entry, it would be taken for loaded while the table holds the other one. In doubt, it is loaded again.

use crate::results;
use pipeline::Result;
use pipeline::contract::{LedgerEntry, Manifest, UpsertInput, keys};
use pipeline::store::Store;

/// How certain an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The commit comes next.
    InDoubt,
    /// The run is committed.
    Committed,
}

/// Writes the entries of a run, one per batch. The first one decides for the whole run, so it is the first to be in doubt and the
/// last to be certain.
///
/// # Errors
/// As the calls to S3 have it.
pub async fn write(store: &Store, input: &UpsertInput, manifest: &Manifest, certainty: Certainty) -> Result<()> {
    let mut indices: Vec<u32> = (0..).take(manifest.batches.len()).collect();
    if certainty == Certainty::Committed {
        indices.reverse();
    }
    for index in indices {
        let entry = LedgerEntry {
            execution: input.execution.id.clone(),
            detected_at: manifest.detected_at.clone(),
            files: results::read(store, &input.manifest, index).await?.loaded,
            in_doubt: certainty == Certainty::InDoubt,
        };
        store.write_json(&keys::ledger_entry(&input.execution, &manifest.detected_at, index), &entry).await?;
    }
    Ok(())
}
