//! Durations in all forms.

#![no_main]
#![allow(dead_code, reason = "the tests use more of what they share")]

#[path = "../../tests/it/fuzzed/durations.rs"]
mod durations;
#[path = "../../tests/it/fuzzed/plain.rs"]
mod plain;
#[path = "../../tests/it/support.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| durations::check(bytes));
