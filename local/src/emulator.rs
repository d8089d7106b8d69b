//! The local AWS: ministack, pinned, in an environment of its own, on loopback, with the permissions of functions enforced.

use crate::guard::Guard;
use crate::missing::Missing;
use crate::python;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
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

/// How long it may take to answer after its start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long it may take to stop and to save its state.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// A running local AWS. Ends with this process, however that ends.
pub struct Emulator {
    port: u16,
    child: Child,
    guard: Option<Guard>,
}

/// How to run it.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Keep its state on disk, for the next start.
    pub keeps_state: bool,
    /// By what the waits and retry pauses of state machines are multiplied.
    pub wait_scale: f64,
}

impl Emulator {
    /// Starts it with its state and log in `state_dir`.
    ///
    /// # Errors
    /// If Python or a package is missing, or if it does not answer in time.
    pub fn start(
        state_dir: &Path,
        tools_dir: &Path,
        settings: Settings,
        report: &dyn Fn(&str),
    ) -> Result<Self, Missing> {
        let environment =
            python::environment(tools_dir, "emulator", include_str!("../requirements/emulator.txt"), report)?;
        let log = state_dir.join("emulator.log");
        let failed = |error: io::Error| {
            Missing::failed("The local AWS could not be started.", format!("Its log is {}.", log.display()))
                .caused_by(error)
        };
        let home = state_dir.join("emulator");
        // What functions were unpacked to by an earlier start.
        let _ = fs::remove_dir_all(home.join("tmp"));
        for folder in ["tmp", "state", "objects"] {
            fs::create_dir_all(home.join(folder)).map_err(failed)?;
        }
        let port = free_port().map_err(failed)?;
        let output = File::create(&log).map_err(failed)?;
        let mut command = Command::new(environment.program("ministack"));
        // A clean environment, because functions inherit it.
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("TMPDIR", home.join("tmp"))
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
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
        command.current_dir(&home).process_group(0).stdin(Stdio::null());
        command.stdout(output.try_clone().map_err(failed)?).stderr(output);
        let child = command.spawn().map_err(failed)?;
        let guard = Guard::group(child.id(), "TERM", STOP_GRACE).map_err(failed)?;
        let mut emulator = Self { port, child, guard: Some(guard) };
        emulator.wait_until_it_answers().map_err(failed)?;
        Ok(emulator)
    }

    /// Where it answers.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn wait_until_it_answers(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
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
    }
}

/// A port that nobody listens on right now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
