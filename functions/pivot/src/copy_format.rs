//! A table in PostgreSQL's binary format for COPY (PostgreSQL manual, "COPY", "Binary Format"), so that the database has nothing to
//! parse while the table is locked; a numeric is what its `numeric_send` sends.

use crate::decimal::Decimal;
use polars::prelude::{DataFrame, DataType, PolarsError, Series};
use sluice::{Error, Kind, Result};

/// What begins a file: the signature, no flags, no more header.
pub const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What ends it: in place of a row's number of fields.
pub const END: &[u8] = &(-1_i16).to_be_bytes();

/// The first day of PostgreSQL's calendar, 2000-01-01, in days since 1970-01-01.
const FIRST_DAY: i32 = 10_957;

/// The rows of a table.
///
/// # Errors
/// `InvariantBroken` for a column of a type that no table of ours has.
pub fn rows(table: &DataFrame) -> Result<Vec<u8>> {
    let columns = table.columns().iter().map(|column| Cells::of(column.as_materialized_series()));
    let columns: Vec<Cells<'_>> = columns.collect::<Result<_>>()?;
    let width = i16::try_from(columns.len()).map_err(|error| broken("more columns than a row can have", error))?;
    // A usual row of three columns has some fifty bytes.
    let mut out = Vec::with_capacity(table.height() * 24 * columns.len());
    for row in 0..table.height() {
        out.extend_from_slice(&width.to_be_bytes());
        for column in &columns {
            column.write(row, &mut out)?;
        }
    }
    Ok(out)
}

/// A column.
enum Cells<'a> {
    /// Days since 1970-01-01.
    Dates(&'a [i32]),
    Integers(&'a [i64]),
    Texts(Vec<&'a str>),
    /// The mantissas, all of the same scale.
    Decimals(&'a [i128], u32),
}

impl<'a> Cells<'a> {
    fn of(column: &'a Series) -> Result<Self> {
        let failed = |error: PolarsError| broken("a column that cannot be read", error);
        Ok(match column.dtype() {
            DataType::Date => Self::Dates(column.date().and_then(|days| days.physical().cont_slice()).map_err(failed)?),
            DataType::Int64 => Self::Integers(column.i64().and_then(|values| values.cont_slice()).map_err(failed)?),
            DataType::String => {
                let texts = column.str().map_err(failed)?;
                Self::Texts(texts.iter().map(Option::unwrap_or_default).collect())
            }
            DataType::Decimal(_, scale) => {
                let decimals = column.decimal().and_then(|values| values.physical().cont_slice()).map_err(failed)?;
                Self::Decimals(decimals, u32::try_from(*scale).unwrap_or(u32::MAX))
            }
            other => return Err(Error::new(Kind::InvariantBroken, format!("a column of {other}"))),
        })
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Dates(days) => write_field(&(days[row] - FIRST_DAY).to_be_bytes(), out),
            Self::Integers(values) => write_field(&values[row].to_be_bytes(), out),
            Self::Texts(texts) => write_field(texts[row].as_bytes(), out),
            Self::Decimals(mantissas, scale) => {
                write_numeric(Decimal { mantissa: mantissas[row], scale: *scale }, out);
                Ok(())
            }
        }
    }
}

fn write_field(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let len = i32::try_from(bytes.len()).map_err(|error| broken("a field longer than COPY takes", error))?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Base of a numeric's digits.
const BASE: u64 = 10_000;

/// How many of them 38 decimal digits may touch.
const MOST_DIGITS: usize = 11;

/// Writes a numeric as a field: number of digits, weight of the first one, sign, decimals to be shown, digits. Zeros at the end of the
/// decimals go, as `trim_scale` has it: 1.50 and 1.5 are to be one value, however they were added up.
fn write_numeric(value: Decimal, out: &mut Vec<u8>) {
    let Decimal { mantissa, mut scale } = value;
    let mut rest = mantissa.unsigned_abs();
    while scale > 0 && rest.is_multiple_of(10) {
        rest /= 10;
        scale -= 1;
    }
    // From the last digit to the first. The decimals fill whole digits, hence zeros behind the last ones.
    let mut digits = [0_u16; MOST_DIGITS];
    let mut count = 0;
    let partial = scale % 4;
    if partial > 0 {
        let unit = 10_u128.pow(partial);
        digits[0] = small(rest % unit) * 10_u16.pow(4 - partial);
        rest /= unit;
        count = 1;
    }
    // Divisions of two words are slow, and rarely needed.
    while rest > u128::from(u64::MAX) {
        digits[count] = small(rest % u128::from(BASE));
        rest /= u128::from(BASE);
        count += 1;
    }
    let mut rest = u64::try_from(rest).unwrap_or_default();
    while rest > 0 {
        digits[count] = small(u128::from(rest % BASE));
        rest /= BASE;
        count += 1;
    }
    let first_weight = signed(count) - 1 - i16::try_from(scale.div_ceil(4)).unwrap_or_default();
    // Zeros at the end are not written.
    let last = digits[..count].iter().position(|digit| *digit != 0).unwrap_or(count);
    let digits = &digits[last..count];
    let weight = if digits.is_empty() { 0 } else { first_weight };
    let sign: u16 = if mantissa < 0 { 0x4000 } else { 0 };
    let len = 8 + 2 * i32::from(signed(digits.len()));
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&signed(digits.len()).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&small(u128::from(scale)).to_be_bytes());
    for digit in digits.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// A number that is below [`BASE`].
fn small(value: u128) -> u16 {
    u16::try_from(value).unwrap_or_default()
}

/// A number that is at most [`MOST_DIGITS`].
fn signed(count: usize) -> i16 {
    i16::try_from(count).unwrap_or_default()
}

fn broken(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::caused(Kind::InvariantBroken, what, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numeric(mantissa: i128, scale: u32) -> Vec<u8> {
        let mut out = Vec::new();
        write_numeric(Decimal { mantissa, scale }, &mut out);
        out
    }

    /// Fields of 16 bits, as PostgreSQL 15 sends them.
    #[test]
    fn numerics_are_what_postgresql_sends() {
        for (mantissa, scale, expected) in [
            (0, 0, &[0, 0, 0, 0][..]),
            (0, 5, &[0, 0, 0, 0]),
            (1, 0, &[1, 0, 0, 0, 1]),
            (-15, 1, &[2, 0, 0x4000, 1, 1, 5_000]),
            (150, 2, &[2, 0, 0, 1, 1, 5_000]),
            (12_345_678, 0, &[2, 1, 0, 0, 1_234, 5_678]),
            (3_188_333_333, 8, &[3, 0, 0, 8, 31, 8_833, 3_333]),
            (1, 4, &[1, 0xFFFF, 0, 4, 1]),
            (1_234, 8, &[1, 0xFFFE, 0, 8, 1_234]),
            (1, 5, &[1, 0xFFFE, 0, 5, 1_000]),
            (10_000, 0, &[1, 1, 0, 0, 1]),
            (100_000_001, 4, &[3, 1, 0, 4, 1, 0, 1]),
        ] {
            let field: Vec<u8> = expected.iter().flat_map(|word: &u16| word.to_be_bytes()).collect();
            let len = i32::try_from(field.len()).unwrap();
            assert_eq!(numeric(mantissa, scale), [&len.to_be_bytes()[..], &field].concat(), "{mantissa} / 10^{scale}");
        }
    }

    /// Adds the digits up again.
    fn decoded(field: &[u8]) -> (i128, i32) {
        let words: Vec<i16> = field[4..].chunks(2).map(|word| i16::from_be_bytes([word[0], word[1]])).collect();
        let [count, weight, sign, _] = words[..4] else { panic!("{words:?}") };
        assert_eq!(words.len(), 4 + usize::try_from(count).unwrap());
        let sum = words[4..].iter().fold(0_i128, |sum, digit| sum * 10_000 + i128::from(*digit));
        (if sign == 0 { sum } else { -sum }, (i32::from(weight) + 1 - i32::from(count)) * 4)
    }

    /// The one way to write it.
    fn normal(mut mantissa: i128, mut exponent: i32) -> (i128, i32) {
        while mantissa != 0 && mantissa % 10 == 0 {
            (mantissa, exponent) = (mantissa / 10, exponent + 1);
        }
        (mantissa, if mantissa == 0 { 0 } else { exponent })
    }

    proptest! {
        #[test]
        fn numerics_keep_their_value(mantissa in -10_i128.pow(34)..10_i128.pow(34), digits in 0_u32..35, scale in 0_u32..39) {
            let mantissa = mantissa / 10_i128.pow(digits);
            let field = numeric(mantissa, scale);
            let (sum, exponent) = decoded(&field);
            let expected = normal(mantissa, -i32::try_from(scale).unwrap());
            prop_assert_eq!(normal(sum, exponent), expected);
            // And shows as many decimals as there are.
            prop_assert_eq!(i32::from(i16::from_be_bytes([field[10], field[11]])), (-expected.1).max(0));
        }
    }
}
