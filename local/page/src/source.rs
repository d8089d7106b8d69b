//! What is asked of AWS and the database: one function for each question, which answers with plain data.

use crate::database::Database;
use crate::described;
use crate::facts::{Facts, Texts};
use crate::files::{self, Files, Object, Quarantined};
use crate::fold::Event;
use crate::kind::Kind;
use crate::log::LogEvent;
use crate::model::{Head, Job, LoadedWindow, Row};
use crate::outcome::{Outcome, Status};
use crate::records;
use crate::schedule::Schedule;
use crate::trouble::{Answer, Trouble};
use aws_config::SdkConfig;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent};
use serde_json::Value;
use sluice::contract::{Execution, Loaded, keys};
use sluice::ledger;
use sluice::store::Store;
use std::collections::{BTreeSet, HashMap};

/// How many executions of a job are listed, and events of a history read, at once: the most that there may be.
const PAGE: i32 = 1_000;

/// How many objects of a prefix are looked at.
const MOST_OBJECTS: usize = 5_000;

/// How many quarantine files are read for their reasons, each up to so many bytes.
const MOST_QUARANTINE_FILES: usize = 12;
const QUARANTINE_BYTES: u64 = 1_000_000;

/// The clients.
pub struct Source {
    cloudformation: aws_sdk_cloudformation::Client,
    sfn: aws_sdk_sfn::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    scheduler: aws_sdk_scheduler::Client,
    s3: aws_sdk_s3::Client,
    database: Option<Database>,
}

/// What the root of a stack says.
#[derive(Clone, Debug, Default)]
pub struct Root {
    /// Its bucket.
    pub bucket: String,
    /// With a job's name behind it, the ARN of its state machine.
    pub machine_prefix: String,
    /// Whether files that arrive start runs.
    pub runs_on_upload: bool,
    /// When it was deployed last, in milliseconds since 1970.
    pub deployed_at: Option<i64>,
}

/// A page of a history.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// Its events, the oldest first.
    pub events: Vec<Event>,
    /// What to ask for the next one with.
    pub next: Option<String>,
}

/// A page of log lines.
#[derive(Debug, Default)]
pub struct LogPage {
    /// Its events.
    pub events: Vec<LogEvent>,
    /// What to ask for the next one with.
    pub next: Option<String>,
}

impl Source {
    /// The clients of this configuration. `database_url` is that of the database that the jobs load, if it is known.
    ///
    /// # Errors
    /// If the URL is none; it is not repeated, since it may hold a password.
    pub fn new(config: &SdkConfig, database_url: Option<&str>) -> Result<Self, String> {
        Ok(Self {
            cloudformation: aws_sdk_cloudformation::Client::new(config),
            sfn: aws_sdk_sfn::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            scheduler: aws_sdk_scheduler::Client::new(config),
            s3: sluice::aws::s3(config),
            database: database_url.map(Database::new).transpose()?,
        })
    }

    /// Whether there is a database to ask.
    pub fn has_database(&self) -> bool {
        self.database.is_some()
    }

    /// What the stack `name` says of itself.
    pub async fn root(&self, name: &str) -> Answer<Root> {
        let answer = self.cloudformation.describe_stacks().stack_name(name).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let stack = answer.stacks().first().ok_or(Trouble::Missing)?;
        let output = |key: &str| {
            let found = stack.outputs().iter().find(|output| output.output_key() == Some(key));
            found.and_then(|output| output.output_value()).map(ToOwned::to_owned)
        };
        let has = |key: &str, value: &str| {
            let mut parameters = stack.parameters().iter();
            parameters.any(|given| given.parameter_key() == Some(key) && given.parameter_value() == Some(value))
        };
        Ok(Root {
            bucket: output("BucketName").unwrap_or_default(),
            machine_prefix: output("StateMachineArnPrefix").ok_or(Trouble::Missing)?,
            runs_on_upload: has("S3TriggerState", "ENABLED"),
            deployed_at: stack.last_updated_time().or(stack.creation_time()).and_then(|at| at.to_millis().ok()),
        })
    }

    /// The ARNs of all state machines that begin with `prefix`.
    pub async fn machines(&self, prefix: &str) -> Answer<Vec<String>> {
        let answer = self.sfn.list_state_machines().max_results(PAGE).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let machines = answer.state_machines.into_iter().map(|machine| machine.state_machine_arn);
        Ok(machines.filter(|arn| arn.starts_with(prefix)).collect())
    }

    /// The job of a state machine; `None` if it is not one of a job of the stack whose ARNs begin with `prefix`.
    pub async fn job(&self, machine: &str, prefix: &str) -> Answer<Option<Job>> {
        let answer = self.sfn.describe_state_machine().state_machine_arn(machine).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        Ok(described::job(machine, prefix, &answer.definition))
    }

    /// The definition that an execution ran with; `None` if it is not known any more.
    pub async fn ran_with(&self, arn: &str) -> Answer<Option<String>> {
        let answer = self.sfn.describe_state_machine_for_execution().execution_arn(arn).send().await;
        match answer.map_err(|error| Trouble::of(&error)) {
            Ok(answer) => Ok(Some(answer.definition)),
            Err(Trouble::Missing) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The schedules of the group `group`, by the ARN of the state machine that they start: the names.
    pub async fn schedules(&self, group: &str) -> Answer<HashMap<String, String>> {
        let answer = self.scheduler.list_schedules().group_name(group).max_results(100).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let schedules = answer.schedules.into_iter();
        Ok(schedules.filter_map(|schedule| Some((schedule.target?.arn, schedule.name?))).collect())
    }

    /// One of them.
    pub async fn schedule(&self, group: &str, name: &str) -> Answer<Schedule> {
        let answer = self.scheduler.get_schedule().group_name(group).name(name).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let expression = answer.schedule_expression.unwrap_or_default();
        let zone = answer.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned());
        let is_on = answer.state.is_none_or(|state| state == aws_sdk_scheduler::types::ScheduleState::Enabled);
        Ok(if is_on { Schedule::On { expression, zone } } else { Schedule::Off(expression) })
    }

    /// The newest executions of a state machine.
    pub async fn executions(&self, machine: &str) -> Answer<Vec<Head>> {
        let answer = self.sfn.list_executions().state_machine_arn(machine).max_results(PAGE).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let head = |item: aws_sdk_sfn::types::ExecutionListItem| Head {
            name: item.name,
            arn: item.execution_arn,
            status: status(&item.status),
            started: item.start_date.to_millis().unwrap_or_default(),
            ended: item.stop_date.and_then(|at| at.to_millis().ok()),
        };
        Ok(answer.executions.into_iter().map(head).collect())
    }

    /// What is said of an execution of a job of this kind.
    pub async fn facts(&self, kind: Kind, arn: &str) -> Answer<Facts> {
        let answer = self.sfn.describe_execution().execution_arn(arn).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let texts = Texts {
            input: answer.input.as_deref(),
            output: answer.output.as_deref(),
            error: answer.error.as_deref(),
            cause: answer.cause.as_deref(),
        };
        Ok(Facts::read(kind, status(&answer.status), texts))
    }

    /// A page of an execution's history.
    pub async fn history(&self, arn: &str, next: Option<String>) -> Answer<HistoryPage> {
        let ask = self.sfn.get_execution_history().execution_arn(arn).max_results(PAGE).set_next_token(next);
        let answer = ask.include_execution_data(false).send().await.map_err(|error| Trouble::of(&error))?;
        Ok(HistoryPage { events: answer.events.iter().map(event).collect(), next: answer.next_token })
    }

    /// A page of the log lines of a function, between two times in milliseconds since 1970.
    pub async fn lines(
        &self,
        stack: &str,
        job: &str,
        function: &str,
        (from, to): (i64, i64),
        next: Option<String>,
    ) -> Answer<LogPage> {
        let group = match function {
            "database-access" => format!("/aws/lambda/{stack}-{function}"),
            _ => format!("/aws/lambda/{stack}-{job}-{function}"),
        };
        let ask = self.logs.filter_log_events().log_group_name(group).start_time(from).end_time(to);
        let answer = match ask.set_next_token(next).send().await.map_err(|error| Trouble::of(&error)) {
            Ok(answer) => answer,
            // A function that never ran has no group.
            Err(Trouble::Missing) => return Ok(LogPage::default()),
            Err(trouble) => return Err(trouble),
        };
        let one = |event: aws_sdk_cloudwatchlogs::types::FilteredLogEvent| LogEvent {
            function: function.to_owned(),
            stream: event.log_stream_name.unwrap_or_default(),
            id: event.event_id.unwrap_or_default(),
            at: event.timestamp.unwrap_or_default(),
            message: event.message.unwrap_or_default(),
        };
        Ok(LogPage {
            events: answer.events.unwrap_or_default().into_iter().map(one).collect(),
            next: answer.next_token,
        })
    }

    /// Starts an execution, whose name makes that happen once; says its ARN, unless it was started before.
    pub async fn start(&self, machine: &str, name: &str, input: &Value) -> Answer<Option<String>> {
        let start = self.sfn.start_execution().state_machine_arn(machine).name(name).input(input.to_string());
        match start.send().await {
            Ok(answer) => Ok(Some(answer.execution_arn)),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_already_exists()) => Ok(None),
            Err(error) => Err(Trouble::of(&error)),
        }
    }

    /// Stops an execution.
    pub async fn stop(&self, arn: &str) -> Answer<()> {
        let stop = self.sfn.stop_execution().execution_arn(arn).error("Stopped").cause("Stopped on the page.");
        stop.send().await.map(|_| ()).map_err(|error| Trouble::of(&error))
    }

    /// An object, as it is: a quarantine file, or the record of a run.
    pub async fn quarantine(&self, bucket: &str, key: &str) -> Answer<Vec<u8>> {
        let answer = self.s3.get_object().bucket(bucket).key(key).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let body = answer.body.collect().await.map_err(|error| Trouble::Other(error.to_string()))?;
        Ok(body.to_vec())
    }

    /// The quarantine files of one run, or of all runs if `run` is empty: keys and sizes, the newest first.
    pub async fn quarantine_files(&self, bucket: &str, job: &str, run: &str) -> Answer<Vec<Object>> {
        let prefix = if run.is_empty() { format!("quarantine/{job}/") } else { format!("quarantine/{job}/{run}/") };
        let (mut objects, _) = self.list(bucket, &prefix, None).await?;
        objects.sort_by_key(|object| std::cmp::Reverse(object.modified));
        Ok(objects)
    }

    /// A page of objects, and what to ask for the next one with.
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        next: Option<String>,
    ) -> Answer<(Vec<Object>, Option<String>)> {
        let ask = self.s3.list_objects_v2().bucket(bucket).prefix(prefix).set_continuation_token(next);
        let answer = ask.send().await.map_err(|error| Trouble::of(&error))?;
        let objects = answer.contents.unwrap_or_default().into_iter().filter_map(object);
        Ok((objects.collect(), answer.next_continuation_token))
    }

    /// The objects of a folder, without those of folders in it: at most so many, and whether there are more. Before
    /// each call but the first, `wait` is asked.
    async fn list_folder(
        &self,
        bucket: &str,
        folder: &str,
        wait: &mut impl AsyncFnMut(),
    ) -> Answer<(Vec<Object>, bool)> {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let ask = self.s3.list_objects_v2().bucket(bucket).prefix(folder).delimiter("/");
            let answer = ask.set_continuation_token(next).send().await.map_err(|error| Trouble::of(&error))?;
            found.extend(answer.contents.unwrap_or_default().into_iter().filter_map(object));
            next = answer.next_continuation_token;
            if next.is_none() || found.len() >= MOST_OBJECTS {
                return Ok((found, next.is_some()));
            }
            wait().await;
        }
    }

    /// What runs of a job wrote down that are not known: some of it, and whether there is more.
    pub async fn records(&self, bucket: &str, job: &Job, mut wait: impl AsyncFnMut()) -> Answer<(Vec<Row>, bool)> {
        let (objects, _) = self.list_folder(bucket, &records::folder(&job.name), &mut wait).await?;
        let unknown = records::unknown(job, objects);
        let has_more = unknown.len() > records::AT_ONCE;
        let mut rows = Vec::new();
        for (execution, object) in unknown.into_iter().take(records::AT_ONCE) {
            wait().await;
            let bytes = self.quarantine(bucket, &object.key).await?;
            rows.push(records::row(job.kind, execution, &object, &String::from_utf8_lossy(&bytes)));
        }
        Ok((rows, has_more))
    }

    /// Which records of windows of a job there are, the newest first. Before each call but the first, `wait` is asked.
    pub async fn window_records(&self, bucket: &str, job: &Job, mut wait: impl AsyncFnMut()) -> Answer<Vec<Object>> {
        let folder = records::folder(&job.name);
        let (mut objects, mut next) = self.list(bucket, &folder, None).await?;
        while next.is_some() && objects.len() < MOST_OBJECTS {
            wait().await;
            let (more, behind) = self.list(bucket, &folder, next).await?;
            objects.extend(more);
            next = behind;
        }
        Ok(records::of_windows(job, objects))
    }

    /// What is in the bucket for a job. Before each call but the first, `wait` is asked.
    pub async fn files(&self, bucket: &str, job: &Job, now: i64, mut wait: impl AsyncFnMut()) -> Answer<Files> {
        let mut found = Files { listed_at: now, ..Files::default() };
        let prefix = &job.spec.prefix;
        let (mut objects, mut next) = self.list(bucket, prefix, None).await?;
        while next.is_some() && objects.len() < MOST_OBJECTS {
            wait().await;
            let (more, behind) = self.list(bucket, prefix, next).await?;
            objects.extend(more);
            next = behind;
        }
        found.is_cut = next.is_some();
        let store = Store::new(self.s3.clone(), bucket);
        let other = |error: sluice::Error| Trouble::Other(error.to_string());
        wait().await;
        let loaded = store.read_latest_json::<Loaded>(&keys::loaded(&job.name)).await.map_err(other)?;
        let mut known = HashMap::new();
        let spec = files::spec(&job.spec.source, &job.spec.shape, &job.spec.target);
        let spec = spec.ok_or_else(|| Trouble::Other("the spec of this job is not understood here".to_owned()))?;
        if let Some(loaded) = loaded.map(|latest| latest.document) {
            wait().await;
            let execution = execution(job);
            let (entries, _) = self.list(bucket, &keys::ledger_prefix(&execution), None).await?;
            // Each entry is a call.
            for _ in entries {
                wait().await;
            }
            let names: BTreeSet<String> = objects.iter().map(|object| object.key.clone()).collect();
            let sameness = ledger::Sameness::of(&spec);
            known = ledger::last_known(&store, &execution, &loaded, sameness, &names).await.map_err(other)?;
        }
        found.files = files::judged(objects, &spec, prefix, &known, looked_from(job, &spec));
        wait().await;
        let quarantine = self.quarantine_files(bucket, &job.name, "").await?;
        found.unread = quarantine.len().saturating_sub(MOST_QUARANTINE_FILES);
        for object in quarantine.into_iter().take(MOST_QUARANTINE_FILES) {
            let run = object.key.split('/').nth(2).unwrap_or_default().to_owned();
            if object.size > QUARANTINE_BYTES {
                found.quarantine.push(Quarantined { run, key: object.key, ..Quarantined::default() });
                continue;
            }
            wait().await;
            let text = self.quarantine(bucket, &object.key).await?;
            found.quarantine.extend(files::quarantined(&run, &text));
        }
        Ok(found)
    }
}

impl Source {
    /// What the database says of the newest runs of these jobs; none if nothing was ever loaded.
    pub async fn rows(&self, jobs: &[String]) -> Answer<Vec<Row>> {
        self.database.as_ref().ok_or(Trouble::Missing)?.rows(jobs).await
    }

    /// The windows of a job that are in its target and begin within these milliseconds since 1970.
    pub async fn windows(&self, job: &str, range: (i64, i64)) -> Answer<Vec<LoadedWindow>> {
        self.database.as_ref().ok_or(Trouble::Missing)?.windows(job, range).await
    }
}

/// Since when runs of a job look at files: the start of the last success, less the lookback. What an older success
/// leaves open, an older one does not say.
fn looked_from(job: &Job, spec: &sluice::spec::Spec) -> Option<i64> {
    let mut runs = job.runs.iter().flatten();
    let last = runs.find(|run| matches!(run.outcome(), Outcome::Loaded | Outcome::NothingNew))?;
    Some(last.head.started - i64::from(spec.source.lookback_hours) * 3_600_000)
}

/// As much of an execution as says where a job's documents are.
fn execution(job: &Job) -> Execution {
    Execution {
        job: job.name.clone(),
        id: String::new(),
        name: String::new(),
        started_at: String::new(),
        state_machine: job.machine.clone(),
    }
}

fn object(object: aws_sdk_s3::types::Object) -> Option<Object> {
    Some(Object {
        key: object.key?,
        etag: object.e_tag.unwrap_or_default(),
        size: object.size.unwrap_or_default().unsigned_abs(),
        modified: object.last_modified.and_then(|at| at.to_millis().ok()).unwrap_or_default(),
    })
}

fn status(status: &ExecutionStatus) -> Status {
    match status {
        ExecutionStatus::Succeeded => Status::Succeeded,
        ExecutionStatus::Failed => Status::Failed,
        ExecutionStatus::TimedOut => Status::TimedOut,
        ExecutionStatus::Aborted => Status::Aborted,
        _ => Status::Running,
    }
}

fn event(event: &HistoryEvent) -> Event {
    let name = event.state_entered_event_details().map(|details| details.name.clone());
    let name = name.or_else(|| event.state_exited_event_details().map(|details| details.name.clone()));
    let iteration = event
        .map_iteration_started_event_details()
        .or(event.map_iteration_succeeded_event_details())
        .or(event.map_iteration_failed_event_details())
        .or(event.map_iteration_aborted_event_details());
    let name = name.or_else(|| iteration.and_then(|details| details.name.clone()));
    let length = event.map_state_started_event_details().map(|details| details.length);
    let number = length.or_else(|| iteration.map(|details| details.index));
    let error = event
        .task_failed_event_details()
        .and_then(|details| details.error.clone())
        .or_else(|| event.task_timed_out_event_details().and_then(|details| details.error.clone()))
        .or_else(|| event.lambda_function_failed_event_details().and_then(|details| details.error.clone()))
        .or_else(|| event.lambda_function_timed_out_event_details().and_then(|details| details.error.clone()))
        .or_else(|| event.task_submit_failed_event_details().and_then(|details| details.error.clone()));
    Event {
        id: event.id,
        previous: event.previous_event_id,
        at: event.timestamp.to_millis().unwrap_or_default(),
        kind: event.r#type.as_str().to_owned(),
        name,
        error,
        number: number.and_then(|number| u32::try_from(number).ok()),
    }
}
