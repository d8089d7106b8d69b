//! The file to its place: one request that happens or does not. Readers see the old file or the new one.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, MetadataDirective};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use std::collections::HashMap;

/// What one request copies at most, in bytes (Amazon S3 API, `CopyObject`).
const MOST_BYTES: u64 = 5 << 30;

/// How much a part of a larger file has, in bytes.
const PART_BYTES: u64 = 512 << 20;

/// What stays as it is in the name of a source.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A file that is copied.
pub(crate) struct Copy<'a> {
    pub(crate) from: &'a str,
    pub(crate) etag: &'a str,
    pub(crate) bytes: u64,
    pub(crate) to: &'a str,
    pub(crate) metadata: HashMap<String, String>,
}

const CONTENT_TYPE: &str = "text/csv; charset=utf-8";

impl Copy<'_> {
    /// Copies it, if it still is the version that was counted.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub(crate) async fn run(self, store: &Store) -> Result<()> {
        if self.bytes <= MOST_BYTES { self.whole(store).await } else { self.in_parts(store).await }
    }

    fn source(&self, store: &Store) -> String {
        format!("{}/{}", store.bucket(), utf8_percent_encode(self.from, PLAIN))
    }

    fn what(&self) -> String {
        format!("copy {} to {}", self.from, self.to)
    }

    async fn whole(self, store: &Store) -> Result<()> {
        let (source, what) = (self.source(store), self.what());
        let copied = store.client().copy_object().bucket(store.bucket()).key(self.to).copy_source(source);
        let copied = copied.copy_source_if_match(self.etag).metadata_directive(MetadataDirective::Replace);
        let copied = copied.content_type(CONTENT_TYPE).set_metadata(Some(self.metadata)).send().await;
        copied.map(drop).map_err(|error| Error::aws(what, error))
    }

    /// The file appears when its last part is there. Parts of one that does not get so far expire.
    async fn in_parts(self, store: &Store) -> Result<()> {
        let (source, what) = (self.source(store), self.what());
        let created = store.client().create_multipart_upload().bucket(store.bucket()).key(self.to);
        let created = created.content_type(CONTENT_TYPE).set_metadata(Some(self.metadata)).send().await;
        let created = created.map_err(|error| Error::aws(&what, error))?;
        let upload = created.upload_id.ok_or_else(|| Error::new(Kind::InvariantBroken, "S3 named no upload"))?;
        let mut parts = Vec::new();
        for (number, (first, last)) in (1..).zip(ranges(self.bytes)) {
            let copied = store.client().upload_part_copy().bucket(store.bucket()).key(self.to).upload_id(&upload);
            let copied = copied.part_number(number).copy_source(&source).copy_source_if_match(self.etag);
            let copied = copied.copy_source_range(format!("bytes={first}-{last}")).send().await;
            let copied = copied.map_err(|error| Error::aws(&what, error))?;
            let etag = copied.copy_part_result.and_then(|result| result.e_tag);
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(etag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let done = store.client().complete_multipart_upload().bucket(store.bucket()).key(self.to).upload_id(upload);
        done.multipart_upload(parts).send().await.map(drop).map_err(|error| Error::aws(what, error))
    }
}

/// The first and last byte of each part.
fn ranges(bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let starts = std::iter::successors(Some(0), |first| Some(first + PART_BYTES));
    starts.take_while(move |first| *first < bytes).map(move |first| (first, (first + PART_BYTES).min(bytes) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_of_the_file_and_touch() {
        for bytes in [MOST_BYTES + 1, 6 << 30, (11 * PART_BYTES) - 1, 11 * PART_BYTES, 11 * PART_BYTES + 1] {
            let mut next = 0;
            for (first, last) in ranges(bytes) {
                assert!(first == next && last >= first && last - first < PART_BYTES);
                next = last + 1;
            }
            assert_eq!(next, bytes);
        }
        assert!(ranges(5 << 40).count() <= 10_240, "the largest object there is");
    }
}
