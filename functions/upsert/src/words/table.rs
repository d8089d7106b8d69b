//! The table of words: a row per file and key.

use crate::start::Start;
use crate::target::Target;
use postgres::identifiers::{MAX_IDENTIFIER_BYTES, Names, quoted};
use postgres::sql_error::classify;
use sluice::contract::FILE_COLUMN;
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::BTreeMap;

/// The column that says when S3 dates the version whose word it is.
pub(super) const MODIFIED: &str = "sluice_modified";

/// The column that says whether all of the file's rows with that key are in the word.
pub(super) const IS_WHOLE: &str = "sluice_is_whole";

/// The column that says which file its file repeats; null, and its words count, if it repeats none. All words of a file
/// say the same.
pub(super) const REPEATS: &str = "sluice_repeats";

/// The table of words of one target.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    /// The target.
    pub target: &'a Target<'a>,
    /// Its name with its schema, quoted. Within the schema `sluice` it is called as the target, with the target's
    /// schema.
    pub table: String,
}

impl<'a> Words<'a> {
    /// The table of words of `target`.
    ///
    /// # Errors
    /// `Misconfigured` if its name would be too long.
    pub(crate) fn new(target: &'a Target<'a>) -> Result<Self> {
        Ok(Self { target, table: table_name(&target.full_name)? })
    }

    /// Makes the table where it is missing, and gives it the columns that it lacks; drops it first, if [`Start`] says
    /// so.
    ///
    /// # Errors
    /// `Misconfigured` if the target is loaded for the first time, or its words are gone, and it has rows on which no
    /// file has a word; others as [`classify`].
    pub(crate) async fn ensure_table(&self, connection: &mut PgConnection, start: &Start) -> Result<()> {
        let mut columns = self.known_columns(connection).await?;
        // Words from before there was a record are kept if they are about such keys.
        if !columns.is_empty() && (start.drops_words || !self.target.has_same_key(&columns)) {
            drop_words(connection, &self.target.full_name).await?;
            columns.clear();
        }
        let is_made = columns.is_empty();
        if is_made {
            self.create(connection).await?;
        }
        self.add_columns(connection, &columns).await?;
        match (start.is_new || is_made) && !start.is_reload {
            true => self.refuse_rows_of_nobody(connection).await,
            false => Ok(()),
        }
    }

    /// The columns that the table has, with their types; none if there is no table.
    ///
    /// # Errors
    /// As [`classify`].
    pub(super) async fn known_columns(&self, connection: &mut PgConnection) -> Result<BTreeMap<String, String>> {
        columns(connection, &self.target.full_name).await
    }

    /// Refuses words of files of another bucket, of which the record of an earlier version says nothing: with those of
    /// this one, the same rows may be there twice.
    ///
    /// # Errors
    /// `Misconfigured`, with what to do; others as [`classify`].
    pub(super) async fn refuse_other_bucket(&self, connection: &mut PgConnection, bucket: &str) -> Result<()> {
        let words = &self.table;
        // Two looks into the index: names of files go by their bytes, and 0 follows the slash. An earlier version left
        // them to the database's own collation.
        let other: Option<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "(select {FILE_COLUMN} from {words} where {FILE_COLUMN} collate \"C\" < $1 limit 1)
             union all (select {FILE_COLUMN} from {words} where {FILE_COLUMN} collate \"C\" >= $2 limit 1)
             limit 1"
        )))
        .bind(format!("{bucket}/"))
        .bind(format!("{bucket}0"))
        .fetch_optional(connection)
        .await
        .map_err(|error| classify("look for words of files of another bucket", error))?;
        let Some(other) = other else { return Ok(()) };
        let what = format!(
            "target {}: it was loaded from the bucket {}, and this job reads from {bucket}: what the files of both say \
             would be in it; start with {{\"reload\": true}}, which makes it what the files of {bucket} say",
            self.target.full_name,
            other.split_once('/').map_or(other.as_str(), |(bucket, _)| bucket)
        );
        Err(Error::new(Kind::Misconfigured, what))
    }

    async fn create(&self, connection: &mut PgConnection) -> Result<()> {
        let (Names { table: target, .. }, words) = (&self.target.names, &self.table);
        let keys = self.target.names.key_list();
        // From the target's own column, whose collation a comparison needs. The names of files go by their bytes.
        sqlx::raw_sql(AssertSqlSafe(format!(
            "create table {words} as select ''::text collate \"C\" as {FILE_COLUMN}, {keys} from {target} with no data;
             alter table {words} add primary key ({keys}, {FILE_COLUMN});
             create index on {words} ({FILE_COLUMN})"
        )))
        .execute(connection)
        .await
        .map_err(|error| self.failed(error))
        .map(|_| ())
    }

    /// A category that comes later gets its column later. Words from before they were dated are whole, and older than
    /// all others.
    async fn add_columns(&self, connection: &mut PgConnection, known: &BTreeMap<String, String>) -> Result<()> {
        let bookkeeping = [
            (IS_WHOLE, format!("{IS_WHOLE} boolean not null default true")),
            (MODIFIED, format!("{MODIFIED} timestamptz not null default '-infinity'")),
            (REPEATS, format!("{REPEATS} text collate \"C\"")),
        ];
        let values = self.target.content.columns.iter();
        let values = values.map(|column| (column.name.as_str(), format!("{} {}", column.quoted, column.definition())));
        let missing: Vec<String> = (bookkeeping.into_iter().chain(values))
            .filter(|(name, _)| !known.contains_key(*name))
            .map(|(_, column)| format!("add column {column}"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (words, add) = (&self.table, missing.join(", "));
        // Most runs look for words that do not count, and most tables have none.
        let index = match known.contains_key(REPEATS) {
            true => String::new(),
            false => format!("; create index on {words} ({REPEATS}) where {REPEATS} is not null"),
        };
        let added = sqlx::raw_sql(AssertSqlSafe(format!("alter table {words} {add}{index}"))).execute(connection).await;
        added.map_err(|error| self.failed(error)).map(|_| ())
    }

    async fn refuse_rows_of_nobody(&self, connection: &mut PgConnection) -> Result<()> {
        let (Names { rows, .. }, words) = (&self.target.names, &self.table);
        let same_key = self.target.names.same_key("word", "known");
        let has_rows: bool = sqlx::query_scalar(AssertSqlSafe(format!(
            "select exists (
                 select from {rows} known
                 where not exists (select from {words} word where {same_key})
             )"
        )))
        .fetch_one(connection)
        .await
        .map_err(|error| self.failed(error))?;
        if !has_rows {
            return Ok(());
        }
        let what = format!(
            "target {}: it has rows that come from no file that this job has loaded; empty it, or start with \
             {{\"reload\": true}}, which deletes them",
            self.target.full_name
        );
        Err(Error::new(Kind::Misconfigured, what))
    }

    fn failed(&self, error: sqlx::Error) -> Error {
        classify(format!("make the table of words sluice.{:?}", self.target.full_name), error)
    }
}

/// That two rows agree in these columns.
pub(super) fn same(columns: &[String], one: &str, other: &str) -> String {
    let same: Vec<String> = columns.iter().map(|column| format!("{one}.{column} = {other}.{column}")).collect();
    same.join(" and ")
}

/// The name of the table of words of a target, quoted.
///
/// # Errors
/// `Misconfigured` if it would be too long.
pub(crate) fn table_name(target: &str) -> Result<String> {
    let quoted = quoted(target).map_err(|_| {
        let what = format!(
            "{target:?}: with on_overlap all_files, newest_file or newest_row, schema and table have up to {MAX_IDENTIFIER_BYTES} \
             bytes together, with the dot between"
        );
        Error::new(Kind::Misconfigured, what)
    })?;
    Ok(format!("sluice.{quoted}"))
}

/// Drops the words of a target; says whether there were any.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn drop_words(connection: &mut PgConnection, target: &str) -> Result<bool> {
    if columns(connection, target).await?.is_empty() {
        return Ok(false);
    }
    let words = table_name(target)?;
    let dropped = sqlx::raw_sql(AssertSqlSafe(format!("drop table {words}"))).execute(connection).await;
    dropped.map_err(|error| classify(format!("drop the table of words {words}"), error)).map(|_| true)
}

/// The columns of the table of words, with their types; none if there is no such table.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn columns(connection: &mut PgConnection, target: &str) -> Result<BTreeMap<String, String>> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select a.attname::text, format_type(a.atttypid, a.atttypmod)
         from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'sluice' and c.relname = $1 and a.attnum > 0 and not a.attisdropped",
    )
    .bind(target)
    .fetch_all(connection)
    .await
    .map_err(|error| classify("look for the table of words", error))?;
    Ok(columns.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::spec;

    #[test]
    fn a_name_that_the_table_of_words_could_not_have_is_refused() {
        for (table, is_refused) in [("t".repeat(56), false), ("t".repeat(57), true)] {
            let spec = spec(&table, "all_files");
            let target = Target::new(&spec, &[]).unwrap();
            let kind = Words::new(&target).err().map(|error| error.kind());
            assert_eq!(kind, is_refused.then_some(Kind::Misconfigured), "{table}");
        }
    }
}
