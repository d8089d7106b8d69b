//! Reads one decompressed file of a format that is read from its beginning: CSV or JSON.

pub(crate) mod encoding;
pub(crate) mod foreign;

use crate::batch::{Batch, FileError};
use crate::csv::CsvReader;
use crate::json::JsonReader;
use crate::plan::{Given, Plan};
use encoding::ToUtf8;
use encoding_rs::UTF_8;
use sluice::contract::SourceFile;
use sluice::spec::FileType;
use sluice::{Error, Kind, Result};

/// Reads one file, whose bytes arrive in pieces.
#[derive(Debug)]
pub struct FileReader<'f> {
    file: &'f SourceFile,
    rows: RowReader,
    /// The first bytes, as long as they are too few to tell what they are.
    head: Vec<u8>,
    is_past_head: bool,
    to_utf_8: ToUtf8,
}

/// From bytes to rows.
#[derive(Debug)]
enum RowReader {
    Csv(Box<CsvReader>),
    Json(JsonReader),
}

impl<'f> FileReader<'f> {
    /// Before the first byte of a file. A Parquet file is read from its end, by [`crate::parquet`]; only an empty one
    /// comes here.
    ///
    /// # Errors
    /// `InvalidSource` if its key lacks a part of which a column is read.
    pub fn new(file: &'f SourceFile, plan: &Plan) -> Result<Self> {
        let given = Given::new(plan, &file.key)?;
        let rows = match plan.format_of(&file.key) {
            FileType::Json => RowReader::Json(JsonReader::new(given)),
            FileType::Csv | FileType::Parquet => RowReader::Csv(Box::new(CsvReader::new(given))),
        };
        Ok(Self { file, rows, head: Vec::new(), is_past_head: false, to_utf_8: ToUtf8::default() })
    }

    /// Adds the rows that a piece of the file completes to the batch.
    ///
    /// # Errors
    /// `InvalidSource`, with the place, if the rest of the file cannot be read.
    pub fn feed(&mut self, piece: &[u8], batch: &mut Batch<'_>) -> Result<()> {
        if self.is_past_head {
            return self.read(piece, false, batch);
        }
        self.head.extend_from_slice(piece);
        if self.head.len() < foreign::HEAD_BYTES { Ok(()) } else { self.pass_head(batch) }
    }

    /// Adds what is left at the end of the file.
    ///
    /// # Errors
    /// As [`FileReader::feed`].
    pub fn finish(mut self, batch: &mut Batch<'_>) -> Result<()> {
        if !self.is_past_head {
            self.pass_head(batch)?;
        }
        self.read(&[], true, batch)?;
        let finished = match &mut self.rows {
            RowReader::Csv(csv) => csv.finish(self.file, batch),
            RowReader::Json(json) => json.finish(self.file, batch),
        };
        finished.map_err(|error| error.of(&self.file.key))
    }

    /// Finds out the encoding, by a byte order mark, and refuses what is surely no text in it.
    fn pass_head(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        self.is_past_head = true;
        let head = std::mem::take(&mut self.head);
        let wrong = |kind: foreign::Foreign| Error::new(Kind::InvalidSource, format!("{}: {kind}", self.file.key));
        if let Some(kind) = foreign::utf_32(&head) {
            return Err(wrong(kind));
        }
        let marked = encoding::marked(&head, matches!(self.rows, RowReader::Csv(_)));
        let (encoding, mark_len) = marked.unwrap_or((UTF_8, 0));
        let first = &head[..head.len().min(foreign::HEAD_BYTES)];
        let kind = foreign::kind(first).or_else(|| foreign::text_kind(first));
        if let Some(kind) = kind.filter(|_| !encoding::is_wide(encoding)) {
            return Err(wrong(kind));
        }
        self.to_utf_8 = ToUtf8::new(encoding);
        self.read(&head[mark_len..], false, batch)
    }

    fn read(&mut self, piece: &[u8], is_end: bool, batch: &mut Batch<'_>) -> Result<()> {
        let text = self.to_utf_8.decode(piece, is_end);
        let read: std::result::Result<(), FileError> = match &mut self.rows {
            RowReader::Csv(csv) => csv.feed(text, self.file, batch),
            RowReader::Json(json) => json.feed(text, self.file, batch),
        };
        read.map_err(|error| error.of(&self.file.key))
    }
}
