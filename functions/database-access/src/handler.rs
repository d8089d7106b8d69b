//! The three actions on the one instance that this stack may modify.

use crate::{probe, status};
use aws_sdk_rds::types::DbInstance;
use aws_sdk_sfn::types::ExecutionStatus;
use pipeline::contract::{CloseOutput, DatabaseAccessInput, OpenOutput, StatusOutput, format_time, parse_time};
use pipeline::edge::Invocation;
use pipeline::env::Env;
use pipeline::{Error, Kind, Result, aws};
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::{info, warn};

/// How many checks in a row must find the instance available: right after a modification its status may still be the old one
/// (`aws-facts.md` section 3).
const CHECKS_NEEDED: u32 = 2;

/// Seconds after opening in which the instance must have become reachable.
const DEADLINE_SECONDS: f64 = 900.0;

/// What one function instance keeps.
pub struct Context {
    rds: aws_sdk_rds::Client,
    executions: aws_sdk_sfn::Client,
    instance: String,
    /// `host:port` to probe in place of the instance's own endpoint.
    endpoint: Option<String>,
}

impl Context {
    /// Reads `DATABASE_INSTANCE` and, optionally, `DATABASE_ENDPOINT`, and makes the client.
    pub async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let instance = env.required("DATABASE_INSTANCE");
        let endpoint = env.optional("DATABASE_ENDPOINT");
        let (instance, endpoint) = env.finish((instance, endpoint))?;
        let config = aws::config().await;
        let executions = aws_sdk_sfn::Client::new(&config);
        Ok(Self { rds: aws_sdk_rds::Client::new(&config), executions, instance, endpoint })
    }

    async fn describe(&self) -> Result<DbInstance> {
        let request = self.rds.describe_db_instances().db_instance_identifier(&self.instance);
        let what = || format!("describe the instance {}", self.instance);
        let answer = request.send().await.map_err(|error| Error::aws(what(), error))?;
        let found = answer.db_instances.unwrap_or_default().into_iter().next();
        found.ok_or_else(|| Error::new(Kind::Misconfigured, format!("{}: none such", what())))
    }

    /// The flag is applied at once, whatever `ApplyImmediately` says (Amazon RDS API, `ModifyDBInstance`).
    async fn set_public(&self, public: bool) -> Result<()> {
        let request = self.rds.modify_db_instance().db_instance_identifier(&self.instance);
        let request = request.publicly_accessible(public).apply_immediately(true);
        let what = format!("make the instance {} {}", self.instance, if public { "public" } else { "private" });
        request.send().await.map_err(|error| Error::aws(what, error)).map(|_| ())
    }

    async fn open(&self) -> Result<OpenOutput> {
        let instance = self.describe().await?;
        let now = instance.db_instance_status().unwrap_or_default();
        status::check(now).map_err(|kind| {
            Error::new(kind, format!("the instance {} is {now:?}, not \"available\"", self.instance))
        })?;
        let was_public = instance.publicly_accessible == Some(true);
        if was_public {
            // It rests private in this mode, so a public one is a leftover; this run will close it.
            warn!("{} is public already: an earlier run was stopped before it could close it", self.instance);
        } else {
            self.set_public(true).await?;
        }
        info!(rds.instance = self.instance, "database opened");
        Ok(OpenOutput { opened_at: format_time(SystemTime::now().into()), was_public })
    }

    async fn status(&self, opened_at: &str, available_checks: u32) -> Result<StatusOutput> {
        let instance = self.describe().await?;
        let now = instance.db_instance_status().unwrap_or_default();
        let is_available = match status::check(now) {
            Ok(()) => instance.publicly_accessible == Some(true),
            Err(Kind::TransientFailure) => false,
            Err(kind) => return Err(Error::new(kind, format!("the instance {} is {now:?}", self.instance))),
        };
        let available_checks = if is_available { available_checks + 1 } else { 0 };
        let reachable = available_checks >= CHECKS_NEEDED && probe::answers(&self.address(&instance)).await;
        let seconds_open = SystemTime::now()
            .duration_since(parse_time(opened_at)?.try_into().map_err(|error| {
                Error::caused(Kind::InvalidEvent, format!("opened_at {opened_at:?} is before 1970"), error)
            })?)
            .map_or(0.0, |since| since.as_secs_f64());
        if !reachable && seconds_open > DEADLINE_SECONDS {
            let what = format!(
                "the instance {} is {now:?} but does not answer at {} within {DEADLINE_SECONDS} s of opening: \
                 check its subnets' internet gateway and its security group",
                self.instance,
                self.address(&instance)
            );
            return Err(Error::new(Kind::Misconfigured, what));
        }
        info!(rds.status = now, checks.available = available_checks, reachable, "database checked");
        Ok(StatusOutput { reachable, available_checks })
    }

    fn address(&self, instance: &DbInstance) -> String {
        self.endpoint.clone().unwrap_or_else(|| {
            let endpoint = instance.endpoint();
            let host = endpoint.and_then(|endpoint| endpoint.address()).unwrap_or_default();
            format!("{host}:{}", endpoint.and_then(|endpoint| endpoint.port()).unwrap_or(5432))
        })
    }

    /// Modifies first and looks after: a description may lag behind an opening that is still under way.
    async fn close(&self) -> Result<CloseOutput> {
        self.set_public(false).await?;
        let instance = self.describe().await?;
        let now = instance.db_instance_status().unwrap_or_default();
        if instance.publicly_accessible == Some(true) || status::check(now) == Err(Kind::TransientFailure) {
            let what = format!("the instance {} is {now:?} and not yet known to be private", self.instance);
            return Err(Error::new(Kind::TransientFailure, what));
        }
        info!(rds.instance = self.instance, "database closed");
        Ok(CloseOutput { public: false })
    }
}

impl Context {
    /// A run opens the instance seconds after it starts, so one that starts right now is not disturbed.
    async fn close_leftover(&self, state_machine: &str) -> Result<CloseOutput> {
        if self.describe().await?.publicly_accessible != Some(true) {
            return Ok(CloseOutput { public: false });
        }
        let running = self.executions.list_executions().state_machine_arn(state_machine);
        let running = running.status_filter(ExecutionStatus::Running).max_results(1).send().await;
        let running = running.map_err(|error| Error::aws("list running executions", error))?;
        if let Some(execution) = running.executions.first() {
            info!(sfn.execution_id = execution.execution_arn, "database is public for a run");
            return Ok(CloseOutput { public: true });
        }
        // The template's metric filter counts this line.
        warn!(rds.instance = self.instance, "database is public without a run");
        self.close().await
    }
}

/// The answer to one of the actions.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Output {
    /// To `open`.
    Open(OpenOutput),
    /// To `status`.
    Status(StatusOutput),
    /// To `close` and `close_leftover`.
    Close(CloseOutput),
}

/// Answers the states `OpenDatabase`, `CheckDatabase`, `CloseDatabase` and `CloseAfterFailure`, and the watchdog.
pub async fn handle(context: Arc<Context>, _: Invocation, input: DatabaseAccessInput) -> Result<Output> {
    match input {
        DatabaseAccessInput::Open { .. } => context.open().await.map(Output::Open),
        DatabaseAccessInput::Status { opened_at, available_checks, .. } => {
            context.status(&opened_at, available_checks).await.map(Output::Status)
        }
        DatabaseAccessInput::Close { .. } => context.close().await.map(Output::Close),
        DatabaseAccessInput::CloseLeftover { state_machine } => {
            context.close_leftover(&state_machine).await.map(Output::Close)
        }
    }
}
