//! Which MySQL or MariaDB: one that is installed on this machine, or one that was unpacked.

use crate::server::{Account, copy_programs};
use crate::setup_error::SetupError;
use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The server's programs, MariaDB's first: its package is the smaller one.
const PROGRAMS: [&str; 2] = ["mariadbd", "mysqld"];

/// Where packages put them besides the folders in `PATH`.
const USUAL_PLACES: [&str; 10] = [
    "/usr/sbin",
    "/usr/libexec",
    "/usr/local/sbin",
    "/usr/local/mysql/bin",
    "/opt/homebrew/opt/mariadb/bin",
    "/opt/homebrew/opt/mysql/bin",
    "/usr/local/opt/mariadb/bin",
    "/usr/local/opt/mysql/bin",
    "/home/linuxbrew/.linuxbrew/opt/mariadb/bin",
    "/home/linuxbrew/.linuxbrew/opt/mysql/bin",
];

/// What of unpacked packages the server needs.
const NEEDED: [&str; 4] = ["usr/sbin", "usr/share/mysql", "usr/share/mariadb", "usr/lib"];

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    MariaDb,
    MySql,
}

/// The version that a server tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) maker: Maker,
    major: u32,
    minor: u32,
}

impl Version {
    /// Reads what `--version` prints.
    fn read(text: &str) -> Option<Self> {
        let (_, version) = text.split_once(" Ver ")?;
        let maker = if version.contains("MariaDB") { Maker::MariaDb } else { Maker::MySql };
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
        Some(Self { maker, major: numbers.next()?, minor: numbers.next()? })
    }

    fn is_supported(self) -> bool {
        match self.maker {
            Maker::MariaDb => (self.major, self.minor) >= (10, 6),
            Maker::MySql => self.major >= 8,
        }
    }

    /// For people.
    fn name(self) -> String {
        let maker = match self.maker {
            Maker::MariaDb => "MariaDB",
            Maker::MySql => "MySQL",
        };
        format!("{maker} {}.{}", self.major, self.minor)
    }
}

/// A server that runs as the account that will run it.
#[derive(Debug)]
pub(super) struct Installation {
    server: PathBuf,
    version: Version,
    /// Where it was unpacked, if it is not installed: its files are not where it looks for them.
    root: Option<PathBuf>,
}

impl Installation {
    /// Tries a program; the error tells why it is of no use.
    fn at(server: &Path, root: Option<&Path>, account: &Account) -> Result<Self, String> {
        let mut found = Self {
            server: server.to_owned(),
            version: Version { maker: Maker::MySql, major: 0, minor: 0 },
            root: root.map(Path::to_owned),
        };
        let output = found.command(account).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("it does not run as user {} ({error})", account.uid()))?;
        if !output.status.success() {
            return Err(format!("it fails ({})", output.status));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        found.version = Version::read(&text).ok_or_else(|| format!("it is {}", text.trim()))?;
        if found.version.is_supported() { Ok(found) } else { Err(format!("{} is too old", found.version.name())) }
    }

    /// Its program.
    pub(super) fn server(&self) -> &Path {
        &self.server
    }

    /// Which one it is, for people.
    pub(super) fn version(&self) -> String {
        self.version.name()
    }

    /// Whose it is.
    pub(super) fn maker(&self) -> Maker {
        self.version.maker
    }

    /// The name of the folder of its data: other versions cannot read them.
    pub(super) fn data_name(&self) -> String {
        self.version.name().to_lowercase().replace(' ', "-")
    }

    /// A command that runs the server with nobody's settings, and finds what it needs.
    pub(super) fn command(&self, account: &Account) -> Command {
        let mut command = account.command(&self.server);
        command.arg("--no-defaults");
        if let Some(root) = &self.root {
            let libraries = libraries(root);
            command.env("LD_LIBRARY_PATH", env::join_paths(libraries).unwrap_or_default());
            command.arg(format!("--basedir={}", root.join("usr").display()));
            if let Some(share) = self.share() {
                command.arg(format!("--lc-messages-dir={}", share.display()));
                command.arg(format!("--character-sets-dir={}", share.join("charsets").display()));
            }
            command.arg(format!("--plugin-dir={}", root.join("usr/lib/mysql/plugin").display()));
        }
        command
    }

    /// The folder of its messages and, for MariaDB, of the statements that make its own tables.
    pub(super) fn share(&self) -> Option<PathBuf> {
        let base = self
            .root
            .as_ref()
            .map_or_else(|| self.server.parent()?.parent().map(Path::to_owned), |root| Some(root.join("usr")))?;
        // Debian's server is in /usr/sbin, Homebrew's in a folder of its own.
        ["share/mariadb", "share/mysql", "share"]
            .iter()
            .map(|name| base.join(name))
            .find(|share| share.join("charsets").is_dir())
    }
}

/// The folders of libraries that were unpacked, such as `usr/lib/x86_64-linux-gnu`.
fn libraries(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.join("usr/lib")];
    for parent in ["usr/lib", "lib"] {
        let entries = fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with("-linux-gnu")));
    }
    folders
}

/// The installed ones that can be used, and why others were passed over.
pub(super) fn installed(account: &Account) -> (Vec<Installation>, Vec<String>) {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).chain(USUAL_PLACES.map(PathBuf::from)).collect();
    let mut seen = HashSet::new();
    let mut usable = Vec::new();
    let mut refused = Vec::new();
    for program in PROGRAMS {
        for folder in &folders {
            // A program finds its other files from where it really is, not from a link to it.
            let Ok(server) = folder.join(program).canonicalize() else { continue };
            if !seen.insert(server.clone()) {
                continue;
            }
            match Installation::at(&server, None, account) {
                Ok(installation) => usable.push(installation),
                Err(why) => refused.push(format!("{}: {why}", server.display())),
            }
        }
    }
    (usable, refused)
}

/// The one that was unpacked into `folder`. When the account cannot reach it there, a copy in `home` is used.
pub(super) fn unpacked(folder: &Path, home: &Path, account: &Account) -> Result<Installation, SetupError> {
    let unusable = |why: String| {
        let what = format!("The server of the system's packages does not work here: {why}.");
        SetupError::failed(what, format!("It is in {}.", folder.display()))
    };
    let at = |root: &Path| {
        let server = PROGRAMS.iter().map(|program| root.join("usr/sbin").join(program)).find(|server| server.is_file());
        Installation::at(&server.ok_or("it is not in them")?, Some(root), account)
    };
    match at(folder) {
        Ok(installation) => Ok(installation),
        Err(_) if account.is_assumed() => {
            let copy = home.join(folder.file_name().unwrap_or_default());
            copy_programs(folder, &NEEDED, &copy, account)
                .map_err(|error| unusable(format!("it cannot be copied ({error})")))?;
            at(&copy).map_err(unusable)
        }
        Err(why) => Err(unusable(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        for (text, expected, is_supported) in [
            (
                "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)",
                "MariaDB 10.11",
                true,
            ),
            ("/usr/sbin/mysqld  Ver 8.0.44-0ubuntu0.24.04.1 for Linux on x86_64 ((Ubuntu))", "MySQL 8.0", true),
            ("/usr/sbin/mysqld  Ver 9.7.4 for Linux on x86_64", "MySQL 9.7", true),
            ("mysqld  Ver 10.3.39-MariaDB for Linux", "MariaDB 10.3", false),
            ("mysqld  Ver 5.7.44 for Linux", "MySQL 5.7", false),
        ] {
            let version = Version::read(text).unwrap();
            assert_eq!((version.name().as_str(), version.is_supported()), (expected, is_supported));
        }
        assert_eq!(Version::read("mysqld: unknown"), None);
    }
}
