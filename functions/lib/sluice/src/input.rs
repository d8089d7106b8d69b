//! Which objects under a job's prefix are its input, and why the others are not. Pure.

use crate::spec::{Source, without_packing, without_suffix};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an object under the prefix is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// What a console makes for an empty folder: it holds nothing, so nothing is lost with it, and it is not counted.
    FolderMarker,
    /// A part of its key below the prefix begins with `_` or `.`: what other programs leave half done, or for
    /// themselves, as `_temporary/` and `_SUCCESS` of Spark, or `._a.csv` of a Mac.
    Hidden,
    /// Its key has none of the suffixes.
    OtherSuffix,
}

impl PassedOver {
    /// Why the object `key`, which begins with `prefix`, is no input of `source`; `None` if it is.
    ///
    /// A hidden one is hidden whatever its suffix.
    pub fn of(source: &Source, prefix: &str, key: &str, size: u64) -> Option<Self> {
        let below = key.strip_prefix(prefix).unwrap_or(key);
        if key.ends_with('/') && size == 0 {
            Some(Self::FolderMarker)
        } else if !source.read_hidden && below.split('/').any(|part| part.starts_with(['_', '.'])) {
            Some(Self::Hidden)
        } else if key.ends_with('/') || !has_suffix(source, key) {
            Some(Self::OtherSuffix)
        } else {
            None
        }
    }

    /// The same for a person who asks about the key.
    pub fn why(self, source: &Source, prefix: &str) -> String {
        match self {
            Self::FolderMarker => "it is the marker of a folder, and holds nothing".to_owned(),
            Self::Hidden => format!("a name below {prefix} in it begins with _ or ., and such objects are hidden"),
            Self::OtherSuffix => format!(
                "only keys that end in {} are input, in any case of letters, also with .gz or .zst behind it",
                source.suffix
            ),
        }
    }
}

/// Does the key end with a suffix of the source, or with one and that of a packed file, in any case of letters?
fn has_suffix(source: &Source, key: &str) -> bool {
    let plain = without_packing(key);
    source.suffix.all().iter().any(|suffix| {
        without_suffix(key, suffix).is_some() || plain.is_some_and(|plain| without_suffix(plain, suffix).is_some())
    })
}

/// How many objects under the prefix a listing passed over, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Skipped {
    /// Those that have none of the suffixes.
    pub other_suffix: u64,
    /// Those of a hidden name.
    pub hidden: u64,
}

impl Skipped {
    /// Counts one more.
    pub fn count(&mut self, reason: PassedOver) {
        match reason {
            PassedOver::FolderMarker => {}
            PassedOver::Hidden => self.hidden += 1,
            PassedOver::OtherSuffix => self.other_suffix += 1,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.other_suffix + self.hidden
    }
}

/// `2 passed over: 1 other suffix, 1 hidden`.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = [(self.other_suffix, "other suffix"), (self.hidden, "hidden")];
        let reasons = reasons.iter().filter(|(count, _)| *count > 0);
        let reasons: Vec<String> = reasons.map(|(count, reason)| format!("{count} {reason}")).collect();
        write!(f, "{} passed over", self.total())?;
        if reasons.is_empty() { Ok(()) } else { write!(f, ": {}", reasons.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Parts;

    fn source(suffix: serde_json::Value) -> Source {
        let columns = serde_json::json!({"key": {}, "on": {}, "of": {"type": "number"}});
        let parts = Parts {
            source: serde_json::json!({"suffix": suffix, "format": {"type": "csv"}, "columns": columns}),
            shape: serde_json::json!({"keys": ["key"], "values": {"of": "sum"}, "pivot": {"on": "on", "into": ["a"]}}),
            target: serde_json::json!({"table": "t", "on_overlap": "all_files"}),
        };
        parts.check().unwrap().source
    }

    #[test]
    fn suffixes_fit_in_any_case_and_packed() {
        let source = source(serde_json::json!([".csv", ".JSON", "-é.txt"]));
        for (key, expected) in [
            ("in/a.csv", None),
            ("in/A.CSV", None),
            ("in/a.Csv", None),
            ("in/a.json", None),
            ("in/a.Json.gz", None),
            ("in/a.csv.GZ", None),
            ("in/a.CSV.zst", None),
            ("in/a.csv.Zst", None),
            ("in/a-É.TXT", None),
            ("in/b/2024/a.csv", None),
            ("in/.csv", Some(PassedOver::Hidden)),
            ("in/csv", Some(PassedOver::OtherSuffix)),
            ("in/a.csv.zip", Some(PassedOver::OtherSuffix)),
            ("in/a.csv.gz.zst", Some(PassedOver::OtherSuffix)),
            ("in/a.gz", Some(PassedOver::OtherSuffix)),
            ("in/a.csvx", Some(PassedOver::OtherSuffix)),
            ("in/ésv", Some(PassedOver::OtherSuffix)),
            ("in/é", Some(PassedOver::OtherSuffix)),
        ] {
            assert_eq!(PassedOver::of(&source, "in/", key, 1), expected, "{key}");
        }
    }

    #[test]
    fn names_below_the_prefix_may_be_hidden() {
        let source = source(".csv".into());
        for (key, expected) in [
            ("_in/a.csv", None),
            ("_in/a_b/.c.csv", Some(PassedOver::Hidden)),
            ("_in/_temporary/0/a.csv", Some(PassedOver::Hidden)),
            ("_in/a/_b/c.csv", Some(PassedOver::Hidden)),
            ("_in/_SUCCESS", Some(PassedOver::Hidden)),
            ("_in/._a.csv", Some(PassedOver::Hidden)),
            ("_in/a._b.csv", None),
            ("_in/a_/b..csv", None),
            ("_in//a.csv", None),
        ] {
            assert_eq!(PassedOver::of(&source, "_in/", key, 1), expected, "{key}");
        }
    }

    #[test]
    fn only_a_folder_marker_is_not_counted() {
        let source = source("".into());
        let mut skipped = Skipped::default();
        for (key, size) in [("in/", 0), ("in/a/", 0), ("in/_a/", 0), ("in/a/", 1), ("in/_a/", 1), ("in/a", 1)] {
            if let Some(reason) = PassedOver::of(&source, "in/", key, size) {
                skipped.count(reason);
            }
        }
        assert_eq!(skipped, Skipped { other_suffix: 1, hidden: 1 });
        assert_eq!(skipped.to_string(), "2 passed over: 1 other suffix, 1 hidden");
        assert_eq!(Skipped { other_suffix: 0, hidden: 3 }.to_string(), "3 passed over: 3 hidden");
        assert_eq!(Skipped::default().to_string(), "0 passed over");
    }
}
