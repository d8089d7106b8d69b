//! What the output of a load into Redshift says of the windows of its source that are in the target.

use crate::kind::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What of a source is in the target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Windows {
    /// All windows from a time on and before another one, in milliseconds since 1970: the run has loaded them, or has
    /// passed over those that were there.
    Between(i64, i64),
    /// All that were over when it began.
    All,
}

impl Windows {
    /// What the output of a run of this kind says; `None` if it loaded none, or says nothing of them.
    pub(crate) fn read(kind: Kind, output: &Value) -> Option<Self> {
        if kind != Kind::MysqlToRedshift || !output["conclusion"].is_object() || output["window_count"] == 0 {
            return None;
        }
        let at = |field: &str| Some(output[field].as_str()?.parse::<jiff::Timestamp>().ok()?.as_millisecond());
        match (at("from"), at("to")) {
            (Some(from), Some(to)) => Some(Self::Between(from, to)),
            // The whole table has no bounds.
            _ if output["window_count"] == 1 => Some(Self::All),
            _ => None,
        }
    }
}
