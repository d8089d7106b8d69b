//! The writer, for the function that loads.

use crate::Result;
use crate::contract::{Execution, LedgerEntry, SourceFile, keys};
use crate::store::Store;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::ops::Range;

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

/// A run whose entries are written.
#[derive(Clone, Copy, Debug)]
pub struct LoadingRun<'a> {
    /// Its execution.
    pub execution: &'a Execution,
    /// The manifest's `detected_at`, RFC 3339.
    pub detected_at: &'a str,
    /// Into which generation of the target it loads.
    pub generation: &'a str,
    /// The `detected_at` of the run that it comes after, by the target's own record; `None` if it begins with nothing,
    /// in a new generation or by a reload.
    pub after: Option<&'a str>,
    /// How many batches it has.
    pub batch_count: u32,
}

/// The files of a batch that have been dealt with.
#[derive(Clone, Debug, Default)]
pub struct BatchFiles {
    /// Those that are loaded.
    pub loaded: Vec<SourceFile>,
    /// Those that were set aside whole.
    pub bad: Vec<SourceFile>,
}

/// Writes the entries of a run; `files_of` gives the files of a batch.
///
/// # Errors
/// As [`Error::aws`](crate::Error::aws), and those of `files_of`.
pub async fn write<F>(
    store: &Store,
    run: LoadingRun<'_>,
    files_of: impl Fn(u32) -> F,
    certainty: Certainty,
) -> Result<()>
where
    F: Future<Output = Result<BatchFiles>>,
{
    let LoadingRun { execution, detected_at, generation, after, batch_count } = run;
    let write = |index: u32| {
        let files = files_of(index);
        async move {
            let BatchFiles { loaded, bad } = files.await?;
            let entry = LedgerEntry {
                execution: execution.id.clone(),
                detected_at: detected_at.to_owned(),
                files: loaded,
                bad,
                generation: generation.to_owned(),
                after: after.unwrap_or_default().to_owned(),
                in_doubt: certainty == Certainty::InDoubt,
            };
            store.write_json(&keys::ledger_entry(execution, detected_at, index), &entry).await.map(|_| ())
        }
    };
    for side_by_side in order(batch_count, certainty) {
        stream::iter(side_by_side).map(&write).buffer_unordered(WRITES).try_collect::<()>().await?;
    }
    Ok(())
}

/// The batches whose entries are written first, side by side, and then the others.
pub(super) fn order(count: u32, certainty: Certainty) -> [Range<u32>; 2] {
    let (first, others) = (0..count.min(1), 1..count.max(1));
    match certainty {
        Certainty::InDoubt => [first, others],
        Certainty::Committed => [others, first],
    }
}
