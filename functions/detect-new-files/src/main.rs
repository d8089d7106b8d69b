//! Finds the files that no committed run has loaded yet, and writes them down as the run's manifest.
//!
//! # Layout
//! - [`trigger`]: what may start an execution.
//! - [`selection`]: which listed files are new, and how they are batched. Pure.
//! - [`watermark`]: the last success.
//! - [`ledger`]: what committed runs have loaded.
//! - [`lock`]: one run at a time.
//! - [`explain`]: why a file is new or not.
//! - [`handler`]: the order of it all.

mod explain;
mod handler;
mod ledger;
mod lock;
mod selection;
mod trigger;
mod watermark;

#[cfg(test)]
#[path = "../fuzz/fuzzed.rs"]
mod fuzzed;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    pipeline::edge::serve(handler::Context::from_env(), handler::handle).await
}
