//! The function alone, against the real database: what makes a load happen once, and in the right order.

use crate::functions::prepared::*;
use crate::support::*;
use serde_json::{Value, json};
use sluice::spec::Parts;

/// The reference job's spec with `last_run`.
pub(crate) fn last_run_parts() -> Parts {
    let Parts { source, shape, mut target } = reference_job().parts;
    target["on_overlap"] = json!("last_run");
    Parts { source, shape, target }
}

/// Leaves the documents of a run that detected at `detected_at`, and returns the payload that loads it: with
/// `last_run`, from parts that have a date and two numbers in each line.
pub(crate) async fn prepared(stack: &Fixture, name: &str, detected_at: &str, parts: &[&str]) -> Value {
    let batches = parts.iter().enumerate().map(|(index, part)| {
        let rows: Vec<String> = part.lines().map(|row| row.replace(',', " ")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        vec![file(&format!("{name}-{index}.csv"), 0, &rows)]
    });
    let run = Run::new(0, &last_run_parts(), batches.collect());
    Run { name: name.to_owned(), detected_at: detected_at.to_owned(), ..run }.leave(stack).await
}

/// The ledger's entries.
async fn ledger(stack: &Fixture) -> Vec<String> {
    keys(stack, "state/pomodoro/ledger/").await
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_twice_is_loading_once() {
    let stack = fixture().await;
    let payload =
        prepared(&stack, "a", "2024-01-01T00:00:00.000Z", &["2024-01-01,1.50,0\n", "2024-01-01,0.25,7\n"]).await;
    let first = stack.invoke("upsert", &payload).await.unwrap().unwrap();
    assert_eq!(first["rows_staged"], 2);
    assert_eq!(first["rows_inserted"], 1);
    assert_eq!(first["rows_rejected"], 2);
    assert_eq!(table(&stack).await, ["2024-01-01 1.75 7"]);

    // Somebody else changes the row; the same run must not touch it again, but writes the ledger entry that got lost.
    sql(&stack, "update pomodoro_day_catg set work_minutes = 8").await;
    let written = keys(&stack, "state/").await;
    assert_eq!(written.len(), 3, "an entry of the ledger per batch, and what is loaded");
    let before = read(&stack, &written[1]).await;
    for key in [&written[0], &written[2]] {
        stack.s3().delete_object().bucket(&stack.bucket).key(key).send().await.unwrap();
    }
    let second = stack.invoke("upsert", &payload).await.unwrap().unwrap();
    assert_eq!(second, first);
    assert_eq!(table(&stack).await, ["2024-01-01 1.75 8"]);
    assert_eq!(keys(&stack, "state/").await, written);
    assert!(read(&stack, &written[0]).await.contains("input_data/a-0.csv"));
    assert_eq!(read(&stack, &written[1]).await, before, "with the generation that it is in");
    let loaded: Value = serde_json::from_str(&read(&stack, "state/pomodoro/loaded.json").await).unwrap();
    assert_eq!(loaded, record(&stack, &last_run_parts()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_overtaken_changes_nothing() {
    let stack = fixture().await;
    let older = prepared(&stack, "older", "2024-01-01T00:00:00.000Z", &["2024-01-01,1,1\n"]).await;
    let newer = prepared(&stack, "newer", "2024-01-01T00:00:00.001Z", &["2024-01-01,2,2\n"]).await;
    stack.invoke("upsert", &newer).await.unwrap().unwrap();
    let (error, cause) = stack.invoke("upsert", &older).await.unwrap().unwrap_err();
    assert_eq!(error, "StaleRun");
    assert!(cause.contains(":newer"), "{cause}");
    assert_eq!(table(&stack).await, ["2024-01-01 2 2"]);
    assert_eq!(ledger(&stack).await.len(), 1, "no entry of the older run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_postgresql_refuses_loads_nothing() {
    let stack = fixture().await;
    let rows = ["2024-01-01,1,1\n"; 2];
    let payload = prepared(&stack, "a", "2024-01-01T00:00:00.000Z", &rows).await;
    let (key, result) =
        ("intermediate_data/pomodoro/a/part-1.pgcopy", "intermediate_data/pomodoro/a/result-00001.json");
    let whole = read_bytes(&stack, key).await;
    let cut = whole[..whole.len() - 10].to_vec();
    let put = stack.s3().put_object().bucket(&stack.bucket).key(key).body(cut.into()).send().await.unwrap();
    let mut document: Value = serde_json::from_str(&read(&stack, result).await).unwrap();
    document["output"]["pivoted"]["etag"] = json!(put.e_tag.unwrap());
    put_json(&stack, result, &document).await;
    let (error, cause) = stack.invoke("upsert", &payload).await.unwrap().unwrap_err();
    assert_eq!(error, "InvalidSource");
    assert!(cause.contains("22P04"), "{cause}");
    assert!(table(&stack).await.is_empty());
    assert!(keys(&stack, "state/").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_is_checked_before_a_byte_is_loaded() {
    let stack = fixture().await;
    let payload = prepared(&stack, "a", "2024-01-01T00:00:00.000Z", &["2024-01-01,1,1\n"]).await;
    let problem_of = async |target: Value| {
        let mut payload = payload.clone();
        payload["target"] = target;
        let (error, cause) = stack.invoke("upsert", &payload).await.unwrap().unwrap_err();
        assert_eq!(error, "Misconfigured", "{cause}");
        cause
    };
    let target = |table: &str| json!({"table": table, "on_overlap": "last_run"});
    assert!(problem_of(target("t")).await.contains("does not exist"));
    sql(&stack, "create view t as select 1 as date; create table p (date date) partition by range (date)").await;
    assert!(problem_of(target("t")).await.contains("is not a table"));
    assert!(problem_of(target("p")).await.contains("\"work_minutes\" (numeric) is missing"), "it may have partitions");
    sql(
        &stack,
        "create table partial (date date not null, learning_minutes numeric, work_minutes numeric);
         create unique index on partial (date) where work_minutes > 0;
         create table wide (date date not null, learning_minutes numeric, work_minutes numeric, unique (date, work_minutes));
         create table late (date date not null unique deferrable, learning_minutes numeric, work_minutes numeric);",
    )
    .await;
    for name in ["partial", "wide", "late"] {
        assert!(problem_of(target(name)).await.contains("no unique constraint on exactly (date)"), "{name}");
    }
    let nowhere = json!({"schema": "nowhere", "table": "t", "on_overlap": "last_run", "create": true});
    assert!(problem_of(nowhere).await.contains("3F000"));
    assert!(problem_of(json!({"table": "t", "on_overlap": "all_files"})).await.contains("pivoted by another spec"));
    let of_spec = problem_of(json!({"table": "t", "on_overlap": "replace", "key": ["date"]})).await;
    assert!(of_spec.contains("the spec of job pomodoro: /target/key: "), "{of_spec}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_tries_sql_is_only_a_name() {
    let stack = fixture().await;
    let mut payload = prepared(&stack, "a", "2024-01-01T00:00:00.000Z", &["2024-01-01,1,1\n"]).await;
    let name = "x\"; drop schema sluice cascade; --";
    payload["target"] = json!({"table": name, "on_overlap": "last_run", "create": true});
    assert_eq!(stack.invoke("upsert", &payload).await.unwrap().unwrap()["rows_inserted"], 1);
    let mut connection = stack.connect().await.unwrap();
    let recorded: String =
        sqlx::query_scalar("select target from sluice.runs").fetch_one(&mut connection).await.unwrap();
    assert_eq!(recorded, format!("public.{name}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_part_is_not_loaded() {
    let stack = fixture().await;
    let payload = prepared(&stack, "a", "2024-01-01T00:00:00.000Z", &["2024-01-01,1,1\n"]).await;
    prepared(&stack, "b", "2024-01-01T00:00:00.000Z", &["2024-01-01,9,9\n"]).await;
    let other = read_bytes(&stack, "intermediate_data/pomodoro/b/part-0.pgcopy").await;
    let put = stack.s3().put_object().bucket(&stack.bucket).key("intermediate_data/pomodoro/a/part-0.pgcopy");
    put.body(other.into()).send().await.unwrap();
    let (error, cause) = stack.invoke("upsert", &payload).await.unwrap().unwrap_err();
    assert_eq!(error, "Misconfigured", "{cause}");
    assert!(table(&stack).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_used_again_is_another_run() {
    let stack = fixture().await;
    let first = prepared(&stack, "a", "2024-01-01T00:00:00.000Z", &["2024-01-01,1,1\n"]).await;
    stack.invoke("upsert", &first).await.unwrap().unwrap();
    let second = prepared(&stack, "a", "2024-04-01T00:00:00.000Z", &["2024-04-01,2,2\n"]).await;
    assert_eq!(stack.invoke("upsert", &second).await.unwrap().unwrap()["rows_inserted"], 1);
    assert_eq!(table(&stack).await, ["2024-01-01 1 1", "2024-04-01 2 2"]);
    assert_eq!(ledger(&stack).await.len(), 2);
}

/// Quotes and a statement in every name, through every statement: all modes, one part and several, a table that is made
/// and one that is there, rows in quarantine, keys that go, files that repeat others, and a reload.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_quoted_wherever_they_stand() {
    const NASTY: &str = "x\"; drop table victim; --";
    let stack = fixture().await;
    sql(&stack, "create table victim (); insert into victim default values").await;
    let [key, learning, work] = ["", "l", "w"].map(|end| format!("{NASTY}{end}"));
    for mode in ["all_files", "newest_file", "last_run"] {
        let mut parts = parts(&format!("{NASTY}{}", &mode[..1]), mode);
        let date = parts.source["columns"].as_object_mut().unwrap().remove("date").unwrap();
        parts.source["columns"][&key] = date;
        parts.source["on_bad_file"] = json!("quarantine");
        parts.shape["keys"] = json!([key]);
        parts.shape["pivot"]["into"] = json!({"Learning": learning, "Work": work});
        let days = ["2024-01-01 1 1", "2024-01-02 3 3 1", "2024-01-03 0 0 2", "2024-01-04 5 5"];
        let runs = [
            vec![vec![file("a.csv", 1, &days)]],
            vec![vec![file("b.csv", 2, &days)], vec![file(NASTY, 3, &days[..2])]],
            vec![vec![file("a.csv", 4, &days[..1])], vec![file("b.csv", 5, &days[3..])]],
        ];
        for (number, batches) in (1..).zip(runs) {
            Run::new(number, &parts, batches).load(&stack).await.unwrap();
        }
        let reload = Run { reload: true, ..Run::new(9, &parts, vec![vec![file("a.csv", 6, &days[..2])]]) };
        let output = reload.load(&stack).await.unwrap();
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let [key, learning, work] = [&key, &learning, &work].map(|name| quoted(name));
        let table = quoted(&format!("{NASTY}{}", &mode[..1]));
        let mut connection = stack.connect().await.unwrap();
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select string_agg(concat_ws(' ', {key}, {learning}, {work}), ', ' order by {key}) from {table}"
        )))
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(rows, "2024-01-01 1 1, 2024-01-02 3 3", "{mode}: {output}");
        let victims: i64 = sqlx::query_scalar("select count(*) from victim").fetch_one(&mut connection).await.unwrap();
        assert_eq!(victims, 1);
    }
}
