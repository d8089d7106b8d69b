//! The job that makes a table of the lake: a function dies at one of its effects, an answer is lost, a service is busy,
//! tokens are forgotten, the run is stopped, or another one is started or overtakes it. The machine's own retries or,
//! of a run that was stopped, the next one must end with the exact table and file, and with nothing left over.

use crate::faults::proxies::{Action, Fault, Faults, Moment, Place};
use crate::support::lake::{Files, Lake, RATINGS, exported_as_parquet, sample};
use crate::support::{is_full_campaign, until};
use local::execution::Outcome;
use local::report::failure;
use local::stack::Stack;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

/// How many deployments take faults side by side, each one after the other.
const WIDTH: usize = 3;

/// What a function does that others can see, by the beginning of its request's name: reading is no effect.
const EFFECTS: [&str; 12] = [
    "PUT",
    "DELETE",
    "POST",
    "CreateDatabase",
    "CreateTable",
    "UpdateTable",
    "DeleteTable",
    "BatchDeleteTable",
    "StartQueryExecution",
    "GetQueryExecution",
    "GetQueryResults",
    "StopQueryExecution",
];

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// A function dies, an answer is lost, or a service is busy.
    Fault(Moment, Action),
    /// A function dies, and Athena forgets all tokens.
    Forgotten,
    /// The run is stopped.
    Abort,
    /// Another run is started.
    Twin,
    /// The run is stopped, but its function goes on after the next run.
    Overtaken,
}

/// All that may happen.
const TROUBLES: [Trouble; 8] = [
    Trouble::Fault(Moment::Before, Action::Kill),
    Trouble::Fault(Moment::After, Action::Kill),
    Trouble::Fault(Moment::After, Action::Cut),
    Trouble::Fault(Moment::Before, Action::Status(503)),
    Trouble::Forgotten,
    Trouble::Abort,
    Trouble::Twin,
    Trouble::Overtaken,
];

/// What happens in every run of the tests beside a function's death at each of its effects, before or after it by turn:
/// a function dies between file and table, and one copies after another run has published. The rest takes a quarter of
/// an hour.
const FEW: [(&str, Trouble); 2] = [
    ("publish-elt UpdateTable", Trouble::Fault(Moment::Before, Action::Kill)),
    ("publish-elt PUT exports/../scifi.csv", Trouble::Overtaken),
];

/// What happens where, to a job that exports CSV or, if the last is true, Parquet files.
type Waiting = Arc<Mutex<Vec<(String, Trouble, bool)>>>;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_at_an_effect_of_a_function_there_is_one_table_and_one_file() {
    let (faults, stack) = Faults::with_stack().await;
    let (faults, stack) = (Arc::new(faults), Arc::new(stack));
    let of_csv = points(&faults, &stack, false).await;
    let waiting = match is_full_campaign() {
        true => [all(points(&faults, &stack, true).await, true), all(of_csv, false)].concat(),
        false => few(of_csv),
    };
    let waiting: Waiting = Arc::new(Mutex::new(waiting));
    let mut workers = JoinSet::new();
    for _ in 0..WIDTH {
        let (faults, stack, waiting) = (faults.clone(), stack.clone(), waiting.clone());
        workers.spawn(async move { survive(&faults, &stack, &waiting).await });
    }
    let problems: Vec<String> = workers.join_all().await.into_iter().flatten().collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// All effects of a first run and of one that finds everything there; with Parquet files only of the function that
/// treats them otherwise.
async fn points(faults: &Faults, stack: &Arc<Stack>, is_parquet: bool) -> BTreeSet<String> {
    let lake = deployed(stack, is_parquet).await;
    let mut files = sample();
    lake.upload_all(&files).await;
    let mut points = BTreeSet::new();
    for round in 0..2 {
        faults.arm(&lake.name, None);
        lake.run_well(json!({})).await;
        points.extend(faults.seen(&lake.name).into_iter().filter(|name| is_effect(name)));
        add(&lake, &mut files, round).await;
    }
    for (point, _) in FEW.into_iter().filter(|_| !is_parquet) {
        assert!(points.contains(point), "{point} is not in {points:#?}");
    }
    assert!(points.len() > 10, "{points:#?}");
    points.retain(|point| !is_parquet || point.starts_with("publish-elt"));
    points
}

/// All troubles at all points.
fn all(points: BTreeSet<String>, is_parquet: bool) -> Vec<(String, Trouble, bool)> {
    let of_point = |point: String| {
        let is_query = point.starts_with("run-query");
        let troubles = TROUBLES.into_iter().filter(move |trouble| *trouble != Trouble::Forgotten || is_query);
        troubles.map(move |trouble| (point.clone(), trouble, is_parquet))
    };
    points.into_iter().flat_map(of_point).collect()
}

/// A death at each point, before or after it by turn, and what else is never left out.
fn few(points: BTreeSet<String>) -> Vec<(String, Trouble, bool)> {
    let moments = [Moment::Before, Moment::After].into_iter().cycle();
    let deaths = points.into_iter().zip(moments).map(|(point, moment)| (point, Trouble::Fault(moment, Action::Kill)));
    let always = FEW.map(|(point, trouble)| (point.to_owned(), trouble));
    deaths.chain(always).map(|(point, trouble)| (point, trouble, false)).collect()
}

fn is_effect(name: &str) -> bool {
    name.split_once(' ').is_some_and(|(_, request)| EFFECTS.iter().any(|effect| request.starts_with(effect)))
}

/// A deployment that takes one trouble after the other; each time there is more data, so that there is something to
/// publish.
async fn survive(faults: &Faults, stack: &Arc<Stack>, waiting: &Waiting) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut lake, mut files) = (deployed(stack, false).await, sample());
    lake.upload_all(&files).await;
    lake.run_well(json!({})).await;
    let (mut round, mut was_parquet) = (0, false);
    while let Some((point, trouble, is_parquet)) = next(waiting) {
        if is_of_a_first_run(&point) || is_parquet != was_parquet {
            (lake, files) = (deployed(stack, is_parquet).await, sample());
            lake.upload_all(&files).await;
            was_parquet = is_parquet;
            if !is_of_a_first_run(&point) {
                lake.run_well(json!({})).await;
            }
        }
        let label = format!("{trouble:?} at {point}");
        let (moment, action) = match trouble {
            Trouble::Fault(moment, action) => (moment, action),
            Trouble::Forgotten => (Moment::After, Action::Kill),
            Trouble::Abort | Trouble::Twin | Trouble::Overtaken => (Moment::Before, Action::Hold),
        };
        round += 1;
        add(&lake, &mut files, round).await;
        faults.arm(&lake.name, Some(Fault { place: Place::Named(point), moment, action, times: 1 }));
        let outcomes = go_through(faults, &lake, trouble).await;
        if trouble == Trouble::Overtaken {
            round += 1;
            add(&lake, &mut files, round).await;
            lake.run_well(json!({})).await;
            faults.release(&lake.name);
            until("the functions are quiet", async || Ok(faults.is_quiet(&lake.name))).await;
            until("no query is at work", async || Ok(lake.is_quiet().await)).await;
            lake.holds(&files, "Sci-Fi").await;
        }
        if faults.struck(&lake.name).is_none() {
            problems.push(format!("{label}: it was not met"));
        }
        faults.arm(&lake.name, None);
        let is_stopped = matches!(trouble, Trouble::Abort | Trouble::Overtaken);
        for outcome in outcomes.iter().filter(|outcome| !outcome.succeeded() && !is_stopped) {
            problems.push(format!("{label}: the machine's own retries were not enough: {}", failure(outcome)));
        }
        if is_stopped {
            until("no query is at work", async || Ok(lake.is_quiet().await)).await;
            lake.run_well(json!({})).await;
        }
        lake.is_published(&files, "Sci-Fi").await;
        eprintln!("survived {label}");
    }
    lake.run_well(json!({})).await;
    lake.is_published(&files, "Sci-Fi").await;
    problems
}

/// Runs it, with what happens meanwhile; returns how each run ended.
async fn go_through(faults: &Faults, lake: &Lake, trouble: Trouble) -> Vec<Outcome> {
    let execution = lake.start(&json!({})).await.unwrap();
    let mut executions = vec![execution];
    if !matches!(trouble, Trouble::Fault(..)) {
        until("it has struck", async || Ok(faults.struck(&lake.name).is_some())).await;
    }
    match trouble {
        Trouble::Fault(..) => {}
        Trouble::Forgotten => lake.forget_tokens(),
        Trouble::Abort => {
            lake.sfn().stop_execution().execution_arn(&executions[0].arn).send().await.unwrap();
            faults.release(&lake.name);
            until("the functions are quiet", async || Ok(faults.is_quiet(&lake.name))).await;
        }
        Trouble::Overtaken => {
            lake.sfn().stop_execution().execution_arn(&executions[0].arn).send().await.unwrap();
        }
        Trouble::Twin => {
            executions.push(lake.start(&json!({})).await.unwrap());
            faults.release(&lake.name);
        }
    }
    let mut outcomes = Vec::new();
    for execution in executions {
        outcomes.push(execution.outcome().await.unwrap());
    }
    outcomes
}

async fn deployed(stack: &Arc<Stack>, is_parquet: bool) -> Lake {
    Lake::on(stack.clone(), |parameters| {
        if is_parquet {
            exported_as_parquet(parameters);
        }
    })
    .await
}

fn next(waiting: &Waiting) -> Option<(String, Trouble, bool)> {
    waiting.lock().unwrap().pop()
}

/// What only a run does that finds nothing there.
fn is_of_a_first_run(point: &str) -> bool {
    ["CreateDatabase", "CreateTable"].iter().any(|effect| point.ends_with(effect))
}

async fn add(lake: &Lake, files: &mut Files, round: usize) {
    let name = format!("ratings/more-{round}.csv");
    let body = format!("{RATINGS}700,1,1.5,{round}\n").into_bytes();
    lake.put(&name, body.clone()).await;
    files.insert(name, body);
}
