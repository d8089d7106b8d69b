//! Dates of the proleptic Gregorian calendar, years 1 to 9999.

use crate::digits;
use crate::scanner::Head;
use wide::{bytemuck, u8x16};

/// How many characters a date has.
pub const LENGTH: usize = 10;

/// A date as it is written, without its hyphens: so it can be looked for without being understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// `YYYYMMDD`, the first digit the lowest byte.
    digits: u64,
}

impl Date {
    /// What differs from all dates, and from all that may be taken for one: no text has such bytes.
    pub const NOTHING: Self = Self { digits: u64::MAX };

    /// Reads the date at the head of `text`: `YYYY-MM-DD`, then nothing, a blank or a `T`.
    ///
    /// Nothing for what is no date of the calendar, such as 2023-02-29.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let (head, rest) = text.split_first_chunk::<LENGTH>()?;
        if !matches!(rest.first(), None | Some(b' ' | b'T' | b't')) {
            return None;
        }
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *head else { return None };
        let year = number(&[y1, y2, y3, y4])?;
        let month = number(&[m1, m2])?;
        let day = number(&[d1, d2])?;
        let is_date = year >= 1 && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        is_date.then(|| Self { digits: u64::from_le_bytes([y1, y2, y3, y4, m1, m2, d1, d2]) })
    }

    /// Takes what should be a date for one, if nothing stands around it. So it may only be compared with one.
    #[inline(always)]
    pub fn guess(head: Head<'_>) -> Option<Self> {
        const HYPHENS: u8x16 = u8x16::new(*b"....-..-........");
        const DIGITS: u8x16 = u8x16::new([0, 1, 2, 3, 5, 6, 8, 9, 15, 15, 15, 15, 15, 15, 15, 15]);
        if head.len != LENGTH && (head.len < LENGTH || !matches!(head.bytes[LENGTH], b' ' | b'T' | b't')) {
            return None;
        }
        let text = u8x16::new(*head.bytes.first_chunk()?);
        let [digits, _]: [u64; 2] = bytemuck::cast(text.shuffle(DIGITS));
        (text.simd_eq(HYPHENS).to_bitmask() & 0b1001_0000 == 0b1001_0000).then_some(Self { digits })
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i32 {
        let [y1, y2, y3, y4, m1, m2, d1, d2] = self.digits.to_le_bytes();
        let value = |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
        days(value(&[y1, y2, y3, y4]), value(&[m1, m2]), value(&[d1, d2]))
    }

    /// A number that is near to those of the days around it, and differs from that of every other date.
    #[inline(always)]
    pub fn number(self) -> u32 {
        let [number, _] = digits::weighted(digits::values(bytemuck::cast([self.digits, 0])), [100, 1, 31, 1], 372);
        number
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts the days of whole years and months before the date; a year begins in March here, so that a leap day ends it.
fn days(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways, which must agree.
    fn parse(text: &[u8]) -> Option<i32> {
        let date = Date::parse(text);
        for behind in [&b"\n2024-01-01,Work,and,so,on,and,on"[..], &[b','; 32]] {
            let ahead = [text, behind].concat();
            let guess = Head::new(&ahead, text.len()).and_then(Date::guess);
            assert!(guess.is_none() || date.is_none() || guess == date, "{}", text.escape_ascii());
        }
        date.map(Date::days)
    }

    #[test]
    fn the_usual_form_is_guessed() {
        for text in ["2023-03-04", "2023-03-04 16:11", "9999-12-31T00:00"] {
            let ahead = format!("{text},behind it, all the way and further");
            let guess = Head::new(ahead.as_bytes(), text.len()).and_then(Date::guess);
            assert_eq!(guess, Date::parse(text.as_bytes()), "{text}");
        }
        for text in ["2023-03-0", "2023-03-04x", " 2023-03-04", "2023-03-04,", ""] {
            let ahead = format!("{text},behind it, all the way and further");
            assert_eq!(Head::new(ahead.as_bytes(), text.len()).and_then(Date::guess), None, "{text}");
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
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
