//! The folder of data that a server works on, and the password to it.

use super::installation::{Installation, Maker};
use crate::guard;
use crate::python::last_lines;
use crate::server::{Account, random_hex, unusable};
use crate::setup_error::SetupError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The user who may do everything.
pub(super) const OWNER: &str = "sluice_owner";

/// What `mariadb-install-db` feeds the server, without the tables of its help, which take most of its time. Newer
/// versions name the files after MariaDB.
const OWN_TABLES: [&str; 3] = ["system_tables.sql", "performance_tables.sql", "system_tables_data.sql"];

/// Data that is ready for a server.
#[derive(Debug)]
pub(super) struct Data {
    /// The data folder.
    pub(super) folder: PathBuf,
    /// The password of [`OWNER`].
    pub(super) password: String,
    /// Statements for each start, which make that user.
    pub(super) users: PathBuf,
}

impl Data {
    /// The data in `home` of this version of the server, made if there is none.
    pub(super) fn open(
        home: &Path,
        installation: &Installation,
        account: &Account,
        report: &dyn Fn(&str),
    ) -> Result<Self, SetupError> {
        let (password, users) = users(home, account).map_err(|error| unusable(home, error))?;
        let folder = home.join(installation.data_name());
        if !folder.exists() {
            report(&format!("making a database with {} (once)", installation.version()));
            let partial = folder.with_added_extension("partial");
            initialise(&partial, home, installation, account)?;
            fs::rename(&partial, &folder).map_err(|error| unusable(home, error))?;
        }
        Ok(Self { folder, password, users })
    }
}

/// The password, made anew for each start, and the file of the statements that set it. Nobody else can read the file.
fn users(home: &Path, account: &Account) -> io::Result<(String, PathBuf)> {
    let file = home.join("users.sql");
    let password = random_hex(16)?;
    // One statement to a line: that is how the server reads them.
    let text = format!(
        "CREATE USER IF NOT EXISTS '{OWNER}'@'127.0.0.1';\n\
         ALTER USER '{OWNER}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL PRIVILEGES ON *.* TO '{OWNER}'@'127.0.0.1' WITH GRANT OPTION;\n\
         ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n"
    );
    if file.exists() {
        fs::remove_file(&file)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?.write_all(text.as_bytes())?;
    account.give(&file)?;
    Ok((password, file))
}

/// Makes the server's own tables in `folder`.
fn initialise(folder: &Path, home: &Path, installation: &Installation, account: &Account) -> Result<(), SetupError> {
    let log = home.join("initialise.log");
    let failed = |what: String| SetupError::failed(what, format!("Its whole output is in {}.", log.display()));
    let prepare = || -> io::Result<File> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir(folder)?;
        account.give(folder)?;
        File::create(&log)
    };
    let output = prepare().map_err(|error| unusable(home, error))?;
    let mut command = installation.command(account);
    command.arg(format!("--datadir={}", folder.display())).stdout(output.try_clone().map_err(|e| unusable(&log, e))?);
    command.stderr(output);
    let status = match installation.maker() {
        Maker::MySql => guard::run(command.arg("--initialize-insecure")),
        Maker::MariaDb => {
            let statements = own_tables(installation, home).map_err(|error| {
                failed("The files that MariaDB makes its own tables of are not where they should be.".to_owned())
                    .caused_by(error)
            })?;
            command.args(["--bootstrap", "--silent-startup", "--innodb-log-file-size=8M", "--max-allowed-packet=8M"]);
            guard::run_reading(&mut command, statements)
        }
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let what =
                format!("{} could not make a database ({status}):\n{}", installation.version(), last_lines(&text, 10));
            Err(failed(what))
        }
        Err(error) => Err(unusable(installation.server(), error)),
    }
}

/// A file of the statements that make MariaDB's own tables.
fn own_tables(installation: &Installation, home: &Path) -> io::Result<Stdio> {
    let share = installation.share().ok_or(io::ErrorKind::NotFound)?;
    let mut text = "create database if not exists mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n\
                    set @skip_auth_anonymous=1;\n"
        .to_owned();
    for name in OWN_TABLES {
        let names = [format!("mariadb_{name}"), format!("mysql_{name}")];
        let file =
            names.iter().map(|name| share.join(name)).find(|file| file.is_file()).ok_or(io::ErrorKind::NotFound)?;
        text.push_str(&fs::read_to_string(file)?);
    }
    // They make a root without a password for several addresses; the one that is left gets one at each start.
    text.push_str("delete from mysql.global_priv where User = 'root' and Host <> 'localhost';\nflush privileges;\n");
    let file = home.join("own-tables.sql");
    fs::write(&file, text)?;
    Ok(File::open(file)?.into())
}
