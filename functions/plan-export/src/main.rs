//! The function `plan-export`; see the library of this crate.

use plan_export::handler;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(handler::Context::from_env(), handler::handle).await
}
