//! The JSON between the states, and the documents the states leave for one another in the bucket.
//!
//! A payload carries references and counts, never rows or lists of files: Step Functions ends an execution whose payload
//! exceeds 262,144 bytes, and no Catch sees that.
//!
//! # Documents of one execution
//! ```text
//! intermediate_data/<execution>/<attempt>/batch-00000.json     BatchManifest   by detect-new-files
//! intermediate_data/<execution>/<attempt>/manifest.json        Manifest        by detect-new-files, after its batches
//! intermediate_data/<execution>/<attempt>/pivoted-00000.pgcopy partial sums    by pivot, as COPY takes them
//! intermediate_data/<execution>/<attempt>/result-00000.json    PivotResult     by pivot, beside the manifest, once
//! quarantine/<execution>/batch-00000.csv                       bad rows        by pivot
//! state/<pipeline>/ledger/<detected at>-<execution>-00000.json LedgerEntry     by upsert, in doubt, then after its commit
//! state/<pipeline>/lock.json                                   Lock            by detect-new-files
//! ```
//! `<attempt>` is the id of the invocation that wrote the document, for results that of the manifest they belong to. So an
//! invocation that was given up but still runs cannot change what a later one has written; and of two that pivot the same
//! batch, the first one's result stays.

use crate::spec;
use crate::{Error, Kind, Result};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use serde::{Deserialize, Serialize};

/// Which execution a state belongs to. In every payload.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Execution {
    /// `$$.Execution.Id`: its ARN.
    pub id: String,
    /// `$$.Execution.Name`: unique within the state machine for 90 days.
    pub name: String,
    /// `$$.Execution.StartTime`: RFC 3339. A redrive keeps it.
    pub started_at: String,
    /// `$$.StateMachine.Id`: the state machine's ARN, with a version or an alias if the execution was started by one.
    pub state_machine: String,
}

impl Execution {
    /// The pipeline's name: that of its state machine, which is unique within an account and region.
    pub fn pipeline(&self) -> &str {
        self.state_machine.split(':').nth(6).unwrap_or(&self.state_machine)
    }

    /// The state machine's ARN without version or alias.
    pub fn plain_state_machine(&self) -> String {
        self.state_machine.split(':').take(7).collect::<Vec<_>>().join(":")
    }
}

/// One version of one object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ObjectRef {
    /// The bucket's name.
    pub bucket: String,
    /// The decoded key.
    pub key: String,
    /// The entity tag: opaque, only good for `If-Match`.
    pub etag: String,
}

/// Input of the state `DetectNewFiles`.
#[derive(Debug, Deserialize, Serialize)]
pub struct DetectInput {
    /// This execution.
    pub execution: Execution,
    /// Which objects to look for.
    pub source: spec::Source,
    /// What started the execution, as it came.
    pub trigger: serde_json::Value,
}

/// What an execution is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// To load what is new.
    #[default]
    Load,
    /// To say what that would do.
    DryRun,
    /// To say of some files why they are new or not.
    Explain,
}

/// Why a file is new or not.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Explanation {
    /// Its key.
    pub key: String,
    /// Whether a run that starts now would load it.
    pub is_new: bool,
    /// Why.
    pub reason: String,
}

/// Output of the state `DetectNewFiles`.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct DetectOutput {
    /// What the execution is for.
    pub mode: Mode,
    /// In the mode `explain`, one per file that was asked for.
    pub explained: Vec<Explanation>,
    /// How many files are new.
    pub new_file_count: u64,
    /// Their size in bytes.
    pub new_bytes: u64,
    /// One item per batch, for the Map.
    pub batches: Vec<Batch>,
    /// The run's [`Manifest`], if anything is new.
    pub manifest: Option<ObjectRef>,
    /// Start of the last successful execution, RFC 3339, if there is one.
    pub watermark: Option<String>,
}

/// One item of the Map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Batch {
    /// Its number, from 0.
    pub index: u32,
}

/// What one run loads: its batches, each a document of its own.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct Manifest {
    /// When the listing began, RFC 3339. Orders the runs: detection happens under the lock, an execution's start does not.
    pub detected_at: String,
    /// How many files there are in all batches.
    pub new_file_count: u64,
    /// Their size in bytes.
    pub new_bytes: u64,
    /// The [`BatchManifest`]s, by index.
    pub batches: Vec<ObjectRef>,
}

/// The files of one batch.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct BatchManifest {
    /// In the order of their keys.
    pub files: Vec<SourceFile>,
}

/// One listed file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SourceFile {
    /// The key as listed.
    pub key: String,
    /// The entity tag as listed.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// RFC 3339, whole seconds.
    pub last_modified: String,
}

/// Input of the state `Pivot`.
#[derive(Debug, Deserialize, Serialize)]
pub struct PivotInput {
    /// This execution.
    pub execution: Execution,
    /// The run's [`Manifest`].
    pub manifest: ObjectRef,
    /// Which of its batches.
    pub batch: Batch,
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

/// Input of the state `Upsert`.
#[derive(Debug, Deserialize, Serialize)]
pub struct UpsertInput {
    /// This execution.
    pub execution: Execution,
    /// The run's [`Manifest`].
    pub manifest: ObjectRef,
    /// The table to load.
    pub target: spec::Target,
    /// In the mode `dry_run` everything is rolled back.
    #[serde(default)]
    pub mode: Mode,
}

/// Output of the state `Upsert`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct UpsertOutput {
    /// Files whose rows are in the load.
    pub files: u64,
    /// Files left out because they changed after they were listed; the next run finds them.
    pub files_changed: u64,
    /// Data rows read from the files.
    pub rows_read: u64,
    /// Rows in quarantine.
    pub rows_rejected: u64,
    /// Rows of partial sums staged.
    pub rows_staged: u64,
    /// Keys that were new.
    pub rows_inserted: u64,
    /// Keys whose values changed.
    pub rows_updated: u64,
    /// Keys whose values stayed as they were; nothing is written for these.
    pub rows_unchanged: u64,
    /// Keys in which no file has a share any more.
    #[serde(default)]
    pub rows_deleted: u64,
}

/// Input of the states `OpenDatabase`, `CheckDatabase`, `CloseDatabase` and `CloseAfterFailure`, and of the watchdog.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum DatabaseAccessInput {
    /// Make the instance public.
    Open {
        /// This execution.
        execution: Execution,
    },
    /// Is it reachable yet?
    Status {
        /// This execution.
        execution: Execution,
        /// When it was opened, RFC 3339.
        opened_at: String,
        /// How many checks in a row have found it available and public.
        available_checks: u32,
    },
    /// Make it private.
    Close {
        /// This execution.
        execution: Execution,
    },
    /// Make it private if it is public while no execution runs: what an aborted one left behind.
    CloseLeftover {
        /// The state machine's ARN.
        state_machine: String,
    },
}

/// Output of the action `open`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct OpenOutput {
    /// RFC 3339.
    pub opened_at: String,
    /// It was public before: an earlier run was stopped before it could close it.
    pub was_public: bool,
}

/// Output of the action `status`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct StatusOutput {
    /// The loading may begin.
    pub reachable: bool,
    /// To be handed to the next check.
    pub available_checks: u32,
}

/// Output of the actions `close` and `close_leftover`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct CloseOutput {
    /// Whether the instance is public now; after `close` it never is.
    pub public: bool,
}

/// The files of one batch of a committed run.
#[derive(Debug, Deserialize, Serialize)]
pub struct LedgerEntry {
    /// ARN of the execution that loaded them.
    pub execution: String,
    /// The manifest's `detected_at`.
    pub detected_at: String,
    /// What was loaded.
    pub files: Vec<SourceFile>,
    /// The run is about to commit, and may never say whether it did: none of these files is known at any version.
    #[serde(default)]
    pub in_doubt: bool,
}

/// Who may work on this pipeline.
#[derive(Debug, Deserialize, Serialize)]
pub struct Lock {
    /// ARN of the owning execution. The lock is free once that is no longer RUNNING.
    pub owner: String,
    /// When that was started, RFC 3339.
    pub started_at: String,
}

/// Keys of the documents above.
pub mod keys {
    use super::Execution;

    /// Where an invocation of this execution puts its intermediate documents.
    pub fn attempt_prefix(execution: &Execution, attempt: &str) -> String {
        format!("intermediate_data/{}/{attempt}/", execution.name)
    }

    /// Where pivot leaves the result of a batch of the manifest at `manifest_key`.
    pub fn pivot_result(manifest_key: &str, index: u32) -> String {
        let folder = manifest_key.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/result-{index:05}.json")
    }

    /// Where pivot puts the bad rows of a batch.
    pub fn quarantine(execution: &Execution, index: u32) -> String {
        format!("quarantine/{}/batch-{index:05}.csv", execution.name)
    }

    /// Where the pipeline's ledger entries are, in the order of their detection.
    pub fn ledger_prefix(execution: &Execution) -> String {
        format!("state/{}/ledger/", execution.pipeline())
    }

    /// The ledger entry of a batch of a run.
    pub fn ledger_entry(execution: &Execution, detected_at: &str, index: u32) -> String {
        format!("{}{detected_at}-{}-{index:05}.json", ledger_prefix(execution), execution.name)
    }

    /// The pipeline's lock.
    pub fn lock(execution: &Execution) -> String {
        format!("state/{}/lock.json", execution.pipeline())
    }
}

/// Reads an RFC 3339 time of a document of ours.
///
/// # Errors
/// `InvariantBroken` if it is none.
pub fn parse_time(text: &str) -> Result<DateTime> {
    DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset)
        .map_err(|error| Error::caused(Kind::InvariantBroken, format!("{text:?} is no RFC 3339 time"), error))
}

/// Renders a time so that the order of the texts is the order of the times: UTC, always three decimals.
pub fn format_time(time: DateTime) -> String {
    let whole = DateTime::from_secs(time.secs());
    let text = whole.fmt(DateTimeFormat::DateTime).expect("a time of this age can be rendered");
    format!("{}.{:03}Z", text.trim_end_matches('Z'), time.subsec_nanos() / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pipeline_is_named_after_its_state_machine() {
        let execution = Execution {
            id: "arn:aws:states:us-east-1:1:execution:dev-transform-and-upsert:x".into(),
            name: "x".into(),
            started_at: "2024-01-01T00:00:00.000Z".into(),
            state_machine: "arn:aws:states:us-east-1:1:stateMachine:dev-transform-and-upsert".into(),
        };
        assert_eq!(keys::lock(&execution), "state/dev-transform-and-upsert/lock.json");
        assert_eq!(
            keys::ledger_entry(&execution, "2024-01-01T00:00:01.000Z", 7),
            "state/dev-transform-and-upsert/ledger/2024-01-01T00:00:01.000Z-x-00007.json"
        );
        let by_alias = Execution { state_machine: format!("{}:live", execution.state_machine), ..execution.clone() };
        assert_eq!(by_alias.pipeline(), execution.pipeline());
        assert_eq!(by_alias.plain_state_machine(), execution.state_machine);
        assert_eq!(
            keys::pivot_result("intermediate_data/x/1/manifest.json", 3),
            "intermediate_data/x/1/result-00003.json"
        );
    }

    #[test]
    fn times_keep_their_order_as_text() {
        let texts = [
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.007Z",
            "2024-01-01T00:00:00.5+00:00",
            "2024-01-01T02:00:01+02:00",
        ];
        let rendered: Vec<String> = texts.iter().map(|text| format_time(parse_time(text).unwrap())).collect();
        assert_eq!(
            rendered,
            [
                "2024-01-01T00:00:00.000Z",
                "2024-01-01T00:00:00.007Z",
                "2024-01-01T00:00:00.500Z",
                "2024-01-01T00:00:01.000Z"
            ]
        );
        assert!(parse_time("yesterday").is_err());
    }
}
