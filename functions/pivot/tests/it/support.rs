//! Runs the core on texts, as the handler runs it on objects.

use pivot::compression::Decompressor;
use pivot::plan::Plan;
use pivot::reader::{Batch, FileReader};
use pivot::sums::Sums;
use pivot::{frame, reject::Rejects};
use serde_json::json;
use sluice::contract::SourceFile;
use sluice::spec::Pivot;

/// The reference job's spec.
pub fn spec() -> Pivot {
    serde_json::from_value(json!({
        "index": {"column": "Start date", "date_prefix": 10, "as": "date"},
        "columns": "Project", "values": "Duration (in minutes)", "aggregate": "sum",
        "categories": {"Learning": "learning_minutes", "Work": "work_minutes"},
    }))
    .unwrap()
}

/// What a batch came to.
pub struct Pivoted {
    pub csv: String,
    pub quarantine: String,
    pub rejects: Rejects,
    pub rows_read: u64,
    pub rows_ignored: u64,
}

/// Reads a file in pieces as the handler does, and has the waiting quarantine lines taken away after each.
pub fn feed(
    mut decompressor: Decompressor<'_, '_>,
    pieces: impl IntoIterator<Item = impl AsRef<[u8]>>,
    mut take: impl FnMut(&mut Vec<u8>),
) -> sluice::Result<()> {
    for piece in pieces {
        let mut rest = piece.as_ref();
        while !rest.is_empty() {
            rest = &rest[decompressor.feed(rest)?..];
            take(&mut decompressor.rejects().pending);
        }
    }
    while !decompressor.flush()? {
        take(&mut decompressor.rejects().pending);
    }
    decompressor.finish()
}

/// What became of some files.
pub struct Reading {
    /// The error that ended it, if one did.
    pub ended: sluice::Result<()>,
    /// The quarantine file.
    pub quarantine: Vec<u8>,
    pub rejects: Rejects,
    pub rows_read: u64,
    pub rows_ignored: u64,
    pub sums: Sums,
}

/// Reads some files, each fed in pieces of `chunk_len` bytes, up to the first error.
pub fn read_files(plan: &Plan, files: &[(&str, &[u8])], chunk_len: usize) -> Reading {
    let mut batch = Batch::new(plan);
    let mut quarantine = Vec::new();
    let ended = files.iter().try_for_each(|(key, bytes)| {
        let file = SourceFile {
            key: (*key).to_owned(),
            etag: "etag".to_owned(),
            size: bytes.len() as u64,
            last_modified: String::new(),
        };
        let decompressor = Decompressor::new(key, FileReader::new(&file, &mut batch));
        feed(decompressor, bytes.chunks(chunk_len), |pending| quarantine.append(pending))
    });
    // Only now: what a decompressor does when it is dropped must not add to the bad rows.
    quarantine.append(&mut batch.rejects.pending);
    let Batch { sums, rejects, rows_read, rows_ignored, .. } = batch;
    Reading { ended, quarantine, rejects, rows_read, rows_ignored, sums }
}

/// Pivots some files, each fed in pieces of `chunk_len` bytes.
pub fn pivot(spec: &Pivot, files: &[(&str, &[u8])], chunk_len: usize) -> sluice::Result<Pivoted> {
    let plan = Plan::new(spec)?;
    let Reading { ended, quarantine, rejects, rows_read, rows_ignored, sums } = read_files(&plan, files, chunk_len);
    ended?;
    let frame = frame::frame(&sums, &plan.key.name, &plan.values)?;
    let csv = String::from_utf8(frame::to_csv(&frame)?).unwrap();
    let quarantine = String::from_utf8_lossy(&quarantine).into_owned();
    Ok(Pivoted { csv, quarantine, rejects, rows_read, rows_ignored })
}
