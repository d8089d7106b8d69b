//! Running the server itself, and waiting until it is of use.

use super::NAME;
use super::data::Data;
use super::installation::{Installation, Maker};
use crate::guard::Guard;
use crate::port::free_port;
use crate::python::last_lines;
use crate::server::{Account, already_running, unusable};
use crate::setup_error::SetupError;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to accept connections, after a crash for example.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server that is told to stop may take before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long we wait for a server that another process of ours left stopping.
const PATIENCE_WITH_PREDECESSOR: Duration = Duration::from_secs(15);
/// The pause between two looks at a server that is starting.
const PAUSE: Duration = Duration::from_millis(20);

/// A server that accepts connections.
pub(super) struct Launched {
    pub(super) server: Child,
    pub(super) guard: Guard,
    pub(super) port: u16,
}

/// Starts the server, again if need be: a port that was free may be taken by the time the server wants it, and the
/// server of a killed process needs a moment to let go of its data.
pub(super) fn launch(
    installation: &Installation,
    data: &Data,
    account: &Account,
    durable: bool,
    log: &Path,
) -> Result<Launched, SetupError> {
    let started = Instant::now();
    loop {
        let port = free_port().map_err(|e| unusable(log, e))?;
        let output = File::create(log).map_err(|e| unusable(log, e))?;
        let mut server = spawn(installation, data, account, durable, port, output)
            .map_err(|e| unusable(installation.server(), e))?;
        let guard = match Guard::process(server.id(), "TERM", GRACE) {
            Ok(guard) => guard,
            Err(error) => {
                let _ = server.kill();
                let _ = server.wait();
                return Err(unusable(Path::new("sh"), error));
            }
        };
        if wait_until_ready(&mut server, log, port, started + PATIENCE) {
            return Ok(Launched { server, guard, port });
        }
        if matches!(server.try_wait(), Ok(None)) {
            let _ = guard.end(&mut server);
        } else {
            guard.disarm();
        }
        let text = fs::read_to_string(log).unwrap_or_default();
        let waited = started.elapsed();
        match Refusal::read(&text) {
            Refusal::PortTaken if waited < PATIENCE => {}
            Refusal::DataHeld if waited < PATIENCE_WITH_PREDECESSOR => {}
            Refusal::DataHeld => return Err(already_running(&data.folder, NAME)),
            _ => {
                return Err(SetupError::failed(
                    format!("{} did not start:\n{}", installation.version(), last_lines(&text, 15)),
                    format!("Its whole output is in {}.", log.display()),
                ));
            }
        }
        thread::sleep(10 * PAUSE);
    }
}

/// Why a server ended before it was ready.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    PortTaken,
    DataHeld,
    Other,
}

impl Refusal {
    /// Reads it from what the server printed.
    fn read(output: &str) -> Self {
        if output.contains("Bind on TCP/IP port") {
            Self::PortTaken
        } else if output.contains("Unable to lock ./ibdata1") || output.contains("Can't lock aria control file") {
            Self::DataHeld
        } else {
            Self::Other
        }
    }
}

fn spawn(
    installation: &Installation,
    data: &Data,
    account: &Account,
    durable: bool,
    port: u16,
    output: File,
) -> io::Result<Child> {
    let mut command = installation.command(account);
    command
        .arg(format!("--datadir={}", data.folder.display()))
        .arg(format!("--init-file={}", data.users.display()))
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"])
        // Within the data folder: a path of ours may be longer than the name of a socket can be.
        .args(["--socket=server.sock", "--pid-file=server.pid"])
        .args(["--default-time-zone=+00:00", "--character-set-server=utf8mb4", "--max-connections=200"])
        .args(["--performance-schema=OFF", "--innodb-buffer-pool-size=64M"]);
    if !durable {
        command.args([
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=OFF",
        ]);
    }
    if installation.maker() == Maker::MySql {
        command.args(["--mysqlx=OFF", "--secure-file-priv="]);
    }
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0).spawn()
}

/// Waits until the server says it is ready and takes a connection. False when it ends before that, or the time is up.
fn wait_until_ready(server: &mut Child, log: &Path, port: u16, deadline: Instant) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while matches!(server.try_wait(), Ok(None)) && Instant::now() < deadline {
        let says_ready = fs::read_to_string(log).is_ok_and(|text| text.contains("ready for connections"));
        if says_ready && TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
            return true;
        }
        thread::sleep(PAUSE);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_refusals_apart() {
        for (output, expected) in [
            ("[ERROR] Can't start server: Bind on TCP/IP port: Address already in use", Refusal::PortTaken),
            ("[ERROR] InnoDB: Unable to lock ./ibdata1 error: 11", Refusal::DataHeld),
            (
                "[ERROR] mariadbd: Can't lock aria control file '/d/aria_log_control' for exclusive use",
                Refusal::DataHeld,
            ),
            ("[ERROR] InnoDB: Cannot allocate memory for the buffer pool", Refusal::Other),
        ] {
            assert_eq!(Refusal::read(output), expected, "{output}");
        }
    }
}
