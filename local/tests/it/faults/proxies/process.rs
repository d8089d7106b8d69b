//! Which function's process is at the other end of a connection on this machine.

use crate::support::functions;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// A function's process.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub pid: String,
    /// Its stack and job: the function's name without that of its binary.
    pub owner: String,
    pub function: &'static str,
}

/// What one look at the processes finds.
enum Looked {
    Function(Caller),
    /// This process.
    Other,
    NotSeen,
}

impl Caller {
    /// The process at the other end of `client`, which came from `peer`; `None` if it is not a function's, or is gone.
    pub(super) async fn of(client: &TcpStream, peer: SocketAddr) -> Option<Self> {
        // The kernel's table may miss a line while others come and go, so one look is not enough, and on a busy machine
        // neither are many in a moment: a function that is not recognized would run without its fault.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut pause = Duration::from_millis(2);
        loop {
            match tokio::task::spawn_blocking(move || Self::look(peer)).await.ok()? {
                Looked::Function(caller) => return Some(caller),
                Looked::Other => return None,
                Looked::NotSeen if Instant::now() > deadline || has_hung_up(client) => return None,
                Looked::NotSeen => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    fn look(peer: SocketAddr) -> Looked {
        let Some(socket) = inode(peer).map(|inode| format!("socket:[{inode}]")) else { return Looked::NotSeen };
        match Self::with_socket(&socket) {
            Some(caller) => Looked::Function(caller),
            None if has_socket("self", &socket) => Looked::Other,
            None => Looked::NotSeen,
        }
    }

    fn with_socket(socket: &str) -> Option<Self> {
        fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            // A process that is not a function is not worth looking into.
            let caller = Self::from_environment(&entry.file_name().into_string().ok()?)?;
            has_socket(&caller.pid, socket).then_some(caller)
        })
    }

    fn from_environment(pid: &str) -> Option<Self> {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let name = environment
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(b"AWS_LAMBDA_FUNCTION_NAME="))
            .and_then(|name| std::str::from_utf8(name).ok())?;
        let function = functions().iter().find(|function| name.ends_with(&format!("-{function}")))?;
        let owner = name.strip_suffix(&format!("-{function}"))?.to_owned();
        Some(Self { pid: pid.to_owned(), owner, function })
    }

    pub(super) fn kill(&self) {
        Command::new("kill").args(["-KILL", &self.pid]).status().unwrap();
    }
}

fn has_socket(pid: &str, socket: &str) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|descriptors| {
        descriptors
            .flatten()
            .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|link| link.as_os_str() == socket))
    })
}

/// The inode of the socket whose own end is `address`.
fn inode(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    let wanted = format!("{:08X}:{:04X}", u32::from_le_bytes(address.ip().octets()), address.port());
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    // The line begins with its number, a colon, and the own end. A connection's table may be long, and is read often.
    let start = table.find(&format!(": {wanted} "))?;
    table[start..].split_ascii_whitespace().nth(9).map(str::to_owned)
}

/// Whether the other end has closed the connection, and nothing that it sent is left to read.
fn has_hung_up(client: &TcpStream) -> bool {
    let (mut context, mut byte) = (Context::from_waker(Waker::noop()), [0]);
    matches!(client.poll_peek(&mut context, &mut ReadBuf::new(&mut byte)), Poll::Ready(Ok(0) | Err(_)))
}
