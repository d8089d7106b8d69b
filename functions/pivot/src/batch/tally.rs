//! What was read of a batch, and what was wrong with it: the same whichever way its files are read.

use crate::reject::Rejects;
use sluice::contract::{BadFile, LoadedFile, SourceFile};
use sluice::spec::OnBad;
use sluice::{Error, Kind, Result};

/// What was read, and what was wrong with it.
#[derive(Debug)]
pub struct Tally {
    on_bad_row: OnBad,
    on_bad_file: OnBad,
    /// The rejected rows, of bad files too.
    pub rejects: Rejects,
    /// Data rows read, the rejected and ignored ones included; of a bad file those before what makes it unreadable.
    pub rows_read: u64,
    /// Rows of a category that the spec ignores, of bad files too.
    pub rows_ignored: u64,
    /// Rows that the filter leaves out, of bad files too.
    pub rows_filtered: u64,
    /// The files whose rows are in the parts.
    pub loaded: Vec<LoadedFile>,
    /// The files that were set aside whole, or would be if that were not a failure.
    pub bad: Vec<BadFile>,
    /// Rows read, and those rejected, before the current file.
    before_file: (u64, u64),
}

/// How many bad files an error names.
const NAMED: usize = 5;

impl Tally {
    /// Nothing yet.
    pub(crate) fn new(on_bad_row: OnBad, on_bad_file: OnBad) -> Self {
        Self {
            on_bad_row,
            on_bad_file,
            rejects: Rejects::default(),
            rows_read: 0,
            rows_ignored: 0,
            rows_filtered: 0,
            loaded: Vec::new(),
            bad: Vec::new(),
            before_file: (0, 0),
        }
    }

    /// Why the current file is a bad one although it could be read to its end: where bad rows go to quarantine, one
    /// that has rows, none of which is good, is as wrong as one that cannot be read.
    pub(crate) fn all_rows_are_bad(&self) -> Option<String> {
        let (rows, rejected) = (self.rows_read - self.before_file.0, self.rejects.count - self.before_file.1);
        if self.on_bad_row != OnBad::Quarantine || rows == 0 || rejected < rows {
            return None;
        }
        let first = self.rejects.first_of_file.join("; ");
        let rows = if rows == 1 { "its only row is bad".to_owned() } else { format!("all of its {rows} rows are bad") };
        Some(format!("{rows}: {first}"))
    }

    /// A file cannot be loaded. [`Tally::next_file`] comes first.
    pub(crate) fn set_aside(&mut self, file: &SourceFile, reason: String) {
        if self.on_bad_file == OnBad::Quarantine {
            self.rejects.add_file(file, &reason);
        }
        self.bad.push(BadFile { file: file.clone(), reason });
    }

    /// The next file begins.
    pub(crate) fn next_file(&mut self) {
        self.before_file = (self.rows_read, self.rejects.count);
        self.rejects.first_of_file.clear();
    }

    /// Fails if there are bad files, and the spec says that it is a failure.
    ///
    /// # Errors
    /// `InvalidSource`, naming the first ones and their first rows.
    pub fn check_files(&self) -> Result<()> {
        if self.bad.is_empty() || self.on_bad_file == OnBad::Quarantine {
            return Ok(());
        }
        let first = self.bad.iter().take(NAMED).map(|BadFile { file, reason }| format!("{}: {reason}", file.key));
        let first: Vec<String> = first.collect();
        let more = self.bad.len() - first.len();
        let more = if more == 0 { String::new() } else { format!("; and {more} more files") };
        Err(Error::new(Kind::InvalidSource, format!("{}{more}", first.join("; "))))
    }
}
