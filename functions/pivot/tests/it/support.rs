//! Runs the core on texts, as the handler runs it on objects.

use bytes::Bytes;
use pivot::batch::{Batch, Tally};
use pivot::decompressor::Decompressor;
use pivot::general::batch::GeneralBatch;
use pivot::general::reader::GeneralReader;
use pivot::plan::Plan;
use pivot::reader::FileReader;
use pivot::reject::Rejects;
use pivot::sums::Sums;
use polars::prelude::DataFrame;
use sluice::contract::{BadFile, LoadedFile, PivotInput, SharedKeys, SourceFile};
use sluice::spec::{ColumnType, OnBad, OnOverlap, Spec};
use sluice::{Kind, Result};

/// The reference job's spec: that of the event, which is compared with the template's; but the sums of all files are
/// added up.
pub(crate) fn spec() -> Spec {
    let event: PivotInput = serde_json::from_str(include_str!("../../../../events/pivot.json")).unwrap();
    let mut spec = event.parts.spec(&event.execution.job).unwrap();
    spec.target.on_overlap = OnOverlap::LastRun;
    spec
}

/// The same, and what is wrong goes to quarantine.
pub(crate) fn quarantine_spec() -> Spec {
    let mut spec = spec();
    (spec.source.on_bad_row, spec.source.on_bad_file) = (OnBad::Quarantine, OnBad::Quarantine);
    spec
}

/// The reference job's spec with a key of texts.
pub(crate) fn spec_of_texts() -> Spec {
    let mut spec = spec();
    spec.source.columns.get_mut("date").unwrap().kind = ColumnType::Text;
    spec
}

/// The same with a key `who` from the column `Who`.
pub(crate) fn spec_of_who() -> Spec {
    let mut spec = spec();
    let column = spec.source.columns["project"].clone();
    spec.source.columns.insert("who".to_owned(), sluice::spec::Column { place: from("Who"), ..column });
    spec.shape.keys = vec!["who".to_owned()];
    spec
}

/// A field of this name.
pub(crate) fn from(name: &str) -> sluice::spec::Place {
    sluice::spec::Place::From(name.to_owned())
}

/// A listed file.
pub(crate) fn source(key: &str, size: usize) -> SourceFile {
    SourceFile { key: key.to_owned(), etag: "etag".to_owned(), size: size as u64, last_modified: String::new() }
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
) -> Result<()> {
    let mut decompressor = Decompressor::new(&file.key);
    let mut reader = FileReader::new(file, batch.plan())?;
    let chunks = chunks.into_iter().map(|chunk| Some(Bytes::copy_from_slice(chunk.as_ref())));
    for chunk in chunks.chain([None]) {
        decompressor.push(chunk)?;
        while let Some(piece) = decompressor.next_piece()? {
            reader.feed(piece, batch)?;
            take(&mut batch.tally.rejects.pending);
        }
    }
    reader.finish(batch)
}

/// What became of some files.
pub(crate) struct Reading {
    /// The error that ended it, if one did.
    pub ended: Result<()>,
    /// The quarantine file.
    pub quarantine: Vec<u8>,
    pub rejects: Rejects,
    pub rows_read: u64,
    pub rows_ignored: u64,
    /// Those of the last file.
    pub sums: Sums,
}

/// Reads some files, each fed in pieces of `chunk_len` bytes, up to the first error; the last one does not end.
pub(crate) fn read_files(plan: &Plan, files: &[(&str, &[u8])], chunk_len: usize) -> Reading {
    let mut batch = Batch::new(plan);
    let mut quarantine = Vec::new();
    let ended = files.iter().enumerate().try_for_each(|(place, (key, bytes))| {
        let file = source(key, bytes.len());
        feed(&file, &mut batch, bytes.chunks(chunk_len), |pending| quarantine.append(pending))?;
        if place + 1 < files.len() { batch.end_file(&file).map(drop) } else { Ok(()) }
    });
    quarantine.append(&mut batch.tally.rejects.pending);
    let Batch { file, tally: Tally { rejects, rows_read, rows_ignored, .. }, .. } = batch;
    Reading { ended, quarantine, rejects, rows_read, rows_ignored, sums: file.sums }
}

/// What a whole batch came to, as the handler writes it down.
pub(crate) struct Whole {
    /// The tables of all files, each with the file's key in front if they are kept apart.
    pub tables: Vec<String>,
    pub loaded: Vec<LoadedFile>,
    pub bad: Vec<BadFile>,
    pub shared: SharedKeys,
    pub quarantine: String,
    pub rows: [u64; 3],
}

/// Reads files to the end of the batch, each by `read`, as the handler does.
pub(crate) fn whole(
    spec: &Spec,
    files: &[(&str, &[u8])],
    read: impl Fn(&SourceFile, &[u8], &mut Batch<'_>) -> Result<()>,
) -> Result<Whole> {
    let plan = Plan::new(spec)?;
    let mut batch = Batch::new(&plan);
    let mut tables = Vec::new();
    for (key, bytes) in files {
        let file = source(key, bytes.len());
        match read(&file, bytes, &mut batch) {
            Ok(()) => tables.extend(batch.end_file(&file)?.map(|table| format!("{key}\n{}", to_csv(&table)))),
            Err(error) if error.kind() == Kind::InvalidSource && plan.on_bad_file == OnBad::Quarantine => {
                batch.set_aside(&file, error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    batch.tally.check_files()?;
    let (table, shared) = batch.take_merged()?;
    tables.extend(table.map(|table| to_csv(&table)));
    let quarantine = String::from_utf8_lossy(&batch.tally.rejects.pending).into_owned();
    let rows = [batch.tally.rows_read, batch.tally.rejects.count, batch.tally.rows_ignored];
    Ok(Whole { tables, loaded: batch.tally.loaded, bad: batch.tally.bad, shared, quarantine, rows })
}

/// The same of texts, fed in pieces of `chunk_len` bytes.
pub(crate) fn whole_texts(spec: &Spec, files: &[(&str, &str)], chunk_len: usize) -> Result<Whole> {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(key, text)| (*key, text.as_bytes())).collect();
    whole(spec, &files, |file, bytes, batch| feed(file, batch, bytes.chunks(chunk_len), |_| ()))
}

/// Pivots some files, each fed in pieces of `chunk_len` bytes.
pub(crate) fn pivot(spec: &Spec, files: &[(&str, &[u8])], chunk_len: usize) -> Result<Pivoted> {
    let plan = Plan::new(spec)?;
    let mut batch = Batch::new(&plan);
    let mut quarantine = Vec::new();
    for (key, bytes) in files {
        let file = source(key, bytes.len());
        feed(&file, &mut batch, bytes.chunks(chunk_len), |pending| quarantine.append(pending))?;
        batch.end_file(&file)?;
    }
    quarantine.append(&mut batch.tally.rejects.pending);
    pivoted(batch, &quarantine)
}

/// What a batch came to that has been read.
pub(crate) fn pivoted(mut batch: Batch<'_>, quarantine: &[u8]) -> Result<Pivoted> {
    let plan = batch.plan();
    let csv = match batch.take_merged()? {
        (Some(table), _) => to_csv(&table),
        (None, _) => format!("{},{}\n", plan.key.name, plan.values.join(",")),
    };
    let Tally { rejects, rows_read, rows_ignored, .. } = batch.tally;
    let quarantine = String::from_utf8_lossy(quarantine).into_owned();
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

/// Reads a file by a spec of the whole language.
pub(crate) fn read_general<'c>(
    batch: &mut GeneralBatch<'_>,
    file: &SourceFile,
    chunks: impl Iterator<Item = &'c [u8]>,
) -> Result<()> {
    let mut reader = GeneralReader::new(file, batch.plan())?;
    for chunk in chunks {
        reader.feed(chunk, batch)?;
    }
    reader.finish(batch)
}
