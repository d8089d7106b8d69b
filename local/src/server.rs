//! What the servers of databases have in common: who runs them and where their files can live (`account`), that their
//! programs may have to be copied to where that account gets (`programs`), and that one process at a time runs one.

mod account;
mod programs;

use crate::setup_error::SetupError;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

pub(crate) use account::{Account, erase_home, open_home, random_hex};
pub(crate) use programs::copy_programs;

/// Keeps every other process away from the server `name` of `state_dir` for as long as the file is open. `shown` is the
/// server's name for people.
pub(crate) fn hold(state_dir: &Path, name: &str, shown: &str) -> Result<File, SetupError> {
    let path = state_dir.join(format!("{name}.lock"));
    let lock = File::create(&path).map_err(|e| unusable(&path, e))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(already_running(state_dir, shown)),
        Err(TryLockError::Error(error)) => Err(unusable(&path, error)),
    }
}

/// Another process runs the server whose files are in this place.
pub(crate) fn already_running(place: &Path, shown: &str) -> SetupError {
    SetupError::busy(
        format!("{shown} is already running on {}.", place.display()),
        "Stop the other process that uses it, or choose another state folder.",
    )
}

/// A file or folder that a server needs, and that does not do.
pub(crate) fn unusable(path: &Path, error: io::Error) -> SetupError {
    SetupError::failed(format!("{} cannot be used.", path.display()), "Check that it exists and that you may use it.")
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let state = std::env::temp_dir().join(format!("sluice-hold-{}", std::process::id()));
        std::fs::create_dir_all(&state).unwrap();
        let held = hold(&state, "postgres", "PostgreSQL").unwrap();
        let reason = hold(&state, "postgres", "PostgreSQL").unwrap_err().reason;
        assert_eq!(reason, crate::setup_error::Reason::Busy);
        hold(&state, "mysql", "MySQL").unwrap();
        drop(held);
        hold(&state, "postgres", "PostgreSQL").unwrap();
        std::fs::remove_dir_all(state).unwrap();
    }
}
