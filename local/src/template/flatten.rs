//! Writes the jobs of a template out in place: each resource, condition and output of a child under the job's id,
//! each parameter of the child as the expression that the root gives for it.

use super::{APPLICATION, call, jobs, parse_file};
use crate::BoxError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A template in which no job is nested any more; one without jobs is returned as it is.
///
/// # Errors
/// If there is something wrong with a job, or its kind's template cannot be read.
pub fn flatten(mut root: Value) -> Result<Value, BoxError> {
    jobs(&root, "")?;
    let ids: Vec<String> = super::resources(&root, APPLICATION).into_keys().map(ToOwned::to_owned).collect();
    for id in ids {
        let application = root["Resources"].as_object_mut().and_then(|resources| resources.remove(&id));
        let mut application = application.unwrap_or_default();
        known_only(&id, &application, &["Type", "Condition", "Properties"])?;
        let condition = application.get("Condition").and_then(Value::as_str).map(ToOwned::to_owned);
        let properties = application["Properties"].take();
        let location = properties["Location"].as_str().ok_or_else(|| format!("{id} has no Location"))?;
        let child = parse_file(location)?;
        known_only(location, &child, &CHILD_SECTIONS)?;
        let job = Child::new(&id, &child, &properties["Parameters"], condition.as_deref())?;
        let outputs = job.write_into(&mut root)?;
        replace_outputs(&mut root, &id, &outputs);
    }
    Ok(root)
}

/// What is written out of a child; more would be left out untold.
const CHILD_SECTIONS: [&str; 7] =
    ["AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Conditions", "Resources", "Outputs"];

fn known_only(name: &str, value: &Value, known: &[&str]) -> Result<(), BoxError> {
    let mut fields = value.as_object().into_iter().flat_map(Map::keys);
    match fields.find(|field| !known.contains(&field.as_str())) {
        Some(other) => Err(format!("{name} has {other}, which a job cannot have here").into()),
        None => Ok(()),
    }
}

/// Does a literal fit its parameter? What is computed is not known yet, and patterns are CloudFormation's to check.
fn fits(declared: &Value, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return true };
    let is_allowed = declared["AllowedValues"].as_array().is_none_or(|allowed| allowed.iter().any(|one| one == text));
    let number = text.parse::<f64>();
    let is_number = declared["Type"] != "Number" || number.is_ok();
    let bound = |name: &str, default: f64| declared[name].as_f64().unwrap_or(default);
    let range = bound("MinValue", f64::MIN)..=bound("MaxValue", f64::MAX);
    is_allowed && is_number && number.map_or(true, |number| range.contains(&number))
}

/// A job's child template, on its way into the root.
struct Child<'a> {
    id: &'a str,
    template: &'a Value,
    /// The condition of the root under which there is the job.
    condition: Option<&'a str>,
    /// What the root gives for each parameter.
    parameters: BTreeMap<&'a str, Value>,
}

impl<'a> Child<'a> {
    fn new(id: &'a str, template: &'a Value, given: &Value, condition: Option<&'a str>) -> Result<Self, BoxError> {
        let mut parameters = BTreeMap::new();
        for (name, declared) in template["Parameters"].as_object().into_iter().flatten() {
            let default = || match &declared["Default"] {
                Value::Null => Err(format!("{id} lacks the parameter {name}")),
                Value::Number(number) => Ok(number.to_string().into()),
                other => Ok(other.clone()),
            };
            let value = given.get(name).cloned().map_or_else(default, Ok)?;
            if !fits(declared, &value) {
                return Err(format!("{id}: {name} is {value}, which its kind does not take").into());
            }
            parameters.insert(name.as_str(), value);
        }
        let mut names = given.as_object().into_iter().flat_map(Map::keys);
        match names.find(|name| !parameters.contains_key(name.as_str())) {
            Some(unknown) => Err(format!("{id}: its kind has no parameter {unknown}").into()),
            None => Ok(Self { id, template, condition, parameters }),
        }
    }

    /// Adds everything to the root; returns the outputs.
    fn write_into(&self, root: &mut Value) -> Result<BTreeMap<String, Value>, BoxError> {
        for (name, condition) in self.template["Conditions"].as_object().into_iter().flatten() {
            let condition = self.value(condition)?;
            // CloudFormation decides conditions before anything else, so a resource or another condition's choice has
            // no place in them.
            let text = condition.to_string();
            if text.contains("Fn::If") || text.contains("Fn::GetAtt") {
                return Err(format!("{}: the condition {name} depends on more than parameters", self.id).into());
            }
            // A resource has one condition, so the job's becomes a part of each of its own.
            root["Conditions"][self.named(name)] = match self.condition {
                Some(job) => json!({"Fn::And": [{"Condition": job}, condition]}),
                None => condition,
            };
        }
        for (name, resource) in self.template["Resources"].as_object().into_iter().flatten() {
            let mut resource = self.value(resource)?;
            if let (Some(job), None) = (self.condition, resource.get("Condition")) {
                resource["Condition"] = job.into();
            }
            if let Some(after) = resource.get_mut("DependsOn") {
                *after = match after.take() {
                    Value::String(one) => self.named(&one).into(),
                    several => several
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(|id| self.named(id))
                        .collect(),
                };
            }
            root["Resources"][self.named(name)] = resource;
        }
        let outputs = self.template["Outputs"].as_object().into_iter().flatten();
        outputs.map(|(name, output)| Ok((name.clone(), self.value(&output["Value"])?))).collect()
    }

    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.id)
    }

    fn has(&self, section: &str, name: &str) -> bool {
        self.template[section].get(name).is_some()
    }

    /// A value of the child as it stands in the root.
    fn value(&self, value: &Value) -> Result<Value, BoxError> {
        match (call(value), value) {
            (Some(("Ref", Value::String(name))), _) => Ok(match self.parameters.get(name.as_str()) {
                Some(given) => given.clone(),
                None if self.has("Resources", name) => json!({"Ref": self.named(name)}),
                None => value.clone(),
            }),
            (Some(("Fn::GetAtt", path)), _) => {
                let resource = path[0].as_str().ok_or("a GetAtt of no resource")?;
                Ok(json!({"Fn::GetAtt": [self.named(resource), path[1]]}))
            }
            (Some(("Fn::If", parts)), _) => {
                let condition = parts[0].as_str().ok_or("an If without a condition")?;
                Ok(json!({"Fn::If": [self.named(condition), self.value(&parts[1])?, self.value(&parts[2])?]}))
            }
            (Some(("Fn::Sub", argument)), _) => self.substituted(argument),
            (_, Value::Object(fields)) => {
                let fields = fields.iter().map(|(name, field)| {
                    let is_condition = |text: &&str| name == "Condition" && self.has("Conditions", text);
                    let field = match field.as_str().filter(is_condition) {
                        Some(condition) => self.named(condition).into(),
                        None => self.value(field)?,
                    };
                    Ok((name.clone(), field))
                });
                Ok(Value::Object(fields.collect::<Result<_, BoxError>>()?))
            }
            (_, Value::Array(items)) => items.iter().map(|item| self.value(item)).collect(),
            (_, plain) => Ok(plain.clone()),
        }
    }

    /// A `Sub` of a text, or of a text and its own names.
    fn substituted(&self, argument: &Value) -> Result<Value, BoxError> {
        let (text, own) = match argument {
            Value::String(text) => (text.as_str(), Map::new()),
            parts => (
                parts[0].as_str().ok_or("a Sub without a text")?,
                self.value(&parts[1])?.as_object().cloned().unwrap_or_default(),
            ),
        };
        let mut names = own.clone();
        let mut renamed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or("a Sub with a name that is never closed")?;
            renamed.push_str(before);
            let resource = name.split('.').next().unwrap_or_default();
            match self.parameters.get(name) {
                Some(given) if !own.contains_key(name) => {
                    names.insert(name.to_owned(), given.clone());
                    renamed.push_str(&format!("${{{name}}}"));
                }
                None if self.has("Resources", resource) => renamed.push_str(&format!("${{{}}}", self.named(name))),
                _ => renamed.push_str(&format!("${{{name}}}")),
            }
            rest = after;
        }
        renamed.push_str(rest);
        Ok(if names.is_empty() { json!({"Fn::Sub": renamed}) } else { json!({"Fn::Sub": [renamed, names]}) })
    }
}

/// Puts a child's outputs where the root asks for them.
fn replace_outputs(value: &mut Value, id: &str, outputs: &BTreeMap<String, Value>) {
    if let Some(("Fn::GetAtt", path)) = call(value) {
        let output = path[1].as_str().and_then(|attribute| attribute.strip_prefix("Outputs."));
        if let Some(output) = output.filter(|_| path[0] == id).and_then(|name| outputs.get(name)) {
            *value = output.clone();
        }
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| replace_outputs(field, id, outputs)),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_outputs(item, id, outputs)),
        _ => {}
    }
}
