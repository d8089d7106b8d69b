//! One exact sum per index value and category. Memory grows with their number and with nothing else.

use crate::decimal::Decimal;
use pipeline::contract::ColumnKind;
use std::collections::HashMap;

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
}

/// A sum with more digits than a [`Decimal`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumTooLong;

impl Sums {
    /// No sums yet, for an index of `kind` and `width` categories.
    pub fn new(kind: ColumnKind, width: usize) -> Self {
        let keys = match kind {
            ColumnKind::Date => Keys::Dates(HashMap::new()),
            ColumnKind::Text => Keys::Texts(HashMap::new()),
        };
        Self { keys, width, cells: Vec::new() }
    }

    /// Adds to a cell of a date.
    ///
    /// # Errors
    /// [`SumTooLong`]; the cell stays as it was.
    #[inline]
    pub fn add_date(&mut self, day: i32, category: usize, value: Decimal) -> Result<(), SumTooLong> {
        let next = self.len();
        let Keys::Dates(dates) = &mut self.keys else { unreachable!("an index of texts has no dates") };
        let row = *dates.entry(day).or_insert(next);
        self.add(row, category, value)
    }

    /// Adds to a cell of a text.
    ///
    /// # Errors
    /// As [`Sums::add_date`].
    pub fn add_text(&mut self, text: &str, category: usize, value: Decimal) -> Result<(), SumTooLong> {
        let next = self.len();
        let Keys::Texts(texts) = &mut self.keys else { unreachable!("an index of dates has no texts") };
        let row = match texts.get(text) {
            Some(row) => *row,
            None => *texts.entry(text.to_owned()).or_insert(next),
        };
        self.add(row, category, value)
    }

    #[inline]
    fn add(&mut self, row: usize, category: usize, value: Decimal) -> Result<(), SumTooLong> {
        let start = row * self.width;
        if start == self.cells.len() {
            self.cells.resize(start + self.width, Decimal::default());
        }
        let cell = &mut self.cells[start + category];
        *cell = cell.checked_add(value).ok_or(SumTooLong)?;
        Ok(())
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        match &mut self.keys {
            Keys::Dates(dates) => dates.clear(),
            Keys::Texts(texts) => texts.clear(),
        }
        self.cells.clear();
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
