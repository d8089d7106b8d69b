//! What has changed between the definitions that two runs ran with: of the job's spec, which the states carry, what it
//! said and says; of the states, which of them.

use crate::words;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Longest value that is told, in letters; of a longer one it is only said that it has changed.
const LETTERS: usize = 40;

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Of the spec and the settings beside it, a phrase each: `target.on_overlap: all_files → newest_file`.
    pub spec: BTreeSet<String>,
    /// The names of states, and what became of them if they are new or gone.
    pub states: BTreeSet<String>,
}

/// What has changed from `before` to `after`.
pub fn between(before: &Value, after: &Value) -> Changes {
    let mut changes = Changes::default();
    compare(&mut Vec::new(), before, after, &mut changes);
    changes
}

fn compare<'a>(path: &mut Vec<&'a str>, before: &'a Value, after: &'a Value, changes: &mut Changes) {
    if before == after {
        return;
    }
    if let (Value::Object(one), Value::Object(other)) = (before, after) {
        let none = &Value::Null;
        let of = |fields: &'a Map<String, Value>, name: &str| fields.get(name).unwrap_or(none);
        let names: BTreeSet<&String> = one.keys().chain(other.keys()).filter(|name| *name != "Comment").collect();
        for name in names {
            path.push(name);
            compare(path, of(one, name), of(other, name), changes);
            path.pop();
        }
        return;
    }
    match setting(path) {
        Some(name) => changes.spec.insert(told(&name, before, after)),
        None => changes.states.insert(state(path, before, after)),
    };
}

/// The place in the spec of what a state hands to its function, or of the settings beside it.
fn setting(path: &[&str]) -> Option<String> {
    let place = path.iter().rposition(|name| *name == "Parameters")?;
    let handed = match &path[place + 1..] {
        ["Payload", "execution" | "action", ..] => return None,
        ["Payload", handed @ ..] => handed,
        handed @ ["network_mode"] => handed,
        _ => return None,
    };
    let is_own = !handed.is_empty() && !handed.iter().any(|name| name.ends_with(".$"));
    is_own.then(|| words::visible(&handed.join("."), 80))
}

fn told(name: &str, before: &Value, after: &Value) -> String {
    match (short(before), short(after)) {
        _ if before.is_null() && matches!(after, Value::Object(_) | Value::Array(_)) => format!("{name} is new"),
        _ if after.is_null() => format!("{name} is gone"),
        (_, Some(after)) if before.is_null() => format!("{name} is new: {after}"),
        (Some(before), Some(after)) => format!("{name}: {before} → {after}"),
        _ => format!("{name} is another one"),
    }
}

/// A value that can be told in a phrase.
fn short(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return None,
    };
    (text.chars().count() <= LETTERS).then(|| words::visible(&text, LETTERS))
}

/// The state that a place is in.
fn state(path: &[&str], before: &Value, after: &Value) -> String {
    let Some(place) = path.iter().rposition(|name| *name == "States") else { return "the machine itself".to_owned() };
    let Some(name) = path.get(place + 1) else { return "the machine itself".to_owned() };
    let name = words::visible(name, 80);
    match path.len() == place + 2 {
        true if before.is_null() => format!("{name} is new"),
        true if after.is_null() => format!("{name} is gone"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(target: &Value, seconds: u64) -> Value {
        let payload = json!({"execution": {"job": "j"}, "action": "check", "target": target, "trigger.$": "$"});
        let task =
            |seconds: u64| json!({"Type": "Task", "TimeoutSeconds": seconds, "Parameters": {"Payload": payload}});
        let map = json!({"StartAt": "Pivot", "States": {"Pivot": task(seconds)}});
        json!({"Comment": seconds.to_string(), "StartAt": "Keep", "States": {
            "Keep": {"Type": "Pass", "Parameters": {"network_mode": "vpc"}},
            "Check": task(10), "Load": task(10), "Map": {"Type": "Map", "ItemProcessor": map},
        }})
    }

    fn phrases(before: &Value, after: &Value) -> (Vec<String>, Vec<String>) {
        let Changes { spec, states } = between(before, after);
        (spec.into_iter().collect(), states.into_iter().collect())
    }

    #[test]
    fn of_a_spec_each_change_is_told_once_though_many_states_carry_it() {
        let before = definition(&json!({"table": "t", "create": true, "columns": ["a", "b"], "on": "x"}), 10);
        let after = definition(&json!({"table": "u", "columns": ["a"], "on": "y".repeat(41), "rows": 3}), 10);
        let (spec, states) = phrases(&before, &after);
        let told = [
            "target.columns is another one",
            "target.create is gone",
            "target.on is another one",
            "target.rows is new: 3",
            "target.table: t → u",
        ];
        assert_eq!((spec.as_slice(), states.len()), (&told.map(ToOwned::to_owned)[..], 0));
    }

    #[test]
    fn states_are_named_and_comments_count_for_nothing() {
        let before = definition(&json!({}), 10);
        assert_eq!(between(&before, &before), Changes::default());
        let mut after = definition(&json!({}), 20);
        after["States"]["Wait"] = json!({"Type": "Wait"});
        after["States"].as_object_mut().unwrap().remove("Load");
        after["States"]["Keep"]["Parameters"]["network_mode"] = "toggle".into();
        after["TimeoutSeconds"] = 5.into();
        let (spec, states) = phrases(&before, &after);
        assert_eq!(spec, ["network_mode: vpc → toggle"]);
        assert_eq!(states, ["Load is gone", "Pivot", "Wait is new", "the machine itself"]);
    }
}
