//! Lock, mark, watermark, listing, ledger, manifest: in this order. And at the end of a run: lock, mark.

use crate::again;
use crate::batches::Batches;
use crate::explain;
use crate::listing::Listing;
use crate::selection::Window;
use crate::trigger::{self, Trigger};
use crate::watermark;
use aws_sdk_s3::primitives::DateTime;
use serde::Serialize;
use sluice::contract::{Detect, DetectInput, DetectOutput, Execution, Mode, Release, ReleaseOutput, keys};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::input::Skipped;
use sluice::ledger::Ledger;
use sluice::lock::{self, Acquired};
use sluice::store::Store;
use sluice::time::format_time;
use sluice::{Error, Kind, Result, aws, executions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;
use tracing::info;

/// Ten years; beyond that, `since` is what is wanted.
const MAX_LOOKBACK_HOURS: u32 = 87_660;

/// What one function instance keeps.
pub(crate) struct Context {
    store: Store,
    executions: aws_sdk_sfn::Client,
}

impl Context {
    /// Reads `BUCKET` and makes the clients.
    pub(crate) async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let bucket = env.required("BUCKET");
        let bucket = env.finish(bucket)?;
        let config = aws::config().await;
        Ok(Self { store: Store::new(aws::s3(&config), bucket), executions: aws_sdk_sfn::Client::new(&config) })
    }
}

/// The answer to one of the actions.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Output {
    /// To `detect`.
    Detect(DetectOutput),
    /// To `release`.
    Release(ReleaseOutput),
}

/// Answers the states `DetectNewFiles`, `ReleaseLock` and `ReleaseAfterFailure`, and the rule on runs that ended badly.
pub(crate) async fn handle(context: Arc<Context>, invocation: Invocation, input: DetectInput) -> Result<Output> {
    match input {
        DetectInput::Detect(input) => detect(&context, &invocation, input).await.map(Output::Detect),
        DetectInput::Release(input) => release(&context, &input).await.map(Output::Release),
    }
}

async fn release(context: &Context, input: &Release) -> Result<ReleaseOutput> {
    let Context { store, executions } = context;
    let owner = &input.execution;
    // It has been redriven since.
    if input.has_ended {
        let described = executions::describe(executions, &owner.id).await?;
        if described.is_some_and(|described| lock::OWNING.contains(&described.status)) {
            return Ok(ReleaseOutput { started: None });
        }
    }
    let started = match lock::release(store, owner).await? {
        true => again::answer(store, executions, owner, input.mark.as_deref()).await?,
        false => None,
    };
    Ok(ReleaseOutput { started })
}

async fn detect(context: &Context, invocation: &Invocation, input: Detect) -> Result<DetectOutput> {
    let Context { store, executions } = context;
    let execution = &input.execution;
    if let Some(problem) = keys::refuse_prefix(&input.prefix) {
        return Err(Error::new(Kind::Misconfigured, format!("job {}: {problem}", execution.job)));
    }
    if input.lookback_hours > MAX_LOOKBACK_HOURS {
        let what = format!("job {}: lookback_hours is more than {MAX_LOOKBACK_HOURS}", execution.job);
        return Err(Error::new(Kind::Misconfigured, what));
    }
    let trigger = trigger::decode(&input.trigger, store.bucket(), &input.prefix)?;
    let mut mark = None;
    if trigger.mode != Mode::Explain {
        if let Acquired::Held(why) = acquire(context, execution, &trigger).await? {
            if !trigger.may_be_left {
                return Err(Error::new(Kind::LockHeld, why));
            }
            info!(trigger = trigger.kind, "left to the run at work: {why}");
            return Ok(DetectOutput { mode: Mode::LeftToOwner, ..DetectOutput::default() });
        }
        // Before the listing, which answers it if the run loads.
        mark = again::asked(store, &execution.job).await?.filter(|_| trigger.mode == Mode::Load);
    }

    // Taken before the listing: a file that appears meanwhile is not older than this.
    let detected_at = DateTime::from(SystemTime::now());
    // Its first page is on its way while the last success is looked up.
    let listing = (trigger.mode != Mode::Explain).then(|| Listing::start(store, &input.prefix));
    let watermark = watermark::last_success(executions, execution).await?;
    let window = Window::new(watermark, input.lookback_hours, trigger.since);
    let Some(listing) = listing else {
        let explained = explain::explain(store, &input, &window, &trigger.explain).await?;
        let watermark = watermark.map(format_time);
        return Ok(DetectOutput { mode: trigger.mode, explained, watermark, ..DetectOutput::default() });
    };
    let mut ledger = Ledger::new(store, execution, window.ledger_start());
    let mut batches = Batches::new(store, execution, &invocation.attempt);
    let skipped = find_new(listing, &input, &window, &trigger.forget, &mut ledger, &mut batches).await?;
    let output = batches.finish(detected_at, watermark.map(format_time), skipped).await?;
    let output = DetectOutput { mode: trigger.mode, mark, ..output };
    info!(
        files.new = output.new_file_count,
        files.known = ledger.known_count(),
        files.skipped = output.files_skipped,
        files.other_suffix = skipped.other_suffix,
        files.hidden = skipped.hidden,
        bytes.new = output.new_bytes,
        batches = output.batches.len(),
        watermark = output.watermark.as_deref().unwrap_or("none: everything that the ledger does not hold is new"),
        trigger = trigger.kind,
        "files detected"
    );
    Ok(output)
}

/// Takes the lock. A run that may be left to the one at work asks that one first, and then looks once more: it may have
/// ended between.
async fn acquire(context: &Context, execution: &Execution, trigger: &Trigger) -> Result<Acquired> {
    let Context { store, executions } = context;
    let acquired = lock::acquire(store, executions, execution).await?;
    if matches!(acquired, Acquired::Ours) || !trigger.may_be_left {
        return Ok(acquired);
    }
    again::ask(store, execution).await?;
    lock::acquire(store, executions, execution).await
}

/// Reads the whole listing, and hands the new files on; returns how many other objects are no input by their names.
async fn find_new(
    mut listing: Listing,
    input: &Detect,
    window: &Window,
    forget: &BTreeSet<String>,
    ledger: &mut Ledger<'_>,
    batches: &mut Batches,
) -> Result<Skipped> {
    // Those of `forget` that are not found as input, with the reason if they are there.
    let mut not_seen: BTreeMap<&str, Option<String>> = forget.iter().map(|key| (key.as_str(), None)).collect();
    let mut skipped = Skipped::default();
    while let Some(objects) = listing.next().await? {
        for object in objects {
            if let Some(reason) = object.passed_over(&input.source, &input.prefix) {
                skipped.count(reason);
                if let Some(why) = not_seen.get_mut(object.key.as_str()) {
                    *why = Some(reason.why(&input.source, &input.prefix));
                }
                continue;
            }
            let modified = object.modified.secs();
            let is_in_ledger = window.asks_ledger(modified) && ledger.holds(&object.key, &object.etag).await?;
            if not_seen.remove(object.key.as_str()).is_some() || window.wants(modified, is_in_ledger) {
                batches.push(object.into_file()).await?;
            }
        }
    }
    if !not_seen.is_empty() {
        let problems = not_seen.into_iter().map(|(key, why)| {
            let why = why.or_else(|| explain::outside(key, &input.prefix));
            format!("{key:?}: {}", why.as_deref().unwrap_or("there is no such object"))
        });
        let what = format!("forget: {}", problems.collect::<Vec<_>>().join("; "));
        return Err(Error::new(Kind::InvalidEvent, what));
    }
    Ok(skipped)
}
