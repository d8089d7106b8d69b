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
    /// Keys begin with this.
    pub prefix: String,
    /// They end with one of these, in any case of letters: lower-case and sorted here.
    pub suffixes: Vec<String>,
    /// Hidden ones too.
    pub read_hidden: bool,
}

impl Selection {
    /// The suffixes as a source has them.
    pub fn suffix(&self) -> Suffixes {
        Suffixes::new(self.suffixes.iter())
    }
}

impl Spec {
    /// What of this spec, in a job of this prefix, decides what the table holds.
    pub fn print(&self, prefix: &str) -> Print {
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
            selection: Selection { prefix: prefix.to_owned(), suffixes, read_hidden: source.read_hidden },
            reading,
            on_overlap: target.on_overlap,
        }
    }
}
