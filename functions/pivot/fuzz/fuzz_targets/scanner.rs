//! Bytes to records.

#![no_main]

#[path = "../../tests/it/fuzzed/scanner.rs"]
mod scanner;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scanner::check(bytes));
