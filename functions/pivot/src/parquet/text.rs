//! Values to texts, exactly, as in a CSV file of the same rows: so a row means the same however it was stored.

use super::{Checked, MAX_ROW_BYTES};
use crate::value::date::JULIAN_EPOCH;
use crate::value::decimal::MAX_DIGITS;
use std::io::Write;

/// What the bytes of a column's values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Text.
    Text,
    /// Whether it is so.
    Boolean,
    /// A signed integer.
    Signed,
    /// An unsigned integer.
    Unsigned,
    /// A binary floating point number.
    Float,
    /// An integer of so many decimals.
    Decimal {
        /// How many.
        scale: u32,
        /// Its highest byte comes first, and it may have any length.
        is_big_endian: bool,
    },
    /// Days since 1970-01-01.
    Date,
    /// A time since 1970-01-01.
    Time {
        /// How many make a second.
        per_second: i64,
        /// It is a point in time, and counted in UTC; else what a wall clock shows.
        is_in_utc: bool,
    },
    /// Nanoseconds of a day, and its Julian day number: a point in time.
    Instant96,
    /// There are only nulls.
    Null,
}

/// The longest text of any value but a text, in bytes.
const MAX_OTHER_LEN: usize = 96;

const SECONDS_PER_DAY: i64 = 86_400;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

const NANOSECONDS_PER_DAY: i64 = SECONDS_PER_DAY * NANOSECONDS_PER_SECOND;

impl Form {
    /// Whether it is a date or a time, whose text is in ISO form.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Form::Date | Form::Time { .. } | Form::Instant96)
    }

    /// Whether it is a number, whose text has a point, if anything, and no other mark.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Form::Signed | Form::Unsigned | Form::Float | Form::Decimal { .. })
    }

    /// How long the text of a value may be at most, in bytes.
    pub(super) fn max_len(self, value: &[u8]) -> usize {
        match self {
            // No row has a longer one; one byte more, so that it is found to be too long.
            Form::Text => value.len().min(MAX_ROW_BYTES + 1),
            _ => MAX_OTHER_LEN,
        }
    }

    /// Appends the text of a value; of a text that is too long for any row only so much that this is seen.
    pub(super) fn write(self, value: &[u8], text: &mut Vec<u8>) -> Checked<()> {
        match self {
            Form::Text => text.extend_from_slice(&value[..self.max_len(value)]),
            Form::Null => return Err("a value that is not null in a column of the type NULL".into()),
            Form::Boolean => match value {
                [0] => text.extend_from_slice(b"false"),
                [1] => text.extend_from_slice(b"true"),
                _ => return Err(WIDTH.into()),
            },
            Form::Signed => {
                let value = integer(value)?;
                write_decimal(value < 0, u128::from(value.unsigned_abs()), 0, text);
            }
            Form::Unsigned => {
                let mut bytes = [0; 16];
                bytes.get_mut(..value.len()).ok_or(WIDTH)?.copy_from_slice(value);
                write_decimal(false, u128::from_le_bytes(bytes), 0, text);
            }
            Form::Decimal { scale, is_big_endian } => {
                let value = if is_big_endian { big_endian(value)? } else { i128::from(integer(value)?) };
                write_decimal(value < 0, value.unsigned_abs(), scale, text);
            }
            Form::Float => match *value {
                [a, b, c, d] => {
                    let value = f32::from_le_bytes([a, b, c, d]);
                    write_float(value, f64::from(value), text);
                }
                [a, b, c, d, e, f, g, h] => {
                    let value = f64::from_le_bytes([a, b, c, d, e, f, g, h]);
                    write_float(value, value, text);
                }
                _ => return Err(WIDTH.into()),
            },
            Form::Date => write_date(integer(value)?, text),
            Form::Time { per_second, is_in_utc } => {
                let (value, per_day) = (integer(value)?, per_second * SECONDS_PER_DAY);
                write_date(value.div_euclid(per_day), text);
                // A fraction of a second is no longer than nine digits, so this cannot overflow.
                let parts = value.rem_euclid(per_day);
                let nanoseconds = parts % per_second * (NANOSECONDS_PER_SECOND / per_second);
                write_time(parts / per_second, nanoseconds, is_in_utc, text);
            }
            Form::Instant96 => {
                let (nanoseconds, day) = value.split_first_chunk::<8>().ok_or(WIDTH)?;
                let day = u32::from_le_bytes(day.try_into().map_err(|_| WIDTH)?);
                let nanoseconds = i64::from_le_bytes(*nanoseconds);
                let carry = nanoseconds.div_euclid(NANOSECONDS_PER_DAY);
                write_date(i64::from(day) - i64::from(JULIAN_EPOCH) + carry, text);
                let nanoseconds = nanoseconds.rem_euclid(NANOSECONDS_PER_DAY);
                let (seconds, rest) = (nanoseconds / NANOSECONDS_PER_SECOND, nanoseconds % NANOSECONDS_PER_SECOND);
                write_time(seconds, rest, true, text);
            }
        }
        Ok(())
    }
}

const WIDTH: &str = "a value has more or fewer bytes than its type";

/// A signed integer of 4 or 8 bytes, the lowest first.
fn integer(value: &[u8]) -> Checked<i64> {
    match *value {
        [a, b, c, d] => Ok(i64::from(i32::from_le_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => Ok(i64::from_le_bytes([a, b, c, d, e, f, g, h])),
        _ => Err(WIDTH.into()),
    }
}

/// A signed integer of any length whose value has at most 16 bytes, the highest first.
fn big_endian(value: &[u8]) -> Checked<i128> {
    let sign = match value.first() {
        Some(0x80..) => 0xFF,
        Some(_) => 0,
        None => return Err(WIDTH.into()),
    };
    let (more, low) = value.split_at(value.len().saturating_sub(16));
    let mut bytes = [sign; 16];
    bytes[16 - low.len()..].copy_from_slice(low);
    if more.iter().any(|&byte| byte != sign) || (bytes[0] ^ sign) & 0x80 != 0 {
        return Err("a decimal of more than 128 bits".into());
    }
    Ok(i128::from_be_bytes(bytes))
}

/// Appends `magnitude / 10^scale`, with all its decimals.
fn write_decimal(is_negative: bool, magnitude: u128, scale: u32, text: &mut Vec<u8>) {
    // 39 digits and as many zeros as a scale of 38 may ask for.
    let mut digits = [b'0'; 80];
    let mut start = digits.len();
    let mut push = |digit: u8| {
        start -= 1;
        digits[start] = b'0' + digit;
    };
    let mut high = magnitude;
    while high > u128::from(u64::MAX) {
        push(u8::try_from(high % 10).expect("a digit"));
        high /= 10;
    }
    // A division of 64 bits is several times as fast.
    let mut low = u64::try_from(high).expect("reduced to 64 bits above");
    while low > 0 {
        push(u8::try_from(low % 10).expect("a digit"));
        low /= 10;
    }
    let point = digits.len() - scale.min(MAX_DIGITS) as usize;
    let start = start.min(point - 1);
    if is_negative {
        text.push(b'-');
    }
    text.extend_from_slice(&digits[start..point]);
    if point < digits.len() {
        text.push(b'.');
        text.extend_from_slice(&digits[point..]);
    }
}

/// Appends the shortest decimal that reads back as the same number; with an exponent where it would have many zeros.
/// `size` is about the same number.
fn write_float<T: std::fmt::Display + std::fmt::LowerExp>(value: T, size: f64, text: &mut Vec<u8>) {
    let is_handy = size == 0.0 || (1e-7..1e17).contains(&size.abs());
    let written = if is_handy { write!(text, "{value}") } else { write!(text, "{value:e}") };
    debug_assert!(written.is_ok(), "memory takes every text");
}

/// Appends the date of a day since 1970-01-01; of one outside the years -9999 to 9999 its number, which is not a valid
/// date.
fn write_date(day: i64, text: &mut Vec<u8>) {
    let julian_day = day.checked_add(i64::from(JULIAN_EPOCH)).and_then(|day| i32::try_from(day).ok());
    let date = julian_day.and_then(|day| time::Date::from_julian_day(day).ok());
    let written = match date {
        Some(date) => write!(text, "{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day()),
        None => write!(text, "{day} days after 1970-01-01"),
    };
    debug_assert!(written.is_ok(), "memory takes every text");
}

/// Appends the time of a day, and whether it is one in UTC.
fn write_time(seconds: i64, nanoseconds: i64, is_in_utc: bool, text: &mut Vec<u8>) {
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let zone = if is_in_utc { "Z" } else { "" };
    let written = match nanoseconds {
        0 => write!(text, "T{hour:02}:{minute:02}:{second:02}{zone}"),
        _ => write!(text, "T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}{zone}"),
    };
    debug_assert!(written.is_ok(), "memory takes every text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::date::Date;
    use crate::value::decimal::Decimal;

    fn text(form: Form, value: &[u8]) -> String {
        let mut text = Vec::new();
        form.write(value, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn integers_of_all_widths() {
        assert_eq!(text(Form::Signed, &i32::MIN.to_le_bytes()), "-2147483648");
        assert_eq!(text(Form::Signed, &i64::MIN.to_le_bytes()), "-9223372036854775808");
        assert_eq!(text(Form::Signed, &[0; 4]), "0");
        assert_eq!(text(Form::Unsigned, &[0xFF; 4]), "4294967295");
        assert_eq!(text(Form::Unsigned, &[0xFF; 8]), "18446744073709551615");
        assert!(Form::Signed.write(&[0; 3], &mut Vec::new()).is_err());
    }

    #[test]
    fn decimals_of_all_lengths() {
        let big = |scale| Form::Decimal { scale, is_big_endian: true };
        assert_eq!(text(Form::Decimal { scale: 2, is_big_endian: false }, &(-5_i32).to_le_bytes()), "-0.05");
        assert_eq!(text(Form::Decimal { scale: 0, is_big_endian: false }, &12_i64.to_le_bytes()), "12");
        assert_eq!(text(big(1), &[0xFF]), "-0.1");
        assert_eq!(text(big(1), &[0x01, 0x00]), "25.6");
        assert_eq!(text(big(38), &[0; 16]), format!("0.{}", "0".repeat(38)));
        assert_eq!(text(big(0), &i128::MIN.to_be_bytes()), i128::MIN.to_string());
        assert_eq!(text(big(3), &[&[0xFF; 5][..], &(-1_234_i128).to_be_bytes()].concat()), "-1.234");
        for value in [&[][..], &[0x01; 17], &[&[0][..], &[0xFF; 16]].concat()] {
            assert!(big(0).write(value, &mut Vec::new()).is_err(), "{value:?}");
        }
    }

    #[test]
    fn texts_are_no_longer_than_is_said() {
        let big = |scale| Form::Decimal { scale, is_big_endian: true };
        for (form, value) in [
            (big(0), &i128::MIN.to_be_bytes()[..]),
            (big(38), &i128::MIN.to_be_bytes()),
            (Form::Float, &((-0.1_f64 - 0.2) * 1e-6).to_le_bytes()),
            (Form::Float, &(-f64::MIN_POSITIVE).to_le_bytes()),
            (Form::Time { per_second: 1, is_in_utc: true }, &i64::MIN.to_le_bytes()),
            (Form::Unsigned, &u64::MAX.to_le_bytes()),
        ] {
            let text = text(form, value);
            assert!(text.len() <= form.max_len(value) * 3 / 4, "{text}");
        }
        let long = vec![b'x'; 2 * MAX_ROW_BYTES];
        assert_eq!(text(Form::Text, &long).len(), MAX_ROW_BYTES + 1);
        assert_eq!(text(Form::Text, &long[..MAX_ROW_BYTES]).len(), MAX_ROW_BYTES);
        assert!(Form::Null.write(&[0; 4], &mut Vec::new()).is_err());
    }

    #[test]
    fn floats_are_the_shortest_text_that_reads_back() {
        for (value, expected) in [
            (31.883_333_33, "31.88333333"),
            (0.1 + 0.2, "0.30000000000000004"),
            (35.0, "35"),
            (-0.0, "-0"),
            (1e16, "10000000000000000"),
            (1e300, "1e300"),
            (-2.5e-9, "-2.5e-9"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(text(Form::Float, &value.to_le_bytes()), expected);
        }
        assert_eq!(text(Form::Float, &0.1_f32.to_le_bytes()), "0.1");
        assert_eq!(text(Form::Float, &f32::MAX.to_le_bytes()), "3.4028235e38");
        assert_eq!(Decimal::parse(b"-2.5e-9"), Ok(Decimal { mantissa: -25, scale: 10 }));
    }

    #[test]
    fn days_are_dates_and_times_have_theirs() {
        let days = |text: &str| Date::parse(text.as_bytes(), None).ok().map(Date::days);
        for day in (-719_162..=2_932_896).step_by(97).chain([-719_162, 11_016, 2_932_896]) {
            assert_eq!(days(&text(Form::Date, &i32::to_le_bytes(day))), Some(day));
        }
        for day in [i32::MIN, -719_163, 2_932_897, i32::MAX] {
            assert_eq!(days(&text(Form::Date, &day.to_le_bytes())), None);
        }
        let time = |per_second, is_in_utc, value: i64| text(Form::Time { per_second, is_in_utc }, &value.to_le_bytes());
        assert_eq!(time(1_000, false, -1), "1969-12-31T23:59:59.999000000");
        assert_eq!(time(1_000, true, 86_400_000), "1970-01-02T00:00:00Z");
        assert_eq!(time(1_000_000, true, 3_600_000_001), "1970-01-01T01:00:00.000001000Z");
        assert_eq!(time(1_000_000_000, false, 86_399_000_000_001), "1970-01-01T23:59:59.000000001");
        assert_eq!(days(&time(1_000, false, i64::MIN)), None);
        let int96 = |nanoseconds: i64, day: u32| {
            text(Form::Instant96, &[&nanoseconds.to_le_bytes()[..], &day.to_le_bytes()].concat())
        };
        assert_eq!(int96(0, 2_440_588), "1970-01-01T00:00:00Z");
        assert_eq!(int96(NANOSECONDS_PER_DAY - 1, 2_451_545), "2000-01-01T23:59:59.999999999Z");
        assert_eq!(int96(-1_000, 2_440_588), "1969-12-31T23:59:59.999999000Z");
    }
}
