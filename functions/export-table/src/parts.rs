//! Packs CSV into objects of S3, in flat memory: a part grows by pieces that are sent while the next one fills.

use crate::export::Sink;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use sluice::contract::mysql_to_redshift::Part;
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use std::io::Write;
use tokio_util::task::AbortOnDropHandle;

/// How tightly to pack: more costs the processor more than it saves of the network.
const LEVEL: i32 = 1;

/// Length of a piece that is sent by itself, in bytes packed. S3 takes no less than 5 MiB.
const PIECE_BYTES: usize = 8 << 20;

/// How long a part is, in bytes packed. COPY reads parts side by side and cannot cut one (Amazon Redshift, "Loading
/// data files": 1 MB to 1 GB, of like size).
pub const PART_BYTES: u64 = 128 << 20;

type Encoder = zstd::stream::write::Encoder<'static, Vec<u8>>;

/// The parts of a window.
pub struct Parts<'a> {
    store: &'a Store,
    prefix: String,
    part_bytes: u64,
    encoder: Option<Encoder>,
    upload: Option<Upload>,
    sent_bytes: u64,
    done: Vec<Part>,
}

/// A part that is being sent by pieces.
struct Upload {
    id: String,
    sent: Vec<CompletedPart>,
    /// One at a time: two pieces are in memory, with the one that fills.
    underway: Option<AbortOnDropHandle<Result<CompletedPart>>>,
}

impl<'a> Parts<'a> {
    /// Parts whose keys begin with `prefix`, each of about `part_bytes`.
    pub fn new(store: &'a Store, prefix: String, part_bytes: u64) -> Self {
        Self { store, prefix, part_bytes, encoder: None, upload: None, sent_bytes: 0, done: Vec::new() }
    }

    /// Ends the last part; all of them, in their order.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub async fn finish(mut self) -> Result<Vec<Part>> {
        self.close().await?;
        Ok(self.done)
    }

    fn key(&self) -> String {
        format!("{}part-{:05}.csv.zst", self.prefix, self.done.len())
    }

    /// Sends a piece of the part that is open.
    async fn send(&mut self, piece: Vec<u8>) -> Result<()> {
        let (key, client, bucket) = (self.key(), self.store.client(), self.store.bucket());
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => {
                let begun = client.create_multipart_upload().bucket(bucket).key(&key).send().await;
                let begun = begun.map_err(|error| Error::aws(format!("begin {key}"), error))?;
                let id = begun.upload_id.unwrap_or_default();
                self.upload.insert(Upload { id, sent: Vec::new(), underway: None })
            }
        };
        upload.settle().await?;
        self.sent_bytes += u64::try_from(piece.len()).unwrap_or_default();
        let number = i32::try_from(upload.sent.len() + 1).unwrap_or(i32::MAX);
        let call = client.upload_part().bucket(bucket).key(&key).upload_id(&upload.id).part_number(number);
        let call = call.body(piece.into());
        upload.underway = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let sent = call.send().await.map_err(|error| Error::aws(format!("write {key}"), error))?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
            Ok(part.set_checksum_crc32(sent.checksum_crc32).build())
        })));
        Ok(())
    }

    /// Ends the part that is open, if there is one. An upload that is not ended is removed by the bucket's own rule.
    async fn close(&mut self) -> Result<()> {
        let Some(encoder) = self.encoder.take() else { return Ok(()) };
        let rest = encoder.finish().map_err(packing)?;
        let key = self.key();
        let mut bytes = u64::try_from(rest.len()).unwrap_or_default();
        if self.upload.is_none() {
            self.store.write(&key, "text/csv", rest).await?;
        } else {
            bytes += self.sent_bytes;
            self.send(rest).await?;
            if let Some(mut upload) = self.upload.take() {
                upload.settle().await?;
                let parts = CompletedMultipartUpload::builder().set_parts(Some(upload.sent)).build();
                let call = self.store.client().complete_multipart_upload().bucket(self.store.bucket()).key(&key);
                let done = call.upload_id(upload.id).multipart_upload(parts).send().await;
                done.map_err(|error| Error::aws(format!("end {key}"), error))?;
            }
        }
        self.sent_bytes = 0;
        self.done.push(Part { key, bytes });
        Ok(())
    }
}

impl Sink for Parts<'_> {
    /// Fails as [`Error::aws`].
    async fn write(&mut self, csv: &[u8]) -> Result<()> {
        if csv.is_empty() {
            return Ok(());
        }
        let mut encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => Encoder::new(Vec::with_capacity(PIECE_BYTES), LEVEL).map_err(packing)?,
        };
        encoder.write_all(csv).map_err(packing)?;
        let length = encoder.get_ref().len();
        if length >= PIECE_BYTES {
            let piece = std::mem::replace(encoder.get_mut(), Vec::with_capacity(PIECE_BYTES));
            self.send(piece).await?;
        }
        self.encoder = Some(encoder);
        if self.sent_bytes >= self.part_bytes { self.close().await } else { Ok(()) }
    }
}

impl Upload {
    /// Waits for the piece that is under way.
    async fn settle(&mut self) -> Result<()> {
        if let Some(piece) = self.underway.take() {
            self.sent.push(piece.await??);
        }
        Ok(())
    }
}

fn packing(error: std::io::Error) -> Error {
    Error::caused(Kind::InvariantBroken, "pack a part", error)
}
