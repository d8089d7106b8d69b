//! The repository's template, with its jobs written out in place and code and definitions replaced by what was
//! uploaded: what `sam build` and `sam package` do, without SAM on the machine. The local AWS cannot update nested
//! stacks, so here they are a part of the root.
//!
//! # Layout
//! - `jobs`: the jobs that the template has, and what is wrong with them.
//! - `kinds`: what a job of each kind says; `spec`: out of which parameters.
//! - `lines`: on which line a field of a spec stands; `places`: the same within a JSON text.
//! - `flatten`: a job's child template, written out in the root.
//! - `selection`: what some of the jobs need.
//! - `addition`: a job more, written into its text.

mod addition;
mod flatten;
mod jobs;
mod kinds;
mod lines;
mod places;
mod selection;
mod spec;

pub(crate) use addition::{Addition, add};
pub use flatten::flatten;
pub(crate) use jobs::checked_name;
pub use jobs::{Job, REFERENCE_JOB, jobs, reference};
pub use kinds::{Files, Kind};
pub use selection::{binaries, binaries_of, with_followers};

use crate::BoxError;
use crate::binaries::workspace;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A nested stack.
const APPLICATION: &str = "AWS::Serverless::Application";

/// The template's file: `template.yaml`, unless `SLUICE_TEMPLATE` names another one.
pub fn path() -> PathBuf {
    std::env::var_os("SLUICE_TEMPLATE").map_or_else(|| workspace().join("template.yaml"), PathBuf::from)
}

/// The template's text.
///
/// # Errors
/// If it cannot be read.
pub fn text() -> Result<String, BoxError> {
    fs::read_to_string(path()).map_err(|error| format!("{}: {error}", path().display()).into())
}

/// The template as it is: its jobs are nested.
///
/// # Errors
/// If it cannot be read.
pub fn root() -> Result<Value, BoxError> {
    parse(&text()?)
}

/// The jobs of the template.
///
/// # Errors
/// If it cannot be read, or there is something wrong with a job.
pub fn all_jobs() -> Result<Vec<Job>, BoxError> {
    let text = text()?;
    jobs(&parse(&text)?, &text)
}

/// The template, with its jobs written out in place.
///
/// # Errors
/// If it cannot be read, or there is something wrong with a job.
pub fn read() -> Result<Value, BoxError> {
    flatten(root()?)
}

/// A template or a child's as JSON, with merges such as `<<: *shared` and calls such as `!Ref` in their long form. As
/// YAML, text such as `OFF` would become a truth value for those who read YAML 1.1, as CloudFormation's tools do.
///
/// # Errors
/// If it is not YAML.
pub fn parse(text: &str) -> Result<Value, BoxError> {
    let mut template: serde_yaml_ng::Value = serde_yaml_ng::from_str(text)?;
    template.apply_merge()?;
    to_json(&template)
}

/// A file beside the template, such as a child template, by its path in the repository.
fn parse_file(path: &str) -> Result<Value, BoxError> {
    let named = |error: BoxError| format!("{path}: {error}");
    let text = fs::read_to_string(workspace().join(path)).map_err(|error| named(error.into()))?;
    parse(&text).map_err(|error| named(error).into())
}

fn to_json(value: &serde_yaml_ng::Value) -> Result<Value, BoxError> {
    use serde_yaml_ng::Value as Yaml;
    Ok(match value {
        Yaml::Mapping(fields) => {
            let fields = fields
                .iter()
                .map(|(name, field)| Ok((name.as_str().ok_or("a key that is not text")?.to_owned(), to_json(field)?)));
            Value::Object(fields.collect::<Result<_, BoxError>>()?)
        }
        Yaml::Sequence(items) => items.iter().map(to_json).collect::<Result<_, _>>()?,
        Yaml::Tagged(call) => {
            let name = call.tag.to_string();
            let name = name.trim_start_matches('!');
            let argument = match (name, &call.value) {
                ("GetAtt", Yaml::String(path)) => {
                    let (resource, attribute) = path.split_once('.').ok_or("a !GetAtt of no attribute")?;
                    json!([resource, attribute])
                }
                (_, argument) => to_json(argument)?,
            };
            let long = if ["Ref", "Condition"].contains(&name) { name.to_owned() } else { format!("Fn::{name}") };
            json!({long: argument})
        }
        plain => serde_json::to_value(plain)?,
    })
}

/// The name and the argument of a call in its long form, such as `{"Ref": "Bucket"}`; `None` for anything else.
pub fn call(value: &Value) -> Option<(&str, &Value)> {
    let (name, argument) = value.as_object().filter(|fields| fields.len() == 1)?.iter().next()?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

/// The resources of `kind`, by logical id.
pub fn resources<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources.filter(|(_, resource)| resource["Type"] == kind).map(|(id, resource)| (id.as_str(), resource)).collect()
}

/// The functions, by logical id.
pub fn functions(template: &Value) -> BTreeMap<&str, &Value> {
    let mut functions = resources(template, "AWS::Lambda::Function");
    functions.extend(resources(template, "AWS::Serverless::Function"));
    functions
}

/// Where the code of functions and the definitions of state machines are.
pub struct Artifacts<'a> {
    /// By the name of a binary.
    pub code: &'a (dyn Fn(&str) -> Option<Artifact> + Sync),
    /// By the name of a file beside its template.
    pub definition: &'a (dyn Fn(&str) -> Option<Artifact> + Sync),
}

/// A file that was uploaded, or that SAM will upload.
pub enum Artifact {
    /// An object in S3: its bucket and key.
    Object(String, String),
    /// A file.
    File(String),
}

impl Artifact {
    /// As a resource's property of plain CloudFormation, with its own names for bucket and key.
    fn property(self, bucket_name: &str, key_name: &str) -> Value {
        match self {
            Self::Object(bucket, key) => json!({bucket_name: bucket, key_name: key}),
            Self::File(path) => path.into(),
        }
    }

    /// As SAM's own resources take it.
    fn uri(self) -> Value {
        match self {
            Self::Object(bucket, key) => format!("s3://{bucket}/{key}").into(),
            Self::File(path) => path.into(),
        }
    }
}

/// Points every function and state machine of a template to its artifact.
///
/// # Errors
/// If there is none.
pub fn package(template: &mut Value, artifacts: &Artifacts<'_>) -> Result<(), BoxError> {
    let resources = template["Resources"].as_object_mut().ok_or("the template has no Resources")?;
    for (id, resource) in resources {
        let absent = || format!("{id}: its code or definition was not uploaded");
        let kind = resource["Type"].as_str().unwrap_or_default().to_owned();
        let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap_or_default().to_owned();
        let properties = &mut resource["Properties"];
        match kind.as_str() {
            "AWS::Serverless::Function" => {
                properties["CodeUri"] = (artifacts.code)(&binary).ok_or_else(absent)?.uri();
            }
            // One that has its own code already is left alone.
            "AWS::Lambda::Function" if !properties["Code"].is_object() => {
                properties["Code"] = (artifacts.code)(&binary).ok_or_else(absent)?.property("S3Bucket", "S3Key");
            }
            "AWS::StepFunctions::StateMachine" => {
                let file = properties["DefinitionS3Location"].as_str().ok_or_else(absent)?;
                let uploaded = (artifacts.definition)(file).ok_or_else(absent)?;
                properties["DefinitionS3Location"] = uploaded.property("Bucket", "Key");
            }
            _ => {}
        }
    }
    Ok(())
}

/// The names of the state machine files that a template names, in the folder `statemachine`.
pub fn definition_files(template: &Value) -> Vec<String> {
    let machines = resources(template, "AWS::StepFunctions::StateMachine").into_values();
    let mut files: Vec<String> = machines
        .filter_map(|machine| machine["Properties"]["DefinitionS3Location"].as_str().map(ToOwned::to_owned))
        .collect();
    files.sort();
    files.dedup();
    files
}

/// The folder of state machine files and child templates.
pub fn kinds_folder() -> PathBuf {
    workspace().join("statemachine")
}

/// Replaces texts in the specs of a flattened template's jobs.
///
/// # Errors
/// If a text stands in none of them.
pub fn respecify(template: &mut Value, replacements: &[(&str, &str)]) -> Result<(), BoxError> {
    for (old, new) in replacements {
        let mut count = 0;
        for machine in template["Resources"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            let Some(values) = machine["Properties"].get_mut("DefinitionSubstitutions").and_then(Value::as_object_mut)
            else {
                continue;
            };
            for value in values.values_mut() {
                if let Some(text) = value.as_str().filter(|text| text.contains(old)) {
                    *value = text.replace(old, new).into();
                    count += 1;
                }
            }
        }
        if count == 0 {
            return Err(format!("no job's spec says {old}").into());
        }
    }
    Ok(())
}

/// A state machine file as JSON, with every substitution replaced by 0: some stand for numbers and JSON and are not
/// quoted.
///
/// # Errors
/// If it cannot be read or is not JSON.
pub fn definition(file: &Path) -> Result<Value, BoxError> {
    let text = fs::read_to_string(file)?;
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        let (_, after) = after.split_once('}').ok_or("a substitution that is never closed")?;
        plain.push_str(before);
        plain.push('0');
        rest = after;
    }
    plain.push_str(rest);
    Ok(serde_json::from_str(&plain)?)
}
