//! Runs the core on one file as the handler does, and keeps what an error would hide: the bad rows, and how far it got.

use crate::support::feed;
use pipeline::contract::SourceFile;
use pipeline::spec::Pivot;
use pivot::compression::Decompressor;
use pivot::plan::Plan;
use pivot::reader::{Batch, FileReader};
use pivot::reject::{self, Rejects};
use pivot::scanner::{Record, Scanner, TooLarge};
use pivot::sums::Sums;

/// The key of the one file.
pub const KEY: &str = "a.csv";

/// What became of a file.
pub struct Reading {
    /// The error that ended it, if one did.
    pub ended: pipeline::Result<()>,
    /// The quarantine file.
    pub quarantine: Vec<u8>,
    pub rejects: Rejects,
    pub rows_read: u64,
    pub rows_ignored: u64,
    pub sums: Sums,
}

/// Reads a file in pieces of `chunk_len` bytes.
pub fn read(spec: &Pivot, bytes: &[u8], chunk_len: usize) -> Reading {
    let plan = Plan::new(spec).unwrap();
    let mut batch = Batch::new(&plan);
    let file = SourceFile {
        key: KEY.to_owned(),
        etag: "etag".to_owned(),
        size: bytes.len() as u64,
        last_modified: String::new(),
    };
    let mut quarantine = Vec::new();
    let decompressor = Decompressor::new(KEY, FileReader::new(&file, &mut batch));
    let ended = feed(decompressor, bytes.chunks(chunk_len), |pending| quarantine.append(pending));
    // Only now: what a decompressor does when it is dropped must not add to the bad rows.
    quarantine.append(&mut batch.rejects.pending);
    let Batch { sums, rejects, rows_read, rows_ignored, .. } = batch;
    Reading { ended, quarantine, rejects, rows_read, rows_ignored, sums }
}

/// The place and the reason of every row in a quarantine file.
pub fn places(quarantine: &[u8]) -> Vec<String> {
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
