//! What a reload that nobody asked for would lose: what the table holds of a file that is set aside by now, and a whole
//! value in whose place a part would come. What was set aside or partial before stays so, and is no loss.

use super::table::{IS_WHOLE, Words, same};
use crate::files::{self, FILES};
use crate::load::Load;
use crate::merged::{self, FIRST_KEYS, Merged, NAMED};
use crate::staging::STAGING;
use postgres::sql_error::classify;
use postgres::told;
use sluice::contract::{FILE_COLUMN, STATE_COLUMN, WHOLE};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// Files of which something would be lost, and what.
#[derive(Default)]
struct Lost {
    count: usize,
    /// The first [`NAMED`].
    first: Vec<String>,
    /// The first keys of each that is about keys, with what it says.
    keys: Vec<(String, Vec<String>)>,
}

impl Lost {
    fn add(&mut self, told: String) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(told);
        }
    }
}

/// Refuses a reload that would lose something, once its files are staged, and before the words from before are dropped.
///
/// # Errors
/// `Misconfigured`, naming the files, with what to do, and with the first keys in `merged`; others as [`classify`].
pub(super) async fn refuse(
    connection: &mut PgConnection,
    words: &Words<'_>,
    bucket: &str,
    load: &Load<'_>,
    merged: &mut Merged,
) -> Result<()> {
    let before = words.known_columns(connection).await?;
    if before.is_empty() {
        return Ok(());
    }
    let mut lost = Lost::default();
    set_aside(connection, words, bucket, load, &mut lost).await?;
    if words.target.has_states() {
        let is_whole = if before.contains_key(IS_WHOLE) { format!("word.{IS_WHOLE}") } else { "true".to_owned() };
        partial(connection, words, bucket, &is_whole, words.target.has_same_key(&before), &mut lost).await?;
    }
    if lost.count == 0 {
        return Ok(());
    }
    let more = match lost.count - lost.first.len() {
        0 => String::new(),
        1 => "; and of 1 more file".to_owned(),
        more => format!("; and of {more} more files"),
    };
    lost.keys.iter().for_each(|(told, first)| merged.refuse(told, first));
    let what = format!(
        "target {}: its spec changed, so all files are to be loaded anew, but what the table has would be lost: \
         {}{more}; put the spec right, or upload these files corrected, or start with {{\"reload\": true}}, which loads \
         what is there",
        words.target.full_name,
        lost.first.join("; ")
    );
    Err(Error::new(Kind::Misconfigured, what))
}

/// Files that are set aside, and have words of a version before.
async fn set_aside(
    connection: &mut PgConnection,
    words: &Words<'_>,
    bucket: &str,
    load: &Load<'_>,
    lost: &mut Lost,
) -> Result<()> {
    let table = &words.table;
    for result in &load.results.batches {
        let files = load.results.files(result.output.index).await?;
        if files.bad.is_empty() {
            continue;
        }
        let names: Vec<String> = files.bad.iter().map(|bad| files::name(bucket, &bad.file.key)).collect();
        let places: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(format!(
            "select place from unnest($1::text[]) with ordinality as file (name, place)
             where exists (select from {table} word where word.{FILE_COLUMN} = file.name)
             order by place"
        )))
        .bind(names)
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| classify("look for words of files that are set aside", error))?;
        let had = places.into_iter().filter_map(|place| files.bad.get(usize::try_from(place - 1).ok()?));
        had.for_each(|bad| lost.add(format!("{} is set aside, {}", bad.file.key, bad.reason)));
    }
    Ok(())
}

/// Files with a whole word where they have a part now. Where the words from before are about other keys, any whole word
/// of a file that has parts may be one.
async fn partial(
    connection: &mut PgConnection,
    words: &Words<'_>,
    bucket: &str,
    is_whole: &str,
    has_same_key: bool,
    lost: &mut Lost,
) -> Result<()> {
    let (names, table) = (&words.target.names, &words.table);
    let (first, of_key) = match has_same_key {
        true => {
            let group = words.target.newest_per().map(|group| same(&group, "staged", "word"));
            let of_key = group.unwrap_or_else(|| names.same_key("staged", "word"));
            let (shown, keys) = (names.shown("word"), names.keys_of("word"));
            (format!("(array_agg({shown} order by {keys}))[1:{FIRST_KEYS}]"), format!("and {of_key}"))
        }
        false => ("'{}'::text[]".to_owned(), String::new()),
    };
    let files: Vec<(String, i64, Vec<String>, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "select file.name, count(*), {first}, count(*) over ()
         from {table} word join {FILES} file on file.name = word.{FILE_COLUMN}
         where {is_whole} and (
             file.has_unknown_keys
             or exists (
                 select from {STAGING} staged
                 where staged.{FILE_COLUMN} = file.number and staged.{STATE_COLUMN} <> {WHOLE} {of_key}
             )
         )
         group by file.name order by file.name limit {NAMED}"
    )))
    .fetch_all(connection)
    .await
    .map_err(|error| classify("look for whole words in whose place parts would come", error))?;
    let file_count = files.first().map_or(0, |(.., file_count)| usize::try_from(*file_count).unwrap_or(usize::MAX));
    lost.count += file_count - files.len();
    for (name, key_count, first, _) in files {
        let name = files::key(bucket, &name);
        let told = match (key_count, has_same_key) {
            (_, false) => format!("{name} has rows in quarantine, and what it said of some keys before was whole"),
            (1, true) => {
                let key = first.first().and_then(|key| told::of_key(key, names.keys.len()));
                let key = key.unwrap_or_else(|| "1 key".to_owned());
                format!("{name} has, or may have, rows of {key} in quarantine, and said all of it before")
            }
            (more, true) => format!(
                "{name} has, or may have, rows of {more} keys in quarantine, and said all of them before{}",
                merged::told(&first, usize::try_from(more).unwrap_or(usize::MAX), names.keys.len())
            ),
        };
        lost.add(told.clone());
        lost.keys.push((told, first));
    }
    Ok(())
}
