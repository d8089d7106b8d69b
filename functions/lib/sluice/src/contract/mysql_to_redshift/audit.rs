//! An audit: both tables are cut into the same parts by their key, and of each part rows and hashes are compared.

use super::documents::{Form, Plan};
use crate::contract::{Execution, ObjectRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Into how many parts a key is cut at most: so many as three hexadecimal digits tell apart.
pub const MAX_PARTS: i64 = 4_096;

/// How many columns one hash is of: the Data API takes 100,000 bytes a statement.
const COLUMNS_PER_HASH: usize = 100;

/// How many differences the output of an execution names. The record has all of them.
pub const MAX_TOLD: usize = 50;

/// By what the rows of both tables are cut into parts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// By ranges of a whole number, all equally long.
    Ranges {
        /// The column, which belongs to the key.
        column: String,
        /// The least number that MySQL has.
        least: i64,
        /// The greatest one.
        greatest: i64,
        /// How many numbers a range has.
        width: i64,
    },
    /// By the first three hexadecimal digits of the MD5 of a column that belongs to the key: of texts a range would
    /// tell values.
    Digits {
        /// The column.
        column: String,
    },
    /// Not at all: there is no key.
    Whole,
}

/// The part of the rows without a value of the column that cuts them.
pub const NO_KEY: i64 = -2;

/// The part of the rows whose number is less than the least one of MySQL.
pub const BELOW: i64 = -1;

impl Split {
    /// Ranges from the least number of MySQL to the greatest one; `None` if these are too far apart for the arithmetic
    /// of a BIGINT.
    pub fn ranges(column: &str, least: i64, greatest: i64) -> Option<Self> {
        let count = greatest.checked_sub(least)?.checked_add(1)?.max(1);
        let width = (count - 1) / MAX_PARTS + 1;
        Some(Self::Ranges { column: column.to_owned(), least, greatest, width })
    }

    /// The part of a row with this number.
    pub fn of_number(least: i64, greatest: i64, width: i64, number: i64) -> i64 {
        if number < least {
            BELOW
        } else if number > greatest {
            (greatest - least) / width + 1
        } else {
            (number - least) / width
        }
    }

    /// How many parts there are between the first one and the last one; not cut at all it is one.
    pub fn count(&self) -> i64 {
        match self {
            Self::Ranges { least, greatest, width, .. } => (greatest - least) / width + 1,
            Self::Digits { .. } => MAX_PARTS,
            Self::Whole => 1,
        }
    }

    /// A part, as people find its rows; without a value of a row but the bounds of a range.
    pub fn named(&self, part: i64) -> String {
        match self {
            Self::Whole => "all rows".to_owned(),
            Self::Ranges { column, .. } | Self::Digits { column } if part == NO_KEY => format!("{column} is NULL"),
            Self::Digits { column } => format!("left(md5({column}), 3) = '{part:03x}'"),
            Self::Ranges { column, least, .. } if part == BELOW => format!("{column} < {least}"),
            Self::Ranges { column, least, greatest, width } if part > (greatest - least) / width => {
                format!("{column} > {greatest}")
            }
            Self::Ranges { column, least, greatest, width } => {
                let first = least + part * width;
                let last = first.saturating_add(width - 1).min(*greatest);
                if first == last { format!("{column} = {first}") } else { format!("{column} from {first} to {last}") }
            }
        }
    }
}

/// The columns of each hash of a row, as their places in the plan. Each hash is also of the key, so values that change
/// places between rows are found. JSON is in none: Redshift writes it anew, and takes its null for none.
pub fn hashed_columns(plan: &Plan) -> Vec<Vec<usize>> {
    let is_key = |place: &usize| plan.key.contains(&plan.columns[*place].name);
    let all = (0..plan.columns.len()).filter(|place| plan.columns[*place].form != Form::Super);
    let (key, others): (Vec<usize>, Vec<usize>) = all.partition(is_key);
    if others.is_empty() {
        return vec![key];
    }
    others.chunks(COLUMNS_PER_HASH).map(|some| [key.as_slice(), some].concat()).collect()
}

/// The columns that an audit compares not at all or in part: JSON not, of floats only whether there is a value, of TIME
/// whole seconds.
pub fn compared_in_part(plan: &Plan) -> Vec<String> {
    let is_part = |form: Form| matches!(form, Form::Super | Form::Float | Form::Time);
    plan.columns.iter().filter(|column| is_part(column.form)).map(|column| column.name.clone()).collect()
}

/// What was read of MySQL for an audit so far.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct SourceAudit {
    /// When the reading began, by MySQL's clock in UTC. Not later than its snapshot.
    pub read_at: String,
    /// Whether all of it was read at one moment: in one call.
    pub is_consistent: bool,
    /// How the rows are cut into parts.
    pub split: Split,
    /// What is in each part that has a row.
    pub parts: BTreeMap<i64, SourcePart>,
    /// Rows that the source marks as deleted, hence are not to be in the target.
    pub rows_gone: u64,
    /// Rows that were read, all together.
    pub rows_read: u64,
    /// The key of the last row, if more are to come: the next call begins behind it.
    pub after: Option<Vec<String>>,
}

/// What is in a part of the table in MySQL.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct SourcePart {
    /// Rows that are compared.
    pub rows: u64,
    /// Rows that are in no window that is loaded.
    pub rows_not_due: u64,
    /// The sums of 32 bits of the MD5 of each row that is compared, one per hash.
    pub hashes: Vec<u64>,
}

/// Input of the state `AuditSource`.
#[derive(Debug, Deserialize, Serialize)]
pub struct AuditSourceInput {
    /// This execution.
    pub execution: Execution,
    /// The [`Plan`], whose windows are all that is loaded.
    pub plan: ObjectRef,
    /// What an earlier call has left over: the [`SourceAudit`] that it ended with.
    #[serde(default)]
    pub source: Option<ObjectRef>,
}

/// Output of the state `AuditSource`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct AuditSourceOutput {
    /// The [`SourceAudit`].
    pub source: ObjectRef,
    /// Nothing is left to read.
    pub is_done: bool,
}

/// Input of the state `AuditTarget`.
#[derive(Debug, Deserialize, Serialize)]
pub struct AuditTargetInput {
    /// This execution.
    pub execution: Execution,
    /// The [`Plan`].
    pub plan: ObjectRef,
    /// The [`SourceAudit`].
    pub source: ObjectRef,
    /// What an earlier call has asked for and got: of `load-redshift`, nobody else reads it.
    #[serde(default)]
    pub target: Option<ObjectRef>,
}

/// Output of the state `AuditTarget`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct AuditTargetOutput {
    /// What the next call goes on with, if there is one.
    pub target: Option<ObjectRef>,
    /// Whether Redshift has answered.
    pub is_done: bool,
    /// What came of it, with [`MAX_TOLD`] differences at most.
    pub audit: Option<Audit>,
}

/// What an audit found: also `state/<job>/runs/<execution>/audit.json`, there with all differences.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Audit {
    /// Every part is the same on both sides, and no key is in the target twice.
    pub is_equal: bool,
    /// Which values of the cursor were compared: each from the first one on and before the second one; none if it was
    /// the whole table.
    pub spans: Vec<[String; 2]>,
    /// When MySQL was read, by its clock in UTC.
    pub read_at: String,
    /// When the rows of the newest load were read.
    pub newest_load_read_at: Option<String>,
    /// Rows of MySQL that were compared.
    pub rows_source: u64,
    /// Rows of Redshift that were.
    pub rows_target: u64,
    /// Rows of MySQL that are in no window that is loaded.
    pub rows_not_due: u64,
    /// Rows of Redshift that are in no such window.
    pub rows_outside: u64,
    /// Rows that MySQL marks as deleted.
    pub rows_gone: u64,
    /// Keys that the target has more than once, in the whole table.
    pub keys_twice: u64,
    /// Loads that were recorded since and whose rows were read later than this audit's.
    pub loads_since: u64,
    /// How many parts differ.
    pub parts_different: u64,
    /// Those parts, neighbours as one.
    pub differences: Vec<Difference>,
    /// What a person should know of it.
    pub notes: Vec<String>,
}

/// A part of the key in which both tables differ.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Difference {
    /// Which rows, as [`Split::named`] has them.
    pub part: String,
    /// How many MySQL has.
    pub rows_source: u64,
    /// How many Redshift has. As many: some of them have other values.
    pub rows_target: u64,
    /// How many more MySQL has that are in no window that is loaded: rows may have gone there since.
    pub rows_not_due: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_number_once_and_are_named_by_their_bounds() {
        for (least, greatest) in [(1, 1), (1, 4_096), (1, 4_097), (-5, 100_000), (-3, i64::MAX - 4)] {
            let Some(Split::Ranges { width, .. }) = Split::ranges("id", least, greatest) else { panic!("{least}") };
            let of = |number: i64| Split::of_number(least, greatest, width, number);
            assert_eq!((of(least), of(least - 1)), (0, BELOW));
            let last = of(greatest);
            assert!(last < MAX_PARTS && of(greatest + 1) == last + 1, "{least} to {greatest}: {last}");
            if let Some(second) = least.checked_add(width).filter(|second| *second <= greatest) {
                assert_eq!((of(second - 1), of(second)), (0, 1));
            }
        }
        assert_eq!(Split::ranges("id", i64::MIN, 0), None);
        let count = |least, greatest| Split::ranges("id", least, greatest).map(|split| split.count());
        assert_eq!([count(5, 5), count(1, 4_096), count(1, 4_097)], [Some(1), Some(4_096), Some(2_049)]);
        let split = Split::ranges("id", 1, 10_000).unwrap();
        let named = [NO_KEY, BELOW, 0, 3_333, 3_334].map(|part| split.named(part));
        assert_eq!(named, ["id is NULL", "id < 1", "id from 1 to 3", "id = 10000", "id > 10000"]);
        assert_eq!(Split::Digits { column: "mail".into() }.named(0x0af), "left(md5(mail), 3) = '0af'");
    }
}
