//! The function `publish-elt`: makes a table and its file public once they are shown to be the same.
//!
//! # Layout
//! - `publish`: the order of everything, and what must hold before.
//! - `changed`: which file of a source has changed meanwhile.
//! - `counter`: what a result file holds, counted while it is read.
//! - `parts`: the Parquet files of a table, where these are its export. `placed`: what stands at an export's place.
//! - `copy`: a file to its place. `swap`: the table to its new version.
//! - `places`: where versions of tables may lie, by the exact form of their prefix.
//! - `clean`: what runs have left behind.
//! - `context`: what one instance keeps.
//! - `handler`: the edge; one function per state.

mod changed;
mod clean;
mod context;
mod copy;
mod counter;
mod handler;
mod parts;
mod placed;
mod places;
mod publish;
mod swap;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(context::Context::from_env(), handler::handle).await
}
