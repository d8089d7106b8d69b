//! `cargo local` without a command: one run of a job.
//!
//! # Layout
//! - `arguments`: what may be asked of it.
//! - `files`, `windows`: a run of a job that loads files, and of one that copies a table.

mod arguments;
mod files;
mod windows;

pub(crate) use arguments::RunArguments;

use crate::failure::Failure;
use crate::template::{self, Job, Kind};
use std::path::Path;

/// Runs a job once, and shows what it did.
pub(crate) async fn run_once(arguments: &RunArguments, state_dir: &Path) -> Result<(), Failure> {
    let root = template::root()?;
    let jobs = template::all_jobs()?;
    let job = chosen(&jobs, arguments.job.as_deref())?;
    match &job.kind {
        Kind::TransformAndUpsert(loaded) => files::run(arguments, state_dir, &root, &jobs, (job, loaded)).await,
        Kind::CopyTable(spec) => windows::run(arguments, state_dir, &root, &jobs, (job, spec)).await,
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
