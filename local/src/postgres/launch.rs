//! Running the server itself, and waiting until it is of use.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::NAME;
use super::cluster::Cluster;
use super::installation::Installation;
use crate::guard::Guard;
use crate::port::free_port;
use crate::python::last_lines;
use crate::server::{Account, already_running, unusable};
use crate::setup_error::SetupError;

/// How long a server may take to accept connections, after a crash for example.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server that is told to stop may take before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long we wait for a server that another process of ours left stopping.
const PATIENCE_WITH_PREDECESSOR: Duration = Duration::from_secs(15);
/// The pause between two looks at a server that is starting.
const PAUSE: Duration = Duration::from_millis(20);

/// Starts the server, again if need be: a port that was free may be taken by the time the server
/// wants it, and the server of a killed process needs a moment to let go of the cluster.
pub(super) fn launch(
    installation: &Installation,
    cluster: &Cluster,
    account: &Account,
    durable: bool,
    log: &Path,
) -> Result<(Child, Guard, u16), SetupError> {
    let started = Instant::now();
    loop {
        let port = free_port().map_err(|e| unusable(log, e))?;
        let output = File::create(log).map_err(|e| unusable(log, e))?;
        let mut server =
            spawn(installation, cluster, account, durable, port, output).map_err(|e| unusable(&installation.bin, e))?;
        let guard = match Guard::process(server.id(), "INT", GRACE) {
            Ok(guard) => guard,
            Err(error) => {
                let _ = server.kill();
                let _ = server.wait();
                return Err(unusable(Path::new("sh"), error));
            }
        };
        if wait_until_ready(&mut server, cluster, port, started + PATIENCE) {
            return Ok((server, guard, port));
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
            Refusal::ClusterHeld if waited < PATIENCE_WITH_PREDECESSOR => {}
            Refusal::ClusterHeld => return Err(already_running(&cluster.data, NAME)),
            _ => {
                return Err(SetupError::failed(
                    format!("PostgreSQL did not start:\n{}", last_lines(&text, 15)),
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
    ClusterHeld,
    Other,
}

impl Refusal {
    /// Reads it from what the server printed.
    fn read(output: &str) -> Self {
        let says = |part: &str| output.contains(part);
        if says("\"postmaster.pid\" already exists") || says("pre-existing shared memory block") {
            Self::ClusterHeld
        } else if says("could not bind IPv4 address") {
            Self::PortTaken
        } else {
            Self::Other
        }
    }
}

fn spawn(
    installation: &Installation,
    cluster: &Cluster,
    account: &Account,
    durable: bool,
    port: u16,
    output: File,
) -> io::Result<Child> {
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".into(),
        // A path of ours may be longer than the name of a socket can be.
        "unix_socket_directories=".into(),
        "max_connections=200".into(),
        "timezone=UTC".into(),
        "log_timezone=UTC".into(),
        "lc_messages=C".into(),
    ];
    if !durable {
        for unsafe_but_fast in ["fsync", "full_page_writes", "synchronous_commit"] {
            settings.push(format!("{unsafe_but_fast}=off"));
        }
    }
    account
        .command(installation.bin.join("postgres"))
        .arg("-D")
        .arg(&cluster.data)
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
}

/// Waits until the server says it is ready and takes a connection. False when it ends before
/// that, or the time is up.
fn wait_until_ready(server: &mut Child, cluster: &Cluster, port: u16, deadline: Instant) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let pid = server.id();
    while matches!(server.try_wait(), Ok(None)) && Instant::now() < deadline {
        let status = fs::read_to_string(cluster.data.join("postmaster.pid"));
        if status.is_ok_and(|text| says_ready(&text, pid))
            && TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
        {
            return true;
        }
        thread::sleep(PAUSE);
    }
    false
}

/// Whether `postmaster.pid` is of this process (line 1) and its status (line 8) is `ready`.
fn says_ready(status: &str, pid: u32) -> bool {
    let mut lines = status.lines().map(str::trim);
    lines.next() == Some(&pid.to_string()) && lines.nth(6) == Some("ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_only_when_this_server_says_so() {
        let status = |pid: u32, word: &str| format!("{pid}\n/data\n1700000000\n5432\n\n127.0.0.1\n  123 456\n{word}\n");
        for (text, expected) in [
            (status(42, "ready   "), true),
            (status(42, "starting"), false),
            (status(42, "stopping"), false),
            (status(41, "ready   "), false),
            ("42\n/data\n".into(), false),
            (String::new(), false),
        ] {
            assert_eq!(says_ready(&text, 42), expected, "{text:?}");
        }
    }

    #[test]
    fn tells_refusals_apart() {
        for (output, expected) in [
            ("FATAL:  lock file \"postmaster.pid\" already exists\nHINT:  Is another", Refusal::ClusterHeld),
            ("FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use", Refusal::ClusterHeld),
            ("LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use", Refusal::PortTaken),
            ("FATAL:  out of memory", Refusal::Other),
        ] {
            assert_eq!(Refusal::read(output), expected, "{output}");
        }
    }
}
