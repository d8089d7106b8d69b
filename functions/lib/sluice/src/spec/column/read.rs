//! A column out of its fields, and what these say of one another.

use super::{Ambiguous, Column, FilePart, Place, Unit};
use crate::spec::fields::{Fields, child};
use crate::spec::{ColumnType, Constant, Problem, Truncate, format, pattern};
use serde_json::Value;

/// What holds for every column to which it applies and that does not say otherwise.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    fields: serde_json::Map<String, Value>,
}

/// The options that may be defaults, and the types to which they apply.
const DEFAULTS: [(&str, &[ColumnType]); 7] = [
    ("trim", ALL),
    ("null_values", ALL),
    ("decimal", NUMBERS),
    ("group", NUMBERS),
    ("strip", PLAIN_NUMBERS),
    ("accounting", PLAIN_NUMBERS),
    ("zone", TIMES),
];

const ALL: &[ColumnType] = &[
    ColumnType::Text,
    ColumnType::Integer,
    ColumnType::Number,
    ColumnType::Boolean,
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::Timestamptz,
    ColumnType::Duration,
    ColumnType::Json,
];
const NUMBERS: &[ColumnType] = &[ColumnType::Integer, ColumnType::Number, ColumnType::Duration];
const PLAIN_NUMBERS: &[ColumnType] = &[ColumnType::Integer, ColumnType::Number];
const TIMES: &[ColumnType] = &[ColumnType::Date, ColumnType::Timestamp, ColumnType::Timestamptz];
const FORMATTED: &[ColumnType] =
    &[ColumnType::Date, ColumnType::Timestamp, ColumnType::Timestamptz, ColumnType::Duration];

/// The options that are for some types only.
const FOR_TYPES: [(&str, &[ColumnType]); 12] = [
    ("format", FORMATTED),
    ("zone", TIMES),
    ("ambiguous", &[ColumnType::Timestamptz]),
    ("truncate", TIMES),
    ("unit", &[ColumnType::Duration]),
    ("scale", &[ColumnType::Duration]),
    ("decimal", NUMBERS),
    ("group", NUMBERS),
    ("strip", PLAIN_NUMBERS),
    ("accounting", PLAIN_NUMBERS),
    ("true_values", &[ColumnType::Boolean]),
    ("false_values", &[ColumnType::Boolean]),
];

/// What does not go with a place, or with another option.
const NOT_TOGETHER: [(&str, &[&str]); 5] = [
    ("from", &["partition", "file", "constant"]),
    ("partition", &["file", "constant"]),
    ("file", &["constant", "null_values", "nullable", "if_null", "optional"]),
    ("constant", &["trim", "null_values", "nullable", "if_null", "optional", "pattern"]),
    ("nullable", &["if_null"]),
];

/// What is wrong with an empty name, or with none.
const NO_NAME: &str = "is not the name of a column in the file";

/// The most texts of a list of them.
const MAX_TEXTS: usize = 50;

impl Defaults {
    pub(crate) fn read(value: &Value, problems: &mut Vec<Problem>) -> Self {
        let mut fields = Fields::of("/source/defaults", value, problems);
        let mut ignored = Column::new(Place::From(String::new()), ColumnType::Text);
        for (name, _) in DEFAULTS {
            read_option(name, &mut ignored, &mut fields);
        }
        fields.end();
        Self { fields: value.as_object().cloned().unwrap_or_default() }
    }

    /// A column's own fields, and beside them those of the defaults that apply.
    fn beside(&self, value: &Value, kind: ColumnType) -> Value {
        let mut fields = value.as_object().cloned().unwrap_or_default();
        for (name, kinds) in DEFAULTS {
            if let Some(default) = self.fields.get(name).filter(|_| kinds.contains(&kind) && !fields.contains_key(name))
            {
                fields.insert(name.to_owned(), default.clone());
            }
        }
        Value::Object(fields)
    }
}

/// The column `name` of the source, which stands at `pointer`.
pub(crate) fn read(
    name: &str,
    pointer: &str,
    value: &Value,
    defaults: &Defaults,
    problems: &mut Vec<Problem>,
) -> Column {
    let of_name = || Place::From(name.to_owned());
    let (own, own_place) = match value {
        Value::String(from) => {
            if from.is_empty() {
                problems.push(Problem { pointer: pointer.to_owned(), what: NO_NAME.to_owned() });
            }
            (Value::Object(serde_json::Map::new()), Some(Place::From(from.clone())))
        }
        other => (other.clone(), None),
    };
    let before = problems.len();
    let mut fields = Fields::of(pointer, &own, problems);
    let place = own_place.or_else(|| read_place(&own, &mut fields)).unwrap_or_else(of_name);
    let given = fields.word("type", &ColumnType::ALL, Some(usual_type(&place)));
    let is_known = own.get("type").is_none_or(|word| ColumnType::ALL.iter().any(|(known, _)| word == known));
    let kind = given.unwrap_or(ColumnType::Text);
    let mut column = Column::new(place, kind);
    for (option, kinds) in FOR_TYPES {
        if own.get(option).is_some() && is_known && !kinds.contains(&kind) {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            fields.wrong(option, format!("is for {}", kinds.join(", ")));
        }
    }
    for (one, others) in NOT_TOGETHER.into_iter().filter(|(one, _)| own.get(*one).is_some()) {
        for other in others.iter().filter(|other| own.get(**other).is_some()) {
            fields.wrong(other, format!("does not go with {one}"));
        }
    }
    for option in OPTIONS {
        read_option(option, &mut column, &mut fields);
    }
    column.nullable = column.nullable.filter(|nullable| *nullable != kind.is_nullable());
    fields.end();
    if is_known {
        let beside = defaults.beside(&own, kind);
        // What is wrong with it is told where it stands.
        let mut told = Vec::new();
        let mut with_defaults = Fields::of(pointer, &beside, &mut told);
        for (option, _) in DEFAULTS.iter().filter(|(option, _)| own.get(*option).is_none()) {
            read_option(option, &mut column, &mut with_defaults);
        }
        if problems.len() == before {
            compare(pointer, &own, &column, problems);
        }
    }
    column
}

/// The type of a column that says none.
fn usual_type(place: &Place) -> ColumnType {
    match place {
        Place::File { of: FilePart::Row, .. } => ColumnType::Integer,
        Place::File { of: FilePart::Modified, .. } => ColumnType::Timestamptz,
        Place::Constant(Constant::Number(_)) => ColumnType::Number,
        Place::Constant(Constant::Boolean(_)) => ColumnType::Boolean,
        _ => ColumnType::Text,
    }
}

fn read_place(value: &Value, fields: &mut Fields<'_>) -> Option<Place> {
    const PARTS: [(&str, FilePart); 4] =
        [("key", FilePart::Key), ("name", FilePart::Name), ("modified", FilePart::Modified), ("row", FilePart::Row)];
    let from = match fields.take("from") {
        Some(Value::String(from)) if !from.is_empty() => Some(Place::From(from)),
        Some(way @ Value::Array(_)) => Some(Place::Way(format::steps("from", &way, fields))),
        Some(_) => {
            fields.wrong("from", NO_NAME);
            None
        }
        None => None,
    };
    let partition = fields.text("partition", Some(""));
    if value["partition"] == "" {
        fields.wrong("partition", "is not the name of a part such as dt in dt=2024-03-01");
    }
    let of =
        if value.get("file").is_some() { fields.word("file", &PARTS, None) } else { fields.take("file").and(None) };
    let pattern = fields.take("pattern").and_then(|pattern| {
        let found = pattern.as_str().filter(|text| text.matches('*').count() == 1).map(ToOwned::to_owned);
        if found.is_none() {
            fields.wrong("pattern", format!("is {pattern}, not a text with one star, such as \"sales_*.csv\""));
        }
        found
    });
    if value.get("pattern").is_some() && !matches!(of, Some(FilePart::Key | FilePart::Name)) {
        fields.wrong("pattern", "is for file key or name");
    }
    let constant = fields.take("constant").and_then(|constant| {
        let found = Constant::of(&constant);
        if found.is_none() {
            fields.wrong("constant", "is not a text, a number, true or false");
        }
        found
    });
    from.or_else(|| (!partition.is_empty()).then_some(Place::Partition(partition)))
        .or_else(|| of.map(|of| Place::File { of, pattern }))
        .or_else(|| constant.map(Place::Constant))
}

/// The options of a column, beside place and type.
const OPTIONS: [&str; 17] = [
    "format",
    "zone",
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

/// Reads an option, if it is there, into its field.
fn read_option(name: &'static str, column: &mut Column, fields: &mut Fields<'_>) {
    match name {
        "format" => column.format = read_format(column, fields),
        "zone" => column.zone = zone(fields),
        "ambiguous" => {
            let words = [("bad_row", Ambiguous::BadRow), ("earlier", Ambiguous::Earlier), ("later", Ambiguous::Later)];
            column.ambiguous = fields.word(name, &words, Some(Ambiguous::BadRow)).unwrap_or_default();
        }
        "truncate" => column.truncate = read_truncate(column.kind, fields),
        "unit" => {
            let units = Unit::ALL.map(|(word, unit)| (word, Some(unit)));
            column.unit = fields.word(name, &units, Some(None)).flatten();
        }
        "scale" => column.scale = fields.number_if_given(name, 0..=20),
        "decimal" => {
            let marks = [(".", false), (",", true)];
            column.has_decimal_comma = fields.word(name, &marks, Some(false)).unwrap_or_default();
        }
        "group" => {
            column.group = fields.text(name, Some(""));
            let is_mark = |mark: char| !mark.is_ascii_digit() && !"+-eE".contains(mark);
            if column.group.chars().count() > 8 || !column.group.chars().all(is_mark) {
                fields.wrong(name, "is not up to 8 characters, none a digit, a sign or e");
            }
        }
        "strip" => {
            column.strip = fields.distinct_texts(name, 20).unwrap_or_default();
            let is_affix = |text: &String| {
                (1..=16).contains(&text.chars().count()) && !text.bytes().any(|byte| byte.is_ascii_digit())
            };
            if !column.strip.iter().all(is_affix) {
                fields.wrong(name, "is not a list of texts of 1 to 16 characters without digits");
            }
        }
        "accounting" => column.accounting = fields.flag(name, false),
        "true_values" => column.true_values = fields.distinct_texts(name, MAX_TEXTS),
        "false_values" => column.false_values = fields.distinct_texts(name, MAX_TEXTS),
        "trim" => column.trim = fields.flag(name, false),
        "null_values" => {
            column.null_values = fields.distinct_texts(name, MAX_TEXTS).filter(|texts| texts[..] != [String::new()])
        }
        "nullable" => column.nullable = fields.take(name).map(|given| flag(name, &given, fields)),
        "if_null" => {
            column.if_null = fields.take(name).and_then(|given| {
                let found = Constant::of(&given);
                if found.is_none() {
                    fields.wrong(name, "is not a text, a number, true or false");
                }
                found
            });
        }
        "optional" => column.optional = fields.flag(name, false),
        _ => unreachable!("an option of OPTIONS or DEFAULTS"),
    }
}

fn flag(name: &str, value: &Value, fields: &mut Fields<'_>) -> bool {
    value.as_bool().unwrap_or_else(|| {
        fields.wrong(name, format!("is {value}, not true or false"));
        false
    })
}

fn read_format(column: &Column, fields: &mut Fields<'_>) -> Option<String> {
    const EPOCHS: [&str; 4] = ["epoch_s", "epoch_ms", "epoch_us", "epoch_ns"];
    let given = fields.take("format")?;
    let Some(text) = given.as_str() else {
        fields.wrong("format", format!("is {given}, not a text"));
        return None;
    };
    let is_right = match column.kind {
        ColumnType::Duration => matches!(text, "h:m" | "m:s") || Unit::named(text).is_some(),
        _ => text == "iso" || EPOCHS.contains(&text) || pattern::pattern_parts(text).is_some(),
    };
    if column.kind == ColumnType::Duration && !is_right {
        fields.wrong("format", format!("is {given}, not h:m, m:s or a unit such as minutes"));
    }
    // Of a pattern that is none `compare` says what it lacks.
    (text != "iso").then(|| text.to_owned())
}

fn read_truncate(kind: ColumnType, fields: &mut Fields<'_>) -> Option<Truncate> {
    let words = [
        ("second", Some(Truncate::Second)),
        ("minute", Some(Truncate::Minute)),
        ("hour", Some(Truncate::Hour)),
        ("day", Some(Truncate::Day)),
        ("week", Some(Truncate::Week)),
        ("month", Some(Truncate::Month)),
        ("quarter", Some(Truncate::Quarter)),
        ("year", Some(Truncate::Year)),
    ];
    // A date is a day already.
    let words = if kind == ColumnType::Date { &words[4..] } else { &words[..] };
    fields.word("truncate", words, Some(None)).flatten()
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

/// What the options of a column say of one another.
fn compare(pointer: &str, own: &Value, column: &Column, problems: &mut Vec<Problem>) {
    let mut wrong = |field: &str, what: String| {
        let pointer = if field.is_empty() { pointer.to_owned() } else { child(pointer, field) };
        problems.push(Problem { pointer, what });
    };
    match (column.kind, column.unit) {
        (ColumnType::Duration, None) => {
            wrong("", "lacks the field \"unit\", of the number that a duration becomes".to_owned())
        }
        (ColumnType::Duration, Some(unit)) => match (unit.seconds().is_some_and(|seconds| seconds > 1), column.scale) {
            (true, None) => wrong("", "lacks the field \"scale\", how many decimals are kept".to_owned()),
            (false, Some(_)) => wrong("scale", "is for durations in minutes, hours or days".to_owned()),
            _ => {}
        },
        _ => {}
    }
    let is_epoch = column.format.as_deref().is_some_and(|format| format.starts_with("epoch_"));
    if let Some(format) = column.format.as_deref().filter(|_| column.kind.is_time() && !is_epoch)
        && let Some(what) = pattern::problem(format, column.kind, column.truncate)
    {
        wrong("format", what);
    }
    let decimal = if column.has_decimal_comma { ',' } else { '.' };
    if column.group.contains(decimal) {
        wrong("", "the decimal mark is a group mark too".to_owned());
    }
    let fits = match &column.place {
        Place::File { of: FilePart::Row, .. } => column.kind == ColumnType::Integer,
        Place::File { of: FilePart::Modified, .. } => column.kind.is_time(),
        _ => true,
    };
    if !fits {
        wrong("type", format!("what is known of the file cannot be read as {}", column.kind.with_article()));
    }
    if column.optional && !column.is_nullable() && column.if_null.is_none() {
        wrong("optional", "null where the column is missing: say nullable or if_null".to_owned());
    }
    // In a form of the column's own only the function that reads can tell, but for what has no digit at all.
    let is_plain = column.format.is_none()
        && !column.has_decimal_comma
        && column.group.is_empty()
        && column.strip.is_empty()
        && column.true_values.is_none()
        && column.false_values.is_none();
    let constant = match &column.place {
        Place::Constant(constant) => Some(constant),
        _ => None,
    };
    for (field, constant) in [("if_null", column.if_null.as_ref()), ("constant", constant)] {
        let Some(constant) = constant.filter(|_| own.get(field).is_some()) else { continue };
        let has_digit = constant.text().bytes().any(|byte| byte.is_ascii_digit());
        let is_told = match column.kind {
            ColumnType::Boolean => is_plain,
            ColumnType::Duration => !has_digit,
            _ => is_plain || !has_digit,
        };
        if let Some(what) = constant.problem(column.kind).filter(|_| is_told) {
            wrong(field, what);
        }
    }
}
