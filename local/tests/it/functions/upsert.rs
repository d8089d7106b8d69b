//! The function alone, against the real database: what makes a load happen once, and in the right order.

use crate::functions::copy_parts;
use crate::support::*;
use serde_json::{Value, json};

/// Leaves the documents of a run that detected at `detected_at`, and returns the payload that loads them.
pub(crate) async fn prepared(stack: &Fixture, name: &str, detected_at: &str, parts: &[&str]) -> Value {
    let mut encoded = Vec::new();
    for part in parts {
        encoded.push((copy_parts::encoded(stack, part).await, part.lines().count()));
    }
    prepared_with(stack, name, detected_at, encoded).await
}

/// The same for parts in their own format, each with the number of its rows.
async fn prepared_with(stack: &Fixture, name: &str, detected_at: &str, parts: Vec<(Vec<u8>, usize)>) -> Value {
    let mut batches = Vec::new();
    for (index, (part, rows)) in parts.into_iter().enumerate() {
        let prefix = format!("intermediate_data/pomodoro/{name}");
        let key = format!("{prefix}/part-{index}.pgcopy");
        let put = stack.s3().put_object().bucket(&stack.bucket).key(&key).body(part.into()).send().await.unwrap();
        let pivoted = json!({"bucket": stack.bucket, "key": key, "etag": put.e_tag.unwrap()});
        let file = json!({"key": format!("input_data/{name}-{index}.csv"), "etag": "e", "size": 1, "last_modified": detected_at});
        let result = json!({
            "output": {"index": index, "pivoted": pivoted, "rows_read": 5, "rows_rejected": 1, "rows_ignored": 0,
                       "rejected": null, "days": rows, "files_loaded": 1, "files_changed": 0},
            "key": {"name": "date", "kind": "date"}, "values": ["learning_minutes", "work_minutes"],
            "loaded": [file], "changed": [],
        });
        put_json(stack, &format!("{prefix}/result-{index:05}.json"), &result).await;
        batches.push(json!({"bucket": stack.bucket, "key": "unused", "etag": "unused"}));
    }
    let manifest = json!({"detected_at": detected_at, "new_file_count": 1, "new_bytes": 1, "batches": batches});
    let manifest = put_json(stack, &format!("intermediate_data/pomodoro/{name}/manifest.json"), &manifest).await;
    json!({"execution": execution(stack, name), "manifest": manifest, "target": target()})
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
    let ledger = keys(&stack, "state/").await;
    assert_eq!(ledger.len(), 2, "one per batch");
    stack.s3().delete_object().bucket(&stack.bucket).key(&ledger[0]).send().await.unwrap();
    let second = stack.invoke("upsert", &payload).await.unwrap().unwrap();
    assert_eq!(second, first);
    assert_eq!(table(&stack).await, ["2024-01-01 1.75 8"]);
    assert_eq!(keys(&stack, "state/").await, ledger);
    assert!(read(&stack, &ledger[0]).await.contains("input_data/a-0.csv"));
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
    assert_eq!(keys(&stack, "state/").await.len(), 1, "no ledger entry of the older run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_postgresql_refuses_loads_nothing() {
    let stack = fixture().await;
    let whole = copy_parts::encoded(&stack, "2024-01-01,1,1\n").await;
    let cut = whole[..whole.len() - 10].to_vec();
    let payload = prepared_with(&stack, "a", "2024-01-01T00:00:00.000Z", vec![(whole, 1), (cut, 1)]).await;
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
    let target = |table: &str| json!({"schema": "public", "table": table, "key": ["date"]});
    assert!(problem_of(target("t")).await.contains("does not exist"));
    sql(&stack, "create view t as select 1 as date; create table p (date date) partition by range (date)").await;
    assert!(problem_of(target("t")).await.contains("is not a table"));
    assert!(problem_of(target("p")).await.contains("is partitioned"));
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
    assert!(
        problem_of(json!({"schema": "nowhere", "table": "t", "key": ["date"], "create": true})).await.contains("3F000")
    );
    assert!(problem_of(json!({"schema": "public", "table": "t", "key": ["day"]})).await.contains("key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_tries_sql_is_only_a_name() {
    let stack = fixture().await;
    let mut payload = prepared(&stack, "a", "2024-01-01T00:00:00.000Z", &["2024-01-01,1,1\n"]).await;
    let name = "x\"; drop schema sluice cascade; --";
    payload["target"] = json!({"schema": "public", "table": name, "key": ["date"], "create": true});
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
    let put = stack.s3().put_object().bucket(&stack.bucket).key("intermediate_data/pomodoro/a/part-0.pgcopy");
    put.body(copy_parts::encoded(&stack, "2024-01-01,9,9\n").await.into()).send().await.unwrap();
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
    assert_eq!(keys(&stack, "state/").await.len(), 2);
}

/// Quotes and a statement in every name, through every statement: both modes, one part and several, a table that is
/// made and one that is there.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_quoted_wherever_they_stand() {
    const NASTY: &str = "x\"; drop table victim; --";
    let stack = fixture().await;
    sql(&stack, "create table victim (); insert into victim default values").await;
    let columns = [NASTY.to_owned(), format!("{NASTY}l"), format!("{NASTY}w")];
    let target = |number: u8, on_overlap: &str| {
        let mut target = target();
        target["table"] = json!(format!("{NASTY}{number}"));
        target["key"] = json!([columns[0]]);
        target["on_overlap"] = json!(on_overlap);
        target
    };
    let days = ["2024-01-01,1,1\n", "2024-01-01,2,2\n2024-01-02,3,3\n"];
    for (name, parts) in [("first", &days[..1]), ("second", &days[..]), ("third", &days[..])] {
        let detected_at = format!("2024-01-0{}T00:00:00.000Z", parts.len());
        let mut payload = prepared(&stack, name, &detected_at, parts).await;
        for index in 0..parts.len() {
            let key = format!("intermediate_data/pomodoro/{name}/result-{index:05}.json");
            let mut result: Value = serde_json::from_str(&read(&stack, &key).await).unwrap();
            (result["key"]["name"], result["values"]) = (json!(columns[0]), json!(columns[1..]));
            put_json(&stack, &key, &result).await;
        }
        payload["target"] = target(1, "replace");
        stack.invoke("upsert", &payload).await.unwrap().unwrap();
    }
    for (name, minutes) in [("a", "1"), ("b", "2")] {
        stack.upload("a.csv", csv(&[("Work", minutes, "2024-01-01")])).await.unwrap();
        let detected = stack.invoke("detect-new-files", &detection(&stack, name)).await.unwrap().unwrap();
        let (execution, manifest) = (execution(&stack, name), &detected["manifest"]);
        let mut shape = shape();
        (shape["index"]["as"], shape["per_file"]) = (json!(columns[0]), json!(true));
        shape["categories"] = json!({"Learning": columns[1], "Work": columns[2]});
        let batch = json!({"index": 0});
        let pivot = json!({"execution": execution, "manifest": manifest, "batch": batch, "pivot": shape});
        stack.invoke("pivot", &pivot).await.unwrap().unwrap();
        let upsert = json!({"execution": execution, "manifest": manifest, "target": target(2, "per_file")});
        stack.invoke("upsert", &upsert).await.unwrap().unwrap();
    }
    let mut connection = stack.connect().await.unwrap();
    for (number, expected) in [(1, "2024-01-01 3 3, 2024-01-02 3 3"), (2, "2024-01-01 0 2")] {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let [key, learning, work] = [&columns[0], &columns[1], &columns[2]].map(|name| quoted(name));
        let table = quoted(&format!("{NASTY}{number}"));
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select string_agg(concat_ws(' ', {key}, {learning}, {work}), ', ' order by {key}) from {table}"
        )))
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(rows, expected);
    }
    let victims: i64 = sqlx::query_scalar("select count(*) from victim").fetch_one(&mut connection).await.unwrap();
    assert_eq!(victims, 1);
}
