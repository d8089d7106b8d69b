//! One window, or the whole table: copied, verified and recorded in one transaction of the target, from one snapshot of
//! the source. Either all of it happens, or nothing.

use crate::bounds::Bounds;
use crate::catalogue::{Relation, Table};
use crate::checksum::Checksum;
use crate::mapping::{Mapping, fingerprint};
use crate::preflight;
use crate::pump::{Progress, Pump};
use crate::session::{LOCK_NOT_AVAILABLE, Sessions, Side};
use crate::settle;
use crate::windows::{self, Owner, Record};
use crate::write::{Compared, Write, Written};
use postgres::identifiers::quoted;
use postgres::loading::{LASTING_COMMIT, LOCK_TARGET, SHARE_TARGET};
use postgres::sql_error::classify;
use sluice::contract::Execution;
use sluice::contract::copy_table::{CopyOutput, Mode, Outcome, PlannedWindow, Purpose, Spec, Verify};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;
use tracing::warn;

/// How long the source may take to end a transaction that has only read.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// An attempt at a window.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Whose.
    pub execution: &'a Execution,
    /// What the job copies.
    pub spec: &'a Spec,
    /// Which database is read, as [`Database::name`](postgres::connect::Database::name) has it.
    pub origin: &'a str,
    /// To copy, or to compare.
    pub purpose: Purpose,
    /// Which window.
    pub planned: &'a PlannedWindow,
    /// A row that is longer is refused, in bytes.
    pub max_row_bytes: usize,
    /// A source that is larger is not copied whole, in bytes.
    pub max_whole_bytes: u64,
    /// How long it may take.
    pub time_left: Duration,
}

/// What an attempt came to.
enum Attempted {
    Done(CopyOutput),
    /// What is in the target is not what was sent.
    Different(String),
}

/// Both sides, and what goes from one to the other.
struct Sides {
    mapping: Mapping,
    of_source: String,
    of_target: String,
    source_snapshot: String,
    source_in_recovery: bool,
}

impl Attempt<'_> {
    /// Copies or compares, or finds that this execution has copied the window already.
    ///
    /// # Errors
    /// `LockHeld` for a window that is not settled, or that another execution copies; `StaleRun` if the window before
    /// is missing; `InvalidSource` if a comparison finds a difference, or the target refuses a row; `InvariantBroken`
    /// if what was stored is twice not what was sent; others as [`classify`].
    pub async fn run(
        &self,
        source: &mut PgConnection,
        target: &mut PgConnection,
        progress: &Progress,
    ) -> Result<CopyOutput> {
        self.spec.check()?;
        let sessions = Sessions::new(self.execution, self.planned.window.as_ref());
        sessions.prepare(source, Side::Source, self.time_left).await?;
        sessions.prepare(target, Side::Target, self.time_left).await?;
        if self.purpose == Purpose::Load {
            windows::ensure(target).await?;
        }
        let mut differences = Vec::new();
        // Somebody else may have written into the window; but not each time.
        while differences.len() < 2 {
            match self.once(source, target, progress).await? {
                Attempted::Done(output) => return Ok(output),
                Attempted::Different(difference) => differences.push(difference),
            }
        }
        Err(Error::new(Kind::InvariantBroken, differences.pop().unwrap_or_default()))
    }

    /// What it is about, for people.
    fn what(&self) -> String {
        match &self.planned.window {
            Some(window) => format!("{} {window}", self.spec.target_name()),
            None => self.spec.target_name(),
        }
    }

    async fn once(
        &self,
        source: &mut PgConnection,
        target: &mut PgConnection,
        progress: &Progress,
    ) -> Result<Attempted> {
        let what = self.what();
        // Said, because the role's or the database's default may be another one: a snapshot taken before the lock would
        // not show what was committed while waiting for it.
        let begin = match (self.purpose, self.spec.target.mode) {
            (Purpose::Load, _) => "begin isolation level read committed",
            // The rows of the source are put beside the table, to find theirs by key.
            (_, Mode::Upsert) => "begin isolation level repeatable read",
            (Purpose::Verify | Purpose::DryRun, _) => "begin isolation level repeatable read read only",
        };
        let mut writing = target.begin_with(begin).await.map_err(|error| classify("begin", error))?;
        let window = self.planned.window.as_ref();
        let fingerprint = fingerprint(self.spec, self.origin)?;
        if self.purpose == Purpose::Load {
            self.lock(&mut writing, &fingerprint).await?;
        }
        let table = Table::read(&mut writing, &self.spec.target.schema, &self.spec.target.table).await?;
        let target_name = self.spec.target_name();
        let owner =
            Owner { job: &self.execution.job, target: &target_name, fingerprint: &fingerprint, table_oid: table.oid };
        if self.purpose == Purpose::Load {
            if let Some(output) = owner.recorded(&mut writing, window, self.execution, self.spec.target.mode).await? {
                return Ok(Attempted::Done(output));
            }
            self.refuse_out_of_order(&mut writing, &owner).await?;
        }
        if let (Some(windows), Some(window)) = (&self.spec.windows, window) {
            settle::require(source, windows, window).await?;
        }
        let mut reading = self.begin_reading(source).await?;
        let sides = self.sides(&mut reading, &mut writing, &table).await?;
        let pump = Pump { is_text: sides.mapping.is_text, max_row_bytes: self.max_row_bytes, progress };
        let write = Write {
            spec: self.spec,
            mapping: &sides.mapping,
            of_source: &sides.of_source,
            of_target: &sides.of_target,
            pump: &pump,
            what: &what,
        };
        let attempted = match self.compared(&write, &mut reading, &mut writing).await? {
            Some((output, sent)) => {
                end(reading).await;
                if self.purpose == Purpose::Load && !owner.mark_verified(&mut writing, window, &sides.mapping).await? {
                    self.record(&sides, &owner, &mut writing, (&output, sent), true).await?;
                }
                Attempted::Done(output)
            }
            None => self.load(&write, &sides, &owner, reading, &mut writing).await?,
        };
        match &attempted {
            // If the answer gets lost, the next attempt finds this one's row, or does it all again.
            Attempted::Done(_) => writing.commit().await.map_err(|error| classify(format!("{what}: commit"), error))?,
            Attempted::Different(_) => writing.rollback().await.map_err(|error| classify("roll back", error))?,
        }
        Ok(attempted)
    }

    /// A window is one execution's at a time, and a table one job's, except that windows of a table may be replaced at
    /// the same time.
    async fn lock(&self, writing: &mut PgConnection, fingerprint: &str) -> Result<()> {
        let target = self.spec.target_name();
        let mut locks = Vec::new();
        match (self.spec.target.mode, &self.planned.window) {
            (Mode::ReplaceWindow, Some(window)) => {
                locks.push((SHARE_TARGET, target.clone()));
                locks.push((LOCK_TARGET, format!("{target} {window}")));
            }
            _ => locks.push((LOCK_TARGET, target.clone())),
        }
        for (lock, name) in locks {
            let locked = sqlx::query(lock).bind(&name).execute(&mut *writing).await;
            locked.map_err(|error| match &error {
                sqlx::Error::Database(database) if database.code().as_deref() == Some(LOCK_NOT_AVAILABLE) => {
                    Error::new(Kind::LockHeld, format!("{name} is being loaded by another run"))
                }
                _ => classify(format!("lock {name}"), error),
            })?;
        }
        if let (Mode::ReplaceWindow, Some(windows)) = (self.spec.target.mode, &self.spec.windows) {
            self.lock_grid(writing, &format!("{fingerprint} {}", windows.start.as_str())).await?;
        }
        // The table stays as it is until the commit; and the commit lasts, whatever the server's default.
        let table = format!("{}.{}", quoted(&self.spec.target.schema)?, quoted(&self.spec.target.table)?);
        sqlx::raw_sql(AssertSqlSafe(format!("lock table {table} in row exclusive mode")))
            .execute(&mut *writing)
            .await
            .map_err(|error| classify(format!("lock the table {target}"), error))?;
        sqlx::query(AssertSqlSafe(format!("select {LASTING_COMMIT}")))
            .execute(writing)
            .await
            .map_err(|error| classify("set the session's parameters", error))
            .map(|_| ())
    }

    /// Windows of one kind do not overlap. Those of another spec may, so these are not replaced at the same time: who
    /// comes last sees the other, and who comes at once both do, and try again.
    async fn lock_grid(&self, writing: &mut PgConnection, grid: &str) -> Result<()> {
        let target = self.spec.target_name();
        let failed = |error| classify(format!("lock the windows of {target}"), error);
        sqlx::query("select pg_advisory_xact_lock_shared(hashtext('sluice:' || $1), hashtext($2))")
            .bind(&target)
            .bind(grid)
            .execute(&mut *writing)
            .await
            .map_err(failed)?;
        // The two halves of such a lock are told as numbers without a sign.
        let is_alone: bool = sqlx::query_scalar(
            "select not exists (
                 select from pg_locks
                 where locktype = 'advisory' and objsubid = 2
                 and database = (select oid from pg_database where datname = current_database())
                 and classid = (hashtext('sluice:' || $1)::bigint & 4294967295)::oid
                 and objid <> (hashtext($2)::bigint & 4294967295)::oid
             )",
        )
        .bind(&target)
        .bind(grid)
        .fetch_one(writing)
        .await
        .map_err(failed)?;
        match is_alone {
            true => Ok(()),
            false => {
                let what = format!("{target} is being loaded by windows of another kind");
                Err(Error::new(Kind::LockHeld, what))
            }
        }
    }

    async fn refuse_out_of_order(&self, writing: &mut PgConnection, owner: &Owner<'_>) -> Result<()> {
        let Some(previous) = &self.planned.previous else { return Ok(()) };
        if owner.recorded_of(writing, &[Some(previous.clone())]).await? == [true] {
            return Ok(());
        }
        let what = format!("{}: the window before it, {previous}, is missing, and the job depends on it", self.what());
        Err(Error::new(Kind::StaleRun, what))
    }

    /// One snapshot, of a table that keeps its columns meanwhile.
    async fn begin_reading<'c>(&self, source: &'c mut PgConnection) -> Result<sqlx::Transaction<'c, sqlx::Postgres>> {
        let spec = &self.spec.source;
        let table = Relation::read(source, &spec.schema, &spec.table).await?;
        let begin = source.begin_with("begin isolation level repeatable read read only").await;
        let mut reading = begin.map_err(|error| classify("begin reading", error))?;
        let name = format!("{}.{}", quoted(&spec.schema)?, quoted(&spec.table)?);
        match table.kind.as_str() {
            // Before the snapshot is taken. With a view all of its tables are locked.
            "r" | "p" | "v" => {
                sqlx::raw_sql(AssertSqlSafe(format!("lock table {name} in access share mode")))
                    .execute(&mut *reading)
                    .await
                    .map_err(|error| classify(format!("lock the source {}", table.name), error))?;
            }
            "m" => refuse_refreshed(&mut reading, &table, &name).await?,
            _ => {}
        }
        if self.spec.target.mode == Mode::Replace {
            refuse_too_large(&mut reading, &table, self.max_whole_bytes).await?;
        }
        Ok(reading)
    }

    async fn sides(&self, reading: &mut PgConnection, writing: &mut PgConnection, target: &Table) -> Result<Sides> {
        let source = Table::read(reading, &self.spec.source.schema, &self.spec.source.table).await?;
        let problems = match self.purpose {
            Purpose::Load => preflight::problems(writing, self.spec, target).await?,
            Purpose::Verify | Purpose::DryRun => Vec::new(),
        };
        let mapping = Mapping::new(self.spec, &source, target, problems)?;
        let (of_source, of_target) = match (&self.spec.windows, &self.planned.window, &mapping.cursor) {
            (Some(windows), Some(window), Some(cursor)) => {
                let bounds = Bounds::read(writing, window, &windows.zone).await?;
                (bounds.of_source(cursor), bounds.of_target(cursor))
            }
            (None, None, None) => ("true".to_owned(), "true".to_owned()),
            _ => return Err(Error::new(Kind::InvalidEvent, "the plan's windows are not those of the spec")),
        };
        let source_snapshot = sqlx::query_scalar("select txid_current_snapshot()::text")
            .fetch_one(reading)
            .await
            .map_err(|error| classify("name the source's snapshot", error))?;
        let source_in_recovery = source.server.in_recovery;
        Ok(Sides { mapping, of_source, of_target, source_snapshot, source_in_recovery })
    }

    /// Compares both sides where only that is asked for. `None` if the window is to be copied.
    async fn compared(
        &self,
        write: &Write<'_>,
        reading: &mut PgConnection,
        writing: &mut PgConnection,
    ) -> Result<Option<(CopyOutput, Checksum)>> {
        let mode = self.spec.target.mode;
        let is_rechecked = self.planned.recheck && mode != Mode::Upsert;
        if self.purpose == Purpose::Load && !is_rechecked {
            return Ok(None);
        }
        let compared = match mode {
            Mode::Upsert => write.compare_by_key(reading, writing).await?,
            Mode::ReplaceWindow | Mode::Replace => write.compare(reading, writing).await?,
        };
        let Compared { theirs, ours, newer, only_at_target } = compared;
        let outcome = match self.purpose {
            Purpose::Load => Outcome::Unchanged,
            Purpose::Verify | Purpose::DryRun => Outcome::Equal,
        };
        match (theirs == ours, self.purpose) {
            (true, _) => {
                let unchanged = theirs.rows.saturating_sub(newer);
                let written = Written { sent: theirs, unchanged, newer, ..Written::default() };
                let output = CopyOutput { outcome, rows_only_at_target: only_at_target, ..output(mode, &written) };
                Ok(Some((output, theirs)))
            }
            (false, Purpose::Load) => Ok(None),
            (false, _) => {
                let what = format!(
                    "{} differs: the source has {} rows with the checksum {theirs}, {} with {ours}",
                    write.what,
                    theirs.rows,
                    match mode {
                        Mode::Upsert => format!("of which the target has {}", ours.rows),
                        Mode::ReplaceWindow | Mode::Replace => format!("the target {}", ours.rows),
                    }
                );
                Err(Error::new(Kind::InvalidSource, what))
            }
        }
    }

    async fn load(
        &self,
        write: &Write<'_>,
        sides: &Sides,
        owner: &Owner<'_>,
        mut reading: sqlx::Transaction<'_, sqlx::Postgres>,
        writing: &mut PgConnection,
    ) -> Result<Attempted> {
        let written = write.run(&mut reading, writing).await?;
        end(reading).await;
        let is_verified = self.spec.target.verify == Verify::Checksum && !self.spec.target.allow_triggers;
        let difference = match is_verified {
            true => write.difference(writing, written.sent).await?,
            false => write.miscount(writing, written.sent.rows).await?,
        };
        if let Some(difference) = difference {
            write.refuse_repeated_key(writing).await?;
            return Ok(Attempted::Different(difference));
        }
        let output = output(self.spec.target.mode, &written);
        self.record(sides, owner, writing, (&output, written.sent), is_verified).await?;
        Ok(Attempted::Done(output))
    }

    async fn record(
        &self,
        sides: &Sides,
        owner: &Owner<'_>,
        writing: &mut PgConnection,
        (output, sent): (&CopyOutput, Checksum),
        is_verified: bool,
    ) -> Result<()> {
        let window = self.planned.window.as_ref();
        owner.supersede(writing, window).await?;
        let record = Record {
            window,
            execution: self.execution,
            output,
            sent,
            mapping: &sides.mapping,
            source_snapshot: &sides.source_snapshot,
            source_in_recovery: sides.source_in_recovery,
            is_verified,
        };
        owner.record(writing, &record).await
    }
}

/// Ends the source's snapshot, once the last row is read: the source need not keep it while the target is read back. A
/// session that broke off meanwhile has given all that was asked of it, so its error costs no window.
async fn end(reading: sqlx::Transaction<'_, sqlx::Postgres>) {
    match tokio::time::timeout(END_TIMEOUT, reading.rollback()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!("the source's session broke off after its last row: {error}"),
        Err(_) => warn!("the source's session does not answer after its last row"),
    }
}

fn output(mode: Mode, written: &Written) -> CopyOutput {
    let has_written = written.inserted + written.updated + written.deleted > 0;
    CopyOutput {
        outcome: if has_written { Outcome::Copied } else { Outcome::Unchanged },
        mode,
        rows: written.sent.rows,
        bytes: written.sent.bytes,
        rows_inserted: written.inserted,
        rows_updated: written.updated,
        rows_deleted: written.deleted,
        rows_unchanged: written.unchanged,
        rows_newer: written.newer,
        rows_only_at_target: 0,
    }
}

/// A materialized view cannot be locked before the snapshot is taken. If it was refreshed in between, the snapshot does
/// not see its rows, and all of them would seem to be gone.
async fn refuse_refreshed(reading: &mut PgConnection, table: &Relation, name: &str) -> Result<()> {
    let failed = |error| classify(format!("lock the source {}", table.name), error);
    // Holds a lock from here on.
    sqlx::raw_sql(AssertSqlSafe(format!("select from {name} limit 0"))).execute(&mut *reading).await.map_err(failed)?;
    // The column is that of the snapshot, the function's answer that of now.
    let is_refreshed: bool =
        sqlx::query_scalar("select pg_relation_filenode(oid) <> relfilenode from pg_class where oid = $1::oid")
            .bind(table.oid)
            .fetch_one(reading)
            .await
            .map_err(failed)?;
    match is_refreshed {
        false => Ok(()),
        true => Err(Error::new(Kind::TransientFailure, format!("the source {} was refreshed meanwhile", table.name))),
    }
}

async fn refuse_too_large(reading: &mut PgConnection, table: &Relation, limit: u64) -> Result<()> {
    let size: i64 = sqlx::query_scalar(
        // Of a view nobody knows it.
        "with recursive tree (oid) as (
             select $1::oid
             union
             select i.inhrelid from pg_inherits i join tree on i.inhparent = tree.oid
         )
         select coalesce(sum(pg_table_size(oid::regclass)), 0)::bigint from tree",
    )
    .bind(table.oid)
    .fetch_one(reading)
    .await
    .map_err(|error| classify(format!("measure the source {}", table.name), error))?;
    if size.unsigned_abs() <= limit {
        return Ok(());
    }
    let what = format!("{} has {size} bytes, which is too much to replace a table whole; use windows", table.name);
    Err(Error::new(Kind::Misconfigured, what))
}
