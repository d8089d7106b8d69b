//! Files of other formats, whatever their suffix: the error names the file, the format, and what to do about it.

use crate::general;
use crate::parquet::refusal;
use crate::support::{pivot, spec};
use serde_json::json;

const TO_CSV: &str = "convert it to CSV";
const CONVERT: &str = "convert it to CSV, JSON or Parquet";
const REPACK: &str = "compress it with gzip or zstd, or not at all";
const PAGE: &str = "a page of HTML, such as an error or a login in place of the file";

/// As a writer of each begins a file, what that is, and the advice.
fn formats() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let tar = [&b"a.csv"[..], &[0; 252], b"ustar\x0000", &[0; 8]].concat();
    let duck_db = [&[7; 8][..], b"DUCK\x40\0\0\0\0\0\0\0"].concat();
    let all: [(&[u8], &str, &str); 39] = [
        (b"PK\x03\x04\x14\0\x06\0\x08\0[Content_Types].xml", "a ZIP file or workbook", TO_CSV),
        (b"PK\x05\x06\0\0\0\0", "a ZIP file without content", "upload the file that was to be in it"),
        (b"PK\x07\x08PK\x03\x04", "a ZIP file in parts", TO_CSV),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0", "a workbook or another document of Microsoft Office", TO_CSV),
        (b"%PDF-1.7\n%\xE2\xE3", "a PDF document", TO_CSV),
        (b"{\\rtf1\\ansi", "a document in RTF", TO_CSV),
        (b"BZh91AY&SY\x94\xA9", "compressed with bzip2", REPACK),
        (b"BZh9\x17rE8P\x90\0\0\0\0", "compressed with bzip2", REPACK),
        (b"\xFD7zXZ\0\0\x04", "compressed with xz", REPACK),
        (b"]\0\0\x80\0\xFF\xFF", "compressed with LZMA", REPACK),
        (b"LZIP\x01\x0C", "compressed with lzip", REPACK),
        (b"\x89LZO\0\r\n\x1A\n\x10", "compressed with lzop", REPACK),
        (b"\x04\x22\x4D\x18\x64\x40", "compressed with LZ4", REPACK),
        (b"\x02\x21\x4C\x18\0\0", "compressed with LZ4", REPACK),
        (b"\xFF\x06\0\0sNaPpY\0", "compressed with Snappy", REPACK),
        (b"\x1F\x9D\x90\x53\xE8", "compressed with compress, as .Z", REPACK),
        (b"7z\xBC\xAF\x27\x1C\0\x04", "a 7z archive", REPACK),
        (b"Rar!\x1A\x07\x01\0", "a RAR archive", REPACK),
        (b"MSCF\0\0\0\0\x10", "a cabinet archive", REPACK),
        (&tar, "a tar archive", "upload the files in it one by one"),
        (b"Obj\x01\x04\x14avro.codec", "an Avro file", CONVERT),
        (b"ORC\n\x1C\n\x04\x08\0\x10\0", "an ORC file", CONVERT),
        (b"ARROW1\0\0\xFF\xFF\xFF\xFF", "an Arrow or Feather file", CONVERT),
        (b"\xFF\xFF\xFF\xFF\x10\x01\0\0", "a stream of Arrow", CONVERT),
        (b"FEA1\0\0\0\0", "a Feather file", CONVERT),
        (b"SQLite format 3\0\x10\0", "a SQLite database", "convert its table to CSV"),
        (&duck_db, "a DuckDB database", "export its table to CSV or Parquet"),
        (b"PGDMP\x01\x0E\0\x04", "a dump of PostgreSQL", "export its table to CSV"),
        (b"\x89HDF\r\n\x1A\n\0", "an HDF5 file", CONVERT),
        (b"\x93NUMPY\x01\0", "an array of NumPy", CONVERT),
        (b"\x80\x04\x95\x10\0\0", "a pickle of Python", CONVERT),
        (b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", "a picture", "upload the data itself"),
        (b"\xFF\xD8\xFF\xE0\0\x10JFIF", "a picture", "upload the data itself"),
        (b"-----BEGIN PGP MESSAGE-----\n", "encrypted with PGP", "decrypt it before the bucket"),
        (b"Salted__\x01\x02\x03\x04", "encrypted with OpenSSL", "decrypt it before the bucket"),
        (b"<!DOCTYPE html>\n<html><body>Access denied</body></html>\n", PAGE, "download the file itself"),
        (b"\n <HTML lang=\"en\"><head>", PAGE, "download the file itself"),
        (b"\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<rows/>\n", "XML", "convert it to CSV or JSON"),
        (b"bplist00\xD1\x01\x02", "a binary property list", TO_CSV),
    ];
    all.into_iter().map(|(bytes, is, advice)| (bytes.to_vec(), is, advice)).collect()
}

#[test]
fn a_file_of_another_format_is_named_whatever_its_suffix() {
    for (bytes, is, advice) in formats() {
        for key in ["a.csv", "a.json"] {
            for chunk_len in [1, bytes.len()] {
                let error = pivot(&spec(), &[(key, &bytes)], chunk_len).err().expect(is).to_string();
                assert_eq!(error, format!("{key}: {is}; {advice}"), "{}", bytes.escape_ascii());
            }
        }
        assert_eq!(refusal(&spec(), "a.parquet", &bytes), format!("a.parquet: not a Parquet file, but {is}; {advice}"));
        // A large one, of whose end no more is read than metadata takes.
        let large = [&bytes[..], &[b'.'; 70_000]].concat();
        assert_eq!(refusal(&spec(), "a.parquet", &large), format!("a.parquet: not a Parquet file, but {is}; {advice}"));
    }
}

#[test]
fn a_file_of_our_formats_under_the_suffix_of_another_is_named() {
    let parquet = b"PAR1\x15\x04\x15\x10";
    let encrypted = b"PARE\x2A\0\0\0";
    let json = "{\"Project\": \"Work\"}\n";
    let csv = "Project,Duration (in minutes),Start date\nWork,1,2024-01-01\n";
    for (key, bytes, told) in [
        ("a.csv", &parquet[..], "a Parquet file; give it the suffix .parquet"),
        ("a.json", parquet, "a Parquet file; give it the suffix .parquet"),
        ("a.csv", encrypted, "an encrypted Parquet file; write it without encryption"),
        ("a.csv", json.as_bytes(), "is the file JSON? Then its name has to end with .json"),
        ("a.csv", b"[\n{\"Project\": \"Work\"}]", "is the file JSON? Then its name has to end with .json"),
    ] {
        let error = pivot(&spec(), &[(key, bytes)], 64).err().expect(told).to_string();
        assert!(error.starts_with(key) && error.ends_with(told), "{error}");
    }
    let rows = pivot(&spec(), &[("a.json", csv.as_bytes())], 64).unwrap();
    let first = rows.rejects.first.first().unwrap();
    assert_eq!(first, "a.json, line 1: not a JSON object; is the file CSV? Then its name has to end with .csv");
    let cut = "a Parquet file that was cut off: it does not end with PAR1; write it anew, or upload it again";
    let gzip = crate::packing::gzip(csv);
    for (bytes, told) in [
        (&b"PAR1"[..], cut),
        (&parquet[..], cut),
        (&encrypted[..], cut),
        (json.as_bytes(), "not a Parquet file, but JSON as it seems; give it the suffix .json"),
        (csv.as_bytes(), "not a Parquet file, but a text, maybe CSV; give it the suffix .csv"),
        ("Größe\n\u{fc}".as_bytes(), "not a Parquet file, but a text, maybe CSV; give it the suffix .csv"),
        (
            &gzip,
            "not a Parquet file, but compressed as a whole; store it as it is, for its pages are compressed within it",
        ),
        (b"\0\x01\x02\x03\x04", "not a Parquet file, or one that was cut off: it does not end with PAR1"),
        (b"PAR1\0\0\0\0PARE", "its metadata is encrypted; write it without encryption"),
    ] {
        assert_eq!(refusal(&spec(), "a.parquet", bytes), format!("a.parquet: {told}"), "{}", bytes.escape_ascii());
    }
}

/// Where there is no header, the first value may be a page as well as any other text.
#[test]
fn a_value_may_be_what_no_header_is() {
    let source = json!({"columns": {"page": {}, "n": {"type": "integer"}}, "format": {"header": ["page", "n"]}});
    let spec = general::spec(source, json!({"keys": ["page"], "values": {"n": "sum"}}), "last_run");
    let file: (&str, &[u8]) = ("a.csv", b"<html>one</html>,1\n<?xml?>,2\n");
    let outcome = general::outcome(&spec, &[file], 64).unwrap();
    assert!(outcome.bad_files.is_empty() && outcome.rows.len() == 2, "{outcome:?}");
}
