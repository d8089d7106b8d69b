//! A run of a job that copies a table: its windows as they come in, and a table of them.

use super::arguments::{RunArguments, Span};
use crate::BoxError;
use crate::execution::{Execution, Outcome, Progress};
use crate::failure::{Failure, named, not_deployed};
use crate::report::windows::{Copied, table};
use crate::report::{self, ProgressLines, out, quoted};
use crate::source::Source;
use crate::stack::{STACK_NAME, Stack};
use crate::template::{self, Job};
use serde_json::Value;
use sluice::contract::copy_table::Spec;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How often is looked for windows that came in.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Deploys the template with a source that the job's sample fills, runs the job and shows what it copied.
pub(super) async fn run(
    arguments: &RunArguments,
    state_dir: &Path,
    root: &Value,
    jobs: &[Job],
    (job, spec): (&Job, &Spec),
) -> Result<(), Failure> {
    let say = |text: &str| {
        if !arguments.json {
            out(format_args!("{text}\n"));
        }
    };
    arguments
        .check_for_windows()
        .map_err(|argument| Failure::Run(format!("{argument} is not for {}, which copies a table", job.name)))?;
    let added = arguments.add.iter().map(|file| fs::read_to_string(file).map_err(|error| named(file, &error)));
    let added: Vec<String> = added.collect::<Result<_, _>>()?;
    say("starting PostgreSQL and the local AWS");
    let stack = Stack::start(state_dir, template::binaries(root, template::with_followers(jobs, job))?, &say)?;
    let source = Source::new(&stack).await?;
    source.fill(job).await?;
    for (file, statements) in arguments.add.iter().zip(&added) {
        source.run(statements).await.map_err(|error| named(file, &*error))?;
        say(&format!("ran {} on the source", file.display()));
    }
    say("deploying template.yaml");
    let deployed = stack.deploy(STACK_NAME, &source.options()).await.map_err(|error| not_deployed(error, state_dir))?;
    let deployment = deployed.of_job(job);
    let input = arguments.input_of_windows(span(&source.url, spec).await?.as_ref());
    say(&format!("running {} with {input}", job.name));
    let execution = deployment.start(&input).await?;
    let mut connection = deployment.connect().await.map_err(BoxError::from)?;
    let outcome = follow(&execution, &mut connection, spec, arguments.json).await?;
    if arguments.json {
        out(format_args!("{}\n", serde_json::to_string(&outcome).map_err(BoxError::from)?));
    } else {
        if outcome.succeeded() {
            out(format_args!("\n{}\n\n", report::summary(&outcome)));
        }
        let copied = copied(&mut connection, &execution, spec).await?;
        if !copied.is_empty() {
            out(format_args!("{}, what this run wrote down\n{}", spec.target_name(), table(&copied)));
        }
    }
    if outcome.succeeded() { Ok(()) } else { Err(Failure::Run(report::failure(&outcome))) }
}

/// The days that the source has rows of, in the job's zone; none without rows or windows.
async fn span(url: &str, spec: &Spec) -> Result<Option<Span>, BoxError> {
    let Some(windows) = &spec.windows else { return Ok(None) };
    let (cursor, schema, table) = (quoted(&windows.cursor), quoted(&spec.source.schema), quoted(&spec.source.table));
    // Casts from timestamptz are in the session's zone.
    let statement = format!(
        "select first::text, next::text,
                to_char(next::timestamp at time zone $1 at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
         from (select min({cursor})::date as first, max({cursor})::date + 1 as next
               from {schema}.{table} where isfinite({cursor})) days"
    );
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query("select set_config('TimeZone', $1, false)").bind(&windows.zone).execute(&mut connection).await?;
    let (from, to, end): (Option<String>, Option<String>, Option<String>) =
        sqlx::query_as(AssertSqlSafe(statement)).bind(&windows.zone).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(from.zip(to).zip(end).map(|((from, to), end)| Span { from, to, end }))
}

/// Waits for the end of an execution, telling of its states, and of each window once it is committed.
async fn follow(
    execution: &Execution,
    connection: &mut PgConnection,
    spec: &Spec,
    json: bool,
) -> Result<Outcome, BoxError> {
    let mut lines = ProgressLines::default();
    let mut tell = |progress: Progress<'_>| {
        // Of the Map itself, of which the windows tell.
        let is_of_a_window = matches!(&progress, Progress::Entered(state) if state.starts_with("Window"))
            || matches!(&progress, Progress::Left(run) if run.state.starts_with("Window"));
        if !json && !is_of_a_window {
            lines.tell(&progress);
        }
    };
    let mut followed = std::pin::pin!(execution.follow(&mut tell));
    let mut told = BTreeSet::new();
    loop {
        let ended = tokio::select! {
            outcome = &mut followed => Some(outcome?),
            () = tokio::time::sleep(POLL_INTERVAL) => None,
        };
        for Copied { window, rows, bytes, .. } in copied(connection, execution, spec).await? {
            if told.insert(window.clone()) && !json {
                out(format_args!("    {window:<22} {rows:>10} rows {bytes:>12} bytes\n"));
            }
        }
        if let Some(outcome) = ended {
            return Ok(outcome);
        }
    }
}

/// The windows that an execution has committed, in their order.
async fn copied(connection: &mut PgConnection, execution: &Execution, spec: &Spec) -> Result<Vec<Copied>, BoxError> {
    let is_there: bool =
        sqlx::query_scalar("select to_regclass('sluice.windows') is not null").fetch_one(&mut *connection).await?;
    if !is_there {
        return Ok(Vec::new());
    }
    let zone = spec.windows.as_ref().map_or("UTC", |windows| &windows.zone);
    let rows = sqlx::query_as(
        "select case when isfinite(window_start)
                     then regexp_replace((window_start at time zone $2)::text, ' 00:00:00$', '')
                     else 'the whole table' end as window,
                rows, bytes, rows_inserted, rows_updated, rows_deleted, rows_unchanged
         from sluice.windows where execution = $1 order by window_start",
    );
    Ok(rows.bind(&execution.arn).bind(zone).fetch_all(connection).await?)
}
