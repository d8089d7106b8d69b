//! The same thing twice at once, many times over: no deadlock, no lost file, no double count.

use crate::functions::upsert;
use crate::support::*;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};

/// How often each race is run; `SLUICE_SEEDS` gives other numbers.
const ROUNDS: u64 = 60;

fn day(number: u64) -> String {
    format!("2024-{:02}-{:02}", number / 28 + 1, number % 28 + 1)
}

/// Leaves what pivot would of one batch, the days in this order, and returns the payload that loads it.
async fn prepared(
    stack: &Fixture,
    name: &str,
    detected_at: &str,
    days: impl Iterator<Item = u64>,
    value: u64,
) -> Value {
    let rows: Vec<String> = days.map(|number| format!("{},0,{value}\n", day(number))).collect();
    upsert::prepared(stack, name, detected_at, &[&rows.concat()]).await
}

fn time(round: u64, millisecond: u64) -> String {
    format!("2024-01-01T{:02}:{:02}:00.{millisecond:03}Z", round / 60, round % 60)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_into_one_table_in_opposite_orders_never_deadlock() {
    let stack = fixture().await;
    for round in seeds(ROUNDS) {
        let older = prepared(&stack, &format!("older-{round}"), &time(round, 1), 0..40, round * 2).await;
        let newer = prepared(&stack, &format!("newer-{round}"), &time(round, 2), (0..40).rev(), round * 2 + 1).await;
        let (first, second) = tokio::join!(stack.invoke("upsert", &older), stack.invoke("upsert", &newer));
        // Whichever comes second is told what is loaded, or that it is overtaken.
        let mut told = 0;
        if let Err((error, cause)) = first.unwrap().map(|answer| told += u32::from(!answer["record"].is_null())) {
            assert_eq!(error, "StaleRun", "round {round}: {cause}");
        }
        let answer = second.unwrap().unwrap();
        told += u32::from(!answer["record"].is_null());
        assert!(told <= 1, "round {round}: one of the two is loaded");
        if !answer["record"].is_null() {
            let newer = prepared(&stack, &format!("again-{round}"), &time(round, 3), 0..40, round * 2 + 1).await;
            assert!(stack.invoke("upsert", &newer).await.unwrap().unwrap()["record"].is_null(), "round {round}");
        }
        let rows = table(&stack).await;
        assert_eq!(rows.len(), 40);
        assert!(rows.iter().all(|row| row.ends_with(&format!(" {}", round * 2 + 1))), "round {round}: {rows:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tool_that_writes_in_the_order_of_the_keys_never_deadlocks_with_a_load() {
    let stack = fixture().await;
    // So that rows are grouped by hashing, as large ones are: their order is then the statement's own doing.
    sql(&stack, "do $$ begin execute format('alter database %I set enable_sort = off', current_database()); end $$")
        .await;
    let first = prepared(&stack, "first", "2024-01-01T00:00:00.000Z", 0..200, 1).await;
    stack.invoke("upsert", &first).await.unwrap().unwrap();
    let mut other = stack.connect().await.unwrap();
    let update = |number| {
        let update = format!("update pomodoro_day_catg set learning_minutes = 1 where date = '{}'", day(number));
        sqlx::query(AssertSqlSafe(update))
    };
    for round in 0..5 {
        let payload = prepared(&stack, &format!("run-{round}"), &time(round, 3), (0..200).rev(), round + 2).await;
        let mut transaction = other.begin().await.unwrap();
        // It holds a row in the middle; the load locks what comes before that, and waits. What comes after is free, if
        // the load goes by the keys too.
        update(100).execute(&mut *transaction).await.unwrap();
        let load = stack.invoke("upsert", &payload);
        let write = async {
            until("the load waits", async || waits_for_lock(&stack).await).await;
            for number in 101..200 {
                update(number).execute(&mut *transaction).await?;
            }
            transaction.commit().await
        };
        let (loaded, written) = tokio::join!(load, write);
        written.unwrap_or_else(|error| panic!("round {round}, the other tool: {error}"));
        loaded.unwrap().unwrap_or_else(|error| panic!("round {round}, the load: {error:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_loaded_twice_at_once_is_loaded_once() {
    let stack = fixture().await;
    // Whatever the database's own habit is.
    sql(
        &stack,
        "do $$ begin execute format('alter database %I set default_transaction_isolation = ''repeatable read''', \
         current_database()); end $$",
    )
    .await;
    for round in seeds(ROUNDS) {
        let payload = prepared(&stack, &format!("run-{round}"), &time(round, 1), 0..5, round + 1).await;
        let (first, second) = tokio::join!(stack.invoke("upsert", &payload), stack.invoke("upsert", &payload));
        let (first, second) = (first.unwrap().unwrap(), second.unwrap().unwrap());
        assert_eq!(first, second, "round {round}: the second one finds what the first one recorded");
        let written = [&first["rows_inserted"], &first["rows_updated"]].map(|count| count.as_u64().unwrap());
        assert_eq!(written.iter().sum::<u64>(), 5, "round {round}");
    }
    let mut connection = stack.connect().await.unwrap();
    let runs: i64 = sqlx::query_scalar("select count(*) from sluice.runs").fetch_one(&mut connection).await.unwrap();
    let rounds = seeds(ROUNDS);
    assert_eq!(u64::try_from(runs).unwrap(), rounds.end - rounds.start);
}

/// The lock of an owner that died is taken by one of two that want it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_has_one_owner() {
    let stack = fixture().await;
    let lock = sluice::contract::keys::lock(&stack.job);
    for round in seeds(ROUNDS) {
        if round % 2 == 0 {
            let dead = execution(&stack, &format!("dead-{round}"));
            put_json(&stack, &lock, &json!({"owner": dead["id"], "started_at": dead["started_at"]})).await;
        } else {
            stack.s3().delete_object().bucket(&stack.bucket).key(&lock).send().await.unwrap();
        }
        let inputs = ["a", "b"].map(|name| {
            let mut input = detection(&stack, &format!("{name}-{round}"));
            // Not known yet, so neither takes the other one for dead.
            let now = sluice::time::format_time(std::time::SystemTime::now().into());
            input["execution"]["started_at"] = json!(now);
            input
        });
        let (first, second) =
            tokio::join!(stack.invoke("detect-new-files", &inputs[0]), stack.invoke("detect-new-files", &inputs[1]));
        let outcomes = [first.unwrap(), second.unwrap()];
        let winners = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(winners, 1, "round {round}: {outcomes:?}");
        for (error, cause) in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(error, "LockHeld", "round {round}: {cause}");
        }
    }
}

/// A redrive runs the failed state again with the input that it had.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_execution_that_is_redriven_after_a_newer_success_changes_nothing() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    sql(&stack, "create table pomodoro_day_catg (date date not null unique, work_minutes numeric not null)").await;
    let old = stack.start(&json!({})).await.unwrap();
    assert_eq!(old.outcome().await.unwrap().error.as_deref(), Some("Misconfigured"), "a column is missing");
    let manifest = old.output_of("DetectNewFiles").await.unwrap()["detected"]["manifest"].take();
    let name = old.arn.rsplit(':').next().unwrap().to_owned();
    let redriven = with_spec(json!({"execution": execution(&stack, &name), "manifest": manifest}));

    sql(&stack, "alter table pomodoro_day_catg add column learning_minutes numeric not null default 0").await;
    stack.upload("a.csv", csv(&[("Work", "2", "2024-01-01")])).await.unwrap();
    run_well(&stack, json!({})).await;
    let (error, cause) = stack.invoke("upsert", &redriven).await.unwrap().unwrap_err();
    assert_eq!(error, "StaleRun", "{cause}");
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
    let mut connection = stack.connect().await.unwrap();
    let minutes: String = sqlx::query_scalar("select work_minutes::text from pomodoro_day_catg")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(minutes, "2");
}
