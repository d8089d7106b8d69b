//! `on_overlap: last_run`: what a run overwrites, what it keeps, and what it says of that.

use crate::functions::prepared::*;
use crate::support::*;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_value_is_not_replaced_by_a_part_of_one() {
    let stack = fixture().await;
    let parts = parts("t", "last_run");
    let run = |number, batches| Run::new(number, &parts, batches);
    let first = vec![vec![file("a.csv", 1, &["2024-01-01 1 1", "2024-01-02 2 2", "2024-01-03 3 3"])]];
    run(1, first).load(&stack).await.unwrap();
    // Known ones keep what they have; of new ones there is what is there, and nothing if all rows are bad.
    let rows = ["2024-01-01 9 9 1", "2024-01-02 0 0 2", "2024-01-03 7 7", "2024-01-04 4 4 1", "2024-01-05 0 0 2"];
    let output = run(2, vec![vec![file("a.csv", 2, &rows)]]).load(&stack).await.unwrap();
    let names = ["rows_inserted", "rows_updated", "rows_unchanged", "keys_partial"];
    assert_eq!(counts(&output, names), [1, 1, 2, 4]);
    assert!(notes(&output)[0].starts_with("4 keys may lack rows"), "{output}");
    assert!(notes(&output)[0].ends_with(": 2024-01-01, 2024-01-02, 2024-01-04, ..."), "{output}");
    let expected = ["2024-01-01 1 1", "2024-01-02 2 2", "2024-01-03 7 7", "2024-01-04 4 4"];
    assert_eq!(rows_of(&stack, "t").await, expected);

    // Over several batches: one bad row of a key is enough, and so is one good one.
    let batches = vec![
        vec![file("a.csv", 3, &["2024-01-01 5 5", "2024-01-06 6 6", "2024-01-07 0 0 2"])],
        vec![file("b.csv", 3, &["2024-01-01 0 0 2", "2024-01-06 0 0 2", "2024-01-07 0 0 2"])],
    ];
    let output = run(3, batches).load(&stack).await.unwrap();
    assert_eq!(counts(&output, names), [1, 0, 1, 3]);
    assert_eq!(rows_of(&stack, "t").await, [&expected[..], &["2024-01-06 6 6"]].concat());

    // A bad row whose key is not known may be of any of them, of whatever file.
    let unknown = File { has_unknown_keys: true, ..file("b.csv", 4, &[]) };
    let batches = vec![vec![file("a.csv", 4, &["2024-01-01 8 8", "2024-01-08 8 8"])], vec![unknown]];
    let output = run(4, batches.clone()).load(&stack).await.unwrap();
    assert_eq!(counts(&output, names), [1, 0, 1, 2]);
    assert_eq!(rows_of(&stack, "t").await, [&expected[..], &["2024-01-06 6 6", "2024-01-08 8 8"]].concat());

    // A reload keeps nothing.
    let output = Run { reload: true, ..run(5, batches) }.load(&stack).await.unwrap();
    assert_eq!(rows_of(&stack, "t").await, ["2024-01-01 8 8", "2024-01-08 8 8"]);
    assert_eq!(counts(&output, ["rows_deleted"]), [4]);
    assert!(notes(&output)[1].starts_with("4 keys went") && notes(&output)[1].ends_with(", ..."), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_several_files_of_a_run_have_are_told() {
    let stack = fixture().await;
    let parts = parts("t", "last_run");
    let within = json!({"count": 2, "first": [
        {"key": "2024-01-01", "files": ["a.csv", "b.csv"]}, {"key": "2024-01-02", "files": ["a.csv", "b.csv"]},
    ]});
    let days = ["2024-01-01 1 1", "2024-01-02 2 2", "2024-01-03 3 3"];
    let one = vec![vec![file("a.csv", 1, &days)]];
    let two = vec![vec![file("a.csv", 1, &days)], vec![file("c.csv", 1, &days[1..])]];
    let told = "2024-01-01 (a.csv, b.csv), 2024-01-02 (a.csv, b.csv)";
    for (number, shared, batches, expected) in [
        (1, None, &one, None),
        (2, Some(&within), &one, Some(format!("2 keys that several files of this run have were added up: {told}"))),
        (
            3,
            None,
            &two,
            Some("2 keys that several files of this run have were added up: 2024-01-02, 2024-01-03".into()),
        ),
        (
            4,
            Some(&within),
            &two,
            Some(format!("at least 2 keys that several files of this run have were added up: {told}")),
        ),
    ] {
        let mut run = Run::new(number, &parts, batches.clone());
        run.shared = shared.cloned().unwrap_or(run.shared);
        let output = run.load(&stack).await.unwrap();
        let note = notes(&output).into_iter().find(|note| note.contains("added up"));
        match expected {
            None => assert_eq!(note, None),
            Some(expected) => assert!(note.clone().unwrap_or_default().starts_with(&expected), "{number}: {note:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_other_files_have_filled_are_told() {
    let stack = fixture().await;
    let parts = parts("t", "last_run");
    let told = async |number, name: &str, days: &[u32], reload: bool| -> Option<String> {
        let rows: Vec<String> = days.iter().map(|day| format!("2024-01-{day:02} {number} 0")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let run = Run { reload, ..Run::new(number, &parts, vec![vec![file(name, number, &rows)]]) };
        notes(&run.load(&stack).await.unwrap()).into_iter().find(|note| note.contains("overwritten"))
    };
    assert_eq!(told(1, "a.csv", &[1, 2, 3], false).await, None);
    assert_eq!(told(2, "a.csv", &[1, 2, 3, 4], false).await, None, "its own");
    assert_eq!(told(3, "b.csv", &[10, 12], false).await, None, "no overlap");
    assert_eq!(told(4, "c.csv", &[5, 9, 11], false).await, None, "there were no such keys");
    assert_eq!(
        told(5, "d.csv", &[2, 3, 4, 6, 10, 20], false).await.unwrap(),
        "4 keys that other files may have filled were overwritten: 2024-01-02, 2024-01-03, 2024-01-04, ...; \
         by these files: input_data/a.csv"
    );
    assert_eq!(
        told(6, "b.csv", &[10], false).await.unwrap(),
        "1 key that other files may have filled was overwritten: 2024-01-10; by these files: input_data/c.csv, \
         input_data/d.csv"
    );
    // A file that lacks a key by now had filled it all the same.
    assert!(told(7, "e.csv", &[12], false).await.unwrap().ends_with("input_data/b.csv, input_data/d.csv"));
    assert_eq!(told(8, "a.csv", &[1, 2], true).await, None, "a reload overwrites nothing");
    assert_eq!(told(9, "b.csv", &[10], false).await, None);
}
