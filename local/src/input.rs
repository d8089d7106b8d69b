//! The files that a person names: which of them a run would load, under which names, and which it would pass over.

use sluice::input::{PassedOver, Skipped};
use sluice::spec::Source;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many of those that are passed over are named.
const MAX_NAMED: usize = 10;

/// What a file or a folder holds, in the order of the names. A name is the path below the folder, with slashes: what
/// stands behind the job's prefix in the key.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// Those that a run would load.
    pub files: Vec<(String, PathBuf)>,
    /// The names of the others.
    passed_over: Vec<(String, PassedOver)>,
}

impl Input {
    /// The file `path`, or all files in the folder `path` and in those within.
    ///
    /// # Errors
    /// The path and what the file system says, or that a name is not UTF-8.
    pub(crate) fn find(path: &Path, source: &Source) -> Result<Self, String> {
        let mut input = Self::default();
        if fs::metadata(path).map_err(|error| named(path, &error))?.is_dir() {
            input.add_folder("", path, source, &mut BTreeSet::new())?;
        } else {
            input.add_file(name_of(path)?, path.to_owned(), source);
        }
        input.files.sort();
        input.passed_over.sort_by(|one, next| one.0.cmp(&next.0));
        Ok(input)
    }

    /// `seen`: the folders that were looked into, since links may lead in circles.
    fn add_folder(
        &mut self,
        name: &str,
        folder: &Path,
        source: &Source,
        seen: &mut BTreeSet<PathBuf>,
    ) -> Result<(), String> {
        if !seen.insert(fs::canonicalize(folder).map_err(|error| named(folder, &error))?) {
            return Ok(());
        }
        for entry in fs::read_dir(folder).map_err(|error| named(folder, &error))? {
            let path = entry.map_err(|error| named(folder, &error))?.path();
            let name = format!("{name}{}", name_of(&path)?);
            match path.is_dir() {
                true => self.add_folder(&format!("{name}/"), &path, source, seen)?,
                false => self.add_file(name, path, source),
            }
        }
        Ok(())
    }

    fn add_file(&mut self, name: String, path: PathBuf, source: &Source) {
        match passed_over(&name, source) {
            None => self.files.push((name, path)),
            Some(reason) => self.passed_over.push((name, reason)),
        }
    }

    /// How many are passed over, by reason, and the first ones by name; nothing if there are none.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut skipped = Skipped::default();
        self.passed_over.iter().for_each(|(_, reason)| skipped.count(*reason));
        if skipped.total() == 0 {
            return Vec::new();
        }
        let word = |reason: &PassedOver| if *reason == PassedOver::Hidden { "hidden" } else { "other suffix" };
        let mut lines = vec![skipped.to_string()];
        lines.extend(self.passed_over.iter().take(MAX_NAMED).map(|(name, why)| format!("  {name}: {}", word(why))));
        match self.passed_over.len().saturating_sub(MAX_NAMED) {
            0 => {}
            more => lines.push(format!("  and {more} more")),
        }
        lines
    }
}

/// Why a file of this name would be no input; `None` if it would.
pub(crate) fn passed_over(name: &str, source: &Source) -> Option<PassedOver> {
    PassedOver::of(source, "", name, 1)
}

/// The last part of a path.
///
/// # Errors
/// If it is not UTF-8.
pub(crate) fn name_of(path: &Path) -> Result<String, String> {
    let name = path.file_name().and_then(|name| name.to_str()).map(ToOwned::to_owned);
    name.ok_or_else(|| format!("{}: a file needs a name, in UTF-8", path.display()))
}

fn named(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template;

    /// That of the reference job: `.csv`.
    fn source() -> Source {
        let jobs = template::all_jobs().unwrap();
        template::reference(&jobs).unwrap().files().unwrap().spec.source.clone()
    }

    #[test]
    fn subfolders_belong_to_it_and_what_is_passed_over_is_named() {
        let folder = std::env::temp_dir().join(format!("sluice-input-{}", std::process::id()));
        for path in ["b.CSV", "a/c.csv.gz", "a/b/d.csv", "a/notes.txt", ".DS_Store", "_temporary/0/e.csv"] {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        std::os::unix::fs::symlink(&folder, folder.join("a/circle")).unwrap();
        let input = Input::find(&folder, &source());
        let file = Input::find(&folder.join("a/c.csv.gz"), &source());
        fs::remove_dir_all(&folder).unwrap();
        let (input, file) = (input.unwrap(), file.unwrap());
        let names = |input: &Input| input.files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&input), ["a/b/d.csv", "a/c.csv.gz", "b.CSV"]);
        assert_eq!(
            input.told(),
            [
                "3 passed over: 1 other suffix, 2 hidden",
                "  .DS_Store: hidden",
                "  _temporary/0/e.csv: hidden",
                "  a/notes.txt: other suffix"
            ]
        );
        assert_eq!((names(&file), file.told()), (vec!["c.csv.gz".to_owned()], Vec::new()));
    }

    #[test]
    fn of_many_the_first_are_named() {
        let mut input = Input::default();
        (0..12).for_each(|number| input.add_file(format!("{number:02}.txt"), PathBuf::new(), &source()));
        let told = input.told();
        assert_eq!((told.len(), told[0].as_str()), (12, "12 passed over: 12 other suffix"));
        assert_eq!([told[10].as_str(), told[11].as_str()], ["  09.txt: other suffix", "  and 2 more"]);
    }
}
