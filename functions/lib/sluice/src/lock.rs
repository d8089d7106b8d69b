//! One run of a job at a time. The lock names its owner and is free once that has released it or no longer runs, so a
//! run that dies holds nobody up.

use crate::contract::{Execution, Lock, Owner, keys, plain_state_machine};
use crate::store::{Condition, Latest, Store};
use crate::{Error, Kind, Result, executions};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use tracing::info;

/// The statuses of an execution that still owns what it has locked: a redrive goes on with the same execution.
pub const OWNING: [ExecutionStatus; 2] = [ExecutionStatus::Running, ExecutionStatus::PendingRedrive];

/// Whose the lock is now.
#[derive(Debug)]
pub enum Acquired {
    /// The execution's that asked for it.
    Ours,
    /// Another one's; why it cannot be taken over.
    Held(String),
}

/// Makes `execution` the owner of its job's lock; it may be so already.
///
/// # Errors
/// `Misconfigured` if the lock is another state machine's: two stacks with a job of one name in one bucket would take
/// each other's ledger for theirs.
pub async fn acquire(store: &Store, client: &Client, execution: &Execution) -> Result<Acquired> {
    let key = keys::lock(&execution.job);
    let lock = Lock { owner: execution.id.clone(), started_at: execution.started_at.clone(), released: false };
    if store.write_json_if(&key, &lock, Condition::Absent).await? {
        return Ok(Acquired::Ours);
    }
    let Some(Latest { document: held, etag, .. }) = store.read_latest_json::<Lock>(&key).await? else {
        return Ok(Acquired::Held(format!("{key} is being replaced")));
    };
    if held.owner == execution.id && !held.released {
        return Ok(Acquired::Ours);
    }
    refuse_other_machine(&held.owner, execution)?;
    let may_run = !held.released && executions::may_be(client, &held.owner, &held.started_at, &OWNING).await?;
    if may_run {
        return Ok(Acquired::Held(format!("{} is running", held.owner)));
    }
    if !store.write_json_if(&key, &lock, Condition::Matches(&etag)).await? {
        // By another one, or by this one: a write whose answer was lost is repeated, and then refused.
        let owner = store.read_latest_json::<Lock>(&key).await?.map(|now| now.document);
        if owner.is_none_or(|now| now.owner != execution.id || now.released) {
            return Ok(Acquired::Held(format!("{key} was taken by another execution")));
        }
    }
    if !held.released {
        info!(lock.previous_owner = held.owner, "lock taken over");
    }
    Ok(Acquired::Ours)
}

/// Whether the job's lock is the execution's: of one that was given up for dead, or that is redriven after its end, it
/// is not.
///
/// # Errors
/// As [`Error::aws`].
pub async fn is_of(store: &Store, execution: &Execution) -> Result<bool> {
    Ok(held_since(store, execution).await?.is_some())
}

/// Since when the job's lock is the execution's, by the clock of S3, in whole seconds; `None` if it is not: see
/// [`is_of`].
///
/// # Errors
/// As [`Error::aws`].
pub async fn held_since(store: &Store, execution: &Execution) -> Result<Option<DateTime>> {
    let key = keys::lock(&execution.job);
    let held = store.read_latest_json::<Lock>(&key).await?;
    let held = held.filter(|held| held.document.owner == execution.id && !held.document.released);
    let undated = || Error::new(Kind::InvariantBroken, format!("S3 does not say when {key} was written"));
    held.map(|held| held.modified.ok_or_else(undated)).transpose()
}

/// Says that `owner` needs its job's lock no longer. Returns whether nobody has the lock now; if somebody has, that one
/// sees to what is left to do when it ends.
///
/// # Errors
/// As [`Error::aws`].
pub async fn release(store: &Store, owner: &Owner) -> Result<bool> {
    let key = keys::lock(&owner.job);
    let Some(Latest { document: held, etag, .. }) = store.read_latest_json::<Lock>(&key).await? else {
        return Ok(true);
    };
    if held.owner != owner.id || held.released {
        return Ok(held.released);
    }
    if store.write_json_if(&key, &Lock { released: true, ..held }, Condition::Matches(&etag)).await? {
        return Ok(true);
    }
    // Taken over meanwhile; or released by the write itself, whose answer was lost and which was then repeated and
    // refused.
    Ok(store.read_latest_json::<Lock>(&key).await?.is_none_or(|now| now.document.released))
}

/// An execution's ARN names its state machine.
fn refuse_other_machine(owner: &str, execution: &Execution) -> Result<()> {
    let ours = plain_state_machine(&execution.state_machine).replace(":stateMachine:", ":execution:");
    if owner.strip_prefix(&ours).is_some_and(|name| name.starts_with(':')) {
        return Ok(());
    }
    let key = keys::lock(&execution.job);
    let what = format!(
        "{key} is of {owner}, which is no execution of {}: in one bucket each job needs a name of its own, also across stacks. If that stack \
         is gone for good, delete {key}",
        execution.state_machine
    );
    Err(Error::new(Kind::Misconfigured, what))
}
