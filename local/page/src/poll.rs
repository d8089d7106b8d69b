//! What is asked next: one poller for all tabs. It asks only while somebody looks, at the pace that AWS allows, and
//! puts what it hears into [`Shared`], from where views are written; so no view ever waits for AWS.

mod asks;
mod window_records;

use crate::cache::Cache;
use crate::fold::Story;
use crate::kind::Kind;
use crate::log::LogEvent;
use crate::model::{Head, Job, Notice, Origin, Run};
use crate::outcome::Status;
use crate::pace::Pace;
use crate::shared::{DATABASE, Look, RUNS_READ, Shared};
use crate::source::Source;
use crate::task::Task;
use crate::trouble::{Answer, Trouble};
use crate::zone::now;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use window_records::WindowRecords;

/// How far the lines of a run are read.
#[derive(Default)]
struct Reading {
    events: Vec<LogEvent>,
    /// By function: what to go on with, and whether its end was reached.
    functions: HashMap<&'static str, (Option<String>, bool)>,
    /// By function: the newest time that was read.
    newest: HashMap<&'static str, i64>,
}

/// The poller.
pub struct Poller {
    shared: Arc<Shared>,
    source: Source,
    pace: Pace,
    cache: Option<Cache>,
    due: HashMap<Task, i64>,
    failures: HashMap<&'static str, u32>,
    blocked: HashMap<&'static str, i64>,
    machines: Vec<String>,
    schedules: HashMap<String, String>,
    stories: HashMap<String, (Story, Option<String>)>,
    readings: HashMap<String, Reading>,
    looked_up: HashSet<String>,
    /// Definitions that runs ran with, by their digests: most are the same.
    definitions: HashMap<String, Arc<Value>>,
    /// By job: the records of its windows.
    records: HashMap<String, WindowRecords>,
    ended_since_rows: bool,
}

impl Poller {
    /// A poller that puts what it hears into `shared`.
    pub fn new(shared: Arc<Shared>, source: Source, cache: Option<Cache>) -> Self {
        let pace = if shared.stack().is_account { Pace::account(now()) } else { Pace::none() };
        Self {
            shared,
            source,
            pace,
            cache,
            due: HashMap::new(),
            failures: HashMap::new(),
            blocked: HashMap::new(),
            machines: Vec::new(),
            schedules: HashMap::new(),
            stories: HashMap::new(),
            readings: HashMap::new(),
            looked_up: HashSet::new(),
            definitions: HashMap::new(),
            records: HashMap::new(),
            ended_since_rows: true,
        }
    }

    /// Asks for as long as the process lives.
    pub async fn run(mut self) {
        loop {
            let at = now();
            let looks = self.shared.open(at);
            let task = if looks.is_empty() { None } else { self.next(&looks, at) };
            match task {
                Some(task) => self.perform(task).await,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// How long what is known of something that changes holds, in milliseconds: less on this machine, where calls cost
    /// nothing.
    fn fresh_for(&self, account: i64) -> i64 {
        if self.shared.stack().is_account { account } else { 500 }
    }

    fn is_due(&self, task: &Task, at: i64) -> bool {
        let is_blocked =
            [task.action(), "*"].iter().any(|action| self.blocked.get(action).is_some_and(|until| at < *until));
        !is_blocked && self.due.get(task).is_none_or(|due| at >= *due)
    }

    /// What is asked next: what a reader waits for goes first.
    fn next(&self, looks: &[Look], at: i64) -> Option<Task> {
        let due = |task: Task| Some(task).filter(|task| self.is_due(task, at));
        if let Some(task) = due(Task::Root).or_else(|| due(Task::Machines).filter(|_| self.knows_root())) {
            return Some(task);
        }
        let unread = |machine: &&String| self.is_due(&Task::Job((*machine).clone()), at);
        if let Some(machine) = self.machines.iter().find(unread) {
            return Some(Task::Job(machine.clone()));
        }
        let stack = self.shared.stack();
        // The job that somebody looks at goes before the others.
        let wanted: HashSet<&str> = looks.iter().filter_map(Look::job).collect();
        let (first, rest): (Vec<&Job>, Vec<&Job>) =
            stack.jobs.values().partition(|job| wanted.contains(job.name.as_str()));
        let jobs: Vec<&Job> = first.into_iter().chain(rest).collect();
        let unlisted = jobs.iter().filter(|job| job.runs.is_none());
        let list = |job: &Job| due(Task::List(job.name.clone()));
        if let Some(task) = unlisted.into_iter().find_map(|job| list(job)) {
            return Some(task);
        }
        for look in looks {
            if let Look::Run(job, name) = look
                && let Some(task) = stack.jobs.get(job).and_then(|job| self.of_run(job, name, at))
            {
                return Some(task);
            }
        }
        let running = jobs.iter().filter(|job| job.runs.iter().flatten().any(|run| run.head.ended.is_none()));
        if let Some(task) = running.into_iter().chain(&jobs).find_map(|job| list(job)) {
            return Some(task);
        }
        if let Some(task) = self.unread_run(&jobs, at) {
            return Some(task);
        }
        if self.source.has_database()
            && self.ended_since_rows
            && let Some(task) = due(Task::Rows)
        {
            return Some(task);
        }
        if let Some(task) = due(Task::Schedules) {
            return Some(task);
        }
        let unscheduled = jobs.iter().filter(|job| job.schedule.is_none());
        if let Some(task) = unscheduled.into_iter().find_map(|job| due(Task::Schedule(job.name.clone()))) {
            return Some(task);
        }
        looks.iter().find_map(|look| match look {
            Look::Job(name) => {
                let job = stack.jobs.get(name)?;
                let windows = job.kind == Kind::CopyTable && self.source.has_database();
                let windows = windows.then(|| due(Task::Windows(name.clone()))).flatten();
                let has_records = Origin::of(job.kind) == Origin::Document && job.runs.is_some();
                let records = has_records.then(|| due(Task::Records(name.clone()))).flatten();
                let has_days = job.kind == Kind::MysqlToRedshift && job.runs.is_some() && !job.spec.windows.is_null();
                let days = has_days.then(|| due(Task::WindowRecords(name.clone()))).flatten();
                windows.or_else(|| self.untold_run(job, at)).or(days).or(records)
            }
            Look::Files(name) => stack
                .jobs
                .get(name)
                .filter(|job| !job.spec.prefix.is_empty())
                .and_then(|_| due(Task::Files(name.clone()))),
            _ => None,
        })
    }

    fn knows_root(&self) -> bool {
        !self.shared.stack().machine_prefix.is_empty()
    }

    /// What is still to be asked of a run that somebody looks at.
    fn of_run(&self, job: &Job, name: &str, at: i64) -> Option<Task> {
        let run = job.run(name).filter(|run| !run.is_forgotten)?;
        let key = || (job.name.clone(), name.to_owned());
        let due = |task: Task| Some(task).filter(|task| self.is_due(task, at));
        let is_shown = run.facts.as_ref().is_some_and(|facts| facts.input.is_some() || facts.output.is_some());
        let is_running = run.head.status == Status::Running;
        if run.facts.is_none() || (!is_shown && !self.looked_up.contains(&run.head.arn)) {
            let (job, name) = key();
            if let Some(task) = due(Task::Describe(job, name)) {
                return Some(task);
            }
        }
        let is_told = run.story.as_ref().is_some_and(|story| story.ended.is_some());
        if (!is_told || is_running)
            && let Some(task) = due(Task::History(job.name.clone(), name.to_owned()))
        {
            return Some(task);
        }
        if run.outcome().is_bad() {
            let mut both = [Some(run), job.last_good(run)].into_iter().flatten();
            let unasked = both.find(|run| run.ran_with.is_none() && !run.is_forgotten);
            let ask = |run: &Run| due(Task::RanWith(job.name.clone(), run.head.name.clone()));
            if let Some(task) = unasked.and_then(ask) {
                return Some(task);
            }
        }
        if run.lines.as_ref().is_some_and(|lines| lines.is_complete) && !is_running {
            return None;
        }
        let functions = job.kind.functions().iter();
        functions
            .filter(|function| !self.is_read(&run.head, function))
            .find_map(|function| due(Task::Lines(job.name.clone(), name.to_owned(), function)))
    }

    /// Whether all lines of a function were read, of a run that has ended.
    fn is_read(&self, head: &Head, function: &&'static str) -> bool {
        let reading = self.readings.get(&head.arn);
        head.ended.is_some()
            && reading.and_then(|reading| reading.functions.get(function)).is_some_and(|(_, is_done)| *is_done)
    }

    /// The newest ended run of which no description was read, over all jobs.
    fn unread_run(&self, jobs: &[&Job], at: i64) -> Option<Task> {
        let unread = |job: &&Job| {
            let mut runs = job.runs.iter().flatten().take(RUNS_READ).enumerate();
            let (place, run) =
                runs.find(|(_, run)| run.head.ended.is_some() && run.facts.is_none() && !run.is_forgotten)?;
            let task = Task::Describe(job.name.clone(), run.head.name.clone());
            self.is_due(&task, at).then_some((place, task))
        };
        jobs.iter().filter_map(unread).min_by_key(|(place, _)| *place).map(|(_, task)| task)
    }

    /// The newest run of a job of which no history was read.
    fn untold_run(&self, job: &Job, at: i64) -> Option<Task> {
        let runs = job.runs.iter().flatten().take(RUNS_READ).filter(|run| !run.is_forgotten);
        let untold =
            runs.filter(|run| run.head.ended.is_none() || run.story.as_ref().is_none_or(|story| story.ended.is_none()));
        let mut tasks = untold.map(|run| Task::History(job.name.clone(), run.head.name.clone()));
        tasks.find(|task| self.is_due(task, at))
    }

    async fn perform(&mut self, task: Task) {
        if task.action() != DATABASE {
            self.pace.token().await;
        }
        let answer = self.ask(&task).await;
        let (action, at) = (task.action(), now());
        match answer {
            Ok(pause) => {
                self.due.insert(task, at.saturating_add(pause));
                self.failures.remove(action);
                self.blocked.remove("*");
                self.shared.change(|stack| {
                    stack.read_at = at;
                    stack.notices.remove(action);
                    stack.notices.retain(|_, notice| !notice.trouble.is_of_all());
                });
            }
            Err(trouble) => self.fail(task, trouble, at),
        }
    }

    fn fail(&mut self, task: Task, trouble: Trouble, at: i64) {
        let action = task.action();
        let failures = self.failures.entry(action).or_default();
        let again = at + trouble.pause(*failures);
        *failures += 1;
        // What is gone, such as a run that is forgotten, is gone for this question alone.
        let is_alone = trouble == Trouble::Missing && !matches!(task, Task::Root | Task::Machines);
        if let (true, Task::Describe(job, name) | Task::History(job, name)) = (is_alone, &task) {
            let (job, name) = (job.clone(), name.clone());
            self.change_run(&job, &name, |run| run.is_forgotten = true);
        }
        self.due.insert(task, again);
        if is_alone {
            return;
        }
        let is_of_all = trouble.is_of_all() && action != DATABASE;
        self.blocked.insert(if is_of_all { "*" } else { action }, again);
        self.shared.change(|stack| {
            stack.notices.insert(action, Notice { trouble, action, again });
        });
    }

    /// Asks, and puts the answer where the views find it; says for how many milliseconds it holds.
    async fn ask(&mut self, task: &Task) -> Answer<i64> {
        match task {
            Task::Root => self.ask_root().await,
            Task::Machines => self.ask_machines().await,
            Task::Job(machine) => self.ask_job(machine).await,
            Task::Schedules => {
                let group = self.shared.stack().name.clone();
                self.schedules = self.source.schedules(&group).await?;
                Ok(300_000)
            }
            Task::Schedule(job) => self.ask_schedule(job).await,
            Task::List(job) => self.ask_list(job).await,
            Task::Describe(job, run) => self.ask_facts(job, run).await,
            Task::History(job, run) => self.ask_history(job, run).await,
            Task::RanWith(job, run) => self.ask_ran_with(job, run).await,
            Task::Lines(job, run, function) => self.ask_lines(job, run, function).await,
            Task::Files(job) => self.ask_files(job).await,
            Task::Rows => self.ask_rows().await,
            Task::Records(job) => self.ask_records(job).await,
            Task::Windows(job) => self.ask_windows(job).await,
            Task::WindowRecords(job) => self.ask_window_records(job).await,
        }
    }
}
