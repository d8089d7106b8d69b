//! Constants: what a spec gives in place of a value, or to compare values with.

use super::ColumnType;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// A text, a number as it is written, or true or false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Constant {
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text, which may be that of a number or a date.
    Text(String),
}

impl Constant {
    /// What a value of JSON is; `None` for null, lists and objects.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Boolean(*flag)),
            Value::Number(number) => Some(Self::Number(number.clone())),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// As it would stand in a file.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Boolean(true) => Cow::Borrowed("true"),
            Self::Boolean(false) => Cow::Borrowed("false"),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }

    /// What is wrong with it as a value of a type: dates and times are in ISO form, durations numbers of their unit.
    ///
    /// What is right here may still be none to the function that reads, which knows the zones' clocks.
    pub(super) fn problem(&self, kind: ColumnType) -> Option<String> {
        let text = self.text();
        let text = text.trim();
        let is_right = match kind {
            ColumnType::Text | ColumnType::Json => return None,
            ColumnType::Boolean => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
            ColumnType::Integer => is_integer(text),
            ColumnType::Number | ColumnType::Duration => is_number(text),
            ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => is_iso(text),
        };
        let shown = serde_json::to_string(self).unwrap_or_default();
        (!is_right).then(|| match kind {
            ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => {
                format!("is {shown}, not {} in ISO form, such as 2024-03-01", kind.with_article())
            }
            ColumnType::Duration => format!("is {shown}, not a number, which is of the column's unit"),
            _ => format!("is {shown}, not {}", kind.with_article()),
        })
    }
}

/// Digits of a decimal (`local/spec/reference.md`, section 3).
const MAX_DIGITS: usize = 38;

/// A decimal, as the parts before and behind its point and its exponent.
fn parts(text: &str) -> Option<(&str, &str, i64)> {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    (are_digits(whole) && are_digits(fraction) && whole.len() + fraction.len() > 0)
        .then_some((whole, fraction, exponent))
}

fn is_number(text: &str) -> bool {
    let most = i64::try_from(MAX_DIGITS).unwrap_or(i64::MAX);
    parts(text).is_some_and(|(whole, fraction, exponent)| {
        let digits = whole.trim_start_matches('0').len() + fraction.len();
        digits <= MAX_DIGITS && (-most..=most).contains(&exponent)
    })
}

fn is_integer(text: &str) -> bool {
    let is_zeros = |part: &str| part.bytes().all(|byte| byte == b'0');
    is_number(text)
        && match parts(text) {
            Some((_, fraction, 0)) if is_zeros(fraction) => {
                text.split('.').next().is_some_and(|whole| whole.parse::<i64>().is_ok())
            }
            // 1e3 and 12.5e1 are integers too; the function that reads looks at them.
            Some((_, _, 1..)) => true,
            _ => false,
        }
}

/// `YYYY-MM-DD`, alone or with a time behind it.
fn is_iso(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((date, rest)) = bytes.split_at_checked(10) else { return false };
    let is_date = date.iter().enumerate().all(|(place, byte)| match place {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let number = |range: std::ops::Range<usize>| text[range].parse::<u16>().unwrap_or(0);
    let is_day = is_date
        && (1..=9_999).contains(&number(0..4))
        && (1..=days(number(0..4), number(5..7))).contains(&number(8..10));
    let is_time = match rest {
        [] => true,
        [b' ' | b'T' | b't', hour @ ..] => {
            hour.len() >= 2 && hour.iter().all(|byte| b"0123456789:.,+-ZUTC ".contains(byte))
        }
        _ => false,
    };
    is_day && is_time
}

/// How many days a month has; none if there is no such month.
fn days(year: u16, month: u16) -> u16 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u16::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn constants_are_of_their_column_s_type() {
        use ColumnType::{Boolean, Date, Duration, Integer, Number, Text, Timestamptz};
        for (kind, right, wrong) in [
            (Text, json!(["", "a", 5, true]), json!([])),
            (Boolean, json!([true, "False"]), json!(["yes", 1, ""])),
            (
                Integer,
                json!([5, "-5", "5.00", 9_223_372_036_854_775_807_i64, "1e3"]),
                json!([5.5, "9223372036854775808", "a", ""]),
            ),
            (
                Number,
                json!([5, 0.1, "-.5", "1e3", "9".repeat(38)]),
                json!(["1,5", "NaN", ".", "9".repeat(39), "e5", true]),
            ),
            (Duration, json!([90, "1.5"]), json!(["1:30", "25 min"])),
            (
                Date,
                json!(["2024-02-29", "2024-03-01T10:00Z"]),
                json!(["2023-02-29", "1/3/2024", "2024-03-01 - 2024-03-31x", 2024, "0000-01-01", "2024-13-01"]),
            ),
            (Timestamptz, json!(["2024-03-01 10:00:00.5+02:00"]), json!(["now", "2024-03-01_10"])),
        ] {
            for (values, is_right) in [(right, true), (wrong, false)] {
                for value in values.as_array().unwrap() {
                    let problem = Constant::of(value).unwrap().problem(kind);
                    assert_eq!(problem.is_none(), is_right, "{kind:?} {value}: {problem:?}");
                }
            }
        }
        assert_eq!(Constant::of(&json!(null)), None);
        assert_eq!(Constant::of(&json!(2.50)).unwrap().text(), "2.5");
    }
}
