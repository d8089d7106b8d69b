//! The stand-in for Redshift's Data API: `local/standins/redshift`, in an environment of its own, over a PostgreSQL.

use crate::binaries::workspace;
use crate::guard::Guard;
use crate::port;
use crate::python::{self, last_lines};
use crate::setup_error::SetupError;
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// The packages that it needs.
const REQUIREMENTS: &str = include_str!("../requirements/redshift.txt");

/// How long it may take to answer after its start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long it may take to stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A running stand-in. Ends with this process, however that ends.
pub(crate) struct Redshift {
    address: SocketAddr,
    child: Child,
    guard: Option<Guard>,
}

impl Redshift {
    /// Starts it on a socket that listens already, so that others could be told of it before. Its databases are those
    /// of the server at `postgres` whose names begin with `redshift_`; COPY reads S3 at `s3`.
    ///
    /// # Errors
    /// If Python or a package is missing, or if it does not answer in time.
    pub(crate) fn start(
        listener: TcpListener,
        postgres: &str,
        s3: &str,
        state_dir: &Path,
        tools_dir: &Path,
        report: &dyn Fn(&str),
    ) -> Result<Self, SetupError> {
        let environment = python::environment(tools_dir, "redshift", REQUIREMENTS, report)?;
        let log = state_dir.join("redshift.log");
        let failed = |error: io::Error| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let what = format!("The stand-in for Redshift could not be started.\n{}", last_lines(&text, 5));
            SetupError::failed(what.trim_end(), format!("Its log is {}.", log.display())).caused_by(error)
        };
        let spawn = || -> io::Result<Self> {
            let address = listener.local_addr()?;
            let output = File::create(&log)?;
            let mut command = Command::new(environment.program("python"));
            command.args(["-m", "redshift", "--s3", s3]).env("PYTHONPATH", workspace().join("local/standins"));
            // It has a password: not for `ps`.
            command.env("POSTGRES", postgres).current_dir(state_dir).process_group(0);
            let child = command.stdin(OwnedFd::from(listener)).stdout(output.try_clone()?).stderr(output).spawn()?;
            let guard = Guard::group(child.id(), "TERM", STOP_GRACE)?;
            Ok(Self { address, child, guard: Some(guard) })
        };
        let mut started = spawn().map_err(failed)?;
        started.wait_until_it_answers().map_err(failed)?;
        Ok(started)
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn wait_until_it_answers(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !port::answers(self.address.port(), "/", "redshift-data") {
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

impl Drop for Redshift {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            let _ = guard.end(&mut self.child);
        }
    }
}
