//! A run that failed and one that was stopped are in `sluice.runs` after the next one that loads.

use crate::support::*;
use serde_json::json;
use sqlx::Connection;

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_ended_badly_are_in_the_history_after_the_next_load() {
    let stack = fixture_with(vpc_mode()).await;
    sql(&stack, TARGET).await;
    stack.upload("bad.csv", b"no,such,columns\n1,2,3\n".to_vec()).await.unwrap();
    let (error, _) = run_badly(&stack, json!({})).await;
    assert_eq!(error, "InvalidSource");
    stack.upload("bad.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();

    // It waits for the table when it is stopped: in its first state, which only looks, whatever becomes of it.
    let mut holder = stack.connect().await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("lock table pomodoro_day_catg in access exclusive mode").execute(&mut *held).await.unwrap();
    let stopped = stack.start(&json!({})).await.unwrap();
    until("the run waits for the table", async || {
        let mut connection = stack.connect().await?;
        let waits = "select count(*) from pg_locks where relation = 'pomodoro_day_catg'::regclass and not granted";
        Ok(sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut connection).await? > 0)
    })
    .await;
    stack.sfn().stop_execution().execution_arn(&stopped.arn).error("Stopped").send().await.unwrap();
    assert_eq!(stopped.outcome().await.unwrap().status, "ABORTED");
    held.rollback().await.unwrap();

    run_well(&stack, json!({})).await;
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
    let mut connection = stack.connect().await.unwrap();
    let runs: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', status, error, committed_at is not null, ended_at > started_at, files)
         from sluice.runs order by detected_at",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(runs, ["FAILED InvalidSource f t 0", "ABORTED Stopped f t 0", "LOADED t 1"]);
    // And once only, however often they are handed on.
    stack.upload("b.csv", csv(&[("Work", "2", "2024-01-02")])).await.unwrap();
    run_well(&stack, json!({})).await;
    let count = sqlx::query_scalar::<_, i64>("select count(*) from sluice.runs").fetch_one(&mut connection);
    assert_eq!(count.await.unwrap(), 4);
}
