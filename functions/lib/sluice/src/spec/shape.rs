//! The part `shape`: what becomes of the rows.

use super::condition::{self, Condition};
use super::fields::{Fields, child};
use super::names::refuse_column;
use super::near::did_you_mean;
use super::{Aggregate, ColumnType, Parts, Problem, Spec, aggregate};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of the rows: values, a row of the table per key, or rows, each as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shape {
    /// Which rows count; `None`: all of them.
    pub filter: Option<Condition>,
    /// The columns whose values are the rows of the table, in the order of its unique key.
    pub keys: Vec<String>,
    /// What is computed of the rows of a key, by name; empty if there are `rows`.
    pub values: BTreeMap<String, Aggregate>,
    /// How values are put into columns.
    pub pivot: Option<Pivot>,
    /// Each row as it is, one per key.
    pub rows: Option<Rows>,
}

/// Each row as it is; of several with one key one wins.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rows {
    /// The columns to load beside the keys; `None`: all.
    pub columns: Option<Vec<String>>,
    /// The row with the greatest of these wins, the first column counting most; then the newest file, then the last
    /// row.
    pub order_by: Vec<String>,
    /// If the winner meets this, its key is deleted from the table.
    pub delete_when: Option<Condition>,
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

/// The most keys.
const MAX_KEYS: usize = 16;

/// The most columns by which rows are ordered.
const MAX_ORDER: usize = 8;

pub(super) fn read(value: &Value, problems: &mut Vec<Problem>) -> Shape {
    let mut fields = Fields::of("/shape", value, problems);
    let filter = fields.take("filter");
    let filter = filter.and_then(|filter| condition::read_list("/shape/filter", &filter, fields.problems()));
    let given = fields.required("keys");
    let keys = if value.get("keys").is_some() { names("keys", &given, &mut fields) } else { Vec::new() };
    if keys.len() > MAX_KEYS || value.get("keys").is_some_and(|keys| keys.as_array().is_some_and(Vec::is_empty)) {
        fields.wrong("keys", format!("is not a list of 1 to {MAX_KEYS} columns"));
    }
    // Of the two a shape has one.
    let has_rows = value.get("rows").is_some();
    if has_rows && value.get("values").is_some() {
        fields.wrong("rows", "does not go with values");
    }
    let values = if has_rows { fields.take("values").unwrap_or_default() } else { fields.required("values") };
    let values = aggregate::read(&values, fields.problems());
    let pivot = fields.take("pivot").map(|pivot| read_pivot(&pivot, fields.problems()));
    if has_rows && pivot.is_some() {
        fields.wrong("pivot", "does not go with rows");
    }
    let rows = fields.take("rows").map(|rows| read_rows(&rows, fields.problems()));
    fields.end();
    Shape { filter, keys, values, pivot, rows }
}

/// A list of columns, all different.
fn names(field: &'static str, value: &Value, fields: &mut Fields<'_>) -> Vec<String> {
    let texts = value.as_array().and_then(|names| {
        names.iter().map(|name| name.as_str().filter(|name| !name.is_empty()).map(ToOwned::to_owned)).collect()
    });
    let Some(texts): Option<Vec<String>> = texts else {
        fields.wrong(field, "is not a list of columns");
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    if let Some((place, name)) = texts.iter().enumerate().find(|(_, name)| !seen.insert(name.as_str())) {
        fields.wrong_within(&format!("{field}/{place}"), format!("{name:?} is there already"));
    }
    texts
}

fn read_rows(value: &Value, problems: &mut Vec<Problem>) -> Rows {
    let mut fields = Fields::of("/shape/rows", value, problems);
    let columns = fields.take("columns").map(|given| names("columns", &given, &mut fields));
    let order_by = fields.take("order_by").map_or_else(Vec::new, |given| {
        let order_by = names("order_by", &given, &mut fields);
        if given.as_array().is_some_and(|given| !(1..=MAX_ORDER).contains(&given.len())) {
            fields.wrong("order_by", format!("is not a list of 1 to {MAX_ORDER} columns"));
        }
        order_by
    });
    let delete_when = fields.take("delete_when");
    let delete_when =
        delete_when.and_then(|when| condition::read("/shape/rows/delete_when", &when, 0, fields.problems()));
    fields.end();
    Rows { columns, order_by, delete_when }
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
pub(super) fn compare(parts: &Parts, spec: &Spec, problems: &mut Vec<Problem>) {
    let (Spec { source, shape, .. }, value) = (spec, &parts.shape);
    if source.columns.is_empty() {
        return;
    }
    let told = problems.clone();
    let mut found = Vec::new();
    // Whether there is such a column whose type is what the spec says.
    let mut is_there = |pointer: String, name: &str| match source.columns.get(name) {
        _ if name.is_empty() => false,
        Some(_) => is_read(name, &told),
        None => {
            let near = did_you_mean(name, source.columns.keys().map(String::as_str));
            let is_count = value["values"][name] == "count";
            let hint = if is_count { "; to count rows, write {\"count\": \"*\"}".to_owned() } else { near };
            let what = format!("there is no column {name:?} in source.columns{hint}");
            found.push(Problem { pointer, what });
            false
        }
    };
    let mut of_kind = |pointer: String, name: &str, fits: fn(ColumnType) -> bool, what: &str| {
        let kind = source.columns.get(name).map(|column| column.kind);
        if is_there(pointer.clone(), name) && !kind.is_some_and(fits) {
            let kind = kind.map_or("", ColumnType::as_str);
            problems.push(Problem { pointer, what: format!("{name:?} is {kind}; {what}") });
        }
    };
    for (place, name) in shape.keys.iter().enumerate() {
        let can_be_key = |kind| !matches!(kind, ColumnType::Duration | ColumnType::Json);
        of_kind(child("/shape/keys", &place.to_string()), name, can_be_key, "that cannot be a key");
    }
    for (name, aggregate) in &shape.values {
        let pointer = child("/shape/values", name);
        let is_short = value["values"][name].is_string();
        let of_pointer = if is_short { pointer.clone() } else { child(&pointer, aggregate.name()) };
        let (fits, what): (fn(ColumnType) -> bool, _) = match aggregate {
            Aggregate::Sum { .. } | Aggregate::Mean { .. } => {
                (ColumnType::is_number, "only integer, number and duration are added up")
            }
            Aggregate::Min { .. } | Aggregate::Max { .. } => (ColumnType::is_ordered, "it has no order"),
            _ => (|_| true, ""),
        };
        if let Some(of) = aggregate.of() {
            of_kind(of_pointer, of, fits, what);
        }
        if let Some(order_by) = aggregate.order_by() {
            of_kind(child(&pointer, "order_by"), order_by, ColumnType::is_ordered, "it has no order");
        }
    }
    if let Some(pivot) = &shape.pivot {
        of_kind("/shape/pivot/on".to_owned(), &pivot.on, |kind| kind == ColumnType::Text, "categories are text");
    }
    if let Some(rows) = &shape.rows {
        for (place, name) in rows.columns.iter().flatten().enumerate() {
            of_kind(child("/shape/rows/columns", &place.to_string()), name, |_| true, "");
        }
        for (place, name) in rows.order_by.iter().enumerate() {
            of_kind(child("/shape/rows/order_by", &place.to_string()), name, ColumnType::is_ordered, "it has no order");
        }
    }
    if let Some(filter) = &shape.filter {
        match (filter, value["filter"].is_array()) {
            // A list stands for an "and" that is not written.
            (Condition::And(parts), true) => {
                for (place, part) in parts.iter().enumerate() {
                    let pointer = child("/shape/filter", &place.to_string());
                    condition::compare(&pointer, part, source, &mut is_there, problems);
                }
            }
            _ => condition::compare("/shape/filter", filter, source, &mut is_there, problems),
        }
    }
    if let Some(delete_when) = shape.rows.as_ref().and_then(|rows| rows.delete_when.as_ref()) {
        condition::compare("/shape/rows/delete_when", delete_when, source, &mut is_there, problems);
    }
    problems.append(&mut found);
    for name in &shape.keys {
        if parts.source["columns"][name]["nullable"] == true {
            let pointer = child(&child("/source/columns", name), "nullable");
            problems.push(Problem { pointer, what: "a key is never null; say if_null".to_owned() });
        }
    }
    name_columns(spec, problems);
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
fn name_columns(spec: &Spec, problems: &mut Vec<Problem>) {
    let shape = &spec.shape;
    if let Some(pivot) = &shape.pivot {
        let into = pivot.into.iter().map(|(category, name)| (child("/shape/pivot/into", category), name));
        let other = match &pivot.other {
            Other::Into(name) => Some(("/shape/pivot/other/into".to_owned(), name)),
            Other::BadRow | Other::Ignore => None,
        };
        for (pointer, name) in into.chain(other) {
            if let Some(what) = refuse_column(name) {
                problems.push(Problem { pointer, what });
            } else if shape.values.len() == 1 && shape.keys.contains(name) {
                problems.push(Problem { pointer, what: format!("two columns of the table would be called {name:?}") });
            }
        }
    }
    let columns = spec.table_columns();
    let mut seen = BTreeSet::new();
    for column in &columns {
        let is_told = shape.values.len() == 1 && shape.pivot.is_some();
        if !seen.insert(&column.name) && !is_told {
            let what = format!("two columns of the table would be called {:?}", column.name);
            problems.push(Problem { pointer: "/shape".to_owned(), what });
        }
        if column.name.len() > 63 && !is_told && shape.pivot.is_some() {
            let what = format!("{:?} is longer than the 63 bytes of a name in PostgreSQL", column.name);
            problems.push(Problem { pointer: "/shape/pivot/into".to_owned(), what });
        }
    }
    if columns.len() > MAX_COLUMNS {
        let what = format!("a table of PostgreSQL has at most {MAX_COLUMNS} columns");
        let part = if shape.pivot.is_some() { "/shape/pivot/into" } else { "/shape" };
        problems.push(Problem { pointer: part.to_owned(), what });
    }
}
