//! The table `sluice.runs`: one row per committed run, written by the transaction that loads it. So a run that is tried
//! again finds its own row, and a run that was overtaken finds a newer one.

use crate::schema;
use crate::sql_error::classify;
use sluice::contract::{Execution, Mode, UpsertOutput};
use sluice::input::Skipped;
use sluice::{Error, Kind, Result};
use sqlx::{PgConnection, Row};

/// Makes the table where it is missing; that of an earlier version gets the columns that came later, with 0 for the
/// runs before, and one of them its new name.
const CREATE_TABLE: &str = "
do $$ begin
    alter table if exists sluice.runs rename column pipeline to job;
exception when undefined_column then null;
end $$;
create table if not exists sluice.runs (
    execution text not null,
    job text not null,
    target text not null,
    started_at timestamptz not null,
    detected_at timestamptz not null,
    committed_at timestamptz not null default clock_timestamp(),
    files bigint not null,
    files_changed bigint not null,
    rows_read bigint not null,
    rows_rejected bigint not null,
    rows_staged bigint not null,
    rows_inserted bigint not null,
    rows_updated bigint not null,
    rows_unchanged bigint not null,
    primary key (execution, detected_at)
);
alter table sluice.runs add column if not exists rows_deleted bigint not null default 0;
alter table sluice.runs
    add column if not exists rows_ignored bigint not null default 0,
    add column if not exists files_skipped bigint not null default 0,
    add column if not exists files_other_suffix bigint not null default 0,
    add column if not exists files_hidden bigint not null default 0;
create index if not exists runs_order on sluice.runs (target, detected_at);
comment on table sluice.runs is 'One row per committed run of a Sluice job. Rows are written by the loading transaction.';
";

/// What identifies a run and orders it among others.
#[derive(Debug)]
pub struct Run<'a> {
    /// Its execution.
    pub execution: &'a Execution,
    /// `schema.table`.
    pub target: &'a str,
    /// The manifest's `detected_at`, RFC 3339.
    pub detected_at: &'a str,
    /// What its listing passed over.
    pub skipped: Skipped,
}

/// Makes the table if it is missing. The caller holds the lock on the target, but runs of other targets may come at
/// once, and `if not exists` alone lets two of them collide.
///
/// # Errors
/// `Misconfigured` if the user may not create it.
pub async fn ensure_table(connection: &mut PgConnection) -> Result<()> {
    // The newest column, so that an older table gets it.
    let is_there: bool = sqlx::query_scalar(
        "select exists (select from pg_attribute where attrelid = to_regclass('sluice.runs') and attname = 'files_hidden')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| classify("look for sluice.runs", error))?;
    if is_there {
        return Ok(());
    }
    schema::ensure(connection).await?;
    let created = sqlx::raw_sql(CREATE_TABLE).execute(connection).await;
    created.map_err(|error| classify("create sluice.runs", error)).map(|_| ())
}

/// The counts in the run's own row, if it is already committed. The name of an execution alone does not tell: it may be
/// used again after 90 days, or by a state machine that was made anew.
///
/// # Errors
/// As [`classify`].
pub async fn recorded(connection: &mut PgConnection, run: &Run<'_>) -> Result<Option<UpsertOutput>> {
    let row = sqlx::query(
        "select files, files_changed, rows_read, rows_rejected, rows_staged,
                rows_inserted, rows_updated, rows_unchanged, rows_deleted, rows_ignored
         from sluice.runs where execution = $1 and detected_at = $2::timestamptz",
    )
    .bind(&run.execution.id)
    .bind(run.detected_at)
    .fetch_optional(connection)
    .await
    .map_err(|error| classify("look up this run", error))?;
    let Some(row) = row else { return Ok(None) };
    let count = |position: usize| row.get::<i64, _>(position).unsigned_abs();
    Ok(Some(UpsertOutput {
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
    }))
}

/// Refuses a run that detected its files before a run that is already committed did: its sums may be older.
///
/// # Errors
/// `StaleRun`, naming the newer one.
pub async fn refuse_stale(connection: &mut PgConnection, run: &Run<'_>) -> Result<()> {
    let newer: Option<String> = sqlx::query_scalar(
        // Of the same state machine, the seventh part of an execution's ARN: two stacks may have a job of one name.
        "select execution from sluice.runs
         where target = $1 and split_part(execution, ':', 7) = $2 and detected_at > $3::timestamptz
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
pub async fn record(connection: &mut PgConnection, run: &Run<'_>, output: &UpsertOutput) -> Result<()> {
    let mut query = sqlx::query(
        "insert into sluice.runs (execution, job, target, started_at, detected_at, files, files_changed,
             rows_read, rows_rejected, rows_staged, rows_inserted, rows_updated, rows_unchanged, rows_deleted,
             rows_ignored, files_skipped, files_other_suffix, files_hidden)
         values ($1, $2, $3, $4::timestamptz, $5::timestamptz, $6, $7, $8, $9, $10, $11, $12, $13, $14,
             $15, $16, $17, $18)",
    )
    .bind(&run.execution.id)
    .bind(&run.execution.job)
    .bind(run.target)
    .bind(&run.execution.started_at)
    .bind(run.detected_at);
    for count in [
        output.files,
        output.files_changed,
        output.rows_read,
        output.rows_rejected,
        output.rows_staged,
        output.rows_inserted,
        output.rows_updated,
        output.rows_unchanged,
        output.rows_deleted,
        output.rows_ignored,
        run.skipped.total(),
        run.skipped.other_suffix,
        run.skipped.hidden,
    ] {
        query =
            query.bind(i64::try_from(count).expect("a count of things that were read one by one fits into 63 bits"));
    }
    query.execute(connection).await.map_err(|error| classify("write this run's row", error)).map(|_| ())
}
