//! The cluster: the folder of data that a server works on, and the password to it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::installation::Installation;
use crate::guard;
use crate::python::last_lines;
use crate::server::{Account, random_hex};
use crate::setup_error::SetupError;

/// The name of the user who owns everything in the cluster. It is not that of a schema, which would come first in its
/// search path.
pub(super) const SUPERUSER: &str = "sluice_loader";

/// The file, beside the cluster, that holds the superuser's password. A cluster with another superuser has none of this
/// name, and a new one is made.
const PASSWORD: &str = "sluice_loader.password";

/// A cluster that is ready for a server.
#[derive(Debug)]
pub(super) struct Cluster {
    /// The data folder.
    pub(super) data: PathBuf,
    /// The superuser's password.
    pub(super) password: String,
}

impl Cluster {
    /// The cluster in `home`, made if there is none that this PostgreSQL can open.
    pub(super) fn open(
        home: &Path,
        installation: &Installation,
        account: &Account,
        durable: bool,
        report: &dyn Fn(&str),
    ) -> Result<Self, SetupError> {
        let data = home.join("data");
        let (password, is_new) = password(home, account).map_err(|e| unusable(home, e))?;
        if existing_major(home) == Some(installation.major) && !is_new {
            return Ok(Self { data, password });
        }
        let major = installation.major;
        report(&format!("making a database with PostgreSQL {major} (once)"));
        let fresh = home.join("data.partial");
        initialise(&fresh, home, installation, account, durable)?;
        let put_in_place = || -> io::Result<()> {
            if data.exists() {
                let aside = home.join(format!("data.{}", random_hex(4)?));
                fs::rename(&data, &aside)?;
                let aside = aside.display();
                report(&format!("the database so far does not fit; it is kept in {aside}"));
            }
            fs::rename(&fresh, &data)
        };
        put_in_place().map_err(|error| unusable(home, error))?;
        Ok(Self { data, password })
    }
}

/// The password to every cluster in `home`, and whether it was made just now.
fn password(home: &Path, account: &Account) -> io::Result<(String, bool)> {
    let file = home.join(PASSWORD);
    if let Ok(password) = fs::read_to_string(&file) {
        return Ok((password, false));
    }
    let partial = home.join("password.partial");
    if partial.exists() {
        fs::remove_file(&partial)?;
    }
    let password = random_hex(16)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(&partial)?.write_all(password.as_bytes())?;
    account.give(&partial)?;
    fs::rename(&partial, file)?;
    Ok((password, true))
}

/// The major version that made the cluster in `home`, if there is one.
pub(super) fn existing_major(home: &Path) -> Option<u32> {
    let text = fs::read_to_string(home.join("data/PG_VERSION")).ok()?;
    text.trim().parse().ok()
}

/// Makes a cluster in `fresh`.
fn initialise(
    fresh: &Path,
    home: &Path,
    installation: &Installation,
    account: &Account,
    durable: bool,
) -> Result<(), SetupError> {
    let log = home.join("initdb.log");
    let prepare = || {
        if fresh.exists() {
            fs::remove_dir_all(fresh)?;
        }
        fs::File::create(&log)
    };
    let output = prepare().map_err(|error| unusable(home, error))?;
    let mut initdb = account.command(installation.bin.join("initdb"));
    initdb
        .args(["--username", SUPERUSER, "--auth", "scram-sha-256"])
        .args(["--encoding", "UTF8", "--locale", "C"])
        .arg("--pwfile")
        .arg(home.join(PASSWORD))
        .arg("--pgdata")
        .arg(fresh)
        .stderr(output.try_clone().map_or_else(|_| Stdio::null(), Stdio::from))
        .stdout(output);
    if !durable {
        initdb.arg("--no-sync");
    }
    match guard::run(&mut initdb) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let text = fs::read_to_string(&log).unwrap_or_default();
            Err(SetupError::failed(
                format!("initdb failed ({status}):\n{}", last_lines(&text, 10)),
                format!("Its whole output is in {}.", log.display()),
            ))
        }
        Err(error) => Err(unusable(&installation.bin, error)),
    }
}

fn unusable(path: &Path, error: io::Error) -> SetupError {
    SetupError::failed(
        format!("{} cannot hold a database.", path.display()),
        "Check the free space and the permissions there.",
    )
    .caused_by(error)
}
