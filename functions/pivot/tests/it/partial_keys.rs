//! Where bad rows go to quarantine, a file says which keys it has only a part of.

use crate::support::{quarantine_spec, whole_texts};
use sluice::contract::LoadedFile;
use sluice::spec::{OnOverlap, Other, Place, Spec};

const HEADER: &str = "Start date,Project,Duration (in minutes)\n";

/// The table of the sums and the loaded files.
fn read(spec: &Spec, files: &[(&str, &str)]) -> (String, Vec<LoadedFile>) {
    let mut outcomes = [1, 7, 4_096].map(|chunk_len| {
        let mut found = whole_texts(spec, files, chunk_len).unwrap();
        assert!(found.bad.is_empty(), "{:?}", found.bad);
        (found.tables.pop().unwrap_or_default(), found.loaded)
    });
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    std::mem::take(&mut outcomes[0])
}

/// The state and the sum of each key of one file of these rows beside good ones, and whether it has unknown keys; the
/// same as CSV and as JSON.
fn states(spec: &Spec, rows: &[[&str; 3]]) -> (Vec<String>, bool) {
    let csv: String = rows.iter().map(|fields| fields.join(",") + "\n").collect();
    let json = |[date, project, minutes]: &[&str; 3]| {
        format!(r#"{{"Start date": "{date}", "Project": "{project}", "Duration (in minutes)": "{minutes}"}}"#) + "\n"
    };
    let json: String = rows.iter().map(json).collect();
    let csv = format!("{HEADER}{csv}");
    let outcomes = [("a.csv", csv.as_str()), ("a.json", json.as_str())].map(|file| {
        let (table, loaded) = read(spec, &[file]);
        let lines = table.lines().skip(1).map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            format!("{} {} {}", fields[1], fields[0], fields[3])
        });
        (lines.collect::<Vec<_>>(), loaded[0].has_unknown_keys)
    });
    let [csv, json] = outcomes;
    assert_eq!(csv, json);
    csv
}

#[test]
fn a_bad_row_makes_its_key_partial() {
    let spec = quarantine_spec();
    let (a, b) = ("2024-01-01", "2024-01-02");
    let good = [a, "Work", "1"];
    let check = |rows: &[[&str; 3]], expected: &[&str], has_unknown: bool| {
        assert_eq!(
            states(&spec, rows),
            (expected.iter().map(|&line| line.to_owned()).collect(), has_unknown),
            "{rows:?}"
        );
    };
    check(&[good, [b, "Work", "2"]], &["2024-01-01 0 1", "2024-01-02 0 2"], false);
    for bad in [[a, "Work", "x"], [a, "Sport", "1"], [a, "", "1"], [a, "Work", ""]] {
        check(&[good, bad], &["2024-01-01 1 1"], false);
        check(&[bad, good, bad], &["2024-01-01 1 1"], false);
        check(&[good, [b, bad[1], bad[2]]], &["2024-01-01 0 1", "2024-01-02 2 0"], false);
    }
    for unknown in ["2024-02-30", "", "2024-01-01 - 2024-01-31", "2024-01-01T10:00Z"] {
        check(&[good, [unknown, "Work", "1"]], &["2024-01-01 0 1"], true);
        check(&[good, [unknown, "Sport", "x"], [a, "Work", "x"]], &["2024-01-01 1 1"], true);
    }
}

#[test]
fn an_ignored_row_is_no_bad_row_and_makes_no_key() {
    let mut spec = quarantine_spec();
    spec.shape.pivot.as_mut().unwrap().other = Other::Ignore;
    let rows = [["2024-01-01", "Work", "1"], ["2024-01-01", "Sport", "1"], ["2024-01-02", "Sport", "1"]];
    assert_eq!(states(&spec, &rows), (vec!["2024-01-01 0 1".to_owned()], false));
    let rows = [["2024-01-01", "Work", "1"], ["2024-01-02", "Sport", "x"]];
    assert_eq!(states(&spec, &rows), (vec!["2024-01-01 0 1".to_owned(), "2024-01-02 2 0".to_owned()], false));
}

#[test]
fn a_row_whose_fields_are_not_in_their_places_may_have_any_key() {
    let spec = quarantine_spec();
    for bad in ["2024-01-01,Work", "2024-01-01,Work,1,2", "2024-01-01,\"Work\"x,1"] {
        let text = format!("{HEADER}2024-01-01,Work,1\n{bad}\n");
        let (table, loaded) = read(&spec, &[("a.csv", &text)]);
        assert!(table.ends_with("\n0,2024-01-01,0,1\n") && loaded[0].has_unknown_keys, "{bad}: {table}");
    }
    let good = r#"{"Start date": "2024-01-01", "Project": "Work", "Duration (in minutes)": 1}"#;
    for bad in ["{", "1", r#"{"Start date": "2024-01-01", "Start date": "2024-01-01", "Project": "x"}"#] {
        let (table, loaded) = read(&spec, &[("a.json", &format!("{good}\n{bad}\n"))]);
        assert!(table.ends_with("\n0,2024-01-01,0,1\n") && loaded[0].has_unknown_keys, "{bad}: {table}");
    }
}

/// Whatever else is wrong with a row: its key is not in it.
#[test]
fn the_key_of_a_bad_row_may_be_that_of_its_object() {
    let mut spec = quarantine_spec();
    spec.source.columns.get_mut("date").unwrap().place = Place::Partition("dt".to_owned());
    for (key, text) in [
        ("dt=2024-01-01/a.csv", "Project,Duration (in minutes)\nWork,1\nWork\n\"Work\"x,1\n"),
        ("dt=2024-01-01/a.json", "{\"Project\": \"Work\", \"Duration (in minutes)\": 1}\n1\n{\n"),
    ] {
        let (table, loaded) = read(&spec, &[(key, text)]);
        assert!(table.ends_with("\n1,2024-01-01,0,1\n") && !loaded[0].has_unknown_keys, "{key}: {table}");
    }
}

#[test]
fn states_of_several_files_are_those_of_all_their_rows() {
    let spec = quarantine_spec();
    let [one, two] = [
        "2024-01-01,Work,1\n2024-01-02,Work,1\n2024-01-03,Work,x\n2024-01-05,Work,1\n",
        "2024-01-01,Work,1\n2024-01-02,Work,x\n2024-01-03,Work,1\n2024-01-04,Work,x\n",
    ]
    .map(|rows| format!("{HEADER}{rows}"));
    let expected = "0,2024-01-01,0,2\n1,2024-01-02,0,1\n1,2024-01-03,0,1\n2,2024-01-04,0,0\n0,2024-01-05,0,1\n";
    let empty = HEADER.to_owned();
    for files in [[&one, &two, &empty], [&two, &empty, &one]] {
        let files: Vec<(&str, &str)> = ["a.csv", "b.csv", "c.csv"].into_iter().zip(files.map(String::as_str)).collect();
        let (table, loaded) = read(&spec, &files);
        assert!(table.ends_with(&format!("\n{expected}")), "{table}");
        assert!(loaded.iter().all(|file| !file.has_unknown_keys));
    }
}

#[test]
fn without_quarantine_there_are_no_states() {
    let mut spec = quarantine_spec();
    spec.source.on_bad_row = sluice::spec::OnBad::Fail;
    for mode in [OnOverlap::LastRun, OnOverlap::AllFiles] {
        spec.target.on_overlap = mode;
        let (table, loaded) = read(&spec, &[("a.csv", &format!("{HEADER}2024-01-01,Work,1\n2024-01-02,Work,x\n,,\n"))]);
        assert!(table.ends_with("date,learning_minutes,work_minutes\n2024-01-01,0,1\n"), "{table}");
        assert!(!loaded[0].has_unknown_keys);
    }
}
