//! Opens the database to the network while runs load, and closes it after the last one. It never waits: the state
//! machines do.
//!
//! # Layout
//! - [`status`]: what an instance's status means. Pure.
//! - [`leases`]: which executions need the database.
//! - [`probe`]: does a PostgreSQL server answer there?
//! - [`handler`]: the actions.

mod handler;
mod leases;
mod probe;
mod status;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(handler::Context::from_env(), handler::handle).await
}
