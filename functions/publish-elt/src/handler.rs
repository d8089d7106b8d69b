//! The edge: a target, the end of a run, or the end of one that failed.

use crate::clean::{Sweeps, clean};
use crate::context::Context;
use crate::publish::Publication;
use aws_sdk_s3::primitives::DateTime;
use serde::Serialize;
use sluice::Result;
use sluice::contract::athena_elt::{
    CatalogInput, CleanOutput, ConcludeInput, EltRun, PublishEltInput, PublishInput, Published,
};
use sluice::contract::keys;
use sluice::edge::Invocation;
use sluice::time::format_time;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::{info, warn};

/// The answer to a state.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Output {
    /// To `Publish`.
    Publish(Published),
    /// To `CleanUp` and `CleanUpAfterFailure`.
    Clean(CleanOutput),
}

/// How long before Lambda's deadline a call is given up, so that its error reaches the state machine. A copy that S3
/// goes on with is one request, which holds or does not.
const DEADLINE_MARGIN: Duration = Duration::from_secs(5);

/// Answers the states `Publish`, `CleanUp` and `CleanUpAfterFailure`.
pub(crate) async fn handle(context: Arc<Context>, invocation: Invocation, input: PublishEltInput) -> Result<Output> {
    let work = async {
        match &input {
            PublishEltInput::Publish(input) => publish(&context, &invocation, input).await.map(Output::Publish),
            PublishEltInput::Conclude(input) => conclude(&context, &invocation, input).await.map(Output::Clean),
            PublishEltInput::Clean(input) => clean_up(&context, input).await.map(Output::Clean),
        }
    };
    invocation.within(DEADLINE_MARGIN, "S3 and Glue", work).await
}

async fn publish(context: &Context, invocation: &Invocation, input: &PublishInput) -> Result<Published> {
    let spec = input.parts.spec(&input.execution.job)?;
    let target = spec.target(&input.table)?;
    let published = Publication { context, invocation, input, spec: &spec, target }.run().await?;
    info!(
        table = published.table,
        rows = published.rows,
        bytes = published.bytes,
        bytes.scanned = published.scanned_bytes,
        "table and file published"
    );
    Ok(published)
}

/// Writes the run down. What cannot be cleaned up the next run cleans up, so that fails nothing.
async fn conclude(context: &Context, invocation: &Invocation, input: &ConcludeInput) -> Result<CleanOutput> {
    let execution = &input.execution;
    let run = EltRun {
        execution: execution.id.clone(),
        started_at: execution.started_at.clone(),
        locked_at: input.locked_at.clone(),
        finished_at: format_time(DateTime::from(SystemTime::now())),
        values: input.values.clone(),
        published: input.published.clone(),
    };
    context.store.write_json(&keys::elt_run(execution), &run).await?;
    let spec = input.parts.spec(&execution.job)?;
    let cleaned = clean(context, execution, &spec, Sweeps::Unpublished);
    Ok(invocation.within(2 * DEADLINE_MARGIN, "S3 and Glue", cleaned).await.unwrap_or_else(|problem| {
        warn!(error.kind = %problem.kind(), "left to the next run to clean up: {problem}");
        CleanOutput::default()
    }))
}

async fn clean_up(context: &Context, input: &CatalogInput) -> Result<CleanOutput> {
    let spec = input.parts.spec(&input.execution.job)?;
    clean(context, &input.execution, &spec, Sweeps::Nothing).await
}
