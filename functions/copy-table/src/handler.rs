//! Plan, copy, conclude: the states' calls, with their documents in the bucket; and prepare, which is called by hand.

use crate::conclude::{self, Concluded, Why, conclude};
use crate::copy::Attempt;
use crate::plan::{Planned, Request};
use crate::prepare::prepare;
use crate::pump::Progress;
use crate::session::{Sessions, Side};
use crate::waiting;
use aws_config::SdkConfig;
use futures_util::{StreamExt, TryStreamExt, stream};
use postgres::connect::{self, Database};
use serde::Serialize;
use sluice::contract::copy_table::{
    ConcludeInput, ConcludeOutput, CopyInput, CopyOutput, CopyTableInput, End, Plan, PlanInput, PlanOutput,
    PlannedWindow, Prepare, PrepareOutput, StateInput, Trigger, WindowFailure,
};
use sluice::contract::{Execution, keys};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::store::Store;
use sluice::time::format_time;
use sluice::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::{error, info, warn};

/// How long before Lambda's deadline a copy is given up, so that it is rolled back and its error reaches the state
/// machine.
const DEADLINE_MARGIN: Duration = Duration::from_secs(30);

/// A window that has more is copied in parts, in bytes: at 25 MiB a second, of which a target with two indexes takes
/// hardly less, this is three minutes of the 15 that a call may last.
const MAX_WINDOW_BYTES: u64 = 4 << 30;

/// Up to what size a table is copied whole, in bytes: more would not end before Lambda's deadline.
const MAX_WHOLE_BYTES: u64 = 40 << 30;

/// How many windows that failed are asked for their cause at a time.
const READS_AT_ONCE: usize = 16;

/// Which part of the memory a row may have: it is there twice at a time, and out of a stream with one before it.
const MEMORY_PER_ROW: usize = 4;

/// What one function instance keeps.
pub struct Context {
    store: Store,
    source: Database,
    target: Database,
    config: SdkConfig,
    max_row_bytes: usize,
}

impl Context {
    /// Reads the environment, and makes the clients.
    ///
    /// # Errors
    /// As [`Context::new`].
    pub async fn from_env() -> Result<Self> {
        Self::new(&|name| std::env::var(name).ok(), aws::config().await)
    }

    /// Reads `BUCKET`, where both databases are, and how much memory there is, through `lookup`.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn new(lookup: &dyn Fn(&str) -> Option<String>, config: SdkConfig) -> Result<Self> {
        let mut env = Env::new(lookup);
        let bucket = env.required("BUCKET");
        let source = Database::from_env(&mut env, connect::SOURCE);
        let target = Database::from_env(&mut env, connect::TARGET);
        // Set by Lambda, in MiB.
        let memory = env.parsed("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 256_usize);
        let (bucket, source, target) = env.finish((bucket, source, target))?;
        let max_row_bytes = (memory << 20) / MEMORY_PER_ROW;
        Ok(Self { store: Store::new(aws::s3(&config), bucket), source, target, config, max_row_bytes })
    }
}

/// The answer to a state.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Output {
    /// To `PlanCopy`.
    Plan(Box<PlanOutput>),
    /// To `CopyWindow`.
    Copy(CopyOutput),
    /// To `ConcludeCopy`.
    Conclude(ConcludeOutput),
    /// To `prepare`.
    Prepare(PrepareOutput),
}

/// Answers the states `PlanCopy`, `CopyWindow` and `ConcludeCopy`, and `prepare`.
///
/// # Errors
/// As [`Request::plan`], [`Attempt::run`], [`conclude()`] and `prepare`.
pub async fn handle(context: Arc<Context>, invocation: Invocation, input: CopyTableInput) -> Result<Output> {
    let input = match input {
        CopyTableInput::State(input) => input,
        CopyTableInput::Prepare(input) => return prepare_end(&context, &input).await.map(Output::Prepare),
    };
    match *input {
        StateInput::Plan(input) => {
            plan(&context, &invocation, &input).await.map(|output| Output::Plan(Box::new(output)))
        }
        StateInput::Copy(input) => copy(&context, &invocation, &input).await.map(Output::Copy),
        StateInput::Conclude(input) => end(&context, &invocation, &input).await.map(Output::Conclude),
    }
}

async fn prepare_end(context: &Context, input: &Prepare) -> Result<PrepareOutput> {
    let database = match input.end {
        End::Source => &context.source,
        End::Target => &context.target,
    };
    prepare(database, &context.config, input).await
}

async fn plan(context: &Context, invocation: &Invocation, input: &PlanInput) -> Result<PlanOutput> {
    let trigger = Trigger::read(&input.trigger)
        .map_err(|problem| Error::new(Kind::InvalidEvent, format!("input of the execution: {problem}")))?;
    let time_left = time_left(invocation);
    let sessions = Sessions::planning(&input.execution);
    let (of_source, of_target) = (sessions.name(Side::Source), sessions.name(Side::Target));
    let (mut source, mut target) = tokio::try_join!(
        context.source.connect(&context.config, &of_source),
        context.target.connect(&context.config, &of_target),
    )?;
    let origin = context.source.name();
    let request = Request {
        execution: &input.execution,
        spec: &input.spec,
        origin: &origin,
        trigger: &trigger,
        max_window_bytes: MAX_WINDOW_BYTES,
        time_left,
    };
    let planned = tokio::time::timeout(time_left, request.plan(&mut source, &mut target)).await;
    let Planned { mut output, plan } = planned.map_err(|_| {
        let what = format!("planning did not end within {} s", time_left.as_secs());
        Error::new(Kind::TransientFailure, what)
    })??;
    for warning in &output.warnings {
        warn!("{warning}");
    }
    if !output.windows.is_empty() {
        let key = keys::copy_plan(&input.execution, &invocation.attempt);
        output.plan = Some(context.store.write_json(&key, &plan).await?);
    }
    info!(
        purpose = ?output.purpose,
        windows = output.window_count,
        windows.left = output.windows_left,
        columns = output.columns.count,
        format = output.columns.format,
        columns.ignored = output.columns.ignored.len(),
        rows.without_window = output.columns.rows_without_window,
        "copy planned"
    );
    Ok(output)
}

async fn copy(context: &Context, invocation: &Invocation, input: &CopyInput) -> Result<CopyOutput> {
    let plan: Plan = context.store.read_json(&input.plan).await?;
    let index = input.window.index;
    let planned = usize::try_from(index).ok().and_then(|index| plan.windows.get(index));
    let planned = planned.ok_or_else(|| Error::new(Kind::InvalidEvent, format!("the plan has no window {index}")))?;
    let copied = copy_planned(context, invocation, input, &plan, planned).await;
    match &copied {
        Ok(output) => info!(
            window = planned.window.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string),
            outcome = ?output.outcome,
            rows.read = output.rows,
            bytes.read = output.bytes,
            rows.inserted = output.rows_inserted,
            rows.updated = output.rows_updated,
            rows.deleted = output.rows_deleted,
            rows.unchanged = output.rows_unchanged,
            rows.newer = output.rows_newer,
            rows.only_at_target = output.rows_only_at_target,
            "window copied"
        ),
        Err(failure) => {
            let document = WindowFailure {
                window: planned.window.clone(),
                error: failure.kind().name().to_owned(),
                cause: failure.to_string(),
                failed_at: format_time(SystemTime::now().into()),
            };
            // The failure itself is the answer; the document only lets the execution end with the same one.
            let key = keys::window_failure(&input.execution, index);
            if let Err(problem) = context.store.write_json(&key, &document).await {
                error!("the failure of window {index} is not written down: {problem}");
            }
        }
    }
    copied
}

async fn copy_planned(
    context: &Context,
    invocation: &Invocation,
    input: &CopyInput,
    plan: &Plan,
    planned: &PlannedWindow,
) -> Result<CopyOutput> {
    let sessions = Sessions::new(&input.execution, planned.window.as_ref());
    let (of_source, of_target) = (sessions.name(Side::Source), sessions.name(Side::Target));
    let (mut source, mut target) = tokio::try_join!(
        context.source.connect(&context.config, &of_source),
        context.target.connect(&context.config, &of_target),
    )?;
    let (progress, target_name, origin) = (Progress::default(), input.spec.target_name(), context.source.name());
    let mut waited_for = None;
    loop {
        let time_left = time_left(invocation);
        let attempt = Attempt {
            execution: &input.execution,
            spec: &input.spec,
            origin: &origin,
            purpose: plan.purpose,
            planned,
            max_row_bytes: context.max_row_bytes,
            max_whole_bytes: MAX_WHOLE_BYTES,
            time_left,
        };
        let copied = tokio::time::timeout(time_left, attempt.run(&mut source, &mut target, &progress)).await;
        let held = match (copied, waited_for) {
            (Ok(Err(error)), _) if error.kind() == Kind::LockHeld => error,
            (Ok(copied), _) => return copied,
            (Err(_), None) => return Err(too_large(&target_name, planned, &progress, time_left)),
            // The next call has all of its time for it.
            (Err(_), Some(held)) => {
                let seconds = time_left.as_secs();
                let what = format!("after a wait ({held}) the {seconds} s that were left were not enough");
                return Err(Error::new(Kind::TransientFailure, what));
            }
        };
        let may_wait = time_left > waiting::FOR_THE_COPY + waiting::PAUSE
            && waiting::is_worth_it(&mut target, &input.execution, &target_name).await?;
        if !may_wait {
            return Err(held);
        }
        info!("waiting: {held}");
        waited_for = Some(held);
        tokio::time::sleep(waiting::PAUSE).await;
    }
}

fn time_left(invocation: &Invocation) -> Duration {
    invocation.time_left(DEADLINE_MARGIN).max(Duration::from_millis(1))
}

/// Nothing is committed: dropping the connections rolls back.
fn too_large(target: &str, planned: &PlannedWindow, progress: &Progress, time_left: Duration) -> Error {
    let window = planned.window.as_ref().map_or_else(|| "the whole table".to_owned(), ToString::to_string);
    let (rows, megabytes, seconds) = (progress.rows(), progress.bytes() >> 20, time_left.as_secs().max(1));
    // To read back what is stored takes about as long as to store it.
    let what = format!(
        "{target}, {window}: not copied within {seconds} s, in which {rows} rows with {megabytes} MiB were read, so {} MiB a \
         second; it is rolled back, unless its commit was under way. Choose shorter windows, of at most about {} rows, or \
         give the function more memory",
        megabytes / seconds,
        rows / 2
    );
    Error::new(Kind::Misconfigured, what)
}

async fn end(context: &Context, invocation: &Invocation, input: &ConcludeInput) -> Result<ConcludeOutput> {
    let plan: Plan = context.store.read_json(&input.plan).await?;
    let time_left = time_left(invocation);
    let name = Sessions::planning(&input.execution).name(Side::Target);
    let mut target = context.target.connect(&context.config, &name).await?;
    let (execution, spec, origin) = (&input.execution, &input.spec, context.source.name());
    let concluded = conclude(&mut target, execution, spec, &origin, &plan, &input.results, time_left).await;
    let Concluded { output, failed } = concluded?;
    if failed.is_empty() {
        info!(
            windows = output.windows,
            rows.read = output.rows,
            rows.inserted = output.rows_inserted,
            rows.updated = output.rows_updated,
            rows.deleted = output.rows_deleted,
            rows.unchanged = output.rows_unchanged,
            rows.newer = output.rows_newer,
            rows.only_at_target = output.rows_only_at_target,
            "copy concluded"
        );
        return Ok(output);
    }
    // The first one in time: others may only have failed because it did.
    let causes: Vec<_> = failed.iter().map(|(index, why)| cause(context, execution, &plan, (*index, why))).collect();
    let mut causes: Vec<_> = stream::iter(causes).buffered(READS_AT_ONCE).try_collect().await?;
    causes.sort_by(|one, other| one.failed_at.cmp(&other.failed_at));
    let first = causes.first().ok_or_else(|| Error::new(Kind::InvariantBroken, "a failure without a cause"))?;
    Err(conclude::error(spec, &plan, failed.len(), conclude::kind(&first.error), &first.cause))
}

/// Why a window failed, as its function has written it down.
async fn cause(
    context: &Context,
    execution: &Execution,
    plan: &Plan,
    (index, why): (u32, &Why),
) -> Result<WindowFailure> {
    let document = match why {
        // What an attempt before the one that copied it has failed with is no cause.
        Why::Changed { .. } => None,
        Why::Failed(_) | Why::Unanswered => {
            let key = keys::window_failure(execution, index);
            context.store.read_latest_json::<WindowFailure>(&key).await?
        }
    };
    let document = document.map(|latest| latest.document);
    Ok(document.unwrap_or_else(|| untold(plan, index, why, context.max_row_bytes)))
}

/// What a function is ended with that takes more memory than it has.
const ENDED: [&str; 2] = ["Runtime.ExitError", "Runtime.OutOfMemory"];

/// A window that no function says anything of. After all others: they say more.
fn untold(plan: &Plan, index: u32, why: &Why, max_row_bytes: usize) -> WindowFailure {
    let planned = usize::try_from(index).ok().and_then(|index| plan.windows.get(index));
    let window = planned.and_then(|planned| planned.window.clone());
    let name = window.as_ref().map_or_else(|| "the whole table".to_owned(), ToString::to_string);
    let (error, cause) = match why {
        Why::Failed(error) if ENDED.contains(&error.as_str()) => {
            let what = format!(
                "{name} ended with {error}: the function was killed, perhaps for a row that is too long for its memory, which \
                 is enough for one of {} MiB; give it more memory",
                max_row_bytes >> 20
            );
            (error.as_str(), what)
        }
        Why::Failed(error) => (error.as_str(), format!("{name} ended with {error}")),
        Why::Unanswered => {
            ("", format!("{name} is not recorded: its function was ended, or the table was made anew meanwhile"))
        }
        Why::Changed { recorded, there } => {
            let what = format!(
                "{name} was copied with {recorded} rows, but {there} are there now: at the source some moved to another window \
                 meanwhile, or somebody else wrote into the target; run the range again with only_missing"
            );
            (Kind::StaleRun.name(), what)
        }
    };
    WindowFailure { cause, window, error: error.to_owned(), failed_at: "9999".to_owned() }
}
