//! Runs that ended badly, as Step Functions remembers them: handed on with what is loaded, for the history in the
//! database. Nothing is decided by it, so whatever goes wrong here is logged, and costs some history alone.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};
use sluice::contract::{BadEnd, EndedBadly, Execution, Loaded, MOST_ENDED_BADLY};
use sluice::time::{format_time, parse_time};
use sluice::{Error, Result, executions};
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::{info, warn};

/// How long the lists may take together, and how long the descriptions.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many are asked for the name of their error: a call each.
const MOST_DESCRIBED: usize = 20;

/// The load before handed on what had ended by then, with a day for lists that lag behind and for clocks.
const MARGIN_SECONDS: i64 = 86_400;

/// The newest ones of this state machine. Those that ended since the last load come with the names of their errors;
/// the others should be written down already, and are handed on once more in case a hand-over failed.
pub(crate) async fn newest(client: &Client, execution: &Execution, loaded: Option<&Loaded>) -> Vec<EndedBadly> {
    let found = match tokio::time::timeout(PATIENCE, list(client, execution)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            warn!(error.kind = %error.kind(), "runs that ended badly are left to the next load: {error}");
            return Vec::new();
        }
        Err(_) => {
            warn!("runs that ended badly are left to the next load: they were not listed within {PATIENCE:?}");
            return Vec::new();
        }
    };
    let last_load = loaded.and_then(|loaded| parse_time(&loaded.detected_at).ok()).map(|time| time.secs());
    let mut ended: Vec<(EndedBadly, DateTime)> = found.into_iter().filter_map(ended_badly).collect();
    ended.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    ended.truncate(MOST_ENDED_BADLY);
    let is_new = |at: &DateTime| last_load.is_none_or(|last| at.secs() > last - MARGIN_SECONDS);
    // One that took too long has no error of its own.
    let named = ended.iter().enumerate().filter(|(_, (run, at))| run.status != BadEnd::TimedOut && is_new(at));
    let named: Vec<(usize, String)> =
        named.take(MOST_DESCRIBED).map(|(place, (run, _))| (place, run.execution.clone())).collect();
    let mut ended: Vec<EndedBadly> = ended.into_iter().map(|(run, _)| run).collect();
    name_errors(client, named, &mut ended).await;
    if !ended.is_empty() {
        info!(runs.ended_badly = ended.len(), "runs that ended badly are handed on");
    }
    ended.into_iter().filter_map(EndedBadly::checked).collect()
}

/// A list for each way to end badly, so that no number of good runs hides one.
async fn list(client: &Client, execution: &Execution) -> Result<Vec<ExecutionListItem>> {
    let one = async |status: ExecutionStatus| {
        let most = i32::try_from(MOST_ENDED_BADLY).unwrap_or(i32::MAX);
        let ask = client.list_executions().state_machine_arn(execution.plain_state_machine()).status_filter(status);
        let answer = ask.max_results(most).send().await;
        answer.map(|answer| answer.executions).map_err(|error| Error::aws("list executions that ended badly", error))
    };
    let (failed, timed_out, aborted) =
        tokio::try_join!(one(ExecutionStatus::Failed), one(ExecutionStatus::TimedOut), one(ExecutionStatus::Aborted))?;
    Ok([failed, timed_out, aborted].concat())
}

fn ended_badly(item: ExecutionListItem) -> Option<(EndedBadly, DateTime)> {
    let status = match item.status {
        ExecutionStatus::Failed => BadEnd::Failed,
        ExecutionStatus::TimedOut => BadEnd::TimedOut,
        ExecutionStatus::Aborted => BadEnd::Aborted,
        _ => return None,
    };
    let ended_at = item.stop_date.unwrap_or(item.start_date);
    let run = EndedBadly {
        execution: item.execution_arn,
        status,
        started_at: format_time(item.start_date),
        ended_at: format_time(ended_at),
        error: None,
    };
    Some((run, ended_at))
}

/// Puts the names of the errors to those at these places.
async fn name_errors(client: &Client, places: Vec<(usize, String)>, runs: &mut [EndedBadly]) {
    let mut asked = JoinSet::new();
    for (place, arn) in places {
        let client = client.clone();
        asked.spawn(async move { (place, executions::describe(&client, &arn).await) });
    }
    let all = async {
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok((place, Ok(described))) => runs[place].error = described.and_then(|described| described.error),
                Ok((_, Err(error))) => warn!(error.kind = %error.kind(), "the name of an error is not known: {error}"),
                Err(failure) => warn!("the name of an error is not known: {failure}"),
            }
        }
    };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        warn!("the names of some errors are not known: they were not told within {PATIENCE:?}");
    }
}
