//! What was read of runs that have ended, kept on the disk so that it is never asked for again: a file for each run,
//! and one that says which version wrote them. No input or output is kept, no value of a row, and no credential.

use crate::facts::Facts;
use crate::fold::Story;
use serde::{Deserialize, Serialize};
use sluice::digest;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The form of the files; those of another one are thrown away.
const VERSION: &str = "page 2";

/// What is kept of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What its description says.
    pub facts: Option<Facts>,
    /// Its folded history.
    pub story: Option<Story>,
}

/// The folder of a stack.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
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

    /// What is kept of the execution `arn`; nothing if that cannot be read.
    pub fn read(&self, arn: &str) -> Kept {
        let text = fs::read_to_string(self.path(arn)).unwrap_or_default();
        text.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_default()
    }

    /// Keeps what is known of the execution `arn`. That it cannot is no trouble: it is asked for again.
    pub fn write(&self, arn: &str, kept: &Kept) {
        let Ok(text) = serde_json::to_string(kept) else { return };
        let path = self.path(arn);
        let partial = path.with_extension("partial");
        if fs::write(&partial, text).is_ok() {
            let _ = fs::rename(partial, path);
        }
    }

    /// A name that no text of somebody else's can turn into another folder.
    fn path(&self, arn: &str) -> PathBuf {
        self.folder.join(digest::of([arn])).with_extension("json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::Event;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_kept_is_found_again_and_another_version_is_thrown_away() {
        let folder = std::env::temp_dir().join(format!("sluice-page-cache-{}", std::process::id()));
        let cache = Cache::open(&folder).unwrap();
        let arn = "arn:aws:states:x:1:execution:m:../../../etc/passwd";
        let mut story = Story::default();
        story.add(&Event { id: 1, at: 7, kind: "ExecutionStarted".to_owned(), ..Event::default() });
        let kept = Kept { story: Some(story), ..Kept::default() };
        cache.write(arn, &kept);
        assert_eq!(Cache::open(&folder).unwrap().read(arn), kept);
        assert_eq!(cache.read("other"), Kept::default());
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(folder.join("version"), "page 0").unwrap();
        assert_eq!(Cache::open(&folder).unwrap().read(arn), Kept::default());
        fs::remove_dir_all(folder).unwrap();
    }
}
