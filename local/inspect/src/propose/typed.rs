//! What is found out of the values of a column.

use pivot::general::probe::Probe;
use serde_json::{Value, json};
use sluice::spec::{ColumnType, Parts};

/// A column, and what its values are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Typed {
    /// The fields of the column that say it; empty: texts.
    pub(super) fields: Value,
    /// The type.
    pub(super) kind: ColumnType,
    /// Whether there are nulls.
    pub(super) has_nulls: bool,
    /// What is not told.
    pub(super) unsure: Vec<String>,
}

impl Typed {
    pub(super) fn new(kind: ColumnType, mut fields: Value) -> Self {
        if kind != ColumnType::Text {
            fields["type"] = kind.as_str().into();
        }
        Self { fields, kind, has_nulls: false, unsure: Vec::new() }
    }
}

/// Reads values of a column with these fields; `None` if there can be no such column.
pub(super) fn probe(fields: &Value) -> Option<Probe> {
    let parts = Parts {
        source: json!({"suffix": ".csv", "columns": {"x": fields, "k": {}}}),
        shape: json!({"keys": ["k"], "values": {"n": {"count": "x"}}}),
        target: json!({"table": "t", "on_overlap": "last_run"}),
    };
    Probe::new(parts.check().ok()?.source.columns.get("x")?)
}

/// Whether a column with these fields reads all of them.
pub(super) fn fits(fields: &Value, cells: &[&str]) -> bool {
    probe(fields).is_some_and(|probe| cells.iter().all(|cell| probe.takes(cell)))
}

/// One of them, to be shown.
pub(super) fn example<'t>(cells: &[&'t str]) -> &'t str {
    cells.first().map_or("", |cell| cell.trim())
}

/// Texts in quotation marks.
pub(super) fn quoted(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
}
