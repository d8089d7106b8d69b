//! The edge: a step of a target, or the end of an execution.

use crate::attempt::Attempt;
use crate::context::Context;
use crate::stop::{self, EndedRun};
use serde::Serialize;
use sluice::contract::athena_elt::{RunInput, RunOutput, RunQueryInput, Step, StopOutput};
use sluice::edge::Invocation;
use sluice::{Error, Kind, Result};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tracing::info;

/// The answer to a state, or to the rule on runs that ended badly.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Output {
    /// To `BuildTable`, `ExportFile` and `VerifyTable`.
    Run(RunOutput),
    /// To the rule.
    Stop(StopOutput),
}

/// How long before Lambda's deadline a call is given up, so that its error reaches the state machine. The query that it
/// has started the next one finds.
const DEADLINE_MARGIN: Duration = Duration::from_secs(5);

/// Answers the states `BuildTable`, `ExportFile` and `VerifyTable`, and the rule on runs that ended badly.
pub(crate) async fn handle(context: Arc<Context>, invocation: Invocation, input: RunQueryInput) -> Result<Output> {
    let work = async {
        match &input {
            RunQueryInput::Run(input) => run(&context, &invocation, input).await.map(Output::Run),
            RunQueryInput::Stop(input) => {
                let millis = input.started_at.and_then(|millis| u64::try_from(millis).ok());
                let started = millis.map(|millis| UNIX_EPOCH + Duration::from_millis(millis));
                let ended = EndedRun { workgroup: &context.workgroup, execution: &input.execution.id, started };
                // First: whoever starts a query from now on sees it.
                stop::mark(&context.store, &input.execution).await?;
                let stopped = ended.stop(&context.athena).await?;
                info!(queries.stopped = stopped.len(), "queries of an ended run stopped");
                Ok(Output::Stop(StopOutput { stopped }))
            }
        }
    };
    invocation.within(DEADLINE_MARGIN, "Athena", work).await
}

async fn run(context: &Context, invocation: &Invocation, input: &RunInput) -> Result<RunOutput> {
    let spec = input.parts.spec(&input.execution.job)?;
    let target = spec.target(&input.table)?;
    let columns = match (input.step, &input.staging) {
        (Step::Build, _) => Vec::new(),
        (_, None) => return Err(Error::new(Kind::InvalidEvent, "the step needs the table that was built")),
        (_, Some(staging)) => {
            let table = lake::table(&context.glue, &spec.database, staging).await?;
            let gone = || Error::new(Kind::InvariantBroken, format!("the table {staging} that was built is gone"));
            lake::columns(&table.ok_or_else(gone)?)
        }
    };
    Attempt { context, invocation, input, spec: &spec, target, columns: &columns }.run().await
}
