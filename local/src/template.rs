//! The repository's template, with its code and definition replaced by what was uploaded: what `sam package` does, without
//! SAM on the machine.

use crate::BoxError;
use crate::binaries::workspace;
use pipeline::spec::Source;
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The template's file.
pub fn path() -> PathBuf {
    workspace().join("template.yaml")
}

/// The template as it stands.
///
/// # Errors
/// If it cannot be read or is no YAML.
pub fn read() -> Result<Value, BoxError> {
    Ok(serde_yaml_ng::from_str(&fs::read_to_string(path())?)?)
}

/// The resources of `kind`, by logical id.
pub fn resources<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_mapping().into_iter().flatten();
    resources
        .filter(|(_, resource)| resource["Type"].as_str() == Some(kind))
        .filter_map(|(id, resource)| Some((id.as_str()?, resource)))
        .collect()
}

/// Points every function and state machine to an uploaded object: `code` by binary name, `definitions` by path.
///
/// # Errors
/// If the template has a function or definition that was not uploaded.
pub fn package(
    mut template: Value,
    code: &BTreeMap<&str, String>,
    definitions: &BTreeMap<String, String>,
) -> Result<String, BoxError> {
    let resources = template["Resources"].as_mapping_mut().ok_or("the template has no Resources")?;
    for (id, resource) in resources.iter_mut() {
        let missing = || format!("{id:?}: its code was not uploaded");
        match resource["Type"].as_str() {
            Some("AWS::Serverless::Function") => {
                let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str().ok_or_else(missing)?;
                let uploaded = code.get(binary).ok_or_else(missing)?;
                resource["Properties"]["CodeUri"] = Value::from(uploaded.as_str());
            }
            Some("AWS::Serverless::StateMachine") => {
                let path = resource["Properties"]["DefinitionUri"].as_str().ok_or_else(missing)?;
                let uploaded = definitions.get(path).ok_or_else(missing)?;
                resource["Properties"]["DefinitionUri"] = Value::from(uploaded.as_str());
            }
            _ => {}
        }
    }
    Ok(serde_json::to_string_pretty(&to_json(&template)?)?)
}

/// A template as JSON, with calls such as `!Ref` in their long form. As YAML, text such as `OFF` would become a truth value for
/// those who read YAML 1.1, as CloudFormation's tools do.
///
/// # Errors
/// If a key is not text.
pub fn to_json(value: &Value) -> Result<serde_json::Value, BoxError> {
    Ok(match value {
        Value::Mapping(fields) => {
            let fields = fields
                .iter()
                .map(|(name, field)| Ok((name.as_str().ok_or("a key that is not text")?.to_owned(), to_json(field)?)));
            serde_json::Value::Object(fields.collect::<Result<_, BoxError>>()?)
        }
        Value::Sequence(items) => items.iter().map(to_json).collect::<Result<_, _>>()?,
        Value::Tagged(call) => {
            let name = call.tag.to_string();
            let name = name.trim_start_matches('!');
            let argument = match (name, &call.value) {
                ("GetAtt", Value::String(path)) => {
                    let (resource, attribute) = path.split_once('.').ok_or("a !GetAtt of no attribute")?;
                    serde_json::json!([resource, attribute])
                }
                (_, argument) => to_json(argument)?,
            };
            let long = if ["Ref", "Condition"].contains(&name) { name.to_owned() } else { format!("Fn::{name}") };
            serde_json::Value::Object([(long, argument)].into_iter().collect())
        }
        plain => serde_json::to_value(plain)?,
    })
}

/// The paths of the state machine files that the template names.
pub fn definition_paths(template: &Value) -> Vec<String> {
    resources(template, "AWS::Serverless::StateMachine")
        .values()
        .filter_map(|machine| machine["Properties"]["DefinitionUri"].as_str().map(ToOwned::to_owned))
        .collect()
}

/// A state machine file as JSON, with every substitution replaced by 0: two of them stand for numbers and are not quoted.
///
/// # Errors
/// If it cannot be read or is no JSON.
pub fn definition(path: &str) -> Result<serde_json::Value, BoxError> {
    let text = fs::read_to_string(workspace().join(path))?;
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

/// Which keys are the main pipeline's input, as its spec has it.
///
/// # Errors
/// As [`definition`], and if the spec cannot be read.
pub fn source() -> Result<Source, BoxError> {
    let definition = definition("statemachine/transform-and-upsert.asl.json")?;
    Ok(serde_json::from_value(definition["States"]["DetectNewFiles"]["Parameters"]["Payload"]["source"].clone())?)
}

/// The table that the main pipeline loads, as its spec has it.
///
/// # Errors
/// As [`definition`].
pub fn target() -> Result<serde_json::Value, BoxError> {
    let definition = definition("statemachine/transform-and-upsert.asl.json")?;
    Ok(definition["States"]["Upsert"]["Parameters"]["Payload"]["target"].clone())
}
