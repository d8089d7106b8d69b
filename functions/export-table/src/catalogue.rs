//! The columns that MySQL has.

use crate::query::quoted;
use crate::sql_error::classify;
use sluice::contract::mysql_to_redshift::{SourceColumn, SourceTable, Spec};
use sluice::{Error, Kind, Result};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Executor, Row};
use std::collections::BTreeMap;

/// Reads the table's columns, and how many rows have no cursor.
///
/// # Errors
/// `Misconfigured` if there is no such table, or it may not be read; others as [`classify`].
pub async fn inspect(connection: &mut MySqlConnection, spec: &Spec) -> Result<SourceTable> {
    let name = spec.source_name();
    let what = format!("look up {name}");
    // As texts: what the views of the catalogue are made of differs between servers.
    let query = "select cast(column_name as char), cast(data_type as char), cast(column_type as char),
                        cast(character_maximum_length as char), cast(character_octet_length as char),
                        cast(numeric_precision as char), cast(numeric_scale as char), cast(is_nullable as char),
                        cast(character_set_name as char)
                 from information_schema.columns
                 where table_schema = ? and table_name = ?
                 order by ordinal_position";
    let rows = sqlx::query(query).bind(&spec.source.schema).bind(&spec.source.table).fetch_all(&mut *connection).await;
    let rows = rows.map_err(|error| classify(&what, error))?;
    let columns: Vec<SourceColumn> = rows.iter().map(column).collect();
    if columns.is_empty() {
        return Err(Error::new(Kind::Misconfigured, format!("MySQL has no table {name}, or it may not be read")));
    }
    let query = "select cast(index_name as char), cast(column_name as char), cast(seq_in_index as char),
                        cast(non_unique as char)
                 from information_schema.statistics
                 where table_schema = ? and table_name = ?
                 order by index_name, seq_in_index";
    let rows = sqlx::query(query).bind(&spec.source.schema).bind(&spec.source.table).fetch_all(&mut *connection).await;
    let rows = rows.map_err(|error| classify(&what, error))?;
    let indexed =
        rows.iter().filter(|row| text(row, 2).as_deref() == Some("1")).filter_map(|row| text(row, 1)).collect();
    let unique = unique(&rows);
    let query = "select cast(table_rows as char) from information_schema.tables
                 where table_schema = ? and table_name = ?";
    let row =
        sqlx::query(query).bind(&spec.source.schema).bind(&spec.source.table).fetch_optional(&mut *connection).await;
    let row = row.map_err(|error| classify(&what, error))?;
    let rows_estimated = row.and_then(|row| text(&row, 0)).and_then(|text| text.parse().ok());
    let rows_without_window = without_window(connection, spec, &columns).await?;
    Ok(SourceTable { columns, rows_estimated, indexed, unique, rows_without_window })
}

/// The columns of each unique index. One over an expression has none that a key could be held against.
fn unique(rows: &[MySqlRow]) -> Vec<Vec<String>> {
    let mut found: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    for row in rows.iter().filter(|row| text(row, 3).as_deref() == Some("0")) {
        let columns = found.entry(text(row, 0).unwrap_or_default()).or_insert_with(|| Some(Vec::new()));
        *columns = columns.take().zip(text(row, 1)).map(|(mut columns, name)| {
            columns.push(name);
            columns
        });
    }
    found.into_values().flatten().collect()
}

/// How many rows have no cursor.
async fn without_window(connection: &mut MySqlConnection, spec: &Spec, columns: &[SourceColumn]) -> Result<u64> {
    let Some(windows) = &spec.windows else { return Ok(0) };
    // A column that is not there is told later, with all else that is wrong.
    if !columns.iter().any(|column| column.name == windows.cursor && column.is_nullable) {
        return Ok(0);
    }
    let (schema, table) = (quoted(&spec.source.schema), quoted(&spec.source.table));
    let query =
        format!("select cast(count(*) as char) from {schema}.{table} where {} is null", quoted(&windows.cursor));
    let row = connection.fetch_one(sqlx::query(AssertSqlSafe(query))).await;
    let row = row.map_err(|error| classify(format!("count rows of {} without a cursor", spec.source_name()), error))?;
    Ok(text(&row, 0).and_then(|text| text.parse().ok()).unwrap_or_default())
}

fn text(row: &MySqlRow, place: usize) -> Option<String> {
    let bytes: Option<&[u8]> = row.try_get_unchecked(place).ok()?;
    String::from_utf8(bytes?.to_vec()).ok()
}

fn column(row: &MySqlRow) -> SourceColumn {
    SourceColumn {
        name: text(row, 0).unwrap_or_default(),
        data_type: text(row, 1).unwrap_or_default().to_lowercase(),
        column_type: text(row, 2).unwrap_or_default().to_lowercase(),
        characters: text(row, 3).and_then(|text| text.parse().ok()),
        octets: text(row, 4).and_then(|text| text.parse().ok()),
        precision: text(row, 5).and_then(|text| text.parse().ok()),
        scale: text(row, 6).and_then(|text| text.parse().ok()),
        is_nullable: text(row, 7).is_some_and(|text| text.eq_ignore_ascii_case("yes")),
        charset: text(row, 8),
    }
}
