//! Texts to dates: every day of the calendar, and nothing else.

use pivot::value::date::{self, Date};

/// Fails if a text is read as another day than it shows.
pub(super) fn check(text: &[u8]) {
    let parsed = Date::parse(text);
    assert_eq!(parsed.map(Date::days), by_the_book(text.trim_ascii()));
    assert_eq!(Date::parse(&[&b" "[..], text, b"\t"].concat()), parsed, "blanks around it");
    if parsed.is_some() {
        let (head, _) = text.trim_ascii().split_at(date::LENGTH);
        assert_eq!(Date::parse(&[head, b"T25:61 and more"].concat()), parsed, "what follows is not looked at");
        assert_eq!(Date::parse(&[head, b"0"].concat()), None, "another digit");
    }
}

/// Adds up the years and months before it.
fn by_the_book(text: &[u8]) -> Option<i32> {
    if !matches!(text.get(date::LENGTH), None | Some(b' ' | b'T' | b't')) {
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
