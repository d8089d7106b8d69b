//! From the words before a run to those after it. Of each of its files and each key:
//! - if no row of the key is in quarantine, the new word replaces the one before, also if there is none any more;
//! - else, a whole word that was there before stays: a right value is not replaced by a part of one;
//! - else, the new word replaces the one before, if there is one.
//!
//! Where one file speaks alone for a group of keys, a row in quarantine concerns all of them: the group is whole or not
//! as one, and beside whole words no part says anything of it.

use super::table::{IS_WHOLE, MODIFIED, Words, same};
use crate::files::FILES;
use crate::merged::{Keys, select_keys};
use crate::staging::STAGING;
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::{BAD_ROWS_ONLY, FILE_COLUMN, PARTIAL, STATE_COLUMN, WHOLE};
use sqlx::{AssertSqlSafe, PgConnection};

/// The keys that a run affects though they are not staged: of words that are gone, or that a file keeps of which the
/// run does not know all keys. One may be in it several times.
pub(super) const TOUCHED: &str = "pg_temp.sluice_touched";

/// Says of each group of keys for which one file speaks alone that no key of it is whole, if one is not: the file may
/// lack that one only since all its rows are in quarantine.
///
/// # Errors
/// As [`classify`].
pub(super) async fn mark_groups(connection: &mut PgConnection, words: &Words<'_>) -> Result<()> {
    let Some(group) = words.target.newest_per().filter(|_| words.target.has_states()) else { return Ok(()) };
    let (columns, same_group) = (group.join(", "), same(&group, "bad", "staged"));
    sqlx::query(AssertSqlSafe(format!(
        "with bad as (select distinct {FILE_COLUMN}, {columns} from {STAGING} where {STATE_COLUMN} <> {WHOLE})
         update {STAGING} staged set {STATE_COLUMN} = {PARTIAL}
         from bad
         where bad.{FILE_COLUMN} = staged.{FILE_COLUMN} and {same_group} and staged.{STATE_COLUMN} = {WHOLE}"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("find the groups of keys that are not whole", error))
    .map(|_| ())
}

/// Whether a row in quarantine is of the group of keys of `word`, which `file` has said before; where one file speaks
/// alone for several keys.
fn is_of_bad_group(words: &Words<'_>) -> Option<String> {
    let group = words.target.newest_per().filter(|_| words.target.has_states())?;
    let same_group = same(&group, "bad", "word");
    Some(format!(
        "exists (
             select from {STAGING} bad
             where bad.{FILE_COLUMN} = file.number and {same_group} and bad.{STATE_COLUMN} <> {WHOLE}
         )"
    ))
}

/// The keys of the run's files that are not whole: those that they have, and those that they keep from before since any
/// row of theirs may be in quarantine. Asked before the words are replaced.
///
/// # Errors
/// As [`classify`].
pub(super) async fn partial_keys(connection: &mut PgConnection, words: &Words<'_>) -> Result<Keys> {
    if !words.target.has_states() {
        return Ok(Keys::default());
    }
    let (names, table) = (&words.target.names, &words.table);
    let (staged, word, select) = (names.keys_of("staged"), names.keys_of("word"), select_keys(names));
    let or_kept = is_of_bad_group(words).map_or_else(String::new, |is_kept| format!("or {is_kept}"));
    sqlx::query_as(AssertSqlSafe(format!(
        "with found as (
             select {staged}
             from {STAGING} staged join {FILES} file on file.number = staged.{FILE_COLUMN}
             where staged.{STATE_COLUMN} <> {WHOLE} or file.has_unknown_keys
             union
             select {word} from {table} word join {FILES} file on file.name = word.{FILE_COLUMN}
             where file.has_unknown_keys {or_kept}
         )
         {select}"
    )))
    .fetch_one(connection)
    .await
    .map(Keys::new)
    .map_err(|error| classify("count the keys that are not whole", error))
}

/// Replaces what the files said before by the staged rows. Says whether any of them said something before.
///
/// # Errors
/// As [`classify`].
pub(super) async fn replace(connection: &mut PgConnection, words: &Words<'_>) -> Result<bool> {
    begin(connection, words).await?;
    let has_come_again = has_come_again(connection, words).await?;
    delete(connection, words).await?;
    write(connection, words).await?;
    Ok(has_come_again)
}

async fn has_come_again(connection: &mut PgConnection, words: &Words<'_>) -> Result<bool> {
    let table = &words.table;
    sqlx::query_scalar(AssertSqlSafe(format!(
        "select exists (
             select from {FILES} file where exists (select from {table} word where word.{FILE_COLUMN} = file.name)
         )"
    )))
    .fetch_one(connection)
    .await
    .map_err(|error| classify("look for what the files said before", error))
}

async fn begin(connection: &mut PgConnection, words: &Words<'_>) -> Result<()> {
    let (word, table) = (words.target.names.keys_of("word"), &words.table);
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create temporary table sluice_touched on commit drop as
             select {word} from {table} word join {FILES} file on file.name = word.{FILE_COLUMN}
             where file.has_unknown_keys;
         analyze {STAGING};
         analyze {TOUCHED}"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("find the keys that the files keep", error))
    .map(|_| ())
}

/// Deletes what the files no longer say.
async fn delete(connection: &mut PgConnection, words: &Words<'_>) -> Result<()> {
    let (names, table) = (&words.target.names, &words.table);
    let (keys, word, same_key) = (names.key_list(), names.keys_of("word"), names.same_key("staged", "word"));
    let is_gone = is_of_bad_group(words).map_or_else(String::new, |is_kept| format!("and not {is_kept}"));
    sqlx::query(AssertSqlSafe(format!(
        "with gone as (
             delete from {table} word using {FILES} file
             where file.name = word.{FILE_COLUMN} and not file.has_unknown_keys {is_gone}
             and not exists (
                 select from {STAGING} staged
                 where staged.{FILE_COLUMN} = file.number and {same_key}
             )
             returning {word}
         )
         insert into {TOUCHED} select {keys} from gone"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("delete the words that the files no longer have", error))
    .map(|_| ())
}

/// That a part is of no group of keys of which the file has whole words.
fn adds_to_no_whole_group(words: &Words<'_>) -> String {
    let Some(group) = words.target.newest_per() else { return String::new() };
    let (table, same_group) = (&words.table, same(&group, "word", "staged"));
    format!(
        "and (
             staged.{STATE_COLUMN} = {WHOLE} and not file.has_unknown_keys
             or not exists (
                 select from {table} word
                 where word.{FILE_COLUMN} = file.name and {same_group} and word.{IS_WHOLE}
             )
         )"
    )
}

async fn write(connection: &mut PgConnection, words: &Words<'_>) -> Result<()> {
    let (target, table) = (words.target, &words.table);
    let (names, content) = (&target.names, &target.content);
    let (keys, staged_keys, list, staged) =
        (names.key_list(), names.keys_of("staged"), content.list(), content.trimmed("staged"));
    let (known, excluded, set) = (content.of("known"), content.of("excluded"), content.set_from("excluded"));
    let (is_whole, has_word) = match target.has_states() {
        true => (
            format!("staged.{STATE_COLUMN} = {WHOLE} and not file.has_unknown_keys"),
            format!("where staged.{STATE_COLUMN} <> {BAD_ROWS_ONLY} {}", adds_to_no_whole_group(words)),
        ),
        false => ("true".to_owned(), String::new()),
    };
    sqlx::query(AssertSqlSafe(format!(
        "insert into {table} as known ({FILE_COLUMN}, {keys}, {IS_WHOLE}, {MODIFIED}, {list})
         select file.name, {staged_keys}, {is_whole}, file.modified, {staged}
         from {STAGING} staged join {FILES} file on file.number = staged.{FILE_COLUMN}
         {has_word}
         order by {staged_keys}, file.name
         on conflict ({keys}, {FILE_COLUMN}) do update
         set {IS_WHOLE} = excluded.{IS_WHOLE}, {MODIFIED} = excluded.{MODIFIED}, {set}
         where (excluded.{IS_WHOLE} or not known.{IS_WHOLE})
         and (known.{IS_WHOLE}, known.{MODIFIED}, {known})
             is distinct from (excluded.{IS_WHOLE}, excluded.{MODIFIED}, {excluded})"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("replace the words of the files", error))
    .map(|_| ())
}
