//! What pivot left of each batch, beside the manifest.

use pipeline::contract::{ObjectRef, PivotResult, keys};
use pipeline::store::Store;
use pipeline::{Error, Kind, Result};

/// Reads the result of a batch.
///
/// # Errors
/// `InvalidEvent` if it is not there.
pub async fn read(store: &Store, manifest: &ObjectRef, index: u32) -> Result<PivotResult> {
    let key = keys::pivot_result(&manifest.key, index);
    let result = store.read_latest_json::<PivotResult>(&key).await?.map(|latest| latest.document);
    result.ok_or_else(|| Error::new(Kind::InvalidEvent, format!("{key} is missing: batch {index} was not pivoted")))
}
