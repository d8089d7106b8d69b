//! What the metadata of a Parquet file says.

use crate::listing::Listed;
use parquet_metadata::{File, Flaw, TAIL_BYTES, Tail, tail};
use sluice::store::{Pinned, Store};
use sluice::{Error, Kind, Result};

/// How much metadata of a Parquet file is read at most, in bytes: several files are looked into at the same time.
pub const MAX_METADATA_BYTES: u64 = 4 << 20;

/// Reads the metadata of a listed file, in one request or two.
///
/// # Errors
/// `InvalidSource` naming the file if it is no Parquet file; `TransientFailure` if it has changed since it was listed.
pub async fn parquet(store: &Store, object: &Listed) -> Result<File> {
    let wrong = |flaw: Flaw| Error::new(Kind::InvalidSource, format!("{}: {flaw}", object.key));
    let mut bytes = last(store, object, TAIL_BYTES).await?;
    if let Tail::Short(length) = tail(&bytes, object.size, MAX_METADATA_BYTES).map_err(wrong)? {
        bytes = last(store, object, length).await?;
    }
    match tail(&bytes, object.size, MAX_METADATA_BYTES).map_err(wrong)? {
        Tail::Metadata(metadata) => File::read(metadata).map_err(wrong),
        Tail::Short(_) => Err(wrong("its metadata is cut off".into())),
    }
}

/// The last bytes of an object, or all of them.
async fn last(store: &Store, object: &Listed, length: u64) -> Result<Vec<u8>> {
    let Listed { key, etag, size, .. } = object;
    let range = size.saturating_sub(length)..=size.saturating_sub(1);
    let Pinned::Body(mut body) = store.open_range(key, etag, &range).await? else {
        return Err(Error::new(Kind::TransientFailure, format!("{key} was replaced or deleted just now")));
    };
    // Once, and not also as the pieces in which it comes.
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(*size)).unwrap_or_default());
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Error::caused(Kind::TransientFailure, format!("read {key}"), error))?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
