//! How the rows of a window, or of the whole table, get into the target.
//!
//! - Where the target holds none of them, they are copied straight into the table.
//! - With a key they are staged, and only what differs is written: rows that are gone are deleted, others updated or
//!   inserted. So a window that is equal writes nothing, fires no trigger, and deletes no row that others refer to.
//! - Without a key both sides are compared, and all is written anew if they differ.
//!
//! Rows differ if their bytes do, whatever a type's own equality says of `1.0` and `1.00`: it is bytes that are
//! verified.

use crate::checksum::Checksum;
use crate::long_rows::{Reading, Selection, give_back};
use crate::mapping::Mapping;
use crate::pump::{Failure, Pump};
use crate::session::LOCK_NOT_AVAILABLE;
use postgres::sql_error::classify;
use sluice::contract::copy_table::{Mode, Spec};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// SQLSTATE of a unique violation.
const UNIQUE_VIOLATION: &str = "23505";

/// SQLSTATE of a snapshot that a replica could not keep: nothing else fails to be serializable that only reads.
const CANCELED: &str = "40001";

const ADVICE: &str = " (a replica cancels what stands in the way of its primary's VACUUM: raise its \
                      max_standby_streaming_delay, set hot_standby_feedback, or choose shorter windows)";

/// The rows as they came.
pub(crate) const STAGE: &str = "pg_temp.sluice_stage";

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// What was sent.
    pub sent: Checksum,
    /// Rows that were new.
    pub inserted: u64,
    /// Rows that changed.
    pub updated: u64,
    /// Rows that the source does not have.
    pub deleted: u64,
    /// Rows that stayed as they were.
    pub unchanged: u64,
    /// Rows that stayed because they are newer than the source's.
    pub newer: u64,
}

/// Both sides, as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    /// Rows of the source.
    pub theirs: Checksum,
    /// Those of the target; of a newer one as the source has it.
    pub ours: Checksum,
    /// Rows of the target that are newer than the source's.
    pub newer: u64,
    /// Rows of the window that only the target has, in the mode `upsert`.
    pub only_at_target: u64,
}

/// A window, or the whole table, on its way.
pub(crate) struct Write<'a> {
    /// The job's spec.
    pub spec: &'a Spec,
    /// Names and expressions.
    pub mapping: &'a Mapping,
    /// Which rows of the source.
    pub of_source: &'a str,
    /// Which of the target.
    pub of_target: &'a str,
    /// What carries them.
    pub pump: &'a Pump<'a>,
    /// What it is about, for errors.
    pub what: &'a str,
}

impl Write<'_> {
    /// Writes by the spec's mode.
    ///
    /// # Errors
    /// Those of either side; `InvalidSource` if the table would shrink too much.
    pub(crate) async fn run(&self, source: &mut PgConnection, target: &mut PgConnection) -> Result<Written> {
        if self.spec.target.mode == Mode::Upsert {
            let sent = self.stage(source, target).await?;
            return self.merge(target, sent).await;
        }
        if self.is_empty(target).await?
            && let Some(written) = self.straight(source, target).await?
        {
            return Ok(written);
        }
        if self.mapping.key.is_empty() {
            return self.exchange(source, target).await;
        }
        let sent = self.stage(source, target).await?;
        self.guard_shrinking(target, sent.rows).await?;
        self.merge(target, sent).await
    }

    /// The rows that now have to be those that were sent.
    pub(crate) fn read_back(&self) -> Selection {
        let Mapping { target, .. } = self.mapping;
        if self.spec.target.mode != Mode::Upsert {
            return self.mapping.of_target(self.of_target);
        }
        let (keys, known) = (self.same_key("known", "staged"), self.mapping.of("known"));
        let staged = self.mapping.of("staged");
        // A row that is newer stays, so it counts as it was sent.
        self.mapping.of_query(&match self.is_newer() {
            None => format!("select {known} from {target} known join {STAGE} staged on {keys}"),
            Some(newer) => format!(
                "select {known} from {target} known join {STAGE} staged on {keys} where ({newer}) is not true
                 union all
                 select {staged} from {target} known join {STAGE} staged on {keys} where {newer}"
            ),
        })
    }

    /// Copies from one statement to another.
    async fn copy(
        &self,
        source: &mut PgConnection,
        target: &mut PgConnection,
        copy_in: &str,
    ) -> Result<Checksum, Failure> {
        self.agree(source).await.map_err(Failure::Source)?;
        self.agree(target).await.map_err(Failure::Target)?;
        let rows = self.mapping.of_source(self.of_source);
        let reading = self.reading(&rows, source).await.map_err(Failure::Source)?;
        let sent = self.pump.copy(source, &reading, target, copy_in).await?;
        self.shrink(source).await.map_err(Failure::Source)?;
        self.disagree(target).await.map_err(Failure::Target)?;
        Ok(sent)
    }

    /// How rows are to be read now.
    async fn reading(&self, rows: &Selection, connection: &mut PgConnection) -> Result<Reading, sqlx::Error> {
        rows.reading((!self.mapping.is_text, STAGE), |query| self.mapping.copy_out(query), connection).await
    }

    /// Only hashes rows.
    async fn drain(&self, connection: &mut PgConnection, rows: &Selection) -> Result<Checksum, sqlx::Error> {
        self.agree(connection).await?;
        let reading = self.reading(rows, connection).await?;
        let checksum = self.pump.drain(connection, &reading).await?;
        self.shrink(connection).await?;
        self.disagree(connection).await?;
        Ok(checksum)
    }

    /// Gives back the memory that a very long row took.
    async fn shrink(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        match self.pump.progress.has_very_long_row() {
            true => give_back(connection).await,
            false => Ok(()),
        }
    }

    /// Makes both sides write the same bytes for the same rows: in the encoding that the source does not know of, and,
    /// as texts, with all names of objects in full, and amounts of money of two decimals.
    async fn agree(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if let Some(name) = &self.mapping.encoding {
            let set = format!("set client_encoding = '{name}'");
            sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *connection).await?;
        }
        if self.mapping.is_text {
            sqlx::raw_sql("set search_path = ''; set lc_monetary = 'C'").execute(connection).await?;
        }
        Ok(())
    }

    /// For all other statements: a type of an extension has its operators where it was made.
    async fn disagree(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.mapping.encoding.is_some() {
            sqlx::raw_sql("set client_encoding = 'UTF8'").execute(&mut *connection).await?;
        }
        if self.mapping.is_text {
            sqlx::raw_sql("reset search_path; reset lc_monetary").execute(connection).await?;
        }
        Ok(())
    }

    /// What went wrong, for people.
    pub(crate) fn failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Source(sqlx::Error::Configuration(error)) | Failure::Target(sqlx::Error::Configuration(error)) => {
                let kind = error.downcast_ref::<Error>().map_or(Kind::Misconfigured, Error::kind);
                Error::caused(kind, self.what, error)
            }
            Failure::Source(error) => {
                let advice = if has_code(&error, CANCELED) { ADVICE } else { "" };
                classify(format!("{}: read the source{advice}", self.what), error)
            }
            // A row that another window is writing: its attempt may be a frozen one, which its next attempt ends.
            Failure::Target(error) if has_code(&error, LOCK_NOT_AVAILABLE) => {
                Error::caused(Kind::LockHeld, format!("{}: another run writes its rows", self.what), error)
            }
            Failure::Target(error) => classify(format!("{}: write the target", self.what), error),
            Failure::Own(error) => Error::new(error.kind(), format!("{}: {error}", self.what)),
        }
    }

    /// Runs statements; returns how many rows they wrote.
    ///
    /// # Errors
    /// Those of the target.
    pub(crate) async fn execute(&self, target: &mut PgConnection, statements: impl Into<String>) -> Result<u64> {
        let done = sqlx::raw_sql(AssertSqlSafe(statements.into())).execute(target).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.failed(Failure::Target(error)))
    }

    /// The one value that a query answers.
    ///
    /// # Errors
    /// Those of the target.
    pub(crate) async fn scalar<T>(&self, target: &mut PgConnection, query: String) -> Result<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(target)
            .await
            .map_err(|error| self.failed(Failure::Target(error)))
    }

    async fn is_empty(&self, target: &mut PgConnection) -> Result<bool> {
        let (table, condition) = (&self.mapping.target, self.of_target);
        self.scalar(target, format!("select not exists (select from {table} where {condition})")).await
    }

    /// Into the table. `None`, and nothing was written, if a row is there already, in another window; then it has to be
    /// updated.
    async fn straight(&self, source: &mut PgConnection, target: &mut PgConnection) -> Result<Option<Written>> {
        self.execute(target, "savepoint sluice_straight").await?;
        let copied = self.copy(source, target, &self.mapping.copy_in(&self.mapping.target)).await;
        let (after, written) = match copied {
            Ok(sent) => {
                let written = Written { sent, inserted: sent.rows, ..Written::default() };
                ("release savepoint sluice_straight", Some(written))
            }
            Err(Failure::Target(sqlx::Error::Database(error)))
                if error.code().as_deref() == Some(UNIQUE_VIOLATION) && !self.mapping.key.is_empty() =>
            {
                ("rollback to savepoint sluice_straight", None)
            }
            Err(failure) => return Err(self.failed(failure)),
        };
        self.execute(target, after).await?;
        Ok(written)
    }

    /// All anew, unless it is the same already.
    async fn exchange(&self, source: &mut PgConnection, target: &mut PgConnection) -> Result<Written> {
        let Compared { theirs, ours, .. } = self.compare(source, target).await?;
        if theirs == ours {
            return Ok(Written { sent: theirs, unchanged: theirs.rows, ..Written::default() });
        }
        self.guard_shrinking(target, theirs.rows).await?;
        // Those that can wait, for the rows to be back.
        self.execute(target, "set constraints all deferred").await?;
        let delete = format!("delete from {} where {}", self.mapping.target, self.of_target);
        let deleted = self.execute(target, delete).await?;
        let copy_in = self.mapping.copy_in(&self.mapping.target);
        let sent = self.copy(source, target, &copy_in).await.map_err(|failure| self.failed(failure))?;
        self.execute(target, "set constraints all immediate").await?;
        Ok(Written { sent, inserted: sent.rows, deleted, ..Written::default() })
    }

    async fn stage(&self, source: &mut PgConnection, target: &mut PgConnection) -> Result<Checksum> {
        let (list, table) = (self.mapping.list(), &self.mapping.target);
        // With the types of the target, and nothing else of it.
        let create =
            format!("create temporary table sluice_stage on commit drop as select {list} from {table} with no data");
        self.execute(target, create).await?;
        let sent = self.copy(source, target, &self.mapping.copy_in(STAGE)).await;
        let sent = sent.map_err(|failure| self.failed(failure))?;
        self.execute(target, format!("analyze {STAGE}")).await?;
        Ok(sent)
    }

    /// That a row of the one has the key of a row of the other.
    pub(crate) fn same_key(&self, one: &str, other: &str) -> String {
        let same = self.mapping.key.iter().map(|name| format!("{one}.{name} = {other}.{name}"));
        same.collect::<Vec<_>>().join(" and ")
    }

    /// A row of the target that must not be overwritten by an older one.
    pub(crate) fn is_newer(&self) -> Option<String> {
        let cursor = self.mapping.cursor.as_ref()?;
        let is_wanted = self.spec.target.mode == Mode::Upsert && self.spec.target.newer_wins;
        is_wanted.then(|| format!("known.{name} > staged.{name}", name = cursor.name))
    }

    /// A source that is suddenly empty is an error of the source, not of the target's rows.
    async fn guard_shrinking(&self, target: &mut PgConnection, rows: u64) -> Result<()> {
        let limit = u64::from(self.spec.target.max_shrink_percent);
        if self.spec.target.mode != Mode::Replace || limit >= 100 {
            return Ok(());
        }
        let known: i64 = self.scalar(target, format!("select count(*) from {}", self.mapping.target)).await?;
        let known = known.unsigned_abs();
        if u128::from(rows) * 100 >= u128::from(known) * u128::from(100 - limit) {
            return Ok(());
        }
        let what = format!(
            "{}: the source has {rows} rows, the target {known}, so it would shrink by more than {limit} percent; if that is \
             right, set max_shrink_percent",
            self.what
        );
        Err(Error::new(Kind::InvalidSource, what))
    }

    /// The rows of both sides. One after the other, since a long row takes twice its size on each.
    ///
    /// # Errors
    /// Those of either side.
    pub(crate) async fn compare(&self, source: &mut PgConnection, target: &mut PgConnection) -> Result<Compared> {
        let theirs = self.drain(source, &self.mapping.of_source(self.of_source)).await;
        let theirs = theirs.map_err(|error| self.failed(Failure::Source(error)))?;
        let ours = self.drain(target, &self.mapping.of_target(self.of_target)).await;
        let ours = ours.map_err(|error| self.failed(Failure::Target(error)))?;
        Ok(Compared { theirs, ours, newer: 0, only_at_target: 0 })
    }

    /// The rows of the source, and those of the target with the same keys. The target's transaction has to be one that
    /// may write, but only a temporary table is written.
    ///
    /// # Errors
    /// Those of either side.
    pub(crate) async fn compare_by_key(
        &self,
        source: &mut PgConnection,
        target: &mut PgConnection,
    ) -> Result<Compared> {
        let theirs = self.stage(source, target).await?;
        let ours = self.drain(target, &self.read_back()).await;
        let ours = ours.map_err(|error| self.failed(Failure::Target(error)))?;
        let newer = self.count_newer(target).await.map_err(|error| self.failed(Failure::Target(error)))?;
        let (table, condition, keys) = (&self.mapping.target, self.of_target, self.same_key("known", "staged"));
        let only_at_target = format!(
            "select count(*) from {table} known
             where {condition} and not exists (select from {STAGE} staged where {keys})"
        );
        let only_at_target: i64 = self.scalar(target, only_at_target).await?;
        Ok(Compared { theirs, ours, newer, only_at_target: only_at_target.unsigned_abs() })
    }

    /// How the rows in the target differ from those that were sent, if they do.
    ///
    /// # Errors
    /// Those of the target.
    pub(crate) async fn difference(&self, target: &mut PgConnection, sent: Checksum) -> Result<Option<String>> {
        let there = self.drain(target, &self.read_back()).await;
        let there = there.map_err(|error| self.failed(Failure::Target(error)))?;
        Ok((there != sent).then(|| {
            format!(
                "{}: {} rows with the checksum {sent} were sent, {} with {there} are in the target",
                self.what, sent.rows, there.rows
            )
        }))
    }

    /// How many rows in the target there are in place of so many that were sent, if these are others: all that is told
    /// where bytes are not compared.
    ///
    /// # Errors
    /// Those of the target.
    pub(crate) async fn miscount(&self, target: &mut PgConnection, sent: u64) -> Result<Option<String>> {
        let table = &self.mapping.target;
        let query = match self.spec.target.mode {
            // Each once, however often its key was sent.
            Mode::Upsert => {
                let keys = self.same_key("known", "staged");
                format!("select count(*) from {table} known where exists (select from {STAGE} staged where {keys})")
            }
            Mode::ReplaceWindow | Mode::Replace => format!("select count(*) from {table} where {}", self.of_target),
        };
        let there: i64 = self.scalar(target, query).await?;
        let there = there.unsigned_abs();
        Ok((there != sent).then(|| format!("{}: {sent} rows were sent, {there} are in the target", self.what)))
    }
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|found| found == code)
}
