//! Dates and times of MySQL. It keeps some that are none: zero dates, dates without a month or a day, and in a mode of
//! its own the 31st of February.

/// What a text of a date or time says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A date or time; its digits as a number, of a time with six decimals: `YYYYMMDD` and `YYYYMMDDHHMMSSffffff`.
    Digits(i128),
    /// One that is none.
    None,
}

/// Reads `YYYY-MM-DD`; `None` if the text has another form.
pub fn date(text: &[u8]) -> Option<Moment> {
    let day = day(text.try_into().ok()?)?;
    Some(if is_date(day) { Moment::Digits(i128::from(day)) } else { Moment::None })
}

/// Reads `YYYY-MM-DD HH:MM:SS` and up to six decimals; `None` if the text has another form.
pub fn timestamp(text: &[u8]) -> Option<Moment> {
    let (date, rest) = text.split_first_chunk()?;
    let (clock, decimals) = rest.split_first_chunk()?;
    let &[b' ', h1, h2, b':', m1, m2, b':', s1, s2] = clock else { return None };
    let (day, seconds, micros) = (day(date)?, number(&[h1, h2, m1, m2, s1, s2])?, micros(decimals)?);
    let digits = || i128::from(day * 1_000_000 + seconds) * 1_000_000 + i128::from(micros);
    Some(if is_date(day) { Moment::Digits(digits()) } else { Moment::None })
}

/// A TIME of MySQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Before midnight.
    pub is_negative: bool,
    /// 0 to 838.
    pub hours: u64,
    /// 0 to 59.
    pub minutes: u64,
    /// 0 to 59.
    pub seconds: u64,
    /// Millionths of a second.
    pub micros: u64,
}

/// Reads `[-]HH[H]:MM:SS` and up to six decimals; `None` if the text has another form.
pub fn time(text: &[u8]) -> Option<Time> {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let colon = text.iter().position(|byte| *byte == b':').filter(|place| (2..=3).contains(place))?;
    let (hours, rest) = text.split_at(colon);
    let (clock, decimals) = rest.split_at_checked(6)?;
    let &[b':', m1, m2, b':', s1, s2] = clock else { return None };
    let (minutes, seconds) = (number(&[m1, m2])?, number(&[s1, s2])?);
    let micros = micros(decimals)?;
    (minutes < 60 && seconds < 60).then_some(Time { is_negative, hours: number(hours)?, minutes, seconds, micros })
}

impl Time {
    /// In millionths of a second.
    pub fn total_micros(self) -> i128 {
        let total = ((self.hours * 60 + self.minutes) * 60 + self.seconds) * 1_000_000 + self.micros;
        if self.is_negative { -i128::from(total) } else { i128::from(total) }
    }
}

/// `.f` to `.ffffff`, or nothing.
fn micros(decimals: &[u8]) -> Option<u64> {
    match decimals {
        [] => Some(0),
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
            let zeros = u32::try_from(6 - digits.len()).ok()?;
            Some(number(digits)? * 10_u64.pow(zeros))
        }
        _ => None,
    }
}

/// A number of digits alone, of 18 at most; `None` if there is anything else. Looks at all of them before it decides,
/// which costs less than to decide at each.
#[inline]
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let (mut number, mut has_others) = (0_u64, false);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        has_others |= digit > 9;
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (!has_others).then_some(number)
}

/// The digits of `YYYY-MM-DD` as a number.
#[inline]
fn day(text: &[u8; 10]) -> Option<u64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    number(&[y1, y2, y3, y4, m1, m2, d1, d2])
}

fn is_date(digits: u64) -> bool {
    let (year, month, day) = (digits / 10_000, digits / 100 % 100, digits % 100);
    let is_leap = || year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if day == 29 && is_leap() => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_that_are_none_are_told_from_texts_that_are_none() {
        for (text, expected) in [
            ("2024-02-29", Some(Moment::Digits(20_240_229))),
            ("9999-12-31", Some(Moment::Digits(99_991_231))),
            ("0001-01-01", Some(Moment::Digits(10_101))),
            ("0000-00-00", Some(Moment::None)),
            ("2024-02-00", Some(Moment::None)),
            ("2024-00-01", Some(Moment::None)),
            ("2023-02-29", Some(Moment::None)),
            ("2024-02-31", Some(Moment::None)),
            ("0000-01-01", Some(Moment::None)),
            ("2024-2-29", None),
            ("2024-02-29 ", None),
            ("2024/02/29", None),
            ("", None),
        ] {
            assert_eq!(date(text.as_bytes()), expected, "{text}");
        }
        for (text, expected) in [
            ("2024-02-29 23:59:59", Some(Moment::Digits(20_240_229_235_959_000_000))),
            ("2024-02-29 23:59:59.000001", Some(Moment::Digits(20_240_229_235_959_000_001))),
            ("2024-02-29 23:59:59.5", Some(Moment::Digits(20_240_229_235_959_500_000))),
            ("0000-00-00 00:00:00.000000", Some(Moment::None)),
            ("2024-02-29", None),
            ("2024-02-29 23:59:59.", None),
            ("2024-02-29 23:59:59.1234567", None),
            ("2024-02-29T23:59:59", None),
        ] {
            assert_eq!(timestamp(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn times_reach_beyond_a_day() {
        let micros = |text: &str| time(text.as_bytes()).map(Time::total_micros);
        assert_eq!(micros("838:59:59"), Some(3_020_399_000_000));
        assert_eq!(micros("-838:59:59.000000"), Some(-3_020_399_000_000));
        assert_eq!(micros("-00:00:00.000001"), Some(-1));
        assert_eq!(micros("12:34:56.789"), Some(45_296_789_000));
        for text in ["1:00:00", "12:60:00", "12:34", "", "-", "12:34:56.", "1234:00:00"] {
            assert_eq!(micros(text), None, "{text}");
        }
    }
}
