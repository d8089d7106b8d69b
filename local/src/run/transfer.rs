//! One run of a job that loads a table of MySQL into Redshift.

use super::arguments::RunArguments;
use super::follow;
use crate::BoxError;
use crate::binaries::workspace;
use crate::deployment::Options;
use crate::failure::{Failure, named, not_deployed};
use crate::report::{self, out};
use crate::stack::{STACK_NAME, Stack};
use crate::template::{self, Job};
use crate::warehouse::{DATABASE, Warehouse};
use serde_json::Value;
use sluice::contract::mysql_to_redshift::Spec;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use std::fs;
use std::path::{Path, PathBuf};

/// Starts what the job needs, makes the sample, runs the job and shows what it did.
pub(super) async fn run(
    arguments: &RunArguments,
    state_dir: &Path,
    root: &Value,
    jobs: &[Job],
    (job, spec): (&Job, &Spec),
) -> Result<(), Failure> {
    let input = arguments
        .input_of_transfer()
        .map_err(|argument| Failure::Run(format!("{argument} is not for {}, which reads MySQL", job.name)))?;
    let say = |text: &str| {
        if !arguments.json {
            out(format_args!("{text}\n"));
        }
    };
    say("starting MySQL, PostgreSQL as a stand-in for Redshift, and the local AWS");
    let stack = Stack::start(state_dir, template::binaries(root, template::with_followers(jobs, job))?, &say)?;
    let warehouse = stack.warehouse(&say)?;
    warehouse.make_database(DATABASE).await?;
    if warehouse.owns_mysql() {
        make_sample(warehouse, job, spec, &say).await?;
    }
    for file in &arguments.add {
        add(warehouse, spec, file).await?;
        say(&format!("ran {} in MySQL", shown(file).display()));
    }
    say("deploying template.yaml");
    let parameters = warehouse.parameters(&spec.source.schema, DATABASE);
    let options = Options { parameters, ..Options::default() };
    let deployed = stack.deploy(STACK_NAME, &options).await;
    let deployment = deployed.map_err(|error| not_deployed(error, state_dir))?.of_job(job);
    say(&format!("running {}", job.name));
    let outcome = follow(&deployment.start(&input).await?, arguments.json).await?;
    if arguments.json {
        out(format_args!("{}\n", serde_json::to_string(&outcome).map_err(BoxError::from)?));
    } else if outcome.succeeded() {
        out(format_args!("\n{}\n\n", report::summary(&outcome)));
        if !["WouldLoad", "Explained", "Equal", "Differs"].contains(&outcome.last_state()) {
            show(warehouse, spec).await;
        }
    }
    match outcome.last_state() {
        // So that a script sees it too.
        "Differs" => Err(Failure::Run(format!("{} is not as MySQL has it", spec.target_name()))),
        _ if outcome.succeeded() => Ok(()),
        _ => Err(Failure::Run(report::failure(&outcome))),
    }
}

/// Makes the source's schema with the sample in it, unless it has the table.
async fn make_sample(warehouse: &Warehouse, job: &Job, spec: &Spec, say: &dyn Fn(&str)) -> Result<(), Failure> {
    warehouse.make_schema(&spec.source.schema).await?;
    let mut root = MySqlConnection::connect(&warehouse.mysql_url("mysql")).await.map_err(BoxError::from)?;
    let is_there: i64 =
        sqlx::query_scalar("select count(*) from information_schema.tables where table_schema = ? and table_name = ?")
            .bind(&spec.source.schema)
            .bind(&spec.source.table)
            .fetch_one(&mut root)
            .await
            .map_err(BoxError::from)?;
    if is_there > 0 {
        say(&format!("already there: the table {} in MySQL", spec.source_name()));
        return Ok(());
    }
    let folder = workspace().join("local/sample").join(&job.name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .map_err(|error| named(&folder, &error))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    for file in files {
        add(warehouse, spec, &file).await?;
        say(&format!("ran {} in MySQL", shown(&file).display()));
    }
    Ok(())
}

/// Runs a file of SQL in the source's schema.
async fn add(warehouse: &Warehouse, spec: &Spec, file: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(file).map_err(|error| named(file, &error))?;
    let url = warehouse.mysql_url(&spec.source.schema);
    let mut connection = MySqlConnection::connect(&url).await.map_err(BoxError::from)?;
    let ran = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await;
    ran.map(drop).map_err(|error| Failure::Run(format!("{}: {error}", file.display())))
}

/// The run has done its work, whatever keeps its table from being shown.
async fn show(warehouse: &Warehouse, spec: &Spec) {
    let shown = async {
        let mut connection = PgConnection::connect(&warehouse.url(DATABASE)).await?;
        let (schema, table) = (&spec.target.schema, &spec.target.table);
        report::table_by(&mut connection, schema, table, spec.target.key.first().map(String::as_str)).await
    };
    match shown.await {
        Ok(table) => out(format_args!("{table}")),
        Err(error) => eprintln!("the table cannot be shown: {error}"),
    }
}

fn shown(file: &Path) -> &Path {
    std::env::current_dir().ok().and_then(|here| file.strip_prefix(here).ok()).unwrap_or(file)
}
