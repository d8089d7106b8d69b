//! Read what pivot left, load it, write the ledger entry: in this order.

use crate::connect::Database;
use crate::load::{Load, load};
use aws_config::SdkConfig;
use pipeline::contract::{LedgerEntry, Manifest, ObjectRef, PivotResult, UpsertInput, UpsertOutput, keys};
use pipeline::edge::Invocation;
use pipeline::env::Env;
use pipeline::store::Store;
use pipeline::{Error, Kind, Result, aws};
use sqlx::Connection;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing::info;

/// Milliseconds before Lambda's deadline at which the database gives up, so that its error still reaches the state machine.
const DEADLINE_MARGIN_MS: u64 = 10_000;

/// What one function instance keeps.
pub struct Context {
    store: Store,
    database: Database,
    config: SdkConfig,
}

impl Context {
    /// Reads `BUCKET` and where the database is, and makes the client.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let bucket = env.required("BUCKET");
        let database = Database::from_env(&mut env);
        let (bucket, database) = env.finish((bucket, database))?;
        let config = aws::config().await;
        Ok(Self { store: Store::new(aws::s3(&config), bucket), database, config })
    }
}

/// Answers the state `Upsert`.
///
/// # Errors
/// As [`load`] and [`Database::connect`].
pub async fn handle(context: Arc<Context>, invocation: Invocation, input: UpsertInput) -> Result<UpsertOutput> {
    let store = &context.store;
    let manifest: Manifest = store.read_json(&input.manifest).await?;
    let results = read_results(store, &input, &manifest).await?;

    let application = format!("sluice {}", input.execution.name);
    let mut connection = context.database.connect(&context.config, &application).await?;
    let what = Load { input: &input, manifest: &manifest, results: &results };
    let recorded = load(&mut connection, store, &what, time_left(&invocation)).await?;
    // Committed by now; a connection that does not close well changes nothing.
    let _ = connection.close().await;

    write_ledger_entry(store, &input, &manifest, results, &recorded.results).await?;
    let output = recorded.output;
    info!(
        files.loaded = output.files,
        rows.staged = output.rows_staged,
        rows.inserted = output.rows_inserted,
        rows.updated = output.rows_updated,
        rows.unchanged = output.rows_unchanged,
        "run loaded"
    );
    Ok(output)
}

async fn read_results(
    store: &Store,
    input: &UpsertInput,
    manifest: &Manifest,
) -> Result<Vec<(ObjectRef, PivotResult)>> {
    let mut results = Vec::with_capacity(manifest.batches.len());
    for index in (0..).take(manifest.batches.len()) {
        let key = keys::pivot_result(&input.execution, index);
        let (result, etag) = store.read_latest_json::<PivotResult>(&key).await?.ok_or_else(|| {
            Error::new(Kind::InvalidEvent, format!("{key} is missing: batch {index} was not pivoted"))
        })?;
        results.push((store.reference(&key, Some(etag)), result));
    }
    Ok(results)
}

/// Writes down what was loaded, for the next detection. A crash before this makes the next run load the files once more,
/// which changes nothing.
async fn write_ledger_entry(
    store: &Store,
    input: &UpsertInput,
    manifest: &Manifest,
    results: Vec<(ObjectRef, PivotResult)>,
    recorded: &[ObjectRef],
) -> Result<()> {
    let mut files = Vec::new();
    for (reference, result) in results {
        // A result that was replaced after the commit is not what was loaded: the next run repeats its files.
        if recorded.contains(&reference) {
            files.extend(result.loaded);
        }
    }
    let entry = LedgerEntry { execution: input.execution.id.clone(), detected_at: manifest.detected_at.clone(), files };
    let key = keys::ledger_entry(&input.execution, &manifest.detected_at);
    store.write_json(&key, &entry).await.map(|_| ())
}

fn time_left(invocation: &Invocation) -> Duration {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let now_ms = u64::try_from(now_ms).unwrap_or(u64::MAX);
    Duration::from_millis(invocation.deadline_ms.saturating_sub(now_ms).saturating_sub(DEADLINE_MARGIN_MS).max(1))
}
