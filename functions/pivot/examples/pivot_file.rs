//! Pivots files of this machine with the function's own core, and prints the table: `pivot_file FILE...`, by the spec of the
//! reference job.

use pivot::compression::Decompressor;
use pivot::frame;
use pivot::plan::Plan;
use pivot::reader::{Batch, FileReader};
use sluice::contract::SourceFile;
use std::fs::File;
use std::io::{Read, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plan = Plan::new(&serde_json::from_str(include_str!("spec.json"))?)?;
    let mut batch = Batch::new(&plan);
    let mut piece = vec![0; 256 << 10];
    for path in std::env::args().skip(1) {
        let mut input = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
        let file = SourceFile { key: path.clone(), etag: String::new(), size: 0, last_modified: String::new() };
        let mut decompressor = Decompressor::new(&path, FileReader::new(&file, &mut batch));
        loop {
            let len = input.read(&mut piece)?;
            if len == 0 {
                break;
            }
            let mut rest = &piece[..len];
            while !rest.is_empty() {
                rest = &rest[decompressor.feed(rest)?..];
                decompressor.rejects().pending.clear();
            }
        }
        while !decompressor.flush()? {
            decompressor.rejects().pending.clear();
        }
        decompressor.finish()?;
    }
    if batch.rejects.count > 0 {
        return Err(batch.rejects.summary().into());
    }
    let table = frame::frame(&batch.sums, &plan.key.name, &plan.values)?;
    std::io::stdout().write_all(&frame::to_csv(&table)?)?;
    Ok(())
}
