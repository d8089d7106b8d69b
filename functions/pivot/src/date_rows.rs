//! The dates of a batch and their rows: a small hash table, since every row of a file asks it.

use crate::date::Date;

/// Dates by row, and rows by date.
#[derive(Debug)]
pub struct DateRows {
    dates: Vec<Date>,
    /// Open addressing: the row of a date is at its place or soon after, around the end. At most half of the slots are taken, and there is
    /// a power of two of them.
    slots: Vec<Slot>,
    spread: Spread,
}

/// From a date's number to its place.
#[derive(Clone, Copy, Debug)]
struct Spread {
    factor: u64,
    shift: u32,
}

/// Numbers of dates that follow one another are near one another, hence rarely meet, and share cache lines.
const DENSE: Spread = Spread { factor: 1, shift: 0 };

/// But dates may be chosen to meet. So many of them are spread by upper bits of a product, which depend on all of the number.
const MIXED: Spread = Spread { factor: 0x9E37_79B9_7F4A_7C15, shift: 40 };

/// From how many slots on.
const MIXED_SLOTS: usize = 16_384;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    date: Date,
    row: u32,
}

const FEWEST_SLOTS: usize = 256;

impl Default for DateRows {
    fn default() -> Self {
        Self { dates: Vec::new(), slots: vec![Slot::default(); FEWEST_SLOTS], spread: DENSE }
    }
}

impl DateRows {
    /// The row of a date, if it has one.
    #[inline(always)]
    pub fn row(&self, date: Date) -> Option<usize> {
        let mut place = self.place(date);
        loop {
            let slot = &self.slots[place & (self.slots.len() - 1)];
            // First, for what was guessed to be a date may look like nothing.
            if slot.date.is_nothing() {
                return None;
            }
            if slot.date == date {
                return Some(slot.row as usize);
            }
            place += 1;
        }
    }

    /// Gives a date that has no row the next one.
    pub fn insert(&mut self, date: Date) -> usize {
        let row = self.dates.len();
        self.dates.push(date);
        if self.dates.len() * 2 > self.slots.len() {
            let bigger = self.slots.len() * 4;
            self.slots.clear();
            self.slots.resize(bigger, Slot::default());
            self.spread = if bigger < MIXED_SLOTS { DENSE } else { MIXED };
            for row in 0..row {
                self.enter(row);
            }
        }
        self.enter(row);
        row
    }

    /// All dates, in the order of their rows.
    pub fn dates(&self) -> &[Date] {
        &self.dates
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.dates.clear();
        self.slots.fill(Slot::default());
    }

    /// Where to look first; beyond the end, it goes around.
    #[inline(always)]
    fn place(&self, date: Date) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the lower bits are wanted")]
        let place = (u64::from(date.number()).wrapping_mul(self.spread.factor) >> self.spread.shift) as usize;
        place
    }

    fn enter(&mut self, row: usize) {
        let date = self.dates[row];
        let mask = self.slots.len() - 1;
        let mut place = self.place(date) & mask;
        while !self.slots[place].date.is_nothing() {
            place = (place + 1) & mask;
        }
        let Ok(row) = u32::try_from(row) else { unreachable!("there are not that many dates") };
        self.slots[place] = Slot { date, row };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scanner::{HEAD_BYTES, Head};
    use std::collections::HashMap;

    #[test]
    fn what_was_guessed_may_look_like_nothing() {
        let nothing = Date::guess(Head { bytes: &[0; HEAD_BYTES], len: 10 }).unwrap();
        assert_eq!(DateRows::default().row(nothing), None);
    }

    #[test]
    fn every_date_has_one_row() {
        let mut rows = DateRows::default();
        for round in 0..2 {
            let mut expected = HashMap::new();
            for year in (1 + round)..5_500 {
                for text in [format!("{year:04}-02-28"), format!("{year:04}-12-01")] {
                    let date = Date::parse(text.as_bytes()).unwrap();
                    assert_eq!(rows.row(date), None, "{text}");
                    let row = rows.insert(date);
                    assert_eq!(expected.insert(row, date), None, "{text}");
                }
            }
            assert!(expected.iter().all(|(row, date)| rows.row(*date) == Some(*row) && rows.dates()[*row] == *date));
            assert_eq!(expected.len(), rows.dates().len());
            rows.clear();
            assert!(rows.dates().is_empty() && expected.values().all(|date| rows.row(*date).is_none()));
        }
    }
}
