//! What may start an execution. Callers choose times only.

use crate::contract::copy_table::{Instant, Moment};
use serde::{Deserialize, Serialize};

/// A valid start.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Which rows.
    pub range: Range,
    /// What it is for.
    pub purpose: LoadPurpose,
}

/// Which rows an execution is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Range {
    /// Those that a scheduled run has to load.
    Scheduled {
        /// When it was to start; `None` for a start by hand, and where the scheduler does not fill it in.
        at: Option<Instant>,
    },
    /// All windows from a time on and before another: a backfill.
    Between {
        /// The start of the first window.
        from: Moment,
        /// The end of the last one.
        to: Moment,
        /// Only those that are missing.
        only_missing: bool,
    },
    /// The whole table is replaced, if the spec allows that.
    Full,
    /// The windows in which these times lie, of which the output says whether they are loaded.
    Named(Vec<Moment>),
}

/// How many windows can be named: what is said of them stands in a payload.
pub const MAX_NAMED: usize = 50;

/// What an execution is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadPurpose {
    /// To load.
    #[default]
    Load,
    /// To say what would be loaded and how, without a write.
    DryRun,
    /// To say of windows whether they are loaded, and why not.
    Explain,
    /// To compare what is loaded with MySQL, without a write.
    Audit,
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
    #[serde(default)]
    full: bool,
    #[serde(default)]
    dry_run: bool,
    explain: Option<Vec<Moment>>,
    #[serde(default)]
    audit: bool,
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
        let start = Start::deserialize(input).map_err(|error| error.to_string())?;
        let Start { scheduled_time, from, to, only_missing, full, dry_run, explain, audit, after, .. } = start;
        let is_by_hand = dry_run || full || from.is_some() || to.is_some();
        let stands_alone = !is_by_hand && !only_missing && scheduled_time.is_none() && after.is_none();
        if audit {
            return match stands_alone && explain.is_none() {
                true => Ok(Self { range: Range::Scheduled { at: None }, purpose: LoadPurpose::Audit }),
                false => Err("audit stands alone".to_owned()),
            };
        }
        if let Some(named) = explain {
            return match named.len() {
                _ if !stands_alone => Err("explain stands alone".to_owned()),
                1..=MAX_NAMED => Ok(Self { range: Range::Named(named), purpose: LoadPurpose::Explain }),
                count => Err(format!("explain names {count} times, not 1 to {MAX_NAMED}")),
            };
        }
        if is_by_hand && (scheduled_time.is_some() || after.is_some()) {
            return Err("scheduled_time and after stand alone".to_owned());
        }
        let range = match (from, to) {
            (None, None) if only_missing => return Err("only_missing needs from and to".to_owned()),
            (None, None) if full => Range::Full,
            _ if full => return Err("full goes without from and to".to_owned()),
            (Some(from), Some(to)) => Range::Between { from, to, only_missing },
            (None, None) => {
                let at = scheduled_time.filter(|time| time != SCHEDULED_TIME).map(Instant::try_from).transpose()?;
                Range::Scheduled { at }
            }
            _ => return Err("from and to belong together".to_owned()),
        };
        Ok(Self { range, purpose: if dry_run { LoadPurpose::DryRun } else { LoadPurpose::Load } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn starts_are_read() {
        let moment = |text: &str| Moment::try_from(text.to_owned()).unwrap();
        let scheduled =
            |at: Option<&str>| Range::Scheduled { at: at.map(|at| Instant::try_from(at.to_owned()).unwrap()) };
        let between =
            |only_missing| Range::Between { from: moment("2018-07-01"), to: moment("2018-08-01"), only_missing };
        let time = "2024-01-01T02:00:00Z";
        for (input, range, dry_run) in [
            (json!({}), scheduled(None), false),
            (json!({"Comment": "Insert your JSON here"}), scheduled(None), false),
            (json!({"after": "sales"}), scheduled(None), false),
            (json!({"scheduled_time": SCHEDULED_TIME}), scheduled(None), false),
            (json!({"scheduled_time": time}), scheduled(Some(time)), false),
            (json!({"dry_run": true}), scheduled(None), true),
            (json!({"full": true}), Range::Full, false),
            (json!({"from": "2018-07-01", "to": "2018-08-01"}), between(false), false),
            (json!({"from": "2018-07-01", "to": "2018-08-01", "only_missing": true}), between(true), false),
            (json!({"from": "2018-07-01", "to": "2018-08-01", "dry_run": true}), between(false), true),
        ] {
            let purpose = if dry_run { LoadPurpose::DryRun } else { LoadPurpose::Load };
            assert_eq!(Trigger::read(&input), Ok(Trigger { range, purpose }), "{input}");
        }
        let audit = Trigger { range: scheduled(None), purpose: LoadPurpose::Audit };
        assert_eq!(Trigger::read(&json!({"audit": true})), Ok(audit));
        let named = Range::Named(vec![moment("2018-07-01"), moment("2018-07-02T12:00:00Z")]);
        let input = json!({"explain": ["2018-07-01", "2018-07-02T12:00:00Z"]});
        assert_eq!(Trigger::read(&input), Ok(Trigger { range: named, purpose: LoadPurpose::Explain }));
    }

    #[test]
    fn other_starts_are_refused() {
        for (input, expected) in [
            (json!([]), "not a JSON object"),
            (json!({"form": "2018-07-01"}), "unknown field `form`"),
            (json!({"table": "users"}), "unknown field `table`"),
            (json!({"from": "2018-07-01"}), "belong together"),
            (json!({"from": "'; drop table x", "to": "2018-08-01"}), "is neither a date"),
            (json!({"from": "2018-07-01", "to": "2018-08-01", "full": true}), "goes without"),
            (json!({"scheduled_time": "2024-01-01T02:00:00Z", "full": true}), "stand alone"),
            (json!({"scheduled_time": "soon"}), "\"soon\" is not a time"),
            (json!({"only_missing": true}), "needs from and to"),
            (json!({"audit": true, "from": "2018-07-01", "to": "2018-08-01"}), "audit stands alone"),
            (json!({"audit": true, "explain": ["2018-07-01"]}), "audit stands alone"),
            (json!({"explain": []}), "explain names 0 times"),
            (json!({"explain": ["yesterday"]}), "is neither a date"),
            (json!({"explain": ["2018-07-01"], "dry_run": true}), "explain stands alone"),
            (json!({"explain": ["2018-07-01"], "scheduled_time": "2024-01-01T02:00:00Z"}), "explain stands alone"),
        ] {
            let error = Trigger::read(&input).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
