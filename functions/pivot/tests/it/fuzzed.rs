//! The checks of the fuzz targets in `fuzz/`, each over its corpus and a bounded number of mutations of it.

mod date;
mod decimal;
mod mutations;
mod scanner;
mod whole_file;

use std::path::Path;

/// A target's corpus.
fn over(target: &str, rounds: u32, check: fn(&[u8])) {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    mutations::over(&Path::new(&package).join("fuzz/corpus").join(target), rounds, check);
}

#[test]
fn any_bytes_are_scanned_by_the_book() {
    over("scanner", 4_000, scanner::check);
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
