//! The jobs that the template has. What is wrong with them is said before anything is deployed.

use super::kinds::{Files, Kind};
use super::lines::Lines;
use super::spec::lacks;
use super::{APPLICATION, call, resources};
use crate::BoxError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The job that the template ships with.
pub const REFERENCE_JOB: &str = "pomodoro";

/// One job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its logical id in the template.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The path of its kind's template.
    pub location: String,
    /// Its kind, and what it says.
    pub kind: Kind,
    /// The job that it runs after, if it does.
    pub after: Option<String>,
}

impl Job {
    /// What it says, if it loads files.
    pub fn files(&self) -> Option<&Files> {
        match &self.kind {
            Kind::TransformAndUpsert(files) => Some(files),
            Kind::CopyTable(_) | Kind::AthenaElt(_) | Kind::MysqlToRedshift(_) => None,
        }
    }

    /// Keys of its input start with this; empty if it loads no files.
    pub fn prefix(&self) -> &str {
        self.files().map_or("", |files| &files.prefix)
    }
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
    problems.extend(double_targets(root, &found));
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

/// A problem for each job that loads the same table of Redshift as another one: locks and records are a job's own, so
/// neither would wait for the other one, nor see what it has loaded.
fn double_targets(root: &Value, jobs: &[Job]) -> Vec<String> {
    let mut seen: BTreeMap<(String, String), &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for job in jobs {
        let Kind::MysqlToRedshift(spec) = &job.kind else { continue };
        let parameters = &root["Resources"][&job.id]["Properties"]["Parameters"];
        let place = ["RedshiftWorkgroup", "RedshiftCluster", "RedshiftDatabase"].map(|name| &parameters[name]);
        let target = spec.target_name();
        if let Some(other) = seen.insert((serde_json::json!(place).to_string(), target.to_lowercase()), &job.name) {
            let what = format!("{} loads {target}, as {other} does; one table belongs to one job", job.name);
            problems.push(format!("template.yaml: {}: {what}", job.id));
        }
    }
    problems
}

/// The job that is meant where none is named: `pomodoro`, or else the first one.
pub fn reference(jobs: &[Job]) -> Option<&Job> {
    jobs.iter().find(|job| job.name == REFERENCE_JOB).or(jobs.first())
}

/// Parameters of the form before, by their kinds' templates, with what became of them.
const FORMER: [(&str, &str, &str); 1] =
    [("statemachine/transform-and-upsert.yaml", "LookbackHours", "is now lookback_hours of Source")];

/// A problem for each parameter of the form before.
fn former(id: &str, name: &str, location: &str, parameters: &Value, lines: &Lines<'_>) -> Vec<String> {
    let is_there = |(kind, parameter, _): &&(&str, &str, &str)| {
        location == *kind && parameters.get(*parameter).is_some_and(|value| !value.is_null())
    };
    let told = |(_, parameter, now): &(&str, &str, &str)| {
        let line = lines.parameter(id, parameter).map_or_else(String::new, |written| format!("{}:", written.line));
        format!("template.yaml:{line} job {name}, {parameter}: {now}")
    };
    FORMER.iter().filter(is_there).map(told).collect()
}

/// A job.
///
/// # Errors
/// What is wrong with it, a line each.
fn read(id: &str, properties: &Value, lines: &Lines<'_>) -> Result<Job, Vec<String>> {
    let parameters = &properties["Parameters"];
    let text = |name: &str| match &parameters[name] {
        Value::String(text) => Ok(Some(text.as_str())),
        Value::Null => Ok(None),
        other if call(other).is_some() => Err(format!("{name} is a call; a job says it in words")),
        other => Err(format!("{name} is {other}, not text; put it in quotation marks")),
    };
    let of_job = |problem| vec![format!("template.yaml: {id}: {problem}")];
    let location =
        properties["Location"].as_str().ok_or("it has no Location").map_err(|what| of_job(what.to_owned()))?;
    let name = text("Job").and_then(|name| name.ok_or_else(|| lacks("Job"))).and_then(checked_name).map_err(of_job)?;
    let mut problems = former(id, name, location, parameters, lines);
    let kind = match Kind::read(location, name, &text, &|parameter| lines.parameter(id, parameter)) {
        Ok(kind) if problems.is_empty() => kind,
        Ok(_) => return Err(problems),
        Err(mut more) => {
            problems.append(&mut more);
            return Err(problems);
        }
    };
    Ok(Job {
        id: id.to_owned(),
        name: name.to_owned(),
        location: location.to_owned(),
        kind,
        after: parameters["After"].as_str().filter(|after| !after.is_empty()).map(ToOwned::to_owned),
    })
}

/// The name of a job.
///
/// # Errors
/// Why no job can be called so.
pub(crate) fn checked_name(name: &str) -> Result<&str, String> {
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
