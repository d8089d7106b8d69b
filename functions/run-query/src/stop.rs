//! Queries of an execution that has ended: nobody waits for them any more.

use crate::statement::comment;
use aws_sdk_athena::Client;
use aws_sdk_athena::types::QueryExecutionState;
use sluice::{Error, Result};
use std::time::Duration;

/// How many pages of 50 queries are looked at, the newest ones first.
const MAX_PAGES: usize = 20;

/// A function that was at work when its execution ended may still start its query, at the beginning of its work.
const LATE_STARTS: Duration = Duration::from_secs(3);

/// Stops them; returns their ids.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn stop(athena: &Client, workgroup: &str, execution: &str) -> Result<Vec<String>> {
    let mut stopped = running(athena, workgroup, execution).await?;
    stop_all(athena, &stopped).await?;
    tokio::time::sleep(LATE_STARTS).await;
    let late = running(athena, workgroup, execution).await?;
    stop_all(athena, &late).await?;
    stopped.extend(late);
    stopped.sort();
    stopped.dedup();
    Ok(stopped)
}

async fn stop_all(athena: &Client, queries: &[String]) -> Result<()> {
    for query in queries {
        let stopped = athena.stop_query_execution().query_execution_id(query).send().await;
        stopped.map_err(|error| Error::aws(format!("stop the query {query}"), error))?;
    }
    Ok(())
}

async fn running(athena: &Client, workgroup: &str, execution: &str) -> Result<Vec<String>> {
    let (mut found, mut token, comment) = (Vec::new(), None, comment(execution));
    for _ in 0..MAX_PAGES {
        let page = athena.list_query_executions().work_group(workgroup).max_results(50).set_next_token(token);
        let page = page.send().await.map_err(|error| Error::aws(format!("list the queries of {workgroup}"), error))?;
        let ids = page.query_execution_ids.unwrap_or_default();
        if !ids.is_empty() {
            let described = athena.batch_get_query_execution().set_query_execution_ids(Some(ids)).send().await;
            let described = described.map_err(|error| Error::aws("look at queries", error))?;
            for query in described.query_executions.unwrap_or_default() {
                let state = query.status().and_then(|status| status.state());
                let is_running = matches!(state, Some(QueryExecutionState::Queued | QueryExecutionState::Running));
                if is_running && query.query().is_some_and(|sql| sql.starts_with(&comment)) {
                    found.extend(query.query_execution_id);
                }
            }
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(found)
}
