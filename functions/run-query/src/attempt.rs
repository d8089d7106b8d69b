//! An attempt of a step: one query, started once.
//!
//! The chain of attempts is stored nowhere. Each has a token that follows from execution, step and number, and Athena
//! answers a known token with the query that it started: who comes again, after a crash or a lost answer, walks the
//! chain to where it was. The query's id also travels with the state, so that Athena has to know a token for minutes
//! only.

use crate::context::Context;
use crate::statement::{self, comment};
use crate::stop::{self, EndedRun};
use crate::verdict::{Ended, Next, Verdict};
use aws_sdk_athena::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_athena::operation::start_query_execution::StartQueryExecutionError;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionContext, QueryExecutionState, ResultConfiguration};
use lake::TableColumn;
use sluice::contract::athena_elt::{
    ColumnCount, Counts, Format, Progress, QueryResult, RunInput, RunOutput, Spec, Step, Target, staging,
};
use sluice::contract::{Execution, keys};
use sluice::edge::Invocation;
use sluice::time::parse_time;
use sluice::{Error, Kind, Result, digest};
use std::time::{Duration, Instant, SystemTime};
use tracing::{info, warn};

/// How often a step is tried.
const ATTEMPTS: u32 = 3;

/// For how long an invocation waits for its query.
const PATIENCE: Duration = Duration::from_secs(15);

/// The pauses between two looks, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How long before Lambda's deadline a start is given up that Athena has not answered: there has to be time to look
/// whether the run has ended, and to stop what was started for it.
const START_MARGIN: Duration = Duration::from_secs(20);

/// A step of a target.
pub(crate) struct Attempt<'a> {
    pub(crate) context: &'a Context,
    pub(crate) invocation: &'a Invocation,
    pub(crate) input: &'a RunInput,
    pub(crate) spec: &'a Spec,
    pub(crate) target: &'a Target,
    /// Of the table that was built; none before.
    pub(crate) columns: &'a [TableColumn],
}

impl Attempt<'_> {
    /// Runs the step's query to its end, or says how far it is.
    ///
    /// # Errors
    /// What its end means, see [`Verdict`]: `TransientFailure` once it was tried as often as it is.
    pub(crate) async fn run(&self) -> Result<RunOutput> {
        let (began, mut pause) = (Instant::now(), PAUSES.0);
        let attempt = self.input.progress.attempt;
        let query_id = match &self.input.progress.query_id {
            Some(query_id) => query_id.clone(),
            None => match self.start(attempt).await? {
                Some(query_id) => query_id,
                None => {
                    let pause_seconds = pause_when_refused(age_of(&self.input.execution)?);
                    return Ok(unfinished(Progress { attempt, query_id: None }, pause_seconds));
                }
            },
        };
        loop {
            let query = self.look(&query_id).await?;
            let status = query.status();
            match status.and_then(|status| status.state()) {
                Some(QueryExecutionState::Succeeded) => return self.done(&query, query_id).await,
                Some(QueryExecutionState::Failed | QueryExecutionState::Cancelled) => {
                    let ended = ended(&query);
                    match ended.next(ended_ago(&query), began.elapsed() >= PATIENCE) {
                        Next::Judge => return self.judge(&ended, attempt, &query_id),
                        Next::AskLater(pause_seconds) => {
                            return Ok(unfinished(Progress { attempt, query_id: Some(query_id) }, pause_seconds));
                        }
                        Next::LookAgain => {}
                    }
                }
                _ if began.elapsed() >= PATIENCE => {
                    let progress = Progress { attempt, query_id: Some(query_id) };
                    let pause_seconds = pause_while_at_work(age(&query), age_of(&self.input.execution)?);
                    return Ok(unfinished(progress, pause_seconds));
                }
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(PAUSES.1);
        }
    }

    /// Starts the query of an attempt; or finds it, if it was started. `None` if there are too many queries just now: a
    /// full quota is no failure of this one, and may be full for longer than a failure is tried again.
    ///
    /// The run may have ended meanwhile, and who stops its queries may have looked before this one was there. So
    /// afterwards, also where the answer is lost: of the mark that the other one made before it looked, and of this
    /// query, one is seen by one of the two.
    ///
    /// # Errors
    /// `StaleRun` if the run has ended: the query is stopped then.
    async fn start(&self, attempt: u32) -> Result<Option<String>> {
        let (context, input, began) = (self.context, self.input, SystemTime::now());
        let time = self.invocation.time_left(START_MARGIN).max(Duration::from_secs(1));
        let started = tokio::time::timeout(time, self.send(attempt)).await.unwrap_or_else(|_| {
            let what = format!("Athena did not answer within {} s", time.as_secs());
            Err(Error::new(Kind::TransientFailure, what))
        });
        if !stop::is_marked(&context.store, &input.execution).await? {
            return started;
        }
        match &started {
            Ok(Some(query_id)) => stop::stop_query(&context.athena, query_id).await?,
            // What was refused at last may have been started before, and the answer lost.
            Ok(None) | Err(_) => {
                let (workgroup, execution) = (&context.workgroup, &input.execution.id);
                EndedRun { workgroup, execution, started: Some(began) }.stop(&context.athena).await?;
            }
        }
        let step = input.step.name();
        let what = format!("the run has ended, so the {step} of {} was stopped; start a new one", input.table);
        Err(Error::new(Kind::StaleRun, what))
    }

    async fn send(&self, attempt: u32) -> Result<Option<String>> {
        let (context, input) = (self.context, self.input);
        let execution = &input.execution;
        let sql = self.sql(attempt)?;
        let parameters = match input.step {
            Step::Build => self.spec.literals(self.target, &input.values)?,
            Step::Export | Step::Verify => Vec::new(),
        };
        let prefix = match input.step {
            Step::Build => keys::table_versions(&execution.job, &input.table),
            Step::Export | Step::Verify => keys::query_results(execution),
        };
        let location = format!("s3://{}/{prefix}", context.store.bucket());
        // All that decides the result is in it, for Athena compares neither parameters nor workgroup.
        let number = attempt.to_string();
        let decides = [&execution.id, &input.table, input.step.name(), &number, &sql, &location, &context.workgroup];
        let token = digest::of(decides.into_iter().chain(parameters.iter().map(String::as_str)));
        let database = QueryExecutionContext::builder().database(&self.spec.database).catalog("AwsDataCatalog").build();
        let started = context
            .athena
            .start_query_execution()
            .client_request_token(token)
            // By this name the queries of an execution that has ended are found.
            .query_string(format!("{}{sql}", comment(&execution.id)))
            .query_execution_context(database)
            .result_configuration(ResultConfiguration::builder().output_location(location).build())
            .work_group(&context.workgroup)
            .set_execution_parameters((!parameters.is_empty()).then_some(parameters))
            .send()
            .await;
        let what = || format!("start the {} of {}", input.step.name(), input.table);
        let started = match started {
            Err(error) if is_refused(&error) => {
                info!(step = input.step.name(), table = input.table, attempt, "too many queries: asked again later");
                return Ok(None);
            }
            started => started.map_err(|error| Error::aws(what(), error))?,
        };
        let missing = || Error::new(Kind::InvariantBroken, format!("{}: Athena named no query", what()));
        let query_id = started.query_execution_id.ok_or_else(missing)?;
        info!(step = input.step.name(), table = input.table, attempt, query.id = query_id, "query started or found");
        Ok(Some(query_id))
    }

    fn sql(&self, attempt: u32) -> Result<String> {
        let (input, database, export) = (self.input, &self.spec.database, &self.target.export);
        let built = || {
            let missing = || Error::new(Kind::InvalidEvent, "the step needs the table that was built");
            input.staging.as_deref().ok_or_else(missing)
        };
        Ok(match input.step {
            Step::Build => statement::build(self.spec, self.target, &self.staging(attempt)),
            Step::Export => statement::export(database, built()?, export, self.columns),
            Step::Verify => statement::verify(database, built()?, export, self.columns),
        })
    }

    fn staging(&self, attempt: u32) -> String {
        let Self { context, input, .. } = self;
        let owner = lake::owner(context.store.bucket(), &input.execution.job);
        staging(&input.table, &owner, &input.execution, attempt)
    }

    async fn look(&self, query_id: &str) -> Result<QueryExecution> {
        let looked = self.context.athena.get_query_execution().query_execution_id(query_id).send().await;
        let looked = looked.map_err(|error| Error::aws(format!("look at the query {query_id}"), error))?;
        let missing = || Error::new(Kind::InvariantBroken, format!("Athena says nothing of the query {query_id}"));
        looked.query_execution.ok_or_else(missing)
    }

    fn judge(&self, ended: &Ended, attempt: u32, query_id: &str) -> Result<RunOutput> {
        let what = |why: &str| format!("{} of {}, query {query_id}: {why}", self.input.step.name(), self.input.table);
        match ended.verdict() {
            Verdict::Failed(kind, why) => Err(Error::new(kind, what(&why))),
            Verdict::Again(why) if attempt + 1 >= ATTEMPTS => {
                let why = format!("{why} (attempt {} of {ATTEMPTS})", attempt + 1);
                Err(Error::new(Kind::TransientFailure, what(&why)))
            }
            Verdict::Again(why) => {
                warn!(attempt, "tried again: {}", what(&why));
                let progress = Progress { attempt: attempt + 1, query_id: None };
                Ok(unfinished(progress, 5 << attempt))
            }
        }
    }

    async fn done(&self, query: &QueryExecution, query_id: String) -> Result<RunOutput> {
        let (input, attempt) = (self.input, self.input.progress.attempt);
        let output = query.result_configuration().and_then(ResultConfiguration::output_location);
        let scanned = query.statistics().and_then(|statistics| statistics.data_scanned_in_bytes());
        let scanned_bytes = scanned.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
        let (rows, counts) = match input.step {
            Step::Export => (None, None),
            Step::Build => (Some(self.rows_built(&query_id).await?), None),
            Step::Verify => (None, Some(self.counts(&query_id).await?)),
        };
        let result = QueryResult {
            query_id: query_id.clone(),
            output: output.unwrap_or_default().to_owned(),
            scanned_bytes,
            staging: (input.step == Step::Build).then(|| self.staging(attempt)),
            rows,
            counts,
        };
        info!(
            step = input.step.name(),
            table = input.table,
            attempt,
            query.id = query_id,
            bytes.scanned = scanned_bytes,
            "query done"
        );
        let progress = Progress { attempt, query_id: Some(query_id) };
        let is_exported = input.step == Step::Build && self.target.export.format == Format::Parquet;
        Ok(RunOutput { is_done: true, is_exported, progress, pause_seconds: 0, result: Some(result) })
    }

    async fn rows_built(&self, query_id: &str) -> Result<u64> {
        let results = self.context.athena.get_query_results().query_execution_id(query_id).max_results(1).send().await;
        let results = results.map_err(|error| Error::aws(format!("read the result of {query_id}"), error))?;
        let rows = results.update_count.and_then(|rows| u64::try_from(rows).ok());
        rows.ok_or_else(|| {
            Error::new(Kind::InvariantBroken, format!("Athena does not say how many rows {query_id} made"))
        })
    }

    /// The one row that the count answers with, behind one of names.
    async fn counts(&self, query_id: &str) -> Result<Counts> {
        let results = self.context.athena.get_query_results().query_execution_id(query_id).send().await;
        let results = results.map_err(|error| Error::aws(format!("read the result of {query_id}"), error))?;
        let rows = results.result_set().map_or(&[][..], |set| set.rows());
        let numbers: Option<Vec<u64>> = match rows {
            [_, row] => row.data().iter().map(|datum| datum.var_char_value()?.parse().ok()).collect(),
            _ => None,
        };
        let counts = numbers.as_deref().and_then(|numbers| {
            let (rows, columns) = numbers.split_first()?;
            let columns = columns.chunks_exact(2).map(|pair| ColumnCount { values: pair[0], characters: pair[1] });
            Some(Counts { rows: *rows, columns: columns.collect() })
        });
        let counts = counts.filter(|counts| counts.columns.len() == self.columns.len());
        counts.ok_or_else(|| Error::new(Kind::InvariantBroken, format!("the count {query_id} is no row of counts")))
    }
}

/// The answer of a step that has to be asked for again.
fn unfinished(progress: Progress, pause_seconds: u64) -> RunOutput {
    RunOutput { is_done: false, is_exported: false, progress, pause_seconds, result: None }
}

/// Whether Athena starts no query now because there are too many, running and queued, or too many calls (Amazon Athena
/// User Guide, "Service Quotas").
fn is_refused(error: &SdkError<StartQueryExecutionError>) -> bool {
    error.code().is_some_and(|code| ["TooManyRequestsException", "ThrottlingException"].contains(&code))
}

/// The least and the longest pause between two invocations of a step, in seconds.
const WAITS: (u64, u64) = (5, 300);

/// When to ask again for a start that was refused, in seconds, by how old the execution is. Longer and longer, so that
/// two targets that wait for all of the two days of an execution stay within its history of 25,000 events, of which
/// asking once takes nine.
fn pause_when_refused(age: Duration) -> u64 {
    (age.as_secs() / 8).clamp(WAITS.0, WAITS.1)
}

/// When to ask again for a query that is at work, in seconds, by how old it and the execution are. A quarter of what it
/// has taken so far; and the longer the execution, the longer at least, because its history also has to hold many
/// queries one after the other.
fn pause_while_at_work(query: Duration, execution: Duration) -> u64 {
    let least = (execution.as_secs() / 300).clamp(WAITS.0, WAITS.1);
    (query.as_secs() / 4).clamp(least, WAITS.1)
}

fn ended(query: &QueryExecution) -> Ended {
    let status = query.status();
    let error = status.and_then(|status| status.athena_error());
    Ended {
        is_cancelled: status.and_then(|status| status.state()) == Some(&QueryExecutionState::Cancelled),
        reason: status.and_then(|status| status.state_change_reason()).unwrap_or("no reason was given").to_owned(),
        category: error.and_then(|error| error.error_category()).unwrap_or_default(),
        retryable: error.is_some_and(|error| error.retryable()),
    }
}

/// How long ago the query has ended; `None` while Athena does not say when.
fn ended_ago(query: &QueryExecution) -> Option<Duration> {
    let at = query.status().and_then(|status| status.completion_date_time())?;
    // Clocks may differ.
    SystemTime::try_from(*at).ok().map(|at| at.elapsed().unwrap_or_default())
}

/// How long ago the execution was started.
fn age_of(execution: &Execution) -> Result<Duration> {
    let started = SystemTime::try_from(parse_time(&execution.started_at)?).ok();
    Ok(started.and_then(|started| started.elapsed().ok()).unwrap_or_default())
}

/// How long ago the query was submitted.
fn age(query: &QueryExecution) -> Duration {
    let at = query.status().and_then(|status| status.submission_date_time());
    let at = at.and_then(|at| SystemTime::try_from(*at).ok());
    at.and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_is_full_for_two_days_is_waited_for_within_an_execution_s_history() {
        let (mut age, mut asked) = (0, 0);
        while age < 172_800 {
            age += pause_when_refused(Duration::from_secs(age));
            asked += 1;
        }
        // A Task takes five events, a Choice and a Wait two each; two targets are at work at once.
        assert!((500..1_000).contains(&asked) && 2 * 9 * asked < 20_000, "{asked}");
        assert_eq!(pause_when_refused(Duration::ZERO), 5, "one that passes soon is not waited for any longer");
    }

    #[test]
    fn queries_of_whatever_length_fit_into_an_execution_s_history() {
        const QUERIES: u64 = 100;
        for length in [16, 60, 300, 1_000, 3_600, 14_400, 86_400, 172_800] {
            let (mut now, mut asked) = (0, 0);
            for _ in 0..QUERIES {
                let begin = now;
                while now < begin + length && now < 172_800 {
                    now += PATIENCE.as_secs();
                    asked += 1;
                    if now < begin + length {
                        let (query, execution) = (Duration::from_secs(now - begin), Duration::from_secs(now));
                        now += pause_while_at_work(query, execution);
                    }
                }
                // It finds the query done.
                asked += 1;
            }
            // As above, of 25,000; the rest is for what else a run does.
            assert!(2 * 9 * asked < 20_000, "{length} s: {asked}");
        }
        let pause = |query, execution| pause_while_at_work(Duration::from_secs(query), Duration::from_secs(execution));
        assert_eq!((pause(15, 60), pause(400, 400), pause(2_000, 2_000)), (5, 100, 300));
        assert_eq!((pause(15, 86_400), pause(15, 172_800)), (288, 300), "a short one late in a long run");
    }
}
