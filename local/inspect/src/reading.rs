//! Files by a spec: how many rows they have, which are bad, and the table that would come of them.

mod bad_rows;
mod table;

use crate::file;
use crate::part::Part;
use bad_rows::BadRows;
use local::inspection::{File, FileReading, Grid, Read, Reading};
use pivot::general::batch::GeneralBatch;
use pivot::general::plan::GeneralPlan;
use serde_json::{Value, json};
use sluice::contract::Layout;
use sluice::spec::{Parts, Spec};
use sluice::{Error, Kind};

/// How many rows are shown as they are read.
const SHOWN_ROWS: usize = 5;

/// What a spec makes of files.
///
/// # Errors
/// What is wrong with the spec, or a file that is not there.
pub fn read(asked: &Read) -> Result<Reading, String> {
    let spec = checked(&asked.parts)?;
    // What is said of bad rows and files is about what a run does with them; here all are to be told.
    let tolerant = checked(&tolerant(&asked.parts))?;
    let plan = GeneralPlan::new(&tolerant).map_err(told)?;
    let mut reading = Reading::default();
    let mut bad_rows = BadRows::new()?;
    let mut good = Vec::new();
    for file in &asked.files {
        let found = read_file(file, &plan, &mut bad_rows)?;
        if found.bad_file.is_none() {
            good.push(file);
        }
        reading.files.push(found);
    }
    (reading.reasons, reading.bad_rows) = bad_rows.finish()?;
    reading.rows = first_rows(&asked.parts, &spec, &asked.files, SHOWN_ROWS)?;
    if !good.is_empty() {
        (reading.table, reading.table_rows) = table::table(&tolerant, &plan, &good)?;
    }
    Ok(reading)
}

/// The first good rows of files, column by column as the spec reads them, the keys first.
///
/// # Errors
/// As [`read`].
fn first_rows(parts: &Parts, spec: &Spec, files: &[File], most: usize) -> Result<Grid, String> {
    let used = spec.used_columns();
    let keys = spec.shape.keys.iter().map(String::as_str);
    let others = used.iter().copied().filter(|name| !spec.shape.keys.iter().any(|key| key == name));
    let names: Vec<&str> = keys.chain(others).collect();
    let (mut rows, _) = all_rows(&parts.source, &names, files, most)?;
    rows.truncate(most);
    let names = names.into_iter().map(ToOwned::to_owned).collect();
    Ok(std::iter::once(names).chain(rows.into_iter().map(texts)).collect())
}

fn texts(row: Vec<Option<String>>) -> Vec<String> {
    row.into_iter().map(Option::unwrap_or_default).collect()
}

/// Rows, as texts; `None`: null.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// The good rows of files, in their order, each by itself and with these columns; some more than `most` if there are.
/// Rows are as the function reads them: of a spec that keeps every row, its number being the key. And what is wrong
/// with the first bad file, if there is one.
///
/// # Errors
/// As [`read`].
pub(crate) fn all_rows(
    source: &Value,
    names: &[&str],
    files: &[File],
    most: usize,
) -> Result<(Rows, Option<String>), String> {
    let mut number = "row".to_owned();
    while names.contains(&number.as_str()) {
        number.push('_');
    }
    let mut source = source.clone();
    source["columns"][&number] = json!({"file": "row", "type": "integer"});
    let shape = json!({"keys": [number], "rows": {"columns": names}});
    let target = json!({"table": "rows", "on_overlap": "last_run"});
    let spec = checked(&tolerant(&Parts { source, shape, target }))?;
    let plan = GeneralPlan::new(&spec).map_err(told)?;
    let mut rows = Vec::new();
    let mut bad_file = None;
    for file in files {
        let mut batch = GeneralBatch::new(&plan);
        let listed = file::listed(file).map_err(told)?;
        let enough = u64::try_from(most - rows.len().min(most)).unwrap_or(u64::MAX);
        let fed = file::feed(file, &listed, plan.format_of(&file.key), &mut batch, &mut |batch| {
            batch.tally.rejects.pending.clear();
            batch.tally.rows_read - batch.tally.rejects.count < enough
        });
        match fed {
            Err(error) if error.kind() == Kind::InvalidSource => {
                bad_file.get_or_insert(error.to_string());
                continue;
            }
            fed => fed.map_err(told)?,
        }
        let part = Part::of(&Layout::of(&spec), batch.end_file(&listed).map_err(told)?);
        // The columns of a part are in the order of their names, behind the key.
        let places: Vec<usize> = {
            let of_part = part.names();
            names.iter().filter_map(|name| of_part.iter().position(|of_part| of_part == name)).collect()
        };
        rows.extend(part.rows().map(|row| {
            let row = part.cells(row);
            places.iter().map(|place| row[*place].clone()).collect::<Vec<_>>()
        }));
        if rows.len() >= most {
            break;
        }
    }
    Ok((rows, bad_file))
}

fn read_file(file: &File, plan: &GeneralPlan, bad_rows: &mut BadRows) -> Result<FileReading, String> {
    let mut found = FileReading { key: file.key.clone(), ..FileReading::default() };
    let mut batch = GeneralBatch::new(plan);
    let listed = file::listed(file).map_err(told)?;
    let mut take = |batch: &mut GeneralBatch<'_>| {
        bad_rows.add(&batch.tally.rejects.pending);
        batch.tally.rejects.pending.clear();
        true
    };
    let fed = file::feed(file, &listed, plan.format_of(&file.key), &mut batch, &mut take);
    match fed {
        Err(error) if error.kind() == Kind::InvalidSource => {
            take(&mut batch);
            found.bad_file = Some(without_key(&error.to_string(), &file.key));
        }
        fed => {
            fed.map_err(told)?;
            batch.end_file(&listed).map_err(told)?;
            found.bad_file = batch.tally.bad.first().map(|bad| bad.reason.clone());
        }
    }
    let tally = &batch.tally;
    (found.rows, found.bad_rows) = (tally.rows_read, tally.rejects.count);
    (found.filtered, found.ignored) = (tally.rows_filtered, tally.rows_ignored);
    Ok(found)
}

/// What is said of a file, without its key.
fn without_key(text: &str, key: &str) -> String {
    text.strip_prefix(key).map_or(text, |rest| rest.trim_start_matches([',', ':', ' '])).to_owned()
}

/// The same, with whatever is wrong set aside.
fn tolerant(parts: &Parts) -> Parts {
    let mut parts = parts.clone();
    for field in ["on_bad_row", "on_bad_file"] {
        parts.source[field] = "quarantine".into();
    }
    parts
}

/// A spec of parts that were checked before, or were made here.
pub(crate) fn checked(parts: &Parts) -> Result<Spec, String> {
    parts.check().map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.join("\n")
    })
}

pub(crate) fn told(error: Error) -> String {
    error.to_string()
}
