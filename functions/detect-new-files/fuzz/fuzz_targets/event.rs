//! Inputs of an execution.

#![no_main]

#[path = "../checks/event.rs"]
mod event;
#[allow(dead_code, reason = "the handler uses more of it")]
#[path = "../../src/trigger.rs"]
mod trigger;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| event::check(bytes));
