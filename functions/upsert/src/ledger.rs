//! What a run loads, written down for the next detection: in doubt right before the commit, for certain after it.
//!
//! Without the first, a run that dies between the two would leave an older entry standing: if the file is then put back to the
//! version of that entry, it would be taken for loaded while the table holds the other one. In doubt, it is loaded again.

use crate::results::Results;
use futures_util::{StreamExt, TryStreamExt, stream};
use sluice::Result;
use sluice::contract::{LedgerEntry, Manifest, UpsertInput, keys};
use sluice::store::Store;

/// How certain an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The commit comes next.
    InDoubt,
    /// The run is committed.
    Committed,
}

/// How many entries are written at the same time.
const WRITES: usize = 8;

/// Writes the entries of a run, one per batch. The first one decides for the whole run, so it is the first to be in doubt and the
/// last to be certain.
///
/// # Errors
/// As the calls to S3 have it.
pub async fn write(
    store: &Store,
    input: &UpsertInput,
    manifest: &Manifest,
    results: &Results<'_>,
    certainty: Certainty,
) -> Result<()> {
    let in_doubt = certainty == Certainty::InDoubt;
    let write = async |index: u32| {
        let entry = LedgerEntry {
            execution: input.execution.id.clone(),
            detected_at: manifest.detected_at.clone(),
            files: results.loaded(index).await?.into_owned(),
            in_doubt,
        };
        let key = keys::ledger_entry(&input.execution, &manifest.detected_at, index);
        store.write_json(&key, &entry).await.map(|_| ())
    };
    if in_doubt {
        write(0).await?;
    }
    let others = (1..).take(manifest.batches.len().saturating_sub(1));
    stream::iter(others).map(&write).buffer_unordered(WRITES).try_collect::<()>().await?;
    if !in_doubt {
        write(0).await?;
    }
    Ok(())
}
