//! Which function's process is at the other end of a connection on this machine.

use super::socket::inode;
use crate::support::functions;
use std::fs;
use std::process::Command;
use tokio::net::TcpStream;

/// A function's process.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub pid: String,
    /// Its stack and job: the function's name without that of its binary.
    pub owner: String,
    pub function: &'static str,
}

impl Caller {
    /// The process at the other end of `client`; `None` if it is not a function's, or is gone.
    pub(super) async fn of(client: &TcpStream) -> Option<Self> {
        let (here, there) = (client.local_addr().ok()?, client.peer_addr().ok()?);
        let look = move || inode(there, here).and_then(|inode| Self::with_socket(&format!("socket:[{inode}]")));
        tokio::task::spawn_blocking(look).await.ok()?
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
