//! Runs that ended badly, as Step Functions remembers them: handed on with what is loaded, for the history in the
//! database. Nothing is decided by it, so whatever goes wrong here is logged, and costs some history alone.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};
use serde::{Deserialize, Serialize};
use sluice::contract::{BadEnd, EndedBadly, Execution, Loaded, MOST_ENDED_BADLY, keys};
use sluice::store::Store;
use sluice::time::{format_time, parse_time};
use sluice::{Error, Result, executions};
use std::collections::HashSet;
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::{info, warn};

/// How long the lists may take together, and how long the descriptions.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many are asked for the name of their error: a call each. The others are left to the next load.
const MOST_DESCRIBED: usize = 20;

/// The load before handed on what had ended by then, with a day for lists that lag behind and for clocks.
const MARGIN_SECONDS: i64 = 86_400;

/// Whose errors have no name yet. A run that finds new files writes this down, and only if it loads does that hold: so
/// it says what held before as well.
#[derive(Default, Deserialize, Serialize)]
struct Unnamed {
    /// When the load before this run detected; `None` if there was none.
    loaded: Option<String>,
    /// The executions, as that load left it.
    before: Vec<String>,
    /// When this run detected.
    detected_at: String,
    /// The executions, if it loads.
    behind: Vec<String>,
}

impl Unnamed {
    /// The executions that the last load, which detected then, left without a name.
    fn since(self, loaded: Option<&str>) -> Vec<String> {
        match loaded {
            Some(at) if at == self.detected_at => self.behind,
            at if at == self.loaded.as_deref() => self.before,
            _ => Vec::new(),
        }
    }
}

/// The newest ones of this state machine. Those that ended since the last load, and those that it left without, come
/// with the names of their errors, as many as may be asked; the others should be written down already, and are handed
/// on once more in case a hand-over failed.
pub(crate) async fn newest(
    client: &Client,
    store: &Store,
    execution: &Execution,
    loaded: Option<&Loaded>,
    detected_at: DateTime,
) -> Vec<EndedBadly> {
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
    let mut ended: Vec<(EndedBadly, DateTime)> = found.into_iter().filter_map(ended_badly).collect();
    if ended.is_empty() {
        return Vec::new();
    }
    ended.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    ended.truncate(MOST_ENDED_BADLY);
    let key = keys::unnamed(&execution.job);
    let unnamed = match store.read_latest_json::<Unnamed>(&key).await {
        Ok(latest) => latest.map(|latest| latest.document).unwrap_or_default(),
        Err(error) => {
            warn!(error.kind = %error.kind(), "names of errors may stay unknown: {error}");
            Unnamed::default()
        }
    };
    let loaded = loaded.map(|loaded| loaded.detected_at.clone());
    let before = unnamed.since(loaded.as_deref());
    let last_load = loaded.as_deref().and_then(|at| parse_time(at).ok()).map(|time| time.secs());
    let is_behind = |at: &DateTime, margin: i64| last_load.is_none_or(|last| at.secs() > last - margin);
    // One that took too long has no error of its own.
    let (mut missing, mut others) = (Vec::new(), Vec::new());
    for (place, (run, at)) in ended.iter().enumerate().filter(|(_, (run, _))| run.status != BadEnd::TimedOut) {
        if is_behind(at, 0) || before.contains(&run.execution) {
            missing.push((place, run.execution.clone()));
        } else if is_behind(at, MARGIN_SECONDS) {
            others.push((place, run.execution.clone()));
        }
    }
    let asked = missing.iter().chain(&others).take(MOST_DESCRIBED).cloned().collect();
    let mut ended: Vec<EndedBadly> = ended.into_iter().map(|(run, _)| run).collect();
    let told = name_errors(client, asked, &mut ended).await;
    let behind: Vec<String> =
        missing.into_iter().filter(|(place, _)| !told.contains(place)).map(|(_, arn)| arn).collect();
    if !(before.is_empty() && behind.is_empty()) {
        let unnamed = Unnamed { loaded, before, detected_at: format_time(detected_at), behind };
        if let Err(error) = store.write_json(&key, &unnamed).await {
            warn!(error.kind = %error.kind(), "names of errors may stay unknown: {error}");
        }
    }
    info!(runs.ended_badly = ended.len(), "runs that ended badly are handed on");
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

/// Puts the names of the errors to those at these places; says of which it was told whether there is one.
async fn name_errors(client: &Client, places: Vec<(usize, String)>, runs: &mut [EndedBadly]) -> HashSet<usize> {
    let mut asked = JoinSet::new();
    for (place, arn) in places {
        let client = client.clone();
        asked.spawn(async move { (place, executions::describe(&client, &arn).await) });
    }
    let mut told = HashSet::new();
    let all = async {
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok((place, Ok(Some(described)))) => {
                    runs[place].error = described.error;
                    told.insert(place);
                }
                Ok((_, Ok(None))) => warn!("the name of an error is not known: its run is not found yet"),
                Ok((_, Err(error))) => warn!(error.kind = %error.kind(), "the name of an error is not known: {error}"),
                Err(failure) => warn!("the name of an error is not known: {failure}"),
            }
        }
    };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        warn!("the names of some errors are not known: they were not told within {PATIENCE:?}");
    }
    told
}
