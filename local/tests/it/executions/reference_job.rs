//! Whole executions: every path of the state machine, from objects to rows.

use crate::support::*;
use serde_json::json;
use sqlx::Connection;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn new_files_are_loaded_once_and_a_date_may_be_split_over_them() {
    let stack = fixture().await;
    stack.upload("1.csv", csv(&[("Work", "0.1", "2024-01-31"), ("Learning", "2", "2024-01-30")])).await.unwrap();
    stack.upload("2.csv", csv(&[("Work", "0.2", "2024-01-31")])).await.unwrap();
    assert!(!stack.is_database_public().await.unwrap());

    let outcome = run_well(&stack, json!({})).await;
    assert_eq!(outcome.last_state(), "Loaded");
    assert_eq!(merged(&outcome), [2, 0, 0]);
    assert_eq!(table(&stack).await, ["2024-01-30 2 0", "2024-01-31 0 0.3"]);
    assert!(!stack.is_database_public().await.unwrap());
    let ledger = keys(&stack, "state/").await;
    assert_eq!(ledger.iter().filter(|key| key.contains("/ledger/")).count(), 1, "{ledger:?}");

    let outcome = run_well(&stack, json!({})).await;
    assert_eq!(outcome.last_state(), "NothingToDo");
    assert_eq!(outcome.counts["new_file_count"], 0);

    stack.upload("3.csv", csv(&[("Work", "5", "2024-02-01")])).await.unwrap();
    let outcome = run_well(&stack, json!({"Comment": "Insert your JSON here"})).await;
    assert_eq!(outcome.counts["new_file_count"], 1);
    assert_eq!(merged(&outcome), [1, 0, 0]);
    assert_eq!(table(&stack).await, ["2024-01-30 2 0", "2024-01-31 0 0.3", "2024-02-01 0 5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_updates_exactly_the_changed_dates() {
    let stack = fixture().await;
    let day = |minutes, day| ("Work", minutes, day);
    stack
        .upload("a.csv", csv(&[day("1", "2024-01-01"), day("2", "2024-01-02"), day("3", "2024-01-03")]))
        .await
        .unwrap();
    run_well(&stack, json!({})).await;
    let before = row_versions(&stack).await;

    stack
        .upload("a.csv", csv(&[day("1.0", "2024-01-01"), day("2.5", "2024-01-02"), day("3", "2024-01-03")]))
        .await
        .unwrap();
    let outcome = run_well(&stack, json!({})).await;
    assert_eq!(merged(&outcome), [0, 1, 2]);
    assert_eq!(table(&stack).await, ["2024-01-01 0 1", "2024-01-02 0 2.5", "2024-01-03 0 3"]);
    let after = row_versions(&stack).await;
    let rewritten: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before != after).collect();
    assert_eq!(rewritten, [false, true, false], "rows that did not change were not written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_put_back_to_an_older_version_is_loaded_again() {
    let stack = fixture().await;
    for (minutes, expected) in [("1", [1, 0, 0]), ("2", [0, 1, 0]), ("1", [0, 1, 0])] {
        stack.upload("a.csv", csv(&[("Work", minutes, "2024-01-01")])).await.unwrap();
        assert_eq!(merged(&run_well(&stack, json!({})).await), expected);
        assert_eq!(table(&stack).await, [format!("2024-01-01 0 {minutes}")]);
    }
}

/// Where each row is, and which transaction wrote it.
async fn row_versions(stack: &Fixture) -> Vec<String> {
    let mut connection = stack.connect().await.unwrap();
    sqlx::query_scalar("select ctid::text || ' ' || xmin::text from pomodoro_day_catg order by date")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_has_the_sums_that_were_added_up_elsewhere() {
    let stack = fixture().await;
    let sample = local::binaries::workspace().join("local/sample/pomodoro");
    for month in ["01", "02", "03"] {
        let name = format!("sessions-2024-{month}.csv");
        assert!(stack.upload_if_changed(&name, &sample.join(&name)).await.unwrap());
    }
    let outcome = run_well(&stack, json!({})).await;
    assert_eq!(merged(&outcome), [84, 0, 0]);
    assert_eq!(outcome.counts["upsert"]["rows_read"], 527);
    let mut connection = stack.connect().await.unwrap();
    let sums: String = sqlx::query_scalar(
        "select sum(learning_minutes) || ' ' || sum(work_minutes) || ' ' || (select concat_ws(' ', learning_minutes, \
         work_minutes) from pomodoro_day_catg where date = '2024-01-31') from pomodoro_day_catg",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    // Added up with Python's decimal module from the files as they are written.
    assert_eq!(sums, "3594.36666667 12201.00000003 48.81666667 193.16666666");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_kind_are_loaded() {
    let stack = fixture().await;
    let names =
        ["with space.csv", "plus+.csv", "%2B.csv", "a'quote\".csv", "emoji-😀.csv", "sub/folder/ü.csv", "a&b=c?.csv"];
    for (day, name) in names.iter().enumerate() {
        stack.upload(name, csv(&[("Work", "1", &format!("2024-01-{:02}", day + 1))])).await.unwrap();
    }
    stack.upload("sub/", Vec::new()).await.unwrap();
    stack.upload("not-a-table.txt", b"x".to_vec()).await.unwrap();
    let outcome = run_well(&stack, json!({})).await;
    assert_eq!(outcome.counts["new_file_count"], names.len());
    assert_eq!(table(&stack).await.len(), names.len());
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_rows_count_as_loaded() {
    let stack = fixture().await;
    stack.upload("empty.csv", Vec::new()).await.unwrap();
    stack.upload("header.csv", HEADER.as_bytes().to_vec()).await.unwrap();
    let outcome = run_well(&stack, json!({})).await;
    assert_eq!(outcome.last_state(), "Loaded");
    assert_eq!(outcome.counts["upsert"]["files"], 2);
    assert_eq!(merged(&outcome), [0, 0, 0]);
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_loads_nothing_and_is_named_with_line_and_column() {
    let stack = fixture().await;
    stack.upload("bad.csv", csv(&[("Work", "1", "2024-01-01"), ("Work", "NaN", "2024-01-02")])).await.unwrap();
    stack.upload("good.csv", csv(&[("Work", "1", "2024-01-03")])).await.unwrap();
    let outcome = run(&stack, json!({})).await;
    assert_eq!(outcome.error.as_deref(), Some("InvalidSource"));
    let cause = outcome.cause.unwrap();
    assert!(
        cause.contains("input_data/bad.csv, line 3, column 2 (Duration (in minutes)): not a finite number"),
        "{cause}"
    );
    assert!(!outcome.states.iter().any(|run| run.state == "OpenDatabase"), "it is not opened for nothing");
    assert!(table(&stack).await.is_empty());
    let quarantine = keys(&stack, "quarantine/").await;
    assert!(cause.contains(&quarantine[0]), "{cause} {quarantine:?}");
    assert!(read(&stack, &quarantine[0]).await.contains("\"Work,NaN,2024-01-02 10:00,2024-01-02 11:00\""));

    // Corrected: both files are loaded, since the failed run moved nothing.
    stack.upload("bad.csv", csv(&[("Work", "1", "2024-01-01"), ("Work", "4", "2024-01-02")])).await.unwrap();
    assert_eq!(merged(&run_well(&stack, json!({})).await), [3, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_starts_an_execution_must_be_known() {
    let stack = fixture().await;
    for input in [json!("since"), json!([1]), json!({"bucket": "another"}), json!({"since": "last week"})] {
        let (error, cause) = run_badly(&stack, input.clone()).await;
        assert_eq!(error, "InvalidEvent", "{input}: {cause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_upsert_is_tried_again_and_the_database_is_public_only_meanwhile() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    run_well(&stack, json!({})).await;
    stack.upload("b.csv", csv(&[("Work", "2", "2024-01-01"), ("Work", "3", "2024-01-02")])).await.unwrap();

    // The load has to wait for this, with the database open.
    let mut blocker = stack.connect().await.unwrap();
    let mut transaction = blocker.begin().await.unwrap();
    sqlx::query("lock table pomodoro_day_catg in exclusive mode").execute(&mut *transaction).await.unwrap();
    let execution = stack.start(&json!({})).await.unwrap();
    until("the upsert waits for the lock", async || waits_for_lock(&stack).await).await;
    assert!(stack.is_database_public().await.unwrap());

    assert!(kill(&stack, "upsert"));
    transaction.rollback().await.unwrap();
    let outcome = execution.outcome().await.unwrap();
    assert!(outcome.succeeded(), "{}", local::report::failure(&outcome));
    assert_eq!(merged(&outcome), [1, 1, 0]);
    assert_eq!(table(&stack).await, ["2024-01-01 0 3", "2024-01-02 0 3"]);
    assert!(!stack.is_database_public().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_that_is_killed_every_time_fails_the_run_and_the_database_is_private_again() {
    let stack = fixture().await;
    sql(&stack, TARGET).await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let mut blocker = stack.connect().await.unwrap();
    let mut transaction = blocker.begin().await.unwrap();
    sqlx::query("lock table pomodoro_day_catg in exclusive mode").execute(&mut *transaction).await.unwrap();
    let execution = stack.start(&json!({})).await.unwrap();
    let killer = async {
        loop {
            kill(&stack, "upsert");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let outcome = tokio::select! {
        outcome = execution.outcome() => outcome.unwrap(),
        () = killer => unreachable!("it goes on for ever"),
    };
    assert_eq!(outcome.status, "FAILED");
    assert!(
        ["Runtime.ExitError", "Runtime.Unknown"].contains(&outcome.error.as_deref().unwrap_or_default()),
        "{:?}",
        outcome.error
    );
    assert!(outcome.states.iter().any(|run| run.state == "CloseAfterFailure"));
    assert!(!stack.is_database_public().await.unwrap());
    transaction.rollback().await.unwrap();
    assert!(table(&stack).await.is_empty());
    assert_eq!(merged(&run_well(&stack, json!({})).await), [1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_fit_fails_the_run_and_the_database_is_private_again() {
    let stack = fixture().await;
    sql(
        &stack,
        "create table pomodoro_day_catg (date date, learning_minutes text, work_minutes date, note text not null)",
    )
    .await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let (error, cause) = run_badly(&stack, json!({})).await;
    assert_eq!(error, "Misconfigured");
    for part in [
        "target public.pomodoro_day_catg",
        "\"learning_minutes\" is text, not numeric",
        "\"work_minutes\" is date, not numeric",
        "\"note\" is NOT NULL without a default",
        "no unique constraint on exactly (date)",
    ] {
        assert!(cause.contains(part), "{part}: {cause}");
    }
    assert!(!stack.is_database_public().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_a_transient_failure_until_the_retries_are_used_up() {
    let mut options = vpc_mode();
    options.parameters.insert("DatabaseUrl", "postgres://sluice:x@127.0.0.1:1/nowhere".to_owned());
    let stack = fixture_with(options).await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let (error, cause) = run_badly(&stack, json!({})).await;
    assert_eq!(error, "TransientFailure");
    assert!(cause.contains("connect to the database"), "{cause}");
    assert!(!stack.is_database_public().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_vpc_mode_the_database_is_left_alone() {
    let stack = fixture_with(vpc_mode()).await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let outcome = run_well(&stack, json!({})).await;
    assert!(
        !outcome.states.iter().any(|run| run.state.contains("OpenDatabase") || run.state.contains("CloseDatabase"))
    );
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_at_once_take_turns_and_load_everything_once() {
    let stack = fixture().await;
    for day in 1..=5 {
        stack.upload(&format!("{day}.csv"), csv(&[("Work", "1", &format!("2024-01-{day:02}"))])).await.unwrap();
    }
    let mut executions = Vec::new();
    for _ in 0..3 {
        executions.push(stack.start(&json!({})).await.unwrap());
    }
    let mut new_files = Vec::new();
    for execution in executions {
        let outcome = execution.outcome().await.unwrap();
        assert!(outcome.succeeded(), "{}", local::report::failure(&outcome));
        new_files.push(outcome.counts["new_file_count"].as_u64().unwrap());
    }
    new_files.sort_unstable();
    assert_eq!(new_files, [0, 0, 5]);
    assert_eq!(table(&stack).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn since_reprocesses_what_is_loaded_already() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    run_well(&stack, json!({})).await;
    sql(&stack, "update pomodoro_day_catg set work_minutes = 99").await;
    let outcome = run_well(&stack, json!({"since": "2024-01-01T00:00:00Z"})).await;
    assert_eq!(merged(&outcome), [0, 1, 0]);
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_batches_are_added_up_by_the_database() {
    // That no file's words are kept; and all of these say the same.
    let stack = fixture_with(last_run()).await;
    // 1,000 files make a batch.
    let body = csv(&[("Work", "0.001", "2024-01-01"), ("Learning", "1", "2024-01-02")]);
    for start in (0..2_100).step_by(50) {
        let uploads: Vec<_> = (start..start + 50)
            .map(|number| {
                let put = stack.s3().put_object().bucket(&stack.bucket).key(format!("input_data/{number:05}.csv"));
                tokio::spawn(put.body(body.clone().into()).send())
            })
            .collect();
        for upload in uploads {
            upload.await.unwrap().unwrap();
        }
    }
    let outcome = run_well(&stack, json!({})).await;
    assert_eq!(outcome.counts["new_file_count"], 2_100);
    assert_eq!(outcome.counts["upsert"]["rows_staged"], 6);
    assert_eq!(merged(&outcome), [2, 0, 0]);
    assert_eq!(table(&stack).await, ["2024-01-01 0 2.1", "2024-01-02 2100 0"]);
    // A process takes one batch at a time, and the next one if there is no hurry.
    assert!(processes(&stack, "pivot").len() > 1, "the batches are pivoted one after the other");
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_cannot_be_opened_fails_the_run_and_stays_private() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let rds = aws_sdk_rds::Client::new(&stack.config);
    rds.stop_db_instance().db_instance_identifier(&stack.database_instance).send().await.unwrap();
    let outcome = run(&stack, json!({})).await;
    assert_eq!(outcome.error.as_deref(), Some("Misconfigured"), "{:?}", outcome.cause);
    assert!(outcome.cause.unwrap().contains("\"stopped\""));
    assert!(outcome.states.iter().any(|run| run.state == "CloseAfterFailure"));
    assert!(!stack.is_database_public().await.unwrap());
}

/// Starts a run and holds it in its load; then takes the instance away, and lets the load go on.
async fn run_without_instance_at_its_end(stack: &Fixture, spoil: Option<&'static str>) -> local::execution::Outcome {
    sql(stack, TARGET).await;
    if let Some(statement) = spoil {
        sql(stack, statement).await;
    }
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let mut blocker = stack.connect().await.unwrap();
    let mut transaction = blocker.begin().await.unwrap();
    sqlx::query("lock table pomodoro_day_catg in exclusive mode").execute(&mut *transaction).await.unwrap();
    let execution = stack.start(&json!({})).await.unwrap();
    until("the upsert waits for the lock", async || waits_for_lock(stack).await).await;
    let rds = aws_sdk_rds::Client::new(&stack.config);
    let unprotect = rds.modify_db_instance().db_instance_identifier(&stack.database_instance);
    unprotect.deletion_protection(false).send().await.unwrap();
    let delete = rds.delete_db_instance().db_instance_identifier(&stack.database_instance);
    delete.skip_final_snapshot(true).send().await.unwrap();
    transaction.commit().await.unwrap();
    execution.outcome().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_close_the_database_has_failed_though_its_rows_are_loaded() {
    let stack = fixture().await;
    let outcome = run_without_instance_at_its_end(&stack, None).await;
    assert_eq!(outcome.error.as_deref(), Some("Misconfigured"));
    assert!(outcome.cause.unwrap().contains("make the instance"));
    assert!(outcome.states.iter().any(|run| run.state == "CloseDatabase"));
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_error_is_the_one_that_ends_the_run() {
    let stack = fixture().await;
    let spoil = "alter table pomodoro_day_catg add check (work_minutes < 0)";
    let outcome = run_without_instance_at_its_end(&stack, Some(spoil)).await;
    assert_eq!(outcome.error.as_deref(), Some("InvalidSource"), "{:?}", outcome.cause);
    assert!(outcome.cause.unwrap().contains("23514"), "the load's error, not that of closing");
    assert!(outcome.states.iter().any(|run| run.state == "CloseAfterFailure"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_happen_and_nothing_does() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01"), ("Work", "2", "2024-01-02")])).await.unwrap();
    let dry = run_well(&stack, json!({"dry_run": true})).await;
    assert_eq!((dry.last_state(), merged(&dry)), ("WouldLoad", [2, 0, 0]));
    assert!(table(&stack).await.is_empty(), "not even the table");
    assert_eq!(keys(&stack, "state/").await.len(), 1, "only the lock");

    // It succeeded, and is no watermark all the same.
    let real = run_well(&stack, json!({})).await;
    assert_eq!((real.last_state(), merged(&real)), ("Loaded", [2, 0, 0]));
    assert_eq!(real.counts["watermark"], json!(null));
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01"), ("Work", "3", "2024-01-02")])).await.unwrap();
    let dry = run_well(&stack, json!({"dry_run": true})).await;
    assert_eq!(merged(&dry), [0, 1, 1]);
    assert_eq!(table(&stack).await, ["2024-01-01 0 1", "2024-01-02 0 2"]);
    assert!(!stack.is_database_public().await.unwrap());
    let watermark = run_well(&stack, json!({})).await.counts["watermark"].as_str().unwrap().to_owned();
    let started = stack.sfn().describe_execution().execution_arn(&real.execution).send().await.unwrap().start_date;
    assert_eq!(watermark, sluice::time::format_time(started), "the last run that loaded");
    assert_eq!(table(&stack).await, ["2024-01-01 0 1", "2024-01-02 0 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_forgotten_and_explained_on_request() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let first = run_well(&stack, json!({})).await;
    sql(&stack, "update pomodoro_day_catg set work_minutes = 7").await;
    let again = run_well(&stack, json!({"forget": ["input_data/a.csv"]})).await;
    assert_eq!(merged(&again), [0, 1, 0]);
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
    let (error, cause) = run_badly(&stack, json!({"forget": ["input_data/b.csv"]})).await;
    assert_eq!(error, "InvalidEvent");
    assert!(cause.contains("\"input_data/b.csv\": there is no such object"), "{cause}");

    stack.upload("b.csv", csv(&[("Work", "1", "2024-01-02")])).await.unwrap();
    let put = stack.s3().put_object().bucket(&stack.bucket).key("input_data/notes.txt");
    put.body(b"x".to_vec().into()).send().await.unwrap();
    let files = ["input_data/a.csv", "input_data/b.csv", "input_data/c.csv", "input_data/notes.txt", "state/x.csv"];
    let outcome = run_well(&stack, json!({"explain": files})).await;
    assert_eq!(outcome.last_state(), "Explained");
    let explained = outcome.counts["explained"].as_array().unwrap();
    let expected = [
        (false, again.execution.as_str()),
        (true, "no run is known to have loaded it"),
        (false, "no such object"),
        (false, "end in .csv"),
        (false, "under input_data/"),
    ];
    assert_eq!(explained.len(), expected.len());
    for (explained, (is_new, part)) in explained.iter().zip(expected) {
        assert_eq!(explained["is_new"], is_new, "{explained}");
        assert!(explained["reason"].as_str().unwrap().contains(part), "{explained}");
    }
    assert_ne!(first.execution, again.execution);
    assert_eq!(run_well(&stack, json!({})).await.counts["new_file_count"], 1, "asking changed nothing");
}
