//! `on_overlap: newest_row`: of each key the row that wins among all rows of all versions ever loaded. A table beside
//! the target keeps what the winner of each key goes by, also of keys that are deleted; so a row that comes late does
//! not take the place of a newer one, and the files come in any order.
//!
//! S3 dates in whole seconds, so a file may have several versions of one date. Which of them is the newer one, no date
//! and no entity tag says; but a version that was overwritten cannot be read again, so it is the one that comes later.

use crate::content::Group;
use crate::files::{self, FILES};
use crate::fitting;
use crate::last_run;
use crate::load::Load;
use crate::merged::{FIRST_KEYS, Keys, Merged, NAMED, named};
use crate::staging::{self, STAGING};
use crate::start::Start;
use crate::target::Target;
use crate::words;
use postgres::merge::{Merge, Written};
use postgres::sql_error::classify;
use sluice::contract::{BAD_ROWS_ONLY, FILE_COLUMN, ROW_COLUMN, STATE_COLUMN};
use sluice::spec::NewestBy;
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// The rows of the run that win.
const WINNERS: &str = "pg_temp.sluice_winners";

/// The column that says when S3 dates the version whose row it is.
const MODIFIED: &str = "sluice_modified";

/// The column that has its entity tag; null where an earlier version wrote the rank.
const ETAG: &str = "sluice_etag";

/// Loads a run. Returns how many rows were staged; what that did is in `merged`.
///
/// # Errors
/// `Misconfigured` if a reload that nobody asked for would lose rows; others as [`staging::stage`], [`fitting::fit`]
/// and [`classify`].
pub(crate) async fn load(
    connection: &mut PgConnection,
    store: &Store,
    target: &Target<'_>,
    load: &Load<'_>,
    start: &Start,
    merged: &mut Merged,
) -> Result<u64> {
    files::stage(connection, store.bucket(), load.results).await?;
    let rows_staged = staging::stage(connection, store, target, load.results, merged).await?;
    if load.manifest.is_reload_by_itself {
        refuse_loss(connection, target, store.bucket(), merged).await?;
    }
    let ranks = ensure_ranks(connection, target, start).await?;
    merged.keys = find_winners(connection, target, load).await?;
    drop_losers(connection, target, &ranks).await?;
    write_ranks(connection, target, &ranks).await?;
    fitting::fit(connection, target, WINNERS, fitting::Of::Values, merged).await?;
    if target.deletes_rows() {
        last_run::delete(connection, target, WINNERS, merged).await?;
    }
    let Written { inserted, updated } = Merge { names: &target.names, source: WINNERS }.run(connection).await?;
    (merged.inserted, merged.updated) = (inserted, updated);
    if start.is_reload {
        merged.went(&target.delete_keys_not_in(connection, WINNERS, "").await?, "");
    }
    Ok(rows_staged)
}

/// Refuses a reload that nobody asked for if rows that win are of versions that it does not read: they were overwritten
/// since.
///
/// # Errors
/// `Misconfigured`, naming the files, with what to do, and with the first keys in `merged`; others as [`classify`].
async fn refuse_loss(
    connection: &mut PgConnection,
    target: &Target<'_>,
    bucket: &str,
    merged: &mut Merged,
) -> Result<()> {
    let known = words::columns(connection, &target.full_name).await?;
    if known.is_empty() {
        return Ok(());
    }
    let ranks = words::table_name(&target.full_name)?;
    // The same bytes may have been sent again. Rows that were loaded before entity tags were kept have none.
    let same_date = format!("file.modified = rank.{MODIFIED}");
    let is_there = match known.contains_key(ETAG) {
        true => format!("(file.etag = rank.{ETAG} or rank.{ETAG} is null and {same_date})"),
        false => same_date,
    };
    let first = match target.has_same_key(&known) {
        true => {
            let (shown, keys) = (target.names.shown("rank"), target.names.keys_of("rank"));
            format!("(array_agg({shown} order by {keys}))[1:{FIRST_KEYS}]")
        }
        false => "'{}'::text[]".to_owned(),
    };
    let lost: Vec<(String, i64, Vec<String>, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "select rank.{FILE_COLUMN}, count(*), {first}, count(*) over () from {ranks} rank
         where not exists (
             select from {FILES} file
             where file.name = rank.{FILE_COLUMN} and {is_there}
         )
         group by rank.{FILE_COLUMN} order by rank.{FILE_COLUMN} limit {NAMED}"
    )))
    .fetch_all(connection)
    .await
    .map_err(|error| classify("look for rows of versions that were overwritten", error))?;
    let Some((.., count)) = lost.first() else { return Ok(()) };
    let count = usize::try_from(*count).unwrap_or(usize::MAX);
    let mut told = Vec::new();
    for (name, key_count, first, _) in &lost {
        let (name, keys) = (files::key(bucket, name), Keys { count: key_count.unsigned_abs(), first: first.clone() });
        merged.refuse(&format!("{name} was overwritten since, and rows of {} count", keys.counted()), first);
        told.push(format!("{name} ({}{})", keys.counted(), keys.told(merged.key_columns)));
    }
    let what = format!(
        "target {}: its spec changed, so all files are to be loaded anew, but rows that count would be lost, of \
         versions that were overwritten since: {}; put the spec right, or start with {{\"reload\": true}}, which loads \
         what is there",
        target.full_name,
        named(&told, count)
    );
    Err(Error::new(Kind::Misconfigured, what))
}

/// Makes the table of ranks where it is missing; anew, if nothing is loaded yet. Returns its name.
async fn ensure_ranks(connection: &mut PgConnection, target: &Target<'_>, start: &Start) -> Result<String> {
    let ranks = words::table_name(&target.full_name)?;
    if start.is_new || start.is_reload {
        words::drop_words(connection, &target.full_name).await?;
    }
    let failed = |error| classify(format!("make the table of ranks {ranks}"), error);
    let known = words::columns(connection, &target.full_name).await?;
    if !known.is_empty() {
        if !known.contains_key(ETAG) {
            let add = format!("alter table {ranks} add column {ETAG} text collate \"C\"");
            sqlx::raw_sql(AssertSqlSafe(add)).execute(connection).await.map_err(failed)?;
        }
        return Ok(ranks);
    }
    let (keys, table) = (target.names.key_list(), &target.names.table);
    let order: String = target.content.order().map(|(name, sql)| format!("null::{sql} as {name}, ")).collect();
    // From the target's own columns, whose collations a comparison needs.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create table {ranks} as
             select {keys}, {order}now() as {MODIFIED}, ''::text collate \"C\" as {FILE_COLUMN},
                    ''::text collate \"C\" as {ETAG}, 0::bigint as {ROW_COLUMN}
             from {table} with no data;
         alter table {ranks} add primary key ({keys})"
    )))
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(ranks)
}

/// Which of two files is the older one, of a table that knows both.
fn by_file(target: &Target<'_>, modified: &str, name: &str) -> [String; 2] {
    let (modified, name) = (modified.to_owned(), format!("{name} collate \"C\""));
    match target.spec.target.newest_by {
        NewestBy::Modified => [modified, name],
        NewestBy::Key => [name, modified],
    }
}

/// Finds the row of each key that wins among those of the run. Returns how many keys there are.
async fn find_winners(connection: &mut PgConnection, target: &Target<'_>, load: &Load<'_>) -> Result<u64> {
    let (by, [first, second]) = (target.names.keys_of("staged"), by_file(target, "file.modified", "file.name"));
    // A bad row is no row.
    let good = match target.has_states() {
        true => format!("where staged.{STATE_COLUMN} <> {BAD_ROWS_ONLY}"),
        false => String::new(),
    };
    let from = format!("{STAGING} staged join {FILES} file on file.number = staged.{FILE_COLUMN} {good}");
    let of_file = format!(
        "file.modified as {MODIFIED}, file.name collate \"C\" as {FILE_COLUMN}, file.etag collate \"C\" as {ETAG}, "
    );
    let winners = match load.results.are_of_one_file() && !target.may_join_keys() {
        true => format!("select {by}, {of_file}{} from {from}", target.content.of("staged")),
        false => {
            let group = Group { by: &by, from: &from, alias: "staged", files: &[&first, &second] };
            target.content.combined(group, |_| of_file.clone())
        }
    };
    sqlx::query(AssertSqlSafe(format!("create temporary table sluice_winners on commit drop as {winners}")))
        .execute(connection)
        .await
        .map_err(|error| classify("find the rows that win", error))
        .map(|found| found.rows_affected())
}

/// Drops the rows of the run that lose against one that was loaded before, or are the same. Of two versions of a file
/// that are dated alike, that of the run is the newer one.
async fn drop_losers(connection: &mut PgConnection, target: &Target<'_>, ranks: &str) -> Result<()> {
    let same_key = target.names.same_key("known", "winner");
    let files = ["known", "winner"]
        .map(|alias| by_file(target, &format!("{alias}.{MODIFIED}"), &format!("{alias}.{FILE_COLUMN}")));
    let known_wins = target.content.wins("known", "winner", [&files[0], &files[1]], ETAG);
    sqlx::query(AssertSqlSafe(format!(
        "delete from {WINNERS} winner using {ranks} known where {same_key} and {known_wins}"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("compare with the rows before", error))
    .map(|_| ())
}

/// The columns that rows go by.
fn ranked(target: &Target<'_>) -> String {
    let order = target.content.order().map(|(name, _)| name.to_owned());
    let columns = [MODIFIED, FILE_COLUMN, ETAG, ROW_COLUMN].map(str::to_owned);
    order.chain(columns).collect::<Vec<_>>().join(", ")
}

async fn write_ranks(connection: &mut PgConnection, target: &Target<'_>, ranks: &str) -> Result<()> {
    let (keys, rank) = (target.names.key_list(), ranked(target));
    let set: Vec<String> = rank.split(", ").map(|name| format!("{name} = excluded.{name}")).collect();
    sqlx::query(AssertSqlSafe(format!(
        "insert into {ranks} ({keys}, {rank}) select {keys}, {rank} from {WINNERS} order by {keys}
         on conflict ({keys}) do update set {}",
        set.join(", ")
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("write down what the rows that win go by", error))
    .map(|_| ())
}
