//! `on_overlap: last_run`: a known key gets the values, or the row, that this run's files say. What that may lose is
//! said.

use crate::content::Group;
use crate::files::{self, FILES};
use crate::fitting;
use crate::key_ranges;
use crate::load::Load;
use crate::merged::{Keys, Merged, NAMED, named, select_keys};
use crate::staging::{self, STAGING};
use crate::start::Start;
use crate::target::Target;
use crate::words;
use postgres::merge::{Merge, Written};
use postgres::sql_error::{classify, classify_rows};
use postgres::targets;
use postgres::told;
use sluice::contract::{BAD_ROWS_ONLY, DELETED_COLUMN, FILE_COLUMN, STATE_COLUMN, SharedKey, WHOLE};
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// The sums of several parts.
const SUMS: &str = "pg_temp.sluice_sums";

/// How many files have the key, where they are kept apart; else how many parts, in as many ways as it is spelled there.
const PART_COUNT: &str = "sluice_part_count";

/// Loads a run. Returns how many rows were staged; what that did is in `merged`.
///
/// # Errors
/// `Misconfigured` if words of files are kept, which would become wrong; others as [`staging::stage`].
pub(crate) async fn load(
    connection: &mut PgConnection,
    store: &Store,
    target: &Target<'_>,
    load: &Load<'_>,
    start: &Start,
    merged: &mut Merged,
) -> Result<u64> {
    drop_words(connection, target, start).await?;
    if target.layout.per_file {
        files::stage(connection, store.bucket(), load.results).await?;
    }
    let rows_staged = staging::stage(connection, store, target, load.results, merged).await?;
    let (keys, source) = match has_final_rows(target, load) {
        true => (rows_staged, STAGING),
        false => (sum_up(connection, target).await?, SUMS),
    };
    merged.keys = keys;
    let across_parts = match source == SUMS && rows_staged > keys {
        true => count_keys(connection, target, SUMS, &format!("{PART_COUNT} > 1")).await?,
        false => Keys::default(),
    };
    if let Some((note, keys)) = shared(load, target, &across_parts) {
        merged.note(note, &keys);
    }
    if target.has_states() {
        keep_whole(connection, target, load, start, source, merged).await?;
    }
    if start.is_new || start.is_reload {
        key_ranges::forget(connection, target, load, start.is_reload).await?;
    }
    key_ranges::write(connection, target, load, store.bucket()).await?;
    if let Some((note, keys)) = key_ranges::note(connection, target, load, source).await? {
        merged.note(note, &keys.first);
    }
    fitting::fit(connection, target, source, fitting::Of::Values, merged).await?;
    if target.deletes_rows() {
        delete(connection, target, source, merged).await?;
    }
    let Written { inserted, updated } = Merge { names: &target.names, source }.run(connection).await?;
    (merged.inserted, merged.updated) = (inserted, updated);
    if start.is_reload {
        merged.went(&target.delete_keys_not_in(connection, source, "").await?, "");
        let jobs = targets::forget_others(connection, &target.spec.target, &load.input.execution).await?;
        merged.notes.extend(forgotten(&jobs));
    }
    Ok(rows_staged)
}

/// Whether what is staged is what is loaded: each key once, and of files that are kept apart the rows of one, as they
/// are.
fn has_final_rows(target: &Target<'_>, load: &Load<'_>) -> bool {
    let is_of_one = match target.layout.per_file {
        true => load.results.are_of_one_file() && target.content.has_rows(),
        false => load.results.have_keys_once() && load.results.parts().count() == 1,
    };
    // Two keys that become one come twice.
    is_of_one && !target.may_join_keys()
}

async fn drop_words(connection: &mut PgConnection, target: &Target<'_>, start: &Start) -> Result<()> {
    if !words::drop_words(connection, &target.full_name).await? || start.is_reload || !start.is_unrecorded {
        return Ok(());
    }
    // Before there was a record; the transaction takes it back.
    let what = format!(
        "target {}: the words of its files are kept in sluice.{:?}, so it was not loaded with last_run; leave on_overlap \
         at all_files, or start with {{\"reload\": true}}",
        target.full_name, target.full_name
    );
    Err(Error::new(Kind::Misconfigured, what))
}

/// Returns how many keys there are.
async fn sum_up(connection: &mut PgConnection, target: &Target<'_>) -> Result<u64> {
    let keys = target.names.keys_of("staged");
    let (from, files): (_, &[&str]) = match target.layout.per_file {
        true => {
            let from = format!("{STAGING} staged join {FILES} file on file.number = staged.{FILE_COLUMN}");
            (from, &["file.modified", "file.name"])
        }
        false => (format!("{STAGING} staged"), &[]),
    };
    let group = Group { by: &keys, from: &from, alias: "staged", files };
    let totals = target.content.totals(group, &target.names.values, |over| {
        format!("{}count(*){over} as {PART_COUNT}, ", staging::state(target, "staged", over))
    });
    sqlx::query(AssertSqlSafe(format!("create temporary table sluice_sums on commit drop as {totals}")))
        .execute(connection)
        .await
        .map_err(|error| classify("add up the parts", error))
        .map(|summed| summed.rows_affected())
}

/// Deletes the keys whose winner says so, from the target and from `source`.
///
/// # Errors
/// As [`classify_rows`].
pub(crate) async fn delete(
    connection: &mut PgConnection,
    target: &Target<'_>,
    source: &str,
    merged: &mut Merged,
) -> Result<()> {
    let (rows, same_key) = (&target.names.rows, target.names.same_key("known", "staged"));
    let failed = |error| classify_rows("delete the keys whose rows say so", error, &target.names, &[]);
    let deleted = sqlx::query(AssertSqlSafe(format!(
        "delete from {rows} known using {source} staged where {same_key} and staged.{DELETED_COLUMN}"
    )))
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    let out = sqlx::query(AssertSqlSafe(format!("delete from {source} where {DELETED_COLUMN}")))
        .execute(connection)
        .await
        .map_err(failed)?;
    merged.keys -= out.rows_affected();
    merged.deleted = deleted.rows_affected();
    Ok(())
}

/// Counts the keys of `source` for which a condition holds.
async fn count_keys(connection: &mut PgConnection, target: &Target<'_>, source: &str, condition: &str) -> Result<Keys> {
    let (keys, select) = (target.names.key_list(), select_keys(&target.names));
    sqlx::query_as(AssertSqlSafe(format!("with found as (select {keys} from {source} where {condition}) {select}")))
        .fetch_one(connection)
        .await
        .map(Keys::new)
        .map_err(|error| classify(format!("count keys of {source}"), error))
}

/// What is to be said of keys that several files of the run have, and the first of them. Those of one part were counted
/// by pivot.
fn shared(load: &Load<'_>, target: &Target<'_>, across_parts: &Keys) -> Option<(String, Vec<String>)> {
    let batches = || load.results.batches.iter().map(|result| &result.shared);
    let within_parts: u64 = batches().map(|shared| shared.count).sum();
    // A key may be in two files of one part, and in another part as well.
    let (prefix, count) = match (within_parts, across_parts.count) {
        (0, 0) => return None,
        (0, count) | (count, 0) => ("", count),
        (one, other) => ("at least ", batches().map(|shared| shared.count).max().unwrap_or(one).max(other)),
    };
    let within = || batches().flat_map(|shared| &shared.first);
    let told = |key: &String| told::of_key(key, target.names.keys.len());
    let by_file = within().map(|SharedKey { key, files: [one, other] }| match told(key) {
        Some(key) => format!("{key} ({one}, {other})"),
        None => format!("of {one} and {other}"),
    });
    let mut first: Vec<String> = by_file.chain(across_parts.first.iter().filter_map(told)).take(NAMED).collect();
    first.dedup();
    let keys = Keys { count, first: Vec::new() };
    let named = named(&first, usize::try_from(count).unwrap_or(usize::MAX));
    let named = if first.is_empty() { String::new() } else { format!(": {named}") };
    let together = match target.content.has_rows() {
        true => "loaded as the row has it that wins",
        false => "added up",
    };
    // Two spellings may be of one file.
    let or = match across_parts.count > 0 && !target.layout.per_file && target.may_join_keys() {
        true => ", or spell in several ways,",
        false => "",
    };
    let (counted, were) = (keys.counted(), keys.were());
    let mut keys: Vec<String> = within().map(|shared| shared.key.clone()).collect();
    keys.extend(across_parts.first.iter().filter(|key| within().all(|shared| shared.key != **key)).cloned());
    Some((format!("{prefix}{counted} that several files of this run have{or} {were} {together}{named}"), keys))
}

/// What is to be said of other jobs whose rows a reload deletes.
fn forgotten(jobs: &[String]) -> Option<String> {
    (!jobs.is_empty()).then(|| {
        format!(
            "the table was loaded by other jobs, too: {}; what they had loaded is gone, and the next run of each looks \
             at all its files again",
            jobs.join(", ")
        )
    })
}

/// Takes out of `source` the keys that are not whole and in the target already, where they keep what they have; and
/// those of which all rows are bad. A reload keeps nothing.
async fn keep_whole(
    connection: &mut PgConnection,
    target: &Target<'_>,
    load: &Load<'_>,
    start: &Start,
    source: &str,
    merged: &mut Merged,
) -> Result<()> {
    let (rows, same_key) = (&target.names.rows, target.names.same_key("known", "staged"));
    let is_partial = match load.results.has_unknown_keys {
        true => "true".to_owned(),
        false => format!("{STATE_COLUMN} <> {WHOLE}"),
    };
    let partial = count_keys(connection, target, source, &is_partial).await?;
    merged.are_partial(&partial);
    if partial.count == 0 {
        return Ok(());
    }
    let failed = |error| classify("keep the keys that are whole", error);
    if !start.is_reload {
        sqlx::query(AssertSqlSafe(format!(
            "delete from {source} staged using {rows} known
             where {same_key} and {is_partial}"
        )))
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    let nothing = sqlx::query(AssertSqlSafe(format!("delete from {source} where {STATE_COLUMN} = {BAD_ROWS_ONLY}")))
        .execute(connection)
        .await
        .map_err(failed)?;
    merged.keys -= nothing.rows_affected();
    Ok(())
}
