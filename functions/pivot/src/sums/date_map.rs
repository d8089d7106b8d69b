//! A hash map from dates to rows, which is asked for every row of a file.

use crate::value::date::Date;

/// Dates by row, and rows by date.
#[derive(Debug)]
pub struct DateMap {
    dates: Vec<Date>,
    /// Open addressing: a date is in the slot of its number or soon after it, modulo their count, which is a power of
    /// two; at most half of them are taken. Consecutive dates have close numbers, so they rarely collide, and share
    /// cache lines.
    slots: Vec<Slot>,
}

/// How far from its number a date may be. If dates collide more than that, the table grows.
const MAX_STEPS: usize = 32;

/// Each number has a slot of its own among so many.
const MAX_SLOTS: usize = 1 << 22;

#[derive(Clone, Copy, Debug)]
struct Slot {
    date: Date,
    row: u32,
}

const EMPTY: Slot = Slot { date: Date::NONE, row: u32::MAX };

const MIN_SLOTS: usize = 256;

impl Default for DateMap {
    fn default() -> Self {
        Self { dates: Vec::new(), slots: vec![EMPTY; MIN_SLOTS] }
    }
}

impl DateMap {
    /// The row of a date, if it has one.
    #[inline(always)]
    pub fn row(&self, date: Date) -> Option<usize> {
        let number = date.number() as usize;
        let slot = &self.slots[number & (self.slots.len() - 1)];
        if slot.date == date { Some(slot.row as usize) } else { self.row_near(number, date) }
    }

    /// The same where its slot is empty or has another date.
    fn row_near(&self, number: usize, date: Date) -> Option<usize> {
        let near = (number..number + MAX_STEPS).map(|at| self.slots[at & (self.slots.len() - 1)]);
        let mut taken = near.take_while(|slot| slot.date != Date::NONE);
        taken.find(|slot| slot.date == date).map(|slot| slot.row as usize)
    }

    /// Gives a date that has no row the next one.
    pub fn insert(&mut self, date: Date) -> usize {
        let row = self.dates.len();
        self.dates.push(date);
        let mut is_in = self.dates.len() * 2 <= self.slots.len() && self.enter(row);
        while !is_in {
            let bigger = self.slots.len() * 4;
            self.slots.clear();
            self.slots.resize(bigger, EMPTY);
            is_in = (0..=row).all(|row| self.enter(row)) || bigger >= MAX_SLOTS;
        }
        row
    }

    /// All dates, in the order of their rows.
    pub fn dates(&self) -> &[Date] {
        &self.dates
    }

    /// Enters a date; returns whether there was room near its number.
    fn enter(&mut self, row: usize) -> bool {
        let date = self.dates[row];
        let number = date.number() as usize;
        let mask = self.slots.len() - 1;
        let row = u32::try_from(row).expect("there are only four million dates");
        let near = (0..MAX_STEPS).map(|step| (number + step) & mask);
        let Some(at) = near.into_iter().find(|at| self.slots[*at].date == Date::NONE) else { return false };
        self.slots[at] = Slot { date, row };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::field::{FieldPrefix, PREFIX_BYTES};
    use std::collections::HashMap;

    #[test]
    fn what_is_not_a_date_has_no_row() {
        for byte in 0..0x80 {
            let mut bytes = [byte; PREFIX_BYTES];
            (bytes[4], bytes[7]) = (b'-', b'-');
            let date = Date::parse_fast(FieldPrefix { bytes: &bytes, len: 10 }).unwrap();
            assert_eq!(DateMap::default().row(date), None);
        }
    }

    #[test]
    fn dates_that_are_chosen_to_collide_are_near_their_numbers() {
        let mut rows = DateMap::default();
        let all = (1..10_000).flat_map(|year| {
            (1..13).flat_map(move |month| (1..29).map(move |day| format!("{year:04}-{month:02}-{day:02}")))
        });
        let chosen =
            all.filter_map(|text| Date::parse(text.as_bytes(), None).ok()).filter(|date| date.number() % 65_536 < 40);
        for date in chosen {
            let row = rows.insert(date);
            assert_eq!(rows.row(date), Some(row));
        }
        assert!(rows.dates().len() > 1_000 && rows.slots.len() <= MAX_SLOTS);
    }

    #[test]
    fn every_date_has_one_row() {
        let mut rows = DateMap::default();
        let mut expected = HashMap::new();
        for year in 1..5_500 {
            for text in [format!("{year:04}-02-28"), format!("{year:04}-12-01")] {
                let date = Date::parse(text.as_bytes(), None).unwrap();
                assert_eq!(rows.row(date), None, "{text}");
                let row = rows.insert(date);
                assert_eq!(expected.insert(row, date), None, "{text}");
            }
        }
        assert!(expected.iter().all(|(row, date)| rows.row(*date) == Some(*row) && rows.dates()[*row] == *date));
        assert_eq!(expected.len(), rows.dates().len());
    }
}
