//! Files from S3, the next bytes being fetched while some are read.
//!
//! A file is fetched in ranges: one stream from S3 is slower than a reader. Each range is pinned, so all of them are of
//! one version; and if one is cut off, only that one is fetched again. Small files, which are mostly latency, are
//! opened while others are read.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use sluice::contract::SourceFile;
use sluice::store::{Pinned, Store};
use sluice::{Error, Kind, Result};
use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// Length of a range, in bytes: large compared to the cost of a request.
const RANGE_BYTES: u64 = 4 << 20;

/// How many ranges are fetched, or fetched and waiting, besides the one that is read. They take most of the function's
/// memory.
const RANGES_AHEAD: usize = 3;

/// How many files are opened ahead of the one that is read.
const FILES_AHEAD: usize = 8;

/// How many times a range is tried whose body is cut off.
const TRIES: usize = 3;

/// Work that goes on meanwhile, and ends with its owner: else it would go on into the next invocation.
type Task<T> = AbortOnDropHandle<Result<T>>;

/// The files of a batch, in order.
pub(crate) struct Files<'a, F> {
    store: &'a Store,
    rest: std::vec::IntoIter<SourceFile>,
    is_opened_ahead: F,
    ahead: VecDeque<(SourceFile, Option<Task<Option<Body>>>)>,
}

/// A file; `None` if the version that was listed no longer exists.
pub(crate) type Opened = Result<Option<Body>>;

impl<'a, F: Fn(&SourceFile) -> bool> Files<'a, F> {
    /// Files are opened ahead if `is_opened_ahead`.
    pub(crate) fn new(store: &'a Store, files: Vec<SourceFile>, is_opened_ahead: F) -> Self {
        Self { store, rest: files.into_iter(), is_opened_ahead, ahead: VecDeque::new() }
    }

    /// The next file, and the result of opening it ahead, if it was.
    pub(crate) async fn next(&mut self) -> Option<(SourceFile, Option<Opened>)> {
        // One more, to replace the one that is taken.
        while self.ahead.len() <= FILES_AHEAD {
            let Some(file) = self.rest.next() else { break };
            let opened = (self.is_opened_ahead)(&file).then(|| {
                let (store, file) = (self.store.clone(), file.clone());
                Task::new(tokio::spawn(async move { open(&store, &file).await }))
            });
            self.ahead.push_back((file, opened));
        }
        let (file, task) = self.ahead.pop_front()?;
        match task {
            Some(task) => Some((file, Some(task.await.unwrap_or_else(|failure| Err(failure.into()))))),
            None => Some((file, None)),
        }
    }
}

/// The body of a file, in order.
pub(crate) struct Body {
    file: SourceFile,
    ranges: RangeQueue,
    /// What is left of the range that is read.
    chunks: std::vec::IntoIter<Bytes>,
}

impl Body {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// `TransientFailure` if the file is cut off repeatedly, or was replaced meanwhile; others as [`Store::open`].
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(chunk) = self.chunks.next() {
                return Ok(Some(chunk));
            }
            let Some(range) = self.ranges.next().await else { return Ok(None) };
            self.chunks = range?.ok_or_else(|| replaced(&self.file))?.into_iter();
        }
    }
}

/// Opens a file at the version that was listed; `None` if that no longer exists.
///
/// # Errors
/// As [`Body::next`].
pub(crate) async fn open(store: &Store, file: &SourceFile) -> Result<Option<Body>> {
    let mut ranges = RangeQueue::new(store, file, 0..file.size);
    let first = match ranges.next().await {
        Some(first) => first?,
        // An empty file has no range.
        None => match store.open(&file.key, &file.etag).await? {
            Pinned::Body(_) => Some(Vec::new()),
            Pinned::Changed | Pinned::Gone => None,
        },
    };
    Ok(first.map(|chunks| Body { file: file.clone(), ranges, chunks: chunks.into_iter() }))
}

/// Reads a range of a file into memory; `None` if the version that was listed no longer exists.
///
/// # Errors
/// As [`Body::next`].
pub(crate) async fn read(store: &Store, file: &SourceFile, wanted: Range<u64>) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(usize::try_from(wanted.end - wanted.start).expect("usize has 64 bits"));
    let mut ranges = RangeQueue::new(store, file, wanted);
    while let Some(range) = ranges.next().await {
        let Some(chunks) = range? else { return Ok(None) };
        for chunk in chunks {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(Some(bytes))
}

/// The error for a file that is not what it was when its first bytes were read. Rows of it may be in quarantine; the
/// next try leaves it out.
pub(crate) fn replaced(file: &SourceFile) -> Error {
    Error::new(Kind::TransientFailure, format!("{} was replaced while it was read", file.key))
}

/// A range; `None` if the version that was listed no longer exists.
type Fetched = Result<Option<Vec<Bytes>>>;

/// Ranges in order, each fetched by a task of its own while another one is read.
struct RangeQueue {
    store: Store,
    file: SourceFile,
    rest: Range<u64>,
    fetching: VecDeque<Task<Option<Vec<Bytes>>>>,
    /// The first range is fetched alone: most files have only one, and it shows whether the version still exists.
    ahead: usize,
}

impl RangeQueue {
    fn new(store: &Store, file: &SourceFile, wanted: Range<u64>) -> Self {
        Self { store: store.clone(), file: file.clone(), rest: wanted, fetching: VecDeque::new(), ahead: 0 }
    }

    async fn next(&mut self) -> Option<Fetched> {
        self.start(1);
        let next = self.fetching.pop_front();
        self.start(self.ahead);
        let fetched = next?.await.unwrap_or_else(|failure| Err(failure.into()));
        self.ahead = RANGES_AHEAD;
        self.start(self.ahead);
        Some(fetched)
    }

    /// Starts fetching until there are `count` ranges, or all.
    fn start(&mut self, count: usize) {
        while self.fetching.len() < count && !self.rest.is_empty() {
            let end = self.rest.end.min(self.rest.start + RANGE_BYTES);
            let range = self.rest.start..=end - 1;
            self.rest.start = end;
            let (store, file) = (self.store.clone(), self.file.clone());
            self.fetching.push_back(Task::new(tokio::spawn(async move { fetch(&store, &file, range).await })));
        }
    }
}

async fn fetch(store: &Store, file: &SourceFile, range: RangeInclusive<u64>) -> Fetched {
    let mut tries = 1;
    loop {
        let body = match store.open_range(&file.key, &file.etag, &range).await? {
            Pinned::Body(body) => body,
            Pinned::Changed | Pinned::Gone => return Ok(None),
        };
        match collect(body, file, &range).await {
            Ok(chunks) => return Ok(Some(chunks)),
            Err(error) if tries == TRIES => return Err(error),
            Err(error) => warn!(s3.key = file.key, "{error}; trying again"),
        }
        tries += 1;
    }
}

/// The chunks of a range as they arrived, not copied together.
async fn collect(mut body: ByteStream, file: &SourceFile, range: &RangeInclusive<u64>) -> Result<Vec<Bytes>> {
    let mut chunks = Vec::new();
    let (mut received, expected) = (0, range.end() - range.start() + 1);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| {
            let what = format!("read {} after {} bytes", file.key, range.start() + received);
            Error::caused(Kind::TransientFailure, what, error)
        })?;
        received += chunk.len() as u64;
        chunks.push(chunk);
    }
    if received != expected {
        let what = format!("{}: short read: got {received} of {expected} bytes at offset {}", file.key, range.start());
        return Err(Error::new(Kind::TransientFailure, what));
    }
    Ok(chunks)
}
