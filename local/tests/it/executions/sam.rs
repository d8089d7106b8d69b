//! The tool by which the template is deployed: SAM itself, pinned, talking to the local AWS.

use crate::support::*;
use local::BoxError;
use local::deployment::Deployment;
use local::stack::{Stack, tools_dir};
use local::{emulator, python};
use std::path::Path;
use std::process::Command;

/// A program of SAM's environment that asks nobody and leaves nothing behind.
pub(crate) fn tool(name: &str, home: &Path) -> Command {
    let requirements = include_str!("../../../requirements/sam.txt");
    let environment = python::environment(&tools_dir(), "sam", requirements, &|text| eprintln!("{text}"));
    let environment = environment.unwrap_or_else(|error| panic!("{error}\n{:?}", error.source));
    let mut tool = Command::new(environment.program(name));
    tool.env("HOME", home).env("SAM_CLI_TELEMETRY", "0").env("SAM_CLI_CHECK_VERSION_UPDATES", "0");
    tool
}

/// Runs a command that must do its work.
pub(crate) fn run_to_end(mut command: Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn sam_finds_nothing_wrong_with_the_template() {
    let home = Folder::new("validate");
    for environment in ["default", "prod"] {
        let mut validate = tool("sam", &home.0);
        validate.args(["validate", "--lint", "--region", emulator::REGION, "--config-env", environment]);
        validate.current_dir(local::binaries::workspace());
        run_to_end(validate);
    }
}

/// Deploys with `sam deploy`, the repository's own configuration and code that was built before.
async fn deploy(stack: &Stack, build: &Path, name: &str, network_mode: &str) -> Deployment {
    let mut deploy = tool("sam", build);
    deploy
        .args(["deploy", "--no-confirm-changeset", "--template-file"])
        .arg(build.join("template.yaml"))
        .arg("--config-file")
        .arg(local::binaries::workspace().join("samconfig.toml"))
        .args(["--stack-name", name, "--parameter-overrides"])
        .arg(format!("DatabaseUrl={}", stack.database_for(name).await.unwrap()))
        .arg(format!("NetworkMode={network_mode}"))
        .arg(format!("Architecture={}", local::deployment::ARCHITECTURE))
        // It is due already.
        .args(["ScheduleState=ENABLED", "ScheduleExpression=at(2024-01-01T00:00:00)"])
        .env("AWS_ENDPOINT_URL", stack.endpoint())
        .env("AWS_ACCESS_KEY_ID", emulator::ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", emulator::SECRET_ACCESS_KEY)
        .env("AWS_DEFAULT_REGION", emulator::REGION);
    tokio::task::spawn_blocking(|| run_to_end(deploy)).await.unwrap();
    stack.deployed(name).await.unwrap()
}

/// The inputs of all executions that succeeded.
async fn inputs_of_successes(deployment: &Deployment) -> Result<Vec<serde_json::Value>, BoxError> {
    let sfn = deployment.sfn();
    let listed = sfn.list_executions().state_machine_arn(&deployment.state_machine_arn).send().await?;
    let mut inputs = Vec::new();
    for item in listed.executions.iter().filter(|item| item.status.as_str() == "SUCCEEDED") {
        let described = sfn.describe_execution().execution_arn(&item.execution_arn).send().await?;
        inputs.push(serde_json::from_str(described.input().unwrap_or_default())?);
    }
    Ok(inputs)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sam_deploys_runs_by_the_clock_and_by_upload_in_both_network_modes() {
    let stack = stack().await;
    let build = Folder::new("deploy");
    stack.build_into(&build.0).unwrap();
    for network_mode in ["vpc", "toggle"] {
        let deployment = deploy(&stack, &build.0, &format!("sam-{network_mode}"), network_mode).await;
        let object = deployment.upload("a.csv", csv(&[("Work", "1.5", "2024-01-01")])).await;
        object.unwrap();
        until("the clock and the upload have each started an execution that succeeded", async || {
            let inputs = inputs_of_successes(&deployment).await?;
            let by_clock = inputs.iter().any(|input| input["scheduled_time"].is_string());
            let by_upload = inputs.iter().any(|input| input["upload"] == true);
            Ok(by_clock && by_upload)
        })
        .await;
        assert_eq!(table(&deployment).await, ["2024-01-01 0 1.5"], "{network_mode}");
        assert!(!deployment.is_database_public().await.unwrap(), "{network_mode}");
    }
}
