//! Parquet by specs of the whole language: nested fields, and every type.

use super::{Outcome, decoded, spec};
use crate::support::source;
use pivot::general::batch::GeneralBatch;
use pivot::general::plan::GeneralPlan;
use pivot::parquet::{ParquetPlan, Tail};
use serde_json::{Value, json};
use sluice::contract::{Layout, SourceFile};
use sluice::spec::Spec;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn package() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
}

/// What a file comes to.
///
/// # Errors
/// What makes it a bad file.
pub(crate) fn outcome(spec: &Spec, key: &str, bytes: &[u8]) -> Result<Outcome, String> {
    let plan = GeneralPlan::new(spec).unwrap();
    let mut batch = GeneralBatch::new(&plan);
    let file = SourceFile { last_modified: "2024-06-01T00:00:00Z".to_owned(), ..source(key, bytes.len()) };
    let read = |batch: &mut GeneralBatch<'_>| -> sluice::Result<()> {
        let Tail::Plan(plan) = ParquetPlan::general(&file, batch.plan(), bytes)? else { panic!("it is all there") };
        for group in plan.groups() {
            let at = |place: u64| usize::try_from(place).unwrap();
            let chunks: Vec<&[u8]> =
                group.ranges().into_iter().map(|range| &bytes[at(range.start)..at(range.end)]).collect();
            let mut reader = plan.reader(group, &chunks)?;
            while reader.step_general(&file, batch)? {}
        }
        Ok(())
    };
    read(&mut batch).map_err(|error| error.to_string())?;
    let mut outcome = Outcome::default();
    if let Some(mut rows) = batch.end_file(&file).map_err(|error| error.to_string())? {
        let mut part = Vec::new();
        while rows.write(0, part.len() + 1, &mut part) > 0 {}
        outcome.rows = decoded(&Layout::of(spec), &part);
    }
    batch.tally.check_files().map_err(|error| error.to_string())?;
    let tally = &batch.tally;
    outcome.bad_rows = tally.rejects.first.clone();
    outcome.bad_files = tally.bad.iter().map(|bad| bad.reason.clone()).collect();
    (outcome.filtered, outcome.ignored) = (tally.rows_filtered, tally.rows_ignored);
    outcome.quarantine = String::from_utf8_lossy(&tally.rejects.pending).into_owned();
    Ok(outcome)
}

/// What a column of the file of all types is read as, row by row.
fn read(column: Value) -> Result<Vec<String>, String> {
    read_of("types.parquet", column)
}

/// What a column of a file is read as, row by row.
fn read_of(name: &str, column: Value) -> Result<Vec<String>, String> {
    let columns = json!({"row": {"file": "row"}, "x": column});
    let source = json!({"suffix": ".parquet", "columns": columns});
    let spec = spec(source, json!({"keys": ["row"], "rows": {}}), "last_run");
    let bytes = fs::read(package().join("tests/it/general").join(name)).unwrap();
    let found = outcome(&spec, "a.parquet", &bytes)?;
    match found.bad_files.first().or(found.bad_rows.first()) {
        Some(reason) => Err(reason.clone()),
        None => Ok(found.rows.into_iter().map(|mut row| row.swap_remove(1)).collect()),
    }
}

#[test]
fn every_type_is_read() {
    for (column, expected) in [
        (json!({"from": ["nested", "inner", "name"]}), ["a", "NULL", "NULL"]),
        (json!({"from": ["nested", "inner", "n"], "type": "integer", "nullable": true}), ["1", "2", "NULL"]),
        (
            json!({"from": "utc", "type": "timestamptz", "nullable": true}),
            ["2024-03-01 23:30:00.5+00", "NULL", "2024-07-01 00:00:00+00"],
        ),
        (
            json!({"from": "utc", "type": "date", "zone": "Europe/Berlin", "nullable": true}),
            ["2024-03-02", "NULL", "2024-07-01"],
        ),
        // That a file knows its dates is worth more than how texts would be written.
        (
            json!({"from": "day", "type": "date", "format": "%d/%m/%Y", "truncate": "month", "nullable": true}),
            ["2024-03-01", "NULL", "2024-07-01"],
        ),
        (
            json!({"from": "wall", "type": "timestamp", "nullable": true}),
            ["2024-03-01 23:30:00.5", "NULL", "2024-07-01 00:00:00"],
        ),
        (
            json!({"from": "wall", "type": "timestamptz", "zone": "America/New_York", "nullable": true}),
            ["2024-03-02 04:30:00.5+00", "NULL", "2024-07-01 04:00:00+00"],
        ),
        (
            json!({"from": "took", "type": "duration", "unit": "hours", "scale": 4, "nullable": true}),
            ["1.5", "NULL", "0.0003"],
        ),
        (
            json!({"from": "seconds", "type": "timestamptz", "format": "epoch_s"}),
            ["2024-03-01 09:00:00+00", "1970-01-01 00:00:00+00", "1969-12-31 23:59:59+00"],
        ),
        (
            json!({"from": "seconds", "type": "duration", "unit": "seconds", "format": "minutes"}),
            ["102557016000", "0", "-60"],
        ),
        (json!({"from": "flag", "type": "boolean", "nullable": true}), ["t", "f", "NULL"]),
        (json!({"from": "flag", "type": "json"}), ["true", "false", "NULL"]),
        (json!({"from": "float"}), ["0.1", "1e300", "-2.5"]),
        (json!({"from": "after"}), ["p", "q", "r"]),
        (json!({"from": "absent", "optional": true}), ["NULL"; 3]),
    ] {
        assert_eq!(read(column.clone()), Ok(expected.map(ToOwned::to_owned).to_vec()), "{column}");
    }
    for (column, part) in [
        (json!({"from": "absent"}), "the column \"absent\" is missing; the file has \"nested\", \"utc\""),
        (json!({"from": ["nested", "absent"]}), "the column \"nested.absent\" is missing"),
        (json!({"from": "nested"}), "is a group of columns; expected a single value"),
        (json!({"from": "took", "type": "integer"}), "is a duration, which needs a unit"),
        (json!({"from": "after", "type": "integer"}), "row 1, column 9 (after): not a number"),
        (json!({"from": "float", "type": "number"}), "row 2, column 7 (float): a number of more than 38 digits"),
        (json!({"from": "flag", "type": "date"}), "is BOOLEAN; expected a date"),
        (json!({"from": "flag", "type": "boolean"}), "row 3, column 8 (flag): no value"),
    ] {
        let found = read(column.clone());
        assert!(found.as_ref().is_err_and(|reason| reason.contains(part)), "{column}: {found:?}");
    }
}

#[test]
fn marks_of_texts_are_none_of_numbers() {
    let marked = |mut column: Value| {
        for (field, value) in [("decimal", json!(",")), ("group", json!("."))] {
            column[field] = value;
        }
        column
    };
    for (column, expected) in [
        (json!({"from": "decimal", "type": "number"}), ["1.5", "-0.25"]),
        (json!({"from": "double", "type": "number"}), ["1.234", "1234.5"]),
        (json!({"from": "float", "type": "number"}), ["0.125", "2.5"]),
        (json!({"from": "long", "type": "integer"}), ["1500", "-1"]),
        (json!({"from": "double", "type": "duration", "format": "minutes", "unit": "seconds"}), ["74.04", "74070"]),
        (json!({"from": "text", "type": "number"}), ["1500", "0.25"]),
        (json!({"from": "long", "type": "number", "null_values": ["-1"], "if_null": 1.234}), ["1500", "1.234"]),
        (json!({"from": "long", "type": "number", "null_values": ["-1"], "if_null": "1.234"}), ["1500", "1234"]),
    ] {
        let column = marked(column);
        assert_eq!(
            read_of("numbers.parquet", column.clone()),
            Ok(expected.map(ToOwned::to_owned).to_vec()),
            "{column}"
        );
    }
    // Nor is anything else that may stand around the text of one.
    let column = json!({"from": "long", "type": "integer", "strip": ["-"], "accounting": true});
    assert_eq!(read_of("numbers.parquet", column), Ok(vec!["1500".to_owned(), "-1".to_owned()]));
}

fn parquet_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => parquet_below(&path, found),
            false => found.extend(path.extension().is_some_and(|extension| extension == "parquet").then_some(path)),
        }
    }
}

/// The example of Spark's files, whose table an own query in DuckDB has said.
#[test]
fn nested_fields_of_spark_come_to_the_example_s_table() {
    let example = package().join("../../local/spec/examples/spark-parquet-by-day");
    let parts: Value = serde_json::from_str(&fs::read_to_string(example.join("spec.json")).unwrap()).unwrap();
    let spec = spec(parts["source"].clone(), parts["shape"].clone(), "all_files");
    let mut paths = Vec::new();
    parquet_below(&example.join("in"), &mut paths);
    let mut table: BTreeMap<String, [f64; 4]> = BTreeMap::new();
    for path in paths.iter().filter(|path| !path.to_str().unwrap().contains("_temporary")) {
        let found = outcome(&spec, path.to_str().unwrap(), &fs::read(path).unwrap()).unwrap();
        assert!(found.bad_rows.is_empty() && found.bad_files.is_empty(), "{found:?}");
        for row in found.rows {
            let sums = table.entry(row[0].clone()).or_default();
            for (sum, cell) in sums.iter_mut().zip(&row[1..]) {
                *sum += cell.parse::<f64>().unwrap();
            }
        }
    }
    let lines = table.into_iter().map(|(date, sums)| format!("{date},{}\n", sums.map(|sum| sum.to_string()).join(",")));
    let expected = fs::read_to_string(example.join("expected.csv")).unwrap();
    assert_eq!(lines.collect::<String>(), expected.split_once('\n').unwrap().1);
}
