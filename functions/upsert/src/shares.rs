//! `on_overlap: per_file`: a side table keeps what each file says of each key. A run replaces the shares of its files and adds up
//! again only the keys that these touch, so neither late files nor corrected ones nor repetitions change what comes out.

use crate::merge::{Merge, Written};
use crate::sql_error::classify;
use crate::statements::{MAX_IDENTIFIER_BYTES, Names, STAGING, quoted};
use sluice::contract::{FILE_COLUMN, PivotResult, SourceFile, file_number};
use sluice::spec::Target;
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// The files of a run, by the numbers that stand in the staging table.
const FILES: &str = "pg_temp.sluice_files";

/// The keys that a run touches.
const TOUCHED: &str = "pg_temp.sluice_touched";

/// The statements about the side table of one target.
#[derive(Debug)]
pub struct Shares {
    /// Its name within the schema `sluice`: that of the target.
    pub name: String,
    has_target_rows: String,
    create: String,
    add_columns: String,
    columns: Vec<String>,
    find_touched: String,
    delete_stale: String,
    replace: String,
    sum_up: String,
    merge: Merge,
    delete: String,
}

/// The sums of the keys that a run touches.
const SUMS: &str = "pg_temp.sluice_share_sums";

/// What became of the touched keys.
#[derive(Debug)]
pub struct Touched {
    /// Keys that some file has a share in.
    pub keys: u64,
    /// What was written of them.
    pub written: Written,
    /// Keys in which no file has a share any more.
    pub deleted: u64,
}

/// The target's name, as people and `sluice.runs` have it; within the schema `sluice` the side table has it too.
pub fn table_name(target: &Target) -> String {
    format!("{}.{}", target.schema, target.table)
}

impl Shares {
    pub(crate) fn new(target: &Target, result: &PivotResult, names: &Names) -> Result<Self> {
        let name = table_name(target);
        let Ok(quoted_name) = quoted(&name) else {
            let what =
                format!("{name:?}: with on_overlap per_file, schema and table have {MAX_IDENTIFIER_BYTES} bytes");
            return Err(Error::new(Kind::Misconfigured, what));
        };
        let table = format!("sluice.{quoted_name}");
        let Names { table: target_table, key, .. } = names;
        let list = names.list();
        Ok(Self {
            has_target_rows: format!("select exists (select from only {target_table})"),
            create: format!(
                // From the target's own column, whose collation a comparison needs.
                "create table {table} as select ''::text as {FILE_COLUMN}, {key} from {target_table} with no data; \
                 alter table {table} add primary key ({key}, {FILE_COLUMN}); create index on {table} ({FILE_COLUMN})"
            ),
            add_columns: format!(
                "alter table {table} {}",
                names.each(&|name| format!("add column if not exists {name} numeric not null default 0"))
            ),
            columns: result.values.clone(),
            find_touched: format!(
                "create temporary table sluice_touched on commit drop as \
                 select {key} from {STAGING} union select share.{key} from {table} share \
                 join {FILES} file on file.name = share.{FILE_COLUMN} \
                 union select share.{key} from {table} share where not exists (select from only {target_table}); \
                 analyze {STAGING}; analyze {FILES}; analyze {TOUCHED}"
            ),
            delete_stale: format!(
                "delete from {table} share using {FILES} file where file.name = share.{FILE_COLUMN} and not exists \
                 (select from {STAGING} staged where staged.{FILE_COLUMN} = file.number and staged.{key} = share.{key})"
            ),
            replace: format!(
                "insert into {table} as known ({FILE_COLUMN}, {key}, {list}) \
                 select file.name, staged.{key}, {} from {STAGING} staged \
                 join {FILES} file on file.number = staged.{FILE_COLUMN} order by staged.{key}, file.name \
                 on conflict ({key}, {FILE_COLUMN}) do update set {} where ({}) is distinct from ({})",
                names.each(&|name| format!("trim_scale(staged.{name})")),
                names.each(&|name| format!("{name} = excluded.{name}")),
                names.each(&|name| format!("known.{name}")),
                names.each(&|name| format!("excluded.{name}")),
            ),
            sum_up: format!(
                "create temporary table sluice_share_sums on commit drop as select {key}, {} from {table} \
                 join {TOUCHED} using ({key}) group by {key} order by {key}",
                names.sums(),
            ),
            merge: Merge::new(names, SUMS),
            delete: format!(
                "delete from only {target_table} known using {TOUCHED} touched where known.{key} = touched.{key} \
                 and not exists (select from {table} share where share.{key} = touched.{key})"
            ),
            name,
        })
    }

    /// Makes the side table where it is missing, and gives it the columns that it lacks.
    ///
    /// # Errors
    /// `Misconfigured` if the target already has rows that are no file's share; others as [`classify`].
    pub async fn ensure_table(&self, connection: &mut PgConnection) -> Result<()> {
        let what = || format!("make the table of shares sluice.{:?}", self.name);
        if !exists(connection, &self.name).await? {
            let has_rows: bool = sqlx::query_scalar(AssertSqlSafe(self.has_target_rows.as_str()))
                .fetch_one(&mut *connection)
                .await
                .map_err(|error| classify(what(), error))?;
            if has_rows {
                let what = format!(
                    "target {}: it has rows that are no file's share; empty it, and start with {{\"since\": \
                     \"1970-01-01T00:00:00Z\"}} to load all files again",
                    self.name
                );
                return Err(Error::new(Kind::Misconfigured, what));
            }
            let created = sqlx::raw_sql(AssertSqlSafe(self.create.as_str())).execute(&mut *connection).await;
            created.map_err(|error| classify(what(), error))?;
        }
        // A category that came later gets its column later.
        let columns: i64 = sqlx::query_scalar(
            "select count(*) from pg_attribute a join pg_class c on c.oid = a.attrelid \
             join pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = 'sluice' and c.relname = $1 and not a.attisdropped and a.attname = any($2)",
        )
        .bind(&self.name)
        .bind(&self.columns)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| classify(what(), error))?;
        if usize::try_from(columns).is_ok_and(|columns| columns == self.columns.len()) {
            return Ok(());
        }
        let added = sqlx::raw_sql(AssertSqlSafe(self.add_columns.as_str())).execute(connection).await;
        added.map_err(|error| classify(what(), error)).map(|_| ())
    }

    /// Makes the table of this run's files.
    ///
    /// # Errors
    /// As [`classify`].
    pub async fn create_files(&self, connection: &mut PgConnection) -> Result<()> {
        let create = "create temporary table sluice_files (number bigint primary key, name text not null unique) \
                      on commit drop";
        let created = sqlx::query(create).execute(connection).await;
        created.map_err(|error| classify("create the table of files", error)).map(|_| ())
    }

    /// Names the files of a batch.
    ///
    /// # Errors
    /// As [`classify`].
    pub async fn stage_files(
        &self,
        connection: &mut PgConnection,
        bucket: &str,
        batch: u32,
        files: &[SourceFile],
    ) -> Result<()> {
        let numbers: Vec<i64> = (0..).take(files.len()).map(|place| file_number(batch, place)).collect();
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

    /// Puts the staged rows in the place of what the files said before, and adds up the keys they touch.
    ///
    /// # Errors
    /// As [`classify`].
    pub async fn merge(&self, connection: &mut PgConnection) -> Result<Touched> {
        for (statement, what) in [
            (&self.find_touched, "find the keys that the files touch"),
            (&self.delete_stale, "delete the shares that the files no longer have"),
            (&self.replace, "replace the shares of the files"),
        ] {
            let done = sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&mut *connection).await;
            done.map_err(|error| classify(what, error))?;
        }
        let summed = sqlx::query(AssertSqlSafe(self.sum_up.as_str())).execute(&mut *connection).await;
        let keys = summed.map_err(|error| classify("add up the shares", error))?.rows_affected();
        let written = self.merge.run(connection).await?;
        let deleted = sqlx::query(AssertSqlSafe(self.delete.as_str())).execute(connection).await;
        let deleted = deleted.map_err(|error| classify("delete the keys without a share", error))?.rows_affected();
        Ok(Touched { keys, written, deleted })
    }
}

/// Whether there is a side table of this name.
///
/// # Errors
/// As [`classify`].
pub async fn exists(connection: &mut PgConnection, name: &str) -> Result<bool> {
    sqlx::query_scalar(
        "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = 'sluice' and c.relname = $1)",
    )
    .bind(name)
    .fetch_one(connection)
    .await
    .map_err(|error| classify("look for the table of shares", error))
}
