//! The command line: `cargo local [up | reset]`.

use crate::binaries::workspace;
use crate::deployment::{Deployment, Options};
use crate::emulator::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};
use crate::execution::{Execution, Outcome};
use crate::missing::Missing;
use crate::report::{self, Lines, out};
use crate::stack::{self, Stack};
use crate::{BoxError, template};
use clap::{Args, Parser, Subcommand};
use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The name of the stack that the sample data goes to.
const STACK: &str = "sluice";

/// Run the pipeline on this machine: a real PostgreSQL, a local AWS, the repository's own template and functions.
///
/// Without a command: deploys the template, uploads the sample CSV files that are not there yet, runs the state machine and
/// shows what it did. Run it again and there is nothing new. Everything it starts ends with it; what it loaded is kept in
/// .sluice until `cargo local reset`.
///
/// Ends with 0 when the run is done, 1 when the run failed, 2 when something is missing to start the stack or an argument is
/// not understood.
#[derive(Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Keep the stack running in the foreground, and print the shell exports by which other programs find it.
    Up {
        /// Print one JSON object per execution that ends, on standard output after the line `ready`.
        #[arg(long)]
        json: bool,
    },
    /// Forget everything that was uploaded and loaded.
    Reset,
}

#[derive(Args)]
struct RunArguments {
    /// Load the CSV files of a folder in place of the sample, into a bucket and a database of their own.
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// Upload one more file before the run. May be repeated.
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Reprocess the files from this time on, such as 2024-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Print one JSON object per execution, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
}

/// What ended a command.
enum Failure {
    /// The stack could not start.
    Missing(Missing),
    /// The run did not do its work.
    Run(String),
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

impl From<BoxError> for Failure {
    fn from(error: BoxError) -> Self {
        Self::Run(chain(&*error))
    }
}

/// Runs the command that the arguments name.
pub async fn run() -> ExitCode {
    let Arguments { command, run } = Arguments::parse();
    let result = match command {
        None => run_once(&run).await,
        Some(Command::Up { json }) => up(json).await,
        Some(Command::Reset) => reset(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Run(text)) => {
            eprintln!("error: {text}");
            ExitCode::from(1)
        }
        Err(Failure::Missing(missing)) => {
            eprintln!("error: {}", chain(&missing));
            ExitCode::from(2)
        }
    }
}

/// Where this checkout's stack keeps its state, unless `SLUICE_STATE_DIR` names another folder.
fn state_dir() -> PathBuf {
    std::env::var_os("SLUICE_STATE_DIR").map_or_else(|| workspace().join(".sluice"), PathBuf::from)
}

async fn run_once(arguments: &RunArguments) -> Result<(), Failure> {
    let say = |text: &str| {
        if !arguments.json {
            out(format_args!("{text}\n"));
        }
    };
    let name = match &arguments.input {
        None => STACK.to_owned(),
        Some(folder) => format!("{STACK}-{:08x}", fingerprint(folder)),
    };
    let folder = arguments.input.clone().unwrap_or_else(|| workspace().join("local/sample"));
    let files = csv_files(&folder).map_err(Failure::Run)?;
    if let Some(other) = arguments.add.iter().find(|file| !is_csv(file)) {
        return Err(Failure::Run(format!(
            "{}: its name does not end in .csv, so no run would load it",
            other.display()
        )));
    }

    say("starting PostgreSQL and the local AWS");
    let stack = Stack::start(&state_dir(), &say)?;
    say("deploying template.yaml");
    let deployment = stack.deploy(&name, &Options::default()).await.map_err(not_deployed)?;
    for file in files.iter().chain(&arguments.add) {
        let is_new = deployment.upload_if_changed(file).await.map_err(|error| named(file, &*error))?;
        let shown = std::env::current_dir().ok().and_then(|here| file.strip_prefix(here).ok()).unwrap_or(file);
        say(&format!("{} {}", if is_new { "uploaded" } else { "already there:" }, shown.display()));
    }
    say("running transform-and-upsert");
    let input = match &arguments.since {
        None => serde_json::json!({}),
        Some(since) => serde_json::json!({ "since": since }),
    };
    let execution = deployment.start(&input).await?;
    let mut lines = Lines::default();
    let outcome = execution
        .follow(&mut |progress| {
            if !arguments.json {
                lines.tell(&progress)
            }
        })
        .await?;
    show(&deployment, &outcome, arguments.json).await?;
    if outcome.succeeded() { Ok(()) } else { Err(Failure::Run(report::failure(&outcome))) }
}

async fn show(deployment: &Deployment, outcome: &Outcome, json: bool) -> Result<(), BoxError> {
    if json {
        out(format_args!("{}\n", serde_json::to_string(outcome)?));
        return Ok(());
    }
    if outcome.succeeded() {
        out(format_args!("\n{}\n\n", report::summary(outcome)));
        let mut connection = deployment.connect().await?;
        out(format_args!("{}", report::table(&mut connection, &template::target()?).await?));
    }
    Ok(())
}

async fn up(json: bool) -> Result<(), Failure> {
    let stack = Stack::start(&state_dir(), &|text| eprintln!("{text}"))?;
    eprintln!("deploying template.yaml");
    let options = Options { s3_trigger: true, ..Options::default() };
    let deployment = stack.deploy(STACK, &options).await.map_err(not_deployed)?;
    let exports: String = [
        ("AWS_ENDPOINT_URL", stack.endpoint()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("DATABASE_URL", deployment.database_url.clone()),
        ("BUCKET", deployment.bucket.clone()),
        ("STATE_MACHINE_ARN", deployment.state_machine_arn.clone()),
        ("DB_INSTANCE", deployment.database_instance.clone()),
    ]
    .into_iter()
    .map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''")))
    .collect();
    let file = state_dir().join("env");
    write_private(&file, &exports).map_err(|error| named(&file, &error))?;
    // Before anything says that it is ready; until here a signal just ends this process, and with it what it started.
    let end_signals = EndSignals::new().map_err(BoxError::from)?;
    let known =
        list(&deployment).await?.into_iter().filter(|(_, is_running)| !is_running).map(|(arn, _)| arn).collect();
    out(format_args!("{exports}ready\n"));
    eprintln!("the exports are in {} too", file.display());
    eprintln!("upload to s3://{}/input_data/ and an execution starts by itself; Ctrl-C ends", deployment.bucket);
    let result = tokio::select! {
        watched = watch(&deployment, json, known) => watched.map_err(Failure::from),
        () = end_signals.received() => {
            eprintln!("stopping");
            Ok(())
        }
    };
    let _ = fs::remove_file(&file);
    result
}

/// Writes a file that only this user can read: it holds a password.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let _ = fs::remove_file(path);
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

fn not_deployed(error: BoxError) -> Failure {
    let how = format!("The log of the local AWS is {}.", state_dir().join("emulator.log").display());
    Failure::Missing(Missing::failed("The template could not be deployed.", how).caused_by(error))
}

/// Tells of each execution that ends, for as long as the stack runs.
async fn watch(deployment: &Deployment, json: bool, mut told: HashSet<String>) -> Result<(), BoxError> {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for (arn, is_running) in list(deployment).await? {
            if !is_running && told.insert(arn.clone()) {
                let outcome = Execution::new(deployment.sfn(), arn).outcome().await?;
                if json {
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

fn reset() -> Result<(), Failure> {
    let folder = state_dir();
    stack::erase(&folder)?;
    out(format_args!("{} is forgotten\n", folder.display()));
    Ok(())
}

/// The CSV files directly in a folder, by name.
fn csv_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let named = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.is_file() && is_csv(&path) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(format!("{}: no .csv file in it", folder.display()));
    }
    files.sort();
    Ok(files)
}

fn is_csv(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "csv")
}

fn fingerprint(folder: &Path) -> u32 {
    let mut hasher = DefaultHasher::new();
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()).hash(&mut hasher);
    u32::try_from(hasher.finish() >> 32).unwrap_or_default()
}

fn named(path: &Path, error: &dyn Error) -> Failure {
    Failure::Run(format!("{}: {}", path.display(), chain(error)))
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!("\n  caused by: {cause}"));
        next = cause.source();
    }
    text
}
