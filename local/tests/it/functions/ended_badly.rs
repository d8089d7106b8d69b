//! Runs that ended badly are written down with a load: once, whatever is handed on how often, and at no cost to it.

use crate::functions::prepared::*;
use crate::functions::upsert::last_run_parts;
use crate::support::*;
use serde_json::{Value, json};
use sqlx::Connection;

/// A run of the fixture's job as detection hands it on.
fn ended(stack: &Fixture, name: &str, status: &str, error: Option<&str>) -> Value {
    json!({"execution": execution(stack, name)["id"], "status": status, "error": error,
           "started_at": "2024-01-31T23:00:00.000Z", "ended_at": "2024-01-31T23:10:00.000Z"})
}

/// A load that hands these on.
fn load(number: u32, ended_badly: Value) -> Run {
    let row = format!("2024-01-{number:02} 1 1");
    let batches = vec![vec![file(&format!("{number}.csv"), number, &[row.as_str()])]];
    Run { ended_badly, ..Run::new(number, &last_run_parts(), batches) }
}

/// The rows of `sluice.runs`: name, status, error, whether it is committed, when it ended.
async fn runs(stack: &Fixture) -> Vec<String> {
    let mut connection = stack.connect().await.unwrap();
    sqlx::query_scalar(
        "select concat_ws(' ', split_part(execution, ':', 8), status, error, committed_at is not null,
                to_char(ended_at at time zone 'utc', 'HH24:MI'), rows_staged)
         from sluice.runs order by detected_at, 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
}

const THREE: [&str; 3] =
    ["bad FAILED InvalidSource f 23:10 0", "late TIMED_OUT f 23:10 0", "stopped ABORTED Stopped f 23:10 0"];

fn three(stack: &Fixture) -> Value {
    json!([
        ended(stack, "bad", "FAILED", Some("InvalidSource")),
        ended(stack, "late", "TIMED_OUT", None),
        ended(stack, "stopped", "ABORTED", Some("Stopped")),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_on_twice_is_written_down_once() {
    let stack = fixture_with(vpc_mode()).await;
    sql(&stack, TARGET).await;
    let first = load(1, three(&stack)).leave(&stack).await;
    let answer = stack.invoke("upsert", &first).await.unwrap().unwrap();
    let loaded = |number: u32| format!("run-{number}-pomodoro-day-catg LOADED t 1");
    let expected = |count: u32| THREE.into_iter().map(ToOwned::to_owned).chain((1..=count).map(loaded));
    assert_eq!(runs(&stack).await, expected(1).collect::<Vec<_>>());
    assert_eq!(stack.invoke("upsert", &first).await.unwrap().unwrap(), answer, "the same run once more");
    // And the next one, to which an error's name got lost.
    let mut again = three(&stack);
    again[0]["error"] = Value::Null;
    load(2, again).load(&stack).await.unwrap();
    assert_eq!(runs(&stack).await, expected(2).collect::<Vec<_>>());
    assert_eq!(rows_of(&stack, "pomodoro_day_catg").await.len(), 2);
}

/// What was not known when a run was written down is filled in by the next load that knows it, and by no other run's.
#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_an_error_comes_later() {
    let stack = fixture_with(vpc_mode()).await;
    sql(&stack, TARGET).await;
    let both =
        |bad: Option<&str>| json!([ended(&stack, "bad", "FAILED", bad), ended(&stack, "stopped", "ABORTED", None)]);
    load(1, both(None)).load(&stack).await.unwrap();
    let loaded = |number: u32| format!("run-{number}-pomodoro-day-catg LOADED t 1");
    assert_eq!(
        runs(&stack).await,
        ["bad FAILED f 23:10 0".to_owned(), "stopped ABORTED f 23:10 0".to_owned(), loaded(1)]
    );
    // The name was used again after 90 days: that is another run, whose error is not this one's.
    let mut other = ended(&stack, "bad", "FAILED", Some("Other"));
    (other["started_at"], other["ended_at"]) = (json!("2024-05-31T23:00:00.000Z"), json!("2024-05-31T23:10:00.000Z"));
    load(2, json!([other])).load(&stack).await.unwrap();
    load(3, both(Some("InvalidSource"))).load(&stack).await.unwrap();
    load(4, both(Some("NotThisOne"))).load(&stack).await.unwrap();
    let mut now = runs(&stack).await;
    now.retain(|run| !run.contains("LOADED"));
    assert_eq!(now, ["bad FAILED InvalidSource f 23:10 0", "stopped ABORTED f 23:10 0", "bad FAILED Other f 23:10 0"]);
}

/// A run that has loaded, and failed behind that: its row says so then, and keeps its counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_behind_its_load_is_told() {
    let stack = fixture_with(vpc_mode()).await;
    sql(&stack, TARGET).await;
    load(1, json!([])).load(&stack).await.unwrap();
    let mut after = ended(&stack, "run-1-pomodoro-day-catg", "FAILED", Some("TransientFailure"));
    after["started_at"] = json!("2024-01-01T00:00:00.000Z");
    load(2, json!([after])).load(&stack).await.unwrap();
    let expected = ["run-1-pomodoro-day-catg FAILED TransientFailure t 23:10 1", "run-2-pomodoro-day-catg LOADED t 1"];
    assert_eq!(runs(&stack).await, expected);
    // A name that is used again after 90 days is another run.
    after["started_at"] = json!("2024-05-01T00:00:00.000Z");
    load(3, json!([after])).load(&stack).await.unwrap();
    assert_eq!(runs(&stack).await.len(), 4);
    assert_eq!(runs(&stack).await[0], expected[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_handed_on_the_run_loads() {
    let stack = fixture_with(vpc_mode()).await;
    sql(&stack, TARGET).await;
    let own = ended(&stack, "run-3-pomodoro-day-catg", "FAILED", None);
    let mut other = ended(&stack, "other", "FAILED", None);
    other["execution"] = json!("arn:aws:states:us-east-1:000000000000:execution:other:x");
    let mut nasty = ended(&stack, "nasty", "FAILED", Some("x'); drop table sluice.runs; --\u{0}\n"));
    nasty["cause"] = json!("a row's value");
    let wrong = [json!(null), json!("x"), json!([own, other, nasty, 7, {"execution": "x"}])];
    for (number, ended_badly) in (1..).zip(wrong) {
        load(number, ended_badly).load(&stack).await.unwrap();
    }
    let runs = runs(&stack).await;
    assert_eq!(runs.len(), 4, "{runs:?}");
    assert_eq!(runs[0], "nasty FAILED x'); drop table sluice.runs; -- f 23:10 0");

    // A table that takes no such rows: whoever looks after it may have said so.
    sql(&stack, "alter table sluice.runs add check (status <> 'ABORTED')").await;
    load(4, three(&stack)).load(&stack).await.unwrap();
    assert_eq!(rows_of(&stack, "pomodoro_day_catg").await.len(), 4);
    sql(&stack, "alter table sluice.runs drop constraint runs_status_check").await;
    load(5, three(&stack)).load(&stack).await.unwrap();
    assert_eq!(self::runs(&stack).await.len(), 4 + 2 + 3, "left to the next load");
}

/// It orders nothing: a run is overtaken by what has loaded alone, and a table is whose that loaded it.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_did_not_load_overtakes_none() {
    let stack = fixture_with(vpc_mode()).await;
    sql(&stack, TARGET).await;
    let mut later = ended(&stack, "later", "FAILED", None);
    (later["started_at"], later["ended_at"]) = (json!("2024-03-01T00:00:00.000Z"), json!("2024-03-01T00:00:01.000Z"));
    load(1, json!([later])).load(&stack).await.unwrap();
    load(2, json!([])).load(&stack).await.expect("it detected before the other one was started");
    assert_eq!(runs(&stack).await.len(), 3);
}

/// The connection is cut when the rows are written and nothing is committed: none of it is there, and the next attempt
/// writes all of it once.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_dies_leaves_none_and_the_next_attempt_writes_them_once() {
    let stack = fixture_with(vpc_mode()).await;
    sql(&stack, TARGET).await;
    load(1, json!([])).load(&stack).await.unwrap();
    sql(
        &stack,
        "create function wait() returns trigger language plpgsql as
             $$ begin perform pg_advisory_xact_lock(4711); return null; end $$;
         create trigger wait after insert on sluice.runs
             for each row when (new.committed_at is null) execute function wait()",
    )
    .await;
    let mut holder = stack.connect().await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(4711)").execute(&mut *held).await.unwrap();
    let payload = load(2, three(&stack)).leave(&stack).await;
    let cut = async {
        until("the load waits, and is cut", async || {
            let mut connection = stack.connect().await?;
            let cut: Vec<bool> = sqlx::query_scalar(
                "select pg_terminate_backend(pid) from pg_locks
                 where locktype = 'advisory' and objid = 4711 and not granted
                   and database = (select oid from pg_database where datname = current_database())",
            )
            .fetch_all(&mut connection)
            .await?;
            Ok(!cut.is_empty())
        })
        .await;
    };
    let (answer, ()) = tokio::join!(stack.invoke("upsert", &payload), cut);
    let (error, cause) = answer.unwrap().unwrap_err();
    assert_eq!(error, "TransientFailure", "{cause}");
    assert_eq!(runs(&stack).await.len(), 1);
    assert_eq!(rows_of(&stack, "pomodoro_day_catg").await.len(), 1);
    held.rollback().await.unwrap();
    stack.invoke("upsert", &payload).await.unwrap().unwrap();
    stack.invoke("upsert", &payload).await.unwrap().unwrap();
    assert_eq!(runs(&stack).await.len(), 5);
    assert_eq!(rows_of(&stack, "pomodoro_day_catg").await.len(), 2);
}
