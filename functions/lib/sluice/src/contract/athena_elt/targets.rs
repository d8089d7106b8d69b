//! The parts `targets` and `more_targets`: the tables that are made, each by a SELECT, and the file of each.

use super::names::refuse_name;
use super::select;
use super::sources::Format;
use super::variables::Variable;
use crate::contract::keys;
use crate::spec::Problem;
use crate::spec::fields::{Fields, child, kind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A table that is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name.
    pub table: String,
    /// The SELECT that it is made by, over the names of the sources.
    pub select: String,
    /// The variables that its question marks stand for, in their order.
    pub parameters: Vec<String>,
    /// What to do if it would have no row.
    pub on_empty: OnEmpty,
    /// How many of its versions are kept, the newest included.
    pub keep_versions: usize,
    /// Its file.
    pub export: Export,
}

/// What to do with a table that would have no row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEmpty {
    /// Publish nothing; what was published stays.
    #[default]
    Fail,
    /// Publish the empty table and file.
    Publish,
}

/// The file of a table: CSV with a header, every value in quotation marks, NULL as nothing. Or a manifest, which names
/// the Parquet files that are the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// Its key in the bucket.
    pub key: String,
    /// What it is: `Parquet` for a manifest of such files.
    pub format: Format,
    /// The order of its rows; empty: none.
    pub order_by: Vec<Order>,
    /// Put a `'` before a text that a spreadsheet would take for a formula.
    pub spreadsheet_safe: bool,
}

impl Export {
    /// Where the files are that a manifest names, each version's in a folder of its own: `<key without .json>/`. `None`
    /// of a CSV file.
    pub fn folder(&self) -> Option<String> {
        let name = self.key.strip_suffix(MANIFEST).filter(|_| self.format == Format::Parquet)?;
        Some(format!("{name}/"))
    }
}

/// How the name of a manifest ends.
const MANIFEST: &str = ".json";

/// A column that rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub column: String,
    /// From the largest value on.
    pub descending: bool,
}

/// Versions that are kept at most: their locations stand in a parameter of the table.
const MAX_VERSIONS: u64 = 100;

/// Reads both parts.
pub(super) fn read(
    targets: &Value,
    more_targets: &Value,
    export_prefix: &str,
    variables: &BTreeMap<String, Variable>,
    problems: &mut Vec<Problem>,
) -> Vec<Target> {
    let mut found: Vec<Target> = Vec::new();
    for (pointer, value) in [("/targets", targets), ("/more_targets", more_targets)] {
        let Value::Array(items) = value else {
            problems.push(Problem { pointer: pointer.to_owned(), what: format!("is {}, not a list", kind(value)) });
            continue;
        };
        if items.is_empty() && pointer == "/targets" {
            problems.push(Problem { pointer: pointer.to_owned(), what: "names no table".to_owned() });
        }
        for (place, item) in items.iter().enumerate() {
            let pointer = child(pointer, &place.to_string());
            let target = target(&pointer, item, export_prefix, variables, problems);
            for other in &found {
                if other.table == target.table {
                    let what = format!("{:?} is there already", target.table);
                    problems.push(Problem { pointer: child(&pointer, "table"), what });
                }
                if other.export.key == target.export.key && !target.export.key.is_empty() {
                    let what = format!("is the file of {}", other.table);
                    problems.push(Problem { pointer: format!("{pointer}/export/to"), what });
                }
            }
            found.push(target);
        }
    }
    found
}

fn target(
    pointer: &str,
    value: &Value,
    export_prefix: &str,
    variables: &BTreeMap<String, Variable>,
    problems: &mut Vec<Problem>,
) -> Target {
    let mut fields = Fields::of(pointer, value, problems);
    let table = fields.text("table", None);
    if let (Some(what), true) = (refuse_name(&table), value["table"].is_string()) {
        fields.wrong("table", what);
    }
    let select = lines(fields.required("select"));
    let marks = match select.as_deref().map(select::count_marks) {
        _ if value.get("select").is_none() => None,
        None => {
            fields.wrong("select", "is not a text or a list of lines");
            None
        }
        Some(Err(what)) => {
            fields.wrong("select", what);
            None
        }
        Some(Ok(marks)) => Some(marks),
    };
    let parameters = names(&mut fields, "parameters");
    for (place, name) in parameters.iter().enumerate().filter(|(_, name)| !variables.contains_key(*name)) {
        fields.wrong_within(&format!("parameters/{place}"), format!("there is no variable {name:?}"));
    }
    if let Some(marks) = marks.filter(|marks| *marks != parameters.len()) {
        fields.wrong("parameters", format!("names {} variables for {marks} question marks", parameters.len()));
    }
    let words = [("fail", OnEmpty::Fail), ("publish", OnEmpty::Publish)];
    let on_empty = fields.word("on_empty", &words, Some(OnEmpty::Fail)).unwrap_or_default();
    let keep_versions = match fields.take("keep_versions") {
        None => 2,
        Some(given) => given.as_u64().filter(|given| (1..=MAX_VERSIONS).contains(given)).unwrap_or_else(|| {
            fields.wrong("keep_versions", format!("is not 1 to {MAX_VERSIONS}"));
            2
        }),
    };
    let export = fields.required("export");
    let pointer = fields.pointer_of("export");
    let is_given = value.get("export").is_some();
    let export =
        if is_given { read_export(&pointer, &export, export_prefix, fields.problems()) } else { Export::default() };
    fields.end();
    let keep_versions = usize::try_from(keep_versions).unwrap_or(2);
    Target { table, select: select.unwrap_or_default(), parameters, on_empty, keep_versions, export }
}

fn read_export(pointer: &str, value: &Value, export_prefix: &str, problems: &mut Vec<Problem>) -> Export {
    let mut fields = Fields::of(pointer, value, problems);
    let to = fields.text("to", None);
    let mut key = String::new();
    if value["to"].is_string() {
        key = format!("{export_prefix}{to}");
        let (folder, name) = key.rsplit_once('/').map_or(("", key.as_str()), |(folder, name)| (folder, name));
        // As of a prefix: with a name behind it that has its form too.
        let refused =
            keys::refuse_prefix(&format!("{folder}/")).or_else(|| keys::refuse_prefix(&format!("{folder}/{name}/")));
        if let Some(what) = refused {
            fields.wrong("to", format!("{key:?} is no place for a file: {what}"));
            key.clear();
        }
    }
    let format = fields.word("format", &Format::NAMES, Some(Format::Csv)).unwrap_or_default();
    if format == Format::Parquet {
        if !key.is_empty() && !key.ends_with(MANIFEST) {
            fields.wrong("to", "does not end with .json: of Parquet files it is the manifest that is named");
            key.clear();
        }
        for name in ["order_by", "spreadsheet_safe"].into_iter().filter(|name| value.get(name).is_some()) {
            fields.wrong(name, "is for csv: Parquet files are the table's own");
        }
    }
    let mut order_by = Vec::new();
    for (place, text) in names(&mut fields, "order_by").into_iter().enumerate() {
        let (column, direction) = text.split_once(' ').unwrap_or((&text, "ASC"));
        if !["ASC", "DESC"].contains(&direction) || column.is_empty() {
            fields
                .wrong_within(&format!("order_by/{place}"), "is not the name of a column, with or without ASC or DESC");
        }
        order_by.push(Order { column: column.to_owned(), descending: direction == "DESC" });
    }
    let spreadsheet_safe = fields.flag("spreadsheet_safe", false);
    fields.end();
    Export { key, format, order_by, spreadsheet_safe }
}

/// A text, or a list of lines.
fn lines(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(lines) => {
            let lines: Option<Vec<&str>> = lines.iter().map(Value::as_str).collect();
            lines.map(|lines| lines.join("\n"))
        }
        _ => None,
    }
}

/// A list of texts; empty if there is none.
fn names(fields: &mut Fields<'_>, name: &'static str) -> Vec<String> {
    let given = fields.take(name).unwrap_or(Value::Array(Vec::new()));
    let texts =
        given.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect());
    texts.unwrap_or_else(|| {
        fields.wrong(name, "is not a list of names");
        Vec::new()
    })
}

/// What would be next run's input, or another table of the same name.
pub(super) fn compare(
    targets: &[Target],
    sources: &BTreeMap<String, super::Source>,
    problems: &mut Vec<Problem>,
    first: usize,
) {
    let mut seen = BTreeSet::new();
    for (place, target) in targets.iter().enumerate() {
        let pointer = match place.checked_sub(first) {
            None => format!("/targets/{place}"),
            Some(more) => format!("/more_targets/{more}"),
        };
        if sources.contains_key(&target.table) && seen.insert(&target.table) {
            problems.push(Problem { pointer: format!("{pointer}/table"), what: "is the name of a source".to_owned() });
        }
        let (key, folder) = (&target.export.key, target.export.folder());
        for (name, source) in sources.iter().filter(|(_, source)| !source.prefix.is_empty()) {
            let shares = |folder: &String| folder.starts_with(&source.prefix) || source.prefix.starts_with(folder);
            if key.starts_with(&source.prefix) || folder.as_ref().is_some_and(shares) {
                let what = format!("{key:?} lies within the source {name}: the next run would read it");
                problems.push(Problem { pointer: format!("{pointer}/export/to"), what });
            }
        }
    }
}
