//! Pairs of files that say the same of a key.

use super::table::{MODIFIED, REPEATS, Words};
use super::total::{FILE_COUNT, TOTALS};
use crate::files::FILES;
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::FILE_COLUMN;
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::BTreeSet;

/// The pairs, each once for either of its files: which they are, of how many keys they say the same (`equal`, of
/// [`With::First`] as far as that was looked at), how many different figures that are (`figures`, any number from two
/// on), and the first one of these keys. A word that is 0 or null in all values says nothing, and is none here.
pub(super) const PAIRS: &str = "pg_temp.sluice_pairs";

/// The words that may be equal: those that count, of keys that several files have, and say something.
const SHARED: &str = "pg_temp.sluice_shared";

/// Which of the words that are equal it is, in the order of their dates, from 1 on.
const PLACE: &str = "sluice_place";

/// With how many equal words each is compared at first.
pub(super) const FEW: i64 = 8;

/// With which words that are equal a word is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum With {
    /// The first [`FEW`] of them by their dates. This finds most of the files that repeat others, and the work grows as
    /// the number of words does, whatever many files are equal.
    First,
    /// All of them.
    All,
}

/// What a word says, as a number.
const SAID: &str = "sluice_said";

/// Finds the pairs. Only words that are equal meet here, by a hash of key and content: of a key that thousands of files
/// have, not each with each. Of each pair the file `one` is of the run, or of `again`.
///
/// # Errors
/// As [`classify`].
pub(super) async fn find(
    connection: &mut PgConnection,
    words: &Words<'_>,
    again: &BTreeSet<String>,
    with: With,
) -> Result<()> {
    let (names, content, table) = (&words.target.names, &words.target.content, &words.table);
    let (says_same, first) = (content.says_same("one", "other"), names.shown("one"));
    let (different, said, of_word) = (content.different_figures("one"), content.hashed("word"), names.keys_of("word"));
    let (place, is_compared) = match with {
        With::First => (
            format!(
                ", row_number() over (partition by {of_word}, {said} order by word.{MODIFIED}, word.{FILE_COLUMN}) \
                 as {PLACE}"
            ),
            format!("and other.{PLACE} <= {FEW}"),
        ),
        With::All => (String::new(), String::new()),
    };
    let failed = |error| classify("look for files that say the same", error);
    sqlx::raw_sql(AssertSqlSafe(format!(
        "analyze {TOTALS};
         set local jit = off;
         drop table if exists {SHARED};
         create temporary table sluice_shared on commit drop as
             select word.{FILE_COLUMN}, {of_word}, {values}, {said} as {SAID}{place}
             from {TOTALS} total join {table} word on {of_total}
             where total.{FILE_COUNT} > 1 and word.{REPEATS} is null and {figures_of_word} > 0;
         analyze {SHARED};
         set local enable_nestloop = off;
         drop table if exists {PAIRS};
         create temporary table sluice_pairs (
             one text collate \"C\", other text collate \"C\", equal bigint, figures bigint, first_key text
         ) on commit drop",
        values = content.of("word"),
        of_total = names.same_key("word", "total"),
        figures_of_word = content.figures("word"),
    )))
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    sqlx::query(AssertSqlSafe(format!(
        "with compared as (select name from {FILES} union select unnest($1::text[]))
         insert into {PAIRS}
         select one.{FILE_COLUMN}, other.{FILE_COLUMN}, count(*), {different}, min({first})
         from {SHARED} one
         join compared on compared.name = one.{FILE_COLUMN}
         join {SHARED} other
             on {same_key} and other.{SAID} = one.{SAID} and {says_same} and other.{FILE_COLUMN} <> one.{FILE_COLUMN}
                {is_compared}
         group by 1, 2",
        same_key = names.same_key("other", "one"),
    )))
    .bind(again.iter().collect::<Vec<_>>())
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    // What comes next looks a file up.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "set local enable_nestloop = on; alter table {PAIRS} add primary key (one, other); analyze {PAIRS}"
    )))
    .execute(connection)
    .await
    .map_err(failed)
    .map(|_| ())
}
