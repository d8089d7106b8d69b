//! gzip and zstd: the same table as the plain text, and an error for what is cut off or corrupt.

use crate::support::{pivot, spec};
use flate2::{Compression, write::GzEncoder};
use pipeline::Kind;
use pipeline::contract::SourceFile;
use pivot::compression::Decompressor;
use pivot::plan::Plan;
use pivot::reader::{Batch, FileReader};
use std::io::Write;

const TEXT: &str = "Project,Duration (in minutes),Start date\nWork,1.5,2024-01-01 10:00\nLearning,2,2024-01-02 10:00\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}

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

#[test]
fn a_small_file_that_unpacks_to_a_flood_of_bad_rows_keeps_memory_bounded() {
    let count = 500_000;
    let text = format!("Project,Duration (in minutes),Start date\n{}", "x\n".repeat(count));
    for bytes in [gzip(&text), zstd(&text), text.clone().into_bytes()] {
        let plan = Plan::new(&spec()).unwrap();
        let mut batch = Batch::new(&plan);
        let file = SourceFile { key: "a".into(), etag: "e".into(), size: 0, last_modified: String::new() };
        let mut decompressor = Decompressor::new("a", FileReader::new(&file, &mut batch));
        let (mut rest, mut lines, mut most) = (&bytes[..], 0, 0);
        let mut take = |decompressor: &mut Decompressor<'_, '_>| {
            let pending = std::mem::take(&mut decompressor.rejects().pending);
            most = most.max(pending.len());
            lines += pending.iter().filter(|byte| **byte == b'\n').count();
        };
        while !rest.is_empty() {
            rest = &rest[decompressor.feed(rest).unwrap()..];
            take(&mut decompressor);
        }
        while !decompressor.flush().unwrap() {
            take(&mut decompressor);
        }
        take(&mut decompressor);
        decompressor.finish().unwrap();
        lines += batch.rejects.pending.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines, count + 1, "a header and every bad row");
        assert!(most < 32 << 20, "{most} bytes waited at once");
    }
}
