//! The transaction: either all of it happens, or nothing.

use crate::arrays::{self, SMALL_ROWS};
use crate::ledger::{self, Certainty};
use crate::merge::Written;
use crate::preflight;
use crate::results::Results;
use crate::runs::{self, Run};
use crate::shares::Touched;
use crate::sql_error::classify;
use crate::statements::{Overlap, Statements};
use sluice::contract::{Manifest, Mode, ObjectRef, PivotResult, UpsertInput, UpsertOutput};
use sluice::store::{Pinned, Store};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;

/// How long a statement waits for a lock, before the state machine waits instead.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// What a run loads.
pub struct Load<'a> {
    /// The state's input.
    pub input: &'a UpsertInput,
    /// The run's manifest.
    pub manifest: &'a Manifest,
    /// What pivot left.
    pub results: &'a Results<'a>,
}

/// Loads a run, or finds that it is loaded already. Says what is recorded of it.
///
/// # Errors
/// `StaleRun` if a newer run is in the table, `Misconfigured` if the table does not fit, others as [`classify`].
pub async fn load(
    connection: &mut PgConnection,
    store: &Store,
    load: &Load<'_>,
    time_left: Duration,
) -> Result<UpsertOutput> {
    let [first, ..] = &load.results.batches[..] else {
        return Err(Error::new(Kind::InvalidEvent, "a manifest without batches"));
    };
    let statements = Statements::new(&load.input.target, first)?;
    let run = Run {
        execution: &load.input.execution,
        target: &statements.target_name,
        detected_at: &load.manifest.detected_at,
    };

    // Said, because the role's or the database's default may be another one: a snapshot taken before the lock would not show what
    // was committed while waiting for it.
    let begin = connection.begin_with("begin isolation level read committed").await;
    let mut transaction = begin.map_err(|error| classify("begin", error))?;
    set_parameters(&mut transaction, time_left).await?;
    lock_target(&mut transaction, run.target).await?;
    runs::ensure_table(&mut transaction).await?;
    if let Some(recorded) = runs::recorded(&mut transaction, &run).await? {
        return Ok(recorded);
    }
    runs::refuse_stale(&mut transaction, &run).await?;
    preflight::check(&mut transaction, &load.input.target, &statements, &first.key, &first.values).await?;

    let rows_staged = stage(&mut transaction, store, &statements, load).await?;
    let merged = merge(&mut transaction, &statements, &load.results.batches, rows_staged).await?;
    let total = |count: &dyn Fn(&PivotResult) -> u64| load.results.batches.iter().map(count).sum();
    let output = UpsertOutput {
        mode: load.input.mode,
        files: total(&|result| result.output.files_loaded),
        files_changed: total(&|result| result.output.files_changed),
        rows_read: total(&|result| result.output.rows_read),
        rows_rejected: total(&|result| result.output.rows_rejected),
        rows_staged,
        rows_inserted: merged.inserted,
        rows_updated: merged.updated,
        rows_unchanged: merged.unchanged,
        rows_deleted: merged.deleted,
    };
    runs::record(&mut transaction, &run, &output).await?;
    if load.input.mode == Mode::DryRun {
        transaction.rollback().await.map_err(|error| classify("roll back", error))?;
        return Ok(output);
    }
    ledger::write(store, load.input, load.manifest, load.results, Certainty::InDoubt).await?;
    // If the answer gets lost, the next try finds this run's row, or does it all again.
    transaction.commit().await.map_err(|error| classify("commit", error))?;
    Ok(output)
}

/// Bounds every wait, so that the function ends by an error that says why. And makes the commit last: where the server's default is
/// to answer before the commit is written, a crash after the answer would lose rows that the ledger already holds.
async fn set_parameters(connection: &mut PgConnection, time_left: Duration) -> Result<()> {
    sqlx::query(
        "select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true), \
         set_config('idle_in_transaction_session_timeout', $2, true), \
         set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), true)",
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

/// Streams the parts into the staging table. Returns how many rows there are in it.
async fn stage(connection: &mut PgConnection, store: &Store, statements: &Statements, load: &Load<'_>) -> Result<u64> {
    sqlx::raw_sql(AssertSqlSafe(statements.create_staging.as_str()))
        .execute(&mut *connection)
        .await
        .map_err(|error| classify("create the staging table", error))?;
    if let Overlap::PerFile(shares) = &statements.overlap {
        shares.ensure_table(connection).await?;
        shares.create_files(connection).await?;
    }
    let mut rows_staged = 0;
    for result in &load.results.batches {
        let output = &result.output;
        if let Overlap::PerFile(shares) = &statements.overlap {
            let files = load.results.loaded(output.index).await?;
            shares.stage_files(connection, store.bucket(), output.index, &files).await?;
        }
        let Some(part) = &output.pivoted else { continue };
        let rows = stage_part(connection, store, statements, part, output.days).await?;
        if rows != output.days {
            let what = format!("{}: {rows} rows staged, {} expected", part.key, output.days);
            return Err(Error::new(Kind::InvariantBroken, what));
        }
        rows_staged += rows;
    }
    Ok(rows_staged)
}

async fn stage_part(
    connection: &mut PgConnection,
    store: &Store,
    statements: &Statements,
    part: &ObjectRef,
    rows: u64,
) -> Result<u64> {
    let what = || format!("stage {}", part.key);
    let mut body = match store.open(&part.key, &part.etag).await? {
        Pinned::Body(body) => body,
        Pinned::Changed | Pinned::Gone => {
            return Err(Error::new(Kind::Misconfigured, format!("{} is no longer what pivot wrote", part.key)));
        }
    };
    if rows <= SMALL_ROWS {
        let interrupted = |error| Error::caused(Kind::TransientFailure, format!("read {}", part.key), error);
        let bytes = body.collect().await.map_err(interrupted)?.into_bytes();
        if let Some(columns) = arrays::columns(&bytes, &statements.elements) {
            let insert = sqlx::query(AssertSqlSafe(statements.unnest.as_str()));
            let inserted =
                columns.into_iter().fold(insert, |insert, column| insert.bind(column)).execute(connection).await;
            return inserted.map(|done| done.rows_affected()).map_err(|error| classify(what(), error));
        }
        body = bytes.into();
    }
    let mut copy = connection.copy_in_raw(&statements.copy).await.map_err(|error| classify(what(), error))?;
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => {
                copy.send(&chunk[..]).await.map_err(|error| classify(what(), error))?;
            }
            Err(error) => {
                // The transaction is lost anyway; this only ends the copy in an orderly way.
                let _ = copy.abort("the part could not be read").await;
                return Err(Error::caused(Kind::TransientFailure, format!("read {}", part.key), error));
            }
        }
    }
    copy.finish().await.map_err(|error| classify(what(), error))
}

/// What became of the staged keys.
struct Merged {
    inserted: u64,
    updated: u64,
    unchanged: u64,
    deleted: u64,
}

async fn merge(
    connection: &mut PgConnection,
    statements: &Statements,
    results: &[PivotResult],
    rows_staged: u64,
) -> Result<Merged> {
    let has_one_part = results.iter().filter(|result| result.output.pivoted.is_some()).count() == 1;
    let touched = match &statements.overlap {
        Overlap::PerFile(shares) => shares.merge(connection).await?,
        Overlap::Replace { one_part, .. } if has_one_part => {
            Touched { keys: rows_staged, written: one_part.run(connection).await?, deleted: 0 }
        }
        Overlap::Replace { sum_up, sums, .. } => {
            let summed = sqlx::query(AssertSqlSafe(sum_up.as_str())).execute(&mut *connection).await;
            let keys = summed.map_err(|error| classify("add up the parts", error))?.rows_affected();
            Touched { keys, written: sums.run(connection).await?, deleted: 0 }
        }
    };
    let Touched { keys, written: Written { inserted, updated }, deleted } = touched;
    let unchanged = keys.checked_sub(inserted + updated).ok_or_else(|| {
        let what = format!("{keys} keys staged, but {inserted} inserted and {updated} updated");
        Error::new(Kind::InvariantBroken, what)
    })?;
    Ok(Merged { inserted, updated, unchanged, deleted })
}
