//! The function alone, against the real bucket and the real list of executions.

use crate::support::*;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_names_every_file_with_its_version() {
    let stack = fixture().await;
    let etag = stack.upload("a b+%2B.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let output = stack.invoke("detect-new-files", &detection(&stack, "one")).await.unwrap().unwrap();
    assert_eq!(output["new_file_count"], 1);
    assert_eq!(output["batches"], json!([{"index": 0}]));
    assert_eq!(output["watermark"], Value::Null);
    let manifest: Value =
        serde_json::from_str(&read(&stack, output["manifest"]["key"].as_str().unwrap()).await).unwrap();
    let batch = manifest["batches"][0]["key"].as_str().unwrap();
    let batch: Value = serde_json::from_str(&read(&stack, batch).await).unwrap();
    assert_eq!(batch["files"][0]["key"], "input_data/a b+%2B.csv");
    assert_eq!(batch["files"][0]["etag"], etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_is_held_while_its_owner_runs_and_free_afterwards() {
    let stack = fixture().await;
    let detect = async |name: &str| stack.invoke("detect-new-files", &detection(&stack, name)).await.unwrap();
    let mut unknown = detection(&stack, "unknown");
    unknown["execution"]["started_at"] = json!(sluice::time::format_time(std::time::SystemTime::now().into()));
    stack.invoke("detect-new-files", &unknown).await.unwrap().unwrap();
    stack.invoke("detect-new-files", &unknown).await.unwrap().expect("the owner itself may come again");
    let (error, _) = detect("late").await.unwrap_err();
    assert_eq!(error, "LockHeld", "an owner that Step Functions does not know may be one that it does not know yet");
    let lock = sluice::contract::keys::lock(&stack.job);
    stack.s3().delete_object().bucket(&stack.bucket).key(&lock).send().await.unwrap();
    detect("forgotten").await.unwrap();
    detect("late").await.expect("an owner that started long ago and is not known does not run");

    // One that does run: a real execution that waits for a lock of its own.
    let mut blocker = stack.connect().await.unwrap();
    sql(&stack, TARGET).await;
    let mut transaction = sqlx::Connection::begin(&mut blocker).await.unwrap();
    sqlx::query("lock table pomodoro_day_catg in exclusive mode").execute(&mut *transaction).await.unwrap();
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let running = stack.start(&json!({})).await.unwrap();
    until("the execution loads", async || stack.is_database_public().await).await;
    let (error, cause) = detect("late").await.unwrap_err();
    assert_eq!(error, "LockHeld");
    assert!(cause.contains(&running.arn), "{cause}");

    transaction.rollback().await.unwrap();
    assert!(running.outcome().await.unwrap().succeeded());
    let output = detect("late").await.unwrap();
    assert_eq!(output["new_file_count"], 0);
    assert_ne!(output["watermark"], Value::Null);
    assert!(read(&stack, &lock).await.contains(":late"), "taken over");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_knows_what_the_watermark_does_not() {
    let stack = fixture().await;
    let etag = stack.upload("known.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    stack.upload("changed.csv", csv(&[("Work", "1", "2024-01-02")])).await.unwrap();
    let file = |name: &str, etag: &str| json!({"key": format!("input_data/{name}"), "etag": etag, "size": 1, "last_modified": "2024-01-01T00:00:00.000Z"});
    // No execution has succeeded, so only the ledger can tell.
    let entry = json!({
        "execution": "x", "detected_at": "2024-01-01T00:00:00.000Z", "generation": "g",
        "files": [file("known.csv", &etag), file("changed.csv", "\"an older version\"")],
    });
    put_json(&stack, "state/pomodoro/ledger/2024-01-01T00:00:00.000Z-x.json", &entry).await;
    let loaded = sluice::contract::Loaded {
        generation: "g".to_owned(),
        detected_at: "2024-01-01T00:00:00.000Z".to_owned(),
        print: reference_job().spec.print(&stack.bucket, &stack.prefix),
    };
    put_json(&stack, "state/pomodoro/loaded.json", &json!(loaded)).await;
    let output = stack.invoke("detect-new-files", &detection(&stack, "one")).await.unwrap().unwrap();
    assert_eq!(output["new_file_count"], 1);

    let mut since = detection(&stack, "one");
    since["trigger"] = json!({"since": "2024-01-01T00:00:00Z"});
    let output = stack.invoke("detect-new-files", &since).await.unwrap().unwrap();
    assert_eq!(output["new_file_count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_wake_it_up_and_others_are_refused() {
    let stack = fixture().await;
    let mut payload = detection(&stack, "one");
    let notification = |bucket: &str, key: &str| {
        let mut event: Value = serde_json::from_str(include_str!("../../../../events/s3-notification.json")).unwrap();
        event["Records"][0]["s3"]["bucket"]["name"] = json!(bucket);
        event["Records"][0]["s3"]["object"]["key"] = json!(key);
        event
    };
    payload["trigger"] = notification(&stack.bucket, "input_data/a+b.csv");
    assert_eq!(stack.invoke("detect-new-files", &payload).await.unwrap().unwrap()["new_file_count"], 0);
    for trigger in
        [notification("another", "input_data/a.csv"), notification(&stack.bucket, "quarantine/x.csv"), json!(7)]
    {
        payload["trigger"] = trigger;
        assert_eq!(stack.invoke("detect-new-files", &payload).await.unwrap().unwrap_err().0, "InvalidEvent");
    }
    let (error, cause) =
        stack.invoke("detect-new-files", &json!({"action": "detect", "trigger": {}})).await.unwrap().unwrap_err();
    assert_eq!(error, "InvalidEvent");
    assert!(cause.contains("missing field `execution`"), "{cause}");
}
