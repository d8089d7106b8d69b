//! What the function leaves of a file, a part, and what its rows come to in the table.

use crate::field::{self, Number};
use pivot::general::table::Rows;
use pivot::value::decimal::Decimal;
use pivot::value::number::divided;
use sluice::contract::{BAD_ROWS_ONLY, Column, ColumnKind, Division, Layout, PartContent, Says};
use std::ops::Range;

/// How much of a part is made at once, in bytes.
const PIECE_BYTES: usize = 1 << 20;

/// The rows of a part.
pub(crate) struct Part {
    columns: Vec<Column>,
    /// Where the keys begin.
    first_key: usize,
    layout: Layout,
    bytes: Vec<u8>,
    /// Where each field is, row by row; `None`: it is null.
    fields: Vec<Option<Range<usize>>>,
}

impl Part {
    /// What a file, or several read as one, came to.
    pub(crate) fn of(layout: &Layout, rows: Option<Rows<'_>>) -> Self {
        let columns = layout.columns();
        let first_key = usize::from(layout.per_file) + usize::from(layout.has_states);
        let mut part = Self { columns, first_key, layout: layout.clone(), bytes: Vec::new(), fields: Vec::new() };
        if let Some(mut rows) = rows {
            while rows.write(0, part.bytes.len() + PIECE_BYTES, &mut part.bytes) > 0 {}
        }
        part.find_fields();
        part
    }

    fn find_fields(&mut self) {
        let mut place = 0;
        // A row begins with the number of its fields, in two bytes, and a field with its length, in four.
        while place < self.bytes.len() {
            place += 2;
            for _ in 0..self.columns.len() {
                let len = usize::try_from(field::whole(&self.bytes[place..place + 4])).ok();
                place += 4;
                self.fields.push(len.map(|len| place..place + len));
                place += len.unwrap_or_default();
            }
        }
    }

    /// The numbers of the rows that the table would have: not those of keys that only bad rows have, nor deleted ones.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        self.all_rows().filter(|row| !self.is_deleted(*row))
    }

    /// The same, and those of deleted keys.
    pub(crate) fn all_rows(&self) -> impl Iterator<Item = usize> {
        let count = self.fields.len() / self.columns.len().max(1);
        (0..count).filter(|row| !self.has_bad_rows_only(*row))
    }

    fn has_bad_rows_only(&self, row: usize) -> bool {
        let state = usize::from(self.layout.per_file);
        self.layout.has_states && self.field(row, state).map(field::whole) == Some(i64::from(BAD_ROWS_ONLY))
    }

    fn is_deleted(&self, row: usize) -> bool {
        let is_of_rows = matches!(self.layout.content, PartContent::Rows { .. });
        is_of_rows && self.field(row, self.columns.len() - 1) == Some(&[1])
    }

    fn field(&self, row: usize, column: usize) -> Option<&[u8]> {
        let place = self.fields.get(row * self.columns.len() + column)?.clone()?;
        Some(&self.bytes[place])
    }

    /// The keys of a row, of which these are counted from the first one.
    pub(crate) fn key(&self, row: usize, places: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
        let places =
            places.into_iter().map(|place| self.field(row, self.first_key + place).unwrap_or_default().to_vec());
        places.collect()
    }

    /// The names of the columns of the table: the keys, then the others.
    pub(crate) fn names(&self) -> Vec<String> {
        let keys = self.layout.keys.iter().map(|column| column.name.clone());
        match &self.layout.content {
            PartContent::Values(words) => keys.chain(words.iter().map(|word| word.name.clone())).collect(),
            PartContent::Rows { columns, .. } => keys.chain(columns.iter().map(|column| column.name.clone())).collect(),
        }
    }

    /// A row of the table, as texts; nulls are empty.
    pub(crate) fn shown(&self, row: usize) -> Vec<String> {
        self.cells(row).into_iter().map(Option::unwrap_or_default).collect()
    }

    /// A row of the table.
    pub(crate) fn cells(&self, row: usize) -> Vec<Option<String>> {
        let text = |column: usize| self.field(row, column).map(|field| field::text(self.columns[column].kind, field));
        let first = self.first_key + self.layout.keys.len();
        let keys = (self.first_key..first).map(text);
        match &self.layout.content {
            PartContent::Rows { columns, .. } => keys.chain((first..first + columns.len()).map(text)).collect(),
            PartContent::Values(words) => {
                let mut column = first;
                let values = words.iter().enumerate().map(|(place, word)| {
                    let at = column;
                    column += word.columns(place).len();
                    match word.says {
                        Says::Sum { divided: Some(by), .. } => self.quotient(row, at, by, 1),
                        Says::Mean { divided } => {
                            let count = self.field(row, at + 1).map_or(0, field::whole);
                            if count == 0 { None } else { self.quotient(row, at, divided, count) }
                        }
                        _ => text(at),
                    }
                });
                keys.chain(values).collect()
            }
        }
    }

    /// A sum over a count and what else it is divided by.
    fn quotient(&self, row: usize, column: usize, Division { by, scale }: Division, count: i64) -> Option<String> {
        let sum = self.field(row, column)?;
        let quotient = || {
            let (mantissa, decimals) = Number::read(sum).mantissa()?;
            let by = u64::try_from(count).ok()?.checked_mul(u64::from(by))?;
            divided(Decimal { mantissa, scale: decimals }, by, scale)
        };
        let shown = |Decimal { mantissa, scale }| decimal(mantissa, scale);
        Some(quotient().map_or_else(|| "(too many digits)".to_owned(), shown))
    }

    /// The kinds of the keys.
    pub(crate) fn key_kinds(&self) -> Vec<ColumnKind> {
        self.layout.keys.iter().map(|column| column.kind).collect()
    }
}

/// A number with so many decimals.
fn decimal(mantissa: i128, scale: u32) -> String {
    let scale = usize::try_from(scale).unwrap_or_default();
    let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = scale + 1);
    let (whole, decimals) = digits.split_at(digits.len() - scale);
    let sign = if mantissa < 0 { "-" } else { "" };
    if decimals.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{decimals}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_their_point() {
        for (mantissa, scale, expected) in [(5, 0, "5"), (-5, 2, "-0.05"), (12_345, 2, "123.45"), (0, 1, "0.0")] {
            assert_eq!(decimal(mantissa, scale), expected);
        }
    }
}
