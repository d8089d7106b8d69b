//! Runs the core on texts, as the handler runs it on objects.

use bytes::Bytes;
use pivot::batch::Batch;
use pivot::decompressor::Decompressor;
use pivot::frame;
use pivot::plan::Plan;
use pivot::reader::FileReader;
use pivot::reject::Rejects;
use pivot::sums::Sums;
use polars::prelude::DataFrame;
use sluice::contract::{PivotInput, SourceFile};
use sluice::spec::Pivot;

/// The reference job's spec: that of the event, which is compared with the template's.
pub(crate) fn spec() -> Pivot {
    let event: PivotInput = serde_json::from_str(include_str!("../../../../events/pivot.json")).unwrap();
    event.pivot
}

/// What a batch came to.
pub(crate) struct Pivoted {
    pub csv: String,
    pub quarantine: String,
    pub rejects: Rejects,
    pub rows_read: u64,
    pub rows_ignored: u64,
}

/// Reads a file in pieces as the handler does, and has the waiting quarantine lines taken away after each.
pub(crate) fn feed(
    file: &SourceFile,
    batch: &mut Batch<'_>,
    chunks: impl IntoIterator<Item = impl AsRef<[u8]>>,
    mut take: impl FnMut(&mut Vec<u8>),
) -> sluice::Result<()> {
    let mut decompressor = Decompressor::new(&file.key);
    let mut reader = FileReader::new(file);
    let chunks = chunks.into_iter().map(|chunk| Some(Bytes::copy_from_slice(chunk.as_ref())));
    for chunk in chunks.chain([None]) {
        decompressor.push(chunk)?;
        while let Some(piece) = decompressor.next_piece()? {
            reader.feed(piece, batch)?;
            take(&mut batch.rejects.pending);
        }
    }
    reader.finish(batch)
}

/// What became of some files.
pub(crate) struct Reading {
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
pub(crate) fn read_files(plan: &Plan, files: &[(&str, &[u8])], chunk_len: usize) -> Reading {
    let mut batch = Batch::new(plan);
    let mut quarantine = Vec::new();
    let ended = files.iter().try_for_each(|(key, bytes)| {
        let file = SourceFile {
            key: (*key).to_owned(),
            etag: "etag".to_owned(),
            size: bytes.len() as u64,
            last_modified: String::new(),
        };
        feed(&file, &mut batch, bytes.chunks(chunk_len), |pending| quarantine.append(pending))
    });
    quarantine.append(&mut batch.rejects.pending);
    let Batch { sums, rejects, rows_read, rows_ignored, .. } = batch;
    Reading { ended, quarantine, rejects, rows_read, rows_ignored, sums }
}

/// Pivots some files, each fed in pieces of `chunk_len` bytes.
pub(crate) fn pivot(spec: &Pivot, files: &[(&str, &[u8])], chunk_len: usize) -> sluice::Result<Pivoted> {
    let plan = Plan::new(spec)?;
    let Reading { ended, quarantine, rejects, rows_read, rows_ignored, sums } = read_files(&plan, files, chunk_len);
    ended?;
    let frame = frame::frame(&sums, &plan.key.name, &plan.values)?;
    let csv = to_csv(&frame);
    let quarantine = String::from_utf8_lossy(&quarantine).into_owned();
    Ok(Pivoted { csv, quarantine, rejects, rows_read, rows_ignored })
}

/// A table as CSV with a header.
pub(crate) fn to_csv(frame: &DataFrame) -> String {
    let names = frame.get_column_names().into_iter().map(|name| quoted(name)).collect::<Vec<_>>();
    let row = |row: usize| {
        let cells = frame.columns().iter().map(|column| quoted(&column.get(row).unwrap().str_value()));
        cells.collect::<Vec<_>>().join(",")
    };
    let rows = std::iter::once(names.join(",")).chain((0..frame.height()).map(row));
    rows.map(|row| row + "\n").collect()
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
