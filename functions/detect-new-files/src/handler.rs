//! Lock, mark, watermark, listing, ledger, manifest: in this order. And at the end of a run: lock, mark.

use crate::batches::{Batches, Heading};
use crate::explain;
use crate::listing::Listing;
use crate::missing::KeySet;
use crate::search::{Search, Unread};
use crate::trigger::{self, Trigger};
use crate::{again, amounts, ended_badly, watermark};
use aws_sdk_s3::primitives::DateTime;
use serde::Serialize;
use sluice::change::{self, Change, Known};
use sluice::contract::{Detect, DetectInput, DetectOutput, Execution, Loaded, Mode, Release, ReleaseOutput, keys};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::ledger::{Ledger, Sameness};
use sluice::lock::{self, Acquired};
use sluice::reason::View;
use sluice::spec::Print;
use sluice::store::{Condition, Latest, Store};
use sluice::time::format_time;
use sluice::window::Window;
use sluice::{Error, Kind, Result, aws, executions};
use std::sync::Arc;
use std::time::SystemTime;
use tracing::info;

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
    Detect(Box<DetectOutput>),
    /// To `release`.
    Release(ReleaseOutput),
}

/// Answers the states `DetectNewFiles`, `ReleaseLock` and `ReleaseAfterFailure`, and the rule on runs that ended badly.
pub(crate) async fn handle(context: Arc<Context>, invocation: Invocation, input: DetectInput) -> Result<Output> {
    match input {
        DetectInput::Detect(input) => detect(&context, &invocation, *input).await.map(Box::new).map(Output::Detect),
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
        return Err(misconfigured(execution, &problem));
    }
    let spec = input.parts.spec(&execution.job)?;
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
    let document = store.read_latest_json::<Loaded>(&keys::loaded(&execution.job)).await?;
    let print = spec.print(store.bucket(), &input.prefix);
    let written_at = document.as_ref().and_then(|latest| latest.modified).map(format_time);
    let record = input.record.as_ref().filter(|record| !change::is_outdated(record, written_at.as_deref()));
    let known = Known { record, document: document.as_ref().map(|latest| &latest.document) };
    let assumed = known.assumed(&print);
    let change = known.change(&print, trigger.reload);
    let lookback_hours = spec.source.lookback_hours;
    let window = Window::by(&change, watermark, lookback_hours, trigger.since);
    let (source, prefix, sameness) = (&spec.source, input.prefix.as_str(), Sameness::of(&spec));
    let watermark = watermark.map(format_time);
    let Some(listing) = listing else {
        let view = View { source, prefix, window: &window, sameness, change: &change };
        let explained = explain::explain(store, execution, &view, assumed, &trigger.explain).await?;
        return Ok(DetectOutput { mode: trigger.mode, explained, watermark, ..DetectOutput::default() });
    };

    let search = Search { source, prefix, window: &window, forget: &trigger.forget };
    let (restored, lost) = (known.restored(&print), known.lost(&print));
    match &change {
        Change::Refused(why) => return Err(misconfigured(execution, why)),
        Change::FullLook { why, selects_loaded: true } => {
            if let Some(loaded) = assumed.or(lost)
                && let Some(which) = search.not_selected(store, execution, loaded).await?.named()
            {
                return Err(misconfigured(execution, &change::refuse_loss(why, &which, "no longer selected")));
            }
        }
        _ => {}
    }
    let finds_loaded = match &change {
        Change::Reload { finds_loaded, .. } => *finds_loaded,
        Change::FullLook { .. } => restored.is_some() || lost.is_some(),
        Change::Nothing | Change::Refused(_) => false,
    };
    let mut selected = finds_loaded.then(KeySet::default);
    let mut ledger = Ledger::new(store, execution, assumed, sameness, window.ledger_start());
    let mut batches = Batches::new(store, execution, &invocation.attempt);
    let skipped = search.run(listing, &mut ledger, &mut batches, selected.as_mut()).await?;
    if let (Change::Reload { why, .. }, Some(selected), Some(assumed)) = (&change, &selected, assumed)
        && let Some(which) = Unread::find(store, execution, assumed, None, selected).await?.gone.named()
    {
        let why = format!("all files would be loaded again, {why}");
        let how = "gone from the bucket or no longer selected";
        return Err(misconfigured(execution, &change::refuse_loss(&why, &which, how)));
    }
    let reload = matches!(change, Change::Reload { .. });
    let is_reload_by_itself = reload && !trigger.reload;
    // A run that loads nothing writes nothing down; the next one that does looks for them itself.
    let ended_badly = match trigger.mode == Mode::Load && !batches.is_empty() {
        true => {
            let loaded = document.as_ref().map(|latest| &latest.document);
            ended_badly::newest(executions, store, execution, loaded, detected_at).await
        }
        false => Vec::new(),
    };
    let heading = Heading {
        detected_at,
        skipped,
        assumed: assumed.cloned(),
        print: print.clone(),
        reload,
        is_reload_by_itself,
        ended_badly,
    };
    let output = batches.finish(heading).await?;
    if trigger.reload && output.new_file_count == 0 {
        let what = format!("reload: there is no file to load under {prefix}, and a table is not emptied by that");
        return Err(Error::new(Kind::InvalidEvent, what));
    }
    if output.new_file_count == 0 && lost.is_some() {
        return Err(misconfigured(execution, &change::refuse_nothing(&print, &execution.job)));
    }
    let mut notes = notes(&change, &output, watermark.is_some() || document.is_some());
    let undone = restored.map(|(loaded, restored_to)| (loaded, Some(restored_to)));
    if let (Change::FullLook { .. }, Some((loaded, since)), Some(selected)) =
        (&change, undone.or(lost.map(|lost| (lost, None))), &selected)
    {
        let Unread { gone, overwritten } = Unread::find(store, execution, loaded, since, selected).await?;
        notes.extend(gone.named().map(|which| change::lost_and_gone(&print, since, &which)));
        // Where the words of files are kept, only their last versions count.
        let overwritten = overwritten.named().filter(|_| !print.on_overlap.keeps_words());
        notes.extend(overwritten.map(|which| change::lost_and_overwritten(&print, since, &which)));
    }
    for note in &notes {
        info!("{note}");
    }
    let output = DetectOutput { mode: trigger.mode, mark, watermark, notes, ..output };
    if output.mode == Mode::Load && output.new_file_count == 0 && matches!(change, Change::FullLook { .. }) {
        remember_look(store, execution, print, assumed, document.as_ref()).await?;
    }
    info!(
        files.new = output.new_file_count,
        files.known = ledger.known_count(),
        files.skipped = output.files_skipped,
        files.other_suffix = skipped.other_suffix,
        files.hidden = skipped.hidden,
        bytes.new = output.new_bytes,
        batches = output.batches.len(),
        watermark = output.watermark.as_deref().unwrap_or("none: everything that the ledger does not hold is new"),
        reload,
        trigger = trigger.kind,
        "files detected"
    );
    Ok(output)
}

fn misconfigured(execution: &Execution, what: &str) -> Error {
    Error::new(Kind::Misconfigured, format!("job {}: {what}", execution.job))
}

/// What a person should know of how files were found; nothing of the first run of a job, which has loaded nothing yet.
fn notes(change: &Change, found: &DetectOutput, has_run: bool) -> Vec<String> {
    let (count, size) = (amounts::count(found.new_file_count), amounts::bytes(found.new_bytes));
    match change {
        Change::Reload { why, .. } => vec![format!("reload: {count} files, {size}, {why}")],
        Change::FullLook { why, .. } if has_run => {
            vec![format!(
                "all files were looked at, not only those since the last success: {why}; {count} are new, {size}"
            )]
        }
        _ => Vec::new(),
    }
}

/// Has the next run look only at what came since: this one looked at everything that is selected, and all of it is
/// loaded. It says no more than that: of what was loaded last, and when, it leaves what was assumed.
///
/// # Errors
/// As [`Error::aws`].
async fn remember_look(
    store: &Store,
    execution: &Execution,
    print: Print,
    assumed: Option<&Loaded>,
    document: Option<&Latest<Loaded>>,
) -> Result<()> {
    let Some(assumed) = assumed else { return Ok(()) };
    let looked_at = Loaded { print, ..assumed.clone() };
    let condition = document.map_or(Condition::Absent, |latest| Condition::Matches(&latest.etag));
    // If another one has written it meanwhile, the next run looks at everything once more.
    store.write_json_if(&keys::loaded(&execution.job), &looked_at, condition).await.map(|_| ())
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
