//! Conditions on rows: `filter` and `delete_when`.

use super::fields::{Fields, child, kind};
use super::{Constant, Problem, Source};
use serde::Serialize;
use serde_json::Value;

/// What a row must meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// All of these.
    And(Vec<Condition>),
    /// One of these at least.
    Or(Vec<Condition>),
    /// Not this: comparing null is false, so that this is true of it.
    Not(Box<Condition>),
    /// The value of a column meets all of these.
    Column {
        /// Its name in the source.
        column: String,
        /// What it meets.
        tests: Vec<Test>,
    },
}

/// What a value meets. A null meets none but [`Test::Null`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// It is this.
    Equal(Constant),
    /// It is one of these.
    OneOf(Vec<Constant>),
    /// It is less than this.
    Lt(Constant),
    /// It is this or less.
    Lte(Constant),
    /// It is greater than this.
    Gt(Constant),
    /// It is this or greater.
    Gte(Constant),
    /// Whether it is null.
    Null(bool),
}

impl Test {
    /// Its field in the spec.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Equal(_) => "equal",
            Self::OneOf(_) => "one_of",
            Self::Lt(_) => "lt",
            Self::Lte(_) => "lte",
            Self::Gt(_) => "gt",
            Self::Gte(_) => "gte",
            Self::Null(_) => "null",
        }
    }

    /// What it compares with.
    pub fn constants(&self) -> &[Constant] {
        match self {
            Self::Equal(constant)
            | Self::Lt(constant)
            | Self::Lte(constant)
            | Self::Gt(constant)
            | Self::Gte(constant) => std::slice::from_ref(constant),
            Self::OneOf(constants) => constants,
            Self::Null(_) => &[],
        }
    }
}

/// The most constants of a `one_of`.
const MAX_CONSTANTS: usize = 200;

/// How deep conditions may be nested: JSON itself may have 128 levels.
const MAX_DEPTH: usize = 32;

impl Condition {
    /// The columns that it looks at, some of them several times.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::columns).collect(),
            Self::Not(part) => part.columns(),
            Self::Column { column, .. } => vec![column],
        }
    }
}

/// A condition, or a list of which all hold.
pub(super) fn read_list(pointer: &str, value: &Value, problems: &mut Vec<Problem>) -> Option<Condition> {
    match value {
        Value::Array(_) => parts(pointer, value, 0, problems).map(Condition::And),
        one => read(pointer, one, 0, problems),
    }
}

/// A condition.
pub(super) fn read(pointer: &str, value: &Value, depth: usize, problems: &mut Vec<Problem>) -> Option<Condition> {
    let mut refuse = |what: &str| {
        problems.push(Problem { pointer: pointer.to_owned(), what: what.to_owned() });
        None
    };
    let Value::Object(given) = value else { return refuse(&format!("is {}, not a condition", kind(value))) };
    if depth > MAX_DEPTH {
        return refuse("is nested too deeply");
    }
    let heads: Vec<&str> =
        ["and", "or", "not", "column"].into_iter().filter(|head| given.contains_key(*head)).collect();
    let [head] = heads[..] else {
        return refuse("is not a condition, which has one of the fields column, and, or, not");
    };
    let inner = child(pointer, head);
    let found = match head {
        "and" => parts(&inner, &value["and"], depth + 1, problems).map(Condition::And),
        "or" => parts(&inner, &value["or"], depth + 1, problems).map(Condition::Or),
        "not" => read(&inner, &value["not"], depth + 1, problems).map(|part| Condition::Not(Box::new(part))),
        _ => return read_column(pointer, value, problems),
    };
    let mut fields = Fields::of(pointer, value, problems);
    for name in ["and", "or", "not"] {
        fields.take(name);
    }
    fields.end();
    found
}

fn parts(pointer: &str, value: &Value, depth: usize, problems: &mut Vec<Problem>) -> Option<Vec<Condition>> {
    let Some(given) = value.as_array().filter(|parts| !parts.is_empty()) else {
        problems.push(Problem { pointer: pointer.to_owned(), what: "is not a list of conditions".to_owned() });
        return None;
    };
    let parts =
        given.iter().enumerate().map(|(place, part)| read(&child(pointer, &place.to_string()), part, depth, problems));
    // All of them, so that all that is wrong is said.
    let parts: Vec<Option<Condition>> = parts.collect();
    parts.into_iter().collect()
}

/// A test against a constant.
type Compare = fn(Constant) -> Test;

fn read_column(pointer: &str, value: &Value, problems: &mut Vec<Problem>) -> Option<Condition> {
    let before = problems.len();
    let mut fields = Fields::of(pointer, value, problems);
    let column = fields.text("column", None);
    if value["column"] == "" {
        fields.wrong("column", "names no column");
    }
    let mut tests = Vec::new();
    let constants: [(&'static str, Compare); 5] =
        [("equal", Test::Equal), ("lt", Test::Lt), ("lte", Test::Lte), ("gt", Test::Gt), ("gte", Test::Gte)];
    for (name, test) in constants {
        let Some(given) = fields.take(name) else { continue };
        match Constant::of(&given) {
            Some(constant) => tests.push(test(constant)),
            None => fields.wrong(name, "is not a text, a number, true or false"),
        }
    }
    if let Some(given) = fields.take("one_of") {
        let found: Option<Vec<Constant>> = given.as_array().and_then(|all| all.iter().map(Constant::of).collect());
        match found.filter(|constants| (1..=MAX_CONSTANTS).contains(&constants.len())) {
            Some(constants) => tests.push(Test::OneOf(constants)),
            None => {
                fields.wrong("one_of", format!("is not a list of 1 to {MAX_CONSTANTS} texts, numbers, true or false"))
            }
        }
    }
    if let Some(given) = fields.take("null") {
        match given.as_bool() {
            Some(is_null) => tests.push(Test::Null(is_null)),
            None => fields.wrong("null", format!("is {}, not true or false", kind(&given))),
        }
    }
    fields.end();
    if tests.is_empty() && problems.len() == before {
        let what = "compares with nothing; say equal, one_of, lt, lte, gt, gte or null".to_owned();
        problems.push(Problem { pointer: pointer.to_owned(), what });
    }
    (problems.len() == before).then_some(Condition::Column { column, tests })
}

/// What a condition says of the source's columns. `is_read`: whether a column is right by itself.
pub(super) fn compare(
    pointer: &str,
    condition: &Condition,
    source: &Source,
    name: &mut dyn FnMut(String, &str) -> bool,
    problems: &mut Vec<Problem>,
) {
    let inner = |head: &str, place: usize| child(&child(pointer, head), &place.to_string());
    match condition {
        Condition::And(parts) | Condition::Or(parts) => {
            let head = if matches!(condition, Condition::And(_)) { "and" } else { "or" };
            for (place, part) in parts.iter().enumerate() {
                compare(&inner(head, place), part, source, name, problems);
            }
        }
        Condition::Not(part) => compare(&child(pointer, "not"), part, source, name, problems),
        Condition::Column { column, tests } => {
            if !name(child(pointer, "column"), column) {
                return;
            }
            let Some(kind) = source.columns.get(column).map(|column| column.kind) else { return };
            for test in tests {
                compare_test(&child(pointer, test.name()), test, kind, problems);
            }
        }
    }
}

fn compare_test(pointer: &str, test: &Test, kind: super::ColumnType, problems: &mut Vec<Problem>) {
    let is_order = matches!(test, Test::Lt(_) | Test::Lte(_) | Test::Gt(_) | Test::Gte(_));
    if is_order && !kind.is_ordered() || kind == super::ColumnType::Json && !matches!(test, Test::Null(_)) {
        let what = format!("{} cannot be compared so", kind.with_article());
        problems.push(Problem { pointer: pointer.to_owned(), what });
        return;
    }
    for (place, constant) in test.constants().iter().enumerate() {
        let Some(what) = constant.problem(kind) else { continue };
        let pointer =
            if matches!(test, Test::OneOf(_)) { child(pointer, &place.to_string()) } else { pointer.to_owned() };
        problems.push(Problem { pointer, what });
    }
}
