//! CSV files: the columns that the spec names, found by the header, and their rows into the batch.
//!
//! # Layout
//! - [`scanner`]: a stream of bytes to rows and records; the fast path and the slow path meet here.
//! - [`block`], with `bitmask`: the fast path, which finds all fields of a few kilobytes at once.
//! - [`record`]: the slow path, one record by the book.
//! - `header`: the header to the positions of the spec's columns.

pub mod block;
pub mod record;
pub mod scanner;

mod bitmask;
mod header;

use crate::batch::{Batch, FileError, MAX_ROW_BYTES, RowError};
use crate::plan::Positions;
use crate::reject::{RowNumber, not_utf_8};
use crate::sums::Keys;
use crate::value::date::Date;
use crate::value::decimal::Decimal;
use block::FastRow;
use record::{Fault, MAX_FIELDS, RawFields, Record};
use scanner::{RowSink, Scanner, TooLarge};
use sluice::contract::SourceFile;
use std::collections::{HashMap, HashSet};

/// Reads one CSV file.
#[derive(Debug, Default)]
pub(crate) struct CsvReader {
    scanner: Scanner,
    /// `None` before the header.
    positions: Option<Positions>,
    /// The names of the header.
    names: HashSet<Vec<u8>>,
}

impl CsvReader {
    /// Adds the rows that a piece of the file completes.
    ///
    /// # Errors
    /// What makes the rest of the file unreadable.
    pub(crate) fn feed(&mut self, piece: &[u8], file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        let Self { scanner, positions, names } = self;
        scanner.feed(piece, &mut Table { file, batch, positions, names })
    }

    /// Adds the rest, at the end of the file.
    ///
    /// # Errors
    /// As [`CsvReader::feed`].
    pub(crate) fn finish(&mut self, file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        let Self { scanner, positions, names } = self;
        scanner.finish(&mut Table { file, batch, positions, names })
    }
}

impl From<TooLarge> for FileError {
    fn from(too_large: TooLarge) -> Self {
        let reason = format!(
            "a row of more than {MAX_ROW_BYTES} bytes or {MAX_FIELDS} fields begins here; is a closing quote missing?"
        );
        Self::new(RowNumber::Line(too_large.line), reason)
    }
}

/// A file's rows on their way into the batch.
struct Table<'t, 'a> {
    file: &'t SourceFile,
    batch: &'t mut Batch<'a>,
    positions: &'t mut Option<Positions>,
    names: &'t mut HashSet<Vec<u8>>,
}

impl RowSink<FileError> for Table<'_, '_> {
    fn width(&self) -> Option<usize> {
        self.positions.map(|positions| positions.width)
    }

    #[inline(always)]
    fn take_row(&mut self, row: FastRow<'_>) -> Option<()> {
        let positions = (*self.positions)?;
        add_row_fast(self.batch, positions, &row)?;
        self.batch.rows_read += 1;
        Some(())
    }

    fn take_record(&mut self, record: Record<'_>) -> Result<(), FileError> {
        let Some(positions) = *self.positions else { return self.bind(&record) };
        let added = add_record(self.batch, positions, &record);
        if added.is_err() && header::is_header(&record, self.names) {
            return self.bind(&record);
        }
        let Self { file, batch, .. } = self;
        let row = RowNumber::Line(record.line);
        batch.rows_read += 1;
        let Err(error) = added else { return Ok(()) };
        let plan = batch.plan();
        let column = |position| (position + 1, plan.column_name(positions, position).to_owned());
        batch.reject(file, row, record.raw, error, column)
    }
}

impl Table<'_, '_> {
    /// Binds the spec's columns by a header: the first one, or that of another file that was appended.
    fn bind(&mut self, header: &Record<'_>) -> Result<(), FileError> {
        let found = header::positions(header, self.batch.plan());
        *self.positions = Some(found.map_err(|reason| FileError::new(RowNumber::Line(header.line), reason))?);
        *self.names = header::names(header);
        Ok(())
    }
}

/// Slow path: adds any valid row, and says what is wrong with any other.
fn add_record(batch: &mut Batch<'_>, positions: Positions, record: &Record<'_>) -> Result<(), RowError> {
    match record.fault {
        None => {}
        Some(Fault::UnclosedQuote) => return Err(RowError::row("a quote that is never closed")),
        Some(Fault::TextAfterQuote) => return Err(RowError::row("text after a closing quote")),
    }
    if record.len() != positions.width {
        return Err(RowError::row(format!("{} fields, the header has {}", record.len(), positions.width)));
    }
    // What nobody reads may be in any encoding.
    let mut read = [positions.index, positions.category, positions.value];
    read.sort_unstable();
    for position in read {
        if let Some(field) = record.field(position).filter(|field| std::str::from_utf8(field).is_err()) {
            return Err(RowError::field(position, not_utf_8(&field)));
        }
    }
    if add_row_fast(batch, positions, record).is_some() {
        return Ok(());
    }
    let field = |position: usize| record.field(position).unwrap_or_default();
    batch.add_row(positions, &field(positions.index), &field(positions.category), &field(positions.value))
}

/// Fast path: adds a row whose category, date and number have the common format, if the index value is known already;
/// `None` sends it to the slow path, and nothing is added.
#[inline(always)]
fn add_row_fast<'a>(batch: &mut Batch<'_>, positions: Positions, row: &impl RawFields<'a>) -> Option<()> {
    let category = batch.plan().categories.get_fast(row.prefix(positions.category)?)?;
    let value = Decimal::parse_fast(row.prefix(positions.value)?)?;
    let row = match batch.sums.keys() {
        Keys::Dates(dates) => dates.row(Date::parse_fast(row.prefix(positions.index)?)?)?,
        Keys::Texts(texts) => row_of_text(texts, row.text(positions.index)?)?,
    };
    batch.sums.add_known(row, category, value)
}

/// Not inlined: it would slow down the loop that is for dates.
#[inline(never)]
fn row_of_text(texts: &HashMap<String, usize>, text: &[u8]) -> Option<usize> {
    texts.get(std::str::from_utf8(text).ok()?).copied()
}
