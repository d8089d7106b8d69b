//! A file to sums and bad rows.

#![no_main]
#![allow(dead_code, reason = "the tests use more of what they share")]

#[path = "../../tests/it/packing.rs"]
mod packing;
#[path = "../../tests/it/reading.rs"]
mod reading;
#[path = "../../tests/it/support.rs"]
mod support;
#[path = "../../tests/it/fuzzed/whole_file.rs"]
mod whole_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| whole_file::check(bytes));
