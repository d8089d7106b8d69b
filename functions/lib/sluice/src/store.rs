//! The stack's bucket: pinned reads, plain writes, and the two conditional ones that the lock is made of.

use crate::contract::ObjectRef;
use crate::{Error, Kind, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::Object;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::RangeInclusive;

/// One bucket.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    bucket: String,
}

/// What a pinned read found.
#[derive(Debug)]
pub enum Pinned {
    /// The version that was asked for.
    Body(ByteStream),
    /// Another version.
    Changed,
    /// Nothing.
    Gone,
}

/// The newest version of a document.
#[derive(Debug)]
pub struct Latest<T> {
    /// What it says.
    pub document: T,
    /// Its entity tag.
    pub etag: String,
    /// When S3 says it was written, in whole seconds.
    pub modified: Option<DateTime>,
}

/// When a write may happen.
#[derive(Clone, Copy, Debug)]
pub enum Condition<'a> {
    /// Only if there is no such object.
    Absent,
    /// Only over the version with this entity tag.
    Matches(&'a str),
}

impl Store {
    /// The bucket `bucket` as seen by `client`.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// The client, for the calls that only one function makes.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Opens the object at `key` if it still has the tag `etag`.
    ///
    /// # Errors
    /// As [`Error::aws`]. An object that S3 hands over to nobody, or only to who has its key, is `InvalidSource`.
    pub async fn open(&self, key: &str, etag: &str) -> Result<Pinned> {
        self.open_part(key, etag, None).await
    }

    /// Opens some bytes, counted from 0, of the object at `key` if it still has the tag `etag`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_range(&self, key: &str, etag: &str, range: &RangeInclusive<u64>) -> Result<Pinned> {
        self.open_part(key, etag, Some(format!("bytes={}-{}", range.start(), range.end()))).await
    }

    async fn open_part(&self, key: &str, etag: &str, range: Option<String>) -> Result<Pinned> {
        match self.client.get_object().bucket(&self.bucket).key(key).if_match(etag).set_range(range).send().await {
            Ok(output) => Ok(Pinned::Body(output.body)),
            Err(error) if status(&error) == Some(412) => Ok(Pinned::Changed),
            Err(error) if error.as_service_error().is_some_and(|service| service.is_no_such_key()) => Ok(Pinned::Gone),
            Err(error) => {
                let code = error.as_service_error().and_then(|service| service.code());
                match unreadable(status(&error), code) {
                    Some(what) => Err(Error::caused(Kind::InvalidSource, format!("{key}: {what}"), error)),
                    None => Err(Error::aws(format!("read {key}"), error)),
                }
            }
        }
    }

    /// Reads a document of ours at the version it was written in.
    ///
    /// # Errors
    /// `TransientFailure` if it has been replaced meanwhile: a twin of an earlier state is still at work.
    pub async fn read_json<T: DeserializeOwned>(&self, reference: &ObjectRef) -> Result<T> {
        match self.open(&reference.key, &reference.etag).await? {
            Pinned::Body(body) => decode(&reference.key, body).await,
            Pinned::Changed => Err(Error::new(Kind::TransientFailure, format!("{} was replaced", reference.key))),
            Pinned::Gone => Err(gone(&reference.key)),
        }
    }

    /// Reads the newest version of a document of ours; none if there is no such object.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub async fn read_latest_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Latest<T>>> {
        match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(output) => {
                let (etag, modified) = (output.e_tag.clone().unwrap_or_default(), output.last_modified);
                Ok(Some(Latest { document: decode(key, output.body).await?, etag, modified }))
            }
            Err(error) if error.as_service_error().is_some_and(|service| service.is_no_such_key()) => Ok(None),
            Err(error) => Err(Error::aws(format!("read {key}"), error)),
        }
    }

    /// Writes `body` to `key`, whatever is there.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub async fn write(&self, key: &str, content_type: &str, body: Vec<u8>) -> Result<ObjectRef> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type);
        let output = put.body(body.into()).send().await.map_err(|error| Error::aws(format!("write {key}"), error))?;
        Ok(self.reference(key, output.e_tag))
    }

    /// Writes a document of ours.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub async fn write_json<T: Serialize>(&self, key: &str, document: &T) -> Result<ObjectRef> {
        self.write(key, "application/json", encode(key, document)?).await
    }

    /// Writes a document of ours if `condition` holds; says whether it did.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub async fn write_json_if<T: Serialize>(&self, key: &str, document: &T, condition: Condition<'_>) -> Result<bool> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type("application/json");
        let put = match condition {
            Condition::Absent => put.if_none_match("*"),
            Condition::Matches(etag) => put.if_match(etag),
        };
        match put.body(encode(key, document)?.into()).send().await {
            Ok(_) => Ok(true),
            // 409: another conditional write is under way; 404: the object to be replaced has gone.
            Err(error) if matches!(status(&error), Some(404 | 409 | 412)) => Ok(false),
            Err(error) => Err(Error::aws(format!("write {key}"), error)),
        }
    }

    /// A reference to what has just been written.
    pub fn reference(&self, key: &str, etag: Option<String>) -> ObjectRef {
        ObjectRef { bucket: self.bucket.clone(), key: key.to_owned(), etag: etag.unwrap_or_default() }
    }
}

/// The key of a listed object.
///
/// # Errors
/// `InvariantBroken` if the service left it out: the object must not be passed over for that.
pub fn listed_key(object: Object) -> Result<String> {
    object.key.ok_or_else(|| Error::new(Kind::InvariantBroken, "the listing has an object without a key"))
}

/// The HTTP status of an error, if the service answered.
fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Why an object cannot be read, if that is a matter of this object alone: how it is stored.
fn unreadable(status: Option<u16>, code: Option<&str>) -> Option<&'static str> {
    match (status?, code?) {
        (_, "InvalidObjectState") => Some("in an archive storage class"),
        // S3 wants the parameters of the encryption; nothing else of a plain read can be wrong.
        (400, "InvalidRequest") => Some("encrypted with a key of the sender's (SSE-C)"),
        _ => None,
    }
}

fn gone(key: &str) -> Error {
    let what = format!("{key} no longer exists; check whether a lifecycle rule expires objects during a run");
    Error::new(Kind::Misconfigured, what)
}

fn encode<T: Serialize>(key: &str, document: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(document).map_err(|error| Error::caused(Kind::InvariantBroken, format!("encode {key}"), error))
}

async fn decode<T: DeserializeOwned>(key: &str, body: ByteStream) -> Result<T> {
    let bytes = body
        .collect()
        .await
        .map_err(|error| Error::caused(Kind::TransientFailure, format!("read {key}"), error))?
        .into_bytes();
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::caused(Kind::InvariantBroken, format!("{key}: invalid JSON document"), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_object_is_no_reason_to_read_no_other() {
        for (status, code, is_of_object) in [
            (403, "InvalidObjectState", true),
            (400, "InvalidRequest", true),
            (403, "AccessDenied", false),
            (400, "InvalidArgument", false),
            (400, "KMS.DisabledException", false),
            (503, "SlowDown", false),
        ] {
            assert_eq!(unreadable(Some(status), Some(code)).is_some(), is_of_object, "{status} {code}");
        }
        assert_eq!(unreadable(None, None), None);
    }
}
