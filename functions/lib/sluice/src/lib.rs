//! What all functions agree on; no business logic lives here.
//!
//! # Layout
//! - [`contract`]: the JSON that the states pass on, and the documents they leave in the bucket. Its only definition.
//! - [`spec`]: a job's spec, parameters of its stack that the states carry.
//! - [`error`]: the error kinds and their names on the wire.
//! - [`store`]: pinned reads and conditional writes of S3 objects.
//! - [`mod@env`]: where things are, read once from environment variables.
//! - [`edge`]: decodes an event, calls a handler, answers with its result or its typed error.
//! - [`task`]: work that goes on while something else is done.
//! - [`telemetry`]: log lines and panics.

pub mod aws;
pub mod contract;
pub mod edge;
pub mod env;
pub mod error;
pub mod spec;
pub mod store;
pub mod task;
pub mod telemetry;

pub use error::{Error, Kind};

/// The result of anything that can end an invocation.
pub type Result<T, E = Error> = std::result::Result<T, E>;
