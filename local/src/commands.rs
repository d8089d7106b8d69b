//! The command line: `cargo local [new-job | up | page | bench | reset]`.

use crate::bench::{BenchArguments, bench};
use crate::binaries::workspace;
use crate::failure::{Failure, chain, named};
use crate::new_job::{NewJobArguments, new_job};
use crate::page::{self, PageArguments};
use crate::report::out;
use crate::run::{RunArguments, run_once};
use crate::up::{UpArguments, up};
use crate::{fake_aws, python, stack};
use clap::{Args, Parser, Subcommand};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a job on this machine: a real PostgreSQL, a local AWS, the repository's own template and functions.
///
/// Without a command: deploys the template, uploads the job's sample files that are not there yet, runs its state
/// machine and shows what it did. Run it again and there is nothing new. Everything it starts ends with it; what it
/// loaded is kept in .sluice until `cargo local reset`.
///
/// Ends with 0 when the run is done, 1 when the run failed, 2 when something is missing to start the stack or an
/// argument is not understood.
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
    /// Propose a job that loads files like these, show what it makes of them, and add it to template.yaml.
    NewJob(NewJobArguments),
    /// Keep the stack running in the foreground, and print the shell exports by which other programs find it.
    Up(UpArguments),
    /// Serve the page on which the runs of a stack on AWS are seen, by the usual profile and region.
    #[command(disable_help_flag = true)]
    Page(PageArguments),
    /// Measure the functions beside other tools and physical limits.
    Bench(BenchArguments),
    /// Forget everything that was uploaded and loaded.
    Reset,
    /// Serve S3 and Step Functions for `bench`, which gives commands on standard input.
    #[command(hide = true)]
    FakeAws,
    /// Install the packages of local/requirements/NAME.txt, and print the folder of the environment that has them.
    #[command(hide = true)]
    Environment(EnvironmentArguments),
}

#[derive(Args)]
struct EnvironmentArguments {
    /// The name of the list of packages, such as lint.
    name: String,
}

/// Runs the command that the arguments name.
pub async fn run() -> ExitCode {
    let Arguments { command, run } = Arguments::parse();
    let result = match command {
        None => run_once(&run, &state_dir()).await,
        Some(Command::NewJob(arguments)) => new_job(&arguments),
        Some(Command::Up(arguments)) => up(&arguments, &state_dir()).await,
        Some(Command::Page(arguments)) => page::serve(&arguments),
        Some(Command::Bench(arguments)) => bench(&arguments, &state_dir()),
        Some(Command::Reset) => reset(),
        Some(Command::FakeAws) => {
            fake_aws::serve(std::io::stdin().lock(), std::io::stdout().lock()).map_err(Failure::from)
        }
        Some(Command::Environment(arguments)) => environment(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Run(text)) => {
            eprintln!("error: {text}");
            ExitCode::from(1)
        }
        Err(Failure::Setup(error)) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::from(2)
        }
    }
}

/// Where this checkout's stack keeps its state, unless `SLUICE_STATE_DIR` names another folder.
fn state_dir() -> PathBuf {
    std::env::var_os("SLUICE_STATE_DIR").map_or_else(|| workspace().join(".sluice"), PathBuf::from)
}

fn reset() -> Result<(), Failure> {
    let folder = state_dir();
    stack::erase(&folder)?;
    out(format_args!("{} is forgotten\n", folder.display()));
    Ok(())
}

fn environment(arguments: &EnvironmentArguments) -> Result<(), Failure> {
    let list = workspace().join("local/requirements").join(&arguments.name).with_extension("txt");
    let requirements = fs::read_to_string(&list).map_err(|error| named(&list, &error))?;
    let report = |text: &str| eprintln!("{text}");
    let made = python::environment(&stack::tools_dir(), &arguments.name, &requirements, &report)?;
    out(format_args!("{}\n", made.folder().display()));
    Ok(())
}
