//! A spec from the beginning of files. What is found is proposed, and what cannot be told is said.
//!
//! # Layout
//! - `text`, `dialect`: how a file is written: its encoding, its marks, where its rows begin and end.
//! - `sample`: its columns, with what stands in the first rows of each, as the function reads it.
//! - `footers`: the lines at the end of files that are no rows.
//! - `typing`, with `numbers` and `moments`: what the values of a column are, `typed`.
//! - `shape`: what could become of the rows.

mod dialect;
mod footers;
mod moments;
mod numbers;
mod sample;
mod shape;
mod text;
mod typed;
mod typing;

use local::inspection::{Proposal, Propose};
use serde_json::json;
use sluice::spec::{FileType, Parts};
use typing::Typing;

/// A spec that reads files.
///
/// # Errors
/// The files do not agree, cannot be read, or have not what is wished for.
pub fn propose(wanted: &Propose) -> Result<Proposal, String> {
    let typing = Typing::new();
    let sample = sample::sample(&wanted.files)?;
    // Only of CSV the last lines may be no rows.
    let sample = if sample.kind == FileType::Csv { footers::dropped(sample, &wanted.files, &typing)? } else { sample };
    let typed = sample.columns.iter().map(|column| typing.of(column)).collect::<Vec<_>>();
    let shaped = shape::shape(&sample, &typed, &wanted.wishes)?;
    let mut columns = json!({});
    for (name, column) in shaped.columns {
        columns[name] = column;
    }
    let mut source = sample.source;
    source["columns"] = columns;
    let target = json!({"table": wanted.table, "create": true, "on_overlap": shaped.on_overlap});
    let unsure = sample.unsure.into_iter().chain(shaped.unsure).collect();
    Ok(Proposal { parts: Parts { source, shape: shaped.shape, target }, unsure })
}
