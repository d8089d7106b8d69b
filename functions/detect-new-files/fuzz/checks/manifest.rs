//! Documents that the states leave for one another: each is read as it was written, or not at all.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice::Kind;
use sluice::contract::{BatchManifest, LedgerEntry, Loaded, Lock, Manifest, PivotResult, keys};
use sluice::time::parse_time;

/// Fails if a document is read as another than it is.
pub(super) fn check(bytes: &[u8]) {
    comes_back::<BatchManifest>(bytes);
    comes_back::<PivotResult>(bytes);
    if let Some(manifest) = comes_back::<Manifest>(bytes) {
        is_time_or_refused(&manifest.detected_at);
        for (index, batch) in (0..).zip(&manifest.batches) {
            let result = keys::pivot_result(&batch.key, index);
            assert!(result.ends_with(&format!("/result-{index:05}.json")), "{result}");
        }
    }
    if let Some(entry) = comes_back::<LedgerEntry>(bytes) {
        is_time_or_refused(&entry.detected_at);
    }
    if let Some(loaded) = comes_back::<Loaded>(bytes) {
        is_time_or_refused(&loaded.detected_at);
    }
    if let Some(lock) = comes_back::<Lock>(bytes) {
        is_time_or_refused(&lock.started_at);
    }
}

/// The document, if it is one of this type.
fn comes_back<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<T> {
    let document: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_vec(&document).unwrap();
    let again: T = serde_json::from_slice(&written).unwrap();
    assert_eq!(serde_json::to_vec(&again).unwrap().escape_ascii().to_string(), written.escape_ascii().to_string());
    Some(document)
}

fn is_time_or_refused(text: &str) {
    if let Err(error) = parse_time(text) {
        assert_eq!(error.kind(), Kind::InvariantBroken, "{error}");
    }
}
