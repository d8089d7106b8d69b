//! Sizes at their limits, and floods: all end in bounded memory, most of them in an error that says which limit it was.

mod memory;

use crate::packing::{gzip, gzip_pieces, zstd};
use crate::support::{feed, pivot, quarantine_spec, source, spec, spec_of_texts};
use memory::within;
use pivot::batch::{Batch, MAX_ROW_BYTES};
use pivot::csv::record::MAX_FIELDS;
use pivot::plan::Plan;
use pivot::value::decimal::Decimal;
use sluice::Kind;
use sluice::spec::OnBad;

const HEADER: &str = "Project,Duration (in minutes),Start date,End date\n";

const MEBIBYTE: usize = 1 << 20;

/// The quarantine lines that were handed over.
#[derive(Debug, Default)]
struct HandedOver {
    lines: usize,
    /// The most bytes that waited at once.
    most: usize,
}

impl HandedOver {
    fn take(&mut self, pending: &mut Vec<u8>) {
        self.most = self.most.max(pending.len());
        self.lines += pending.iter().filter(|byte| **byte == b'\n').count();
        pending.clear();
    }
}

/// Reads a file as the handler does, and keeps nothing of it.
fn read(
    batch: &mut Batch<'_>,
    key: &str,
    pieces: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> sluice::Result<HandedOver> {
    let file = source(key, 0);
    let mut handed_over = HandedOver::default();
    feed(&file, batch, pieces, |pending| handed_over.take(pending))?;
    handed_over.take(&mut batch.tally.rejects.pending);
    Ok(handed_over)
}

/// The header, then `count` rows, a thousand at a time.
fn rows(count: usize, row: impl Fn(usize) -> String) -> impl Iterator<Item = String> {
    let blocks = (0..count).step_by(1_000);
    let blocks = blocks.map(move |start| (start..count.min(start + 1_000)).map(&row).collect::<String>());
    std::iter::once(HEADER.to_owned()).chain(blocks)
}

#[test]
fn a_row_may_have_a_mebibyte_and_not_a_byte_more() {
    let too_large =
        "a.csv, line 2: a row of more than 1048576 bytes or 10000 fields begins here; is a closing quote missing?";
    for quote in ["", "\""] {
        for line_end in ["", "\n", "\r\n"] {
            for over in [0, 1] {
                let row = format!("Work,1,2024-01-01,{quote}");
                let rest = "x".repeat(MAX_ROW_BYTES + over - row.len() - quote.len());
                let text = format!("{HEADER}{row}{rest}{quote}{line_end}");
                for chunk_len in [text.len(), text.len() - 1, text.len() - 2, 65_536] {
                    let what = format!("{quote:?} {line_end:?} {over} over, in pieces of {chunk_len}");
                    match pivot(&spec(), &[("a.csv", text.as_bytes())], chunk_len) {
                        Ok(pivoted) => {
                            assert_eq!((over, pivoted.rows_read, pivoted.rejects.count), (0, 1, 0), "{what}")
                        }
                        Err(error) => assert_eq!((over, error.to_string().as_str()), (1, too_large), "{what}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_file_may_have_ten_thousand_columns_and_not_one_more() {
    let too_large =
        "a.csv, line 1: a row of more than 1048576 bytes or 10000 fields begins here; is a closing quote missing?";
    for over in [0, 1] {
        let others = MAX_FIELDS + over - 3;
        let header = format!("Project,Duration (in minutes),Start date{}\n", ",x".repeat(others));
        let text = header + &format!("Work,1,2024-01-01{}\n", ",\"x\"".repeat(others)).repeat(3);
        for chunk_len in [text.len(), 7_777, 100] {
            match pivot(&spec(), &[("a.csv", text.as_bytes())], chunk_len) {
                Ok(pivoted) => assert_eq!((over, pivoted.rows_read, pivoted.rejects.count), (0, 3, 0)),
                Err(error) => assert_eq!((over, error.to_string().as_str()), (1, too_large)),
            }
        }
    }
}

#[test]
fn a_million_unknown_categories_are_written_down_and_take_no_memory() {
    const COUNT: usize = 1_000_000;
    let row = |row: usize| format!("category-{row},1,2024-01-01,x\n");
    let packed = || gzip_pieces(rows(COUNT, row));
    within(32, "limits::a_million_unknown_categories_are_written_down_and_take_no_memory", packed, |packed| {
        let plan = Plan::new(&quarantine_spec()).unwrap();
        let mut batches = [Batch::new(&plan), Batch::new(&plan)];
        let plain = read(&mut batches[0], "a.csv", rows(COUNT, row)).unwrap();
        let packed = read(&mut batches[1], "a.csv", [packed]).unwrap();
        for (batch, handed_over) in batches.iter().zip([plain, packed]) {
            assert_eq!(
                (batch.tally.rows_read, batch.tally.rejects.count, batch.file.sums.len()),
                (1_000_000, 1_000_000, 0)
            );
            assert_eq!(batch.tally.rejects.first.len(), 5);
            assert_eq!(handed_over.lines, COUNT + 1, "a header and every bad row");
            assert!(handed_over.most < 8 * MEBIBYTE, "{} bytes waited at once", handed_over.most);
        }
    });
}

/// The handler hands over a file of up to 1 MiB in one piece, and a key may have 1,024 bytes.
#[test]
fn a_small_file_of_bad_rows_under_a_long_key_takes_little_memory() {
    let text = || format!("{HEADER}{}", "x\n".repeat(MEBIBYTE / 2 - HEADER.len()));
    within(64, "limits::a_small_file_of_bad_rows_under_a_long_key_takes_little_memory", text, |text| {
        let plan = Plan::new(&spec()).unwrap();
        let mut batch = Batch::new(&plan);
        let handed_over = read(&mut batch, &"k".repeat(1_024), [&text]).unwrap();
        assert_eq!(handed_over.lines, text.lines().count());
        assert!(handed_over.most < 48 * MEBIBYTE, "{} bytes waited at once", handed_over.most);
    });
}

/// A file that unpacks to a flood: what it holds once, what it holds many times, and what must come of it.
const BOMBS: [(&str, &str, usize, Result<u64, &str>); 5] = [
    ("", "\n", 64, Ok(0)),
    (HEADER, "Work,1,2024-01-01,x\n", 200, Ok(200 * 52_428)),
    (HEADER, "x", 200, Err("line 2: a row of more than 1048576 bytes or 10000 fields")),
    (HEADER, "\"", 200, Err("line 2: a row of more than 1048576 bytes or 10000 fields")),
    (HEADER, ",", 200, Err("line 2: a row of more than 1048576 bytes or 10000 fields")),
];

/// Packs the bombs, a mebibyte of each and then as many copies of that as it takes, and reads them in one piece each.
fn explode(test: &str, pack: impl Fn(Vec<u8>) -> Vec<u8>) {
    let packed = || {
        BOMBS.map(|(once, unit, mebibytes, _)| {
            let copies = pack(unit.repeat(MEBIBYTE / unit.len()).into_bytes()).repeat(mebibytes);
            let bytes = if once.is_empty() { copies } else { [pack(once.as_bytes().to_vec()), copies].concat() };
            assert!(bytes.len() < 2 * MEBIBYTE, "{} bytes: that is no bomb", bytes.len());
            bytes
        })
    };
    within(32, test, packed, |packed| {
        let plan = Plan::new(&spec()).unwrap();
        for (bytes, (_, unit, _, expected)) in packed.into_iter().zip(BOMBS) {
            let mut batch = Batch::new(&plan);
            match (read(&mut batch, "a.csv", [bytes]), expected) {
                (Ok(_), Ok(rows)) => {
                    let work: Vec<Decimal> = batch.file.sums.column(1).collect();
                    let sum = Decimal { mantissa: i128::from(rows), scale: 0 };
                    assert_eq!((batch.tally.rows_read, batch.tally.rejects.count), (rows, 0), "{unit:?}");
                    assert!(work.iter().all(|work| *work == sum) && work.len() == usize::from(rows > 0), "{work:?}");
                }
                (Err(error), Err(place)) => {
                    assert_eq!(error.kind(), Kind::InvalidSource);
                    assert!(error.to_string().starts_with(&format!("a.csv, {place}")), "{unit:?}: {error}");
                }
                (read, expected) => panic!("{unit:?}: {read:?}, expected {expected:?}"),
            }
        }
    });
}

#[test]
fn gzip_bombs_take_no_memory() {
    explode("limits::gzip_bombs_take_no_memory", gzip);
}

#[test]
fn zstd_bombs_take_no_memory() {
    explode("limits::zstd_bombs_take_no_memory", zstd);
}

#[test]
fn a_million_keys_fit() {
    within(512, "limits::a_million_keys_fit", spec_of_texts, |spec| {
        let plan = Plan::new(&spec).unwrap();
        let mut batch = Batch::new(&plan);
        read(&mut batch, "a.csv", rows(1_000_000, |row| format!("Work,1,value-{row},x\n"))).unwrap();
        assert_eq!((batch.tally.rows_read, batch.file.sums.len()), (1_000_000, 1_000_000));
    });
}

/// Memory grows with the keys, so there must be an end to them, by their number and by their length.
#[test]
fn more_keys_than_memory_may_hold_are_refused() {
    let too_many = |line: u32| {
        let what = "more than 1000000 different keys, 67108864 bytes of them or 8000000 sums in one file";
        format!("a.csv, line {line}, column 3 (Start date): {what}")
    };
    let refused = |texts: &mut dyn Iterator<Item = String>| {
        let spec = spec_of_texts();
        let plan = Plan::new(&spec).unwrap();
        read(&mut Batch::new(&plan), "a.csv", texts).map(drop).map_err(|error| (error.kind(), error.to_string()))
    };
    within(
        512,
        "limits::more_keys_than_memory_may_hold_are_refused",
        || (),
        |()| {
            let short = refused(&mut rows(1_000_001, |row| format!("Work,1,value-{row},x\n")));
            assert_eq!(short, Err((Kind::InvalidSource, too_many(1_000_002))));
            let text = "v".repeat(1_000_000 - 2);
            let long = (10..100).map(|row| format!("Work,1,{row}{text},x\n"));
            let long = refused(&mut std::iter::once(HEADER.to_owned()).chain(long));
            assert_eq!(long, Err((Kind::InvalidSource, too_many(69))));
        },
    );
}

/// A bad row's key is remembered, so there must be an end to these too.
#[test]
fn more_keys_of_bad_rows_than_memory_may_hold_make_a_bad_file() {
    let mut spec = spec_of_texts();
    spec.source.on_bad_row = OnBad::Quarantine;
    let plan = Plan::new(&spec).unwrap();
    let test = "limits::more_keys_of_bad_rows_than_memory_may_hold_make_a_bad_file";
    within(
        256,
        test,
        || Batch::new(&plan),
        |mut batch| {
            let error =
                read(&mut batch, "a.csv", rows(1_000_001, |row| format!("Work,x,value-{row},x\n"))).unwrap_err();
            let too_many = "more than 1000000 different keys, 67108864 bytes of them or 8000000 sums in one file";
            let what = format!("a.csv, line 1000002: {too_many}");
            assert_eq!((error.kind(), error.to_string()), (Kind::InvalidSource, what));
            assert_eq!(batch.tally.rejects.count, 1_000_001);
        },
    );
}

#[test]
fn keys_that_are_too_many_only_together_end_the_batch() {
    let spec = spec_of_texts();
    let plan = Plan::new(&spec).unwrap();
    let test = "limits::keys_that_are_too_many_only_together_end_the_batch";
    within(
        512,
        test,
        || Batch::new(&plan),
        |mut batch| {
            read(&mut batch, "a.csv", rows(600_000, |row| format!("Work,1,value-{row},x\n"))).unwrap();
            batch.end_file(&source("a.csv", 0)).unwrap();
            read(&mut batch, "b.csv", rows(600_000, |row| format!("Work,1,value-{},x\n", row + 500_000))).unwrap();
            let error = batch.end_file(&source("b.csv", 0)).unwrap_err().to_string();
            let what = "b.csv: together with the files before it: more than 1000000 different keys";
            assert!(error.starts_with(what) && error.ends_with("in one batch"), "{error}");
        },
    );
}
