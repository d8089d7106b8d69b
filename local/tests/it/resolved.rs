//! The template as CloudFormation sees it once the parameters are known: conditions decided, unused resources gone.

use serde_yaml_ng::value::{Tag, TaggedValue};
use serde_yaml_ng::{Mapping, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A template and the values of all its parameters.
pub struct Resolver<'a> {
    template: &'a Value,
    parameters: BTreeMap<&'a str, String>,
}

impl<'a> Resolver<'a> {
    /// The parameters' defaults, and over them `given`.
    pub fn new(template: &'a Value, given: &[(&'a str, &str)]) -> Self {
        let declared = template["Parameters"].as_mapping().unwrap();
        let default = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => serde_yaml_ng::to_string(other).unwrap().trim().to_owned(),
        };
        let mut parameters: BTreeMap<&str, String> =
            declared.iter().map(|(name, about)| (name.as_str().unwrap(), default(&about["Default"]))).collect();
        for (name, value) in given {
            assert!(parameters.insert(name, (*value).to_owned()).is_some(), "there is no parameter {name}");
        }
        Self { template, parameters }
    }

    /// The descriptions of the template's own rules that these parameters break.
    pub fn broken_rules(&self) -> Vec<&'a str> {
        let rules = self.template["Rules"].as_mapping().unwrap().values();
        rules
            .filter(|rule| self.holds(&rule["RuleCondition"]))
            .flat_map(|rule| rule["Assertions"].as_sequence().unwrap())
            .filter(|assertion| !self.holds(&assertion["Assert"]))
            .map(|assertion| assertion["AssertDescription"].as_str().unwrap())
            .collect()
    }

    /// What is left of the template.
    pub fn resolve(&self) -> Value {
        let mut resolved = Mapping::new();
        for (name, section) in self.template.as_mapping().unwrap() {
            let section = match name.as_str().unwrap() {
                "Parameters" | "Conditions" | "Rules" | "Metadata" => continue,
                "Resources" | "Outputs" => self.kept(section.as_mapping().unwrap()),
                _ => self.value(section).unwrap(),
            };
            resolved.insert(name.clone(), section);
        }
        Value::Mapping(resolved)
    }

    fn kept(&self, section: &Mapping) -> Value {
        let mut kept = Mapping::new();
        for (name, item) in section {
            if item.get("Condition").is_some_and(|condition| !self.condition(condition.as_str().unwrap())) {
                continue;
            }
            let mut item = self.value(item).unwrap();
            item.as_mapping_mut().unwrap().remove("Condition");
            kept.insert(name.clone(), item);
        }
        Value::Mapping(kept)
    }

    fn condition(&self, name: &str) -> bool {
        let condition = &self.template["Conditions"][name];
        assert!(!condition.is_null(), "there is no condition {name}");
        self.holds(condition)
    }

    fn holds(&self, condition: &Value) -> bool {
        let Value::Tagged(call) = condition else { panic!("{condition:?} is no condition") };
        let all = || call.value.as_sequence().unwrap().iter();
        match tag(call).as_str() {
            "Condition" => self.condition(call.value.as_str().unwrap()),
            "Not" => !self.holds(&call.value[0]),
            "And" => all().all(|part| self.holds(part)),
            "Or" => all().any(|part| self.holds(part)),
            "Equals" => self.value(&call.value[0]) == self.value(&call.value[1]),
            other => panic!("{other} is no condition"),
        }
    }

    /// A value with its conditions decided and its parameters filled in; none for `AWS::NoValue`.
    fn value(&self, value: &Value) -> Option<Value> {
        Some(match value {
            Value::Mapping(fields) => Value::Mapping(
                fields.iter().filter_map(|(name, field)| Some((name.clone(), self.value(field)?))).collect(),
            ),
            Value::Sequence(items) => Value::Sequence(items.iter().filter_map(|item| self.value(item)).collect()),
            Value::Tagged(call) => return self.call(call),
            plain => plain.clone(),
        })
    }

    fn call(&self, call: &TaggedValue) -> Option<Value> {
        let kept = |value: Value| Some(Value::Tagged(Box::new(TaggedValue { tag: Tag::new(tag(call)), value })));
        match tag(call).as_str() {
            "If" => {
                let chosen = if self.condition(call.value[0].as_str().unwrap()) { 1 } else { 2 };
                self.value(&call.value[chosen])
            }
            "Ref" if call.value == "AWS::NoValue" => None,
            "Ref" => match self.parameters.get(call.value.as_str().unwrap()) {
                Some(value) => Some(Value::from(value.as_str())),
                None => kept(call.value.clone()),
            },
            "Sub" => {
                let mut value = self.value(&call.value)?;
                let text = if value.is_sequence() { &mut value[0] } else { &mut value };
                let mut filled_in = text.as_str().unwrap().to_owned();
                for (name, parameter) in &self.parameters {
                    filled_in = filled_in.replace(&format!("${{{name}}}"), parameter);
                }
                *text = Value::from(filled_in);
                kept(value)
            }
            "Split" => {
                let parts = self.value(&call.value)?;
                match (parts[0].as_str(), parts[1].as_str()) {
                    (Some(separator), Some(text)) => Some(text.split(separator).map(Value::from).collect()),
                    _ => kept(parts),
                }
            }
            "Select" => {
                let parts = self.value(&call.value)?;
                match (parts[0].as_u64(), parts[1].as_sequence()) {
                    (Some(index), Some(items)) => Some(items[usize::try_from(index).unwrap()].clone()),
                    _ => kept(parts),
                }
            }
            _ => kept(self.value(&call.value)?),
        }
    }
}

/// The name of a call such as `!Ref`, without its exclamation mark.
fn tag(call: &TaggedValue) -> String {
    call.tag.to_string().trim_start_matches('!').to_owned()
}

/// The logical ids that a value refers to, those of AWS itself left out.
pub fn references(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_references(value, &mut found);
    found.retain(|name| !name.starts_with("AWS::"));
    found
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    let first = |text: &str| text.split('.').next().unwrap_or_default().to_owned();
    match value {
        Value::Mapping(fields) => fields.values().for_each(|field| collect_references(field, found)),
        Value::Sequence(items) => items.iter().for_each(|item| collect_references(item, found)),
        Value::Tagged(call) => match (tag(call).as_str(), &call.value) {
            ("Ref" | "GetAtt", Value::String(name)) => {
                found.insert(first(name));
            }
            ("Sub", text) => {
                let (text, names) = if text.is_sequence() { (&text[0], text.get(1)) } else { (text, None) };
                names.into_iter().for_each(|names| collect_references(names, found));
                let used = text.as_str().unwrap().split("${").skip(1).map(|rest| rest.split_once('}').unwrap().0);
                found.extend(used.filter(|name| names.is_none_or(|names| names.get(name).is_none())).map(first));
            }
            (_, inner) => collect_references(inner, found),
        },
        _ => {}
    }
}
