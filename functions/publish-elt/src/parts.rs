//! The Parquet files of a table as its export: counted by what their metadata says, copied to a folder of the version,
//! and named by a manifest. The manifest is one object: readers see the old files or the new ones.

use crate::copy::Copy;
use futures_util::future::try_join_all;
use lake::{Listed, TableColumn};
use parquet_metadata::File;
use serde::Serialize;
use sluice::contract::athena_elt::Counts;
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use std::collections::HashMap;

/// How many files are looked into, or copied, at the same time.
const CONCURRENCY: usize = 8;

const CONTENT_TYPE: &str = "application/vnd.apache.parquet";

/// A file of a table.
#[derive(Debug)]
pub(crate) struct Part {
    listed: Listed,
    file: File,
}

/// A manifest, in the form that Amazon Redshift reads and writes (Amazon Redshift Database Developer Guide, "Specify
/// data files using a manifest" and "UNLOAD").
#[derive(Debug, Serialize)]
pub(crate) struct Manifest {
    entries: Vec<Entry>,
    meta: Meta,
}

#[derive(Debug, Serialize)]
struct Entry {
    url: String,
    mandatory: bool,
    meta: Meta,
}

#[derive(Debug, Serialize)]
struct Meta {
    content_length: u64,
    record_count: u64,
}

/// The files below the prefix of a version.
///
/// # Errors
/// `InvariantBroken` naming one that is no Parquet file: Athena wrote it.
pub(crate) async fn parts(store: &Store, prefix: &str) -> Result<Vec<Part>> {
    let listed = lake::list(store, prefix).await?;
    let mut parts = Vec::new();
    let read: Vec<Listed> = listed.into_iter().filter(|object| !lake::is_hidden(object, prefix)).collect();
    for some in read.chunks(CONCURRENCY) {
        let files = try_join_all(some.iter().map(|listed| lake::parquet(store, listed))).await;
        let files = files.map_err(|error| match error.kind() {
            Kind::InvalidSource => Error::caused(Kind::InvariantBroken, "read what Athena wrote", error),
            _ => error,
        })?;
        parts.extend(some.iter().cloned().zip(files).map(|(listed, file)| Part { listed, file }));
    }
    Ok(parts)
}

/// Rows and bytes of all files.
pub(crate) fn totals(parts: &[Part]) -> (u64, u64) {
    parts.iter().fold((0, 0), |(rows, bytes), part| (rows + part.file.rows, bytes + part.listed.size))
}

/// Whether the files hold what the table was counted to hold: of each column as many values, where the files say how
/// many are null.
///
/// # Errors
/// What differs.
pub(crate) fn check(parts: &[Part], columns: &[TableColumn], wanted: &Counts) -> std::result::Result<(), String> {
    let (rows, _) = totals(parts);
    if rows != wanted.rows {
        return Err(format!("{} rows are in the table, {rows} in its files", wanted.rows));
    }
    for (column, wanted) in columns.iter().zip(&wanted.columns) {
        let nulls = |part: &Part| {
            let stored = part.file.columns.iter().find(|stored| stored.name.eq_ignore_ascii_case(&column.name));
            stored.ok_or_else(|| format!("{} has no column {}", part.listed.key, column.name)).map(|it| it.nulls)
        };
        let nulls = parts.iter().map(nulls).collect::<std::result::Result<Vec<_>, _>>()?;
        let Some(nulls) = nulls.into_iter().sum::<Option<u64>>() else { continue };
        let values = rows.saturating_sub(nulls);
        if values != wanted.values {
            return Err(format!(
                "the files hold {values} values in the column {}, the table {}",
                column.name, wanted.values
            ));
        }
    }
    Ok(())
}

/// Copies the files to the folder of a version; returns the manifest that names them.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn copy(store: &Store, parts: &[Part], folder: &str) -> Result<Manifest> {
    let named: Vec<(String, &Part)> =
        parts.iter().enumerate().map(|(number, part)| (format!("{folder}{number:05}.parquet"), part)).collect();
    for some in named.chunks(CONCURRENCY) {
        let copies = some.iter().map(|(to, Part { listed, .. })| {
            let Listed { key: from, etag, size: bytes, .. } = listed;
            let (metadata, content_type) = (HashMap::new(), CONTENT_TYPE);
            Copy { from, etag, bytes: *bytes, to, content_type, over: None, metadata }.run(store)
        });
        try_join_all(copies).await?;
    }
    let entry = |(to, part): &(String, &Part)| Entry {
        url: format!("s3://{}/{to}", store.bucket()),
        mandatory: true,
        meta: Meta { content_length: part.listed.size, record_count: part.file.rows },
    };
    let (record_count, content_length) = totals(parts);
    Ok(Manifest { entries: named.iter().map(entry).collect(), meta: Meta { content_length, record_count } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::primitives::DateTime;
    use parquet_metadata::{Column, Form};
    use sluice::contract::athena_elt::ColumnCount;

    fn part(rows: u64, nulls: &[(&str, Option<u64>)]) -> Part {
        let (modified, class) = (DateTime::from_secs(0), String::new());
        let listed = Listed { key: "a".into(), etag: "e".into(), size: 10, modified, class };
        let column =
            |(name, nulls): &(&str, Option<u64>)| Column { name: (*name).into(), form: Form::Text, nulls: *nulls };
        Part { listed, file: File { columns: nulls.iter().map(column).collect(), rows, ..File::default() } }
    }

    fn told(parts: &[Part], rows: u64, values: [u64; 2]) -> std::result::Result<(), String> {
        let columns = ["id", "title"].map(|name| TableColumn { name: name.into(), kind: "string".into() });
        let count = |values| ColumnCount { values, characters: 7 };
        check(parts, &columns, &Counts { rows, columns: values.map(count).to_vec() })
    }

    #[test]
    fn files_hold_what_was_counted() {
        let parts = [part(3, &[("id", Some(0)), ("title", Some(1))]), part(2, &[("ID", Some(0)), ("title", Some(2))])];
        assert_eq!(totals(&parts), (5, 20));
        assert_eq!(told(&parts, 5, [5, 2]), Ok(()));
        assert!(told(&parts, 6, [5, 2]).unwrap_err().contains("6 rows are in the table, 5 in its files"));
        assert!(told(&parts, 5, [5, 3]).unwrap_err().contains("2 values in the column title, the table 3"));
        assert!(told(&[part(1, &[("id", Some(0))])], 1, [1, 1]).unwrap_err().contains("no column title"));
        // Where one file does not say, nobody knows.
        let silent = [part(3, &[("id", Some(0)), ("title", None)]), part(2, &[("id", Some(0)), ("title", Some(2))])];
        assert_eq!(told(&silent, 5, [5, 9]), Ok(()));
        assert_eq!(told(&[], 0, [0, 0]), Ok(()));
    }
}
