//! Files of a job of the lake, in memory and in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Files of MovieLens' shape, by the name of their source and theirs below its location: `movies/part-1.csv`.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Writes all of them below a folder.
pub(super) fn write(folder: &Path, files: &Files) {
    for (name, body) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, body).unwrap();
    }
}

/// The files in a folder and in those within, by their paths below it.
pub(crate) fn read(root: &Path) -> Files {
    let (mut files, mut folders) = (Files::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}
