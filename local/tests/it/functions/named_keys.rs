//! Keys that are no dates may be values of rows: they are named in an object beside the bad rows, and nowhere else.

use crate::functions::merging::create;
use crate::functions::prepared::*;
use crate::support::*;
use serde_json::{Value, json};
use sluice::contract::PARTIAL;
use sluice::spec::Parts;

/// The reference job with a text as its key.
fn by_name(table: &str, mode: &str) -> Parts {
    let mut parts = parts(table, mode);
    parts.source["columns"]["date"] = json!("Start date");
    parts
}

fn at(run: &Run) -> String {
    format!("quarantine/pomodoro/{}/keys.json", run.name)
}

async fn named(stack: &Fixture, run: &Run) -> Value {
    serde_json::from_str(&read(stack, &at(run)).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_dates_are_named_in_an_object_of_their_own() {
    let stack = fixture().await;
    let parts = by_name("t", "all_files");
    let rows = |value: u32| -> Vec<String> { (10..35).map(|n| format!("person-{n} {value} {n}")).collect() };
    let run = |number, value| {
        let rows = rows(value);
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        Run::new(number, &parts, vec![vec![file("a.csv", number, &rows)]])
    };
    assert_eq!(notes(&run(1, 7).load(&stack).await.unwrap()), Vec::<String>::new());
    // A dry run names them, too.
    let dry = run(2, 5);
    let mut payload = dry.leave(&stack).await;
    payload["mode"] = json!("dry_run");
    let loaded = run(3, 5);
    for (run, output) in [
        (&dry, stack.invoke("upsert", &payload).await.unwrap().unwrap()),
        (&loaded, loaded.load(&stack).await.unwrap()),
    ] {
        let smaller = "25 keys got smaller, by what files say now";
        assert_eq!(notes(&output), [smaller.to_owned(), format!("first keys: {}", at(run))]);
        assert!(!output.to_string().contains("person-"), "{output}");
        let first: Vec<String> = (10..30).map(|n| format!("person-{n}")).collect();
        assert_eq!(named(&stack, run).await, json!([{"note": smaller, "keys": first}]));
    }
    // Of the first run, which had nothing to say, there is none.
    assert_eq!(keys(&stack, "quarantine/").await, [at(&dry), at(&loaded)]);
    let mut connection = stack.connect().await.unwrap();
    let told: String = sqlx::query_scalar("select string_agg(notes::text, ' ') from sluice.runs")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(told.contains("keys.json") && !told.contains("person-"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_names_its_keys_there_too_and_dates_in_its_text() {
    let stack = fixture().await;
    let repeated = |number, parts: &Parts, keys: [&str; 2]| {
        let rows = [format!("{} 1 1", keys[0]), format!("{} 2 2", keys[1])];
        let rows = [rows[0].as_str(), rows[1].as_str()];
        Run::new(number, parts, vec![vec![file("a.csv", 1, &rows), file("b.csv", 2, &rows)]])
    };
    let dates = repeated(1, &parts("dates", "all_files"), ["2024-01-01", "2024-01-02"]);
    let (error, cause) = dates.load(&stack).await.unwrap_err();
    assert!(error == "InvalidSource" && cause.contains("2024-01-01, 2024-01-02") && !cause.contains("keys.json"));

    let run = repeated(2, &by_name("people", "all_files"), ["ann", "bob"]);
    let (error, cause) = run.load(&stack).await.unwrap_err();
    let first = format!("; first keys: {}", at(&run));
    assert!(error == "InvalidSource" && cause.ends_with(&first) && !cause.contains("ann"), "{error}: {cause}");
    let note = "input_data/b.csv says the same as input_data/a.csv on 2 of the 2 keys that they share, and would be \
                counted twice";
    assert_eq!(named(&stack, &run).await, json!([{"note": note, "keys": ["ann", "bob"]}]));

    for (number, mode) in (10..).step_by(2).zip(["all_files", "newest_file"]) {
        let mut parts = by_name("held", mode);
        parts.target["table"] = json!(format!("held_{mode}"));
        let files = |row: &str| vec![vec![file("a.csv", number, &[row, "bob 2 2"])]];
        Run::new(number, &parts, files("Smith 30 30")).load(&stack).await.unwrap();
        parts.source["columns"]["project"] = json!("Category");
        let run = Run::new(number + 1, &parts, files(&format!("Smith 10 10 {PARTIAL}")));
        let run = Run { reload: true, is_reload_by_itself: true, ..run };
        let (error, cause) = run.load(&stack).await.unwrap_err();
        let first = format!("; first keys: {}", at(&run));
        assert!(error == "Misconfigured" && cause.ends_with(&first) && !cause.contains("Smith"), "{error}: {cause}");
        let note = "input_data/a.csv has, or may have, rows of 1 key in quarantine, and said all of it before";
        assert_eq!(named(&stack, &run).await, json!([{"note": note, "keys": ["Smith"]}]), "{mode}");
    }

    create(&stack, "create table narrow (date text primary key, learning_minutes numeric(3), work_minutes numeric)")
        .await;
    for (number, mode) in (3..).zip(["all_files", "newest_file", "last_run"]) {
        let run = Run::new(
            number,
            &by_name("narrow", mode),
            vec![vec![file("a.csv", 1, &["ann 1 1", "bob 1000 0", "eve 2000 0"])]],
        );
        let (error, cause) = run.load(&stack).await.unwrap_err();
        let first = format!("; first keys: {}", at(&run));
        assert!(error == "InvalidSource" && cause.ends_with(&first) && !cause.contains("bob"), "{error}: {cause}");
        let told = named(&stack, &run).await;
        assert_eq!(told[0]["keys"], json!(["bob", "eve"]), "{mode}");
        assert!(told[0]["note"].as_str().unwrap().contains("\"learning_minutes\" is numeric(3,0)"), "{mode}: {told}");
    }
}
