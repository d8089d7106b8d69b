//! Two jobs share a database in toggle mode: whatever the order in which their runs come and go, the one that loads has
//! it.

use crate::faults::proxies::{Action, Fault, Faults, Moment, Place};
use crate::support::*;
use local::deployment::{Deployment, Options};
use serde_json::{Value, json};
use std::time::Duration;

/// An execution that is running as far as Step Functions knows: one of the reference job that waits for a lock of the
/// database.
struct Waiting {
    execution: local::execution::Execution,
    _transaction: sqlx::PgConnection,
}

async fn call(deployment: &Deployment, action: &str, execution: &Value) -> Value {
    let payload = json!({"action": action, "execution": execution});
    invoke(deployment, "database-access", &payload).await.unwrap().unwrap()
}

/// Makes a run of the deployment load, and wait.
async fn waiting(deployment: &Deployment) -> Waiting {
    sql(deployment, TARGET).await;
    let mut connection = deployment.connect().await.unwrap();
    sqlx::raw_sql("begin; lock table pomodoro_day_catg in exclusive mode").execute(&mut connection).await.unwrap();
    deployment.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let execution = deployment.start(&json!({})).await.unwrap();
    until("the run loads", async || waits_for_lock(deployment).await).await;
    Waiting { execution, _transaction: connection }
}

/// The `execution` of a payload for one that really runs.
async fn running(deployment: &Deployment, waiting: &Waiting) -> Value {
    let name = waiting.execution.arn.rsplit(':').next().unwrap();
    execution(deployment, name)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_run_that_needs_it_closes_the_database() {
    let stack = fixture().await;
    let (first, second) = (execution(&stack, "first"), execution(&stack, "second"));
    let held = waiting(&stack).await;
    assert!(stack.is_database_public().await.unwrap());
    let leases = keys(&stack, "state/database-access/").await;
    assert_eq!(leases.len(), 1, "{leases:?}");
    assert!(leases[0].contains(&format!("/{}-pomodoro/", stack.name)), "{leases:?}");

    // Two others come and go; none of them closes what the first one needs.
    call(&stack, "open", &first).await;
    call(&stack, "open", &second).await;
    assert_eq!(call(&stack, "close", &first).await, json!({"public": true}));
    assert_eq!(call(&stack, "close", &second).await, json!({"public": true}));
    let watch = stack.invoke("database-access", &json!({"action": "close_leftover"})).await.unwrap().unwrap();
    assert_eq!(watch, json!({"public": true}), "nor does the watchdog");
    assert!(stack.is_database_public().await.unwrap());

    // Somebody else has closed it: the run that waits opens it again.
    let rds = aws_sdk_rds::Client::new(&stack.config);
    let close = rds.modify_db_instance().db_instance_identifier(&stack.database_instance).publicly_accessible(false);
    close.send().await.unwrap();
    let now = sluice::time::format_time(std::time::SystemTime::now().into());
    let status =
        json!({"action": "status", "execution": running(&stack, &held).await, "opened_at": now, "available_checks": 1});
    let answer = stack.invoke("database-access", &status).await.unwrap().unwrap();
    assert_eq!(answer, json!({"reachable": false, "available_checks": 0}));
    assert!(stack.is_database_public().await.unwrap());

    let Waiting { execution, _transaction: transaction } = held;
    drop(transaction);
    assert!(execution.outcome().await.unwrap().succeeded());
    assert!(!stack.is_database_public().await.unwrap());
    assert!(keys(&stack, "state/database-access/").await.is_empty());
}

/// What an aborted execution left is no reason to leave the database public: by the rule on its end, or by the
/// watchdog. By hand there is no execution, and so no lease; what cannot be read, or names no execution, keeps nothing
/// open either.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_opened_by_hand_is_closed_by_the_watchdog() {
    let stack = fixture().await;
    let database_access = async |payload: Value| stack.invoke("database-access", &payload).await.unwrap().unwrap();
    database_access(json!({"action": "open"})).await;
    assert!(stack.is_database_public().await.unwrap());
    assert!(keys(&stack, "state/database-access/").await.is_empty());
    let folder = format!("state/database-access/{}/m", stack.database_instance);
    put_json(&stack, &format!("{folder}/text.json"), &json!("x")).await;
    let lease = json!({"execution": "nothing", "started_at": "2024-01-01T00:00:00.000Z"});
    put_json(&stack, &format!("{folder}/other.json"), &lease).await;
    assert_eq!(database_access(json!({"action": "close_leftover"})).await, json!({"public": false}));
    assert!(!stack.is_database_public().await.unwrap());
    database_access(json!({"action": "open"})).await;
    assert_eq!(database_access(json!({"action": "close"})).await, json!({"public": false}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_an_execution_that_was_stopped_keeps_nothing_open() {
    let stack = fixture().await;
    let held = waiting(&stack).await;
    stack.sfn().stop_execution().execution_arn(&held.execution.arn).send().await.unwrap();
    until("the rule has closed the database", async || {
        Ok(!stack.is_database_public().await? && keys(&stack, "state/database-access/").await.is_empty())
    })
    .await;
}

/// One run looks who needs the database, finds nobody, and is stopped right there; then another one says that it needs
/// it, and finds it public. When the first one goes on, it closes, looks again, and opens.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_leases_between_listing_and_modifying_gets_its_database_back() {
    let (faults, stack) = Faults::with_stack().await;
    let deployment = stack.deploy("leases", &Options::default()).await.unwrap();

    let leaving = execution(&deployment, "leaving");
    call(&deployment, "open", &leaving).await;
    // From here on the instance is not modified until the fault is disarmed.
    let place = Place::Named("database-access ModifyDBInstance".to_owned());
    let fault = Fault { place, moment: Moment::Before, action: Action::Hold, times: 1 };
    faults.arm(&deployment.name, Some(fault));
    let closing = call(&deployment, "close", &leaving);
    let coming = async {
        until("the first one has listed", async || Ok(faults.struck(&deployment.name).is_some())).await;
        // Of another job, which shares the instance.
        let mut coming = execution(&deployment, "coming");
        coming["job"] = json!("sales");
        for field in ["id", "state_machine"] {
            coming[field] = json!(coming[field].as_str().unwrap().replace("-pomodoro", "-sales"));
        }
        // Not known yet, so it may be running.
        coming["started_at"] = json!(sluice::time::format_time(std::time::SystemTime::now().into()));
        let opened = call(&deployment, "open", &coming).await;
        assert_eq!(opened["was_public"], true, "it finds it public");
        faults.release(&deployment.name);
        coming
    };
    let (closed, coming) =
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(closing, coming) }).await.unwrap();
    assert_eq!(closed, json!({"public": true}), "it was opened again");
    assert!(deployment.is_database_public().await.unwrap());
    assert_eq!(call(&deployment, "close", &coming).await, json!({"public": false}));
    assert!(!deployment.is_database_public().await.unwrap());
}
