//! Dates whose digits have fixed places, `2024-03-01` or `01.03.2024`, all at once. What is written otherwise is left
//! to the ways that know every form.

use super::days_of_month;
use crate::value::field::FieldPrefix;
use crate::value::simd_digits;
use sluice::spec::PatternPart;
use wide::u8x16;

/// Where the digits and the marks of a date are.
#[derive(Clone, Copy, Debug)]
pub(super) struct FixedDate {
    len: usize,
    /// The places of the digits of `YYYYMMDD`.
    digits: u8x16,
    marks: u8x16,
    /// A bit for each place of a mark.
    mark_bits: u32,
    /// A time may follow, as in ISO form.
    takes_time: bool,
}

/// No place: it is shuffled to a zero.
const NONE: u8 = 0x80;

/// A bit for each digit of a date.
const DIGIT_BITS: u32 = 0xFF;

impl FixedDate {
    /// `YYYY-MM-DD`, and perhaps a time behind it.
    pub(super) fn iso() -> Option<Self> {
        let [year, month, day] = [b'Y', b'm', b'd'].map(PatternPart::Field);
        let found = Self::of(&[year, PatternPart::Text('-'), month, PatternPart::Text('-'), day])?;
        Some(Self { takes_time: true, ..found })
    }

    /// That of a pattern of year, month and day in numbers, with marks of ASCII; `None` if it is another one.
    pub(super) fn of(pattern: &[PatternPart]) -> Option<Self> {
        // Of a text blanks are no part, so that such a pattern fits none.
        let is_blank =
            |part: Option<&PatternPart>| matches!(part, Some(PatternPart::Text(letter)) if letter.is_whitespace());
        if is_blank(pattern.first()) || is_blank(pattern.last()) {
            return None;
        }
        let (mut digits, mut marks, mut mark_bits, mut len) = ([NONE; 16], [0; 16], 0, 0_u8);
        for part in pattern {
            match part {
                PatternPart::Text(letter) => {
                    *marks.get_mut(usize::from(len))? = u8::try_from(*letter).ok().filter(u8::is_ascii)?;
                    mark_bits |= 1 << len;
                    len += 1;
                }
                PatternPart::Field(letter) => {
                    let places = match letter {
                        b'Y' => 0..4,
                        b'm' => 4..6,
                        b'd' => 6..8,
                        _ => return None,
                    };
                    for digit in &mut digits[places] {
                        if *digit != NONE || usize::from(len) == marks.len() {
                            return None;
                        }
                        *digit = len;
                        len += 1;
                    }
                }
            }
        }
        let is_whole = !digits[..8].contains(&NONE);
        let (digits, marks) = (u8x16::new(digits), u8x16::new(marks));
        is_whole.then_some(Self { len: len.into(), digits, marks, mark_bits, takes_time: false })
    }

    /// The day since 1970-01-01 and the second of the day; `None` if it is not written so, or not in the calendar.
    #[inline(always)]
    pub(super) fn parse(&self, prefix: FieldPrefix<'_>) -> Option<(i64, i64)> {
        let text = u8x16::new(*prefix.bytes.first_chunk()?);
        let has_marks = text.simd_eq(self.marks).to_bitmask() & self.mark_bits == self.mark_bits;
        let values = simd_digits::values(text.shuffle_zeroing(self.digits));
        let has_digits = values.min(u8x16::splat(9)).simd_eq(values).to_bitmask() & DIGIT_BITS == DIGIT_BITS;
        if !(has_marks && has_digits) {
            return None;
        }
        let second = match prefix.len.checked_sub(self.len)? {
            0 => 0,
            MINUTES if self.takes_time => second_of_minutes(prefix)?,
            SECONDS if self.takes_time => second_of_minutes(prefix)? + second_of_minute(prefix)?,
            _ => return None,
        };
        let [century, year, month, day] = simd_digits::first_twos(values);
        let year = 100 * century + year;
        let is_day = year >= 1
            && (1..=12).contains(&month)
            && day >= 1
            && (day <= 28 || i64::from(day) <= days_of_month(year.into(), month.into()));
        // No closure, which would not be inlined.
        if is_day { Some((short_days(year, month, day), second)) } else { None }
    }
}

/// The same as `days` of the module above, of years from 1 on, in words of 32 bits.
#[inline(always)]
fn short_days(year: u32, month: u32, day: u32) -> i64 {
    // Days before a month in a year that begins in March.
    const BEFORE: [u32; 13] = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];
    let year = year - u32::from(month <= 2);
    let days = 365 * year + year / 4 - year / 100 + year / 400 + BEFORE[month as usize] + day - 1;
    i64::from(days) - 719_468
}

/// How long ` HH:MM` and ` HH:MM:SS` are.
const MINUTES: usize = 6;
const SECONDS: usize = 9;

/// The second of the day, of ` HH:MM` behind a date in ISO form, with a blank or a `T`.
#[inline(always)]
fn second_of_minutes(FieldPrefix { bytes, .. }: FieldPrefix<'_>) -> Option<i64> {
    // The first and the last character that may stand in each place of the time.
    const LOWEST: u8x16 = u8x16::new(*b"\0\0\0\0\0\0\0\0\0\0\x0000:00");
    const HIGHEST: u8x16 = u8x16::new(*b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF29:59");
    const ALL: u32 = 0xFFFF;
    let text = u8x16::new(*bytes.first_chunk()?);
    let are_within = text.max(LOWEST).min(HIGHEST).simd_eq(text).to_bitmask() == ALL;
    let (hour, minute) = (two(bytes[11], bytes[12]), two(bytes[14], bytes[15]));
    let is_time = are_within && hour < 24 && matches!(bytes[10], b' ' | b'T' | b't');
    is_time.then_some((hour * 60 + minute) * 60)
}

/// The second of the minute, of what follows that.
#[inline(always)]
fn second_of_minute(FieldPrefix { bytes, .. }: FieldPrefix<'_>) -> Option<i64> {
    let is_second = bytes[16] == b':' && matches!(bytes[17], b'0'..=b'5') && bytes[18].is_ascii_digit();
    is_second.then(|| two(bytes[17], bytes[18]))
}

/// The number of two digits.
#[inline(always)]
fn two(tens: u8, ones: u8) -> i64 {
    10 * i64::from(tens & 15) + i64::from(ones & 15)
}

#[cfg(test)]
mod tests {
    use super::super::written::{by_pattern, iso};
    use super::super::{DAY, MICROS, civil, days};
    use super::*;
    use proptest::prelude::*;
    use sluice::spec::pattern_parts;

    fn parse(fixed: &FixedDate, text: &str) -> Option<i64> {
        let ahead = format!("{text}7 and what follows, up to the length that is loaded");
        let (day, second) = fixed.parse(FieldPrefix::new(ahead.as_bytes(), text.len()).unwrap())?;
        Some(day * DAY + second * MICROS)
    }

    #[test]
    fn usual_dates_are_read_at_once() {
        let iso = FixedDate::iso().unwrap();
        let german = FixedDate::of(&pattern_parts("%d.%m.%Y").unwrap()).unwrap();
        let dense = FixedDate::of(&pattern_parts("%Y%m%d").unwrap()).unwrap();
        assert_eq!(parse(&iso, "1970-01-02"), Some(DAY));
        assert_eq!(parse(&iso, "1970-01-02T01:00"), Some(DAY + 3_600 * MICROS));
        assert_eq!(parse(&iso, "1970-01-02 00:00:59"), Some(DAY + 59 * MICROS));
        assert_eq!(parse(&german, "02.01.1970"), Some(DAY));
        assert_eq!(parse(&dense, "20240229"), Some(19_782 * DAY));
        for text in ["2.1.1970", "02.01.1970 10:00", "02-01-1970", "29.02.2023", "00.01.2024", "01.13.2024", ""] {
            assert_eq!(parse(&german, text), None, "{text}");
        }
        for pattern in [
            "%Y-%m",
            "%y-%m-%d",
            "%d. %B %Y",
            "%Y-%m-%d-%d",
            "%Y…%m…%d",
            "%Y-%m-%d was that day",
            "%Y%Y%m%d",
            "%Y-%m-%d ",
            " %Y%m%d",
        ] {
            assert!(FixedDate::of(&pattern_parts(pattern).unwrap()).is_none(), "{pattern}");
        }
    }

    #[test]
    fn days_of_short_words_are_those_of_long_ones() {
        for day in days(1, 1, 1)..=days(9_999, 12, 31) {
            let (year, month, of_month) = civil(day);
            let short = [year, month, of_month].map(|number| u32::try_from(number).unwrap());
            assert_eq!(short_days(short[0], short[1], short[2]), day);
        }
    }

    proptest! {
        #[test]
        fn what_is_read_at_once_is_read_by_the_book(text in "[0-3][0-9]{3}[-.]?[01]?[0-9][-.]?[0-3]?[0-9]{1,3}([ T][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?)?") {
            let fixed = parse(&FixedDate::iso().unwrap(), &text);
            if let Some(found) = fixed {
                let said = iso(text.as_bytes()).unwrap();
                prop_assert_eq!((said.wall, said.offset), (found, None));
            } else if let Ok(said) = iso(text.as_bytes()) {
                prop_assert!(false, "{} is {:?}", text, said);
            }
            for pattern in ["%d.%m.%Y", "%Y.%m.%d", "%Y%m%d", "%m-%d-%Y"] {
                let parts = pattern_parts(pattern).unwrap();
                if let Some(found) = parse(&FixedDate::of(&parts).unwrap(), &text) {
                    prop_assert_eq!(by_pattern(&parts, text.as_bytes()).unwrap().wall, found);
                }
            }
        }
    }
}
