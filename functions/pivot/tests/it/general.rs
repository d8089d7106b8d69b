//! Specs of the whole language: what files come to by them, against tables of cases, the usual way, and the model.

mod fields;
mod model;
pub(crate) mod parquet;
mod shaping;
pub(crate) mod usual;

use crate::support::{self, source};
use pivot::general::batch::GeneralBatch;
use pivot::general::plan::GeneralPlan;
use serde_json::{Value, json};
use sluice::contract::{ColumnKind, Layout, SourceFile};
use sluice::spec::{OnBad, Parts, Spec};
use sluice::{Kind, Result};

/// What some files came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// The rows of the parts, sorted, without the columns of the file; nulls are `NULL`.
    pub rows: Vec<Vec<String>>,
    /// The reasons of bad rows.
    pub bad_rows: Vec<String>,
    /// The reasons of bad files.
    pub bad_files: Vec<String>,
    pub filtered: u64,
    pub ignored: u64,
    pub quarantine: String,
}

/// A spec of the whole language, whether all of it is there yet or not; what is wrong goes to quarantine.
pub(crate) fn spec(source: Value, shape: Value, mode: &str) -> Spec {
    let mut parts = Parts { source, shape, target: json!({"table": "t", "on_overlap": mode}) };
    for field in ["on_bad_row", "on_bad_file"] {
        if parts.source.get(field).is_none() {
            parts.source[field] = json!("quarantine");
        }
    }
    if parts.source.get("suffix").is_none() {
        parts.source["suffix"] = json!(".csv");
    }
    parts.read().unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Reads files by a spec, each in pieces of `chunk_len` bytes.
///
/// # Errors
/// As the function has them.
pub(crate) fn outcome(spec: &Spec, files: &[(&str, &[u8])], chunk_len: usize) -> Result<Outcome> {
    let plan = GeneralPlan::new(spec)?;
    let mut batch = GeneralBatch::new(&plan);
    let mut outcome = Outcome::default();
    let layout = Layout::of(spec);
    for (key, bytes) in files {
        let file = SourceFile { last_modified: "2024-06-01T00:00:00Z".to_owned(), ..source(key, bytes.len()) };
        let read = support::read_general(&mut batch, &file, bytes.chunks(chunk_len));
        match read.and_then(|()| batch.end_file(&file)) {
            Ok(Some(mut rows)) => {
                let mut part = Vec::new();
                // A row at a time: the pieces of a part are its rows.
                while rows.write(5, part.len() + 1, &mut part) > 0 {}
                outcome.rows.extend(decoded(&layout, &part));
            }
            Ok(None) => {}
            Err(error) if error.kind() == Kind::InvalidSource && spec.source.on_bad_file == OnBad::Quarantine => {
                batch.set_aside(&file, error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    batch.tally.check_files()?;
    outcome.rows.sort();
    let tally = &batch.tally;
    outcome.bad_files = tally.bad.iter().map(|bad| bad.reason.clone()).collect();
    (outcome.filtered, outcome.ignored) = (tally.rows_filtered, tally.rows_ignored);
    outcome.quarantine = String::from_utf8_lossy(&tally.rejects.pending).into_owned();
    outcome.bad_rows = tally.rejects.first.clone();
    Ok(outcome)
}

/// The same of one text.
pub(crate) fn outcome_of(spec: &Spec, key: &str, text: &str) -> Outcome {
    let whole = outcome(spec, &[(key, text.as_bytes())], 1 << 20).unwrap();
    for chunk_len in [1, 7] {
        assert_eq!(outcome(spec, &[(key, text.as_bytes())], chunk_len).unwrap(), whole, "in pieces of {chunk_len}");
    }
    whole
}

/// The rows of a part as texts, by the definition of the format, without the columns of file and state, but with a
/// state that is not 0 in brackets behind.
fn decoded(layout: &Layout, mut part: &[u8]) -> Vec<Vec<String>> {
    let columns = layout.columns();
    let mut rows = Vec::new();
    while !part.is_empty() {
        assert_eq!(usize::from(u16::from_be_bytes(*take(&mut part))), columns.len());
        let mut row = Vec::new();
        let mut state = String::new();
        for column in &columns {
            let len = i32::from_be_bytes(*take(&mut part));
            let text = match usize::try_from(len) {
                Err(_) => "NULL".to_owned(),
                Ok(len) => {
                    let (field, rest) = part.split_at(len);
                    part = rest;
                    shown(column.kind, field)
                }
            };
            match column.name.as_str() {
                "sluice_file" => {}
                "sluice_state" if text == "0" => {}
                "sluice_state" => state = format!("[{text}]"),
                _ => row.push(text),
            }
        }
        row.extend((!state.is_empty()).then_some(state));
        rows.push(row);
    }
    rows
}

fn take<'p, const N: usize>(part: &mut &'p [u8]) -> &'p [u8; N] {
    let (head, rest) = part.split_first_chunk().unwrap();
    *part = rest;
    head
}

fn shown(kind: ColumnKind, field: &[u8]) -> String {
    const EPOCH: i64 = 946_684_800;
    let moment = |micros: i64| {
        let moment = time::OffsetDateTime::from_unix_timestamp(EPOCH + micros.div_euclid(1_000_000)).unwrap();
        let micros = micros.rem_euclid(1_000_000);
        let fraction =
            if micros == 0 { String::new() } else { format!(".{micros:06}").trim_end_matches('0').to_owned() };
        let (date, hour, minute, second) = (moment.date(), moment.hour(), moment.minute(), moment.second());
        format!("{date} {hour:02}:{minute:02}:{second:02}{fraction}")
    };
    match kind {
        ColumnKind::Date => {
            let days = i64::from(i32::from_be_bytes(field.try_into().unwrap()));
            moment(days * 86_400_000_000).split(' ').next().unwrap().to_owned()
        }
        ColumnKind::Text => String::from_utf8(field.to_vec()).unwrap(),
        ColumnKind::Jsonb => {
            assert_eq!(field[0], 1);
            String::from_utf8(field[1..].to_vec()).unwrap()
        }
        ColumnKind::Smallint => i16::from_be_bytes(field.try_into().unwrap()).to_string(),
        ColumnKind::Bigint => i64::from_be_bytes(field.try_into().unwrap()).to_string(),
        ColumnKind::Boolean => if field == [1] { "t" } else { "f" }.to_owned(),
        ColumnKind::Timestamp => moment(i64::from_be_bytes(field.try_into().unwrap())),
        ColumnKind::Timestamptz => moment(i64::from_be_bytes(field.try_into().unwrap())) + "+00",
        ColumnKind::Numeric => numeric(field),
    }
}

/// A numeric by its definition: the sum of `digit * 10000^(weight - index)`.
fn numeric(field: &[u8]) -> String {
    let words: Vec<i16> = field.chunks(2).map(|word| i16::from_be_bytes([word[0], word[1]])).collect();
    let [_, weight, sign, _, ref digits @ ..] = words[..] else { panic!("{words:?}") };
    let digit =
        |place: i16| usize::try_from(weight - place).ok().and_then(|index| digits.get(index)).copied().unwrap_or(0);
    let whole: String = (0..=weight.max(0)).rev().map(|place| format!("{:04}", digit(place))).collect();
    let last = weight - i16::try_from(digits.len()).unwrap() + 1;
    let fraction: String = (last.min(0)..0).rev().map(|place| format!("{:04}", digit(place))).collect();
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let text = format!(
        "{}{}{}",
        if whole.is_empty() { "0" } else { whole },
        if fraction.is_empty() { "" } else { "." },
        fraction
    );
    if sign != 0 { format!("-{text}") } else { text }
}
