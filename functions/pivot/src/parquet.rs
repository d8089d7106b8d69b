//! Parquet files, read from their end: first the metadata, then of each row group the chunks of the columns that the
//! spec names, and nothing else.
//!
//! A row means what it would mean in a CSV file, so values are turned into texts first, and these are parsed as any
//! others; but of numbers it is known how they are written:
//! - integers, decimals, booleans and dates exactly; floats and doubles as the shortest text that parses to the same
//!   number;
//! - timestamps as date and time, those that are points in time, INT96 among them, with the `Z` of UTC;
//! - texts as they are; no duration as a number, as its unit is not known;
//! - a null as the empty text.
//!
//! A rejected row has its number in the file, from 1, where a CSV file has its line; its raw form is the texts of the
//! key, the category and the value.
//!
//! # Memory
//! The chunks of one row group as they are stored, together at most [`MAX_GROUP_BYTES`]; for each column one unpacked
//! page of at most [`MAX_PAGE_BYTES`], and a dictionary of at most [`MAX_DICTIONARY_BYTES`], for which
//! twice as much may be allocated because it grows by doubling, three times as much for the moment when it does. Where
//! values are told by what they share with the one before, also that one, which may be as large as its page. The text
//! of a value has a byte more than a row may have at most. Unpacking Brotli takes 16 MiB more. A usual file takes a
//! tenth of that. Nothing grows with the number of rows.
//!
//! # Time
//! A step ends after some thousand rows, or after some MiB of pages and texts, with or without rows: a small file may
//! unpack to a huge one. Pages without values are not unpacked at all.
//!
//! # Lost rows
//! How many rows there are is stated by the file, by each row group, by each chunk and by each page. All of them must
//! agree, or the file is refused: rows are never left out silently.
//!
//! # Why not polars' own reader
//! It unpacks whole columns of a row group before the first row can be had; trusts the counts that pages state, so that
//! a few bytes can ask for more memory than there is, which ends the process; and asserts where a file is wrong.
//!
//! # Layout
//! How metadata is written stands in the package `parquet-metadata`. `footer`, `schema` and `arrow` are what it says;
//! `page`, `packed` and `values` are the way from bytes to values, `text` the one to texts.

mod arrow;
mod footer;
mod packed;
mod page;
mod schema;
mod text;
mod values;

pub use footer::Group;

use crate::batch::{Batch, FileError, MAX_ROW_BYTES};
use crate::format;
use crate::general::batch::{Fields, GeneralBatch, Row};
use crate::general::column::{PlainFields, Raw};
use crate::general::given as general_given;
use crate::general::plan::Field;
use crate::general::plan::GeneralPlan;
use crate::plan::{Given, Plan, Positions};
use crate::reader::foreign;
use crate::reject::{RowNumber, write_quoted};
use footer::{ENCRYPTED_MARK, MARK, Metadata};
use parquet_metadata::{Checked, Flaw, thrift};
use schema::{Role, Schema, SpecColumn, Wanted};
use sluice::contract::{ColumnKind, SourceFile};
use sluice::spec::{Place, Unit};
use sluice::{Error, Kind, Result};
use std::borrow::Cow;
use std::ops::Range;
use text::Form;
use values::ColumnReader;

/// How much of a file's end is read at first, in bytes: the metadata of most files.
pub const TAIL_BYTES: u64 = 64 << 10;

/// The most bytes that a file's metadata may have.
pub const MAX_FOOTER_BYTES: u64 = 32 << 20;

/// The most bytes that the chunks of a row group may have together.
pub const MAX_GROUP_BYTES: u64 = 128 << 20;

/// The most bytes that a page may have once it is unpacked. Writers have one or a few MiB.
pub const MAX_PAGE_BYTES: usize = 32 << 20;

/// The most bytes that a dictionary may have as texts and their offsets. Writers have one or two MiB.
pub const MAX_DICTIONARY_BYTES: usize = 32 << 20;

/// How many rows are read before the caller can look at the clock again.
const STEP_ROWS: u64 = 16 << 10;

/// How many bytes of pages, as stored and as unpacked, and of texts are gone through before that; more by one page at
/// most.
const STEP_BYTES: usize = 4 << 20;

/// How many bytes of quarantine lines are written before that.
const STEP_REJECT_BYTES: usize = 1 << 20;

/// Of how many bytes at its beginning a file is told that is no Parquet file.
pub const HEAD_BYTES: u64 = foreign::HEAD_BYTES as u64;

/// How a file is to be read.
#[derive(Debug)]
pub struct ParquetPlan {
    key: String,
    given: Known,
    /// Those of the spec: of the usual kind the key, the category and the value. `None` for those that are not in the
    /// file.
    columns: Vec<Option<SpecColumn>>,
    /// Of them those that are durations of Arrow, and their units.
    durations: Vec<Option<Unit>>,
    groups: Vec<Group>,
}

/// What is known of a file beside its rows.
#[derive(Debug)]
enum Known {
    Usual(Positions, Given),
    General(general_given::Given),
}

/// What the end of a file comes to.
#[derive(Debug)]
pub enum Tail {
    /// The metadata begins before it: so many bytes of the file's end are needed.
    Short(u64),
    /// It is none of a Parquet file; [`ParquetPlan::foreign`] says what is wrong.
    Foreign,
    /// The metadata is in it.
    Plan(Box<ParquetPlan>),
}

impl ParquetPlan {
    /// How many bytes of the end of a file of `size` bytes to read at first.
    pub fn tail_len(size: u64) -> u64 {
        size.min(TAIL_BYTES)
    }

    /// Reads the end of the file, of any length. An empty file has no rows, as in any other format.
    ///
    /// # Errors
    /// `InvalidSource` if it is not a Parquet file, or not one that the spec can be applied to.
    pub fn from_tail(file: &SourceFile, plan: &Plan, tail: &[u8]) -> Result<Tail> {
        let given = Given::new(plan, &file.key)?;
        let key_role = if plan.key.kind == ColumnKind::Date { Role::Date } else { Role::Text };
        let [key, category, value] = plan.columns();
        let wanted = [(key, key_role), (category, Role::Category), (value, Role::Value)]
            .map(|(name, role)| name.map(|name| Wanted { way: vec![name.to_owned()], role, is_optional: false }));
        Self::read_tail(file, &wanted, tail, |schema| {
            // Without a file, the order of the names in the spec.
            let width = schema.map_or(3, |schema| schema.width);
            let column = |place: usize| schema.and_then(|schema| schema.columns[place].as_ref());
            let at = |place: usize| match schema {
                Some(_) => column(place).map_or(width + place, |column| column.position),
                None => place,
            };
            Known::Usual(Positions { key: at(0), category: at(1), value: at(2), width }, given)
        })
        .map_err(|flaw| unreadable(&file.key, &flaw))
    }

    /// The same for any spec.
    ///
    /// # Errors
    /// As [`ParquetPlan::from_tail`].
    pub fn general(file: &SourceFile, plan: &GeneralPlan, tail: &[u8]) -> Result<Tail> {
        let given = general_given::Given::new(plan, file)?;
        let wanted = plan.fields.iter().map(|field| {
            let way = match &field.place {
                Place::From(name) => vec![name.clone()],
                Place::Way(way) => way.iter().map(ToString::to_string).collect(),
                _ => return None,
            };
            Some(Wanted { way, role: Role::Any(field.kind), is_optional: field.is_optional })
        });
        let wanted: Vec<Option<Wanted>> = wanted.collect();
        Self::read_tail(file, &wanted, tail, |_| Known::General(given)).map_err(|flaw| unreadable(&file.key, &flaw))
    }

    fn read_tail(
        file: &SourceFile,
        wanted: &[Option<Wanted>],
        tail: &[u8],
        known: impl FnOnce(Option<&Schema>) -> Known,
    ) -> Checked<Tail> {
        let key = file.key.clone();
        if file.size == 0 {
            let (columns, durations) = (vec![None; wanted.len()], vec![None; wanted.len()]);
            let plan = Self { key, given: known(None), columns, durations, groups: Vec::new() };
            return Ok(Tail::Plan(Box::new(plan)));
        }
        if format::is_compressed(&file.key) {
            return Err("a Parquet file must not be compressed as a whole, its pages are; store it as .parquet".into());
        }
        let Some((rest, mark)) = tail.split_last_chunk::<4>() else { return Err(foreign::not_parquet(tail).into()) };
        match *mark {
            MARK => {}
            ENCRYPTED_MARK => return Err("its metadata is encrypted; write it without encryption".into()),
            _ if tail.len() as u64 == file.size => return Err(foreign::not_parquet(tail).into()),
            _ => return Ok(Tail::Foreign),
        }
        let Some((metadata, len)) = rest.split_last_chunk::<4>() else { return Err(foreign::not_parquet(tail).into()) };
        let len = u32::from_le_bytes(*len);
        // There is another mark at the start.
        let before = file.size.checked_sub(u64::from(len) + 8);
        let end = before.filter(|&end| end >= MARK.len() as u64).ok_or("its metadata is larger than the file")?;
        if u64::from(len) > MAX_FOOTER_BYTES {
            let what =
                format!("its metadata has more than {} MiB; write it with fewer row groups", MAX_FOOTER_BYTES >> 20);
            return Err(what.into());
        }
        let start = usize::try_from(len).ok().and_then(|len| metadata.len().checked_sub(len));
        let Some(start) = start else { return Ok(Tail::Short(u64::from(len) + 8)) };

        let Metadata { schema, groups, durations } = footer::read(&metadata[start..], wanted, end)?;
        let given = known(Some(&schema));
        Ok(Tail::Plan(Box::new(Self { key, given, columns: schema.columns, durations, groups })))
    }

    /// What is wrong with a file of which [`Tail::Foreign`] was said, by its first [`HEAD_BYTES`].
    pub fn foreign(file: &SourceFile, head: &[u8]) -> Error {
        unreadable(&file.key, &foreign::not_parquet(head).into())
    }

    /// The row groups that have rows, in the order of their rows.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Begins to read a row group, given the bytes of its [`Group::ranges`].
    ///
    /// # Errors
    /// `InvalidSource` if they have another length.
    pub fn reader<'p, 'd>(&'p self, group: &'p Group, chunks: &[&'d [u8]]) -> Result<GroupReader<'p, 'd>> {
        let of = |place: usize| -> Result<Option<ColumnReader<'d>>> {
            let (Some(column), Some(chunk)) = (&self.columns[place], &group.chunks[place]) else { return Ok(None) };
            let bytes = chunks.get(place).copied().unwrap_or_default();
            if bytes.len() as u64 != chunk.len {
                let flaw = Flaw::from(format!("column chunk has {} bytes, expected {}", bytes.len(), chunk.len));
                return Err(self.in_column(group, place, &flaw));
            }
            Ok(Some(ColumnReader::new(column.layout, chunk.codec, bytes)))
        };
        let columns = (0..self.columns.len()).map(of).collect::<Result<_>>()?;
        Ok(GroupReader { plan: self, group, columns, read: 0, raw: Vec::new() })
    }

    fn in_column(&self, group: &Group, place: usize, flaw: &Flaw) -> Error {
        let name = self.columns[place].as_ref().map_or("", |column| &column.name);
        unreadable(&self.key, &Flaw::from(format!("row group {}, column {name:?}: {flaw}", group.number)))
    }
}

fn unreadable(key: &str, flaw: &Flaw) -> Error {
    Error::new(Kind::InvalidSource, format!("{key}: {flaw}"))
}

impl Group {
    /// The bytes of the file that it takes to read it: of each of the spec's columns, none of those that are not in the
    /// file.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let range = |chunk: &Option<footer::Chunk>| chunk.map_or(0..0, |chunk| chunk.start..chunk.start + chunk.len);
        self.chunks.iter().map(range).collect()
    }
}

/// Reads one row group.
#[derive(Debug)]
pub struct GroupReader<'p, 'd> {
    plan: &'p ParquetPlan,
    group: &'p Group,
    columns: Vec<Option<ColumnReader<'d>>>,
    /// Rows that have been read.
    read: u64,
    /// A rejected row's texts.
    raw: Vec<u8>,
}

impl GroupReader<'_, '_> {
    /// Adds some rows to the sums, none if it takes long to get to one; returns whether there may be more. In between
    /// the pending quarantine lines must be taken away: it does not go on while there are too many of them.
    ///
    /// # Errors
    /// `InvalidSource`, with the place, if the rest of the file cannot be read.
    pub fn step(&mut self, file: &SourceFile, batch: &mut Batch<'_>) -> Result<bool> {
        self.step_rows(file, batch, |batch| batch.tally.rejects.pending.len(), Self::add)
    }

    /// The same for any spec.
    ///
    /// # Errors
    /// As [`GroupReader::step`].
    pub fn step_general(&mut self, file: &SourceFile, batch: &mut GeneralBatch<'_>) -> Result<bool> {
        self.step_rows(file, batch, |batch| batch.tally.rejects.pending.len(), Self::add_general)
    }

    #[inline(always)]
    fn step_rows<B>(
        &mut self,
        file: &SourceFile,
        batch: &mut B,
        pending: impl Fn(&B) -> usize,
        add: impl Fn(&mut Self, &SourceFile, &mut B) -> std::result::Result<usize, FileError>,
    ) -> Result<bool> {
        let end = self.group.rows.min(self.read + STEP_ROWS);
        let mut passed = 0;
        while self.read < end && passed < STEP_BYTES && pending(batch) < STEP_REJECT_BYTES {
            if let Some((place, column)) = read_columns(&mut self.columns).find(|(_, column)| column.needs_page()) {
                passed += column.open_page().map_err(|flaw| self.plan.in_column(self.group, place, &flaw))?;
                continue;
            }
            for (place, column) in read_columns(&mut self.columns) {
                column.advance().map_err(|flaw| self.plan.in_column(self.group, place, &flaw))?;
            }
            self.read += 1;
            passed += add(self, file, batch).map_err(|error| error.of(&file.key))?;
        }
        if self.read < self.group.rows { Ok(true) } else { self.pass_rest(passed) }
    }

    /// Adds the row that the columns have reached, by any spec; returns the length of its texts in bytes.
    fn add_general(
        &mut self,
        file: &SourceFile,
        batch: &mut GeneralBatch<'_>,
    ) -> std::result::Result<usize, FileError> {
        let number = RowNumber::Row(self.group.first_row + (self.read - 1));
        let texts = self.columns.iter().flatten().filter_map(ColumnReader::text);
        let len = texts.fold(0, |len: usize, text| len.saturating_add(text.len()));
        if len > MAX_ROW_BYTES {
            return Err(FileError::new(number, format!("a row of more than {MAX_ROW_BYTES} bytes")));
        }
        let Known::General(given) = &self.plan.given else { return Ok(len) };
        batch.add(file, &ParquetRow { reader: self, number, given })?;
        Ok(len)
    }

    /// Goes through the pages after the last row, which must have no values; returns whether there may be more of them.
    /// `passed` is what this step has gone through before.
    fn pass_rest(&mut self, mut passed: usize) -> Result<bool> {
        for (place, column) in read_columns(&mut self.columns) {
            while column.has_rest() {
                if passed >= STEP_BYTES {
                    return Ok(true);
                }
                passed += column.pass_page().map_err(|flaw| self.plan.in_column(self.group, place, &flaw))?;
            }
        }
        Ok(false)
    }

    /// Adds the row that the columns have reached; returns the length of its texts in bytes.
    fn add(&mut self, file: &SourceFile, batch: &mut Batch<'_>) -> std::result::Result<usize, FileError> {
        let row = RowNumber::Row(self.group.first_row + (self.read - 1));
        let Known::Usual(positions, given) = &self.plan.given else { return Ok(0) };
        let positions = *positions;
        let texts = [0, 1, 2].map(|place| match &self.columns[place] {
            Some(column) => column.text(),
            None => given.text(place),
        });
        batch.tally.rows_read += 1;
        let len = texts.iter().flatten().fold(0, |len: usize, text| len.saturating_add(text.len()));
        if len > MAX_ROW_BYTES {
            let reason = format!("a row of more than {MAX_ROW_BYTES} bytes");
            return Err(FileError::new(row, reason));
        }
        // A null is what an empty field is in CSV.
        let [key, category, value] = texts.map(Option::unwrap_or_default);
        let Err(error) = batch.add_row(positions, key, category, value) else { return Ok(len) };
        self.raw.clear();
        for (place, text) in texts.into_iter().enumerate() {
            if place > 0 {
                self.raw.push(b',');
            }
            write_quoted(&mut self.raw, text.unwrap_or_default());
        }
        let plan = batch.plan();
        let column = |position| (positions.number(position), plan.column_name(positions, position).to_owned());
        batch.reject(file, (row, &self.raw), error, column, Some(key))?;
        Ok(len)
    }
}

/// The columns that are in the file, with their places.
fn read_columns<'c, 'd>(
    columns: &'c mut [Option<ColumnReader<'d>>],
) -> impl Iterator<Item = (usize, &'c mut ColumnReader<'d>)> {
    columns.iter_mut().enumerate().filter_map(|(place, column)| column.as_mut().map(|column| (place, column)))
}

/// A row, by any spec.
struct ParquetRow<'r, 'p, 'd> {
    reader: &'r GroupReader<'p, 'd>,
    number: RowNumber,
    given: &'r general_given::Given,
}

impl PlainFields for ParquetRow<'_, '_, '_> {}

impl Fields for ParquetRow<'_, '_, '_> {
    fn raw(&self, slot: usize, _: &Field, number: u64) -> Raw<'_> {
        if let Some(given) = self.given.raw(slot, number) {
            return given;
        }
        let Some(text) = self.reader.columns[slot].as_ref().and_then(ColumnReader::text) else { return Raw::Null };
        let form = self.reader.plan.columns[slot].as_ref().map(|column| column.layout.form);
        match self.reader.plan.durations[slot] {
            Some(unit) => Raw::Counted(text, unit),
            None if form.is_some_and(Form::is_time) => Raw::Typed(text),
            None if form.is_some_and(Form::is_number) => Raw::Numeric(text),
            None => Raw::Text(Cow::Borrowed(text)),
        }
    }
}

impl Row for ParquetRow<'_, '_, '_> {
    fn place(&self) -> RowNumber {
        self.number
    }

    fn whole(&self) -> Cow<'_, [u8]> {
        let mut raw = Vec::new();
        for (place, column) in self.reader.columns.iter().flatten().enumerate() {
            if place > 0 {
                raw.push(b',');
            }
            write_quoted(&mut raw, column.text().unwrap_or_default());
        }
        Cow::Owned(raw)
    }

    fn column(&self, slot: usize, field: &Field) -> (usize, String) {
        let number = self.reader.plan.columns[slot].as_ref().map_or(0, |column| column.position + 1);
        let name = match &self.reader.plan.columns[slot] {
            Some(column) => column.name.clone(),
            None => field.name.clone(),
        };
        (number, name)
    }

    fn fault(&self) -> Option<String> {
        None
    }

    fn is_sure(&self, _: usize) -> bool {
        true
    }
}
