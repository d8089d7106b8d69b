//! What a merge has done.

use sluice::{Error, Kind, Result};

/// Row counts of a merge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merged {
    /// Keys that the run's files say something of.
    pub keys: u64,
    /// Keys that were new.
    pub inserted: u64,
    /// Keys whose values changed.
    pub updated: u64,
    /// Keys of which no file says anything any more.
    pub deleted: u64,
}

impl Merged {
    /// Keys whose values stayed as they were.
    ///
    /// # Errors
    /// `InvariantBroken` if more were written than there are.
    pub(crate) fn unchanged(&self) -> Result<u64> {
        let Self { keys, inserted, updated, .. } = self;
        keys.checked_sub(inserted + updated).ok_or_else(|| {
            let what = format!("{keys} keys staged, but {inserted} inserted and {updated} updated");
            Error::new(Kind::InvariantBroken, what)
        })
    }
}
