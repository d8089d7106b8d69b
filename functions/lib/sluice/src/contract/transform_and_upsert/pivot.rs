//! The state `Pivot`, and what it tells the next one.

use super::detect::BatchIndex;
use super::layout::Layout;
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
    /// The job's spec.
    #[serde(flatten)]
    pub parts: spec::Parts,
}

/// Output of the state `Pivot`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct PivotOutput {
    /// The batch's number.
    pub index: u32,
    /// The batch's partial sums; none when its files hold no rows.
    pub pivoted: Option<ObjectRef>,
    /// Data rows read, those rejected, ignored and filtered out included.
    pub rows_read: u64,
    /// Rows that could not be read.
    pub rows_rejected: u64,
    /// Rows of a category that the spec ignores.
    pub rows_ignored: u64,
    /// Rows that the spec's filter leaves out.
    #[serde(default)]
    pub rows_filtered: u64,
    /// The quarantine file, if a row was rejected.
    pub rejected: Option<ObjectRef>,
    /// Rows of the partial sums.
    pub days: u64,
    /// Files whose rows are in them.
    pub files_loaded: u64,
    /// Files left out because they changed or vanished after they were listed.
    pub files_changed: u64,
    /// Files that were set aside whole.
    #[serde(default)]
    pub files_bad: u64,
}

/// What pivot tells upsert about one batch.
#[derive(Debug, Deserialize, Serialize)]
pub struct PivotResult {
    /// The state's output.
    pub output: PivotOutput,
    /// How its part is made.
    pub layout: Layout,
    /// The files whose rows are in them.
    pub loaded: Vec<LoadedFile>,
    /// The files that were left out.
    pub changed: Vec<SourceFile>,
    /// The files that were set aside whole.
    #[serde(default)]
    pub bad: Vec<BadFile>,
    /// Keys that several files of the batch have, if what they say is not kept apart.
    #[serde(default)]
    pub shared: SharedKeys,
    /// Whether each key comes once of each file, or once if what files say is not kept apart; not said by earlier
    /// versions.
    #[serde(default)]
    pub has_keys_once: bool,
}

/// A file whose rows are in the partial sums.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct LoadedFile {
    /// The file.
    #[serde(flatten)]
    pub file: SourceFile,
    /// A row of it is in quarantine whose key could not be read: it may be any.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_unknown_keys: bool,
    /// The least of its keys, as PostgreSQL shows it with letters of ASCII in lower case, in the order of the bytes;
    /// `None` if it has none, or if what files say is kept apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_key: Option<String>,
    /// The greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_key: Option<String>,
}

/// A file that was set aside whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct BadFile {
    /// The file.
    #[serde(flatten)]
    pub file: SourceFile,
    /// What is wrong with it.
    pub reason: String,
}

/// Keys that several files have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct SharedKeys {
    /// How many there are.
    pub count: u64,
    /// The first ones that were met, each with two files.
    pub first: Vec<SharedKey>,
}

/// A key that two files have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SharedKey {
    /// As PostgreSQL shows it.
    pub key: String,
    /// The keys of the two objects.
    pub files: [String; 2],
}

/// The column of the partial sums that says whether all rows of a key are in them: [`WHOLE`], [`PARTIAL`] or
/// [`BAD_ROWS_ONLY`], a `smallint`.
pub const STATE_COLUMN: &str = "sluice_state";

/// No row of this key is in quarantine, as far as the keys of those could be read.
pub const WHOLE: i16 = 0;

/// Some rows of this key are in quarantine.
pub const PARTIAL: i16 = 1;

/// All rows of this key are in quarantine; its sums say nothing.
pub const BAD_ROWS_ONLY: i16 = 2;

/// The column of the partial sums that says whose they are, by [`file_number`].
pub const FILE_COLUMN: &str = "sluice_file";

/// The number of a file within a run: its batch, and its place in the batch's `loaded`, from 0.
pub fn file_number(batch: u32, place: u32) -> i64 {
    (i64::from(batch) << 32) | i64::from(place)
}
