//! Read what pivot left, load it, write the ledger entry: in this order.

use crate::load::{Load, load};
use crate::prepare::prepare;
use crate::results::Results;
use aws_config::SdkConfig;
use postgres::connect::{self, Database};
use serde::Serialize;
use sluice::contract::{Manifest, Mode, PrepareOutput, UpsertEvent, UpsertInput, UpsertOutput};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::ledger::Certainty;
use sluice::store::Store;
use sluice::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

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

/// The answer to a load or to `prepare`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Output {
    /// To a load.
    Load(UpsertOutput),
    /// To `prepare`.
    Prepare(PrepareOutput),
}

/// Answers the state `Upsert`, and `prepare`.
///
/// # Errors
/// As [`load`], [`Database::connect`] and [`prepare`].
pub(crate) async fn handle(context: Arc<Context>, invocation: Invocation, event: UpsertEvent) -> Result<Output> {
    match event {
        UpsertEvent::Load(input) => upsert(&context, &invocation, input).await.map(Output::Load),
        UpsertEvent::Prepare(input) => prepare(&context.database, &context.config, &input).await.map(Output::Prepare),
    }
}

async fn upsert(context: &Context, invocation: &Invocation, input: UpsertInput) -> Result<UpsertOutput> {
    let store = &context.store;
    let manifest: Manifest = store.read_json(&input.manifest).await?;
    let results = Results::read(store, &input.manifest, &manifest).await?;

    let application = format!("sluice {}", input.execution.name);
    let mut connection = context.database.connect(&context.config, &application).await?;
    let what = Load { input: &input, manifest: &manifest, results: &results };
    let time_left = invocation.time_left(DEADLINE_MARGIN).max(Duration::from_millis(1));
    // The server's own timeouts do not see a connection that went silent.
    let loaded = tokio::time::timeout(time_left, load(&mut connection, store, &what, time_left)).await;
    let output = loaded.map_err(|_| {
        let what = format!(
            "the load did not end within {} s; it is rolled back, unless its commit was under way",
            time_left.as_secs()
        );
        Error::new(Kind::Misconfigured, what)
    })??;
    drop(connection);

    if input.mode == Mode::Load {
        what.write_ledger(store, Certainty::Committed).await?;
    }
    info!(
        mode = ?input.mode,
        files.loaded = output.files,
        files.skipped = manifest.skipped.total(),
        rows.read = output.rows_read,
        rows.rejected = output.rows_rejected,
        rows.ignored = output.rows_ignored,
        rows.staged = output.rows_staged,
        rows.inserted = output.rows_inserted,
        rows.updated = output.rows_updated,
        rows.unchanged = output.rows_unchanged,
        rows.deleted = output.rows_deleted,
        "run loaded"
    );
    Ok(output)
}
