//! The state `Pivot`, and what it tells the next one.

use super::detect::BatchIndex;
use crate::contract::{Execution, ObjectRef, SourceFile};
use crate::spec;
use serde::{Deserialize, Serialize};

/// Input of the state `Pivot`.
#[derive(Debug, Deserialize, Serialize)]
pub struct PivotInput {
    /// This execution.
    pub execution: Execution,
    /// The run's [`Manifest`](super::Manifest).
    pub manifest: ObjectRef,
    /// Which of its batches.
    pub batch: BatchIndex,
    /// How to read and pivot.
    pub pivot: spec::Pivot,
}

/// Output of the state `Pivot`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct PivotOutput {
    /// The batch's number.
    pub index: u32,
    /// The batch's partial sums; none when its files hold no rows.
    pub pivoted: Option<ObjectRef>,
    /// Data rows read, the rejected and ignored ones included.
    pub rows_read: u64,
    /// Rows that could not be read.
    pub rows_rejected: u64,
    /// Rows of a category that the spec ignores.
    pub rows_ignored: u64,
    /// The quarantine file, if a row was rejected.
    pub rejected: Option<ObjectRef>,
    /// Rows of the partial sums.
    pub days: u64,
    /// Files whose rows are in them.
    pub files_loaded: u64,
    /// Files left out because they changed or vanished after they were listed.
    pub files_changed: u64,
}

/// What pivot tells upsert about one batch.
#[derive(Debug, Deserialize, Serialize)]
pub struct PivotResult {
    /// The state's output.
    pub output: PivotOutput,
    /// The key column of the partial sums.
    pub key: Column,
    /// Their value columns, in order.
    pub values: Vec<String>,
    /// Whether the sums of each file are kept apart; then [`FILE_COLUMN`] is the first column.
    #[serde(default)]
    pub per_file: bool,
    /// The files whose rows are in them.
    pub loaded: Vec<SourceFile>,
    /// The files that were left out.
    pub changed: Vec<SourceFile>,
}

/// The column of the partial sums that says whose they are, by [`file_number`].
pub const FILE_COLUMN: &str = "sluice_file";

/// The number of a file within a run: its batch, and its place in the batch's `loaded`, from 0.
pub fn file_number(batch: u32, place: u32) -> i64 {
    (i64::from(batch) << 32) | i64::from(place)
}

/// A column of the partial sums.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Column {
    /// Its name, also in the target table.
    pub name: String,
    /// Its type.
    pub kind: ColumnKind,
}

/// The type of a key column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A calendar date.
    Date,
    /// Text.
    Text,
}
