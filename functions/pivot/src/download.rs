//! A large object in ranges, some of them under way while one is read: one stream from S3 is slower than a reader. Each range is
//! pinned, so all of them are of one version; and one that is cut off is all that has to be fetched again.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use pipeline::contract::SourceFile;
use pipeline::store::{Pinned, Store};
use pipeline::{Error, Kind, Result};
use std::ops::{Range, RangeInclusive};
use tracing::warn;

/// Length of a range, in bytes: a request for each is small beside it.
const RANGE_BYTES: u64 = 4 << 20;

/// How many ranges are under way or waiting to be read. They are what the function needs most of its memory for.
const RANGES: usize = 4;

/// How often a range is tried whose body is cut off.
const TRIES: usize = 3;

/// The body of a file, in order.
pub type Body = BoxStream<'static, Result<Bytes>>;

/// Opens a file at the version that was listed; nothing if there is no such version any more.
///
/// # Errors
/// As [`Store::open`]; in the body, `TransientFailure` if it is cut off again and again, or replaced meanwhile.
pub async fn open(store: &Store, file: &SourceFile) -> Result<Option<Body>> {
    let mut ranges = stream::iter(ranges_of(0..file.size)).map({
        let (store, file) = (store.clone(), file.clone());
        move |range| fetch_ahead(store.clone(), file.clone(), range)
    });
    let Some(first) = ranges.next().await else {
        // Of nothing there is no range.
        return match store.open(&file.key, &file.etag).await? {
            Pinned::Body(_) => Ok(Some(stream::empty().boxed())),
            Pinned::Changed | Pinned::Gone => Ok(None),
        };
    };
    let mut rest = ranges.buffered(RANGES - 1).boxed();
    // The others begin only when it is there: most files have one range, and this one says whether there are to be others.
    let Some(first) = first.await? else { return Ok(None) };
    let file = file.clone();
    let rest = stream::poll_fn(move |context| rest.poll_next_unpin(context))
        .and_then(move |chunks| std::future::ready(chunks.ok_or_else(|| replaced(&file))));
    let all = stream::iter([Ok(first)]).chain(rest);
    Ok(Some(all.map_ok(|chunks| stream::iter(chunks.into_iter().map(Ok))).try_flatten().boxed()))
}

/// Reads a part of a file whole; nothing if there is no version any more that was listed.
///
/// # Errors
/// As [`open`].
pub async fn read(store: &Store, file: &SourceFile, wanted: Range<u64>) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(usize::try_from(wanted.end - wanted.start).unwrap_or_default());
    let ranges = stream::iter(ranges_of(wanted)).map(|range| fetch_ahead(store.clone(), file.clone(), range));
    let mut ranges = ranges.buffered(RANGES);
    while let Some(chunks) = ranges.next().await {
        let Some(chunks) = chunks? else { return Ok(None) };
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

/// Fetches a range in a task of its own, so that it goes on while another one is read.
async fn fetch_ahead(store: Store, file: SourceFile, range: RangeInclusive<u64>) -> Result<Option<Vec<Bytes>>> {
    let what = format!("read {}", file.key);
    let task = tokio::spawn(async move { fetch(&store, &file, range).await });
    task.await.unwrap_or_else(|failure| Err(Error::caused(Kind::InvariantBroken, what, failure)))
}

async fn fetch(store: &Store, file: &SourceFile, range: RangeInclusive<u64>) -> Result<Option<Vec<Bytes>>> {
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

/// Cuts what is wanted of a file into ranges.
fn ranges_of(wanted: Range<u64>) -> impl Iterator<Item = RangeInclusive<u64>> + Send {
    let count = (wanted.end - wanted.start).div_ceil(RANGE_BYTES);
    (0..count).map(move |number| {
        let start = wanted.start + number * RANGE_BYTES;
        start..=(start + RANGE_BYTES).min(wanted.end) - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_a_file_once() {
        for (from, size) in
            [0, 1, RANGE_BYTES - 1, RANGE_BYTES, RANGE_BYTES + 1, 3 * RANGE_BYTES].map(|size| (size / 7, size))
        {
            let mut next = from;
            for range in ranges_of(from..size) {
                assert_eq!(*range.start(), next);
                assert!(range.end() - range.start() < RANGE_BYTES);
                next = range.end() + 1;
            }
            assert_eq!(next, size);
        }
    }
}
