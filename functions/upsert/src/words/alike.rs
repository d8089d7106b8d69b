//! Files that say just what another one says of half or more of the keys that both have, and count all the same: by
//! chance two parts of one day come to the same, a file came again under another name, or exports overlap and were
//! corrected in between. Which it is cannot be told from what they say, so a person is asked.

use super::pairs::PAIRS;
use super::table::Words;
use crate::files::{self, FILES};
use crate::merged::{NAMED, named, told};
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::FILE_COLUMN;
use sqlx::{AssertSqlSafe, PgConnection};

/// What a person should know of such files of the run, once it is known what counts, and the first key of each pair;
/// nothing if there are none. Of the others that a file is like, the one that comes first by its name is told.
///
/// # Errors
/// As [`classify`].
pub(super) async fn note(
    connection: &mut PgConnection,
    words: &Words<'_>,
    bucket: &str,
) -> Result<Option<(String, Vec<String>)>> {
    let (keys, table) = (words.target.names.key_list(), &words.table);
    let [of_one, of_other] = ["one", "other"].map(|alias| words.target.content.figures(alias));
    // No more keys are looked at than it takes to see that they are too many.
    let found: Vec<(String, String, i64, i64, String, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "with run as (select distinct pair.one from {PAIRS} pair join {FILES} file on file.name = pair.one)
         select run.one, alike.other, alike.equal, alike.shared, alike.first_key, count(*) over ()
         from run cross join lateral (
             select pair.other, pair.equal, shared.count as shared, pair.first_key
             from {PAIRS} pair cross join lateral (
                 select count(*) from (
                     select from {table} one join {table} other using ({keys})
                     where one.{FILE_COLUMN} = pair.one and other.{FILE_COLUMN} = pair.other
                         and {of_one} > 0 and {of_other} > 0
                     limit 2 * pair.equal + 1
                 ) as key
             ) as shared
             where pair.one = run.one and 2 * pair.equal >= shared.count
             -- Of two files of the run one is told.
             and (pair.other < pair.one or not exists (select from {FILES} own where own.name = pair.other))
             order by pair.other limit 1
         ) as alike
         order by run.one limit {NAMED}"
    )))
    .fetch_all(connection)
    .await
    .map_err(|error| classify("look for files that are alike", error))?;
    let Some(count) = found.first().map(|(.., count)| usize::try_from(*count).unwrap_or(usize::MAX)) else {
        return Ok(None);
    };
    let pair = |(one, other, equal, shared, key, _): &(String, String, i64, i64, String, i64)| {
        let [one, other] = [one, other].map(|name| files::key(bucket, name));
        let first = told(std::slice::from_ref(key), 1, words.target.names.keys.len());
        format!("{one} and {other} ({equal} of {shared}{first})")
    };
    let pairs: Vec<String> = found.iter().map(pair).collect();
    let note = format!(
        "files say the same of half or more of the keys that they share, and both count: {}; if exports overlap, \
         \"on_overlap\": \"newest_file\" is for them; if one is the other under a new name, upload it without rows",
        named(&pairs, count)
    );
    Ok(Some((note, found.into_iter().map(|(.., key, _)| key).collect())))
}
