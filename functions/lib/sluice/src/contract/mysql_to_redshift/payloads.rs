//! What the states pass on.

use super::documents::{Changed, LoadCounts};
use super::spec::Parts;
use super::trigger::LoadPurpose;
use crate::contract::copy_table::WindowIndex;
use crate::contract::{Execution, ObjectRef};
use serde::{Deserialize, Serialize};

/// Input of the function `export-table`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ExportTableInput {
    /// Which columns does the table have?
    Inspect(InspectInput),
    /// Read a window.
    Export(ExportInput),
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
    /// One item per window, for the Map; none in a dry run.
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
}

/// Input of the state `ConcludeLoad`.
#[derive(Debug, Deserialize, Serialize)]
pub struct ConcludeLoadInput {
    /// This execution.
    pub execution: Execution,
    /// The [`Plan`](super::Plan).
    pub plan: ObjectRef,
}

/// Output of the state `ConcludeLoad`, kept as the run's record.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_action_chooses() {
        let execution = json!({
            "job": "nps", "id": "arn:aws:states:eu-central-1:1:execution:dev-nps:x", "name": "x",
            "started_at": "2024-01-02T02:00:00.000Z",
            "state_machine": "arn:aws:states:eu-central-1:1:stateMachine:dev-nps",
        });
        let object = json!({"bucket": "b", "key": "k", "etag": "e"});
        let event = json!({"action": "export", "execution": execution, "plan": object, "window": {"index": 3}});
        let ExportTableInput::Export(input) = serde_json::from_value(event.clone()).unwrap() else { panic!("{event}") };
        assert_eq!((input.window.index, input.export), (3, None));
        let mut event = event;
        event["action"] = json!("status");
        event["export"] = object;
        event["statement"] = json!("s");
        let event: LoadRedshiftInput = serde_json::from_value(event).unwrap();
        assert!(matches!(event, LoadRedshiftInput::Status(input) if input.statement.as_deref() == Some("s")));
        assert!(serde_json::from_value::<LoadRedshiftInput>(json!({"action": "drop"})).is_err());
    }
}
