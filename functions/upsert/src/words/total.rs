//! From the words on a key to the row of the target: of `all_files` all of them together, of `newest_file` the newest
//! one.

use super::replace::TOUCHED;
use super::table::{IS_WHOLE, MODIFIED, REPEATS, Words, same};
use crate::content::Group;
use crate::merged::{Keys, Merged, select_keys};
use crate::staging::STAGING;
use crate::start::Start;
use crate::target::Target;
use postgres::identifiers::{Names, qualified};
use postgres::merge::{Merge, Written};
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::{DELETED_COLUMN, FILE_COLUMN};
use sluice::spec::{NewestBy, OnOverlap};
use sqlx::{AssertSqlSafe, PgConnection};

/// What the affected keys come to.
pub(super) const TOTALS: &str = "pg_temp.sluice_totals";

/// How many files have a word on the key that counts.
pub(super) const FILE_COUNT: &str = "sluice_file_count";

/// Finds what the affected keys come to: all keys, if nothing is in the target yet, or columns of it are new.
///
/// # Errors
/// As [`classify`].
pub(super) async fn find(connection: &mut PgConnection, words: &Words<'_>, start: &Start) -> Result<()> {
    let (Target { names, content, .. }, table) = (words.target, &words.table);
    let of_word = names.keys_of("word");
    let affected = match start.finds_all {
        true => String::new(),
        false => format!("and ({of_word}) in ({})", affected_keys(&names.keys)),
    };
    let counting = format!("{table} word where word.{REPEATS} is null {affected}");
    let name = format!("word.{FILE_COLUMN} collate \"C\"");
    let newest_first = match words.target.spec.target.newest_by {
        NewestBy::Modified => format!("word.{IS_WHOLE} desc, word.{MODIFIED} desc, {name} desc"),
        NewestBy::Key => format!("word.{IS_WHOLE} desc, {name} desc, word.{MODIFIED} desc"),
    };
    let totals = match words.target.spec.target.on_overlap {
        OnOverlap::NewestFile => {
            let values = content.values_of("word", &names.values);
            match words.target.newest_per() {
                None => format!(
                    "select distinct on ({of_word}) {of_word}, {values} from {counting} \
                     order by {of_word}, {newest_first}"
                ),
                Some(group) => {
                    let speaking = speaking(words, &group, start);
                    let (same_group, file) = (same(&group, "speaking", "word"), FILE_COLUMN);
                    format!(
                        "select {of_word}, {values}
                         from ({speaking}) speaking
                         join {table} word on {same_group} and word.{file} = speaking.{file} and word.{REPEATS} is null
                         order by {of_word}"
                    )
                }
            }
        }
        OnOverlap::AllFiles | OnOverlap::NewestRow | OnOverlap::LastRun => {
            let modified = format!("word.{MODIFIED}");
            let files = &[modified.as_str(), name.as_str()];
            let group = Group { by: &of_word, from: &counting, alias: "word", files };
            content.totals(group, &names.values, |over| format!("count(*){over} as {FILE_COUNT}, "))
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

/// The file that speaks alone for all keys that agree in the columns `group`: the newest one that is whole on all of
/// them; if none is, the newest.
fn speaking(words: &Words<'_>, group: &[String], start: &Start) -> String {
    let (table, by) = (&words.table, qualified("word", group));
    let affected = match start.finds_all {
        true => String::new(),
        false => format!("and ({by}) in ({})", affected_keys(group)),
    };
    let newest_first = match words.target.spec.target.newest_by {
        NewestBy::Modified => format!("max(word.{MODIFIED}) desc, word.{FILE_COLUMN} collate \"C\" desc"),
        NewestBy::Key => format!("word.{FILE_COLUMN} collate \"C\" desc"),
    };
    format!(
        "select distinct on ({by}) {by}, word.{FILE_COLUMN}
         from {table} word where word.{REPEATS} is null {affected}
         group by {by}, word.{FILE_COLUMN}
         order by {by}, bool_and(word.{IS_WHOLE}) desc, {newest_first}"
    )
}

/// These columns of all keys that the run affects.
fn affected_keys(columns: &[String]) -> String {
    let columns = columns.join(", ");
    format!("select {columns} from {STAGING} union all select {columns} from {TOUCHED}")
}

/// Keys of the target of which a value is about to become smaller.
///
/// # Errors
/// As [`classify`].
pub(super) async fn smaller_keys(connection: &mut PgConnection, words: &Words<'_>) -> Result<Keys> {
    let (Names { rows, .. }, select) = (&words.target.names, select_keys(&words.target.names));
    let smaller: Vec<String> =
        (words.target.added_up()).map(|value| format!("total.{value} < known.{value}")).collect();
    if smaller.is_empty() {
        return Ok(Keys::default());
    }
    let (known, same_key, smaller) =
        (words.target.names.keys_of("known"), words.target.names.same_key("total", "known"), smaller.join(" or "));
    sqlx::query_as(AssertSqlSafe(format!(
        "with found as (
             select {known} from {rows} known join {TOTALS} total on {same_key}
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
    let Target { names, content, .. } = words.target;
    let failed = |error| classify("find the keys that the table is to have", error);
    if content.has_rows() {
        // The row that speaks says that its key is none.
        sqlx::query(AssertSqlSafe(format!("delete from {TOTALS} where {DELETED_COLUMN}")))
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {TOTALS}")))
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let Written { inserted, updated } = Merge { names, source: TOTALS }.run(connection).await?;
    (merged.keys, merged.inserted, merged.updated) = (count.unsigned_abs(), inserted, updated);
    let (keys, table) = (names.key_list(), &words.table);
    // A key that has words may go, too: of rows, and where one file speaks alone for several keys.
    let group = words.target.newest_per();
    let (counting, columns, affected) = match (content.has_rows(), &group) {
        (false, None) => {
            let counting = format!("(select {keys} from {table} where {REPEATS} is null)");
            (counting, &names.keys, format!("select {keys} from {TOUCHED}"))
        }
        (_, group) => {
            let columns = group.as_ref().unwrap_or(&names.keys);
            (TOTALS.to_owned(), columns, affected_keys(columns))
        }
    };
    // A reload deletes rows of whatever origin.
    let is_affected = match start.is_reload {
        true => String::new(),
        false => format!("and ({}) in ({affected})", qualified("known", columns)),
    };
    let or = if content.has_rows() { ", or the row that counts deletes them" } else { "" };
    merged.went(&words.target.delete_keys_not_in(connection, &counting, &is_affected).await?, or);
    Ok(())
}
