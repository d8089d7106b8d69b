//! One exact sum per index value and category. Memory grows with their number and with nothing else.

use crate::decimal::Decimal;
use pipeline::contract::ColumnKind;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The index values, each with the number of its row in [`Sums`].
#[derive(Debug)]
pub enum Keys {
    /// Days since 1970-01-01.
    Dates(HashMap<i32, usize>),
    /// Texts as they stand.
    Texts(HashMap<String, usize>),
}

/// Partial sums of any number of files.
#[derive(Debug)]
pub struct Sums {
    keys: Keys,
    width: usize,
    cells: Vec<Decimal>,
    /// Bytes of the texts.
    index_bytes: usize,
}

/// How many different index values there may be in one batch, or in one file where files are kept apart.
pub const MAX_INDEX_VALUES: usize = 1_000_000;

/// How many bytes they may have together.
pub const MAX_INDEX_BYTES: usize = 64 << 20;

/// How many sums, that is index values times columns: 32 bytes each.
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
            ColumnKind::Date => Keys::Dates(HashMap::new()),
            ColumnKind::Text => Keys::Texts(HashMap::new()),
        };
        Self { keys, width, cells: Vec::new(), index_bytes: 0 }
    }

    /// Adds to a cell of a date.
    ///
    /// # Errors
    /// [`Full`]; everything stays as it was.
    #[inline]
    pub fn add_date(&mut self, day: i32, category: usize, value: Decimal) -> Result<(), Full> {
        let (next, is_full) = (self.len(), self.is_full());
        let Keys::Dates(dates) = &mut self.keys else { unreachable!("an index of texts has no dates") };
        let row = match dates.entry(day) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if is_full => return Err(Full::TooManyIndexValues),
            Entry::Vacant(new) => *new.insert(next),
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

    /// Whether there is no room for one more index value.
    #[inline]
    fn is_full(&self) -> bool {
        self.len() == MAX_INDEX_VALUES || self.cells.len() + self.width > MAX_SUMS
    }

    #[inline]
    fn add(&mut self, row: usize, category: usize, value: Decimal) -> Result<(), Full> {
        let start = row * self.width;
        if start == self.cells.len() {
            self.cells.resize(start + self.width, Decimal::default());
        }
        let cell = &mut self.cells[start + category];
        *cell = cell.checked_add(value).ok_or(Full::SumTooLong)?;
        Ok(())
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        match &mut self.keys {
            Keys::Dates(dates) => dates.clear(),
            Keys::Texts(texts) => texts.clear(),
        }
        self.cells.clear();
        self.index_bytes = 0;
    }

    /// How many index values there are.
    pub fn len(&self) -> usize {
        self.cells.len() / self.width
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The index values and their rows.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The sums of one category, by row; zero where there is nothing to add up.
    pub fn column(&self, category: usize) -> impl Iterator<Item = Decimal> + '_ {
        self.cells.iter().copied().skip(category).step_by(self.width)
    }
}
