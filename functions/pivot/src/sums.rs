//! One exact sum per key and category. Memory grows with their number and with nothing else.

mod date_map;
mod keys;

pub use date_map::DateMap;
pub use keys::{Key, Keys, TextMap};

use crate::value::decimal::{Decimal, Units};
use sluice::contract::{BAD_ROWS_ONLY, ColumnKind, PARTIAL, WHOLE};

/// Partial sums of any number of files.
#[derive(Debug)]
pub struct Sums {
    /// By the number of their row.
    keys: Keys,
    width: usize,
    /// Row by row; a tagged value is an index into `wide`.
    units: Vec<Units>,
    /// Sums with too many digits or decimals for [`Units`].
    wide: Vec<Decimal>,
}

/// How many different keys there may be in one file, and in one batch where files are not kept apart.
pub const MAX_KEYS: usize = 1_000_000;

/// How many bytes they may have together.
pub const MAX_KEY_BYTES: usize = 64 << 20;

/// How many sums, that is keys times columns: 16 bytes each, and 32 more for those that are wide.
pub const MAX_SUMS: usize = 8_000_000;

/// Why a value cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The sum has more digits than a [`Decimal`] holds.
    SumTooLong,
    /// There are more keys than memory is planned for.
    TooManyKeys,
}

impl Sums {
    /// No sums yet, for keys of `kind` and `width` categories.
    pub fn new(kind: ColumnKind, width: usize) -> Self {
        Self { keys: Keys::new(kind), width, units: Vec::new(), wide: Vec::new() }
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
        self.add_to_row(row, category, value.into()).ok()
    }

    /// Adds to a cell of a key.
    ///
    /// # Errors
    /// [`Full`]; everything stays as it was.
    pub fn add(&mut self, key: Key<'_>, category: usize, value: Decimal) -> Result<(), Full> {
        let row = self.row(key)?;
        self.add_to_row(row, category, value)
    }

    /// Adds other sums to these. `met` is told the row of each of their keys, and whether it was there before.
    ///
    /// # Errors
    /// [`Full`]; then a part of them has been added.
    pub fn merge(&mut self, other: &Self, mut met: impl FnMut(Key<'_>, usize, bool)) -> Result<(), Full> {
        for (from, key) in other.keys.in_order().into_iter().enumerate() {
            let known = self.len();
            let row = self.row(key)?;
            met(key, row, row < known);
            for category in 0..self.width {
                let cell = from * self.width + category;
                match other.wide_index(cell) {
                    Some(index) => self.add_to_row(row, category, other.wide[index])?,
                    None => self.add_known(row, category, other.units[cell]).ok_or(Full::SumTooLong)?,
                }
            }
        }
        Ok(())
    }

    /// The state of each row, given the keys that bad rows have: [`WHOLE`], [`PARTIAL`] or [`BAD_ROWS_ONLY`]. Keys that
    /// only bad rows have get rows of their own, whose sums are zero.
    ///
    /// # Errors
    /// [`Full::TooManyKeys`].
    pub fn states(&mut self, bad_keys: &Keys) -> Result<Vec<i16>, Full> {
        let mut states = vec![WHOLE; self.len()];
        for key in bad_keys.in_order() {
            let row = self.row(key)?;
            match states.get_mut(row) {
                Some(state) => *state = PARTIAL,
                None => states.push(BAD_ROWS_ONLY),
            }
        }
        Ok(states)
    }

    /// The row of a key; a new one if it has none.
    fn row(&mut self, key: Key<'_>) -> Result<usize, Full> {
        if let Some(row) = self.keys.row(key) {
            return Ok(row);
        }
        if self.units.len() + self.width > MAX_SUMS {
            return Err(Full::TooManyKeys);
        }
        let row = self.keys.insert(key)?;
        self.units.resize(self.units.len() + self.width, Units::default());
        Ok(row)
    }

    fn add_to_row(&mut self, row: usize, category: usize, value: Decimal) -> Result<(), Full> {
        let cell = row * self.width + category;
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

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys and their rows.
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
    use crate::value::date::Date;
    use proptest::prelude::*;
    use std::collections::HashMap;

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
            let key = Key::Date(Date::parse(b"2024-01-01", None).unwrap());
            let mut sums = Sums::new(ColumnKind::Date, 2);
            sums.add(key, 0, Decimal::default()).unwrap();
            let mut expected = Decimal::default();
            for (value, is_quick) in values {
                let Some(sum) = expected.checked_add(value.trimmed()) else {
                    prop_assert_eq!(sums.add(key, 1, value), Err(Full::SumTooLong));
                    break;
                };
                expected = sum.trimmed();
                match Units::new(value).filter(|_| is_quick) {
                    Some(units) => prop_assert_eq!(sums.add_known(0, 1, units), Some(())),
                    None => prop_assert_eq!(sums.add(key, 1, value), Ok(())),
                }
                prop_assert_eq!(sums.column(1).next(), Some(expected));
            }
            prop_assert_eq!(sums.column(0).next(), Some(Decimal::default()));
        }

        #[test]
        fn sums_of_files_come_to_those_of_all_rows(values in values(), cut in 0_usize..12) {
            let keys = ["a", "b", "c"];
            let added = |range: std::ops::Range<usize>| {
                let mut sums = Sums::new(ColumnKind::Text, 2);
                for (place, (value, _)) in values.iter().enumerate().skip(range.start).take(range.len()) {
                    sums.add(Key::Text(keys[place % 3]), place % 2, *value)?;
                }
                Ok::<_, Full>(sums)
            };
            let cut = cut.min(values.len());
            let (all, first, second) = (added(0..values.len()), added(0..cut), added(cut..values.len()));
            // Of sums that are too long on the way, the order decides.
            if let (Ok(all), Ok(mut first), Ok(second)) = (all, first, second) {
                let known = first.len();
                let mut met = 0;
                let merged = first.merge(&second, |_, row, is_known| {
                    assert_eq!(row < known, is_known);
                    met += 1;
                });
                if merged.is_ok() {
                    prop_assert_eq!(met, second.len());
                    let cells = |sums: &Sums| -> HashMap<String, [Decimal; 2]> {
                        let columns = [0, 1].map(|category| sums.column(category).collect::<Vec<_>>());
                        let keys = sums.keys().in_order().into_iter().enumerate();
                        keys.map(|(row, key)| (key.to_string(), [columns[0][row], columns[1][row]])).collect()
                    };
                    prop_assert_eq!(cells(&first), cells(&all));
                }
            }
        }
    }

    #[test]
    fn states_tell_which_keys_have_bad_rows() {
        let mut sums = Sums::new(ColumnKind::Text, 1);
        for key in ["a", "b"] {
            sums.add(Key::Text(key), 0, Decimal { mantissa: 1, scale: 0 }).unwrap();
        }
        let mut bad_keys = Keys::new(ColumnKind::Text);
        for key in ["c", "b", "d"] {
            bad_keys.insert(Key::Text(key)).unwrap();
        }
        assert_eq!(sums.states(&bad_keys), Ok(vec![WHOLE, PARTIAL, BAD_ROWS_ONLY, BAD_ROWS_ONLY]));
        assert_eq!(sums.keys().in_order(), ["a", "b", "c", "d"].map(Key::Text));
        let scale = sums.column(0).map(|sum| sum.mantissa).collect::<Vec<_>>();
        assert_eq!(scale, [1, 1, 0, 0]);
    }
}
