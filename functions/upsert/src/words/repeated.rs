//! `on_repeated_file: fail`: a file that says what another one says would be counted twice. It does if it says the same
//! of two or more keys, and of most that the two share; or of the only key that each has, as a daily export under a new
//! name. What they both say has to hold two different figures: one alone may be equal by chance, on many keys too, as
//! the hours of two people who work as long each day. A word that is 0 or null in all
//! values says nothing, as of the days that a host was idle, and is neither equal nor shared. Of the two the one that
//! S3 dates later is a bad file: as long as it repeats the other, what it says is kept, but does not count.
//!
//! So what counts depends on what the files say and when they are dated, not on the order in which they came. In the
//! order of their dates, each file repeats another one or not; those that do are marked with one that they repeat, and
//! which does not. Only a change of either can undo that, so no other marked file needs to be compared again.

use super::alike;
use super::pairs::{self, FEW, PAIRS, With};
use super::replace::TOUCHED;
use super::table::{MODIFIED, REPEATS, Words};
use super::total::{self, FILE_COUNT, TOTALS};
use crate::files::{self, FILES};
use crate::merged::{FIRST_KEYS, Merged, NAMED, named, told};
use crate::start::Start;
use postgres::sql_error::classify;
use sluice::contract::FILE_COLUMN;
use sluice::spec::{OnBad, OnOverlap, OnRepeatedFile};
use sluice::{Error, Kind, Result};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// A file that repeats another one.
#[derive(Clone, Debug)]
pub(super) struct Repeated {
    /// What its words are called.
    later: String,
    /// The same of the file that it repeats, which is dated before it.
    earlier: String,
    /// On how many keys both say the same.
    equal: i64,
    /// How many keys they share.
    shared: i64,
    /// The first ones on which they say the same.
    first: Vec<String>,
}

impl Repeated {
    /// What it repeats, of keys of so many columns.
    fn told(&self, bucket: &str, columns: usize) -> String {
        let [later, earlier] = [&self.later, &self.earlier].map(|name| files::key(bucket, name));
        let keys = match self.equal {
            1 => "the only key that they have anything of".to_owned(),
            equal => format!("{equal} of the {} keys that they share", self.shared),
        };
        let first = told(&self.first, usize::try_from(self.equal).unwrap_or(usize::MAX), columns);
        format!("{later} says the same as {earlier} on {keys}, and would be counted twice{first}")
    }
}

/// Of pairs in the order of the later one's date, the files that repeat one that is not bad itself, each once, with the
/// first such one.
fn bad_ones(pairs: Vec<Repeated>) -> Vec<Repeated> {
    let mut bad: Vec<Repeated> = Vec::new();
    let mut names = BTreeSet::new();
    for pair in pairs {
        if !names.contains(&pair.earlier) && names.insert(pair.later.clone()) {
            bad.push(pair);
        }
    }
    bad
}

/// The files that repeat others and are not marked yet, of [`PAIRS`] with one of the run's files or of `again`; `None`
/// if no key is shared, and there are no pairs.
///
/// # Errors
/// `InvalidSource` if there is one and a bad file ends the run, with the first keys in `merged`; others as
/// [`classify`].
async fn find(
    connection: &mut PgConnection,
    words: &Words<'_>,
    bucket: &str,
    again: &BTreeSet<String>,
    merged: &mut Merged,
) -> Result<Option<Vec<Repeated>>> {
    // Most runs end here.
    let most = format!("select coalesce(max({FILE_COUNT}), 0) from {TOTALS}");
    let most: i64 = sqlx::query_scalar(AssertSqlSafe(most))
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| classify("look for keys that files share", error))?;
    if most <= 1 {
        return Ok(None);
    }
    // A file that is found by some of its equals needs no other ones. Once there are none to be found so, few files are
    // left that say the same. Where one ends the run, the first one is named, and that only all pairs can tell.
    let fails = words.target.spec.source.on_bad_file == OnBad::Fail;
    let mut bad = Vec::new();
    if most > FEW + 1 && !fails {
        pairs::find(connection, words, again, With::First).await?;
        bad = bad_ones(repeated(connection, words).await?);
    }
    if bad.is_empty() {
        pairs::find(connection, words, again, With::All).await?;
        bad = bad_ones(repeated(connection, words).await?);
    }
    match bad.first() {
        Some(first) if fails => {
            let repeats = first.told(bucket, merged.key_columns);
            merged.refuse(&repeats, &first.first);
            let what = format!(
                "{repeats}; if the files are of different things, \"on_repeated_file\": \"allow\" counts both; for exports \
                 that overlap there is \"on_overlap\": \"newest_file\""
            );
            Err(Error::new(Kind::InvalidSource, what))
        }
        _ => Ok(Some(bad)),
    }
}

/// The pairs of which one repeats the other, in the order of the later one's date.
async fn repeated(connection: &mut PgConnection, words: &Words<'_>) -> Result<Vec<Repeated>> {
    let (names, table) = (&words.target.names, &words.table);
    let (keys, of_one, shown) = (names.key_list(), names.keys_of("one"), names.shown("one"));
    let content = &words.target.content;
    let says_same = content.says_same("one", "other");
    let [of_one_file, of_other, of_word] = ["one", "other", "word"].map(|alias| content.figures(alias));
    sqlx::query(AssertSqlSafe(format!(
        "with repeated as (
             select pair.one, pair.other, shared.equal, shared.shared, shared.first
             from {PAIRS} pair, lateral (
                 select count(*) as shared, count(*) filter (where {says_same}) as equal,
                        (array_agg({shown} order by {of_one})
                            filter (where {says_same}))[1:{FIRST_KEYS}] as first
                 from {table} one join {table} other using ({keys})
                 where one.{FILE_COLUMN} = pair.one and other.{FILE_COLUMN} = pair.other
                     and {of_one_file} > 0 and {of_other} > 0
             ) as shared
             where pair.equal > 1 and pair.figures > 1 and 2 * shared.equal > shared.shared
             union all
             select pair.one, pair.other, 1, 1, array[pair.first_key]
             from {PAIRS} pair
             where pair.equal = 1 and pair.figures > 1
             and (
                 select count(*) from {table} word
                 where word.{FILE_COLUMN} in (pair.one, pair.other) and {of_word} > 0
             ) = 2
         ),
         dated as (
             select name, (select max({MODIFIED}) from {table} word where word.{FILE_COLUMN} = named.name) as modified
             from (select one as name from repeated union select other from repeated) as named
         )
         select later.name as later, earlier.name as earlier, repeated.equal, repeated.shared, repeated.first
         from repeated
         join dated later on later.name in (repeated.one, repeated.other)
         join dated earlier on earlier.name in (repeated.one, repeated.other)
         where (later.modified, later.name) > (earlier.modified, earlier.name)
         order by later.modified, later.name, earlier.modified, earlier.name"
    )))
    .map(|row: PgRow| Repeated {
        later: row.get(0),
        earlier: row.get(1),
        equal: row.get(2),
        shared: row.get(3),
        first: row.get(4),
    })
    .fetch_all(connection)
    .await
    .map_err(|error| classify("look for files that repeat others", error))
}

/// What a run did to files that repeat others, by what their words are called.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Of those that are marked in the end, the ones that were looked at.
    marked: BTreeMap<String, Repeated>,
    /// Those that runs before had marked, and that were looked at again.
    before: BTreeSet<String>,
    /// Of both the run's own.
    own: BTreeSet<String>,
    /// What is to be said of files that may repeat others, and count.
    alike: Option<(String, Vec<String>)>,
}

impl Repeats {
    /// The files that this run set aside.
    fn set_aside(&self) -> impl Iterator<Item = &Repeated> {
        self.marked.values().filter(|file| self.own.contains(&file.later) || !self.before.contains(&file.later))
    }

    /// How many files this run set aside.
    pub(super) fn bad_count(&self) -> u64 {
        self.set_aside().fold(0, |count, _| count + 1)
    }

    /// How many of them are its own.
    pub(super) fn own_count(&self) -> u64 {
        self.set_aside().filter(|file| self.own.contains(&file.later)).fold(0, |count, _| count + 1)
    }

    /// What a person should know of them, [`NAMED`] of each kind by name, and the first keys that each note is about,
    /// of so many columns.
    pub(super) fn notes(&self, bucket: &str, key_columns: usize) -> Vec<(String, Vec<String>)> {
        let mut notes = Vec::new();
        for file in self.set_aside().take(NAMED) {
            let note =
                format!("{}; it is set aside, and counts as soon as the two differ", file.told(bucket, key_columns));
            notes.push((note, file.first.clone()));
        }
        match self.bad_count().saturating_sub(notes.len() as u64) {
            0 => {}
            1 => notes.push(("1 more file that says the same as another one is set aside".to_owned(), Vec::new())),
            more => notes.push((format!("{more} more files that say the same as others are set aside"), Vec::new())),
        }
        let again = self.before.iter().filter(|name| !self.marked.contains_key(*name) && !self.own.contains(*name));
        let again: Vec<String> = again.map(|name| files::key(bucket, name).to_owned()).collect();
        if !again.is_empty() {
            let which = named(&again[..again.len().min(NAMED)], again.len());
            let note = format!("what was set aside since it repeated another file counts again: {which}");
            notes.push((note, Vec::new()));
        }
        notes.extend(self.alike.clone());
        notes
    }
}

/// Finds what the affected keys come to, once it is known which of the run's files, and of those that repeat or
/// repeated one of them, repeat others.
///
/// # Errors
/// As [`find`].
pub(super) async fn find_totals(
    connection: &mut PgConnection,
    words: &Words<'_>,
    bucket: &str,
    start: &Start,
    merged: &mut Merged,
) -> Result<Repeats> {
    let (mut repeats, target) = (Repeats::default(), &words.target.spec.target);
    if target.on_overlap != OnOverlap::AllFiles {
        total::find(connection, words, start).await?;
        return Ok(repeats);
    }
    // Counts are often equal by chance.
    if target.on_repeated_file == OnRepeatedFile::Allow || words.target.content.only_counts() {
        repeats.before = unmark(connection, words, &Of::All).await?;
        total::find(connection, words, start).await?;
        return Ok(repeats);
    }
    repeats.before = unmark(connection, words, &Of::Run).await?;
    let mut again = repeats.before.clone();
    loop {
        total::find(connection, words, start).await?;
        let Some(found) = find(connection, words, bucket, &again, merged).await? else { break };
        if found.is_empty() {
            repeats.alike = alike::note(connection, words, bucket).await?;
            break;
        }
        mark(connection, words, &found).await?;
        let names: Vec<String> = found.iter().map(|file| file.later.clone()).collect();
        repeats.marked.extend(found.into_iter().map(|file| (file.later.clone(), file)));
        // Those that were thought to repeat one of them may repeat another one, or none.
        for name in unmark(connection, words, &Of::Those(names)).await? {
            if repeats.marked.remove(&name).is_none() {
                repeats.before.insert(name.clone());
            }
            again.insert(name);
        }
    }
    repeats.own = own(connection, repeats.marked.keys().chain(&repeats.before)).await?;
    Ok(repeats)
}

/// Which marks are taken away.
enum Of {
    /// All.
    All,
    /// Those of the run's files, and of the files that repeat one of these.
    Run,
    /// Those of the files that repeat one of these.
    Those(Vec<String>),
}

/// Takes marks away: what these files say counts, unless they are marked again. Returns their names.
async fn unmark(connection: &mut PgConnection, words: &Words<'_>, of: &Of) -> Result<BTreeSet<String>> {
    let (keys, table) = (words.target.names.key_list(), &words.table);
    let files = format!("(select name from {FILES})");
    let (which, names) = match of {
        Of::All => (String::new(), None),
        Of::Run => (format!("and ({REPEATS} in {files} or {FILE_COLUMN} in {files})"), None),
        Of::Those(names) => (format!("and {REPEATS} = any($1)"), Some(names)),
    };
    let unmark = AssertSqlSafe(format!(
        "with counting as (
             update {table} set {REPEATS} = null where {REPEATS} is not null {which} returning {FILE_COLUMN}, {keys}
         ),
         touched as (insert into {TOUCHED} select {keys} from counting)
         select distinct {FILE_COLUMN} from counting"
    ));
    let unmark = names.into_iter().fold(sqlx::query_scalar(unmark), |unmark, names| unmark.bind(names));
    let unmarked: Vec<String> = unmark
        .fetch_all(connection)
        .await
        .map_err(|error| classify("look again at files that repeated others", error))?;
    Ok(unmarked.into_iter().collect())
}

/// Marks files: what they say does not count.
async fn mark(connection: &mut PgConnection, words: &Words<'_>, found: &[Repeated]) -> Result<()> {
    let (keys, of_word, table) = (words.target.names.key_list(), words.target.names.keys_of("word"), &words.table);
    let (later, earlier): (Vec<&str>, Vec<&str>) =
        found.iter().map(|file| (file.later.as_str(), file.earlier.as_str())).unzip();
    sqlx::query(AssertSqlSafe(format!(
        "with gone as (
             update {table} word set {REPEATS} = found.earlier
             from unnest($1::text[], $2::text[]) as found (later, earlier)
             where word.{FILE_COLUMN} = found.later
             returning {of_word}
         )
         insert into {TOUCHED} select {keys} from gone"
    )))
    .bind(later)
    .bind(earlier)
    .execute(connection)
    .await
    .map_err(|error| classify("set files aside that repeat others", error))
    .map(|_| ())
}

/// Which of these are files of the run.
async fn own(connection: &mut PgConnection, names: impl Iterator<Item = &String>) -> Result<BTreeSet<String>> {
    let names: Vec<&String> = names.collect();
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let own: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("select name from {FILES} where name = any($1)")))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|error| classify("look up the run's files", error))?;
    Ok(own.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_bad_only_if_it_repeats_a_good_one() {
        let pair = |earlier: &str, later: &str| Repeated {
            later: later.to_owned(),
            earlier: earlier.to_owned(),
            equal: 2,
            shared: 2,
            first: vec!["k".to_owned()],
        };
        // b repeats a, c repeats b only, d repeats a and c.
        let bad = bad_ones(vec![pair("a", "b"), pair("b", "c"), pair("a", "d"), pair("c", "d")]);
        let names: Vec<&str> = bad.iter().map(|file| file.later.as_str()).collect();
        assert_eq!(names, ["b", "d"]);
    }
}
