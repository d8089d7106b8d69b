//! Queries of an execution that has ended: nobody waits for them any more.

use crate::statement::comment;
use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionState};
use sluice::contract::athena_elt::EndedBadly;
use sluice::contract::{Execution, Owner, keys};
use sluice::store::Store;
use sluice::time::parse_time;
use sluice::{Error, Kind, Result};
use std::time::{Duration, SystemTime};

/// How many pages of 50 queries are looked at, the newest ones first.
const MAX_PAGES: usize = 100;

/// How often Athena is asked for what it says of a page, and how long it is left alone before it is asked again.
const ASKED: (usize, Duration) = (4, Duration::from_millis(500));

/// After which time it is looked once more: for a query that was started when it was looked first, by a function that
/// died before it could look whether its run has ended, and for one that Athena takes up again, as it may for five
/// seconds after a fault of its own.
const LATE_STARTS: Duration = Duration::from_secs(6);

/// By how much clocks may differ.
const SKEW: Duration = Duration::from_secs(60);

/// Marks an execution as ended, for whoever starts a query of it from now on.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn mark(store: &Store, execution: &Owner) -> Result<()> {
    let mark = EndedBadly { execution: execution.id.clone() };
    store.write_json(&keys::ended(&execution.job, &execution.id), &mark).await.map(drop)
}

/// Whether the execution is marked as ended. One of the same name may have been before it: names are free again after
/// 90 days.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn is_marked(store: &Store, execution: &Execution) -> Result<bool> {
    let mark = store.read_latest_json::<EndedBadly>(&keys::ended(&execution.job, &execution.id)).await?;
    let started = parse_time(&execution.started_at)?.secs();
    let skew = i64::try_from(SKEW.as_secs()).unwrap_or_default();
    Ok(mark.is_some_and(|mark| mark.modified.is_none_or(|at| at.secs() + skew >= started)))
}

/// Stops a query; it may have ended.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn stop_query(athena: &Client, id: &str) -> Result<()> {
    let stopped = athena.stop_query_execution().query_execution_id(id).send().await;
    stopped.map(drop).map_err(|error| Error::aws(format!("stop the query {id}"), error))
}

/// An execution that has ended.
pub(crate) struct EndedRun<'a> {
    pub(crate) workgroup: &'a str,
    /// Its ARN.
    pub(crate) execution: &'a str,
    /// Since when it has been at work, if that is known.
    pub(crate) started: Option<SystemTime>,
}

impl EndedRun<'_> {
    /// Stops them; returns their ids.
    ///
    /// # Errors
    /// As [`Error::aws`]; `TransientFailure` if there may be others, which another try may find.
    pub(crate) async fn stop(&self, athena: &Client) -> Result<Vec<String>> {
        let began = SystemTime::now();
        let first = self.stop_since(athena, self.started).await;
        tokio::time::sleep(LATE_STARTS).await;
        let second = self.stop_since(athena, Some(began)).await;
        let (mut stopped, second) = (first?, second?);
        stopped.extend(second);
        stopped.sort();
        stopped.dedup();
        Ok(stopped)
    }

    /// Stops those that were started since then. Whatever goes wrong with one of them, the others are stopped: it is
    /// told at the end, and leaves less to the next try.
    async fn stop_since(&self, athena: &Client, since: Option<SystemTime>) -> Result<Vec<String>> {
        let Self { workgroup, execution, .. } = self;
        let (mut found, mut problem, mut token, comment) = (Vec::new(), None, None, comment(execution));
        let since = since.and_then(|since| since.checked_sub(SKEW));
        for _ in 0..MAX_PAGES {
            let page = athena.list_query_executions().work_group(*workgroup).max_results(50).set_next_token(token);
            let page = page.send().await;
            let page = page.map_err(|error| Error::aws(format!("list the queries of {workgroup}"), error))?;
            let (queries, unknown) = described(athena, page.query_execution_ids.unwrap_or_default()).await;
            problem = problem.or(unknown);
            for query in &queries {
                let state = query.status().and_then(|status| status.state());
                let is_running = matches!(state, Some(QueryExecutionState::Queued | QueryExecutionState::Running));
                let is_of_it = query.query().is_some_and(|sql| sql.starts_with(&comment));
                if let (true, true, Some(id)) = (is_running, is_of_it, query.query_execution_id()) {
                    match stop_query(athena, id).await {
                        Ok(()) => found.push(id.to_owned()),
                        Err(error) => problem = problem.or(Some(error)),
                    }
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            let is_older = |query| since.is_some_and(|since| submitted(query).is_some_and(|at| at < since));
            if token.is_none() || !queries.is_empty() && queries.iter().all(is_older) {
                return problem.map_or(Ok(found), Err);
            }
        }
        let too_many = || {
            let what = format!(
                "the workgroup {workgroup} has more than {} queries since the run began: one of the run's may be among \
                 those that were not looked at",
                MAX_PAGES * 50
            );
            Error::new(Kind::TransientFailure, what)
        };
        Err(problem.unwrap_or_else(too_many))
    }
}

/// What Athena says of queries; and what is wrong if that is not of all of them.
async fn described(athena: &Client, mut ids: Vec<String>) -> (Vec<QueryExecution>, Option<Error>) {
    let mut found = Vec::new();
    for asked in 0..ASKED.0 {
        if ids.is_empty() {
            return (found, None);
        }
        if asked > 0 {
            tokio::time::sleep(ASKED.1).await;
        }
        let described = athena.batch_get_query_execution().set_query_execution_ids(Some(ids)).send().await;
        let described = match described {
            Ok(described) => described,
            Err(error) => return (found, Some(Error::aws("look at queries", error))),
        };
        found.extend(described.query_executions.unwrap_or_default());
        let left = described.unprocessed_query_execution_ids.unwrap_or_default();
        ids = left.into_iter().filter_map(|left| left.query_execution_id).collect();
    }
    let told = |id: &String| {
        let what = format!("Athena says nothing of {} queries, {id} among them: one may be of the run", ids.len());
        Error::new(Kind::TransientFailure, what)
    };
    let problem = ids.first().map(told);
    (found, problem)
}

fn submitted(query: &QueryExecution) -> Option<SystemTime> {
    let at = query.status().and_then(|status| status.submission_date_time())?;
    SystemTime::try_from(*at).ok()
}

#[cfg(test)]
mod tests;
