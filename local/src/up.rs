//! `cargo local up`: the stack in the foreground, for other programs to use.

use crate::BoxError;
use crate::commands::{Failure, STACK, named, not_deployed};
use crate::deployment::{Deployment, Options};
use crate::emulator::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};
use crate::events;
use crate::execution::Execution;
use crate::missing::Missing;
use crate::relay::Relay;
use crate::report::{self, out};
use crate::stack::Stack;
use clap::Args;
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Args)]
pub(crate) struct UpArguments {
    /// Print one JSON object per execution that ends, on standard output after the line `ready`.
    #[arg(long)]
    json: bool,
    /// Answer at one more address of this machine, and export that one: Docker's (172.17.0.1, as a rule) lets containers in.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<IpAddr>,
}

/// Keeps the stack running until it is told to end.
pub(crate) async fn up(arguments: &UpArguments, state_dir: &Path) -> Result<(), Failure> {
    let stack = Stack::start(state_dir, &|text| eprintln!("{text}"))?;
    eprintln!("deploying template.yaml");
    let options = Options { s3_trigger: true, ..Options::default() };
    let deployment = stack.deploy(STACK, &options).await.map_err(|error| not_deployed(error, state_dir))?;
    let _relays = match arguments.listen {
        None => Vec::new(),
        Some(address) => relays(address, &stack, &deployment).await.map_err(|error| {
            let what = format!("The stack cannot answer at {address}.");
            Missing::failed(what, "Give an address that `ip address` lists for this machine.").caused_by(error)
        })?,
    };
    let exports: String = exports(arguments.listen, &stack, &deployment)
        .into_iter()
        .map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''")))
        .collect();
    let file = state_dir.join("env");
    write_private(&file, &exports).map_err(|error| named(&file, &error))?;
    // Before anything says that it is ready; until here a signal just ends this process, and with it what it started.
    let end_signals = EndSignals::new().map_err(BoxError::from)?;
    let watcher = Watcher::new(deployment, arguments.json, state_dir.join("events")).await?;
    out(format_args!("{exports}ready\n"));
    eprintln!("the exports are in {} too", file.display());
    eprintln!(
        "upload to s3://{}/input_data/ and an execution starts by itself; Ctrl-C ends",
        watcher.deployment.bucket
    );
    let result = tokio::select! {
        watched = watcher.watch() => watched.map_err(Failure::from),
        () = end_signals.received() => {
            eprintln!("stopping");
            Ok(())
        }
    };
    let _ = fs::remove_file(&file);
    result
}

/// What other programs need, as variables; at the address `listen`, if there is one.
fn exports(listen: Option<IpAddr>, stack: &Stack, deployment: &Deployment) -> [(&'static str, String); 10] {
    let at = |address: String| match (listen, address.rsplit_once(':')) {
        (Some(IpAddr::V6(host)), Some((_, port))) => format!("[{host}]:{port}"),
        (Some(host), Some((_, port))) => format!("{host}:{port}"),
        _ => address,
    };
    let database = deployment.database_address();
    let (before, after) = deployment.database_url.split_once(&database).unwrap_or_default();
    [
        ("AWS_ENDPOINT_URL", format!("http://{}", at(stack.address()))),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("DATABASE_URL", format!("{before}{}{after}", at(database.clone()))),
        ("DATABASE_ENDPOINT", at(database)),
        ("DATABASE_INSTANCE", deployment.database_instance.clone()),
        ("BUCKET", deployment.bucket.clone()),
        ("STATE_MACHINE_ARN", deployment.state_machine_arn.clone()),
    ]
}

async fn relays(address: IpAddr, stack: &Stack, deployment: &Deployment) -> std::io::Result<Vec<Relay>> {
    let mut relays = Vec::new();
    for target in [stack.address(), deployment.database_address()] {
        relays.push(Relay::start(address, &target).await?);
    }
    Ok(relays)
}

/// Writes a file that only this user can read: it holds a password.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let _ = fs::remove_file(path);
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// Tells of each execution that ends, and keeps the examples filled in from the newest one that found something.
struct Watcher {
    deployment: Deployment,
    json: bool,
    events: PathBuf,
    told: HashSet<String>,
}

impl Watcher {
    /// Executions that ended before are not told of.
    async fn new(deployment: Deployment, json: bool, events: PathBuf) -> Result<Self, BoxError> {
        let mut told = HashSet::new();
        let mut is_filled_in = false;
        // The newest one first.
        for (arn, _) in list(&deployment).await?.into_iter().filter(|(_, is_running)| !is_running) {
            is_filled_in = is_filled_in || events::fill_in(&deployment, &arn, &events).await?;
            told.insert(arn);
        }
        Ok(Self { deployment, json, events, told })
    }

    /// For as long as the stack runs.
    async fn watch(mut self) -> Result<(), BoxError> {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            for (arn, is_running) in list(&self.deployment).await? {
                if is_running || !self.told.insert(arn.clone()) {
                    continue;
                }
                events::fill_in(&self.deployment, &arn, &self.events).await?;
                let outcome = Execution::new(self.deployment.sfn(), arn).outcome().await?;
                if self.json {
                    out(format_args!("{}\n", serde_json::to_string(&outcome)?));
                    continue;
                }
                let name = outcome.execution.rsplit(':').next().unwrap_or_default();
                eprintln!("{name} {}: {}", outcome.status, report::summary(&outcome).replace('\n', "; "));
            }
        }
    }
}

async fn list(deployment: &Deployment) -> Result<Vec<(String, bool)>, BoxError> {
    let listed = deployment.sfn().list_executions().state_machine_arn(&deployment.state_machine_arn).send().await?;
    let is_running = |status| status == aws_sdk_sfn::types::ExecutionStatus::Running;
    Ok(listed.executions.into_iter().map(|item| (item.execution_arn, is_running(item.status))).collect())
}

/// What tells a program in the foreground to end. Made before anything says that it is ready.
struct EndSignals([Signal; 3]);

impl EndSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn received(mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
