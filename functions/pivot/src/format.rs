//! Which format a file has: its key says so.

use sluice::input::{without_packing, without_suffix};

/// The format of a file's rows. Compression is another matter, and decided by the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What has none of the suffixes below.
    Csv,
    /// JSON: objects one per line, run together, or in an array.
    Json,
    /// Parquet.
    Parquet,
}

/// A key's suffix and its format.
const SUFFIXES: [(&str, Format); 4] =
    [(".ndjson", Format::Json), (".jsonl", Format::Json), (".json", Format::Json), (".parquet", Format::Parquet)];

impl Format {
    /// The format of the file `key`, a suffix of a compression and the case of letters aside.
    pub fn of(key: &str) -> Self {
        let name = without_packing(key).unwrap_or(key);
        let found = SUFFIXES.iter().find(|(suffix, _)| without_suffix(name, suffix).is_some());
        found.map_or(Self::Csv, |(_, format)| *format)
    }
}

/// Whether a key says that the whole file is compressed.
pub(crate) fn is_compressed(key: &str) -> bool {
    without_packing(key).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_of_the_key_decides() {
        for (key, expected) in [
            ("a.csv", Format::Csv),
            ("a", Format::Csv),
            ("json", Format::Csv),
            ("a.json.csv", Format::Csv),
            ("a.csv.gz", Format::Csv),
            ("a.gz.zst.json.txt", Format::Csv),
            ("a.ndjson", Format::Json),
            ("a.jsonl.gz", Format::Json),
            ("a.json.zst", Format::Json),
            ("a.parquet", Format::Parquet),
            ("a.parquet.gz", Format::Parquet),
            ("A.CSV", Format::Csv),
            ("A.JSON", Format::Json),
            ("a.NdJson.GZ", Format::Json),
            ("a.Jsonl.Zst", Format::Json),
            ("a.PARQUET", Format::Parquet),
            ("a.csv.GZ", Format::Csv),
        ] {
            assert_eq!(Format::of(key), expected, "{key}");
        }
        for (key, expected) in [("a.csv.GZ", true), ("a.Zst", true), ("a.gz.csv", false), ("gz", false)] {
            assert_eq!(is_compressed(key), expected, "{key}");
        }
    }
}
