//! JSON: objects one per line, run together or in one array, the spec's columns by name among their keys.
//!
//! Which of these a file is, its content tells: `splitter` finds the objects, `object` what they hold.

mod object;
mod splitter;

use crate::batch::{Batch, FileError, RowError};
use crate::plan::Positions;
use crate::reject::RowNumber;
use object::JsonValue;
use sluice::contract::SourceFile;
use splitter::{RecordSink, Splitter};
use std::borrow::Cow;

/// Reads one JSON file.
#[derive(Debug, Default)]
pub(crate) struct JsonReader {
    splitter: Splitter,
}

impl JsonReader {
    /// Adds the rows that a piece of the file completes.
    ///
    /// # Errors
    /// What makes the rest of the file unreadable.
    pub(crate) fn feed(&mut self, piece: &[u8], file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        self.splitter.feed(piece, &mut Table { file, batch })
    }

    /// Adds the rest, at the end of the file.
    ///
    /// # Errors
    /// As [`JsonReader::feed`].
    pub(crate) fn finish(&mut self, file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        self.splitter.finish(&mut Table { file, batch })
    }
}

/// The columns have no order, so they get the numbers of their order in the spec, which are never shown.
const POSITIONS: Positions = Positions { index: 0, category: 1, value: 2, width: 3 };

/// A file's rows on their way into the batch.
struct Table<'t, 'a> {
    file: &'t SourceFile,
    batch: &'t mut Batch<'a>,
}

impl RecordSink for Table<'_, '_> {
    fn take(&mut self, row: RowNumber, text: &[u8]) -> Result<(), FileError> {
        let cells = std::str::from_utf8(text).map_err(|_| RowError::row("not UTF-8")).and_then(|json| {
            object::read(json, self.batch.plan().columns())
                .map_err(|error| RowError::row(object::not_an_object(text, &error)))
        });
        let added = cells.and_then(|cells| add(self.batch, cells));
        self.count(row, text, added)
    }

    fn take_line(&mut self, row: RowNumber, line: &[u8]) -> Result<bool, FileError> {
        let json = std::str::from_utf8(line).ok();
        let cells = json.and_then(|json| object::read(json, self.batch.plan().columns()).ok());
        let Some(cells) = cells else { return Ok(false) };
        let added = add(self.batch, cells);
        self.count(row, line, added).map(|()| true)
    }
}

impl Table<'_, '_> {
    /// Counts a row, and rejects it if it could not be added.
    fn count(&mut self, row: RowNumber, text: &[u8], added: Result<(), RowError>) -> Result<(), FileError> {
        self.batch.rows_read += 1;
        let Err(error) = added else { return Ok(()) };
        let plan = self.batch.plan();
        // A column without a number.
        let column = |position| (0, plan.column_name(POSITIONS, position).to_owned());
        self.batch.reject(self.file, row, text, error, column)
    }
}

/// Adds what an object has for the columns.
fn add(batch: &mut Batch<'_>, [index, category, value]: [JsonValue<'_>; 3]) -> Result<(), RowError> {
    let index = text(POSITIONS.index, index)?;
    let category = text(POSITIONS.category, category)?;
    let value = text(POSITIONS.value, value)?;
    batch.add_row(POSITIONS, &index, &category, &value)
}

fn text(position: usize, value: JsonValue<'_>) -> Result<Cow<'_, [u8]>, RowError> {
    value.text().map_err(|reason| RowError::field(position, reason))
}
