//! One run of a pipeline at a time. The lock names its owner and is free once that no longer runs, so nothing ever has to
//! release it.

use aws_sdk_sfn::types::ExecutionStatus;
use pipeline::contract::{Execution, Lock, keys};
use pipeline::store::{Condition, Store};
use pipeline::{Error, Kind, Result};
use tracing::info;

/// Makes `execution` the owner of its pipeline's lock; it may be so already.
///
/// # Errors
/// `LockHeld` while another execution runs, or when another one was quicker.
pub async fn acquire(store: &Store, executions: &aws_sdk_sfn::Client, execution: &Execution) -> Result<()> {
    let key = keys::lock(execution);
    let lock = Lock { owner: execution.id.clone() };
    if store.write_json_if(&key, &lock, Condition::Absent).await? {
        return Ok(());
    }
    let Some((held, etag)) = store.read_latest_json::<Lock>(&key).await? else {
        return Err(Error::new(Kind::LockHeld, format!("{key} is being replaced")));
    };
    if held.owner == execution.id {
        return Ok(());
    }
    if is_running(executions, &held.owner).await? {
        return Err(Error::new(Kind::LockHeld, format!("{} is running", held.owner)));
    }
    if !store.write_json_if(&key, &lock, Condition::Matches(&etag)).await? {
        return Err(Error::new(Kind::LockHeld, format!("{key} was taken by another execution")));
    }
    info!(lock.previous_owner = held.owner, "lock taken over");
    Ok(())
}

/// Does the execution still run? One that Step Functions has forgotten does not.
async fn is_running(executions: &aws_sdk_sfn::Client, arn: &str) -> Result<bool> {
    match executions.describe_execution().execution_arn(arn).send().await {
        Ok(described) => Ok(matches!(described.status, ExecutionStatus::Running | ExecutionStatus::PendingRedrive)),
        Err(error) if error.as_service_error().is_some_and(|service| service.is_execution_does_not_exist()) => {
            Ok(false)
        }
        Err(error) => Err(Error::aws(format!("describe {arn}"), error)),
    }
}
