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
    out.extend_from_slice([4, days - POSTGRES_EPOCH].map(i32::to_be_bytes).as_flattened());
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

/// Writes a `jsonb`, given as its text, which must be JSON in UTF-8 without NUL characters.
///
/// # Errors
/// [`FieldTooLong`]; nothing is written.
#[inline]
pub fn write_jsonb(json: impl AsRef<[u8]>, out: &mut Vec<u8>) -> Result<(), FieldTooLong> {
    let json = json.as_ref();
    let len = i32::try_from(json.len() + 1).map_err(|_| FieldTooLong { len: json.len() + 1 })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.push(JSONB_VERSION);
    out.extend_from_slice(json);
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
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    out.extend_from_slice(&[0, 0, 0, 8, a, b, c, d, e, f, g, h]);
}

/// Writes a `text`, which must be UTF-8 and have no NUL characters.
///
/// # Errors
/// [`FieldTooLong`]; nothing is written.
#[inline]
pub fn write_text(text: impl AsRef<[u8]>, out: &mut Vec<u8>) -> Result<(), FieldTooLong> {
    let text = text.as_ref();
    let len = i32::try_from(text.len()).map_err(|_| FieldTooLong { len: text.len() })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text);
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
pub fn write_numeric(mantissa: i128, scale: u32, out: &mut Vec<u8>) {
    let is_negative = mantissa < 0;
    let magnitude = mantissa.unsigned_abs();
    // Divisions of two words are slow, and rarely needed.
    let short = u64::try_from(magnitude).ok().and_then(|magnitude| {
        let (mut rest, mut scale) = (magnitude, scale);
        while scale > 0 && rest.is_multiple_of(10) {
            rest /= 10;
            scale -= 1;
        }
        // The decimals fill whole digits, hence zeros after the last ones.
        Some((rest.checked_mul(PADS[scale as usize % 4])?, scale))
    });
    let mut digits = Digits { digits: [0; MAX_DIGITS], count: 0 };
    let (rest, scale) = short.unwrap_or_else(|| digits.split_long(magnitude, scale));
    digits.write(rest, is_negative, scale, out);
}

/// What the last digit is multiplied by for so many decimals of it.
const PADS: [u64; 4] = [1, 1_000, 100, 10];

/// Base-10000 digits, from the last one to the first.
struct Digits {
    digits: [u16; MAX_DIGITS],
    count: usize,
}

impl Digits {
    /// Takes the last digits of a long number, as many as it takes to leave a word of it. Returns that and the scale
    /// without the zeros at the end.
    #[cold]
    fn split_long(&mut self, magnitude: u128, mut scale: u32) -> (u64, u32) {
        let mut rest = magnitude;
        while scale > 0 && rest.is_multiple_of(10) {
            rest /= 10;
            scale -= 1;
        }
        let pad = PADS[scale as usize % 4];
        let mut unit = u128::from(BASE / pad);
        let mut pad = u128::from(pad);
        loop {
            match u64::try_from(rest) {
                Ok(rest) if pad == 1 => return (rest, scale),
                _ => self.push(u64::try_from(rest % unit * pad).expect("less than BASE")),
            }
            rest /= unit;
            (unit, pad) = (u128::from(BASE), 1);
        }
    }

    #[inline]
    fn push(&mut self, digit: u64) {
        self.digits[self.count] = u16::try_from(digit).expect("a remainder of at most 10,000");
        self.count += 1;
    }

    /// Writes the number of these digits behind those of `rest`.
    #[inline]
    fn write(mut self, mut rest: u64, is_negative: bool, scale: u32, out: &mut Vec<u8>) {
        while rest > 0 {
            self.push(rest % BASE);
            rest /= BASE;
        }
        let count = self.count;
        let shown_scale = i16::try_from(scale).ok().filter(|scale| *scale <= MAX_SCALE);
        let shown_scale = shown_scale.expect("a numeric has at most 16,383 decimals");
        let first_weight = small(count) - 1 - (shown_scale + 3) / 4;
        // Zeros at the end are not written.
        let last = self.digits[..count].iter().position(|digit| *digit != 0).unwrap_or(count);
        let digits = &self.digits[last..count];
        let weight = if digits.is_empty() { 0 } else { first_weight };
        let sign: i16 = if is_negative { 0x4000 } else { 0 };
        let number_of_digits = small(digits.len());
        let mut field = [[0; 2]; HEAD_WORDS + MAX_DIGITS];
        let len = (8 + 2 * i32::from(number_of_digits)).to_be_bytes();
        let head = [number_of_digits, weight, sign, shown_scale].map(i16::to_be_bytes);
        [field[0], field[1]] = [[len[0], len[1]], [len[2], len[3]]];
        field[2..HEAD_WORDS].copy_from_slice(&head);
        for (word, digit) in field[HEAD_WORDS..].iter_mut().zip(digits.iter().rev()) {
            *word = digit.to_be_bytes();
        }
        // All of it, and what is too much cut off: a copy of a known length is no call.
        let end = out.len() + 2 * (HEAD_WORDS + digits.len());
        out.extend_from_slice(field.as_flattened());
        out.truncate(end);
    }
}

/// Words of 16 bits before the digits of a numeric, its length among them.
const HEAD_WORDS: usize = 6;

/// `NUMERIC_DSCALE_MAX` of PostgreSQL's `numeric.c`.
const MAX_SCALE: i16 = 0x3FFF;

#[inline]
fn small(count: usize) -> i16 {
    i16::try_from(count).expect("at most MAX_DIGITS")
}
