//! Finds the files that no committed run has loaded yet, and writes them down as the run's manifest.
//!
//! # Layout
//! - [`trigger`]: what may start an execution.
//! - [`selection`]: which listed files are new, and how they are batched. Pure.
//! - [`ranges`]: how a long listing is cut, to be read in many places at once. Pure.
//! - [`listing`]: the objects under a prefix.
//! - [`batches`]: the new files, written down.
//! - [`watermark`]: the last success.
//! - [`again`]: one run more, for what came while a run was at work.
//! - [`explain`]: why a file is new or not.
//! - [`handler`]: the order of it all.

mod again;
mod batches;
mod explain;
mod handler;
mod listing;
mod ranges;
mod selection;
mod trigger;
mod watermark;

#[cfg(test)]
#[path = "../fuzz/fuzzed.rs"]
mod fuzzed;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(handler::Context::from_env(), handler::handle).await
}
