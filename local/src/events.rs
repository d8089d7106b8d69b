//! The examples of `events/` with the values of an execution that was here: what `sam local invoke` hands to a
//! function of the running stack.

use crate::BoxError;
use crate::binaries::workspace;
use crate::deployment::Deployment;
use crate::execution::Execution;
use crate::template::{self, Job};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Writes into `folder` every example that belongs to an execution, filled in from the execution `arn` of `job`: its
/// names, its manifest, the job's spec and, for what is compared with the clock, the present. Says whether it did: an
/// execution that found nothing has no manifest.
///
/// # Errors
/// As Step Functions and the file system have it.
pub(crate) async fn fill_in(deployment: &Deployment, job: &Job, arn: &str, folder: &Path) -> Result<bool, BoxError> {
    let Some(files) = job.files() else { return Ok(false) };
    let functions = template::binaries(&template::root()?, [job])?;
    let execution = Execution::new(deployment.sfn(), arn.to_owned());
    let manifest = execution.output_of("DetectNewFiles").await?["detected"]["manifest"].take();
    if manifest.is_null() {
        return Ok(false);
    }
    let described = deployment.sfn().describe_execution().execution_arn(arn).send().await?;
    let execution = json!({
        "job": job.name,
        "id": arn,
        "name": described.name,
        "started_at": sluice::time::format_time(described.start_date),
        "state_machine": deployment.state_machine_arn,
    });
    let now = sluice::time::format_time(SystemTime::now().into());
    let values = [
        ("execution", execution),
        ("manifest", manifest),
        ("opened_at", now.into()),
        ("prefix", files.prefix.as_str().into()),
        ("source", files.parts.source.clone()),
        ("shape", files.parts.shape.clone()),
        ("target", files.parts.target.clone()),
    ];
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(workspace().join("events"))? {
        let example = entry?.path();
        // Those of other kinds' functions have other fields.
        let name = example.file_stem().unwrap_or_default().to_string_lossy();
        if !functions.iter().any(|function| name.starts_with(function.as_str())) {
            continue;
        }
        let mut event: Value = serde_json::from_str(&fs::read_to_string(&example)?)?;
        let Some(fields) = event.as_object_mut().filter(|fields| fields.contains_key("execution")) else {
            continue;
        };
        for (name, value) in &values {
            if let Some(field) = fields.get_mut(*name) {
                *field = value.clone();
            }
        }
        // Renamed into place: somebody may be reading the one of an earlier execution.
        let file = folder.join(example.file_name().unwrap_or_default());
        let unfinished = file.with_extension("unfinished");
        fs::write(&unfinished, format!("{event:#}\n"))?;
        fs::rename(unfinished, file)?;
    }
    Ok(true)
}
