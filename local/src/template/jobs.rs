//! The jobs that the template has. What is wrong with them is said before anything is deployed.

use super::{APPLICATION, call, resources};
use crate::BoxError;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice::contract::keys;
use sluice::spec::{Pivot, Source, Target};
use std::collections::{BTreeMap, BTreeSet};

/// The job that the template ships with.
pub const REFERENCE_JOB: &str = "pomodoro";

/// One job of the kind `transform-and-upsert`.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its logical id in the template.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The path of its kind's template.
    pub location: String,
    /// Keys of its input start with this.
    pub prefix: String,
    /// Which of them are input.
    pub source: Source,
    /// How their rows become rows of the table.
    pub shape: Pivot,
    /// The table that it loads.
    pub target: Target,
    /// The job that it runs after, if it does.
    pub after: Option<String>,
}

/// The jobs of a template whose jobs are nested still, by their logical ids.
///
/// # Errors
/// Everything that is wrong with them, a line each.
pub fn jobs(root: &Value) -> Result<Vec<Job>, BoxError> {
    let mut problems = Vec::new();
    let mut found: Vec<Job> = Vec::new();
    for (id, resource) in resources(root, APPLICATION) {
        match read(id, &resource["Properties"]) {
            Ok(job) => found.push(job),
            Err(problem) => problems.push(format!("template.yaml: {id}: {problem}")),
        }
    }
    let mut names = BTreeSet::new();
    for job in &found {
        if !names.insert(job.name.as_str()) {
            problems.push(format!("template.yaml: {}: there are two jobs called {}", job.id, job.name));
        }
    }
    let after: BTreeMap<&str, &str> =
        found.iter().filter_map(|job| Some((job.name.as_str(), job.after.as_deref()?))).collect();
    for (job, first) in &after {
        if !names.contains(first) {
            problems.push(format!("template.yaml: {job} runs after {first}, which is no job here"));
        }
        let mut chain = std::iter::successors(Some(*first), |name| after.get(name).copied()).take(after.len());
        if chain.any(|name| name == *job) {
            problems.push(format!("template.yaml: {job} runs after itself, by way of {first}"));
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems.join("\n").into()) }
}

/// The job that is meant where none is named: `pomodoro`, or else the first one.
pub fn reference(jobs: &[Job]) -> Option<&Job> {
    jobs.iter().find(|job| job.name == REFERENCE_JOB).or(jobs.first())
}

fn read(id: &str, properties: &Value) -> Result<Job, String> {
    let location = properties["Location"].as_str().ok_or("it has no Location")?;
    if !location.starts_with("statemachine/") || !location.ends_with(".yaml") {
        return Err(format!("Location is {location:?}, not a kind such as statemachine/transform-and-upsert.yaml"));
    }
    let parameters = &properties["Parameters"];
    let text = |name: &str| match &parameters[name] {
        Value::String(text) => Ok(text.as_str()),
        Value::Null => Err(format!("it lacks the parameter {name}")),
        other if call(other).is_some() => Err(format!("{name} is a call; a job says it in words")),
        other => Err(format!("{name} is {other}, not text; put it in quotation marks")),
    };
    let name = text("Job")?;
    let first = name.bytes().next().unwrap_or_default();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !(1..=30).contains(&name.len()) || !first.is_ascii_lowercase() || !is_plain {
        return Err(format!(
            "Job is {name:?}, not 1 to 30 lower-case letters, digits and hyphens, starting with a letter"
        ));
    }
    if name == "database-access" || name.ends_with("-freshness-check") {
        return Err(format!("Job is {name:?}, which the stack uses itself"));
    }
    let prefix = text("Prefix")?;
    if let Some(problem) = keys::refuse_prefix(prefix) {
        return Err(problem);
    }
    let source: Source = part(text("Source")?, "Source")?;
    let shape: Pivot = part(text("Shape")?, "Shape")?;
    let target: Target = part(text("Target")?, "Target")?;
    let after = parameters["After"].as_str().filter(|after| !after.is_empty());
    Ok(Job {
        id: id.to_owned(),
        name: name.to_owned(),
        location: location.to_owned(),
        prefix: prefix.to_owned(),
        source,
        shape,
        target,
        after: after.map(ToOwned::to_owned),
    })
}

/// A part of the spec, which CloudFormation takes up to 4,096 bytes of.
fn part<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, String> {
    if text.len() > 4_096 {
        return Err(format!("{name} has {} bytes; CloudFormation takes 4,096", text.len()));
    }
    // Both would be taken for something else on the way: a substitution, a path into the state.
    if text.contains("${") || text.contains(".$\"") {
        return Err(format!("{name} holds ${{ or a name that ends in .$, which Step Functions would take for its own"));
    }
    serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))
}
