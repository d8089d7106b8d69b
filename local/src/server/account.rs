//! Who runs the server, and where its files can live.
//!
//! PostgreSQL and MySQL refuse to run as root. So for root (a container, say) an unprivileged account of
//! the machine runs it, and that account may be unable to reach root's own folders. Rather than
//! compute what it may do from permission bits, we try as that account and see.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::setup_error::SetupError;

/// Where the server's files go when the account cannot reach the state folder.
const ELSEWHERE: &str = "/var/tmp";
const ELSEWHERE_PREFIX: &str = "sluice-";

/// The accounts that may run the server for root, best first.
const UNPRIVILEGED: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// The user the server runs as.
#[derive(Debug)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
    /// True when we are root and this is somebody else.
    assumed: bool,
}

impl Account {
    /// Ourselves, or for root the first unprivileged account that we can run a program as.
    /// `server` is its name for people.
    pub(crate) fn choose(server: &str) -> Result<Self, SetupError> {
        let id = |which: &str| -> io::Result<u32> {
            let output = Command::new("id").arg(which).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            text.trim().parse().map_err(io::Error::other)
        };
        let (uid, gid) = id("-u")
            .and_then(|uid| Ok((uid, id("-g")?)))
            .map_err(|e| SetupError::absent("The program `id` is needed.", "Install coreutils.").caused_by(e))?;
        let ourselves = Self { uid, gid, assumed: false };
        if uid != 0 {
            return Ok(ourselves);
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        UNPRIVILEGED
            .iter()
            .filter_map(|name| find_account(&accounts, name))
            .map(|(uid, gid)| Self { uid, gid, assumed: true })
            .find(|account| account.can_enter(Path::new("/")))
            .ok_or_else(|| {
                SetupError::absent(
                    format!("{server} refuses to run as root, and no account could be used instead."),
                    "Run this as an ordinary user, or create an account called `postgres`.",
                )
            })
    }

    /// A command that will run as this account, in a folder and a language that are always there,
    /// and without settings for the servers' programs that are meant for another server.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if ["PG", "MYSQL", "MARIADB"].iter().any(|program| name.to_string_lossy().starts_with(program)) {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").current_dir("/");
        if self.assumed {
            // This also drops root's supplementary groups.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a file or folder that we made to this account.
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        if self.assumed {
            chown(path, Some(self.uid), Some(self.gid))?;
        }
        Ok(())
    }

    /// The number of the user.
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether the server runs as somebody other than us.
    pub(crate) fn is_assumed(&self) -> bool {
        self.assumed
    }

    fn can_enter(&self, folder: &Path) -> bool {
        let mut test = self.command("test");
        test.arg("-x").arg(folder).stderr(Stdio::null());
        test.status().is_ok_and(|status| status.success())
    }

    /// Whether a folder is this account's, closed to everybody else, and within its reach.
    fn can_keep_secrets_in(&self, folder: &Path) -> bool {
        fs::metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == self.uid && found.mode() & 0o077 == 0)
            && self.can_enter(folder)
    }
}

/// The folder for the files of the server `name`, made if need be: `<state_dir>/<name>`, or one in
/// `/var/tmp` that this name is then a link to.
pub(crate) fn open_home(state_dir: &Path, name: &str, account: &Account) -> Result<PathBuf, SetupError> {
    let place = state_dir.join(name);
    let open = || -> io::Result<PathBuf> {
        if let Ok(home) = place.canonicalize()
            && account.can_keep_secrets_in(&home)
        {
            return Ok(home);
        }
        if place.is_symlink() {
            fs::remove_file(&place)?;
        }
        let within_reach = account.can_enter(state_dir);
        let home = if within_reach {
            place.clone()
        } else {
            Path::new(ELSEWHERE).join(format!("{ELSEWHERE_PREFIX}{}", random_hex(8)?))
        };
        DirBuilder::new().mode(0o700).create(&home)?;
        account.give(&home)?;
        if !within_reach {
            symlink(&home, &place)?;
        }
        home.canonicalize()
    };
    open().map_err(|error| {
        SetupError::failed(
            format!("{} cannot hold a database.", place.display()),
            "If another user made it, run this as that user, or choose another state folder.",
        )
        .caused_by(error)
    })
}

/// Deletes what [`open_home`] made.
pub(crate) fn erase_home(state_dir: &Path, name: &str) -> io::Result<()> {
    let place = state_dir.join(name);
    if let Ok(home) = fs::read_link(&place) {
        let ours = home.parent() == Some(Path::new(ELSEWHERE))
            && home.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ELSEWHERE_PREFIX));
        if ours && home.is_dir() {
            fs::remove_dir_all(&home)?;
        }
        fs::remove_file(&place)
    } else if place.is_dir() {
        fs::remove_dir_all(&place)
    } else {
        Ok(())
    }
}

/// That many random bytes, as hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The user and group ids of an account, from the text of `/etc/passwd`.
fn find_account(accounts: &str, name: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some((uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_accounts_by_their_whole_name() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\n\
                        postgresql:x:7:8::/:/bin/sh\n\
                        postgres:x:101:104:admin,,,:/var/lib:/bin/bash\n\
                        broken:x\n";
        assert_eq!(find_account(accounts, "postgres"), Some((101, 104)));
        assert_eq!(find_account(accounts, "root"), None);
        assert_eq!(find_account(accounts, "broken"), None);
        assert_eq!(find_account(accounts, "nobody"), None);
    }

    #[test]
    fn random_text_has_the_length_asked_for() {
        let (one, other) = (random_hex(16).unwrap(), random_hex(16).unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }

    #[test]
    fn erases_a_folder_but_never_follows_a_foreign_link() {
        let state = std::env::temp_dir().join(format!("sluice-erase-{}", std::process::id()));
        fs::create_dir_all(state.join("postgres/data")).unwrap();
        erase_home(&state, "postgres").unwrap();
        assert!(!state.join("postgres").exists());

        fs::create_dir_all(state.join("precious")).unwrap();
        symlink(state.join("precious"), state.join("postgres")).unwrap();
        erase_home(&state, "postgres").unwrap();
        assert!(state.join("precious").exists() && !state.join("postgres").is_symlink());
        erase_home(&state, "postgres").unwrap();
        fs::remove_dir_all(state).unwrap();
    }
}
