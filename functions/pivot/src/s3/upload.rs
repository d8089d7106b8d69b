//! Streaming multipart upload: rejected rows, and the sums of many files, may be as many as there are rows.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use sluice::contract::ObjectRef;
use sluice::store::Store;
use sluice::{Error, Result};

/// Size of a part, in bytes. S3 requires at least 5 MiB for all but the last, and at most 10,000 of them.
const PART_BYTES: usize = 8 << 20;

/// Writes one object. It appears whole when it is finished, or not at all; unfinished uploads are cleared by the
/// bucket's lifecycle rule.
pub(crate) struct Upload<'a> {
    store: &'a Store,
    key: String,
    content_type: &'static str,
    part: Vec<u8>,
    upload_id: Option<String>,
    parts: Vec<CompletedPart>,
}

impl<'a> Upload<'a> {
    /// An object at `key`, which is only created if something is written.
    pub(crate) fn new(store: &'a Store, key: String, content_type: &'static str) -> Self {
        Self { store, key, content_type, part: Vec::new(), upload_id: None, parts: Vec::new() }
    }

    /// Takes the pending bytes, and uploads a part once there are enough.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub(crate) async fn drain(&mut self, pending: &mut Vec<u8>) -> Result<()> {
        self.part.append(pending);
        if self.part.len() < PART_BYTES {
            return Ok(());
        }
        let part = std::mem::take(&mut self.part);
        self.upload_part(part).await
    }

    /// Uploads the rest and makes the object appear; `None` if nothing was ever written.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub(crate) async fn finish(mut self, pending: &mut Vec<u8>) -> Result<Option<ObjectRef>> {
        self.drain(pending).await?;
        let part = std::mem::take(&mut self.part);
        if self.upload_id.is_none() {
            return match part.is_empty() {
                true => Ok(None),
                false => self.store.write(&self.key, self.content_type, part).await.map(Some),
            };
        }
        if !part.is_empty() {
            self.upload_part(part).await?;
        }
        let completed = CompletedMultipartUpload::builder().set_parts(Some(self.parts)).build();
        let request = self.store.client().complete_multipart_upload().bucket(self.store.bucket()).key(&self.key);
        let output = request
            .set_upload_id(self.upload_id)
            .multipart_upload(completed)
            .send()
            .await
            .map_err(|error| Error::aws(format!("write {}", self.key), error))?;
        Ok(Some(self.store.reference(&self.key, output.e_tag)))
    }

    async fn upload_part(&mut self, body: Vec<u8>) -> Result<()> {
        let what = format!("write {}", self.key);
        let upload_id = match self.upload_id.clone() {
            Some(upload_id) => upload_id,
            None => {
                let request = self.store.client().create_multipart_upload().bucket(self.store.bucket()).key(&self.key);
                let output =
                    request.content_type(self.content_type).send().await.map_err(|error| Error::aws(&what, error))?;
                self.upload_id.insert(output.upload_id.expect("S3 names every upload that it creates")).clone()
            }
        };
        let number = i32::try_from(self.parts.len() + 1).expect("S3 refuses more than 10,000 parts");
        let request = self.store.client().upload_part().bucket(self.store.bucket()).key(&self.key);
        let output = request
            .upload_id(upload_id)
            .part_number(number)
            .body(body.into())
            .send()
            .await
            .map_err(|error| Error::aws(&what, error))?;
        self.parts.push(CompletedPart::builder().part_number(number).set_e_tag(output.e_tag).build());
        Ok(())
    }
}
