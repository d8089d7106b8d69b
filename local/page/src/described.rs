//! A job, by the definition of its state machine: the states carry its name and its spec.

use crate::definition::Definition;
use crate::kind::Kind;
use crate::model::{Job, JobSpec};
use serde_json::Value;

/// The job of a definition: by what its states hand to their functions.
pub(crate) fn job(machine: &str, prefix: &str, text: &str) -> Option<Job> {
    let value: Value = serde_json::from_str(text).ok()?;
    let definition = Definition::read(&value)?;
    let kind = Kind::of(&definition)?;
    let payloads = payloads(&value);
    let name = payloads.iter().find_map(|payload| payload["execution"]["job"].as_str())?.to_owned();
    // Another stack's name may begin with this one's.
    if format!("{prefix}{name}") != machine {
        return None;
    }
    let part = |field: &str| {
        let mut parts = payloads.iter().map(|payload| &payload[field]);
        parts.find(|part| !part.is_null()).cloned().unwrap_or_default()
    };
    let spec = JobSpec {
        prefix: part("prefix").as_str().unwrap_or_default().to_owned(),
        source: part("source"),
        shape: part("shape"),
        target: part("target"),
        windows: part("windows"),
        is_toggled: is_toggled(&value),
    };
    Some(Job {
        name,
        kind,
        machine: machine.to_owned(),
        definition: definition.into(),
        spec: spec.into(),
        schedule: None,
        runs: None,
        is_cut: false,
        is_history_cut: false,
        missing: std::collections::BTreeSet::new(),
        files: None,
        windows: None,
        unread_windows: 0,
    })
}

/// Whether a definition says that its network mode is `toggle`.
fn is_toggled(value: &Value) -> bool {
    let mut states = value["States"].as_object().into_iter().flat_map(serde_json::Map::values);
    states.any(|state| state["Parameters"]["network_mode"] == "toggle")
}

/// What the tasks of a definition hand to their functions.
fn payloads(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) => {
            let own = value["Parameters"]["Payload"].is_object().then(|| &value["Parameters"]["Payload"]);
            own.into_iter().chain(fields.values().flat_map(payloads)).collect()
        }
        Value::Array(items) => items.iter().flat_map(payloads).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(job: &str) -> String {
        let payload = json!({"execution": {"job": job, "id.$": "$$.Execution.Id"}, "prefix": "in/",
                             "source": {"suffix": ".csv"}, "target": {"table": "t"}});
        json!({"StartAt": "DetectNewFiles", "States": {
            "DetectNewFiles": {"Type": "Task", "Parameters": {"Payload": payload}, "Next": "PivotFiles"},
            "PivotFiles": {"Type": "Map", "End": true, "ItemProcessor": {
                "StartAt": "Pivot", "States": {"Pivot": {"Type": "Task", "End": true}}}},
        }})
        .to_string()
    }

    #[test]
    fn a_job_is_known_by_what_its_states_say() {
        let prefix = "arn:aws:states:x:1:stateMachine:sluice-";
        let toggled = text("sales").replacen(
            "\"States\":{",
            "\"States\":{\"KeepInput\":{\"Type\":\"Pass\",\"Parameters\":{\"network_mode\":\"toggle\"},\"End\":true},",
            1,
        );
        assert!(job(&format!("{prefix}sales"), prefix, &toggled).unwrap().spec.is_toggled);
        let found = job(&format!("{prefix}sales"), prefix, &text("sales")).unwrap();
        assert_eq!((found.name.as_str(), found.kind), ("sales", Kind::TransformAndUpsert));
        assert!(!found.spec.is_toggled);
        assert_eq!((found.spec.prefix.as_str(), found.spec.table().as_str()), ("in/", "public.t"));
        // The job sales of a stack sluice-prod is not the job prod-sales of the stack sluice.
        assert!(job(&format!("{prefix}prod-sales"), prefix, &text("sales")).is_none());
        assert!(job(&format!("{prefix}x"), prefix, "{}").is_none());
    }
}
