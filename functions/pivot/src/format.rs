//! What a file holds, where the spec does not say it: its key does.

use sluice::input::{without_packing, without_suffix};
use sluice::spec::FileType;

/// The byte order mark of UTF-8.
pub(crate) const UTF8_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// A key's suffix and what it says. What has none of them is CSV.
const SUFFIXES: [(&str, FileType); 4] = [
    (".ndjson", FileType::Json),
    (".jsonl", FileType::Json),
    (".json", FileType::Json),
    (".parquet", FileType::Parquet),
];

/// What the file `key` holds, a suffix of a compression and the case of letters aside. Compression is another matter,
/// and decided by the content.
pub fn of(key: &str) -> FileType {
    let name = without_packing(key).unwrap_or(key);
    let found = SUFFIXES.iter().find(|(suffix, _)| without_suffix(name, suffix).is_some());
    found.map_or(FileType::Csv, |(_, format)| *format)
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
            ("a.csv", FileType::Csv),
            ("a", FileType::Csv),
            ("json", FileType::Csv),
            ("a.json.csv", FileType::Csv),
            ("a.csv.gz", FileType::Csv),
            ("a.gz.zst.json.txt", FileType::Csv),
            ("a.ndjson", FileType::Json),
            ("a.jsonl.gz", FileType::Json),
            ("a.json.zst", FileType::Json),
            ("a.parquet", FileType::Parquet),
            ("a.parquet.gz", FileType::Parquet),
            ("A.CSV", FileType::Csv),
            ("A.JSON", FileType::Json),
            ("a.NdJson.GZ", FileType::Json),
            ("a.Jsonl.Zst", FileType::Json),
            ("a.PARQUET", FileType::Parquet),
            ("a.csv.GZ", FileType::Csv),
        ] {
            assert_eq!(of(key), expected, "{key}");
        }
        for (key, expected) in [("a.csv.GZ", true), ("a.Zst", true), ("a.gz.csv", false), ("gz", false)] {
            assert_eq!(is_compressed(key), expected, "{key}");
        }
    }
}
