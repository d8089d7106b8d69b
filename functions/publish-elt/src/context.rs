//! What one function instance keeps: clients, and where things are.

use crate::places::Places;
use sluice::contract::keys;
use sluice::env::Env;
use sluice::store::Store;
use sluice::{Result, aws};
use std::time::Duration;

/// What one function instance keeps.
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) glue: aws_sdk_glue::Client,
    /// Where a workgroup puts the results of queries if it decides that itself.
    results_prefix: Option<String>,
    /// How old an object has to be that nobody needs, to be deleted.
    pub(crate) sweep_after: Duration,
}

impl Context {
    /// Reads `BUCKET` and the rest, and makes the clients.
    pub(crate) async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let bucket = env.required("BUCKET");
        let results_prefix = env.optional("RESULTS_PREFIX");
        let hours = env.parsed("SWEEP_AFTER_HOURS", 24_u32);
        let bucket = env.finish(bucket)?;
        let config = aws::config().await;
        let (store, glue) = (Store::new(aws::s3(&config), bucket), aws_sdk_glue::Client::new(&config));
        Ok(Self { store, glue, results_prefix, sweep_after: Duration::from_secs(u64::from(hours) * 3_600) })
    }

    /// Where versions of this table may lie.
    pub(crate) fn places(&self, job: &str, table: &str) -> Places {
        Places::new(self.store.bucket(), keys::table_versions(job, table), self.results_prefix.clone())
    }
}
