//! What the functions share at run time, whatever they do; no business logic lives here.
//!
//! # Layout
//! - [`contract`]: the JSON that the states pass on, and the documents they leave in the bucket. Its only definition.
//! - [`spec`]: a job's spec, parameters of its stack that the states carry.
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

pub mod aws;
pub mod contract;
pub mod edge;
pub mod env;
pub mod error;
pub mod executions;
pub mod ledger;
pub mod lock;
pub mod spec;
pub mod store;
pub mod telemetry;
pub mod time;

pub use error::{Error, Kind};

/// The result of anything that can end an invocation.
pub type Result<T, E = Error> = std::result::Result<T, E>;
