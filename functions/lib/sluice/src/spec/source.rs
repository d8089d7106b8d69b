//! The part `source`: which objects are read, and how.

use super::column::{self, Defaults};
use super::fields::{Fields, child, kind};
use super::format::{self, FileType};
use super::names::refuse_column;
use super::{Column, Format, Place, Problem, Suffixes};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Which objects under the job's prefix are read, and how.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// Keys end with one of these, as [`input`](crate::input) says.
    pub suffix: Suffixes,
    /// How far before the last success an object may be dated and still be looked at, in hours.
    ///
    /// S3 dates a multipart upload with its start (Amazon S3 User Guide, "Working with object metadata"), so a slow
    /// upload can appear later than it is dated.
    pub lookback_hours: u32,
    /// Also read objects of which a part of the key below the prefix begins with `_` or `.`.
    pub read_hidden: bool,
    /// What the files hold, and how it is written.
    pub format: Format,
    /// How each column is read, by the job's own names.
    pub columns: BTreeMap<String, Column>,
    /// What to do with a row that cannot be read.
    pub on_bad_row: OnBad,
    /// What to do with a file that cannot be read, or of which no row is good.
    pub on_bad_file: OnBad,
}

/// What to do with a row or file that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBad {
    /// Load nothing, and name the first ones.
    #[default]
    Fail,
    /// Set them aside, count them, and load the others.
    Quarantine,
}

const ON_BAD: [(&str, OnBad); 2] = [("fail", OnBad::Fail), ("quarantine", OnBad::Quarantine)];

/// What a lookback may be at most: ten years. Beyond that, `since` is what is wanted.
const MAX_LOOKBACK_HOURS: u32 = 87_660;

/// The most columns of a source: a table has no more.
const MAX_COLUMNS: usize = 1_600;

pub(super) fn read(value: &Value, problems: &mut Vec<Problem>) -> Source {
    let mut fields = Fields::of("/source", value, problems);
    if fields.take("prefix").is_some() {
        fields.wrong("prefix", "is the job's parameter Prefix, and is not repeated here");
    }
    let suffix = fields.required("suffix");
    let suffix = suffixes(&suffix, &mut fields);
    let lookback_hours = fields.number_if_given("lookback_hours", 0..=MAX_LOOKBACK_HOURS).unwrap_or(24);
    let read_hidden = fields.flag("read_hidden", false);
    let format_fields = fields.take("format").unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let format = format::read(&format_fields, fields.problems());
    format::compare(&format_fields, &format, &suffix, fields.problems());
    if format_fields.get("type").is_none() {
        tell_suffixes_without_type(value, &mut fields);
    }
    let defaults = match fields.take("defaults") {
        Some(defaults) => Defaults::read(&defaults, fields.problems()),
        None => Defaults::default(),
    };
    let columns = fields.required("columns");
    let columns = match &columns {
        Value::Object(columns) if columns.len() > MAX_COLUMNS => {
            fields.wrong("columns", format!("has more than {MAX_COLUMNS} columns"));
            BTreeMap::new()
        }
        Value::Object(columns) if !columns.is_empty() => columns
            .iter()
            .map(|(name, value)| {
                let pointer = child("/source/columns", name);
                if let Some(what) = refuse_column(name) {
                    fields.problems().push(Problem { pointer: pointer.clone(), what });
                }
                (name.clone(), column::read(name, &pointer, value, &defaults, fields.problems()))
            })
            .collect(),
        Value::Object(_) => {
            fields.wrong("columns", "names no column");
            BTreeMap::new()
        }
        Value::Null => BTreeMap::new(),
        other => {
            fields.wrong("columns", format!("is {}, not an object", kind(other)));
            BTreeMap::new()
        }
    };
    let on_bad_row = fields.word("on_bad_row", &ON_BAD, Some(OnBad::Fail)).unwrap_or_default();
    let on_bad_file = fields.word("on_bad_file", &ON_BAD, Some(OnBad::Fail)).unwrap_or_default();
    fields.end();
    compare(&format, &suffix, &columns, problems);
    Source { suffix, lookback_hours, read_hidden, format, columns, on_bad_row, on_bad_file }
}

fn suffixes(value: &Value, fields: &mut Fields<'_>) -> Suffixes {
    let texts: Option<Vec<String>> = match value {
        Value::String(suffix) => Some(vec![suffix.clone()]),
        Value::Array(suffixes) => suffixes.iter().map(|suffix| suffix.as_str().map(ToOwned::to_owned)).collect(),
        Value::Null => return Suffixes(Vec::new()),
        _ => None,
    };
    let texts = texts.filter(|texts| !texts.is_empty() && texts.iter().all(|text| !text.contains('/')));
    let texts = texts.unwrap_or_else(|| {
        fields.wrong("suffix", "is not a text such as \".csv\", or a list of them; a suffix has no slash");
        Vec::new()
    });
    for (place, text) in texts.iter().enumerate() {
        if texts[..place].contains(text) {
            let pointer = child(&fields.pointer_of("suffix"), &place.to_string());
            fields.problems().push(Problem { pointer, what: format!("{text:?} is there already") });
        }
    }
    Suffixes(texts)
}

/// A problem for each suffix that does not say what the files hold.
fn tell_suffixes_without_type(source: &Value, fields: &mut Fields<'_>) {
    let mut tell = |pointer: String, suffix: &Value| {
        let suffix = suffix.as_str().map(str::to_lowercase);
        if suffix.is_some_and(|suffix| ["", ".gz", ".zst"].contains(&suffix.as_str())) {
            let what = "does not say what the files hold; say format.type".to_owned();
            fields.problems().push(Problem { pointer, what });
        }
    };
    match &source["suffix"] {
        Value::Array(suffixes) => {
            suffixes.iter().enumerate().for_each(|(place, one)| tell(format!("/source/suffix/{place}"), one));
        }
        one => tell("/source/suffix".to_owned(), one),
    }
}

/// What the columns say that the format contradicts.
fn compare(format: &Format, suffix: &Suffixes, columns: &BTreeMap<String, Column>, problems: &mut Vec<Problem>) {
    let is_csv = format::kinds(format, suffix) == [FileType::Csv].into();
    let lacks = |from: &String| format.csv.header.as_ref().is_some_and(|header| !header.contains(from));
    for (name, column) in columns {
        let pointer = child("/source/columns", name);
        match &column.place {
            Place::Way(way) if is_csv && !way.is_empty() => {
                problems
                    .push(Problem { pointer: child(&pointer, "from"), what: "csv has no nested fields".to_owned() });
            }
            Place::From(from) if !column.optional && lacks(from) => {
                problems.push(Problem { pointer, what: format!("format.header has no {from:?}") });
            }
            _ => {}
        }
    }
}
