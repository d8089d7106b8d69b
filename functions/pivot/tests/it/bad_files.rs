//! A file is the unit of trouble: one that cannot be read is a failure, or set aside whole while the others are loaded.

use crate::packing::gzip;
use crate::support::{feed, from, quarantine_spec, spec, whole, whole_texts};
use pivot::batch::Batch;
use pivot::reject;
use sluice::Kind;
use sluice::contract::SourceFile;
use sluice::spec::{OnBad, OnOverlap, Other, Place, Spec};

const HEADER: &str = "Start date,Project,Duration (in minutes)\n";

/// Files to be read to their ends, by the reference job's spec with bad rows in quarantine; the text of the error.
fn checked(files: &[(&str, String)], change: impl Fn(&mut Spec)) -> Result<(), String> {
    let mut spec = spec();
    spec.source.on_bad_row = OnBad::Quarantine;
    change(&mut spec);
    let files: Vec<(&str, &str)> = files.iter().map(|(key, text)| (*key, text.as_str())).collect();
    whole_texts(&spec, &files, 1_000).map(drop).map_err(|error| {
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
    let check = |files: &[_]| checked(files, |_| ());
    assert_eq!(check(std::slice::from_ref(&good)), Ok(()));
    assert_eq!(check(&[good.clone(), one.clone()]), Err(expected[0].to_owned()));
    assert_eq!(check(&[one.clone(), good.clone(), all.clone(), good.clone()]), Err(expected.join("; ")));
    let many: Vec<_> = std::iter::repeat_n(one.clone(), 7).collect();
    let error = check(&many).unwrap_err();
    assert!(error.ends_with("; and 2 more files"), "{error}");
    // Where bad rows are a failure, they are one by themselves.
    assert_eq!(checked(&[one], |spec| spec.source.on_bad_row = OnBad::Fail), Ok(()));
}

#[test]
fn no_rows_and_ignored_rows_are_no_bad_file() {
    for text in [String::new(), HEADER.to_owned(), format!("{HEADER}2024-01-01,Sport,1\n2024-01-01,Work,x\n")] {
        assert_eq!(
            checked(&[("a.csv", text)], |spec| spec.shape.pivot.as_mut().unwrap().other = Other::Ignore),
            Ok(())
        );
    }
}

/// Files of which something is wrong behind a good row, or that cannot be read at all, and what.
fn bad_files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = format!("{HEADER}2024-01-09,Work,100\n");
    let nines = "9".repeat(38);
    let cut_off = gzip(&good);
    vec![
        ("cut-off.csv", cut_off[..cut_off.len() - 4].to_vec(), "corrupt or cut off compressed file"),
        ("workbook.csv", b"PK\x03\x04\x14\0\x06\0\x08\0".to_vec(), "a ZIP file or workbook"),
        ("column.csv", b"Start date,Project\n2024-01-09,Work\n".to_vec(), "line 1: the column \"Duration"),
        (
            "header-again.csv",
            format!("{good}Start date,Project,Minutes\n2024-01-09,Work,1\n").into_bytes(),
            "line 3: the column \"Duration",
        ),
        ("too-large.csv", format!("{good}{}", "x".repeat(1 << 21)).into_bytes(), "line 3: a row of more than"),
        (
            "too-long.csv",
            format!("{HEADER}2024-01-09,Work,{nines}\n2024-01-09,Work,1\n").into_bytes(),
            "line 3, column 3 (Duration (in minutes)): the sum that this value belongs to needs more",
        ),
        (
            "array.json",
            br#"[{"Start date": "2024-01-09", "Project": "Work", "Duration (in minutes)": 100},"#.to_vec(),
            "line 1, record 2: the array is not closed",
        ),
        ("no-good-row.csv", format!("{HEADER}2024-01-09,Work,x\n").into_bytes(), "its only row is bad: line 2"),
    ]
}

/// Reads a text in one piece.
fn read(file: &SourceFile, bytes: &[u8], batch: &mut Batch<'_>) -> sluice::Result<()> {
    feed(file, batch, [bytes], |_| ())
}

/// Sets a bad file aside among good ones, in both ways of adding up; checks what is left.
fn check_set_aside(name: &str, bytes: &[u8], reason: &str) {
    let good = format!("{HEADER}2024-01-01,Work,1\n2024-01-02,Work,x\n");
    let files: [(&str, &[u8]); 3] = [("a.csv", good.as_bytes()), (name, bytes), ("z.csv", good.as_bytes())];
    for mode in [OnOverlap::LastRun, OnOverlap::AllFiles] {
        let mut spec = quarantine_spec();
        spec.target.on_overlap = mode;
        let Ok(found) = whole(&spec, &files, read) else { panic!("{name} ends the batch") };
        let loaded: Vec<&str> = found.loaded.iter().map(|file| file.file.key.as_str()).collect();
        assert_eq!(loaded, ["a.csv", "z.csv"], "{name}");
        let [bad] = &found.bad[..] else { panic!("{name}: {:?}", found.bad) };
        let found_reason = bad.reason.trim_start_matches(name).trim_start_matches([',', ':', ' ']);
        assert!(bad.file.key == name && found_reason.starts_with(reason), "{name}: {found_reason}");
        let line = format!("{name},etag,,,,");
        let lines: Vec<&str> = found.quarantine.lines().filter(|text| text.starts_with(&line)).collect();
        assert!(lines.len() == 1 && lines[0].ends_with(','), "{name}: {lines:?}");
        assert!(found.quarantine.as_bytes().starts_with(reject::HEADER));
        let header = "sluice_state,date,learning_minutes,work_minutes\n";
        let expected = match mode {
            OnOverlap::LastRun => vec![format!("{header}0,2024-01-01,0,2\n2,2024-01-02,0,0\n")],
            _ => ["a.csv", "z.csv"].map(|key| format!("{key}\n{header}0,2024-01-01,0,1\n2,2024-01-02,0,0\n")).to_vec(),
        };
        assert_eq!(found.tables, expected, "{name}");
        spec.source.on_bad_file = OnBad::Fail;
        let error = whole(&spec, &files, read).err().unwrap();
        assert!(error.kind() == Kind::InvalidSource && error.to_string().starts_with(name), "{error}");
    }
}

#[test]
fn a_bad_file_is_set_aside_whole_and_the_others_are_loaded() {
    for (name, bytes, reason) in bad_files() {
        check_set_aside(name, &bytes, reason);
    }
}

#[test]
fn a_sum_that_is_too_long_only_together_is_no_file_s_fault() {
    let text = format!("{HEADER}2024-01-01,Work,{}\n", "9".repeat(38));
    let spec = quarantine_spec();
    let files = [("a.csv", text.as_str()), ("b.csv", text.as_str())];
    let error = whole_texts(&spec, &files, 100).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidSource);
    assert!(error.to_string().starts_with("b.csv: together with the files before it: the sum"), "{error}");
    // Kept apart, they are loaded; but a column of a file must be one that can be shown.
    let mut spec = spec;
    spec.target.on_overlap = OnOverlap::AllFiles;
    assert_eq!(whole_texts(&spec, &files, 100).unwrap().loaded.len(), 2);
    let text = format!("{text}2024-01-02,Work,0.1\n");
    let found = whole_texts(&spec, &[("a.csv", text.as_str())], 100).unwrap();
    assert_eq!(found.bad[0].reason, "the sums of work_minutes need more than 38 digits, 1 of them decimals");
}

#[test]
fn what_was_read_of_a_bad_file_is_counted() {
    let text = format!("{HEADER}2024-01-01,Work,x\n2024-01-01,Sport,1\n2024-01-01,Work,1\n");
    let bad = format!("{text}Start date,Project\n");
    let mut spec = quarantine_spec();
    spec.shape.pivot.as_mut().unwrap().other = Other::Ignore;
    let found = whole_texts(&spec, &[("a.csv", &text), ("b.csv", &bad)], 9).unwrap();
    assert_eq!((found.rows, found.loaded.len(), found.bad.len()), ([6, 2, 2], 1, 1));
    // Both bad rows are in quarantine, and the bad file.
    assert_eq!(found.quarantine.lines().count(), 4);
}

#[test]
fn a_key_without_a_part_that_a_column_is_read_of_makes_a_bad_file() {
    let mut spec = quarantine_spec();
    spec.source.columns.get_mut("date").unwrap().place = Place::Partition("dt".to_owned());
    let csv = "Project,Duration (in minutes)\nWork,1\n";
    let json = r#"{"Project": "Work", "Duration (in minutes)": 1}"#;
    let files = [("in/a.csv", csv), ("in/dt=2024-01-01/a.csv", csv), ("in/a.json", json), ("dt=%FF/a.csv", csv)];
    let found = whole_texts(&spec, &files, 100).unwrap();
    let bad: Vec<&str> = found.bad.iter().map(|file| file.file.key.as_str()).collect();
    assert_eq!((bad, found.loaded.len()), (vec!["in/a.csv", "in/a.json", "dt=%FF/a.csv"], 1));
    assert!(found.bad[0].reason.ends_with("its key has no part dt=..., of which a column is read"));
    spec.source.columns.get_mut("date").unwrap().place = from("Start date");
    assert_eq!(whole_texts(&spec, &files[..1], 100).unwrap().bad.len(), 1);
}
