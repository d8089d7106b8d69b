//! What was read of runs that have ended, kept on the disk so that it is never asked for again: a file for each run,
//! and one that says which version wrote them. No input or output is kept, no value of a row, and no credential.

use crate::facts::Facts;
use crate::fold::Story;
use crate::model::{Head, LoadedWindow, Revision};
use serde::{Deserialize, Serialize};
use sluice::digest;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The form of the files; those of another one are thrown away.
const VERSION: &str = "page 4";

/// What is kept of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What its description says.
    pub facts: Option<Facts>,
    /// Its folded history.
    pub story: Option<Story>,
    /// The digest of the definition by which it ran.
    #[serde(default)]
    pub revision: Option<String>,
}

/// The folder of a stack.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// Where the folders of stacks are. Of which account a stack is, is known when it was read.
#[derive(Clone, Debug)]
pub struct Caches {
    /// The folder that they are in.
    pub folder: PathBuf,
    /// Of which region the stack is.
    pub region: String,
    /// What it is called.
    pub stack: String,
}

impl Caches {
    /// That of the stack on this account; `None`, and a line for whoever started the page, if it cannot be made.
    pub fn open(&self, account: &str) -> Option<Cache> {
        let is_plain = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        let name = is_plain.then(|| format!("{account}-{}-{}", self.region, digest::of([&self.stack])))?;
        let folder = self.folder.join(name);
        match Cache::open(&folder) {
            Ok(cache) => Some(cache),
            Err(error) => {
                eprintln!("{}: {error}; what is read is not kept", folder.display());
                None
            }
        }
    }
}

impl Cache {
    /// The cache in `folder`, which is made if need be, for this user's eyes only. If another version wrote it, it is
    /// emptied first.
    ///
    /// # Errors
    /// As the file system has it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let version = folder.join("version");
        if folder.exists() && fs::read_to_string(&version).ok().as_deref() != Some(VERSION) {
            fs::remove_dir_all(folder)?;
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::write(version, VERSION)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// What is kept of an execution; nothing if that cannot be read.
    pub fn read(&self, head: &Head) -> Kept {
        let text = fs::read_to_string(self.path(head)).unwrap_or_default();
        text.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_default()
    }

    /// Keeps what is known of an execution. That it cannot is no trouble: it is asked for again.
    pub fn write(&self, head: &Head, kept: &Kept) {
        if let Ok(text) = serde_json::to_string(kept) {
            put(&self.path(head), &text);
        }
    }

    /// The records of windows that were read of the job of a state machine, by their keys; `None` for what is not
    /// understood.
    pub fn read_windows(&self, machine: &str) -> BTreeMap<String, Option<LoadedWindow>> {
        let text = fs::read_to_string(self.path_of(&[machine])).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Keeps them.
    pub fn write_windows(&self, machine: &str, windows: &BTreeMap<String, Option<LoadedWindow>>) {
        if let Ok(text) = serde_json::to_string(windows) {
            put(&self.path_of(&[machine]), &text);
        }
    }

    /// The definition of this digest.
    pub fn read_revision(&self, digest: &str) -> Option<Revision> {
        let is_plain = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let text = fs::read_to_string(self.folder.join(digest).with_extension("asl")).ok().filter(|_| is_plain)?;
        Revision::read(&text)
    }

    /// Keeps the text of a definition, once for all runs by it.
    pub fn write_definition(&self, text: &str) {
        let path = self.folder.join(digest::of([text])).with_extension("asl");
        if !path.exists() {
            put(&path, text);
        }
    }

    /// The name of an execution may be used again after 90 days, so its start is part of the file's.
    fn path(&self, head: &Head) -> PathBuf {
        self.path_of(&[&head.arn, &head.started.to_string()])
    }

    /// A name that no text of somebody else's can turn into another folder.
    fn path_of(&self, parts: &[&str]) -> PathBuf {
        self.folder.join(digest::of(parts)).with_extension("json")
    }
}

/// Writes a file whole, or not at all.
fn put(path: &Path, text: &str) {
    let partial = path.with_extension("partial");
    if fs::write(&partial, text).is_ok() {
        let _ = fs::rename(partial, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::Event;
    use crate::outcome::Status;
    use std::os::unix::fs::PermissionsExt;

    /// Two accounts may have a stack of the same name in the same region.
    #[test]
    fn each_account_has_a_cache_of_its_own() {
        let folder = std::env::temp_dir().join(format!("sluice-page-caches-{}", std::process::id()));
        let caches = Caches { folder: folder.clone(), region: "us-east-1".to_owned(), stack: "../sluice".to_owned() };
        let head = crate::runs::tests::head("x", Status::Succeeded, 1);
        let kept = Kept { revision: Some("r".to_owned()), ..Kept::default() };
        let one = caches.open("111111111111").unwrap();
        one.write(&head, &kept);
        assert_eq!(caches.open("222222222222").unwrap().read(&head), Kept::default());
        assert_eq!(caches.open("111111111111").unwrap().read(&head), kept);
        for other in ["", "..", "1/2"] {
            assert!(caches.open(other).is_none(), "{other}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_kept_is_found_again_and_another_version_is_thrown_away() {
        let folder = std::env::temp_dir().join(format!("sluice-page-cache-{}", std::process::id()));
        let cache = Cache::open(&folder).unwrap();
        let head = |started| Head {
            arn: "arn:aws:states:x:1:execution:m:../../../etc/passwd".to_owned(),
            ..crate::runs::tests::head("x", Status::Succeeded, started)
        };
        let mut story = Story::default();
        story.add(&Event { id: 1, at: 7, kind: "ExecutionStarted".to_owned(), ..Event::default() });
        let kept = Kept { story: Some(story), ..Kept::default() };
        cache.write(&head(1), &kept);
        assert_eq!(Cache::open(&folder).unwrap().read(&head(1)), kept);
        assert_eq!(cache.read(&head(2)), Kept::default(), "its name was used again");
        let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
        let revision = Revision::read(definition).unwrap();
        cache.write_definition(definition);
        let read = cache.read_revision(&revision.digest).unwrap();
        assert!(read.definition.state("A").is_some() && read.value == revision.value && read.digest == revision.digest);
        assert!(cache.read_revision("../version").is_none() && cache.read_revision("0").is_none());
        let window = LoadedWindow { start: 1, end: 2, rows: 3, execution: "arn:x".to_owned(), is_verified: true };
        let windows =
            BTreeMap::from([("state/j/runs/x/window-00000.json".to_owned(), Some(window)), ("x".to_owned(), None)]);
        cache.write_windows("arn:aws:states:x:1:stateMachine:m", &windows);
        assert_eq!(cache.read_windows("arn:aws:states:x:1:stateMachine:m"), windows);
        assert!(cache.read_windows("other").is_empty());
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(folder.join("version"), "page 0").unwrap();
        assert_eq!(Cache::open(&folder).unwrap().read(&head(1)), Kept::default());
        assert!(cache.read_windows("arn:aws:states:x:1:stateMachine:m").is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}
