//! A run of a job of SQL in the lake: the files of its sources, and the tables that it makes.

use super::arguments::RunArguments;
use super::{folder, folder_number, follow, upload};
use crate::deployment::Options;
use crate::failure::{Failure, not_deployed};
use crate::lake;
use crate::report::{self, out};
use crate::stack::{STACK_NAME, Stack};
use crate::template::{self, Job};
use serde_json::Value;
use sluice::contract::athena_elt::Spec;
use std::path::Path;

/// Deploys the template, uploads the files of a job's sources, runs it and shows its tables.
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
        .check_for_lake()
        .map_err(|argument| Failure::Run(format!("{argument} is not for {}, which runs SQL in the lake", job.name)))?;
    let input = lake::input(spec, &arguments.set).map_err(Failure::Run)?;
    let (files, passed_over) = lake::found(spec, &folder(arguments, job)?).map_err(Failure::Run)?;
    let mut root = root.clone();
    let name = match &arguments.input {
        None => STACK_NAME.to_owned(),
        Some(folder) => {
            let number = format!("{:08x}", folder_number(folder));
            lake::rename_databases(&mut root, jobs, &number);
            format!("{STACK_NAME}-{number}")
        }
    };
    let renamed = template::jobs(&root, "")?;
    let job = renamed.iter().find(|renamed| renamed.name == job.name).unwrap_or(job);
    let template::Kind::AthenaElt(spec) = &job.kind else { return Err(Failure::Run("the job's kind".to_owned())) };

    say("starting PostgreSQL and the local AWS");
    let stack = Stack::start(state_dir, template::binaries(&root, template::with_followers(&renamed, job))?, &say)?;
    say("deploying template.yaml");
    let deployment = stack.deploy_template(&name, &Options::default(), template::flatten(root)?).await;
    let deployment = deployment.map_err(|error| not_deployed(error, state_dir))?.of_job(job);
    upload(&deployment, &files, &say).await?;
    // With --json standard output holds nothing else.
    let tell = |line: &str| if arguments.json { eprintln!("{line}") } else { say(line) };
    passed_over.iter().for_each(|line| tell(line));
    for key in lake::delete_others(&deployment, spec, &files).await? {
        tell(&format!("deleted, since the folder has it no longer: {key}"));
    }
    say(&format!("running {}", job.name));
    let outcome = follow(&deployment.start(&input).await?, arguments.json).await?;
    if arguments.json {
        out(format_args!("{}\n", serde_json::to_string(&outcome).map_err(crate::BoxError::from)?));
    } else if outcome.succeeded() {
        out(format_args!("\n{}\n\n", report::summary(&outcome)));
        // The run has done its work, whatever keeps its tables from being shown.
        match lake::tables(&deployment, spec).await {
            Ok(tables) => out(format_args!("{tables}")),
            Err(error) => eprintln!("the tables cannot be shown: {error}"),
        }
    }
    if outcome.succeeded() { Ok(()) } else { Err(Failure::Run(report::failure(&outcome))) }
}
