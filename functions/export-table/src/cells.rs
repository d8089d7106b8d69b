//! A value of MySQL as it stands in the parts: texts in quotes, all else as it is, NULL as a marker that no text may
//! be. What Redshift would cut, round or refuse is found here, where its place is known.

use crate::dates::{self, Moment};
use crate::sums::{Sum, of_decimal};
use sluice::contract::mysql_to_redshift::{
    Changed, ColumnSum, Form, OnNul, OnTooLong, OnZeroDate, PlannedColumn, Policies, Verify,
};
use std::fmt::Write as _;

/// A column on its way, and what it adds up to.
#[derive(Clone, Debug)]
pub struct Cells {
    form: Form,
    policies: Policies,
    sum: Sum,
    changed: Changed,
}

/// Why a value cannot go over.
pub type Refusal = &'static str;

impl Cells {
    /// A column of which nothing is read yet.
    pub fn new(column: &PlannedColumn, policies: Policies, verify: Verify) -> Self {
        let sum = Sum::new(column.form, verify);
        Self { form: column.form, policies, sum, changed: Changed::default() }
    }

    /// The same with what an earlier call has counted; `None` if that is no count of such a column.
    pub fn after(mut self, document: &ColumnSum) -> Option<Self> {
        self.sum = Sum::read(self.form, document)?;
        Some(self)
    }

    /// What it adds up to so far.
    pub fn document(&self) -> ColumnSum {
        self.sum.document(self.form)
    }

    /// What policies have changed so far.
    pub fn changed(&self) -> Changed {
        self.changed
    }

    /// Writes a value behind what is there.
    ///
    /// # Errors
    /// Why it cannot go over. Nothing that holds the value.
    #[inline]
    pub fn write(&mut self, out: &mut Vec<u8>, value: Option<&[u8]>, null: &[u8]) -> Result<(), Refusal> {
        let Some(value) = value else {
            out.extend_from_slice(null);
            return Ok(());
        };
        match self.form {
            Form::Integer { least, most } => {
                let number = integer(value).ok_or("is no whole number")?;
                if number < i128::from(least) || number > i128::from(most) {
                    return Err("is more than its type in Redshift takes");
                }
                self.sum.add_with(number, |hash| hash(number.to_string().as_bytes()));
                out.extend_from_slice(value);
            }
            Form::Boolean => {
                let bit = match value {
                    b"0" => 0,
                    b"1" => 1,
                    _ => return Err("is neither 0 nor 1, and a BOOLEAN takes only these"),
                };
                self.sum.add(bit);
                out.extend_from_slice(value);
            }
            Form::Decimal { precision, scale } => {
                let (text, is_negative, magnitude) = decimal(value, precision, scale)?;
                self.sum.add_with(of_decimal(precision, is_negative, magnitude), |hash| {
                    let units = i128::try_from(magnitude).unwrap_or(i128::MAX);
                    let text = crate::sums::decimal(if is_negative { -units } else { units }, scale as usize);
                    hash(text.as_bytes());
                });
                out.extend_from_slice(text);
            }
            Form::Float => {
                self.sum.add(0);
                out.extend_from_slice(value);
            }
            Form::Date => return self.moment(out, value, null, dates::date(value)),
            Form::Timestamp => return self.moment(out, value, null, dates::timestamp(value)),
            Form::Time => {
                let time = dates::time(value).ok_or("is no time")?;
                if time.is_negative || time.hours > 23 {
                    return Err("is no time of a day, and a TIME of Redshift takes only these");
                }
                self.sum.add(i128::from(time.hours * 10_000 + time.minutes * 100 + time.seconds));
                out.extend_from_slice(value);
            }
            Form::Seconds => {
                let micros = dates::time(value).ok_or("is no time")?.total_micros();
                let text = crate::sums::decimal(micros, 6);
                self.sum.add_with(micros, |hash| hash(text.as_bytes()));
                out.extend_from_slice(text.as_bytes());
            }
            Form::Text { bytes } => return self.text(out, value, null, bytes),
            Form::Super => {
                if memchr::memchr(0, value).is_some() {
                    return Err("has a NUL byte, and JSON has none");
                }
                self.sum.add(0);
                quote(out, value);
            }
            Form::Binary { bytes } => {
                let length = value.len() / 2;
                if length > bytes as usize {
                    return Err("has more bytes than its column in Redshift");
                }
                self.sum.add_with(i128::try_from(length).unwrap_or(i128::MAX), |hash| {
                    hash(value.to_ascii_lowercase().as_slice());
                });
                // In quotes, since nothing at all is a value too.
                quote(out, value);
            }
        }
        Ok(())
    }

    /// Writes a value as [`Cells::write`] does, and into `hashed` what an audit hashes of it: `-` of NULL, else eight
    /// hexadecimal digits of its MD5, of a BOOLEAN its digit, of a TIME its whole seconds, of a float only that there
    /// is one. Gives the first 32 bits of the MD5, where there are some. `load-redshift`'s module `sums` has the same
    /// in SQL.
    ///
    /// # Errors
    /// As [`Cells::write`].
    pub fn write_for_audit(
        &mut self,
        out: &mut Vec<u8>,
        hashed: &mut String,
        value: Option<&[u8]>,
        null: &[u8],
    ) -> Result<Option<u32>, Refusal> {
        let before = std::mem::replace(&mut self.sum, Sum::new(self.form, Verify::Hash));
        let written = self.write(out, value, null);
        let sum = std::mem::replace(&mut self.sum, before);
        written?;
        let hash = sum.hash.filter(|_| sum.values > 0).and_then(|hash| u32::try_from(hash).ok());
        let _ = match (self.form, hash) {
            _ if sum.values == 0 => hashed.write_char('-'),
            (_, Some(hash)) => write!(hashed, "{hash:08x}"),
            (Form::Boolean, _) => write!(hashed, "{}", sum.total),
            (Form::Time, _) => write!(hashed, "{:06}", sum.total),
            _ => hashed.write_char('+'),
        };
        Ok(hash)
    }

    #[inline]
    fn moment(&mut self, out: &mut Vec<u8>, value: &[u8], null: &[u8], read: Option<Moment>) -> Result<(), Refusal> {
        match (read.ok_or("is no date")?, self.policies.zero_dates) {
            (Moment::Digits(digits), _) => {
                let width = if self.form == Form::Date { 8 } else { 20 };
                self.sum.add_with(digits, |hash| hash(format!("{digits:0width$}").as_bytes()));
                out.extend_from_slice(value);
            }
            (Moment::None, OnZeroDate::Null) => {
                self.changed.zero_dates += 1;
                out.extend_from_slice(null);
            }
            (Moment::None, OnZeroDate::Fail) => {
                return Err("is no day of the calendar; say in source/zero_dates whether such are to become NULL");
            }
        }
        Ok(())
    }

    #[inline]
    fn text(&mut self, out: &mut Vec<u8>, value: &[u8], null: &[u8], most: u32) -> Result<(), Refusal> {
        let stripped: Vec<u8>;
        let mut value = value;
        if memchr::memchr(0, value).is_some() {
            if self.policies.nul == OnNul::Fail {
                return Err("has a NUL byte; say in source/nul whether such are to be taken out");
            }
            self.changed.nuls += 1;
            stripped = value.iter().copied().filter(|byte| *byte != 0).collect();
            value = &stripped;
        }
        let most = most as usize;
        if value.len() > most {
            if self.policies.too_long == OnTooLong::Fail {
                return Err(
                    "has more bytes than its column in Redshift; say in source/too_long whether such are to be cut",
                );
            }
            self.changed.truncated += 1;
            // A byte 10xxxxxx goes on with a character of UTF-8.
            let is_inside = |end: &usize| value[*end] & 0b1100_0000 == 0b1000_0000;
            let end = (0..=most).rev().find(|end| !is_inside(end)).unwrap_or(0);
            value = &value[..end];
        }
        if value == null {
            return Err("is the very text that stands for NULL in this run; a new execution has another one");
        }
        self.sum.add_with(i128::try_from(value.len()).unwrap_or(i128::MAX), |hash| hash(value));
        quote(out, value);
        Ok(())
    }
}

/// A value in quotes, those in it doubled.
#[inline]
fn quote(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// A whole number.
#[inline]
fn integer(text: &[u8]) -> Option<i128> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    // Up to 18 digits fit into a machine's word, whose sums are cheap.
    let number = match digits.len() {
        1..=18 => i128::from(dates::number(digits)?),
        19..=20 => {
            i128::from(dates::number(&digits[..18])?) * 10_i128.pow(u32::try_from(digits.len() - 18).ok()?)
                + i128::from(dates::number(&digits[18..])?)
        }
        _ => return None,
    };
    Some(if is_negative { -number } else { number })
}

/// A decimal: its text without digits that its type does not have, its sign, and how many units of the type's last
/// digit it has.
#[inline]
fn decimal(value: &[u8], precision: u32, scale: u32) -> Result<(&[u8], bool, u128), Refusal> {
    const NO_NUMBER: Refusal = "is no decimal number";
    const TOO_LARGE: Refusal = "has more digits before the point than its type in Redshift";
    let (is_negative, digits) = match value {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(point);
    let decimals = rest.strip_prefix(b".").unwrap_or(rest);
    let scale = scale as usize;
    let kept = decimals.len().min(scale);
    if decimals[kept..].iter().any(|byte| *byte != b'0') {
        return Err("has more digits behind the point than its type in Redshift, which would cut them");
    }
    let leading = whole.iter().take_while(|byte| **byte == b'0').count();
    if whole.len() - leading > precision as usize - scale {
        return Err(TOO_LARGE);
    }
    let zeros = std::iter::repeat_n(&b'0', scale - kept);
    let mut magnitude = 0_u128;
    for byte in whole[leading..].iter().chain(&decimals[..kept]).chain(zeros) {
        if !byte.is_ascii_digit() {
            return Err(NO_NUMBER);
        }
        magnitude = magnitude * 10 + u128::from(byte - b'0');
    }
    if whole.is_empty() && decimals.is_empty() {
        return Err(NO_NUMBER);
    }
    let cut = decimals.len() - kept;
    let end = value.len() - cut - usize::from(cut > 0 && kept == 0);
    Ok((&value[..end], is_negative, magnitude))
}

/// A row that was refused, for people: its place and the rule, never the value.
pub fn refused(table: &str, row: u64, column: &str, order: &[String], refusal: Refusal) -> String {
    let mut text = format!("{table}: the value of the column {column:?} in row {row}");
    if !order.is_empty() {
        let _ = write!(text, " in the order of {}", order.join(", "));
    }
    let _ = write!(text, " {refusal}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::contract::mysql_to_redshift::Read;

    const LAX: Policies = Policies { zero_dates: OnZeroDate::Null, too_long: OnTooLong::Truncate, nul: OnNul::Strip };

    fn cells(form: Form, policies: Policies) -> Cells {
        Cells::new(&PlannedColumn { name: "c".into(), read: Read::Plain, form }, policies, Verify::Sums)
    }

    fn one(form: Form, policies: Policies, value: &[u8]) -> Result<(String, Option<String>, Changed), Refusal> {
        let (mut cells, mut out) = (cells(form, policies), Vec::new());
        cells.write(&mut out, Some(value), b"null7")?;
        Ok((String::from_utf8(out).unwrap(), cells.document().sum, cells.changed()))
    }

    #[test]
    fn values_go_over_exactly_with_what_they_add_up_to() {
        let short = Form::Integer { least: -32_768, most: 32_767 };
        let long = Form::Integer { least: i64::MIN, most: i64::MAX };
        let wide = |scale| Form::Decimal { precision: 38, scale };
        for (form, value, text, sum) in [
            (short, "-32768", "-32768", Some("-32768")),
            (long, "9007199254740993", "9007199254740993", Some("9007199254740993")),
            (long, "-9223372036854775808", "-9223372036854775808", Some("-9223372036854775808")),
            (
                Form::Decimal { precision: 20, scale: 0 },
                "18446744073709551615",
                "18446744073709551615",
                Some("18446744073709551615"),
            ),
            (Form::Decimal { precision: 10, scale: 2 }, "-0.05", "-0.05", Some("-0.05")),
            (Form::Decimal { precision: 12, scale: 4 }, "1.50", "1.50", Some("1.5000")),
            (
                wide(10),
                "1234567890123456789012345678.0123456789",
                "1234567890123456789012345678.0123456789",
                Some("123456780123456789"),
            ),
            (wide(10), "0.500000000000000000000000000000", "0.5000000000", Some("5000000000")),
            (wide(0), "7.00", "7", Some("7")),
            (Form::Boolean, "1", "1", Some("1")),
            (Form::Float, "1.1e-7", "1.1e-7", None),
            (Form::Date, "2024-02-29", "2024-02-29", Some("20240229")),
            (Form::Timestamp, "2024-02-29 01:02:03.5", "2024-02-29 01:02:03.5", Some("20240229010203500000")),
            (Form::Time, "23:59:59.5", "23:59:59.5", Some("235959")),
            (Form::Seconds, "-838:59:59", "-3020399.000000", Some("-3020399.000000")),
            (Form::Text { bytes: 9 }, "", "\"\"", Some("0")),
            (Form::Text { bytes: 9 }, "say \"x\"", "\"say \"\"x\"\"\"", Some("7")),
            (Form::Text { bytes: 9 }, "\\N,\n😀", "\"\\N,\n😀\"", Some("8")),
            (Form::Super, "{\"a\": 1}", "\"{\"\"a\"\": 1}\"", None),
            (Form::Binary { bytes: 2 }, "00FF", "\"00FF\"", Some("2")),
            (Form::Binary { bytes: 2 }, "", "\"\"", Some("0")),
        ] {
            let (written, added, changed) = one(form, Policies::default(), value.as_bytes()).unwrap();
            assert_eq!((written.as_str(), added.as_deref(), changed), (text, sum, Changed::default()), "{value}");
        }
    }

    #[test]
    fn what_redshift_would_change_is_refused() {
        for (form, value, expected) in [
            (Form::Integer { least: -32_768, most: 32_767 }, "32768", "is more than"),
            (Form::Integer { least: i64::MIN, most: i64::MAX }, "9223372036854775808", "is more than"),
            (Form::Integer { least: i64::MIN, most: i64::MAX }, "", "is no whole number"),
            (Form::Boolean, "2", "is neither 0 nor 1"),
            (Form::Decimal { precision: 38, scale: 10 }, "0.00000000001", "behind the point"),
            (Form::Decimal { precision: 4, scale: 2 }, "100.00", "before the point"),
            (Form::Decimal { precision: 4, scale: 2 }, "1x.00", "is no decimal"),
            (Form::Date, "0000-00-00", "is no day of the calendar"),
            (Form::Timestamp, "2024-02-00 00:00:00", "is no day of the calendar"),
            (Form::Time, "24:00:00", "is no time of a day"),
            (Form::Time, "-00:00:01", "is no time of a day"),
            (Form::Text { bytes: 3 }, "abcd", "has more bytes"),
            (Form::Text { bytes: 9 }, "a\0b", "has a NUL byte"),
            (Form::Text { bytes: 9 }, "null7", "stands for NULL"),
            (Form::Binary { bytes: 1 }, "00FF", "has more bytes"),
        ] {
            let refusal = one(form, Policies::default(), value.as_bytes()).unwrap_err();
            assert!(refusal.contains(expected) && (value.is_empty() || !refusal.contains(value)), "{value}: {refusal}");
        }
    }

    #[test]
    fn policies_change_and_count() {
        let changed = |form, value: &str| one(form, LAX, value.as_bytes()).unwrap();
        let (text, sum, counts) = changed(Form::Date, "0000-00-00");
        assert_eq!((text.as_str(), sum.as_deref(), counts.zero_dates), ("null7", Some("0"), 1));
        let (text, sum, counts) = changed(Form::Text { bytes: 5 }, "ab😀c");
        assert_eq!((text.as_str(), sum.as_deref(), counts.truncated), ("\"ab\"", Some("2"), 1), "at a character");
        let (text, _, counts) = changed(Form::Text { bytes: 6 }, "ab😀c");
        assert_eq!((text.as_str(), counts.truncated), ("\"ab😀\"", 1));
        let (text, sum, counts) = changed(Form::Text { bytes: 2 }, "a\0b\0");
        assert_eq!((text.as_str(), sum.as_deref(), counts.nuls, counts.truncated), ("\"ab\"", Some("2"), 1, 0));
    }

    #[test]
    fn null_is_told_from_every_text() {
        let (mut cells, mut out) = (cells(Form::Text { bytes: 9 }, Policies::default()), Vec::new());
        cells.write(&mut out, None, b"null7").unwrap();
        assert_eq!((out.as_slice(), cells.document().values), (&b"null7"[..], 0));
    }
}
