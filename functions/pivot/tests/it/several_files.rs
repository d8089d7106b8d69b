//! What is told of several files: the least and the greatest key of each, and keys that more than one has.

use crate::support::{quarantine_spec, spec, spec_of_texts, whole_texts};
use sluice::contract::{SharedKey, SharedKeys};
use sluice::spec::{OnBad, OnOverlap, Other, Place};

const HEADER: &str = "Start date,Project,Duration (in minutes)\n";

fn file(keys: &[&str]) -> String {
    let rows: String = keys.iter().map(|key| format!("{key},Work,1\n")).collect();
    format!("{HEADER}{rows}")
}

#[test]
fn each_file_says_its_least_and_greatest_key() {
    let files = [
        ("dates", spec(), vec!["2024-01-02 10:00", "2023-12-31", "2024-01-01"], Some(["2023-12-31", "2024-01-02"])),
        ("texts", spec_of_texts(), vec!["b", "Z", "é", "a"], Some(["a", "é"])),
        ("cases", spec_of_texts(), vec!["B0", "a1", "A2"], Some(["a1", "b0"])),
        ("one", spec_of_texts(), vec!["a"], Some(["a", "a"])),
        ("none", spec(), vec![], None),
    ];
    for (name, mut spec, keys, expected) in files {
        let text = file(&keys);
        let found = whole_texts(&spec, &[("a.csv", &text)], 64).unwrap();
        let first_and_last = [&found.loaded[0].first_key, &found.loaded[0].last_key];
        let expected = expected.map_or([None, None], |keys| keys.map(Some));
        assert_eq!(first_and_last.map(Option::as_deref), expected, "{name}");
        // Where files are kept apart, their keys are known by themselves.
        spec.target.on_overlap = OnOverlap::NewestFile;
        let found = whole_texts(&spec, &[("a.csv", &text)], 64).unwrap();
        assert_eq!((&found.loaded[0].first_key, &found.loaded[0].last_key), (&None, &None), "{name}");
    }
}

/// The table of the sums has more keys than have a value.
#[test]
fn a_key_of_bad_rows_alone_is_none_of_the_file_s() {
    let text = format!("{HEADER}2024-01-01,Work,x\n2024-01-02,Work,1\n2024-01-03,Work,x\n");
    let found = whole_texts(&quarantine_spec(), &[("a.csv", &text), ("b.csv", &text)], 64).unwrap();
    for file in &found.loaded {
        assert_eq!(file.first_key, file.last_key);
        assert_eq!(file.first_key.as_deref(), Some("2024-01-02"));
    }
    assert_eq!(found.shared.count, 1);
}

#[test]
fn keys_that_several_files_have_are_counted_and_the_first_ones_named() {
    let texts = [
        file(&["a", "b", "c", "d"]),
        file(&["x", "y"]),
        file(&["d", "c", "x"]),
        file(&["a", "c", "d", "x", "y"]),
        file(&["new"]),
    ];
    let names = ["1.csv", "2.csv", "3.csv", "4.csv", "5.csv"];
    let files: Vec<(&str, &str)> = names.into_iter().zip(texts.iter().map(String::as_str)).collect();
    let named =
        |key: &str, one: &str, other: &str| SharedKey { key: key.to_owned(), files: [one, other].map(str::to_owned) };
    let first = vec![named("d", "1.csv", "3.csv"), named("c", "1.csv", "3.csv"), named("x", "2.csv", "3.csv")];
    let mut spec = spec_of_texts();
    assert_eq!(whole_texts(&spec, &files, 64).unwrap().shared, SharedKeys { count: 5, first });
    assert_eq!(whole_texts(&spec, &files[..2], 64).unwrap().shared, SharedKeys::default());
    // A file that is set aside has no key.
    spec.source.on_bad_file = OnBad::Quarantine;
    let bad = format!("{}Start date,Project\n", texts[0]);
    let found = whole_texts(&spec, &[("1.csv", &bad), files[2]], 64).unwrap();
    assert_eq!((found.shared, found.bad.len()), (SharedKeys::default(), 1));
    // Where files are kept apart, upsert sees for itself.
    spec.target.on_overlap = OnOverlap::AllFiles;
    assert_eq!(whole_texts(&spec, &files, 64).unwrap().shared, SharedKeys::default());
}

/// Where the object's key gives the value, the names in a header are texts as any other.
#[test]
fn a_header_that_comes_again_is_no_row_where_it_could_be_one() {
    for other in [Other::Into("other".to_owned()), Other::Ignore] {
        let mut spec = spec_of_texts();
        spec.source.columns.get_mut("minutes").unwrap().place = Place::Partition("m".to_owned());
        spec.shape.pivot.as_mut().unwrap().other = other.clone();
        let text = "Start date,Project\na,Work\nStart date,Project\na,Work\nProject,Start date\nWork,b\n";
        let found = whole_texts(&spec, &[("m=2/a.csv", text)], 64).unwrap();
        let table = match other {
            Other::Ignore => "date,learning_minutes,work_minutes\na,0,4\nb,0,2\n",
            _ => "date,learning_minutes,other,work_minutes\na,0,0,4\nb,0,0,2\n",
        };
        assert_eq!((found.tables, found.rows), (vec![table.to_owned()], [3, 0, 0]), "{other:?}");
    }
}

/// Most of its fields may be columns that the first one did not have.
#[test]
fn a_header_that_comes_again_with_other_columns_binds_anew() {
    let rows = "2024-03-01,Work,2,a,b,c\nStart date,Project,Rate,Client,Email,Duration (in minutes)\n\
                2024-03-01,Work,50,d,e,4\nTax,Client,Project,Email,Duration (in minutes),Start date\n7,f,Work,g,8,2024-03-02\n";
    let text = format!("Start date,Project,Duration (in minutes),Tags,User,Note\n{rows}");
    let table = "date,learning_minutes,work_minutes\n2024-03-01,0,6\n2024-03-02,0,8\n";
    for chunk_len in [7, 1_000] {
        let found = whole_texts(&spec(), &[("a.csv", &text)], chunk_len).unwrap();
        assert_eq!((found.tables, found.rows), (vec![table.to_owned()], [3, 0, 0]));
    }
    // One name alone may be a value: there it takes more of them.
    let mut spec = spec_of_texts();
    for (name, place) in [("date", "d"), ("minutes", "m")] {
        spec.source.columns.get_mut(name).unwrap().place = Place::Partition(place.to_owned());
    }
    spec.shape.pivot.as_mut().unwrap().other = Other::Into("other".to_owned());
    let text = "Project,x\nWork,1\nProject,2\n1,Project\n";
    let found = whole_texts(&spec, &[("d=a/m=2/a.csv", text)], 64).unwrap();
    let table = "date,learning_minutes,other,work_minutes\na,0,4,2\n";
    assert_eq!((found.tables, found.rows), (vec![table.to_owned()], [3, 0, 0]));
}

/// Names that are numbers, as those of columns for years are, may stand where a value is expected.
#[test]
fn a_header_that_comes_again_in_another_order_is_no_row_where_it_could_be_one() {
    let text = "Start date,Project,Duration (in minutes),2024\na,Work,2,x\n\
                Start date,Project,2024,Duration (in minutes)\na,Work,y,4\n";
    for (other, table) in [
        (Other::BadRow, "date,learning_minutes,work_minutes\na,0,6\n"),
        (Other::Ignore, "date,learning_minutes,work_minutes\na,0,6\n"),
        (Other::Into("other".to_owned()), "date,learning_minutes,other,work_minutes\na,0,0,6\n"),
    ] {
        let mut spec = spec_of_texts();
        spec.shape.pivot.as_mut().unwrap().other = other.clone();
        for chunk_len in [7, 1_000] {
            let found = whole_texts(&spec, &[("a.csv", text)], chunk_len).unwrap();
            assert_eq!((found.tables, found.rows), (vec![table.to_owned()], [2, 0, 0]), "{other:?}");
        }
    }
}
