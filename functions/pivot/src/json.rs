//! JSON: objects one per line, run together or in one array, the spec's columns by name among their keys.
//!
//! Which of these a file is, its content tells: `splitter` finds the objects, `object` what they hold.

pub(crate) mod object;
pub(crate) mod splitter;

use crate::batch::{Batch, FileError, RowError};
use crate::plan::{Given, Positions};
use crate::reject::{RowNumber, not_utf_8};
use object::JsonValue;
use sluice::contract::SourceFile;
use splitter::{RecordSink, Splitter};
use std::borrow::Cow;

/// Reads one JSON file.
#[derive(Debug)]
pub(crate) struct JsonReader {
    splitter: Splitter,
    given: Given,
}

impl JsonReader {
    /// Before the first byte of a file whose object's key gives `given`.
    pub(crate) fn new(given: Given) -> Self {
        Self { splitter: Splitter::default(), given }
    }

    /// Adds the rows that a piece of the file completes.
    ///
    /// # Errors
    /// What makes the rest of the file unreadable.
    pub(crate) fn feed(&mut self, piece: &[u8], file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        let Self { splitter, given } = self;
        splitter.feed(piece, &mut Table { file, batch, given })
    }

    /// Adds the rest, at the end of the file.
    ///
    /// # Errors
    /// As [`JsonReader::feed`].
    pub(crate) fn finish(&mut self, file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        let Self { splitter, given } = self;
        splitter.finish(&mut Table { file, batch, given })
    }
}

/// The columns have no order, so they get the numbers of their order in the spec, which are never shown.
const POSITIONS: Positions = Positions { key: 0, category: 1, value: 2, width: 3 };

/// A file's rows on their way into the batch.
struct Table<'t, 'a> {
    file: &'t SourceFile,
    batch: &'t mut Batch<'a>,
    given: &'t Given,
}

impl RecordSink for Table<'_, '_> {
    fn take(&mut self, row: RowNumber, text: &[u8]) -> Result<(), FileError> {
        let cells = std::str::from_utf8(text).map_err(|_| RowError::row(not_utf_8(text))).and_then(|json| {
            object::read(json, self.batch.plan().columns())
                .map_err(|error| RowError::row(object::not_an_object(text, &error)))
        });
        self.add(row, text, cells)
    }

    fn take_line(&mut self, row: RowNumber, line: &[u8]) -> Result<bool, FileError> {
        let json = std::str::from_utf8(line).ok();
        match json.and_then(|json| object::read(json, self.batch.plan().columns()).ok()) {
            Some(cells) => self.add(row, line, Ok(cells)).map(|()| true),
            None => Ok(false),
        }
    }
}

impl Table<'_, '_> {
    /// Counts a row, and adds what its object has for the columns, or rejects it.
    fn add(
        &mut self,
        row: RowNumber,
        text: &[u8],
        cells: Result<[JsonValue<'_>; 3], RowError>,
    ) -> Result<(), FileError> {
        self.batch.tally.rows_read += 1;
        let (cells, added) = match cells {
            Ok(cells) => (Some(cells), self.add_cells(&cells)),
            Err(error) => (None, Err(error)),
        };
        let Err(error) = added else { return Ok(()) };
        let key = match self.given.text(POSITIONS.key) {
            Some(key) => Some(Cow::Borrowed(key)),
            None => cells.and_then(|cells| cells[POSITIONS.key].text().ok()),
        };
        let plan = self.batch.plan();
        // A column without a number.
        let column = |position| (0, plan.column_name(POSITIONS, position).to_owned());
        self.batch.reject(self.file, (row, text), error, column, key.as_deref())
    }

    fn add_cells(&mut self, cells: &[JsonValue<'_>; 3]) -> Result<(), RowError> {
        let field = |position: usize| match self.given.text(position) {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => cells[position].text().map_err(|reason| RowError::field(position, reason)),
        };
        let (key, category, value) = (field(POSITIONS.key)?, field(POSITIONS.category)?, field(POSITIONS.value)?);
        let added = self.batch.add_row(POSITIONS, &key, &category, &value);
        // Of one that holds the rows, which one of its columns is missing would be said of the wrong object.
        let has_none = cells.iter().all(|cell| matches!(cell, JsonValue::Missing));
        if has_none { added.map_err(|_| RowError::row("the object has none of the spec's columns")) } else { added }
    }
}
