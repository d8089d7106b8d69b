//! The command line: `cargo local [up | bench | reset]`.

use crate::BoxError;
use crate::bench::{BenchArguments, bench};
use crate::binaries::workspace;
use crate::deployment::{Deployment, Options};
use crate::execution::Outcome;
use crate::missing::Missing;
use crate::report::{self, Lines, out};
use crate::stack::{self, Stack};
use crate::template::{self, Job};
use crate::up::{UpArguments, up};
use clap::{Args, Parser, Subcommand};
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The name of the stack that the sample data goes to.
pub(crate) const STACK: &str = "sluice";

/// Run a job on this machine: a real PostgreSQL, a local AWS, the repository's own template and functions.
///
/// Without a command: deploys the template, uploads the job's sample files that are not there yet, runs its state machine and
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
    Up(UpArguments),
    /// Measure the functions beside other tools and physical limits.
    Bench(BenchArguments),
    /// Forget everything that was uploaded and loaded.
    Reset,
}

#[derive(Args)]
struct RunArguments {
    /// Which job of template.yaml; without it the reference job, pomodoro, or else the first one.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Load the files of a folder in place of the sample, into a bucket and a database of their own.
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// Upload one more file before the run. May be repeated.
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Reprocess the files from this time on, such as 2024-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Reprocess this object even if it is loaded, such as input_data/a.csv. May be repeated.
    #[arg(long, value_name = "KEY")]
    forget: Vec<String>,
    /// Do everything, say what it came to, and roll it back.
    #[arg(long)]
    dry_run: bool,
    /// Load nothing, and say why this object is new or not, such as input_data/a.csv. May be repeated.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["dry_run", "forget"])]
    explain: Vec<String>,
    /// Print one JSON object per execution, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
}

impl RunArguments {
    /// The execution's input.
    fn input(&self) -> serde_json::Value {
        let mut input = serde_json::Map::new();
        if let Some(since) = &self.since {
            input.insert("since".to_owned(), since.as_str().into());
        }
        if self.dry_run {
            input.insert("dry_run".to_owned(), true.into());
        }
        for (name, keys) in [("forget", &self.forget), ("explain", &self.explain)] {
            if !keys.is_empty() {
                input.insert(name.to_owned(), keys.clone().into());
            }
        }
        input.into()
    }
}

/// What ended a command.
pub(crate) enum Failure {
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
        Some(Command::Up(arguments)) => up(&arguments, &state_dir()).await,
        Some(Command::Bench(arguments)) => bench(&arguments, &state_dir()),
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
    let jobs = template::jobs(&template::parse(&template::text()?)?)?;
    let job = chosen(&jobs, arguments.job.as_deref())?;
    let name = match &arguments.input {
        None => STACK.to_owned(),
        Some(folder) => format!("{STACK}-{:08x}", fingerprint(folder)),
    };
    let folder = match &arguments.input {
        Some(folder) => folder.clone(),
        None => Some(workspace().join("local/sample").join(&job.name)).filter(|sample| sample.is_dir()).ok_or_else(
            || {
                Failure::Run(format!(
                    "there is no sample for {0} in local/sample/{0}: name a folder with --input",
                    job.name
                ))
            },
        )?,
    };
    let suffixes = &job.source.suffix;
    let is_input = |file: &Path| file.file_name().is_some_and(|name| suffixes.fit(&name.to_string_lossy()));
    let files = input_files(&folder, &is_input)
        .map_err(Failure::Run)?
        .ok_or_else(|| Failure::Run(format!("{}: no {suffixes} file in it", folder.display())))?;
    if let Some(other) = arguments.add.iter().find(|file| !is_input(file)) {
        let what = format!("{}: its name does not end in {suffixes}, so no run would load it", other.display());
        return Err(Failure::Run(what));
    }

    say("starting PostgreSQL and the local AWS");
    let stack = Stack::start(&state_dir(), &say)?;
    say("deploying template.yaml");
    let deployment =
        stack.deploy(&name, &Options::default()).await.map_err(|error| not_deployed(error, &state_dir()))?;
    let deployment = deployment.of_job(job);
    for file in files.iter().chain(&arguments.add) {
        let is_new = deployment.upload_if_changed(file).await.map_err(|error| named(file, &*error))?;
        let shown = std::env::current_dir().ok().and_then(|here| file.strip_prefix(here).ok()).unwrap_or(file);
        say(&format!("{} {}", if is_new { "uploaded" } else { "already there:" }, shown.display()));
    }
    say(&format!("running {}", job.name));
    let execution = deployment.start(&arguments.input()).await?;
    let mut lines = Lines::default();
    let outcome = execution
        .follow(&mut |progress| {
            if !arguments.json {
                lines.tell(&progress)
            }
        })
        .await?;
    show(&deployment, job, &outcome, arguments.json).await?;
    if outcome.succeeded() { Ok(()) } else { Err(Failure::Run(report::failure(&outcome))) }
}

/// The job of this name; without one the reference job.
fn chosen<'a>(jobs: &'a [Job], name: Option<&str>) -> Result<&'a Job, Failure> {
    let job = match name {
        Some(name) => jobs.iter().find(|job| job.name == name),
        None => template::reference(jobs),
    };
    job.ok_or_else(|| {
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        Failure::Run(format!("there is no job {}; template.yaml has [{}]", name.unwrap_or_default(), names.join(", ")))
    })
}

async fn show(deployment: &Deployment, job: &Job, outcome: &Outcome, json: bool) -> Result<(), BoxError> {
    if json {
        out(format_args!("{}\n", serde_json::to_string(outcome)?));
        return Ok(());
    }
    if outcome.succeeded() {
        out(format_args!("\n{}\n\n", report::summary(outcome)));
        if ["Explained", "WouldLoad"].contains(&outcome.last_state()) {
            return Ok(());
        }
        let mut connection = deployment.connect().await?;
        out(format_args!("{}", report::table(&mut connection, &job.target).await?));
    }
    Ok(())
}

pub(crate) fn not_deployed(error: BoxError, state_dir: &Path) -> Failure {
    let how = format!("The log of the local AWS is {}.", state_dir.join("emulator.log").display());
    Failure::Missing(Missing::failed("The template could not be deployed.", how).caused_by(error))
}

fn reset() -> Result<(), Failure> {
    let folder = state_dir();
    stack::erase(&folder)?;
    out(format_args!("{} is forgotten\n", folder.display()));
    Ok(())
}

/// The files directly in a folder that a run would load, by name; none if there are none.
fn input_files(folder: &Path, is_input: &dyn Fn(&Path) -> bool) -> Result<Option<Vec<PathBuf>>, String> {
    let named = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.is_file() && is_input(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok((!files.is_empty()).then_some(files))
}

fn fingerprint(folder: &Path) -> u32 {
    let mut hasher = DefaultHasher::new();
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()).hash(&mut hasher);
    u32::try_from(hasher.finish() >> 32).unwrap_or_default()
}

pub(crate) fn named(path: &Path, error: &dyn Error) -> Failure {
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
