//! What the values of a column add up to. Redshift adds up the same: `load-redshift`'s module `sums`.

use md5::{Digest, Md5};
use sluice::contract::mysql_to_redshift::{ColumnSum, Form, Verify};

/// How many digits of a decimal are added up whole.
const WHOLE_DIGITS: u32 = 28;

/// Of longer ones the last 18 digits are, without the sign.
const LAST_DIGITS: u128 = 1_000_000_000_000_000_000;

/// The sum of a column so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many values there are.
    pub values: u64,
    /// Their sum, in units of the last decimal.
    pub total: i128,
    /// The sum of the first 32 bits of each one's MD5, if that is asked for.
    pub hash: Option<u64>,
}

impl Sum {
    /// Of a column of which nothing is read yet.
    pub fn new(form: Form, verify: Verify) -> Self {
        let is_hashed = verify == Verify::Hash && has_one_text(form);
        Self { hash: is_hashed.then_some(0), ..Self::default() }
    }

    /// Counts a value; `text` is how Redshift writes it, looked at only if it matters.
    #[inline]
    pub fn add_with(&mut self, units: i128, text: impl FnOnce(&mut dyn FnMut(&[u8]))) {
        self.add(units);
        if let Some(hash) = &mut self.hash {
            text(&mut |text| *hash += u64::from(first_bits(text)));
        }
    }

    /// Counts a value; `units` is what it adds.
    #[inline]
    pub fn add(&mut self, units: i128) {
        self.values += 1;
        self.total += units;
    }

    /// What an earlier call has counted.
    pub fn read(form: Form, document: &ColumnSum) -> Option<Self> {
        let total = match &document.sum {
            None => 0,
            Some(text) => {
                let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
                (decimals.len() == scale(form)).then_some(())?;
                format!("{whole}{decimals}").parse().ok()?
            }
        };
        Some(Self { values: document.values, total, hash: document.hash })
    }

    /// As a document has it.
    pub fn document(self, form: Form) -> ColumnSum {
        let sum = (!matches!(form, Form::Float | Form::Super)).then(|| decimal(self.total, scale(form)));
        ColumnSum { values: self.values, sum, hash: self.hash }
    }
}

/// Whether each value of a column is written in one way alone: a float is not, JSON is written anew, the decimals of a
/// time are left out where there are none, and a truth value has its sum.
fn has_one_text(form: Form) -> bool {
    !matches!(form, Form::Float | Form::Super | Form::Time | Form::Boolean)
}

/// The first 32 bits of the MD5 of a text: of all hashes the one that MySQL, Redshift and PostgreSQL share.
fn first_bits(text: &[u8]) -> u32 {
    let digest = Md5::digest(text);
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Decimals of a column's sum.
fn scale(form: Form) -> usize {
    match form {
        Form::Seconds => 6,
        Form::Decimal { precision, scale } if precision <= WHOLE_DIGITS => scale as usize,
        _ => 0,
    }
}

/// What a decimal adds to its column's sum: `magnitude` counts units of its last digit.
pub fn of_decimal(precision: u32, is_negative: bool, magnitude: u128) -> i128 {
    let part = if precision <= WHOLE_DIGITS { magnitude } else { magnitude % LAST_DIGITS };
    let part = i128::try_from(part).unwrap_or(i128::MAX);
    if is_negative && precision <= WHOLE_DIGITS { -part } else { part }
}

/// A number of units as a decimal.
pub fn decimal(units: i128, scale: usize) -> String {
    if scale == 0 {
        return units.to_string();
    }
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, decimals) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{decimals}", if units < 0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_as_they_are_written() {
        for (form, total, text) in [
            (Form::Integer { least: -9, most: 9 }, -7, "-7"),
            (Form::Decimal { precision: 12, scale: 2 }, -5, "-0.05"),
            (Form::Decimal { precision: 12, scale: 2 }, 12_345, "123.45"),
            (Form::Seconds, 1, "0.000001"),
            (Form::Timestamp, 20_240_229_235_959_000_001, "20240229235959000001"),
        ] {
            let sum = Sum { values: 3, total, hash: None };
            let document = sum.document(form);
            assert_eq!(document, ColumnSum { values: 3, sum: Some(text.to_owned()), hash: None });
            assert_eq!(Sum::read(form, &document), Some(sum));
        }
        assert_eq!(Sum { values: 3, total: 0, hash: None }.document(Form::Float).sum, None);
        assert_eq!(
            of_decimal(38, true, 12_345_678_901_234_567_890_123),
            345_678_901_234_567_890_123 % 1_000_000_000_000_000_000
        );
        assert_eq!(of_decimal(28, true, 5), -5);
    }

    /// Against `md5sum` of coreutils: 202cb962ac59075b964b07152d234b70 of "123".
    #[test]
    fn hashes_are_the_first_bits_of_md5() {
        let mut sum = Sum::new(Form::Text { bytes: 9 }, Verify::Hash);
        sum.add_with(3, |hash| hash(b"123"));
        sum.add_with(3, |hash| hash(b"123"));
        let document = sum.document(Form::Text { bytes: 9 });
        assert_eq!(document, ColumnSum { values: 2, sum: Some("6".into()), hash: Some(2 * 0x202c_b962) });
        assert_eq!(Sum::read(Form::Text { bytes: 9 }, &document), Some(sum));
        assert_eq!(Sum::new(Form::Float, Verify::Hash).hash, None);
        assert_eq!(Sum::new(Form::Date, Verify::Sums).hash, None);
    }
}
