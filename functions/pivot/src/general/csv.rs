//! CSV of any dialect, row by row: its lines by `lines`, its columns by the header, its rows into the batch.
//!
//! Where all lines of a file are rows and the quote is the usual one, they come from the scanner of the usual way, a
//! block at a time.

mod lines;

use super::batch::{Fields, GeneralBatch, Row};
use super::column::{PlainFields, Raw};
use super::columns::BlockColumns;
use super::given::Given;
use super::plan::{Field, GeneralPlan};
use crate::batch::FileError;
use crate::csv::block::{BlockLines, FastRow, Takes};
use crate::csv::header::{Names, check, find, missing, without_mark};
use crate::csv::line_ends::LineEnds;
use crate::csv::record::{Dialect, Fault, RawFields, Record, UNCLOSED_QUOTE, find_record};
use crate::csv::scanner::{RowSink, Scanner};
use crate::reject::RowNumber;
use crate::value::field::FieldPrefix;
use lines::LineScanner;
use sluice::contract::SourceFile;
use sluice::spec::{Csv, Place, Skip};
use std::borrow::Cow;
use std::collections::VecDeque;

/// How many rows are looked at to find the header.
const MAX_ROWS_ABOVE: usize = 100;

/// Reads one CSV file, decoded to UTF-8.
#[derive(Debug)]
pub(crate) struct CsvReader {
    line_ends: LineEnds,
    cutter: Cutter,
    rows: State,
}

/// From bytes to records.
#[derive(Debug)]
enum Cutter {
    /// Where all lines are rows, and the quote is the usual one.
    Usual(Box<Scanner>),
    /// In any dialect.
    Lines(LineScanner),
}

/// What is known of the file so far.
#[derive(Debug)]
struct State {
    given: Given,
    dialect: Dialect,
    binding: Option<Binding>,
    /// The names of the header; none if there is no header.
    names: Names,
    /// Rows that may be above the header.
    above: usize,
    /// The values of the block whose rows are taken, where columns are read one by one.
    columns: Option<BlockColumns>,
    /// They were read by the binding before this one.
    are_stale: bool,
    /// Rows that may be at the end, where those are none.
    held: VecDeque<(u64, Vec<u8>)>,
}

/// Where the columns are.
#[derive(Debug)]
struct Binding {
    /// By slot; `None`: the file has no such column, or it is not in the file.
    positions: Vec<Option<usize>>,
    width: usize,
}

impl CsvReader {
    /// Before the first byte of a file of which this is known.
    pub(crate) fn new(plan: &GeneralPlan, given: Given) -> Self {
        let csv = &plan.format.csv;
        let dialect = Dialect::of(csv);
        let lines = match csv.skip {
            Skip::Lines(lines) => lines,
            Skip::ToHeader => 0,
        };
        let are_all_rows = lines == 0 && csv.comment.is_none() && csv.end_at.is_empty();
        let cutter = match are_all_rows && dialect.quote.is_none_or(|quote| quote == b'"') {
            true => Cutter::Usual(Box::new(Scanner::new(dialect))),
            false => Cutter::Lines(LineScanner::new(dialect, lines, csv)),
        };
        let binding = csv.header.as_ref().map(|header| listed(plan, header));
        let rows = State {
            given,
            dialect,
            binding,
            names: Names::default(),
            above: 0,
            columns: BlockColumns::new(plan),
            are_stale: false,
            held: VecDeque::new(),
        };
        Self { line_ends: LineEnds::default(), cutter, rows }
    }

    /// Adds the rows that a piece of the file completes.
    ///
    /// # Errors
    /// What makes the rest of the file unreadable.
    pub(crate) fn feed(
        &mut self,
        piece: &[u8],
        file: &SourceFile,
        batch: &mut GeneralBatch<'_>,
    ) -> Result<(), FileError> {
        let piece = self.line_ends.read(piece);
        let mut rows = Rows { file, csv: &batch.plan().format.csv, batch, state: &mut self.rows };
        match &mut self.cutter {
            Cutter::Usual(scanner) => scanner.feed(&piece, &mut rows),
            Cutter::Lines(lines) => lines.feed(&piece, false, &mut rows),
        }
    }

    /// Adds the rest, at the end of the file.
    ///
    /// # Errors
    /// As [`CsvReader::feed`].
    pub(crate) fn finish(&mut self, file: &SourceFile, batch: &mut GeneralBatch<'_>) -> Result<(), FileError> {
        let piece = self.line_ends.finish();
        let mut rows = Rows { file, csv: &batch.plan().format.csv, batch, state: &mut self.rows };
        match &mut self.cutter {
            Cutter::Usual(scanner) => {
                scanner.feed(piece, &mut rows)?;
                scanner.finish(&mut rows)?;
            }
            Cutter::Lines(lines) => lines.feed(piece, true, &mut rows)?,
        }
        if self.rows.binding.is_none() && self.rows.above > 0 {
            let reason = "none of its rows is a header that names every column";
            return Err(FileError::new(RowNumber::Line(1), reason));
        }
        Ok(())
    }
}

/// Where the columns are in files without a header.
fn listed(plan: &GeneralPlan, header: &[String]) -> Binding {
    let position = |field: &Field| match &field.place {
        Place::From(name) => header.iter().position(|listed| listed == name),
        _ => None,
    };
    Binding { positions: plan.fields.iter().map(position).collect(), width: header.len() }
}

/// A file's rows on their way into the batch.
struct Rows<'t, 'p> {
    file: &'t SourceFile,
    csv: &'t Csv,
    batch: &'t mut GeneralBatch<'p>,
    state: &'t mut State,
}

impl RowSink<FileError> for Rows<'_, '_> {
    // What is read as a text is checked to be one.
    const TAKES: Takes = Takes::Any;

    fn width(&self) -> Option<usize> {
        // Those that may be at the end are kept as records.
        self.state.binding.as_ref().filter(|_| self.csv.skip_end == 0).map(|binding| binding.width)
    }

    fn take_row(&mut self, row: FastRow<'_>) -> Option<()> {
        if self.state.may_be_header(row) {
            return None;
        }
        let binding = self.state.binding.as_ref()?;
        self.batch.add_fast(&FastCsvRow { row: Unquoted(row), binding, given: &self.state.given })
    }

    fn take_lines(&mut self, lines: &BlockLines<'_>, first: usize) -> usize {
        // Where they are not worth while any more they are gone for the rest of the file.
        let columns = self.state.columns.take().filter(|_| self.batch.is_quick_by_column());
        let mut next = first;
        let Some(mut columns) = columns else {
            while next < lines.count() && self.take_row(lines.row(next)).is_some() {
                next += 1;
            }
            return next;
        };
        if std::mem::take(&mut self.state.are_stale) || first == 0 {
            self.read_columns(lines, &mut columns);
        }
        loop {
            next = self.batch.add_lines(&columns, lines, next);
            // What is not told quickly takes the way of a single row.
            if next == lines.count() || self.take_row(lines.row(next)).is_none() {
                break;
            }
            next += 1;
        }
        self.state.columns = Some(columns);
        next
    }

    fn take_record(&mut self, record: Record<'_>) -> Result<(), FileError> {
        if record.fault == Some(Fault::UnclosedQuote) && self.state.binding.is_some() {
            return Err(FileError::new(RowNumber::Line(record.line), UNCLOSED_QUOTE));
        }
        if self.state.binding.is_none() || self.csv.skip_end == 0 {
            return self.take(&record);
        }
        self.state.held.push_back((record.line, record.raw.to_vec()));
        if self.state.held.len() <= self.csv.skip_end as usize {
            return Ok(());
        }
        let Some((line, raw)) = self.state.held.pop_front() else { return Ok(()) };
        let mut fields = Vec::new();
        let dialect = self.state.dialect;
        let Some(found) = find_record(&raw, true, dialect, &mut fields) else { return Ok(()) };
        let fault = found.fault;
        self.take(&Record { line, raw: &raw[..found.content_len], fields: &fields, fault, ahead: &[], dialect })
    }
}

impl State {
    /// Whether a row of the fast path may be a header.
    #[inline(always)]
    fn may_be_header(&self, row: FastRow<'_>) -> bool {
        let width = self.binding.as_ref().map_or(0, |binding| binding.width);
        let may_be_name = |position| self.names.may_begin(row.first_byte(position));
        let may_be_header = (0..width).fold(false, |may_be, position| may_be | may_be_name(position));
        may_be_header && self.names.may_be_in(&Unquoted(row), width)
    }
}

impl Rows<'_, '_> {
    /// Reads the lines of a block column by column, but for those that may be a header.
    fn read_columns(&self, lines: &BlockLines<'_>, columns: &mut BlockColumns) {
        let positions = self.state.binding.as_ref().map_or(&[][..], |binding| &binding.positions);
        columns.read(self.batch.plan(), positions, lines);
        for (line, is_read) in columns.are_read().iter_mut().enumerate() {
            *is_read &= !self.state.may_be_header(lines.row(line));
        }
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), FileError> {
        let mut fields = Vec::new();
        let unmarked = without_mark(record, &mut fields);
        let header = unmarked.as_ref().unwrap_or(record);
        let Some(binding) = &self.state.binding else { return self.bind_first(header) };
        // Files that have no header have none again.
        if self.state.names.are_in(header) {
            return self.bind(header);
        }
        let fault = record.fault.map(|_| "text after a closing quote".to_owned());
        let is_ragged = self.csv.ragged;
        let fault = fault.or_else(|| wrong_width(record, binding.width, is_ragged));
        let row = CsvRow { record, binding, given: &self.state.given, is_ragged, fault };
        self.batch.add(self.file, &row)
    }

    fn bind_first(&mut self, header: &Record<'_>) -> Result<(), FileError> {
        if self.csv.skip != Skip::ToHeader {
            return self.bind(header);
        }
        let mut wanted = self.batch.plan().fields.iter().filter_map(required);
        let has_all = wanted.all(|name| find(header, name).is_ok_and(|found| found.is_some()));
        if header.fault.is_none() && has_all {
            return self.bind(header);
        }
        self.state.above += 1;
        if self.state.above < MAX_ROWS_ABOVE {
            return Ok(());
        }
        let reason = format!("none of the first {MAX_ROWS_ABOVE} rows is a header that names every column");
        Err(FileError::new(RowNumber::Line(header.line), reason))
    }

    /// Binds the columns by a header: the first one, or that of another file that was appended.
    fn bind(&mut self, header: &Record<'_>) -> Result<(), FileError> {
        let plan = self.batch.plan();
        let binding = bound(plan, header);
        self.state.binding = Some(binding.map_err(|reason| FileError::new(RowNumber::Line(header.line), reason))?);
        let needed: Vec<&str> = plan.fields.iter().filter_map(required).collect();
        self.state.names = Names::of(header, &needed);
        self.state.are_stale = true;
        Ok(())
    }
}

/// What is wrong with the number of fields of a row.
fn wrong_width(record: &Record<'_>, width: usize, is_ragged: bool) -> Option<String> {
    let len = record.len();
    let is_right = match is_ragged {
        false => len == width,
        // Empty ones too many are dropped.
        true => (width..len).all(|position| record.field(position).is_none_or(|field| field.is_empty())),
    };
    (!is_right).then(|| format!("{len} fields, the header has {width}"))
}

/// Where the columns are by a header.
fn bound(plan: &GeneralPlan, header: &Record<'_>) -> Result<Binding, String> {
    let wanted: Vec<&str> = plan.fields.iter().filter_map(|field| required(field)).collect();
    check(header, &wanted)?;
    let mut positions = Vec::with_capacity(plan.fields.len());
    for field in &plan.fields {
        positions.push(match &field.place {
            Place::From(name) => match find(header, name)? {
                Some(position) => Some(position),
                None if field.is_optional => None,
                None => return Err(missing(name, header, &wanted)),
            },
            _ => None,
        });
    }
    Ok(Binding { positions, width: header.len() })
}

/// The name of a column that a file must have.
fn required(field: &Field) -> Option<&str> {
    match &field.place {
        Place::From(name) if !field.is_optional => Some(name),
        _ => None,
    }
}

/// A row of the fast path, of whose fields those with a quote at the beginning have one at the end, and no other.
struct Unquoted<'r>(FastRow<'r>);

impl<'r> RawFields<'r> for Unquoted<'r> {
    #[inline(always)]
    fn prefix(&self, position: usize) -> Option<FieldPrefix<'r>> {
        let field = self.0.prefix(position)?;
        if field.bytes[0] != b'"' || field.len == 0 { Some(field) } else { self.0.prefix_within(position) }
    }

    #[inline(always)]
    fn text(&self, position: usize) -> Option<&'r [u8]> {
        let text = self.0.text(position)?;
        if text.first() == Some(&b'"') { text.get(1..text.len() - 1) } else { Some(text) }
    }
}

/// A row of the fast path.
struct FastCsvRow<'r> {
    row: Unquoted<'r>,
    binding: &'r Binding,
    given: &'r Given,
}

impl Fields for FastCsvRow<'_> {
    fn raw(&self, slot: usize, _: &Field, number: u64) -> Raw<'_> {
        if let Some(given) = self.given.raw(slot, number) {
            return given;
        }
        self.text(slot).map_or(Raw::Null, |text| Raw::Text(text.into()))
    }
}

impl PlainFields for FastCsvRow<'_> {
    #[inline(always)]
    fn text(&self, slot: usize) -> Option<&[u8]> {
        self.row.text(self.binding.positions[slot]?)
    }

    #[inline(always)]
    fn prefix(&self, slot: usize) -> Option<FieldPrefix<'_>> {
        self.row.prefix(self.binding.positions[slot]?)
    }
}

/// A row of the slow path.
struct CsvRow<'r> {
    record: &'r Record<'r>,
    binding: &'r Binding,
    given: &'r Given,
    is_ragged: bool,
    fault: Option<String>,
}

impl Fields for CsvRow<'_> {
    fn raw(&self, slot: usize, _: &Field, number: u64) -> Raw<'_> {
        if let Some(given) = self.given.raw(slot, number) {
            return given;
        }
        let field = self.binding.positions[slot].and_then(|position| self.record.field(position));
        field.map_or(Raw::Null, Raw::Text)
    }
}

impl PlainFields for CsvRow<'_> {
    fn text(&self, slot: usize) -> Option<&[u8]> {
        self.record.text(self.binding.positions[slot]?)
    }

    fn prefix(&self, slot: usize) -> Option<FieldPrefix<'_>> {
        self.record.prefix(self.binding.positions[slot]?)
    }
}

impl Row for CsvRow<'_> {
    fn place(&self) -> RowNumber {
        RowNumber::Line(self.record.line)
    }

    fn whole(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.record.raw)
    }

    fn column(&self, slot: usize, field: &Field) -> (usize, String) {
        let number = self.binding.positions[slot].map_or(0, |position| position + 1);
        let name = match &field.place {
            Place::From(name) | Place::Partition(name) => name.clone(),
            _ => field.name.clone(),
        };
        (number, name)
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }

    fn is_sure(&self, slot: usize) -> bool {
        // Where fields are too few or too many, any of them may be another one.
        let record = self.record;
        let is_in_place = record.fault.is_none() && (self.is_ragged || record.len() == self.binding.width);
        self.given.has(slot) || is_in_place && self.fault.is_none()
    }
}
