//! What goes wrong on the way to a table and its file: readers see old or new, runs meet, queries fail or are lost, and
//! at the end there is one table and one file.

use crate::support::lake::{Lake, RATINGS, sample};
use crate::support::{keys, kill, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const BUILD: &str = "CREATE_TABLE_AS_SELECT";

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_old_or_new_and_never_miss_the_table() {
    let lake = Arc::new(Lake::with_sample().await);
    lake.run_well(json!({})).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (lake, is_over) = (lake.clone(), is_over.clone());
        async move {
            let (mut tables, mut files) = (BTreeSet::new(), BTreeSet::new());
            let query = format!("select sum(ratings) from {}.scifi", lake.database);
            while !is_over.load(Ordering::Relaxed) {
                tables.insert(lake.rows(&query).await.unwrap()[0][0].parse::<i64>().unwrap());
                files.insert(lake.file_rows().await.iter().map(|row| row[3].as_i64().unwrap()).sum::<i64>());
            }
            (tables, files)
        }
    });
    let total = |rows: &[Value]| rows.iter().map(|row| row[3].as_i64().unwrap()).sum::<i64>();
    let mut truths = BTreeSet::from([total(&lake.table_rows().await)]);
    for round in 0..3 {
        lake.put(&format!("ratings/more-{round}.csv"), format!("{RATINGS}700,1,1.5,1\n")).await;
        lake.run_well(json!({})).await;
        truths.insert(total(&lake.table_rows().await));
    }
    is_over.store(true, Ordering::Relaxed);
    let (tables, files) = reader.await.unwrap();
    assert_eq!(truths.len(), 4);
    assert!(tables.len() > 1 && tables.is_subset(&truths), "{tables:?} of {truths:?}");
    assert!(files.len() > 1 && files.is_subset(&truths), "{files:?} of {truths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_runs_at_once_each_publishes_after_the_other() {
    let lake = Lake::with_sample().await;
    lake.fault("hold", "CREATE TABLE", 1);
    let mut executions = Vec::new();
    for _ in 0..3 {
        executions.push(lake.start(&json!({})).await.unwrap());
    }
    lake.until_query(BUILD, "RUNNING").await;
    assert_eq!(lake.queries().await.len(), 1, "the others wait for the lock");
    lake.release_queries();
    for execution in executions {
        let outcome = execution.outcome().await.unwrap();
        assert!(outcome.succeeded(), "{outcome:?}");
    }
    lake.is_published(&sample(), "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_run_leaves_no_query_at_work() {
    let lake = Lake::with_sample().await;
    lake.fault("hold", "CREATE TABLE", 1);
    let execution = lake.start(&json!({})).await.unwrap();
    lake.until_query(BUILD, "RUNNING").await;
    lake.sfn().stop_execution().execution_arn(&execution.arn).send().await.unwrap();
    lake.until_query(BUILD, "CANCELLED").await;
    assert_eq!(lake.queries().await.len(), 1);
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_fails_is_tried_again_three_times_in_all() {
    let lake = Lake::with_sample().await;
    // It leaves files, which no later query reads.
    lake.fault("fail_after_write", "CREATE TABLE", 2);
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "Sci-Fi").await;
    assert_eq!((lake.count(BUILD, "FAILED").await, lake.count(BUILD, "SUCCEEDED").await), (2, 1));

    lake.fault("fail", "CREATE TABLE", 99);
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "TransientFailure");
    assert!(cause.contains("exhausted"), "{cause}");
    assert_eq!(lake.count(BUILD, "FAILED").await, 2 + 3, "retries walk the same chain, and start nothing again");
    lake.release_queries();
    lake.holds(&sample(), "Sci-Fi").await;
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_throttling_and_second_thoughts_start_nothing_twice() {
    let lake = Lake::with_sample().await;
    for (kind, times) in [("lose_answer", 3), ("throttle", 5)] {
        let before = lake.queries().await.len();
        lake.fault(kind, "", times);
        lake.run_well(json!({})).await;
        lake.is_published(&sample(), "Sci-Fi").await;
        assert_eq!(lake.queries().await.len(), before + 3, "{kind}");
    }
    // Athena fails it, and takes it up again by itself.
    let before = lake.queries().await.len();
    lake.fault_for("requeue", "CREATE TABLE", 1.0);
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "Sci-Fi").await;
    assert_eq!(lake.queries().await.len(), before + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_outlives_its_function_needs_no_token() {
    let lake = Lake::with_sample().await;
    // Longer than an invocation waits: the next one asks by the query's id, which has travelled with the state.
    lake.fault_for("slow", "CREATE TABLE", 18.0);
    let execution = lake.start(&json!({})).await.unwrap();
    lake.until_query(BUILD, "RUNNING").await;
    lake.forget_tokens();
    let outcome = execution.outcome().await.unwrap();
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(lake.queries().await.len(), 3);
    lake.is_published(&sample(), "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_query_of_a_function_that_died_makes_nothing_that_stays() {
    let lake = Lake::with_sample().await;
    lake.fault("hold", "CREATE TABLE", 1);
    let execution = lake.start(&json!({})).await.unwrap();
    lake.until_query(BUILD, "RUNNING").await;
    lake.forget_tokens();
    assert!(kill(&lake, "run-query"), "it waits for its query");
    // The same attempt starts another query, for Athena knows of no first one.
    let outcome = execution.outcome().await.unwrap();
    assert!(outcome.succeeded(), "{outcome:?}");
    lake.holds(&sample(), "Sci-Fi").await;
    // The first one makes its table after the run has cleaned up: that is the next run's to do.
    lake.release_queries();
    until("the first query has ended", async || Ok(lake.count(BUILD, "SUCCEEDED").await == 2)).await;
    assert_eq!(lake.tables().await.len(), 4);
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_lock_or_is_older_publishes_nothing() {
    let lake = Lake::with_sample().await;
    lake.fault("hold", "ORDER BY", 1);
    let execution = lake.start(&json!({})).await.unwrap();
    lake.until_query("SELECT", "RUNNING").await;
    let lock = format!("state/{}/lock.json", lake.job);
    let mine = crate::support::read(&lake, &lock).await;
    let theirs = mine.replace(execution.arn.rsplit(':').next().unwrap(), "another");
    assert_ne!(mine, theirs);
    let put = lake.s3().put_object().bucket(&lake.bucket).key(&lock);
    put.body(theirs.clone().into_bytes().into()).send().await.unwrap();
    lake.release_queries();
    let outcome = execution.outcome().await.unwrap();
    assert_eq!(outcome.error.as_deref(), Some("StaleRun"), "{outcome:?}");
    assert!(keys(&lake, lake.export()).await.is_empty());
    assert_eq!(crate::support::read(&lake, &lock).await, theirs, "nor does it take the lock away");
    lake.s3().delete_object().bucket(&lake.bucket).key(&lock).send().await.unwrap();

    // What a run that read its sources later has published stays.
    lake.run_well(json!({})).await;
    lake.redefine("scifi", |table| {
        let parameters = table.parameters.as_mut().unwrap();
        let locked_at = parameters.keys().find(|name| name.ends_with("locked_at")).unwrap().clone();
        parameters.insert(locked_at, "2999-01-01T00:00:00.000Z".to_owned());
    })
    .await;
    lake.put("ratings/more.csv", format!("{RATINGS}700,1,1.5,1\n")).await;
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "StaleRun", "{cause}");
    lake.holds(&sample(), "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_would_read_too_much_is_cut_off() {
    let lake = Lake::with_sample().await;
    // The least limit that there is.
    let workgroup = lake.athena().update_work_group().work_group(&lake.workgroup);
    let limit = aws_sdk_athena::types::WorkGroupConfigurationUpdates::builder();
    let limit = limit.bytes_scanned_cutoff_per_query(10_000_000).build();
    workgroup.configuration_updates(limit).send().await.unwrap();
    let big = format!("{RATINGS}{}", "1,1,4.5,1000000000\n".repeat(550_000));
    lake.put("ratings/big.csv", big).await;
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "Misconfigured", "{cause}");
    assert!(cause.contains("Bytes scanned limit"), "{cause}");
    assert!(keys(&lake, lake.export()).await.is_empty());
}
