//! Runs that ended badly, as detection hands them on in the manifest: the load that comes next writes them down. Only
//! history: nothing reads them back to decide anything, so what is not understood of them is left out, and refuses
//! nothing.

use crate::contract::plain_state_machine;
use crate::time::{format_time, parse_time};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// How many are handed on at most: the newest.
pub const MOST_ENDED_BADLY: usize = 100;

/// How long the name of an error may be, in characters, at Step Functions as well.
const MOST_ERROR_CHARS: usize = 256;

/// From 1970 until the year 10000, in seconds: others have no text.
const YEARS: std::ops::Range<i64> = 0..253_402_300_800;

/// How a run ended that did not end well, in the words of Step Functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BadEnd {
    /// By an error.
    Failed,
    /// It took longer than the state machine allows.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

/// A run that ended badly.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct EndedBadly {
    /// ARN of the execution.
    pub execution: String,
    /// How it ended.
    pub status: BadEnd,
    /// When it was started, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    pub ended_at: String,
    /// The name of the error, if it is known. Never its cause, which may say more than names and counts.
    #[serde(default)]
    pub error: Option<String>,
}

impl EndedBadly {
    /// It, as a database takes it: times in the form that functions write, an error's name of bounded length and
    /// without control characters. `None` if it is none of such.
    #[must_use]
    pub fn checked(self) -> Option<Self> {
        let time = |text: &str| parse_time(text).ok().filter(|time| YEARS.contains(&time.secs())).map(format_time);
        let is_arn = self.execution.split(':').count() == 8 && !self.execution.contains(char::is_control);
        let error = self.error.map(|name| name.chars().filter(|c| !c.is_control()).take(MOST_ERROR_CHARS).collect());
        Some(Self {
            execution: Some(self.execution).filter(|_| is_arn)?,
            status: self.status,
            started_at: time(&self.started_at)?,
            ended_at: time(&self.ended_at)?,
            error: error.filter(|name: &String| !name.is_empty()),
        })
    }

    /// Whether it is a run of this state machine, whose ARN may have a version or an alias.
    #[must_use]
    pub fn is_of(&self, state_machine: &str) -> bool {
        let prefix = plain_state_machine(state_machine).replacen(":stateMachine:", ":execution:", 1);
        self.execution.rsplit_once(':').is_some_and(|(machine, _)| machine == prefix)
    }
}

/// Reads what is understood of a list, whatever it is.
pub(super) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EndedBadly>, D::Error> {
    let Value::Array(items) = Value::deserialize(deserializer)? else { return Ok(Vec::new()) };
    let items = items.into_iter().filter_map(|item| EndedBadly::deserialize(item).ok()?.checked());
    Ok(items.take(MOST_ENDED_BADLY).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Manifest;
    use serde_json::json;

    fn run(name: &str) -> Value {
        json!({"execution": format!("arn:aws:states:us-east-1:1:execution:m:{name}"), "status": "FAILED",
               "started_at": "2024-01-01T00:00:00.000Z", "ended_at": "2024-01-01T00:01:00.000Z", "error": "InvalidSource"})
    }

    fn manifest(ended_badly: Option<Value>) -> Value {
        let print = json!({"target": "public.t", "on_overlap": "all_files", "reading": "r",
                           "selection": {"bucket": "b", "prefix": "in/", "suffixes": [".csv"], "read_hidden": false}});
        let mut manifest = json!({"detected_at": "2024-01-02T00:00:00.000Z", "new_file_count": 0, "new_bytes": 0,
                                  "print": print, "batches": []});
        if let Some(ended_badly) = ended_badly {
            manifest["ended_badly"] = ended_badly;
        }
        manifest
    }

    fn read(ended_badly: Option<Value>) -> Vec<EndedBadly> {
        serde_json::from_value::<Manifest>(manifest(ended_badly)).unwrap().ended_badly
    }

    #[test]
    fn what_is_handed_on_comes_back_as_it_was() {
        let mut stopped = run("b");
        (stopped["status"], stopped["error"]) = (json!("ABORTED"), Value::Null);
        let written = json!([run("a"), stopped]);
        let manifest: Manifest = serde_json::from_value(manifest(Some(written.clone()))).unwrap();
        assert_eq!(json!(manifest)["ended_badly"], written);
        assert_eq!(manifest.ended_badly[1].status, BadEnd::Aborted);
    }

    #[test]
    fn what_is_not_understood_is_left_out_and_refuses_nothing() {
        assert_eq!(read(None), [], "of a version that handed nothing on");
        for wrong in [json!(null), json!(7), json!("x"), json!({"a": 1}), json!([7, null, {}, []])] {
            assert_eq!(read(Some(wrong.clone())), [], "{wrong}");
        }
        let with = |field: &str, value: Value| {
            let mut wrong = run("wrong");
            wrong[field] = value;
            wrong
        };
        let all = json!([
            with("status", json!("SUCCEEDED")),
            with("status", json!(1)),
            with("started_at", json!("yesterday")),
            with("ended_at", Value::Null),
            with("ended_at", json!("9999-12-31T23:59:59-10:00")),
            with("execution", json!("arn:aws:states:us-east-1:1:execution:m:\u{0}")),
            with("execution", json!("x")),
            run("right"),
        ]);
        assert_eq!(read(Some(all)).len(), 1);
        let names = read(Some(json!([with("error", json!(format!("\u{0}{}", "é".repeat(300))))])));
        assert_eq!(names[0].error, Some("é".repeat(256)));
        let many: Vec<Value> = (0..150).map(|number| run(&number.to_string())).collect();
        assert_eq!(read(Some(json!(many))).len(), MOST_ENDED_BADLY);
    }

    #[test]
    fn a_run_of_another_state_machine_is_told_apart() {
        let [run] = &read(Some(json!([run("a")])))[..] else { panic!("one") };
        assert!(run.is_of("arn:aws:states:us-east-1:1:stateMachine:m"));
        assert!(run.is_of("arn:aws:states:us-east-1:1:stateMachine:m:live"));
        for other in ["arn:aws:states:us-east-1:1:stateMachine:m2", "arn:aws:states:us-east-1:2:stateMachine:m", "x"] {
            assert!(!run.is_of(other), "{other}");
        }
    }
}
