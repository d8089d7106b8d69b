//! The field `values`: what is computed of the rows of a key.

use super::Problem;
use super::fields::{Fields, child, kind};
use super::names::refuse_column;
use super::near::did_you_mean;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is computed of the rows of a key. Nulls are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// The exact sum of a column.
    Sum {
        /// The column.
        of: String,
        /// Where no value counts it is null, not 0.
        is_null_if_empty: bool,
    },
    /// How many rows there are.
    CountRows,
    /// How many values of a column are not null.
    Count {
        /// The column.
        of: String,
    },
    /// The smallest value of a column.
    Min {
        /// The column.
        of: String,
    },
    /// The greatest.
    Max {
        /// The column.
        of: String,
    },
    /// The sum of a column over the count of its values, divided last.
    Mean {
        /// The column.
        of: String,
        /// How many decimals are kept; halves are rounded away from zero.
        scale: u32,
    },
    /// The value of a column in the row where another one is smallest.
    First {
        /// The column.
        of: String,
        /// The other one.
        order_by: String,
    },
    /// The same where it is greatest.
    Last {
        /// The column.
        of: String,
        /// The other one.
        order_by: String,
    },
}

impl Aggregate {
    /// Its name in the spec.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sum { .. } => "sum",
            Self::CountRows | Self::Count { .. } => "count",
            Self::Min { .. } => "min",
            Self::Max { .. } => "max",
            Self::Mean { .. } => "mean",
            Self::First { .. } => "first",
            Self::Last { .. } => "last",
        }
    }

    /// The column that it is of; `None` if it counts rows.
    pub fn of(&self) -> Option<&str> {
        match self {
            Self::CountRows => None,
            Self::Sum { of, .. }
            | Self::Count { of }
            | Self::Min { of }
            | Self::Max { of }
            | Self::Mean { of, .. }
            | Self::First { of, .. }
            | Self::Last { of, .. } => Some(of),
        }
    }

    /// The column by which the first or last row is found.
    pub fn order_by(&self) -> Option<&str> {
        match self {
            Self::First { order_by, .. } | Self::Last { order_by, .. } => Some(order_by),
            _ => None,
        }
    }
}

/// All of them, by their names.
const NAMES: [&str; 7] = ["sum", "count", "min", "max", "mean", "first", "last"];

/// Those that need no more than a column.
const SHORT: [&str; 4] = ["sum", "count", "min", "max"];

/// The most values.
const MAX_VALUES: usize = 100;

pub(super) fn read(values: &Value, problems: &mut Vec<Problem>) -> BTreeMap<String, Aggregate> {
    let mut refuse = |what: String| {
        problems.push(Problem { pointer: "/shape/values".to_owned(), what });
        BTreeMap::new()
    };
    let given = match values {
        Value::Object(given) => given,
        Value::Null => return BTreeMap::new(),
        other => return refuse(format!("is {}, not an object", kind(other))),
    };
    if !(1..=MAX_VALUES).contains(&given.len()) {
        return refuse(if given.is_empty() {
            "names no value".to_owned()
        } else {
            format!("has more than {MAX_VALUES}")
        });
    }
    let mut read = BTreeMap::new();
    for (name, value) in given {
        let pointer = child("/shape/values", name);
        if let Some(what) = refuse_column(name) {
            problems.push(Problem { pointer: pointer.clone(), what });
        }
        if let Some(aggregate) = one(name, &pointer, value, problems) {
            read.insert(name.clone(), aggregate);
        }
    }
    read
}

fn one(name: &str, pointer: &str, value: &Value, problems: &mut Vec<Problem>) -> Option<Aggregate> {
    let mut refuse = |what: String| {
        problems.push(Problem { pointer: pointer.to_owned(), what });
        None
    };
    let no_aggregate = |word: &str| format!("{word:?} is not an aggregate{}", did_you_mean(word, NAMES.into_iter()));
    match value {
        Value::String(word) if SHORT.contains(&word.as_str()) => {
            let of = name.to_owned();
            Some(match word.as_str() {
                "sum" => Aggregate::Sum { of, is_null_if_empty: false },
                "count" => Aggregate::Count { of },
                "min" => Aggregate::Min { of },
                _ => Aggregate::Max { of },
            })
        }
        Value::String(word) if NAMES.contains(&word.as_str()) => {
            refuse(format!("{word} needs more: {{\"{word}\": column, ...}}"))
        }
        Value::String(word) => refuse(no_aggregate(word)),
        Value::Object(given) => {
            let named: Vec<&str> = NAMES.into_iter().filter(|word| given.contains_key(*word)).collect();
            match named[..] {
                [word] => with_options(word, pointer, value, problems),
                [] => refuse(match given.keys().next() {
                    Some(word) => no_aggregate(word),
                    None => "names no aggregate".to_owned(),
                }),
                _ => refuse(format!("has several aggregates: {}", named.join(", "))),
            }
        }
        other => refuse(format!("is {}, not an aggregate", kind(other))),
    }
}

fn with_options(word: &'static str, pointer: &str, value: &Value, problems: &mut Vec<Problem>) -> Option<Aggregate> {
    let before = problems.len();
    let mut fields = Fields::of(pointer, value, problems);
    let of = fields.text(word, None);
    if value[word] == "" {
        fields.wrong(word, "names no column");
    }
    let is_ordered = matches!(word, "first" | "last");
    let order_by = if is_ordered { fields.text("order_by", None) } else { String::new() };
    let scale = if word == "mean" {
        if value.get("scale").is_none() {
            fields.required("scale");
        }
        fields.number_if_given("scale", 0..=20)
    } else {
        None
    };
    let is_null_if_empty = match (word, value.get("empty")) {
        ("sum", Some(empty)) => {
            fields.take("empty");
            let is_null = empty.is_null();
            if !is_null && super::fields::whole(empty) != Some(0) {
                fields.wrong("empty", format!("is {empty}, not 0 or null"));
            }
            is_null
        }
        _ => false,
    };
    for (option, is_for) in [("scale", "mean"), ("order_by", "first and last"), ("empty", "sum")] {
        let is_taken = match option {
            "scale" => word == "mean",
            "order_by" => is_ordered,
            _ => word == "sum",
        };
        if !is_taken && fields.take(option).is_some() {
            fields.wrong(option, format!("is for {is_for}"));
        }
    }
    fields.end();
    if problems.len() > before {
        return None;
    }
    Some(match word {
        "sum" => Aggregate::Sum { of, is_null_if_empty },
        "count" if of == "*" => Aggregate::CountRows,
        "count" => Aggregate::Count { of },
        "min" => Aggregate::Min { of },
        "max" => Aggregate::Max { of },
        "mean" => Aggregate::Mean { of, scale: scale? },
        "first" => Aggregate::First { of, order_by },
        _ => Aggregate::Last { of, order_by },
    })
}
