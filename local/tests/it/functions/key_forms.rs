//! `on_overlap: last_run`, where a key is spelt in a file in another way than the database shows it: what a run says of
//! the keys that other files have filled does not depend on that.

use crate::functions::examples::Job;
use crate::functions::merging::create;
use crate::functions::prepared::notes;
use crate::support::*;
use serde_json::{Value, json};
use sluice::spec::Parts;

/// A key column.
struct Case {
    name: &'static str,
    /// Its type in the table.
    sql: &'static str,
    /// Its type in the files.
    column: Value,
    /// Keys of the first file.
    filled: &'static [&'static str],
    /// One of them as the second file has it.
    again: &'static str,
    /// Another key.
    other: &'static str,
}

/// The sum of a number by category, which is read in the usual way; and its count, which is read in the general one.
fn parts(case: &Case, is_usual: bool) -> Parts {
    let mut shape = json!({"keys": ["k"], "values": {"n": "sum"}, "pivot": {"on": "kind", "into": {"A": "n"}}});
    if !is_usual {
        shape = json!({"keys": ["k"], "values": {"n": {"count": "*"}}});
    }
    Parts {
        source: json!({"suffix": ".csv", "columns": {"k": case.column, "kind": {}, "n": {"type": "number"}}}),
        shape,
        target: json!({"table": case.name, "on_overlap": "last_run"}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_other_files_spell_otherwise_are_told() {
    const UPPER: &str = "6BA7B810-9DAD-11D1-80B4-00C04FD430C8";
    const LOWER: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    let timestamptz = json!({"type": "timestamptz"});
    let number = json!({"type": "number"});
    // Its greatest key by bytes is none of those in upper case.
    let mixed = &["F0000000-0000-0000-0000-000000000000", UPPER, "a0000000-0000-0000-0000-000000000000"];
    let after = "ff000000-0000-0000-0000-000000000000";
    let cases = [
        Case { name: "upper", sql: "uuid", column: json!({}), filled: &[UPPER], again: LOWER, other: after },
        Case { name: "lower", sql: "uuid", column: json!({}), filled: &[LOWER], again: UPPER, other: after },
        Case { name: "mixed", sql: "uuid", column: json!({}), filled: mixed, again: LOWER, other: after },
        Case {
            name: "greatest",
            sql: "uuid",
            column: json!({}),
            filled: mixed,
            again: "f0000000-0000-0000-0000-000000000000",
            other: after,
        },
        Case { name: "text", sql: "text", column: json!({}), filled: &["B", "a", "é"], again: "B", other: "z" },
        Case {
            name: "date",
            sql: "date",
            column: json!({"type": "date"}),
            filled: &["2024-01-01 10:30"],
            again: "2024-01-01",
            other: "2024-01-02",
        },
        Case { name: "exact", sql: "numeric", column: number.clone(), filled: &["1.50"], again: "1.5", other: "2" },
        Case {
            name: "cents",
            sql: "numeric(10,2)",
            column: number.clone(),
            filled: &["1.5"],
            again: "1.500",
            other: "2",
        },
        Case { name: "near", sql: "double precision", column: number, filled: &["0.10"], again: "1e-1", other: "2" },
        Case {
            name: "whole",
            sql: "bigint",
            column: json!({"type": "integer"}),
            filled: &["5.00"],
            again: "5",
            other: "6",
        },
        Case {
            name: "instant",
            sql: "timestamptz",
            column: timestamptz,
            filled: &["2024-01-01T10:00:00+02:00"],
            again: "2024-01-01 08:00:00.000Z",
            other: "2024-01-01T08:00:00+02:00",
        },
        Case {
            name: "clock",
            sql: "timestamp",
            column: json!({"type": "timestamp"}),
            filled: &["2024-01-01 10:00"],
            again: "2024-01-01T10:00:00.000",
            other: "2024-01-01 11:00",
        },
        Case {
            name: "flag",
            sql: "boolean",
            column: json!({"type": "boolean"}),
            filled: &["TRUE"],
            again: "true",
            other: "false",
        },
    ];
    let stack = fixture_with(vpc_mode()).await;
    for case in &cases {
        let Case { name, sql: kind, filled, again, other, .. } = case;
        for is_usual in [true, false] {
            let table = format!("drop table if exists {name}; create table {name} (k {kind} primary key, n numeric)");
            create(&stack, &table).await;
            let mut job = Job::new(&stack, &format!("{name}-{is_usual}"), parts(case, is_usual)).await;
            let file =
                |keys: &[&str]| keys.iter().fold("k,kind,n\n".to_owned(), |text, key| format!("{text}{key},A,1\n"));
            let mut told = Vec::new();
            let (other, again) = ([*other], [*again]);
            for (number, keys) in (1..).zip([*filled, &other, &again]) {
                job.upload(&format!("{number}.csv"), file(keys)).await;
                let notes = notes(&job.run().await.unwrap());
                told.extend(notes.into_iter().filter(|note| note.contains("overwritten")));
            }
            let context = format!("{name}, {is_usual}");
            let [note] = &told[..] else { panic!("{context}: {told:?}") };
            assert!(note.starts_with("1 key that other files may have filled was overwritten"), "{context}: {note}");
            assert!(note.ends_with(&format!("by these files: {}1.csv", job.prefix())), "{context}: {note}");
        }
    }
}

/// Files of one run, and rows of one file.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_a_run_spells_in_several_ways_are_told() {
    let stack = fixture_with(vpc_mode()).await;
    const UPPER: &str = "6BA7B810-9DAD-11D1-80B4-00C04FD430C8";
    const LOWER: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    const OTHER: &str = "a0000000-0000-0000-0000-000000000000";
    let several = "1 key that several files of this run have was added up";
    let or_spell = "1 key that several files of this run have, or spell in several ways, was added up";
    for (place, is_usual, files, sum, expected) in [
        (1, true, vec![vec![UPPER, OTHER], vec![LOWER]], "2", Some(or_spell)),
        (2, true, vec![vec![UPPER, OTHER, LOWER]], "2", Some(or_spell)),
        (3, true, vec![vec![LOWER, OTHER, LOWER]], "2", None),
        (4, true, vec![vec![LOWER], vec![OTHER]], "1", None),
        (5, false, vec![vec![UPPER, OTHER], vec![LOWER]], "2", Some(several)),
        // One file's rows are added up in any case.
        (6, false, vec![vec![UPPER, OTHER, LOWER]], "2", None),
    ] {
        let name = format!("t{place}");
        create(&stack, &format!("create table {name} (k uuid primary key, n numeric)")).await;
        let case = Case { name: "", sql: "", column: json!({}), filled: &[], again: "", other: "" };
        let mut parts = parts(&case, is_usual);
        parts.target["table"] = json!(name);
        let mut job = Job::new(&stack, &name, parts).await;
        for (number, keys) in (1..).zip(&files) {
            let text = keys.iter().fold("k,kind,n\n".to_owned(), |text, key| format!("{text}{key},A,1\n"));
            job.upload(&format!("{number}.csv"), text).await;
        }
        let notes = notes(&job.run().await.unwrap());
        let told: Vec<&str> = notes.iter().filter(|note| note.contains("added up")).map(String::as_str).collect();
        assert_eq!(told, Vec::from_iter(expected), "{name}");
        assert!(job.table().await.contains(&format!("{LOWER},{sum}")), "{name}: {:?}", job.table().await);
    }
}

/// What somebody had filled before, and how he wrote it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_table_has_in_another_form_is_told() {
    let stack = fixture_with(vpc_mode()).await;
    sql(&stack, "create table t (k numeric primary key, n numeric); insert into t values (1.50, 0)").await;
    let case = Case { name: "t", sql: "", column: json!({"type": "number"}), filled: &[], again: "", other: "" };
    let mut job = Job::new(&stack, "t", parts(&case, false)).await;
    let mut told = Vec::new();
    for number in 1..=2 {
        job.upload(&format!("{number}.csv"), "k,kind,n\n1.5,A,1\n").await;
        told.push(notes(&job.run().await.unwrap()).iter().any(|note| note.ends_with("t/1.csv")));
    }
    assert_eq!(told, [false, true]);
}

/// Two texts that the collation of the table takes for one, in one file.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_a_collation_takes_for_one_are_one() {
    let stack = fixture_with(vpc_mode()).await;
    let collation = "create collation no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    sql(&stack, collation).await;
    let sums = json!({"keys": ["k"], "values": {"n": "sum"}, "pivot": {"on": "kind", "into": {"A": "n"}}});
    for (name, shape, expected) in [
        ("sums", sums, "3"),
        ("counts", json!({"keys": ["k"], "values": {"n": {"count": "*"}}}), "2"),
        ("lines", json!({"keys": ["k"], "rows": {"columns": ["n"]}}), "2"),
    ] {
        create(&stack, &format!("create table {name} (k text collate no_case primary key, n numeric)")).await;
        let case = Case { name, sql: "", column: json!({}), filled: &[], again: "", other: "" };
        let mut job = Job::new(&stack, name, Parts { shape, ..parts(&case, true) }).await;
        job.upload("1.csv", "k,kind,n\nAnn,A,1\nann,A,2\nBob,A,4\n").await;
        let output = job.run().await.unwrap();
        assert_eq!(output["rows_inserted"], 2, "{name}: {output}");
        let table = job.table().await;
        let is_expected = |line: &String| line.to_lowercase() == format!("ann,{expected}");
        assert!(table.iter().any(is_expected), "{name}: {table:?}");
    }
}

/// A row that cannot be read is no row, so it wins against none.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_keeps_its_good_row_beside_a_bad_one_of_a_newer_file() {
    let stack = fixture_with(vpc_mode()).await;
    let parts = Parts {
        source: json!({"suffix": ".csv", "columns": {"k": {}, "n": {"type": "number"}}, "on_bad_row": "quarantine"}),
        shape: json!({"keys": ["k"], "rows": {}}),
        target: json!({"table": "t", "create": true, "on_overlap": "last_run"}),
    };
    let mut job = Job::new(&stack, "t", parts).await;
    job.upload("a.csv", "k,n\nfirst,1\n").await;
    job.upload("b.csv", "k,n\nsecond,2\nfirst,x\n").await;
    job.run().await.unwrap();
    let table = job.table().await;
    assert!(["first,1", "second,2"].iter().all(|line| table.contains(&(*line).to_owned())), "{table:?}");
}

/// What a collation takes for the same is another value all the same.
#[tokio::test(flavor = "multi_thread")]
async fn texts_are_written_whatever_the_collations_of_their_columns() {
    let stack = fixture_with(vpc_mode()).await;
    sql(
        &stack,
        "create collation no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         create collation german (provider = icu, locale = 'de')",
    )
    .await;
    for on_overlap in ["last_run", "all_files", "newest_file", "newest_row"] {
        let columns = "k bigint primary key, name varchar(10) collate no_case, note text collate german";
        create(&stack, &format!("create table {on_overlap} ({columns})")).await;
        let parts = Parts {
            source: json!({"suffix": ".csv", "columns": {"k": {"type": "integer"}, "name": {}, "note": {}}}),
            shape: match on_overlap {
                "all_files" => json!({"keys": ["k"], "values": {"name": {"max": "name"}, "note": {"max": "note"}}}),
                _ => json!({"keys": ["k"], "rows": {}}),
            },
            target: json!({"table": on_overlap, "on_overlap": on_overlap}),
        };
        let mut job = Job::new(&stack, on_overlap, parts).await;
        for (file, row) in [("1.csv", "1,Ann,a"), ("2.csv", "1,ann,b")] {
            job.upload(file, format!("k,name,note\n{row}\n")).await;
            job.run().await.unwrap();
        }
        let table = job.table().await;
        assert!(table.contains(&"1,ann,b".to_owned()), "{on_overlap}: {table:?}");
    }
}

/// An index takes texts for one key as its own collation does.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_of_the_key_if_it_tells_the_same_texts_apart() {
    let stack = fixture_with(vpc_mode()).await;
    sql(&stack, "create collation no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)").await;
    for (name, collation, is_taken) in [("bytes", "\"C\"", true), ("letters", "no_case", false)] {
        let table = format!("create table {name} (k text not null, n numeric)");
        create(&stack, &format!("{table}; create unique index on {name} (k collate {collation})")).await;
        let case = Case { name, sql: "", column: json!({}), filled: &[], again: "", other: "" };
        let mut job = Job::new(&stack, name, parts(&case, true)).await;
        job.upload("1.csv", "k,kind,n\nAnn,A,1\n").await;
        match job.run().await {
            Ok(_) => assert!(is_taken && job.table().await.contains(&"Ann,1".to_owned()), "{name}"),
            Err((error, text)) => {
                assert_eq!(error, "Misconfigured", "{text}");
                assert!(!is_taken && text.contains("no unique constraint on exactly (k)"), "{text}");
            }
        }
    }
}
