//! What of a spec decides what a table holds: kept with what is loaded, and compared by the next run.

use super::{OnOverlap, Spec, Suffixes};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What of a spec decides what a table holds.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Print {
    /// `schema.table`.
    pub target: String,
    /// Which objects are input.
    pub selection: Selection,
    /// SHA-256, in hexadecimal digits, of how they are read and what becomes of their rows.
    pub reading: String,
    /// Who speaks for a key.
    pub on_overlap: OnOverlap,
}

/// Which objects are input.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Selection {
    /// The bucket that they are in; empty in what an earlier version wrote, which did not write it down.
    #[serde(default)]
    pub bucket: String,
    /// Keys begin with this.
    pub prefix: String,
    /// They end with one of these, in any case of letters: lower-case and sorted here.
    pub suffixes: Vec<String>,
    /// Hidden ones too.
    pub read_hidden: bool,
}

impl Selection {
    /// Whether both select the same keys of a bucket.
    pub fn selects_as(&self, other: &Self) -> bool {
        let keys = |selection: &Self| (selection.prefix.clone(), selection.suffixes.clone(), selection.read_hidden);
        keys(self) == keys(other)
    }

    /// Whether they are known to be of two buckets.
    pub fn is_of_other_bucket(&self, other: &Self) -> bool {
        self.bucket != other.bucket && !self.bucket.is_empty() && !other.bucket.is_empty()
    }

    /// The suffixes as a source has them.
    pub fn suffix(&self) -> Suffixes {
        Suffixes::new(self.suffixes.iter())
    }
}

impl Spec {
    /// What of this spec, in a job of this bucket and prefix, decides what the table holds.
    pub fn print(&self, bucket: &str, prefix: &str) -> Print {
        let Self { source, shape, target } = self;
        // Maps are sorted, and defaults are written out, so that one meaning has one text.
        let reading = serde_json::json!({
            "format": source.format, "columns": source.columns, "shape": shape, "newest_by": target.newest_by,
        });
        let digest = Sha256::digest(reading.to_string());
        let reading = digest.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let mut suffixes: Vec<String> = source.suffix.all().iter().map(|suffix| suffix.to_lowercase()).collect();
        suffixes.sort();
        suffixes.dedup();
        Print {
            target: target.full_name(),
            selection: Selection {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
                suffixes,
                read_hidden: source.read_hidden,
            },
            reading,
            on_overlap: target.on_overlap,
        }
    }
}
