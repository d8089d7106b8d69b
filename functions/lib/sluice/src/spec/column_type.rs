//! The types of columns.

use serde::Serialize;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Any text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A decimal of at most 38 digits.
    Number,
    /// True or false.
    Boolean,
    /// A date, or of a time its date.
    Date,
    /// What a wall clock shows.
    Timestamp,
    /// A point in time.
    Timestamptz,
    /// How long something takes.
    Duration,
    /// Any value of JSON.
    Json,
}

impl ColumnType {
    pub(super) const ALL: [(&'static str, Self); 9] = [
        ("text", Self::Text),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("date", Self::Date),
        ("timestamp", Self::Timestamp),
        ("timestamptz", Self::Timestamptz),
        ("duration", Self::Duration),
        ("json", Self::Json),
    ];

    /// As the spec has it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    pub(super) fn with_article(self) -> String {
        let article = if self == Self::Integer { "an" } else { "a" };
        format!("{article} {}", self.as_str())
    }

    /// Whether it has an order that all agree on.
    pub fn is_ordered(self) -> bool {
        !matches!(self, Self::Boolean | Self::Json)
    }

    /// Whether it can be added up.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Number | Self::Duration)
    }

    /// Whether it is a date or a time.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::Timestamptz)
    }

    /// Whether a null of it stays one where nothing is said.
    pub(super) fn is_nullable(self) -> bool {
        matches!(self, Self::Text | Self::Json)
    }
}
