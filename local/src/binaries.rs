//! The functions' binaries, built from this checkout and packed as Lambda wants them.

use crate::fingerprint::fingerprint;
use crate::guard;
use crate::setup_error::SetupError;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The checkout that cargo runs this program or test for; without cargo, the one that it was built from. Checkouts
/// that share a target folder share this program too, so what was compiled into it may name another one.
pub fn workspace() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).filter(|folder| folder.ends_with("local"));
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package.parent().map(Path::to_owned).unwrap_or_default()
}

/// Builds these functions as this program was built, unless they are up to date; returns the folder that holds them.
///
/// # Errors
/// If cargo cannot be started or a build fails; cargo has said why by then.
pub fn build(functions: &BTreeSet<String>) -> Result<PathBuf, SetupError> {
    let mut command = cargo();
    // From the workspace as a whole, so that features unify as in a build of everything and nothing is built twice.
    command.arg("--workspace");
    for function in functions {
        command.args(["--bin", function]);
    }
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    run(&mut command)?;
    folder()
}

/// Builds these functions, and the programs that pivot local files and read MySQL with the same code, as they are
/// deployed: for the oldest processor that Lambda has of this kind, as cargo-lambda does. They have a target folder of
/// their own, which takes them apart from those of this machine. This program is built in the same way, for what it
/// does beside them: it must not be what they wait for. Returns the folder that holds all of them.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_deployed(functions: &BTreeSet<String>) -> Result<PathBuf, SetupError> {
    let debug = folder()?;
    let target = debug.parent().unwrap_or(&debug).join("deployed");
    let mut command = release(&target);
    command.args(["--bins", "--example", "pivot_file", "--example", "export_csv"]);
    for function in functions {
        command.args(["-p", function]);
    }
    run(&mut command)?;
    // By itself: together they would be built with the features that this one needs.
    run(release(&target).args(["--bin", "local", "-p", "local"]))?;
    Ok(target.join("release"))
}

/// `cargo build` of this checkout, into a folder of its own and as it is deployed.
fn release(target: &Path) -> Command {
    let mut command = cargo();
    command.args(["--release", "--target-dir"]).arg(target);
    let processor = if cfg!(target_arch = "x86_64") { "haswell" } else { "neoverse-n1" };
    command.env("RUSTFLAGS", format!("-C target-cpu={processor}")).env_remove("CARGO_ENCODED_RUSTFLAGS");
    // It would be one folder more.
    command.env_remove("CARGO_BUILD_TARGET");
    command
}

/// `cargo build` of this checkout.
fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--locked"]).current_dir(workspace());
    // What cargo tells a program that it runs about its package; build scripts would take it for a change and run
    // again.
    for (name, _) in std::env::vars_os() {
        let is_about_a_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
            .iter()
            .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()));
        if is_about_a_package {
            command.env_remove(name);
        }
    }
    command
}

fn run(command: &mut Command) -> Result<(), SetupError> {
    let failed = || SetupError::failed("The functions could not be built.", "See what cargo says above.");
    match guard::run(command) {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(failed()),
        Err(error) => Err(failed().caused_by(error)),
    }
}

/// The folder of this program, or the one above for a test, whose binary is in `deps`.
fn folder() -> Result<PathBuf, SetupError> {
    let unknown = || SetupError::failed("The folder of this program cannot be found.", "Start it with cargo.");
    let program = std::env::current_exe().map_err(|error| unknown().caused_by(error))?;
    let folder = program.parent().ok_or_else(unknown)?;
    let folder = if folder.ends_with("deps") { folder.parent().ok_or_else(unknown)? } else { folder };
    Ok(folder.to_owned())
}

/// A function's deployment package.
pub(crate) struct Package {
    /// The function's name.
    pub(crate) function: String,
    /// An object name that changes with the binary: CloudFormation takes the same name for no change.
    pub(crate) name: String,
    program: PathBuf,
}

impl Package {
    /// The package of `function`, whose binary is in `folder`.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) fn new(function: String, folder: &Path) -> Result<Self, SetupError> {
        let program = folder.join(&function);
        let absent = |error| {
            SetupError::failed(format!("{} is not there.", program.display()), "Build it with cargo.").caused_by(error)
        };
        let metadata = fs::metadata(&program).map_err(absent)?;
        let built_at = metadata.modified().map_err(absent)?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let build = format!("{}, {} bytes at {built_at}", program.display(), metadata.len());
        let build = fingerprint(build.as_bytes());
        Ok(Self { name: format!("{function}-{build:016x}.zip"), function, program })
    }

    /// A zip file that holds the binary as `bootstrap`, as it is deployed on AWS.
    ///
    /// # Errors
    /// As the file system has it.
    pub(crate) fn zip(&self) -> std::io::Result<Vec<u8>> {
        zip(&fs::read(&self.program)?)
    }

    /// A zip file whose `bootstrap` becomes the binary where it is. For this machine: some hundred megabytes do not
    /// have to be stored, read and hashed again for each deployment.
    ///
    /// # Errors
    /// None in practice: it is made in memory.
    pub(crate) fn reference(&self) -> std::io::Result<Vec<u8>> {
        let mut script = b"#!/bin/sh\nexec '".to_vec();
        let path = self.program.as_os_str().as_encoded_bytes();
        script.extend(path.split(|byte| *byte == b'\'').collect::<Vec<_>>().join(&b"'\\''"[..]));
        script.extend(b"'\n");
        zip(&script)
    }
}

/// What is deployed in place of a function that was not built.
///
/// # Errors
/// None in practice: it is made in memory.
pub(crate) fn stand_in() -> std::io::Result<Vec<u8>> {
    zip(b"#!/bin/sh\necho 'This function was not built: the job that was started does not need it.' >&2\nexit 1\n")
}

/// A zip file that holds a program as `bootstrap`.
fn zip(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::with_capacity(program.len() + 1_024)));
    // Stored, not deflated: it does not leave this machine.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(program)?;
    Ok(zip.finish()?.into_inner())
}
