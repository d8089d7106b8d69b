//! What stands at the place of a target: its file, or the manifest of its files. Whose it is stands in its metadata.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use std::collections::HashMap;

/// Whose it is: [`lake::owner`].
const OWNER: &str = "sluice-job";
/// Which query made the table that it is of.
const VERSION: &str = "sluice-version";
/// Of which version was what it has replaced.
const REPLACED: &str = "sluice-replaced";
/// How many rows the table has.
const ROWS: &str = "sluice-rows";
/// How many bytes the export has: of a manifest, its files together.
const BYTES: &str = "sluice-bytes";

/// What stands at a place.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Whose it is, if it says so.
    owner: Option<String>,
    /// The query that made the table; `None` if none of ours has.
    pub(crate) version: Option<String>,
    /// The version that it has replaced; `None` if there was none.
    pub(crate) replaced: Option<String>,
    pub(crate) rows: u64,
    /// Of the export.
    pub(crate) bytes: u64,
    /// Of the object itself.
    pub(crate) length: u64,
    /// Its entity tag.
    pub(crate) etag: String,
}

impl Placed {
    /// Whether it is this owner's. Before files named their owner they named the version alone, which nobody else's do.
    pub(crate) fn is_of(&self, owner: &str) -> bool {
        match &self.owner {
            Some(theirs) => theirs == owner,
            None => self.version.is_some(),
        }
    }
}

/// The metadata by which it is known, over what was `before`.
pub(crate) fn metadata(
    owner: &str,
    version: &str,
    before: Option<&Placed>,
    rows: u64,
    bytes: u64,
) -> HashMap<String, String> {
    let pairs = [
        (OWNER, owner.to_owned()),
        (VERSION, version.to_owned()),
        (ROWS, rows.to_string()),
        (BYTES, bytes.to_string()),
    ];
    let replaced = before.and_then(|before| before.version.clone()).map(|version| (REPLACED, version));
    pairs.into_iter().chain(replaced).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What stands at `key`; `None` if nothing does.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn placed(store: &Store, key: &str) -> Result<Option<Placed>> {
    let Some(head) = head(store, key).await? else { return Ok(None) };
    let length = length(&head)?;
    let of = |name: &str| head.metadata().and_then(|all| all.get(name)).map(String::as_str);
    let number = |name: &str| of(name).and_then(|text| text.parse().ok()).unwrap_or_default();
    let (owner, version) = (of(OWNER).map(ToOwned::to_owned), of(VERSION).map(ToOwned::to_owned));
    let replaced = of(REPLACED).map(ToOwned::to_owned);
    let (rows, bytes) = (number(ROWS), number(BYTES));
    let etag = head.e_tag().unwrap_or_default().to_owned();
    Ok(Some(Placed { owner, version, replaced, rows, bytes, length, etag }))
}

/// What S3 says of an object; `None` if there is none.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn head(store: &Store, key: &str) -> Result<Option<HeadObjectOutput>> {
    match store.client().head_object().bucket(store.bucket()).key(key).send().await {
        Ok(head) => Ok(Some(head)),
        Err(error) if error.as_service_error().is_some_and(|service| service.is_not_found()) => Ok(None),
        Err(error) => Err(Error::aws(format!("look at {key}"), error)),
    }
}

/// How long an object is, in bytes.
///
/// # Errors
/// `InvariantBroken` if S3 does not say.
pub(crate) fn length(head: &HeadObjectOutput) -> Result<u64> {
    let length = head.content_length().and_then(|length| u64::try_from(length).ok());
    length.ok_or_else(|| Error::new(Kind::InvariantBroken, "S3 does not say how long a file is"))
}
