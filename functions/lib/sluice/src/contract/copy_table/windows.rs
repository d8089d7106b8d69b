//! How the rows of a table are cut into windows of time, and which of these are copied when.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How many windows an execution may have: the history of Step Functions holds 25,000 events.
pub const MAX_WINDOWS: u32 = 1_000;

/// How the rows are cut into windows of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    pub catch_up: CatchUp,
    /// How many windows that are missing a scheduled run copies: the newest, and else the oldest first.
    pub max_windows: u32,
    /// How many windows before the newest one a scheduled run compares, and copies again if they differ.
    pub recheck_windows: u32,
    /// When a window is complete.
    pub settle: Settle,
    /// How long after its end, in minutes; with `settle` `lag` at least one.
    pub lag_minutes: u32,
    /// What to do with rows that belong to no window, because their cursor is NULL or infinite.
    pub cursor_null: CursorNull,
    /// Copy a window only if the one before it has been copied.
    pub depends_on_past: bool,
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
    /// The first one of the calendar.
    pub(super) fn first() -> Self {
        Self("0001-01-01".to_owned())
    }

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

impl Windows {
    /// What does not fit together.
    pub(super) fn check(&self, add: &mut dyn FnMut(&str, String)) {
        if self.window.unit == Unit::Month && self.start.day_of_month() > 28 {
            let what =
                format!("windows of months cannot start on {}: not every month has that day", self.start.as_str());
            add("/windows/start", what);
        }
        if self.max_windows.saturating_add(self.recheck_windows) > MAX_WINDOWS {
            add("/windows/recheck_windows", format!("is more than {MAX_WINDOWS} together with max_windows"));
        }
        if self.settle == Settle::Lag && self.lag_minutes == 0 {
            let what =
                "settle lag needs lag_minutes: how long after a window's end its last row may still be committed";
            add("/windows/lag_minutes", what.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
