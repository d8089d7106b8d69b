//! The transaction: either all of it happens, or nothing.

use crate::ended_badly;
use crate::last_run;
use crate::load::Load;
use crate::merged::Merged;
use crate::newest_row;
use crate::runs::{self, Recorded, Run};
use crate::start::{Start, is_as_assumed, refuse_reload};
use crate::target::Target;
use crate::words;
use postgres::bookkeeping;
use postgres::loading::{LASTING_COMMIT, LOCK_TARGET};
use postgres::sql_error::classify;
use postgres::targets;
use sluice::contract::{Loaded, Mode, PivotResult, UpsertOutput};
use sluice::ledger::Certainty;
use sluice::spec::OnOverlap;
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;

/// How long a statement waits for a lock, before the state machine waits instead.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// What came of it.
pub(crate) enum Done {
    /// The run is committed, now or before.
    Committed {
        /// Its row.
        recorded: Box<Recorded>,
        /// What is loaded by now.
        loaded: Option<Loaded>,
    },
    /// Nothing is changed.
    Nothing(UpsertOutput),
}

/// Loads a run, or finds that it is loaded already, or that the target is not what its manifest assumes.
///
/// # Errors
/// `StaleRun` if a newer run is in the table, `Misconfigured` if the table does not fit; others as
/// [`refuse_reload`], [`words::load`], [`newest_row::load`], [`last_run::load`] and [`classify`].
pub(crate) async fn load(
    connection: &mut PgConnection,
    store: &Store,
    load: &Load<'_>,
    time_left: Duration,
) -> Result<Done> {
    if load.results.batches.is_empty() {
        return Err(Error::new(Kind::InvalidEvent, "a manifest without batches"));
    }
    let Load { input, spec, manifest, results } = load;
    let mut target = Target::new(spec, &results.batches)?;
    let full_name = target.full_name.clone();
    let run = Run {
        execution: &input.execution,
        target: &full_name,
        detected_at: &manifest.detected_at,
        skipped: manifest.skipped,
    };

    // Said, because the role's or the database's default may be another one: a snapshot taken before the lock would not
    // show what was committed while waiting for it.
    let begin = connection.begin_with("begin isolation level read committed").await;
    let mut transaction = begin.map_err(|error| classify("begin", error))?;
    set_parameters(&mut transaction, time_left).await?;
    lock_target(&mut transaction, run.target).await?;
    bookkeeping::ensure(&mut transaction).await?;
    let recorded = runs::recorded(&mut transaction, &run).await?;
    if recorded.is_none() {
        runs::refuse_stale(&mut transaction, &run).await?;
    }
    let mut known = targets::look(&mut transaction, spec, &input.execution).await?;
    if let Some(recorded) = recorded {
        return Ok(Done::Committed { recorded: Box::new(recorded), loaded: known.written });
    }
    let deletes = target.keeps_words() || target.deletes_rows() || manifest.reload;
    let is_added = target.prepare(&mut transaction, deletes).await?;
    // By such a spec all of them were loaded, so somebody has dropped or renamed what the table lacked.
    let was_loaded = known.written.as_ref().is_some_and(|written| written.print.holds_for(&manifest.print));
    let lacked_columns = is_added && was_loaded && !manifest.reload;
    known.lacks_columns = lacked_columns && !target.keeps_words();
    let record = known.record();
    if !is_as_assumed(record.loaded.as_ref(), manifest) {
        return Ok(Done::Nothing(UpsertOutput { mode: input.mode, record: Some(record), ..UpsertOutput::default() }));
    }
    refuse_reload(load)?;
    targets::claim(&mut transaction, &spec.target, &input.execution, &known).await?;
    let start = Start::new(&mut transaction, &known, load, lacked_columns).await?;
    let mut merged = Merged::new(target.names.keys.len());
    let rows_staged = match spec.target.on_overlap {
        OnOverlap::AllFiles | OnOverlap::NewestFile => {
            words::load(&mut transaction, store, &target, load, &start, &mut merged).await
        }
        OnOverlap::NewestRow => newest_row::load(&mut transaction, store, &target, load, &start, &mut merged).await,
        OnOverlap::LastRun => last_run::load(&mut transaction, store, &target, load, &start, &mut merged).await,
    };
    let rows_staged = match rows_staged {
        Ok(rows_staged) => rows_staged,
        Err(error) if merged.is_refused => {
            return Err(match load.name_keys(store, &merged).await? {
                None => error,
                Some(at) => Error::new(error.kind(), format!("{error}; {at}")),
            });
        }
        Err(error) => return Err(error),
    };
    merged.notes.extend(load.name_keys(store, &merged).await?);
    let output = output(load, rows_staged, &merged)?;
    let Start { generation, after, .. } = start;
    let recorded = Recorded { output, generation, after };
    let loaded = Loaded {
        generation: recorded.generation.clone(),
        detected_at: manifest.detected_at.clone(),
        print: manifest.print.clone(),
    };
    runs::record(&mut transaction, &run, &recorded).await?;
    ended_badly::record(&mut transaction, &run, &manifest.ended_badly).await?;
    targets::write(&mut transaction, &spec.target, &input.execution, &loaded).await?;
    if input.mode == Mode::DryRun {
        transaction.rollback().await.map_err(|error| classify("roll back", error))?;
        return Ok(Done::Nothing(recorded.output));
    }
    load.write_ledger(store, &recorded, Certainty::InDoubt).await?;
    // If the answer gets lost, the next try finds this run's row, or does it all again.
    transaction.commit().await.map_err(|error| classify("commit", error))?;
    Ok(Done::Committed { recorded: Box::new(recorded), loaded: Some(loaded) })
}

/// What a run has done.
fn output(load: &Load<'_>, rows_staged: u64, merged: &Merged) -> Result<UpsertOutput> {
    let total = |count: &dyn Fn(&PivotResult) -> u64| load.results.batches.iter().map(count).sum::<u64>();
    Ok(UpsertOutput {
        mode: load.input.mode,
        files: total(&|result| result.output.files_loaded) - merged.repeated,
        files_changed: load.results.files_changed(),
        rows_read: total(&|result| result.output.rows_read),
        rows_rejected: total(&|result| result.output.rows_rejected),
        rows_ignored: total(&|result| result.output.rows_ignored),
        rows_filtered: total(&|result| result.output.rows_filtered),
        rows_staged,
        rows_inserted: merged.inserted,
        rows_updated: merged.updated,
        rows_unchanged: merged.unchanged()?,
        rows_deleted: merged.deleted,
        files_bad: load.results.files_bad() + merged.bad,
        keys_partial: merged.partial,
        notes: load.results.set_aside().into_iter().chain(merged.notes.iter().cloned()).collect(),
        record: None,
    })
}

/// Bounds every wait, so that the function ends by an error that says why. And makes the commit last: the ledger
/// already holds what it loads.
async fn set_parameters(connection: &mut PgConnection, time_left: Duration) -> Result<()> {
    sqlx::query(AssertSqlSafe(format!(
        "select set_config('lock_timeout', $1, true),
                set_config('statement_timeout', $2, true),
                set_config('idle_in_transaction_session_timeout', $2, true),
                {LASTING_COMMIT}"
    )))
    .bind(LOCK_TIMEOUT.min(time_left).as_millis().to_string())
    .bind(time_left.as_millis().max(1).to_string())
    .execute(connection)
    .await
    .map_err(|error| classify("set the session's parameters", error))
    .map(|_| ())
}

async fn lock_target(connection: &mut PgConnection, target: &str) -> Result<()> {
    let locked = sqlx::query(LOCK_TARGET).bind(target).execute(connection).await;
    locked.map_err(|error| classify(format!("lock {target}"), error)).map(|_| ())
}
