//! Files from S3, the next bytes under way while some are read.
//!
//! A file comes in ranges: one stream from S3 is slower than a reader. Each range is pinned, so all of them are of one version; and one
//! that is cut off is all that has to be fetched again. Small files, which are mostly waiting, are opened while others are read.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use sluice::contract::SourceFile;
use sluice::store::{Pinned, Store};
use sluice::task::Task;
use sluice::{Error, Kind, Result};
use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};
use tracing::warn;

/// Length of a range, in bytes: a request for each is small beside it.
const RANGE_BYTES: u64 = 4 << 20;

/// How many ranges are under way, or there and waiting, beside the one that is read. They are what the function needs most of its
/// memory for.
const RANGES_AHEAD: usize = 3;

/// How many files are opened ahead of the one that is read.
const FILES_AHEAD: usize = 8;

/// How often a range is tried whose body is cut off.
const TRIES: usize = 3;

/// The files of a batch, in order.
pub struct Files<'a, F> {
    store: &'a Store,
    rest: std::vec::IntoIter<SourceFile>,
    is_opened_ahead: F,
    ahead: VecDeque<(SourceFile, Option<Task<Option<Body>>>)>,
}

/// A file, if there is still the version of it that was listed.
type Opened = Result<Option<Body>>;

impl<'a, F: Fn(&SourceFile) -> bool> Files<'a, F> {
    /// Those for which `is_opened_ahead` are opened ahead.
    pub fn new(store: &'a Store, files: Vec<SourceFile>, is_opened_ahead: F) -> Self {
        Self { store, rest: files.into_iter(), is_opened_ahead, ahead: VecDeque::new() }
    }

    /// The next file, and what came of opening it if that was done.
    pub async fn next(&mut self) -> Option<(SourceFile, Option<Opened>)> {
        // One more, in the place of the one that is taken.
        while self.ahead.len() <= FILES_AHEAD {
            let Some(file) = self.rest.next() else { break };
            let opened = (self.is_opened_ahead)(&file).then(|| {
                let (store, file) = (self.store.clone(), file.clone());
                Task::start(async move { open(&store, &file).await })
            });
            self.ahead.push_back((file, opened));
        }
        let (file, task) = self.ahead.pop_front()?;
        match task {
            Some(task) => Some((file, Some(task.finished().await))),
            None => Some((file, None)),
        }
    }
}

/// The body of a file, in order.
pub struct Body {
    file: SourceFile,
    ranges: Ranges,
    /// Pieces of the range that is read.
    chunks: std::vec::IntoIter<Bytes>,
}

impl Body {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// `TransientFailure` if the file is cut off again and again, or was replaced meanwhile; others as [`Store::open`].
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(chunk) = self.chunks.next() {
                return Ok(Some(chunk));
            }
            let Some(range) = self.ranges.next().await else { return Ok(None) };
            self.chunks = range?.ok_or_else(|| replaced(&self.file))?.into_iter();
        }
    }
}

/// Opens a file at the version that was listed; nothing if there is no such version any more.
///
/// # Errors
/// As [`Body::next`].
pub async fn open(store: &Store, file: &SourceFile) -> Result<Option<Body>> {
    let mut ranges = Ranges::new(store, file, 0..file.size);
    let first = match ranges.next().await {
        Some(first) => first?,
        // Of nothing there is no range.
        None => match store.open(&file.key, &file.etag).await? {
            Pinned::Body(_) => Some(Vec::new()),
            Pinned::Changed | Pinned::Gone => None,
        },
    };
    Ok(first.map(|chunks| Body { file: file.clone(), ranges, chunks: chunks.into_iter() }))
}

/// Reads a part of a file whole; nothing if there is no version any more that was listed.
///
/// # Errors
/// As [`Body::next`].
pub async fn read(store: &Store, file: &SourceFile, wanted: Range<u64>) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(usize::try_from(wanted.end - wanted.start).unwrap_or_default());
    let mut ranges = Ranges::new(store, file, wanted);
    while let Some(range) = ranges.next().await {
        let Some(chunks) = range? else { return Ok(None) };
        for chunk in chunks {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(Some(bytes))
}

/// That a file is not what it was when its first bytes were read. Rows of it may be in the sums; the next try leaves it out.
pub fn replaced(file: &SourceFile) -> Error {
    Error::new(Kind::TransientFailure, format!("{} was replaced while it was read", file.key))
}

/// What came of a range; nothing if there is no version any more that was listed.
type Fetched = Result<Option<Vec<Bytes>>>;

/// Ranges in order, each fetched by a task of its own, so that it goes on while another one is read. The tasks end with this.
struct Ranges {
    store: Store,
    file: SourceFile,
    rest: Range<u64>,
    under_way: VecDeque<Task<Option<Vec<Bytes>>>>,
    /// The first range goes alone: most files have only one, and it says whether there is anything to be read.
    ahead: usize,
}

impl Ranges {
    fn new(store: &Store, file: &SourceFile, wanted: Range<u64>) -> Self {
        Self { store: store.clone(), file: file.clone(), rest: wanted, under_way: VecDeque::new(), ahead: 0 }
    }

    async fn next(&mut self) -> Option<Fetched> {
        self.start(1);
        let next = self.under_way.pop_front();
        self.start(self.ahead);
        let fetched = next?.finished().await;
        self.ahead = RANGES_AHEAD;
        self.start(self.ahead);
        Some(fetched)
    }

    /// Has that many ranges under way, if there are so many.
    fn start(&mut self, count: usize) {
        while self.under_way.len() < count && !self.rest.is_empty() {
            let end = self.rest.end.min(self.rest.start + RANGE_BYTES);
            let range = self.rest.start..=end - 1;
            self.rest.start = end;
            let (store, file) = (self.store.clone(), self.file.clone());
            self.under_way.push_back(Task::start(async move { fetch(&store, &file, range).await }));
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
            Err(error) => warn!(s3.key = file.key, "{error}; once more"),
        }
        tries += 1;
    }
}

/// The pieces of a range as they came, which are not copied together.
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
        let what = format!("{}: {received} bytes of {expected} came, from {} on", file.key, range.start());
        return Err(Error::new(Kind::TransientFailure, what));
    }
    Ok(chunks)
}
