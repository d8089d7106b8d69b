//! What the files of a batch have come to, and how one row is added to it.
//!
//! A file is the unit of trouble: its sums are kept by themselves until its end, so that of one that turns out bad
//! nothing is in the sums. What is counted is what was read, of bad files too.

mod merged;
mod tally;

pub use tally::Tally;

use crate::frame;
use crate::plan::{NUL, OtherCategory, Plan, Positions};
use crate::reject::{Place, RowNumber};
use crate::sums::{Full, Keys, MAX_KEY_BYTES, MAX_KEYS, MAX_SUMS, Sums};
use crate::value::decimal::Decimal;
use merged::Merged;
use polars::prelude::DataFrame;
use sluice::contract::{LoadedFile, SharedKeys, SourceFile};
use sluice::spec::OnBad;
use sluice::{Error, Kind, Result};

/// The longest row of any format, in bytes. A lost closing quote would else swallow the rest of the file.
pub const MAX_ROW_BYTES: usize = 1 << 20;

/// What a batch has come to so far.
#[derive(Debug)]
pub struct Batch<'a> {
    plan: &'a Plan,
    /// What the current file has come to.
    pub file: FileSums,
    /// What the files before it have come to together, unless they are kept apart.
    merged: Merged,
    /// What was read, and what was wrong with it.
    pub tally: Tally,
}

/// What one file has come to.
#[derive(Debug)]
pub struct FileSums {
    /// The sums of its good rows.
    pub sums: Sums,
    /// The keys of its bad rows, where these may be in quarantine.
    bad_keys: Keys,
    /// The key of a bad row could not be read.
    has_unknown_keys: bool,
}

impl FileSums {
    fn new(plan: &Plan) -> Self {
        let kind = plan.key.kind;
        Self { sums: Sums::new(kind, plan.values.len()), bad_keys: Keys::new(kind), has_unknown_keys: false }
    }
}

impl<'a> Batch<'a> {
    /// Nothing yet.
    pub fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            file: FileSums::new(plan),
            merged: Merged::new(plan),
            tally: Tally::new(plan.on_bad_row, plan.on_bad_file),
        }
    }

    /// The checked spec.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// Ends a file that was read to its end. Returns the table of its sums, if those of each file are kept apart and it
    /// has any.
    ///
    /// Where bad rows go to quarantine, a file that has rows, none of which is good, is as wrong as one that cannot be
    /// read.
    ///
    /// # Errors
    /// `InvalidSource` if its sums are too long or too many: by themselves, unless bad files are set aside, or together
    /// with those of the files before it.
    pub fn end_file(&mut self, file: &SourceFile) -> Result<Option<DataFrame>> {
        if let Some(reason) = self.tally.all_rows_are_bad() {
            self.set_aside(file, reason);
            return Ok(None);
        }
        if self.plan.per_file { self.end_apart(file) } else { self.end_merged(file).map(|()| None) }
    }

    fn end_apart(&mut self, file: &SourceFile) -> Result<Option<DataFrame>> {
        let FileSums { mut sums, bad_keys, has_unknown_keys } = self.next_file();
        match table(self.plan, &mut sums, &bad_keys) {
            Ok(table) => {
                let file = file.clone();
                self.tally.loaded.push(LoadedFile { file, has_unknown_keys, first_key: None, last_key: None });
                Ok(table)
            }
            Err(error) if error.kind() == Kind::InvalidSource && self.plan.on_bad_file == OnBad::Quarantine => {
                self.set_aside(file, error.to_string());
                Ok(None)
            }
            Err(error) => Err(Error::caused(error.kind(), file.key.clone(), error)),
        }
    }

    fn end_merged(&mut self, file: &SourceFile) -> Result<()> {
        let ended = self.next_file();
        let [first_key, last_key] = ended.sums.keys().range().map_or([None, None], |keys| keys.map(Some));
        let has_unknown_keys = ended.has_unknown_keys;
        self.merged.add(&file.key, ended, &self.tally.loaded).map_err(|full| {
            let what = format!("{}: together with the files before it: {}", file.key, too_much(full, "batch"));
            Error::new(Kind::InvalidSource, what)
        })?;
        self.tally.loaded.push(LoadedFile { file: file.clone(), has_unknown_keys, first_key, last_key });
        Ok(())
    }

    /// Ends a file that cannot be loaded: nothing of it will be in the sums.
    pub fn set_aside(&mut self, file: &SourceFile, reason: String) {
        self.next_file();
        self.tally.set_aside(file, reason);
    }

    /// Makes room for the next file; returns what this one has come to.
    fn next_file(&mut self) -> FileSums {
        self.tally.next_file();
        std::mem::replace(&mut self.file, FileSums::new(self.plan))
    }

    /// The table of the sums of all files, at the end of the batch, and which keys several files have; unless the sums
    /// of each file are kept apart. `None` if there are no sums.
    ///
    /// # Errors
    /// `InvalidSource` if the sums are too long or too many.
    pub fn take_merged(&mut self) -> Result<(Option<DataFrame>, SharedKeys)> {
        let Merged { mut sums, bad_keys, shared, .. } = std::mem::replace(&mut self.merged, Merged::new(self.plan));
        Ok((table(self.plan, &mut sums, &bad_keys)?, shared))
    }

    /// Adds a row of three texts to the sums.
    ///
    /// # Errors
    /// Why it cannot be added.
    pub(crate) fn add_row(
        &mut self,
        positions: Positions,
        key: &[u8],
        category: &[u8],
        value: &[u8],
    ) -> std::result::Result<(), RowError> {
        let category = match (self.plan.categories.get(category), self.plan.other) {
            (Some(category), _) => Some(category),
            (None, OtherCategory::BadRow) if category.is_empty() => {
                return Err(RowError::field(positions.category, "no value, and \"\" is not one of the categories"));
            }
            (None, OtherCategory::BadRow) => return Err(RowError::field(positions.category, "unknown category")),
            (None, _) if category.contains(&0) => return Err(RowError::field(positions.category, NUL)),
            (None, OtherCategory::Ignore) => None,
            (None, OtherCategory::Into(category)) => Some(category),
        };
        let value = Decimal::parse(value).map_err(|why| RowError::field(positions.value, why.to_string()))?;
        let key = self.plan.read_key(key).map_err(|why| RowError::field(positions.key, why))?;
        let Some(category) = category else {
            // An ignored category does not excuse an invalid row, so this comes after all checks.
            self.tally.rows_ignored += 1;
            return Ok(());
        };
        self.file.sums.add(key, category, value).map_err(|full| RowError::Abort {
            position: if full == Full::SumTooLong { positions.value } else { positions.key },
            reason: too_much(full, "file"),
        })
    }

    /// Rejects the row `raw`, or ends the file with it. `column` returns a position's number, from 1, and name; `key`
    /// is the field of its key, if the row has fields.
    ///
    /// # Errors
    /// [`RowError::Abort`], as the error that ends the file; or too many keys of bad rows.
    pub(crate) fn reject(
        &mut self,
        file: &SourceFile,
        (row, raw): (RowNumber, &[u8]),
        error: RowError,
        column: impl Fn(usize) -> (usize, String),
        key: Option<&[u8]>,
    ) -> std::result::Result<(), FileError> {
        match error {
            RowError::Reject { position, reason } => {
                self.tally.rejects.add(file, row, raw, position.map(column), &reason);
                if !self.plan.has_states() {
                    return Ok(());
                }
                self.mark(key).map_err(|full| FileError::new(row, too_much(full, "file")))
            }
            RowError::Abort { position, reason } => Err(FileError { row, column: Some(column(position)), reason }),
        }
    }

    /// Remembers the key of a bad row: what its file says of it is not whole.
    fn mark(&mut self, key: Option<&[u8]>) -> std::result::Result<(), Full> {
        let FileSums { bad_keys, has_unknown_keys, .. } = &mut self.file;
        match key.and_then(|key| self.plan.read_key(key).ok()) {
            None => *has_unknown_keys = true,
            Some(key) if bad_keys.row(key).is_some() => {}
            Some(key) => _ = bad_keys.insert(key)?,
        }
        Ok(())
    }
}

/// The table of some sums; `None` if there are none.
fn table(plan: &Plan, sums: &mut Sums, bad_keys: &Keys) -> Result<Option<DataFrame>> {
    let full = |full| Error::new(Kind::InvalidSource, too_much(full, "batch"));
    let states = if plan.has_states() { Some(sums.states(bad_keys).map_err(full)?) } else { None };
    if sums.is_empty() { Ok(None) } else { frame::frame(sums, states, &plan.key.name, &plan.values).map(Some) }
}

/// What there is too much of in one file or one batch.
fn too_much(full: Full, whole: &str) -> String {
    match full {
        Full::SumTooLong => "the sum that this value belongs to needs more than 38 digits".to_owned(),
        Full::TooManyKeys => format!(
            "more than {MAX_KEYS} different keys, {MAX_KEY_BYTES} bytes of them or {MAX_SUMS} sums in one {whole}"
        ),
    }
}

/// Why a row cannot be added.
#[derive(Debug)]
pub(crate) enum RowError {
    /// The row is invalid: it is left out, and goes to the quarantine file.
    Reject {
        /// Of the invalid field; `None` if it is the whole row.
        position: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// The sums cannot take it: leaving it out would make the result depend on the order of rows, so the file ends.
    Abort {
        /// Of the field that does not fit.
        position: usize,
        /// What is wrong.
        reason: String,
    },
}

impl RowError {
    /// Rejects a row for one of its fields.
    pub(crate) fn field(position: usize, reason: impl Into<String>) -> Self {
        Self::Reject { position: Some(position), reason: reason.into() }
    }

    /// Rejects a row as a whole.
    pub(crate) fn row(reason: impl Into<String>) -> Self {
        Self::Reject { position: None, reason: reason.into() }
    }
}

/// What makes a file unreadable from some row on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileError {
    row: RowNumber,
    column: Option<(usize, String)>,
    reason: String,
}

impl FileError {
    /// It begins with this row.
    pub(crate) fn new(row: RowNumber, reason: impl Into<String>) -> Self {
        Self { row, column: None, reason: reason.into() }
    }

    /// The same with the number and name of a column.
    pub(crate) fn in_column(row: RowNumber, column: Option<(usize, String)>, reason: impl Into<String>) -> Self {
        Self { row, column, reason: reason.into() }
    }

    /// As the error of the file `key`.
    pub(crate) fn of(self, key: &str) -> Error {
        let place = Place { key: key.to_owned(), row: self.row, column: self.column };
        Error::new(Kind::InvalidSource, format!("{place}: {}", self.reason))
    }
}
