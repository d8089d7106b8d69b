//! What is asked next: one poller for all tabs. It asks only while somebody looks, at the pace that AWS allows, and
//! puts what it hears into [`Shared`], from where views are written; so no view ever waits for AWS.

mod asks;
mod shelves;
mod turns;
mod window_records;

use crate::cache::{Cache, Caches};
use crate::files::Object;
use crate::fold::Story;
use crate::log::LogEvent;
use crate::model::{Notice, Stack};
use crate::pace::Tokens;
use crate::shared::{DATABASE, Look, MISTAKE, Shared};
use crate::shelf::Shelves;
use crate::source::Source;
use crate::task::Task;
use crate::trouble::{Answer, Trouble};
use crate::zone::now;
use futures_util::FutureExt;
use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use turns::Turns;
use window_records::WindowRecords;

/// How far the lines of a run are read.
#[derive(Default)]
struct Reading {
    events: Vec<LogEvent>,
    /// Whether some were dropped, because there are too many.
    is_cut: bool,
    functions: HashMap<&'static str, Walk>,
}

/// How far the lines of a function are read, page by page.
#[derive(Default)]
struct Walk {
    /// What to ask for the next page with: its token, and the times that the first page was asked for, which a token
    /// is only good with.
    next: Option<(String, (i64, i64))>,
    /// The newest time of the pages so far, in milliseconds since 1970.
    newest: Option<i64>,
    /// The newest time when the last page was there.
    complete_to: Option<i64>,
    /// The last page was read, and no line can come any more.
    is_done: bool,
}

/// How long it is said that the page has made a mistake, and how long it waits after one, in milliseconds.
const MISTAKE_TOLD: i64 = 10_000;
const AFTER_MISTAKE: Duration = Duration::from_secs(1);

/// Says what a view wants to know now, one question of each kind.
type Wanted = fn(&Poller, &Stack, &Look, i64) -> Vec<Task>;

/// The poller.
pub struct Poller {
    shared: Arc<Shared>,
    source: Source,
    tokens: Tokens,
    /// Until the account of the stack is known.
    caches: Option<Caches>,
    /// Of the account of the stack, once that is known.
    cache: Option<Cache>,
    due: HashMap<Task, i64>,
    failures: HashMap<&'static str, u32>,
    blocked: HashMap<&'static str, i64>,
    machines: Vec<String>,
    schedules: HashMap<String, String>,
    stories: HashMap<String, (Story, Option<String>)>,
    readings: HashMap<String, Reading>,
    looked_up: HashSet<String>,
    /// By job: the records of its windows.
    records: HashMap<String, WindowRecords>,
    /// By job: the records of older runs that are still to be read, with their executions.
    older: HashMap<String, Vec<(String, Object)>>,
    ended_since_rows: bool,
    /// Questions of which a token was refused since their first page.
    begun_anew: HashSet<Task>,
    shelves: Shelves,
    turns: Turns,
    /// Runs whose lines are held, the one that was looked at last at the end.
    viewed: VecDeque<(String, String)>,
}

impl Poller {
    /// A poller that puts what it hears into `shared`, and keeps it in one of `caches`.
    pub fn new(shared: Arc<Shared>, source: Source, tokens: Tokens, caches: Option<Caches>) -> Self {
        Self {
            shared,
            source,
            tokens,
            caches,
            cache: None,
            due: HashMap::new(),
            failures: HashMap::new(),
            blocked: HashMap::new(),
            machines: Vec::new(),
            schedules: HashMap::new(),
            stories: HashMap::new(),
            readings: HashMap::new(),
            looked_up: HashSet::new(),
            records: HashMap::new(),
            older: HashMap::new(),
            ended_since_rows: true,
            begun_anew: HashSet::new(),
            shelves: Shelves::default(),
            turns: Turns::default(),
            viewed: VecDeque::new(),
        }
    }

    /// Asks for as long as the process lives.
    pub async fn run(self) {
        self.run_by(Self::wanted).await;
    }

    async fn run_by(mut self, wanted: Wanted) {
        loop {
            // A mistake of the page in one turn ends neither the other turns nor the page.
            if AssertUnwindSafe(self.turn(wanted)).catch_unwind().await.is_err() {
                let again = now() + MISTAKE_TOLD;
                self.shared.change(|stack| {
                    let trouble = Trouble::Other("a mistake".to_owned());
                    stack.notices.insert(MISTAKE, Notice { trouble, action: MISTAKE, again });
                });
                tokio::time::sleep(AFTER_MISTAKE).await;
            }
        }
    }

    /// Asks what is next, or waits a little if that is nothing.
    async fn turn(&mut self, wanted: Wanted) {
        let at = now();
        let is_over = self.shared.stack().notices.get(MISTAKE).is_some_and(|notice| notice.again < at);
        if is_over {
            self.shared.change(|stack| drop(stack.notices.remove(MISTAKE)));
        }
        let looks = self.shared.open(at);
        self.forget_files(&looks, at);
        self.forget_notices(&looks, at);
        let task = if looks.is_empty() { None } else { self.next(&looks, at, wanted) };
        match task {
            Some(task) => self.perform(task).await,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }

    /// How long what is known of something that changes holds, in milliseconds: less on this machine, where calls cost
    /// nothing.
    fn fresh_for(&self, account: i64) -> i64 {
        if self.shared.stack().is_account { account } else { 500 }
    }

    async fn perform(&mut self, task: Task) {
        if task.action() != DATABASE {
            self.tokens.take().await;
        }
        // An answer that the page cannot read ends neither the other questions nor the page.
        let answer = AssertUnwindSafe(self.ask(&task)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_| Err(Trouble::Other("the page made a mistake in reading it".to_owned())));
        let (action, at) = (task.action(), now());
        match answer {
            Ok(pause) => {
                self.failures.remove(action);
                self.blocked.remove("*");
                let looks: Vec<Look> = self.shared.open(at);
                let is_of = |look: &Look| task.is_of(look);
                let open: Vec<Look> = looks.iter().filter(|look| is_of(look)).cloned().collect();
                self.shared.change(|stack| {
                    stack.reads.took(action, &open, at);
                    stack.reads.retain(&looks);
                    stack.notices.remove(action);
                    stack.notices.retain(|_, notice| !notice.trouble.is_of_all());
                });
                // Without a pause there are more pages.
                if pause > 0 {
                    self.begun_anew.remove(&task);
                }
                self.due.insert(task, at.saturating_add(pause));
            }
            Err(trouble) => self.fail(task, trouble, at),
        }
    }

    /// Forgets what is amiss with questions that nobody asks any more. One that is not due yet is told to whoever comes
    /// back before that.
    fn forget_notices(&self, looks: &[Look], at: i64) {
        let mut forgotten: Vec<&'static str> = {
            let stack = self.shared.stack();
            let notices = stack.notices.values().filter(|notice| notice.again <= at && !notice.trouble.is_of_all());
            notices.map(|notice| notice.action).collect()
        };
        if !forgotten.is_empty() {
            let asked = self.asked(looks);
            forgotten.retain(|action| !asked.contains(action));
        }
        if !forgotten.is_empty() {
            self.shared.change(|stack| stack.notices.retain(|action, _| !forgotten.contains(action)));
        }
    }

    fn fail(&mut self, task: Task, trouble: Trouble, at: i64) {
        let action = task.action();
        let failures = self.failures.entry(action).or_default();
        let again = at + trouble.pause(*failures);
        *failures += 1;
        // A token that is refused, or too old, is of no more use: the pages are read from the first one. That is worth
        // no notice, unless it happens again on the way.
        if matches!(trouble, Trouble::Other(_)) && self.forget_token(&task) && self.begun_anew.insert(task.clone()) {
            self.due.insert(task, again);
            return;
        }
        // What is gone, such as a run that is forgotten, is gone for this question alone.
        let is_alone = match (&trouble, &task) {
            (Trouble::Missing, task) => !matches!(task, Task::Root | Task::Machines),
            // Not every engine knows this question; the definition of now stands for it.
            (Trouble::Other(_), Task::Definition(..)) => true,
            _ => false,
        };
        if let (true, Task::Find(job, name)) = (is_alone, &task) {
            self.shared.change(|stack| {
                if let Some(job) = stack.jobs.get_mut(job) {
                    job.missing.insert(name.clone());
                }
            });
        }
        if let (true, Task::Describe(job, name) | Task::History(job, name)) = (is_alone, &task) {
            let (job, name) = (job.clone(), name.clone());
            self.change_run(&job, &name, |run| run.is_forgotten = true);
        }
        if let (true, Task::Definition(job, run)) = (is_alone, &task) {
            self.change_run(job, run, |run| run.is_revision_lost = true);
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
                self.schedules = self.source.schedules(&group, &self.tokens).await?;
                Ok(300_000)
            }
            Task::Schedule(job) => self.ask_schedule(job).await,
            Task::List(job) => self.ask_list(job).await,
            Task::Definition(job, run) => self.ask_definition(job, run).await,
            Task::Describe(job, run) => self.ask_facts(job, run).await,
            Task::History(job, run) => self.ask_history(job, run).await,
            Task::Lines(job, run, function) => self.ask_lines(job, run, function).await,
            Task::Files(job) => self.ask_files(job).await,
            Task::Ledger(job) => self.ask_ledger(job).await,
            Task::Entries(job) => self.ask_entries(job).await,
            Task::Quarantine(job) => self.ask_quarantine(job).await,
            Task::Quarantined(job) => self.ask_quarantined(job).await,
            Task::Find(job, run) => self.ask_for_run(job, run).await,
            Task::Rows => self.ask_rows().await,
            Task::Records(job) => self.ask_records(job).await,
            Task::Windows(job) => self.ask_windows(job).await,
            Task::WindowRecords(job) => self.ask_window_records(job).await,
        }
    }
}
