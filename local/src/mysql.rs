//! A private MySQL or MariaDB server: real, on loopback only, and gone when we are gone.
//!
//! Which one it is: `installation` looks on this machine, `packages` unpacks one of the system's packages without
//! installing it. What is in its folder: `data`. Whether it is up: `launch`.

mod data;
mod installation;
mod launch;

use crate::guard::Guard;
use crate::packages::{self, Wanted};
use crate::server::{self, Account, unusable};
use crate::setup_error::SetupError;
use data::Data;
use installation::Installation;
use launch::Launched;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;

/// Its name for people, and that of its files.
const NAME: &str = "MySQL";

/// The packages that hold a server and nothing else.
const PACKAGES: Wanted = Wanted {
    name: "MariaDB",
    absent: "There is no MySQL or MariaDB on this machine.",
    packages: &[
        &["mariadb-server-core"],
        &["mariadb-server-core-10.6"],
        &["mysql-server-core-8.0"],
        &["mysql-server-core"],
    ],
    folder: "mysql-packages",
};

/// The C library with its headers, and the client of the command line.
const CLIENTS: Wanted = Wanted {
    name: "MariaDB's clients",
    absent: "There are no clients of MySQL or MariaDB on this machine.",
    packages: &[
        &["libmariadb-dev", "libmariadb3", "mariadb-client-core"],
        &["libmariadb-dev", "libmariadb3", "mariadb-client-core-10.6"],
    ],
    folder: "mysql-clients",
};

const FOLDER: &str = "mysql";

/// A running server with the user `sluice_owner`, who may do everything. Dropping it stops the server: open
/// transactions are rolled back, and a server that does not end within ten seconds is killed.
pub struct Mysql {
    server: Child,
    guard: Option<Guard>,
    port: u16,
    password: String,
    version: String,
    _lock: File,
}

impl Mysql {
    /// Starts a server whose data is kept in `state_dir`, and returns when it accepts connections.
    ///
    /// It is a MySQL 8 or MariaDB 10.6 or newer of this machine if there is one, else one of the system's packages,
    /// unpacked into `tools_dir` (11 MB to fetch, once). With `durable` false a crash of the machine may lose or damage
    /// the data. `report` is told about anything that takes long. What the server prints is in `<state_dir>/mysql.log`.
    ///
    /// # Errors
    /// [`Reason::Busy`](crate::setup_error::Reason::Busy) when another process runs a server on this `state_dir`,
    /// [`Reason::Absent`](crate::setup_error::Reason::Absent) when there is none to be had.
    pub fn start(state_dir: &Path, tools_dir: &Path, durable: bool, report: &dyn Fn(&str)) -> Result<Self, SetupError> {
        let state_dir = std::path::absolute(state_dir).map_err(|e| unusable(state_dir, e))?;
        fs::create_dir_all(&state_dir).map_err(|e| unusable(&state_dir, e))?;
        let lock = server::hold(&state_dir, FOLDER, NAME)?;
        let account = Account::choose(NAME)?;
        let home = server::open_home(&state_dir, FOLDER, &account)?;
        let log = state_dir.join("mysql.log");
        let start = |installation: &Installation| {
            let data = Data::open(&home, installation, &account, report)?;
            let launched = launch::launch(installation, &data, &account, durable, &log)?;
            Ok((launched, data.password))
        };
        let (Launched { server, guard, port }, password, version) = choose(&home, tools_dir, &account, report, &start)?;
        Ok(Self { server, guard: Some(guard), port, password, version, _lock: lock })
    }

    /// The address of one of its databases, with the password of the user who may do everything. `mysql` always
    /// exists. The name must not need escaping in an address.
    pub fn url(&self, database: &str) -> String {
        let Self { port, password, .. } = self;
        format!("mysql://{}:{password}@127.0.0.1:{port}/{database}", data::OWNER)
    }

    /// Which one it is, such as `MariaDB 10.11`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Deletes everything that [`Mysql::start`] keeps in `state_dir`, wherever it is.
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

/// A folder with the C library, its headers and the client of the command line, for who measures beside them.
///
/// # Errors
/// As [`Mysql::start`].
pub(crate) fn clients(tools_dir: &Path, report: &dyn Fn(&str)) -> Result<PathBuf, SetupError> {
    packages::unpack(&CLIENTS, tools_dir, report)
}

impl Drop for Mysql {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            // Nobody is left to tell, and the watcher has done all that can be done.
            let _ = guard.end(&mut self.server);
        }
    }
}

/// Starts an installation; returns what runs, and its password.
type Start<'a, T> = dyn Fn(&Installation) -> Result<(T, String), SetupError> + 'a;

/// The first one that starts: what it is, its password and its version. One that is installed may be kept by the system
/// from data in other places than its own, which shows only when it is started.
fn choose<T>(
    home: &Path,
    tools_dir: &Path,
    account: &Account,
    report: &dyn Fn(&str),
    start: &Start<'_, T>,
) -> Result<(T, String, String), SetupError> {
    let (found, mut refused) = installation::installed(account);
    for installation in found {
        match start(&installation) {
            Ok((started, password)) => return Ok((started, password, installation.version())),
            Err(error) => refused.push(format!("{}: {error}", installation.server().display())),
        }
    }
    let unpacked = packages::unpack(&PACKAGES, tools_dir, report)
        .and_then(|folder| installation::unpacked(&folder, home, account))
        .and_then(|installation| {
            start(&installation).map(|(started, password)| (started, password, installation.version()))
        });
    unpacked.map_err(|mut error| {
        for reason in &refused {
            error.what.push_str("\nPassed over ");
            error.what.push_str(reason);
        }
        error.how.push_str(
            "\nOr install MySQL 8 or MariaDB 10.6 or newer yourself (Debian and Ubuntu: apt install mariadb-server-core; \
             Fedora: dnf install mariadb-server; macOS: brew install mariadb), or set MYSQL_URL to a server that runs.",
        );
        error
    })
}
