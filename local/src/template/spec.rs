//! The spec of a job, out of its parameters, and what is wrong with it, by lines of the template.

use super::lines::Written;
use super::places::places;
use serde_json::Value;
use sluice::spec::{Parts, Problem, Spec};

/// What CloudFormation takes for a parameter, in bytes.
const MAX_BYTES: usize = 4_096;

/// The three parts and the parameters that have them.
const PARTS: [(&str, &str); 3] = [("/source", "Source"), ("/shape", "Shape"), ("/target", "Target")];

/// The spec of the job `name`: of each part's parameter `text` has what it says, and `written` how that stands in the
/// template.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub(super) fn read<'p>(
    name: &str,
    text: &dyn Fn(&str) -> Result<&'p str, String>,
    written: &dyn Fn(&str) -> Option<Written>,
) -> Result<(Parts, Spec), Vec<String>> {
    let mut problems = Vec::new();
    let parts = PARTS.map(|(pointer, parameter)| {
        let found = text(parameter).and_then(|text| part(pointer, text, &mut problems));
        found.unwrap_or_else(|what| {
            problems.push(Problem { pointer: pointer.to_owned(), what });
            Value::Null
        })
    });
    let are_read = parts.iter().all(|part| !part.is_null());
    let [source, shape, target] = parts;
    let parts = Parts { source, shape, target };
    let spec = if are_read { parts.check().map_err(|mut more| problems.append(&mut more)).ok() } else { None };
    if let (Some(spec), true) = (spec, problems.is_empty()) {
        return Ok((parts, spec));
    }
    let told = problems.iter().map(|problem| {
        let part = PARTS.iter().find(|(part, _)| problem.pointer.starts_with(part));
        let line = part.and_then(|(part, parameter)| Some(line(&written(parameter)?, &problem.pointer[part.len()..])));
        let line = line.map_or_else(String::new, |line| format!("{line}:"));
        format!("template.yaml:{line} job {name}, {problem}")
    });
    Err(told.collect())
}

/// The line of a field, or of what keeps the text from being JSON.
fn line(written: &Written, pointer: &str) -> usize {
    match serde_json::from_str::<Value>(&written.text) {
        Err(error) if !written.text.is_empty() => written.line + error.line().saturating_sub(1),
        _ => written.line_of(pointer),
    }
}

/// A part as JSON. What JSON would drop untold is a problem: of two fields of one name the first.
fn part(pointer: &str, text: &str, problems: &mut Vec<Problem>) -> Result<Value, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("has {} bytes; CloudFormation takes {MAX_BYTES}", text.len()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        // The line is told otherwise: that of the template.
        let error = error.to_string();
        let what = error.split(" at line ").next().unwrap_or_default();
        format!("is no JSON: {what}")
    })?;
    if !value.is_object() {
        return Err("is no JSON object".to_owned());
    }
    let mut found: Vec<String> = places(text).into_iter().map(|place| place.pointer).collect();
    found.sort();
    for twice in found.windows(2).filter(|pair| pair[0] == pair[1]) {
        problems.push(Problem { pointer: format!("{pointer}{}", twice[0]), what: "is there twice".to_owned() });
    }
    Ok(value)
}
