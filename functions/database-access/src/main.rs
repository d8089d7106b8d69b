//! Opens the database to the network while a run loads, and closes it. It never waits: the state machine does.
//!
//! # Layout
//! - [`status`]: what an instance's status means. Pure.
//! - [`probe`]: does a PostgreSQL server answer there?
//! - [`handler`]: the three actions.

mod handler;
mod probe;
mod status;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    pipeline::edge::serve(handler::Context::from_env(), handler::handle).await
}
