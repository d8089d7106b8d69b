//! The checks of the fuzz targets in `fuzz/`, each over its corpus and a bounded number of mutations of it.

mod date;
mod decimal;
mod dialects;
mod durations;
mod encodings;
mod general_file;
mod moments;
mod mutations;
mod numbers;
mod plain;
mod scanner;
mod ways;
mod whole_file;

use std::fs;
use std::path::{Path, PathBuf};

/// A target's corpus.
fn corpus(target: &str) -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    Path::new(&package).join("fuzz/corpus").join(target)
}

fn over(target: &str, rounds: u32, check: fn(&[u8])) {
    mutations::over(&corpus(target), rounds, check);
}

#[test]
fn any_bytes_are_scanned_by_the_book() {
    over("scanner", 4_000, scanner::check);
}

#[test]
fn a_row_is_the_same_wherever_a_piece_ends() {
    over("scanner", 20, scanner::check_pieces);
}

/// Else the comparison of the two paths would be one of nothing.
#[test]
fn the_corpus_has_rows_for_the_fast_path() {
    let files = fs::read_dir(corpus("scanner")).unwrap();
    let fast = files.filter(|entry| scanner::fast_rows(&fs::read(entry.as_ref().unwrap().path()).unwrap()) > 0).count();
    assert!(fast >= 10, "{fast} files");
}

#[test]
fn any_text_is_a_decimal_as_written_or_none() {
    over("decimal", 20_000, decimal::check);
}

#[test]
fn any_text_is_a_date_of_the_calendar_or_none() {
    over("date", 20_000, date::check);
}

#[test]
fn any_file_is_read_the_same_however_it_is_cut_or_packed() {
    over("whole_file", 250, whole_file::check);
}

#[test]
fn any_file_is_read_the_same_by_any_spec() {
    over("general_file", 400, general_file::check);
}

#[test]
fn any_number_with_marks_is_the_same_without() {
    over("numbers", 2_000, numbers::check);
}

#[test]
fn any_moment_by_a_pattern_is_the_same_in_iso_form() {
    over("moments", 2_000, moments::check);
}

#[test]
fn any_duration_is_the_same_number_of_seconds() {
    over("durations", 2_000, durations::check);
}

#[test]
fn any_file_in_a_dialect_has_the_rows_of_the_usual_one() {
    over("dialects", 2_000, dialects::check);
}

#[test]
fn any_file_in_an_encoding_says_what_its_text_says() {
    over("encodings", 2_000, encodings::check);
}

#[test]
fn any_nested_field_is_what_its_way_leads_to() {
    over("ways", 2_000, ways::check);
}
