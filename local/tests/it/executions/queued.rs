//! Few runs, however many files arrive: the events that a pipe would hand on, in batches of whatever size it makes.

use crate::support::*;
use local::execution::Execution;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FILES: u64 = 200;
const EVENTS: u64 = 10_000;

/// Did an attempt of one of its states end in `LockHeld`?
async fn has_waited(stack: &Fixture, arn: &str) -> bool {
    let history = stack.sfn().get_execution_history().execution_arn(arn).max_results(1_000).send().await.unwrap();
    let failures = history.events.iter().filter_map(|event| event.task_failed_event_details());
    let has_waited = failures.filter_map(|failed| failed.error()).any(|error| error == "LockHeld");
    assert!(history.next_token.is_none(), "all of it was read");
    has_waited
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_the_lock_is_seen_to_do_so() {
    let stack = fixture_with(vpc_mode()).await;
    let mut owner = detection(&stack, "owner");
    owner["execution"]["started_at"] = json!(sluice::time::format_time(std::time::SystemTime::now().into()));
    stack.invoke("detect-new-files", &owner).await.unwrap().unwrap();
    let execution = stack.start(&json!({})).await.unwrap();
    until("it has met the lock", async || Ok(has_waited(&stack, &execution.arn).await)).await;
    let release = json!({"action": "release", "execution": owner["execution"]});
    stack.invoke("detect-new-files", &release).await.unwrap().unwrap();
    assert!(execution.outcome().await.unwrap().succeeded());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_make_tens_of_runs_and_lose_no_file() {
    let stack = fixture_with(vpc_mode()).await;
    let mut random = Random::new(1);
    let (mut sent, mut uploaded, mut executions) = (0, 0, Vec::new());
    // A pipe polls its queue from several sides at once, each of which closes its own batch. Files arrive all the
    // while: an event comes after its file.
    while sent < EVENTS {
        let batch = (1 + random.below(800)).min(EVENTS - sent);
        while uploaded * EVENTS < (sent + batch) * FILES {
            let day = format!("2024-{:02}-{:02}", uploaded / 28 + 1, uploaded % 28 + 1);
            stack.upload(&format!("{uploaded:03}.csv"), csv(&[("Work", "1", &day)])).await.unwrap();
            uploaded += 1;
        }
        sent += batch;
        let events = vec![json!({"upload": true}); usize::try_from(batch).unwrap()];
        executions.push(stack.start(&Value::Array(events)).await.unwrap());
    }
    assert_eq!(uploaded, FILES);
    let started = executions.len();
    for execution in executions {
        let outcome = execution.outcome().await.unwrap();
        assert!(outcome.succeeded(), "{}", local::report::failure(&outcome));
    }
    // Those that were started for a mark, too.
    until("all runs have ended", async || {
        let listed = stack.sfn().list_executions().state_machine_arn(&stack.state_machine_arn).send().await?;
        Ok(listed.executions.iter().all(|item| item.stop_date.is_some()))
    })
    .await;
    let listed = stack.sfn().list_executions().state_machine_arn(&stack.state_machine_arn).send().await.unwrap();
    let mut ends = BTreeMap::<String, usize>::new();
    for item in &listed.executions {
        let outcome = Execution::new(stack.sfn(), item.execution_arn.clone()).outcome().await.unwrap();
        assert!(outcome.succeeded(), "{}", local::report::failure(&outcome));
        assert!(!has_waited(&stack, &item.execution_arn).await, "nobody waits for the lock");
        *ends.entry(outcome.last_state().to_owned()).or_default() += 1;
    }
    eprintln!("{EVENTS} events in {started} batches: {ends:?}");
    assert_eq!(table(&stack).await.len() as u64, FILES, "no file is lost");
    assert!(listed.executions.len() <= 2 * started + 1, "{ends:?}");
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
}
