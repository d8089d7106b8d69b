//! A value as it is read, as it is kept, and as it is written into a part.

use crate::value::decimal::Decimal;
use copy_binary::{
    FieldTooLong, write_bigint, write_boolean, write_date, write_jsonb, write_null, write_numeric, write_text,
    write_timestamp,
};
use sluice::contract::ColumnKind;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'r> {
    /// None.
    Null,
    /// A text, or JSON as it is written: UTF-8 without NUL characters.
    Text(Cow<'r, [u8]>),
    /// A whole number.
    Integer(i64),
    /// A decimal, or a duration: in seconds, or in its unit if that is a part of one. Without zeros at the end.
    Decimal(Decimal),
    /// True or false.
    Boolean(bool),
    /// Microseconds since 1970-01-01: of a date, a wall clock or a point in time.
    Moment(i64),
}

impl Value<'_> {
    /// Whether it is none.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The same, kept beyond its row.
    pub(crate) fn kept(&self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::Text(Cow::Owned(text.clone().into_owned())),
            Self::Integer(number) => Value::Integer(*number),
            Self::Decimal(number) => Value::Decimal(*number),
            Self::Boolean(flag) => Value::Boolean(*flag),
            Self::Moment(micros) => Value::Moment(*micros),
        }
    }

    /// How many bytes it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// Its order among values of its column, texts by their bytes; null is the least.
    pub(crate) fn order(&self, other: &Value<'_>) -> Ordering {
        match (self, other) {
            (Self::Null, Value::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            (_, Value::Null) => Ordering::Greater,
            (Self::Text(one), Value::Text(other)) => one.cmp(other),
            (Self::Integer(one), Value::Integer(other)) => one.cmp(other),
            (Self::Moment(one), Value::Moment(other)) => one.cmp(other),
            (Self::Boolean(one), Value::Boolean(other)) => one.cmp(other),
            (Self::Decimal(one), Value::Decimal(other)) => order_of_decimals(*one, *other),
            _ => unreachable!("a column has values of one type"),
        }
    }

    /// Appends it as a field of a part.
    ///
    /// # Errors
    /// It is too long; nothing is written.
    pub(crate) fn write(&self, kind: ColumnKind, out: &mut Vec<u8>) -> Result<(), FieldTooLong> {
        match (self, kind) {
            (Self::Null, _) => write_null(out),
            (Self::Text(text), ColumnKind::Jsonb) => return write_jsonb(text, out),
            (Self::Text(text), _) => return write_text(text, out),
            (Self::Integer(number), ColumnKind::Numeric) => write_numeric(i128::from(*number), 0, out),
            (Self::Integer(number), _) => write_bigint(*number, out),
            (Self::Decimal(Decimal { mantissa, scale }), _) => write_numeric(*mantissa, *scale, out),
            (Self::Boolean(flag), _) => write_boolean(*flag, out),
            (Self::Moment(micros), ColumnKind::Date) => {
                let days = micros.div_euclid(MICROS_PER_DAY);
                write_date(i32::try_from(days).expect("years 1 to 9999"), out);
            }
            (Self::Moment(micros), _) => write_timestamp(*micros, out),
        }
        Ok(())
    }
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Exactly, also where one has more decimals than the other can be given.
fn order_of_decimals(one: Decimal, other: Decimal) -> Ordering {
    match one.scale.cmp(&other.scale) {
        Ordering::Equal => one.mantissa.cmp(&other.mantissa),
        Ordering::Greater => order_of_decimals(other, one).reverse(),
        Ordering::Less => match one.rescaled(other.scale) {
            Some(mantissa) => mantissa.cmp(&other.mantissa),
            // What does not fit is farther from zero than any that does.
            None => one.mantissa.cmp(&0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_an_order() {
        let decimal = |mantissa, scale| Value::Decimal(Decimal { mantissa, scale });
        let ascending = [
            [Value::Null]
                .into_iter()
                .chain(["A", "a", "\u{e9}"].map(|text| Value::Text(text.as_bytes().into())))
                .collect(),
            vec![Value::Null, Value::Integer(-5), Value::Integer(3)],
            vec![
                decimal(-10_i128.pow(37), 0),
                decimal(-1, 38),
                decimal(0, 0),
                decimal(1, 38),
                decimal(15, 1),
                decimal(2, 0),
                decimal(10_i128.pow(37), 0),
            ],
        ];
        for values in ascending {
            for (place, one) in values.iter().enumerate() {
                for (other_place, other) in values.iter().enumerate() {
                    assert_eq!(one.order(other), place.cmp(&other_place), "{one:?} {other:?}");
                }
            }
        }
    }
}
