//! Pivots files of this machine with the function's own core, and prints the table: `pivot_file FILE...`, by the spec
//! of the reference job.

use bytes::Bytes;
use pivot::batch::Batch;
use pivot::decompressor::Decompressor;
use pivot::parquet::{ParquetPlan, Tail};
use pivot::plan::Plan;
use pivot::reader::FileReader;
use polars::prelude::DataFrame;
use sluice::contract::{PivotInput, SourceFile};
use sluice::spec::{FileType, OnOverlap};
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let event: PivotInput = serde_json::from_str(include_str!("../../../events/pivot.json"))?;
    let mut spec = event.parts.spec(&event.execution.job)?;
    // One table of all files.
    spec.target.on_overlap = OnOverlap::LastRun;
    let plan = Plan::new(&spec)?;
    let mut batch = Batch::new(&plan);
    for path in std::env::args().skip(1) {
        let input = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
        let size = input.metadata()?.len();
        let file = SourceFile { key: path, etag: String::new(), size, last_modified: String::new() };
        match plan.format_of(&file.key) {
            FileType::Parquet if size > 0 => read_parquet(&file, &input, &mut batch)?,
            _ => read(&file, &input, &mut batch)?,
        }
        batch.end_file(&file)?;
    }
    if batch.rejects.count > 0 {
        return Err(batch.rejects.summary().into());
    }
    match batch.take_merged()?.0 {
        Some(table) => write_csv(&table, std::io::stdout().lock()),
        None => Ok(()),
    }
}

/// How much is read at once.
const CHUNK_BYTES: usize = 64 << 10;

fn read(file: &SourceFile, input: &File, batch: &mut Batch<'_>) -> Outcome<()> {
    let mut decompressor = Decompressor::new(&file.key);
    let mut reader = FileReader::new(file, batch.plan())?;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let len = input.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        decompressor.push((len > 0).then(|| Bytes::from(chunk)))?;
        while let Some(piece) = decompressor.next_piece()? {
            reader.feed(piece, batch)?;
            batch.rejects.pending.clear();
        }
        if len == 0 {
            return Ok(reader.finish(batch)?);
        }
    }
}

fn read_parquet(file: &SourceFile, input: &File, batch: &mut Batch<'_>) -> Outcome<()> {
    let read = |range: Range<u64>| -> Outcome<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start)?];
        input.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    };
    let mut tail_len = ParquetPlan::tail_len(file.size);
    let plan = loop {
        match ParquetPlan::from_tail(file, batch.plan(), &read(file.size - tail_len..file.size)?)? {
            Tail::Plan(plan) => break plan,
            Tail::Short(needed) => tail_len = needed,
        }
    };
    for group in plan.groups() {
        let [key, category, value] = group.ranges();
        let (key, category, value) = (read(key)?, read(category)?, read(value)?);
        let mut reader = plan.reader(group, [&key, &category, &value])?;
        while reader.step(file, batch)? {
            batch.rejects.pending.clear();
        }
    }
    Ok(())
}

/// Writes a table whose values need no quotes: dates and numbers.
fn write_csv(table: &DataFrame, mut out: impl Write) -> Outcome<()> {
    let names: Vec<&str> = table.get_column_names().into_iter().map(|name| name.as_str()).collect();
    writeln!(out, "{}", names.join(","))?;
    for row in 0..table.height() {
        let cells = table.columns().iter().map(|column| Ok(column.get(row)?.str_value().into_owned()));
        let cells: Vec<String> = cells.collect::<Outcome<_>>()?;
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}
