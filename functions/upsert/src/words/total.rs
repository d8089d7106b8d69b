//! From the words on a key to the row of the target: of `all_files` their sum, of `newest_file` the newest one.

use super::replace::TOUCHED;
use super::table::{IS_WHOLE, MODIFIED, REPEATS, Words};
use crate::merged::{Keys, Merged, select_keys};
use crate::staging::STAGING;
use crate::start::Start;
use postgres::identifiers::Names;
use postgres::merge::{Merge, Written};
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::FILE_COLUMN;
use sluice::spec::{NewestBy, OnOverlap};
use sqlx::{AssertSqlSafe, PgConnection};

/// What the affected keys come to.
pub(super) const TOTALS: &str = "pg_temp.sluice_totals";

/// How many files have a word on the key that counts.
pub(super) const FILE_COUNT: &str = "sluice_file_count";

/// Finds what the affected keys come to: all keys, if nothing is in the target yet.
///
/// # Errors
/// As [`classify`].
pub(super) async fn find(connection: &mut PgConnection, words: &Words<'_>, start: &Start) -> Result<()> {
    let (names, table, target) = (&words.target.names, &words.table, &words.target.spec.target);
    let (Names { key, .. }, list, sums) = (names, names.list(), names.sums());
    let affected = match start.is_new {
        true => String::new(),
        false => format!("and {key} in (select {key} from {STAGING} union all select {key} from {TOUCHED})"),
    };
    let counting = format!("{table} where {REPEATS} is null {affected}");
    let newest_first = match target.newest_by {
        NewestBy::Modified => format!("{IS_WHOLE} desc, {MODIFIED} desc, {FILE_COLUMN} collate \"C\" desc"),
        NewestBy::Key => format!("{IS_WHOLE} desc, {FILE_COLUMN} collate \"C\" desc, {MODIFIED} desc"),
    };
    let totals = match target.on_overlap {
        OnOverlap::NewestFile => {
            format!("select distinct on ({key}) {key}, {list} from {counting} order by {key}, {newest_first}")
        }
        OnOverlap::AllFiles | OnOverlap::NewestRow | OnOverlap::LastRun => {
            format!("select {key}, {sums}, count(*) as {FILE_COUNT} from {counting} group by {key} order by {key}")
        }
    };
    sqlx::raw_sql(AssertSqlSafe(format!(
        "drop table if exists {TOTALS};
         create temporary table sluice_totals on commit drop as {totals}"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("find what the words come to", error))
    .map(|_| ())
}

/// Keys of the target of which a value is about to become smaller.
///
/// # Errors
/// As [`classify`].
pub(super) async fn smaller_keys(connection: &mut PgConnection, words: &Words<'_>) -> Result<Keys> {
    let Names { table, key, values, .. } = &words.target.names;
    let smaller = values.iter().map(|value| format!("total.{value} < known.{value}")).collect::<Vec<_>>().join(" or ");
    let select = select_keys(key);
    sqlx::query_as(AssertSqlSafe(format!(
        "with found as (
             select known.{key} from only {table} known join {TOTALS} total on total.{key} = known.{key}
             where {smaller}
         )
         {select}"
    )))
    .fetch_one(connection)
    .await
    .map(Keys::new)
    .map_err(|error| classify("look for keys that get smaller", error))
}

/// Makes the target what the words come to.
///
/// # Errors
/// As [`classify`].
pub(super) async fn merge(
    connection: &mut PgConnection,
    words: &Words<'_>,
    start: &Start,
    merged: &mut Merged,
) -> Result<()> {
    let names = &words.target.names;
    let keys: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {TOTALS}")))
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| classify("count the affected keys", error))?;
    let Written { inserted, updated } = Merge { names, source: TOTALS }.run(connection).await?;
    (merged.keys, merged.inserted, merged.updated) = (keys.unsigned_abs(), inserted, updated);
    // A reload deletes rows of whatever origin.
    let is_affected = match start.is_reload {
        true => String::new(),
        false => format!("and known.{key} in (select {key} from {TOUCHED})", key = names.key),
    };
    let counting = format!("(select {key} from {table} where {REPEATS} is null)", key = names.key, table = words.table);
    merged.went(&words.target.delete_keys_not_in(connection, &counting, &is_affected).await?);
    Ok(())
}
