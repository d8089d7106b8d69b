//! The spec of a job: three parameters of its stack, which the states carry as they are. Strict: all that is wrong is
//! told at once, each by its place.

use crate::contract::copy_table::{CatchUp, Columns, Day, Length, MAX_WINDOWS, Mode, NewColumn, Unit};
use crate::spec::Problem;
use crate::spec::fields::{Fields, child, kind};
use crate::spec::names;
use crate::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The three parts as they stand in a payload.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Parts {
    /// Which table is read.
    pub source: Value,
    /// Which table is written, and how.
    pub target: Value,
    /// How the rows are cut into windows; null if the table is replaced whole.
    pub windows: Value,
}

/// A checked spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The table that is read.
    pub source: Source,
    /// The table that is written.
    pub target: Target,
    /// How the rows are cut into windows; `None` in the mode `replace`, which knows no windows.
    pub windows: Option<Windows>,
}

/// The table in MySQL.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its schema, which MySQL also calls its database.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The columns that are exported.
    pub columns: Columns,
    /// What becomes of a date that is none, such as `0000-00-00` and `2024-02-00`.
    pub zero_dates: OnZeroDate,
    /// What becomes of a text that has more bytes than its column in Redshift.
    pub too_long: OnTooLong,
    /// What becomes of a NUL byte in a text.
    pub nul: OnNul,
}

/// What becomes of a date that is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnZeroDate {
    /// Nothing is loaded.
    #[default]
    Fail,
    /// It becomes NULL, and is counted.
    Null,
}

/// What becomes of a text that is too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTooLong {
    /// Nothing is loaded.
    #[default]
    Fail,
    /// It is cut at a character, and counted.
    Truncate,
}

/// What becomes of a NUL byte in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNul {
    /// Nothing is loaded.
    #[default]
    Fail,
    /// It is taken out, and counted.
    Strip,
}

/// The table in Redshift.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The columns of a key that is unique in the source.
    pub key: Vec<String>,
    /// In the mode `upsert`: a column that grows with each change of a row. A row of the target with a later one stays.
    pub version: Option<String>,
    /// What becomes of the rows that are there.
    pub mode: Mode,
    /// Make the table if it is missing.
    pub create: bool,
    /// Types of columns of a table that is made, in place of the usual ones.
    pub types: BTreeMap<String, String>,
    /// What to do with a column of the source that the target does not have.
    pub new_column: NewColumn,
    /// When the whole table is replaced: by how many percent it may shrink. 100 allows everything.
    pub max_shrink_percent: u8,
    /// Whether who starts an execution may have the whole table replaced, whatever the mode.
    pub allow_full: bool,
}

/// How the rows are cut into windows of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// The column of time: a `timestamp`, a `datetime` or a `date`.
    pub cursor: String,
    /// The time zone in which days, weeks and months begin, and that of a column that says none.
    pub zone: String,
    /// How long a window is.
    pub window: Length,
    /// The first day: the first window begins with it.
    pub start: Day,
    /// Which windows a scheduled run loads.
    pub catch_up: CatchUp,
    /// How many windows that are missing a scheduled run loads, the oldest first.
    pub max_windows: u32,
    /// How many windows before the newest one a scheduled run loads again.
    pub recheck_windows: u32,
    /// How long after its end a window is complete, in minutes.
    pub lag_minutes: u32,
}

impl Parts {
    /// The spec of these parts.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(&self) -> std::result::Result<Spec, Vec<Problem>> {
        let mut problems = Vec::new();
        for (part, value) in [("/source", &self.source), ("/target", &self.target), ("/windows", &self.windows)] {
            names::reserved(part, value, &mut problems);
        }
        let source = source(&self.source, &mut problems);
        let target = target(&self.target, &mut problems);
        let windows = (!self.windows.is_null()).then(|| windows(&self.windows, &mut problems));
        let spec = Spec { source, target, windows };
        compare(&spec, &mut problems);
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    /// The same for a function, to which they come from the state machine.
    ///
    /// # Errors
    /// `Misconfigured`, naming the job and each field.
    pub fn spec(&self, job: &str) -> Result<Spec> {
        self.check().map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Error::new(Kind::Misconfigured, format!("the spec of job {job}: {}", problems.join("; ")))
        })
    }
}

impl Spec {
    /// The source as people know it: `schema.table`.
    pub fn source_name(&self) -> String {
        format!("{}.{}", self.source.schema, self.source.table)
    }

    /// The target as people and `sluice.loads` know it: `schema.table`.
    pub fn target_name(&self) -> String {
        format!("{}.{}", self.target.schema, self.target.table)
    }
}

/// Longest name of a schema or table in MySQL, in characters ("Identifier Length Limits").
const MYSQL_NAME: usize = 64;

/// Longest name in Redshift, in bytes ("Names and identifiers").
const REDSHIFT_NAME: usize = 127;

/// Where loads keep what they need.
const OWN_SCHEMA: &str = "sluice";

fn source(value: &Value, problems: &mut Vec<Problem>) -> Source {
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

fn target(value: &Value, problems: &mut Vec<Problem>) -> Target {
    let mut fields = Fields::of("/target", value, problems);
    let schema = name(&mut fields, "schema", Some("public"), REDSHIFT_NAME);
    let table = name(&mut fields, "table", None, REDSHIFT_NAME);
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
    };
    fields.end();
    target
}

fn windows(value: &Value, problems: &mut Vec<Problem>) -> Windows {
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

/// What the parts say of each other.
fn compare(spec: &Spec, problems: &mut Vec<Problem>) {
    let mut problem = |pointer: &str, what: String| problems.push(Problem { pointer: pointer.to_owned(), what });
    let Spec { source, target, windows } = spec;
    match (target.mode, windows) {
        (Mode::Replace, Some(_)) => {
            problem("/windows", "is not null, but the mode replace copies the whole table".to_owned());
        }
        (Mode::Upsert | Mode::ReplaceWindow, None) => {
            problem("/windows", format!("is null, but the mode {} needs windows", target.mode.name()));
        }
        _ => {}
    }
    if target.mode == Mode::Upsert && target.key.is_empty() {
        problem("/target/key", "is empty, but the mode upsert needs a key".to_owned());
    }
    if target.mode != Mode::Upsert && target.version.is_some() {
        problem("/target/version", "is for the mode upsert".to_owned());
    }
    if target.mode == Mode::Replace && target.allow_full {
        problem("/target/allow_full", "is for other modes than replace, which always is full".to_owned());
    }
    if let Columns::Listed(names) = &source.columns {
        let cursor = windows.as_ref().map(|windows| ("/windows/cursor", &windows.cursor));
        let keys = target.key.iter().map(|name| ("/target/key", name));
        let version = target.version.iter().map(|name| ("/target/version", name));
        let types = target.types.keys().map(|name| ("/target/types", name));
        let named = cursor.into_iter().chain(keys).chain(version).chain(types);
        for (pointer, name) in named.filter(|(_, name)| !name.is_empty() && !names.contains(name)) {
            problem(pointer, format!("{name:?} is not among the columns of the source"));
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parts() -> Value {
        json!({
            "source": {"schema": "prod", "table": "nps"},
            "target": {"table": "nps", "key": ["id"], "mode": "upsert"},
            "windows": {"cursor": "created_at", "zone": "UTC", "start": "2018-01-01"},
        })
    }

    fn problems(changes: &[(&str, Value)]) -> Vec<String> {
        let mut parts = parts();
        for (pointer, value) in changes {
            let (object, field) = pointer.rsplit_once('/').unwrap();
            parts.pointer_mut(object).unwrap()[field] = value.clone();
        }
        let parts: Parts = serde_json::from_value(parts).unwrap();
        parts.check().map_or_else(|problems| problems.iter().map(ToString::to_string).collect(), |_| Vec::new())
    }

    #[test]
    fn the_defaults_are_the_careful_ones() {
        let parts: Parts = serde_json::from_value(parts()).unwrap();
        let Spec { source, target, windows: Some(windows) } = parts.check().unwrap() else { panic!("no windows") };
        assert_eq!((source.columns, source.zero_dates), (Columns::All, OnZeroDate::Fail));
        assert_eq!((source.too_long, source.nul), (OnTooLong::Fail, OnNul::Fail));
        assert_eq!((target.schema.as_str(), target.mode, target.create), ("public", Mode::Upsert, false));
        assert_eq!((target.new_column, target.max_shrink_percent, target.allow_full), (NewColumn::Fail, 50, false));
        assert_eq!((windows.catch_up, windows.window.to_string().as_str()), (CatchUp::None, "1 day"));
        assert_eq!((windows.max_windows, windows.recheck_windows, windows.lag_minutes), (31, 0, 0));
    }

    #[test]
    fn all_problems_are_told_at_once_each_by_its_place() {
        let told = problems(&[
            ("/source/tabel", json!("nps")),
            ("/source/zero_dates", json!("nul")),
            ("/source/columns", json!(["id"])),
            ("/target/key", json!(["id", "id", 7])),
            ("/target/max_shrink_percent", json!(101)),
            ("/windows/start", json!("2018-02-30")),
            ("/windows/window", json!("a day")),
        ]);
        let expected = [
            "/source/zero_dates: is \"nul\", not fail or null",
            "/source/tabel: there is no such field",
            "/target/key/2: is a number, not a text",
            "/target/key/1: \"id\" is there already",
            "/target/max_shrink_percent: is 101, not a number from 0 to 100",
            "/windows/window: is wrong: window \"a day\"",
            "/windows/start: is wrong: \"2018-02-30\" is not a date",
            "/windows/cursor: \"created_at\" is not among the columns of the source",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told} is not {expected}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        for (changes, expected) in [
            (vec![("/windows", json!(null))], "/windows: is null, but the mode upsert needs windows"),
            (vec![("/target/mode", json!("replace"))], "/windows: is not null"),
            (vec![("/target/key", json!([]))], "/target/key: is empty"),
            (vec![("/target/mode", json!("merge"))], "/target/mode: is \"merge\""),
            (vec![("/target/schema", json!("sluice"))], "/target/schema: is the schema of what loads keep"),
            (vec![("/target/types", json!({"id": "BIGINT"}))], "/target/types: is for a table that is made"),
            (
                vec![("/target/mode", json!("replace_window")), ("/target/version", json!("v"))],
                "/target/version: is for the mode upsert",
            ),
            (
                vec![("/windows/window", json!("1 month")), ("/windows/start", json!("2018-01-31"))],
                "/windows/start: is a day that not every month has",
            ),
            (
                vec![("/windows/max_windows", json!(900)), ("/windows/recheck_windows", json!(200))],
                "/windows/recheck_windows: is more than 1000 together",
            ),
            (vec![("/source/table", json!("${Bucket}"))], "/source/table: holds ${"),
        ] {
            let told = problems(&changes);
            assert!(told.iter().any(|told| told.starts_with(expected)), "{told:?} lacks {expected}");
        }
    }
}
