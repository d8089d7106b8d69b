//! Inspect, export and audit: the states' calls, with their documents in the bucket.

use crate::audit;
use crate::catalogue;
use crate::connect::Server;
use crate::export::Reading;
use crate::parts::{PART_BYTES, Parts};
use crate::prepare::prepare;
use aws_config::SdkConfig;
use serde::Serialize;
use serde_json::json;
use sluice::contract::keys;
use sluice::contract::mysql_to_redshift::{
    AuditSourceInput, AuditSourceOutput, Export, ExportInput, ExportOutput, ExportTableInput, ExportTableState,
    InspectInput, InspectOutput, Plan, PrepareSourceOutput, SourceAudit,
};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::store::Store;
use sluice::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// How long before Lambda's deadline reading stops, so that the last part is sent.
const DEADLINE_MARGIN: Duration = Duration::from_secs(60);

/// How long before the deadline a call is given up: MySQL has not answered, and perhaps the next one is luckier.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// What one function instance keeps.
pub struct Context {
    store: Store,
    server: Server,
    config: SdkConfig,
}

impl Context {
    /// Reads the environment, and makes the clients.
    ///
    /// # Errors
    /// As [`Context::new`].
    pub async fn from_env() -> Result<Self> {
        Self::new(&|name| std::env::var(name).ok(), aws::config().await)
    }

    /// Reads `BUCKET`, and where MySQL is, through `lookup`.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn new(lookup: &dyn Fn(&str) -> Option<String>, config: SdkConfig) -> Result<Self> {
        let mut env = Env::new(lookup);
        let bucket = env.required("BUCKET");
        let server = Server::from_env(&mut env);
        let (bucket, server) = env.finish((bucket, server))?;
        Ok(Self { store: Store::new(aws::s3(&config), bucket), server, config })
    }
}

/// The answer to a state.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Output {
    /// To `InspectSource`.
    Inspect(InspectOutput),
    /// To `ExportTable`.
    Export(ExportOutput),
    /// To `AuditSource`.
    Audit(AuditSourceOutput),
    /// To `prepare`.
    Prepare(PrepareSourceOutput),
}

/// Answers the states `InspectSource`, `ExportTable` and `AuditSource`, and `prepare`.
///
/// # Errors
/// As [`catalogue::inspect`], [`Reading::run`], [`audit::read`] and [`prepare`]; `TransientFailure` if it takes too
/// long.
pub async fn handle(context: Arc<Context>, invocation: Invocation, input: ExportTableInput) -> Result<Output> {
    let work = async {
        match &input {
            ExportTableInput::State(ExportTableState::Inspect(input)) => {
                context.inspect(&invocation, input).await.map(Output::Inspect)
            }
            ExportTableInput::State(ExportTableState::Export(input)) => {
                context.export(&invocation, input).await.map(Output::Export)
            }
            ExportTableInput::State(ExportTableState::Audit(input)) => {
                context.audit(&invocation, input).await.map(Output::Audit)
            }
            ExportTableInput::Prepare(input) => {
                prepare(&context.server, &context.config, input).await.map(Output::Prepare)
            }
        }
    };
    invocation.within(GIVEN_UP, "MySQL", work).await
}

impl Context {
    async fn inspect(&self, invocation: &Invocation, input: &InspectInput) -> Result<InspectOutput> {
        let spec = input.parts.spec(&input.execution.job)?;
        let mut connection = self.server.connect(&self.config).await?;
        let table = catalogue::inspect(&mut connection, &spec).await?;
        let key = keys::source_table(&input.execution, &invocation.attempt);
        let reference = self.store.write_json(&key, &table).await?;
        info!(columns = table.columns.len(), rows.estimated = table.rows_estimated, "source inspected");
        Ok(InspectOutput { table: reference, column_count: u64::try_from(table.columns.len()).unwrap_or(u64::MAX) })
    }

    async fn export(&self, invocation: &Invocation, input: &ExportInput) -> Result<ExportOutput> {
        let plan: Plan = self.store.read_json(&input.plan).await?;
        let index = input.window.index;
        let window = usize::try_from(index).ok().and_then(|index| plan.windows.get(index));
        let window = window.ok_or_else(|| Error::new(Kind::InvalidEvent, format!("the plan has no window {index}")))?;
        let before: Option<Export> = match &input.export {
            Some(reference) => Some(self.store.read_json(reference).await?),
            None => None,
        };
        let prefix = keys::window_prefix(&input.execution, &invocation.attempt, index);
        let deadline = Instant::now() + invocation.time_left(DEADLINE_MARGIN);
        let mut connection = self.server.connect(&self.config).await?;
        let mut parts = Parts::new(&self.store, prefix.clone(), PART_BYTES);
        let reading = Reading { plan: &plan, window, deadline };
        let mut export = reading.run(&mut connection, before, &mut parts).await?;
        export.parts.extend(parts.finish().await?);
        let is_done = export.after.is_none();
        if is_done && !export.parts.is_empty() {
            export.manifest = Some(self.manifest(&prefix, &export).await?);
        }
        let reference = self.store.write_json(&format!("{prefix}export.json"), &export).await?;
        let bytes = export.parts.iter().map(|part| part.bytes).sum();
        let changed = export.changed;
        if changed.zero_dates + changed.truncated + changed.nuls > 0 {
            warn!(
                zero_dates = changed.zero_dates,
                truncated = changed.truncated,
                nuls = changed.nuls,
                "values changed as the spec says"
            );
        }
        info!(
            window = window.window.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string),
            rows.read = export.rows,
            bytes.csv = export.csv_bytes,
            bytes.packed = bytes,
            parts = export.parts.len(),
            is_done,
            "window exported"
        );
        Ok(ExportOutput { export: reference, is_done, rows: export.rows, bytes })
    }

    async fn audit(&self, invocation: &Invocation, input: &AuditSourceInput) -> Result<AuditSourceOutput> {
        let plan: Plan = self.store.read_json(&input.plan).await?;
        let before: Option<SourceAudit> = match &input.source {
            Some(reference) => Some(self.store.read_json(reference).await?),
            None => None,
        };
        let deadline = Instant::now() + invocation.time_left(DEADLINE_MARGIN);
        let mut connection = self.server.connect(&self.config).await?;
        let read = audit::read(&mut connection, &plan, before, deadline).await?;
        let is_done = read.after.is_none();
        let key = keys::source_audit(&input.execution, &invocation.attempt);
        let source = self.store.write_json(&key, &read).await?;
        info!(rows.read = read.rows_read, parts = read.parts.len(), is_done, "source read for an audit");
        Ok(AuditSourceOutput { source, is_done })
    }

    /// What COPY is given: each part by its name and size, since a prefix would take in whatever else begins with it.
    async fn manifest(&self, prefix: &str, export: &Export) -> Result<sluice::contract::ObjectRef> {
        let entries = export.parts.iter().map(|part| {
            json!({
                "url": format!("s3://{}/{}", self.store.bucket(), part.key),
                "mandatory": true,
                "meta": {"content_length": part.bytes},
            })
        });
        let manifest = json!({"entries": entries.collect::<Vec<_>>()});
        self.store.write_json(&format!("{prefix}manifest.json"), &manifest).await
    }
}
