//! Texts to decimals.

#![no_main]

#[path = "../../tests/it/fuzzed/decimal.rs"]
mod decimal;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decimal::check(bytes));
