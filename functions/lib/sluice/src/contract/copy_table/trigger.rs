//! What may start an execution. Callers choose times only.

use super::windows::Day;
use serde::{Deserialize, Serialize};

/// A valid start.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Which windows.
    pub range: Range,
    /// What for.
    pub purpose: Purpose,
}

/// Which windows an execution is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Range {
    /// Those that a scheduled run has to copy.
    Scheduled {
        /// When it was to start; `None` for a start by hand, and where the scheduler does not fill it in.
        at: Option<Instant>,
    },
    /// All from a time on and before another.
    Between {
        /// The start of the first window.
        from: Moment,
        /// The end of the last one.
        to: Moment,
        /// Only those that are missing.
        only_missing: bool,
    },
}

/// What an execution is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To copy.
    #[default]
    Load,
    /// To compare, without a write.
    Verify,
    /// To say what would be copied and how, without a write.
    DryRun,
}

/// A date in the job's zone, or an instant.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub enum Moment {
    /// Its midnight, or what comes first on that day.
    Day(Day),
    /// RFC 3339.
    Instant(Instant),
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let error = format!("{text:?} is neither a date such as 2024-01-31 nor a time such as 2024-01-31T06:00:00Z");
        match text.len() {
            10 => Day::try_from(text).map(Self::Day),
            _ => Instant::try_from(text).map(Self::Instant),
        }
        .map_err(|_| error)
    }
}

/// An instant, as RFC 3339 has it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Instant(String);

impl Instant {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Instant {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match crate::time::parse_time(&text) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(format!("{text:?} is not a time such as 2024-01-31T06:00:00Z")),
        }
    }
}

/// What EventBridge Scheduler replaces by the time. Some local ones do not.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// All fields of all starts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    scheduled_time: Option<String>,
    from: Option<Moment>,
    to: Option<Moment>,
    #[serde(default)]
    only_missing: bool,
    verify: Option<Verified>,
    #[serde(default)]
    dry_run: bool,
    /// Another job's name, whose success started this one.
    after: Option<String>,
    /// The console suggests an input that holds just this.
    #[serde(rename = "Comment", alias = "comment")]
    _comment: Option<String>,
    /// Added by Step Functions when another state machine starts this one.
    #[serde(rename = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID")]
    _started_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verified {
    from: Option<Moment>,
    to: Option<Moment>,
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
        let start = Start::deserialize(input).map_err(|error| error.to_string())?;
        let Start { scheduled_time, from, to, only_missing, verify, dry_run, after, .. } = start;
        if verify.is_some() && (dry_run || only_missing || from.is_some() || to.is_some()) {
            return Err("verify stands alone".to_owned());
        }
        let has_cause = scheduled_time.is_some() || after.is_some();
        let is_by_hand = dry_run || verify.is_some() || from.is_some() || to.is_some();
        if has_cause && is_by_hand {
            return Err("scheduled_time and after stand alone".to_owned());
        }
        let purpose = match (&verify, dry_run) {
            (Some(_), _) => Purpose::Verify,
            (None, true) => Purpose::DryRun,
            (None, false) => Purpose::Load,
        };
        let (from, to) = verify.map_or((from, to), |verify| (verify.from, verify.to));
        let range = match (from, to) {
            (Some(from), Some(to)) => Range::Between { from, to, only_missing },
            (None, None) if only_missing => return Err("only_missing needs from and to".to_owned()),
            (None, None) => {
                let at = scheduled_time.filter(|time| time != SCHEDULED_TIME).map(Instant::try_from).transpose()?;
                Range::Scheduled { at }
            }
            _ => return Err("from and to belong together".to_owned()),
        };
        Ok(Self { range, purpose })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn moment(text: &str) -> Moment {
        Moment::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn starts_are_read() {
        let scheduled =
            |at: Option<&str>| Range::Scheduled { at: at.map(|at| Instant::try_from(at.to_owned()).unwrap()) };
        let between = |only_missing| Range::Between {
            from: moment("2024-01-01"),
            to: moment("2024-02-01T00:00:00Z"),
            only_missing,
        };
        let time = "2024-01-01T02:00:00Z";
        for (input, range, purpose) in [
            (json!({}), scheduled(None), Purpose::Load),
            (json!({"Comment": "Insert your JSON here"}), scheduled(None), Purpose::Load),
            (json!({"after": "sales"}), scheduled(None), Purpose::Load),
            (json!({"scheduled_time": SCHEDULED_TIME}), scheduled(None), Purpose::Load),
            (json!({"scheduled_time": time}), scheduled(Some(time)), Purpose::Load),
            (json!({"dry_run": true}), scheduled(None), Purpose::DryRun),
            (json!({"verify": {}}), scheduled(None), Purpose::Verify),
            (json!({"from": "2024-01-01", "to": "2024-02-01T00:00:00Z"}), between(false), Purpose::Load),
            (
                json!({"from": "2024-01-01", "to": "2024-02-01T00:00:00Z", "only_missing": true}),
                between(true),
                Purpose::Load,
            ),
            (
                json!({"from": "2024-01-01", "to": "2024-02-01T00:00:00Z", "dry_run": true}),
                between(false),
                Purpose::DryRun,
            ),
            (json!({"verify": {"from": "2024-01-01", "to": "2024-02-01T00:00:00Z"}}), between(false), Purpose::Verify),
        ] {
            assert_eq!(Trigger::read(&input), Ok(Trigger { range, purpose }), "{input}");
        }
    }

    #[test]
    fn other_starts_are_refused() {
        for (input, expected) in [
            (json!([]), "not a JSON object"),
            (json!({"form": "2024-01-01"}), "unknown field `form`"),
            (json!({"from": "2024-01-01"}), "belong together"),
            (json!({"from": "2024-01-32", "to": "2024-02-01"}), "\"2024-01-32\" is neither a date"),
            (json!({"from": "'; drop table x", "to": "2024-02-01"}), "is neither a date"),
            (json!({"from": "2024-01-01T00:00:00", "to": "2024-02-01"}), "is neither a date"),
            (json!({"scheduled_time": "soon"}), "\"soon\" is not a time"),
            (json!({"scheduled_time": "2024-01-01T00:00:00Z", "dry_run": true}), "stand alone"),
            (json!({"verify": {}, "dry_run": true}), "verify stands alone"),
            (json!({"only_missing": true}), "needs from and to"),
            (json!({"table": "users"}), "unknown field `table`"),
        ] {
            let error = Trigger::read(&input).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
