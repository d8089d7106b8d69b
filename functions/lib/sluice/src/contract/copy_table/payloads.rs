//! What the states `PlanCopy`, `CopyWindow` and `ConcludeCopy` pass on, and the documents that their function writes.

use super::prepare::{self, Prepare};
use super::spec::{Mode, Spec};
use super::trigger::Purpose;
use crate::contract::{Execution, ObjectRef};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Input of the function `copy-table`.
#[derive(Debug)]
pub enum CopyTableInput {
    /// Of a state.
    State(Box<StateInput>),
    /// By hand only.
    Prepare(Prepare),
}

impl<'de> Deserialize<'de> for CopyTableInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = serde_json::Value::deserialize(deserializer)?;
        // It may be a prepared payload that was encoded twice, so it is not repeated.
        if !event.is_object() {
            return Err(D::Error::custom("the event is not a JSON object"));
        }
        if event.get("action").is_some_and(|action| action == "prepare") {
            return Prepare::deserialize(event).map(Self::Prepare).map_err(|_| D::Error::custom(prepare::FORM));
        }
        StateInput::deserialize(event).map(|input| Self::State(Box::new(input))).map_err(D::Error::custom)
    }
}

/// Input of a state.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum StateInput {
    /// Which windows?
    Plan(PlanInput),
    /// Copy one, or compare it.
    Copy(CopyInput),
    /// Are all there?
    Conclude(ConcludeInput),
}

/// Input of the state `PlanCopy`.
#[derive(Debug, Deserialize, Serialize)]
pub struct PlanInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub spec: Spec,
    /// What started the execution, as it came: [`Trigger`](super::Trigger).
    pub trigger: serde_json::Value,
}

/// Output of the state `PlanCopy`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct PlanOutput {
    /// What the execution is for.
    pub purpose: Purpose,
    /// How many windows there are to copy or to compare.
    pub window_count: u32,
    /// How many more are missing, which the next runs copy.
    pub windows_left: u64,
    /// The start of the first window, RFC 3339; `None` in the mode `replace`, and without a window.
    pub from: Option<String>,
    /// The end of the last one.
    pub to: Option<String>,
    /// One item per window, for the Map; none in a dry run.
    pub windows: Vec<WindowIndex>,
    /// Each only after the one before it.
    pub in_order: bool,
    /// The [`Plan`], unless there is nothing to do.
    pub plan: Option<ObjectRef>,
    /// How the columns are copied.
    pub columns: ColumnPlan,
    /// In a dry run, about how many rows PostgreSQL expects.
    pub rows_estimated: Option<u64>,
    /// In a dry run, about how many bytes they have.
    pub bytes_estimated: Option<u64>,
    /// What works, but not well.
    pub warnings: Vec<String>,
}

/// How the columns of a table are copied.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct ColumnPlan {
    /// How many.
    pub count: u32,
    /// `binary` or `text`, as COPY has it.
    pub format: String,
    /// Those that become another type at the source, each as `name: from -> to`.
    pub casts: Vec<String>,
    /// Columns of the source that are left out.
    pub ignored: Vec<String>,
    /// Rows of the source that belong to no window.
    pub rows_without_window: u64,
}

/// One item of the Map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct WindowIndex {
    /// Its number in the [`Plan`], from 0.
    pub index: u32,
}

/// The windows of one execution.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct Plan {
    /// What the execution is for.
    pub purpose: Purpose,
    /// By index.
    pub windows: Vec<PlannedWindow>,
    /// The source's cursor is a date, which the target may have as a time.
    #[serde(default)]
    pub cursor_is_date: bool,
}

/// One window of an execution.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct PlannedWindow {
    /// Which one; `None` for the whole table.
    pub window: Option<Window>,
    /// The one before it, if the job depends on that.
    #[serde(default)]
    pub previous: Option<Window>,
    /// It is there, and copied again only if it differs.
    #[serde(default)]
    pub recheck: bool,
}

/// A half-open window of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Window {
    /// Its first instant, RFC 3339 in UTC.
    pub start: String,
    /// The first instant that is no longer in it.
    pub end: String,
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.start, self.end)
    }
}

/// Input of the state `CopyWindow`.
#[derive(Debug, Deserialize, Serialize)]
pub struct CopyInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub spec: Spec,
    /// The [`Plan`].
    pub plan: ObjectRef,
    /// Which of its windows.
    pub window: WindowIndex,
}

/// What became of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its rows are in the target, and something was written.
    Copied,
    /// They were there already.
    Unchanged,
    /// Both sides are equal; nothing was written.
    Equal,
}

/// Output of the state `CopyWindow`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct CopyOutput {
    /// What became of it.
    pub outcome: Outcome,
    /// How.
    pub mode: Mode,
    /// Rows of the source in the window.
    pub rows: u64,
    /// Their size as COPY has them, in bytes.
    pub bytes: u64,
    /// Rows that were new.
    pub rows_inserted: u64,
    /// Rows that changed.
    pub rows_updated: u64,
    /// Rows that the source no longer has there.
    pub rows_deleted: u64,
    /// Rows that stayed as they were.
    pub rows_unchanged: u64,
    /// Rows of the target that are newer than the source's, hence stayed.
    pub rows_newer: u64,
    /// Of a comparison in the mode `upsert`: rows of the target that the source does not have in the window. That mode
    /// deletes nothing, so these are no difference.
    #[serde(default)]
    pub rows_only_at_target: u64,
}

/// Why a window was not copied.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct WindowFailure {
    /// Which one; `None` for the whole table.
    pub window: Option<Window>,
    /// The error's name.
    pub error: String,
    /// What happened.
    pub cause: String,
    /// When, RFC 3339.
    pub failed_at: String,
}

/// Input of the state `ConcludeCopy`.
#[derive(Debug, Deserialize, Serialize)]
pub struct ConcludeInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub spec: Spec,
    /// The [`Plan`].
    pub plan: ObjectRef,
    /// What the Map's iterations say.
    pub results: Vec<WindowResult>,
}

/// What an iteration of the Map says.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct WindowResult {
    /// Which window.
    pub index: u32,
    /// The name of the error that it ended with, if it did.
    #[serde(default)]
    pub error: Option<String>,
    /// As [`CopyOutput::rows_newer`].
    #[serde(default)]
    pub rows_newer: u64,
    /// As [`CopyOutput::rows_only_at_target`].
    #[serde(default)]
    pub rows_only_at_target: u64,
}

/// Output of the state `ConcludeCopy`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct ConcludeOutput {
    /// What the execution was for.
    pub purpose: Purpose,
    /// How many windows are copied, or found equal.
    pub windows: u64,
    /// Rows of the source in these, of the windows that this execution wrote down.
    pub rows: u64,
    /// Their size as COPY has them, in bytes.
    pub bytes: u64,
    /// Rows that were new.
    pub rows_inserted: u64,
    /// Rows that changed.
    pub rows_updated: u64,
    /// Rows that the source no longer has.
    pub rows_deleted: u64,
    /// Rows that stayed as they were.
    pub rows_unchanged: u64,
    /// In the mode `upsert`: rows of the target that are newer than the source's. They stay, and are no difference.
    #[serde(default)]
    pub rows_newer: u64,
    /// Of a comparison in the mode `upsert`: rows that only the target has, which that mode leaves there.
    #[serde(default)]
    pub rows_only_at_target: u64,
    /// In the mode `replace`: statements that make the target's own sequences go on after the copied rows, for whoever
    /// wants that.
    #[serde(default)]
    pub sequences: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_action_chooses_and_the_spec_is_strict() {
        let mut event = json!({
            "action": "plan",
            "execution": {
                "job": "users", "id": "arn:aws:states:eu-central-1:1:execution:dev-users:x", "name": "x",
                "started_at": "2024-01-02T02:00:00.000Z",
                "state_machine": "arn:aws:states:eu-central-1:1:stateMachine:dev-users",
            },
            "source": {"schema": "public", "table": "users"},
            "target": {"schema": "public", "table": "users", "mode": "replace"},
            "windows": null,
            "trigger": {},
        });
        let read = |event: &serde_json::Value| serde_json::from_value::<CopyTableInput>(event.clone());
        let CopyTableInput::State(input) = read(&event).unwrap() else { panic!("a state") };
        assert!(matches!(*input, StateInput::Plan(input) if input.spec.check().is_ok()));
        event["target"]["keys"] = json!(["id"]);
        assert!(read(&event).unwrap_err().to_string().contains("/target/keys: there is no such field; did you mean"));
        event["action"] = json!("drop");
        assert!(read(&event).is_err());
    }

    /// A history keeps what a state machine sends, and a log what is refused.
    #[test]
    fn prepare_is_called_by_hand_and_never_repeated() {
        let prepare = json!({"action": "prepare", "end": "source", "user": "u", "password": "hush", "table": "t"});
        let with = |name: &str, value: serde_json::Value| {
            let mut event = prepare.clone();
            event[name] = value;
            serde_json::from_value::<CopyTableInput>(event)
        };
        let read = with("transactions", json!(false)).unwrap();
        assert!(matches!(&read, CopyTableInput::Prepare(input) if !input.transactions && input.schema == "public"));
        assert!(!format!("{read:?}").contains("hush"));
        for (name, value) in [
            ("execution", json!({"id": "x"})),
            ("password", json!(["hush"])),
            ("user", json!({"hush": 1})),
            ("end", json!("hush")),
        ] {
            let error = with(name, value).unwrap_err().to_string();
            assert!(error.contains("prepare takes") && !error.contains("hush"), "{error}");
        }
        let error = serde_json::from_value::<CopyTableInput>(prepare.to_string().into()).unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
    }
}
