//! The spec of a job: three parameters of its stack, which the states carry. Strict, so that a misspelt setting is an
//! error and not a default.

use crate::spec::Problem;
use crate::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a job copies. In every payload.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Spec {
    /// The table that is read.
    pub source: Source,
    /// The table that is written.
    pub target: Target,
    /// How the rows are cut into windows; `None` in the mode `replace`, which knows no windows.
    #[serde(default)]
    pub windows: Option<Windows>,
}

/// The table that is read: a table, also a partitioned or foreign one, or a view.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The columns that are copied.
    #[serde(default)]
    pub columns: Columns,
    /// What the texts of a database whose encoding is `SQL_ASCII` are encoded in, by PostgreSQL's name, for example
    /// `LATIN1`. Other databases say so themselves.
    #[serde(default)]
    pub encoding: Option<String>,
}

/// `"all"`, or a list of names.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
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
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The columns of a unique key; without one a window that differs is deleted and copied as a whole.
    #[serde(default)]
    pub key: Vec<String>,
    /// What becomes of the rows that are there.
    #[serde(default)]
    pub mode: Mode,
    /// What is compared before the commit.
    #[serde(default)]
    pub verify: Verify,
    /// What to do with a column of the source that the target does not have.
    #[serde(default)]
    pub new_column: NewColumn,
    /// Copy into a table whose triggers may change the rows. Then only counts can be verified.
    #[serde(default)]
    pub allow_triggers: bool,
    /// In the mode `replace`: by how many percent the table may shrink. 100 allows everything.
    #[serde(default = "default_max_shrink_percent")]
    pub max_shrink_percent: u8,
    /// In the mode `upsert`: a row of the target whose cursor is later than that of the source's row stays.
    #[serde(default = "yes")]
    pub newer_wins: bool,
}

fn default_max_shrink_percent() -> u8 {
    50
}

fn yes() -> bool {
    true
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

/// How the rows are cut into windows of time.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// The column of time: a `timestamptz`, a `timestamp` or a `date`.
    pub cursor: String,
    /// The time zone in which days, weeks and months begin, and that of a column that says none.
    pub zone: String,
    /// How long a window is.
    pub window: Length,
    /// The first day: the first window begins with it.
    pub start: Day,
    /// Which windows a scheduled run copies.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// How many windows that are missing a scheduled run copies, the oldest first.
    #[serde(default = "default_max_windows")]
    pub max_windows: u32,
    /// How many windows before the newest one a scheduled run compares, and copies again if they differ.
    #[serde(default)]
    pub recheck_windows: u32,
    /// When a window is complete.
    #[serde(default)]
    pub settle: Settle,
    /// How long after its end, in minutes.
    #[serde(default)]
    pub lag_minutes: u32,
    /// What to do with rows that belong to no window, because their cursor is NULL or infinite.
    #[serde(default)]
    pub cursor_null: CursorNull,
    /// Copy a window only if the one before it has been copied.
    #[serde(default)]
    pub depends_on_past: bool,
}

fn default_max_windows() -> u32 {
    31
}

/// Which windows a scheduled run copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// All that are missing since the start.
    #[default]
    Missed,
    /// Only the newest one, if it is missing.
    None,
}

/// When a window is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settle {
    /// When every transaction has ended that was open before the window's end.
    #[default]
    Transactions,
    /// After `lag_minutes`: for replicas, and for cursors that an application sets.
    Lag,
}

/// What to do with rows that belong to no window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorNull {
    /// Copy nothing.
    #[default]
    Fail,
    /// Leave them out, and count them.
    Ignore,
}

/// A length such as `1 day` or `6 hours`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Length {
    /// How many units.
    pub count: u32,
    /// Of what.
    pub unit: Unit,
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// A day of the calendar: 23 to 25 hours.
    Day,
    /// Seven days of the calendar.
    Week,
    /// A month of the calendar.
    Month,
}

impl Unit {
    const NAMES: [(&'static str, Self); 5] = [
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
    ];

    /// Whether it is a unit of the calendar, whose length depends on the zone.
    pub fn is_of_calendar(self) -> bool {
        matches!(self, Self::Day | Self::Week | Self::Month)
    }
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once(' ').and_then(|(count, unit)| {
            let count = count.parse().ok().filter(|count| (1..=1_000).contains(count))?;
            let singular = unit.strip_suffix('s').unwrap_or(unit);
            let (_, unit) = Unit::NAMES.into_iter().find(|(name, _)| *name == singular)?;
            Some(Self { count, unit })
        });
        parsed.ok_or_else(|| {
            format!("window {text:?} is not 1 to 1000 minutes, hours, days, weeks or months, such as \"1 day\"")
        })
    }
}

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Unit::NAMES.into_iter().find(|(_, unit)| *unit == self.unit).map_or("", |(name, _)| name);
        write!(f, "{} {name}{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}

impl From<Length> for String {
    fn from(length: Length) -> Self {
        length.to_string()
    }
}

/// A date, as `YYYY-MM-DD`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(String);

impl Day {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The day of the month, from 1.
    pub fn day_of_month(&self) -> u32 {
        self.0[8..].parse().unwrap_or_default()
    }
}

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
        let (year, month) = (number(0, 4), number(5, 7));
        let days = match (year, month) {
            (Some(year), Some(2)) => 28 + u32::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)),
            (_, Some(4 | 6 | 9 | 11)) => 30,
            (_, Some(1..=12)) => 31,
            _ => 0,
        };
        let is_plain = text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        let is_day = text.len() == 10 && is_plain && year.is_some_and(|year| year > 0);
        match is_day && number(8, 10).is_some_and(|day| (1..=days).contains(&day)) {
            true => Ok(Self(text)),
            false => Err(format!("{text:?} is not a date such as 2024-01-31")),
        }
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.0
    }
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
        if target.max_shrink_percent > 100 {
            add("/target/max_shrink_percent", "is more than 100".to_owned());
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

impl Windows {
    fn check(&self, add: &mut dyn FnMut(&str, String)) {
        if self.window.unit == Unit::Month && self.start.day_of_month() > 28 {
            let what = format!("windows of months cannot start on {}: not every month has that day", self.start.0);
            add("/windows/start", what);
        }
        if !(1..=MAX_WINDOWS).contains(&self.max_windows) {
            add("/windows/max_windows", format!("is not 1 to {MAX_WINDOWS}"));
        }
        if self.max_windows.saturating_add(self.recheck_windows) > MAX_WINDOWS {
            add("/windows/recheck_windows", format!("is more than {MAX_WINDOWS} together with max_windows"));
        }
    }
}

/// How many windows an execution may have: the history of Step Functions holds 25,000 events.
pub const MAX_WINDOWS: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
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
        let cases: [(Change, &str); 14] = [
            (|spec| spec["source"]["colums"] = json!("all"), "unknown field `colums`"),
            (|spec| spec["source"]["columns"] = json!("none"), "columns is \"all\" or a list of names"),
            (|spec| spec["source"]["columns"] = json!(["id"]), "\"created_at\" is needed"),
            (|spec| spec["target"]["mode"] = json!("window"), "unknown variant `window`"),
            (|spec| spec["target"]["mode"] = json!("replace"), "windows must be null"),
            (|spec| spec["target"]["key"] = json!(["id", "id"]), "names a column twice"),
            (|spec| spec["windows"] = json!(null), "the mode replace_window needs windows"),
            (|spec| spec["windows"]["window"] = json!("a day"), "window \"a day\" is not"),
            (|spec| spec["windows"]["window"] = json!("0 days"), "window \"0 days\" is not"),
            (|spec| spec["windows"]["start"] = json!("2023-02-29"), "\"2023-02-29\" is not a date"),
            (|spec| spec["windows"]["max_windows"] = json!(0), "max_windows: is not 1 to 1000"),
            (|spec| spec["windows"]["recheck_windows"] = json!(970), "more than 1000 together with"),
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

    #[test]
    fn lengths_and_days_are_written_as_they_are_read() {
        for text in ["1 day", "6 hours", "2 weeks", "1 month", "15 minutes"] {
            assert_eq!(text.parse::<Length>().unwrap().to_string(), text);
        }
        for text in ["2024-02-29", "2000-02-29", "0001-01-01"] {
            assert_eq!(String::from(Day::try_from(text.to_owned()).unwrap()), text);
        }
        for text in ["2024-2-29", "1900-02-29", "2024-04-31", "2024-13-01", "0000-01-01", "2024-01-01T00", "٢٠٢٤-01-01"]
        {
            assert!(Day::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
