//! The function `export-table`; see the library of this crate.

use export_table::handler;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(handler::Context::from_env(), handler::handle).await
}
