//! Virtual environments of our own, made once and shared by every process on this machine.
//!
//! An environment cannot be moved after it is made, so it is made in place. A marker file tells a
//! finished one from one that was interrupted, and a lock lets several processes want it at once.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use crate::fingerprint::fingerprint;
use crate::guard;
use crate::setup_error::SetupError;

/// The Python 3 releases for which every pinned package offers a ready-made file.
const OLDEST_MINOR: u32 = 10;
const NEWEST_MINOR: u32 = 14;

/// Written into an environment when everything in it is installed.
const MARKER: &str = ".complete";

/// Prints the version, then whether environments with `pip` can be made.
const PROBE: &str = "\
import sys
print(*sys.version_info[:3])
try:
    import ensurepip, venv
    print('venv')
except ImportError:
    print('no venv')
";

/// A virtual environment with everything installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    folder: PathBuf,
    minor: u32,
}

impl Environment {
    /// The folder that holds the environment.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program that one of its packages installed, or `python` itself.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// The folder its packages are in.
    pub fn site_packages(&self) -> PathBuf {
        let python = format!("python3.{}", self.minor);
        self.folder.join("lib").join(python).join("site-packages")
    }
}

/// The environment called `name` in `cache_dir` with exactly the packages of `requirements`, a
/// complete pip requirements file with hashes. It is made on the first call (seconds to a minute,
/// with network access) and found again on later ones; other requirements or another Python give
/// another environment. Processes that ask at the same time wait for the one that makes it.
///
/// `report` is told about anything that takes long. Fails when no suitable Python is found or pip
/// cannot install the packages; the message then ends with the last lines of pip's output.
pub fn environment(
    cache_dir: &Path,
    name: &str,
    requirements: &str,
    report: &dyn Fn(&str),
) -> Result<Environment, SetupError> {
    let python = Python::find()?;
    let cache_dir = std::path::absolute(cache_dir).map_err(|e| unwritable(cache_dir, e))?;
    let key = fingerprint(format!("{}\n{requirements}", python.version()).as_bytes());
    let label = format!("{name}-{key:016x}");
    let made = Environment { folder: cache_dir.join(&label), minor: python.minor };
    if is_complete(&made) {
        return Ok(made);
    }

    fs::create_dir_all(&cache_dir).map_err(|e| unwritable(&cache_dir, e))?;
    let lock = File::create(cache_dir.join(format!("{label}.lock"))).map_err(|e| unwritable(&cache_dir, e))?;
    if let Err(TryLockError::WouldBlock) = lock.try_lock() {
        report(&format!("waiting for another process to install {name}"));
        lock.lock().map_err(|e| unwritable(&cache_dir, e))?;
    }
    // The lock ends with `lock`, or with this process.
    if !is_complete(&made) {
        report(&format!("installing {name} (once)"));
        install(&python, &made, requirements, &cache_dir.join(format!("{label}.log")))?;
    }
    Ok(made)
}

/// Whether it was finished, and the Python it points to is still there.
fn is_complete(made: &Environment) -> bool {
    made.folder.join(MARKER).exists() && made.program("python").exists()
}

fn install(python: &Python, made: &Environment, requirements: &str, log: &Path) -> Result<(), SetupError> {
    let folder = &made.folder;
    let output = File::create(log).map_err(|e| unwritable(log, e))?;
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| unwritable(folder, e))?;
    }
    let mut venv = Command::new(&python.program);
    venv.args(["-m", "venv"]).arg(folder);
    run(venv, &output, log)?;

    let list = folder.join("requirements.txt");
    fs::write(&list, requirements).map_err(|e| unwritable(&list, e))?;
    let mut pip = Command::new(made.program("python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check"])
        .args(["--no-input", "--progress-bar", "off"])
        // The list is complete and every line has a hash. Nothing is built from source.
        .args(["--no-deps", "--require-hashes", "--only-binary", ":all:"])
        .arg("--requirement")
        .arg(&list);
    run(pip, &output, log)?;
    fs::write(folder.join(MARKER), "").map_err(|e| unwritable(folder, e))
}

fn run(mut command: Command, output: &File, log: &Path) -> Result<(), SetupError> {
    let copy = || output.try_clone().map(Stdio::from);
    let ended = copy().and_then(|out| {
        command
            .stdout(out)
            .stderr(copy()?)
            // Settings that would send packages to a place other than the environment.
            .env_remove("PYTHONHOME")
            .env_remove("PYTHONPATH")
            .env_remove("PIP_TARGET")
            .env_remove("PIP_PREFIX")
            .env("PIP_USER", "0");
        guard::run(&mut command)
    });
    let program = command.get_program().to_string_lossy().into_owned();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let text = fs::read_to_string(log).unwrap_or_default();
            Err(SetupError::failed(
                format!("Python packages could not be installed ({status}):\n{}", last_lines(&text, 15)),
                format!(
                    "The first run needs a package index that pip can reach (its usual settings \
                     apply); the whole output is in {}.",
                    log.display()
                ),
            ))
        }
        Err(error) => {
            Err(SetupError::failed(format!("{program} could not be run."), "Set PYTHON to a working Python 3.")
                .caused_by(error))
        }
    }
}

/// The Python that makes environments.
///
/// # Errors
/// If there is none that will do.
pub fn program() -> Result<PathBuf, SetupError> {
    Python::find().map(|python| python.program)
}

/// A Python that can make environments.
#[derive(Debug)]
struct Python {
    program: PathBuf,
    minor: u32,
    patch: u32,
}

impl Python {
    fn version(&self) -> String {
        format!("3.{}.{}", self.minor, self.patch)
    }

    /// `PYTHON` when set, else the first suitable `python3` or `python3.N` in the search path.
    fn find() -> Result<Self, SetupError> {
        if let Some(chosen) = env::var_os("PYTHON").filter(|value| !value.is_empty()) {
            return Self::probe(Path::new(&chosen))
                .map_err(|why| not_found(&format!("PYTHON is {}, but {why}.", chosen.display())));
        }
        let numbered = (OLDEST_MINOR..=NEWEST_MINOR).rev();
        let mut first_reason = None;
        for name in std::iter::once("python3".into()).chain(numbered.map(|n| format!("python3.{n}"))) {
            match Self::probe(Path::new(&name)) {
                Ok(python) => return Ok(python),
                Err(why) => first_reason.get_or_insert(format!("{name}: {why}.")),
            };
        }
        Err(not_found(&first_reason.unwrap_or_default()))
    }

    fn probe(program: &Path) -> Result<Self, String> {
        let output = Command::new(program).args(["-c", PROBE]).stdin(Stdio::null()).output().map_err(|error| {
            match error.kind() {
                io::ErrorKind::NotFound => "there is no such program".into(),
                _ => format!("it does not run ({error})"),
            }
        })?;
        if !output.status.success() {
            return Err(format!("it does not run ({})", output.status));
        }
        let (minor, patch) = understand(&String::from_utf8_lossy(&output.stdout))?;
        Ok(Self { program: program.into(), minor, patch })
    }
}

/// Reads what [`PROBE`] printed: the minor and patch numbers of a Python that will do.
fn understand(answer: &str) -> Result<(u32, u32), String> {
    let mut lines = answer.lines();
    let version: Vec<u32> =
        lines.next().unwrap_or_default().split(' ').filter_map(|number| number.parse().ok()).collect();
    let [major, minor, patch] = version[..] else {
        return Err("it does not tell its version".into());
    };
    if major != 3 || !(OLDEST_MINOR..=NEWEST_MINOR).contains(&minor) {
        return Err(format!("it is version {major}.{minor}.{patch}"));
    }
    if lines.next() != Some("venv") {
        return Err("it cannot make virtual environments (the venv module is missing)".into());
    }
    Ok((minor, patch))
}

fn not_found(detail: &str) -> SetupError {
    SetupError::absent(
        format!("Python 3.{OLDEST_MINOR} to 3.{NEWEST_MINOR} with the venv module is needed. {detail}"),
        "Install it (Debian and Ubuntu: apt install python3 python3-venv; macOS: brew install \
         python@3.13), or set PYTHON to the one to use.",
    )
}

fn unwritable(path: &Path, error: io::Error) -> SetupError {
    SetupError::failed(
        format!("{} cannot be written.", path.display()),
        "Choose a folder you may write to, with some hundred megabytes free.",
    )
    .caused_by(error)
}

/// The end of a text, for showing why a program failed.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_what_the_probe_prints() {
        for (answer, expected) in [
            ("3 11 7\nvenv\n", Ok((11, 7))),
            ("3 14 0\nvenv\n", Ok((14, 0))),
            ("3 9 6\nvenv\n", Err("it is version 3.9.6")),
            ("3 15 0\nvenv\n", Err("it is version 3.15.0")),
            ("4 11 0\nvenv\n", Err("it is version 4.11.0")),
            ("hello\n", Err("it does not tell its version")),
            ("", Err("it does not tell its version")),
        ] {
            let expected = expected.map_err(String::from);
            assert_eq!(understand(answer), expected, "{answer:?}");
        }
        assert!(understand("3 11 2\nno venv\n").unwrap_err().contains("venv module"));
    }

    #[test]
    fn keeps_the_end_of_a_text() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a\n", 2), "a");
        assert_eq!(last_lines("", 2), "");
    }

    #[test]
    fn an_empty_list_makes_an_environment_once() {
        let cache = env::temp_dir().join(format!("sluice-python-{}", std::process::id()));
        let reports = std::cell::RefCell::new(Vec::new());
        let report = |text: &str| reports.borrow_mut().push(text.to_owned());
        let first = environment(&cache, "empty", "", &report).unwrap();
        let second = environment(&cache, "empty", "", &report).unwrap();
        assert_eq!(first, second);
        assert_eq!(*reports.borrow(), ["installing empty (once)"]);
        assert!(first.site_packages().join("pip").is_dir());
        fs::remove_dir_all(cache).unwrap();
    }
}
