//! The states `DetectNewFiles`, `ReleaseLock` and `ReleaseAfterFailure`, and the documents that their function writes.

use super::ended_badly::{self, EndedBadly};
use crate::contract::{Execution, ObjectRef, Owner, SourceFile};
use crate::input::Skipped;
use crate::spec;
use serde::{Deserialize, Serialize};

/// Input of the states `DetectNewFiles`, `ReleaseLock` and `ReleaseAfterFailure`, and of the rule on runs that ended
/// badly.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum DetectInput {
    /// Take the lock, and find what is new.
    Detect(Box<Detect>),
    /// Let the next run begin.
    Release(Release),
}

/// Input of the state `DetectNewFiles`.
#[derive(Debug, Deserialize, Serialize)]
pub struct Detect {
    /// This execution.
    pub execution: Execution,
    /// The job's prefix: the keys of its input start with it.
    pub prefix: String,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: spec::Parts,
    /// What the target's own record says; `None` if the database was not asked.
    #[serde(default)]
    pub record: Option<Record>,
    /// What started the execution, as it came.
    pub trigger: serde_json::Value,
}

/// Input of the states `ReleaseLock` and `ReleaseAfterFailure`, and of the rule on runs that ended badly.
#[derive(Debug, Deserialize, Serialize)]
pub struct Release {
    /// The execution whose lock it is, if it is.
    pub execution: Owner,
    /// The entity tag of the [`Again`] that this run's listing answers; `None` if there was none, or the run did not
    /// load.
    #[serde(default)]
    pub mark: Option<String>,
    /// Said by the rule on runs that ended badly: do nothing if it runs again.
    #[serde(default)]
    pub has_ended: bool,
}

/// Output of the action `release`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct ReleaseOutput {
    /// The execution that was started because a mark asked for it, by its ARN.
    pub started: Option<String>,
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
    /// Nothing any more: another run is at work, and was asked to start one more.
    LeftToOwner,
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
    /// How many other objects under the prefix are no input, whether they are new or not.
    pub files_skipped: u64,
    /// The same by reason.
    pub skipped: Skipped,
    /// One item per batch, for the Map.
    pub batches: Vec<BatchIndex>,
    /// The run's [`Manifest`], if anything is new.
    pub manifest: Option<ObjectRef>,
    /// Start of the last successful execution, RFC 3339, if there is one.
    pub watermark: Option<String>,
    /// The entity tag of the [`Again`] that was there before the listing, if the run loads.
    pub mark: Option<String>,
    /// The table will be what the files selected now say, and nothing else.
    #[serde(default)]
    pub reload: bool,
    /// What a person should know of it, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One item of the Map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct BatchIndex {
    /// Its number, from 0.
    pub index: u32,
}

/// What one run loads: its batches, each a document of its own.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct Manifest {
    /// When the listing began, RFC 3339. Orders the runs: detection happens under the lock, an execution's start does
    /// not.
    pub detected_at: String,
    /// How many files there are in all batches.
    pub new_file_count: u64,
    /// Their size in bytes.
    pub new_bytes: u64,
    /// How many other objects under the prefix are no input.
    #[serde(default)]
    pub skipped: Skipped,
    /// What was taken to be loaded, of which the new files are new; `None`: nothing.
    #[serde(default)]
    pub assumed: Option<Loaded>,
    /// What decides what the table holds after this run.
    pub print: spec::Print,
    /// The table becomes what the files of this run say, and nothing else.
    #[serde(default)]
    pub reload: bool,
    /// Nobody asked for the reload: it is because of a change of the spec.
    #[serde(default)]
    pub is_reload_by_itself: bool,
    /// The newest runs that ended badly, of which the load writes down those that are not yet: for the history alone.
    #[serde(default, deserialize_with = "ended_badly::lenient")]
    pub ended_badly: Vec<EndedBadly>,
    /// The [`BatchManifest`]s, by index.
    pub batches: Vec<ObjectRef>,
}

/// The files of one batch.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct BatchManifest {
    /// In the order of their keys.
    pub files: Vec<SourceFile>,
}

/// Asks the owner of the lock to start one more run when it ends: something arrived that its listing may have missed.
#[derive(Debug, Deserialize, Serialize)]
pub struct Again {
    /// ARN of the execution that asked last.
    pub asked_by: String,
    /// A run that listed after the question has succeeded.
    #[serde(default)]
    pub answered: bool,
}

/// What a target's own record says of a job.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Record {
    /// What is loaded; `None` if nothing is, or if the table is gone or was emptied.
    pub loaded: Option<Loaded>,
    /// When it was asked for, RFC 3339, if that was done without the lock: another run may have loaded since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<String>,
}

/// What a job has loaded into its target: kept beside the table, in `sluice.targets`, and in the bucket, where the
/// database need not be open to read it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Loaded {
    /// Made anew with each table that is loaded for the first time, or again after it was emptied: entries of the
    /// ledger with another one say nothing of this table.
    pub generation: String,
    /// The `detected_at` of the last run that loaded. Entries of the ledger after it say nothing of this table: it was
    /// restored from an earlier time.
    pub detected_at: String,
    /// By what spec.
    pub print: spec::Print,
}
