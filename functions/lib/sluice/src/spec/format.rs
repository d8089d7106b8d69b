//! The field `format`: what files hold, and how it is written.

use super::fields::{Fields, child, kind};
use super::suffix::{Suffixes, without_packing, without_suffix};
use super::{Problem, Step};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// What files hold, and how it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Format {
    /// What they hold; `None`: their suffixes tell.
    #[serde(rename = "type")]
    pub kind: Option<FileType>,
    /// How CSV is written.
    pub csv: Csv,
    /// The way to the array of rows inside each document of JSON; empty: there is none.
    pub records: Vec<Step>,
}

/// What files hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    /// Lines of fields with a delimiter between.
    Csv,
    /// Objects, one behind the other or in an array.
    Json,
    /// Apache Parquet.
    Parquet,
}

/// How CSV is written. By default as RFC 4180 has it, with a header, in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Csv {
    /// What separates fields.
    pub delimiter: char,
    /// What encloses a field; `None`: nothing does.
    pub quote: Option<char>,
    /// What stands before a quote inside a quoted field; `None`: quotes are doubled.
    pub escape: Option<char>,
    /// The columns of files that have no header; `None`: the first row names them.
    pub header: Option<Vec<String>>,
    /// What stands above the header, or the first row.
    pub skip: Skip,
    /// How many rows at the end are none.
    pub skip_end: u32,
    /// The rows end before the first line that begins with one of these.
    pub end_at: Vec<String>,
    /// Lines that begin with it are none.
    pub comment: Option<String>,
    /// Fields missing at a row's end are null, empty ones too many are dropped.
    pub ragged: bool,
    /// A label of the WHATWG Encoding Standard, lower-case; `None`: UTF-8, or what a byte order mark says.
    pub encoding: Option<String>,
}

/// What stands above the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// So many lines.
    Lines(u32),
    /// All above the first row, within 100, that names every column that is not optional.
    ToHeader,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: ',',
            quote: Some('"'),
            escape: None,
            header: None,
            skip: Skip::Lines(0),
            skip_end: 0,
            end_at: Vec::new(),
            comment: None,
            ragged: false,
            encoding: None,
        }
    }
}

/// The options of CSV.
const CSV: [&str; 10] =
    ["delimiter", "quote", "escape", "header", "skip", "skip_end", "end_at", "comment", "ragged", "encoding"];

/// The most steps of a way.
const MAX_STEPS: usize = 32;

pub(super) fn read(value: &Value, problems: &mut Vec<Problem>) -> Format {
    const TYPES: [(&str, FileType); 3] =
        [("csv", FileType::Csv), ("json", FileType::Json), ("parquet", FileType::Parquet)];
    let mut fields = Fields::of("/source/format", value, problems);
    let is_given = value.get("type").is_some();
    let kind = if is_given { fields.word("type", &TYPES, None) } else { fields.take("type").and(None) };
    let records = fields.take("records").map_or_else(Vec::new, |way| steps("records", &way, &mut fields));
    let csv = csv(&mut fields);
    fields.end();
    Format { kind, csv, records }
}

fn csv(fields: &mut Fields<'_>) -> Csv {
    let usual = Csv::default();
    let delimiter = fields.take("delimiter").map(|value| (character(&value), value));
    let delimiter = match delimiter {
        None => usual.delimiter,
        Some((Some(delimiter), _)) if !matches!(delimiter, '\r' | '\n') => delimiter,
        Some((_, value)) => {
            fields.wrong("delimiter", format!("is {value}, not one character that ends no line"));
            usual.delimiter
        }
    };
    let mut mark = |name: &'static str, usual: Option<char>, may_be_null: bool| match fields.take(name) {
        None => usual,
        Some(Value::Null) if may_be_null => None,
        Some(value) => {
            let found = character(&value).filter(|mark| !matches!(mark, '\r' | '\n'));
            if found.is_none() {
                fields.wrong(name, format!("is {value}, not one character that ends no line"));
            }
            found
        }
    };
    let (quote, escape) = (mark("quote", usual.quote, true), mark("escape", None, false));
    if quote == Some(delimiter) {
        fields.wrong("delimiter", "is the quote too");
    }
    if escape.is_some() && (quote.is_none() || escape == Some(delimiter) || escape == quote) {
        fields.wrong(
            "escape",
            "stands before a quote, so that it is neither the quote nor the delimiter, and there is a quote",
        );
    }
    let header = match fields.take("header") {
        None | Some(Value::Bool(true)) => None,
        Some(Value::Array(names)) => header(&names, fields),
        Some(other) => {
            fields.wrong("header", format!("is {}, not true or a list of the columns", kind(&other)));
            None
        }
    };
    let skip = match fields.take("skip") {
        None => Skip::Lines(0),
        Some(Value::String(word)) if word == "to_header" => Skip::ToHeader,
        Some(value) => match super::fields::whole(&value).filter(|lines| *lines <= 1_000) {
            Some(lines) => Skip::Lines(lines),
            None => {
                fields.wrong("skip", format!("is {value}, not a number of lines to 1000, or \"to_header\""));
                Skip::Lines(0)
            }
        },
    };
    if skip == Skip::ToHeader && header.is_some() {
        fields.wrong("skip", "to_header is for files with a header");
    }
    let skip_end = fields.number_if_given("skip_end", 0..=100).unwrap_or(0);
    let end_at = fields.distinct_texts("end_at", 20).unwrap_or_default();
    if end_at.iter().any(String::is_empty) {
        fields.wrong("end_at", "has an empty text, with which every line begins");
    }
    let comment = fields.take("comment").and_then(|comment| {
        let found = comment.as_str().filter(|text| (1..=8).contains(&text.chars().count())).map(ToOwned::to_owned);
        if found.is_none() {
            fields.wrong("comment", format!("is {comment}, not a text of 1 to 8 characters"));
        }
        found
    });
    let ragged = fields.flag("ragged", false);
    let encoding = fields.take("encoding").and_then(|label| {
        let is_label = |text: &&str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
        };
        let found = label.as_str().filter(is_label).map(str::to_ascii_lowercase);
        if found.is_none() {
            fields.wrong("encoding", format!("is {label}, not a label such as \"windows-1252\""));
        }
        found
    });
    Csv { delimiter, quote, escape, header, skip, skip_end, end_at, comment, ragged, encoding }
}

/// The names of columns, all different.
fn header(names: &[Value], fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let texts: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(ToOwned::to_owned)).collect();
    let texts = texts.filter(|texts| (1..=10_000).contains(&texts.len()) && texts.iter().all(|text| !text.is_empty()));
    let Some(texts) = texts else {
        fields.wrong("header", "is not true or a list of 1 to 10000 names");
        return None;
    };
    let mut seen = BTreeSet::new();
    if let Some(name) = texts.iter().find(|name| !seen.insert(name.as_str())) {
        fields.wrong("header", format!("has {name:?} twice"));
    }
    Some(texts)
}

/// The only character of a text.
fn character(value: &Value) -> Option<char> {
    let mut characters = value.as_str()?.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// A way to something nested.
pub(super) fn steps(name: &'static str, value: &Value, fields: &mut Fields<'_>) -> Vec<Step> {
    let step = |step: &Value| match step {
        Value::String(name) => Some(Step::Name(name.clone())),
        place => super::fields::whole(place).map(Step::Place),
    };
    let steps: Option<Vec<Step>> = value.as_array().and_then(|steps| steps.iter().map(step).collect());
    steps.filter(|steps| (1..=MAX_STEPS).contains(&steps.len())).unwrap_or_else(|| {
        fields.wrong(name, format!("is not a list of 1 to {MAX_STEPS} names of fields and places from 0"));
        Vec::new()
    })
}

/// What files of these suffixes hold.
pub(super) fn kinds(format: &Format, suffixes: &Suffixes) -> BTreeSet<FileType> {
    match format.kind {
        Some(kind) => BTreeSet::from([kind]),
        None => suffixes.all().iter().map(|suffix| FileType::of_key(suffix)).collect(),
    }
}

impl FileType {
    /// What the object of this key holds if nothing else says it, a suffix of a compression and the case of letters
    /// aside. What has no suffix that tells is CSV.
    pub fn of_key(key: &str) -> Self {
        const SUFFIXES: [(&str, FileType); 4] = [
            (".ndjson", FileType::Json),
            (".jsonl", FileType::Json),
            (".json", FileType::Json),
            (".parquet", FileType::Parquet),
        ];
        let name = without_packing(key).unwrap_or(key);
        let found = SUFFIXES.iter().find(|(suffix, _)| without_suffix(name, suffix).is_some());
        found.map_or(Self::Csv, |(_, kind)| *kind)
    }
}

/// Options for a type that no file has.
pub(super) fn compare(value: &Value, format: &Format, suffixes: &Suffixes, problems: &mut Vec<Problem>) {
    if suffixes.all().is_empty() || !value.is_object() {
        return;
    }
    let kinds = kinds(format, suffixes);
    for (kind, word, options) in [(FileType::Csv, "csv", &CSV[..]), (FileType::Json, "json", &["records"])] {
        for option in options.iter().filter(|option| value.get(**option).is_some() && !kinds.contains(&kind)) {
            problems.push(Problem {
                pointer: child("/source/format", option),
                what: format!("is for {word}, and no file is"),
            });
        }
    }
}
