//! Something dies, at every point between two effects and at random: the machine's own retries or the next run must end
//! with the exact table, a lock that holds nobody up, nothing left in staging, and a private database. In all ways of
//! who speaks for a key: the reference job adds up all files, or those of a run; the second job takes the newest one.

use crate::executions::jobs::{sales_table, sold, with_changed_second_job};
use crate::faults::proxies::{Action, Fault, Faults, Moment, Place};
use crate::support::*;
use local::deployment::{Deployment, Options};
use local::execution::Outcome;
use local::report::failure;
use local::stack::Stack;
use local::template::{self, Job};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// How many executions run side by side.
const WIDTH: usize = 6;

/// Who speaks for a key in the reference job.
#[derive(Clone, Copy)]
enum Speaker {
    AllFiles,
    NewestFile,
    LastRun,
}

impl Speaker {
    fn options(self) -> Options {
        match self {
            Self::AllFiles => Options::default(),
            Self::NewestFile => Options {
                spec: vec![(r#""on_overlap": "all_files""#, r#""on_overlap": "newest_file""#)],
                ..Options::default()
            },
            Self::LastRun => last_run(),
        }
    }

    /// The first six words of the statement that stages a small part.
    fn staging(self) -> &'static str {
        match self {
            Self::AllFiles | Self::NewestFile => {
                r#"upsert sql insert into pg_temp.sluice_staging ("sluice_file", "date", "learning_minutes","#
            }
            Self::LastRun => {
                r#"upsert sql insert into pg_temp.sluice_staging ("date", "learning_minutes", "work_minutes")"#
            }
        }
    }

    /// What the two files make together; both are in the first run.
    fn table(self) -> [&'static str; 2] {
        match self {
            Self::AllFiles | Self::LastRun => ["2024-01-01 0 1.75", "2024-01-02 2 0"],
            Self::NewestFile => ["2024-01-01 0 0.25", "2024-01-02 2 0"],
        }
    }
}

/// A stack of its own, since it crashes the database server, with proxies around its functions.
struct Campaign {
    stack: Stack,
    faults: Faults,
    next: AtomicUsize,
    /// Whether a second job runs beside each one, in the same bucket and database.
    has_second_job: bool,
}

/// What came of one fault.
struct Ended {
    /// The request that it struck, if there was one.
    struck: Option<String>,
    outcome: Outcome,
}

impl Campaign {
    async fn start() -> Arc<Self> {
        Self::start_with(false).await
    }

    async fn start_with(has_second_job: bool) -> Arc<Self> {
        let (faults, stack) = Faults::with_stack().await;
        Arc::new(Self { stack, faults, next: AtomicUsize::new(0), has_second_job })
    }

    /// A deployment whose functions also find the database through the proxy.
    async fn deploy(&self, speaker: Speaker) -> Deployment {
        let template = if self.has_second_job { with_newest_file_job().0 } else { template::read().unwrap() };
        let deployment = self.deploy_template(speaker.options(), template).await;
        if let Some(sales) = self.second_job(&deployment) {
            upload_second_job(&sales).await;
        }
        deployment
    }

    fn second_job(&self, deployment: &Deployment) -> Option<Deployment> {
        let (_, jobs) = self.has_second_job.then(with_newest_file_job)?;
        jobs.iter().find(|job| job.name == "sales").map(|job| deployment.of_job(job))
    }

    /// A run of each job, side by side; returns the first one's outcome.
    async fn run_all(&self, deployment: &Deployment) -> Outcome {
        let second = async {
            if let Some(sales) = self.second_job(deployment) {
                run(&sales, json!({})).await;
            }
        };
        tokio::join!(run(deployment, json!({})), second).0
    }

    async fn deploy_template(&self, mut options: Options, template: Value) -> Deployment {
        let name = format!("fault-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let url = self.stack.database_for(&name).await.unwrap();
        let (before, after) = url.split_once('@').unwrap();
        let (_, after) = after.split_once('/').unwrap();
        options.parameters.insert("DatabaseUrl", format!("{before}@{}/{after}", self.faults.database));
        let deployment = self.stack.deploy_template(&name, &options, template).await.unwrap();
        deployment
            .upload("a.csv", csv(&[("Work", "1.5", "2024-01-01"), ("Learning", "2", "2024-01-02")]))
            .await
            .unwrap();
        deployment.upload("b.csv", csv(&[("Work", "0.25", "2024-01-01")])).await.unwrap();
        deployment
    }

    /// The requests of a run in which nothing goes wrong.
    async fn points(&self, speaker: Speaker) -> Vec<String> {
        let deployment = self.deploy(speaker).await;
        self.faults.arm(&deployment.name, None);
        let outcome = self.run_all(&deployment).await;
        assert!(outcome.succeeded(), "{}", failure(&outcome));
        self.faults.seen(&deployment.name)
    }

    /// Runs with a fault, then without, and demands that all is as if there had been none.
    async fn survive(&self, speaker: Speaker, fault: Fault) -> Result<Ended, String> {
        let deployment = self.deploy(speaker).await;
        self.faults.arm(&deployment.name, Some(fault));
        let outcome = self.run_all(&deployment).await;
        let struck = self.faults.struck(&deployment.name);
        self.faults.arm(&deployment.name, None);
        self.is_sound(&deployment, speaker).await.map_err(|problem| {
            let error = if outcome.succeeded() { String::new() } else { format!(", after {}", failure(&outcome)) };
            format!("{}: {problem}{error}", struck.as_deref().unwrap_or("no fault"))
        })?;
        end_functions(&deployment).await;
        Ok(Ended { struck, outcome })
    }

    /// The next run loads what is not loaded, the one after it finds nothing, and all is as it should be.
    async fn is_sound(&self, deployment: &Deployment, speaker: Speaker) -> Result<(), String> {
        self.is_loaded(deployment, speaker).await?;
        self.is_second_job_loaded(deployment).await?;
        if deployment.is_database_public().await.unwrap() {
            return Err("the database is public".to_owned());
        }
        Ok(())
    }

    /// The same of the second job, if there is one.
    async fn is_second_job_loaded(&self, deployment: &Deployment) -> Result<(), String> {
        let Some(sales) = self.second_job(deployment) else { return Ok(()) };
        let next = run(&sales, json!({})).await;
        if !next.succeeded() {
            return Err(format!("the next run of the second job failed: {}", failure(&next)));
        }
        let last = run(&sales, json!({})).await;
        if last.last_state() != "NothingToDo" {
            return Err(format!("the second job's run after it ended in {}", last.last_state()));
        }
        let rows = sales_table(&sales).await;
        if rows != ["North 1.5 0", "South 0 2"] {
            return Err(format!("the second job's table is {rows:?}"));
        }
        Ok(())
    }

    async fn is_loaded(&self, deployment: &Deployment, speaker: Speaker) -> Result<(), String> {
        let next = run(deployment, json!({})).await;
        if !next.succeeded() {
            return Err(format!("the next run failed: {}", failure(&next)));
        }
        let last = run(deployment, json!({})).await;
        if last.last_state() != "NothingToDo" {
            return Err(format!("the run after it ended in {}", last.last_state()));
        }
        let rows = table(deployment).await;
        if rows != speaker.table() {
            return Err(format!("the table is {rows:?}"));
        }
        let mut connection = deployment.connect().await.unwrap();
        // Of this database only; a session that was cut may take a moment to be noticed.
        for _ in 0..100 {
            let (staging, sessions): (i64, i64) = sqlx::query_as(
                "select (select count(*) from pg_class where relname like 'sluice\\_%' and relpersistence = 't'), \
                 (select count(*) from pg_stat_activity where datname = current_database() \
                 and application_name like 'sluice %' and state <> 'idle')",
            )
            .fetch_one(&mut connection)
            .await
            .unwrap();
            if (staging, sessions) == (0, 0) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("staging tables or sessions are left over".to_owned())
    }

    /// Survives all of these, some side by side; prints each with how to replay it, and returns the outcomes.
    async fn survive_all(self: &Arc<Self>, faults: Vec<(String, Speaker, Fault)>) -> Vec<Ended> {
        let mut running = JoinSet::new();
        let (mut ended, mut problems) = (Vec::new(), Vec::new());
        let mut waiting = faults.into_iter();
        loop {
            while running.len() < WIDTH {
                let Some((label, speaker, fault)) = waiting.next() else { break };
                let campaign = self.clone();
                running.spawn(async move { (label, campaign.survive(speaker, fault).await) });
            }
            let Some(next) = running.join_next().await else { break };
            match next.unwrap() {
                (label, Ok(survived)) => {
                    let struck = survived.struck.as_deref().unwrap_or("nothing");
                    eprintln!("survived {label}: {struck}, {}", survived.outcome.last_state());
                    ended.push(survived);
                }
                (label, Err(problem)) => problems.push(format!("{label}: {problem}")),
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        ended
    }
}

/// The template with a second job that takes of each key the newest file's word.
fn with_newest_file_job() -> (Value, Vec<Job>) {
    with_changed_second_job(|parameters| {
        let target = parameters["Target"].as_str().unwrap().replace("all_files", "newest_file");
        assert!(target.contains("newest_file"), "{target}");
        parameters["Target"] = target.into();
    })
}

/// The files of the second job; both know of North.
async fn upload_second_job(sales: &Deployment) {
    sales.upload("a.csv", sold(&[("North", "Bread", "9"), ("South", "Cake", "2")])).await.unwrap();
    sales.upload("b.csv", sold(&[("North", "Bread", "1.5")])).await.unwrap();
}

fn kill(name: &str, moment: Moment) -> Fault {
    Fault { place: Place::Named(name.to_owned()), moment, action: Action::Kill, times: 1 }
}

/// All of them, in a full campaign.
fn speakers() -> Vec<Speaker> {
    let all = vec![Speaker::AllFiles, Speaker::NewestFile, Speaker::LastRun];
    if is_full_campaign() { all } else { all[..1].to_vec() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_be_killed_before_and_after_each_of_its_effects() {
    let campaign = Campaign::start_with(is_full_campaign()).await;
    let mut faults = Vec::new();
    for speaker in speakers() {
        let points: BTreeSet<String> = campaign.points(speaker).await.into_iter().collect();
        assert!(points.len() > 30, "{points:#?}");
        for (number, point) in points.iter().enumerate() {
            for (turn, moment) in [Moment::Before, Moment::After].into_iter().enumerate() {
                if is_full_campaign() || number % 2 == turn {
                    faults.push((format!("kill {moment:?} {point}"), speaker, kill(point, moment)));
                }
            }
        }
    }
    let ended = campaign.survive_all(faults).await;
    assert!(ended.iter().all(|ended| ended.struck.is_some()), "every point was met");
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_may_go_wrong_anywhere_beside_another_job() {
    let campaign = Campaign::start_with(true).await;
    let mut faults = Vec::new();
    let mut counts = Vec::new();
    for speaker in [Speaker::AllFiles, Speaker::LastRun, Speaker::NewestFile] {
        let count = campaign.points(speaker).await.len();
        counts.push((speaker, u64::try_from(count).unwrap()));
    }
    for seed in seeds(20) {
        let mut random = Random::new(seed);
        let mut mode = usize::try_from(random.below(3)).unwrap();
        let action = match random.below(8) {
            0 | 1 => Action::Kill,
            2 => Action::Cut,
            3 => Action::Status(500),
            4 => Action::Status(503),
            5 => Action::Status(412),
            6 => Action::Truncate,
            _ => Action::Slow(Duration::from_millis(random.below(1_500))),
        };
        // To S3 that says that a file has changed: with `last_run`, the days that it shares with others are lost then.
        if action == Action::Status(412) {
            mode = 0;
        }
        let (speaker, count) = counts[mode];
        let moment = if random.below(2) == 0 { Moment::Before } else { Moment::After };
        // Once, as often as a client tries, or so often that the run fails.
        let times = [1, 3, 40][usize::try_from(random.below(3)).unwrap()];
        let place = Place::Number(usize::try_from(random.below(count)).unwrap());
        let label = format!("SLUICE_SEEDS={seed}..{} {action:?} {moment:?} times {times}", seed + 1);
        faults.push((label, speaker, Fault { place, moment, action, times }));
    }
    campaign.survive_all(faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_server_may_crash_in_the_middle_of_the_load_and_at_its_commit() {
    let campaign = Campaign::start_with(is_full_campaign()).await;
    for speaker in speakers() {
        for (point, moment) in [
            (speaker.staging(), Moment::Before),
            ("upsert sql commit", Moment::Before),
            ("upsert sql commit", Moment::After),
            ("upsert connect", Moment::Before),
        ] {
            for action in [Action::CrashServer, Action::Cut] {
                // Nothing else beside it: a crash ends every session of the server.
                if point == "upsert connect" && action == Action::CrashServer {
                    continue;
                }
                let fault = Fault { place: Place::Named(point.to_owned()), moment, action, times: 1 };
                let label = format!("{action:?} {moment:?}");
                let ended = campaign.survive_all(vec![(label, speaker, fault)]).await;
                assert_eq!(ended[0].struck.as_deref(), Some(point));
                assert!(ended[0].outcome.succeeded(), "the machine's own retries were enough");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_runs_out_of_time_is_tried_again_beside_another_job() {
    let campaign = Campaign::start_with(true).await;
    let mut template = with_newest_file_job().0;
    // The others give up by themselves, some seconds before. Enough for a try on a busy machine.
    for function in ["PomodoroDetectNewFilesFunction", "SalesDetectNewFilesFunction"] {
        template["Resources"][function]["Properties"]["Timeout"] = 6.into();
    }
    let deployment = campaign.deploy_template(Options::default(), template).await;
    let sales = campaign.second_job(&deployment).unwrap();
    upload_second_job(&sales).await;
    let place = Place::Named("detect-new-files PUT intermediate_data/../manifest.json".to_owned());
    let action = Action::Slow(Duration::from_secs(9));
    campaign.faults.arm(&deployment.name, Some(Fault { place, moment: Moment::Before, action, times: 1 }));
    let outcomes = tokio::join!(run(&deployment, json!({})), run(&sales, json!({})));
    assert!(campaign.faults.struck(&deployment.name).is_some());
    for outcome in [&outcomes.0, &outcomes.1] {
        assert!(outcome.succeeded(), "{}", failure(outcome));
    }
    let longest = outcomes.0.duration_ms.max(outcomes.1.duration_ms);
    assert!(longest > 6_000, "the one that was struck waited for the end of its first try");
    campaign.is_sound(&deployment, Speaker::AllFiles).await.unwrap();
}

/// The functions of an aborted execution go on, beside those of the next one. What they do last, they may do after the
/// next one has looked, or before: if their load comes first, the next run finds nothing and opens nothing. So what
/// they open is the watchdog's to close.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_may_be_aborted_anywhere() {
    let campaign = Campaign::start().await;
    for speaker in speakers() {
        let problems = abort_anywhere(&campaign, speaker).await;
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

async fn abort_anywhere(campaign: &Arc<Campaign>, speaker: Speaker) -> Vec<String> {
    let mut points = vec![
        "detect-new-files PUT state/../lock.json",
        "pivot PUT intermediate_data/../result-00000.json",
        speaker.staging(),
        "upsert sql commit",
        "upsert PUT state/../entry",
        "upsert PUT state/../loaded.json",
    ];
    // The others open the database; `last_run` is tried in vpc mode.
    if !matches!(speaker, Speaker::LastRun) {
        points.push("database-access ModifyDBInstance");
    }
    let mut running = JoinSet::new();
    for point in points {
        let campaign = campaign.clone();
        running.spawn(async move {
            let deployment = campaign.deploy(speaker).await;
            let place = Place::Named(point.to_owned());
            let fault = Fault { place, moment: Moment::Before, action: Action::Hold, times: 1 };
            campaign.faults.arm(&deployment.name, Some(fault));
            let execution = deployment.start(&json!({})).await.unwrap();
            until(point, async || Ok(campaign.faults.struck(&deployment.name).is_some())).await;
            deployment.sfn().stop_execution().execution_arn(&execution.arn).send().await.unwrap();
            assert_eq!(execution.outcome().await.unwrap().status, "ABORTED");
            // From here on it goes on, beside the next run.
            campaign.faults.release(&deployment.name);
            let sound = match campaign.is_loaded(&deployment, speaker).await {
                Ok(()) => campaign.is_second_job_loaded(&deployment).await,
                problem => problem,
            };
            until("nothing of it goes on", async || Ok(campaign.faults.is_quiet(&deployment.name))).await;
            until("the watchdog has closed the database", async || {
                invoke(&deployment, "database-access", &json!({"action": "close_leftover"})).await?.unwrap();
                let leases = keys(&deployment, "state/database-access/").await;
                Ok(!deployment.is_database_public().await? && leases.is_empty())
            })
            .await;
            sound.map_err(|problem| format!("{point}: {problem}"))
        });
    }
    let ended = running.join_all().await;
    ended.into_iter().filter_map(Result::err).collect()
}
