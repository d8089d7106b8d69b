//! Texts to dates.

#![no_main]

#[path = "../../tests/it/fuzzed/date.rs"]
mod date;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| date::check(bytes));
