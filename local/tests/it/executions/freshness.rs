//! The daily check behind the alarm `NoSuccess`.

use crate::support::*;
use local::execution::Execution;
use serde_json::json;

/// Runs the check of the deployment's job; returns the state that it ends in.
async fn check(stack: &Fixture) -> String {
    let machine = format!("{}-freshness-check", stack.state_machine_arn);
    let started = stack.sfn().start_execution().state_machine_arn(machine).input("{}").send().await.unwrap();
    let outcome = Execution::new(stack.sfn(), started.execution_arn).outcome().await.unwrap();
    outcome.last_state().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_job_and_one_that_succeeded_are_fresh_and_others_are_not() {
    let within = async |days: &str| {
        let mut options = vpc_mode();
        options.parameters.insert("DaysWithoutSuccess", days.to_owned());
        fixture_with(options).await
    };
    let patient = within("1").await;
    assert_eq!(check(&patient).await, "Fresh", "nothing has run yet, but it is new");
    run_well(&patient, json!({})).await;
    assert_eq!(check(&patient).await, "Fresh");
    // A tenth of a millisecond, which has passed since.
    let impatient = within("0.000000001").await;
    assert_eq!(check(&impatient).await, "Stale");
    run_well(&impatient, json!({})).await;
    assert_eq!(check(&impatient).await, "Stale");
}
