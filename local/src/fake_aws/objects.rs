//! Objects: reading and writing them, whole or in parts.

use super::file_body::FileBody;
use super::http::{Body, Request, Response};
use super::{BUCKET, World};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use serde::de::DeserializeOwned;
use sluice::contract::ObjectRef;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;

/// One version of an object.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// With its quotation marks, as S3 has it.
    pub etag: String,
    /// Of the body, in bytes.
    pub size: u64,
    /// Seconds since 1970: a listing shows no fractions.
    pub modified: i64,
    /// Its content, if that is in memory.
    pub body: Vec<u8>,
    /// Its content, if that is in a file.
    pub file: Option<Arc<FileBody>>,
}

impl Object {
    /// The bytes of a range, or all.
    fn answer(&self, range: Option<ByteRange>) -> Response {
        let whole = self.file.as_ref().map_or(self.body.len() as u64, |file| file.len());
        let answer = |status, first, end| {
            let answer = Response::new(status, self.part(first, end)).with("ETag", &self.etag);
            match DateTime::from_secs(self.modified).fmt(DateTimeFormat::HttpDate) {
                Ok(modified) => answer.with("Last-Modified", &modified),
                Err(_) => answer,
            }
        };
        let Some(range) = range else { return answer(200, 0, whole) };
        let Some([first, end]) = range.within(whole) else { return s3_error(416, "InvalidRange") };
        answer(206, first, end).with("Content-Range", &format!("bytes {first}-{}/{whole}", end - 1))
    }

    /// The bytes from `first` up to, but without, `end`. Those of a file are read when they are sent.
    fn part(&self, first: u64, end: u64) -> Body {
        match &self.file {
            Some(file) => Body::File(Arc::clone(file), first, end),
            None => {
                let place = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
                Body::Bytes(self.body[place(first)..place(end)].to_vec())
            }
        }
    }

    /// The whole content.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub(super) fn content(&self) -> io::Result<Vec<u8>> {
        self.file.as_ref().map_or_else(|| Ok(self.body.clone()), |file| file.read(0, file.len()))
    }
}

/// By where a range begins: whether its body is cut off. Objects may be replaced before it is read.
pub type OnRange = dyn FnMut(u64, &mut BTreeMap<String, Object>) -> bool + Send;

/// By the key and the body of a written object.
pub type Keeps = dyn FnMut(&str, &[u8]) -> bool + Send;

/// What a `Range` header asks for.
#[derive(Clone, Copy)]
enum ByteRange {
    /// From the first to the last one, or to the end.
    From(u64, Option<u64>),
    /// That many at the end.
    Last(u64),
}

impl ByteRange {
    /// `None` if it is no range.
    fn read(header: &str) -> Option<Self> {
        let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
        if first.is_empty() {
            return last.parse().ok().map(Self::Last);
        }
        let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
        Some(Self::From(first.parse().ok()?, last))
    }

    /// The first place, and the one behind the last, in an object of this size.
    fn within(self, size: u64) -> Option<[u64; 2]> {
        let [first, end] = match self {
            Self::From(first, last) => [first, last.map_or(size, |last| (last + 1).min(size))],
            Self::Last(count) => [size.saturating_sub(count), size],
        };
        (first < end).then_some([first, end])
    }
}

impl World {
    /// The document that a reference names, at the version that it names.
    ///
    /// # Panics
    /// If it is not there, or not such a document.
    pub fn document<T: DeserializeOwned>(&self, reference: &ObjectRef) -> T {
        let object = &self.objects[&reference.key];
        assert_eq!((reference.bucket.as_str(), &reference.etag), (BUCKET, &object.etag), "{}", reference.key);
        serde_json::from_slice(&object.body).unwrap()
    }

    /// Writes an object as a client would; returns its entity tag.
    pub fn put(&mut self, key: &str, body: Vec<u8>) -> String {
        let etag = etag_of(&body);
        self.put_as(key, body, etag)
    }

    fn put_as(&mut self, key: &str, body: Vec<u8>, etag: String) -> String {
        let size = body.len() as u64;
        let is_kept = self.keeps.as_mut().is_none_or(|keeps| keeps(key, &body));
        let body = if is_kept { body } else { Vec::new() };
        let object = Object { etag: etag.clone(), size, modified: self.now / 1_000, body, file: None };
        self.objects.insert(key.to_owned(), object);
        etag
    }

    /// Puts an object whose content is in a file.
    pub(super) fn put_file(&mut self, key: &str, file: FileBody) -> &Object {
        let size = file.len();
        let mut hasher = DefaultHasher::new();
        (key, size, file.times()).hash(&mut hasher);
        let etag = format!("\"{:032x}\"", hasher.finish());
        let object = Object { etag, size, modified: self.now / 1_000, body: Vec::new(), file: Some(Arc::new(file)) };
        self.objects.entry(key.to_owned()).insert_entry(object).into_mut()
    }

    /// The calls that name an object.
    pub(super) fn object(&mut self, request: &Request, key: &str) -> Response {
        let range = request.header("range").and_then(ByteRange::read);
        let is_cut_off = match (&mut self.on_range, range) {
            (Some(on_range), Some(ByteRange::From(first, _))) => on_range(first, &mut self.objects),
            _ => false,
        };
        let upload = request.query.get("uploadId");
        match (request.method.as_str(), upload) {
            ("PUT", Some(upload)) => return self.upload_part(request, upload),
            ("DELETE", Some(upload)) => {
                self.uploads.remove(upload);
                return Response::new(204, "");
            }
            ("POST", None) if request.query.contains_key("uploads") => {
                let mut names = (0..).map(|number| format!("upload-{number}"));
                let upload =
                    names.find(|name| !self.uploads.contains_key(name)).expect("there is always a next number");
                self.uploads.insert(upload.clone(), BTreeMap::new());
                return xml("InitiateMultipartUploadResult", &format!("<UploadId>{upload}</UploadId>"));
            }
            _ => {}
        }
        let etag = self.objects.get(key).map(|object| object.etag.as_str());
        match (request.header("if-match"), etag) {
            (Some(_), None) => return s3_error(404, "NoSuchKey"),
            (Some(wanted), Some(etag)) if wanted != etag => return s3_error(412, "PreconditionFailed"),
            _ => {}
        }
        if request.header("if-none-match") == Some("*") && etag.is_some() {
            return s3_error(412, "PreconditionFailed");
        }
        match (request.method.as_str(), upload) {
            ("PUT", _) => Response::new(200, "").with("ETag", &self.put(key, request.body.clone())),
            ("POST", Some(upload)) => self.complete(key, upload),
            ("POST", None) => s3_error(501, &format!("POST {key} is not played")),
            ("DELETE", _) => {
                self.objects.remove(key);
                Response::new(204, "")
            }
            _ => {
                let Some(object) = self.objects.get(key) else { return s3_error(404, "NoSuchKey") };
                if self.sealed.contains(key) {
                    return s3_error(400, "InvalidRequest");
                }
                let answer = object.answer(range).cut_off(is_cut_off);
                if request.method == "GET" && answer.status < 300 {
                    self.reads.requests += 1;
                    self.reads.bytes += answer.body.len();
                }
                answer
            }
        }
    }

    fn upload_part(&mut self, request: &Request, upload: &str) -> Response {
        let number = request.query.get("partNumber").and_then(|number| number.parse().ok());
        let (Some(parts), Some(number)) = (self.uploads.get_mut(upload), number) else {
            return s3_error(404, "NoSuchUpload");
        };
        parts.insert(number, request.body.clone());
        Response::new(200, "").with("ETag", &etag_of(&request.body))
    }

    fn complete(&mut self, key: &str, upload: &str) -> Response {
        let Some(parts) = self.uploads.remove(upload) else { return s3_error(404, "NoSuchUpload") };
        let count = parts.len();
        let body = parts.into_values().flatten().collect::<Vec<u8>>();
        let etag = format!("{}-{count}\"", etag_of(&body).trim_end_matches('"'));
        let etag = self.put_as(key, body, etag);
        xml("CompleteMultipartUploadResult", &format!("<ETag>{}</ETag>", etag.replace('"', "&quot;")))
    }
}

fn etag_of(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:032x}\"", hasher.finish())
}

/// A document of S3.
pub(super) fn xml(name: &str, content: &str) -> Response {
    let namespace = "http://s3.amazonaws.com/doc/2006-03-01/";
    let text = format!(r#"<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{namespace}">{content}</{name}>"#);
    Response::new(200, text).with("Content-Type", "application/xml")
}

/// An error of S3.
pub(super) fn s3_error(status: u16, code: &str) -> Response {
    Response::new(status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
}
