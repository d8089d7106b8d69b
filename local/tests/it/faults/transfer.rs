//! Something dies while days of MySQL are loaded into Redshift: at every effect of every function, alone and beside a
//! twin. The machine's own retries or the next run must end with equal rows, each load recorded once, and no row of a
//! day that was not loaded.

use crate::executions::nps::{Job, THREE_DAYS, counts, nps_between, three_days};
use crate::faults::proxies::{Action, Fault, Faults, Moment, Place};
use crate::support::warehouse::Sides;
use crate::support::{Random, is_full_campaign, run, run_well, seeds};
use local::execution::Outcome;
use local::report::failure;
use local::stack::Stack;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What a function does that others can see: a part, a document or a record is written, a batch is submitted, its end
/// is asked for.
const EFFECTS: [&str; 5] = ["PUT", "POST", "BatchExecuteStatement", "DescribeStatement", "GetStatementResult"];

/// What is always tried: the batch that loads and the records around it, where a lost answer could double something.
const ALWAYS: [(&str, Moment); 5] = [
    ("export-table PUT intermediate_data/../manifest.json", Moment::After),
    ("load-redshift BatchExecuteStatement", Moment::Before),
    ("load-redshift BatchExecuteStatement", Moment::After),
    ("load-redshift DescribeStatement", Moment::After),
    ("load-redshift PUT state/../entry", Moment::Before),
];

/// A stack behind the proxy.
async fn behind_proxy() -> (Faults, Arc<Stack>) {
    let (faults, stack) = Faults::with_stack().await;
    let stack = Arc::new(stack);
    // Both sides start with the first of their tables.
    Sides::on(stack.clone()).await;
    faults.lead_to_redshift(stack.warehouse(&|_| {}).unwrap().address());
    (faults, stack)
}

async fn job_on(stack: &Arc<Stack>) -> Job {
    nps_between(Sides::on(stack.clone()).await, "upsert").await
}

fn name(job: &Job) -> String {
    job.deployment.deployment.name.clone()
}

impl Job {
    /// Changes some rows of the three days, so that there is something to load.
    async fn change(&self, round: usize) {
        let score = round % 11;
        let change = format!(
            "update nps set score = {score} where id in (41, 81, {}); delete from nps where id = {}",
            42 + round,
            100 + round
        );
        self.sides.in_mysql(&change).await;
    }

    /// Every row of the three days is as MySQL has it, but for those that it has deleted, which an upsert does not see;
    /// each load of an execution is recorded once.
    async fn problem(&self, label: &str) -> Option<String> {
        let (source, target) = (self.nps_in_source(THREE_DAYS).await, self.nps_in_target().await);
        let held: BTreeSet<&String> = target.iter().collect();
        if held.len() != target.len() || target.len() != 120 || source.iter().any(|row| !held.contains(row)) {
            return Some(format!("{label}: {} rows of MySQL, {} in Redshift", source.len(), target.len()));
        }
        let twice = self.in_target("select run from sluice.loads group by run having count(*) > 1").await;
        (!twice.is_empty()).then(|| format!("{label}: recorded twice: {twice:?}"))
    }
}

fn is_effect(name: &str) -> bool {
    name.split_once(' ').is_some_and(|(_, request)| EFFECTS.iter().any(|effect| request.starts_with(effect)))
}

/// Both campaigns at the same time, each with jobs of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_survives_whatever_dies_at_whatever_moment() {
    let (faults, stack) = behind_proxy().await;
    let (killed, random) = tokio::join!(killed_at_each_effect(&faults, &stack), beside_a_twin(&faults, &stack));
    let problems = [killed, random].concat();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// A function is killed before and after each of its effects: the machine's own retries are enough.
async fn killed_at_each_effect(faults: &Faults, stack: &Arc<Stack>) -> Vec<String> {
    let job = job_on(stack).await;
    faults.arm(&name(&job), None);
    run_well(&job.deployment, three_days()).await;
    let seen = faults.seen(&name(&job));
    let points: BTreeSet<String> = seen.iter().filter(|name| is_effect(name)).cloned().collect();
    let mut wanted: Vec<(String, Moment)> = ALWAYS.map(|(point, moment)| (point.to_owned(), moment)).into();
    for (point, _) in &wanted {
        assert!(points.contains(point), "{point} is none of {points:#?}");
    }
    if is_full_campaign() {
        let both = |point: &String| [(point.clone(), Moment::Before), (point.clone(), Moment::After)];
        wanted = points.iter().flat_map(both).collect();
    }
    let mut problems = Vec::new();
    for (round, (point, moment)) in wanted.into_iter().enumerate() {
        job.change(round).await;
        let label = format!("kill {moment:?} {point}");
        let fault = Fault { place: Place::Named(point), moment, action: Action::Kill, times: 1 };
        faults.arm(&name(&job), Some(fault));
        let outcome = run(&job.deployment, three_days()).await;
        if faults.struck(&name(&job)).is_none() {
            problems.push(format!("{label}: it was not met"));
        }
        faults.arm(&name(&job), None);
        if !outcome.succeeded() {
            problems.push(format!("{label}: the machine's own retries were not enough: {}", failure(&outcome)));
        }
        problems.extend(job.problem(&label).await);
        eprintln!("survived {label}: {}", outcome.last_state());
    }
    // A first run, which also makes the tables: a fault at each of its requests, each time anew.
    let first = if is_full_campaign() { seen.len() } else { 0 };
    for number in 0..first {
        for moment in [Moment::Before, Moment::After] {
            let job = job_on(stack).await;
            let fault = Fault { place: Place::Number(number), moment, action: Action::Kill, times: 1 };
            faults.arm(&name(&job), Some(fault));
            let outcome = run(&job.deployment, three_days()).await;
            let label = format!("kill {moment:?} request {number}, {:?}", faults.struck(&name(&job)));
            faults.arm(&name(&job), None);
            if !outcome.succeeded() {
                problems.push(format!("{label}: {}", failure(&outcome)));
            }
            problems.extend(job.problem(&label).await);
        }
    }
    let again = run_well(&job.deployment, three_days()).await;
    assert_eq!(counts(&again)[1..3], [0, 0], "the same once more writes nothing");
    problems
}

/// Two executions at once, and something at random goes wrong: the next run makes it good.
async fn beside_a_twin(faults: &Faults, stack: &Arc<Stack>) -> Vec<String> {
    let job = job_on(stack).await;
    faults.arm(&name(&job), None);
    run_well(&job.deployment, three_days()).await;
    let count = u64::try_from(faults.seen(&name(&job)).len()).unwrap();
    let mut problems = Vec::new();
    for (round, seed) in seeds(if is_full_campaign() { 60 } else { 3 }).enumerate() {
        let mut random = Random::new(seed);
        let action = match random.below(6) {
            0 | 1 => Action::Kill,
            2 => Action::Cut,
            3 => Action::Status(500),
            4 => Action::Status(503),
            _ => Action::Slow(Duration::from_millis(random.below(1_500))),
        };
        let moment = if random.below(2) == 0 { Moment::Before } else { Moment::After };
        let times = [1, 3, 40][usize::try_from(random.below(3)).unwrap()];
        let place = Place::Number(usize::try_from(random.below(count)).unwrap());
        let label = format!("SLUICE_SEEDS={seed}..{} {action:?} {moment:?} times {times}", seed + 1);
        job.change(round).await;
        faults.arm(&name(&job), Some(Fault { place, moment, action, times }));
        let (one, other) = tokio::join!(run(&job.deployment, three_days()), run(&job.deployment, three_days()));
        faults.arm(&name(&job), None);
        let told = |outcome: &Outcome| outcome.error.clone().unwrap_or_else(|| "success".to_owned());
        let known = ["success", "StaleRun", "TransientFailure", "Runtime.ExitError"];
        for outcome in [&one, &other] {
            if !known.contains(&told(outcome).as_str()) {
                problems.push(format!("{label}: {}", failure(outcome)));
            }
        }
        // What is missing, if both have failed, the next run loads.
        run_well(&job.deployment, three_days()).await;
        problems.extend(job.problem(&label).await);
        eprintln!("survived {label}: {} and {}", told(&one), told(&other));
    }
    let again = run_well(&job.deployment, json!({"from": "2018-07-02", "to": "2018-07-05"})).await;
    assert_eq!(counts(&again)[1..3], [0, 0], "the same once more writes nothing");
    problems
}
