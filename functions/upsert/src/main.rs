//! Loads the partial sums of a run into its PostgreSQL table, in one transaction.
//!
//! # Layout
//! - [`handler`]: the order of it all.
//! - [`results`]: what pivot left.
//! - [`load`]: the transaction.
//! - [`target`]: does the spec fit the parts, and the table the spec?
//! - [`staging`]: the parts in a temporary table.
//! - [`replace`], [`shares`]: what the staged rows mean for the target, by `on_overlap`.
//! - [`merged`]: row counts of that.
//! - [`prepare`], [`scram`]: makes the role that loads.

mod handler;
mod load;
mod merged;
mod prepare;
mod replace;
mod results;
mod scram;
mod shares;
mod staging;
mod target;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(handler::Context::from_env(), handler::handle).await
}
