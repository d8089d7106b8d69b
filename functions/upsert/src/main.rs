//! Loads what the parts of a run say into its PostgreSQL table, in one transaction.
//!
//! # Layout
//! - [`handler`]: the order of it all.
//! - [`results`]: what pivot left.
//! - [`load`]: what a run loads.
//! - [`transaction`]: all of it, or nothing.
//! - [`target`]: does the spec fit the parts, and the table the spec?
//! - [`start`]: is the target what detection assumed?
//! - [`content`]: what the parts say, in SQL.
//! - [`casts`]: which values become those of which types.
//! - [`fitting`]: staged values become those of the table's types.
//! - [`runs`]: the table `sluice.runs`, which makes a run's effects happen once.
//! - [`ended_badly`]: runs that ended badly, in that table too.
//! - [`staging`]: the parts in a temporary table.
//! - [`files`]: the run's files in one.
//! - [`last_run`], [`newest_row`], [`words`]: what the staged rows mean for the target, by `on_overlap`.
//! - [`key_ranges`]: which files may have filled which keys.
//! - [`merged`]: what that did.
//! - [`prepare`]: makes the role that loads.

mod casts;
mod content;
mod ended_badly;
mod files;
mod fitting;
mod handler;
mod key_ranges;
mod last_run;
mod load;
mod merged;
mod newest_row;
mod prepare;
mod results;
mod runs;
mod staging;
mod start;
mod target;
mod transaction;
mod words;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(handler::Context::from_env(), handler::handle).await
}
