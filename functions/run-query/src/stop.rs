//! Queries of an execution that has ended: nobody waits for them any more.

use crate::statement::comment;
use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionState};
use sluice::{Error, Kind, Result};
use std::time::{Duration, SystemTime};

/// How many pages of 50 queries are looked at, the newest ones first.
const MAX_PAGES: usize = 100;

/// How often Athena is asked for what it says of a page, and how long it is left alone before it is asked again.
const ASKED: (usize, Duration) = (4, Duration::from_millis(500));

/// A function that was at work when its execution ended may still start its query, at the beginning of its work.
const LATE_STARTS: Duration = Duration::from_secs(3);

/// By how much clocks may differ.
const SKEW: Duration = Duration::from_secs(60);

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
        let mut stopped = self.stop_since(athena, self.started).await?;
        tokio::time::sleep(LATE_STARTS).await;
        stopped.extend(self.stop_since(athena, Some(began)).await?);
        stopped.sort();
        stopped.dedup();
        Ok(stopped)
    }

    /// Stops those that were started since then. What it has found it stops before it looks further: an error on the
    /// way leaves less to the next try.
    async fn stop_since(&self, athena: &Client, since: Option<SystemTime>) -> Result<Vec<String>> {
        let Self { workgroup, execution, .. } = self;
        let (mut found, mut token, comment) = (Vec::new(), None, comment(execution));
        let since = since.and_then(|since| since.checked_sub(SKEW));
        for _ in 0..MAX_PAGES {
            let page = athena.list_query_executions().work_group(*workgroup).max_results(50).set_next_token(token);
            let page = page.send().await;
            let page = page.map_err(|error| Error::aws(format!("list the queries of {workgroup}"), error))?;
            let queries = described(athena, page.query_execution_ids.unwrap_or_default()).await?;
            for query in &queries {
                let state = query.status().and_then(|status| status.state());
                let is_running = matches!(state, Some(QueryExecutionState::Queued | QueryExecutionState::Running));
                let is_of_it = query.query().is_some_and(|sql| sql.starts_with(&comment));
                if let (true, true, Some(id)) = (is_running, is_of_it, query.query_execution_id()) {
                    let stopped = athena.stop_query_execution().query_execution_id(id).send().await;
                    stopped.map_err(|error| Error::aws(format!("stop the query {id}"), error))?;
                    found.push(id.to_owned());
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            let is_older = |query| since.is_some_and(|since| submitted(query).is_some_and(|at| at < since));
            if token.is_none() || !queries.is_empty() && queries.iter().all(is_older) {
                return Ok(found);
            }
        }
        let what = format!(
            "the workgroup {workgroup} has more than {} queries since the run began: one of the run's may be among those \
             that were not looked at",
            MAX_PAGES * 50
        );
        Err(Error::new(Kind::TransientFailure, what))
    }
}

/// What Athena says of queries: of all of them.
async fn described(athena: &Client, mut ids: Vec<String>) -> Result<Vec<QueryExecution>> {
    let mut found = Vec::new();
    for asked in 0..ASKED.0 {
        if ids.is_empty() {
            return Ok(found);
        }
        if asked > 0 {
            tokio::time::sleep(ASKED.1).await;
        }
        let described = athena.batch_get_query_execution().set_query_execution_ids(Some(ids)).send().await;
        let described = described.map_err(|error| Error::aws("look at queries", error))?;
        found.extend(described.query_executions.unwrap_or_default());
        let left = described.unprocessed_query_execution_ids.unwrap_or_default();
        ids = left.into_iter().filter_map(|left| left.query_execution_id).collect();
    }
    match ids.first() {
        None => Ok(found),
        Some(id) => Err(Error::new(Kind::TransientFailure, format!("Athena says nothing of the query {id}"))),
    }
}

fn submitted(query: &QueryExecution) -> Option<SystemTime> {
    let at = query.status().and_then(|status| status.submission_date_time())?;
    SystemTime::try_from(*at).ok()
}

#[cfg(test)]
mod tests;
