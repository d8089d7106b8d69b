//! The Lambda function `upsert`: wiring only.

use std::process::ExitCode;
use upsert::handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(handler::Context::from_env(), handler::handle).await
}
