//! Columns that an object's key gives mean in all formats what they would mean in the file; and the spec's format,
//! where it is said, is that of all files.

use super::writer::{BYTE_ARRAY, UTF8, column, file, text};
use super::{WHOLE, load};
use crate::support::{feed, quarantine_spec, whole};
use sluice::contract::SourceFile;
use sluice::spec::{FileType, Place, Spec};

/// The rows of a file of each format: texts of these columns.
fn files(columns: &[(&'static str, &[&str])]) -> [(&'static str, Vec<u8>); 3] {
    let rows = columns.first().map_or(3, |(_, values)| values.len());
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let fields = |row: usize| columns.iter().map(move |(_, values)| values[row]);
    let csv: String = (0..rows).map(|row| fields(row).chain(["x"]).collect::<Vec<_>>().join(",") + "\n").collect();
    let csv = format!("{}\n{csv}", names.iter().copied().chain(["Other"]).collect::<Vec<_>>().join(","));
    let json: String = (0..rows)
        .map(|row| {
            let pairs = names.iter().zip(fields(row)).map(|(name, value)| format!("\"{name}\": \"{value}\""));
            format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(","))
        })
        .collect();
    let stored = columns
        .iter()
        .map(|(name, values)| column(name, BYTE_ARRAY, UTF8, values.iter().map(|value| text(value)).collect()));
    let other = column("Other", BYTE_ARRAY, UTF8, vec![text("x"); rows]);
    let parquet = file(&stored.chain([other]).collect::<Vec<_>>(), WHOLE);
    [("csv", csv.into_bytes()), ("json", json.into_bytes()), ("parquet", parquet)]
}

fn read(file: &SourceFile, bytes: &[u8], batch: &mut pivot::batch::Batch<'_>) -> sluice::Result<()> {
    match batch.plan().format_of(&file.key) {
        FileType::Parquet => load(batch, &file.key, bytes, 64, |_| ()),
        FileType::Csv | FileType::Json => feed(file, batch, [bytes], |_| ()),
    }
}

/// Fails if these columns, in an object of the key `folder` and something, do not come to the table.
fn check(partitions: &[(&str, &str)], folder: &str, columns: &[(&'static str, &[&str])], expected: &str) {
    let mut spec = quarantine_spec();
    for (column, name) in partitions {
        spec.source.columns.get_mut(*column).unwrap().place = Place::Partition((*name).to_owned());
    }
    for (suffix, bytes) in files(columns) {
        let key = format!("in/{folder}/a.{suffix}");
        let found = whole(&spec, &[(&key, &bytes)], read).unwrap();
        let table = found.tables.first().map_or("", |table| table.split_once('\n').unwrap().1);
        let bad = found.bad.first().map_or("", |bad| bad.reason.as_str());
        assert_eq!(if bad.is_empty() { table } else { "bad" }, expected, "{key}: {bad} {}", found.quarantine);
    }
}

const PROJECTS: (&str, &[&str]) = ("Project", &["Work", "Learning", "Work"]);
const MINUTES: (&str, &[&str]) = ("Duration (in minutes)", &["1", "2", "x"]);
const DATES: (&str, &[&str]) = ("Start date", &["2024-01-01", "2024-01-02", "2024-01-03"]);

#[test]
fn any_column_may_be_a_part_of_the_key() {
    let one_day = "1,2024-03-01,2,1\n";
    check(&[("date", "dt")], "dt=2024-03-01", &[PROJECTS, MINUTES], one_day);
    check(&[("date", "dt")], "dt=2024-03-01%2010%3A00", &[PROJECTS, MINUTES], one_day);
    let by_date = "0,2024-01-01,0,1\n0,2024-01-02,0,2\n2,2024-01-03,0,0\n";
    check(&[("project", "p")], "p=Work", &[DATES, MINUTES], by_date);
    let fives = "0,2024-01-01,0,5\n0,2024-01-02,5,0\n0,2024-01-03,0,5\n";
    check(&[("minutes", "m")], "x=1/m=5", &[DATES, PROJECTS], fives);
    check(&[("date", "dt"), ("project", "p")], "dt=2024-03-01/p=Work", &[MINUTES], "1,2024-03-01,0,3\n");
}

/// CSV and JSON of no columns have no rows to be counted; a Parquet file says how many it has.
#[test]
fn a_null_or_wrong_part_makes_every_row_bad() {
    for folder in ["dt=__HIVE_DEFAULT_PARTITION__", "dt=", "dt=yesterday", "dt=2024-03-01T10Z", "date=2024-03-01"] {
        check(&[("date", "dt")], folder, &[PROJECTS, MINUTES], "bad");
    }
    check(&[("project", "p")], "p=Sport", &[DATES, MINUTES], "bad");
    check(&[("minutes", "m")], "m=none", &[DATES, PROJECTS], "bad");
}

/// Many rows, which take the fast path.
#[test]
fn rows_of_a_partition_are_as_exact_as_others() {
    let values: Vec<String> = (0..2_000).map(|row| format!("{row}.125")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let projects = vec!["Work"; values.len()];
    let expected = "0,2024-03-01,0,1999250\n";
    let columns: [(&'static str, &[&str]); 2] = [("Project", &projects), ("Duration (in minutes)", &values)];
    check_exact(&columns, expected);
}

fn check_exact(columns: &[(&'static str, &[&str])], expected: &str) {
    let mut spec = quarantine_spec();
    spec.source.columns.get_mut("date").unwrap().place = Place::Partition("dt".to_owned());
    for (suffix, bytes) in files(columns) {
        let key = format!("dt=2024-03-01/a.{suffix}");
        let found = whole(&spec, &[(&key, &bytes)], read).unwrap();
        let table = found.tables[0].split_once('\n').unwrap().1.replace(".000", "");
        assert_eq!(table, expected, "{key}");
    }
}

#[test]
fn the_format_of_the_spec_is_that_of_all_files() {
    let spec_of = |format: FileType| -> Spec {
        let mut spec = quarantine_spec();
        spec.source.format.kind = Some(format);
        spec
    };
    let formats = [FileType::Csv, FileType::Json, FileType::Parquet];
    let columns = [DATES, PROJECTS, ("Duration (in minutes)", &["1", "2", "3"][..])];
    for (format, (suffix, bytes)) in formats.into_iter().zip(files(&columns)) {
        for name in ["a", "a.csv", "a.json", "a.parquet", "a.txt"] {
            let found = whole(&spec_of(format), &[(name, &bytes)], read).unwrap();
            assert!(found.bad.is_empty() && found.rows[0] == 3, "{name} as {suffix}: {:?}", found.bad);
        }
    }
}
