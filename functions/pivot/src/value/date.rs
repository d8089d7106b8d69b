//! Dates of the proleptic Gregorian calendar, years 1 to 9999.

use super::field::FieldPrefix;
use super::{clock, simd_digits};
use std::fmt;
use time::Month;
use wide::{bytemuck, u8x16};

/// How many characters a date has.
pub const LENGTH: usize = 10;

/// How many it has with hours and minutes.
const WITH_TIME: usize = 16;

/// A date by its digits as they are written, so that it can be looked up without being decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// `YYYYMMDD`, the first digit the lowest byte.
    digits: u64,
}

impl Date {
    /// Sentinel for an empty slot; not the encoding of any text.
    pub(crate) const NONE: Self = Self { digits: u64::MAX };

    /// Parses `YYYY-MM-DD`, alone or with a time behind it, blanks around it allowed.
    ///
    /// # Errors
    /// Why it is not the date of one day.
    pub fn parse(text: &[u8]) -> Result<Self, NotDate> {
        let text = text.trim_ascii();
        let (head, rest) =
            text.split_first_chunk().ok_or(if text.is_empty() { NotDate::Empty } else { NotDate::Malformed })?;
        let date = Self::parse_day(*head).ok_or(NotDate::Malformed)?;
        match rest {
            [] => Ok(date),
            [b' ' | b'T' | b't', ..] if clock::is_time(rest) => Ok(date),
            [b' ' | b'T' | b't', ..] => Err(NotDate::NoTimeBehind),
            _ => Err(NotDate::Malformed),
        }
    }

    fn parse_day(text: [u8; LENGTH]) -> Option<Self> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
        let digits = [y1, y2, y3, y4, m1, m2, d1, d2];
        let date = digits.iter().all(u8::is_ascii_digit).then(|| calendar_date(digits))??;
        (date.year() >= 1).then(|| Self { digits: u64::from_le_bytes(digits) })
    }

    /// Parses the layout of the date only, not the calendar; compare the result with validated dates only. A time
    /// behind it is checked in full.
    #[inline(always)]
    pub fn parse_fast(prefix: FieldPrefix<'_>) -> Option<Self> {
        // The first and the last character that may stand in each place; those of the date are digits if it is known.
        const LOWEST: u8x16 = u8x16::new(*b"\0\0\0\0-\0\0-\0\0 00:00");
        const HIGHEST: u8x16 = u8x16::new(*b"\xFF\xFF\xFF\xFF-\xFF\xFF-\xFF\xFFt29:59");
        const HYPHENS: u32 = 0b1001_0000;
        const TIME: u32 = 0b1111_1000_0000_0000;
        const DIGITS: u8x16 = u8x16::new([0, 1, 2, 3, 5, 6, 8, 9, 15, 15, 15, 15, 15, 15, 15, 15]);
        let wanted = match prefix.len {
            LENGTH => HYPHENS,
            WITH_TIME => HYPHENS | TIME,
            WITH_TIME.. if has_end_of_time(prefix) => HYPHENS | TIME,
            _ => return None,
        };
        if wanted != HYPHENS && !is_hour(prefix) {
            return None;
        }
        let text = u8x16::new(*prefix.bytes.first_chunk()?);
        let [digits, _]: [u64; 2] = bytemuck::cast(text.shuffle(DIGITS));
        let found = text.max(LOWEST).min(HIGHEST).simd_eq(text).to_bitmask();
        (found & wanted == wanted).then_some(Self { digits })
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i32 {
        let date = calendar_date(self.digits.to_le_bytes()).expect("only valid dates have been kept");
        date.to_julian_day() - JULIAN_EPOCH
    }

    /// A number that differs from that of every other date, and is close to those of the days around it.
    #[inline(always)]
    pub fn number(self) -> u32 {
        let [number, _] =
            simd_digits::weighted(simd_digits::values(bytemuck::cast([self.digits, 0])), [100, 1, 31, 1], 372);
        number
    }
}

/// What stands between date and time, and an hour below 24 if it is two digits.
#[inline(always)]
fn is_hour(prefix: FieldPrefix<'_>) -> bool {
    const LAST: u16 = u16::from_be_bytes(*b"23");
    let [separator, tens, ones] = [10, 11, 12].map(|place| prefix.bytes[place]);
    matches!(separator, b' ' | b'T' | b't') && u16::from_be_bytes([tens, ones]) <= LAST
}

/// Whether what follows the minutes belongs to a time. Not inlined: it would slow down the loop that is for minutes.
#[cold]
#[inline(never)]
fn has_end_of_time(prefix: FieldPrefix<'_>) -> bool {
    prefix.bytes.get(WITH_TIME..prefix.len).is_some_and(clock::is_end_of_time)
}

/// Why a text is not a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDate {
    /// Nothing but blanks.
    Empty,
    /// No date of the calendar, or not as `YYYY-MM-DD`.
    Malformed,
    /// A date, and something else than a time behind it, such as the end of a period.
    NoTimeBehind,
}

impl fmt::Display for NotDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotDate::Empty => "no value, expected a date",
            NotDate::Malformed => "not a valid date as YYYY-MM-DD",
            NotDate::NoTimeBehind => "a date and something behind it that is not a time",
        })
    }
}

/// The Julian day number of 1970-01-01.
pub(crate) const JULIAN_EPOCH: i32 = 2_440_588;

/// The date of `YYYYMMDD`, which must be digits; `None` if there is no such date.
fn calendar_date(digits: [u8; 8]) -> Option<time::Date> {
    let [y1, y2, y3, y4, m1, m2, d1, d2] = digits.map(|digit| digit - b'0');
    let year = [y1, y2, y3, y4].into_iter().fold(0, |year, digit| year * 10 + i32::from(digit));
    let month = Month::try_from(m1 * 10 + m2).ok()?;
    time::Date::from_calendar_date(year, month, d1 * 10 + d2).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both paths, which must agree.
    fn parse(text: &[u8]) -> Option<i32> {
        let date = Date::parse(text).ok();
        for behind in [&b"\n2024-01-01,Work,and,so,on,and,on"[..], &[b','; 32]] {
            let ahead = [text, behind].concat();
            let fast = FieldPrefix::new(&ahead, text.len()).and_then(Date::parse_fast);
            assert!(fast.is_none() || date.is_none() || fast == date, "{}", text.escape_ascii());
            let day = text.get(..LENGTH).and_then(|day| Date::parse(day).ok());
            assert!(fast.is_none() || day.is_none() || date.is_some(), "{}", text.escape_ascii());
        }
        date.map(Date::days)
    }

    #[test]
    fn the_common_format_takes_the_fast_path() {
        for text in ["2023-03-04", "2023-03-04 16:11", "9999-12-31T00:00", "2023-03-04T23:59:59.123+02:00"] {
            let ahead = format!("{text},behind it, all the way and further");
            let fast = FieldPrefix::new(ahead.as_bytes(), text.len()).and_then(Date::parse_fast);
            assert_eq!(fast.ok_or(NotDate::Malformed), Date::parse(text.as_bytes()), "{text}");
        }
        for text in [
            "2023-03-0",
            "2023-03-04 - 2023-03-05",
            "2023-03-04 24:00",
            "2023-03-04 10:6:",
            "2023-03-04 to 5x",
            "2023-03-04x",
            " 2023-03-04",
            "2023-03-04,",
            "",
        ] {
            let ahead = format!("{text},behind it, all the way and further");
            assert_eq!(FieldPrefix::new(ahead.as_bytes(), text.len()).and_then(Date::parse_fast), None, "{text}");
        }
    }

    #[test]
    fn known_days() {
        for (text, expected) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2023-03-04 16:11", 19_420),
            ("2023-03-04T16:11", 19_420),
            (" 2023-03-04 ", 19_420),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn days_follow_one_another_without_gap() {
        let days_in_month = |year: i32, month: u32| match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut expected = parse(b"1599-12-31").unwrap();
        for year in 1600..2401 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    expected += 1;
                    assert_eq!(parse(format!("{year:04}-{month:02}-{day:02}").as_bytes()), Some(expected));
                }
                assert_eq!(
                    parse(format!("{year:04}-{month:02}-{:02}", days_in_month(year, month) + 1).as_bytes()),
                    None
                );
            }
        }
    }

    #[test]
    fn impossible_dates() {
        for text in [
            "",
            "2023",
            "2023-02-29",
            "2023-13-01",
            "2023-00-10",
            "2023-01-00",
            "2023-1-1",
            "2023/01/01",
            "20230101",
            "0000-01-01",
            "+023-01-01",
            "2023-01-011",
            "2023-01-01x",
            "２023-01-01",
            "NaT",
            "2024-03-01 - 2024-03-31",
            "2024-03-01 to 2024-03-31",
            "2024-03-01 total",
            "2024-03-01 24:00",
            "2024-03-01 10:00 PM",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
