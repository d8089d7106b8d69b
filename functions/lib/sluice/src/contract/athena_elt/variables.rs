//! Values that a spec names, and of which whoever starts an execution may set some.

use super::names::refuse_name;
use crate::spec::Problem;
use crate::spec::fields::{Fields, child, kind};
use serde_json::Value;
use std::collections::BTreeMap;

/// The values of an execution, by the names of the variables.
pub type Values = BTreeMap<String, Value>;

/// A value with a name, which stands for question marks of SELECTs.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// What it is in SQL.
    pub kind: VariableType,
    /// What it is unless an execution sets it.
    pub value: Value,
    /// What an execution may set it to; empty: nothing.
    pub allowed: Vec<Value>,
}

/// What a variable is in SQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VariableType {
    /// A text of at most 1,000 bytes.
    #[default]
    Varchar,
    /// A whole number of 64 bits.
    Bigint,
    /// A date, as `YYYY-MM-DD`.
    Date,
}

/// Athena takes values of at most 1,024 characters, quotation marks included (Amazon Athena API,
/// `ExecutionParameters`).
const MAX_BYTES: usize = 1_000;

impl VariableType {
    const NAMES: [(&'static str, Self); 3] =
        [("varchar", Self::Varchar), ("bigint", Self::Bigint), ("date", Self::Date)];

    /// The value as an SQL literal; `None` if it is none of this type.
    ///
    /// Athena evaluates what reads like an expression, and takes for a text what does not: so it is always a literal,
    /// with its quotation marks doubled.
    pub fn literal(self, value: &Value) -> Option<String> {
        match self {
            Self::Varchar => {
                let text = value.as_str().filter(|text| text.len() <= MAX_BYTES && !text.contains('\0'))?;
                let literal = format!("'{}'", text.replace('\'', "''"));
                (literal.chars().count() <= 1_024).then_some(literal)
            }
            Self::Bigint => value.as_i64().map(|number| number.to_string()),
            Self::Date => {
                let text = value.as_str().filter(|text| text.len() == 10)?;
                let is_day = crate::contract::copy_table::Day::try_from(text.to_owned()).is_ok();
                is_day.then(|| format!("DATE '{text}'"))
            }
        }
    }

    /// Its name in the spec.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// Reads the part `variables`.
pub(super) fn read(value: &Value, problems: &mut Vec<Problem>) -> BTreeMap<String, Variable> {
    let pointer = "/variables";
    let Value::Object(fields) = value else {
        problems.push(Problem { pointer: pointer.to_owned(), what: format!("is {}, not an object", kind(value)) });
        return BTreeMap::new();
    };
    let mut variables = BTreeMap::new();
    for (name, value) in fields {
        let pointer = child(pointer, name);
        if let Some(what) = refuse_name(name) {
            problems.push(Problem { pointer: pointer.clone(), what });
        }
        variables.insert(name.clone(), variable(&pointer, value, problems));
    }
    variables
}

fn variable(pointer: &str, value: &Value, problems: &mut Vec<Problem>) -> Variable {
    let mut fields = Fields::of(pointer, value, problems);
    let kind = fields.word("type", &VariableType::NAMES, Some(VariableType::Varchar)).unwrap_or_default();
    let given = fields.required("value");
    let is_wrong = |value: &Value| kind.literal(value).is_none().then(|| format!("is no {}", kind.name()));
    if let (Some(what), false) = (is_wrong(&given), given.is_null()) {
        fields.wrong("value", what);
    }
    let allowed = match fields.take("allowed") {
        None => Vec::new(),
        Some(Value::Array(allowed)) if !allowed.is_empty() => allowed,
        Some(_) => {
            fields.wrong("allowed", "is not a list of values");
            Vec::new()
        }
    };
    for (place, value) in allowed.iter().enumerate() {
        if let Some(what) = is_wrong(value) {
            fields.wrong_within(&format!("allowed/{place}"), what);
        }
    }
    fields.end();
    Variable { kind, value: given, allowed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_a_literal_or_nothing() {
        use VariableType::{Bigint, Date, Varchar};
        for (kind, value, literal) in [
            (Varchar, json!("Sci-Fi"), Some("'Sci-Fi'")),
            (Varchar, json!("x' OR 'a' = 'a"), Some("'x'' OR ''a'' = ''a'")),
            (Varchar, json!("1 + 1"), Some("'1 + 1'")),
            (Varchar, json!(""), Some("''")),
            (Varchar, json!(1), None),
            (Varchar, json!("a\0b"), None),
            (Varchar, json!("a".repeat(1_001)), None),
            (Varchar, json!("'".repeat(600)), None),
            (Bigint, json!(-3), Some("-3")),
            (Bigint, json!(1.5), None),
            (Bigint, json!("1"), None),
            (Bigint, json!(u64::MAX), None),
            (Date, json!("2024-02-29"), Some("DATE '2024-02-29'")),
            (Date, json!("2023-02-29"), None),
            (Date, json!("2024-02-29' --"), None),
        ] {
            assert_eq!(kind.literal(&value).as_deref(), literal, "{value}");
        }
    }
}
