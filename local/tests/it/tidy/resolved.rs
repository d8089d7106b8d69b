//! The template as CloudFormation sees it once the parameters are known: conditions decided, unused resources gone.

use local::template::call;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A template and the values of all its parameters.
pub(crate) struct Resolver<'a> {
    template: &'a Value,
    parameters: BTreeMap<&'a str, String>,
}

impl<'a> Resolver<'a> {
    /// The parameters' defaults, and over them `given`.
    pub(crate) fn new(template: &'a Value, given: &[(&'a str, &str)]) -> Self {
        let declared = template["Parameters"].as_object().unwrap();
        let default = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let mut parameters: BTreeMap<&str, String> =
            declared.iter().map(|(name, about)| (name.as_str(), default(&about["Default"]))).collect();
        for (name, value) in given {
            assert!(parameters.insert(name, (*value).to_owned()).is_some(), "there is no parameter {name}");
        }
        Self { template, parameters }
    }

    /// The descriptions of the template's own rules that these parameters break.
    pub(crate) fn broken_rules(&self) -> Vec<&'a str> {
        let rules = self.template["Rules"].as_object().unwrap().values();
        rules
            .filter(|rule| self.holds(&rule["RuleCondition"]))
            .flat_map(|rule| rule["Assertions"].as_array().unwrap())
            .filter(|assertion| !self.holds(&assertion["Assert"]))
            .map(|assertion| assertion["AssertDescription"].as_str().unwrap())
            .collect()
    }

    /// What is left of the template.
    pub(crate) fn resolve(&self) -> Value {
        let mut resolved = Map::new();
        for (name, section) in self.template.as_object().unwrap() {
            let section = match name.as_str() {
                "Parameters" | "Conditions" | "Rules" | "Metadata" => continue,
                "Resources" | "Outputs" => self.kept(section.as_object().unwrap()),
                _ => self.value(section).unwrap(),
            };
            resolved.insert(name.clone(), section);
        }
        Value::Object(resolved)
    }

    fn kept(&self, section: &Map<String, Value>) -> Value {
        let mut kept = Map::new();
        for (name, item) in section {
            if item.get("Condition").is_some_and(|condition| !self.condition(condition.as_str().unwrap())) {
                continue;
            }
            let mut item = self.value(item).unwrap();
            item.as_object_mut().unwrap().remove("Condition");
            kept.insert(name.clone(), item);
        }
        Value::Object(kept)
    }

    fn condition(&self, name: &str) -> bool {
        let condition = &self.template["Conditions"][name];
        assert!(!condition.is_null(), "there is no condition {name}");
        self.holds(condition)
    }

    fn holds(&self, condition: &Value) -> bool {
        let (name, argument) = condition.as_object().unwrap().iter().next().unwrap();
        let all = || argument.as_array().unwrap().iter();
        match name.as_str() {
            "Condition" => self.condition(argument.as_str().unwrap()),
            "Fn::Not" => !self.holds(&argument[0]),
            "Fn::And" => all().all(|part| self.holds(part)),
            "Fn::Or" => all().any(|part| self.holds(part)),
            "Fn::Equals" => self.value(&argument[0]) == self.value(&argument[1]),
            other => panic!("{other} is no condition"),
        }
    }

    /// A value with its conditions decided and its parameters filled in; `None` for `AWS::NoValue`.
    fn value(&self, value: &Value) -> Option<Value> {
        if let Some((name, argument)) = call(value) {
            return self.call(name, argument);
        }
        Some(match value {
            Value::Object(fields) => {
                fields.iter().filter_map(|(name, field)| Some((name.clone(), self.value(field)?))).collect()
            }
            Value::Array(items) => items.iter().filter_map(|item| self.value(item)).collect(),
            plain => plain.clone(),
        })
    }

    fn call(&self, name: &str, argument: &Value) -> Option<Value> {
        let kept = |value: Value| Some(json!({name: value}));
        match name {
            "Fn::If" => {
                let chosen = if self.condition(argument[0].as_str().unwrap()) { 1 } else { 2 };
                self.value(&argument[chosen])
            }
            "Ref" if argument == "AWS::NoValue" => None,
            "Ref" => match self.parameters.get(argument.as_str().unwrap()) {
                Some(value) => Some(value.as_str().into()),
                None => kept(argument.clone()),
            },
            "Fn::Sub" => self.substituted(&self.value(argument)?),
            "Fn::Join" => {
                let parts = self.value(argument)?;
                let texts: Option<Vec<&str>> = parts[1].as_array().unwrap().iter().map(Value::as_str).collect();
                match texts {
                    Some(texts) => Some(texts.join(parts[0].as_str().unwrap()).into()),
                    None => kept(parts),
                }
            }
            "Fn::Split" => {
                let parts = self.value(argument)?;
                match (parts[0].as_str(), parts[1].as_str(), call(&parts[1])) {
                    (Some(separator), Some(text), _) => Some(text.split(separator).map(Value::from).collect()),
                    // What was joined comes apart again.
                    (Some(separator), _, Some(("Fn::Join", joined))) if joined[0] == separator => {
                        Some(joined[1].clone())
                    }
                    _ => kept(parts),
                }
            }
            "Fn::Select" => {
                let parts = self.value(argument)?;
                match (parts[0].as_u64(), parts[1].as_array()) {
                    (Some(index), Some(items)) => Some(items[usize::try_from(index).unwrap()].clone()),
                    _ => kept(parts),
                }
            }
            _ => kept(self.value(argument)?),
        }
    }

    /// The text itself if nothing is left to fill in.
    fn substituted(&self, argument: &Value) -> Option<Value> {
        let (text, names) = if argument.is_array() { (&argument[0], argument.get(1)) } else { (argument, None) };
        let mut text = text.as_str().unwrap().to_owned();
        let mut left = Map::new();
        for (name, value) in names.and_then(Value::as_object).into_iter().flatten() {
            match (value.as_str(), call(value)) {
                (Some(value), _) => text = text.replace(&format!("${{{name}}}"), value),
                (_, Some(("Ref", resource))) => {
                    text = text.replace(&format!("${{{name}}}"), &format!("${{{}}}", resource.as_str().unwrap()));
                }
                (_, Some(("Fn::GetAtt", path))) => {
                    let path = format!("${{{}.{}}}", path[0].as_str().unwrap(), path[1].as_str().unwrap());
                    text = text.replace(&format!("${{{name}}}"), &path);
                }
                _ => drop(left.insert(name.clone(), value.clone())),
            }
        }
        for (name, parameter) in &self.parameters {
            text = text.replace(&format!("${{{name}}}"), parameter);
        }
        Some(match (left.is_empty(), text.contains("${")) {
            (true, false) => text.into(),
            (true, true) => json!({"Fn::Sub": text}),
            (false, _) => json!({"Fn::Sub": [text, left]}),
        })
    }
}

/// The logical ids that a value refers to, those of AWS itself left out.
pub(crate) fn references(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_references(value, &mut found);
    found.retain(|name| !name.starts_with("AWS::"));
    found
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    let first = |text: &str| text.split('.').next().unwrap_or_default().to_owned();
    match (call(value), value) {
        (Some(("Ref", name)), _) => drop(found.insert(name.as_str().unwrap().to_owned())),
        (Some(("Fn::GetAtt", path)), _) => drop(found.insert(path[0].as_str().unwrap().to_owned())),
        (Some(("Fn::Sub", text)), _) => {
            let (text, names) = if text.is_array() { (&text[0], text.get(1)) } else { (text, None) };
            names.into_iter().for_each(|names| collect_references(names, found));
            let used = text.as_str().unwrap().split("${").skip(1).map(|rest| rest.split_once('}').unwrap().0);
            found.extend(used.filter(|name| names.is_none_or(|names| names.get(name).is_none())).map(first));
        }
        (_, Value::Object(fields)) => fields.values().for_each(|field| collect_references(field, found)),
        (_, Value::Array(items)) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}
