//! A file by specs of the whole language.

#![no_main]
#![allow(dead_code, reason = "the tests use more of what they share")]

#[path = "../../tests/it/fuzzed/general_file.rs"]
mod general_file;
#[path = "../../tests/it/support.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| general_file::check(bytes));
