//! What the files of a batch have come to together, where they are not kept apart.

use super::FileSums;
use crate::plan::Plan;
use crate::sums::{Full, Keys, Sums};
use sluice::contract::{LoadedFile, SharedKey, SharedKeys};

/// The sums of all files that have been read to their ends.
#[derive(Debug)]
pub(super) struct Merged {
    /// The sums.
    pub(super) sums: Sums,
    /// Keys of bad rows.
    pub(super) bad_keys: Keys,
    /// For each row of the sums the place among the loaded files of the first one that had its key, or [`SHARED`].
    owners: Vec<u32>,
    /// Keys that several files have.
    pub(super) shared: SharedKeys,
}

/// Several files have the key.
const SHARED: u32 = u32::MAX;

/// How many shared keys are named.
const NAMED: usize = 3;

impl Merged {
    /// Nothing yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let FileSums { sums, bad_keys, .. } = FileSums::new(plan);
        Self { sums, bad_keys, owners: Vec::new(), shared: SharedKeys::default() }
    }

    /// Adds the sums of the file `key`, after those of `loaded`.
    ///
    /// # Errors
    /// [`Full`]; then a part of them has been added.
    pub(super) fn add(&mut self, key: &str, file: FileSums, loaded: &[LoadedFile]) -> Result<(), Full> {
        let place = u32::try_from(loaded.len()).expect("a batch has at most 16,000 files");
        let FileSums { sums, bad_keys, .. } = file;
        if self.sums.is_empty() {
            // One large file costs nothing more than it did.
            self.owners = vec![place; sums.len()];
            self.sums = sums;
        } else {
            let Self { sums: all, owners, shared, .. } = self;
            all.merge(&sums, |shared_key, row, is_known| {
                if !is_known {
                    owners.push(place);
                    return;
                }
                let owner = std::mem::replace(&mut owners[row], SHARED);
                if owner == SHARED {
                    return;
                }
                shared.count += 1;
                if shared.first.len() < NAMED {
                    let files = [loaded[owner as usize].file.key.clone(), key.to_owned()];
                    shared.first.push(SharedKey { key: shared_key.to_string(), files });
                }
            })?;
        }
        for key in bad_keys.in_order() {
            if self.bad_keys.row(key).is_none() {
                self.bad_keys.insert(key)?;
            }
        }
        Ok(())
    }
}
