//! The local AWS: ministack, pinned, in an environment of its own, on loopback, with the permissions of functions
//! enforced. Its Athena cannot do what jobs ask of it; `local/standins/athena` takes its place where one does.

use crate::binaries::workspace;
use crate::guard::Guard;
use crate::port::{self, free_port};
use crate::python::{self, Environment};
use crate::setup_error::SetupError;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The region that everything is in.
pub const REGION: &str = "us-east-1";

/// The administrator's credentials. Known to everybody, like the ones in any emulator's manual: they are good for this
/// machine's loopback only.
pub const ACCESS_KEY_ID: &str = "test";
/// See [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "test";

/// The packages of the local AWS, and what its Athena needs beside them.
const EMULATOR: &str = include_str!("../requirements/emulator.txt");
const ATHENA: &str = include_str!("../requirements/athena.txt");

/// How long it may take to answer after its start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How often it is started before giving up.
const START_ATTEMPTS: u32 = 3;

/// How long it may take to stop and to save its state.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// A running local AWS. Ends with this process, however that ends.
pub(crate) struct Emulator {
    port: u16,
    child: Child,
    guard: Option<Guard>,
    scratch: PathBuf,
}

/// How to run it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Keep its state on disk, for the next start.
    pub(crate) keeps_state: bool,
    /// By what the waits and retry pauses of state machines are multiplied.
    pub(crate) wait_scale: f64,
    /// Where functions find it, if not where it is: something that stands between.
    pub(crate) functions_see: Option<SocketAddr>,
    /// With an Athena that runs queries.
    pub(crate) runs_queries: bool,
}

/// What functions find beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbours {
    /// Redshift's Data API.
    pub(crate) redshift: SocketAddr,
}

impl Emulator {
    /// Starts it with its state and log in `state_dir`.
    ///
    /// # Errors
    /// If Python or a package is missing, or if it does not answer in time.
    pub(crate) fn start(
        state_dir: &Path,
        tools_dir: &Path,
        settings: Settings,
        neighbours: Neighbours,
        report: &dyn Fn(&str),
    ) -> Result<Self, SetupError> {
        let environment = match settings.runs_queries {
            true => environment_with_athena(tools_dir, report)?,
            false => python::environment(tools_dir, "emulator", EMULATOR, report)?,
        };
        let log = state_dir.join("emulator.log");
        let failed = |error: io::Error| {
            SetupError::failed("The local AWS could not be started.", format!("Its log is {}.", log.display()))
                .caused_by(error)
        };
        let home = state_dir.join("emulator");
        let lock = prepare(state_dir, &home, report).map_err(failed)?;
        let program = environment.program(if settings.runs_queries { "python" } else { "ministack" });
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut emulator = Self::spawn(&program, &home, &log, settings, neighbours, &lock).map_err(failed)?;
            match emulator.wait_until_it_answers() {
                Ok(()) => return Ok(emulator),
                // Its port may have been taken between the choice and the start.
                Err(_) if attempts < START_ATTEMPTS => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn spawn(
        program: &Path,
        home: &Path,
        log: &Path,
        settings: Settings,
        neighbours: Neighbours,
        lock: &File,
    ) -> io::Result<Self> {
        let port = free_port()?;
        let output = File::create(log)?;
        let own = || format!("http://127.0.0.1:{port}");
        let mut command = Command::new(program);
        // A clean environment, because functions inherit it.
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("TMPDIR", home.join("tmp"))
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_HOST", "127.0.0.1")
            // Functions inherit it.
            .env("AWS_ENDPOINT_URL", settings.functions_see.map_or_else(own, |address| format!("http://{address}")))
            .env(
                "AWS_ENDPOINT_URL_REDSHIFT_DATA",
                format!("http://{}", settings.functions_see.unwrap_or(neighbours.redshift)),
            )
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AUTH", "true")
            .env("IOT_MTLS_ENABLED", "0")
            .env("DOCKER_HOST", "unix:///nonexistent")
            .env("SFN_WAIT_SCALE", settings.wait_scale.to_string());
        if settings.keeps_state {
            command
                .env("PERSIST_STATE", "1")
                .env("STATE_DIR", home.join("state"))
                .env("S3_PERSIST", "1")
                .env("S3_DATA_DIR", home.join("objects"));
        }
        if settings.runs_queries {
            // Python does not write what it compiles into the repository.
            command.args(["-B", "-m", "athena_local.ministack_plugin"]).env("PYTHONPATH", athena_folder());
        }
        command.current_dir(home).process_group(0).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output);
        let child = command.spawn()?;
        let guard = Guard::group_holding(child.id(), "TERM", STOP_GRACE, lock.try_clone()?)?;
        Ok(Self { port, child, guard: Some(guard), scratch: home.join("tmp") })
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it answers.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    fn wait_until_it_answers(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !port::answers(self.port, "/_localstack/health", "\"services\"") {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended at once, {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            let _ = guard.end(&mut self.child);
        }
        // What functions were unpacked to: some hundred megabytes.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// The stand-in for Athena, and its tests.
pub fn athena_folder() -> PathBuf {
    workspace().join("local/standins/athena")
}

/// The environment of a local AWS whose Athena runs queries: ministack's packages, and those of the stand-in.
///
/// # Errors
/// As [`python::environment`].
pub fn environment_with_athena(tools_dir: &Path, report: &dyn Fn(&str)) -> Result<Environment, SetupError> {
    python::environment(tools_dir, "emulator-athena", &format!("{EMULATOR}{ATHENA}"), report)
}

/// Makes its folders, for this user's eyes only, since functions' settings are kept there; waits for an earlier one
/// that is still saving its state. The lock is free when that has ended.
fn prepare(state_dir: &Path, home: &Path, report: &dyn Fn(&str)) -> io::Result<File> {
    let lock = File::create(state_dir.join("emulator.lock"))?;
    let deadline = Instant::now() + STOP_GRACE + Duration::from_secs(5);
    while lock.try_lock().is_err() {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "an earlier one has not ended"));
        }
        report("waiting for the local AWS of an earlier start to end");
        thread::sleep(Duration::from_secs(1));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(home)?;
    // What functions were unpacked to by an earlier start.
    let _ = fs::remove_dir_all(home.join("tmp"));
    for folder in ["tmp", "state", "objects"] {
        fs::create_dir_all(home.join(folder))?;
    }
    Ok(lock)
}
