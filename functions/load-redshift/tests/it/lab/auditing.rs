//! The states of an audit.

use super::{Lab, Run, invocation, invocation_of};
use serde_json::{Value, json};
use sluice::Result;
use sluice::contract::ObjectRef;
use sluice::contract::mysql_to_redshift::{
    Audit, AuditSourceInput, AuditTargetInput, AuditTargetOutput, ExportTableInput, ExportTableState, LoadRedshiftInput,
};
use sqlx::AssertSqlSafe;
use std::time::Duration;

impl Lab {
    /// The state `AuditSource`, until all is read.
    pub(crate) async fn read_for_audit(&self, run: &Run) -> Result<ObjectRef> {
        let (source, _) = self.read_for_audit_within(run, Duration::from_secs(900)).await?;
        Ok(source)
    }

    /// The same by calls that have this long; also how many it took.
    pub(crate) async fn read_for_audit_within(&self, run: &Run, time: Duration) -> Result<(ObjectRef, u32)> {
        let (mut source, mut calls) = (None, 0);
        loop {
            let input = AuditSourceInput { execution: run.execution.clone(), plan: run.plan.clone().unwrap(), source };
            let input = ExportTableInput::State(ExportTableState::Audit(input));
            calls += 1;
            match export_table::handler::handle(self.export_context.clone(), invocation_of(time), input).await? {
                export_table::handler::Output::Audit(output) if output.is_done => return Ok((output.source, calls)),
                export_table::handler::Output::Audit(output) => source = Some(output.source),
                other => panic!("it was not asked for: {other:?}"),
            }
        }
    }

    /// The state `AuditTarget`, once: `target` is what it answered before.
    pub(crate) async fn ask_target(
        &self,
        run: &Run,
        source: &ObjectRef,
        target: Option<ObjectRef>,
    ) -> Result<AuditTargetOutput> {
        let (execution, plan, source) = (run.execution.clone(), run.plan.clone().unwrap(), source.clone());
        let input = LoadRedshiftInput::Audit(AuditTargetInput { execution, plan, source, target });
        match load_redshift::handler::handle(self.load_context(), invocation(), input).await? {
            load_redshift::handler::Output::Audit(output) => Ok(*output),
            other => panic!("it was not asked for: {other:?}"),
        }
    }

    /// The state `AuditTarget`, until Redshift has answered.
    pub(crate) async fn compare(&self, run: &Run, source: &ObjectRef) -> Result<Audit> {
        let mut target = None;
        loop {
            let output = self.ask_target(run, source, target).await?;
            if let Some(audit) = output.audit {
                return Ok(audit);
            }
            target = output.target;
        }
    }

    /// A whole audit.
    pub(crate) async fn audit(&self, parts: &Value) -> Audit {
        let run = self.plan(parts, json!({"audit": true})).await.unwrap();
        let source = self.read_for_audit(&run).await.unwrap();
        self.compare(&run, &source).await.unwrap()
    }

    /// Does something while nobody can read a table of Redshift, which ends each statement that waits for it.
    pub(crate) async fn held<T>(&self, table: &str, work: impl Future<Output = T>) -> T {
        let (mut holder, database) = (self.redshift().await, format!("alter database \"redshift_{}\"", self.name));
        let limited = format!("{database} set statement_timeout = '100ms'");
        let held = format!("begin; lock table {table} in access exclusive mode");
        for statement in [limited, held] {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut holder).await.unwrap();
        }
        let done = work.await;
        let free = format!("rollback; {database} reset statement_timeout");
        sqlx::raw_sql(AssertSqlSafe(free)).execute(&mut holder).await.unwrap();
        done
    }
}
