//! What of a spec decides what a table holds: kept with what is loaded, and compared by the next run.

use super::{Aggregate, Format, OnOverlap, OnRepeatedFile, Shape, Spec, Suffixes};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
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
    /// Files that say what others say count: `on_repeated_file` is `allow`. False in what an earlier version wrote,
    /// which did not write it down.
    #[serde(default)]
    pub allows_repeated: bool,
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

impl Print {
    /// Whether what was loaded by this one may stay as it is where `now` goes on, as far as its meaning goes: its files
    /// need not be read again. Files that were allowed to repeat others were not compared with one another.
    pub fn holds_for(&self, now: &Self) -> bool {
        (&self.reading, self.on_overlap) == (&now.reading, now.on_overlap)
            && (now.allows_repeated || !self.allows_repeated)
    }
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
        let mut reading = serde_json::json!({
            "format": format(&source.format), "columns": source.columns, "shape": self::shape(shape),
            "newest_by": target.newest_by,
        });
        // All keys are what is usual.
        if target.newest_per.len() < shape.keys.len() && !target.newest_per.is_empty() {
            let sorted: BTreeSet<&String> = target.newest_per.iter().collect();
            reading["newest_per"] = serde_json::json!(sorted);
        }
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
            allows_repeated: target.on_repeated_file == OnRepeatedFile::Allow,
        }
    }
}

/// A format as it has been written down since there was no more to it than a type.
fn format(format: &Format) -> Value {
    let is_plain = Format { kind: format.kind, ..Format::default() } == *format;
    if is_plain { serde_json::json!(format.kind) } else { serde_json::json!(format) }
}

/// A shape as it has been written down since there was no other than the sum of a column by one key: tables that were
/// loaded by one are not loaded again because the language has grown.
fn shape(shape: &Shape) -> Value {
    let mut values = shape.values.iter();
    match (values.next(), values.next(), &shape.keys[..], &shape.pivot) {
        (Some((value, Aggregate::Sum { of, is_null_if_empty: false })), None, [key], Some(pivot))
            if shape.filter.is_none() =>
        {
            serde_json::json!({"key": key, "value": value, "sum": of, "pivot": pivot})
        }
        _ => serde_json::json!(shape),
    }
}
