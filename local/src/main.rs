//! The command behind `cargo local`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    local::commands::run().await
}
