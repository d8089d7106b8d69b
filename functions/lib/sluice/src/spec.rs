//! A job's spec: what a file holds and where it goes. Its parts are parameters of the job in the template, put into the
//! states that need them, so it is fixed when the stack is deployed; whoever starts an execution cannot change it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Which objects under the job's prefix are its input.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Keys end with this, for example `.csv`, or with one of these, as [`input`](crate::input) says. It also says what
    /// a file holds: Parquet, JSON lines or CSV.
    pub suffix: Suffixes,
}

/// One suffix, or several.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Suffixes {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Suffixes {
    /// All of them.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(suffix) => std::slice::from_ref(suffix),
            Self::Several(suffixes) => suffixes,
        }
    }
}

impl fmt::Display for Suffixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.all().join(" or "))
    }
}

/// How rows become one row per index value and one column per category.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pivot {
    /// The column whose values become the rows of the result.
    pub index: Index,
    /// The column whose values become the columns of the result.
    pub columns: String,
    /// The column that is summed.
    pub values: String,
    /// How the values of one cell become one.
    pub aggregate: Aggregate,
    /// From a value of the column `columns` to the name of a result column.
    pub categories: BTreeMap<String, String>,
    /// What to do with a category that is not listed.
    #[serde(default)]
    pub unknown_category: UnknownCategory,
    /// What to do with a row that cannot be read.
    #[serde(default)]
    pub bad_row: BadRow,
    /// Keep the sums of each file apart: [`OnOverlap::PerFile`] needs them so.
    #[serde(default)]
    pub per_file: bool,
}

impl Pivot {
    /// The result's value columns, each once, in the order of their names.
    pub fn value_columns(&self) -> Vec<String> {
        let mut names: Vec<String> = self.categories.values().cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The index column.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Its name in the file's header.
    pub column: String,
    /// For an index of dates: how many leading characters of the value are the date. 10 for `YYYY-MM-DD...`, the only
    /// form there is. Without it the index is text, taken as it stands.
    #[serde(default)]
    pub date_prefix: Option<u8>,
    /// Its name in the result.
    #[serde(rename = "as")]
    pub name: String,
}

/// How the values of one cell become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Their exact decimal sum.
    Sum,
}

/// What to do with a category that the spec does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownCategory {
    /// The row is a bad row.
    #[default]
    Fail,
    /// The row is left out, and counted.
    Ignore,
}

/// What to do with a row that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRow {
    /// Write all bad rows of the batch to the quarantine file, name the first ones, and load nothing.
    #[default]
    Fail,
    /// Write them to the quarantine file, count them, and load the others.
    Quarantine,
}

/// The table that is loaded.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The columns of its unique key.
    pub key: Vec<String>,
    /// Create it when it is missing.
    #[serde(default)]
    pub create: bool,
    /// What a known key means.
    #[serde(default)]
    pub on_overlap: OnOverlap,
}

/// What to do with a key that the table already holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOverlap {
    /// Overwrite its values.
    #[default]
    Replace,
    /// Its values are the sum of the shares that all files have in it: a run replaces the shares of its files.
    PerFile,
}
