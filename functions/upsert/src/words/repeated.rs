//! `on_repeated_file: fail`: a file that says of most of the keys that it shares with another one what that says would
//! be counted twice. Of the two the one that S3 dates later is a bad file.

use super::files::{self, FILES};
use super::replace::{self, TOUCHED};
use super::table::{MODIFIED, Words};
use super::total::{self, FILE_COUNT, TOTALS};
use crate::merged::{NAMED, named};
use crate::staging::STAGING;
use crate::start::Start;
use postgres::identifiers::Names;
use postgres::sql_error::classify;
use sluice::contract::FILE_COLUMN;
use sluice::spec::{OnBad, OnOverlap, OnRepeatedFile};
use sluice::{Error, Kind, Result};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::collections::BTreeSet;

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
    /// What a person should know of it.
    pub(super) fn note(&self, bucket: &str) -> String {
        let [later, earlier] = [&self.later, &self.earlier].map(|name| files::key(bucket, name));
        format!(
            "{later} says the same as {earlier} on {} of the {} keys that they share, and would be counted twice: {}",
            self.equal,
            self.shared,
            named(&self.first, usize::try_from(self.equal).unwrap_or(usize::MAX))
        )
    }
}

/// Of pairs in the order of the later one's date, the files that repeat one that is not bad itself, each once.
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

/// The files that repeat others, if the spec does not allow that. Each pair has a file of this run.
///
/// # Errors
/// `InvalidSource` if there is one and a bad file ends the run; others as [`classify`].
async fn find(connection: &mut PgConnection, words: &Words<'_>, bucket: &str) -> Result<Vec<Repeated>> {
    let target = &words.target.spec.target;
    if target.on_overlap != OnOverlap::AllFiles || target.on_repeated_file == OnRepeatedFile::Allow {
        return Ok(Vec::new());
    }
    // Most runs end here.
    let is_shared = format!("select exists (select from {TOTALS} where {FILE_COUNT} > 1)");
    let is_shared: bool = sqlx::query_scalar(AssertSqlSafe(is_shared))
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| classify("look for keys that files share", error))?;
    if !is_shared {
        return Ok(Vec::new());
    }
    let bad = bad_ones(pairs(connection, words).await?);
    match bad.first() {
        Some(first) if words.target.spec.source.on_bad_file == OnBad::Fail => {
            let what = format!(
                "{}; for exports that overlap there is \"on_overlap\": \"newest_file\", and \"on_repeated_file\": \
                 \"allow\" counts both",
                first.note(bucket)
            );
            Err(Error::new(Kind::InvalidSource, what))
        }
        _ => Ok(bad),
    }
}

/// All pairs, in the order of the later one's date. Only words that are equal meet here, so two files that merely share
/// their keys cost one comparison each.
async fn pairs(connection: &mut PgConnection, words: &Words<'_>) -> Result<Vec<Repeated>> {
    let (names, table) = (&words.target.names, &words.table);
    let (Names { key, .. }, one, other) = (names, names.of("one"), names.of("other"));
    sqlx::raw_sql(AssertSqlSafe(format!("analyze {TOTALS}; set local jit = off")))
        .execute(&mut *connection)
        .await
        .map_err(|error| classify("analyze what the words come to", error))?;
    sqlx::query(AssertSqlSafe(format!(
        "with equal as (
             select one.{FILE_COLUMN} as one, other.{FILE_COLUMN} as other, count(*) as equal
             from {TOTALS} total
             join {table} one on one.{key} = total.{key}
             join {FILES} file on file.name = one.{FILE_COLUMN}
             join {table} other
                 on other.{key} = one.{key} and ({other}) = ({one}) and other.{FILE_COLUMN} <> one.{FILE_COLUMN}
             where total.{FILE_COUNT} > 1
             group by 1, 2
             having count(*) > 1
         ),
         repeated as (
             select equal.*, shared.shared, shared.first
             from equal, lateral (
                 select count(*) as shared,
                        (array_agg(one.{key}::text order by one.{key})
                            filter (where ({other}) = ({one})))[1:{NAMED}] as first
                 from {table} one join {table} other using ({key})
                 where one.{FILE_COLUMN} = equal.one and other.{FILE_COLUMN} = equal.other
             ) as shared
             where 2 * equal.equal > shared.shared
         ),
         dated as (
             select name, coalesce(
                 (select modified from {FILES} file where file.name = named.name),
                 (select max({MODIFIED}) from {table} word where word.{FILE_COLUMN} = named.name)
             ) as modified
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

/// The files of a run and of runs before that are bad, since they repeat others.
#[derive(Debug, Default)]
pub(super) struct AllRepeated {
    /// Of this run: what they say is not taken over, and their last good versions keep their words.
    own: Vec<Repeated>,
    /// Of runs before: their words go.
    loaded: Vec<Repeated>,
}

impl AllRepeated {
    /// All of them.
    pub(super) fn files(&self) -> impl Iterator<Item = &Repeated> {
        self.own.iter().chain(&self.loaded)
    }

    /// The keys of those of this run.
    pub(super) fn own_keys(&self, bucket: &str) -> Vec<String> {
        self.own.iter().map(|file| files::key(bucket, &file.later).to_owned()).collect()
    }
}

/// Replaces what the run's files said before, and finds what the affected keys come to. Files that repeat others are
/// left out, and all is done once more without them: their versions before have their words again.
///
/// # Errors
/// As [`find`].
pub(super) async fn replace_others(
    connection: &mut PgConnection,
    words: &Words<'_>,
    bucket: &str,
    start: &Start,
) -> Result<AllRepeated> {
    let failed = |error| classify("set files aside that repeat others", error);
    let mut all = AllRepeated::default();
    sqlx::raw_sql("savepoint sluice_words").execute(&mut *connection).await.map_err(failed)?;
    loop {
        replace::replace(connection, words).await?;
        take_away(connection, words, &all.loaded).await?;
        total::find(connection, words, start).await?;
        let found = find(connection, words, bucket).await?;
        if found.is_empty() {
            break;
        }
        sqlx::raw_sql("rollback to savepoint sluice_words").execute(&mut *connection).await.map_err(failed)?;
        let own = leave_out(connection, &found).await?;
        let (own, loaded): (Vec<_>, Vec<_>) = found.into_iter().partition(|file| own.contains(&file.later));
        all.own.extend(own);
        all.loaded.extend(loaded);
    }
    sqlx::raw_sql("release savepoint sluice_words").execute(connection).await.map_err(failed)?;
    Ok(all)
}

/// Takes the words of these files away.
async fn take_away(connection: &mut PgConnection, words: &Words<'_>, loaded: &[Repeated]) -> Result<()> {
    if loaded.is_empty() {
        return Ok(());
    }
    let (Names { key, .. }, table) = (&words.target.names, &words.table);
    let names: Vec<&str> = loaded.iter().map(|file| file.later.as_str()).collect();
    sqlx::query(AssertSqlSafe(format!(
        "with gone as (delete from {table} where {FILE_COLUMN} = any($1) returning {key})
         insert into {TOUCHED} select {key} from gone"
    )))
    .bind(&names)
    .execute(connection)
    .await
    .map_err(|error| classify("take away the words of files that repeat others", error))
    .map(|_| ())
}

/// Leaves out what those of these files say that are the run's own. Returns their names.
async fn leave_out(connection: &mut PgConnection, found: &[Repeated]) -> Result<Vec<String>> {
    let names: Vec<&str> = found.iter().map(|file| file.later.as_str()).collect();
    sqlx::query_scalar(AssertSqlSafe(format!(
        "with own as (delete from {FILES} where name = any($1) returning number, name),
              left_out as (delete from {STAGING} staged using own where staged.{FILE_COLUMN} = own.number)
         select name from own"
    )))
    .bind(&names)
    .fetch_all(connection)
    .await
    .map_err(|error| classify("leave out files that repeat others", error))
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
