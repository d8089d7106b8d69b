//! Spec, input, lock, database; then the tables that are read, and their files. At the end of a run: the lock.

use crate::{database, sources};
use aws_sdk_s3::primitives::DateTime;
use serde::Serialize;
use sluice::contract::athena_elt::{
    CatalogInput, CheckInput, CheckOutput, DatabaseOutput, PrepareEltInput, ReleaseInput, ReleaseOutput, SourcesOutput,
    Trigger,
};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::lock::{self, Acquired};
use sluice::store::Store;
use sluice::time::format_time;
use sluice::{Error, Kind, Result, aws};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::info;

/// What one function instance keeps.
pub(crate) struct Context {
    store: Store,
    glue: aws_sdk_glue::Client,
    executions: aws_sdk_sfn::Client,
    /// Where a workgroup puts the results of queries if it decides that itself.
    results_prefix: Option<String>,
}

impl Context {
    /// Reads `BUCKET` and the rest, and makes the clients.
    pub(crate) async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let bucket = env.required("BUCKET");
        let results_prefix = env.optional("RESULTS_PREFIX");
        let bucket = env.finish(bucket)?;
        let config = aws::config().await;
        let (glue, executions) = (aws_sdk_glue::Client::new(&config), aws_sdk_sfn::Client::new(&config));
        Ok(Self { store: Store::new(aws::s3(&config), bucket), glue, executions, results_prefix })
    }
}

/// The answer to a state.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Output {
    /// To `CheckCatalog`.
    Check(CheckOutput),
    /// To `CreateDatabase`.
    Database(DatabaseOutput),
    /// To `CreateSourceTables`.
    Sources(SourcesOutput),
    /// To `Release` and `ReleaseAfterFailure`.
    Release(ReleaseOutput),
}

/// How long before Lambda's deadline a call is given up, so that its error reaches the state machine.
const DEADLINE_MARGIN: Duration = Duration::from_secs(5);

/// Answers the states `CheckCatalog`, `CreateDatabase`, `CreateSourceTables`, `Release` and `ReleaseAfterFailure`.
pub(crate) async fn handle(context: Arc<Context>, invocation: Invocation, input: PrepareEltInput) -> Result<Output> {
    let work = async {
        match &input {
            PrepareEltInput::Check(input) => check(&context, input).await.map(Output::Check),
            PrepareEltInput::CreateDatabase(input) => create_database(&context, input).await.map(Output::Database),
            PrepareEltInput::CreateSources(input) => {
                create_sources(&context, &invocation, input).await.map(Output::Sources)
            }
            PrepareEltInput::Release(input) => release(&context, input).await.map(Output::Release),
        }
    };
    invocation.within(DEADLINE_MARGIN, "S3 and Glue", work).await
}

async fn check(context: &Context, input: &CheckInput) -> Result<CheckOutput> {
    let execution = &input.execution;
    let spec = input.parts.spec(&execution.job)?.with_results(context.results_prefix.as_deref(), &execution.job)?;
    let invalid = |problem| Error::new(Kind::InvalidEvent, format!("input of the execution: {problem}"));
    let trigger = Trigger::read(&input.trigger).map_err(invalid)?;
    let values = spec.values(&trigger.variables).map_err(invalid)?;
    if let Acquired::Held(why) = lock::acquire(&context.store, &context.executions, execution).await? {
        return Err(Error::new(Kind::LockHeld, why));
    }
    // After the lock was taken, and before anything is read.
    let locked_at = format_time(DateTime::from(SystemTime::now()));
    let database_exists = database::exists(&context.glue, &spec.database).await?;
    let tables: Vec<String> = spec.targets.into_iter().map(|target| target.table).collect();
    info!(database.exists = database_exists, sources = spec.sources.len(), targets = tables.len(), "run may begin");
    Ok(CheckOutput { database_exists, tables, values, locked_at })
}

async fn create_database(context: &Context, input: &CatalogInput) -> Result<DatabaseOutput> {
    let spec = input.parts.spec(&input.execution.job)?;
    let owner = lake::owner(context.store.bucket(), &input.execution.job);
    let database = database::create(&context.glue, &spec.database, &owner).await?;
    info!(database = spec.database, outcome = ?database, "database looked after");
    Ok(DatabaseOutput { database })
}

async fn create_sources(context: &Context, invocation: &Invocation, input: &CatalogInput) -> Result<SourcesOutput> {
    let spec = input.parts.spec(&input.execution.job)?;
    let (store, execution, mut found, mut files) = (&context.store, &input.execution, BTreeMap::new(), 0);
    for (name, source) in &spec.sources {
        let defined = sources::define(context.glue.clone(), store, execution, &spec.database, name, source).await?;
        let state = crate::files::look(store, invocation, execution, (name, source), defined, files).await?;
        files += state.files;
        info!(table = name, outcome = ?state.table, files = state.files, bytes = state.bytes, "source looked after");
        found.insert(name.clone(), state);
    }
    Ok(SourcesOutput { sources: found })
}

async fn release(context: &Context, input: &ReleaseInput) -> Result<ReleaseOutput> {
    Ok(ReleaseOutput { is_free: lock::release(&context.store, &input.execution).await? })
}
