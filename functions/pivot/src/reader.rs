//! One file after the other into the sums of a batch.

use crate::date::Date;
use crate::decimal::Decimal;
use crate::ndjson::{self, Lines};
use crate::plan::{Plan, Positions};
use crate::reject::{Place, Rejects, shown};
use crate::scanner::{Fault, Fields, MAX_FIELDS, MAX_RECORD_BYTES, Record, Row, Rows, Scanner, TooLarge};
use crate::sums::{Full, Keys, MAX_INDEX_BYTES, MAX_INDEX_VALUES, MAX_SUMS, Sums};
use sluice::contract::{ColumnKind, SourceFile};
use sluice::spec::UnknownCategory;
use sluice::{Error, Kind};
use std::collections::HashMap;
use std::io;

/// What a batch has come to so far.
#[derive(Debug)]
pub struct Batch<'a> {
    plan: &'a Plan,
    /// The sums.
    pub sums: Sums,
    /// The bad rows.
    pub rejects: Rejects,
    /// Data rows seen, the bad and ignored ones included.
    pub rows_read: u64,
    /// Rows of a category that the spec ignores.
    pub rows_ignored: u64,
}

impl<'a> Batch<'a> {
    /// Nothing yet.
    pub fn new(plan: &'a Plan) -> Self {
        let sums = Sums::new(plan.key.kind, plan.values.len());
        Self { plan, sums, rejects: Rejects::default(), rows_read: 0, rows_ignored: 0 }
    }

    /// How it is read.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }
}

/// What makes a file unreadable from some line on.
#[derive(Debug, PartialEq, Eq)]
pub struct FileError {
    pub(crate) line: u64,
    pub(crate) column: Option<(usize, String)>,
    pub(crate) reason: String,
}

impl FileError {
    fn line(line: u64, reason: impl Into<String>) -> Self {
        Self { line, column: None, reason: reason.into() }
    }

    /// As the error of the file `key`.
    pub fn of(self, key: &str) -> Error {
        let place = Place { key: key.to_owned(), line: self.line, column: self.column };
        Error::new(Kind::InvalidSource, format!("{place}: {}", self.reason))
    }
}

impl From<TooLarge> for FileError {
    fn from(too_large: TooLarge) -> Self {
        let reason = format!(
            "a row of more than {MAX_RECORD_BYTES} bytes or {MAX_FIELDS} fields begins here; is a closing quote missing?"
        );
        Self::line(too_large.line, reason)
    }
}

/// Quarantine lines that may wait, in bytes, before no more is taken from a decompressor.
const MAX_PENDING_BYTES: usize = 4 << 20;

/// Reads one uncompressed file. Bytes go in by [`io::Write`], so that a decompressor can stand before it; a small compressed
/// file may hold any number of bad rows, so [`io::ErrorKind::WouldBlock`] asks for [`FileReader::rejects`] to be taken away.
#[derive(Debug)]
pub struct FileReader<'a, 'b> {
    file: &'b SourceFile,
    batch: &'b mut Batch<'a>,
    format: Format,
    head: Vec<u8>,
    is_past_mark: bool,
    failure: Option<FileError>,
    /// Nothing is read any more: a decompressor that is dropped hands over once more what was refused.
    has_failed: bool,
}

/// How bytes become rows.
#[derive(Debug)]
enum Format {
    /// Its columns are known after the first record.
    Csv(Box<Scanner>, Option<Positions>),
    Json(Lines),
}

const UTF8_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl<'a, 'b> FileReader<'a, 'b> {
    /// A reader of `file` into `batch`.
    pub fn new(file: &'b SourceFile, batch: &'b mut Batch<'a>) -> Self {
        Self {
            file,
            batch,
            format: match ndjson::is_ndjson(&file.key) {
                true => Format::Json(Lines::default()),
                false => Format::Csv(Box::default(), None),
            },
            head: Vec::new(),
            is_past_mark: false,
            failure: None,
            has_failed: false,
        }
    }

    /// The batch's bad rows, to be taken away while the file is read.
    pub fn rejects(&mut self) -> &mut Rejects {
        &mut self.batch.rejects
    }

    /// Reads a piece of the file.
    ///
    /// # Errors
    /// What makes the rest of the file unreadable.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), FileError> {
        if self.is_past_mark {
            return self.scan(chunk);
        }
        self.head.extend_from_slice(chunk);
        if self.head.len() < UTF8_MARK.len() { Ok(()) } else { self.pass_mark() }
    }

    /// Reads what is left, at the end of the file.
    ///
    /// # Errors
    /// As [`FileReader::feed`].
    pub fn finish(mut self) -> Result<(), FileError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if !self.is_past_mark {
            self.pass_mark()?;
        }
        let Self { file, batch, format, .. } = &mut self;
        match format {
            Format::Csv(scanner, positions) => scanner.finish(&mut Table { file, batch, positions }),
            Format::Json(lines) => lines.finish(&mut |line, raw| ndjson::read_line(file, batch, line, raw)),
        }
    }

    /// The error that ended a write, if one did.
    pub fn take_failure(&mut self) -> Option<FileError> {
        self.failure.take()
    }

    /// Drops a byte order mark, and refuses those of other encodings.
    fn pass_mark(&mut self) -> Result<(), FileError> {
        self.is_past_mark = true;
        let head = std::mem::take(&mut self.head);
        if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
            return Err(FileError::line(1, "not UTF-8: the file begins with the mark of UTF-16; export it as UTF-8"));
        }
        self.scan(head.strip_prefix(&UTF8_MARK).unwrap_or(&head))
    }

    fn scan(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let Self { file, batch, format, .. } = self;
        match format {
            Format::Csv(scanner, positions) => scanner.feed(bytes, &mut Table { file, batch, positions }),
            Format::Json(lines) => lines.feed(bytes, &mut |line, raw| ndjson::read_line(file, batch, line, raw)),
        }
    }
}

impl io::Write for FileReader<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.batch.rejects.pending.len() > MAX_PENDING_BYTES {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if !self.has_failed {
            self.failure = self.feed(bytes).err();
            self.has_failed = self.failure.is_some();
        }
        match (&self.failure, self.has_failed) {
            (Some(failure), _) => Err(io::Error::other(failure.reason.clone())),
            (None, true) => Err(io::Error::other("the file was given up")),
            (None, false) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a row is bad.
pub(crate) enum Fatal {
    /// This row only.
    Row { position: Option<usize>, reason: String },
    /// What it is added to; leaving the row out would make the result depend on the order of rows.
    Sums { position: usize, reason: String },
}

/// A column, if it is one that is bad, and the reason.
type Reason = (Option<(usize, String)>, String);

impl Fatal {
    fn at(position: usize, reason: impl Into<String>) -> Self {
        Self::Row { position: Some(position), reason: reason.into() }
    }

    fn row(reason: impl Into<String>) -> Self {
        Self::Row { position: None, reason: reason.into() }
    }

    /// The column and the reason for which the row in `line` is bad; or the file ends with it. Of a position `column` says the number and
    /// the name.
    pub(crate) fn of_row(self, line: u64, column: impl Fn(usize) -> (usize, String)) -> Result<Reason, FileError> {
        match self {
            Self::Row { position, reason } => Ok((position.map(column), reason)),
            Self::Sums { position, reason } => Err(FileError { line, column: Some(column(position)), reason }),
        }
    }
}

/// A file's rows on their way into the batch.
struct Table<'t, 'a> {
    file: &'t SourceFile,
    batch: &'t mut Batch<'a>,
    /// Known after the first record.
    positions: &'t mut Option<Positions>,
}

impl Rows<FileError> for Table<'_, '_> {
    fn width(&self) -> Option<usize> {
        self.positions.map(|positions| positions.width)
    }

    #[inline(always)]
    fn take_row(&mut self, row: Row<'_>) -> Option<()> {
        let positions = (*self.positions)?;
        add_usual_row(self.batch, positions, &row)?;
        self.batch.rows_read += 1;
        Some(())
    }

    fn take_record(&mut self, record: Record<'_>) -> Result<(), FileError> {
        let Self { file, batch, positions } = self;
        let Some(positions) = **positions else {
            let bound = batch.plan.bind(&record).map_err(|reason| FileError::line(record.line, reason))?;
            **positions = Some(bound);
            return Ok(());
        };
        batch.rows_read += 1;
        let Err(fatal) = read_row(batch, positions, &record) else { return Ok(()) };
        let name = |position| (position + 1, batch.plan.column_name(positions, position).to_owned());
        let (column, reason) = fatal.of_row(record.line, name)?;
        batch.rejects.add(file, record.line, record.raw, column, &reason);
        Ok(())
    }
}

fn read_row(batch: &mut Batch<'_>, positions: Positions, record: &Record<'_>) -> Result<(), Fatal> {
    match record.fault {
        None => {}
        Some(Fault::UnclosedQuote) => return Err(Fatal::row("a quote that is never closed")),
        Some(Fault::TextAfterQuote) => return Err(Fatal::row("text after a closing quote")),
    }
    if record.len() != positions.width {
        return Err(Fatal::row(format!("{} fields, the header has {}", record.len(), positions.width)));
    }
    if std::str::from_utf8(record.raw).is_err() {
        let position = (0..record.len())
            .find(|&position| record.field(position).is_some_and(|field| std::str::from_utf8(&field).is_err()));
        return Err(Fatal::Row { position, reason: "not UTF-8".to_owned() });
    }
    if add_usual_row(batch, positions, record).is_some() {
        return Ok(());
    }
    let field = |position: usize| record.field(position).unwrap_or_default();
    add_row(batch, positions, &field(positions.index), &field(positions.category), &field(positions.value))
}

/// Adds a row that is as rows are: all of it known, in order, and of the usual forms. Nothing is added if it is not, and it is left to
/// the other way, which also says what is wrong.
#[inline(always)]
fn add_usual_row<'a>(batch: &mut Batch<'_>, positions: Positions, row: &impl Fields<'a>) -> Option<()> {
    let category = batch.plan.categories.guess(row.head(positions.category)?)?;
    let value = Decimal::guess(row.head(positions.value)?)?;
    let place = match batch.sums.keys() {
        Keys::Dates(dates) => dates.row(Date::guess(row.head(positions.index)?)?)?,
        Keys::Texts(texts) => row_of_text(texts, row.text(positions.index)?)?,
    };
    batch.sums.add_known(place, category, value)
}

/// Not a part of the loop that is for dates, which it would slow down.
#[inline(never)]
fn row_of_text(texts: &HashMap<String, usize>, text: &[u8]) -> Option<usize> {
    texts.get(std::str::from_utf8(text).ok()?).copied()
}

/// Adds a row of three texts to the sums.
pub(crate) fn add_row(
    batch: &mut Batch<'_>,
    positions: Positions,
    index: &[u8],
    category: &[u8],
    value: &[u8],
) -> Result<(), Fatal> {
    let category = match batch.plan.categories.get(category) {
        Some(category) => Some(category),
        None if batch.plan.unknown_category == UnknownCategory::Ignore => None,
        None => return Err(Fatal::at(positions.category, format!("unknown category {}", shown(category)))),
    };
    let value = Decimal::parse(value).map_err(|why| Fatal::at(positions.value, format!("{}: {why}", shown(value))))?;
    match batch.plan.key.kind {
        ColumnKind::Date => {
            let date = Date::parse(index).ok_or_else(|| {
                Fatal::at(positions.index, format!("{}: no date of the calendar as YYYY-MM-DD", shown(index)))
            })?;
            let Some(category) = category else { return ignore(batch) };
            batch.sums.add_date(date, category, value)
        }
        ColumnKind::Text => {
            let text = std::str::from_utf8(index).map_err(|_| Fatal::at(positions.index, "not UTF-8"))?;
            if text.is_empty() || text.contains('\0') {
                return Err(Fatal::at(positions.index, "empty, or holds a NUL character"));
            }
            let Some(category) = category else { return ignore(batch) };
            batch.sums.add_text(text, category, value)
        }
    }
    .map_err(|full| match full {
        Full::SumTooLong => Fatal::Sums {
            position: positions.value,
            reason: "the sum that this value belongs to needs more than 38 digits".to_owned(),
        },
        Full::TooManyIndexValues => Fatal::Sums {
            position: positions.index,
            reason: format!(
                "more than {MAX_INDEX_VALUES} different index values, {MAX_INDEX_BYTES} bytes of them or {MAX_SUMS} sums \
                 in one batch"
            ),
        },
    })
}

/// An ignored category does not excuse a row that cannot be read, so this comes after all checks.
fn ignore(batch: &mut Batch<'_>) -> Result<(), Fatal> {
    batch.rows_ignored += 1;
    Ok(())
}
