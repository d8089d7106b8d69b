//! Texts to dates: every day of the calendar, and nothing else.

use pivot::value::date::{self, Date, NotDate};
use pivot::value::field::{FieldPrefix, PREFIX_BYTES};

/// Fails if a text is read as another day than it shows, by either path.
pub(super) fn check(text: &[u8]) {
    let parsed = Date::parse(text).ok();
    assert_eq!(parsed.map(Date::days), by_the_book(text.trim_ascii()));
    assert_eq!(Date::parse(&[&b" "[..], text, b"\t"].concat()).ok(), parsed, "blanks around it");
    // The fast path leaves it to its caller whether the day is one of the calendar.
    let ahead = [text, &[b','; PREFIX_BYTES]].concat();
    let fast = FieldPrefix::new(&ahead, text.len()).and_then(Date::parse_fast);
    assert!(fast.is_none() || fast == Date::parse(&text[..date::LENGTH]).ok() || parsed.is_none());
    if Date::parse(text.get(..date::LENGTH).unwrap_or_default()).is_ok() {
        assert!(fast.is_none() || fast == parsed, "the fast path takes what is not a date");
        let head = &text[..date::LENGTH];
        assert_eq!(Date::parse(&[head, b"T25:61 and more"].concat()), Err(NotDate::NoTimeBehind));
        assert_eq!(Date::parse(&[head, b" - ", head].concat()), Err(NotDate::NoTimeBehind));
        assert_eq!(Date::parse(&[head, b"0"].concat()), Err(NotDate::Malformed), "another digit");
    }
}

/// Whether it is a time with what may stand before and behind it: one of the shapes that there are, and numbers in it
/// that a clock shows.
fn is_time(text: &[u8]) -> bool {
    let Some((b' ' | b'T' | b't', time)) = text.split_first() else { return false };
    let shape: String = time.iter().map(|&byte| if byte.is_ascii_digit() { '9' } else { char::from(byte) }).collect();
    let fractions = (1..=9).flat_map(|len| [".", ","].map(|mark| format!("99:99:99{mark}{}", "9".repeat(len))));
    let mut times = ["99:99", "99:99:99"].map(str::to_owned).into_iter().chain(fractions);
    let is_shape = times.any(|time| {
        let zones = ["Z", "UTC", "+99", "-99", "+9999", "-9999", "+99:99", "-99:99"];
        shape == time || zones.iter().any(|zone| shape == format!("{time}{zone}") || shape == format!("{time} {zone}"))
    });
    let time = String::from_utf8_lossy(time).into_owned();
    let (clock, offset) = time.split_once(['+', '-']).unwrap_or((&time, ""));
    let all_below = |text: &str| {
        let numbers = (0..text.len()).step_by(2).filter_map(|at| text.get(at..at + 2)?.parse::<u32>().ok());
        (0..).zip(numbers).all(|(place, number)| number < if place == 0 { 24 } else { 60 })
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).take(6).collect::<String>();
    is_shape && all_below(&digits(clock)) && all_below(&digits(offset))
}

/// Adds up the years and months before it.
fn by_the_book(text: &[u8]) -> Option<i32> {
    let behind = text.get(date::LENGTH..)?;
    if !behind.is_empty() && !is_time(behind) {
        return None;
    }
    let parts: Vec<&[u8]> = text.get(..date::LENGTH)?.split(|byte| *byte == b'-').collect();
    let [year, month, day] = parts[..] else { return None };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months_before = usize::try_from(month - 1).ok()?;
    if year == 0 || day == 0 || day > *lengths.get(months_before)? {
        return None;
    }
    let years: i32 = (1..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: i32 = lengths[..months_before].iter().sum();
    // From the first day of the year 1 to that of 1970.
    Some(years + months + day - 1 - 719_162)
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i32::from(digit - b'0')))
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}
