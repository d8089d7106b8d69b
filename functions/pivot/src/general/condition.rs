//! Conditions with their constants read.

use super::column::ColumnReader;
use super::value::Value;
use sluice::spec::{Condition, Constant, Source, Test};
use std::cmp::Ordering;
use std::collections::HashMap;

/// A condition on the values of a row.
#[derive(Debug)]
pub(crate) enum Check {
    All(Vec<Check>),
    Any(Vec<Check>),
    Not(Box<Check>),
    Column { slot: usize, tests: Vec<Compare> },
}

/// A test of a value.
#[derive(Debug)]
pub(crate) enum Compare {
    Is(fn(Ordering) -> bool, Value<'static>),
    OneOf(Vec<Value<'static>>),
    Null(bool),
}

impl Check {
    /// A condition on columns that have these slots.
    ///
    /// # Errors
    /// What is wrong with one of its constants.
    pub(crate) fn new(condition: &Condition, source: &Source, slots: &HashMap<&str, usize>) -> Result<Self, String> {
        let all = |parts: &[Condition]| -> Result<Vec<Self>, String> {
            parts.iter().map(|part| Self::new(part, source, slots)).collect()
        };
        Ok(match condition {
            Condition::And(parts) => Self::All(all(parts)?),
            Condition::Or(parts) => Self::Any(all(parts)?),
            Condition::Not(part) => Self::Not(Box::new(Self::new(part, source, slots)?)),
            Condition::Column { column: name, tests } => {
                let column = source.columns.get(name).ok_or_else(|| format!("there is no {name:?}"))?;
                let read = |constant: &Constant| {
                    ColumnReader::constant(column, constant).map_err(|why| format!("a constant for {name:?}: {why}"))
                };
                let compare = |test: &Test| {
                    Ok(match test {
                        Test::Equal(constant) => Compare::Is(Ordering::is_eq, read(constant)?),
                        Test::Lt(constant) => Compare::Is(Ordering::is_lt, read(constant)?),
                        Test::Lte(constant) => Compare::Is(Ordering::is_le, read(constant)?),
                        Test::Gt(constant) => Compare::Is(Ordering::is_gt, read(constant)?),
                        Test::Gte(constant) => Compare::Is(Ordering::is_ge, read(constant)?),
                        Test::OneOf(constants) => Compare::OneOf(constants.iter().map(read).collect::<Result<_, _>>()?),
                        Test::Null(is_null) => Compare::Null(*is_null),
                    })
                };
                let tests = tests.iter().map(compare).collect::<Result<_, String>>()?;
                Self::Column { slot: slots[name.as_str()], tests }
            }
        })
    }

    /// Whether the values of a row meet it. A null meets nothing but a test for null.
    pub(crate) fn holds(&self, values: &[Value<'_>]) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(values)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(values)),
            Self::Not(part) => !part.holds(values),
            Self::Column { slot, tests } => tests.iter().all(|test| test.holds(&values[*slot])),
        }
    }
}

impl Compare {
    fn holds(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Null(is_null) => value.is_null() == *is_null,
            _ if value.is_null() => false,
            Self::Is(is, constant) => is(value.order(constant)),
            Self::OneOf(constants) => constants.iter().any(|constant| value.order(constant).is_eq()),
        }
    }
}
