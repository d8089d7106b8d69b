//! Rows to bytes. All functions append to a buffer.

use std::fmt;

/// 2000-01-01, the first day of PostgreSQL's calendar, in days since 1970-01-01.
const POSTGRES_EPOCH: i32 = 10_957;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What begins a `jsonb` (PostgreSQL's `jsonb.c`, `jsonb_recv`).
const JSONB_VERSION: u8 = 1;

/// A field of more bytes than its length prefix can say, which is 2 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldTooLong {
    /// Length of the field.
    pub len: usize,
}

impl fmt::Display for FieldTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a field of {} bytes is too long for COPY", self.len)
    }
}

impl std::error::Error for FieldTooLong {}

/// Begins a row of `width` fields, which must be written next.
#[inline]
pub fn begin_row(width: i16, out: &mut Vec<u8>) {
    out.extend_from_slice(&width.to_be_bytes());
}

/// Writes a `date`, given as days since 1970-01-01; it must be one that PostgreSQL has, 4713 BC to 5874897 AD.
#[inline]
pub fn write_date(days: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&4_i32.to_be_bytes());
    out.extend_from_slice(&(days - POSTGRES_EPOCH).to_be_bytes());
}

/// Writes a null.
#[inline]
pub fn write_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1_i32).to_be_bytes());
}

/// Writes a `boolean`.
#[inline]
pub fn write_boolean(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&1_i32.to_be_bytes());
    out.push(u8::from(value));
}

/// Writes a `timestamp` or a `timestamptz`, given as microseconds since 1970-01-01, of a wall clock or in UTC; it must
/// be one that PostgreSQL has, 4713 BC to 294276 AD.
#[inline]
pub fn write_timestamp(micros: i64, out: &mut Vec<u8>) {
    write_bigint(micros - i64::from(POSTGRES_EPOCH) * MICROS_PER_DAY, out);
}

/// Writes a `jsonb`, given as its text, which must be JSON without NUL characters.
///
/// # Errors
/// [`FieldTooLong`]; nothing is written.
#[inline]
pub fn write_jsonb(json: &str, out: &mut Vec<u8>) -> Result<(), FieldTooLong> {
    let len = i32::try_from(json.len() + 1).map_err(|_| FieldTooLong { len: json.len() + 1 })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.push(JSONB_VERSION);
    out.extend_from_slice(json.as_bytes());
    Ok(())
}

/// Writes a `smallint`.
#[inline]
pub fn write_smallint(value: i16, out: &mut Vec<u8>) {
    out.extend_from_slice(&2_i32.to_be_bytes());
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes a `bigint`.
#[inline]
pub fn write_bigint(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&8_i32.to_be_bytes());
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes a `text`, which must have no NUL characters.
///
/// # Errors
/// [`FieldTooLong`]; nothing is written.
#[inline]
pub fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), FieldTooLong> {
    let len = i32::try_from(text.len()).map_err(|_| FieldTooLong { len: text.len() })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Base of a numeric's digits.
const BASE: u64 = 10_000;

/// Maximum base-10000 digits of a 39-digit mantissa, which the decimal point may cut anywhere.
const MAX_DIGITS: usize = 11;

/// Writes a `numeric`, `mantissa / 10^scale`, as PostgreSQL's `numeric_send` does: number of digits, weight of the
/// first one, sign, display scale, base-10000 digits. Trailing zeros of the decimals are dropped, as by `trim_scale`:
/// 1.50 and 1.5 are to be one value, however they were added up.
///
/// # Panics
/// If more decimals are left than a numeric can show, which is 16,383.
#[inline]
pub fn write_numeric(mantissa: i128, mut scale: u32, out: &mut Vec<u8>) {
    let mut rest = mantissa.unsigned_abs();
    while scale > 0 && rest.is_multiple_of(10) {
        rest /= 10;
        scale -= 1;
    }
    // From the last digit to the first. The decimals fill whole digits, hence zeros after the last ones.
    let mut digits = [0_u16; MAX_DIGITS];
    let mut count = 0;
    let partial = scale % 4;
    if partial > 0 {
        let unit = 10_u128.pow(partial);
        digits[0] = digit(rest % unit) * 10_u16.pow(4 - partial);
        rest /= unit;
        count = 1;
    }
    // Divisions of two words are slow, and rarely needed.
    let mut rest = loop {
        match u64::try_from(rest) {
            Ok(rest) => break rest,
            Err(_) => {
                digits[count] = digit(rest % u128::from(BASE));
                rest /= u128::from(BASE);
                count += 1;
            }
        }
    };
    while rest > 0 {
        digits[count] = digit(u128::from(rest % BASE));
        rest /= BASE;
        count += 1;
    }
    let shown_scale = i16::try_from(scale).ok().filter(|scale| *scale <= MAX_SCALE);
    let shown_scale = shown_scale.expect("a numeric has at most 16,383 decimals");
    let first_weight = small(count) - 1 - (shown_scale + 3) / 4;
    // Zeros at the end are not written.
    let last = digits[..count].iter().position(|digit| *digit != 0).unwrap_or(count);
    let digits = &digits[last..count];
    let weight = if digits.is_empty() { 0 } else { first_weight };
    let sign: u16 = if mantissa < 0 { 0x4000 } else { 0 };
    let len = 8 + 2 * i32::from(small(digits.len()));
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&small(digits.len()).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&shown_scale.to_be_bytes());
    for digit in digits.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// `NUMERIC_DSCALE_MAX` of PostgreSQL's `numeric.c`.
const MAX_SCALE: i16 = 0x3FFF;

#[inline]
fn digit(value: u128) -> u16 {
    u16::try_from(value).expect("a remainder of at most 10,000")
}

#[inline]
fn small(count: usize) -> i16 {
    i16::try_from(count).expect("at most MAX_DIGITS")
}
