//! Files that say of the only key that they share, in one value or as a part of what they say, just what another one
//! says, and count all the same: by chance two parts of one day come to the same, or a file came again under another
//! name. Which it is cannot be told from what they say, so a person is asked.

use super::pairs::PAIRS;
use super::table::Words;
use crate::files::{self, FILES};
use crate::merged::{NAMED, named};
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::FILE_COLUMN;
use sqlx::{AssertSqlSafe, PgConnection};

/// What a person should know of such files of the run, once it is known what counts; nothing if there are none. Of the
/// others that a file is like, the one that comes first by its name is looked at.
///
/// # Errors
/// As [`classify`].
pub(super) async fn note(connection: &mut PgConnection, words: &Words<'_>, bucket: &str) -> Result<Option<String>> {
    let (keys, table) = (words.target.names.key_list(), &words.table);
    let found: Vec<(String, String, String, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "with alike as (
             select distinct on (pair.one) pair.one, pair.other, pair.first_key
             from {PAIRS} pair join {FILES} file on file.name = pair.one
             where pair.equal = 1
             -- Of two files of the run one is told.
             and (pair.other < pair.one or not exists (select from {FILES} own where own.name = pair.other))
             order by pair.one, pair.other
         )
         select alike.one, alike.other, alike.first_key, count(*) over ()
         from alike
         where (
             select count(*) from {table} one join {table} other using ({keys})
             where one.{FILE_COLUMN} = alike.one and other.{FILE_COLUMN} = alike.other
         ) = 1
         order by alike.one limit {NAMED}"
    )))
    .fetch_all(connection)
    .await
    .map_err(|error| classify("look for files that are alike", error))?;
    let Some(count) = found.first().map(|(.., count)| usize::try_from(*count).unwrap_or(usize::MAX)) else {
        return Ok(None);
    };
    let pairs: Vec<String> = found
        .iter()
        .map(|(one, other, key, _)| format!("{} and {} of {key}", files::key(bucket, one), files::key(bucket, other)))
        .collect();
    Ok(Some(format!(
        "files say the same of the only key that they share, and both count: {}; if one is the other under a new name, \
         upload it without rows",
        named(&pairs, count)
    )))
}
