//! What the states pass on.

use super::audit::{AuditSourceInput, AuditTargetInput};
use super::documents::{Changed, LoadCounts};
use super::prepare::{self, PrepareSource, PrepareTarget};
use super::spec::Parts;
use super::trigger::LoadPurpose;
use crate::contract::copy_table::{Window, WindowIndex};
use crate::contract::{Execution, ObjectRef};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Input of the function `export-table`.
#[derive(Debug)]
pub enum ExportTableInput {
    /// Of a state.
    State(ExportTableState),
    /// By hand only.
    Prepare(PrepareSource),
}

impl<'de> Deserialize<'de> for ExportTableInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = serde_json::Value::deserialize(deserializer)?;
        // It may be a prepared payload that was encoded twice, so it is not repeated.
        if !event.is_object() {
            return Err(D::Error::custom("the event is not a JSON object"));
        }
        if event.get("action").is_some_and(|action| action == "prepare") {
            return PrepareSource::deserialize(event).map(Self::Prepare).map_err(|_| D::Error::custom(prepare::FORM));
        }
        ExportTableState::deserialize(event).map(Self::State).map_err(D::Error::custom)
    }
}

/// Input of the states `InspectSource`, `ExportTable` and `AuditSource`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ExportTableState {
    /// Which columns does the table have?
    Inspect(InspectInput),
    /// Read a window.
    Export(ExportInput),
    /// Read the table for an audit.
    Audit(AuditSourceInput),
}

/// Input of the state `InspectSource`.
#[derive(Debug, Deserialize, Serialize)]
pub struct InspectInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: Parts,
}

/// Output of the state `InspectSource`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct InspectOutput {
    /// The [`SourceTable`](super::SourceTable).
    pub table: ObjectRef,
    /// How many columns it has.
    pub column_count: u64,
}

/// Input of the state `ExportTable`.
#[derive(Debug, Deserialize, Serialize)]
pub struct ExportInput {
    /// This execution.
    pub execution: Execution,
    /// The [`Plan`](super::Plan).
    pub plan: ObjectRef,
    /// Which of its windows.
    pub window: WindowIndex,
    /// What an earlier call has left over: the [`Export`](super::Export) that it ended with.
    #[serde(default)]
    pub export: Option<ObjectRef>,
}

/// Output of the state `ExportTable`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct ExportOutput {
    /// The [`Export`](super::Export).
    pub export: ObjectRef,
    /// Nothing is left to read.
    pub is_done: bool,
    /// Rows so far.
    pub rows: u64,
    /// Size of the parts so far, in bytes.
    pub bytes: u64,
}

/// Input of the function `plan-export`.
#[derive(Debug)]
pub enum PlanExportEvent {
    /// Of the state.
    Plan(Box<PlanExportInput>),
    /// By hand only.
    Prepare(PrepareTarget),
}

impl<'de> Deserialize<'de> for PlanExportEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = serde_json::Value::deserialize(deserializer)?;
        let read = match event.get("action") {
            Some(_) => PrepareTarget::deserialize(event).map(Self::Prepare),
            None => PlanExportInput::deserialize(event).map(|input| Self::Plan(Box::new(input))),
        };
        read.map_err(D::Error::custom)
    }
}

/// Input of the state `PlanExport`.
#[derive(Debug, Deserialize, Serialize)]
pub struct PlanExportInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: Parts,
    /// The [`SourceTable`](super::SourceTable).
    pub table: ObjectRef,
    /// What started the execution, as it came: [`Trigger`](super::Trigger).
    pub trigger: serde_json::Value,
}

/// Output of the state `PlanExport`.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct PlanExportOutput {
    /// What the execution is for.
    pub purpose: LoadPurpose,
    /// How many windows there are to load.
    pub window_count: u64,
    /// How many more are missing, which the next runs load.
    pub windows_left: u64,
    /// The start of the first window, RFC 3339; `None` for the whole table, and without a window.
    pub from: Option<String>,
    /// The end of the last one.
    pub to: Option<String>,
    /// One item per window, for the Map; none in a dry run, one for all of them in an audit.
    pub windows: Vec<WindowIndex>,
    /// The [`Plan`](super::Plan), unless there is nothing to do.
    pub plan: Option<ObjectRef>,
    /// How many columns go over.
    pub column_count: u64,
    /// Columns of the source that are left out.
    pub ignored: Vec<String>,
    /// In a dry run, how each column goes over: `name: from -> to`.
    pub mapping: Vec<String>,
    /// About how many rows MySQL takes the table to have.
    pub rows_estimated: Option<u64>,
    /// What works, but not well.
    pub warnings: Vec<String>,
    /// Of the windows that were asked for.
    #[serde(default)]
    pub explained: Vec<Explanation>,
}

/// Whether a window is loaded, and why not.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Explanation {
    /// The time that was named.
    pub at: String,
    /// The window in which it lies; `None` before the first one.
    pub window: Option<Window>,
    /// Whether what it holds is in the target.
    pub is_loaded: bool,
    /// By which run, or who will load it.
    pub reason: String,
}

/// Input of the function `load-redshift`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum LoadRedshiftInput {
    /// Submit the batch of a window, or find it submitted.
    Load(LoadInput),
    /// Is it loaded?
    Status(LoadInput),
    /// All windows are loaded: sum them up.
    Conclude(ConcludeLoadInput),
    /// Compare the target with what was read for an audit.
    Audit(AuditTargetInput),
}

/// Input of the states `LoadRedshift` and `CheckLoad`.
#[derive(Debug, Deserialize, Serialize)]
pub struct LoadInput {
    /// This execution.
    pub execution: Execution,
    /// The [`Plan`](super::Plan).
    pub plan: ObjectRef,
    /// Which of its windows.
    pub window: WindowIndex,
    /// The [`Export`](super::Export) of the window.
    pub export: ObjectRef,
    /// The id of the batch, as an earlier answer had it.
    #[serde(default)]
    pub statement: Option<String>,
}

/// Output of the states `LoadRedshift` and `CheckLoad`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct LoadOutput {
    /// The id of the batch at the Data API.
    pub statement: String,
    /// Whether it has loaded the window.
    pub is_loaded: bool,
    /// When to ask again, if it has not: in so many seconds.
    pub pause_seconds: u64,
}

/// Input of the state `ConcludeLoad`.
#[derive(Debug, Deserialize, Serialize)]
pub struct ConcludeLoadInput {
    /// This execution.
    pub execution: Execution,
    /// The [`Plan`](super::Plan).
    pub plan: ObjectRef,
}

/// Output of the state `ConcludeLoad`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct ConcludeLoadOutput {
    /// How many windows are loaded.
    pub windows: u64,
    /// What was done, all windows together.
    #[serde(flatten)]
    pub counts: LoadCounts,
    /// What policies changed, all windows together.
    pub changed: Changed,
}

/// What a run did: `state/<job>/runs/<execution>.json`, written once everything is loaded.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct LoadRun {
    /// ARN of the execution.
    pub execution: String,
    /// When it was started, RFC 3339.
    pub started_at: String,
    /// When this was written.
    pub finished_at: String,
    /// What it did.
    #[serde(flatten)]
    pub did: ConcludeLoadOutput,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_record_of_a_run_has_the_counts_beside_the_times() {
        let counts = LoadCounts { rows: 7, rows_inserted: 7, ..LoadCounts::default() };
        let did = ConcludeLoadOutput { windows: 2, counts, ..ConcludeLoadOutput::default() };
        let at = "2024-01-01T00:00:00.000Z".to_owned();
        let run = LoadRun { execution: "arn:x".to_owned(), started_at: at.clone(), finished_at: at, did };
        let written = json!(run);
        assert_eq!(
            (&written["windows"], &written["rows"], &written["started_at"]),
            (&json!(2), &json!(7), &json!(run.started_at))
        );
        assert_eq!(serde_json::from_value::<LoadRun>(written).unwrap(), run);
    }

    #[test]
    fn the_action_chooses() {
        let execution = json!({
            "job": "nps", "id": "arn:aws:states:eu-central-1:1:execution:dev-nps:x", "name": "x",
            "started_at": "2024-01-02T02:00:00.000Z",
            "state_machine": "arn:aws:states:eu-central-1:1:stateMachine:dev-nps",
        });
        let object = json!({"bucket": "b", "key": "k", "etag": "e"});
        let event = json!({"action": "export", "execution": execution, "plan": object, "window": {"index": 3}});
        let read = serde_json::from_value(event.clone()).unwrap();
        let ExportTableInput::State(ExportTableState::Export(input)) = read else { panic!("{event}") };
        assert_eq!((input.window.index, input.export), (3, None));
        let mut event = event;
        event["action"] = json!("status");
        event["export"] = object;
        event["statement"] = json!("s");
        let event: LoadRedshiftInput = serde_json::from_value(event).unwrap();
        assert!(matches!(event, LoadRedshiftInput::Status(input) if input.statement.as_deref() == Some("s")));
        assert!(serde_json::from_value::<LoadRedshiftInput>(json!({"action": "drop"})).is_err());
    }

    #[test]
    fn what_prepares_is_no_execution_and_repeats_no_password() {
        let source = json!({"action": "prepare", "user": "admin", "password": "hush", "schema": "s", "table": "t"});
        let read = serde_json::from_value::<ExportTableInput>(source.clone()).unwrap();
        assert_eq!(format!("{read:?}"), "Prepare(PrepareSource { admin, s.t })");
        for (field, value) in [("password", json!(["hush"])), ("execution", json!({})), ("table", json!({"hush": 1}))] {
            let mut wrong = source.clone();
            wrong[field] = value;
            let error = serde_json::from_value::<ExportTableInput>(wrong).unwrap_err().to_string();
            assert!(error.starts_with("prepare takes") && !error.contains("hush"), "{error}");
        }
        let twice = serde_json::from_value::<ExportTableInput>(source.to_string().into()).unwrap_err().to_string();
        assert!(!twice.contains("hush"), "{twice}");
        let target = json!({"action": "prepare", "job": "nps", "table": "t"});
        let PlanExportEvent::Prepare(read) = serde_json::from_value(target).unwrap() else { panic!("it is one") };
        assert_eq!((read.job.as_str(), read.schema.as_str()), ("nps", "public"));
        assert!(
            serde_json::from_value::<PlanExportEvent>(json!({"action": "drop", "job": "nps", "table": "t"})).is_err()
        );
    }
}
