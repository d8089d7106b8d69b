//! What is asked of AWS and the database: one function for each question, which answers with plain data.

mod bucket;

use crate::database::Database;
use crate::described;
use crate::facts::{Facts, Texts};
use crate::fold::Event;
use crate::kind::{DATABASE_ACCESS, Kind};
use crate::log::LogEvent;
use crate::model::{Head, Job, LoadedWindow, Row};
use crate::outcome::Status;
use crate::pace::Tokens;
use crate::schedule::Schedule;
use crate::trouble::{Answer, Trouble};
use aws_config::SdkConfig;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent};
use serde_json::Value;
use std::collections::HashMap;

/// How many executions of a job are listed, and events of a history read, at once: the most that there may be.
const PAGE: i32 = 1_000;

/// The clients.
pub struct Source {
    cloudformation: aws_sdk_cloudformation::Client,
    sfn: aws_sdk_sfn::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    scheduler: aws_sdk_scheduler::Client,
    s3: aws_sdk_s3::Client,
    database: Option<Database>,
    begun: bucket::Listings,
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
            begun: bucket::Listings::default(),
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

    /// The ARNs of all state machines that begin with `prefix`. Before each call but the first, a token is taken.
    pub async fn machines(&self, prefix: &str, tokens: &Tokens) -> Answer<Vec<String>> {
        let (mut machines, mut next) = (Vec::new(), None);
        loop {
            let ask = self.sfn.list_state_machines().max_results(PAGE).set_next_token(next);
            let answer = ask.send().await.map_err(|error| Trouble::of(&error))?;
            machines.extend(answer.state_machines.into_iter().map(|machine| machine.state_machine_arn));
            next = answer.next_token;
            if next.is_none() {
                machines.retain(|arn| arn.starts_with(prefix));
                return Ok(machines);
            }
            tokens.take().await;
        }
    }

    /// The job of a state machine; `None` if it is not one of a job of the stack whose ARNs begin with `prefix`.
    pub async fn job(&self, machine: &str, prefix: &str) -> Answer<Option<Job>> {
        let answer = self.sfn.describe_state_machine().state_machine_arn(machine).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        Ok(described::job(machine, prefix, &answer.definition))
    }

    /// The schedules of the group `group`, by the ARN of the state machine that they start: the names. Before each call
    /// but the first, a token is taken.
    pub async fn schedules(&self, group: &str, tokens: &Tokens) -> Answer<HashMap<String, String>> {
        let (mut found, mut next) = (HashMap::new(), None);
        loop {
            let ask = self.scheduler.list_schedules().group_name(group).max_results(100).set_next_token(next);
            let answer = ask.send().await.map_err(|error| Trouble::of(&error))?;
            let schedules = answer.schedules.into_iter();
            found.extend(schedules.filter_map(|schedule| Some((schedule.target?.arn, schedule.name?))));
            next = answer.next_token;
            if next.is_none() {
                return Ok(found);
            }
            tokens.take().await;
        }
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

    /// The newest executions of a state machine, and whether there are more.
    pub async fn executions(&self, machine: &str) -> Answer<(Vec<Head>, bool)> {
        let answer = self.sfn.list_executions().state_machine_arn(machine).max_results(PAGE).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let head = |item: aws_sdk_sfn::types::ExecutionListItem| Head {
            name: item.name,
            arn: item.execution_arn,
            status: status(&item.status),
            started: item.start_date.to_millis().unwrap_or_default(),
            ended: item.stop_date.and_then(|at| at.to_millis().ok()),
        };
        Ok((answer.executions.into_iter().map(head).collect(), answer.next_token.is_some()))
    }

    /// What is said of an execution of a job of this kind.
    pub async fn facts(&self, kind: Kind, arn: &str) -> Answer<(Head, Facts)> {
        let answer = self.sfn.describe_execution().execution_arn(arn).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let texts = Texts {
            input: answer.input.as_deref(),
            output: answer.output.as_deref(),
            error: answer.error.as_deref(),
            cause: answer.cause.as_deref(),
        };
        let facts = Facts::read(kind, status(&answer.status), texts);
        let head = Head {
            name: answer.name.unwrap_or_default(),
            arn: answer.execution_arn,
            status: status(&answer.status),
            started: answer.start_date.to_millis().unwrap_or_default(),
            ended: answer.stop_date.and_then(|at| at.to_millis().ok()),
        };
        Ok((head, facts))
    }

    /// The definition by which an execution runs or ran, and since when it is the one of its state machine, in
    /// milliseconds since 1970.
    pub async fn definition(&self, arn: &str) -> Answer<(String, i64)> {
        let answer = self.sfn.describe_state_machine_for_execution().execution_arn(arn).send().await;
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        Ok((answer.definition, answer.update_date.to_millis().unwrap_or_default()))
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
            DATABASE_ACCESS => format!("/aws/lambda/{stack}-{function}"),
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
}

impl Source {
    /// What the database says of the newest runs of each of these jobs, as [`Database::rows`]; none if nothing was ever
    /// loaded.
    pub(crate) async fn rows(&self, jobs: &[String]) -> Answer<Vec<(String, Row)>> {
        self.database.as_ref().ok_or(Trouble::Missing)?.rows(jobs).await
    }

    /// The windows of a job that are in its target, in their order; those of one day of this zone as one.
    pub async fn windows(&self, job: &str, zone: &str) -> Answer<Vec<LoadedWindow>> {
        self.database.as_ref().ok_or(Trouble::Missing)?.windows(job, zone).await
    }
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
