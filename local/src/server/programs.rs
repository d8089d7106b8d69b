//! Programs in a folder that the account cannot reach, such as root's own: a copy that it can.

use super::Account;
use std::fs;
use std::io;
use std::path::Path;

/// Copies the folders `parts` of `from`, as far as they are there, to `copy`, which is there when it is complete.
pub(crate) fn copy_programs(from: &Path, parts: &[&str], copy: &Path, account: &Account) -> io::Result<()> {
    if copy.exists() {
        return Ok(());
    }
    let partial = copy.with_added_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    for part in parts {
        let folder = from.join(part);
        if folder.is_dir() {
            fs::create_dir_all(partial.join(part))?;
            copy_folder(&folder, &partial.join(part))?;
        }
    }
    give_all(&partial, account)?;
    fs::rename(&partial, copy)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else if entry.path().extension().is_none_or(|kind| kind != "a") && entry.path().exists() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn give_all(path: &Path, account: &Account) -> io::Result<()> {
    account.give(path)?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), account)?;
        }
    }
    Ok(())
}
