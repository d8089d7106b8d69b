//! Reads one decompressed file of a format that is read from its beginning: CSV or JSON lines.

use crate::batch::{Batch, FileError};
use crate::csv::CsvReader;
use crate::format::Format;
use crate::ndjson::NdjsonReader;
use crate::reject::RowNumber;
use sluice::Result;
use sluice::contract::SourceFile;

/// Reads one file, whose bytes arrive in pieces.
#[derive(Debug)]
pub struct FileReader<'f> {
    file: &'f SourceFile,
    rows: RowReader,
    /// The first bytes, as long as they are fewer than a byte order mark has.
    head: Vec<u8>,
    is_past_mark: bool,
}

/// From bytes to rows.
#[derive(Debug)]
enum RowReader {
    Csv(Box<CsvReader>),
    Ndjson(NdjsonReader),
}

const UTF8_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl<'f> FileReader<'f> {
    /// Before the first byte of a file. A Parquet file is read from its end, by [`crate::parquet`]; only an empty one
    /// comes here.
    pub fn new(file: &'f SourceFile) -> Self {
        let rows = match Format::of(&file.key) {
            Format::Ndjson => RowReader::Ndjson(NdjsonReader::default()),
            Format::Csv | Format::Parquet => RowReader::Csv(Box::default()),
        };
        Self { file, rows, head: Vec::new(), is_past_mark: false }
    }

    /// Adds the rows that a piece of the file completes to the batch.
    ///
    /// # Errors
    /// `InvalidSource`, with the place, if the rest of the file cannot be read.
    pub fn feed(&mut self, piece: &[u8], batch: &mut Batch<'_>) -> Result<()> {
        if self.is_past_mark {
            return self.read(piece, batch).map_err(|error| error.of(&self.file.key));
        }
        self.head.extend_from_slice(piece);
        if self.head.len() < UTF8_MARK.len() { Ok(()) } else { self.pass_mark(batch) }
    }

    /// Adds what is left at the end of the file.
    ///
    /// # Errors
    /// As [`FileReader::feed`].
    pub fn finish(mut self, batch: &mut Batch<'_>) -> Result<()> {
        if !self.is_past_mark {
            self.pass_mark(batch)?;
        }
        let finished = match &mut self.rows {
            RowReader::Csv(csv) => csv.finish(self.file, batch),
            RowReader::Ndjson(ndjson) => ndjson.finish(self.file, batch),
        };
        finished.map_err(|error| error.of(&self.file.key))
    }

    /// Drops a byte order mark, and refuses those of other encodings.
    fn pass_mark(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        self.is_past_mark = true;
        let head = std::mem::take(&mut self.head);
        let read = if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
            let reason = "not UTF-8: the file begins with a UTF-16 byte order mark; export it as UTF-8";
            Err(FileError::new(RowNumber::Line(1), reason))
        } else {
            self.read(head.strip_prefix(&UTF8_MARK).unwrap_or(&head), batch)
        };
        read.map_err(|error| error.of(&self.file.key))
    }

    fn read(&mut self, piece: &[u8], batch: &mut Batch<'_>) -> std::result::Result<(), FileError> {
        match &mut self.rows {
            RowReader::Csv(csv) => csv.feed(piece, self.file, batch),
            RowReader::Ndjson(ndjson) => ndjson.feed(piece, self.file, batch),
        }
    }
}
