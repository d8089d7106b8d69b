//! What the functions share at run time, whatever they do; no business logic lives here.
//!
//! # Layout
//! - [`contract`]: the JSON that the states pass on, and the documents they leave in the bucket. Its only definition.
//! - [`spec`]: a job's spec, parameters of its stack that the states carry.
//! - [`input`]: which objects are a job's input, and why others are not.
//! - [`change`]: what changed between what is loaded and the job of now, and what a run does about it.
//! - [`window`]: which files a run looks at, by their dates.
//! - [`reason`]: why a file is new or not.
//! - [`error`]: the error kinds and their names on the wire.
//! - [`edge`]: decodes an event, calls a handler, answers with its result or its typed error.
//! - [`mod@env`]: where things are, read once from environment variables.
//! - [`telemetry`]: log lines and panics.
//! - [`aws`]: the clients' configuration.
//! - [`store`]: pinned reads and conditional writes of S3 objects.
//! - [`executions`]: does an execution still run?
//! - [`lock`]: one run of a job at a time.
//! - [`ledger`]: what runs have loaded, written by one function and read by another.
//! - [`time`]: times as texts.
//! - [`digest`]: names that follow from what they stand for.
//!
//! # As an uploaded file, through the kind `transform-and-upsert`
//! 1. S3's event reaches the rule of the job, whose constant goes through queue and pipe: it is only a wake-up.
//! 2. State `DetectNewFiles`: `detect-new-files`, `handler::detect`, takes the [`lock`], and asks `watermark`.
//! 3. `listing` lists the prefix in `ranges`; the [`window`] and the [`ledger`] decide that the file is new.
//! 4. `batches` writes it into a `BatchManifest`, and all of these into the run's `Manifest`: [`contract`].
//! 5. State `Pivot`, one per batch: `pivot`, `handler::read_files`, reads it at that version by [`store`]; its own
//!    documentation goes on from there, also as a rejected row.
//! 6. Its sums end as a part in binary COPY, beside a `PivotResult` that is written once.
//! 7. State `Upsert`: `upsert`, `transaction::load`, checks the `target`, and puts the part into `staging`.
//! 8. `last_run` or `words` merges that into the table, by the library `postgres`, which also records the run.
//! 9. The entry in the [`ledger`] is written in doubt before the commit, certain after it.
//! 10. State `ReleaseLock` lets the next run begin.

pub mod aws;
pub mod change;
pub mod contract;
pub mod digest;
pub mod edge;
pub mod env;
pub mod error;
pub mod executions;
pub mod input;
pub mod ledger;
pub mod lock;
pub mod reason;
pub mod spec;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod window;

pub use error::{Error, Kind};

/// The result of anything that can end an invocation.
pub type Result<T, E = Error> = std::result::Result<T, E>;
