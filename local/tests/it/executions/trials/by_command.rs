//! The cases that are commands, each as its `commands.txt` has it.

use super::upload_sample;
use crate::support::*;
use local::deployment::{Deployment, Options};
use local::template;
use serde_json::json;

/// How many days the sample has, and its sums.
const SAMPLE: (usize, &str) = (84, "3594.36666667 12201.00000003");

/// How many rows the target has, and the sums of its columns.
async fn sums(deployment: &Deployment, table: &str) -> (usize, String) {
    let mut connection = deployment.connect().await.unwrap();
    let (count, sums): (i64, String) = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select count(*), concat_ws(' ', trim_scale(sum(learning_minutes)), trim_scale(sum(work_minutes))) from {table}"
    )))
    .fetch_one(&mut connection)
    .await
    .unwrap();
    (usize::try_from(count).unwrap(), sums)
}

fn sample() -> (usize, String) {
    (SAMPLE.0, SAMPLE.1.to_owned())
}

/// Case `sample-forget`: January and February share a day.
#[tokio::test(flavor = "multi_thread")]
async fn sample_forget() {
    let stack = fixture().await;
    upload_sample(&stack).await;
    run_well(&stack, json!({})).await;
    assert_eq!(sums(&stack, "pomodoro_day_catg").await, sample());
    let again = run_well(&stack, json!({"forget": ["input_data/sessions-2024-01.csv"]})).await;
    assert_eq!(again.counts["new_file_count"], 1);
    assert_eq!(sums(&stack, "pomodoro_day_catg").await, sample());
}

/// Case `target-renamed`: another table, and one that was emptied or dropped: all files are loaded into what does not
/// have them.
#[tokio::test(flavor = "multi_thread")]
async fn target_renamed() {
    let stack = fixture().await;
    upload_sample(&stack).await;
    run_well(&stack, json!({})).await;
    let spec = vec![(r#""table": "pomodoro_day_catg""#, r#""table": "my_days""#)];
    let toggle = Options { spec: spec.clone(), ..Options::default() };
    let renamed = stack.stack.deploy(&stack.name, &toggle).await.unwrap();
    assert_eq!(run_well(&renamed, json!({})).await.counts["new_file_count"], 3);
    assert_eq!(sums(&stack, "my_days").await, sample());
    assert_eq!(run_well(&renamed, json!({})).await.last_state(), "NothingToDo");

    // In vpc mode the next run sees that the table was emptied, in toggle mode the next one that loads.
    let asked = stack.stack.deploy(&stack.name, &Options { spec, ..vpc_mode() }).await.unwrap();
    assert_eq!(run_well(&asked, json!({})).await.last_state(), "NothingToDo");
    sql(&stack, "truncate my_days").await;
    run_well(&asked, json!({})).await;
    assert_eq!(sums(&stack, "my_days").await, sample());
    sql(&stack, "drop table my_days").await;
    let renamed = stack.stack.deploy(&stack.name, &toggle).await.unwrap();
    renamed.upload("later.csv", csv(&[("Work", "1", "2025-01-01")])).await.unwrap();
    let outcome = run_well(&renamed, json!({})).await;
    assert_eq!(outcome.counts["upsert"]["files"], 4, "{:?}", outcome.counts);
    assert_eq!(sums(&stack, "my_days").await.0, SAMPLE.0 + 1);
    assert!(!renamed.is_database_public().await.unwrap());
}

/// Case `prefix-changed`: files are read from the new prefix, and what was loaded from the old one is not passed over
/// in silence.
#[tokio::test(flavor = "multi_thread")]
async fn prefix_changed() {
    let stack = fixture_with(vpc_mode()).await;
    upload_sample(&stack).await;
    run_well(&stack, json!({})).await;
    let mut root = template::root().unwrap();
    root["Resources"]["Pomodoro"]["Properties"]["Parameters"]["Prefix"] = json!("landing/");
    let job = template::jobs(&root, "").unwrap().into_iter().find(|job| job.prefix() == "landing/").unwrap();
    let changed = template::flatten(root).unwrap();
    let changed = stack.stack.deploy_template(&stack.name, &vpc_mode(), changed).await.unwrap().of_job(&job);
    changed.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let (error, cause) = run_badly(&changed, json!({})).await;
    assert_eq!(error, "Misconfigured");
    assert!(
        cause.contains("selected: 3,") && cause.contains("sessions-2024-01.csv") && cause.contains("reload"),
        "{cause}"
    );
    assert_eq!(sums(&stack, "pomodoro_day_catg").await, sample());
    run_well(&changed, json!({"reload": true})).await;
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
    assert_eq!(run_well(&changed, json!({})).await.last_state(), "NothingToDo");
}

/// Case `own-table-with-a-note`: a table of one's own, with columns that the job knows nothing about.
#[tokio::test(flavor = "multi_thread")]
async fn own_table_with_a_note() {
    let stack = fixture().await;
    sql(
        &stack,
        "create table pomodoro_day_catg (date date primary key, learning_minutes numeric not null,
             work_minutes numeric not null, note text, updated_at timestamptz default now())",
    )
    .await;
    upload_sample(&stack).await;
    run_well(&stack, json!({})).await;
    assert_eq!(sums(&stack, "pomodoro_day_catg").await, sample());
    let mut connection = stack.connect().await.unwrap();
    let shown = local::report::table(&mut connection, &reference_job().spec).await.unwrap();
    assert!(shown.contains("84 rows") && shown.contains("3594.36666667"), "{shown}");
}

/// Case `zero-bytes-in-its-place`: an upload without a byte starts a run like any other.
#[tokio::test(flavor = "multi_thread")]
async fn zero_bytes_in_its_place() {
    let stack = fixture_with(Options { s3_trigger: true, ..vpc_mode() }).await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    until("the day is there", async || Ok(table(&stack).await == ["2024-01-01 0 1"])).await;
    stack.upload("a.csv", Vec::new()).await.unwrap();
    until("the day is gone", async || Ok(table(&stack).await.is_empty())).await;
}
