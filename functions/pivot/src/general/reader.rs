//! Reads one unpacked file of a format that is read from its beginning, whatever its encoding.

use super::batch::GeneralBatch;
use super::csv::CsvReader;
use super::given::Given;
use super::json::JsonReader;
use super::plan::GeneralPlan;
use crate::batch::FileError;
use crate::reader::encoding::{self, ToUtf8};
use crate::reader::foreign;
use encoding_rs::{Encoding, UTF_8, UTF_16LE};
use sluice::contract::SourceFile;
use sluice::spec::FileType;
use sluice::{Error, Kind, Result};

/// Reads one file, whose bytes arrive in pieces.
pub struct GeneralReader<'f> {
    file: &'f SourceFile,
    rows: Rows,
    /// What the spec says that the encoding is.
    stated: Option<&'static Encoding>,
    /// The first bytes, as long as they are too few to tell what they are.
    head: Vec<u8>,
    is_past_head: bool,
    to_utf_8: ToUtf8,
}

/// From bytes to rows.
#[derive(Debug)]
enum Rows {
    Csv(Box<CsvReader>),
    Json(Box<JsonReader>),
}

impl<'f> GeneralReader<'f> {
    /// Before the first byte of a file. A Parquet file is read from its end; only an empty one comes here.
    ///
    /// # Errors
    /// `InvalidSource` if its key is not as a column needs it.
    pub fn new(file: &'f SourceFile, plan: &GeneralPlan) -> Result<Self> {
        let given = Given::new(plan, file)?;
        let rows = match plan.format_of(&file.key) {
            FileType::Json => Rows::Json(Box::new(JsonReader::new(plan, given))),
            FileType::Csv | FileType::Parquet => Rows::Csv(Box::new(CsvReader::new(plan, given))),
        };
        let stated = match rows {
            Rows::Csv(_) => plan.encoding,
            Rows::Json(_) => None,
        };
        Ok(Self { file, rows, stated, head: Vec::new(), is_past_head: false, to_utf_8: ToUtf8::default() })
    }

    /// Adds the rows that a piece of the file completes to the batch.
    ///
    /// # Errors
    /// `InvalidSource`, with the place, if the rest of the file cannot be read.
    pub fn feed(&mut self, piece: &[u8], batch: &mut GeneralBatch<'_>) -> Result<()> {
        if self.is_past_head {
            return self.read(piece, false, batch);
        }
        self.head.extend_from_slice(piece);
        if self.head.len() < foreign::HEAD_BYTES { Ok(()) } else { self.pass_head(batch) }
    }

    /// Adds what is left at the end of the file.
    ///
    /// # Errors
    /// As [`GeneralReader::feed`].
    pub fn finish(mut self, batch: &mut GeneralBatch<'_>) -> Result<()> {
        if !self.is_past_head {
            self.pass_head(batch)?;
        }
        self.read(&[], true, batch)?;
        let finished = match &mut self.rows {
            Rows::Csv(csv) => csv.finish(self.file, batch),
            Rows::Json(json) => json.finish(self.file, batch),
        };
        finished.map_err(|error| error.of(&self.file.key))
    }

    /// Finds out the encoding, by a byte order mark where nothing is said, and refuses what is surely no text in it.
    fn pass_head(&mut self, batch: &mut GeneralBatch<'_>) -> Result<()> {
        self.is_past_head = true;
        let head = std::mem::take(&mut self.head);
        let is_csv = matches!(self.rows, Rows::Csv(_));
        let wrong = |what: String| Error::new(Kind::InvalidSource, format!("{}: {what}", self.file.key));
        if let Some(kind) = foreign::utf_32(&head) {
            return Err(wrong(kind.to_string()));
        }
        let marked = encoding::marked(&head, is_csv);
        if let (Some((marked, _)), Some(stated)) = (marked, self.stated) {
            // What is called UTF-16 may begin with either mark.
            let are_both_wide = encoding::is_wide(marked) && stated == UTF_16LE;
            if marked != stated && !are_both_wide {
                let what = "its byte order mark says that it is";
                return Err(wrong(format!("{what} {}, format.encoding {}", marked.name(), stated.name())));
            }
        }
        let encoding = marked.map(|(encoding, _)| encoding).or(self.stated).unwrap_or(UTF_8);
        let first = &head[..head.len().min(foreign::HEAD_BYTES)];
        // Without a header, the first value may be a text of any kind.
        let has_header = !is_csv || batch.plan().format.csv.header.is_none();
        let text = || foreign::text_kind(first).filter(|_| has_header);
        if let Some(kind) = foreign::kind(first).or_else(text).filter(|_| !encoding::is_wide(encoding)) {
            return Err(wrong(kind.to_string()));
        }
        let mark_len = marked.map_or(0, |(_, len)| len);
        self.to_utf_8 = ToUtf8::new(encoding);
        self.read(&head[mark_len..], false, batch)
    }

    fn read(&mut self, piece: &[u8], is_end: bool, batch: &mut GeneralBatch<'_>) -> Result<()> {
        let text = self.to_utf_8.decode(piece, is_end);
        let read: std::result::Result<(), FileError> = match &mut self.rows {
            Rows::Csv(csv) => csv.feed(text, self.file, batch),
            Rows::Json(json) => json.feed(text, self.file, batch),
        };
        read.map_err(|error| error.of(&self.file.key))
    }
}
