//! Programs out of the system's packages, Debian's and Ubuntu's: fetched and unpacked into the cache, not installed,
//! without root.

use crate::guard;
use crate::python::last_lines;
use crate::setup_error::SetupError;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What marks a folder as complete.
const MARKER: &str = ".complete";

/// A program, and the packages that hold it.
pub(crate) struct Wanted {
    /// What it is called, such as `MariaDB`.
    pub(crate) name: &'static str,
    /// What is missing where there are no such packages, as a sentence.
    pub(crate) absent: &'static str,
    /// The packages that hold it and little else; any of these lists does, the first one best.
    pub(crate) packages: &'static [&'static [&'static str]],
    /// The name of the folder that they are unpacked into.
    pub(crate) folder: &'static str,
}

/// The folder in `tools_dir` that a program was unpacked into, which this does if need be. Processes that ask at the
/// same time wait for the one that does it.
pub(crate) fn unpack(wanted: &Wanted, tools_dir: &Path, report: &dyn Fn(&str)) -> Result<PathBuf, SetupError> {
    let Wanted { name, folder: folder_name, .. } = wanted;
    let folder = tools_dir.join(folder_name);
    if folder.join(MARKER).exists() {
        return Ok(folder);
    }
    if !has("apt-get") || !has("dpkg-deb") {
        return Err(SetupError::absent(wanted.absent, "Start on Debian or Ubuntu."));
    }
    let log = tools_dir.join(format!("{folder_name}.log"));
    let failed = |error: io::Error| {
        SetupError::failed(
            format!("{name} could not be unpacked from the system's packages."),
            format!(
                "The first run needs apt's mirrors (its usual settings apply); what apt said is in {}.",
                log.display()
            ),
        )
        .caused_by(error)
    };
    fs::create_dir_all(tools_dir).map_err(failed)?;
    let lock = File::create(tools_dir.join(format!("{folder_name}.lock"))).map_err(failed)?;
    if let Err(TryLockError::WouldBlock) = lock.try_lock() {
        report(&format!("waiting for another process to unpack {name}"));
        lock.lock().map_err(failed)?;
    }
    // The lock ends with `lock`, or with this process.
    if !folder.join(MARKER).exists() {
        report(&format!("fetching {name} (once)"));
        fetch(wanted.packages, &folder, &log).map_err(failed)?;
    }
    Ok(folder)
}

fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn fetch(packages: &[&[&str]], folder: &Path, log: &Path) -> io::Result<()> {
    let apt = Apt { files: folder.with_extension("apt"), log: File::create(log)?, has_own_lists: false };
    // The machine's lists of packages may be missing or old; then we have our own, which takes longer.
    let fetched = apt.fetch(packages).or_else(|_| {
        let apt = Apt { has_own_lists: true, ..apt };
        apt.run(&["update"])?;
        apt.fetch(packages)
    });
    let files = folder.with_extension("apt");
    let unpacked = fetched.and_then(|packages| {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        for package in packages {
            run(
                Command::new("dpkg-deb").arg("--extract").arg(package).arg(folder),
                &File::options().append(true).open(log)?,
            )?;
        }
        fs::write(folder.join(MARKER), "")
    });
    let _ = fs::remove_dir_all(files);
    unpacked.map_err(|error| {
        let text = fs::read_to_string(log).unwrap_or_default();
        io::Error::new(error.kind(), format!("{error}\n{}", last_lines(&text, 5)))
    })
}

/// apt, of which nothing is installed.
struct Apt {
    /// Where what it fetches goes.
    files: PathBuf,
    log: File,
    /// Whether it works with lists of packages of our own.
    has_own_lists: bool,
}

impl Apt {
    fn command(&self, arguments: &[&str]) -> io::Result<Command> {
        let packages = self.files.join("packages");
        fs::create_dir_all(&packages)?;
        let mut command = Command::new("apt-get");
        command.args(arguments).env("LC_ALL", "C").current_dir(packages);
        if self.has_own_lists {
            for (name, folder) in [("Dir::State::lists", "lists"), ("Dir::Cache", "cache")] {
                let folder = self.files.join(folder);
                fs::create_dir_all(folder.join("partial"))?;
                fs::create_dir_all(folder.join("archives/partial"))?;
                command.arg("-o").arg(format!("{name}={}", folder.display()));
            }
        }
        Ok(command)
    }

    fn run(&self, arguments: &[&str]) -> io::Result<()> {
        run(&mut self.command(arguments)?, &self.log)
    }

    /// Fetches the first of these lists that there is, and what of its dependencies this machine lacks; returns the
    /// files.
    fn fetch(&self, lists: &[&[&str]]) -> io::Result<Vec<PathBuf>> {
        let known = lists.iter().find_map(|packages| Some((packages, self.missing(packages)?)));
        let absent = || io::Error::other(format!("there is none of the packages {}", lists.concat().join(", ")));
        let (packages, mut names) = known.ok_or_else(absent)?;
        for package in *packages {
            if !names.iter().any(|name| name == package) {
                // Installed, and of no use.
                names.push((*package).to_owned());
            }
        }
        let arguments: Vec<&str> = std::iter::once("download").chain(names.iter().map(String::as_str)).collect();
        self.run(&arguments)?;
        let entries = fs::read_dir(self.files.join("packages"))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }

    /// What would be installed with packages; nothing if one of them is not known.
    fn missing(&self, packages: &[&str]) -> Option<Vec<String>> {
        let mut command = self.command(&["--simulate", "install", "--no-install-recommends"]).ok()?;
        command.args(packages);
        let output = command.stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| to_install(&String::from_utf8_lossy(&output.stdout)))
    }
}

fn run(command: &mut Command, log: &File) -> io::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = guard::run(command.stdout(log.try_clone()?).stderr(log.try_clone()?))?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{program} failed ({status})"))) }
}

/// The packages in what `apt-get --simulate install` prints.
fn to_install(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines.filter_map(|line| line.split(' ').next()).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_would_be_installed() {
        let text = "Reading package lists...\nThe following NEW packages will be installed:\n  a b\n\
                    Inst mysql-common (5.8+1.1.0 Debian:12/stable [all])\nInst b [1] (2 Debian:12 [amd64]) []\n\
                    Conf mysql-common (5.8+1.1.0 Debian:12/stable [all])\n";
        assert_eq!(to_install(text), ["mysql-common", "b"]);
    }
}
