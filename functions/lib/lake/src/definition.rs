//! What decides how the files of a table are read, and whether somebody has changed it.

use crate::tables::version_id;
use aws_sdk_glue::types::{Column, SerDeInfo, StorageDescriptor, Table, TableInput};
use sluice::{Result, digest};
use std::collections::{BTreeMap, HashMap};

/// The parameter that says how many lines of a file are skipped.
pub const SKIPPED_LINES: &str = "skip.header.line.count";

/// What decides how files are read, by what people call it.
pub type Shape = BTreeMap<&'static str, String>;

/// That of a table.
pub fn shape(table: &Table) -> Shape {
    of_parts(table.storage_descriptor(), table.partition_keys(), table.parameters())
}

/// That of a table which is to be made.
pub fn shape_of_input(input: &TableInput) -> Shape {
    of_parts(input.storage_descriptor(), input.partition_keys(), input.parameters())
}

/// How a table is defined: its shape, and the version by which Glue knows it, as a SHA-256 in hexadecimal digits. A
/// definition that was changed and changed back shows by its version, and a table that was dropped and made again by
/// its shape.
///
/// # Errors
/// `InvariantBroken` if Glue names no version.
pub fn definition(table: &Table) -> Result<String> {
    let shape = shape(table);
    let parts = shape.iter().flat_map(|(what, value)| [*what, value.as_str()]);
    Ok(digest::of([version_id(table)?].into_iter().chain(parts)))
}

fn of_parts(
    storage: Option<&StorageDescriptor>,
    partition_keys: &[Column],
    parameters: Option<&HashMap<String, String>>,
) -> Shape {
    let skipped = parameters.and_then(|all| all.get(SKIPPED_LINES));
    let serde = storage.and_then(StorageDescriptor::serde_info);
    let names = |columns: &[Column]| {
        let each = columns.iter().map(|column| format!("{} {}", column.name(), column.r#type().unwrap_or_default()));
        each.collect::<Vec<_>>().join(", ")
    };
    let of_serde: BTreeMap<&String, &String> = serde.and_then(SerDeInfo::parameters).into_iter().flatten().collect();
    let location = storage.and_then(StorageDescriptor::location).unwrap_or_default();
    Shape::from([
        ("columns", names(storage.map_or(&[], StorageDescriptor::columns))),
        ("location", location.trim_end_matches('/').to_owned()),
        ("input format", storage.and_then(StorageDescriptor::input_format).unwrap_or_default().to_owned()),
        ("serde", serde.and_then(SerDeInfo::serialization_library).unwrap_or_default().to_owned()),
        ("serde parameters", format!("{of_serde:?}")),
        ("skipped lines", skipped.map_or("0", String::as_str).to_owned()),
        ("partition keys", names(partition_keys)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(version: Option<&str>, location: &str, comment: &str) -> Table {
        let storage = StorageDescriptor::builder().location(location).build();
        let table = Table::builder().name("t").set_version_id(version.map(ToOwned::to_owned)).parameters("c", comment);
        table.storage_descriptor(storage).build().unwrap()
    }

    #[test]
    fn a_definition_is_another_one_after_every_change() {
        let before = definition(&table(Some("1"), "s3://b/in/", "x")).unwrap();
        assert_eq!(definition(&table(Some("1"), "s3://b/in/", "x")).unwrap(), before);
        for other in [table(Some("2"), "s3://b/in/", "x"), table(Some("1"), "s3://b/other/", "x")] {
            assert_ne!(definition(&other).unwrap(), before, "{other:?}");
        }
        assert!(definition(&table(None, "s3://b/in/", "x")).is_err(), "then nobody could tell");
    }
}
