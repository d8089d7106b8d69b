//! The dates of a batch and their rows: a small hash table, since every row of a file asks it.

use crate::date::Date;

/// Dates by row, and rows by date.
#[derive(Debug)]
pub struct DateRows {
    dates: Vec<Date>,
    /// Open addressing: the row of a date is at its number or soon after, around the end. Numbers of dates that follow one another are
    /// near one another, so they rarely meet, and share cache lines. There is a power of two of slots, at most half of them are taken.
    slots: Vec<Slot>,
}

/// How far from its number a date may be. Dates that are chosen to meet get more room, not more steps.
const MOST_STEPS: usize = 32;

/// Each number has a place of its own among so many.
const MOST_SLOTS: usize = 1 << 22;

#[derive(Clone, Copy, Debug)]
struct Slot {
    date: Date,
    row: u32,
}

const EMPTY: Slot = Slot { date: Date::NOTHING, row: u32::MAX };

const FEWEST_SLOTS: usize = 256;

impl Default for DateRows {
    fn default() -> Self {
        Self { dates: Vec::new(), slots: vec![EMPTY; FEWEST_SLOTS] }
    }
}

impl DateRows {
    /// The row of a date, if it has one.
    #[inline(always)]
    pub fn row(&self, date: Date) -> Option<usize> {
        let place = date.number() as usize;
        let slot = &self.slots[place & (self.slots.len() - 1)];
        if slot.date == date { Some(slot.row as usize) } else { self.row_near(place, date) }
    }

    /// The same where another one or nothing is in its place.
    fn row_near(&self, place: usize, date: Date) -> Option<usize> {
        let near = (place..place + MOST_STEPS).map(|place| self.slots[place & (self.slots.len() - 1)]);
        let mut taken = near.take_while(|slot| slot.date != Date::NOTHING);
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
            is_in = (0..=row).all(|row| self.enter(row)) || bigger >= MOST_SLOTS;
        }
        row
    }

    /// All dates, in the order of their rows.
    pub fn dates(&self) -> &[Date] {
        &self.dates
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.dates.clear();
        self.slots.fill(EMPTY);
    }

    /// Says whether there was room near its number.
    fn enter(&mut self, row: usize) -> bool {
        let date = self.dates[row];
        let number = date.number() as usize;
        let mask = self.slots.len() - 1;
        let Ok(row) = u32::try_from(row) else { unreachable!("there are not that many dates") };
        let near = (0..MOST_STEPS).map(|step| (number + step) & mask);
        let Some(place) = near.into_iter().find(|place| self.slots[*place].date == Date::NOTHING) else { return false };
        self.slots[place] = Slot { date, row };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scanner::{HEAD_BYTES, Head};
    use std::collections::HashMap;

    #[test]
    fn what_is_no_date_has_no_row() {
        for byte in 0..0x80 {
            let mut bytes = [byte; HEAD_BYTES];
            (bytes[4], bytes[7]) = (b'-', b'-');
            let guess = Date::guess(Head { bytes: &bytes, len: 10 }).unwrap();
            assert_eq!(DateRows::default().row(guess), None);
        }
    }

    #[test]
    fn dates_that_are_chosen_to_meet_are_near_their_numbers() {
        let mut rows = DateRows::default();
        let all = (1..10_000).flat_map(|year| {
            (1..13).flat_map(move |month| (1..29).map(move |day| format!("{year:04}-{month:02}-{day:02}")))
        });
        let chosen = all.filter_map(|text| Date::parse(text.as_bytes())).filter(|date| date.number() % 65_536 < 40);
        for date in chosen {
            let row = rows.insert(date);
            assert_eq!(rows.row(date), Some(row));
        }
        assert!(rows.dates().len() > 1_000 && rows.slots.len() <= MOST_SLOTS);
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
