//! The functions' binaries, built from this checkout and packed as Lambda wants them.

use crate::guard;
use crate::missing::Missing;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The functions, by the one name that folder, package and binary share.
pub const FUNCTIONS: [&str; 4] = ["detect-new-files", "pivot", "upsert", "database-access"];

/// The checkout that this program was built from.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Builds the functions as this program was built, unless they are up to date; returns the folder that holds them.
///
/// # Errors
/// If cargo cannot be started or a build fails; cargo has said why by then.
pub fn build() -> Result<PathBuf, Missing> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--workspace", "--bins"]).current_dir(workspace());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let failed = || Missing::failed("The functions could not be built.", "See what cargo says above.");
    match guard::run(&mut command) {
        Ok(status) if status.success() => folder(),
        Ok(_) => Err(failed()),
        Err(error) => Err(failed().caused_by(error)),
    }
}

/// The folder of this program, or the one above for a test, whose binary is in `deps`.
fn folder() -> Result<PathBuf, Missing> {
    let missing = || Missing::failed("The folder of this program cannot be found.", "Start it with cargo.");
    let program = std::env::current_exe().map_err(|error| missing().caused_by(error))?;
    let folder = program.parent().ok_or_else(missing)?;
    let folder = if folder.ends_with("deps") { folder.parent().ok_or_else(missing)? } else { folder };
    Ok(folder.to_owned())
}

/// A function's deployment package.
pub struct Package {
    /// The function's name.
    pub function: &'static str,
    /// An object name that changes with the content: the same name would not count as an update.
    pub name: String,
    /// A zip file that holds the binary as `bootstrap`.
    pub zip: Vec<u8>,
}

/// Packs the binaries in `folder`.
///
/// # Errors
/// If one of them cannot be read.
pub fn pack(folder: &Path) -> Result<Vec<Package>, Missing> {
    FUNCTIONS
        .into_iter()
        .map(|function| {
            let program = folder.join(function);
            pack_one(function, &program).map_err(|error| {
                Missing::failed(format!("{} cannot be packed.", program.display()), "Build it with cargo.")
                    .caused_by(error)
            })
        })
        .collect()
}

fn pack_one(function: &'static str, program: &Path) -> std::io::Result<Package> {
    let binary = fs::read(program)?;
    let mut hasher = DefaultHasher::new();
    binary.hash(&mut hasher);
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::with_capacity(binary.len() + 1_024)));
    // Stored, not deflated: it travels over loopback only.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(&binary)?;
    let zip = zip.finish()?.into_inner();
    Ok(Package { function, name: format!("{function}-{:016x}.zip", hasher.finish()), zip })
}
