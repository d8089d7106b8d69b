//! The documents that the functions leave for one another in the bucket.

use super::spec::{OnNul, OnTooLong, OnZeroDate, Verify};
use crate::contract::ObjectRef;
use crate::contract::copy_table::{Mode, Window};
use serde::{Deserialize, Serialize};

/// How many windows an execution may have, a year of days: each is 18 events of a history that holds 25,000, and nine
/// more each time somebody asks for its load.
pub const MAX_WINDOWS: u32 = 366;

/// The table in MySQL, by its catalogue.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct SourceTable {
    /// In their order.
    pub columns: Vec<SourceColumn>,
    /// About how many rows MySQL takes it to have.
    pub rows_estimated: Option<u64>,
    /// Whether an index begins with the column, by name: without one a window reads the whole table.
    pub indexed: Vec<String>,
    /// The columns of each unique index.
    #[serde(default)]
    pub unique: Vec<Vec<String>>,
    /// Rows that belong to no window, because their cursor is NULL.
    pub rows_without_window: u64,
}

impl SourceTable {
    /// Whether MySQL keeps two rows from having the same values in these columns.
    pub fn is_unique(&self, columns: &[String]) -> bool {
        self.unique.iter().any(|unique| unique.iter().all(|name| columns.contains(name)))
    }
}

/// A column in MySQL, as `information_schema.columns` has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct SourceColumn {
    /// Its name.
    pub name: String,
    /// `DATA_TYPE`: its type without sizes, in small letters.
    pub data_type: String,
    /// `COLUMN_TYPE`: its type with sizes, such as `tinyint(1)` and `bigint(20) unsigned`.
    pub column_type: String,
    /// Longest text in characters.
    pub characters: Option<u64>,
    /// The character set of its texts.
    #[serde(default)]
    pub charset: Option<String>,
    /// Longest text or value in bytes.
    pub octets: Option<u64>,
    /// Digits in all; of a bit field, bits.
    pub precision: Option<u32>,
    /// Digits behind the point.
    pub scale: Option<u32>,
    /// May it be NULL?
    pub is_nullable: bool,
}

/// What an execution loads.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Plan {
    /// The schema and the table that are read.
    pub source: [String; 2],
    /// The schema and the table that are written.
    pub target: [String; 2],
    /// What becomes of the rows that are there.
    pub mode: Mode,
    /// In the order in which they stand in the parts.
    pub columns: Vec<PlannedColumn>,
    /// Columns of the key.
    pub key: Vec<String>,
    /// Whether the rows of a window have an order by cursor and key in which no two are equal: of equal ones some may
    /// be lost between two calls.
    #[serde(default)]
    pub is_order_unique: bool,
    /// The column that tells which of two rows is newer.
    pub version: Option<String>,
    /// The column of time; `None` if the whole table is replaced.
    pub cursor: Option<String>,
    /// What stands for NULL in the parts.
    pub null_marker: String,
    /// By how many percent the table may shrink if it is replaced.
    pub max_shrink_percent: u8,
    /// What becomes of values that do not fit.
    pub policies: Policies,
    /// A column that marks rows which the target is not to have.
    #[serde(default)]
    pub deleted: Option<String>,
    /// How many minutes after its end, read as a time in UTC, no row goes to a window any more.
    #[serde(default)]
    pub settled_after_minutes: u32,
    /// What is compared after a load.
    #[serde(default)]
    pub verify: Verify,
    /// By index.
    pub windows: Vec<PlannedWindow>,
}

/// What becomes of values that do not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Policies {
    /// Dates that are none.
    pub zero_dates: OnZeroDate,
    /// Texts that have too many bytes.
    pub too_long: OnTooLong,
    /// NUL bytes in texts.
    pub nul: OnNul,
}

/// How a column goes over.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct PlannedColumn {
    /// Its name, on both sides.
    pub name: String,
    /// How MySQL is asked for it.
    pub read: Read,
    /// What it is in the parts.
    pub form: Form,
}

/// How MySQL is asked for a column, so that its text is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// By its name.
    Plain,
    /// As a number: the text of a bit field is its bytes.
    PlusZero,
    /// As a double: the text of a FLOAT has six digits, and loses the others.
    AsDouble,
    /// As hexadecimal digits.
    AsHex,
    /// As a text of the connection: an ENUM is ordered by its numbers and compared as a text, and a text of another
    /// character set is compared in another order than it is sorted in.
    AsChar,
}

/// What the values of a column are in the parts, and in Redshift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A whole number between these, for SMALLINT, INTEGER and BIGINT.
    Integer {
        /// The least one that the target takes.
        least: i64,
        /// The greatest one.
        most: i64,
    },
    /// 0 or 1, for BOOLEAN.
    Boolean,
    /// A number of so many digits in all and behind the point, for DECIMAL.
    Decimal {
        /// In all.
        precision: u32,
        /// Behind the point.
        scale: u32,
    },
    /// A floating point number, for REAL and DOUBLE PRECISION.
    Float,
    /// `YYYY-MM-DD`, for DATE.
    Date,
    /// `YYYY-MM-DD HH:MM:SS` and up to six decimals, for TIMESTAMP.
    Timestamp,
    /// A time of the day, for TIME.
    Time,
    /// A TIME of MySQL, which reaches from -838 to 838 hours, in seconds with six decimals, for DECIMAL(13,6).
    Seconds,
    /// A text of so many bytes at most, for VARCHAR.
    Text {
        /// Longest in bytes.
        bytes: u32,
    },
    /// JSON, for SUPER.
    Super,
    /// Hexadecimal digits of so many bytes at most, for VARBYTE.
    Binary {
        /// Longest in bytes.
        bytes: u32,
    },
}

/// One window of an execution.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct PlannedWindow {
    /// Which one; `None` for the whole table.
    pub window: Option<Window>,
    /// Its bounds as the cursor's values have them, half-open, such as `2024-01-01 00:00:00`; alike on both sides.
    pub bounds: Option<[String; 2]>,
    /// What has to be loaded before it, if it depends on that.
    #[serde(default)]
    pub past: Option<Past>,
}

/// The window before another one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Past {
    /// Its bounds, as those of [`PlannedWindow`].
    pub bounds: [String; 2],
    /// When it is complete, in UTC as `2024-01-01 00:00:00`: a load of the whole table that was read from then on has
    /// it too.
    pub complete_at: String,
}

/// What was read of a window so far, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Export {
    /// When the reading began, by MySQL's clock in UTC, as `2024-01-01 00:00:00.000000`. Not later than its snapshot.
    pub exported_at: String,
    /// Whether all of it was read at one moment: in one call.
    pub is_consistent: bool,
    /// Rows.
    pub rows: u64,
    /// Bytes of CSV before they were packed.
    pub csv_bytes: u64,
    /// The parts, in their order.
    pub parts: Vec<Part>,
    /// By column, in the plan's order.
    pub columns: Vec<ColumnSum>,
    /// What policies changed.
    pub changed: Changed,
    /// The last row's values of the columns by which the rows are ordered, if more are to come: the next call begins
    /// behind it.
    pub after: Option<Vec<String>>,
    /// What COPY is given, once all parts are there; `None` without a row.
    pub manifest: Option<ObjectRef>,
}

/// A part: packed CSV.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Part {
    /// Its key.
    pub key: String,
    /// Its size as it is packed.
    pub bytes: u64,
}

/// What a column's values add up to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct ColumnSum {
    /// How many are not NULL.
    pub values: u64,
    /// Their sum: a number with as many decimals as the column has; of texts, that of their bytes; of times, that of
    /// their digits read as a number. `None` where nothing can be added exactly.
    pub sum: Option<String>,
    /// The sum of the first 32 bits of each value's MD5; `None` if it was not asked for, or a value has not one text
    /// alone, such as a float.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<u64>,
}

/// How many values a policy changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Changed {
    /// Dates that became NULL.
    pub zero_dates: u64,
    /// Texts that were cut.
    pub truncated: u64,
    /// Texts out of which NUL bytes were taken.
    pub nuls: u64,
}

/// What became of a window: kept in `state/`, for the record.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct WindowRecord {
    /// Which one; `None` for the whole table.
    pub window: Option<Window>,
    /// When the reading began, by MySQL's clock in UTC.
    pub exported_at: String,
    /// Whether all of it was read at one moment.
    pub is_consistent: bool,
    /// What was loaded.
    pub counts: LoadCounts,
    /// What policies changed.
    pub changed: Changed,
    /// The id of the batch that loaded it, at the Data API.
    pub statement: String,
    /// The manifest of its parts.
    pub manifest: Option<ObjectRef>,
    /// When it was found to be loaded, RFC 3339.
    pub loaded_at: String,
}

/// What a load did. What it did if its answer was lost is not known: then `rows` alone is certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct LoadCounts {
    /// Rows of the source.
    pub rows: u64,
    /// Rows that were written, new ones and changed ones.
    pub rows_inserted: u64,
    /// Rows that were deleted, because they changed or because the source no longer has them.
    pub rows_deleted: u64,
    /// Rows that were there already.
    pub rows_unchanged: u64,
    /// Rows of the target that are newer than the source's, hence stayed.
    pub rows_newer: u64,
    /// Rows that the source marks as deleted, hence are not in the target.
    #[serde(default)]
    pub rows_gone: u64,
    /// 1 if the answer was lost and the numbers above are not known, else 0.
    pub answers_lost: u64,
}

impl LoadCounts {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            rows_inserted: self.rows_inserted + other.rows_inserted,
            rows_deleted: self.rows_deleted + other.rows_deleted,
            rows_unchanged: self.rows_unchanged + other.rows_unchanged,
            rows_newer: self.rows_newer + other.rows_newer,
            rows_gone: self.rows_gone + other.rows_gone,
            answers_lost: self.answers_lost + other.answers_lost,
        }
    }
}
