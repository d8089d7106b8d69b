//! `on_overlap: per_file`: a side table keeps each file's contribution to each key, its share. A run replaces the
//! shares of its files and adds up again only the affected keys, so neither late files nor corrected ones nor
//! repetitions change the result.

use crate::merged::Merged;
use crate::staging::STAGING;
use crate::target::Target;
use postgres::identifiers::{MAX_IDENTIFIER_BYTES, Names, quoted};
use postgres::merge::{Merge, Written};
use postgres::sql_error::classify;
use sluice::contract::{FILE_COLUMN, SourceFile, file_number};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// The files of a run, by the numbers that are in the staging table.
const FILES: &str = "pg_temp.sluice_files";

/// The keys that a run affects.
const TOUCHED: &str = "pg_temp.sluice_touched";

/// The sums of these.
const SUMS: &str = "pg_temp.sluice_share_sums";

/// The side table of one target.
#[derive(Debug)]
pub(crate) struct Shares<'a> {
    target: &'a Target<'a>,
    /// Its name with its schema, quoted. Within the schema `sluice` it is called as the target, with the target's
    /// schema.
    table: String,
}

impl<'a> Shares<'a> {
    /// The side table of `target`.
    ///
    /// # Errors
    /// `Misconfigured` if its name would be too long.
    pub(crate) fn new(target: &'a Target<'a>) -> Result<Self> {
        let name = &target.full_name;
        let Ok(quoted_name) = quoted(name) else {
            let what =
                format!("{name:?}: with on_overlap per_file, schema and table have {MAX_IDENTIFIER_BYTES} bytes");
            return Err(Error::new(Kind::Misconfigured, what));
        };
        Ok(Self { target, table: format!("sluice.{quoted_name}") })
    }

    /// Makes the side table where it is missing, and gives it the columns that it lacks.
    ///
    /// # Errors
    /// `Misconfigured` if the target already has rows that are no file's share; others as [`classify`].
    pub(crate) async fn ensure_table(&self, connection: &mut PgConnection) -> Result<()> {
        if !exists(connection, &self.target.full_name).await? {
            self.refuse_rows_of_nobody(connection).await?;
            self.create(connection).await?;
        }
        self.add_columns(connection).await
    }

    async fn refuse_rows_of_nobody(&self, connection: &mut PgConnection) -> Result<()> {
        let Names { table: target, .. } = &self.target.names;
        let has_rows: bool = sqlx::query_scalar(AssertSqlSafe(format!("select exists (select from only {target})")))
            .fetch_one(connection)
            .await
            .map_err(|error| self.failed(error))?;
        if !has_rows {
            return Ok(());
        }
        let what = format!(
            "target {}: it has rows that are no file's share; empty it, and start with {{\"since\": \
             \"1970-01-01T00:00:00Z\"}} to load all files again",
            self.target.full_name
        );
        Err(Error::new(Kind::Misconfigured, what))
    }

    async fn create(&self, connection: &mut PgConnection) -> Result<()> {
        let (Names { table: target, key, .. }, shares) = (&self.target.names, &self.table);
        // From the target's own column, whose collation a comparison needs.
        sqlx::raw_sql(AssertSqlSafe(format!(
            "create table {shares} as select ''::text as {FILE_COLUMN}, {key} from {target} with no data;
             alter table {shares} add primary key ({key}, {FILE_COLUMN});
             create index on {shares} ({FILE_COLUMN})"
        )))
        .execute(connection)
        .await
        .map_err(|error| self.failed(error))
        .map(|_| ())
    }

    /// A category that came later gets its column later.
    async fn add_columns(&self, connection: &mut PgConnection) -> Result<()> {
        let columns = self.target.value_columns();
        let known: i64 = sqlx::query_scalar(
            "select count(*)
             from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = 'sluice' and c.relname = $1 and not a.attisdropped and a.attname = any($2)",
        )
        .bind(&self.target.full_name)
        .bind(columns)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| self.failed(error))?;
        if usize::try_from(known).is_ok_and(|known| known == columns.len()) {
            return Ok(());
        }
        let (shares, add) = (
            &self.table,
            self.target.names.each(|name| format!("add column if not exists {name} numeric not null default 0")),
        );
        let added = sqlx::raw_sql(AssertSqlSafe(format!("alter table {shares} {add}"))).execute(connection).await;
        added.map_err(|error| self.failed(error)).map(|_| ())
    }

    fn failed(&self, error: sqlx::Error) -> Error {
        classify(format!("make the table of shares sluice.{:?}", self.target.full_name), error)
    }

    /// Makes the table of this run's files.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn create_files(&self, connection: &mut PgConnection) -> Result<()> {
        sqlx::query(
            "create temporary table sluice_files (number bigint primary key, name text not null unique)
             on commit drop",
        )
        .execute(connection)
        .await
        .map_err(|error| classify("create the table of files", error))
        .map(|_| ())
    }

    /// Names the files of a batch.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn stage_files(
        &self,
        connection: &mut PgConnection,
        bucket: &str,
        batch: u32,
        files: &[SourceFile],
    ) -> Result<()> {
        let numbers: Vec<i64> = (0..).take(files.len()).map(|index| file_number(batch, index)).collect();
        // With the bucket: jobs of other stacks that load the same table may have files of the same key.
        let names: Vec<String> = files.iter().map(|file| format!("{bucket}/{}", file.key)).collect();
        sqlx::query(AssertSqlSafe(format!("insert into {FILES} select * from unnest($1::bigint[], $2::text[])")))
            .bind(numbers)
            .bind(names)
            .execute(connection)
            .await
            .map_err(|error| classify(format!("stage the files of batch {batch}"), error))
            .map(|_| ())
    }

    /// Replaces what the files said before by the staged rows, and adds up the keys that this affects.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn merge(&self, connection: &mut PgConnection) -> Result<Merged> {
        self.find_touched(connection).await?;
        self.delete_stale(connection).await?;
        self.replace(connection).await?;
        let keys = self.sum_up(connection).await?;
        let merge = Merge { names: &self.target.names, source: SUMS };
        let Written { inserted, updated } = merge.run(connection).await?;
        let deleted = self.delete_keys_without_shares(connection).await?;
        Ok(Merged { keys, inserted, updated, deleted })
    }

    /// The keys of the staged rows and those of the shares that the files had; all, if the target was emptied.
    async fn find_touched(&self, connection: &mut PgConnection) -> Result<()> {
        let (Names { table: target, key, .. }, shares) = (&self.target.names, &self.table);
        sqlx::raw_sql(AssertSqlSafe(format!(
            "create temporary table sluice_touched on commit drop as
                 select {key} from {STAGING}
                 union
                 select share.{key} from {shares} share join {FILES} file on file.name = share.{FILE_COLUMN}
                 union
                 select share.{key} from {shares} share where not exists (select from only {target});
             analyze {STAGING};
             analyze {FILES};
             analyze {TOUCHED}"
        )))
        .execute(connection)
        .await
        .map_err(|error| classify("find the keys that the files touch", error))
        .map(|_| ())
    }

    async fn delete_stale(&self, connection: &mut PgConnection) -> Result<()> {
        let (Names { key, .. }, shares) = (&self.target.names, &self.table);
        sqlx::raw_sql(AssertSqlSafe(format!(
            "delete from {shares} share using {FILES} file
             where file.name = share.{FILE_COLUMN}
             and not exists (
                 select from {STAGING} staged
                 where staged.{FILE_COLUMN} = file.number and staged.{key} = share.{key}
             )"
        )))
        .execute(connection)
        .await
        .map_err(|error| classify("delete the shares that the files no longer have", error))
        .map(|_| ())
    }

    async fn replace(&self, connection: &mut PgConnection) -> Result<()> {
        let (names, shares) = (&self.target.names, &self.table);
        let (Names { key, .. }, list) = (names, names.list());
        let staged = names.each(|name| format!("trim_scale(staged.{name})"));
        let (known, excluded, set) = (names.of("known"), names.of("excluded"), names.set_from("excluded"));
        sqlx::raw_sql(AssertSqlSafe(format!(
            "insert into {shares} as known ({FILE_COLUMN}, {key}, {list})
             select file.name, staged.{key}, {staged}
             from {STAGING} staged join {FILES} file on file.number = staged.{FILE_COLUMN}
             order by staged.{key}, file.name
             on conflict ({key}, {FILE_COLUMN}) do update set {set} where ({known}) is distinct from ({excluded})"
        )))
        .execute(connection)
        .await
        .map_err(|error| classify("replace the shares of the files", error))
        .map(|_| ())
    }

    /// Returns of how many keys there are shares.
    async fn sum_up(&self, connection: &mut PgConnection) -> Result<u64> {
        let (names, shares) = (&self.target.names, &self.table);
        let (Names { key, .. }, sums) = (names, names.sums());
        sqlx::query(AssertSqlSafe(format!(
            "create temporary table sluice_share_sums on commit drop as
                 select {key}, {sums} from {shares} join {TOUCHED} using ({key}) group by {key} order by {key}"
        )))
        .execute(connection)
        .await
        .map_err(|error| classify("add up the shares", error))
        .map(|summed| summed.rows_affected())
    }

    async fn delete_keys_without_shares(&self, connection: &mut PgConnection) -> Result<u64> {
        let (Names { table: target, key, .. }, shares) = (&self.target.names, &self.table);
        sqlx::query(AssertSqlSafe(format!(
            "delete from only {target} known using {TOUCHED} touched
             where known.{key} = touched.{key}
             and not exists (select from {shares} share where share.{key} = touched.{key})"
        )))
        .execute(connection)
        .await
        .map_err(|error| classify("delete the keys without a share", error))
        .map(|deleted| deleted.rows_affected())
    }
}

/// Whether there is a side table of this name.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn exists(connection: &mut PgConnection, name: &str) -> Result<bool> {
    sqlx::query_scalar(
        "select exists (
             select from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = 'sluice' and c.relname = $1
         )",
    )
    .bind(name)
    .fetch_one(connection)
    .await
    .map_err(|error| classify("look for the table of shares", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::{result, target};
    use sluice::spec::OnOverlap;

    #[test]
    fn a_name_that_the_side_table_could_not_have_is_refused() {
        for (table, is_refused) in [("t".repeat(56), false), ("t".repeat(57), true)] {
            let (spec, result) = (target("date", &table, OnOverlap::PerFile), result(true));
            let target = Target::new(&spec, &result).unwrap();
            let kind = Shares::new(&target).err().map(|error| error.kind());
            assert_eq!(kind, is_refused.then_some(Kind::Misconfigured), "{table}");
        }
    }
}
