//! JSON lines: the same rows come to the same table as CSV, and every line that is wrong is told with its place.

use crate::packing::{gzip, zstd};
use crate::support::{Pivoted, pivot, spec};
use pivot::batch::MAX_ROW_BYTES;
use pivot::csv::record::Record;
use pivot::csv::scanner::{Scanner, TooLarge};
use proptest::prelude::*;
use sluice::Kind;
use sluice::spec::UnknownCategory;

const KEY: &str = "a.ndjson";

const GOOD: &str = r#"{"Start date": "2024-01-01 10:00", "Project": "Work", "Duration (in minutes)": 1}"#;

fn read(text: &[u8], chunk_len: usize) -> Pivoted {
    pivot(&spec(), &[(KEY, text)], chunk_len).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads a line between two good ones; says what is wrong with it, with its place in the line.
fn fault(line: &[u8]) -> String {
    let text = [GOOD.as_bytes(), b"\n", line, b"\r\n", GOOD.as_bytes()].concat();
    let mut faults = [1, 7, text.len()].map(|chunk_len| {
        let mut pivoted = read(&text, chunk_len);
        assert_eq!((pivoted.rows_read, pivoted.rejects.count), (3, 1), "{}", line.escape_ascii());
        assert_eq!(pivoted.csv, "date,learning_minutes,work_minutes\n2024-01-01,0,2\n");
        pivoted.rejects.first.remove(0)
    });
    assert!(faults.iter().all(|fault| *fault == faults[0]), "{faults:?}");
    let fault = std::mem::take(&mut faults[0]);
    fault.strip_prefix("a.ndjson, line 2").unwrap_or_else(|| panic!("{fault}")).to_owned()
}

/// A good line, with one thing in it changed.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    GOOD.replace(from, to)
}

#[test]
fn every_line_is_read_wherever_its_columns_stand() {
    let lines = [
        GOOD,
        r#"{"Duration (in minutes)":"0.5","Project":"Learning","Start date":"2024-01-01"}"#,
        r#"{"x":{"Project":["Work",{}]},"Project":"Learning","y":[1,2],"Start date":"2024-01-02","Duration (in minutes)":2.50}"#,
        "",
        "  \t ",
        r#" { "Pro\u006aect":"W\u006Frk" ,"Start date":"2024\u002d01-01", "Duration (in minutes)" : "\u0031","e":"\ud83d\ude00"} "#,
        r#"{"Start date":"2024-01-02","Project":"Work","Duration (in minutes)":-1e-3,"Duration":7}"#,
    ];
    let expected = "date,learning_minutes,work_minutes\n2024-01-01,0.5,2.000\n2024-01-02,2.5,-0.001\n";
    for line_end in ["\n", "\r\n"] {
        for (mark, last) in [("", ""), ("\u{feff}", line_end)] {
            let text = format!("{mark}{}{last}", lines.join(line_end));
            for chunk_len in [1, 2, 7, 64, text.len()] {
                let pivoted = read(text.as_bytes(), chunk_len);
                assert_eq!((pivoted.rows_read, pivoted.rejects.count), (5, 0), "{:?}", pivoted.rejects.first);
                assert_eq!(pivoted.csv, expected);
            }
            for packed in [gzip(&text), zstd(&text)] {
                for key in ["a.ndjson", "a.jsonl.gz", "a.json.zst"] {
                    assert_eq!(pivot(&spec(), &[(key, &packed)], 11).unwrap().csv, expected);
                }
            }
        }
    }
    for nothing in ["", "\n", "\u{feff}", "\r\n\r\n"] {
        assert_eq!(read(nothing.as_bytes(), 1).rows_read, 0);
    }
}

#[test]
fn numbers_stay_exact() {
    let text = ["0.1", "0.2", "9007199254740993", "0.00000000000000000001"]
        .map(|number| changed(": 1}", &format!(": {number}}}")));
    let pivoted = read(text.join("\n").as_bytes(), 100);
    assert_eq!(pivoted.csv, "date,learning_minutes,work_minutes\n2024-01-01,0,9007199254740993.30000000000000000001\n");
}

#[test]
fn a_column_that_cannot_be_used_is_told_by_its_name() {
    for (from, to, expected) in [
        ("\"Work\"", "null", "column Project: null, expected a string or a number"),
        ("\"Work\"", "true", "column Project: true, expected a string or a number"),
        ("\"Work\"", "{\"a\": \"Work\"}", "column Project: an object, expected a string or a number"),
        ("\"Work\"", "\"work\"", "column Project: unknown category \"work\""),
        ("\"Work\"", "1.0", "column Project: unknown category \"1.0\""),
        ("\"Work\"", "\"\\ud800\"", "column Project: \"\\\"\\\\ud800\\\"\": not valid Unicode"),
        ("\"Project\"", "\"project\"", "column Project: the object has no such key"),
        ("\"Work\"", "\"Work\", \"Project\": \"Work\"", "column Project: the object has this key twice"),
        ("\"Work\"", "\"Work\", \"\\u0050roject\": null", "column Project: the object has this key twice"),
        (": 1}", ": null}", "column Duration (in minutes): null, expected a string or a number"),
        (": 1}", ": [1]}", "column Duration (in minutes): an array, expected a string or a number"),
        (": 1}", ": \"\"}", "column Duration (in minutes): \"\": empty, expected a number"),
        (": 1}", ": \"1,5\"}", "column Duration (in minutes): \"1,5\": not a number"),
        (": 1}", ": \"NaN\"}", "column Duration (in minutes): \"NaN\": not a finite number"),
        (": 1}", ": 1e40}", "column Duration (in minutes): \"1e40\": a number of more than 38 digits"),
        ("\"2024-01-01 10:00\"", "false", "column Start date: false, expected a string or a number"),
        ("\"2024-01-01 10:00\"", "20240101", "column Start date: \"20240101\": not a valid date as YYYY-MM-DD"),
    ] {
        assert_eq!(fault(changed(from, to).as_bytes()), format!(", {expected}"), "{to}");
    }
    assert_eq!(fault(b"{}"), ", column Start date: the object has no such key");
}

#[test]
fn a_line_that_is_no_object_is_told_in_the_words_of_the_parser() {
    for (line, expected) in [
        ("1", "invalid type: integer `1`, expected a JSON object"),
        ("[]", "invalid type: sequence, expected a JSON object"),
        ("\"a\"", "invalid type: string \"a\", expected a JSON object"),
        ("null", "invalid type: null, expected a JSON object"),
        ("a,b", "expected value"),
        ("{", "EOF while parsing an object"),
        ("{\"a\": 1", "EOF while parsing an object"),
        ("{\"a\": 1,}", "trailing comma"),
        ("{\"a\" 1}", "expected `:`"),
        ("{\"a\": 01}", "invalid number"),
        ("{\"a\": NaN}", "expected value"),
        ("{\"a\": \"\t\"}", "control character (\\u0000-\\u001F) found while parsing a string"),
        ("{\"a\": \"\\x\"}", "invalid escape"),
    ] {
        let found = fault(line.as_bytes());
        let (what, place) = found.rsplit_once(", at byte ").unwrap_or_else(|| panic!("{found}"));
        assert_eq!(what, format!(": not a JSON object: {expected}"), "{line}");
        let number = place.strip_suffix(" of the line").unwrap();
        assert!(number.parse::<usize>().unwrap() <= line.len() + 1, "{line}: {found}");
    }
    let twice = fault(format!("{GOOD} {GOOD}").as_bytes());
    assert_eq!(twice, format!(": not a JSON object: trailing characters, at byte {} of the line", GOOD.len() + 2));
    assert_eq!(fault(b"{\"Project\": \"\xFF\"}"), ": not UTF-8");
}

#[test]
fn a_bad_line_is_in_quarantine_as_it_stands() {
    let line = changed("\"Work\"", "\"Sport\"");
    let pivoted = read(format!("{GOOD}\n{line}\r\n[\n").as_bytes(), 10);
    let mut rows = Vec::new();
    let mut each = |record: Record<'_>| {
        rows.push(
            (0..record.len())
                .map(|field| String::from_utf8_lossy(&record.field(field).unwrap()).into_owned())
                .collect(),
        );
        Ok::<(), TooLarge>(())
    };
    Scanner::default().feed(pivoted.quarantine.as_bytes(), &mut each).unwrap();
    let rows: Vec<Vec<String>> = rows;
    assert_eq!(rows[1], ["a.ndjson", "etag", "2", "", "Project", "unknown category \"Sport\"", &line]);
    assert_eq!((&rows[2][2..5], rows[2][6].as_str()), (&["3", "", ""].map(str::to_owned)[..], "["));
    assert_eq!(rows.len(), 3);
}

#[test]
fn an_ignored_category_is_counted() {
    let mut spec = spec();
    spec.unknown_category = UnknownCategory::Ignore;
    let other = changed("\"Work\"", "\"Sport\"");
    let bad = other.replace(": 1}", ": \"x\"}");
    let pivoted = pivot(&spec, &[(KEY, format!("{GOOD}\n{other}\n{bad}").as_bytes())], 9).unwrap();
    assert_eq!((pivoted.rows_read, pivoted.rows_ignored, pivoted.rejects.count), (3, 1, 1));
}

#[test]
fn what_ends_a_file_is_told_with_its_line() {
    let nines = changed(": 1}", &format!(": {}}}", "9".repeat(38)));
    let long = format!("{GOOD}\n{}", "x".repeat(MAX_ROW_BYTES + 1));
    for (text, expected) in [
        (
            format!("{nines}\n{nines}\n").into_bytes(),
            "line 2, column Duration (in minutes): the sum that this value belongs to needs more than 38 digits",
        ),
        (
            long.into_bytes(),
            "line 2: a line of more than 1048576 bytes begins here; is there one JSON object per line?",
        ),
        (
            b"\xFF\xFE{\0}\0".to_vec(),
            "line 1: not UTF-8: the file begins with a UTF-16 byte order mark; export it as UTF-8",
        ),
    ] {
        for bytes in [text.clone(), gzip(&text)] {
            for chunk_len in [bytes.len(), 9_999] {
                let error = pivot(&spec(), &[(KEY, &bytes)], chunk_len).err().unwrap();
                assert_eq!((error.kind(), error.to_string()), (Kind::InvalidSource, format!("a.ndjson, {expected}")));
            }
        }
    }
}

/// A category, a value and a day; and which of the many ways there are to write it in JSON.
fn rows() -> impl Strategy<Value = Vec<(usize, String, u32, u8)>> {
    let row = (0..3_usize, "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,6})?", 1..=31_u32, any::<u8>());
    prop::collection::vec(row, 0..60)
}

fn json_line(category: &str, value: &str, date: &str, way: u8) -> String {
    let value = if way & 1 == 0 { value.to_owned() } else { format!("\"{value}\"") };
    let category = if way & 2 == 0 { category.to_owned() } else { category.replace('o', "\\u006f") };
    let mut pairs = [
        format!("\"Project\":\"{category}\""),
        format!("\"Duration (in minutes)\": {value}"),
        format!("\"Start date\":\"{date}\""),
        "\"other\":{\"Project\":[null,true,-1.5e9,\"}\"]}".to_owned(),
    ];
    pairs.rotate_left(usize::from(way >> 2 & 3));
    if way & 16 == 0 {
        pairs.swap(0, 2);
    }
    let (separator, line_end) = (if way & 32 == 0 { "," } else { " ,\t" }, if way & 64 == 0 { "\n" } else { "\r\n" });
    format!("{{{}}}{line_end}", pairs.join(separator))
}

proptest! {
    #[test]
    fn rows_come_to_what_they_do_in_csv(rows in rows(), chunk_len in 1_usize..200) {
        let mut csv = "Project,Duration (in minutes),Start date\n".to_owned();
        let mut json = String::new();
        for (category, value, day, way) in &rows {
            let category = ["Work", "Learning", "Sport"][*category];
            // Two of these days are no days.
            let date = format!("2024-02-{day:02}");
            csv.push_str(&format!("{category},{value},{date}\n"));
            json.push_str(&json_line(category, value, &date, *way));
        }
        let expected = pivot(&spec(), &[("a.csv", csv.as_bytes())], 1_000).unwrap();
        for (key, bytes) in [("a.ndjson", json.clone().into_bytes()), ("a.json.gz", gzip(&json))] {
            let found = pivot(&spec(), &[(key, &bytes)], chunk_len).unwrap();
            prop_assert_eq!(&found.csv, &expected.csv);
            prop_assert_eq!((found.rows_read, found.rejects.count), (expected.rows_read, expected.rejects.count));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..300), chunk_len in 1_usize..50) {
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        if let Ok(pivoted) = pivot(&spec(), &[(KEY, &text)], chunk_len) {
            prop_assert!(pivoted.rejects.count <= lines as u64);
            prop_assert_eq!(pivoted.rejects.count, pivoted.rows_read);
        }
    }
}
