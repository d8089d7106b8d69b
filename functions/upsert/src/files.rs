//! The files of a run, in a temporary table: the numbers that the parts have for them, and what their words are called.

use crate::results::Results;
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::{LoadedFile, file_number};
use sqlx::{AssertSqlSafe, PgConnection};

/// The table.
pub(crate) const FILES: &str = "pg_temp.sluice_files";

/// Makes the table, with the files of all batches.
///
/// # Errors
/// As [`Results::files`] and [`classify`].
pub(crate) async fn stage(connection: &mut PgConnection, bucket: &str, results: &Results<'_>) -> Result<()> {
    sqlx::query(
        "create temporary table sluice_files (
             number bigint primary key,
             name text collate \"C\" not null unique,
             modified timestamptz not null,
             etag text collate \"C\" not null,
             has_unknown_keys boolean not null
         ) on commit drop",
    )
    .execute(&mut *connection)
    .await
    .map_err(|error| classify("create the table of files", error))?;
    for result in &results.batches {
        let batch = result.output.index;
        add(connection, bucket, batch, &results.files(batch).await?.loaded).await?;
    }
    sqlx::raw_sql(AssertSqlSafe(format!("analyze {FILES}")))
        .execute(connection)
        .await
        .map_err(|error| classify("analyze the table of files", error))
        .map(|_| ())
}

async fn add(connection: &mut PgConnection, bucket: &str, batch: u32, files: &[LoadedFile]) -> Result<()> {
    let numbers: Vec<i64> = (0..).take(files.len()).map(|place| file_number(batch, place)).collect();
    let names: Vec<String> = files.iter().map(|loaded| name(bucket, &loaded.file.key)).collect();
    let modified: Vec<&str> = files.iter().map(|loaded| loaded.file.last_modified.as_str()).collect();
    let etags: Vec<&str> = files.iter().map(|loaded| loaded.file.etag.as_str()).collect();
    let unknown: Vec<bool> = files.iter().map(|loaded| loaded.has_unknown_keys).collect();
    sqlx::query(AssertSqlSafe(format!(
        "insert into {FILES} select number, name, modified::timestamptz, etag, has_unknown_keys
         from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[])
             as file (number, name, modified, etag, has_unknown_keys)"
    )))
    .bind(numbers)
    .bind(names)
    .bind(modified)
    .bind(etags)
    .bind(unknown)
    .execute(connection)
    .await
    .map_err(|error| classify(format!("stage the files of batch {batch}"), error))
    .map(|_| ())
}

/// What the words of a file are called: with its bucket, as words have always been.
pub(crate) fn name(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}

/// The key of the object whose words are called so.
pub(crate) fn key<'n>(bucket: &str, name: &'n str) -> &'n str {
    name.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_key() {
        assert_eq!(key("lake", &name("lake", "in/lake/a.csv")), "in/lake/a.csv");
        assert_eq!(key("lake", "other/in/a.csv"), "other/in/a.csv", "of a bucket before");
    }
}
