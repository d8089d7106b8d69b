//! What the first bytes and the key say of a file.

use sluice::spec::without_packing;

/// The byte order mark of UTF-8.
pub(crate) const UTF8_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Whether a key says that the whole file is compressed.
pub(crate) fn is_compressed(key: &str) -> bool {
    without_packing(key).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::spec::FileType;

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
            assert_eq!(FileType::of_key(key), expected, "{key}");
        }
        for (key, expected) in [("a.csv.GZ", true), ("a.Zst", true), ("a.gz.csv", false), ("gz", false)] {
            assert_eq!(is_compressed(key), expected, "{key}");
        }
    }
}
