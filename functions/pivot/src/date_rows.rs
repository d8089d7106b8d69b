//! The dates of a batch and their rows: a small hash table, since every row of a file asks it.

use crate::date::Date;

/// Dates by row, and rows by date.
#[derive(Debug)]
pub struct DateRows {
    dates: Vec<Date>,
    /// Open addressing: the row of a date is at its number or soon after, around the end. Numbers of dates are near one another, so they
    /// rarely meet. At most half of the slots are taken, and there is a power of two of them.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    date: Date,
    row: u32,
}

const FEWEST_SLOTS: usize = 256;

impl Default for DateRows {
    fn default() -> Self {
        Self { dates: Vec::new(), slots: vec![Slot::default(); FEWEST_SLOTS] }
    }
}

impl DateRows {
    /// The row of a date, if it has one.
    #[inline(always)]
    pub fn row(&self, date: Date) -> Option<usize> {
        let mut place = date.number() as usize;
        loop {
            let slot = &self.slots[place & (self.slots.len() - 1)];
            if slot.date == date {
                return Some(slot.row as usize);
            }
            if slot.date.is_nothing() {
                return None;
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

    fn enter(&mut self, row: usize) {
        let date = self.dates[row];
        let mask = self.slots.len() - 1;
        let mut place = date.number() as usize & mask;
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
    use std::collections::HashMap;

    #[test]
    fn every_date_has_one_row() {
        let mut rows = DateRows::default();
        for round in 0..2 {
            let mut expected = HashMap::new();
            for year in (1 + round)..1_500 {
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
