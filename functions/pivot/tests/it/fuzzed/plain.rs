//! What is written in one way, against the same written plainly: both must come to the same part.

use crate::support::{read_general, source};
use pivot::general::batch::GeneralBatch;
use pivot::general::plan::GeneralPlan;
use serde_json::{Value, json};
use sluice::Kind;
use sluice::spec::{Parts, Spec};

/// Rows, bad rows, and the part; `None` of a bad file.
pub(super) type Outcome = Option<(u64, u64, Vec<u8>)>;

/// A spec of these parts, which sets bad rows aside.
pub(super) fn spec(source: Value, shape: Value) -> Spec {
    let mut parts = Parts { source, shape, target: json!({"table": "t", "on_overlap": "last_run"}) };
    (parts.source["suffix"], parts.source["on_bad_row"]) = (json!(".csv"), json!("quarantine"));
    parts.check().unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// What a file comes to, in pieces of any length.
pub(super) fn outcome(spec: &Spec, bytes: &[u8]) -> Outcome {
    let whole = in_pieces(spec, bytes, bytes.len().max(1));
    for chunk_len in [1, 1 + bytes.len() / 3] {
        assert_eq!(in_pieces(spec, bytes, chunk_len), whole, "in pieces of {chunk_len}");
    }
    whole
}

fn in_pieces(spec: &Spec, bytes: &[u8], chunk_len: usize) -> Outcome {
    let plan = GeneralPlan::new(spec).unwrap();
    let mut batch = GeneralBatch::new(&plan);
    let file = source("in/a.csv", bytes.len());
    let read = read_general(&mut batch, &file, bytes.chunks(chunk_len)).and_then(|()| batch.end_file(&file));
    let mut part = Vec::new();
    match read {
        Ok(None) => {}
        Ok(Some(mut rows)) => while rows.write(0, part.len() + 1, &mut part) > 0 {},
        Err(error) => {
            assert_eq!(error.kind(), Kind::InvalidSource, "{error}");
            return None;
        }
    }
    Some((batch.tally.rows_read, batch.tally.rejects.count, part))
}

/// A spec that reads one value by a column.
pub(super) fn of_column(column: &Value) -> Spec {
    spec(
        json!({"columns": {"k": {}, "x": column}, "format": {"header": ["k", "x"], "quote": null, "delimiter": "\u{1}"}}),
        json!({"keys": ["k"], "rows": {}}),
    )
}

/// The bytes of an input that can stand in a field, as a text; nothing of one that is none.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let is_within = |byte: &u8| !matches!(byte, b'\n' | b'\r' | 0 | 1);
    String::from_utf8(bytes.iter().copied().filter(is_within).collect()).ok()
}

/// The part of a row with this value; `None` if that cannot be read.
pub(super) fn value(spec: &Spec, raw: &str) -> Option<Vec<u8>> {
    outcome(spec, format!("k\u{1}{raw}\n").as_bytes()).filter(|(_, bad, _)| *bad == 0).map(|(.., part)| part)
}

/// Fails if a value is another than the same one, written as `plain` reads it; without such a text, if it is read.
pub(super) fn compare(column: &Spec, raw: &str, plain: &Spec, text: Option<&str>) {
    let expected = text.and_then(|text| value(plain, text));
    assert_eq!(value(column, raw), expected, "{raw:?}, plainly {text:?}");
}
