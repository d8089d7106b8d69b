//! The part `shape`: what becomes of the rows.

use super::fields::{Fields, child, kind};
use super::names::refuse_column;
use super::near::did_you_mean;
use super::{ColumnType, Problem, Spec};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What becomes of the rows: one row per key, one column per category, each the sum of a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shape {
    /// The column whose values are the rows of the table.
    pub key: String,
    /// The name of the value.
    pub value: String,
    /// The column that is summed.
    pub sum: String,
    /// How values are put into columns.
    pub pivot: Pivot,
}

/// How values are put into columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pivot {
    /// The column whose values are categories.
    pub on: String,
    /// From a category to a column of the table. The category `""` is that of rows without one.
    pub into: BTreeMap<String, String>,
    /// What to do with any other category.
    pub other: Other,
}

/// What to do with a category that the spec does not name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Other {
    /// The row is a bad row.
    #[default]
    BadRow,
    /// The row is left out, and counted.
    Ignore,
    /// It goes into this column.
    Into(String),
}

impl Shape {
    /// The table's value columns, each once, in the order of their names.
    pub fn value_columns(&self) -> Vec<String> {
        let mut names: Vec<String> = self.pivot.into.values().cloned().collect();
        if let Other::Into(name) = &self.pivot.other {
            names.push(name.clone());
        }
        names.sort();
        names.dedup();
        names
    }
}

/// Aggregates of the language.
const AGGREGATES: [&str; 7] = ["sum", "count", "min", "max", "mean", "first", "last"];

pub(super) fn read(value: &Value, problems: &mut Vec<Problem>) -> Shape {
    let mut fields = Fields::of("/shape", value, problems);
    fields.later(&["filter", "rows"]);
    let keys = fields.required("keys");
    let key = match &keys {
        Value::Array(keys) if keys.len() == 1 && keys[0].as_str().is_some_and(|key| !key.is_empty()) => {
            keys[0].as_str().unwrap_or_default().to_owned()
        }
        Value::Array(keys) if keys.len() > 1 => {
            fields.wrong("keys", "more than one key is not supported yet");
            String::new()
        }
        Value::Null if value.get("keys").is_none() => String::new(),
        _ => {
            fields.wrong("keys", "is not a list of a column's name");
            String::new()
        }
    };
    // Of the two a shape has one.
    let has_rows = value.get("rows").is_some();
    let values = if has_rows { fields.take("values").unwrap_or_default() } else { fields.required("values") };
    let (value, sum) = aggregate(&values, &mut fields);
    let pivot = match fields.take("pivot") {
        Some(pivot) => read_pivot(&pivot, fields.problems()),
        None if has_rows => Pivot::default(),
        None => {
            fields.wrong("pivot", "is missing; a shape without it is not supported yet");
            Pivot::default()
        }
    };
    fields.end();
    Shape { key, value, sum, pivot }
}

/// The name of the only value, and which column it sums.
fn aggregate(values: &Value, fields: &mut Fields<'_>) -> (String, String) {
    let nothing = (String::new(), String::new());
    let Value::Object(values) = values else {
        if !values.is_null() {
            fields.wrong("values", format!("is {}, not an object", kind(values)));
        }
        return nothing;
    };
    let mut all = values.iter();
    let (Some((name, aggregate)), None) = (all.next(), all.next()) else {
        let what =
            if values.is_empty() { "names no value" } else { "more than one of the values is not supported yet" };
        fields.wrong("values", what);
        return nothing;
    };
    let pointer = child("/shape/values", name);
    if let Some(what) = refuse_column(name) {
        fields.problems().push(Problem { pointer: pointer.clone(), what });
    }
    let (word, of) = match aggregate {
        Value::String(word) => (word.as_str(), Some(name.as_str())),
        Value::Object(one) if one.len() == 1 => {
            let (word, of) = one.iter().next().expect("it has one field");
            (word.as_str(), of.as_str())
        }
        Value::Object(more) => match more.keys().find(|word| AGGREGATES.contains(&word.as_str())) {
            Some(word) => (word.as_str(), None),
            None => ("", None),
        },
        _ => ("", None),
    };
    let what = match (word, of) {
        ("sum", Some("")) => "names no column".to_owned(),
        ("sum", Some(of)) => return (name.clone(), of.to_owned()),
        ("sum", None) => "is not {\"sum\": column}; its other options are not supported yet".to_owned(),
        (word, _) if AGGREGATES.contains(&word) => format!("the aggregate {word} is not supported yet"),
        (word, _) => {
            format!("{word:?} is not an aggregate{}", did_you_mean(word, AGGREGATES.into_iter()))
        }
    };
    fields.problems().push(Problem { pointer, what });
    nothing
}

fn read_pivot(value: &Value, problems: &mut Vec<Problem>) -> Pivot {
    let mut fields = Fields::of("/shape/pivot", value, problems);
    let on = fields.text("on", None);
    if value["on"] == "" {
        fields.wrong("on", "names no column");
    }
    let into = match fields.required("into") {
        Value::Object(map) if map.values().all(|name| name.as_str().is_some_and(|name| !name.is_empty())) => {
            map.iter().map(|(from, to)| (from.clone(), to.as_str().unwrap_or_default().to_owned())).collect()
        }
        Value::Array(names) if names.iter().all(|name| name.as_str().is_some_and(|name| !name.is_empty())) => {
            if let Some((place, _)) = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
                fields.wrong("into", format!("names the category at {place} twice"));
            }
            let names = names.iter().filter_map(Value::as_str);
            names.map(|name| (name.to_owned(), name.to_owned())).collect()
        }
        Value::Null if value.get("into").is_none() => BTreeMap::new(),
        _ => {
            fields.wrong("into", "is not an object from categories to columns, or a list of both");
            BTreeMap::new()
        }
    };
    let other = match fields.take("other") {
        None => Other::BadRow,
        Some(Value::String(word)) if word == "bad_row" => Other::BadRow,
        Some(Value::String(word)) if word == "ignore" => Other::Ignore,
        Some(Value::Object(into)) if into.len() == 1 && into.get("into").is_some_and(Value::is_string) => {
            Other::Into(into["into"].as_str().unwrap_or_default().to_owned())
        }
        Some(_) => {
            fields.wrong("other", "is not \"bad_row\", \"ignore\" or {\"into\": column}");
            Other::BadRow
        }
    };
    let is_empty = match &value["into"] {
        Value::Object(map) => map.is_empty(),
        Value::Array(names) => names.is_empty(),
        _ => false,
    };
    if is_empty {
        fields.wrong("into", "names no category");
    }
    fields.end();
    Pivot { on, into, other }
}

/// What the shape says of the source's columns, as far as both could be read: a name that could not is empty, and
/// `problems` says so already.
pub(super) fn compare(spec: &Spec, problems: &mut Vec<Problem>) {
    let Spec { source, shape, .. } = spec;
    let mut column = |pointer: String, name: &str, kinds: &[ColumnType], what: &str| {
        if name.is_empty() || source.columns.is_empty() {
            return;
        }
        match source.columns.get(name) {
            Some(column) if kinds.contains(&column.kind) || !is_read(name, problems) => {}
            Some(_) => problems.push(Problem { pointer, what: format!("{name:?} {what}") }),
            None => {
                let near = did_you_mean(name, source.columns.keys().map(String::as_str));
                let what = format!("there is no column {name:?} in source.columns{near}");
                problems.push(Problem { pointer, what });
            }
        }
    };
    let key = [ColumnType::Text, ColumnType::Date];
    column("/shape/keys/0".to_owned(), &shape.key, &key, "is no text and no date; other keys are not supported yet");
    let sum = child("/shape/values", &shape.value);
    column(sum, &shape.sum, &[ColumnType::Number], "is no number; only numbers are summed");
    column("/shape/pivot/on".to_owned(), &shape.pivot.on, &[ColumnType::Text], "is no text; categories are texts");
    name_columns(shape, problems);
}

/// Whether a column of the source is right by itself, so that its type is what the spec says.
fn is_read(name: &str, problems: &[Problem]) -> bool {
    let column = child("/source/columns", name);
    let is_its_own =
        |pointer: &str| pointer.strip_prefix(&column).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    !problems.iter().any(|problem| is_its_own(&problem.pointer))
}

/// PostgreSQL's limit of a table ("Limits" in its documentation).
const MAX_COLUMNS: usize = 1_600;

/// What is wrong with the names of the table's columns.
fn name_columns(shape: &Shape, problems: &mut Vec<Problem>) {
    let into = shape.pivot.into.iter().map(|(category, name)| (child("/shape/pivot/into", category), name));
    let other = match &shape.pivot.other {
        Other::Into(name) => Some(("/shape/pivot/other/into".to_owned(), name)),
        Other::BadRow | Other::Ignore => None,
    };
    for (pointer, name) in into.chain(other) {
        if let Some(what) = refuse_column(name) {
            problems.push(Problem { pointer, what });
        } else if *name == shape.key {
            problems.push(Problem { pointer, what: format!("two columns of the table would be called {name:?}") });
        }
    }
    if shape.value_columns().len() >= MAX_COLUMNS {
        let what = format!("a table of PostgreSQL has at most {MAX_COLUMNS} columns");
        problems.push(Problem { pointer: "/shape/pivot/into".to_owned(), what });
    }
}
