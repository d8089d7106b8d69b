//! Lock, watermark, listing, ledger, manifest: in this order.

use crate::batches::Batches;
use crate::explain;
use crate::ledger::Ledger;
use crate::listing::Listing;
use crate::lock;
use crate::selection::Window;
use crate::trigger;
use crate::watermark;
use aws_sdk_s3::primitives::DateTime;
use pipeline::contract::{DetectInput, DetectOutput, Mode, format_time};
use pipeline::edge::Invocation;
use pipeline::env::Env;
use pipeline::spec::Source;
use pipeline::store::Store;
use pipeline::{Error, Kind, Result, aws};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::info;

/// Ten years; beyond that, `since` is what is wanted.
const MAX_LOOKBACK_HOURS: u32 = 87_660;

/// What one function instance keeps.
pub struct Context {
    store: Store,
    executions: aws_sdk_sfn::Client,
}

impl Context {
    /// Reads `BUCKET` and makes the clients.
    pub async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let bucket = env.required("BUCKET");
        let bucket = env.finish(bucket)?;
        let config = aws::config().await;
        Ok(Self { store: Store::new(aws::s3(&config), bucket), executions: aws_sdk_sfn::Client::new(&config) })
    }
}

/// Answers the state `DetectNewFiles`.
pub async fn handle(context: Arc<Context>, invocation: Invocation, input: DetectInput) -> Result<DetectOutput> {
    let Context { store, executions } = &*context;
    let execution = &input.execution;
    let wake_up = trigger::decode(&input.trigger, store.bucket(), &input.source.prefix)?;
    if input.source.lookback_hours > MAX_LOOKBACK_HOURS {
        let what = format!("source spec: lookback_hours is more than {MAX_LOOKBACK_HOURS}");
        return Err(Error::new(Kind::Misconfigured, what));
    }
    if wake_up.mode != Mode::Explain {
        lock::acquire(store, executions, execution).await?;
    }

    // Taken before the listing: a file that appears meanwhile is not older than this.
    let detected_at = DateTime::from(SystemTime::now());
    // Its first page is on its way while the last success is looked up.
    let listing = (wake_up.mode != Mode::Explain).then(|| Listing::start(store, &input.source.prefix));
    let watermark = watermark::last_success(executions, execution).await?;
    let window = Window::new(watermark, input.source.lookback_hours, wake_up.since);
    let Some(listing) = listing else {
        let explained = explain::explain(store, execution, &input.source, &window, &wake_up.explain).await?;
        let watermark = watermark.map(format_time);
        return Ok(DetectOutput { mode: wake_up.mode, explained, watermark, ..DetectOutput::default() });
    };
    let mut ledger = Ledger::new(store, execution, window.ledger_start());
    let mut batches = Batches::new(store, execution, &invocation.attempt);
    let skipped_count = find_new(listing, &input.source, &window, &wake_up.forget, &mut ledger, &mut batches).await?;
    let output = batches.finish(detected_at, watermark.map(format_time)).await?;
    let output = DetectOutput { mode: wake_up.mode, ..output };
    info!(
        files.new = output.new_file_count,
        files.known = ledger.len(),
        files.skipped_by_name = skipped_count,
        bytes.new = output.new_bytes,
        batches = output.batches.len(),
        watermark = output.watermark.as_deref().unwrap_or("none: everything that the ledger does not hold is new"),
        trigger = wake_up.kind,
        "files detected"
    );
    Ok(output)
}

/// Reads the whole listing, and hands the new files on; returns how many others are no files of `source` by their names.
async fn find_new(
    mut listing: Listing,
    source: &Source,
    window: &Window,
    forget: &BTreeSet<String>,
    ledger: &mut Ledger<'_>,
    batches: &mut Batches,
) -> Result<u64> {
    let mut not_seen = forget.clone();
    let mut skipped_count = 0;
    while let Some(objects) = listing.next().await? {
        for object in objects {
            if !object.is_input(source) {
                skipped_count += 1;
                continue;
            }
            let modified = object.modified.secs();
            let is_in_ledger = window.asks_ledger(modified) && ledger.holds(&object.key, &object.etag).await?;
            if not_seen.remove(&object.key) || window.wants(modified, is_in_ledger) {
                batches.push(object.into_file()).await?;
            }
        }
    }
    if !not_seen.is_empty() {
        let what = format!("forget: there is no input file {not_seen:?}");
        return Err(Error::new(Kind::InvalidEvent, what));
    }
    Ok(skipped_count)
}
