//! The fields of each part, one after the other.

use super::{OnDeleted, OnNul, OnTooLong, OnZeroDate, Source, Target, Verify, Windows};
use crate::contract::copy_table::{CatchUp, Columns, Day, Length, Mode, NewColumn, Unit};
use crate::contract::mysql_to_redshift::MAX_WINDOWS;
use crate::spec::Problem;
use crate::spec::fields::{Fields, child, kind};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest name of a schema or table in MySQL, in characters ("Identifier Length Limits").
const MYSQL_NAME: usize = 64;

/// Longest name in Redshift, in bytes ("Names and identifiers").
const REDSHIFT_NAME: usize = 127;

/// Where loads keep what they need.
const OWN_SCHEMA: &str = "sluice";

/// The part `source`.
pub(super) fn source(value: &Value, problems: &mut Vec<Problem>) -> Source {
    let mut fields = Fields::of("/source", value, problems);
    let schema = name(&mut fields, "schema", None, MYSQL_NAME * 4);
    let table = name(&mut fields, "table", None, MYSQL_NAME * 4);
    let columns = fields.take("columns").map_or(Ok(Columns::All), Columns::try_from);
    let columns = columns.unwrap_or_else(|problem| {
        fields.wrong("columns", problem.trim_start_matches("columns "));
        Columns::All
    });
    if let Columns::Listed(names) = &columns {
        refuse_twice(&mut fields, "columns", names);
    }
    let zero_dates = [("fail", OnZeroDate::Fail), ("null", OnZeroDate::Null)];
    let too_long = [("fail", OnTooLong::Fail), ("truncate", OnTooLong::Truncate)];
    let nul = [("fail", OnNul::Fail), ("strip", OnNul::Strip)];
    let source = Source {
        schema,
        table,
        columns,
        zero_dates: fields.word("zero_dates", &zero_dates, Some(OnZeroDate::Fail)).unwrap_or_default(),
        too_long: fields.word("too_long", &too_long, Some(OnTooLong::Fail)).unwrap_or_default(),
        nul: fields.word("nul", &nul, Some(OnNul::Fail)).unwrap_or_default(),
    };
    fields.end();
    source
}

/// The part `target`.
pub(super) fn target(value: &Value, problems: &mut Vec<Problem>) -> Target {
    let mut fields = Fields::of("/target", value, problems);
    // Redshift keeps names in small letters, quoted or not (Amazon Redshift, "Names and identifiers").
    let schema = name(&mut fields, "schema", Some("public"), REDSHIFT_NAME).to_lowercase();
    let table = name(&mut fields, "table", None, REDSHIFT_NAME).to_lowercase();
    if schema == OWN_SCHEMA {
        fields.wrong("schema", "is the schema of what loads keep for themselves");
    }
    let key = texts(&mut fields, "key");
    refuse_twice(&mut fields, "key", &key);
    let version = optional_text(&mut fields, "version");
    let modes = [Mode::ReplaceWindow, Mode::Upsert, Mode::Replace].map(|mode| (mode.name(), mode));
    let mode = fields.word("mode", &modes, None).unwrap_or_default();
    let create = fields.flag("create", false);
    let types = types(&mut fields);
    if !types.is_empty() && !create {
        fields.wrong("types", "is for a table that is made: create is not true");
    }
    let new_column = [("fail", NewColumn::Fail), ("ignore", NewColumn::Ignore)];
    let on_deleted = [("keep", OnDeleted::Keep), ("delete", OnDeleted::Delete)];
    let verify = [("sums", Verify::Sums), ("hash", Verify::Hash)];
    let target = Target {
        schema,
        table,
        key,
        version,
        mode,
        create,
        types,
        new_column: fields.word("new_column", &new_column, Some(NewColumn::Fail)).unwrap_or_default(),
        max_shrink_percent: u8::try_from(number(&mut fields, "max_shrink_percent", 50, 0, 100)).unwrap_or(50),
        allow_full: fields.flag("allow_full", false),
        deleted: optional_text(&mut fields, "deleted"),
        on_deleted: fields.word("on_deleted", &on_deleted, Some(OnDeleted::Keep)).unwrap_or_default(),
        verify: fields.word("verify", &verify, Some(Verify::Sums)).unwrap_or_default(),
    };
    fields.end();
    target
}

/// The part `windows`.
pub(super) fn windows(value: &Value, problems: &mut Vec<Problem>) -> Windows {
    let mut fields = Fields::of("/windows", value, problems);
    let cursor = fields.text("cursor", None);
    let zone = fields.text("zone", None);
    let window = parsed(&mut fields, "window", Length { count: 1, unit: Unit::Day });
    let start = parsed_required(&mut fields, "start");
    let catch_up = [("none", CatchUp::None), ("missed", CatchUp::Missed)];
    let windows = Windows {
        cursor,
        zone,
        window,
        start,
        catch_up: fields.word("catch_up", &catch_up, Some(CatchUp::None)).unwrap_or(CatchUp::None),
        max_windows: number(&mut fields, "max_windows", 31, 1, MAX_WINDOWS),
        recheck_windows: number(&mut fields, "recheck_windows", 0, 0, MAX_WINDOWS - 1),
        lag_minutes: number(&mut fields, "lag_minutes", 0, 0, 10_000_000),
        depends_on_past: fields.flag("depends_on_past", false),
    };
    if windows.window.unit == Unit::Month && windows.start.day_of_month() > 28 {
        fields.wrong("start", "is a day that not every month has");
    }
    if windows.max_windows + windows.recheck_windows > MAX_WINDOWS {
        fields.wrong("recheck_windows", format!("is more than {MAX_WINDOWS} together with max_windows"));
    }
    fields.end();
    windows
}

/// A name of a schema or table.
fn name(fields: &mut Fields<'_>, field: &'static str, default: Option<&str>, longest: usize) -> String {
    let text = fields.text(field, default);
    if text.len() > longest || text.contains('\0') {
        fields.wrong(field, format!("is no name: that has 1 to {longest} bytes, none of them NUL"));
    }
    text
}

fn optional_text(fields: &mut Fields<'_>, field: &'static str) -> Option<String> {
    match fields.take(field)? {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => {
            fields.wrong(field, format!("is {}, not a text", kind(&other)));
            None
        }
    }
}

/// A list of texts; empty if it is not there.
fn texts(fields: &mut Fields<'_>, field: &'static str) -> Vec<String> {
    let given = match fields.take(field) {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            fields.wrong(field, format!("is {}, not a list of names", kind(&other)));
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for (place, item) in given.into_iter().enumerate() {
        match item {
            Value::String(text) => names.push(text),
            other => {
                let pointer = child(&fields.pointer_of(field), &place.to_string());
                fields.problems().push(Problem { pointer, what: format!("is {}, not a text", kind(&other)) });
            }
        }
    }
    names
}

fn types(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let given = match fields.take("types") {
        None => return BTreeMap::new(),
        Some(Value::Object(given)) => given,
        Some(other) => {
            fields.wrong("types", format!("is {}, not an object", kind(&other)));
            return BTreeMap::new();
        }
    };
    let mut types = BTreeMap::new();
    for (name, value) in given {
        match value {
            Value::String(text) => drop(types.insert(name, text)),
            other => {
                let pointer = child(&fields.pointer_of("types"), &name);
                fields.problems().push(Problem { pointer, what: format!("is {}, not a type", kind(&other)) });
            }
        }
    }
    types
}

fn number(fields: &mut Fields<'_>, field: &'static str, default: u32, least: u32, most: u32) -> u32 {
    let Some(given) = fields.take(field) else { return default };
    let number = given.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| (least..=most).contains(number)).unwrap_or_else(|| {
        fields.wrong(field, format!("is {given}, not a number from {least} to {most}"));
        default
    })
}

/// A text that says something more than itself.
fn parsed<T: TryFrom<String, Error = String>>(fields: &mut Fields<'_>, field: &'static str, default: T) -> T {
    let Some(text) = optional_text(fields, field) else { return default };
    T::try_from(text).unwrap_or_else(|problem| {
        fields.wrong(field, format!("is wrong: {problem}"));
        default
    })
}

fn parsed_required(fields: &mut Fields<'_>, field: &'static str) -> Day {
    let any = || Day::try_from("2000-01-01".to_owned()).expect("it is a date");
    let text = fields.text(field, None);
    if text.is_empty() {
        return any(); // Which is a problem already.
    }
    Day::try_from(text).unwrap_or_else(|problem| {
        fields.wrong(field, format!("is wrong: {problem}"));
        any()
    })
}

fn refuse_twice(fields: &mut Fields<'_>, field: &'static str, names: &[String]) {
    for (place, name) in names.iter().enumerate() {
        let pointer = child(&fields.pointer_of(field), &place.to_string());
        if names[..place].contains(name) {
            fields.problems().push(Problem { pointer, what: format!("{name:?} is there already") });
        } else if name.is_empty() || name.len() > REDSHIFT_NAME || name.contains('\0') {
            let what =
                format!("{name:?} is no name of a column: that has 1 to {REDSHIFT_NAME} bytes, none of them NUL");
            fields.problems().push(Problem { pointer, what });
        }
    }
}
