//! The spec of a job: three parameters of its stack, which the states carry as they are. Strict: all that is wrong is
//! told at once, each by its place.

mod reading;

use crate::contract::copy_table::{CatchUp, Columns, Day, Length, Mode, NewColumn};
use crate::spec::Problem;
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

/// What becomes of a row that the source keeps, but marks as deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeleted {
    /// It is a row like any other.
    #[default]
    Keep,
    /// The target has it not.
    Delete,
}

/// What of the values that arrived is compared with those that were read, besides their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// What each column adds up to.
    #[default]
    Sums,
    /// That, and the sum of 32 bits of the MD5 of each value.
    Hash,
}

/// The table in Redshift.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its schema, in small letters.
    pub schema: String,
    /// Its name, in small letters.
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
    /// A column that marks deleted rows: a number or BOOLEAN that is not 0, a date or time that is not NULL.
    pub deleted: Option<String>,
    /// What becomes of the rows that it marks.
    pub on_deleted: OnDeleted,
    /// What is compared after a load.
    pub verify: Verify,
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
    /// Load a window only if the one before it is loaded.
    pub depends_on_past: bool,
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
        let source = reading::source(&self.source, &mut problems);
        let target = reading::target(&self.target, &mut problems);
        let windows = (!self.windows.is_null()).then(|| reading::windows(&self.windows, &mut problems));
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
    match (target.on_deleted, &target.deleted) {
        (OnDeleted::Delete, None) => {
            problem("/target/on_deleted", "is \"delete\", but target/deleted names no column".to_owned());
        }
        (OnDeleted::Keep, Some(_)) => {
            problem("/target/deleted", "is for on_deleted \"delete\"".to_owned());
        }
        _ => {}
    }
    if let Columns::Listed(names) = &source.columns {
        let cursor = windows.as_ref().map(|windows| ("/windows/cursor", &windows.cursor));
        let keys = target.key.iter().map(|name| ("/target/key", name));
        let version = target.version.iter().map(|name| ("/target/version", name));
        let deleted = target.deleted.iter().map(|name| ("/target/deleted", name));
        let types = target.types.keys().map(|name| ("/target/types", name));
        let named = cursor.into_iter().chain(keys).chain(version).chain(deleted).chain(types);
        for (pointer, name) in named.filter(|(_, name)| !name.is_empty() && !names.contains(name)) {
            problem(pointer, format!("{name:?} is not among the columns of the source"));
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
        assert_eq!((target.deleted, target.on_deleted, target.verify), (None, OnDeleted::Keep, Verify::Sums));
        assert!(!windows.depends_on_past);
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
            (vec![("/target/schema", json!("Sluice"))], "/target/schema: is the schema of what loads keep"),
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
                vec![("/windows/max_windows", json!(300)), ("/windows/recheck_windows", json!(67))],
                "/windows/recheck_windows: is more than 366 together",
            ),
            (vec![("/target/on_deleted", json!("delete"))], "/target/on_deleted: is \"delete\", but target/deleted"),
            (vec![("/target/deleted", json!("gone"))], "/target/deleted: is for on_deleted"),
            (
                vec![
                    ("/source/columns", json!(["id", "created_at"])),
                    ("/target/deleted", json!("gone")),
                    ("/target/on_deleted", json!("delete")),
                ],
                "/target/deleted: \"gone\" is not among the columns",
            ),
            (vec![("/target/verify", json!("count"))], "/target/verify: is \"count\", not sums or hash"),
            (vec![("/windows/depends_on_past", json!("yes"))], "/windows/depends_on_past: is a text"),
            (vec![("/source/table", json!("${Bucket}"))], "/source/table: holds ${"),
        ] {
            let told = problems(&changes);
            assert!(told.iter().any(|told| told.starts_with(expected)), "{told:?} lacks {expected}");
        }
    }
}
