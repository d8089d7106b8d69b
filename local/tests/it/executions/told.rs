//! Nothing is dropped untold: what a run passes over and leaves out is in its output and in `sluice.runs`.

use crate::support::*;
use local::execution::Outcome;
use serde_json::{Value, json};

/// What was passed over, by an execution's output.
fn skipped(outcome: &Outcome) -> [Value; 3] {
    let counts = &outcome.counts;
    [&counts["files_skipped"], &counts["skipped"]["other_suffix"], &counts["skipped"]["hidden"]].map(Clone::clone)
}

/// The newest row of `sluice.runs`, as JSON.
async fn last_run(stack: &Fixture) -> Value {
    let mut connection = stack.connect().await.unwrap();
    let run: String =
        sqlx::query_scalar("select to_json(run)::text from sluice.runs run order by detected_at desc limit 1")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    serde_json::from_str(&run).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_passed_over_is_counted_by_reason() {
    let stack = fixture_with(vpc_mode()).await;
    for (day, name) in ["a.csv", "B.CSV", "sub/c.Csv.gz", "d.csv.ZST"].iter().enumerate() {
        stack.upload(name, csv(&[("Work", "1", &format!("2024-01-{:02}", day + 1))])).await.unwrap();
    }
    let hidden = ["_temporary/0/a.csv", "sub/._a.csv", "_SUCCESS"];
    for name in hidden.iter().chain(&["notes.txt", "e.csv.zip"]) {
        stack.upload(name, csv(&[("Work", "9", "2024-01-09")])).await.unwrap();
    }
    stack.upload("sub/", Vec::new()).await.unwrap();
    let expected = [json!(5), json!(2), json!(3)];

    let tried = run_well(&stack, json!({"dry_run": true})).await;
    assert_eq!((tried.last_state(), skipped(&tried)), ("WouldLoad", expected.clone()));
    let loaded = run_well(&stack, json!({})).await;
    assert_eq!((loaded.last_state(), skipped(&loaded)), ("Loaded", expected.clone()));
    assert_eq!(loaded.counts["new_file_count"], 4);
    assert_eq!(table(&stack).await, ["2024-01-01 0 1", "2024-01-02 0 1", "2024-01-03 0 1", "2024-01-04 0 1"]);
    let run = last_run(&stack).await;
    assert_eq!(["files_skipped", "files_other_suffix", "files_hidden"].map(|name| run[name].clone()), expected);
    let nothing = run_well(&stack, json!({})).await;
    assert_eq!((nothing.last_state(), skipped(&nothing)), ("NothingToDo", expected));

    // And whoever asks for one of them hears why it is no input.
    let asked = [
        ("input_data/notes.txt", "only keys that end in .csv"),
        ("input_data/_temporary/0/a.csv", "begins with _ or ."),
        ("input_data/sub/", "the marker of a folder"),
        ("a.csv", "\"input_data/a.csv\" meant?"),
        ("input_data/none.csv", "there is no such object"),
    ];
    let keys = asked.map(|(key, _)| key);
    let (error, cause) = run_badly(&stack, json!({"forget": keys})).await;
    assert_eq!(error, "InvalidEvent");
    let explained = run_well(&stack, json!({"explain": keys})).await;
    for (key, why) in asked {
        let forgotten = cause.split("; ").skip_while(|part| !part.contains(key)).take(2).collect::<String>();
        assert!(forgotten.contains(why), "{key}: {cause}");
        let file = explained.counts["explained"].as_array().unwrap().iter().find(|file| file["key"] == key).unwrap();
        assert!(file["reason"].as_str().unwrap().contains(why), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_not_loaded_are_counted_by_reason() {
    let ignore = (r#"{"on": "project", "#, r#"{"on": "project", "other": "ignore", "#);
    let filter =
        (r#"{"keys": ["date"]"#, r#"{"filter": {"not": {"column": "project", "equal": "Sleep"}}, "keys": ["date"]"#);
    let stack = fixture_with(local::deployment::Options { spec: vec![ignore, filter], ..vpc_mode() }).await;
    let of = |project| (project, "1", "2024-01-01");
    let rows = ["Work", "Sleep", "Work ", "Sleep", "work", "Sleep"].map(of);
    stack.upload("a.csv", csv(&rows)).await.unwrap();
    let counted = |counts: &Value| ["rows_read", "rows_ignored", "rows_filtered"].map(|name| counts[name].clone());
    let tried = run_well(&stack, json!({"dry_run": true})).await;
    assert_eq!(counted(&tried.counts["upsert"]), [6, 2, 3]);
    let loaded = run_well(&stack, json!({})).await;
    assert_eq!(counted(&loaded.counts["upsert"]), [6, 2, 3]);
    assert_eq!(counted(&last_run(&stack).await), [6, 2, 3]);
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_runs_of_an_earlier_version_gets_the_new_columns() {
    let stack = fixture_with(vpc_mode()).await;
    sql(
        &stack,
        "create schema if not exists sluice;
         drop table if exists sluice.runs;
         create table sluice.runs (
             execution text not null, job text not null, target text not null, started_at timestamptz not null,
             detected_at timestamptz not null, committed_at timestamptz not null default clock_timestamp(),
             files bigint not null, files_changed bigint not null, rows_read bigint not null,
             rows_rejected bigint not null, rows_staged bigint not null, rows_inserted bigint not null,
             rows_updated bigint not null, rows_unchanged bigint not null, rows_deleted bigint not null default 0,
             primary key (execution, detected_at));
         insert into sluice.runs values ('x', 'j', 't', now(), now(), now(), 1, 0, 1, 0, 1, 1, 0, 0, 0)",
    )
    .await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    stack.upload("notes.txt", b"x".to_vec()).await.unwrap();
    run_well(&stack, json!({})).await;
    let run = last_run(&stack).await;
    assert_eq!([&run["files_skipped"], &run["rows_ignored"], &run["files_other_suffix"]], [1, 0, 1]);
    assert_eq!(run["rows_filtered"], 0);
    let mut connection = stack.connect().await.unwrap();
    let before: i64 = sqlx::query_scalar("select files_skipped from sluice.runs where execution = 'x'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(before, 0);
}

/// A table of one's own, with columns that the job knows nothing about.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_columns_of_any_type_is_shown() {
    let stack = fixture_with(vpc_mode()).await;
    sql(
        &stack,
        "create domain score as integer;
         create table pomodoro_day_catg (
             id bigint generated always as identity, date date primary key, learning_minutes numeric not null,
             work_minutes numeric not null, note text default repeat('long ', 30) || E'\\nand more',
             updated_at timestamptz default '2024-03-01 12:00+00', at time default '12:30', is_open boolean default true,
             took interval default '90 minutes', tags text[] default '{a,b}', extra jsonb default '{\"a\": 1}',
             raw bytea default '\\x00ff', price money default 1.5, rating score default 2, share double precision,
             mood point default '(1,2)')",
    )
    .await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01"), ("Work", "2.5", "2024-01-02")])).await.unwrap();
    run_well(&stack, json!({})).await;
    let mut connection = stack.connect().await.unwrap();
    let shown = local::report::table(&mut connection, &reference_job().spec).await.unwrap();
    for part in ["2024-01-02", "12:30:00", "true", "01:30:00", "{a,b}", "2 rows"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 7, "a line for each row: {shown}");
    let totals: Vec<&str> = lines.last().unwrap().split_whitespace().collect();
    assert_eq!(totals, ["2", "rows", "0", "3.5", "4", "0"], "of the numbers only: {shown}");
    assert!(lines.iter().all(|line| line.chars().count() < 400), "{shown}");
}
