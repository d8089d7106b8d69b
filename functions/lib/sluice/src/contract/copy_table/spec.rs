//! The spec of a job: three parameters of its stack, which the states carry.

use super::windows::Windows;
use crate::spec::Problem;
use crate::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

/// What a job copies. In every payload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spec {
    /// The table that is read.
    pub source: Source,
    /// The table that is written.
    pub target: Target,
    /// How the rows are cut into windows; `None` in the mode `replace`, which knows no windows.
    pub windows: Option<Windows>,
}

/// The table that is read: a table, also a partitioned or foreign one, or a view.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The columns that are copied.
    pub columns: Columns,
    /// What the texts of a database whose encoding is `SQL_ASCII` are encoded in, by PostgreSQL's name, for example
    /// `LATIN1`. Other databases say so themselves.
    pub encoding: Option<String>,
}

/// `"all"`, or a list of names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(into = "serde_json::Value")]
pub enum Columns {
    /// Every column of the source.
    #[default]
    All,
    /// These.
    Listed(Vec<String>),
}

impl TryFrom<serde_json::Value> for Columns {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        match value {
            serde_json::Value::String(text) if text == "all" => Ok(Self::All),
            serde_json::Value::Array(names) if !names.is_empty() => {
                let name = |name: serde_json::Value| name.as_str().map(ToOwned::to_owned);
                names.into_iter().map(name).collect::<Option<_>>().map(Self::Listed).ok_or(COLUMNS)
            }
            _ => Err(COLUMNS),
        }
    }
}

const COLUMNS: &str = "columns is \"all\" or a list of names";

impl From<Columns> for serde_json::Value {
    fn from(columns: Columns) -> Self {
        match columns {
            Columns::All => "all".into(),
            Columns::Listed(names) => names.into(),
        }
    }
}

/// The table that is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The columns of a unique key; without one a window that differs is deleted and copied as a whole.
    pub key: Vec<String>,
    /// What becomes of the rows that are there.
    pub mode: Mode,
    /// What is compared before the commit.
    pub verify: Verify,
    /// What to do with a column of the source that the target does not have.
    pub new_column: NewColumn,
    /// Copy into a table whose triggers may change the rows. Then only counts can be verified.
    pub allow_triggers: bool,
    /// In the mode `replace`: by how many percent the table may shrink. 100 allows everything.
    pub max_shrink_percent: u8,
    /// In the mode `upsert`: a row of the target whose cursor is later than that of the source's row stays.
    pub newer_wins: bool,
}

/// What becomes of the rows that the target has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Those of the window become those of the source.
    #[default]
    ReplaceWindow,
    /// Rows of the window are inserted and updated by key. Nothing is deleted.
    Upsert,
    /// The whole table becomes that of the source.
    Replace,
}

impl Mode {
    /// Its name in the spec.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReplaceWindow => "replace_window",
            Self::Upsert => "upsert",
            Self::Replace => "replace",
        }
    }
}

/// What is compared before the commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// Every byte of every row, read back in the loading transaction.
    #[default]
    Checksum,
    /// How many rows were sent and stored.
    Count,
}

/// What to do with a column of the source that the target does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NewColumn {
    /// Copy nothing.
    #[default]
    Fail,
    /// Leave it out, and say so.
    Ignore,
}

impl Spec {
    /// The target as people and `sluice.windows` know it: `schema.table`.
    pub fn target_name(&self) -> String {
        format!("{}.{}", self.target.schema, self.target.table)
    }

    /// The source as people know it: `schema.table`.
    pub fn source_name(&self) -> String {
        format!("{}.{}", self.source.schema, self.source.table)
    }

    /// What does not fit together.
    ///
    /// # Errors
    /// `Misconfigured`, with everything that an operator has to put right.
    pub fn check(&self) -> Result<()> {
        let problems: Vec<String> = self.problems().iter().map(ToString::to_string).collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Error::new(Kind::Misconfigured, format!("spec: {}", problems.join("; ")))),
        }
    }

    /// The same, by fields.
    pub fn problems(&self) -> Vec<Problem> {
        let (target, mut problems) = (&self.target, Vec::new());
        let mut add = |pointer: &str, what: String| problems.push(Problem { pointer: pointer.to_owned(), what });
        match &self.windows {
            None if target.mode != Mode::Replace => {
                add("/target/mode", format!("the mode {} needs windows", target.mode.name()));
            }
            Some(_) if target.mode == Mode::Replace => {
                add("/windows", "the mode replace copies the whole table, so windows must be null".to_owned());
            }
            None => {}
            Some(windows) => windows.check(&mut add),
        }
        if target.mode == Mode::Upsert && target.key.is_empty() {
            add("/target/mode", "the mode upsert needs a key".to_owned());
        }
        let mut sorted = target.key.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() < target.key.len() {
            add("/target/key", "names a column twice".to_owned());
        }
        if let Columns::Listed(names) = &self.source.columns {
            let cursor = self.windows.as_ref().map(|windows| &windows.cursor);
            for name in target.key.iter().chain(cursor).filter(|name| !names.contains(name)) {
                add("/source/columns", format!("the column {name:?} is needed, but not among them"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::copy_table::{CatchUp, CursorNull, Settle};
    use serde_json::json;

    fn spec(change: impl Fn(&mut serde_json::Value)) -> std::result::Result<Spec, String> {
        let mut spec = json!({
            "source": {"schema": "public", "table": "events"},
            "target": {"schema": "public", "table": "events", "key": ["id"]},
            "windows": {"cursor": "created_at", "zone": "UTC", "window": "1 day", "start": "2024-01-01"},
        });
        change(&mut spec);
        let spec: Spec = serde_json::from_value(spec).map_err(|error| error.to_string())?;
        spec.check().map_err(|error| error.to_string())?;
        Ok(spec)
    }

    #[test]
    fn the_defaults_are_the_careful_ones() {
        let Spec { source, target, windows: Some(windows) } = spec(|_| {}).unwrap() else { panic!("no windows") };
        assert_eq!((source.columns, source.encoding), (Columns::All, None));
        assert_eq!(
            (target.mode, target.verify, target.new_column),
            (Mode::ReplaceWindow, Verify::Checksum, NewColumn::Fail)
        );
        assert!(!target.allow_triggers && target.newer_wins && target.max_shrink_percent == 50);
        assert_eq!(
            (windows.catch_up, windows.settle, windows.cursor_null),
            (CatchUp::Missed, Settle::Transactions, CursorNull::Fail)
        );
        assert_eq!((windows.max_windows, windows.recheck_windows, windows.lag_minutes), (31, 0, 0));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        type Change = fn(&mut serde_json::Value);
        let cases: [(Change, &str); 18] = [
            (|spec| spec["source"]["colums"] = json!("all"), "/source/colums: there is no such field; did you mean"),
            (|spec| spec["source"]["columns"] = json!("none"), "/source/columns: is \"all\" or a list of names"),
            (|spec| spec["source"]["columns"] = json!(["id"]), "\"created_at\" is needed"),
            (
                |spec| spec["target"]["mode"] = json!("window"),
                "/target/mode: is \"window\", not replace_window or upsert or replace",
            ),
            (|spec| spec["target"]["mode"] = json!("replace"), "windows must be null"),
            (|spec| spec["target"]["key"] = json!(["id", 7]), "/target/key/1: is a number, not a text"),
            (|spec| spec["target"]["max_shrink_percent"] = json!(101), "is 101, not a number from 0 to 100"),
            (|spec| spec["source"] = json!({"schema": "public"}), "/source: lacks the field \"table\""),
            (|spec| spec["target"]["key"] = json!(["id", "id"]), "names a column twice"),
            (|spec| spec["windows"] = json!(null), "the mode replace_window needs windows"),
            (|spec| spec["windows"]["window"] = json!("a day"), "window \"a day\" is not"),
            (|spec| spec["windows"]["window"] = json!("0 days"), "window \"0 days\" is not"),
            (|spec| spec["windows"]["start"] = json!("2023-02-29"), "\"2023-02-29\" is not a date"),
            (
                |spec| spec["windows"]["max_windows"] = json!(0),
                "/windows/max_windows: is 0, not a number from 1 to 1000",
            ),
            (|spec| spec["windows"]["recheck_windows"] = json!(970), "more than 1000 together with"),
            (|spec| spec["windows"]["settle"] = json!("lag"), "/windows/lag_minutes: settle lag needs lag_minutes"),
            (
                |spec| {
                    spec["windows"]["window"] = json!("1 month");
                    spec["windows"]["start"] = json!("2024-01-31");
                },
                "cannot start on 2024-01-31",
            ),
            (
                |spec| {
                    spec["target"]["mode"] = json!("upsert");
                    spec["target"]["key"] = json!([]);
                },
                "the mode upsert needs a key",
            ),
        ];
        for (change, expected) in cases {
            let error = spec(change).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
