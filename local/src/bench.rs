//! `cargo local bench`: the functions as they are deployed, beside other tools and physical limits. This file provides
//! what is measured and what that needs; `local/bench` measures.

use crate::binaries::{self, workspace};
use crate::failure::{Failure, named};
use crate::mysql::{self, Mysql};
use crate::postgres::Postgres;
use crate::report::out;
use crate::setup_error::SetupError;
use crate::template::{self, Files};
use crate::{BoxError, guard, python, stack};
use clap::Args;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Small inputs and one round: does all of it work?
    #[arg(long)]
    quick: bool,
    /// Also read 5 GB, and export 50 million rows.
    #[arg(long)]
    large: bool,
    /// Only these parts, with commas between: pivot, function, memory, upsert, noop, modes, detect, start, job,
    /// copy, window, windows, export, shapes, rows.
    #[arg(long, value_name = "PARTS")]
    only: Option<String>,
    /// How many rounds; 5 where nothing is said.
    #[arg(long)]
    rounds: Option<u32>,
    /// How many rows of a file, and of a table of MySQL; ten and two million where nothing is said.
    #[arg(long)]
    rows: Option<u32>,
    /// Measure beside the limits only: the other tools take some hundred megabytes.
    #[arg(long)]
    no_peers: bool,
    /// Where the tables go.
    #[arg(long, value_name = "FILE", default_value = "bench.md")]
    out: PathBuf,
}

/// What stands for the reference job's parameters in the state machine file. With `last_run`: the other tools keep no
/// words of files either.
fn substitutions(files: &Files) -> Value {
    let parts = &files.parts;
    let mut target = parts.target.clone();
    target["on_overlap"] = "last_run".into();
    json!({
        "Job": "bench", "Prefix": files.prefix, "Source": parts.source.to_string(), "Shape": parts.shape.to_string(),
        "Target": target.to_string(),
    })
}

/// Measures.
pub(crate) fn bench(arguments: &BenchArguments, state_dir: &Path) -> Result<(), Failure> {
    let say = |text: &str| out(format_args!("{text}\n"));
    let state_dir = state_dir.join("bench");
    let data = state_dir.join("data");
    fs::create_dir_all(&data).map_err(|error| named(&data, &error))?;
    // First what may be missing on this machine, since the build takes its time.
    let compiler = guard::run(Command::new("cc").arg("--version").stdout(Stdio::null()));
    if !compiler.is_ok_and(|status| status.success()) {
        return Err(
            SetupError::absent("The C compiler cc is not there: the limit is a program in C.", "Install it.").into()
        );
    }
    let tools_dir = stack::tools_dir();
    let mut measure = Command::new(python::program()?);
    if !arguments.no_peers {
        // Not all of them are there for every Python and machine; what is missing is left out, and named.
        let environments = [
            ("peers", include_str!("../requirements/peers.txt")),
            ("duckdb-postgres", include_str!("../requirements/duckdb-postgres.txt")),
        ]
        .map(|(name, list)| python::environment(&tools_dir, name, list, &say));
        for (number, environment) in environments.into_iter().enumerate() {
            match environment {
                Ok(environment) if number == 0 => measure = Command::new(environment.program("python")),
                Ok(environment) => drop(measure.env("DUCKDB_PYTHON", environment.program("python"))),
                Err(error) => say(&format!("left out: {error}")),
            }
        }
    }
    say("starting PostgreSQL");
    let postgres = Postgres::start(&state_dir, &tools_dir, true, &say)?;
    measure.env("DATABASE_URL", postgres.url("postgres"));
    match postgres.psql_path().as_deref().and_then(Path::parent) {
        Some(folder) => drop(measure.env("PG_BIN", folder)),
        None if Command::new("psql").arg("--version").output().is_ok() => {}
        None => {
            return Err(
                SetupError::absent("psql is not there: one of the limits.", "Install PostgreSQL's client.").into()
            );
        }
    }
    // It stays as long as this function does.
    let _mysql = match arguments.only.as_deref().is_none_or(|only| only.split(',').any(|part| part == "export")) {
        true => Some(start_mysql(&mut measure, &state_dir, &tools_dir, &say)?),
        false => None,
    };
    let root = template::root()?;
    let jobs = template::all_jobs()?;
    let job = template::reference(&jobs).ok_or_else(|| BoxError::from("template.yaml has no job"))?;
    let files = job.files().ok_or_else(|| BoxError::from("the reference job loads no files"))?;
    let functions = template::binaries(&root, &jobs)?;
    let names = functions.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    say(&format!("building {names} as they are deployed: a quarter of an hour and more, once"));
    let functions = binaries::build_deployed(&functions)?;
    let sample = workspace().join("local/sample/pomodoro");
    measure.arg(workspace().join("local/bench/bench.py"));
    measure.arg("--functions").arg(functions).arg("--data").arg(data).arg("--out").arg(&arguments.out);
    measure.arg("--sample").arg(sample);
    measure.arg("--job").arg(substitutions(files).to_string());
    for (option, is_given) in [("--quick", arguments.quick), ("--large", arguments.large)] {
        if is_given {
            measure.arg(option);
        }
    }
    if let Some(only) = &arguments.only {
        measure.args(["--only", only]);
    }
    for (option, number) in [("--rounds", arguments.rounds), ("--rows", arguments.rows)] {
        if let Some(number) = number {
            measure.args([option, &number.to_string()]);
        }
    }
    let failed = || SetupError::failed("The measuring program could not be run.", "Install Python 3.11 or newer.");
    let ended = guard::run(&mut measure).map_err(|error| failed().caused_by(error))?;
    match ended.success() {
        true => Ok(()),
        false => Err(Failure::Run(format!(
            "a result was wrong, or one of ours did not come; see {}",
            arguments.out.display()
        ))),
    }
}

/// Starts a MySQL, and tells the measuring program of it and of its clients.
fn start_mysql(
    measure: &mut Command,
    state_dir: &Path,
    tools_dir: &Path,
    say: &dyn Fn(&str),
) -> Result<Mysql, SetupError> {
    say("starting MySQL");
    let mysql = Mysql::start(state_dir, tools_dir, true, say)?;
    measure.env("MYSQL_URL", mysql.url("mysql"));
    match mysql::clients(tools_dir, say) {
        Ok(folder) => drop(measure.env("MYSQL_CLIENTS", folder)),
        Err(error) => say(&format!("if they are not installed, MySQL's clients are missing: {error}")),
    }
    Ok(mysql)
}
