//! The spec of a job, out of its parameters, and what is wrong with it, by lines of the template.

use super::lines::Written;
use super::places::places;
use serde_json::Value;
use sluice::spec::Problem;

/// What CloudFormation takes for a parameter, in bytes.
const MAX_BYTES: usize = 4_096;

/// A part of a spec.
pub(super) struct Part {
    /// As a JSON Pointer.
    pub(super) pointer: &'static str,
    /// The parameter that has it.
    pub(super) parameter: &'static str,
    /// What it is if the job does not say it, where it need not.
    pub(super) default: Option<&'static str>,
}

/// What a parameter says.
pub(super) type Text<'f, 'p> = &'f dyn Fn(&str) -> Result<Option<&'p str>, String>;

/// How a parameter stands in the template.
pub(super) type Writing<'f> = &'f dyn Fn(&str) -> Option<Written>;

/// The spec of the job `name`, which `check` makes of its parts.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub(super) fn read<S, const N: usize>(
    name: &str,
    parts: &[Part; N],
    text: Text<'_, '_>,
    written: Writing<'_>,
    check: impl FnOnce([Value; N]) -> Result<S, Vec<Problem>>,
) -> Result<S, Vec<String>> {
    let mut problems = Vec::new();
    let values = parts.each_ref().map(|Part { pointer, parameter, default }| {
        let text = text(parameter).and_then(|text| {
            text.or(*default).map(|text| (text, Some(text) == *default)).ok_or_else(|| lacks(parameter))
        });
        let value = text.and_then(|(text, is_default)| value(pointer, text, is_default, &mut problems));
        value.map_err(|what| problems.push(Problem { pointer: (*pointer).to_owned(), what })).ok()
    });
    if values.iter().all(Option::is_some) {
        match check(values.map(Option::unwrap_or_default)) {
            Ok(spec) if problems.is_empty() => return Ok(spec),
            Ok(_) => {}
            Err(mut more) => problems.append(&mut more),
        }
    }
    let told = problems.iter().map(|problem| {
        let part = parts.iter().find(|part| problem.pointer.starts_with(part.pointer));
        let line = part.and_then(|part| Some(line(&written(part.parameter)?, &problem.pointer[part.pointer.len()..])));
        let line = line.map_or_else(String::new, |line| format!("{line}:"));
        format!("template.yaml:{line} job {name}, {problem}")
    });
    Err(told.collect())
}

/// What is wrong where a parameter is not there.
pub(super) fn lacks(parameter: &str) -> String {
    format!("it lacks the parameter {parameter}")
}

/// The line of a field, or of what keeps the text from being JSON.
fn line(written: &Written, pointer: &str) -> usize {
    match serde_json::from_str::<Value>(&written.text) {
        Err(error) if !written.text.is_empty() => written.line + error.line().saturating_sub(1),
        _ => written.line_of(pointer),
    }
}

/// A part as JSON. What JSON would drop untold is a problem: of two fields of one name the first.
fn value(pointer: &str, text: &str, is_default: bool, problems: &mut Vec<Problem>) -> Result<Value, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("has {} bytes; CloudFormation takes {MAX_BYTES}", text.len()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        // The line is told otherwise: that of the template.
        let error = error.to_string();
        let what = error.split(" at line ").next().unwrap_or_default();
        format!("is no JSON: {what}")
    })?;
    if !value.is_object() && !is_default {
        return Err("is no JSON object".to_owned());
    }
    let mut found: Vec<String> = places(text).into_iter().map(|place| place.pointer).collect();
    found.sort();
    for twice in found.windows(2).filter(|pair| pair[0] == pair[1]) {
        problems.push(Problem { pointer: format!("{pointer}{}", twice[0]), what: "is there twice".to_owned() });
    }
    Ok(value)
}
