//! The Lambda function `pivot`: wiring only.

use pivot::handler;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    sluice::edge::serve(handler::Context::from_env(), handler::handle).await
}
