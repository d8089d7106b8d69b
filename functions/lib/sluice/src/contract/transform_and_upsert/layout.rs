//! How the parts are made that pivot leaves of a batch, and upsert takes: their columns, in order. Both get it from the
//! spec by [`Layout::of`], so that they cannot differ; pivot writes it down too, and upsert refuses parts of another.
//!
//! A part is in PostgreSQL's binary format for COPY. Its rows are, in this order:
//!
//! | columns | type | of |
//! |---|---|---|
//! | [`FILE_COLUMN`] | `bigint` | the file, by [`file_number`](super::file_number); if `per_file` |
//! | [`STATE_COLUMN`] | `smallint` | whether all rows of the key are in it; if `has_states` |
//! | the keys | as they are | never null |
//! | of `values`: for each [`Word`] its columns, by [`Word::columns`] | | what the file says of the key |
//! | of `rows`: the columns to load, in the order of their names | as they are | null where the value is |
//! | of `rows`: [`order_column`] 0, 1, ... | as they are | what the winner goes by; null is the least |
//! | of `rows`: [`ROW_COLUMN`] | `bigint` | the number of the row in its file, from 1 |
//! | of `rows`: [`DELETED_COLUMN`] | `boolean` | the winner's key is deleted |
//!
//! **A key may come several times**, of one file too, unless the result of its batch says that it does not
//! ([`has_keys_once`](super::PivotResult::has_keys_once)). What the rows with one file and key say together is what its
//! rows say: sums and counts are added up, of extremes the extreme counts, of first, last and rows the one that its
//! order says, then its [`row_column`].
//!
//! With `has_states` a key also comes with [`BAD_ROWS_ONLY`](super::BAD_ROWS_ONLY): then the words say nothing, counts
//! and sums are 0, all else is null, and of `rows` there is no row, its [`ROW_COLUMN`] is 0. Of a key that comes
//! several times it is so often as it does [`WHOLE`](super::WHOLE) or [`PARTIAL`](super::PARTIAL), and one of them says
//! [`PARTIAL`](super::PARTIAL) or [`BAD_ROWS_ONLY`](super::BAD_ROWS_ONLY) if any bad row has it.
//!
//! Texts are compared by their bytes (`collate "C"`), wherever an order is meant.

use super::{FILE_COLUMN, STATE_COLUMN};
use crate::spec::{Aggregate, ColumnKind, Content, OnBad, Spec, TableColumn};
use serde::{Deserialize, Serialize};

/// The columns of the parts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Layout {
    /// Whether what each file says is kept apart; then [`FILE_COLUMN`] is the first column.
    pub per_file: bool,
    /// Whether rows may be in quarantine; then [`STATE_COLUMN`] is the column before the keys.
    pub has_states: bool,
    /// The keys, in their order.
    pub keys: Vec<Column>,
    /// The others.
    pub content: PartContent,
}

/// What the parts say of a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartContent {
    /// For each column of the table that is no key, in the order of their names, what its value comes of.
    Values(Vec<Word>),
    /// The row that wins.
    Rows {
        /// The columns to load, in the order of their names.
        columns: Vec<Column>,
        /// The types of what the winner goes by.
        order_by: Vec<ColumnKind>,
    },
}

/// What a column of the table comes of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Word {
    /// The column of the table, and the first one in the parts.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub says: Says,
}

/// What a word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "says", rename_all = "snake_case")]
pub enum Says {
    /// A sum: `numeric`. The value is the sum of the words, divided.
    Sum {
        /// Where nothing counts it is null, not 0, in the parts and in the table.
        is_null_if_empty: bool,
        /// What becomes of the sum in the end; of numbers nothing.
        divided: Option<Division>,
    },
    /// A count: `bigint`.
    Count,
    /// The smallest value, null where there is none.
    Min {
        /// Its type.
        kind: ColumnKind,
    },
    /// The greatest.
    Max {
        /// Its type.
        kind: ColumnKind,
    },
    /// A sum, `numeric`, and a count, `bigint`, both 0 where there is none. The value is the one over the other,
    /// divided; null where the count is 0.
    Mean {
        /// What becomes of the quotient: it is divided once, together with this.
        divided: Division,
    },
    /// A value, which may be null; what it goes by, null where there is no such row; the number of its row in the file,
    /// 0 then. The least of what it goes by counts, then the older file, then the earlier row.
    First {
        /// The value's type.
        kind: ColumnKind,
        /// The type of what it goes by.
        order: ColumnKind,
    },
    /// The same; the greatest counts, then the newer file, then the later row.
    Last {
        /// The value's type.
        kind: ColumnKind,
        /// The type of what it goes by.
        order: ColumnKind,
    },
}

/// A division whose result has so many decimals, halves rounded away from zero. It must be exact: neither a float nor a
/// quotient that was rounded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Division {
    /// By how much: 60 for a duration in minutes, which is added up in seconds; 1 for nothing.
    pub by: u32,
    /// Decimals of the result.
    pub scale: u32,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnKind,
}

/// The column of `rows` that has the number of the row in its file.
pub const ROW_COLUMN: &str = "sluice_row";

/// The column of `rows` that says whether the key is deleted.
pub const DELETED_COLUMN: &str = "sluice_deleted";

/// The column with what the word at this place goes by, or of `rows` with the column of `order_by` at it.
pub fn order_column(place: usize) -> String {
    format!("sluice_order_{place}")
}

/// The column with the number of the row that the word at this place is of.
pub fn row_column(place: usize) -> String {
    format!("sluice_row_{place}")
}

/// The column with the count of the mean that is the word at this place.
pub fn count_column(place: usize) -> String {
    format!("sluice_count_{place}")
}

impl Word {
    /// The columns of the word that is at this place among all.
    pub fn columns(&self, place: usize) -> Vec<Column> {
        let first = |kind| Column { name: self.name.clone(), kind };
        match self.says {
            Says::Sum { .. } => vec![first(ColumnKind::Numeric)],
            Says::Count => vec![first(ColumnKind::Bigint)],
            Says::Min { kind } | Says::Max { kind } => vec![first(kind)],
            Says::Mean { .. } => {
                vec![first(ColumnKind::Numeric), Column { name: count_column(place), kind: ColumnKind::Bigint }]
            }
            Says::First { kind, order } | Says::Last { kind, order } => vec![
                first(kind),
                Column { name: order_column(place), kind: order },
                Column { name: row_column(place), kind: ColumnKind::Bigint },
            ],
        }
    }
}

impl Layout {
    /// The columns of the parts that pivot makes by this spec.
    pub fn of(spec: &Spec) -> Self {
        let columns = spec.table_columns();
        let (keys, others): (Vec<_>, Vec<_>) =
            columns.into_iter().partition(|column| matches!(column.content, Content::Key(_)));
        let plain = |column: &TableColumn<'_>| Column { name: column.name.clone(), kind: column.kind };
        let content = match &spec.shape.rows {
            Some(rows) => PartContent::Rows {
                columns: others.iter().map(plain).collect(),
                order_by: rows.order_by.iter().map(|name| kind_of(spec, name)).collect(),
            },
            None => PartContent::Values(others.iter().filter_map(|column| word(spec, column)).collect()),
        };
        Self {
            per_file: spec.target.on_overlap.keeps_words() || !spec.is_usual(),
            has_states: spec.source.on_bad_row == OnBad::Quarantine,
            keys: keys.iter().map(plain).collect(),
            content,
        }
    }

    /// All columns, in order.
    pub fn columns(&self) -> Vec<Column> {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let mut all = Vec::new();
        all.extend(self.per_file.then(|| column(FILE_COLUMN, ColumnKind::Bigint)));
        all.extend(self.has_states.then(|| column(STATE_COLUMN, ColumnKind::Smallint)));
        all.extend(self.keys.iter().cloned());
        match &self.content {
            PartContent::Values(words) => {
                all.extend(words.iter().enumerate().flat_map(|(place, word)| word.columns(place)));
            }
            PartContent::Rows { columns, order_by } => {
                all.extend(columns.iter().cloned());
                all.extend(order_by.iter().enumerate().map(|(place, kind)| column(&order_column(place), *kind)));
                all.push(column(ROW_COLUMN, ColumnKind::Bigint));
                all.push(column(DELETED_COLUMN, ColumnKind::Boolean));
            }
        }
        all
    }
}

fn kind_of(spec: &Spec, name: &str) -> ColumnKind {
    spec.source.columns.get(name).map_or(ColumnKind::Text, |column| column.kind.becomes())
}

fn word(spec: &Spec, column: &TableColumn<'_>) -> Option<Word> {
    let Content::Value { aggregate, .. } = column.content else { return None };
    let source = aggregate.of().and_then(|of| spec.source.columns.get(of));
    // A duration is added up in seconds, or in its unit if that is a part of one.
    let by = source.and_then(|column| column.unit).and_then(|unit| unit.seconds()).unwrap_or(1);
    let order = aggregate.order_by().map_or(ColumnKind::Text, |name| kind_of(spec, name));
    let kind = column.kind;
    let says = match aggregate {
        Aggregate::Sum { is_null_if_empty, .. } => {
            let scale = source.and_then(|column| column.scale);
            let divided = scale.map(|scale| Division { by, scale });
            Says::Sum { is_null_if_empty: *is_null_if_empty, divided }
        }
        Aggregate::CountRows | Aggregate::Count { .. } => Says::Count,
        Aggregate::Min { .. } => Says::Min { kind },
        Aggregate::Max { .. } => Says::Max { kind },
        Aggregate::Mean { scale, .. } => Says::Mean { divided: Division { by, scale: *scale } },
        Aggregate::First { .. } => Says::First { kind, order },
        Aggregate::Last { .. } => Says::Last { kind, order },
    };
    Some(Word { name: column.name.clone(), says })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Parts;
    use serde_json::json;

    fn layout(shape: serde_json::Value, target: serde_json::Value) -> Layout {
        let columns = json!({
            "k": {"type": "integer"}, "d": {"type": "date"}, "c": {}, "n": {"type": "number"},
            "m": {"type": "duration", "unit": "minutes", "scale": 2}, "at": {"type": "timestamptz"}, "j": {"type": "json"},
        });
        let source = json!({"suffix": ".csv", "columns": columns, "on_bad_row": "quarantine"});
        Layout::of(&Parts { source, shape, target }.read().unwrap())
    }

    fn shown(layout: &Layout) -> Vec<String> {
        layout.columns().iter().map(|column| format!("{} {}", column.name, column.kind.sql())).collect()
    }

    #[test]
    fn parts_have_the_columns_that_the_words_need() {
        let values = json!({
            "total": {"sum": "n"}, "rows": {"count": "*"}, "high": {"max": "at"}, "avg": {"mean": "m", "scale": 3},
            "last": {"last": "c", "order_by": "d"}, "spent": {"sum": "m", "empty": null},
        });
        let target = json!({"table": "t", "on_overlap": "last_run"});
        let layout = layout(json!({"keys": ["k", "d"], "values": values}), target);
        assert_eq!(
            shown(&layout),
            [
                "sluice_file bigint",
                "sluice_state smallint",
                "k bigint",
                "d date",
                "avg numeric",
                "sluice_count_0 bigint",
                "high timestamptz",
                "last text",
                "sluice_order_2 date",
                "sluice_row_2 bigint",
                "rows bigint",
                "spent numeric",
                "total numeric",
            ]
        );
        let PartContent::Values(words) = &layout.content else { panic!("{layout:?}") };
        assert_eq!(words[0].says, Says::Mean { divided: Division { by: 60, scale: 3 } });
        let divided = Some(Division { by: 60, scale: 2 });
        assert_eq!(words[4].says, Says::Sum { is_null_if_empty: true, divided });
        assert_eq!(words[5].says, Says::Sum { is_null_if_empty: false, divided: None });
        let written = serde_json::to_value(&layout).unwrap();
        assert_eq!(serde_json::from_value::<Layout>(written).unwrap(), layout);
    }

    #[test]
    fn rows_come_with_what_they_are_ordered_by() {
        let rows =
            json!({"columns": ["j", "c"], "order_by": ["at", "n"], "delete_when": {"column": "c", "equal": "x"}});
        let target = json!({"table": "t", "on_overlap": "newest_row"});
        let layout = layout(json!({"keys": ["k"], "rows": rows}), target);
        assert_eq!(
            shown(&layout)[3..],
            [
                "c text",
                "j jsonb",
                "sluice_order_0 timestamptz",
                "sluice_order_1 numeric",
                "sluice_row bigint",
                "sluice_deleted boolean",
            ]
        );
    }
}
