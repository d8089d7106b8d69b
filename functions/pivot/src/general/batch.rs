//! What the files of a batch have come to, by a spec of the whole language: each by itself, and written when it ends.

use super::column::{PlainFields, Raw, Reason};
use super::columns::{BlockColumns, Cell, Line};
use super::full::Full;
use super::keys::KeyIndex;
use super::plan::{Field, GeneralPlan, OtherStem, PivotPlan, Shaping};
use super::table::{Key, Rows, Table};
use super::value::Value;
use crate::batch::{FileError, Tally};
use crate::csv::block::BlockLines;
use crate::plan::{LONG_TEXT_KEY, MAX_TEXT_KEY_BYTES};
use crate::reject::RowNumber;
use sluice::contract::{LoadedFile, SourceFile};
use sluice::spec::OnBad;
use sluice::{Error, Kind, Result};
use std::borrow::Cow;

/// What a batch has come to so far.
#[derive(Debug)]
pub struct GeneralBatch<'p> {
    plan: &'p GeneralPlan,
    /// What was read, and what was wrong with it.
    pub tally: Tally,
    table: Table<'p>,
    /// The keys of the file's bad rows, where these may be in quarantine.
    bad_keys: KeyIndex,
    /// The key of a bad row could not be read.
    has_unknown_keys: bool,
    /// Data rows of the current file.
    file_rows: u64,
    /// Lines of it that were read column by column in vain.
    lines_put_together: u64,
    /// Memory for the next row.
    values: Vec<Value<'static>>,
    key: Vec<u8>,
    fields: Vec<u8>,
}

/// How many lines of a file may be read column by column in vain before that is half of them: each key is new once.
const MAX_IN_VAIN: u64 = 4_096;

/// The fields of a row, by their slots.
pub(crate) trait Fields: PlainFields {
    /// What stands for a field; `number` is the row's number in its file.
    fn raw(&self, slot: usize, field: &Field, number: u64) -> Raw<'_>;
}

/// A row, wherever it comes from.
pub(crate) trait Row: Fields {
    /// Where it is.
    fn place(&self) -> RowNumber;
    /// As it is in the file.
    fn whole(&self) -> Cow<'_, [u8]>;
    /// The number of a column, from 1, and its name in the file; 0 where columns have no order.
    fn column(&self, slot: usize, field: &Field) -> (usize, String);
    /// What is wrong with the row as a whole.
    fn fault(&self) -> Option<String>;
    /// Whether a field is surely the one that it should be, although something is wrong with the row.
    fn is_sure(&self, slot: usize) -> bool;
}

/// What becomes of a row.
enum Outcome {
    Added,
    FilteredOut,
    Ignored,
}

/// Why it becomes nothing.
enum Trouble {
    /// It is a bad row: of one of its fields, or as a whole.
    Row(Option<usize>, Reason),
    /// Its file cannot be loaded.
    File(Option<usize>, String),
}

/// An empty list in the memory of another one, whose values are gone.
fn emptied<'r>(mut values: Vec<Value<'_>>) -> Vec<Value<'r>> {
    values.clear();
    // Of the same layout, so that the memory stays: `collect` is in place.
    values.into_iter().map(|_| Value::Null).collect()
}

impl<'p> GeneralBatch<'p> {
    /// Nothing yet.
    pub fn new(plan: &'p GeneralPlan) -> Self {
        Self {
            plan,
            tally: Tally::new(plan.on_bad_row, plan.on_bad_file),
            table: Table::new(plan),
            bad_keys: KeyIndex::default(),
            has_unknown_keys: false,
            file_rows: 0,
            lines_put_together: 0,
            values: Vec::new(),
            key: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// The checked spec.
    pub fn plan(&self) -> &'p GeneralPlan {
        self.plan
    }

    /// Adds a row, or sets it aside.
    ///
    /// # Errors
    /// What ends the file.
    pub(crate) fn add(&mut self, file: &SourceFile, row: &impl Row) -> std::result::Result<(), FileError> {
        self.tally.rows_read += 1;
        self.file_rows += 1;
        let mut values = emptied(std::mem::take(&mut self.values));
        let outcome = match row.fault() {
            None => self.try_add(row, &mut values),
            Some(fault) => Err(Trouble::Row(None, fault.into())),
        };
        self.values = emptied(values);
        match outcome {
            Ok(Outcome::Added) => Ok(()),
            Ok(Outcome::FilteredOut) => {
                self.tally.rows_filtered += 1;
                Ok(())
            }
            Ok(Outcome::Ignored) => {
                self.tally.rows_ignored += 1;
                Ok(())
            }
            Err(Trouble::Row(slot, reason)) => {
                let column = slot.map(|slot| row.column(slot, &self.plan.fields[slot]));
                self.tally.rejects.add(file, row.place(), &row.whole(), column, &reason);
                if self.plan.has_states() {
                    self.mark(row).map_err(|full| FileError::new(row.place(), full.reason()))?;
                }
                Ok(())
            }
            Err(Trouble::File(slot, reason)) => {
                let column = slot.map(|slot| row.column(slot, &self.plan.fields[slot]));
                Err(FileError::in_column(row.place(), column, reason))
            }
        }
    }

    /// The same of a row without a fault that can come again: nothing is done, and `None` returned, if there is any
    /// trouble with it.
    #[inline]
    pub(crate) fn add_fast(&mut self, row: &impl Fields) -> Option<()> {
        self.file_rows += 1;
        let mut values = emptied(std::mem::take(&mut self.values));
        let outcome = self.try_add(row, &mut values);
        self.values = emptied(values);
        self.counted(&outcome)
    }

    /// Whether it is worth while to read the next lines column by column: few were in vain so far.
    pub(crate) fn is_quick_by_column(&self) -> bool {
        self.table.finds_short_keys() && self.lines_put_together <= MAX_IN_VAIN + self.file_rows / 2
    }

    /// The same of the lines of a block from number `first` on, of which `columns` has the values, up to one that was
    /// not read or that there is trouble with. Returns the number of that, or how many lines there are.
    pub(crate) fn add_lines(&mut self, columns: &BlockColumns, lines: &BlockLines<'_>, first: usize) -> usize {
        let mut values = emptied(std::mem::take(&mut self.values));
        let mut next = first;
        while next < lines.count() {
            let Some(line) = columns.line(lines, next) else { break };
            self.file_rows += 1;
            let outcome = self.try_add_line(&line, &mut values);
            if self.counted(&outcome).is_none() {
                break;
            }
            next += 1;
        }
        self.values = emptied(values);
        next
    }

    #[inline(always)]
    fn try_add_line<'b>(
        &mut self,
        line: &Line<'b>,
        values: &mut Vec<Value<'b>>,
    ) -> std::result::Result<Outcome, Trouble> {
        let plan = self.plan;
        let number = self.file_rows;
        if let Shaping::Words { pivot, .. } = &plan.shaping
            && let Some(row) = self.table.row_of(line)
        {
            let stem = match pivot {
                None => None,
                Some(pivot) => match pivot.cells_of_line(line)? {
                    None => return Ok(Outcome::Ignored),
                    cells => cells,
                },
            };
            self.table.add_line(row, stem, line, number).map_err(|full| trouble_of(full, plan))?;
            return Ok(Outcome::Added);
        }
        self.lines_put_together += 1;
        values.clear();
        line.append_values(values);
        self.add_values(values)
    }

    /// Counts a row that was added by what has become of it; `None` if it was not.
    #[inline(always)]
    fn counted(&mut self, outcome: &std::result::Result<Outcome, Trouble>) -> Option<()> {
        let tally = &mut self.tally;
        match outcome {
            Ok(Outcome::Added) => {}
            Ok(Outcome::FilteredOut) => tally.rows_filtered += 1,
            Ok(Outcome::Ignored) => tally.rows_ignored += 1,
            Err(_) => {
                self.file_rows -= 1;
                return None;
            }
        }
        tally.rows_read += 1;
        Some(())
    }

    #[inline]
    fn try_add<'r>(
        &mut self,
        row: &'r impl Fields,
        values: &mut Vec<Value<'r>>,
    ) -> std::result::Result<Outcome, Trouble>
    where
        'p: 'r,
    {
        let plan = self.plan;
        for (slot, field) in plan.fields.iter().enumerate() {
            if slot == plan.filter_fields && plan.filter.as_ref().is_some_and(|filter| !filter.holds(values)) {
                return Ok(Outcome::FilteredOut);
            }
            if field.reader.read_quickly(row, slot, values).is_none() {
                let value = read(field, row.raw(slot, field, self.file_rows));
                values.push(value.map_err(|why| Trouble::Row(Some(slot), why))?);
            }
        }
        if plan.filter_fields == plan.fields.len() && plan.filter.as_ref().is_some_and(|filter| !filter.holds(values)) {
            return Ok(Outcome::FilteredOut);
        }
        self.add_values(values)
    }

    /// Adds the values of a row that counts.
    #[inline]
    fn add_values(&mut self, values: &[Value<'_>]) -> std::result::Result<Outcome, Trouble> {
        let plan = self.plan;
        let number = self.file_rows;
        let (short, known) = self.table.short_key(values);
        if known.is_none() {
            self.write_key(values)?;
        }
        let key = known.map_or(Key::Written(&self.key, short), Key::Known);
        let full = |full: Full| trouble_of(full, plan);
        match &plan.shaping {
            Shaping::Words { pivot: None, .. } => {
                self.table.add_words(key, None, values, number).map_err(full)?;
            }
            Shaping::Words { pivot: Some(pivot), .. } => {
                let category: &[u8] = match &values[pivot.on] {
                    Value::Text(text) => text,
                    _ => &[],
                };
                let Some(stem) = pivot.cells(pivot.into.get(category), category)? else {
                    return Ok(Outcome::Ignored);
                };
                self.table.add_words(key, Some(stem), values, number).map_err(full)?;
            }
            Shaping::Rows { columns, .. } => {
                self.fields.clear();
                for (slot, kind) in columns {
                    let reader = &plan.fields[*slot].reader;
                    let written = match reader.division {
                        None => values[*slot].write(*kind, &mut self.fields),
                        Some(_) => {
                            let value = reader.finished(values[*slot].clone());
                            value.map_err(|why| Trouble::Row(Some(*slot), why))?.write(*kind, &mut self.fields)
                        }
                    };
                    written.map_err(|why| Trouble::Row(Some(*slot), why.to_string().into()))?;
                }
                self.table.add_row(&self.key, values, number, &self.fields).map_err(full)?;
            }
        }
        Ok(Outcome::Added)
    }

    /// Writes the key of a row's values as it will stand in the part.
    fn write_key(&mut self, values: &[Value<'_>]) -> std::result::Result<(), Trouble> {
        let keys = &self.plan.keys;
        self.key.clear();
        let mut length = 0;
        for (slot, kind) in keys {
            let value = &values[*slot];
            if value.is_null() {
                return Err(Trouble::Row(Some(*slot), "no value, and it is a key".into()));
            }
            length += text_bytes(value);
            let written = value.write(*kind, &mut self.key);
            written.map_err(|why| Trouble::Row(Some(*slot), why.to_string().into()))?;
        }
        if length > MAX_TEXT_KEY_BYTES {
            return Err(Trouble::Row(keys.first().map(|(slot, _)| *slot), LONG_TEXT_KEY.into()));
        }
        Ok(())
    }

    /// Remembers the key of a bad row: what its file says of it is not whole.
    fn mark(&mut self, row: &impl Row) -> std::result::Result<(), Full> {
        self.key.clear();
        let mut length = 0;
        for (slot, kind) in &self.plan.keys {
            let field = &self.plan.fields[*slot];
            let value = match row.is_sure(*slot) {
                true => read(field, row.raw(*slot, field, self.file_rows)).ok(),
                false => None,
            };
            length += value.as_ref().map_or(0, text_bytes);
            let value = value.filter(|value| !value.is_null() && length <= MAX_TEXT_KEY_BYTES);
            let written = value.map(|value| value.write(*kind, &mut self.key));
            if !matches!(written, Some(Ok(()))) {
                self.has_unknown_keys = true;
                return Ok(());
            }
        }
        match self.bad_keys.find(&self.key) {
            Ok(_) => Ok(()),
            Err(free) => self.bad_keys.insert(&self.key, free).map(|_| ()),
        }
    }

    /// Ends a file that was read to its end. Returns the rows of its part, if it has any; none if it is set aside.
    ///
    /// # Errors
    /// `InvalidSource` if there are too many keys, unless bad files are set aside.
    pub fn end_file(&mut self, file: &SourceFile) -> Result<Option<Rows<'p>>> {
        if let Some(reason) = self.tally.all_rows_are_bad() {
            self.set_aside(file, reason);
            return Ok(None);
        }
        let has_unknown_keys = self.has_unknown_keys;
        let (table, bad_keys) = self.next_file();
        match table.finish(&bad_keys) {
            Ok(rows) => {
                let file = file.clone();
                self.tally.loaded.push(LoadedFile { file, has_unknown_keys, first_key: None, last_key: None });
                Ok(Some(rows).filter(|rows| !rows.is_empty()))
            }
            Err(full) if self.plan.on_bad_file == OnBad::Quarantine => {
                self.set_aside(file, full.reason());
                Ok(None)
            }
            Err(full) => Err(Error::new(Kind::InvalidSource, format!("{}: {}", file.key, full.reason()))),
        }
    }

    /// Ends a file that cannot be loaded: nothing of it will be in the parts.
    pub fn set_aside(&mut self, file: &SourceFile, reason: String) {
        self.next_file();
        self.tally.set_aside(file, reason);
    }

    /// Makes room for the next file; returns what this one has come to.
    fn next_file(&mut self) -> (Table<'p>, KeyIndex) {
        self.tally.next_file();
        (self.has_unknown_keys, self.file_rows, self.lines_put_together) = (false, 0, 0);
        (std::mem::replace(&mut self.table, Table::new(self.plan)), std::mem::take(&mut self.bad_keys))
    }
}

impl PivotPlan {
    /// The cells of a category with this stem, if it is a known one; none if its row is left out.
    #[inline]
    fn cells(&self, stem: Option<usize>, category: &[u8]) -> std::result::Result<Option<&[usize]>, Trouble> {
        let stem = match (stem, self.other) {
            (Some(stem), _) | (None, OtherStem::Into(stem)) => stem,
            (None, OtherStem::Ignore) => return Ok(None),
            (None, OtherStem::BadRow) if category.is_empty() => {
                let reason = "no value, and \"\" is not one of the categories";
                return Err(Trouble::Row(Some(self.on), reason.into()));
            }
            (None, OtherStem::BadRow) => return Err(Trouble::Row(Some(self.on), "unknown category".into())),
        };
        Ok(Some(&self.stems[stem]))
    }

    /// The same of the category of a line.
    #[inline(always)]
    fn cells_of_line(&self, line: &Line<'_>) -> std::result::Result<Option<&[usize]>, Trouble> {
        match line.cell(self.on) {
            Cell::Text(prefix, text) => {
                let stem = self.into.get_fast(prefix).or_else(|| self.into.get(text));
                self.cells(stem, text)
            }
            _ => self.cells(self.into.get(&[]), &[]),
        }
    }
}

/// What is wrong with a file whose row does not fit into its table.
#[cold]
fn trouble_of(full: Full, plan: &GeneralPlan) -> Trouble {
    let slot = match (full, &plan.shaping) {
        (Full::SumTooLong(cell), Shaping::Words { cells, .. }) => cells[cell].of,
        _ => plan.keys.first().map(|(slot, _)| *slot),
    };
    Trouble::File(slot, full.reason())
}

/// The value of a field. A duration that would be too long in its unit is none.
fn read<'r>(field: &'r Field, raw: Raw<'r>) -> std::result::Result<Value<'r>, Reason> {
    let value = field.reader.read(raw)?;
    if field.reader.division.is_some() {
        field.reader.finished(value.clone())?;
    }
    Ok(value)
}

/// How long a text is in UTF-8; 0 of all else.
fn text_bytes(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        _ => 0,
    }
}
