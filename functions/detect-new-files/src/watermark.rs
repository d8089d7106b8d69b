//! The last success, as Step Functions remembers it: for 90 days (AWS Step Functions Developer Guide, "Quotas").

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus;
use pipeline::contract::Execution;
use pipeline::{Error, Result};

/// Start of the newest successful execution of this state machine.
///
/// The start, not the end: files that arrived while it ran lie between the two. The maximum over the page, not its first
/// item: a redriven execution keeps its old start but is listed by its end. A listing that lags behind gives an older
/// watermark, hence more candidates, of which the ledger removes the known ones.
pub async fn last_success(client: &aws_sdk_sfn::Client, execution: &Execution) -> Result<Option<DateTime>> {
    let request = client
        .list_executions()
        .state_machine_arn(execution.plain_state_machine())
        .status_filter(ExecutionStatus::Succeeded)
        .max_results(100);
    let page = request.send().await.map_err(|error| Error::aws("list executions", error))?;
    Ok(page.executions.iter().map(|item| item.start_date).max())
}
