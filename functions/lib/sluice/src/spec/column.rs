//! A column of the source: where its values are, and how they are read.

mod read;

pub(super) use read::{Defaults, read};

use super::{ColumnType, Constant, Step, Truncate};
use serde::Serialize;

/// How a column is read. What is not said is as [`Column::new`] has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Where its values are.
    pub place: Place,
    /// What they are.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Dates and times: whose wall clock, an IANA name.
    pub zone: Option<String>,
    /// Dates and times: `epoch_s` and the like, or a pattern; `None` is `iso`. Durations: `h:m`, `m:s` or the unit of a
    /// plain number; `None`: their form tells.
    #[serde(skip_serializing_if = "is_default")]
    pub format: Option<String>,
    /// A wall clock that comes twice.
    #[serde(skip_serializing_if = "is_default")]
    pub ambiguous: Ambiguous,
    /// To the beginning of what a date or time goes.
    #[serde(skip_serializing_if = "is_default")]
    pub truncate: Option<Truncate>,
    /// Durations: the unit of the number that one becomes.
    #[serde(skip_serializing_if = "is_default")]
    pub unit: Option<Unit>,
    /// Durations in minutes, hours or days: how many decimals are kept.
    #[serde(skip_serializing_if = "is_default")]
    pub scale: Option<u32>,
    /// Numbers: a comma is the decimal mark, not a point.
    #[serde(skip_serializing_if = "is_default")]
    pub has_decimal_comma: bool,
    /// Numbers: each of these may stand between groups of digits.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// Numbers: what may stand before or behind.
    #[serde(skip_serializing_if = "is_default")]
    pub strip: Vec<String>,
    /// Numbers: `(5.00)` and `5.00-` are negative.
    #[serde(skip_serializing_if = "is_default")]
    pub accounting: bool,
    /// What means true; `None`: `true`, in any case.
    #[serde(skip_serializing_if = "is_default")]
    pub true_values: Option<Vec<String>>,
    /// What means false; `None`: `false`, in any case.
    #[serde(skip_serializing_if = "is_default")]
    pub false_values: Option<Vec<String>>,
    /// White space around the value goes; of all types but text and json it does anyway.
    #[serde(skip_serializing_if = "is_default")]
    pub trim: bool,
    /// What means null; `None`: the empty text.
    #[serde(skip_serializing_if = "is_default")]
    pub null_values: Option<Vec<String>>,
    /// Whether a null stays one, where that is other than usual of the type: see [`Column::is_nullable`].
    #[serde(skip_serializing_if = "is_default")]
    pub nullable: Option<bool>,
    /// What is taken for a null, as if it stood in the file.
    #[serde(skip_serializing_if = "is_default")]
    pub if_null: Option<Constant>,
    /// A file may lack the column.
    #[serde(skip_serializing_if = "is_default")]
    pub optional: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Column {
    /// A column of which nothing is said but where it is and of what type.
    pub fn new(place: Place, kind: ColumnType) -> Self {
        Self {
            place,
            kind,
            zone: None,
            format: None,
            ambiguous: Ambiguous::BadRow,
            truncate: None,
            unit: None,
            scale: None,
            has_decimal_comma: false,
            group: String::new(),
            strip: Vec::new(),
            accounting: false,
            true_values: None,
            false_values: None,
            trim: false,
            null_values: None,
            nullable: None,
            if_null: None,
            optional: false,
        }
    }

    /// Whether a null stays one; else it makes a bad row.
    pub fn is_nullable(&self) -> bool {
        self.nullable.unwrap_or(self.kind.is_nullable())
    }

    /// Whether it is read as a column of its place, type and zone alone would be.
    pub fn is_plain(&self) -> bool {
        let Self { place, kind, zone, .. } = self;
        *self == Self { zone: zone.clone(), ..Self::new(place.clone(), *kind) }
    }
}

/// Where the values of a column are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The field of this name.
    From(String),
    /// The nested field to which this way leads, in JSON or Parquet.
    Way(Vec<Step>),
    /// Behind this name in a part `name=value` of the object's key.
    Partition(String),
    /// What is known of the object.
    File {
        /// What of it.
        of: FilePart,
        /// Of a text only what stands for the one star of this.
        pattern: Option<String>,
    },
    /// The same value for every row.
    Constant(Constant),
}

/// What is known of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FilePart {
    /// Its key.
    Key,
    /// The last part of its key.
    Name,
    /// When S3 says that it was written.
    Modified,
    /// The number of the row in it, from 1.
    Row,
}

/// What to do with a wall clock that comes twice, when clocks are put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ambiguous {
    /// Its row is a bad row.
    #[default]
    BadRow,
    /// The first of the two points in time is meant.
    Earlier,
    /// The second.
    Later,
}

/// A unit of durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they say it themselves")]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl Unit {
    const ALL: [(&'static str, Self); 7] = [
        ("nanoseconds", Self::Nanoseconds),
        ("microseconds", Self::Microseconds),
        ("milliseconds", Self::Milliseconds),
        ("seconds", Self::Seconds),
        ("minutes", Self::Minutes),
        ("hours", Self::Hours),
        ("days", Self::Days),
    ];

    /// The unit of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == name).map(|(_, unit)| *unit)
    }

    /// How many seconds it has; `None` if it is a part of one.
    pub fn seconds(self) -> Option<u32> {
        match self {
            Self::Nanoseconds | Self::Microseconds | Self::Milliseconds => None,
            Self::Seconds => Some(1),
            Self::Minutes => Some(60),
            Self::Hours => Some(3_600),
            Self::Days => Some(86_400),
        }
    }

    /// How many decimals of a second it is: 3 for milliseconds; 0 from seconds on.
    pub fn decimals(self) -> u32 {
        match self {
            Self::Nanoseconds => 9,
            Self::Microseconds => 6,
            Self::Milliseconds => 3,
            Self::Seconds | Self::Minutes | Self::Hours | Self::Days => 0,
        }
    }
}
