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
    until("an execution per file has ended", async || {
        let listed = stack.sfn().list_executions().state_machine_arn(&stack.state_machine_arn).send().await?;
        Ok(listed.executions.len() == names.len() && listed.executions.iter().all(|item| item.stop_date.is_some()))
    })
    .await;
    let listed = stack.sfn().list_executions().state_machine_arn(&stack.state_machine_arn).send().await.unwrap();
    let mut new_files = 0;
    for item in listed.executions {
        let outcome = Execution::new(stack.sfn(), item.execution_arn).outcome().await.unwrap();
        assert!(outcome.succeeded(), "{}", local::report::failure(&outcome));
        new_files += outcome.counts["new_file_count"].as_u64().unwrap();
    }
    assert_eq!(new_files, names.len() as u64);
    assert_eq!(table(&stack).await.len(), names.len());
    assert!(!stack.is_database_public().await.unwrap());
}
