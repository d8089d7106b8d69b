//! The part `sources`: the tables that are read, each made of the files in a folder of the lake.

use super::names::refuse_name;
use crate::contract::keys;
use crate::spec::Problem;
use crate::spec::fields::{Fields, child, kind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A table that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Every object under this prefix of the bucket is a file of it, but for those of a hidden name.
    pub prefix: String,
    /// What its files are.
    pub format: Format,
    /// Its columns: of CSV files in the order in which they stand in every one, for Athena binds them by position; of
    /// Parquet files in any order, for there it binds them by name.
    pub columns: Vec<Column>,
}

/// What files are, those of a source or that of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text with commas.
    #[default]
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// By their names in the spec.
    pub(super) const NAMES: [(&'static str, Self); 2] = [("csv", Self::Csv), ("parquet", Self::Parquet)];
}

/// A column of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in SQL.
    pub name: String,
    /// Its name in every file: in the first line of CSV, in the metadata of Parquet.
    pub from: String,
    /// Its type, as Athena writes it: `varchar`, `decimal(9,2)`.
    pub kind: String,
}

impl Column {
    /// Its name in the table of a source of Parquet files: the catalogue knows lower case only.
    pub fn stored_name(&self) -> String {
        self.from.to_ascii_lowercase()
    }
}

/// The column of a source's table that is NULL in every whole line: it takes the first field that is one too many.
pub const REST: &str = "sluice_rest";

/// Types that a text is read as. A `decimal` also says its digits.
const TYPES: [&str; 7] = ["varchar", "bigint", "integer", "double", "boolean", "date", "timestamp"];

/// Reads the part.
pub(super) fn read(value: &Value, source_prefix: &str, problems: &mut Vec<Problem>) -> BTreeMap<String, Source> {
    let pointer = "/sources";
    let Some(fields) = value.as_object().filter(|fields| !fields.is_empty()) else {
        let what = match value {
            Value::Object(_) => "names no table".to_owned(),
            other => format!("is {}, not an object", kind(other)),
        };
        problems.push(Problem { pointer: pointer.to_owned(), what });
        return BTreeMap::new();
    };
    let mut sources = BTreeMap::new();
    for (name, value) in fields {
        let pointer = child(pointer, name);
        if let Some(what) = refuse_name(name) {
            problems.push(Problem { pointer: pointer.clone(), what });
        }
        sources.insert(name.clone(), source(&pointer, value, source_prefix, problems));
    }
    let prefixes: Vec<(&String, &String)> = sources.iter().map(|(name, source)| (name, &source.prefix)).collect();
    for (place, (name, prefix)) in prefixes.iter().enumerate() {
        // What could not be read is empty, and told already.
        let others = prefixes[..place].iter().filter(|(_, other)| !prefix.is_empty() && !other.is_empty());
        for (other, _) in others.filter(|(_, other)| prefix.starts_with(*other) || other.starts_with(*prefix)) {
            let what =
                format!("lies within the location of {other}, or around it: every file below a location is read");
            problems.push(Problem { pointer: format!("{pointer}/{name}/location"), what });
        }
    }
    sources
}

/// A source whose files are what the job writes for others.
pub(super) fn refuse_exports(sources: &BTreeMap<String, Source>, export_prefix: &str, problems: &mut Vec<Problem>) {
    for (name, _) in sources.iter().filter(|(_, source)| source.prefix.starts_with(export_prefix)) {
        let what = format!(
            "lies within ExportPrefix {export_prefix:?}, where the job writes: no file of a source may lie there"
        );
        problems.push(Problem { pointer: location_of(name), what });
    }
}

/// What is wrong with sources if a workgroup puts the results of all queries below `prefix`, and the tables that they
/// make into a folder there.
pub(super) fn refuse_results(sources: &BTreeMap<String, Source>, prefix: &str) -> Vec<Problem> {
    let tables = format!("{prefix}tables/");
    let refuse = |(name, source): (&String, &Source)| {
        let what = if prefix.starts_with(&source.prefix) {
            format!(
                "WorkGroupPrefix {prefix:?} lies within the source {name} ({}): the next run would read the results of \
                 queries",
                source.prefix
            )
        } else if source.prefix.starts_with(&tables) {
            format!("lies within {tables:?}, where queries of the workgroup make tables, which runs delete")
        } else {
            return None;
        };
        Some(Problem { pointer: location_of(name), what })
    };
    sources.iter().filter_map(refuse).collect()
}

fn location_of(name: &str) -> String {
    format!("{}/location", child("/sources", name))
}

fn source(pointer: &str, value: &Value, source_prefix: &str, problems: &mut Vec<Problem>) -> Source {
    let mut fields = Fields::of(pointer, value, problems);
    let location = fields.text("location", None);
    let mut prefix = String::new();
    if value["location"].is_string() {
        prefix = format!("{source_prefix}{location}");
        if let Some(what) = keys::refuse_prefix(&prefix) {
            fields.wrong("location", what);
            prefix.clear();
        }
    }
    let format = fields.word("format", &Format::NAMES, Some(Format::Csv)).unwrap_or_default();
    let mut columns = Vec::new();
    match fields.required("columns") {
        Value::Array(items) if !items.is_empty() => {
            let pointer = fields.pointer_of("columns");
            let read = |(place, item)| column(&child(&pointer, &format!("{place}")), item, fields.problems());
            columns = items.iter().enumerate().map(read).collect();
        }
        Value::Null => {}
        _ => fields.wrong("columns", "is not a list of columns"),
    }
    let mut seen = BTreeSet::new();
    for (place, column) in columns.iter().enumerate() {
        for (field, name) in [("name", &column.name), ("from", &column.from)] {
            if !name.is_empty() && !seen.insert((field, name)) {
                fields.wrong_within(&format!("columns/{place}/{field}"), format!("{name:?} is there already"));
            }
        }
        if let (Format::Parquet, Some(what)) = (format, refuse_stored(column, &columns[..place])) {
            fields.wrong_within(&format!("columns/{place}/from"), what);
        }
    }
    fields.later(&["partitions", "delimiter", "encoding"]);
    fields.end();
    Source { prefix, format, columns }
}

/// Why Athena would not find a column of this name in Parquet files: the catalogue knows names in lower case only, of
/// letters, digits and underscores (Amazon Athena User Guide, "Name databases, tables, and columns").
fn refuse_stored(column: &Column, before: &[Column]) -> Option<String> {
    let Column { from, .. } = column;
    if !from.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Some(format!("{from:?} has something else in it than letters, digits and underscores"));
    }
    let same = before.iter().find(|other| other.from != *from && other.from.eq_ignore_ascii_case(from))?;
    Some(format!("{from:?} differs from {:?} in upper and lower case only", same.from))
}

fn column(pointer: &str, value: &Value, problems: &mut Vec<Problem>) -> Column {
    let mut fields = Fields::of(pointer, value, problems);
    let name = fields.text("name", None);
    if let (Some(what), true) = (refuse_name(&name), value["name"].is_string()) {
        fields.wrong("name", what);
    }
    let from = fields.text("from", Some(&name));
    if value.get("from").is_some_and(Value::is_string) && (from.is_empty() || from.contains(['\n', '\r'])) {
        fields.wrong("from", "is no name of a column");
    }
    let kind = fields.text("type", Some("varchar"));
    if value.get("type").is_some_and(Value::is_string) && !is_type(&kind) {
        fields.wrong("type", format!("is none of {} and decimal(p,s)", TYPES.join(", ")));
    }
    fields.end();
    Column { name, from, kind }
}

/// `decimal(p,s)`: of at most 38 digits, of which some stand behind the point.
fn is_type(text: &str) -> bool {
    if TYPES.contains(&text) {
        return true;
    }
    let digits = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')?.split_once(','));
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u8>().ok())?;
    let parsed = digits.and_then(|(precision, scale)| Some((number(precision)?, number(scale)?)));
    parsed.is_some_and(|(precision, scale)| (1..=38).contains(&precision) && scale <= precision)
}

#[cfg(test)]
mod tests {
    use super::is_type;

    #[test]
    fn types_are_those_that_a_text_is_read_as() {
        for text in ["varchar", "timestamp", "decimal(38,0)", "decimal(9,9)"] {
            assert!(is_type(text), "{text}");
        }
        for text in
            ["", "text", "VARCHAR", "decimal", "decimal(39,0)", "decimal(2,3)", "decimal(2)", "decimal(+2,1)", "date)"]
        {
            assert!(!is_type(text), "{text}");
        }
    }
}
