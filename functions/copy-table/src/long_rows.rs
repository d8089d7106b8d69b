//! Very long rows are fetched one at a time.
//!
//! The driver takes a message as a whole, into buffers that grow with the longest one and are given back between two
//! statements only: of very long rows that follow one another in a stream they take up to four times the longest. So
//! where a table keeps values outside its rows, the stream leaves out those that may be very long, and a cursor of the
//! same transaction fetches each of them. What a row then takes, which is twice itself, is given back before the next.
//! A row in the binary format is the same bytes in both.
//!
//! How long a row is tell the sizes of its values, which the server knows without reading them. Of a view or a foreign
//! table nothing tells whether there are any, so there, and in the text format, all rows are in the stream.

use crate::catalogue::{Column, Table};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, ValueRef};
use std::borrow::Cow;
use xxhash_rust::xxh3::Xxh3;

/// Rows that are longer are fetched, in bytes. Up to four times that the stream may take.
const LONG_BYTES: usize = 2 << 20;

/// How many times a value may be longer than what is stored of it, if only the latter is known. Some are longer yet,
/// and stay in the stream.
const MOST_COMPRESSED: usize = 16;

const OPEN: &str = "declare sluice_long no scroll cursor for ";
const NEXT: &str = "fetch next from sluice_long";
const CLOSE: &str = "close sluice_long";

/// About how many bytes a column has at most, as SQL; `None` if they are few.
pub(crate) fn length(table: &Table, column: &Column, name: &str) -> Option<String> {
    let (oid, _) = table.plain_type(column);
    let plain = table.type_of(oid);
    match plain.name.as_str() {
        // Up to 64 KiB.
        "numeric" if plain.is_built_in => None,
        "text" | "varchar" | "bpchar" | "bytea" if plain.is_built_in => {
            Some(format!("coalesce(pg_catalog.octet_length({name}), 0)::int8"))
        }
        _ if !plain.is_variable => None,
        _ => Some(format!("coalesce(pg_catalog.pg_column_size({name}), 0)::int8 * {MOST_COMPRESSED}")),
    }
}

/// Rows of one side.
#[derive(Debug)]
pub(crate) struct Selection {
    /// What is selected of them, with commas between.
    pub columns: String,
    /// What they are in.
    pub from: String,
    /// Which ones.
    pub condition: String,
    /// About how long one is, as SQL; `None` if none is long.
    pub length: Option<String>,
    /// The table that they are stored in, for the most part.
    pub table_oid: i64,
}

/// What reads rows.
#[derive(Debug)]
pub(crate) struct Reading {
    /// COPY of those in the stream.
    pub copy_out: String,
    /// The query of those that are fetched.
    pub fetched: Option<String>,
}

impl Selection {
    /// How they are to be read now, if COPY reads them in the binary format; the table `stage` may be among them.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn reading(
        &self,
        (is_binary, stage): (bool, &str),
        copy_out: impl Fn(&str) -> String,
        connection: &mut PgConnection,
    ) -> Result<Reading, sqlx::Error> {
        let Self { columns, from, condition, .. } = self;
        let all = format!("select {columns} from {from} where ({condition})");
        if let Some(length) = &self.length
            && is_binary
            && self.may_be_long(stage, connection).await?
        {
            return Ok(Reading {
                copy_out: copy_out(&format!("{all} and {length} <= {LONG_BYTES}")),
                fetched: Some(format!("{all} and {length} > {LONG_BYTES}")),
            });
        }
        Ok(Reading { copy_out: copy_out(&all), fetched: None })
    }

    /// Whether the table, or what belongs to it, keeps anything outside its rows.
    async fn may_be_long(&self, stage: &str, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let (has_long, has_children): (Option<bool>, Option<bool>) = sqlx::query_as(
            "select bool_or(reltoastrelid <> 0 and pg_relation_size(reltoastrelid) > 0), bool_or(relhassubclass)
             from pg_class where oid = any(array[$1::oid, to_regclass($2)::oid])",
        )
        .bind(self.table_oid)
        .bind(stage)
        .fetch_one(&mut *connection)
        .await?;
        match (has_long, has_children) {
            (Some(true), _) => Ok(true),
            (_, Some(true)) => self.has_long_child(connection).await,
            _ => Ok(false),
        }
    }

    async fn has_long_child(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "with recursive tree (oid) as (
                 select $1::oid
                 union
                 select i.inhrelid from pg_inherits i join tree on i.inhparent = tree.oid
             )
             select exists (
                 select from pg_class c join tree using (oid)
                 where c.reltoastrelid <> 0 and pg_relation_size(c.reltoastrelid) > 0
             )",
        )
        .bind(self.table_oid)
        .fetch_one(connection)
        .await
    }
}

/// Opens the cursor of a query, in the transaction that is under way.
///
/// # Errors
/// Those of the database.
pub(crate) async fn open(connection: &mut PgConnection, query: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(format!("{OPEN}{query}"))).execute(connection).await.map(|_| ())
}

/// The next row. After the last one the cursor is closed.
///
/// # Errors
/// Those of the database.
pub(crate) async fn next(connection: &mut PgConnection) -> Result<Option<LongRow>, sqlx::Error> {
    // Prepared: in the binary format, and by a name, since the driver asks for types that it does not know between this
    // and the answer.
    let row = sqlx::query(NEXT).fetch_optional(&mut *connection).await?;
    if row.is_none() {
        sqlx::raw_sql(CLOSE).execute(&mut *connection).await?;
        // The next cursor may have other columns.
        connection.clear_cached_statements().await?;
    }
    Ok(row.map(LongRow))
}

/// Gives back what the driver keeps for another message as long as the longest one.
///
/// # Errors
/// Those of the database.
pub(crate) async fn give_back(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.shrink_buffers();
    // The end of what was used up counts as short, and is kept: an answer that does not fit is read into new memory.
    // The old one goes with the answer after that.
    sqlx::raw_sql("select repeat(' ', 16384)").execute(&mut *connection).await?;
    connection.ping().await
}

/// A row that was fetched.
pub(crate) struct LongRow(PgRow);

impl LongRow {
    /// It in COPY's binary format, in parts: how many fields there are; and of each its length, and its bytes.
    ///
    /// # Errors
    /// None that occurs: PostgreSQL's rows have neither so many columns, nor such long ones.
    pub(crate) fn parts(&self) -> Result<Vec<Cow<'_, [u8]>>, sqlx::Error> {
        let too_large = |_| sqlx::Error::Protocol("a row with more than it can have".to_owned());
        let number = i16::try_from(self.0.len()).map_err(too_large)?;
        let mut parts = vec![Cow::Owned(number.to_be_bytes().to_vec())];
        for index in 0..self.0.len() {
            let value = self.0.try_get_raw(index)?;
            if value.is_null() {
                parts.push(Cow::Owned((-1_i32).to_be_bytes().to_vec()));
                continue;
            }
            let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
            let length = i32::try_from(bytes.len()).map_err(too_large)?;
            parts.extend([Cow::Owned(length.to_be_bytes().to_vec()), Cow::Borrowed(bytes)]);
        }
        Ok(parts)
    }

    /// Its size in bytes, and their hash.
    ///
    /// # Errors
    /// As [`LongRow::parts`].
    pub(crate) fn measure(&self) -> Result<(usize, u128), sqlx::Error> {
        let (mut length, mut hash) = (0, Xxh3::new());
        for part in self.parts()? {
            length += part.len();
            hash.update(&part);
        }
        Ok((length, hash.digest128()))
    }
}
