//! Pivots files of this machine with the function's own core. `pivot_file FILE...` prints the table by the spec of the
//! reference job; `pivot_file --spec SPEC FILE...` goes the general way by a spec of JSON, with `source`, `shape` and
//! `target`, prints the rows of the parts in PostgreSQL's binary format for COPY, and says how many there are.

use bytes::Bytes;
use pivot::batch::Batch;
use pivot::decompressor::Decompressor;
use pivot::general::batch::GeneralBatch;
use pivot::general::plan::GeneralPlan;
use pivot::general::reader::GeneralReader;
use pivot::parquet::{HEAD_BYTES, ParquetPlan, Tail};
use pivot::plan::Plan;
use pivot::reader::FileReader;
use polars::prelude::DataFrame;
use sluice::contract::{PivotInput, SourceFile};
use sluice::spec::{FileType, OnOverlap, Parts};
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == "--spec").is_some() {
        let spec = arguments.next().ok_or("--spec lacks a file")?;
        return general(&spec, arguments);
    }
    let event: PivotInput = serde_json::from_str(include_str!("../../../events/pivot.json"))?;
    let mut spec = event.parts.spec(&event.execution.job)?;
    // One table of all files.
    spec.target.on_overlap = OnOverlap::LastRun;
    let plan = Plan::new(&spec)?;
    let mut batch = Batch::new(&plan);
    for path in arguments {
        let input = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
        let size = input.metadata()?.len();
        let file = SourceFile { key: path, etag: String::new(), size, last_modified: String::new() };
        match plan.format_of(&file.key) {
            FileType::Parquet if size > 0 => read_parquet(&file, &input, &mut batch)?,
            _ => read(&file, &input, &mut batch)?,
        }
        batch.end_file(&file)?;
    }
    if batch.tally.rejects.count > 0 {
        return Err(batch.tally.rejects.summary().into());
    }
    match batch.take_merged()?.0 {
        Some(table) => write_csv(&table, std::io::stdout().lock()),
        None => Ok(()),
    }
}

fn general(spec: &str, paths: impl Iterator<Item = String>) -> Outcome<()> {
    let parts: Parts = serde_json::from_slice(&std::fs::read(spec)?)?;
    let spec = parts.read().map_err(|problems| format!("{problems:?}"))?;
    let plan = GeneralPlan::new(&spec)?;
    let mut batch = GeneralBatch::new(&plan);
    let mut rows = 0;
    let mut stdout = std::io::stdout().lock();
    let mut out = copy_binary::HEADER.to_vec();
    for path in paths {
        let mut input = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
        let file = SourceFile { key: path, etag: String::new(), size: 0, last_modified: String::new() };
        let mut reader = GeneralReader::new(&file, &plan)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let len = input.read(&mut chunk)?;
            if len == 0 {
                break;
            }
            reader.feed(&chunk[..len], &mut batch)?;
            batch.tally.rejects.pending.clear();
        }
        reader.finish(&mut batch)?;
        if let Some(mut part) = batch.end_file(&file)? {
            while part.write(0, CHUNK_BYTES, &mut out) > 0 {
                stdout.write_all(&out)?;
                out.clear();
            }
            rows += part.len();
        }
    }
    out.extend_from_slice(copy_binary::END);
    stdout.write_all(&out)?;
    eprintln!("{} rows read, {rows} written", batch.tally.rows_read);
    match batch.tally.rejects.count {
        0 => Ok(()),
        _ => Err(batch.tally.rejects.summary().into()),
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
            batch.tally.rejects.pending.clear();
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
            Tail::Foreign => return Err(ParquetPlan::foreign(file, &read(0..HEAD_BYTES.min(file.size))?).into()),
        }
    };
    for group in plan.groups() {
        let chunks = group.ranges().into_iter().map(read).collect::<Outcome<Vec<_>>>()?;
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let mut reader = plan.reader(group, &chunks)?;
        while reader.step(file, batch)? {
            batch.tally.rejects.pending.clear();
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
