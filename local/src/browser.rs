//! A browser without a window, for tests of the page: the machine's own Chromium, or one that is unpacked into the
//! cache.

use crate::packages::{self, Wanted};
use crate::setup_error::SetupError;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// How it may be called.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// Where it is in the system's packages, and the folders of its libraries there.
const PROGRAM: &str = "usr/lib/chromium/chromium";
const LIBRARIES: [&str; 2] = ["", "pulseaudio"];

const CHROMIUM: Wanted = Wanted {
    name: "Chromium",
    absent: "There is no Chromium on this machine (package chromium).",
    packages: &[&["chromium"]],
    folder: "chromium-packages",
};

/// A Chromium that can be started.
pub struct Browser {
    program: PathBuf,
    libraries: Option<OsString>,
}

impl Browser {
    /// The one on the path, or one that is fetched if need be.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn find(report: &dyn Fn(&str)) -> Result<Self, SetupError> {
        let folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
        let mut programs = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        if let Some(program) = programs.find(|program| program.is_file()) {
            return Ok(Self { program, libraries: None });
        }
        let folder = packages::unpack(&CHROMIUM, &crate::stack::tools_dir(), report)?;
        let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = LIBRARIES.iter().map(|part| folder.join("usr/lib").join(&machine).join(part));
        let libraries = std::env::join_paths(libraries).ok();
        Ok(Self { program: folder.join(PROGRAM), libraries })
    }

    /// A shell that starts it with these arguments, such that it is spoken to by the shell's input and output.
    ///
    /// It listens on the descriptors 3 and 4, which no program here could hand on but a shell.
    pub fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#]).arg(&self.program);
        // Root has to leave its sandbox out; the only pages are our own.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--remote-debugging-pipe", "--hide-scrollbars", "--disable-background-networking"]);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }
}
