//! What the states pass on, and the document that a run leaves.

use super::spec::Parts;
use super::variables::Values;
use crate::contract::{Execution, Owner};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Input of the function `prepare-elt`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum PrepareEltInput {
    /// May the run begin, and is the database there?
    Check(CheckInput),
    /// Make the database.
    CreateDatabase(CatalogInput),
    /// Make the tables that are read, and look at their files.
    CreateSources(CatalogInput),
    /// Let the next run begin.
    Release(ReleaseInput),
}

/// Input of the state `CheckCatalog`.
#[derive(Debug, Deserialize, Serialize)]
pub struct CheckInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: Parts,
    /// What started the execution, as it came: [`Trigger`](super::Trigger).
    pub trigger: serde_json::Value,
}

/// Output of the state `CheckCatalog`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct CheckOutput {
    /// Whether the database is there.
    pub database_exists: bool,
    /// The tables to be made, for the Map.
    pub tables: Vec<String>,
    /// What the variables are in this run.
    pub values: Values,
    /// Since when this run has the lock, RFC 3339: runs are ordered by it, because a run that waits reads later.
    pub locked_at: String,
}

/// Input of the states `CreateDatabase` and `CreateSourceTables`.
#[derive(Debug, Deserialize, Serialize)]
pub struct CatalogInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: Parts,
}

/// What became of a definition in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// It was not there.
    Created,
    /// It was there, as it has to be.
    Exists,
    /// It was there and ours, and is now as the spec has it.
    Changed,
}

/// Output of the state `CreateDatabase`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct DatabaseOutput {
    /// What became of it.
    pub database: Definition,
}

/// Output of the state `CreateSourceTables`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct SourcesOutput {
    /// By the names of the tables.
    pub sources: BTreeMap<String, SourceState>,
}

/// A source as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SourceState {
    /// What became of its table.
    pub table: Definition,
    /// How its table was defined then, as a SHA-256 in hexadecimal digits.
    pub definition: String,
    /// How many files it has.
    pub files: u64,
    /// Their size together, in bytes.
    pub bytes: u64,
    /// Keys, sizes, entity tags, dates and storage classes of all objects below its location, as a SHA-256 in
    /// hexadecimal digits.
    pub fingerprint: String,
    /// The attempt of `prepare-elt` that has listed these objects one by one, in documents of [`SeenFile`]s:
    /// `intermediate_data/<job>/<execution>/<attempt>/source-files/<table>/<number>.json`.
    pub listed_by: String,
    /// How many such documents there are.
    pub lists: u32,
}

/// An object below a source's location as it was seen: its key without the location's, and digits of the rest.
pub type SeenFile = (String, String);

/// Input of the states `Release` and `ReleaseAfterFailure`.
#[derive(Debug, Deserialize, Serialize)]
pub struct ReleaseInput {
    /// Whose lock it is.
    pub execution: Owner,
}

/// Output of the states `Release` and `ReleaseAfterFailure`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct ReleaseOutput {
    /// Whether nobody has the lock now.
    pub is_free: bool,
}

/// Input of the function `run-query`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum RunQueryInput {
    /// Run the query of a step, or see how it goes.
    Run(Box<RunInput>),
    /// Stop what an execution that has ended left running.
    Stop(StopInput),
}

/// A step of a target, each of which is one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Makes a table of its own of the target's SELECT.
    Build,
    /// Reads that table in its order: the result is the file.
    Export,
    /// Counts what the file has to hold.
    Verify,
}

impl Step {
    /// Its name in payloads and texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Export => "export",
            Self::Verify => "verify",
        }
    }
}

/// Input of the states `BuildTable`, `ExportFile` and `VerifyTable`.
#[derive(Debug, Deserialize, Serialize)]
pub struct RunInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: Parts,
    /// Which step.
    pub step: Step,
    /// Of which target.
    pub table: String,
    /// What the variables are in this run.
    pub values: Values,
    /// How far the step is.
    pub progress: Progress,
    /// What `BuildTable` has made; `None` for that itself.
    #[serde(default)]
    pub staging: Option<String>,
}

/// How far a step is. The attempts of a step are a chain: each has a token that follows from its number, and Athena
/// answers a known token with the query that it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Progress {
    /// Which attempt, from 0.
    pub attempt: u32,
    /// Its query, if it is known.
    pub query_id: Option<String>,
}

/// Output of the states `BuildTable`, `ExportFile` and `VerifyTable`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct RunOutput {
    /// Whether the query has ended well; else it is asked for again.
    pub is_done: bool,
    /// Whether it has, and the table's own files are the export, so that none is made.
    pub is_exported: bool,
    /// How far the step is.
    #[serde(flatten)]
    pub progress: Progress,
    /// When to ask again, in seconds.
    pub pause_seconds: u64,
    /// What it has made, if it has ended well.
    pub result: Option<QueryResult>,
}

/// What a query has made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct QueryResult {
    /// The query.
    pub query_id: String,
    /// Where Athena has put its result: `s3://bucket/key`.
    pub output: String,
    /// How much it has read, in bytes: that is what it costs.
    pub scanned_bytes: u64,
    /// Of a table that was made, its name.
    pub staging: Option<String>,
    /// Of a table that was made, how many rows it has.
    pub rows: Option<u64>,
    /// Of a count, what it found.
    pub counts: Option<Counts>,
}

/// How many values there are, and how long they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Counts {
    /// Rows.
    pub rows: u64,
    /// By column, in their order.
    pub columns: Vec<ColumnCount>,
}

/// The values of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct ColumnCount {
    /// How many are not NULL.
    pub values: u64,
    /// The length of a column of texts, in Unicode code points; 0 for others, which the file may write otherwise.
    pub characters: u64,
}

/// Input of `run-query` by the rule on runs that ended badly.
#[derive(Debug, Deserialize, Serialize)]
pub struct StopInput {
    /// Which one has ended.
    pub execution: Owner,
    /// When it was started, in milliseconds since 1970, as the event about its end has it.
    #[serde(default)]
    pub started_at: Option<i64>,
}

/// That an execution has ended badly: `intermediate_data/<job>/<execution>.ended`, written before its queries are
/// stopped. Who starts a query looks for it afterwards, so that one that is started later is stopped too.
#[derive(Debug, Deserialize, Serialize)]
pub struct EndedBadly {
    /// ARN of the execution.
    pub execution: String,
}

/// Its output.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct StopOutput {
    /// The queries that were stopped.
    pub stopped: Vec<String>,
}

/// Input of the function `publish-elt`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum PublishEltInput {
    /// Publish the table and the file of a target.
    Publish(Box<PublishInput>),
    /// Write the run down, and clean up.
    Conclude(ConcludeInput),
    /// Clean up after a run that failed.
    Clean(CatalogInput),
}

/// Input of the state `Publish`.
#[derive(Debug, Deserialize, Serialize)]
pub struct PublishInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: Parts,
    /// Which target.
    pub table: String,
    /// The sources as they were found before they were read.
    pub found: BTreeMap<String, SourceState>,
    /// Since when this run has the lock.
    pub locked_at: String,
    /// The table that was made.
    pub build: QueryResult,
    /// Its file; `None` if the table's own files are the export.
    #[serde(default)]
    pub export: Option<QueryResult>,
    /// What the file has to hold.
    pub verify: QueryResult,
}

/// Output of the state `Publish`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Published {
    /// The table.
    pub table: String,
    /// Its rows, which are those of the file too.
    pub rows: u64,
    /// The size of the file, or of the Parquet files together, in bytes.
    pub bytes: u64,
    /// Where the file is, or the manifest of the Parquet files: `s3://bucket/key`.
    pub to: String,
    /// Where the table's own files are: `s3://bucket/prefix/`.
    pub location: String,
    /// How much its queries have read, in bytes.
    pub scanned_bytes: u64,
}

/// Input of the state `CleanUp`.
#[derive(Debug, Deserialize, Serialize)]
pub struct ConcludeInput {
    /// This execution.
    pub execution: Execution,
    /// The job's spec.
    #[serde(flatten)]
    pub parts: Parts,
    /// What the variables were.
    pub values: Values,
    /// Since when this run has the lock.
    pub locked_at: String,
    /// What was published.
    pub published: Vec<Published>,
}

/// What a run did: `state/<job>/runs/<execution>.json`, written once everything is published.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct EltRun {
    /// ARN of the execution.
    pub execution: String,
    /// When it was started, RFC 3339.
    pub started_at: String,
    /// Since when it had the lock.
    pub locked_at: String,
    /// When this was written.
    pub finished_at: String,
    /// What the variables were.
    pub values: Values,
    /// What was published.
    pub published: Vec<Published>,
}

/// What `CleanUp` and `CleanUpAfterFailure` say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct CleanOutput {
    /// Definitions of tables that nobody needs any more.
    pub tables_dropped: u64,
    /// Objects that nobody needs any more.
    pub objects_deleted: u64,
}
