//! The jobs that the template has. What is wrong with them is said before anything is deployed.

use super::lines::Lines;
use super::{APPLICATION, call, resources, spec};
use crate::BoxError;
use serde_json::Value;
use sluice::contract::keys;
use sluice::spec::{Parts, Spec};
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
    /// Its spec, as it is written.
    pub parts: Parts,
    /// The same, checked.
    pub spec: Spec,
    /// The job that it runs after, if it does.
    pub after: Option<String>,
}

/// The jobs of a template whose jobs are nested still, by their logical ids. `text` is what it was parsed from, for the
/// lines of what is wrong; empty if it was changed since.
///
/// # Errors
/// Everything that is wrong with them, a line each.
pub fn jobs(root: &Value, text: &str) -> Result<Vec<Job>, BoxError> {
    let mut problems = Vec::new();
    let mut found: Vec<Job> = Vec::new();
    for (id, resource) in resources(root, APPLICATION) {
        match read(id, &resource["Properties"], &Lines(text)) {
            Ok(job) => found.push(job),
            Err(mut wrong) => problems.append(&mut wrong),
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

/// A job.
///
/// # Errors
/// What is wrong with it, a line each.
fn read(id: &str, properties: &Value, lines: &Lines<'_>) -> Result<Job, Vec<String>> {
    let parameters = &properties["Parameters"];
    let text = |name: &str| match &parameters[name] {
        Value::String(text) => Ok(text.as_str()),
        Value::Null => Err(format!("it lacks the parameter {name}")),
        other if call(other).is_some() => Err(format!("{name} is a call; a job says it in words")),
        other => Err(format!("{name} is {other}, not text; put it in quotation marks")),
    };
    let name = is_of_a_kind(properties).and_then(|()| text("Job")).and_then(checked_name);
    let prefix = text("Prefix").and_then(|prefix| keys::refuse_prefix(prefix).map_or(Ok(prefix), Err));
    let (name, prefix) = match (name, prefix) {
        (Ok(name), Ok(prefix)) => (name, prefix),
        (name, prefix) => {
            let problems = [name.err(), prefix.err()].into_iter().flatten();
            return Err(problems.map(|problem| format!("template.yaml: {id}: {problem}")).collect());
        }
    };
    let (parts, spec) = spec::read(name, &text, &|parameter| lines.parameter(id, parameter))?;
    Ok(Job {
        id: id.to_owned(),
        name: name.to_owned(),
        location: properties["Location"].as_str().unwrap_or_default().to_owned(),
        prefix: prefix.to_owned(),
        parts,
        spec,
        after: parameters["After"].as_str().filter(|after| !after.is_empty()).map(ToOwned::to_owned),
    })
}

/// Is it a job of a kind?
fn is_of_a_kind(properties: &Value) -> Result<(), String> {
    let location = properties["Location"].as_str().ok_or("it has no Location")?;
    if location.starts_with("statemachine/") && location.ends_with(".yaml") {
        return Ok(());
    }
    Err(format!("Location is {location:?}, not a kind such as statemachine/transform-and-upsert.yaml"))
}

fn checked_name(name: &str) -> Result<&str, String> {
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
    Ok(name)
}
