//! The last success, as Step Functions remembers it: for 90 days (AWS Step Functions Developer Guide, "Quotas").

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;
use sluice::contract::Execution;
use sluice::{Error, Result, executions};

/// How many pages of 100 executions are looked through.
const MAX_PAGES: usize = 10;

/// Start of the newest successful execution of this state machine that was there to load.
///
/// The start, not the end: files that arrived while it ran lie between the two. The maximum over the page, not its
/// first item: a redriven execution keeps its old start but is listed by its end. A listing that lags behind gives an
/// older watermark, hence more candidates, of which the ledger removes the known ones; so does one that is looked
/// through in vain.
pub(crate) async fn last_success(client: &aws_sdk_sfn::Client, execution: &Execution) -> Result<Option<DateTime>> {
    let request = client
        .list_executions()
        .state_machine_arn(execution.plain_state_machine())
        .status_filter(ExecutionStatus::Succeeded)
        .max_results(100);
    let mut pages = request.into_paginator().send();
    for _ in 0..MAX_PAGES {
        let Some(page) = pages.next().await else { break };
        let mut listed = page.map_err(|error| Error::aws("list executions", error))?.executions;
        listed.sort_by_key(|item| std::cmp::Reverse(item.start_date));
        for item in listed {
            if loads(client, &item.execution_arn).await? {
                return Ok(Some(item.start_date));
            }
        }
    }
    Ok(None)
}

/// Did it load all that was new? One that only tried, explained, or left its work to another run ended well too, but
/// its output says so.
async fn loads(client: &aws_sdk_sfn::Client, arn: &str) -> Result<bool> {
    // It may have just become too old to be remembered, or be too new to be described.
    let Some(described) = executions::describe(client, arn).await? else { return Ok(false) };
    // What cannot be read is no watermark either: an older one only means more to look at.
    let output: Option<Value> = described.output().and_then(|output| serde_json::from_str(output).ok());
    Ok(output.is_some_and(|output| output["mode"] == "load"))
}
