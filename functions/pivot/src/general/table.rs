//! What the rows of a file come to, key by key. Memory grows with the number of keys and with nothing else.

use super::columns::{Cell, Line};
use super::few_keys::{FewKeys, ShortKey};
use super::full::{Full, MAX_KEPT_BYTES};
use super::keys::KeyIndex;
use super::plan::{CellPlan, GeneralPlan, Shaping};
use super::value::Value;
use super::winners::Winners;
use crate::sums::MAX_SUMS;
use crate::value::decimal::{Decimal, Units};
use crate::value::number::divided;
use copy_binary::{begin_row, write_bigint, write_boolean, write_numeric, write_smallint};
use sluice::contract::{BAD_ROWS_ONLY, ColumnKind, PARTIAL, Says, WHOLE};
use std::borrow::Cow;
use std::cmp::Ordering;

/// What the rows of a file come to.
#[derive(Debug)]
pub(crate) struct Table<'p> {
    plan: &'p GeneralPlan,
    keys: KeyIndex,
    few_keys: FewKeys,
    kept: Kept<'p>,
    /// Bytes of the values that are kept.
    kept_bytes: usize,
}

/// The key of a row whose values are added up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'k> {
    /// It has this row in the table.
    Known(usize),
    /// As it is written; with its values, if it is short.
    Written(&'k [u8], Option<ShortKey>),
}

#[derive(Debug)]
enum Kept<'p> {
    Words { cells: &'p [CellPlan], columns: Vec<Words> },
    Rows(Winners),
}

/// One cell of every row.
#[derive(Debug)]
enum Words {
    Sums(Sums),
    Counts(Vec<u64>),
    Means(Sums, Vec<u64>),
    Extremes(Vec<Value<'static>>),
    Ordered(Vec<OrderedValue>),
}

/// The value of the first or last row.
#[derive(Clone, Debug)]
struct OrderedValue {
    order: Value<'static>,
    row: u64,
    value: Value<'static>,
}

/// Sums of one cell; a tagged one is kept among the wide ones.
#[derive(Debug, Default)]
struct Sums {
    units: Vec<Units>,
    wide: Vec<Decimal>,
    /// Whether anything was added.
    is_any: Vec<bool>,
}

impl Sums {
    fn grow(&mut self) {
        self.units.push(Units::default());
        self.is_any.push(false);
    }

    /// Adds a value without zeros at its end; false if the sum is too long.
    #[inline]
    fn add(&mut self, row: usize, value: Decimal) -> bool {
        let sum = &mut self.units[row];
        if let Some(more) = Units::new(value).and_then(|value| sum.checked_add(value)) {
            *sum = more;
        } else {
            let Some(more) = self.get(row).checked_add(value) else { return false };
            match self.units[row].tag() {
                Some(index) => self.wide[index as usize] = more.trimmed(),
                None => {
                    self.units[row] = Units::tagged(u32::try_from(self.wide.len()).expect("at most MAX_SUMS"));
                    self.wide.push(more.trimmed());
                }
            }
        }
        self.is_any[row] = true;
        true
    }

    /// The same in units.
    #[inline(always)]
    fn add_units(&mut self, row: usize, value: Units) -> bool {
        match self.units[row].checked_add(value) {
            Some(more) => {
                self.units[row] = more;
                self.is_any[row] = true;
                true
            }
            None => self.add(row, value.into()),
        }
    }

    fn get(&self, row: usize) -> Decimal {
        self.units[row].tag().map_or_else(|| self.units[row].into(), |index| self.wide[index as usize])
    }
}

impl<'p> Table<'p> {
    /// Nothing yet.
    pub(crate) fn new(plan: &'p GeneralPlan) -> Self {
        let kept = match &plan.shaping {
            Shaping::Words { cells, .. } => {
                let columns = cells.iter().map(|cell| match cell.says {
                    Says::Sum { .. } => Words::Sums(Sums::default()),
                    Says::Count => Words::Counts(Vec::new()),
                    Says::Mean { .. } => Words::Means(Sums::default(), Vec::new()),
                    Says::Min { .. } | Says::Max { .. } => Words::Extremes(Vec::new()),
                    Says::First { .. } | Says::Last { .. } => Words::Ordered(Vec::new()),
                });
                Kept::Words { cells, columns: columns.collect() }
            }
            Shaping::Rows { order_by, .. } => Kept::Rows(Winners::new(order_by.len())),
        };
        let few_keys = FewKeys::new(matches!(kept, Kept::Words { .. }));
        Self { plan, keys: KeyIndex::default(), few_keys, kept, kept_bytes: 0 }
    }

    /// The key of a row's values, if it is short and they are added up, and the row of the table that it is known to
    /// have.
    #[inline]
    pub(crate) fn short_key(&self, values: &[Value<'_>]) -> (Option<ShortKey>, Option<usize>) {
        let key = self.few_keys.key(&self.plan.keys, values);
        let row = key.as_ref().and_then(|key| self.few_keys.find(key));
        (key, row)
    }

    /// The row of a key; a new one if it has none.
    fn row(&mut self, key: &[u8]) -> Result<usize, Full> {
        let free = match self.keys.find(key) {
            Ok(row) => return Ok(row),
            Err(free) => free,
        };
        let width = match &self.kept {
            Kept::Words { cells, .. } => cells.len(),
            Kept::Rows(_) => 1,
        };
        if (self.keys.len() + 1) * width > MAX_SUMS {
            return Err(Full::TooManyKeys);
        }
        let row = self.keys.insert(key, free)?;
        match &mut self.kept {
            Kept::Words { columns, .. } => columns.iter_mut().for_each(Words::grow),
            Kept::Rows(winners) => winners.grow(),
        }
        Ok(row)
    }

    /// Adds the values of a row, which has this number in its file, to some cells of a key.
    ///
    /// # Errors
    /// [`Full`], and then the file cannot be loaded.
    pub(crate) fn add_words(
        &mut self,
        key: Key<'_>,
        of_stem: Option<&[usize]>,
        values: &[Value<'_>],
        number: u64,
    ) -> Result<(), Full> {
        let row = match key {
            Key::Known(row) => row,
            Key::Written(key, short) => {
                let row = self.row(key)?;
                if let Some(short) = short {
                    self.few_keys.insert(&short, row);
                }
                row
            }
        };
        self.add_each(of_stem, |words, plan| words.add(plan, row, |slot| Cow::Borrowed(&values[slot]), number))
    }

    /// Whether keys are still found without being written.
    pub(crate) fn finds_short_keys(&self) -> bool {
        !self.few_keys.is_given_up()
    }

    /// The row of the key of a line, if that is known without writing the key.
    #[inline(always)]
    pub(crate) fn row_of(&self, line: &Line<'_>) -> Option<usize> {
        self.few_keys.row_of(&self.plan.keys, line)
    }

    /// The same as [`Table::add_words`] of a line, whose key has this row in the table.
    ///
    /// # Errors
    /// [`Full`], and then the file cannot be loaded.
    #[inline(always)]
    pub(crate) fn add_line(
        &mut self,
        row: usize,
        of_stem: Option<&[usize]>,
        line: &Line<'_>,
        number: u64,
    ) -> Result<(), Full> {
        self.add_each(of_stem, |words, plan| words.add_line(plan, row, line, number))
    }

    /// Adds to some cells of a key, by what says how many bytes more are kept, or that the sum is too long.
    #[inline(always)]
    fn add_each(
        &mut self,
        of_stem: Option<&[usize]>,
        add_to: impl Fn(&mut Words, &CellPlan) -> Option<isize>,
    ) -> Result<(), Full> {
        let Kept::Words { cells, columns } = &mut self.kept else { return Ok(()) };
        let mut add = |cell: usize, plan: &CellPlan, words: &mut Words| {
            let kept = add_to(words, plan).ok_or(Full::SumTooLong(cell))?;
            self.kept_bytes = self.kept_bytes.saturating_add_signed(kept);
            if self.kept_bytes > MAX_KEPT_BYTES { Err(Full::TooManyKeys) } else { Ok(()) }
        };
        match of_stem {
            Some(stem) => stem.iter().try_for_each(|cell| add(*cell, &cells[*cell], &mut columns[*cell])),
            None => {
                let mut all = cells.iter().zip(columns).enumerate();
                all.try_for_each(|(cell, (plan, words))| add(cell, plan, words))
            }
        }
    }

    /// Lets a row, which has this number in its file, win its key if it does.
    ///
    /// # Errors
    /// [`Full`], and then the file cannot be loaded.
    pub(crate) fn add_row(&mut self, key: &[u8], values: &[Value<'_>], number: u64, fields: &[u8]) -> Result<(), Full> {
        let row = self.row(key)?;
        let (Kept::Rows(winners), Shaping::Rows { order_by, delete_when, .. }) = (&mut self.kept, &self.plan.shaping)
        else {
            return Ok(());
        };
        // Of equals the last row wins.
        let is_beaten = winners.order(row).is_some_and(|best| {
            let order = order_by.iter().zip(best).map(|((slot, _), best)| values[*slot].order(best));
            order.fold(Ordering::Equal, Ordering::then).is_lt()
        });
        if is_beaten {
            return Ok(());
        }
        let order = order_by.iter().map(|(slot, _)| &values[*slot]);
        let is_deleted = delete_when.as_ref().is_some_and(|when| when.holds(values));
        winners.set(row, order, number, is_deleted, fields);
        if winners.are_more_than(MAX_KEPT_BYTES) { Err(Full::TooManyKeys) } else { Ok(()) }
    }

    /// The rows of a part, a piece after the other, at least so many bytes each but the last.
    ///
    /// # Errors
    /// [`Full`], of the keys of bad rows.
    pub(crate) fn finish(mut self, bad_keys: &KeyIndex) -> Result<Rows<'p>, Full> {
        let mut states = Vec::new();
        if self.plan.has_states() {
            states = vec![WHOLE; self.keys.len()];
            for bad in 0..bad_keys.len() {
                let row = self.row(bad_keys.key(bad))?;
                match states.get_mut(row) {
                    Some(state) => *state = PARTIAL,
                    None => states.push(BAD_ROWS_ONLY),
                }
            }
        }
        Ok(Rows { table: self, states, next: 0 })
    }

    fn write_row(&self, row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.keys.key(row));
        match (&self.kept, &self.plan.shaping) {
            (Kept::Words { cells, columns }, _) => {
                for (cell, words) in cells.iter().zip(columns) {
                    words.write(cell, row, out);
                }
            }
            (Kept::Rows(winners), Shaping::Rows { columns, order_by, .. }) => {
                let (number, is_deleted) = winners.number(row);
                match winners.order(row) {
                    Some(order) => {
                        out.extend_from_slice(winners.fields(row));
                        for (value, (_, kind)) in order.iter().zip(order_by) {
                            write(value, *kind, out);
                        }
                    }
                    // Only bad rows have the key.
                    None => (0..columns.len() + order_by.len()).for_each(|_| copy_binary::write_null(out)),
                }
                write_bigint(i64::try_from(number).unwrap_or(i64::MAX), out);
                write_boolean(is_deleted, out);
            }
            (Kept::Rows(_), Shaping::Words { .. }) => {}
        }
    }
}

/// Writes a value that was read from a row, of which none is too long for a field.
fn write(value: &Value<'_>, kind: ColumnKind, out: &mut Vec<u8>) {
    value.write(kind, out).expect("a row has at most a MiB");
}

impl Words {
    fn grow(&mut self) {
        match self {
            Self::Sums(sums) => sums.grow(),
            Self::Counts(counts) => counts.push(0),
            Self::Means(sums, counts) => {
                sums.grow();
                counts.push(0);
            }
            Self::Extremes(values) => values.push(Value::Null),
            Self::Ordered(values) => values.push(OrderedValue { order: Value::Null, row: 0, value: Value::Null }),
        }
    }

    /// The same as [`Words::add`] of a line, of which no value is null.
    #[inline(always)]
    fn add_line(&mut self, cell: &CellPlan, row: usize, line: &Line<'_>, number: u64) -> Option<isize> {
        match (self, cell.of.map(|slot| line.cell(slot))) {
            (Self::Counts(counts), _) => counts[row] += 1,
            (Self::Sums(sums), Some(Cell::Number(value))) => return sums.add_units(row, value).then_some(0),
            (Self::Means(sums, counts), Some(Cell::Number(value))) => {
                counts[row] += 1;
                return sums.add_units(row, value).then_some(0);
            }
            // Few are better than all before them.
            (Self::Extremes(best), Some(Cell::Number(value))) if is_no_better(&best[row], value, cell.says) => {}
            (words, _) => return words.add(cell, row, |slot| Cow::Owned(line.value(slot)), number),
        }
        Some(0)
    }

    /// Adds a row's values; `None` if the sum is too long. Returns how many bytes more are kept, or fewer.
    #[inline]
    fn add<'v, 'r: 'v>(
        &mut self,
        cell: &CellPlan,
        row: usize,
        value_of: impl Fn(usize) -> Cow<'v, Value<'r>>,
        number: u64,
    ) -> Option<isize> {
        let value = cell.of.map(&value_of);
        let value = value.as_deref();
        let is_null = value.is_some_and(Value::is_null);
        match (self, value) {
            (Self::Sums(sums), Some(Value::Decimal(value))) => return sums.add(row, *value).then_some(0),
            (Self::Ordered(best), Some(value)) => {
                let order = cell.order.map_or(Cow::Owned(Value::Null), &value_of);
                let best = &mut best[row];
                // Of equals the first row is first, and the last one last; rows come in their order.
                let counts = match (best.order.is_null(), cell.says) {
                    _ if order.is_null() => false,
                    (true, _) => true,
                    (false, Says::First { .. }) => order.order(&best.order).is_lt(),
                    (false, _) => order.order(&best.order).is_ge(),
                };
                if counts {
                    let before = best.order.heap_bytes() + best.value.heap_bytes();
                    *best = OrderedValue { order: order.kept(), row: number, value: value.kept() };
                    let after = best.order.heap_bytes() + best.value.heap_bytes();
                    return Some(after.cast_signed() - before.cast_signed());
                }
            }
            _ if is_null => {}
            (Self::Counts(counts), _) => counts[row] += 1,
            (Self::Sums(sums), Some(value)) => return sums.add(row, decimal(value)).then_some(0),
            (Self::Means(sums, counts), Some(value)) => {
                counts[row] += 1;
                return sums.add(row, decimal(value)).then_some(0);
            }
            (Self::Extremes(best), Some(value)) => {
                let best = &mut best[row];
                let is_better = |order: Ordering| match cell.says {
                    Says::Min { .. } => order.is_lt(),
                    _ => order.is_gt(),
                };
                if best.is_null() || is_better(value.order(best)) {
                    let before = best.heap_bytes();
                    *best = value.kept();
                    return Some(best.heap_bytes().cast_signed() - before.cast_signed());
                }
            }
            (_, None) => {}
        }
        Some(0)
    }

    fn write(&self, cell: &CellPlan, row: usize, out: &mut Vec<u8>) {
        let count = |count: u64, out: &mut Vec<u8>| write_bigint(i64::try_from(count).unwrap_or(i64::MAX), out);
        let sum = |sums: &Sums, out: &mut Vec<u8>| {
            let Decimal { mantissa, scale } = sums.get(row);
            write_numeric(mantissa, scale, out);
        };
        match (self, cell.says) {
            (Self::Sums(sums), Says::Sum { is_null_if_empty: true, .. }) if !sums.is_any[row] => {
                copy_binary::write_null(out);
            }
            (Self::Sums(sums), _) => sum(sums, out),
            (Self::Counts(counts), _) => count(counts[row], out),
            (Self::Means(sums, counts), _) => {
                sum(sums, out);
                count(counts[row], out);
            }
            (Self::Extremes(values), Says::Min { kind } | Says::Max { kind }) => {
                write(&cell.finished(&values[row]), kind, out)
            }
            (Self::Ordered(values), Says::First { kind, order } | Says::Last { kind, order }) => {
                let best = &values[row];
                write(&cell.finished(&best.value), kind, out);
                write(&best.order, order, out);
                count(best.row, out);
            }
            _ => unreachable!("words are made by what they say"),
        }
    }
}

impl CellPlan {
    /// What a value becomes in the table, if it is not added up: a duration in its unit.
    fn finished<'v>(&self, value: &'v Value<'static>) -> Cow<'v, Value<'static>> {
        match (value, self.division) {
            (Value::Decimal(number), Some((by, scale))) => {
                let number =
                    divided(*number, u64::from(by), scale).expect("a row whose durations are too long is a bad row");
                Cow::Owned(Value::Decimal(number))
            }
            _ => Cow::Borrowed(value),
        }
    }
}

/// Whether a number is surely not less than the least one, or not greater than the greatest one.
#[inline(always)]
fn is_no_better(best: &Value<'_>, value: Units, says: Says) -> bool {
    let Value::Decimal(best) = best else { return false };
    Units::new(*best).is_some_and(|best| if matches!(says, Says::Min { .. }) { value >= best } else { value <= best })
}

/// A value that is added up.
fn decimal(value: &Value<'_>) -> Decimal {
    match value {
        Value::Integer(number) => Decimal { mantissa: i128::from(*number), scale: 0 },
        Value::Decimal(number) => *number,
        _ => unreachable!("only numbers are added up"),
    }
}

/// The rows of a part.
#[derive(Debug)]
pub struct Rows<'p> {
    table: Table<'p>,
    states: Vec<i16>,
    next: usize,
}

impl Rows<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the next ones, of the file of this number, until there are so many bytes or none is left; returns how
    /// many were written.
    pub fn write(&mut self, file: i64, until: usize, out: &mut Vec<u8>) -> u64 {
        let width = i16::try_from(self.table.plan.layout.columns().len()).expect("a table has at most 1,600 columns");
        let first = self.next;
        while self.next < self.len() && out.len() < until {
            begin_row(width, out);
            if self.table.plan.layout.per_file {
                write_bigint(file, out);
            }
            if let Some(state) = self.states.get(self.next) {
                write_smallint(*state, out);
            }
            self.table.write_row(self.next, out);
            self.next += 1;
        }
        (self.next - first) as u64
    }
}
