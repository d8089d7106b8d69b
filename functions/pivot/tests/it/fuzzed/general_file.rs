//! A file by specs of the whole language: every parser of values, dialect and encoding; the same however it is cut.

use crate::support::{read_general, source};
use pivot::general::batch::GeneralBatch;
use pivot::general::plan::GeneralPlan;
use serde_json::{Value, json};
use sluice::Kind;
use sluice::spec::{Parts, Spec};

/// Fails if a file comes to different things, or a parser panics. The first byte chooses the spec.
pub(super) fn check(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let (spec, header) = specs().swap_remove(usize::from(*choice % 8).min(4));
    // Few changes leave a header whole, without which nothing is read.
    for bytes in [bytes.to_vec(), [header.as_bytes(), bytes].concat()] {
        let expected = outcome(&spec, &bytes, bytes.len().max(1));
        for chunk_len in [1, 7, 1 + bytes.len() / 3] {
            assert_eq!(outcome(&spec, &bytes, chunk_len), expected, "in pieces of {chunk_len}");
        }
    }
}

fn spec(source: Value, shape: Value) -> Spec {
    let mut parts = Parts { source, shape, target: json!({"table": "t", "on_overlap": "last_run"}) };
    (parts.source["suffix"], parts.source["on_bad_row"]) = (json!(".csv"), json!("quarantine"));
    parts.read().unwrap()
}

fn specs() -> Vec<(Spec, &'static str)> {
    let values = |kind: &str| json!({"k": {}, "a": {"type": kind, "nullable": true}, "b": {"nullable": true}});
    let with = |mut columns: Value, name: &str, column: Value| {
        columns[name] = column;
        columns
    };
    let numbers = with(
        values("integer"),
        "a",
        json!({"type": "number", "decimal": ",", "group": ". ", "strip": ["$", "EUR"], "accounting": true, "nullable": true}),
    );
    let numbers =
        with(numbers, "b", json!({"type": "duration", "unit": "hours", "scale": 3, "format": "m:s", "nullable": true}));
    let moments = with(
        values("text"),
        "a",
        json!({"type": "date", "format": "%a %d-%b-%y %I:%M:%S.%f %p %z", "zone": "Europe/Berlin", "nullable": true}),
    );
    let moments = with(
        moments,
        "b",
        json!({"type": "timestamptz", "zone": "America/New_York", "truncate": "hour", "ambiguous": "later", "nullable": true}),
    );
    let ways = json!({"k": {"from": ["k", 0, "n"]}, "a": {"type": "json"}, "b": {"type": "integer", "nullable": true}});
    let plain = json!({
        "k": {"trim": true, "null_values": ["", "none"]}, "a": {"type": "date", "format": "%d.%m.%Y"},
        "b": {"type": "number", "group": "'", "strip": ["CHF"], "nullable": true},
        "d": {"type": "timestamp", "nullable": true, "null_values": ["", "2024-01-01"]},
    });
    let words = json!({"a": "max", "b": {"last": "b", "order_by": "a"}, "n": {"count": "*"}});
    vec![
        (
            spec(
                json!({"columns": numbers, "format": {"delimiter": ";", "escape": "\\", "comment": "#", "ragged": true, "skip_end": 1}}),
                json!({"keys": ["k"], "values": {"a": "sum", "b": {"mean": "b", "scale": 2}}}),
            ),
            "k;a;b\n",
        ),
        (
            spec(
                json!({"columns": moments, "format": {"skip": "to_header", "end_at": ["Sum"]}}),
                json!({"keys": ["k"], "values": words}),
            ),
            "k,a,b\n",
        ),
        (
            spec(
                json!({"columns": ways, "format": {"type": "json", "records": ["d"]}}),
                json!({"keys": ["k"], "rows": {}}),
            ),
            "{\"d\": [{\"k\": [{\"n\": 1}]}]}",
        ),
        (
            spec(
                json!({"columns": values("boolean"), "format": {"encoding": "shift_jis", "quote": "'"}}),
                json!({"keys": ["k"], "rows": {"order_by": ["b"]}, "filter": {"not": {"column": "b", "gt": "x"}}}),
            ),
            "k,a,b\n",
        ),
        (
            spec(
                json!({"columns": plain}),
                json!({"keys": ["k", "a"], "values": {"b": "sum", "d": {"max": "d"}, "n": {"count": "*"}}}),
            ),
            "k,a,b,d\n",
        ),
    ]
}

/// Rows and bad rows, and the part; or the error.
fn outcome(spec: &Spec, bytes: &[u8], chunk_len: usize) -> Result<(u64, u64, Vec<u8>, Vec<u8>), String> {
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
            return Err(error.to_string());
        }
    }
    let tally = &batch.tally;
    assert!(tally.rejects.count + tally.rows_filtered + tally.rows_ignored <= tally.rows_read);
    Ok((tally.rows_read, tally.rejects.count, tally.rejects.pending.clone(), part))
}
