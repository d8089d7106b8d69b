//! One execution, followed from outside as the console does.

use crate::BoxError;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent, HistoryEventType};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// How often the history is asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// An execution that was started.
pub struct Execution {
    client: Client,
    /// Its ARN.
    pub arn: String,
}

/// A state that was entered and left.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StateRun {
    /// The state's name.
    pub state: String,
    /// How long it took, its retries included, in milliseconds.
    pub duration_ms: i64,
    /// The error by which it was left.
    pub error: Option<String>,
}

/// How an execution ended.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its ARN.
    pub execution: String,
    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// The name of the error that ended it.
    pub error: Option<String>,
    /// What the error says, without the JSON around it.
    pub cause: Option<String>,
    /// The output of the last state: the counts.
    pub counts: Value,
    /// From start to end, in milliseconds.
    pub duration_ms: i64,
    /// The states in the order in which they were left.
    pub states: Vec<StateRun>,
}

impl Outcome {
    /// Whether it did its work.
    pub fn succeeded(&self) -> bool {
        self.status == "SUCCEEDED"
    }

    /// The last state that was reached, such as `Loaded`, `NothingToDo` or `Failed`.
    pub fn last_state(&self) -> &str {
        self.states.last().map(|run| run.state.as_str()).unwrap_or_default()
    }
}

/// What a follower is told.
pub(crate) enum Progress<'a> {
    /// A state was entered.
    Entered(&'a str),
    /// A state was left.
    Left(&'a StateRun),
    /// An attempt failed; the state machine may try again.
    AttemptFailed(&'a str),
}

impl Execution {
    /// The execution `arn`.
    pub fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As Step Functions has it.
    pub async fn outcome(&self) -> Result<Outcome, BoxError> {
        // Nobody is told of its states, so the history is asked for once.
        while self.describe().await?.status == ExecutionStatus::Running {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        self.follow(&mut |_| {}).await
    }

    /// Waits for its end, telling of each state as it comes and goes.
    ///
    /// # Errors
    /// As [`Execution::outcome`].
    pub(crate) async fn follow(&self, tell: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Outcome, BoxError> {
        let mut timeline = Timeline::default();
        loop {
            // Asked for before the history: once this says it has ended, the history is complete.
            let described = self.describe().await?;
            let events = self.history().await?;
            for event in events.iter().skip(timeline.seen) {
                timeline.add(event, tell);
            }
            timeline.seen = timeline.seen.max(events.len());
            if described.status != ExecutionStatus::Running {
                let end = described.stop_date.unwrap_or(described.start_date);
                timeline.finish(end.to_millis()?, described.error.as_ref(), tell);
                let output = described.output.filter(|_| described.status == ExecutionStatus::Succeeded);
                return Ok(Outcome {
                    execution: self.arn.clone(),
                    status: described.status.as_str().to_owned(),
                    error: described.error,
                    cause: described.cause.map(|cause| plain_cause(&cause)),
                    counts: output.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null),
                    duration_ms: end.to_millis()? - described.start_date.to_millis()?,
                    states: timeline.left,
                });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn describe(&self) -> Result<DescribeExecutionOutput, BoxError> {
        Ok(self.client.describe_execution().execution_arn(&self.arn).send().await?)
    }

    /// What the state `name` handed on when it was last left; null if it was not.
    ///
    /// # Errors
    /// As [`Execution::outcome`].
    pub async fn output_of(&self, name: &str) -> Result<Value, BoxError> {
        let events = self.history().await?;
        let mut left = events.iter().rev().filter_map(|event| event.state_exited_event_details());
        let output = left.find(|left| left.name == name).and_then(|left| left.output.as_deref());
        Ok(output.map(serde_json::from_str).transpose()?.unwrap_or_default())
    }

    async fn history(&self) -> Result<Vec<HistoryEvent>, BoxError> {
        let mut pages = self.client.get_execution_history().execution_arn(&self.arn).into_paginator().send();
        let mut events = Vec::new();
        while let Some(page) = pages.next().await {
            events.extend(page?.events);
        }
        Ok(events)
    }
}

/// Which states were entered and left, by their names: outside a Map, one at a time is open.
#[derive(Default)]
struct Timeline {
    seen: usize,
    open: Vec<(String, i64)>,
    /// Of the last attempt, until one succeeds.
    error: Option<String>,
    left: Vec<StateRun>,
}

impl Timeline {
    fn add(&mut self, event: &HistoryEvent, tell: &mut (dyn FnMut(Progress<'_>) + Send)) {
        let time = event.timestamp.to_millis().unwrap_or_default();
        if let Some(entered) = event.state_entered_event_details() {
            tell(Progress::Entered(&entered.name));
            self.open.push((entered.name.clone(), time));
        }
        if let Some(left) = event.state_exited_event_details() {
            let Some(place) = self.open.iter().rposition(|(name, _)| *name == left.name) else { return };
            let (state, since) = self.open.remove(place);
            self.left.push(StateRun { state, duration_ms: time - since, error: self.error.take() });
            if let Some(run) = self.left.last() {
                tell(Progress::Left(run));
            }
        }
        let failure = event.task_failed_event_details().and_then(|details| details.error());
        let failure =
            failure.or_else(|| event.lambda_function_failed_event_details().and_then(|details| details.error()));
        if let Some(error) = failure {
            self.error = Some(error.to_owned());
            tell(Progress::AttemptFailed(error));
        }
        if matches!(event.r#type, HistoryEventType::TaskSucceeded | HistoryEventType::LambdaFunctionSucceeded) {
            self.error = None;
        }
    }

    /// A Fail state is entered and never left.
    fn finish(&mut self, end: i64, error: Option<&String>, tell: &mut (dyn FnMut(Progress<'_>) + Send)) {
        for (state, since) in self.open.drain(..).rev() {
            self.left.push(StateRun { state, duration_ms: end - since, error: error.cloned() });
            if let Some(run) = self.left.last() {
                tell(Progress::Left(run));
            }
        }
    }
}

/// The cause of a function's error is the JSON that the function answered with; its message is what a person wants.
fn plain_cause(cause: &str) -> String {
    let message = serde_json::from_str::<Value>(cause)
        .ok()
        .and_then(|value| value["errorMessage"].as_str().map(ToOwned::to_owned));
    message.unwrap_or_else(|| cause.to_owned())
}
