//! The part `source`: which objects are read, and how.

use super::Problem;
use super::fields::{Fields, child, kind};
use super::names::refuse_column;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

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
    /// What the files hold; `None`: their suffixes tell.
    pub format: Option<FileType>,
    /// How each column is read, by the job's own names.
    pub columns: BTreeMap<String, Column>,
    /// What to do with a row that cannot be read.
    pub on_bad_row: OnBad,
    /// What to do with a file that cannot be read, or of which no row is good.
    pub on_bad_file: OnBad,
}

/// One suffix, or several.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suffixes(Vec<String>);

impl Suffixes {
    /// These.
    pub fn new<S: Into<String>>(suffixes: impl IntoIterator<Item = S>) -> Self {
        Self(suffixes.into_iter().map(Into::into).collect())
    }

    /// All of them.
    pub fn all(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Suffixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" or "))
    }
}

/// What files hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    /// Lines of fields with commas between.
    Csv,
    /// Objects, one behind the other or in an array.
    Json,
    /// Apache Parquet.
    Parquet,
}

/// How a column is read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Where its values are.
    pub place: Place,
    /// What they are.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// On whose clock a point in time is shown: an IANA name.
    pub zone: Option<String>,
}

/// Where the values of a column are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The field of this name.
    From(String),
    /// Behind this name in a part `name=value` of the object's key.
    Partition(String),
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Any text.
    Text,
    /// A decimal of at most 38 digits.
    Number,
    /// A date, or of a time its date.
    Date,
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

/// The options of a format that come later.
const FORMAT_LATER: [&str; 11] = [
    "delimiter",
    "quote",
    "escape",
    "header",
    "skip",
    "skip_end",
    "end_at",
    "comment",
    "ragged",
    "encoding",
    "records",
];

/// The options of a column that come later.
const COLUMN_LATER: [&str; 19] = [
    "file",
    "pattern",
    "constant",
    "format",
    "ambiguous",
    "truncate",
    "unit",
    "scale",
    "decimal",
    "group",
    "strip",
    "accounting",
    "true_values",
    "false_values",
    "trim",
    "null_values",
    "nullable",
    "if_null",
    "optional",
];

/// What is wrong with an empty name, or with none.
const NO_NAME: &str = "is not the name of a column in the file";

/// What a lookback may be at most: ten years. Beyond that, `since` is what is wanted.
const MAX_LOOKBACK_HOURS: u64 = 87_660;

pub(super) fn read(value: &Value, problems: &mut Vec<Problem>) -> Source {
    let mut fields = Fields::of("/source", value, problems);
    if fields.take("prefix").is_some() {
        fields.wrong("prefix", "is the job's parameter Prefix, and is not repeated here");
    }
    let suffix = fields.required("suffix");
    let suffix = suffixes(&suffix, &mut fields);
    let lookback_hours = match fields.take("lookback_hours") {
        None => 24,
        Some(hours) => match hours.as_u64().filter(|hours| *hours <= MAX_LOOKBACK_HOURS) {
            Some(hours) => u32::try_from(hours).expect("it is at most ten years"),
            None => {
                fields.wrong("lookback_hours", format!("is {hours}, not a number from 0 to {MAX_LOOKBACK_HOURS}"));
                0
            }
        },
    };
    let read_hidden = fields.flag("read_hidden", false);
    let format = fields.take("format");
    let says_type = format.as_ref().is_some_and(|format| format.get("type").is_some());
    let format = format.and_then(|format| file_type(&format, &mut fields));
    if !says_type {
        tell_suffixes_without_type(value, &mut fields);
    }
    let defaults = fields.take("defaults").unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let zone = default_zone(&defaults, &mut fields);
    let columns = fields.required("columns");
    let columns = match &columns {
        Value::Object(columns) if !columns.is_empty() => columns
            .iter()
            .map(|(name, value)| {
                let pointer = child("/source/columns", name);
                if let Some(what) = refuse_column(name) {
                    fields.problems().push(Problem { pointer: pointer.clone(), what });
                }
                (name.clone(), column(name, &pointer, value, zone.as_deref(), fields.problems()))
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
    Suffixes(texts.unwrap_or_else(|| {
        fields.wrong("suffix", "is not a text such as \".csv\", or a list of them; a suffix has no slash");
        Vec::new()
    }))
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

fn file_type(value: &Value, fields: &mut Fields<'_>) -> Option<FileType> {
    const TYPES: [(&str, FileType); 3] =
        [("csv", FileType::Csv), ("json", FileType::Json), ("parquet", FileType::Parquet)];
    let pointer = fields.pointer_of("format");
    let mut format = Fields::of(pointer, value, fields.problems());
    format.later(&FORMAT_LATER);
    let given = value.get("type").is_some();
    let kind = if given { format.word("type", &TYPES, None) } else { format.take("type").and(None) };
    format.end();
    kind
}

fn default_zone(value: &Value, fields: &mut Fields<'_>) -> Option<String> {
    let pointer = fields.pointer_of("defaults");
    let mut defaults = Fields::of(pointer, value, fields.problems());
    defaults.later(&["trim", "null_values", "decimal", "group", "strip", "accounting"]);
    let zone = zone(&mut defaults);
    defaults.end();
    zone
}

fn zone(fields: &mut Fields<'_>) -> Option<String> {
    let zone = fields.take("zone")?;
    let found = zone.as_str().filter(|zone| is_zone(zone)).map(ToOwned::to_owned);
    if found.is_none() {
        fields.wrong("zone", format!("is {zone}, not UTC or an IANA name such as \"Europe/Berlin\""));
    }
    found
}

/// The form of a name in the time zone database; whether that has it, who reads with it knows.
fn is_zone(text: &str) -> bool {
    let mut parts = text.split('/');
    let is_area = parts.next().is_some_and(|area| !area.is_empty() && area.bytes().all(|b| b.is_ascii_alphabetic()));
    let is_place =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b));
    let places: Vec<&str> = parts.collect();
    text == "UTC" || is_area && !places.is_empty() && places.into_iter().all(is_place)
}

fn column(
    name: &str,
    pointer: &str,
    value: &Value,
    zone_by_default: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Column {
    const TYPES: [(&str, Option<ColumnType>); 9] = [
        ("text", Some(ColumnType::Text)),
        ("number", Some(ColumnType::Number)),
        ("date", Some(ColumnType::Date)),
        ("integer", None),
        ("boolean", None),
        ("timestamp", None),
        ("timestamptz", None),
        ("duration", None),
        ("json", None),
    ];
    if let Value::String(from) = value {
        if from.is_empty() {
            problems.push(Problem { pointer: pointer.to_owned(), what: NO_NAME.to_owned() });
        }
        return Column { place: Place::From(from.clone()), kind: ColumnType::Text, zone: None };
    }
    let mut fields = Fields::of(pointer, value, problems);
    let given = fields.word("type", &TYPES, Some(Some(ColumnType::Text)));
    if given == Some(None) {
        fields.wrong("type", format!("{} is not supported yet", value["type"]));
    }
    let kind = given.flatten();
    let partition = fields.text("partition", Some(""));
    if value["partition"] == "" {
        fields.wrong("partition", "is not the name of a part such as dt in dt=2024-03-01");
    }
    let place = match fields.take("from") {
        Some(_) if !partition.is_empty() => {
            fields.wrong("partition", "does not go with from");
            Place::Partition(partition)
        }
        Some(Value::String(from)) if !from.is_empty() => Place::From(from),
        Some(Value::Array(_)) => {
            fields.wrong("from", "the way to a nested field is not supported yet");
            Place::From(name.to_owned())
        }
        Some(_) => {
            fields.wrong("from", NO_NAME);
            Place::From(name.to_owned())
        }
        None if !partition.is_empty() => Place::Partition(partition),
        None => Place::From(name.to_owned()),
    };
    fields.later(&COLUMN_LATER);
    let own = zone(&mut fields);
    if value.get("zone").is_some() && kind.is_some_and(|kind| kind != ColumnType::Date) {
        fields.wrong("zone", "is for a date");
    }
    fields.end();
    let kind = kind.unwrap_or(ColumnType::Text);
    let zone = own.or_else(|| zone_by_default.map(ToOwned::to_owned)).filter(|_| kind == ColumnType::Date);
    Column { place, kind, zone }
}
