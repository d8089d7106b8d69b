//! An uploaded object starts an execution by itself.

use crate::support::*;
use local::deployment::Options;
use local::execution::Execution;

#[tokio::test(flavor = "multi_thread")]
async fn uploads_start_executions_that_load_each_file_once() {
    let stack = fixture_with(Options { s3_trigger: true, ..Options::default() }).await;
    let names = ["a b.csv", "a+b.csv", "a%2Bb.csv", "'\"😀.csv"];
    for (day, name) in names.iter().enumerate() {
        stack.upload(name, csv(&[("Work", "1", &format!("2024-01-{:02}", day + 1))])).await.unwrap();
    }
    stack.upload("ignored.txt", b"x".to_vec()).await.unwrap();
    // One per object at the most, the ignored one included, and one more for each that was left to another.
    let executions = async || -> Result<Vec<_>, local::BoxError> {
        let listed = stack.sfn().list_executions().state_machine_arn(&stack.state_machine_arn).send().await?;
        Ok(listed.executions)
    };
    until("every file is loaded, and no run is at work", async || {
        let have_ended = executions().await?.iter().all(|item| item.stop_date.is_some());
        Ok(have_ended
            && table(&stack).await.len() == names.len()
            && executions().await?.iter().all(|item| item.stop_date.is_some()))
    })
    .await;
    let mut new_files = 0;
    for item in executions().await.unwrap() {
        let outcome = Execution::new(stack.sfn(), item.execution_arn).outcome().await.unwrap();
        assert!(outcome.succeeded(), "{}", local::report::failure(&outcome));
        new_files += outcome.counts["new_file_count"].as_u64().unwrap();
    }
    assert_eq!(new_files, names.len() as u64);
    assert_eq!(table(&stack).await.len(), names.len());
    assert!(!stack.is_database_public().await.unwrap());
}
