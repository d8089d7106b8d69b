//! The files of a history: their names, their sizes and their versions.

use crate::functions::fake_aws::{Object, date};
use sluice::contract::SourceFile;

/// How many keys the writers of a history share.
pub(super) const KEYS: i64 = 12;

/// One version of one file, by the write that made it.
pub(super) struct Version {
    pub(super) key: String,
    pub(super) object: Object,
    pub(super) loads: u64,
    /// No ledger entry says that it was loaded, so it may be loaded once more.
    pub(super) is_unrecorded: bool,
    /// It is dated later than the function that loaded it believed it to be.
    pub(super) is_ahead: bool,
}

impl Version {
    pub(super) fn file(&self) -> SourceFile {
        let Object { etag, size, modified, .. } = &self.object;
        SourceFile { key: self.key.clone(), etag: etag.clone(), size: *size, last_modified: date(*modified) }
    }
}

/// The `n`th key: spaces, plus and percent signs, quotes, XML's own characters and others beyond ASCII.
pub(super) fn key(n: i64) -> String {
    match n % 4 {
        0 => format!("input_data/{n:04}.csv"),
        1 => format!("input_data/2024/{n:04} a+b.csv"),
        2 => format!("input_data/é&<%2B>{n:04}.csv"),
        _ => format!("input_data/{n:04}'\".csv"),
    }
}

/// The size of all versions of the `n`th key: empty ones, equal ones, and some of which two do not fit in a batch.
pub(super) fn size(n: i64) -> u64 {
    match n % 5 {
        0 if n < KEYS => 0,
        4 if n < KEYS => 600 << 20,
        _ => 100,
    }
}
