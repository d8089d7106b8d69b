//! gzip and zstd: the same table as the plain text, and an error for what is cut off or corrupt.

use crate::packing::{gzip, zstd};
use crate::support::{feed, pivot, source, spec};
use pivot::batch::Batch;
use pivot::plan::Plan;
use sluice::Kind;

const TEXT: &str = "Project,Duration (in minutes),Start date\nWork,1.5,2024-01-01 10:00\nLearning,2,2024-01-02 10:00\n";

#[test]
fn compressed_files_give_the_same_table() {
    let plain = pivot(&spec(), &[("a", TEXT.as_bytes())], 16).unwrap().csv;
    let (head, tail) = TEXT.split_at(60);
    let two_members = [gzip(head), gzip(tail)].concat();
    for bytes in [gzip(TEXT), zstd(TEXT), two_members] {
        for chunk_len in [1, 3, 1_000] {
            assert_eq!(pivot(&spec(), &[("a", &bytes)], chunk_len).unwrap().csv, plain);
        }
    }
}

#[test]
fn what_is_cut_off_or_corrupt_is_an_error_that_names_the_file() {
    let text = TEXT.repeat(50).replace("\nProject,Duration (in minutes),Start date", "");
    for whole in [gzip(&text), zstd(&text)] {
        let mut corrupt = whole.clone();
        let middle = corrupt.len() / 2;
        corrupt[middle] ^= 0x55;
        let cut = &whole[..whole.len() - 3];
        for bytes in [cut, &corrupt] {
            let error = pivot(&spec(), &[("input_data/a.csv.gz", bytes)], 100).err().expect("it cannot be read");
            assert_eq!(error.kind(), Kind::InvalidSource, "{error}");
            assert!(error.to_string().starts_with("input_data/a.csv.gz"), "{error}");
        }
    }
}

#[test]
fn a_fault_within_is_told_with_its_line() {
    let text = "Project,Duration (in minutes)\nWork,1\n";
    for bytes in [gzip(text), zstd(text)] {
        let error = pivot(&spec(), &[("a.csv", &bytes)], 5).err().unwrap().to_string();
        assert!(error.starts_with("a.csv, line 1: the column \"Start date\" is missing"), "{error}");
    }
}

/// The limits have the same for gzip and for plain text.
#[test]
fn a_flood_of_bad_rows_within_zstd_is_handed_over_in_pieces() {
    let count = 500_000;
    let packed = zstd(format!("Project,Duration (in minutes),Start date\n{}", "x\n".repeat(count)));
    let plan = Plan::new(&spec()).unwrap();
    let mut batch = Batch::new(&plan);
    let file = source("a", 0);
    let (mut lines, mut most) = (0_usize, 0_usize);
    let mut take = |pending: &mut Vec<u8>| {
        most = most.max(pending.len());
        lines += pending.iter().filter(|byte| **byte == b'\n').count();
        pending.clear();
    };
    feed(&file, &mut batch, [packed], &mut take).unwrap();
    take(&mut batch.tally.rejects.pending);
    assert_eq!(lines, count + 1, "a header and every bad row");
    assert!(most < 32 << 20, "{most} bytes waited at once");
}
