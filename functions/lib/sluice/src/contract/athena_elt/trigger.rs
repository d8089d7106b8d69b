//! What may start an execution. Callers choose among values that the spec allows, and say no SQL.

use super::variables::Values;
use serde::Deserialize;

/// A valid start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trigger {
    /// The variables that it sets.
    pub variables: Values,
}

/// All fields of all starts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    #[serde(default)]
    variables: Values,
    /// Every run makes all of it anew, so that the time does not matter.
    scheduled_time: Option<String>,
    /// Another job's name, whose success started this one.
    after: Option<String>,
    /// The console suggests an input that holds just this.
    #[serde(rename = "Comment", alias = "comment")]
    _comment: Option<String>,
    /// Added by Step Functions when another state machine starts this one.
    #[serde(rename = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID")]
    _started_by: Option<String>,
}

impl Trigger {
    /// Reads the input of an execution.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(input: &serde_json::Value) -> Result<Self, String> {
        if !input.is_object() {
            return Err("the input is not a JSON object".to_owned());
        }
        let Start { variables, scheduled_time, after, .. } =
            Start::deserialize(input).map_err(|error| error.to_string())?;
        if (scheduled_time.is_some() || after.is_some()) && !variables.is_empty() {
            return Err("scheduled_time and after stand alone".to_owned());
        }
        Ok(Self { variables })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn starts_are_read() {
        for input in [
            json!({}),
            json!({"Comment": "Insert your JSON here"}),
            json!({"after": "sales"}),
            json!({"scheduled_time": "2024-01-01T02:00:00Z"}),
            json!({"variables": {}}),
        ] {
            assert_eq!(Trigger::read(&input), Ok(Trigger::default()), "{input}");
        }
        let genre = Values::from([("genre".to_owned(), json!("Drama"))]);
        assert_eq!(Trigger::read(&json!({"variables": {"genre": "Drama"}})), Ok(Trigger { variables: genre }));
    }

    #[test]
    fn other_starts_are_refused() {
        for (input, expected) in [
            (json!([]), "not a JSON object"),
            (json!({"select": "SELECT 1"}), "unknown field `select`"),
            (json!({"table": "users"}), "unknown field `table`"),
            (json!({"variables": ["Drama"]}), "invalid type"),
            (json!({"after": "sales", "variables": {"genre": "Drama"}}), "stand alone"),
        ] {
            let error = Trigger::read(&input).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
