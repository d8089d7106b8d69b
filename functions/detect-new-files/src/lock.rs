//! One run of a pipeline at a time. The lock names its owner and is free once that no longer runs, so nothing ever has to
//! release it.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus;
use pipeline::contract::{Execution, Lock, keys, parse_time};
use pipeline::store::{Condition, Latest, Store};
use pipeline::{Error, Kind, Result};
use std::time::{Duration, SystemTime};
use tracing::info;

/// For how long after its start an owner that Step Functions does not know may be one that it does not know yet: what it
/// describes is eventually consistent (AWS Step Functions API, `DescribeExecution`).
const UNKNOWN_OWNER_GRACE: Duration = Duration::from_secs(300);

/// Makes `execution` the owner of its pipeline's lock; it may be so already.
///
/// # Errors
/// `LockHeld` while another execution runs, or when another one was quicker.
pub async fn acquire(store: &Store, executions: &aws_sdk_sfn::Client, execution: &Execution) -> Result<()> {
    let key = keys::lock(execution);
    let lock = Lock { owner: execution.id.clone(), started_at: execution.started_at.clone() };
    if store.write_json_if(&key, &lock, Condition::Absent).await? {
        return Ok(());
    }
    let Some(Latest { document: held, etag }) = store.read_latest_json::<Lock>(&key).await? else {
        return Err(Error::new(Kind::LockHeld, format!("{key} is being replaced")));
    };
    if held.owner == execution.id {
        return Ok(());
    }
    let may_run = match is_running(executions, &held.owner).await? {
        Some(is_running) => is_running,
        None => !is_older(parse_time(&held.started_at)?, UNKNOWN_OWNER_GRACE),
    };
    if may_run {
        return Err(Error::new(Kind::LockHeld, format!("{} is running", held.owner)));
    }
    if !store.write_json_if(&key, &lock, Condition::Matches(&etag)).await? {
        return Err(Error::new(Kind::LockHeld, format!("{key} was taken by another execution")));
    }
    info!(lock.previous_owner = held.owner, "lock taken over");
    Ok(())
}

fn is_older(time: DateTime, age: Duration) -> bool {
    SystemTime::try_from(time).is_ok_and(|time| time.elapsed().is_ok_and(|elapsed| elapsed > age))
}

/// Does the execution still run? None if Step Functions does not know it: not any more, or not yet.
async fn is_running(executions: &aws_sdk_sfn::Client, arn: &str) -> Result<Option<bool>> {
    match executions.describe_execution().execution_arn(arn).send().await {
        Ok(described) => {
            Ok(Some(matches!(described.status, ExecutionStatus::Running | ExecutionStatus::PendingRedrive)))
        }
        Err(error) if error.as_service_error().is_some_and(|service| service.is_execution_does_not_exist()) => Ok(None),
        Err(error) => Err(Error::aws(format!("describe {arn}"), error)),
    }
}
