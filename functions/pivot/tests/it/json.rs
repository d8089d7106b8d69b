//! JSON: the same rows come to the same table as CSV, however they are laid out, and what is wrong is told with its
//! place.

use crate::packing::{gzip, zstd};
use crate::support::{Pivoted, pivot, spec};
use pivot::batch::MAX_ROW_BYTES;
use pivot::csv::record::Record;
use pivot::csv::scanner::{Scanner, TooLarge};
use proptest::prelude::*;
use sluice::Kind;
use sluice::spec::Other;

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
    let no_category = "column Project: no value, and \"\" is not one of the categories";
    let (no_number, no_date) = ("no value, expected a number", "no value, expected a date");
    for (from, to, expected) in [
        ("\"Work\"", "null", no_category),
        ("\"Work\"", "\"\"", no_category),
        ("\"Project\"", "\"project\"", no_category),
        ("\"Work\"", "true", "column Project: unknown category"),
        ("\"Work\"", "{\"a\": \"Work\"}", "column Project: an object, expected a text or a number"),
        ("\"Work\"", "\"work\"", "column Project: unknown category"),
        ("\"Work\"", "1.0", "column Project: unknown category"),
        ("\"Work\"", "\"\\ud800\"", "column Project: not valid Unicode"),
        ("\"Work\"", "\"Work\", \"Project\": \"Work\"", "column Project: the object has this key twice"),
        ("\"Work\"", "\"Work\", \"\\u0050roject\": null", "column Project: the object has this key twice"),
        (": 1}", ": null}", &format!("column Duration (in minutes): {no_number}")),
        (": 1}", ": \"\"}", &format!("column Duration (in minutes): {no_number}")),
        ("\"Duration (in minutes)\"", "\"x\"", &format!("column Duration (in minutes): {no_number}")),
        (": 1}", ": [1]}", "column Duration (in minutes): an array, expected a text or a number"),
        (": 1}", ": true}", "column Duration (in minutes): not a number"),
        (": 1}", ": \"1,5\"}", "column Duration (in minutes): not a number"),
        (": 1}", ": \"NaN\"}", "column Duration (in minutes): not a finite number"),
        (": 1}", ": 1e40}", "column Duration (in minutes): a number of more than 38 digits"),
        ("\"2024-01-01 10:00\"", "null", &format!("column Start date: {no_date}")),
        ("\"2024-01-01 10:00\"", "\"\"", &format!("column Start date: {no_date}")),
        ("\"Start date\"", "\"start\"", &format!("column Start date: {no_date}")),
        ("\"2024-01-01 10:00\"", "false", "column Start date: not a valid date as YYYY-MM-DD"),
        ("\"2024-01-01 10:00\"", "20240101", "column Start date: not a valid date as YYYY-MM-DD"),
        (
            "\"2024-01-01 10:00\"",
            "\"2024-01-01 - 2024-01-31\"",
            "column Start date: a date and something behind it that is not a time",
        ),
    ] {
        assert_eq!(fault(changed(from, to).as_bytes()), format!(", {expected}"), "{to}");
    }
    for holds_none in ["{}", "{\"data\": [{\"Project\": \"Work\"}]}"] {
        assert_eq!(fault(holds_none.as_bytes()), ": the object has none of the spec's columns", "{holds_none}");
    }
}

/// The same row in each format, a value of it empty, null or missing.
#[test]
fn no_value_is_the_same_in_json_as_in_csv() {
    let mut spec = spec();
    spec.shape.pivot.as_mut().unwrap().into.insert(String::new(), "no_project".to_owned());
    let csv = "Start date,Project,Duration (in minutes)\n2024-01-01,,1\n,Work,1\n2024-01-01,Work,\n";
    let expected = pivot(&spec, &[("a.csv", csv.as_bytes())], 100).unwrap();
    let reasons = |first: &[String]| -> Vec<String> {
        first.iter().map(|place| place.rsplit_once(": ").unwrap().1.to_owned()).collect()
    };
    assert_eq!(reasons(&expected.rejects.first), ["no value, expected a date", "no value, expected a number"]);
    let rows = |index: &str, category: &str, value: &str| {
        let [full_index, full_category, full_value] =
            ["\"Start date\":\"2024-01-01\"", "\"Project\":\"Work\"", "\"Duration (in minutes)\":1"];
        [[full_index, category, full_value], [index, full_category, full_value], [full_index, full_category, value]]
            .map(|pairs| format!("{{\"x\":0,{}}}\n", pairs.join(",")).replace(",,", ",").replace(",}", "}"))
            .concat()
    };
    for json in [
        rows("", "", ""),
        rows("\"Start date\":null", "\"Project\":null", "\"Duration (in minutes)\":null"),
        rows("\"Start date\":\"\"", "\"Project\":\"\"", "\"Duration (in minutes)\":\"\""),
    ] {
        let found = pivot(&spec, &[(KEY, json.as_bytes())], 100).unwrap();
        assert_eq!((&found.csv, found.rows_read), (&expected.csv, expected.rows_read), "{json}");
        assert_eq!(reasons(&found.rejects.first), reasons(&expected.rejects.first), "{json}");
    }
}

/// A pretty-printed file, and the objects of one line, whatever stands between them.
#[test]
fn objects_are_read_in_an_array_and_run_together() {
    let other = changed("\"Work\"", "\"Learning\"");
    let bad = changed("\"Work\"", "\"Sport\"");
    let pretty = |row: &str| row.replace('{', "{\n  ").replace(", ", ",\n  ").replace('}', "\n}");
    let [pretty_good, pretty_other, pretty_bad] = [GOOD, &other, &bad].map(pretty);
    let expected = "date,learning_minutes,work_minutes\n2024-01-01,1,1\n";
    for (text, bad_place) in [
        (format!("{GOOD}\n{other}\n{bad}\n"), "line 3"),
        (format!("{GOOD}{other}{bad}"), "line 1, record 3"),
        (format!("{GOOD} {other}\n\n {bad}"), "line 3"),
        (format!("{pretty_good}\n{pretty_other}{pretty_bad}"), "line 10"),
        (format!("[{GOOD},{other},{bad}]"), "line 1, record 3"),
        (format!("\u{feff} \r\n[ {GOOD},\r\n{other}, {bad} ]\r\n"), "line 3, record 2"),
        (format!("[\n{GOOD}\n,{other}\n,{bad}\n]\n"), "line 4"),
        (format!("[{pretty_good}, {pretty_other}, {pretty_bad}\n]"), "line 9"),
        (format!("[{GOOD},{other}]\n[{bad}]\n[]"), "line 2"),
    ] {
        for key in ["a.json", "a.ndjson", "a.jsonl"] {
            for chunk_len in [1, 7, text.len()] {
                let pivoted = pivot(&spec(), &[(key, text.as_bytes())], chunk_len).unwrap();
                assert_eq!((pivoted.csv.as_str(), pivoted.rows_read), (expected, 3), "{text}");
                assert_eq!(pivoted.rejects.first, [format!("{key}, {bad_place}, column Project: unknown category")]);
            }
        }
    }
}

#[test]
fn an_array_that_is_cut_off_is_no_file_of_fewer_rows() {
    for (text, expected) in [
        (format!("[{GOOD},\n{GOOD}"), "line 2, record 2: the array is not closed; was the file cut off?"),
        (format!("[{GOOD},\n{}", &GOOD[..20]), "line 2: the array is not closed; was the file cut off?"),
        (format!("[{GOOD}\n{GOOD}]"), "line 2: a comma is missing in the array"),
        (format!("[{GOOD},\n{{\"a\": 1\n,{GOOD}]\n"), "line 2: the array cannot be read from here on"),
    ] {
        for chunk_len in [1, 7, text.len()] {
            let error = pivot(&spec(), &[(KEY, text.as_bytes())], chunk_len).err().unwrap();
            assert_eq!((error.kind(), error.to_string()), (Kind::InvalidSource, format!("{KEY}, {expected}")));
        }
    }
}

#[test]
fn a_line_that_is_no_object_is_told_in_the_words_of_the_parser() {
    for (line, expected) in [
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
        assert!(place.parse::<usize>().unwrap() <= line.len() + 1, "{line}: {found}");
    }
    for (line, expected) in [
        ("1", "a number, expected a JSON object"),
        ("-1", "a number, expected a JSON object"),
        ("[]", "an array, expected a JSON object"),
        ("\"secret\"", "a text, expected a JSON object"),
        ("null", "not a JSON object"),
        ("a b", "not a JSON object"),
        ("a,b}", "not a JSON object"),
        ("a,b", "not a JSON object; is the file CSV? Then its name has to end with .csv"),
        ("}", "not a JSON object"),
        (",{}", "a comma between objects that are not in an array"),
    ] {
        assert_eq!(fault(line.as_bytes()), format!(": {expected}"), "{line}");
    }
    assert_eq!(
        fault(b"{\"Project\": \"\xFF\"}"),
        ": not UTF-8; is it Windows-1252 (Latin-1)? Export the file as UTF-8"
    );
    assert_eq!(fault(b"{\"Project\": \"\x81\"}"), ": not UTF-8");
}

/// As of an array that lost its brackets: no object is lost, and what is wrong is said once.
#[test]
fn commas_between_objects_are_told_once() {
    let text = format!("{GOOD},\n{GOOD},\r\n{GOOD},\n");
    for chunk_len in [1, 7, text.len()] {
        let pivoted = pivot(&spec(), &[(KEY, text.as_bytes())], chunk_len).unwrap();
        let told = format!("{KEY}, line 1, record 2: a comma between objects that are not in an array");
        assert_eq!((pivoted.rejects.first, pivoted.rejects.count, pivoted.rows_read), (vec![told], 1, 4));
        assert_eq!(pivoted.csv, "date,learning_minutes,work_minutes\n2024-01-01,0,3\n");
    }
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
    assert_eq!(rows[1], ["a.ndjson", "etag", "2", "", "Project", "unknown category", &line]);
    assert_eq!((&rows[2][2..5], rows[2][6].as_str()), (&["3", "", ""].map(str::to_owned)[..], "["));
    assert_eq!(rows.len(), 3);
}

#[test]
fn an_ignored_category_is_counted() {
    let mut spec = spec();
    spec.shape.pivot.as_mut().unwrap().other = Other::Ignore;
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
        (long.into_bytes(), "line 2: a line or a JSON object of more than 1048576 bytes begins here"),
        (b"\xFF\xFE{\0}\0".to_vec(), "not UTF-8: the file begins with a UTF-16 byte order mark; export it as UTF-8"),
    ] {
        for bytes in [text.clone(), gzip(&text)] {
            for chunk_len in [bytes.len(), 9_999] {
                let error = pivot(&spec(), &[(KEY, &bytes)], chunk_len).err().unwrap();
                let found = error.to_string();
                let found = found.strip_prefix("a.ndjson").map(|place| place.trim_start_matches([',', ':', ' ']));
                assert_eq!((error.kind(), found), (Kind::InvalidSource, Some(expected)));
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
        let array = format!("[{}]", json.trim_end().lines().collect::<Vec<_>>().join(" ,\n"));
        let run_together: String = json.lines().collect();
        for (key, bytes) in [
            ("a.ndjson", json.clone().into_bytes()),
            ("a.json.gz", gzip(&json)),
            ("a.json", array.into_bytes()),
            ("a.json", run_together.into_bytes()),
        ] {
            let found = pivot(&spec(), &[(key, &bytes)], chunk_len).unwrap();
            prop_assert_eq!(&found.csv, &expected.csv);
            prop_assert_eq!((found.rows_read, found.rejects.count), (expected.rows_read, expected.rejects.count));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..300), chunk_len in 1_usize..50) {
        if let Ok(pivoted) = pivot(&spec(), &[(KEY, &text)], chunk_len) {
            let is_blank = text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'[' | b']'));
            prop_assert!(is_blank || pivoted.rows_read > 0, "something is passed over");
            prop_assert_eq!(pivoted.rejects.count, pivoted.rows_read);
        }
    }

    /// Whatever is wrong with the brackets, commas and quotes, it is the same however the file is cut.
    #[test]
    fn pieces_change_nothing(
        parts in prop::collection::vec(
            prop::sample::select(vec![GOOD, "{", "}", "[", "]", ",", ":", "\"", "\\", "\n", " ", "\r\n", "1", "\"a\":", "{}"]),
            0..14,
        ),
        chunk_len in 1_usize..40,
    ) {
        let text = parts.concat();
        let outcome = |chunk_len: usize| {
            pivot(&spec(), &[(KEY, text.as_bytes())], chunk_len)
                .map(|pivoted| (pivoted.csv, pivoted.quarantine, pivoted.rows_read))
                .map_err(|error| error.to_string())
        };
        prop_assert_eq!(outcome(chunk_len), outcome(text.len().max(1)));
    }
}
