//! From rows that are ready to rows of the target: a new key is inserted, a known one updated where it differs, and the
//! others are left alone, locked no more than read.
//!
//! `MERGE` does it with one join and without the speculative insertions of `ON CONFLICT`: two thirds of the server's
//! work. It fails with a unique violation where another writer inserts a key at the same time. [`Merge::run`] falls
//! back to `INSERT ... ON CONFLICT` then, before PostgreSQL 15, and for tables with triggers or rules (their writes
//! would distort the row counts).

use crate::identifiers::Names;
use crate::sql_error::classify_rows;
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// SQLSTATE of a unique violation.
const UNIQUE_VIOLATION: &str = "23505";

/// One source into one target.
#[derive(Debug)]
pub struct Merge<'a> {
    /// The target's names.
    pub names: &'a Names,
    /// A table that has each key once, under the target's names.
    pub source: &'a str,
}

/// How many rows were written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Keys that were new.
    pub inserted: u64,
    /// Keys whose values changed.
    pub updated: u64,
}

/// The table, and its partitions if it has any.
const TREE: &str =
    "select $1::text::regclass::oid as oid union select relid::oid from pg_partition_tree($1::text::regclass)";

/// What the server counts for this transaction: it needs no second look at the rows.
const COUNTS: &str =
    "sum(pg_stat_get_xact_tuples_inserted(c.oid))::bigint, sum(pg_stat_get_xact_tuples_updated(c.oid))::bigint";

impl Merge<'_> {
    /// Merges. Both ways take the rows in the order of the key, so that concurrent writers of other tools meet them in
    /// one order, hence without a deadlock.
    ///
    /// # Errors
    /// As [`classify_rows`].
    pub async fn run(&self, connection: &mut PgConnection) -> Result<Written> {
        let look = format!(
            "select current_setting('server_version_num')::int >= 150000
                    and current_setting('track_counts')::bool
                    and not bool_or(c.relhastriggers) and not bool_or(c.relhasrules),
                    array(
                        select attname::text from pg_attribute
                        where attrelid = $1::text::regclass and attnum > 0 and not attisdropped order by attnum
                    ),
                    {COUNTS}
             from ({TREE}) tree join pg_class c on c.oid = tree.oid"
        );
        let (can_merge, columns, inserted, updated): (bool, Vec<String>, i64, i64) =
            sqlx::query_as(AssertSqlSafe(look))
                .bind(&self.names.table)
                .fetch_one(&mut *connection)
                .await
                .map_err(|error| self.failed(error, &[]))?;
        if can_merge && let Some(total) = self.merge(connection, &columns).await? {
            let (inserted_now, updated_now): (i64, i64) =
                sqlx::query_as(AssertSqlSafe(format!("select {COUNTS} from ({TREE}) c")))
                    .bind(&self.names.table)
                    .fetch_one(connection)
                    .await
                    .map_err(|error| self.failed(error, &columns))?;
            let counts = [inserted_now - inserted, updated_now - updated].map(u64::try_from);
            let [Ok(inserted), Ok(updated)] = counts else { return Err(miscounted(total, counts)) };
            return match inserted + updated == total {
                true => Ok(Written { inserted, updated }),
                false => Err(miscounted(total, counts)),
            };
        }
        self.insert(connection, &columns).await
    }

    /// Returns how many rows were written; `None`, and none were, if another writer inserted a key meanwhile.
    async fn merge(&self, connection: &mut PgConnection, of_table: &[String]) -> Result<Option<u64>> {
        let (Names { rows, values, .. }, source) = (self.names, self.source);
        let (keys, columns, new) = (self.names.key_list(), self.columns(""), self.columns("staged."));
        let (same_key, known, staged) =
            (self.names.same_key("known", "staged"), self.names.compared("known"), self.names.compared("staged"));
        let update = match values.is_empty() {
            true => String::new(),
            false => format!(
                "when matched and ({known}) is distinct from ({staged}) then
                 update set {}",
                self.names.set_from("staged")
            ),
        };
        let merge = format!(
            "merge into {rows} known
             using (select {columns} from {source} order by {keys}) staged
             on {same_key}
             {update}
             when not matched then
                 insert ({columns}) values ({new})"
        );
        // A hash join would give up the order. Compiling the statement takes longer than it saves.
        let prepare = "savepoint sluice_merge; set local enable_hashjoin = off; set local jit = off";
        sqlx::raw_sql(prepare).execute(&mut *connection).await.map_err(|error| self.failed(error, of_table))?;
        let merged = sqlx::query(AssertSqlSafe(merge)).execute(&mut *connection).await;
        let (after, outcome) = match merged {
            Ok(done) => ("release savepoint sluice_merge", Ok(Some(done.rows_affected()))),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNIQUE_VIOLATION) => {
                ("rollback to savepoint sluice_merge", Ok(None))
            }
            Err(error) => return Err(self.failed(error, of_table)),
        };
        sqlx::raw_sql(after).execute(connection).await.map_err(|error| self.failed(error, of_table))?;
        outcome
    }

    /// A row that is there already is not even proposed, since a conflict locks its row whether it is updated or not.
    async fn insert(&self, connection: &mut PgConnection, of_table: &[String]) -> Result<Written> {
        let (Names { table, rows, values, .. }, source) = (self.names, self.source);
        let (keys, columns) = (self.names.key_list(), self.columns(""));
        let (known, staged, excluded) =
            (self.names.compared("known"), self.names.compared("staged"), self.names.compared("excluded"));
        let (is_same, action) = match values.is_empty() {
            true => (String::new(), "nothing".to_owned()),
            false => (
                format!("and ({known}) is not distinct from ({staged})"),
                format!("update set {} where ({known}) is distinct from ({excluded})", self.names.set_from("excluded")),
            ),
        };
        // Rows of partitions have no `xmax` to be told; there a row is new if the statement does not see it yet.
        let is_new = match rows == table {
            true => format!(
                "not exists (select from {table} before where {}) as is_new",
                self.names.same_key("before", "known")
            ),
            false => "(xmax = 0) as is_new".to_owned(),
        };
        let insert = format!(
            "with written as (
                 insert into {table} as known ({columns})
                 select {columns} from {source} staged
                 where not exists (
                     select from {rows} known
                     where {same_key} {is_same}
                 )
                 order by {keys}
                 on conflict ({keys}) do {action}
                 returning {is_new}
             )
             select count(*) filter (where is_new), count(*) filter (where not is_new) from written",
            same_key = self.names.same_key("known", "staged")
        );
        let (inserted, updated): (i64, i64) = sqlx::query_as(AssertSqlSafe(insert))
            .fetch_one(connection)
            .await
            .map_err(|error| self.failed(error, of_table))?;
        Ok(Written { inserted: inserted.unsigned_abs(), updated: updated.unsigned_abs() })
    }

    /// All columns, each after `prefix`, with commas between.
    fn columns(&self, prefix: &str) -> String {
        let Names { keys, values, .. } = self.names;
        keys.iter().chain(values).map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(", ")
    }

    fn failed(&self, error: sqlx::Error, of_table: &[String]) -> Error {
        classify_rows(format!("merge into {}", self.names.table), error, self.names, of_table)
    }
}

fn miscounted(total: u64, counts: [std::result::Result<u64, std::num::TryFromIntError>; 2]) -> Error {
    Error::new(
        Kind::InvariantBroken,
        format!("{total} rows were written, but {counts:?} were counted as inserted and updated"),
    )
}
