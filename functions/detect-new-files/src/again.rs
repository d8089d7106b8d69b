//! The mark by which a run that finds another one at work has its own work done: the owner of the lock starts one run
//! more when it ends.
//!
//! No wake-up is lost because of the order. Who finds the lock held writes the mark, then looks at the lock once more.
//! Who ends releases the lock, then looks at the mark. So at least one of the two sees what the other one did. A run
//! that was left to another one looks at the mark, too, when it ends and the lock is free then. A mark stays until a
//! run that listed after it has succeeded: one that dies in between leaves it, and whoever releases the lock in its
//! place starts another run, but only one for each mark, or a file that no run can load would start runs without end.

use aws_sdk_sfn::error::SdkError;
use sluice::contract::{Again, Execution, Owner, keys, plain_state_machine};
use sluice::store::{Condition, Latest, Store};
use sluice::{Error, Result};
use tracing::info;

/// The input of the runs that it starts. Always the same, so that starting one twice is starting it once.
const INPUT: &str = r#"{"again":true}"#;

/// Asks the owner of the lock for one more run.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn ask(store: &Store, execution: &Execution) -> Result<()> {
    let mark = Again { asked_by: execution.id.clone(), answered: false };
    store.write_json(&keys::again(&execution.job), &mark).await.map(|_| ())
}

/// The entity tag of the mark that a listing which begins now answers; `None` if there is none.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn asked(store: &Store, job: &str) -> Result<Option<String>> {
    Ok(pending(store, job).await?.map(|mark| mark.etag))
}

/// After the lock was released: answers the mark `listed_after`, or starts the run that a newer one asks for; returns
/// that run's ARN.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn answer(
    store: &Store,
    executions: &aws_sdk_sfn::Client,
    owner: &Owner,
    listed_after: Option<&str>,
) -> Result<Option<String>> {
    let Some(Latest { document, etag, .. }) = pending(store, &owner.job).await? else { return Ok(None) };
    if listed_after == Some(&etag) {
        let answered = Again { answered: true, ..document };
        let is_answered = store.write_json_if(&keys::again(&owner.job), &answered, Condition::Matches(&etag)).await?;
        if is_answered {
            return Ok(None);
        }
        // Somebody asked meanwhile.
        return match pending(store, &owner.job).await? {
            Some(newer) => start(executions, owner, &newer.etag).await,
            None => Ok(None),
        };
    }
    start(executions, owner, &etag).await
}

async fn pending(store: &Store, job: &str) -> Result<Option<Latest<Again>>> {
    let mark = store.read_latest_json::<Again>(&keys::again(job)).await?;
    Ok(mark.filter(|mark| !mark.document.answered))
}

/// Named after the mark, so that each starts one run at the most.
async fn start(executions: &aws_sdk_sfn::Client, owner: &Owner, etag: &str) -> Result<Option<String>> {
    let tag: String = etag.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    let request = executions.start_execution().state_machine_arn(plain_state_machine(&owner.state_machine));
    match request.name(format!("again-{tag}")).input(INPUT).send().await {
        Ok(started) => {
            info!(sfn.started = started.execution_arn, "one run more");
            Ok(Some(started.execution_arn))
        }
        Err(SdkError::ServiceError(context)) if context.err().is_execution_already_exists() => Ok(None),
        Err(error) => Err(Error::aws("start one run more", error)),
    }
}
