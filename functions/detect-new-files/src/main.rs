//! Finds the files that no committed run has loaded yet, and writes them down as the run's manifest.
//!
//! # Layout
//! - [`trigger`]: what may start an execution.
//! - [`selection`]: what is listed, and how it is batched. Pure.
//! - [`missing`]: files that are loaded and that a run would not find. Pure.
//! - [`ranges`]: how a long listing is cut, to be read in many places at once. Pure.
//! - [`amounts`]: counts and sizes as people read them. Pure.
//! - [`listing`]: the objects under a prefix.
//! - [`search`]: finds the new ones among them.
//! - [`batches`]: the new files, written down.
//! - [`watermark`]: the last success.
//! - [`ended_badly`]: runs that did not end well, for the history.
//! - [`again`]: one run more, for what came while a run was at work.
//! - [`explain`]: why a file is new or not.
//! - [`handler`]: the order of it all.

mod again;
mod amounts;
mod batches;
mod ended_badly;
mod explain;
mod handler;
mod listing;
mod missing;
mod ranges;
mod search;
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
