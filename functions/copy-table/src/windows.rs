//! The table `sluice.windows`: a row per window that is in the target, written by the transaction that copied it. There
//! is no watermark: which windows are missing is which rows are missing, so nothing that a run does can move another's.
//!
//! A row counts only for the spec and the table that it was written for, and only while the table still holds that many
//! rows. A window that was copied in parts has a row for each of them.

use crate::checksum::Checksum;
use crate::mapping::Mapping;
use postgres::bookkeeping;
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::Execution;
use sluice::contract::copy_table::{ConcludeOutput, CopyOutput, Mode, Outcome, Window};
use sqlx::{Connection, PgConnection, Row};

const CREATE_TABLE: &str = "
create table if not exists sluice.windows (
    job text not null,
    target text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    fingerprint text not null,
    table_oid oid not null,
    execution text not null,
    mode text not null,
    rows bigint not null,
    bytes bigint not null,
    checksum text not null,
    rows_inserted bigint not null,
    rows_updated bigint not null,
    rows_deleted bigint not null,
    rows_unchanged bigint not null,
    rows_newer bigint not null,
    source_snapshot text not null,
    source_in_recovery boolean not null,
    format text not null,
    columns_hash text not null,
    copied_at timestamptz not null default clock_timestamp(),
    verified_at timestamptz,
    primary key (job, target, window_start, window_end),
    check (window_start < window_end)
);
comment on table sluice.windows is
    'One row per copied window, written by its loading transaction; the mode replace has one from -infinity to infinity.';
";

/// Whose rows of `sluice.windows` are meant.
#[derive(Clone, Debug)]
pub(crate) struct Owner<'a> {
    /// The job's name.
    pub job: &'a str,
    /// `schema.table`.
    pub target: &'a str,
    /// The spec's.
    pub fingerprint: &'a str,
    /// The target's `pg_class.oid`.
    pub table_oid: i64,
}

/// Start and end of a window, or of all time.
fn ends(window: Option<&Window>) -> [&str; 2] {
    window.map_or(["-infinity", "infinity"], |window| [&window.start, &window.end])
}

/// Whether the table is there.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn exists(connection: &mut PgConnection) -> Result<bool> {
    sqlx::query_scalar("select to_regclass('sluice.windows') is not null")
        .fetch_one(connection)
        .await
        .map_err(|error| classify("look for sluice.windows", error))
}

/// Makes the table if it is missing, in a transaction of its own: others wait for whoever makes it, and should not wait
/// for its rows, too.
///
/// # Errors
/// `Misconfigured` if the user may not create it.
pub(crate) async fn ensure(connection: &mut PgConnection) -> Result<()> {
    if exists(connection).await? {
        return Ok(());
    }
    let failed = |error| classify("create sluice.windows", error);
    let mut creating = connection.begin().await.map_err(failed)?;
    bookkeeping::ensure_schema(&mut creating).await?;
    sqlx::raw_sql(CREATE_TABLE).execute(&mut *creating).await.map_err(failed)?;
    creating.commit().await.map_err(failed)
}

impl Owner<'_> {
    /// What this very execution has recorded of a window. An execution's name may be used again after 90 days, so the
    /// time counts, too; clocks may differ by a little.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn recorded(
        &self,
        connection: &mut PgConnection,
        window: Option<&Window>,
        execution: &Execution,
        mode: Mode,
    ) -> Result<Option<CopyOutput>> {
        let [start, end] = ends(window);
        let row = sqlx::query(
            "select rows, bytes, rows_inserted, rows_updated, rows_deleted, rows_unchanged, rows_newer
             from sluice.windows
             where job = $1 and target = $2 and fingerprint = $3 and table_oid = $4::oid
             and window_start = $5::timestamptz and window_end = $6::timestamptz and execution = $7
             and copied_at >= $8::timestamptz - interval '5 minutes'",
        )
        .bind(self.job)
        .bind(self.target)
        .bind(self.fingerprint)
        .bind(self.table_oid)
        .bind(start)
        .bind(end)
        .bind(&execution.id)
        .bind(&execution.started_at)
        .fetch_optional(connection)
        .await
        .map_err(|error| classify("look up this window", error))?;
        Ok(row.map(|row| {
            let count = |place: usize| row.get::<i64, _>(place).unsigned_abs();
            CopyOutput {
                outcome: if count(2) + count(3) + count(4) == 0 { Outcome::Unchanged } else { Outcome::Copied },
                mode,
                rows: count(0),
                bytes: count(1),
                rows_inserted: count(2),
                rows_updated: count(3),
                rows_deleted: count(4),
                rows_unchanged: count(5),
                rows_newer: count(6),
                rows_only_at_target: 0,
            }
        }))
    }

    /// Which of some windows are recorded: as they are, in parts, or as a part of a longer one.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn recorded_of(
        &self,
        connection: &mut PgConnection,
        windows: &[Option<Window>],
    ) -> Result<Vec<bool>> {
        let ends: Vec<_> = windows.iter().map(|window| ends(window.as_ref())).collect();
        let [starts, ends] = [0, 1].map(|place| ends.iter().map(|ends| ends[place].to_owned()).collect::<Vec<_>>());
        sqlx::query_scalar(
            "select coalesce(bool_or(w.window_start <= asked.start_at and w.window_end >= asked.end_at), false)
                 or case when isfinite(asked.start_at) then
                     sum(w.window_end - w.window_start) filter (
                         where w.window_start >= asked.start_at and w.window_end <= asked.end_at
                         and isfinite(asked.start_at)
                     ) is not distinct from asked.end_at - asked.start_at
                 end
             from unnest($5::timestamptz[], $6::timestamptz[]) with ordinality as asked (start_at, end_at, place)
             left join sluice.windows w
                 on w.job = $1 and w.target = $2 and w.fingerprint = $3 and w.table_oid = $4::oid
                 and w.window_start < asked.end_at and w.window_end > asked.start_at
             group by asked.place, asked.start_at, asked.end_at
             order by asked.place",
        )
        .bind(self.job)
        .bind(self.target)
        .bind(self.fingerprint)
        .bind(self.table_oid)
        .bind(starts)
        .bind(ends)
        .fetch_all(connection)
        .await
        .map_err(|error| classify("look up the windows", error))
    }

    /// Makes room for a window's row: all that overlap it go, as a row within it, one of which it is a part, one of a
    /// day that was cut in other parts, or of another zone's rules. What such a row has beyond the window is then
    /// missing.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn supersede(&self, connection: &mut PgConnection, window: Option<&Window>) -> Result<()> {
        let [start, end] = ends(window);
        sqlx::query(
            "delete from sluice.windows
             where job = $1 and target = $2 and window_start < $4::timestamptz and window_end > $3::timestamptz",
        )
        .bind(self.job)
        .bind(self.target)
        .bind(start)
        .bind(end)
        .execute(connection)
        .await
        .map_err(|error| classify("make room for the window's row", error))
        .map(|_| ())
    }

    /// Writes a window's row.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn record(&self, connection: &mut PgConnection, record: &Record<'_>) -> Result<()> {
        let ([start, end], output) = (ends(record.window), record.output);
        let mut query = sqlx::query(
            "insert into sluice.windows (
                 job, target, window_start, window_end, fingerprint, table_oid, execution, mode,
                 checksum, source_snapshot, source_in_recovery, format, columns_hash, verified_at,
                 rows, bytes, rows_inserted, rows_updated, rows_deleted, rows_unchanged, rows_newer
             )
             values (
                 $1, $2, $3::timestamptz, $4::timestamptz, $5, $6::oid, $7, $8,
                 $9, $10, $11, $12, $13, case when $14 then clock_timestamp() end,
                 $15, $16, $17, $18, $19, $20, $21
             )",
        )
        .bind(self.job)
        .bind(self.target)
        .bind(start)
        .bind(end)
        .bind(self.fingerprint)
        .bind(self.table_oid)
        .bind(&record.execution.id)
        .bind(output.mode.name())
        .bind(record.sent.to_string())
        .bind(record.source_snapshot)
        .bind(record.source_in_recovery)
        .bind(record.mapping.format())
        .bind(record.mapping.hash())
        .bind(record.is_verified);
        for count in [
            output.rows,
            output.bytes,
            output.rows_inserted,
            output.rows_updated,
            output.rows_deleted,
            output.rows_unchanged,
            output.rows_newer,
        ] {
            query = query.bind(i64::try_from(count).expect("a count of what was read one by one fits into 63 bits"));
        }
        query.execute(connection).await.map_err(|error| classify("write the window's row", error)).map(|_| ())
    }

    /// Notes that a recorded window was compared and found equal, in the columns of `mapping`. False if it has no row
    /// of its own, because it was copied as a part of another one, or in parts.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn mark_verified(
        &self,
        connection: &mut PgConnection,
        window: Option<&Window>,
        mapping: &Mapping,
    ) -> Result<bool> {
        let [start, end] = ends(window);
        sqlx::query(
            "update sluice.windows set verified_at = clock_timestamp(), columns_hash = $7
             where job = $1 and target = $2 and window_start = $3::timestamptz and window_end = $4::timestamptz
             and fingerprint = $5 and table_oid = $6::oid",
        )
        .bind(self.job)
        .bind(self.target)
        .bind(start)
        .bind(end)
        .bind(self.fingerprint)
        .bind(self.table_oid)
        .bind(mapping.hash())
        .execute(connection)
        .await
        .map_err(|error| classify("note that the window is verified", error))
        .map(|done| done.rows_affected() > 0)
    }

    /// What an execution has recorded, summed up.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn sums(&self, connection: &mut PgConnection, execution: &Execution) -> Result<ConcludeOutput> {
        let row = sqlx::query(
            "select count(*), coalesce(sum(rows), 0)::bigint, coalesce(sum(bytes), 0)::bigint,
                    coalesce(sum(rows_inserted), 0)::bigint, coalesce(sum(rows_updated), 0)::bigint,
                    coalesce(sum(rows_deleted), 0)::bigint, coalesce(sum(rows_unchanged), 0)::bigint,
                    coalesce(sum(rows_newer), 0)::bigint
             from sluice.windows where job = $1 and target = $2 and execution = $3
             and copied_at >= $4::timestamptz - interval '5 minutes'",
        )
        .bind(self.job)
        .bind(self.target)
        .bind(&execution.id)
        .bind(&execution.started_at)
        .fetch_one(connection)
        .await
        .map_err(|error| classify("sum up the windows", error))?;
        let count = |place: usize| row.get::<i64, _>(place).unsigned_abs();
        Ok(ConcludeOutput {
            windows: count(0),
            rows: count(1),
            bytes: count(2),
            rows_inserted: count(3),
            rows_updated: count(4),
            rows_deleted: count(5),
            rows_unchanged: count(6),
            rows_newer: count(7),
            ..ConcludeOutput::default()
        })
    }
}

/// A row of `sluice.windows`.
pub(crate) struct Record<'a> {
    /// Which window; `None` for the whole table.
    pub window: Option<&'a Window>,
    /// Who has copied it.
    pub execution: &'a Execution,
    /// What was done.
    pub output: &'a CopyOutput,
    /// What was sent.
    pub sent: Checksum,
    /// How.
    pub mapping: &'a Mapping,
    /// The source's snapshot.
    pub source_snapshot: &'a str,
    /// Whether the source is a replica.
    pub source_in_recovery: bool,
    /// Whether the bytes were compared.
    pub is_verified: bool,
}
