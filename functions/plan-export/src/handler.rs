//! The call of the state `PlanExport`.

use crate::catalogue::Catalogue;
use crate::explain::explain;
use crate::mapping::{self, Mapping};
use crate::prepare::{Users, prepare};
use crate::windows::{Chosen, Cursor, Grid, Loaded};
use jiff::Timestamp;
use redshift::bookkeeping;
use redshift::warehouse::{Place, Warehouse};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sluice::contract::copy_table::{CatchUp, Mode, Moment, WindowIndex};
use sluice::contract::mysql_to_redshift::{
    LoadPurpose, Plan, PlanExportEvent, PlanExportInput, PlanExportOutput, PlannedWindow, Policies,
    PrepareTargetOutput, Range, SourceTable, Spec, Trigger, Windows,
};
use sluice::contract::{Execution, keys};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::store::Store;
use sluice::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// How long before Lambda's deadline a question to Redshift is given up.
const DEADLINE_MARGIN: Duration = Duration::from_secs(40);

/// How long before the deadline the call is given up, whatever it waits for.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// How many stretches of time an audit compares at most: the Data API takes 100,000 bytes a statement.
const MAX_SPANS: usize = 250;

/// What one function instance keeps.
pub struct Context {
    store: Store,
    warehouse: Warehouse,
    users: Users,
}

impl Context {
    /// Reads the environment, and makes the clients.
    ///
    /// # Errors
    /// As [`Context::new`].
    pub async fn from_env() -> Result<Self> {
        Self::new(&|name| std::env::var(name).ok(), &aws::config().await)
    }

    /// Reads `BUCKET`, where Redshift is, and whose its roles are, through `lookup`.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn new(lookup: &dyn Fn(&str) -> Option<String>, config: &aws_config::SdkConfig) -> Result<Self> {
        let mut env = Env::new(lookup);
        let bucket = env.required("BUCKET");
        let database = env.required("REDSHIFT_DATABASE");
        let place = Place::from_env(&mut env);
        let (plan, load) = (env.required("PLAN_ROLE"), env.required("LOAD_ROLE"));
        let copy_role = env.required("REDSHIFT_ROLE_ARN");
        let (bucket, place, database) = env.finish((bucket, place, database))?;
        let (plan, load) = (place.user_of(&plan), place.user_of(&load));
        let users = Users { plan, load, copy_role, database: database.clone() };
        let warehouse = Warehouse::new(config, place, database);
        Ok(Self::of(Store::new(aws::s3(config), bucket), warehouse, users))
    }

    /// With clients of the caller's own.
    pub fn of(store: Store, warehouse: Warehouse, users: Users) -> Self {
        Self { store, warehouse, users }
    }
}

/// The answer to a state, or to a call by hand.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Output {
    /// To `PlanExport`.
    Plan(Box<PlanExportOutput>),
    /// To `prepare`.
    Prepare(PrepareTargetOutput),
}

/// Answers the state `PlanExport`, and `prepare`.
///
/// # Errors
/// As [`plan`].
pub async fn handle(context: Arc<Context>, invocation: Invocation, event: PlanExportEvent) -> Result<Output> {
    match event {
        PlanExportEvent::Plan(input) => {
            let planned = invocation.within(GIVEN_UP, "Redshift", plan(&context, &invocation, &input)).await;
            planned.map(|output| Output::Plan(Box::new(output)))
        }
        PlanExportEvent::Prepare(input) => Ok(Output::Prepare(prepare(&context.users, &input))),
    }
}

/// Plans an execution.
///
/// # Errors
/// `InvalidEvent` for a start that is not understood, `Misconfigured` with all that does not fit, `StaleRun` for a
/// window that depends on one which is not loaded, others as [`Warehouse::run`].
pub async fn plan(context: &Context, invocation: &Invocation, input: &PlanExportInput) -> Result<PlanExportOutput> {
    let trigger = Trigger::read(&input.trigger)
        .map_err(|problem| Error::new(Kind::InvalidEvent, format!("input of the execution: {problem}")))?;
    let execution = &input.execution;
    let spec = input.parts.spec(&execution.job)?;
    let mode = mode(&spec, &trigger.range)?;
    let table: SourceTable = context.store.read_json(&input.table).await?;
    let deadline = Instant::now() + invocation.time_left(DEADLINE_MARGIN);
    let catalogue = Catalogue { warehouse: &context.warehouse, deadline };
    if let (Range::Named(named), Some(windows)) = (&trigger.range, &spec.windows) {
        return explained(&catalogue, execution, &spec, (windows, &table), named).await;
    }
    let (mapping, is_prepared) = ready(&catalogue, execution, &spec, &table, trigger.purpose).await?;
    let chosen = match (mode, &spec.windows) {
        _ if trigger.purpose == LoadPurpose::Audit => {
            let loaded = match is_prepared {
                true => catalogue.loaded(&execution.job, &spec.target_name()).await?,
                false => Loaded::default(),
            };
            Chosen { windows: audited(&spec, &table, &loaded)?, left: 0 }
        }
        (Mode::Replace, _) | (_, None) => Chosen { windows: vec![PlannedWindow::default()], left: 0 },
        (_, Some(windows)) => {
            let loaded = match asks_what_is_loaded(windows, &trigger.range) && is_prepared {
                true => catalogue.loaded(&execution.job, &spec.target_name()).await?,
                false => Loaded::default(),
            };
            let grid = Grid::new(windows, cursor(&table, &windows.cursor))?;
            let chosen = grid.choose(windows, &trigger.range, now(execution, &trigger.range)?, &loaded)?;
            if let Some((window, past)) = grid
                .without_past(&chosen.windows, &loaded)
                .and_then(|one| Some((one.window.as_ref()?, one.past.as_ref()?)))
            {
                let [from, to] = &past.bounds;
                let what = format!(
                    "{}, {window}: depends_on_past, and the window before it, from {from} to {to}, is not loaded: load that first",
                    spec.target_name()
                );
                return Err(Error::new(Kind::StaleRun, what));
            }
            chosen
        }
    };
    let mut plan = planned(execution, &spec, (mode, &table), &mapping, chosen.windows);
    if trigger.purpose == LoadPurpose::Audit {
        // It reads the table by the key alone.
        plan.is_order_unique = table.is_unique(&plan.key);
    }
    let mut output = output(&spec, &table, mapping, &plan, chosen.left, trigger.purpose);
    for warning in &output.warnings {
        warn!("{warning}");
    }
    if !output.windows.is_empty() {
        let key = keys::export_plan(execution, &invocation.attempt);
        output.plan = Some(context.store.write_json(&key, &plan).await?);
    }
    info!(
        purpose = ?output.purpose,
        windows = output.window_count,
        windows.left = output.windows_left,
        columns = output.column_count,
        columns.ignored = output.ignored.len(),
        "export planned"
    );
    Ok(output)
}

/// What an audit compares: all that is loaded, as few windows as that takes; none if nothing is.
fn audited(spec: &Spec, table: &SourceTable, loaded: &Loaded) -> Result<Vec<PlannedWindow>> {
    let Some(windows) = &spec.windows else {
        return Ok(loaded.whole_at.map(|_| PlannedWindow::default()).into_iter().collect());
    };
    let spans = Grid::new(windows, cursor(table, &windows.cursor))?.spans(loaded);
    match spans.len() {
        0..=MAX_SPANS => Ok(spans),
        count => {
            let what = format!(
                "{}: the windows that are loaded have {} gaps, and an audit takes {MAX_SPANS}: load what is missing by \
                 {{\"from\", \"to\", \"only_missing\"}} first",
                spec.target_name(),
                count - 1
            );
            Err(Error::new(Kind::Misconfigured, what))
        }
    }
}

/// Whether the choice of windows depends on what is loaded.
fn asks_what_is_loaded(windows: &Windows, range: &Range) -> bool {
    let asks = match range {
        Range::Between { only_missing, .. } => *only_missing,
        _ => windows.catch_up == CatchUp::Missed,
    };
    asks || windows.depends_on_past
}

/// Says of windows whether they are loaded.
async fn explained(
    catalogue: &Catalogue<'_>,
    execution: &Execution,
    spec: &Spec,
    (windows, table): (&Windows, &SourceTable),
    named: &[Moment],
) -> Result<PlanExportOutput> {
    let grid = Grid::new(windows, cursor(table, &windows.cursor))?;
    let around: Vec<PlannedWindow> = named.iter().filter_map(|moment| grid.around(moment)).collect();
    // What is recorded of a table that is gone says nothing of the next one.
    let is_there = !catalogue.columns(&spec.target.schema, &spec.target.table).await?.is_empty();
    let loads = match is_there && catalogue.is_prepared(&execution.job).await? {
        true => catalogue.newest(&execution.job, &spec.target_name(), &around.iter().collect::<Vec<_>>()).await?,
        false => Vec::new(),
    };
    let now = now(execution, &Range::Scheduled { at: None })?;
    let explained: Vec<_> = named.iter().map(|moment| explain(&grid, windows, moment, now, &loads)).collect();
    info!(windows = explained.len(), "windows explained");
    Ok(PlanExportOutput { purpose: LoadPurpose::Explain, explained, ..PlanExportOutput::default() })
}

/// What becomes of the rows that are there, by spec and start.
fn mode(spec: &Spec, range: &Range) -> Result<Mode> {
    let refused = |what: &str| Err(Error::new(Kind::InvalidEvent, format!("input of the execution: {what}")));
    match (spec.target.mode, range) {
        (Mode::Replace, Range::Between { .. } | Range::Named(_)) => {
            refused("from, to and explain are for windows, and this job replaces its table whole")
        }
        (Mode::Replace, _) => Ok(Mode::Replace),
        (_, Range::Full) if spec.target.allow_full => Ok(Mode::Replace),
        (_, Range::Full) => refused("full is not allowed by the spec (target/allow_full)"),
        (mode, _) => Ok(mode),
    }
}

/// The mapping of the columns, and whether loads of this target may be recorded; both tables are made if they are
/// missing and may be.
async fn ready(
    catalogue: &Catalogue<'_>,
    execution: &Execution,
    spec: &Spec,
    table: &SourceTable,
    purpose: LoadPurpose,
) -> Result<(Mapping, bool)> {
    let problems = |problems: Vec<String>| Error::new(Kind::Misconfigured, problems.join("; "));
    let mut is_prepared = catalogue.is_prepared(&execution.job).await?;
    let mut target = catalogue.columns(&spec.target.schema, &spec.target.table).await?;
    let mut missing = None;
    if target.is_empty() {
        if !spec.target.create {
            let what = format!("there is no table {}, or it may not be seen; create is not true", spec.target_name());
            return Err(Error::new(Kind::Misconfigured, what));
        }
        let (columns, statement) = mapping::derived(spec, table).map_err(problems)?;
        (target, missing) = (columns, Some(statement));
    }
    let mapping = mapping::matched(spec, table, &target).map_err(problems)?;
    if purpose != LoadPurpose::Load {
        return Ok((mapping, is_prepared && missing.is_none()));
    }
    if !is_prepared {
        let made = catalogue.create("make the table of loads", &bookkeeping::statements(&execution.job)).await;
        // A twin may have made it meanwhile, and of two one is refused.
        is_prepared = made.is_ok() || catalogue.is_prepared(&execution.job).await?;
        if !is_prepared {
            made?;
        }
    }
    if let Some(statement) = missing {
        let schema = format!("create schema if not exists {}", redshift::text::quoted(&spec.target.schema));
        // A table of this name that is gone took its rows with it. In the transaction that makes the new one, so no
        // run ever sees this one with records of that one; if a twin has made it, that fails as a whole.
        let forget = bookkeeping::forget(&execution.job, &spec.target_name());
        let statements = match spec.target.schema.as_str() {
            "public" => vec![statement, forget],
            _ => vec![schema, statement, forget],
        };
        if let Err(error) = catalogue.create("make the target", &statements).await {
            let found = catalogue.columns(&spec.target.schema, &spec.target.table).await?;
            if found.is_empty() {
                return Err(error);
            }
            return Ok((mapping::matched(spec, table, &found).map_err(problems)?, is_prepared));
        }
        info!(target = spec.target_name(), "table made");
    }
    Ok((mapping, is_prepared))
}

fn cursor(table: &SourceTable, name: &str) -> Cursor {
    match table.columns.iter().find(|column| column.name == name).map(|column| column.data_type.as_str()) {
        Some("date") => Cursor::Date,
        Some("datetime") => Cursor::Datetime,
        _ => Cursor::Timestamp,
    }
}

/// When the execution was to start: the same however often it is planned.
fn now(execution: &Execution, range: &Range) -> Result<Timestamp> {
    let text = match range {
        Range::Scheduled { at: Some(at) } => at.as_str(),
        _ => &execution.started_at,
    };
    text.parse().map_err(|error| Error::caused(Kind::InvalidEvent, "when the execution was to start", error))
}

fn planned(
    execution: &Execution,
    spec: &Spec,
    (mode, table): (Mode, &SourceTable),
    mapping: &Mapping,
    windows: Vec<PlannedWindow>,
) -> Plan {
    // Of the run's own, so that no text that people keep is likely to be it; letters and digits only, which mean
    // nothing else in CSV, in SQL or to COPY.
    let digest = Sha256::digest(execution.id.as_bytes());
    let marker = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    let cursor = spec.windows.as_ref().filter(|_| mode != Mode::Replace).map(|windows| windows.cursor.clone());
    let order: Vec<String> = spec.target.key.iter().chain(&cursor).cloned().collect();
    Plan {
        source: [spec.source.schema.clone(), spec.source.table.clone()],
        target: [spec.target.schema.to_lowercase(), spec.target.table.to_lowercase()],
        mode,
        columns: mapping.columns.clone(),
        key: spec.target.key.clone(),
        is_order_unique: table.is_unique(&order),
        version: spec.target.version.clone(),
        cursor,
        null_marker: format!("null{marker}"),
        max_shrink_percent: spec.target.max_shrink_percent,
        policies: Policies { zero_dates: spec.source.zero_dates, too_long: spec.source.too_long, nul: spec.source.nul },
        deleted: spec.target.deleted.clone(),
        settled_after_minutes: spec.windows.as_ref().map_or(0, |windows| {
            // Clocks that do not show UTC are behind it by half a day at most.
            let behind = if self::cursor(table, &windows.cursor) == Cursor::Timestamp { 0 } else { 12 * 60 };
            windows.lag_minutes + behind
        }),
        verify: spec.target.verify,
        windows,
    }
}

fn output(
    spec: &Spec,
    table: &SourceTable,
    mapping: Mapping,
    plan: &Plan,
    left: u64,
    purpose: LoadPurpose,
) -> PlanExportOutput {
    let dry_run = purpose == LoadPurpose::DryRun;
    let mut warnings = mapping.warnings;
    if let Some(cursor) = plan.cursor.as_ref().filter(|cursor| !table.indexed.contains(cursor)) {
        let name = spec.source_name();
        warnings.push(format!("no index of {name} begins with {cursor:?}: each window reads the whole table"));
    }
    if plan.cursor.is_some() && table.rows_without_window > 0 {
        let (name, rows) = (spec.source_name(), table.rows_without_window);
        warnings.push(format!("{rows} rows of {name} have no cursor, so they belong to no window and are not loaded"));
    }
    if !plan.key.is_empty() && !plan.is_order_unique {
        let (name, key) = (spec.source_name(), plan.key.join(", "));
        warnings.push(format!(
            "no unique index of {name} is one of the key, {key}: what one call cannot read ends the run, and so does a key \
             that comes twice"
        ));
    }
    if plan.mode == Mode::Upsert {
        warnings.push("upsert does not see rows that are no longer in MySQL".to_owned());
    }
    let bound = |window: Option<&PlannedWindow>| window.and_then(|planned| planned.window.clone());
    let count = u64::try_from(plan.windows.len()).unwrap_or(u64::MAX);
    PlanExportOutput {
        purpose,
        window_count: count,
        windows_left: left,
        from: bound(plan.windows.first()).map(|window| window.start),
        to: bound(plan.windows.last()).map(|window| window.end),
        windows: match purpose {
            LoadPurpose::DryRun | LoadPurpose::Explain => Vec::new(),
            // All of them at once.
            LoadPurpose::Audit => plan.windows.first().map(|_| WindowIndex { index: 0 }).into_iter().collect(),
            LoadPurpose::Load => (0..).take(plan.windows.len()).map(|index| WindowIndex { index }).collect(),
        },
        plan: None,
        column_count: u64::try_from(plan.columns.len()).unwrap_or(u64::MAX),
        ignored: mapping.ignored,
        mapping: if dry_run { mapping.told } else { Vec::new() },
        rows_estimated: table.rows_estimated,
        warnings,
        explained: Vec::new(),
    }
}
