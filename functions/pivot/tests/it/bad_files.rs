//! A file of which no row is good is as wrong as one that cannot be read, also where bad rows only go to quarantine.

use crate::support::{feed, spec};
use pivot::batch::Batch;
use pivot::plan::Plan;
use sluice::Kind;
use sluice::contract::SourceFile;
use sluice::spec::UnknownCategory;

const HEADER: &str = "Start date,Project,Duration (in minutes)\n";

/// Reads files as the handler does, and says what is wrong with them as a whole.
fn checked(files: &[(&str, String)], unknown_category: UnknownCategory) -> Result<(), String> {
    let mut spec = spec();
    spec.unknown_category = unknown_category;
    let plan = Plan::new(&spec).unwrap();
    let mut batch = Batch::new(&plan);
    for (key, text) in files {
        let file = SourceFile { key: (*key).to_owned(), etag: "e".to_owned(), size: 0, last_modified: String::new() };
        feed(&file, &mut batch, [text], Vec::clear).unwrap();
        batch.end_file(&file);
    }
    batch.check_files().map_err(|error| {
        assert_eq!(error.kind(), Kind::InvalidSource);
        error.to_string()
    })
}

#[test]
fn a_file_of_which_no_row_is_good_is_named_with_its_first_rows() {
    let good = ("good.csv", format!("{HEADER}2024-01-01,Work,1\n2024-01-01,Sport,1\n"));
    let one = ("one.csv", format!("{HEADER}2024-01-01,Work,x\n"));
    let all = ("all.ndjson", "[1, 2, 3, 4]".to_owned());
    let expected = [
        "one.csv: its only row is bad: line 2, column 3 (Duration (in minutes)): not a number",
        "all.ndjson: all of its 4 rows are bad: line 1: a number, expected a JSON object; line 1, record 2: a number, \
         expected a JSON object; line 1, record 3: a number, expected a JSON object",
    ];
    let check = |files: &[_]| checked(files, UnknownCategory::Fail);
    assert_eq!(check(std::slice::from_ref(&good)), Ok(()));
    assert_eq!(check(&[good.clone(), one.clone()]), Err(expected[0].to_owned()));
    assert_eq!(check(&[one.clone(), good.clone(), all.clone(), good.clone()]), Err(expected.join("; ")));
    let many: Vec<_> = std::iter::repeat_n(one, 7).collect();
    let error = check(&many).unwrap_err();
    assert!(error.ends_with("; and 2 more files"), "{error}");
}

#[test]
fn no_rows_and_ignored_rows_are_no_bad_file() {
    for text in [String::new(), HEADER.to_owned(), format!("{HEADER}2024-01-01,Sport,1\n2024-01-01,Work,x\n")] {
        assert_eq!(checked(&[("a.csv", text)], UnknownCategory::Ignore), Ok(()));
    }
}
