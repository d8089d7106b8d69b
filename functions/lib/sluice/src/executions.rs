//! Does an execution still run? Asked by whoever finds something of it: a lock, a lease.

use crate::time::parse_time;
use crate::{Error, Result};
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use std::time::{Duration, SystemTime};

/// For how long after its start an execution that Step Functions does not know may be one that it does not know yet:
/// what it describes is eventually consistent (AWS Step Functions API, `DescribeExecution`).
const UNKNOWN_GRACE: Duration = Duration::from_secs(300);

/// What Step Functions says of an execution; `None` if it does not know it: not any more, or not yet.
///
/// # Errors
/// As [`Error::aws`].
pub async fn describe(client: &Client, arn: &str) -> Result<Option<DescribeExecutionOutput>> {
    match client.describe_execution().execution_arn(arn).send().await {
        Ok(described) => Ok(Some(described)),
        Err(error) if error.as_service_error().is_some_and(|service| service.is_execution_does_not_exist()) => Ok(None),
        Err(error) => Err(Error::aws(format!("describe {arn}"), error)),
    }
}

/// Whether the execution that was started at `started_at` (RFC 3339) may have one of these statuses: one that Step
/// Functions does not know may, if it was started minutes ago at the most.
///
/// # Errors
/// `InvariantBroken` if `started_at` is not RFC 3339; others as [`Error::aws`].
pub async fn may_be(client: &Client, arn: &str, started_at: &str, statuses: &[ExecutionStatus]) -> Result<bool> {
    if let Some(described) = describe(client, arn).await? {
        return Ok(statuses.contains(&described.status));
    }
    let started_at = SystemTime::try_from(parse_time(started_at)?);
    Ok(started_at.is_ok_and(|time| time.elapsed().map_or(true, |age| age <= UNKNOWN_GRACE)))
}
