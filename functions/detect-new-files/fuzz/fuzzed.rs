//! The checks of the fuzz targets, each over its corpus and a bounded number of mutations of it.

#[path = "checks/event.rs"]
mod event;
#[path = "checks/manifest.rs"]
mod manifest;
#[path = "../../pivot/tests/it/fuzzed/mutations.rs"]
mod mutations;

use std::path::Path;

/// A target's corpus.
fn over(target: &str, rounds: u32, check: fn(&[u8])) {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    mutations::over(&Path::new(&package).join("fuzz/corpus").join(target), rounds, check);
}

#[test]
fn any_input_is_understood_or_an_invalid_event() {
    over("event", 5_000, event::check);
}

#[test]
fn any_document_is_read_as_it_was_written() {
    over("manifest", 5_000, manifest::check);
}
