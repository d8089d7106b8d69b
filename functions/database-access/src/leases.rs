//! Which executions need the database public: a document in the bucket for each. All jobs of a stack share the
//! instance, so it is made private only when none of them needs it any more.

use aws_sdk_sfn::types::ExecutionStatus;
use sluice::contract::{Execution, Lease, keys};
use sluice::store::{Store, listed_key};
use sluice::{Error, Kind, Result, executions};
use tracing::{info, warn};

/// The leases of one instance.
pub(crate) struct Leases<'a> {
    store: &'a Store,
    executions: &'a aws_sdk_sfn::Client,
    instance: &'a str,
}

impl<'a> Leases<'a> {
    /// Those of `instance`.
    pub(crate) fn new(store: &'a Store, executions: &'a aws_sdk_sfn::Client, instance: &'a str) -> Self {
        Self { store, executions, instance }
    }

    /// Says that `execution` needs the database; again if it has said so before.
    pub(crate) async fn take(&self, execution: &Execution) -> Result<()> {
        let lease = Lease { execution: execution.id.clone(), started_at: execution.started_at.clone() };
        self.store.write_json(&keys::lease(self.instance, execution), &lease).await.map(|_| ())
    }

    /// Says that `execution` does not need it any more.
    pub(crate) async fn give_back(&self, execution: &Execution) -> Result<()> {
        self.delete(&keys::lease(self.instance, execution)).await
    }

    /// A running execution that needs the database, if there is one. The leases of those that ended without giving
    /// theirs back are deleted.
    pub(crate) async fn holder(&self) -> Result<Option<String>> {
        for key in self.keys().await? {
            let found = match self.store.read_latest_json::<Lease>(&key).await {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                // Somebody else's document is no reason to stay open.
                Err(error) if error.kind() == Kind::InvariantBroken => {
                    warn!("{key} is passed over: {error}");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let lease = found.document;
            if self.is_needed(&lease).await? {
                return Ok(Some(lease.execution));
            }
            info!(lease.execution = lease.execution, "lease of an execution that has ended");
            self.delete(&key).await?;
        }
        Ok(None)
    }

    async fn is_needed(&self, lease: &Lease) -> Result<bool> {
        // Only this function writes here; anything else is no reason to stay open.
        if lease.execution.split(':').nth(5) != Some("execution") {
            warn!("{} is passed over: not the ARN of an execution", lease.execution);
            return Ok(false);
        }
        let statuses = [ExecutionStatus::Running];
        executions::may_be(self.executions, &lease.execution, &lease.started_at, &statuses).await
    }

    async fn keys(&self) -> Result<Vec<String>> {
        let prefix = keys::leases(self.instance);
        let request = self.store.client().list_objects_v2().bucket(self.store.bucket()).prefix(&prefix);
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::aws(format!("list {prefix}"), error))?;
            for object in page.contents.unwrap_or_default() {
                found.push(listed_key(object)?);
            }
        }
        Ok(found)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let request = self.store.client().delete_object().bucket(self.store.bucket()).key(key);
        request.send().await.map(|_| ()).map_err(|error| Error::aws(format!("delete {key}"), error))
    }
}
