//! `cargo local` without a command: one run of a job.

mod transfer;

use crate::BoxError;
use crate::binaries::workspace;
use crate::deployment::{Deployment, Options};
use crate::execution::Outcome;
use crate::failure::{Failure, named, not_deployed};
use crate::fingerprint::fingerprint;
use crate::input::{self, Input};
use crate::loaded;
use crate::report::{self, ProgressLines, out};
use crate::stack::{STACK_NAME, Stack};
use crate::template::{self, Files, Job, Kind};
use clap::Args;
use sluice::input::PassedOver;
use std::fs;
use std::path::{Path, PathBuf};

/// What lies in this folder of a sample comes later, by `--add`.
const LATER: &str = "later/";

#[derive(Args)]
pub(crate) struct RunArguments {
    /// Which job of template.yaml; without it the reference job, pomodoro, or else the first one.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Load a file, or the files of a folder and those within, in place of the sample, into a bucket and a database of
    /// their own.
    #[arg(long, value_name = "DIR|FILE")]
    input: Option<PathBuf>,
    /// Upload one more file before the run; for a job that reads MySQL: run a file of SQL there. May be repeated.
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Reprocess the files from this time on, such as 2024-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Reprocess this object even if it is loaded, such as input_data/a.csv. May be repeated.
    #[arg(long, value_name = "KEY")]
    forget: Vec<String>,
    /// Load all files again, as if for the first time, and delete the keys that none of them has, in one transaction.
    #[arg(long, conflicts_with_all = ["since", "forget"])]
    reload: bool,
    /// Replace the whole table, for a job that loads windows. Its spec has to allow it.
    #[arg(long, conflicts_with_all = ["since", "forget", "reload", "from"])]
    full: bool,
    /// Load the windows from this time on, such as 2018-07-01, whether they are loaded or not.
    #[arg(long, value_name = "TIME", requires = "to", conflicts_with_all = ["since", "forget", "reload"])]
    from: Option<String>,
    /// The end of the last of these windows.
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// Do everything, say what it came to, and roll it back; for a job that reads MySQL: say what it would load.
    #[arg(long)]
    dry_run: bool,
    /// Load nothing, and say why this object is new or not, such as input_data/a.csv. May be repeated.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["dry_run", "forget", "reload"])]
    explain: Vec<String>,
    /// Print one JSON object per execution, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
}

impl RunArguments {
    /// The execution's input.
    fn input(&self) -> serde_json::Value {
        let mut input = serde_json::Map::new();
        for (name, time) in [("since", &self.since), ("from", &self.from), ("to", &self.to)] {
            if let Some(time) = time {
                input.insert(name.to_owned(), time.as_str().into());
            }
        }
        for (name, is_asked) in [("reload", self.reload), ("full", self.full), ("dry_run", self.dry_run)] {
            if is_asked {
                input.insert(name.to_owned(), true.into());
            }
        }
        for (name, keys) in [("forget", &self.forget), ("explain", &self.explain)] {
            if !keys.is_empty() {
                input.insert(name.to_owned(), keys.clone().into());
            }
        }
        input.into()
    }
}

/// Deploys the template, uploads the files of a job, runs it and shows what it did.
pub(crate) async fn run_once(arguments: &RunArguments, state_dir: &Path) -> Result<(), Failure> {
    let say = |text: &str| {
        if !arguments.json {
            out(format_args!("{text}\n"));
        }
    };
    let root = template::root()?;
    let jobs = template::all_jobs()?;
    let job = chosen(&jobs, arguments.job.as_deref())?;
    if let Kind::MysqlToRedshift(spec) = &job.kind {
        let functions = template::binaries(&root, template::with_followers(&jobs, job))?;
        return transfer::run(arguments, job, spec, functions, state_dir).await;
    }
    let files = job.files().ok_or_else(|| Failure::Run(format!("{} loads no files: it runs on AWS only", job.name)))?;
    if arguments.full || arguments.from.is_some() {
        return Err(Failure::Run(format!(
            "{} loads files, not windows: --full, --from and --to are not for it",
            job.name
        )));
    }
    let name = match &arguments.input {
        None => STACK_NAME.to_owned(),
        Some(folder) => format!("{STACK_NAME}-{:08x}", folder_number(folder)),
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
    let mut found = Input::find(&folder, &files.spec.source).map_err(Failure::Run)?;
    if arguments.input.is_none() {
        found.files.retain(|(name, _)| !name.starts_with(LATER));
    }
    if found.files.is_empty() {
        let told = std::iter::once(format!("{}: no {} file in it", folder.display(), files.spec.source.suffix));
        return Err(Failure::Run(told.chain(found.told()).collect::<Vec<_>>().join("\n")));
    }
    let added = arguments.add.iter().map(|file| added(file, files)).collect::<Result<Vec<_>, _>>()?;

    say("starting PostgreSQL and the local AWS");
    let stack = Stack::start(state_dir, template::binaries(&root, template::with_followers(&jobs, job))?, &say)?;
    say("deploying template.yaml");
    let deployment = stack.deploy(&name, &Options::default()).await.map_err(|error| not_deployed(error, state_dir))?;
    let deployment = deployment.of_job(job);
    for (name, file) in found.files.iter().chain(&added) {
        let is_new = deployment.upload_if_changed(name, file).await.map_err(|error| named(file, &*error))?;
        let shown = std::env::current_dir().ok().and_then(|here| file.strip_prefix(here).ok()).unwrap_or(file);
        say(&format!("{} {}", if is_new { "uploaded" } else { "already there:" }, shown.display()));
    }
    // With --json standard output holds nothing else.
    let tell = |line: &str| if arguments.json { eprintln!("{line}") } else { say(line) };
    found.told().iter().for_each(|line| tell(line));
    for name in files.spec.unused_columns() {
        tell(&format!("the column {name:?} of Source is not used, and not read"));
    }
    let loads = !arguments.dry_run && arguments.explain.is_empty();
    if let Some(line) = loaded::forget_if_gone(&deployment, &files.spec.target, loads).await? {
        tell(&line);
    }
    let outcome = follow(&deployment, arguments, &say).await?;
    show(&deployment, files, &outcome, arguments.json).await?;
    if outcome.succeeded() { Ok(()) } else { Err(Failure::Run(report::failure(&outcome))) }
}

/// Runs the deployment's job to its end, showing each step.
async fn follow(deployment: &Deployment, arguments: &RunArguments, say: &dyn Fn(&str)) -> Result<Outcome, BoxError> {
    say(&format!("running {}", deployment.job));
    let execution = deployment.start(&arguments.input()).await?;
    let mut lines = ProgressLines::default();
    let json = arguments.json;
    execution
        .follow(&mut |progress| {
            if !json {
                lines.tell(&progress)
            }
        })
        .await
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

async fn show(deployment: &Deployment, files: &Files, outcome: &Outcome, json: bool) -> Result<(), BoxError> {
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
        // The run has done its work, whatever keeps its table from being shown.
        match report::table(&mut connection, &files.spec).await {
            Ok(table) => out(format_args!("{table}")),
            Err(error) => eprintln!("the table cannot be shown: {error}"),
        }
    }
    Ok(())
}

/// A file that is to be uploaded, with its name.
fn added(file: &Path, files: &Files) -> Result<(String, PathBuf), Failure> {
    let name = input::name_of(file).map_err(Failure::Run)?;
    let why = match input::passed_over(&name, &files.spec.source) {
        None => return Ok((name, file.to_owned())),
        Some(PassedOver::Hidden) => "begins with _ or .".to_owned(),
        Some(_) => format!("does not end in {}", files.spec.source.suffix),
    };
    Err(Failure::Run(format!("{}: its name {why}, so no run would load it", file.display())))
}

/// A number that tells the folders of inputs apart.
fn folder_number(folder: &Path) -> u64 {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    fingerprint(folder.as_os_str().as_encoded_bytes()) >> 32
}
