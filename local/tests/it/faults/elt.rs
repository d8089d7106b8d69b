//! The job that makes a table of the lake: a function dies at each of its effects, or an answer is lost. The machine's
//! own retries or the next run must end with the exact table and file, and with nothing of the run that died.

use crate::faults::proxies::{Action, Fault, Faults, Moment, Place};
use crate::support::is_full_campaign;
use crate::support::lake::{Files, Lake, RATINGS, sample};
use local::report::failure;
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

type Waiting = Arc<Mutex<Vec<(String, Moment)>>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_be_killed_before_and_after_each_of_its_effects() {
    let (faults, stack) = Faults::with_stack().await;
    let (faults, stack) = (Arc::new(faults), Arc::new(stack));
    let first = Lake::on(stack.clone(), |_| ()).await;
    first.upload_all(&sample()).await;
    faults.arm(&first.name, None);
    first.run_well(json!({})).await;
    let points: BTreeSet<String> = faults.seen(&first.name).into_iter().filter(|name| is_effect(name)).collect();
    assert!(points.len() > 10, "{points:#?}");
    let mut waiting = Vec::new();
    for (number, point) in points.iter().enumerate() {
        for (turn, moment) in [Moment::Before, Moment::After].into_iter().enumerate() {
            if is_full_campaign() || number % 2 == turn {
                waiting.push((point.clone(), moment));
            }
        }
    }
    let waiting: Waiting = Arc::new(Mutex::new(waiting));
    let mut workers = JoinSet::new();
    for _ in 0..WIDTH {
        let (faults, stack, waiting) = (faults.clone(), stack.clone(), waiting.clone());
        workers.spawn(async move { survive(&faults, &stack, &waiting).await });
    }
    let problems: Vec<String> = workers.join_all().await.into_iter().flatten().collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

fn is_effect(name: &str) -> bool {
    name.split_once(' ').is_some_and(|(_, request)| EFFECTS.iter().any(|effect| request.starts_with(effect)))
}

/// A deployment that takes one fault after the other; each time there is more data, so that there is something to
/// publish.
async fn survive(faults: &Faults, stack: &Arc<local::stack::Stack>, waiting: &Waiting) -> Vec<String> {
    let mut problems = Vec::new();
    let mut lake = Lake::on(stack.clone(), |_| ()).await;
    let mut files = sample();
    lake.upload_all(&files).await;
    let mut round = 0;
    while let Some((point, moment)) = next(waiting) {
        if is_of_a_first_run(&point) {
            lake = Lake::on(stack.clone(), |_| ()).await;
            files = sample();
            lake.upload_all(&files).await;
        }
        let label = format!("kill {moment:?} {point}");
        let fault = Fault { place: Place::Named(point), moment, action: Action::Kill, times: 1 };
        faults.arm(&lake.name, Some(fault));
        let outcome = crate::support::run(&lake, json!({})).await;
        let struck = faults.struck(&lake.name);
        faults.arm(&lake.name, None);
        if struck.is_none() {
            problems.push(format!("{label}: it was not met"));
        }
        if !outcome.succeeded() {
            problems.push(format!("{label}: the machine's own retries were not enough: {}", failure(&outcome)));
        }
        lake.is_published(&files, "Sci-Fi").await;
        round += 1;
        add(&lake, &mut files, round).await;
        lake.run_well(json!({})).await;
        lake.is_published(&files, "Sci-Fi").await;
        eprintln!("survived {label}: {}", outcome.last_state());
    }
    problems
}

fn next(waiting: &Waiting) -> Option<(String, Moment)> {
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
