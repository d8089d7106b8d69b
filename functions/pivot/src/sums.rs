//! One exact sum per index value and category. Memory grows with their number and with nothing else.

mod date_map;

pub use date_map::DateMap;

use crate::value::date::Date;
use crate::value::decimal::{Decimal, Units};
use sluice::contract::ColumnKind;
use std::collections::HashMap;

/// The index values, by the number of their row in [`Sums`].
#[derive(Debug)]
pub enum Keys {
    /// Dates.
    Dates(DateMap),
    /// Texts, each with its row.
    Texts(HashMap<String, usize>),
}

/// Partial sums of any number of files.
#[derive(Debug)]
pub struct Sums {
    keys: Keys,
    width: usize,
    /// Row by row; a tagged value is an index into `wide`.
    units: Vec<Units>,
    /// Sums with too many digits or decimals for [`Units`].
    wide: Vec<Decimal>,
    /// Bytes of the texts.
    index_bytes: usize,
}

/// How many different index values there may be in one batch, or in one file where files are kept apart.
pub const MAX_INDEX_VALUES: usize = 1_000_000;

/// How many bytes they may have together.
pub const MAX_INDEX_BYTES: usize = 64 << 20;

/// How many sums, that is index values times columns: 16 bytes each, and 32 more for those that are wide.
pub const MAX_SUMS: usize = 8_000_000;

/// Why a value cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The sum has more digits than a [`Decimal`] holds.
    SumTooLong,
    /// There are more index values than memory is planned for.
    TooManyIndexValues,
}

impl Sums {
    /// No sums yet, for an index of `kind` and `width` categories.
    pub fn new(kind: ColumnKind, width: usize) -> Self {
        let keys = match kind {
            ColumnKind::Date => Keys::Dates(DateMap::default()),
            ColumnKind::Text => Keys::Texts(HashMap::new()),
        };
        Self { keys, width, units: Vec::new(), wide: Vec::new(), index_bytes: 0 }
    }

    /// Fast path: adds to a cell of a row that exists; `None` if it could not be added.
    #[inline(always)]
    pub fn add_known(&mut self, row: usize, category: usize, value: Units) -> Option<()> {
        let sum = self.units.get_mut(row * self.width + category)?;
        match sum.checked_add(value) {
            Some(more) => *sum = more,
            None => return self.add_wide(row, category, value),
        }
        Some(())
    }

    /// Adds a value that makes a sum wide, or to a wide sum.
    #[cold]
    fn add_wide(&mut self, row: usize, category: usize, value: Units) -> Option<()> {
        self.add(row, category, value.into()).ok()
    }

    /// Adds to a cell of a date.
    ///
    /// # Errors
    /// [`Full`]; everything stays as it was.
    pub fn add_date(&mut self, date: Date, category: usize, value: Decimal) -> Result<(), Full> {
        let is_full = self.is_full();
        let Keys::Dates(dates) = &mut self.keys else { unreachable!("an index of texts has no dates") };
        let row = match dates.row(date) {
            Some(row) => row,
            None if is_full => return Err(Full::TooManyIndexValues),
            None => dates.insert(date),
        };
        self.add(row, category, value)
    }

    /// Adds to a cell of a text.
    ///
    /// # Errors
    /// As [`Sums::add_date`].
    pub fn add_text(&mut self, text: &str, category: usize, value: Decimal) -> Result<(), Full> {
        let (next, is_full) = (self.len(), self.is_full());
        let Keys::Texts(texts) = &mut self.keys else { unreachable!("an index of dates has no texts") };
        let row = match texts.get(text) {
            Some(row) => *row,
            None if is_full || self.index_bytes + text.len() > MAX_INDEX_BYTES => {
                return Err(Full::TooManyIndexValues);
            }
            None => {
                self.index_bytes += text.len();
                *texts.entry(text.to_owned()).or_insert(next)
            }
        };
        self.add(row, category, value)
    }

    /// Whether one more index value would exceed the limits.
    #[inline]
    fn is_full(&self) -> bool {
        self.len() == MAX_INDEX_VALUES || self.units.len() + self.width > MAX_SUMS
    }

    fn add(&mut self, row: usize, category: usize, value: Decimal) -> Result<(), Full> {
        let start = row * self.width;
        if start == self.units.len() {
            self.units.resize(start + self.width, Units::default());
        }
        let cell = start + category;
        if let Some(sum) = Units::new(value).and_then(|value| self.units[cell].checked_add(value)) {
            self.units[cell] = sum;
            return Ok(());
        }
        // Without trailing zeros: how values are written decides neither how sums look nor which are too long.
        let sum = self.sum(cell).checked_add(value.trimmed()).ok_or(Full::SumTooLong)?.trimmed();
        match self.wide_index(cell) {
            Some(index) => self.wide[index] = sum,
            None => {
                let index = u32::try_from(self.wide.len()).expect("there are at most MAX_SUMS");
                self.units[cell] = Units::tagged(index);
                self.wide.push(sum);
            }
        }
        Ok(())
    }

    fn sum(&self, cell: usize) -> Decimal {
        self.wide_index(cell).map_or_else(|| self.units[cell].into(), |index| self.wide[index])
    }

    /// Index of the sum among the wide ones, if it is one of them.
    fn wide_index(&self, cell: usize) -> Option<usize> {
        self.units[cell].tag().map(|index| index as usize)
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        match &mut self.keys {
            Keys::Dates(dates) => dates.clear(),
            Keys::Texts(texts) => texts.clear(),
        }
        self.units.clear();
        self.wide.clear();
        self.index_bytes = 0;
    }

    /// How many index values there are.
    pub fn len(&self) -> usize {
        self.units.len() / self.width
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The index values and their rows.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The sums of one category, by row; zero where there is nothing to add up.
    pub fn column(&self, category: usize) -> impl Iterator<Item = Decimal> + '_ {
        (category..self.units.len()).step_by(self.width).map(|cell| self.sum(cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of all lengths and decimals; where they are few, sums of them may be zero.
    fn values() -> impl Strategy<Value = Vec<(Decimal, bool)>> {
        let value = (0..=35_u32, 0..=26_u32, any::<bool>())
            .prop_flat_map(|(digits, scale, is_quick)| {
                let limit = 10_i128.pow(digits);
                (-limit..=limit, Just(scale), Just(is_quick))
            })
            .prop_map(|(mantissa, scale, is_quick)| (Decimal { mantissa, scale }, is_quick));
        prop::collection::vec(value, 1..12)
    }

    proptest! {
        #[test]
        fn wide_or_not_sums_are_exact(values in values()) {
            let date = Date::parse(b"2024-01-01").unwrap();
            let mut sums = Sums::new(ColumnKind::Date, 2);
            sums.add_date(date, 0, Decimal::default()).unwrap();
            let mut expected = Decimal::default();
            for (value, is_quick) in values {
                let Some(sum) = expected.checked_add(value.trimmed()) else {
                    prop_assert_eq!(sums.add_date(date, 1, value), Err(Full::SumTooLong));
                    break;
                };
                expected = sum.trimmed();
                match Units::new(value).filter(|_| is_quick) {
                    Some(units) => prop_assert_eq!(sums.add_known(0, 1, units), Some(())),
                    None => prop_assert_eq!(sums.add_date(date, 1, value), Ok(())),
                }
                prop_assert_eq!(sums.column(1).next(), Some(expected));
            }
            prop_assert_eq!(sums.column(0).next(), Some(Decimal::default()));
        }
    }
}
