//! Ranges of days, side by side, at both isolation levels; twins; lost answers.

use crate::lab::*;
use load_redshift::handler::Output;
use redshift::warehouse::State;
use serde_json::json;
use sluice::contract::mysql_to_redshift::{LoadInput, LoadRedshiftInput, PlanExportEvent};
use sluice::{Kind, Result};
use std::sync::Arc;
use std::time::Duration;

/// All windows of a run at the same time, as a wide Map does.
async fn at_once(lab: &Arc<Lab>, run: Arc<Run>) -> Vec<Result<()>> {
    let mut tasks = Vec::new();
    for window in run.output.windows.clone() {
        let (lab, run) = (lab.clone(), run.clone());
        tasks.push(tokio::spawn(async move {
            let export = lab.export(&run, window.index).await?;
            // What may pass is tried again, as the state machine does.
            loop {
                match lab.load(&run, window.index, &export).await {
                    Err(error) if error.kind() == Kind::TransientFailure => continue,
                    done => return done,
                }
            }
        }));
    }
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_loaded_side_by_side_and_twice() {
    for isolation in ["snapshot", "serializable"] {
        let lab = Arc::new(Lab::new().await);
        lab.settings(json!({"isolation": isolation}));
        lab.make_nps(216).await;
        for mode in ["upsert", "replace_window"] {
            let days = json!({"from": "2018-07-01", "to": "2018-07-07"});
            let mut written = Vec::new();
            for _ in 0..2 {
                let run = Arc::new(lab.plan(&lab.nps(mode), days.clone()).await.unwrap());
                assert_eq!(run.output.window_count, 6);
                for result in at_once(&lab, run.clone()).await {
                    result.unwrap_or_else(|error| panic!("{isolation} {mode}: {error:?}"));
                }
                let counts = lab.conclude(&run).await.unwrap().counts;
                written.push([counts.rows_inserted, counts.rows_deleted, counts.rows_unchanged]);
                lab.assert_nps_equal().await;
            }
            assert_eq!(written[1], [0, 0, 216], "{isolation} {mode}: {written:?}");
            lab.in_redshift("delete from nps").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_of_one_day_leave_each_row_once() {
    let lab = Arc::new(Lab::new().await);
    lab.settings(json!({"isolation": "snapshot"}));
    lab.make_nps(36).await;
    let day = json!({"from": "2018-07-01", "to": "2018-07-02"});
    // None of the tables is there: each finds that, and makes them.
    let parts = lab.nps("upsert");
    let plan = || lab.plan(&parts, day.clone());
    let (one, two, three) = tokio::join!(plan(), plan(), plan());
    let mut twins = Vec::new();
    for run in [one, two, three] {
        let (lab, run) = (lab.clone(), Arc::new(run.unwrap()));
        twins.push(tokio::spawn(async move { at_once(&lab, run).await.remove(0) }));
    }
    let mut loaded = 0;
    for twin in twins {
        match twin.await.unwrap() {
            Ok(()) => loaded += 1,
            // Its rows were read before those of one that is in.
            Err(error) => assert_eq!(error.kind(), Kind::StaleRun, "{error:?}"),
        }
    }
    assert!(loaded >= 1);
    lab.assert_nps_equal().await;
    assert_eq!(lab.target("select count(*)::text from sluice.loads").await, [loaded.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_asked_for_again() {
    let lab = Lab::new().await;
    lab.make_nps(36).await;
    let run = lab.plan(&lab.nps("upsert"), json!({"from": "2018-07-01", "to": "2018-07-02"})).await.unwrap();
    let export = lab.export(&run, 0).await.unwrap();
    lab.settings(json!({"faults": {"BatchExecuteStatement": ["lose_answer", "lose_answer"], "DescribeStatement": ["lose_answer"]}}));
    lab.load(&run, 0, &export).await.unwrap();
    lab.assert_nps_equal().await;
    assert_eq!(lab.target("select count(*)::text from sluice.loads").await, ["1"]);
    let counts = lab.conclude(&run).await.unwrap().counts;
    assert_eq!((counts.rows_inserted, counts.answers_lost), (36, 0), "the batch was submitted once");
    // Too many statements: later.
    let run = lab.plan(&lab.nps("upsert"), json!({"from": "2018-07-01", "to": "2018-07-02"})).await.unwrap();
    let export = lab.export(&run, 0).await.unwrap();
    lab.settings(json!({"faults": {"BatchExecuteStatement": ["ActiveStatementsExceededException"]}}));
    let error = lab.load(&run, 0, &export).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TransientFailure, "{error:?}");
    lab.load(&run, 0, &export).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_run_loads_the_day_before_and_catches_up_if_it_is_told_to() {
    let lab = Lab::new().await;
    lab.make_nps(180).await;
    let mut parts = lab.nps("upsert");
    // Redshift keeps names in small letters, and finds what it has loaded by them.
    parts["target"]["table"] = json!("NPS");
    let at = |time: &str| json!({"scheduled_time": time});
    let run = lab.plan(&parts, at("2018-07-03T02:30:00Z")).await.unwrap();
    assert_eq!((run.output.from.as_deref(), run.output.window_count), (Some("2018-07-02T00:00:00Z"), 1));
    lab.run(&parts, at("2018-07-03T02:30:00Z")).await.unwrap();
    parts["windows"]["catch_up"] = json!("missed");
    let run = lab.plan(&parts, at("2018-07-05T02:30:00Z")).await.unwrap();
    let (from, to) = (run.output.from.as_deref(), run.output.to.as_deref());
    assert_eq!((from, to, run.output.window_count), (Some("2018-07-01T00:00:00Z"), Some("2018-07-05T00:00:00Z"), 3));
    lab.run(&parts, at("2018-07-05T02:30:00Z")).await.unwrap();
    // A backfill is resumed by what is missing.
    let rest = json!({"from": "2018-07-01", "to": "2018-07-06", "only_missing": true});
    assert_eq!(lab.run(&parts, rest).await.unwrap().windows, 1);
    lab.assert_nps_equal().await;
    assert_eq!(lab.plan(&parts, at("2018-07-06T00:00:00Z")).await.unwrap().output.window_count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_made_anew_has_nothing_loaded() {
    let lab = Lab::new().await;
    lab.make_nps(108).await;
    let parts = lab.nps("upsert");
    let missing = json!({"from": "2018-07-01", "to": "2018-07-04", "only_missing": true});
    let mut dry = missing.clone();
    dry["dry_run"] = json!(true);
    let ask = json!({"explain": ["2018-07-01"]});
    lab.run(&parts, missing.clone()).await.unwrap();
    // Another job's records of the same table, and this one's of another table, stay.
    lab.in_redshift(
        "insert into sluice.loads select 'other', run, target, mode, window_from, window_to, exported_at, rows_exported, manifest
         from sluice.loads where window_from = '2018-07-01';
         insert into sluice.loads select 'nps', run, 'public.others', mode, window_from, window_to, exported_at, rows_exported, manifest
         from sluice.loads where job = 'other'; drop table nps",
    )
    .await;
    assert_eq!(lab.plan(&parts, dry).await.unwrap().output.window_count, 3);
    assert!(!lab.plan(&parts, ask.clone()).await.unwrap().output.explained[0].is_loaded);
    // The run that makes the table ends before it has loaded anything; the next one finds it there and empty.
    for _ in 0..2 {
        assert_eq!(lab.plan(&parts, missing.clone()).await.unwrap().output.window_count, 3);
        assert!(!lab.plan(&parts, ask.clone()).await.unwrap().output.explained[0].is_loaded);
        assert_eq!(lab.target("select count(*)::text from nps").await, ["0"]);
    }
    lab.run(&parts, missing).await.unwrap();
    lab.assert_nps_equal().await;
    let others = "select count(*)::text from sluice.loads where job = 'other' or target = 'public.others'";
    assert_eq!(lab.target(others).await, ["2"]);
}

/// Redshift takes longer than Lambda leaves: the call says so, instead of being ended without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_given_up_before_lambda_ends_it() {
    let lab = Lab::new().await;
    lab.make_nps(36).await;
    let (parts, day) = (lab.nps("upsert"), json!({"from": "2018-07-01", "to": "2018-07-02"}));
    let input = lab.inspected(&execution("late"), &parts, day.clone()).await.unwrap();
    lab.settings(json!({"delay_seconds": 3}));
    let event = PlanExportEvent::Plan(Box::new(input));
    let handled = plan_export::handler::handle(lab.plan_context(), invocation_of(Duration::from_secs(11)), event).await;
    let error = handled.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().contains("Redshift did not answer")),
        (Kind::TransientFailure, true),
        "{error}"
    );

    lab.settings(json!({"delay_seconds": 0.01}));
    let run = lab.plan(&parts, day).await.unwrap();
    let export = lab.export(&run, 0).await.unwrap();
    lab.settings(json!({"delay_seconds": 3}));
    let (plan, window) = (run.plan.clone().unwrap(), run.output.windows[0]);
    let input = LoadInput { execution: run.execution.clone(), plan, window, export: export.clone(), statement: None };
    let event = LoadRedshiftInput::Load(input);
    let handled =
        load_redshift::handler::handle(lab.load_context(), invocation_of(Duration::from_secs(6)), event).await;
    assert_eq!(handled.unwrap_err().kind(), Kind::TransientFailure);
    // What it has submitted the next call finds.
    lab.load(&run, 0, &export).await.unwrap();
    assert_eq!(lab.target("select count(*)::text from sluice.loads").await, ["1"]);
    assert_eq!(lab.conclude(&run).await.unwrap().counts.answers_lost, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_somebody_ends_is_submitted_again() {
    let lab = Lab::new().await;
    lab.make_nps(36).await;
    let run = lab.plan(&lab.nps("upsert"), json!({"from": "2018-07-01", "to": "2018-07-02"})).await.unwrap();
    let export = lab.export(&run, 0).await.unwrap();
    // Nobody gets past the lock, so the batch is at work until it is ended.
    let mut holder = lab.redshift().await;
    sqlx::raw_sql("begin; lock sluice.lock_nps").execute(&mut holder).await.unwrap();
    let input = |statement| LoadInput {
        execution: run.execution.clone(),
        plan: run.plan.clone().unwrap(),
        window: run.output.windows[0],
        export: export.clone(),
        statement,
    };
    let asked = |input| load_redshift::handler::handle(lab.load_context(), invocation(), input);
    let Output::Load(first) = asked(LoadRedshiftInput::Load(input(None))).await.unwrap() else {
        panic!("it was asked to load")
    };
    assert!(!first.is_loaded && first.pause_seconds >= 20, "{first:?}");
    lab.cancel(&first.statement);
    let mut state = State::Running;
    while state == State::Running {
        state = lab.warehouse.describe(&first.statement).await.unwrap().state;
    }
    assert_eq!(state, State::Aborted);
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    let again = LoadRedshiftInput::Status(input(Some(first.statement.clone())));
    let Output::Load(second) = asked(again).await.unwrap() else { panic!("it was asked for a load") };
    assert!(second.is_loaded && second.statement != first.statement, "{second:?}");
    lab.assert_nps_equal().await;
}
