//! Which function's process is at the other end of a connection on this machine.

use crate::support::functions;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// A function's process.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub pid: String,
    /// Its stack and job: the function's name without that of its binary.
    pub owner: String,
    pub function: &'static str,
}

impl Caller {
    /// The process that connected from `peer`; `None` if it is not a function's.
    pub(super) fn of(peer: SocketAddr) -> Option<Self> {
        // The kernel's table may miss a line while others come and go, so one look is not enough, and on a busy machine
        // neither are many in a moment: a function that is not recognized would run without its fault.
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(socket) = inode(peer).map(|inode| format!("socket:[{inode}]")) {
                if has_socket("self", &socket) {
                    return None;
                }
                if let Some(caller) = Self::with_socket(&socket) {
                    return Some(caller);
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
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
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1) == Some(&wanted.as_str())).then(|| fields.get(9).map(|inode| (*inode).to_owned())).flatten()
    })
}
