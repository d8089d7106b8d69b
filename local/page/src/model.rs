//! What is known of a stack, its jobs and their runs: plain data, which the views show and the cache keeps.

use crate::definition::Definition;
use crate::facts::{Count, Facts};
use crate::files::Files;
use crate::fold::Story;
use crate::kind::Kind;
use crate::log::Lines;
use crate::outcome::{Outcome, Status};
use crate::reads::Reads;
use crate::schedule::Schedule;
use crate::trouble::Trouble;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice::digest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A run, as a list of executions has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The execution's name, unique within the job for 90 days.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// What Step Functions says of it.
    pub status: Status,
    /// When it was started, in milliseconds since 1970.
    pub started: i64,
    /// When it ended.
    pub ended: Option<i64>,
}

impl Head {
    /// How long it took, or has taken until `now`, in milliseconds.
    pub fn took(&self, now: i64) -> i64 {
        self.ended.unwrap_or(now) - self.started
    }
}

/// A state machine, as it was at some time.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Its states.
    pub definition: Arc<Definition>,
    /// All of its definition, which carries the job's spec.
    pub value: Arc<Value>,
    /// What its definition is kept by.
    pub digest: String,
}

impl Revision {
    /// That of this definition; `None` if it is none.
    pub fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let definition = Definition::read(&value)?;
        Some(Self { definition: definition.into(), value: value.into(), digest: digest::of([text]) })
    }
}

/// A run, with what was read of it.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the list says.
    pub head: Head,
    /// What its description says; `None` until it is read.
    pub facts: Option<Arc<Facts>>,
    /// What its history says; `None` until it is read.
    pub story: Option<Arc<Story>>,
    /// Its log lines, if somebody looked at them.
    pub lines: Option<Arc<Lines>>,
    /// What was written down of it, if that was read.
    pub row: Option<Arc<Row>>,
    /// Step Functions has forgotten it: it is known by that row alone.
    pub is_forgotten: bool,
    /// The states as they were when it ran, where that was read.
    pub revision: Option<Revision>,
    /// Somebody asked for them, and nobody can say any more which they were.
    pub is_revision_lost: bool,
}

impl Run {
    /// A run of which nothing else is known.
    pub fn new(head: Head) -> Self {
        Self {
            head,
            facts: None,
            story: None,
            lines: None,
            row: None,
            is_forgotten: false,
            revision: None,
            is_revision_lost: false,
        }
    }

    /// What became of it.
    pub fn outcome(&self) -> Outcome {
        match (self.head.status, &self.facts) {
            (Status::Running, _) => Outcome::Running,
            (Status::Failed, _) => Outcome::Failed,
            (Status::TimedOut, _) => Outcome::TimedOut,
            (Status::Aborted, _) => Outcome::Stopped,
            (Status::Succeeded, Some(facts)) => facts.outcome,
            (Status::Succeeded, None) if self.is_forgotten => Outcome::Loaded,
            (Status::Succeeded, None) => Outcome::EndedWell,
        }
    }

    /// The states of its job as they were when it ran; as they are now, where that was not read.
    pub fn definition<'a>(&'a self, job: &'a Job) -> &'a Definition {
        self.revision.as_ref().map_or(&job.definition, |revision| &revision.definition)
    }

    /// Whether its history is read to its end.
    pub fn is_told(&self) -> bool {
        self.story.as_ref().is_some_and(|story| story.ended.is_some())
    }

    /// How many rows it loaded, if that is known.
    pub fn rows(&self) -> Option<u64> {
        let told = self.facts.as_ref().and_then(|facts| facts.rows);
        told.or_else(|| self.row.as_ref().filter(|row| row.committed.is_some()).map(|row| row.rows))
    }
}

/// Where what is known of an older run is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// A row of `sluice.runs`.
    #[default]
    Runs,
    /// Rows of `sluice.windows`.
    Windows,
    /// A document in `state/<job>/runs/`.
    Document,
}

impl Origin {
    /// Where that of a job of this kind is from.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::TransformAndUpsert => Self::Runs,
            Kind::CopyTable => Self::Windows,
            Kind::AthenaElt | Kind::MysqlToRedshift => Self::Document,
        }
    }
}

/// What was written down of a run, to stay when Step Functions has forgotten it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// ARN of the execution.
    pub execution: String,
    /// Where this is from.
    pub origin: Origin,
    /// When it was started, in milliseconds since 1970.
    pub started: i64,
    /// When it ended, as far as that is known.
    pub ended: i64,
    /// When what it loaded was committed; `None` if it loaded nothing.
    pub committed: Option<i64>,
    /// How it ended.
    pub status: Status,
    /// The name of the error that ended it.
    pub error: Option<String>,
    /// What it did, in the order in which a person reads it.
    pub counts: Vec<Count>,
    /// Rows that it loaded, copied or published.
    pub rows: u64,
}

/// A window that is in the target, as `sluice.windows` or the record of its load has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadedWindow {
    /// Its first instant, in milliseconds since 1970.
    pub start: i64,
    /// The first instant that is no longer in it.
    pub end: i64,
    /// Its rows.
    pub rows: u64,
    /// The run that copied it.
    pub execution: String,
    /// Whether both sides were compared.
    pub is_verified: bool,
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// The ARN of its state machine.
    pub machine: String,
    /// Its states.
    pub definition: Arc<Definition>,
    /// What its states carry of its spec.
    pub spec: Arc<JobSpec>,
    /// When it runs by the clock; `None` until that is read.
    pub schedule: Option<Schedule>,
    /// Its runs, the newest first; `None` until they are listed.
    pub runs: Option<Vec<Run>>,
    /// Step Functions has more runs than the newest that are listed: others are described when somebody asks for them.
    pub is_cut: bool,
    /// More was written down of its runs than is read: the newest are there.
    pub is_history_cut: bool,
    /// The names of runs that were asked for, and that Step Functions does not know.
    pub missing: BTreeSet<String>,
    /// What is in its bucket, if somebody looked.
    pub files: Option<Arc<Files>>,
    /// The windows that are in its target; `None` until they are read, or where that cannot be. Of a job that loads
    /// Redshift those of which a record is in the bucket: what its executions say comes on top.
    pub windows: Option<Arc<Vec<LoadedWindow>>>,
    /// How many records of windows are still to be read.
    pub unread_windows: usize,
}

impl Job {
    /// The ARN of the execution of this name.
    pub(crate) fn execution(&self, name: &str) -> String {
        format!("{}:{name}", self.machine.replacen(":stateMachine:", ":execution:", 1))
    }

    /// A run, by the name of its execution.
    pub fn run(&self, name: &str) -> Option<&Run> {
        self.runs.iter().flatten().find(|run| run.head.name == name)
    }

    /// The newest run before this one that loaded something.
    pub fn last_good(&self, run: &Run) -> Option<&Run> {
        let older = self.runs.iter().flatten().skip_while(|known| known.head.arn != run.head.arn).skip(1);
        older.into_iter().find(|run| run.outcome() == Outcome::Loaded)
    }
}

/// What the states of a job carry of its spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobSpec {
    /// The prefix of its files; empty if it loads none.
    pub prefix: String,
    /// Its part `source`.
    pub source: Value,
    /// Its part `shape`.
    pub shape: Value,
    /// Its part `target`.
    pub target: Value,
    /// Its part `windows`.
    pub windows: Value,
    /// Whether its database is open only while a run loads.
    pub is_toggled: bool,
}

impl JobSpec {
    /// The table that is loaded, `schema.table`; empty if it is not one.
    pub fn table(&self) -> String {
        named(&self.target)
    }

    /// The table that is read; empty if it is not one.
    pub fn source_table(&self) -> String {
        named(&self.source)
    }

    /// The zone of its windows.
    pub fn zone(&self) -> Option<&str> {
        self.windows["zone"].as_str()
    }

    /// The first day of its windows.
    pub fn first_day(&self) -> Option<Date> {
        self.windows["start"].as_str()?.get(..10)?.parse().ok()
    }

    /// The first instant of that day in the zone of the windows, in milliseconds since 1970.
    pub fn first_instant(&self) -> Option<i64> {
        let zone = TimeZone::get(&crate::schedule::zone_of(self.zone())).ok()?;
        Some(self.first_day()?.to_zoned(zone).ok()?.timestamp().as_millisecond())
    }
}

fn named(part: &Value) -> String {
    let Some(table) = part["table"].as_str() else { return String::new() };
    format!("{}.{table}", part["schema"].as_str().unwrap_or("public"))
}

/// Something that is amiss, of which the views tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What kind of trouble.
    pub trouble: Trouble,
    /// The call that met it, such as `states:ListExecutions`.
    pub action: &'static str,
    /// When it is tried again, in milliseconds since 1970.
    pub again: i64,
}

/// A stack.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its bucket, once that is known.
    pub bucket: String,
    /// Where it is: `this machine`, or account and region.
    pub place: String,
    /// Whether it is on an account.
    pub is_account: bool,
    /// Whether runs may be started and stopped from here.
    pub allows_actions: bool,
    /// The ARNs of its state machines begin with this.
    pub machine_prefix: String,
    /// Whether files that arrive start runs.
    pub runs_on_upload: bool,
    /// When it was deployed last, in milliseconds since 1970.
    pub deployed_at: Option<i64>,
    /// Whether the page was told where the database of the jobs is.
    pub has_database: bool,
    /// Its jobs, by their names; empty until they are read.
    pub jobs: BTreeMap<String, Job>,
    /// Whether its jobs were read.
    pub is_read: bool,
    /// When it was read.
    pub reads: Reads,
    /// What is amiss, by the call that met it.
    pub notices: BTreeMap<&'static str, Notice>,
}
