//! The file to its place: what takes long is done first, and then one request that happens or does not. Readers see the
//! old file or the new one.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, MetadataDirective};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice::store::{Condition, Store};
use sluice::{Error, Kind, Result};
use std::collections::HashMap;
use tracing::warn;

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
    pub(crate) content_type: &'a str,
    /// What has to be at its place until then; `None`: anything.
    pub(crate) over: Option<Condition<'a>>,
    pub(crate) metadata: HashMap<String, String>,
}

/// A file of which all is copied that takes long, and nothing is to be seen.
pub(crate) struct Begun<'a> {
    copy: Copy<'a>,
    /// Of a file that is larger than one request copies.
    upload: Option<Upload>,
}

/// An upload in parts.
struct Upload {
    id: String,
    parts: Vec<CompletedPart>,
}

impl<'a> Copy<'a> {
    /// Copies it, if it still is the version that was counted, and over what has to be there.
    ///
    /// # Errors
    /// As [`Error::aws`]: `TransientFailure` if something else is there by now.
    pub(crate) async fn run(self, store: &Store) -> Result<()> {
        self.begin(store).await?.end(store).await
    }

    /// Copies what takes long, if it still is the version that was counted. It is then ended, or abandoned.
    ///
    /// # Errors
    /// As [`Copy::run`].
    pub(crate) async fn begin(self, store: &Store) -> Result<Begun<'a>> {
        let upload = if self.bytes <= MOST_BYTES { None } else { Some(self.in_parts(store).await?) };
        Ok(Begun { copy: self, upload })
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
        let (absent, etag) = conditions(self.over);
        let copied = copied.set_if_none_match(absent).set_if_match(etag);
        let copied = copied.content_type(self.content_type).set_metadata(Some(self.metadata)).send().await;
        copied.map(drop).map_err(|error| Error::aws(what, error))
    }

    async fn in_parts(&self, store: &Store) -> Result<Upload> {
        let created = store.client().create_multipart_upload().bucket(store.bucket()).key(self.to);
        let created = created.content_type(self.content_type).set_metadata(Some(self.metadata.clone())).send().await;
        let created = created.map_err(|error| Error::aws(self.what(), error))?;
        let id = created.upload_id.ok_or_else(|| Error::new(Kind::InvariantBroken, "S3 named no upload"))?;
        match self.parts(store, &id).await {
            Ok(parts) => Ok(Upload { id, parts }),
            Err(error) => {
                self.take_back(store, &id).await;
                Err(error)
            }
        }
    }

    async fn parts(&self, store: &Store, upload: &str) -> Result<Vec<CompletedPart>> {
        let (source, mut parts) = (self.source(store), Vec::new());
        for (number, (first, last)) in (1..).zip(ranges(self.bytes)) {
            let copied = store.client().upload_part_copy().bucket(store.bucket()).key(self.to).upload_id(upload);
            let copied = copied.part_number(number).copy_source(&source).copy_source_if_match(self.etag);
            let copied = copied.copy_source_range(format!("bytes={first}-{last}")).send().await;
            let copied = copied.map_err(|error| Error::aws(self.what(), error))?;
            let etag = copied.copy_part_result.and_then(|result| result.e_tag);
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(etag).build());
        }
        Ok(parts)
    }

    /// Deletes the parts of an upload that has come to nothing. Those of one whose function died the bucket's own rule
    /// deletes.
    async fn take_back(&self, store: &Store, upload: &str) {
        let abort = store.client().abort_multipart_upload().bucket(store.bucket()).key(self.to).upload_id(upload);
        if let Err(error) = abort.send().await {
            let problem = Error::aws(format!("take back the parts for {}", self.to), error);
            warn!(error.kind = %problem.kind(), "left behind: {problem}");
        }
    }
}

impl Begun<'_> {
    /// Shows it at its place, over what has to be there.
    ///
    /// # Errors
    /// As [`Copy::run`].
    pub(crate) async fn end(self, store: &Store) -> Result<()> {
        let Self { copy, upload } = self;
        let Some(Upload { id, parts }) = upload else { return copy.whole(store).await };
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let done = store.client().complete_multipart_upload().bucket(store.bucket()).key(copy.to).upload_id(&id);
        let (absent, etag) = conditions(copy.over);
        let done = done.set_if_none_match(absent).set_if_match(etag).multipart_upload(parts).send().await;
        let Err(error) = done else { return Ok(()) };
        // It has ended before, and that answer was lost: the next invocation finds the file at its place.
        let has_ended = error.as_service_error().is_some_and(|error| error.meta().code() == Some("NoSuchUpload"));
        if has_ended {
            return Err(Error::caused(Kind::TransientFailure, copy.what(), error));
        }
        copy.take_back(store, &id).await;
        Err(Error::aws(copy.what(), error))
    }

    /// Nothing of it is left.
    pub(crate) async fn abandon(self, store: &Store) {
        if let Some(upload) = &self.upload {
            self.copy.take_back(store, &upload.id).await;
        }
    }
}

/// The headers `If-None-Match` and `If-Match` of a write.
pub(crate) fn conditions(over: Option<Condition<'_>>) -> (Option<String>, Option<String>) {
    match over {
        None => (None, None),
        Some(Condition::Absent) => (Some("*".to_owned()), None),
        Some(Condition::Matches(etag)) => (None, Some(etag.to_owned())),
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
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

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

    /// S3 by its rules of copies (Amazon S3 API, `CopyObject`, `UploadPartCopy`, `CompleteMultipartUpload`), with a
    /// source of a size alone: nobody needs the bytes.
    #[derive(Default)]
    struct FakeS3 {
        bytes: u64,
        /// Ranges by the numbers of their parts.
        parts: BTreeMap<u32, (u64, u64)>,
        /// The header of the upload, and the ranges that its end has put together.
        placed: Option<(String, Vec<(u64, u64)>)>,
        /// Whether something newer is at the place.
        is_newer: bool,
        /// How many uploads were taken back.
        taken_back: u32,
    }

    const LEAST_PART: u64 = 5 << 20;

    impl FakeS3 {
        /// The body of the answer, or the status and the code of a refusal.
        fn answer(&mut self, head: &str, body: &str) -> std::result::Result<String, (u16, &'static str)> {
            let header = |name: &str| {
                let mut lines = head.lines().filter_map(|line| line.split_once(": "));
                lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned()))
            };
            let (method, target) = head.split_once(' ').unwrap();
            if let Some(source) = header("x-amz-copy-source") {
                assert_eq!(source, "b/tables/a%20b/x.csv");
                if header("x-amz-copy-source-if-match").as_deref() != Some("\"e\"") {
                    return Err((412, "PreconditionFailed"));
                }
            }
            if method == "POST" && target.contains("uploads") {
                self.placed = Some((head.to_owned(), Vec::new()));
                return Ok(
                    "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>".into()
                );
            }
            if let Some(range) = header("x-amz-copy-source-range") {
                let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
                if last >= self.bytes || last - first >= MOST_BYTES {
                    return Err((400, "InvalidArgument"));
                }
                let number =
                    target.split_once("partNumber=").unwrap().1.split(['&', ' ']).next().unwrap().parse().unwrap();
                self.parts.insert(number, (first, last));
                return Ok(format!("<CopyPartResult><ETag>\"p{number}\"</ETag></CopyPartResult>"));
            }
            if method == "DELETE" && target.contains("uploadId=u") {
                (self.placed, self.parts) = (None, BTreeMap::new());
                self.taken_back += 1;
                return Ok(String::new());
            }
            if header("if-match").is_some() && self.is_newer {
                return Err((412, "PreconditionFailed"));
            }
            if method == "POST" && target.contains("uploadId=u") {
                let named =
                    body.split("<PartNumber>").skip(1).map(|rest| rest.split('<').next().unwrap().parse().unwrap());
                let named: Vec<u32> = named.collect();
                let ranges: Vec<(u64, u64)> =
                    named.iter().filter_map(|number| self.parts.get(number).copied()).collect();
                let is_short = |(first, last): &(u64, u64)| last - first + 1 < LEAST_PART;
                if !named.is_sorted() || named.iter().any(|number| !body.contains(&format!("p{number}&quot;"))) {
                    return Err((400, "InvalidPart"));
                }
                if ranges.split_last().is_some_and(|(_, others)| others.iter().any(is_short)) {
                    return Err((400, "EntityTooSmall"));
                }
                self.placed.as_mut().unwrap().1 = ranges;
                return Ok("<CompleteMultipartUploadResult><ETag>\"e-n\"</ETag></CompleteMultipartUploadResult>".into());
            }
            if self.bytes > MOST_BYTES {
                return Err((400, "EntityTooLarge"));
            }
            self.placed = Some((head.to_owned(), vec![(0, self.bytes - 1)]));
            Ok("<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>".into())
        }
    }

    /// Serves it; the SDK closes or keeps connections as it likes.
    async fn serve(s3: Arc<Mutex<FakeS3>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let s3 = s3.clone();
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    loop {
                        let (mut head, mut length) = (String::new(), 0);
                        while !head.ends_with("\r\n\r\n") {
                            let start = head.len();
                            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                                return;
                            }
                            let line = head[start..].to_ascii_lowercase();
                            length =
                                line.strip_prefix("content-length: ").map_or(length, |it| it.trim().parse().unwrap());
                        }
                        let mut body = vec![0; length];
                        stream.read_exact(&mut body).await.unwrap();
                        let answer = s3.lock().unwrap().answer(&head, &String::from_utf8(body).unwrap());
                        let (status, text) = match answer {
                            Ok(text) => (200, text),
                            Err((status, code)) => (status, format!("<Error><Code>{code}</Code></Error>")),
                        };
                        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}", text.len());
                        stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        address
    }

    async fn copied(bytes: u64, etag: &str) -> (Result<()>, FakeS3) {
        copied_to(FakeS3 { bytes, ..FakeS3::default() }, etag, false).await
    }

    async fn copied_to(s3: FakeS3, etag: &str, is_abandoned: bool) -> (Result<()>, FakeS3) {
        let bytes = s3.bytes;
        let s3 = Arc::new(Mutex::new(s3));
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(aws_sdk_s3::config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_s3::config::Credentials::new("x", "x", None, None, "test"))
            .http_client(sluice::aws::http_client())
            .force_path_style(true)
            .endpoint_url(serve(s3.clone()).await);
        let store = Store::new(aws_sdk_s3::Client::from_conf(config.build()), "b");
        let metadata = HashMap::from([("sluice-version".to_owned(), "v".to_owned())]);
        let copy = Copy {
            from: "tables/a b/x.csv",
            etag,
            bytes,
            to: "exports/x.csv",
            content_type: "text/csv",
            over: Some(Condition::Matches("\"before\"")),
            metadata,
        };
        let outcome = match is_abandoned {
            true => {
                copy.begin(&store).await.unwrap().abandon(&store).await;
                Ok(())
            }
            false => copy.run(&store).await,
        };
        (outcome, std::mem::take(&mut *s3.lock().unwrap()))
    }

    #[tokio::test]
    async fn a_file_of_any_size_is_copied_whole_and_with_its_metadata() {
        for bytes in [1, MOST_BYTES, MOST_BYTES + 1, 6 << 30] {
            let (outcome, s3) = copied(bytes, "\"e\"").await;
            outcome.unwrap();
            let (head, ranges) = s3.placed.unwrap();
            let mut next = 0;
            for (first, last) in ranges {
                assert_eq!(first, next, "of {bytes} bytes");
                next = last + 1;
            }
            assert_eq!(next, bytes);
            let head = head.to_ascii_lowercase();
            assert!(head.contains("x-amz-meta-sluice-version: v") && head.contains("content-type: text/csv"), "{head}");
        }
    }

    #[tokio::test]
    async fn a_file_that_was_replaced_meanwhile_is_not_copied() {
        for bytes in [1, 6 << 30] {
            let (outcome, s3) = copied(bytes, "\"other\"").await;
            assert!(outcome.is_err() && s3.placed.is_none());
            assert_eq!(s3.taken_back, u32::from(bytes > MOST_BYTES), "no part is left");
        }
    }

    #[tokio::test]
    async fn of_what_is_not_ended_nothing_is_left() {
        for bytes in [1, 6 << 30] {
            let in_parts = u32::from(bytes > MOST_BYTES);
            let (_, s3) = copied_to(FakeS3 { bytes, ..FakeS3::default() }, "\"e\"", true).await;
            assert_eq!((s3.placed, s3.parts.len(), s3.taken_back), (None, 0, in_parts), "the lock is lost");
            let (outcome, s3) = copied_to(FakeS3 { bytes, is_newer: true, ..FakeS3::default() }, "\"e\"", false).await;
            assert_eq!(outcome.unwrap_err().kind(), Kind::TransientFailure);
            assert_eq!((s3.placed, s3.parts.len(), s3.taken_back), (None, 0, in_parts), "something newer is there");
        }
    }
}
