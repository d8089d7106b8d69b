//! Malformed files: what becomes of each of them, word for word, however the stream is cut.

mod files;
mod packed;
mod rows;
mod values;

use crate::reading::{KEY, places, read};
use crate::support::{pivot, spec, spec_of_texts};
use pivot::value::decimal::Decimal;
use sluice::Kind;
use std::collections::HashSet;

/// The last column is none of the spec's.
const HEADER: &str = "Project,Duration (in minutes),Start date,End date\n";

/// A row as it should be: reading must go on to it after a bad one.
const GOOD: &str = "Work,1,2024-01-01,x\n";

/// What that row alone comes to.
const GOOD_SUM: &str = "2024-01-01,0,1";

/// How many good rows follow the row under test: together longer than a block of the fast path, which takes only what
/// has as much behind it. Its date must be known too, so one good row is before it.
const GOOD_BEHIND: usize = 4;

/// What all of these good rows come to.
const GOOD_SUMS: &str = "2024-01-01,0,5";

/// The same, and the row under test if it is as good as they are.
const ALL_SUMS: &str = "2024-01-01,0,6";

/// How many rows such a file has.
const ROWS: u64 = 6;

/// A file, and what must become of it.
struct Case {
    name: String,
    bytes: Vec<u8>,
    expected: Outcome,
}

/// What a file comes to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Kind and text of the error that refuses the file.
    refused: Option<String>,
    /// Data rows read, unless it is refused.
    rows: Option<u64>,
    /// Place and reason of every row in quarantine.
    bad: Vec<String>,
    /// The lines of the table.
    table: Vec<String>,
}

/// A file that is refused at a place: `line 1: what is wrong with it`.
fn refused(name: &str, bytes: impl Into<Vec<u8>>, place: &str) -> Case {
    ended(name, bytes, &[], &format!("{KEY}, {place}"))
}

/// A file that ends in an error, after some bad rows.
fn ended(name: &str, bytes: impl Into<Vec<u8>>, bad: &[&str], error: &str) -> Case {
    let refused = Some(format!("{}: {error}", Kind::InvalidSource));
    let expected = Outcome { refused, rows: None, bad: owned(bad), table: Vec::new() };
    Case { name: name.to_owned(), bytes: bytes.into(), expected }
}

/// A file that is read to its end: how many rows it has, which are bad, and the table of the others.
fn loaded(name: &str, bytes: impl Into<Vec<u8>>, rows: u64, bad: &[&str], table: &[&str]) -> Case {
    let expected = Outcome { refused: None, rows: Some(rows), bad: owned(bad), table: owned(table) };
    Case { name: name.to_owned(), bytes: bytes.into(), expected }
}

/// The header, `before`, a row under test in line 3, then [`GOOD_BEHIND`] times `behind`.
fn around(before: &str, row: impl AsRef<[u8]>, behind: &str) -> Vec<u8> {
    let behind = behind.repeat(GOOD_BEHIND);
    [HEADER.as_bytes(), before.as_bytes(), row.as_ref(), b"\n", behind.as_bytes()].concat()
}

/// A file of good rows and one that is bad, in line 3.
fn bad_row(name: &str, row: impl AsRef<[u8]>, place: &str) -> Case {
    loaded(name, around(GOOD, row, GOOD), ROWS, &[place], &[GOOD_SUMS])
}

/// A file of good rows and one that is unusual, but comes to the same.
fn good_row(name: &str, row: impl AsRef<[u8]>) -> Case {
    loaded(name, around(GOOD, row, GOOD), ROWS, &[], &[ALL_SUMS])
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// A file with the usual header.
fn file(rows: &str) -> String {
    format!("{HEADER}{rows}")
}

fn outcome(bytes: &[u8], chunk_len: usize) -> Outcome {
    let reading = read(&spec(), bytes, chunk_len);
    let bad = places(&reading.quarantine);
    assert_eq!(reading.rejects.count, bad.len() as u64, "all bad rows are in quarantine");
    let first: Vec<String> = bad.iter().take(5).map(|place| format!("{KEY}, {place}")).collect();
    assert_eq!(reading.rejects.first, first, "the error says the same as the quarantine file");
    match reading.ended.and_then(|()| pivot(&spec(), &[(KEY, bytes)], chunk_len)) {
        Err(error) => {
            Outcome { refused: Some(format!("{}: {error}", error.kind())), rows: None, bad, table: Vec::new() }
        }
        Ok(pivoted) => {
            let table = pivoted.csv.lines().skip(1).map(ToOwned::to_owned).collect();
            Outcome { refused: None, rows: Some(reading.rows_read), bad, table }
        }
    }
}

/// How a file is cut: a long record is looked at anew with every piece, so a long file is cut into longer ones.
fn chunk_lens(len: usize) -> [usize; 3] {
    if len <= 4_096 { [len.max(1), 1, 7] } else { [len, 7_777, 65_536] }
}

#[test]
fn every_malformed_file_comes_out_as_said() {
    let cases = [files::cases(), rows::cases(), values::cases(), packed::cases()];
    let cases: Vec<Case> = cases.into_iter().flatten().collect();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut names = HashSet::new();
    let mut wrong = Vec::new();
    for case in &cases {
        assert!(names.insert(&case.name), "{} stands twice", case.name);
        for chunk_len in chunk_lens(case.bytes.len()) {
            let outcome = outcome(&case.bytes, chunk_len);
            if outcome != case.expected {
                let Case { name, expected, .. } = case;
                wrong.push(format!("{name}, in pieces of {chunk_len}\n  should: {expected:?}\n  does:   {outcome:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} times of {} files\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn a_key_of_text_must_be_text_that_a_database_can_hold() {
    let spec = spec_of_texts();
    for (value, reason) in [
        (&b""[..], "no value, expected a text"),
        (b"\"\"", "no value, expected a text"),
        (b"a\0b", "a NUL character, which PostgreSQL has not in a text"),
        (b"a\xFF", "not UTF-8; is it Windows-1252 (Latin-1)? Export the file as UTF-8"),
    ] {
        let bytes = around(GOOD, [&b"Work,1,"[..], value, b",x"].concat(), GOOD);
        for chunk_len in [1, 7, bytes.len()] {
            let reading = read(&spec, &bytes, chunk_len);
            assert_eq!(places(&reading.quarantine), [format!("line 3, column 3 (Start date): {reason}")]);
            assert_eq!((reading.ended.is_ok(), reading.rows_read, reading.sums.len()), (true, ROWS, 1));
            let work: Vec<Decimal> = reading.sums.column(1).collect();
            assert_eq!(work, [Decimal { mantissa: 5, scale: 0 }]);
        }
    }
}
