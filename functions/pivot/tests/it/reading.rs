//! Runs the core on one file as the handler does, and keeps what an error would hide: the bad rows, and how far it got.

use crate::support::{Reading, read_files};
use pivot::csv::record::Record;
use pivot::csv::scanner::{Scanner, TooLarge};
use pivot::plan::Plan;
use pivot::reject;
use sluice::spec::Spec;

/// The key of the one file.
pub(crate) const KEY: &str = "a.csv";

/// Reads a file in pieces of `chunk_len` bytes.
pub(crate) fn read(spec: &Spec, bytes: &[u8], chunk_len: usize) -> Reading {
    read_files(&Plan::new(spec).unwrap(), &[(KEY, bytes)], chunk_len)
}

/// The place and the reason of every row in a quarantine file.
pub(crate) fn places(quarantine: &[u8]) -> Vec<String> {
    let mut places = Vec::new();
    let mut each = |record: Record<'_>| {
        assert_eq!((record.len(), record.fault), (7, None), "{}", record.raw.escape_ascii());
        if record.line == 1 {
            assert_eq!(record.raw, reject::HEADER.trim_ascii_end());
            return Ok::<(), TooLarge>(());
        }
        let [line, column, name, reason] =
            [2, 3, 4, 5].map(|field| String::from_utf8_lossy(&record.field(field).unwrap()).into_owned());
        let column = match (column.as_str(), name.as_str()) {
            ("", _) => String::new(),
            (number, "") => format!(", column {number}"),
            (number, name) => format!(", column {number} ({name})"),
        };
        places.push(format!("line {line}{column}: {reason}"));
        Ok(())
    };
    let mut scanner = Scanner::default();
    scanner.feed(quarantine, &mut each).unwrap();
    scanner.finish(&mut each).unwrap();
    places
}
