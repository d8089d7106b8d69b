//! One exact sum per index value and category. Memory grows with their number and with nothing else.

use crate::date::Date;
use crate::date_rows::DateRows;
use crate::decimal::{Decimal, Small};
use pipeline::contract::ColumnKind;
use std::collections::HashMap;

/// The index values, by the number of their row in [`Sums`].
#[derive(Debug)]
pub enum Keys {
    /// Dates.
    Dates(DateRows),
    /// Texts as they stand, each with its row.
    Texts(HashMap<String, usize>),
}

/// Partial sums of any number of files.
#[derive(Debug)]
pub struct Sums {
    keys: Keys,
    width: usize,
    /// The digits of each sum, row by row; or its place in `wide`, if that is its scale.
    mantissas: Vec<i64>,
    /// How many of the digits are decimals.
    scales: Vec<u8>,
    /// Sums that have outgrown a word.
    wide: Vec<Decimal>,
    /// Bytes of the texts.
    index_bytes: usize,
}

/// In place of a scale.
const IS_WIDE: u8 = u8::MAX;

/// How many different index values there may be in one batch, or in one file where files are kept apart.
pub const MAX_INDEX_VALUES: usize = 1_000_000;

/// How many bytes they may have together.
pub const MAX_INDEX_BYTES: usize = 64 << 20;

/// How many sums, that is index values times columns: 9 bytes each, and 32 more for those that outgrow a word.
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
            ColumnKind::Date => Keys::Dates(DateRows::default()),
            ColumnKind::Text => Keys::Texts(HashMap::new()),
        };
        Self { keys, width, mantissas: Vec::new(), scales: Vec::new(), wide: Vec::new(), index_bytes: 0 }
    }

    /// Adds to a cell of a date that has a row already, if all is well.
    #[inline(always)]
    pub fn add_known_date(&mut self, date: Date, category: usize, value: Small) -> Option<()> {
        let Keys::Dates(dates) = &self.keys else { return None };
        let row = dates.row(date)?;
        match self.add_small(row * self.width + category, value) {
            Some(()) => Some(()),
            None => self.add_wide(row, category, value),
        }
    }

    /// Adds what makes a sum outgrow a word, or is added to one that has.
    #[cold]
    fn add_wide(&mut self, row: usize, category: usize, value: Small) -> Option<()> {
        self.add(row, category, value.into()).ok()
    }

    #[inline(always)]
    fn add_small(&mut self, cell: usize, value: Small) -> Option<()> {
        let (mantissa, scale) = (self.mantissas.get_mut(cell)?, self.scales.get_mut(cell)?);
        // No scale differs from `IS_WIDE` by so little that it would come to a sum.
        let sum = Small { mantissa: *mantissa, scale: *scale }.checked_add(value)?;
        (*mantissa, *scale) = (sum.mantissa, sum.scale);
        Some(())
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

    /// Whether there is no room for one more index value.
    #[inline]
    fn is_full(&self) -> bool {
        self.len() == MAX_INDEX_VALUES || self.scales.len() + self.width > MAX_SUMS
    }

    fn add(&mut self, row: usize, category: usize, value: Decimal) -> Result<(), Full> {
        let start = row * self.width;
        if start == self.scales.len() {
            self.mantissas.resize(start + self.width, 0);
            self.scales.resize(start + self.width, 0);
        }
        let cell = start + category;
        if let Ok(small) = Small::try_from(value)
            && self.add_small(cell, small).is_some()
        {
            return Ok(());
        }
        let sum = self.sum(cell).checked_add(value).ok_or(Full::SumTooLong)?;
        if self.scales[cell] == IS_WIDE {
            let place = self.wide_place(cell);
            self.wide[place] = sum;
        } else {
            self.mantissas[cell] = i64::try_from(self.wide.len()).unwrap_or(i64::MAX);
            self.scales[cell] = IS_WIDE;
            self.wide.push(sum);
        }
        Ok(())
    }

    fn sum(&self, cell: usize) -> Decimal {
        match self.scales[cell] {
            IS_WIDE => self.wide[self.wide_place(cell)],
            scale => Small { mantissa: self.mantissas[cell], scale }.into(),
        }
    }

    fn wide_place(&self, cell: usize) -> usize {
        usize::try_from(self.mantissas[cell]).unwrap_or(usize::MAX)
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        match &mut self.keys {
            Keys::Dates(dates) => dates.clear(),
            Keys::Texts(texts) => texts.clear(),
        }
        self.mantissas.clear();
        self.scales.clear();
        self.wide.clear();
        self.index_bytes = 0;
    }

    /// How many index values there are.
    pub fn len(&self) -> usize {
        self.scales.len() / self.width
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    /// The index values and their rows.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The sums of one category, by row; zero where there is nothing to add up.
    pub fn column(&self, category: usize) -> impl Iterator<Item = Decimal> + '_ {
        (category..self.scales.len()).step_by(self.width).map(|cell| self.sum(cell))
    }
}
