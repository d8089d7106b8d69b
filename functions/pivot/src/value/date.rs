//! Dates of the proleptic Gregorian calendar, years 1 to 9999.

use super::field::FieldPrefix;
use super::zone::Zone;
use super::{clock, simd_digits, trimmed};
use std::cmp::Ordering;
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

    /// Parses `YYYY-MM-DD`, alone or with a time behind it, blanks around it allowed. A point in time has the day that
    /// clocks of `zone` show.
    ///
    /// # Errors
    /// Why it is not the date of one day.
    pub fn parse(text: &[u8], zone: Option<&Zone>) -> Result<Self, NotDate> {
        let text = trimmed(text);
        let (head, rest) =
            text.split_first_chunk().ok_or(if text.is_empty() { NotDate::Empty } else { NotDate::Malformed })?;
        let date = Self::parse_day(*head).ok_or(NotDate::Malformed)?;
        let time = match rest {
            [] => return Ok(date),
            [b' ' | b'T' | b't', ..] => clock::read(rest).ok_or(NotDate::NoTimeBehind)?,
            _ => return Err(NotDate::Malformed),
        };
        let Some(offset) = time.offset else { return Ok(date) };
        let zone = zone.ok_or(NotDate::NoZone)?;
        let in_utc = i64::from(date.days()) * SECONDS_PER_DAY + time.seconds - offset;
        Self::of_day((in_utc + zone.offset(in_utc)).div_euclid(SECONDS_PER_DAY)).ok_or(NotDate::OutOfYears)
    }

    fn parse_day(text: [u8; LENGTH]) -> Option<Self> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
        let digits = [y1, y2, y3, y4, m1, m2, d1, d2];
        let date = digits.iter().all(u8::is_ascii_digit).then(|| calendar_date(digits))??;
        (date.year() >= 1).then(|| Self { digits: u64::from_le_bytes(digits) })
    }

    /// The date of a day since 1970-01-01.
    fn of_day(day: i64) -> Option<Self> {
        let julian_day = i32::try_from(day).ok()?.checked_add(JULIAN_EPOCH)?;
        let date = time::Date::from_julian_day(julian_day).ok()?;
        let year = u16::try_from(date.year()).ok().filter(|year| *year >= 1)?;
        let numbers = [u8::try_from(year / 100).ok()?, u8::try_from(year % 100).ok()?, date.month().into(), date.day()];
        let [[a, b], [c, d], [e, f], [g, h]] = numbers.map(|number| [b'0' + number / 10, b'0' + number % 10]);
        Some(Self { digits: u64::from_le_bytes([a, b, c, d, e, f, g, h]) })
    }

    /// Parses the layout of the date only, not the calendar; compare the result with validated dates only. A time
    /// behind it is checked in full, and must be that of a wall clock.
    #[inline(always)]
    pub fn parse_fast(prefix: FieldPrefix<'_>) -> Option<Self> {
        // The first and the last character that may stand in each place; those of the date are digits if it is known.
        const LOWEST: u8x16 = u8x16::new(*b"\0\0\0\0-\0\0-\0\0 00:00");
        const HIGHEST: u8x16 = u8x16::new(*b"\xFF\xFF\xFF\xFF-\xFF\xFF-\xFF\xFF 29:59");
        const HYPHENS: u32 = 0b1001_0000;
        const SEPARATOR: u32 = 1 << LENGTH;
        const TIME: u32 = 0b1111_1000_0000_0000;
        const USUAL: u32 = HYPHENS | SEPARATOR | TIME;
        const LAST_HOUR: u16 = u16::from_be_bytes(*b"23");
        const DIGITS: u8x16 = u8x16::new([0, 1, 2, 3, 5, 6, 8, 9, 15, 15, 15, 15, 15, 15, 15, 15]);
        let text = u8x16::new(*prefix.bytes.first_chunk()?);
        let [digits, _]: [u64; 2] = bytemuck::cast(text.shuffle(DIGITS));
        let found = text.max(LOWEST).min(HIGHEST).simd_eq(text).to_bitmask();
        let hour = u16::from_be_bytes([prefix.bytes[11], prefix.bytes[12]]);
        let is_usual = match prefix.len {
            WITH_TIME => (hour <= LAST_HOUR) & (found & USUAL == USUAL),
            LENGTH => found & HYPHENS == HYPHENS,
            _ => false,
        };
        if is_usual {
            return Some(Self { digits });
        }
        let is_other = found & (HYPHENS | TIME) == HYPHENS | TIME && hour <= LAST_HOUR && has_other_end(prefix);
        is_other.then_some(Self { digits })
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

/// Whether a date with hours and minutes is one whose separator is a `T`, or that has seconds. Not inlined: it would
/// slow down the loop that is for minutes behind a blank.
#[cold]
#[inline(never)]
fn has_other_end(prefix: FieldPrefix<'_>) -> bool {
    let is_separator = matches!(prefix.bytes[LENGTH], b' ' | b'T' | b't');
    is_separator && prefix.bytes.get(WITH_TIME..prefix.len).is_some_and(clock::is_end_of_wall_clock)
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
    /// A point in time, which has a day only by some clock.
    NoZone,
    /// A point in time that clocks of its zone show before the year 1 or after 9999.
    OutOfYears,
}

impl NotDate {
    /// The same in words.
    pub fn reason(self) -> &'static str {
        match self {
            NotDate::Empty => "no value, expected a date",
            NotDate::Malformed => "not a valid date as YYYY-MM-DD",
            NotDate::NoTimeBehind => "a date and something behind it that is not a time",
            NotDate::NoZone => "a point in time; on whose clock? say zone",
            NotDate::OutOfYears => "a point in time outside the years 1 to 9999 of its zone",
        }
    }
}

/// By the calendar.
impl Ord for Date {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digits.swap_bytes().cmp(&other.digits.swap_bytes())
    }
}

impl PartialOrd for Date {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As `YYYY-MM-DD`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [y1, y2, y3, y4, m1, m2, d1, d2] = self.digits.to_le_bytes().map(char::from);
        write!(f, "{y1}{y2}{y3}{y4}-{m1}{m2}-{d1}{d2}")
    }
}

const SECONDS_PER_DAY: i64 = 86_400;

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
        let date = Date::parse(text, None).ok();
        for behind in [&b"\n2024-01-01,Work,and,so,on,and,on"[..], &[b','; 32]] {
            let ahead = [text, behind].concat();
            let fast = FieldPrefix::new(&ahead, text.len()).and_then(Date::parse_fast);
            assert!(fast.is_none() || date.is_none() || fast == date, "{}", text.escape_ascii());
            let day = text.get(..LENGTH).and_then(|day| Date::parse(day, None).ok());
            assert!(fast.is_none() || day.is_none() || date.is_some(), "{}", text.escape_ascii());
        }
        date.map(Date::days)
    }

    #[test]
    fn the_common_format_takes_the_fast_path() {
        for text in ["2023-03-04", "2023-03-04 16:11", "9999-12-31T00:00", "2023-03-04T23:59:59.123456789"] {
            let ahead = format!("{text},behind it, all the way and further");
            let fast = FieldPrefix::new(ahead.as_bytes(), text.len()).and_then(Date::parse_fast);
            assert_eq!(fast.ok_or(NotDate::Malformed), Date::parse(text.as_bytes(), None), "{text}");
        }
        for text in [
            "2023-03-0",
            "2023-03-04 - 2023-03-05",
            "2023-03-04 24:00",
            "2023-03-04T29:00:00",
            "2023-03-04_10:00",
            "2023-03-04T23:59:59.123+02:00",
            "2023-03-04 10:00:00.1234567890",
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
            ("\u{a0}2023-03-04 16:11\u{202f}", 19_420),
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

    #[test]
    fn a_point_in_time_has_the_day_of_a_clock() {
        let day = |text: &str, zone: Option<&str>| {
            let zone = zone.map(|name| Zone::named(name).unwrap());
            Date::parse(text.as_bytes(), zone.as_ref()).map(|date| date.to_string())
        };
        for (text, zone, expected) in [
            ("2024-03-01T23:30:00Z", "UTC", "2024-03-01"),
            ("2024-03-01T23:30:00Z", "Europe/Berlin", "2024-03-02"),
            ("2024-03-01 23:30 UTC", "America/New_York", "2024-03-01"),
            ("2024-03-01T01:30+02:00", "UTC", "2024-02-29"),
            ("2024-07-01T22:00:00.000001Z", "Europe/Berlin", "2024-07-02"),
            ("2024-07-01T21:59:59.999999999Z", "Europe/Berlin", "2024-07-01"),
            ("2024-07-01T22:00:00.123456789", "Europe/Berlin", "2024-07-01"),
            ("2024-12-31T22:59:59-0000", "Europe/Berlin", "2024-12-31"),
            ("2024-12-31T12-12", "Pacific/Kiritimati", "2025-01-01"),
            // A wall clock has its own day.
            ("2024-03-01T23:30:00", "Pacific/Kiritimati", "2024-03-01"),
            ("2024-03-01", "Pacific/Kiritimati", "2024-03-01"),
            ("9999-12-31T12Z", "UTC", "9999-12-31"),
            ("0001-01-01T12Z", "UTC", "0001-01-01"),
        ] {
            assert_eq!(day(text, Some(zone)).as_deref(), Ok(expected), "{text} in {zone}");
        }
        for (text, zone, expected) in [
            ("2024-03-01T23:30:00Z", None, NotDate::NoZone),
            ("2024-03-01T23+00", None, NotDate::NoZone),
            ("9999-12-31T23Z", Some("Europe/Berlin"), NotDate::OutOfYears),
            ("0001-01-01T00Z", Some("America/New_York"), NotDate::OutOfYears),
        ] {
            assert_eq!(day(text, zone), Err(expected), "{text}");
        }
    }

    #[test]
    fn dates_are_ordered_by_the_calendar() {
        let texts = ["0001-12-31", "1999-12-31", "2000-01-01", "2000-01-10", "2000-02-01", "9999-01-01"];
        let dates = texts.map(|text| Date::parse(text.as_bytes(), None).unwrap());
        assert!(dates.is_sorted());
        assert_eq!(dates.map(|date| date.to_string()), texts);
    }
}
