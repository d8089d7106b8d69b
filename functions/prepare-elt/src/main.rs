//! The function `prepare-elt`: everything that has to hold before the queries of a run begin.
//!
//! # Layout
//! - `handler`: the edge; one function per state.
//! - `database`, `sources`: the catalogue of Glue.
//! - `files`: the files of a source. `header`: the first line of one; `schema`: the columns of a Parquet file.

mod database;
mod files;
mod handler;
mod header;
mod schema;
mod sources;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(handler::Context::from_env(), handler::handle).await
}
