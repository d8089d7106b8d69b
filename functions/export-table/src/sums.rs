//! What the values of a column add up to. Redshift adds up the same: `load-redshift`'s module `sums`.

use sluice::contract::mysql_to_redshift::{ColumnSum, Form};

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
}

impl Sum {
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
        Some(Self { values: document.values, total })
    }

    /// As a document has it.
    pub fn document(self, form: Form) -> ColumnSum {
        let sum = (!matches!(form, Form::Float | Form::Super)).then(|| decimal(self.total, scale(form)));
        ColumnSum { values: self.values, sum }
    }
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
            let sum = Sum { values: 3, total };
            let document = sum.document(form);
            assert_eq!(document, ColumnSum { values: 3, sum: Some(text.to_owned()) });
            assert_eq!(Sum::read(form, &document), Some(sum));
        }
        assert_eq!(Sum { values: 3, total: 0 }.document(Form::Float).sum, None);
        assert_eq!(
            of_decimal(38, true, 12_345_678_901_234_567_890_123),
            345_678_901_234_567_890_123 % 1_000_000_000_000_000_000
        );
        assert_eq!(of_decimal(28, true, 5), -5);
    }
}
