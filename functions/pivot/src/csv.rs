//! CSV files: the columns that the spec names, found by the header, and their rows into the batch.
//!
//! # Layout
//! - [`scanner`]: a stream of bytes to rows and records; the fast path and the slow path meet here.
//! - [`block`], with `bitmask` and `quotes`: the fast path, which finds all fields of a few kilobytes at once.
//! - [`record`]: the slow path, one record by the book.
//! - `header`: the header to the positions of the spec's columns.
//! - `line_ends`: lines that end with CR alone.

pub mod block;
pub mod record;
pub mod scanner;

mod bitmask;
pub(crate) mod header;
pub(crate) mod line_ends;
mod quotes;

use crate::batch::{Batch, FileError, MAX_ROW_BYTES, RowError};
use crate::plan::{Given, Positions};
use crate::reject::{RowNumber, not_utf_8};
use crate::sums::{Key, Keys, TextMap};
use crate::value::date::Date;
use crate::value::decimal::{Decimal, Units};
use crate::value::field::FieldPrefix;
use block::FastRow;
use header::NameSet;
use line_ends::LineEnds;
use record::{Fault, MAX_FIELDS, RawFields, Record, UNCLOSED_QUOTE};
use scanner::{RowSink, Scanner, TooLarge};
use sluice::contract::SourceFile;
use std::borrow::Cow;

/// Reads one CSV file.
#[derive(Debug)]
pub(crate) struct CsvReader {
    line_ends: LineEnds,
    scanner: Scanner,
    given: Given,
    /// `None` before the header.
    positions: Option<Positions>,
    /// The names of the header.
    names: NameSet,
}

impl CsvReader {
    /// Before the first byte of a file whose object's key gives `given`.
    pub(crate) fn new(given: Given) -> Self {
        Self {
            line_ends: LineEnds::default(),
            scanner: Scanner::default(),
            given,
            positions: None,
            names: NameSet::default(),
        }
    }

    /// Adds the rows that a piece of the file completes.
    ///
    /// # Errors
    /// What makes the rest of the file unreadable.
    pub(crate) fn feed(&mut self, piece: &[u8], file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        let Self { line_ends, scanner, given, positions, names } = self;
        let mut rows = Table::new(file, batch, given, positions, names);
        scanner.feed(&line_ends.read(piece), &mut rows)
    }

    /// Adds the rest, at the end of the file.
    ///
    /// # Errors
    /// As [`CsvReader::feed`].
    pub(crate) fn finish(&mut self, file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        let Self { line_ends, scanner, given, positions, names } = self;
        let mut rows = Table::new(file, batch, given, positions, names);
        scanner.feed(line_ends.finish(), &mut rows)?;
        scanner.finish(&mut rows)
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
    given: &'t Given,
    /// Its header could be a row if it came again.
    takes_header: bool,
    /// It could not, and all of the rows' fields are in the file.
    is_plain: bool,
    positions: &'t mut Option<Positions>,
    names: &'t mut NameSet,
}

impl RowSink<FileError> for Table<'_, '_> {
    fn width(&self) -> Option<usize> {
        self.positions.map(|positions| positions.width)
    }

    #[inline(always)]
    fn take_row(&mut self, row: FastRow<'_>) -> Option<()> {
        if !self.is_plain {
            return self.take_other_row(row);
        }
        add_row_fast(self.batch, (*self.positions)?, &row)?;
        self.batch.tally.rows_read += 1;
        Some(())
    }

    fn take_record(&mut self, record: Record<'_>) -> Result<(), FileError> {
        let mut fields = Vec::new();
        let unmarked = header::without_mark(&record, &mut fields);
        let header = unmarked.as_ref().unwrap_or(&record);
        let Some(positions) = *self.positions else { return self.bind(header) };
        if record.fault == Some(Fault::UnclosedQuote) {
            return Err(FileError::new(RowNumber::Line(record.line), UNCLOSED_QUOTE));
        }
        let row = WholeRow { row: &record, width: positions.width, given: self.given };
        if self.takes_header && self.is_header(header) {
            return self.bind(header);
        }
        let added = add_record(self.batch, positions, &row);
        if added.is_err() && self.is_header(header) {
            return self.bind(header);
        }
        let Self { file, batch, .. } = self;
        batch.tally.rows_read += 1;
        let Err(error) = added else { return Ok(()) };
        let plan = batch.plan();
        let column = |position| (positions.number(position), plan.column_name(positions, position).to_owned());
        // Where fields are too few or too many, any of them may be another one.
        let is_in_place = record.fault.is_none() && record.len() == positions.width || positions.key >= positions.width;
        let key = if is_in_place { row.field(positions.key) } else { None };
        batch.reject(file, (RowNumber::Line(record.line), record.raw), error, column, key.as_deref())
    }
}

impl<'t, 'a> Table<'t, 'a> {
    fn new(
        file: &'t SourceFile,
        batch: &'t mut Batch<'a>,
        given: &'t Given,
        positions: &'t mut Option<Positions>,
        names: &'t mut NameSet,
    ) -> Self {
        let mut table = Self { file, batch, given, takes_header: false, is_plain: false, positions, names };
        table.know_header();
        table
    }

    /// Works out what the names of the header, if it was there already, say of the rows.
    fn know_header(&mut self) {
        self.takes_header = self.batch.plan().reads_names(self.names);
        self.is_plain = self.given.is_empty() && !self.takes_header;
    }

    /// Whether a row is a header again.
    fn is_header(&self, row: &Record<'_>) -> bool {
        let needed = self.batch.plan().columns();
        let needed: Vec<&str> = needed.into_iter().flatten().collect();
        header::is_header(row, self.names, &needed)
    }

    /// Fast path of rows that are not all in the file; those that may be a header have none. Not inlined, and given
    /// nothing but the row: it would slow down the loop for plain ones.
    #[cold]
    #[inline(never)]
    fn take_other_row(&mut self, row: FastRow<'_>) -> Option<()> {
        if self.takes_header {
            return None;
        }
        let positions = (*self.positions)?;
        add_row_fast(self.batch, positions, &WholeRow { row: &row, width: positions.width, given: self.given })?;
        self.batch.tally.rows_read += 1;
        Some(())
    }

    /// Binds the spec's columns by a header: the first one, or that of another file that was appended.
    fn bind(&mut self, header: &Record<'_>) -> Result<(), FileError> {
        let found = header::positions(header, self.batch.plan());
        *self.positions = Some(found.map_err(|reason| FileError::new(RowNumber::Line(header.line), reason))?);
        *self.names = header::names(header);
        self.know_header();
        Ok(())
    }
}

/// A row with the fields that its object's key gives behind its own.
struct WholeRow<'g, R> {
    row: &'g R,
    width: usize,
    given: &'g Given,
}

impl<'a: 'g, 'g, R: RawFields<'a>> RawFields<'g> for WholeRow<'g, R> {
    #[inline(always)]
    fn prefix(&self, position: usize) -> Option<FieldPrefix<'g>> {
        match position.checked_sub(self.width) {
            Some(place) => self.given.prefix(place),
            None => self.row.prefix(position),
        }
    }

    #[inline(always)]
    fn text(&self, position: usize) -> Option<&'g [u8]> {
        match position.checked_sub(self.width) {
            Some(place) => self.given.text(place),
            None => self.row.text(position),
        }
    }
}

impl<'g> WholeRow<'g, Record<'_>> {
    /// The field at `position`, unquoted.
    fn field(&self, position: usize) -> Option<Cow<'g, [u8]>> {
        match position.checked_sub(self.width) {
            Some(place) => self.given.text(place).map(Cow::Borrowed),
            None => self.row.field(position),
        }
    }
}

/// Slow path: adds any valid row, and says what is wrong with any other.
fn add_record(batch: &mut Batch<'_>, positions: Positions, row: &WholeRow<'_, Record<'_>>) -> Result<(), RowError> {
    if row.row.fault.is_some() {
        return Err(RowError::row("text after a closing quote"));
    }
    if row.row.len() != positions.width {
        return Err(RowError::row(format!("{} fields, the header has {}", row.row.len(), positions.width)));
    }
    // What nobody reads may be in any encoding.
    let mut read = [positions.key, positions.category, positions.value];
    read.sort_unstable();
    for position in read {
        if let Some(field) = row.field(position).filter(|field| std::str::from_utf8(field).is_err()) {
            return Err(RowError::field(position, not_utf_8(&field)));
        }
    }
    if add_row_fast(batch, positions, row).is_some() {
        return Ok(());
    }
    let field = |position: usize| row.field(position).unwrap_or_default();
    batch.add_row(positions, &field(positions.key), &field(positions.category), &field(positions.value))
}

/// Fast path: adds a row whose category, date and number have the common format, if the key is known already; `None`
/// sends it to the slow path, and nothing is added.
#[inline(always)]
fn add_row_fast<'a>(batch: &mut Batch<'_>, positions: Positions, row: &impl RawFields<'a>) -> Option<()> {
    let category = batch.plan().categories.get_fast(row.prefix(positions.category)?)?;
    let value = Decimal::parse_fast(row.prefix(positions.value)?)?;
    let row = match batch.file.sums.keys() {
        Keys::Dates(dates) => {
            let field = row.prefix(positions.key)?;
            match Date::parse_fast(field) {
                Some(date) => dates.row(date)?,
                None => return add_point_in_time(batch, field, category, value),
            }
        }
        Keys::Texts(texts) => row_of_text(texts, row.text(positions.key)?)?,
    };
    batch.file.sums.add_known(row, category, value)
}

/// The same for a point in time, or for a date that is written in an unusual way. Not inlined: it would slow down the
/// loop that is for wall clocks.
#[cold]
#[inline(never)]
fn add_point_in_time(batch: &mut Batch<'_>, date: FieldPrefix<'_>, category: usize, value: Units) -> Option<()> {
    let date = batch.plan().read_date(date.bytes.get(..date.len)?).ok()?;
    let row = batch.file.sums.keys().row(Key::Date(date))?;
    batch.file.sums.add_known(row, category, value)
}

/// Not inlined: it would slow down the loop that is for dates.
#[inline(never)]
fn row_of_text(texts: &TextMap, text: &[u8]) -> Option<usize> {
    texts.row(std::str::from_utf8(text).ok()?)
}
