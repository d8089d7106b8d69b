//! Something dies while a table is copied, at every point between two effects and at random, alone and beside a twin:
//! the machine's own retries or the next run must end with equal tables, each window recorded once, and no session and
//! no staging table left over.

use crate::faults::proxies::{Action, Fault, Faults, Moment, Place};
use crate::support::*;
use local::deployment::Deployment;
use local::execution::Outcome;
use local::report::failure;
use local::stack::Stack;
use local::template;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// How many executions run side by side.
const WIDTH: usize = 4;

const TABLE: &str = include_str!("../../../sample/users/table.sql");

/// Three days of the source, of which the target has one as it is, one with other rows, and one not at all.
const SOURCE_ROWS: &str = "
    insert into users (id, email, plan, balance, created_at)
    select i, 'user-' || i, 'free', i, timestamptz '2024-01-01 00:00Z' + i * interval '1 hour' from generate_series(0, 71) i";
const TARGET_ROWS: &str = "
    insert into users (id, email, plan, balance, created_at)
    select i, 'user-' || i, case when i < 24 then 'free' else 'old' end, i, timestamptz '2024-01-01 00:00Z' + i * interval '1 hour'
    from generate_series(0, 40) i";

/// All of a table, in a line.
const HELD: &str = "select coalesce(md5(string_agg(users::text, ' ' order by id)), '') from users";

/// What must not be there once everything has ended.
const LEFT_OVER: &str = "
    select (select count(*) from pg_class where relname like 'sluice\\_%' and relpersistence = 't')
         + (select count(*) from pg_stat_activity
            where datname in (current_database(), replace(current_database(), 'copy_fault', 'copy_fault_source'))
            and application_name like 'sluice %')";

struct Campaign {
    stack: Stack,
    faults: Faults,
    next: AtomicUsize,
}

/// A deployment of its own.
struct Users {
    deployment: Deployment,
    source_url: String,
    target_url: String,
}

/// What came of one fault.
struct Ended {
    struck: Option<String>,
    outcomes: Vec<Outcome>,
}

fn three_days() -> Value {
    json!({"from": "2024-01-01", "to": "2024-01-04"})
}

async fn run_in(url: &str, statements: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
}

async fn text_in(url: &str, statement: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap()
}

impl Campaign {
    async fn start() -> Arc<Self> {
        let (faults, stack) = Faults::with_stack().await;
        Arc::new(Self { stack, faults, next: AtomicUsize::new(0) })
    }

    /// A deployment whose function finds both databases through the proxy.
    async fn deploy(&self) -> Users {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (name, source) = (format!("copy-fault-{number}"), format!("copy-fault-source-{number}"));
        let (target_url, source_url) =
            (self.stack.database_for(&name).await.unwrap(), self.stack.database_for(&source).await.unwrap());
        let behind_proxy = |url: &str| {
            let (before, after) = url.split_once('@').unwrap();
            format!("{before}@{}/{}", self.faults.database, after.split_once('/').unwrap().1)
        };
        let mut options = vpc_mode();
        options.parameters.insert("DatabaseUrl", behind_proxy(&target_url));
        options.parameters.insert(local::source::PARAMETER, behind_proxy(&source_url));
        let deployment = self.stack.deploy_template(&name, &options, template::read().unwrap()).await.unwrap();
        let jobs = template::all_jobs().unwrap();
        let deployment = deployment.of_job(jobs.iter().find(|job| job.name == "users").unwrap());
        run_in(&source_url, &format!("{TABLE}{SOURCE_ROWS}")).await;
        run_in(&target_url, &format!("{TABLE}{TARGET_ROWS}")).await;
        Users { deployment, source_url, target_url }
    }

    /// Runs with a fault, in `runs` executions at once, then without, and demands that all is as if there had been
    /// none.
    async fn survive(&self, fault: Option<Fault>, runs: usize) -> Result<Ended, String> {
        let users = self.deploy().await;
        self.faults.arm(&users.deployment.name, fault);
        let outcomes = run_at_once(&users.deployment, runs).await;
        let struck = self.faults.struck(&users.deployment.name);
        let told: Vec<String> = outcomes.iter().filter(|outcome| !outcome.succeeded()).map(failure).collect();
        self.faults.arm(&users.deployment.name, None);
        users.is_sound().await.map_err(|problem| {
            format!("{}: {problem}; before that {told:?}", struck.as_deref().unwrap_or("no fault"))
        })?;
        end_functions(&users.deployment).await;
        Ok(Ended { struck, outcomes })
    }

    /// Survives all of these, some side by side; prints each with how to replay it.
    async fn survive_all(self: &Arc<Self>, faults: Vec<(String, Fault, usize)>) -> Vec<(String, Ended)> {
        let mut running = JoinSet::new();
        let (mut ended, mut problems) = (Vec::new(), Vec::new());
        let mut waiting = faults.into_iter();
        loop {
            while running.len() < WIDTH {
                let Some((label, fault, runs)) = waiting.next() else { break };
                let campaign = self.clone();
                running.spawn(async move { (label, campaign.survive(Some(fault), runs).await) });
            }
            let Some(next) = running.join_next().await else { break };
            match next.unwrap() {
                (label, Ok(survived)) => {
                    eprintln!("survived {label}: {}", survived.struck.as_deref().unwrap_or("nothing"));
                    ended.push((label, survived));
                }
                (label, Err(problem)) => problems.push(format!("{label}: {problem}")),
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        ended
    }
}

/// So many backfills at once.
async fn run_at_once(deployment: &Deployment, runs: usize) -> Vec<Outcome> {
    let mut running = JoinSet::new();
    for _ in 0..runs {
        let deployment = deployment.clone();
        running.spawn(async move { run(&deployment, three_days()).await });
    }
    running.join_all().await
}

impl Users {
    /// The next run copies what is missing, and the one after it finds both sides equal; nothing is left over.
    async fn is_sound(&self) -> Result<(), String> {
        let missing = json!({"from": "2024-01-01", "to": "2024-01-04", "only_missing": true});
        for (input, last) in [(missing, &["Copied", "NothingToDo"][..]), (json!({"verify": three_days()}), &["Equal"])]
        {
            let next = run(&self.deployment, input).await;
            if !next.succeeded() || !last.contains(&next.last_state()) {
                return Err(format!("the next run ended in {}: {}", next.last_state(), failure(&next)));
            }
        }
        if text_in(&self.source_url, HELD).await != text_in(&self.target_url, HELD).await {
            return Err("the tables differ".to_owned());
        }
        let windows = text_in(&self.target_url, "select concat_ws(' ', count(*), sum(rows)) from sluice.windows").await;
        if windows != "3 72" {
            return Err(format!("windows and their rows are {windows}"));
        }
        let mut connection = PgConnection::connect(&self.target_url).await.unwrap();
        // A session that was cut may take a moment to be noticed.
        for _ in 0..100 {
            let left: i64 = sqlx::query_scalar(LEFT_OVER).fetch_one(&mut connection).await.unwrap();
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("staging tables or sessions are left over".to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_may_be_killed_before_and_after_each_of_its_effects() {
    let campaign = Campaign::start().await;
    let points = {
        let users = campaign.deploy().await;
        campaign.faults.arm(&users.deployment.name, None);
        let outcome = run(&users.deployment, three_days()).await;
        assert!(outcome.succeeded(), "{}", failure(&outcome));
        campaign.faults.seen(&users.deployment.name).into_iter().collect::<BTreeSet<String>>()
    };
    assert!(points.len() > 20, "{points:#?}");
    let mut faults = Vec::new();
    for (number, point) in points.iter().enumerate() {
        for (turn, moment) in [Moment::Before, Moment::After].into_iter().enumerate() {
            if is_full_campaign() || number % 4 == 2 * turn {
                let fault = Fault { place: Place::Named(point.clone()), moment, action: Action::Kill, times: 1 };
                faults.push((format!("kill {moment:?} {point}"), fault, 1));
            }
        }
    }
    let ended = campaign.survive_all(faults).await;
    for (label, ended) in &ended {
        assert!(ended.struck.is_some(), "{label}: it was never met");
        assert!(ended.outcomes.iter().all(Outcome::succeeded), "{label}: the machine's own retries were enough");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_survives_whatever_goes_wrong_also_beside_a_twin() {
    let campaign = Campaign::start().await;
    let count = {
        let users = campaign.deploy().await;
        campaign.faults.arm(&users.deployment.name, None);
        run_well(&users.deployment, three_days()).await;
        u64::try_from(campaign.faults.seen(&users.deployment.name).len()).unwrap()
    };
    let mut faults = Vec::new();
    for seed in seeds(8) {
        let mut random = Random::new(seed);
        let action = match random.below(7) {
            0 | 1 => Action::Kill,
            2 => Action::Cut,
            3 => Action::Status(500),
            4 => Action::Status(503),
            5 => Action::Truncate,
            _ => Action::Slow(Duration::from_millis(random.below(1_500))),
        };
        let moment = if random.below(2) == 0 { Moment::Before } else { Moment::After };
        // Once, as often as a client tries, or so often that the run fails.
        let times = [1, 3, 40][usize::try_from(random.below(3)).unwrap()];
        let runs = usize::try_from(1 + random.below(2)).unwrap();
        let place = Place::Number(usize::try_from(random.below(count)).unwrap());
        let label = format!("SLUICE_SEEDS={seed}..{} {action:?} {moment:?} times {times}, {runs} runs", seed + 1);
        faults.push((label, Fault { place, moment, action, times }, runs));
    }
    campaign.survive_all(faults).await;
}
