//! Read what pivot left, load it, write the ledger entries and what is loaded: in this order.

use crate::load::Load;
use crate::prepare::prepare;
use crate::results::Results;
use crate::transaction::{Done, load};
use aws_config::SdkConfig;
use postgres::connect::{self, Database};
use postgres::targets;
use serde::Serialize;
use sluice::contract::{Check, Manifest, PrepareOutput, Record, UpsertEvent, UpsertInput, UpsertOutput, keys};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::ledger::Certainty;
use sluice::store::Store;
use sluice::time::format_time;
use sluice::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::{error, info};

/// How long before Lambda's deadline the database gives up, so that its error still reaches the state machine.
const DEADLINE_MARGIN: Duration = Duration::from_secs(10);

/// What one function instance keeps.
pub(crate) struct Context {
    store: Store,
    database: Database,
    config: SdkConfig,
}

impl Context {
    /// Reads `BUCKET` and where the database is, and makes the client.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub(crate) async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let bucket = env.required("BUCKET");
        let database = Database::from_env(&mut env, connect::TARGET);
        let (bucket, database) = env.finish((bucket, database))?;
        let config = aws::config().await;
        Ok(Self { store: Store::new(aws::s3(&config), bucket), database, config })
    }
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Output {
    /// To a load.
    Load(UpsertOutput),
    /// To `check`.
    Check(Record),
    /// To `prepare`.
    Prepare(PrepareOutput),
}

/// Answers the states `CheckTarget` and `Upsert`, and `prepare`.
///
/// # Errors
/// As [`load`], [`targets::look`], [`Database::connect`] and [`prepare`].
pub(crate) async fn handle(context: Arc<Context>, invocation: Invocation, event: UpsertEvent) -> Result<Output> {
    match event {
        UpsertEvent::Load(input) => upsert(&context, &invocation, input).await.map(Output::Load),
        UpsertEvent::Check(input) => check(&context, &invocation, &input).await.map(Output::Check),
        UpsertEvent::Prepare(input) => prepare(&context.database, &context.config, &input).await.map(Output::Prepare),
    }
}

/// Changes nothing, and waits for no lock but that of somebody who changes the table itself.
async fn check(context: &Context, invocation: &Invocation, input: &Check) -> Result<Record> {
    let spec = input.parts.spec(&input.execution.job)?;
    let application = format!("sluice {}", input.execution.name);
    let mut connection = context.database.connect(&context.config, &application).await?;
    let asked_at = format_time(SystemTime::now().into());
    let time_left = time_left(invocation);
    let look = targets::look(&mut connection, &spec, &input.execution);
    let known = tokio::time::timeout(time_left, look).await.map_err(|_| {
        let what =
            format!("what is loaded into {} was not told within {} s", spec.target.full_name(), time_left.as_secs());
        Error::new(Kind::TransientFailure, what)
    })??;
    let record = Record { asked_at: Some(asked_at), ..known.record() };
    info!(is_loaded = record.loaded.is_some(), "target looked at");
    Ok(record)
}

fn time_left(invocation: &Invocation) -> Duration {
    invocation.time_left(DEADLINE_MARGIN).max(Duration::from_millis(1))
}

async fn upsert(context: &Context, invocation: &Invocation, input: UpsertInput) -> Result<UpsertOutput> {
    let store = &context.store;
    let spec = input.parts.spec(&input.execution.job)?;
    let manifest: Manifest = store.read_json(&input.manifest).await?;
    let results = Results::read(store, &input.manifest, &manifest).await?;

    let application = format!("sluice {}", input.execution.name);
    let mut connection = context.database.connect(&context.config, &application).await?;
    let what = Load { input: &input, spec: &spec, manifest: &manifest, results: &results };
    let time_left = time_left(invocation);
    // The server's own timeouts do not see a connection that went silent.
    let done = tokio::time::timeout(time_left, load(&mut connection, store, &what, time_left)).await;
    let done = done.map_err(|_| {
        let what = format!(
            "the load did not end within {} s; it is rolled back, unless its commit was under way",
            time_left.as_secs()
        );
        Error::new(Kind::Misconfigured, what)
    })??;
    drop(connection);

    let output = match done {
        Done::Nothing(output) if output.record.is_some() => {
            info!("nothing loaded: the target is not what was assumed");
            return Ok(output);
        }
        Done::Nothing(output) => output,
        Done::Committed { recorded, loaded } => {
            what.write_ledger(store, &recorded, Certainty::Committed).await?;
            if let Some(loaded) = loaded {
                store.write_json(&keys::loaded(&input.execution.job), &loaded).await?;
            }
            recorded.output
        }
    };
    if output.rows_rejected + output.files_bad > 0 {
        // The alarm on it reads this line, so it is of the level that no `LOG_LEVEL` hides.
        error!(
            mode = ?input.mode,
            files.bad = output.files_bad,
            rows.rejected = output.rows_rejected,
            "rows or files set aside"
        );
    }
    info!(
        mode = ?input.mode,
        files.loaded = output.files,
        files.skipped = manifest.skipped.total(),
        files.bad = output.files_bad,
        rows.read = output.rows_read,
        rows.rejected = output.rows_rejected,
        rows.ignored = output.rows_ignored,
        rows.filtered = output.rows_filtered,
        rows.staged = output.rows_staged,
        rows.inserted = output.rows_inserted,
        rows.updated = output.rows_updated,
        rows.unchanged = output.rows_unchanged,
        rows.deleted = output.rows_deleted,
        keys.partial = output.keys_partial,
        notes = output.notes.join("; "),
        "run loaded"
    );
    Ok(output)
}
