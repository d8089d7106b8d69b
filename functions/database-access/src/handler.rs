//! The actions on the one instance that this stack may modify.
//!
//! Jobs share it, and their runs come and go beside one another. Who opens says so before looking at the instance; who
//! closes looks who else has said so after closing, and opens again for them. So whatever comes between, a run that
//! needs the database gets it, at the latest when its own check finds it private.

use crate::leases::Leases;
use crate::{probe, status};
use aws_sdk_rds::types::DbInstance;
use serde::Serialize;
use sluice::contract::{CloseOutput, DatabaseAccessInput, Execution, OpenOutput, StatusOutput};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::store::Store;
use sluice::time::{format_time, parse_time};
use sluice::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::SystemTime;
use tracing::{info, warn};

/// How many checks in a row must find the instance available: right after a modification its status may still be the
/// old one (`aws-facts.md` section 3).
const CHECKS_NEEDED: u32 = 2;

/// How often closing and opening may take turns before the state machine tries again.
const MOST_TURNS: usize = 4;

/// Seconds after opening in which the instance must have become reachable.
const DEADLINE_SECONDS: f64 = 900.0;

/// What one function instance keeps.
pub(crate) struct Context {
    rds: aws_sdk_rds::Client,
    executions: aws_sdk_sfn::Client,
    store: Store,
    instance: String,
    /// `host:port` to probe in place of the instance's own endpoint.
    endpoint: Option<String>,
}

impl Context {
    /// Reads `BUCKET`, `DATABASE_INSTANCE` and, optionally, `DATABASE_ENDPOINT`, and makes the clients.
    pub(crate) async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let bucket = env.required("BUCKET");
        let instance = env.required("DATABASE_INSTANCE");
        let endpoint = env.optional("DATABASE_ENDPOINT");
        let (bucket, instance, endpoint) = env.finish((bucket, instance, endpoint))?;
        let config = aws::config().await;
        let executions = aws_sdk_sfn::Client::new(&config);
        let store = Store::new(aws::s3(&config), bucket);
        Ok(Self { rds: aws_sdk_rds::Client::new(&config), executions, store, instance, endpoint })
    }

    fn leases(&self) -> Leases<'_> {
        Leases::new(&self.store, &self.executions, &self.instance)
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

    async fn open(&self, execution: Option<&Execution>) -> Result<OpenOutput> {
        if let Some(execution) = execution {
            self.leases().take(execution).await?;
        }
        let instance = self.describe().await?;
        let now = instance.db_instance_status().unwrap_or_default();
        status::check(now).map_err(|kind| {
            Error::new(kind, format!("the instance {} is {now:?}, not \"available\"", self.instance))
        })?;
        let was_public = instance.publicly_accessible == Some(true);
        if !was_public {
            self.set_public(true).await?;
        }
        info!(rds.instance = self.instance, was_public, "database opened");
        Ok(OpenOutput { opened_at: format_time(SystemTime::now().into()), was_public })
    }

    async fn status(&self, opened_at: &str, available_checks: u32) -> Result<StatusOutput> {
        let instance = self.describe().await?;
        let now = instance.db_instance_status().unwrap_or_default();
        let is_available = match status::check(now) {
            Ok(()) if instance.publicly_accessible == Some(true) => true,
            Ok(()) => {
                // Another run has closed it, and died before it could open it again for this one; or the opening does
                // not show yet, and then the instance may refuse to be modified.
                match self.set_public(true).await {
                    Err(error) if error.kind() != Kind::TransientFailure => return Err(error),
                    _ => false,
                }
            }
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

    async fn close(&self, execution: Option<&Execution>) -> Result<CloseOutput> {
        if let Some(execution) = execution {
            self.leases().give_back(execution).await?;
        }
        self.close_unless_needed().await
    }

    /// Looks who needs the instance before, so that no load is cut, and after, since one that has said so meanwhile may
    /// have found it public. Then it is opened again, and looked at again: that one may be gone by now. What closing
    /// and opening take is waited for by a run's own checks.
    async fn close_unless_needed(&self) -> Result<CloseOutput> {
        let leases = self.leases();
        let mut holder = leases.holder().await?;
        for _ in 0..MOST_TURNS {
            let Some(needed_by) = holder else {
                // Whatever a description says: it may lag behind an opening that is still under way.
                self.set_public(false).await?;
                holder = leases.holder().await?;
                if holder.is_none() {
                    return self.closed().await;
                }
                continue;
            };
            if self.describe().await?.publicly_accessible != Some(true) {
                self.set_public(true).await?;
            }
            holder = leases.holder().await?;
            if holder.is_some() {
                info!(sfn.execution_id = needed_by, "database is left open for a run");
                return Ok(CloseOutput { public: true });
            }
        }
        let what = format!("runs that need the instance {} come and go", self.instance);
        Err(Error::new(Kind::TransientFailure, what))
    }

    /// It was told to be private, and nobody needs it.
    async fn closed(&self) -> Result<CloseOutput> {
        let instance = self.describe().await?;
        let now = instance.db_instance_status().unwrap_or_default();
        if instance.publicly_accessible == Some(true) || status::check(now) == Err(Kind::TransientFailure) {
            let what = format!("the instance {} is {now:?} and not yet known to be private", self.instance);
            return Err(Error::new(Kind::TransientFailure, what));
        }
        info!(rds.instance = self.instance, "database closed");
        Ok(CloseOutput { public: false })
    }

    async fn close_leftover(&self) -> Result<CloseOutput> {
        if self.describe().await?.publicly_accessible != Some(true) {
            return Ok(CloseOutput { public: false });
        }
        // The template's metric filters count these lines.
        match self.leases().holder().await? {
            Some(holder) => {
                info!(sfn.execution_id = holder, "database is public for a run");
                Ok(CloseOutput { public: true })
            }
            None => {
                warn!(rds.instance = self.instance, "database is public without a run");
                self.close_unless_needed().await
            }
        }
    }
}

/// The answer to one of the actions.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Output {
    /// To `open`.
    Open(OpenOutput),
    /// To `status`.
    Status(StatusOutput),
    /// To `close` and `close_leftover`.
    Close(CloseOutput),
}

/// Answers the states `OpenDatabase`, `CheckDatabase`, `CloseDatabase` and `CloseAfterFailure`, and the watchdog.
pub(crate) async fn handle(context: Arc<Context>, _: Invocation, input: DatabaseAccessInput) -> Result<Output> {
    match input {
        DatabaseAccessInput::Open { execution } => context.open(execution.as_ref()).await.map(Output::Open),
        DatabaseAccessInput::Status { opened_at, available_checks, .. } => {
            context.status(&opened_at, available_checks).await.map(Output::Status)
        }
        DatabaseAccessInput::Close { execution } => context.close(execution.as_ref()).await.map(Output::Close),
        DatabaseAccessInput::CloseLeftover => context.close_leftover().await.map(Output::Close),
    }
}
