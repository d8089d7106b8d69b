//! Parquet files of several writers and of our own: they come to what the same rows come to as CSV, and what is wrong
//! with one is said.

mod both_ways;
mod inconsistent_metadata;
mod partitions;
mod points_in_time;
mod writer;

use crate::reading::places;
use crate::support::{self, Pivoted, pivot, quarantine_spec, source, spec, spec_of_who};
use pivot::batch::Batch;
use pivot::parquet::{HEAD_BYTES, MAX_FOOTER_BYTES, ParquetPlan, TAIL_BYTES, Tail};
use pivot::plan::Plan;
use pivot::reject;
use proptest::prelude::*;
use sluice::Kind;
use sluice::spec::{FileType, Other, Spec};
use std::fs;
use std::path::{Path, PathBuf};
use writer::{
    BYTE_ARRAY, Column, Cut, DATE, DECIMAL, DOUBLE, INT32, INT64, TIMESTAMP_MICROS, UINT_64, UTF8, column, file, text,
};

const KEY: &str = "a.parquet";

/// All rows in one row group and one page.
const WHOLE: Cut = Cut {
    group_rows: usize::MAX >> 1,
    page_rows: usize::MAX,
    rows_too_many: 0,
    values_too_many: 0,
    file_rows_too_many: 0,
    stated_len: None,
};

/// Reads a file as the handler does, its end in `tail_len` bytes at first, and has the waiting quarantine lines taken
/// away.
fn load(
    batch: &mut Batch<'_>,
    key: &str,
    bytes: &[u8],
    tail_len: usize,
    mut take: impl FnMut(&mut Vec<u8>),
) -> sluice::Result<()> {
    let file = source(key, bytes.len());
    let mut tail_len = tail_len.min(bytes.len());
    let plan = loop {
        match ParquetPlan::from_tail(&file, batch.plan(), &bytes[bytes.len() - tail_len..])? {
            Tail::Plan(plan) => break plan,
            Tail::Foreign => {
                let head = &bytes[..bytes.len().min(usize::try_from(HEAD_BYTES).unwrap())];
                return Err(ParquetPlan::foreign(&file, head));
            }
            Tail::Short(needed) => {
                let needed = usize::try_from(needed).unwrap();
                assert!(needed > tail_len && needed <= bytes.len(), "{needed} bytes after {tail_len}");
                tail_len = needed;
            }
        }
    };
    for group in plan.groups() {
        let chunk = |range: std::ops::Range<u64>| {
            let [start, end] = [range.start, range.end].map(|place| usize::try_from(place).unwrap());
            &bytes[start..end]
        };
        let chunks: Vec<&[u8]> = group.ranges().into_iter().map(chunk).collect();
        let mut reader = plan.reader(group, &chunks)?;
        while reader.step(&file, batch)? {
            take(&mut batch.tally.rejects.pending);
        }
        take(&mut batch.tally.rejects.pending);
    }
    Ok(())
}

/// Pivots one file.
fn read(spec: &Spec, key: &str, bytes: &[u8], tail_len: usize) -> sluice::Result<Pivoted> {
    let plan = Plan::new(spec)?;
    let mut batch = Batch::new(&plan);
    let mut quarantine = Vec::new();
    load(&mut batch, key, bytes, tail_len, |pending| quarantine.append(pending))?;
    batch.end_file(&source(key, bytes.len()))?;
    support::pivoted(batch, &quarantine)
}

pub(crate) fn refusal(spec: &Spec, key: &str, bytes: &[u8]) -> String {
    let error = read(spec, key, bytes, bytes.len()).err().expect("it cannot be read");
    assert_eq!(error.kind(), Kind::InvalidSource, "{error}");
    error.to_string()
}

/// The line or row of each bad one.
fn bad_rows(quarantine: &str) -> Vec<u64> {
    let number =
        |place: String| place.trim_start_matches("line ").split([',', ':']).next().unwrap().parse::<u64>().unwrap();
    if quarantine.is_empty() { Vec::new() } else { places(quarantine.as_bytes()).into_iter().map(number).collect() }
}

/// The files that `make.py` makes.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/parquet");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn parquet_files() -> impl Iterator<Item = (String, PathBuf, Vec<u8>)> {
    let files = files().into_iter().filter(|path| FileType::of_key(path.to_str().unwrap()) == FileType::Parquet);
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path.clone(), fs::read(path).unwrap()))
}

/// The reference spec, points in time on the clock of UTC; where the category is a boolean, its categories are that.
fn spec_of(name: &str) -> Spec {
    let mut spec = spec();
    spec.source.columns.get_mut("date").unwrap().zone = Some("UTC".to_owned());
    if name.starts_with("bool-category") {
        spec.shape.pivot.as_mut().unwrap().into = [("true", "work_minutes"), ("false", "learning_minutes")]
            .map(|(category, column)| (category.to_owned(), column.to_owned()))
            .into_iter()
            .collect();
    }
    spec
}

#[test]
fn the_files_of_all_writers_come_to_what_their_rows_do_in_csv() {
    let (mut read_count, mut refused_count) = (0, 0);
    for (name, path, bytes) in parquet_files() {
        assert!(bytes.len() < 10_240, "{name}: {} bytes", bytes.len());
        if let Ok(expected) = fs::read_to_string(path.with_extension("txt")) {
            assert_eq!(refusal(&spec(), &name, &bytes), format!("{name}: {}", expected.trim_end()));
            refused_count += 1;
            continue;
        }
        let csv = fs::read(path.with_extension("csv")).unwrap();
        let spec = spec_of(&name);
        let expected = pivot(&spec, &[("a.csv", &csv)], 4_096).unwrap();
        for tail_len in [bytes.len(), 8, 9] {
            let found = read(&spec, &name, &bytes, tail_len).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((found.csv, found.rows_read), (expected.csv.clone(), expected.rows_read), "{name}");
            // The header is no row.
            let expected_rows: Vec<u64> = bad_rows(&expected.quarantine).into_iter().map(|line| line - 1).collect();
            assert_eq!(bad_rows(&found.quarantine), expected_rows, "{name}");
            assert_eq!(found.rejects.count, expected.rejects.count, "{name}");
        }
        read_count += 1;
    }
    assert!(read_count >= 32 && refused_count >= 8, "{read_count} files read and {refused_count} refused");
}

#[test]
fn every_file_beside_them_is_of_use() {
    let files = files();
    for path in &files {
        let is_known = match path.extension().and_then(|extension| extension.to_str()) {
            Some("parquet") => {
                let companions = ["csv", "txt"].map(|extension| files.contains(&path.with_extension(extension)));
                companions[0] != companions[1]
            }
            Some("csv" | "txt") => files.contains(&path.with_extension("parquet")),
            _ => path.ends_with("make.py"),
        };
        assert!(is_known, "{}: nothing reads it", path.display());
    }
}

/// Whatever a byte is changed to, and wherever a file is cut: an error of the file, or as many rows as it had, whatever
/// they are; never a panic.
#[test]
fn corrupt_files_are_refused_or_read() {
    let plan = Plan::new(&spec()).unwrap();
    let (mut refused_count, mut read_count) = (0, 0);
    let mut check = |name: &str, rows: u64, bytes: &[u8]| {
        let mut batch = Batch::new(&plan);
        match load(&mut batch, name, bytes, bytes.len(), Vec::clear) {
            Ok(()) => {
                assert_eq!(batch.tally.rows_read, rows, "{name}: rows were lost or made up");
                read_count += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::InvalidSource, "{error}");
                assert!(error.to_string().starts_with(name), "{error}");
                refused_count += 1;
            }
        }
    };
    for (number, (name, path, bytes)) in parquet_files().enumerate() {
        // The first line is the header. What is refused has five rows.
        let rows = fs::read_to_string(path.with_extension("csv")).map_or(5, |csv| csv.lines().count() as u64 - 1);
        for (place, flip) in
            (number % 5..bytes.len()).step_by(5).zip([0x01, 0x80, 0xFF, 0x10, 0x7E].into_iter().cycle())
        {
            let mut corrupt = bytes.clone();
            corrupt[place] ^= flip;
            check(&name, rows, &corrupt);
        }
        for len in (1..bytes.len()).step_by(101) {
            check(&name, rows, &bytes[..len]);
            check(&name, rows, &[&bytes[..len], &bytes[(len + 3).min(bytes.len())..]].concat());
        }
    }
    assert!(refused_count > 1_000 && read_count > 100, "{refused_count} files refused and {read_count} read");
}

#[test]
fn what_is_no_parquet_file_is_refused() {
    for (bytes, reason) in [
        (&b"PAR"[..], "not a Parquet file, but a text, maybe CSV; give it the suffix .csv"),
        (b"PAR1\xFF\0\0\0PAR1", "its metadata is larger than the file"),
        (b"\0\0\0\0PAR1", "its metadata is larger than the file"),
        (b"PAR1\0\0\0\0PAR1", "its metadata is cut off"),
        (b"PAR1\0\x01\0\0\0PAR1", "its metadata has no columns"),
    ] {
        assert_eq!(refusal(&spec(), KEY, bytes), format!("{KEY}: {reason}"), "{}", bytes.escape_ascii());
    }
    let packed = "a.parquet.gz: a Parquet file must not be compressed as a whole, its pages are; store it as .parquet";
    assert_eq!(FileType::of_key("a.parquet.gz"), FileType::Parquet);
    assert_eq!(refusal(&spec(), "a.parquet.gz", b"\x1F\x8B"), packed);
    assert_eq!(ParquetPlan::tail_len(12), 12);
    assert_eq!(ParquetPlan::tail_len(1 << 30), TAIL_BYTES);
    let plan = Plan::new(&spec()).unwrap();
    let len = u32::try_from(MAX_FOOTER_BYTES + 1).unwrap();
    let tail = [&len.to_le_bytes()[..], b"PAR1"].concat();
    let error = ParquetPlan::from_tail(&source(KEY, 1 << 30), &plan, &tail).err().unwrap().to_string();
    assert_eq!(error, "a.parquet: its metadata has more than 32 MiB; write it with fewer row groups");
}

#[test]
fn an_empty_file_has_no_rows() {
    let expected = pivot(&spec(), &[("a.csv", b"")], 1_000).unwrap();
    for key in [KEY, "a.parquet.gz"] {
        let found = read(&spec(), key, b"", 8).unwrap();
        assert_eq!((&found.csv, found.rows_read, found.rejects.count), (&expected.csv, 0, 0), "{key}");
    }
}

/// One row per item: a day, a category and hundredths of a minute.
fn columns(rows: &[(Option<i32>, Option<&str>, Option<i64>)]) -> Vec<Column> {
    let optional = |name, physical, converted, values| Column {
        name,
        physical,
        converted,
        local_unit: None,
        scale: 2,
        is_optional: true,
        values,
    };
    let days = rows.iter().map(|(day, ..)| day.map(|day| day.to_le_bytes().to_vec())).collect();
    let categories = rows.iter().map(|(_, category, _)| category.map(text)).collect();
    let values = rows.iter().map(|(.., value)| value.map(|value| value.to_le_bytes().to_vec())).collect();
    vec![
        optional("Duration (in minutes)", INT64, DECIMAL, values),
        optional("Start date", INT32, DATE, days),
        optional("Project", BYTE_ARRAY, UTF8, categories),
    ]
}

/// The first day of 2024.
const DAY: i32 = 19_723;

#[test]
fn bad_rows_are_told_by_their_place_and_texts() {
    let rows = [
        (Some(DAY), Some("Work"), Some(150)),
        (None, Some("Work"), Some(1)),
        (Some(DAY), None, Some(-25)),
        (Some(DAY), Some("a,b"), Some(1)),
        (Some(DAY), Some("Work"), None),
        (Some(i32::MAX), Some("Work"), Some(1)),
        (None, None, None),
        (Some(DAY), Some("Learning"), Some(5)),
    ];
    for (group_rows, page_rows) in [(100, 100), (3, 2), (1, 1)] {
        let bytes = file(&columns(&rows), Cut { group_rows, page_rows, ..WHOLE });
        let found = read(&spec(), KEY, &bytes, 8).unwrap();
        assert_eq!(found.csv, "date,learning_minutes,work_minutes\n2024-01-01,0.05,1.5\n");
        assert_eq!((found.rows_read, found.rejects.count), (8, 6));
        let none = |wanted: &str| format!("\"no value, expected {wanted}\"");
        let no_category = r#""no value, and """" is not one of the categories""#;
        let lines = [
            format!("2,2,Start date,{},\",Work,0.01\"", none("a date")),
            format!("3,3,Project,{no_category},\"2024-01-01,,-0.25\""),
            "4,3,Project,unknown category,\"2024-01-01,\"\"a,b\"\",0.01\"".to_owned(),
            format!("5,1,Duration (in minutes),{},\"2024-01-01,Work,\"", none("a number")),
            "6,2,Start date,not a valid date as YYYY-MM-DD,\"2147483647 days after 1970-01-01,Work,0.01\"".to_owned(),
            format!("7,3,Project,{no_category},\",,\""),
        ];
        let expected: String = lines.iter().map(|line| format!("a.parquet,etag,{line}\n")).collect();
        assert_eq!(found.quarantine, format!("{}{expected}", String::from_utf8_lossy(reject::HEADER)));
    }
    let mut spec = spec();
    spec.shape.pivot.as_mut().unwrap().other = Other::Ignore;
    let found = read(&spec, KEY, &file(&columns(&rows), WHOLE), 8).unwrap();
    // The null is a category that nobody listed, as the empty text is.
    assert_eq!((found.rows_ignored, found.rejects.count), (2, 4));
}

#[test]
fn numbers_that_disagree_with_the_pages_are_refused() {
    let rows = [(Some(DAY), Some("Work"), Some(1)); 5];
    for (rows_too_many, amount) in [(2, "fewer"), (1, "fewer"), (-1, "more"), (-2, "more")] {
        for (group_rows, page_rows) in [(3, usize::MAX), (3, 1), (5, 1), (5, 2), (5, 3)] {
            let bytes = file(&columns(&rows), Cut { group_rows, page_rows, rows_too_many, ..WHOLE });
            let reason =
                format!("row group 1, column \"Start date\": it has {amount} values than its row group has rows");
            assert_eq!(refusal(&spec(), KEY, &bytes), format!("{KEY}: {reason}"));
        }
    }
    for (cut, reason) in [
        (
            Cut { group_rows: 3, file_rows_too_many: 1, ..WHOLE },
            "its metadata says that it has 6 rows, and its row groups have 5",
        ),
        (Cut { file_rows_too_many: -5, ..WHOLE }, "its metadata says that it has 0 rows, and its row groups have 5"),
        (Cut { values_too_many: 1, ..WHOLE }, "row group 1: column \"Start date\": it has 6 values for 5 rows"),
        (
            Cut { rows_too_many: -5, values_too_many: 5, ..WHOLE },
            "row group 1: it has no rows, but 5 values of a column",
        ),
    ] {
        assert_eq!(refusal(&spec(), KEY, &file(&columns(&rows), cut)), format!("{KEY}: {reason}"));
    }
    let long = file(&columns(&rows), Cut { stated_len: Some(1 << 40), ..WHOLE });
    let reason = "row group 1: column \"Start date\": it is not where the file's metadata says";
    assert_eq!(refusal(&spec(), KEY, &long), format!("{KEY}: {reason}"));
    // As if most of the file came before its end.
    let large = file(&columns(&rows), Cut { stated_len: Some(50 << 20), ..WHOLE });
    let plan = Plan::new(&spec()).unwrap();
    let error = ParquetPlan::from_tail(&source(KEY, 1 << 30), &plan, &large).err().unwrap();
    let reason = "row group 1: its chunks of the spec's columns have 150 MiB, which must be held at once, and 128 MiB is the \
                  most that is; write the file with smaller row groups";
    assert_eq!((error.kind(), error.to_string()), (Kind::InvalidSource, format!("{KEY}: {reason}")));
}

#[test]
fn a_flood_of_bad_rows_keeps_memory_bounded() {
    const COUNT: usize = 200_000;
    let bytes = file(&columns(&vec![(None, None, None); COUNT]), WHOLE);
    assert!(bytes.len() < 2_000, "{} bytes", bytes.len());
    let plan = Plan::new(&quarantine_spec()).unwrap();
    let mut batch = Batch::new(&plan);
    let (mut lines, mut most) = (0, 0);
    let take = |pending: &mut Vec<u8>| {
        most = most.max(pending.len());
        lines += pending.iter().filter(|byte| **byte == b'\n').count();
        pending.clear();
    };
    load(&mut batch, KEY, &bytes, 8, take).unwrap();
    assert_eq!((batch.tally.rows_read, batch.tally.rejects.count, lines), (COUNT as u64, COUNT as u64, COUNT + 1));
    assert!(most < 2 << 20, "{most} bytes waited at once");
}

#[test]
fn a_key_of_text_may_be_any_single_value() {
    let spec = spec_of_who();
    let others = || {
        let projects = vec![text("Work"), text("Learning"), text("Work")];
        let values = [1.5_f64, 2.0, 0.1].map(|value| value.to_le_bytes().to_vec()).to_vec();
        [column("Project", BYTE_ARRAY, None, projects), column("Duration (in minutes)", DOUBLE, None, values)]
    };
    let pivoted = |who: Column| {
        let columns: Vec<Column> = std::iter::once(who).chain(others()).collect();
        read(&spec, KEY, &file(&columns, WHOLE), 8).map(|found| found.csv).map_err(|error| error.to_string())
    };
    let texts = ["b", "é, \"c\"", "b"].map(text).to_vec();
    let expected = "who,learning_minutes,work_minutes\nb,0,1.6\n\"é, \"\"c\"\"\",2,0.0\n".to_owned();
    assert_eq!(pivoted(column("Who", BYTE_ARRAY, UTF8, texts)), Ok(expected));
    let integers = [u64::MAX, 5, u64::MAX].map(|number| number.to_le_bytes().to_vec()).to_vec();
    let expected = "who,learning_minutes,work_minutes\n18446744073709551615,0,1.6\n5,2,0.0\n".to_owned();
    assert_eq!(pivoted(column("Who", INT64, UINT_64, integers)), Ok(expected));
    let times = vec![vec![0; 8]; 3];
    let expected = "who,learning_minutes,work_minutes\n1970-01-01T00:00:00Z,2,1.6\n".to_owned();
    assert_eq!(pivoted(column("Who", INT64, TIMESTAMP_MICROS, times)), Ok(expected));
}

#[test]
fn a_sum_that_is_too_long_ends_the_file_with_its_place() {
    let largest = "9".repeat(38);
    let columns = [
        column("Project", BYTE_ARRAY, UTF8, vec![text("Work"); 2]),
        column("Start date", BYTE_ARRAY, UTF8, vec![text("2024-01-01"); 2]),
        column("Duration (in minutes)", BYTE_ARRAY, UTF8, vec![text(&largest); 2]),
    ];
    let reason =
        "row 2, column 3 (Duration (in minutes)): the sum that this value belongs to needs more than 38 digits";
    assert_eq!(refusal(&spec(), KEY, &file(&columns, WHOLE)), format!("{KEY}, {reason}"));
    let long = text(&"x".repeat(1 << 20));
    let columns = columns.map(|column| Column { values: vec![Some(long.clone()); 2], ..column });
    assert_eq!(
        refusal(&spec(), KEY, &file(&columns, WHOLE)),
        format!("{KEY}, row 1: a row of more than 1048576 bytes")
    );
}

proptest! {
    #[test]
    fn rows_come_to_what_they_do_in_csv(
        rows in prop::collection::vec(
            (
                prop::option::weighted(0.9, -800_000..2_950_000_i32),
                prop::option::weighted(0.9, prop::sample::select(vec!["Work", "Learning", "Sport", ""])),
                prop::option::weighted(0.9, any::<i64>()),
            ),
            1..60,
        ),
        group_rows in 1_usize..40,
        page_rows in 1_usize..20,
        tail_len in 8_usize..2_000,
    ) {
        let mut csv = "Start date,Project,Duration (in minutes)\n".to_owned();
        for (day, category, value) in &rows {
            // A day that no calendar has is no date either way.
            let day = day.and_then(date_text).unwrap_or_default();
            let value = value.map(|value| {
                let sign = if value < 0 { "-" } else { "" };
                let magnitude = value.unsigned_abs();
                format!("{sign}{}.{:02}", magnitude / 100, magnitude % 100)
            });
            csv.push_str(&format!("{day},{},{}\n", category.unwrap_or_default(), value.unwrap_or_default()));
        }
        let expected = pivot(&spec(), &[("a.csv", csv.as_bytes())], 1_000).unwrap();
        let bytes = file(&columns(&rows), Cut { group_rows, page_rows, ..WHOLE });
        let found = read(&spec(), KEY, &bytes, tail_len).unwrap();
        prop_assert_eq!(found.csv, expected.csv);
        prop_assert_eq!(found.rows_read, expected.rows_read);
        let expected: Vec<u64> = bad_rows(&expected.quarantine).into_iter().map(|line| line - 1).collect();
        prop_assert_eq!(bad_rows(&found.quarantine), expected);
    }
}

/// The date of a day in the years 1 to 9999, told by counting.
fn date_text(day: i32) -> Option<String> {
    let is_leap = |year: i32| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // From 0001-01-01 on.
    let mut left = day + 719_162;
    if left < 0 {
        return None;
    }
    for year in 1..=9_999 {
        let months = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, days) in (1..).zip(months) {
            if left < days {
                return Some(format!("{year:04}-{month:02}-{:02}", left + 1));
            }
            left -= days;
        }
    }
    None
}
