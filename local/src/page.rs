//! The page of runs: a program of its own, which is built only where it is served.

use crate::binaries;
use crate::deployment::Deployment;
use crate::emulator::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};
use crate::failure::Failure;
use crate::guard::{self, Guard};
use crate::setup_error::SetupError;
use crate::stack::{Stack, tools_dir};
use clap::Args;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The name of the program.
const PROGRAM: &str = "page";

#[derive(Args)]
pub(crate) struct PageArguments {
    /// As the program takes them: see `cargo local page --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Serves the page of a stack on AWS until it is told to end.
///
/// # Errors
/// If it cannot be built or started.
pub(crate) fn serve(arguments: &PageArguments) -> Result<(), Failure> {
    let mut command = Command::new(built()?);
    // Next to the tools: it is for this user, whatever the checkout.
    command.arg("--cache").arg(tools_dir().with_file_name(PROGRAM)).args(&arguments.arguments);
    match guard::run(&mut command) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) if status.code().is_none() => Ok(()),
        Ok(_) => Err(SetupError::failed("The page could not be served.", "See above what it says.").into()),
        Err(error) => Err(not_started().caused_by(error).into()),
    }
}

fn built() -> Result<PathBuf, SetupError> {
    Ok(binaries::build(&BTreeSet::from([PROGRAM.to_owned()]))?.join(PROGRAM))
}

fn not_started() -> SetupError {
    SetupError::failed("The page could not be started.", "The stack goes on without it.")
}

/// How the page of a stack on this machine is started.
pub(crate) struct PageOfStack {
    variables: Vec<(&'static str, String)>,
    stack: String,
    cache: PathBuf,
}

impl PageOfStack {
    /// That of this deployment, which keeps in `state_dir` what it has read.
    pub(crate) fn new(stack: &Stack, deployment: &Deployment, state_dir: &Path) -> Self {
        let variables = vec![
            ("AWS_ENDPOINT_URL", stack.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("DATABASE_URL", deployment.database_url.clone()),
        ];
        Self { variables, stack: deployment.name.clone(), cache: state_dir.join(PROGRAM) }
    }

    /// Builds and starts it, which takes a while the first time.
    ///
    /// # Errors
    /// If it cannot be built or started.
    pub(crate) fn start(self) -> Result<Page, SetupError> {
        let mut command = Command::new(built()?);
        command.args(["--local", "--stack", &self.stack, "--cache"]).arg(self.cache).envs(self.variables);
        for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let failed = |error| not_started().caused_by(error);
        let mut child = command.spawn().map_err(failed)?;
        let guard = Guard::group(child.id(), "TERM", Duration::from_secs(2)).map_err(failed)?;
        let mut address = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut address).map_err(failed)?;
        }
        if address.is_empty() {
            return Err(not_started());
        }
        Ok(Page { address: address.trim().to_owned(), child, guard: Some(guard) })
    }
}

/// The page, until this value is gone.
pub(crate) struct Page {
    /// Where to open it: it holds what lets a browser in.
    pub(crate) address: String,
    child: Child,
    guard: Option<Guard>,
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            let _ = guard.end(&mut self.child);
        }
    }
}
