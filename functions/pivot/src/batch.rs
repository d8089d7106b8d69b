//! What the files of a batch have come to, and how one row is added to it.

use crate::plan::{Plan, Positions};
use crate::reject::{Place, Rejects, RowNumber, not_utf_8};
use crate::sums::{Full, MAX_INDEX_BYTES, MAX_INDEX_VALUES, MAX_SUMS, Sums};
use crate::value::date::Date;
use crate::value::decimal::Decimal;
use sluice::contract::{ColumnKind, SourceFile};
use sluice::spec::UnknownCategory;
use sluice::{Error, Kind};

/// The longest row of any format, in bytes. A lost closing quote would else swallow the rest of the file.
pub const MAX_ROW_BYTES: usize = 1 << 20;

/// What a batch has come to so far.
#[derive(Debug)]
pub struct Batch<'a> {
    plan: &'a Plan,
    /// The sums.
    pub sums: Sums,
    /// The rejected rows.
    pub rejects: Rejects,
    /// Data rows read, the rejected and ignored ones included.
    pub rows_read: u64,
    /// Rows of a category that the spec ignores.
    pub rows_ignored: u64,
    /// Files of which no row is good.
    pub bad_files: BadFiles,
    /// Rows read, and those rejected, before the current file.
    before_file: (u64, u64),
}

/// Files of which no row is good: all counted, the first ones remembered.
#[derive(Debug, Default)]
pub struct BadFiles {
    count: u64,
    first: Vec<String>,
}

/// How many of them an error names.
const NAMED: usize = 5;

impl<'a> Batch<'a> {
    /// Nothing yet.
    pub fn new(plan: &'a Plan) -> Self {
        let sums = Sums::new(plan.key.kind, plan.values.len());
        Self {
            plan,
            sums,
            rejects: Rejects::default(),
            rows_read: 0,
            rows_ignored: 0,
            bad_files: BadFiles::default(),
            before_file: (0, 0),
        }
    }

    /// Ends a file. One that has rows, and none that is good, is as wrong as one that cannot be read.
    pub fn end_file(&mut self, file: &SourceFile) {
        let now = (self.rows_read, self.rejects.count);
        let (rows_before, rejects_before) = std::mem::replace(&mut self.before_file, now);
        let (rows, rejected) = (now.0 - rows_before, now.1 - rejects_before);
        let first = std::mem::take(&mut self.rejects.first_of_file);
        if rows == 0 || rejected < rows {
            return;
        }
        self.bad_files.count += 1;
        if self.bad_files.first.len() < NAMED {
            let rows =
                if rows == 1 { "its only row is bad".to_owned() } else { format!("all of its {rows} rows are bad") };
            self.bad_files.first.push(format!("{}: {rows}: {}", file.key, first.join("; ")));
        }
    }

    /// Fails if there is a file of which no row is good.
    ///
    /// # Errors
    /// `InvalidSource`, naming the first ones and their first rows.
    pub fn check_files(&self) -> sluice::Result<()> {
        let BadFiles { count, first } = &self.bad_files;
        if *count == 0 {
            return Ok(());
        }
        let more = count - first.len() as u64;
        let more = if more == 0 { String::new() } else { format!("; and {more} more files") };
        Err(Error::new(Kind::InvalidSource, format!("{}{more}", first.join("; "))))
    }

    /// The checked spec.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// Adds a row of three texts to the sums.
    ///
    /// # Errors
    /// Why it cannot be added.
    pub(crate) fn add_row(
        &mut self,
        positions: Positions,
        index: &[u8],
        category: &[u8],
        value: &[u8],
    ) -> Result<(), RowError> {
        let category = match self.plan.categories.get(category) {
            Some(category) => Some(category),
            None if self.plan.unknown_category == UnknownCategory::Ignore => None,
            None if category.is_empty() => {
                return Err(RowError::field(positions.category, "no value, and \"\" is not one of the categories"));
            }
            None => return Err(RowError::field(positions.category, "unknown category")),
        };
        let value = Decimal::parse(value).map_err(|why| RowError::field(positions.value, why.to_string()))?;
        match self.plan.key.kind {
            ColumnKind::Date => {
                let date = Date::parse(index).map_err(|why| RowError::field(positions.index, why.to_string()))?;
                let Some(category) = category else { return self.ignore_row() };
                self.sums.add_date(date, category, value)
            }
            ColumnKind::Text => {
                let text =
                    std::str::from_utf8(index).map_err(|_| RowError::field(positions.index, not_utf_8(index)))?;
                if text.is_empty() {
                    return Err(RowError::field(positions.index, "no value, expected a text"));
                }
                if text.contains('\0') {
                    return Err(RowError::field(
                        positions.index,
                        "a NUL character, which PostgreSQL has not in a text",
                    ));
                }
                let Some(category) = category else { return self.ignore_row() };
                self.sums.add_text(text, category, value)
            }
        }
        .map_err(|full| match full {
            Full::SumTooLong => RowError::Abort {
                position: positions.value,
                reason: "the sum that this value belongs to needs more than 38 digits".to_owned(),
            },
            Full::TooManyIndexValues => RowError::Abort {
                position: positions.index,
                reason: format!(
                    "more than {MAX_INDEX_VALUES} different index values, {MAX_INDEX_BYTES} bytes of them or \
                     {MAX_SUMS} sums in one batch"
                ),
            },
        })
    }

    /// An ignored category does not excuse an invalid row, so this comes after all checks.
    fn ignore_row(&mut self) -> Result<(), RowError> {
        self.rows_ignored += 1;
        Ok(())
    }

    /// Rejects the row `raw`, or ends the file with it. `column` returns a position's number, from 1, and name.
    ///
    /// # Errors
    /// [`RowError::Abort`], as the error that ends the file.
    pub(crate) fn reject(
        &mut self,
        file: &SourceFile,
        row: RowNumber,
        raw: &[u8],
        error: RowError,
        column: impl Fn(usize) -> (usize, String),
    ) -> Result<(), FileError> {
        match error {
            RowError::Reject { position, reason } => {
                self.rejects.add(file, row, raw, position.map(column), &reason);
                Ok(())
            }
            RowError::Abort { position, reason } => Err(FileError { row, column: Some(column(position)), reason }),
        }
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

    /// As the error of the file `key`.
    pub(crate) fn of(self, key: &str) -> Error {
        let place = Place { key: key.to_owned(), row: self.row, column: self.column };
        Error::new(Kind::InvalidSource, format!("{place}: {}", self.reason))
    }
}
