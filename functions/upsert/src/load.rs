//! The transaction: either all of it happens, or nothing.

use crate::replace;
use crate::results::Results;
use crate::shares::{self, Shares};
use crate::staging;
use crate::target::Target;
use postgres::runs::{self, Run};
use postgres::sql_error::classify;
use sluice::contract::{Manifest, Mode, PivotResult, UpsertInput, UpsertOutput};
use sluice::ledger::{self, Certainty};
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use sqlx::{Connection, PgConnection};
use std::borrow::Cow;
use std::time::Duration;

/// How long a statement waits for a lock, before the state machine waits instead.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// What a run loads.
pub(crate) struct Load<'a> {
    /// The state's input.
    pub input: &'a UpsertInput,
    /// The run's manifest.
    pub manifest: &'a Manifest,
    /// What pivot left.
    pub results: &'a Results<'a>,
}

impl Load<'_> {
    /// Writes what the run loads into the ledger.
    ///
    /// # Errors
    /// As [`ledger::write`].
    pub(crate) async fn write_ledger(&self, store: &Store, certainty: Certainty) -> Result<()> {
        let count = u32::try_from(self.manifest.batches.len()).expect("a manifest has at most 2,500 batches");
        let results = self.results;
        let files_of = |index| async move { results.loaded(index).await.map(Cow::into_owned) };
        ledger::write(store, &self.input.execution, &self.manifest.detected_at, count, files_of, certainty).await
    }
}

/// Loads a run, or finds that it is loaded already. Says what is recorded of it.
///
/// # Errors
/// `StaleRun` if a newer run is in the table, `Misconfigured` if the table does not fit, others as [`classify`].
pub(crate) async fn load(
    connection: &mut PgConnection,
    store: &Store,
    load: &Load<'_>,
    time_left: Duration,
) -> Result<UpsertOutput> {
    let [first, ..] = &load.results.batches[..] else {
        return Err(Error::new(Kind::InvalidEvent, "a manifest without batches"));
    };
    let target = Target::new(&load.input.target, first)?;
    let shares = target.is_per_file().then(|| Shares::new(&target)).transpose()?;
    let run = Run {
        execution: &load.input.execution,
        target: &target.full_name,
        detected_at: &load.manifest.detected_at,
        skipped: load.manifest.skipped,
    };

    // Said, because the role's or the database's default may be another one: a snapshot taken before the lock would not
    // show what was committed while waiting for it.
    let begin = connection.begin_with("begin isolation level read committed").await;
    let mut transaction = begin.map_err(|error| classify("begin", error))?;
    set_parameters(&mut transaction, time_left).await?;
    lock_target(&mut transaction, run.target).await?;
    runs::ensure_table(&mut transaction).await?;
    if let Some(recorded) = runs::recorded(&mut transaction, &run).await? {
        return Ok(recorded);
    }
    runs::refuse_stale(&mut transaction, &run).await?;
    let has_shares = shares.is_none() && shares::exists(&mut transaction, &target.full_name).await?;
    target.prepare(&mut transaction, has_shares).await?;

    let rows_staged = stage(&mut transaction, store, &target, shares.as_ref(), load).await?;
    let merged = match &shares {
        Some(shares) => shares.merge(&mut transaction).await?,
        None => {
            let part_count = load.results.batches.iter().filter(|result| result.output.pivoted.is_some()).count();
            replace::merge(&mut transaction, &target.names, part_count, rows_staged).await?
        }
    };
    let total = |count: &dyn Fn(&PivotResult) -> u64| load.results.batches.iter().map(count).sum();
    let output = UpsertOutput {
        mode: load.input.mode,
        files: total(&|result| result.output.files_loaded),
        files_changed: total(&|result| result.output.files_changed),
        rows_read: total(&|result| result.output.rows_read),
        rows_rejected: total(&|result| result.output.rows_rejected),
        rows_ignored: total(&|result| result.output.rows_ignored),
        rows_staged,
        rows_inserted: merged.inserted,
        rows_updated: merged.updated,
        rows_unchanged: merged.unchanged()?,
        rows_deleted: merged.deleted,
    };
    runs::record(&mut transaction, &run, &output).await?;
    if load.input.mode == Mode::DryRun {
        transaction.rollback().await.map_err(|error| classify("roll back", error))?;
        return Ok(output);
    }
    load.write_ledger(store, Certainty::InDoubt).await?;
    // If the answer gets lost, the next try finds this run's row, or does it all again.
    transaction.commit().await.map_err(|error| classify("commit", error))?;
    Ok(output)
}

/// Bounds every wait, so that the function ends by an error that says why. And makes the commit last: where the
/// server's default is to answer before the commit is written, a crash after the answer would lose rows that the ledger
/// already holds.
async fn set_parameters(connection: &mut PgConnection, time_left: Duration) -> Result<()> {
    sqlx::query(
        "select set_config('lock_timeout', $1, true),
                set_config('statement_timeout', $2, true),
                set_config('idle_in_transaction_session_timeout', $2, true),
                set_config(
                    'synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), true
                )",
    )
    .bind(LOCK_TIMEOUT.min(time_left).as_millis().to_string())
    .bind(time_left.as_millis().max(1).to_string())
    .execute(connection)
    .await
    .map_err(|error| classify("set the session's parameters", error))
    .map(|_| ())
}

/// One load of a table at a time, also of other jobs and of a function that was given up but still runs.
async fn lock_target(connection: &mut PgConnection, target: &str) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('sluice:' || $1, 0))")
        .bind(target)
        .execute(connection)
        .await
        .map_err(|error| classify(format!("lock {target}"), error))
        .map(|_| ())
}

/// Puts the parts into the staging table. Returns how many rows there are in it.
async fn stage(
    connection: &mut PgConnection,
    store: &Store,
    target: &Target<'_>,
    shares: Option<&Shares<'_>>,
    load: &Load<'_>,
) -> Result<u64> {
    staging::create(connection, target).await?;
    if let Some(shares) = shares {
        shares.ensure_table(connection).await?;
        shares.create_files(connection).await?;
    }
    let mut rows_staged = 0;
    for result in &load.results.batches {
        let output = &result.output;
        if let Some(shares) = shares {
            let files = load.results.loaded(output.index).await?;
            shares.stage_files(connection, store.bucket(), output.index, &files).await?;
        }
        let Some(part) = &output.pivoted else { continue };
        let rows = staging::add(connection, store, target, part, output.days).await?;
        if rows != output.days {
            let what = format!("{}: {rows} rows staged, {} expected", part.key, output.days);
            return Err(Error::new(Kind::InvariantBroken, what));
        }
        rows_staged += rows;
    }
    Ok(rows_staged)
}
