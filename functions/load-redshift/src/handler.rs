//! Load, status, conclude, audit: the states' calls, with their documents in the bucket.

use crate::audit::{self, Question, TargetAudit};
use crate::batch::{Load, Statement};
use crate::differences::compare;
use crate::outcome::{self, Failure};
use crate::pauses::pause_seconds;
use crate::submission::{self, Submitted};
use redshift::failure::{classify, told, was_ended};
use redshift::text::literal;
use redshift::warehouse::{Batch, Place, State, Warehouse};
use serde::Serialize;
use sluice::contract::mysql_to_redshift::{
    Audit, AuditTargetInput, AuditTargetOutput, ConcludeLoadInput, ConcludeLoadOutput, Export, LoadCounts, LoadInput,
    LoadOutput, LoadRedshiftInput, LoadRun, MAX_TOLD, Plan, SourceAudit, WindowRecord,
};
use sluice::contract::{Execution, keys};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::store::Store;
use sluice::time::format_time;
use sluice::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::info;

/// How long Redshift may take to say which row of a part it refused.
const DETAIL_TIME: Duration = Duration::from_secs(15);

/// What one function instance keeps.
pub struct Context {
    store: Store,
    warehouse: Warehouse,
    role: String,
}

impl Context {
    /// Reads the environment, and makes the clients.
    ///
    /// # Errors
    /// As [`Context::new`].
    pub async fn from_env() -> Result<Self> {
        Self::new(&|name| std::env::var(name).ok(), &aws::config().await)
    }

    /// Reads `BUCKET`, where Redshift is, and the role by which that reads the bucket, through `lookup`.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn new(lookup: &dyn Fn(&str) -> Option<String>, config: &aws_config::SdkConfig) -> Result<Self> {
        let mut env = Env::new(lookup);
        let bucket = env.required("BUCKET");
        let role = env.required("REDSHIFT_ROLE_ARN");
        let database = env.required("REDSHIFT_DATABASE");
        let place = Place::from_env(&mut env);
        let (bucket, place, database, role) = env.finish((bucket, place, database, role))?;
        let warehouse = Warehouse::new(config, place, database);
        Ok(Self::of(Store::new(aws::s3(config), bucket), warehouse, role))
    }

    /// With clients of the caller's own, and the role by which Redshift reads the bucket.
    pub fn of(store: Store, warehouse: Warehouse, role: String) -> Self {
        Self { store, warehouse, role }
    }
}

/// The answer to a state.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Output {
    /// To `LoadRedshift` and `CheckLoad`.
    Load(LoadOutput),
    /// To `ConcludeLoad`.
    Conclude(ConcludeLoadOutput),
    /// To `AuditTarget`.
    Audit(Box<AuditTargetOutput>),
}

/// How long before Lambda's deadline a call is given up, so that its error reaches the state machine. The batch that it
/// has submitted the next one finds.
const DEADLINE_MARGIN: Duration = Duration::from_secs(5);

/// How long before Lambda's deadline an audit no longer waits for its batch: one more question takes up to 20 seconds.
/// Until then it does, since each call is seven events of an execution's history, which holds 25,000.
const WAITED_MARGIN: Duration = Duration::from_secs(30);

/// Answers the states `LoadRedshift`, `CheckLoad`, `ConcludeLoad` and `AuditTarget`.
///
/// # Errors
/// As [`outcome::failure`] and [`submission::submit`]; `TransientFailure` if it takes too long.
pub async fn handle(context: Arc<Context>, invocation: Invocation, input: LoadRedshiftInput) -> Result<Output> {
    let work = async {
        match &input {
            LoadRedshiftInput::Load(input) | LoadRedshiftInput::Status(input) => {
                context.load(input).await.map(Output::Load)
            }
            LoadRedshiftInput::Conclude(input) => context.conclude(input).await.map(Output::Conclude),
            LoadRedshiftInput::Audit(input) => {
                context.audit(&invocation, input).await.map(|output| Output::Audit(Box::new(output)))
            }
        }
    };
    invocation.within(DEADLINE_MARGIN, "Redshift", work).await
}

impl Context {
    async fn load(&self, input: &LoadInput) -> Result<LoadOutput> {
        let plan: Plan = self.store.read_json(&input.plan).await?;
        let export: Export = self.store.read_json(&input.export).await?;
        let index = input.window.index;
        let window = usize::try_from(index).ok().and_then(|index| plan.windows.get(index));
        let window = window.ok_or_else(|| Error::new(Kind::InvalidEvent, format!("the plan has no window {index}")))?;
        let load = Load { execution: &input.execution, plan: &plan, index, window, export: &export, role: &self.role };
        let statements = load.statements();
        let Submitted { batch, attempt } = self.batch(input, &load, &statements).await?;
        let counts = match &batch.state {
            State::Running => {
                let pause_seconds = pause_seconds(plan.windows.len(), batch.age());
                return Ok(LoadOutput { statement: batch.id, is_loaded: false, pause_seconds });
            }
            State::Finished(rows) => outcome::counts(&load, &statements, rows),
            State::Aborted => {
                return Err(Error::new(Kind::TransientFailure, format!("the batch {} was ended", batch.id)));
            }
            State::Failed(error) => match outcome::failure(&load, attempt, error) {
                Failure::AlreadyLoaded => LoadCounts { rows: export.rows, answers_lost: 1, ..LoadCounts::default() },
                Failure::Error(error) => return Err(self.with_row(&load, error).await),
            },
        };
        self.record(&load, &batch, counts).await?;
        Ok(LoadOutput { statement: batch.id, is_loaded: true, pause_seconds: 0 })
    }

    /// The batch that an earlier answer named, unless that has failed in a way that may pass; else that of the load.
    async fn batch(&self, input: &LoadInput, load: &Load<'_>, statements: &[Statement]) -> Result<Submitted> {
        if let Some(id) = &input.statement {
            let batch = self.warehouse.describe(id).await?;
            let may_pass = match &batch.state {
                State::Aborted => true,
                State::Failed(error) => match outcome::failure(load, 0, error) {
                    Failure::Error(error) => error.kind() == Kind::TransientFailure,
                    Failure::AlreadyLoaded => false,
                },
                State::Running | State::Finished(_) => false,
            };
            if !may_pass {
                return Ok(Submitted { batch, attempt: 0 });
            }
        }
        let texts: Vec<String> = statements.iter().map(|statement| statement.text.clone()).collect();
        let name = format!("{}-{}", load.execution.job, load.index);
        submission::submit(&self.warehouse, &name, &load.run(), &texts).await
    }

    /// An error about the rows, with the place of the first one that Redshift refused; without its values.
    async fn with_row(&self, load: &Load<'_>, error: Error) -> Error {
        let prefix = load.export.manifest.as_ref().and_then(|manifest| manifest.key.rsplit_once('/'));
        let (Kind::InvalidSource, Some((folder, _))) = (error.kind(), prefix) else { return error };
        let query = format!(
            "select file_name, line_number, column_name, error_message from sys_load_error_detail
             where file_name like {} order by start_time desc, line_number limit 1",
            literal(&format!("%{folder}/%"))
        );
        // The failure itself is the answer; without the row it is still one.
        let rows = self.warehouse.run("look up what was refused", &[query], DETAIL_TIME).await.unwrap_or_default();
        match rows.first().map(Vec::as_slice) {
            Some([file, line, column, reason]) => {
                let text = |field: &Option<String>| field.as_deref().unwrap_or("").trim().to_owned();
                let (file, line, column) = (text(file), text(line), text(column));
                let reason = told(reason.as_deref().unwrap_or_default()).to_owned();
                let what = format!("{error}; {file}, line {line}, column {column}: {reason}");
                Error::new(Kind::InvalidSource, what)
            }
            _ => error,
        }
    }

    async fn record(&self, load: &Load<'_>, batch: &Batch, counts: LoadCounts) -> Result<()> {
        let key = keys::window_record(load.execution, load.index);
        // Its answer was lost: what it did may have been written down before.
        if counts.answers_lost > 0 && self.store.read_latest_json::<WindowRecord>(&key).await?.is_some() {
            return Ok(());
        }
        let record = WindowRecord {
            window: load.window.window.clone(),
            exported_at: load.export.exported_at.clone(),
            is_consistent: load.export.is_consistent,
            counts,
            changed: load.export.changed,
            statement: batch.id.clone(),
            manifest: load.export.manifest.clone(),
            loaded_at: format_time(SystemTime::now().into()),
        };
        self.store.write_json(&key, &record).await?;
        info!(
            window = record.window.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string),
            statement = record.statement,
            rows.read = counts.rows,
            rows.inserted = counts.rows_inserted,
            rows.deleted = counts.rows_deleted,
            rows.unchanged = counts.rows_unchanged,
            rows.newer = counts.rows_newer,
            rows.gone = counts.rows_gone,
            answers.lost = counts.answers_lost,
            "window loaded"
        );
        Ok(())
    }

    async fn conclude(&self, input: &ConcludeLoadInput) -> Result<ConcludeLoadOutput> {
        let plan: Plan = self.store.read_json(&input.plan).await?;
        let mut output = ConcludeLoadOutput::default();
        for (index, window) in (0..).zip(&plan.windows) {
            let key = keys::window_record(&input.execution, index);
            let Some(found) = self.store.read_latest_json::<WindowRecord>(&key).await? else {
                let name = window.window.as_ref().map_or_else(|| "the whole table".to_owned(), ToString::to_string);
                return Err(Error::new(Kind::InvariantBroken, format!("{name} is not loaded: there is no {key}")));
            };
            let WindowRecord { counts, changed, .. } = found.document;
            output.windows += 1;
            output.counts = output.counts.plus(counts);
            output.changed.zero_dates += changed.zero_dates;
            output.changed.truncated += changed.truncated;
            output.changed.nuls += changed.nuls;
        }
        let run = LoadRun {
            execution: input.execution.id.clone(),
            started_at: input.execution.started_at.clone(),
            finished_at: format_time(SystemTime::now().into()),
            did: output.clone(),
        };
        self.store.write_json(&keys::run_record(&input.execution), &run).await?;
        info!(
            windows = output.windows,
            rows.read = output.counts.rows,
            rows.inserted = output.counts.rows_inserted,
            rows.deleted = output.counts.rows_deleted,
            rows.unchanged = output.counts.rows_unchanged,
            "load concluded"
        );
        Ok(output)
    }

    /// Asks Redshift for what an audit compares, or finds it asked: all of it, or one slice of the key after the other.
    async fn audit(&self, invocation: &Invocation, input: &AuditTargetInput) -> Result<AuditTargetOutput> {
        let execution = &input.execution;
        let plan: Plan = self.store.read_json(&input.plan).await?;
        let source: SourceAudit = self.store.read_json(&input.source).await?;
        let mut target: TargetAudit = match &input.target {
            Some(reference) => self.store.read_json(reference).await?,
            None => TargetAudit::default(),
        };
        let statements = audit::statements(execution, &plan, &source, target.next());
        let mut batch = self.asked(execution, &target, &statements).await?;
        while batch.state == State::Running && !invocation.time_left(WAITED_MARGIN).is_zero() {
            batch = self.warehouse.describe(&batch.id).await?;
        }
        let what = || format!("audit {}", plan.target.join("."));
        let was_ended = match &batch.state {
            State::Finished(_) => {
                for (number, (question, _)) in (1..).zip(&statements) {
                    target.take(*question, &self.warehouse.rows(&format!("{}:{number}", batch.id)).await?)?;
                }
                target.go_on();
                false
            }
            State::Running => {
                target.statement = Some(batch.id.clone());
                false
            }
            State::Aborted => true,
            State::Failed(error) if was_ended(error) => true,
            State::Failed(error) => return Err(classify(&what(), error)),
        };
        if was_ended && !target.cut(&source.split) {
            let what = format!(
                "{}: the batch {} was ended before it was over, and cannot be cut into smaller ones: give the spec a key, \
                 or let a statement of Redshift take longer",
                what(),
                batch.id
            );
            return Err(Error::new(Kind::Misconfigured, what));
        }
        if !target.is_over() {
            let (slices, slices_done) = (target.slices, target.slices_done);
            info!(statement = batch.id, was_ended, slices, slices_done, "target asked for an audit");
            let key = keys::target_audit(execution, &invocation.attempt);
            let target = Some(self.store.write_json(&key, &target).await?);
            return Ok(AuditTargetOutput { target, is_done: false, audit: None });
        }
        let mut audit = compare(&plan, &source, target);
        self.store.write_json(&keys::audit_record(execution), &audit).await?;
        info!(
            is_equal = audit.is_equal,
            rows.source = audit.rows_source,
            rows.target = audit.rows_target,
            parts.different = audit.parts_different,
            keys.twice = audit.keys_twice,
            "both tables compared"
        );
        shorten(&mut audit);
        Ok(AuditTargetOutput { target: None, is_done: true, audit: Some(audit) })
    }

    /// The batch that an earlier call has submitted, unless that has failed in a way that may pass; else a new one.
    async fn asked(
        &self,
        execution: &Execution,
        target: &TargetAudit,
        statements: &[(Question, String)],
    ) -> Result<Batch> {
        if let Some(id) = &target.statement {
            let batch = self.warehouse.describe(id).await?;
            let may_pass = match &batch.state {
                State::Failed(error) => !was_ended(error) && classify(id, error).kind() == Kind::TransientFailure,
                State::Running | State::Finished(_) | State::Aborted => false,
            };
            if !may_pass {
                return Ok(batch);
            }
        }
        let texts: Vec<String> = statements.iter().map(|(_, text)| text.clone()).collect();
        let (name, slice) = (format!("{}-audit", execution.job), target.next());
        let run = format!("{}/audit/{}-of-{}", execution.id, slice.number, slice.of);
        Ok(submission::submit(&self.warehouse, &name, &run, &texts).await?.batch)
    }
}

/// Leaves as many differences as the output of an execution holds, and says how many more there are.
fn shorten(audit: &mut Audit) {
    let more = audit.differences.len().saturating_sub(MAX_TOLD);
    if more > 0 {
        audit.differences.truncate(MAX_TOLD);
        audit.notes.insert(0, format!("{more} more differences are in audit.json among the records of the run"));
    }
}
