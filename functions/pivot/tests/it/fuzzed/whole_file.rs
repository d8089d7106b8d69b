//! A file to sums and bad rows: the same however it is cut, and however it is packed.

use crate::packing::{gzip, zstd};
use crate::reading::{KEY, places, read};
use crate::support::{Reading, pivot, spec, spec_of_texts};
use pivot::sums::Sums;
use pivot::value::decimal::Decimal;
use sluice::Kind;
use sluice::spec::{OnBad, Other, Spec};
use std::collections::BTreeMap;

/// All that a file comes to.
#[derive(Debug, PartialEq)]
struct Outcome {
    ended: Result<(), String>,
    quarantine: Vec<u8>,
    rows_read: u64,
    rows_ignored: u64,
    sums: BTreeMap<String, [Decimal; 2]>,
}

const HEADER: &[u8] = b"Project,Duration (in minutes),Start date,End date\n";

/// Fails if a file comes to different things.
pub(super) fn check(bytes: &[u8]) {
    comes_to_one_thing(bytes);
    // Few changes leave a header whole, without which nothing is read.
    comes_to_one_thing(&[HEADER, bytes].concat());
}

fn comes_to_one_thing(bytes: &[u8]) {
    let mut of_texts = spec_of_texts();
    of_texts.shape.pivot.as_mut().unwrap().other = Other::Ignore;
    of_texts.source.on_bad_row = OnBad::Quarantine;
    let whole = bytes.len().max(1);
    let chunk_lens = [1, 7, 1 + bytes.len() / 3];
    let is_packed = bytes.starts_with(&[0x1F, 0x8B]) || bytes.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]);
    let packed = if is_packed { Vec::new() } else { vec![gzip(bytes), zstd(bytes)] };
    for spec in [spec(), of_texts] {
        let expected = outcome(&spec, bytes, whole);
        for chunk_len in chunk_lens {
            let cut = outcome(&spec, bytes, chunk_len);
            // Of two faults, one of the packing and one within it, either may be seen first.
            let are_both_refused = is_packed && cut.ended.is_err() && expected.ended.is_err();
            assert!(are_both_refused || cut == expected, "in pieces of {chunk_len}: {cut:?}\nwhole: {expected:?}");
        }
        for packed in &packed {
            for chunk_len in [packed.len(), 5] {
                assert_eq!(outcome(&spec, packed, chunk_len), expected, "packed, in pieces of {chunk_len}");
            }
        }
        // The table may still be refused, for a column that is too long.
        if let Ok(pivoted) = pivot(&spec, &[(KEY, bytes)], whole) {
            assert_eq!((Ok(()), expected.rows_read), (expected.ended, pivoted.rows_read));
        }
    }
}

fn outcome(spec: &Spec, bytes: &[u8], chunk_len: usize) -> Outcome {
    let Reading { ended, quarantine, rejects, rows_read, rows_ignored, sums } = read(spec, bytes, chunk_len);
    assert_eq!(places(&quarantine).len() as u64, rejects.count, "all bad rows are in quarantine");
    assert!(rejects.count + rows_ignored <= rows_read, "{} bad, {rows_ignored} ignored of {rows_read}", rejects.count);
    let ended = ended.map_err(|error| {
        assert_eq!(error.kind(), Kind::InvalidSource, "{error}");
        error.to_string()
    });
    Outcome { ended, quarantine, rows_read, rows_ignored, sums: cells(&sums) }
}

fn cells(sums: &Sums) -> BTreeMap<String, [Decimal; 2]> {
    let columns = [0, 1].map(|category| sums.column(category).collect::<Vec<_>>());
    let cells = |row: usize| [columns[0][row], columns[1][row]];
    (0..).zip(sums.keys().in_order()).map(|(row, key)| (key.to_string(), cells(row))).collect()
}
