//! Bad rows, as the function writes them into quarantine: a CSV, which is read by the function's own code.

use crate::part::Part;
use crate::reading::{checked, told};
use local::inspection::Grid;
use pivot::general::batch::GeneralBatch;
use pivot::general::plan::GeneralPlan;
use pivot::general::reader::GeneralReader;
use serde_json::{Value, json};
use sluice::contract::{Layout, SourceFile};
use sluice::spec::{Parts, Spec};

/// How many of them are shown.
const SHOWN: usize = 10;

/// The lines of quarantine so far.
pub(super) struct BadRows {
    /// The first ones, in full.
    first: Vec<u8>,
    /// All of them.
    all: Vec<u8>,
    counts: Spec,
    list: Spec,
}

/// How many bytes of quarantine are looked at: beyond that counts would only be larger.
const MOST_BYTES: usize = 256 << 20;

/// How many bytes hold the rows that are shown, each of them of at most a MiB.
const FIRST_BYTES: usize = 16 << 20;

impl BadRows {
    /// None yet.
    pub(super) fn new() -> Result<Self, String> {
        let text = |from: &str| json!({"from": from, "null_values": []});
        let columns = json!({"file": text("source_key"), "line": text("line"), "column": text("column_name"),
                             "reason": text("reason"), "number": {"file": "row", "type": "integer"}});
        let spec = |shape: Value| {
            let source = json!({"suffix": ".csv", "columns": columns});
            checked(&Parts { source, shape, target: json!({"table": "bad_rows", "on_overlap": "last_run"}) })
        };
        Ok(Self {
            first: Vec::new(),
            all: Vec::new(),
            counts: spec(json!({"keys": ["column", "reason"], "values": {"rows": {"count": "*"}}}))?,
            list: spec(json!({"keys": ["number"], "rows": {"columns": ["file", "line", "column", "reason"]}}))?,
        })
    }

    /// Some lines more.
    pub(super) fn add(&mut self, lines: &[u8]) {
        if self.all.len() + lines.len() <= MOST_BYTES {
            self.all.extend_from_slice(lines);
        }
        if self.first.len() < FIRST_BYTES {
            self.first.extend_from_slice(lines);
        }
    }

    /// How many there are by column and reason, and the first ones; nothing if there are none.
    pub(super) fn finish(self) -> Result<(Grid, Grid), String> {
        if self.all.is_empty() {
            return Ok((Grid::new(), Grid::new()));
        }
        let counts = rows(&self.counts, &self.all)?;
        let list = rows(&self.list, &self.first)?;
        // In the parts the columns are in the order of their names: number, column, file, line, reason.
        let list = list.into_iter().take(SHOWN).map(|row| [2, 3, 1, 4].map(|place| row[place].clone()).to_vec());
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Ok((
            std::iter::once(names(&["column", "reason", "rows"])).chain(counts).collect(),
            std::iter::once(names(&["file", "line", "column", "reason"])).chain(list).collect(),
        ))
    }
}

fn rows(spec: &Spec, text: &[u8]) -> Result<Vec<Vec<String>>, String> {
    let plan = GeneralPlan::new(spec).map_err(told)?;
    let mut batch = GeneralBatch::new(&plan);
    let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let file = SourceFile { key: "bad.csv".to_owned(), etag: String::new(), size, last_modified: String::new() };
    let mut reader = GeneralReader::new(&file, &plan).map_err(told)?;
    reader.feed(text, &mut batch).and_then(|()| reader.finish(&mut batch)).map_err(told)?;
    let part = Part::of(&Layout::of(spec), batch.end_file(&file).map_err(told)?);
    Ok(part.rows().map(|row| part.shown(row)).collect())
}
