//! The function `run-query`: runs one query of a target to its end, or says that it still runs.
//!
//! # Layout
//! - `statement`: the SQL of a step.
//! - `verdict`: what the end of a query means.
//! - `attempt`: starts a query, waits a while, and reads what it made.
//! - `context`: what one instance keeps.
//! - `handler`: the edge. `stop`: queries of an execution that has ended.

mod attempt;
mod context;
mod handler;
mod statement;
mod stop;
mod verdict;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(context::Context::from_env(), handler::handle).await
}
