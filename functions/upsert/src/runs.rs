//! The table `sluice.runs`: one row per committed run, written by the transaction that loads it. So a run that is tried
//! again finds its own row, and a run that was overtaken finds a newer one. Beside these, without `committed_at`, the
//! runs that [`ended_badly`](crate::ended_badly), which nothing here looks at.

use postgres::sql_error::classify;
use sluice::contract::{Execution, Mode, UpsertOutput};
use sluice::input::Skipped;
use sluice::{Error, Kind, Result};
use sqlx::{PgConnection, Row};

/// What identifies a run and orders it among others.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// Its execution.
    pub execution: &'a Execution,
    /// `schema.table`.
    pub target: &'a str,
    /// The manifest's `detected_at`, RFC 3339.
    pub detected_at: &'a str,
    /// What its listing passed over.
    pub skipped: Skipped,
}

/// A run that is committed.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// What it did.
    pub output: UpsertOutput,
    /// Into which generation of the target it loaded.
    pub generation: String,
    /// The `detected_at` of the run of that generation that it came after; none if it began with nothing.
    pub after: Option<String>,
}

/// The run's own row, if it is already committed. The name of an execution alone does not tell: it may be used again
/// after 90 days, or by a state machine that was made anew.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn recorded(connection: &mut PgConnection, run: &Run<'_>) -> Result<Option<Recorded>> {
    let row = sqlx::query(
        "select files, files_changed, rows_read, rows_rejected, rows_staged, rows_inserted, rows_updated, rows_unchanged,
                rows_deleted, rows_ignored, rows_filtered, files_bad, keys_partial, notes, generation, came_after
         from sluice.runs
         where execution = $1 and detected_at = $2::timestamptz and committed_at is not null",
    )
    .bind(&run.execution.id)
    .bind(run.detected_at)
    .fetch_optional(connection)
    .await
    .map_err(|error| classify("look up this run", error))?;
    let Some(row) = row else { return Ok(None) };
    let count = |position: usize| row.get::<i64, _>(position).unsigned_abs();
    let output = UpsertOutput {
        mode: Mode::Load,
        files: count(0),
        files_changed: count(1),
        rows_read: count(2),
        rows_rejected: count(3),
        rows_staged: count(4),
        rows_inserted: count(5),
        rows_updated: count(6),
        rows_unchanged: count(7),
        rows_deleted: count(8),
        rows_ignored: count(9),
        rows_filtered: count(10),
        files_bad: count(11),
        keys_partial: count(12),
        notes: row.get(13),
        record: None,
    };
    Ok(Some(Recorded { output, generation: row.get(14), after: row.get(15) }))
}

/// Refuses a run that detected its files before a run that is already committed did: its sums may be older.
///
/// # Errors
/// `StaleRun`, naming the newer one.
pub(crate) async fn refuse_stale(connection: &mut PgConnection, run: &Run<'_>) -> Result<()> {
    let newer: Option<String> = sqlx::query_scalar(
        // Of the same state machine, the seventh part of an execution's ARN: two stacks may have a job of one name.
        "select execution from sluice.runs
         where target = $1 and split_part(execution, ':', 7) = $2 and detected_at > $3::timestamptz
           and committed_at is not null
         order by detected_at desc limit 1",
    )
    .bind(run.target)
    .bind(run.execution.state_machine_name())
    .bind(run.detected_at)
    .fetch_optional(connection)
    .await
    .map_err(|error| classify("look up newer runs", error))?;
    match newer {
        None => Ok(()),
        Some(newer) => {
            let what = format!("{} detected its files later and is already in {}", newer, run.target);
            Err(Error::new(Kind::StaleRun, what))
        }
    }
}

/// Writes the run's row.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn record(connection: &mut PgConnection, run: &Run<'_>, recorded: &Recorded) -> Result<()> {
    let Recorded { output, generation, after } = recorded;
    let mut query = sqlx::query(
        "insert into sluice.runs (execution, job, target, started_at, detected_at, notes, generation, came_after,
             files, files_changed, files_bad, rows_read, rows_rejected, rows_staged, rows_inserted, rows_updated,
             rows_unchanged, rows_deleted, rows_ignored, rows_filtered, keys_partial, files_skipped, files_other_suffix,
             files_hidden)
         values ($1, $2, $3, $4::timestamptz, $5::timestamptz, $6, $7, $8,
             $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)",
    )
    .bind(&run.execution.id)
    .bind(&run.execution.job)
    .bind(run.target)
    .bind(&run.execution.started_at)
    .bind(run.detected_at)
    .bind(&output.notes)
    .bind(generation)
    .bind(after);
    for count in [
        output.files,
        output.files_changed,
        output.files_bad,
        output.rows_read,
        output.rows_rejected,
        output.rows_staged,
        output.rows_inserted,
        output.rows_updated,
        output.rows_unchanged,
        output.rows_deleted,
        output.rows_ignored,
        output.rows_filtered,
        output.keys_partial,
        run.skipped.total(),
        run.skipped.other_suffix,
        run.skipped.hidden,
    ] {
        query =
            query.bind(i64::try_from(count).expect("a count of things that were read one by one fits into 63 bits"));
    }
    query.execute(connection).await.map_err(|error| classify("write this run's row", error)).map(|_| ())
}
