//! Calendar dates as days since 1970-01-01, in the proleptic Gregorian calendar, years 1 to 9999.

/// How many characters a date has.
pub const LENGTH: usize = 10;

/// Reads the date at the head of `text`: `YYYY-MM-DD`, then nothing, a blank or a `T`.
///
/// Nothing for what is no date of the calendar, such as 2023-02-29.
#[inline]
pub fn parse(text: &[u8]) -> Option<i32> {
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
    is_date.then(|| days(year, month, day))
}

#[inline]
fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i32::from(digit - b'0')))
}

fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts the days of whole years and months before the date; a year begins in March here, so that a leap day ends it.
#[inline]
fn days(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

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
