//! `cargo local` without a command: one run of a job.
//!
//! # Layout
//! - `arguments`: what may be asked of it.
//! - `check`: what is said of a job that is not run.
//! - `files`, `windows`, `lake`, `transfer`: a run of a job that loads files, of one that copies a table, of one that
//!   runs SQL in the lake, and of one that takes a table of MySQL to Redshift.

mod arguments;
mod check;
mod files;
mod lake;
mod transfer;
mod windows;

pub(crate) use arguments::RunArguments;
pub(crate) use check::{read, text};

use crate::BoxError;
use crate::binaries::workspace;
use crate::deployment::Deployment;
use crate::execution::{Execution, Outcome};
use crate::failure::{Failure, named};
use crate::fingerprint::fingerprint;
use crate::report::ProgressLines;
use crate::template::{self, Job, Kind};
use std::fs;
use std::path::{Path, PathBuf};

/// Runs a job once, and shows what it did.
pub(crate) async fn run_once(arguments: &RunArguments, state_dir: &Path) -> Result<(), Failure> {
    let root = template::root()?;
    let jobs = template::all_jobs()?;
    let job = chosen(&jobs, arguments.job.as_deref())?;
    if arguments.check {
        return check::check(arguments, job);
    }
    match &job.kind {
        Kind::TransformAndUpsert(loaded) => files::run(arguments, state_dir, &root, &jobs, (job, loaded)).await,
        Kind::CopyTable(spec) => windows::run(arguments, state_dir, &root, &jobs, (job, spec)).await,
        Kind::AthenaElt(spec) => lake::run(arguments, state_dir, &root, &jobs, (job, spec)).await,
        Kind::MysqlToRedshift(spec) => transfer::run(arguments, state_dir, &root, &jobs, (job, spec)).await,
    }
}

/// The job of this name; without one the reference job.
fn chosen<'a>(jobs: &'a [Job], name: Option<&str>) -> Result<&'a Job, Failure> {
    let job = match name {
        Some(name) => jobs.iter().find(|job| job.name == name),
        None => template::reference(jobs),
    };
    job.ok_or_else(|| {
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        Failure::Run(format!("there is no job {}; template.yaml has [{}]", name.unwrap_or_default(), names.join(", ")))
    })
}

/// The folder or file that a job takes its input from: the given one, or its sample.
fn folder(arguments: &RunArguments, job: &Job) -> Result<PathBuf, Failure> {
    if let Some(given) = &arguments.input {
        return Ok(given.clone());
    }
    let sample = workspace().join("local/sample").join(&job.name);
    if sample.is_dir() {
        return Ok(sample);
    }
    Err(Failure::Run(format!("there is no sample for {0} in local/sample/{0}: name a folder with --input", job.name)))
}

/// Uploads what is not there already, saying so of each file.
async fn upload(
    deployment: &Deployment,
    files: impl IntoIterator<Item = &(String, PathBuf)>,
    say: &impl Fn(&str),
) -> Result<(), Failure> {
    for (name, file) in files {
        let is_new = deployment.upload_if_changed(name, file).await.map_err(|error| named(file, &*error))?;
        let shown = std::env::current_dir().ok().and_then(|here| file.strip_prefix(here).ok()).unwrap_or(file);
        say(&format!("{} {}", if is_new { "uploaded" } else { "already there:" }, shown.display()));
    }
    Ok(())
}

/// Follows an execution to its end, a line for each state unless it is silent.
async fn follow(execution: &Execution, is_silent: bool) -> Result<Outcome, BoxError> {
    let mut lines = ProgressLines::default();
    execution
        .follow(&mut |progress| {
            if !is_silent {
                lines.tell(&progress)
            }
        })
        .await
}

/// A number that tells the folders of inputs apart.
fn folder_number(folder: &Path) -> u64 {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    fingerprint(folder.as_os_str().as_encoded_bytes()) >> 32
}
