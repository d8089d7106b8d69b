//! Hands a file of this machine over to the code of the function, as the function does with an object.

use bytes::Bytes;
use local::inspection::File;
use pivot::decompressor::Decompressor;
use pivot::general::batch::GeneralBatch;
use pivot::general::reader::GeneralReader;
use pivot::parquet::{HEAD_BYTES, ParquetPlan, Tail};
use sluice::contract::SourceFile;
use sluice::spec::FileType;
use sluice::{Error, Kind, Result};
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// How much is read at once, in bytes.
const CHUNK_BYTES: u64 = 64 << 10;

/// What a file would be in a listing.
///
/// # Errors
/// If it cannot be looked at.
pub(crate) fn listed(file: &File) -> Result<SourceFile> {
    let size = fs::metadata(&file.path).map_err(|error| unreadable(file, error))?.len();
    // Of the newest day: what is newer is told by the order of the files.
    let last_modified = "2024-01-01T00:00:00.000Z".to_owned();
    Ok(SourceFile { key: file.key.clone(), etag: String::new(), size, last_modified })
}

/// Adds the rows of a file to a batch; `each` is called now and then, and may end it before its end by `false`.
///
/// # Errors
/// `InvalidSource` for a bad file; another kind if it cannot be read at all.
pub(crate) fn feed(
    file: &File,
    source: &SourceFile,
    format: FileType,
    batch: &mut GeneralBatch<'_>,
    each: &mut dyn FnMut(&mut GeneralBatch<'_>) -> bool,
) -> Result<()> {
    let input = fs::File::open(&file.path).map_err(|error| unreadable(file, error))?;
    if format == FileType::Parquet && source.size > 0 {
        return feed_parquet(file, source, &input, batch, each);
    }
    let mut decompressor = Decompressor::new(&file.key);
    let mut reader = GeneralReader::new(source, batch.plan())?;
    loop {
        let chunk = chunk(&input).map_err(|error| unreadable(file, error))?;
        let is_end = chunk.is_none();
        decompressor.push(chunk)?;
        while let Some(piece) = decompressor.next_piece()? {
            reader.feed(piece, batch)?;
            if !each(batch) {
                return Ok(());
            }
        }
        if is_end {
            reader.finish(batch)?;
            each(batch);
            return Ok(());
        }
    }
}

/// The first bytes of a file, unpacked, at most about so many, and whether these are all.
///
/// # Errors
/// As [`feed`].
pub(crate) fn head(file: &File, most: usize) -> Result<(Vec<u8>, bool)> {
    let input = fs::File::open(&file.path).map_err(|error| unreadable(file, error))?;
    let mut decompressor = Decompressor::new(&file.key);
    let mut head = Vec::new();
    loop {
        let chunk = chunk(&input).map_err(|error| unreadable(file, error))?;
        let is_end = chunk.is_none();
        decompressor.push(chunk)?;
        while let Some(piece) = decompressor.next_piece()? {
            head.extend_from_slice(piece);
            if head.len() >= most {
                return Ok((head, false));
            }
        }
        if is_end {
            return Ok((head, true));
        }
    }
}

/// The next bytes; `None` at the end.
fn chunk(input: &fs::File) -> std::io::Result<Option<Bytes>> {
    let mut chunk = Vec::new();
    input.take(CHUNK_BYTES).read_to_end(&mut chunk)?;
    Ok((!chunk.is_empty()).then(|| Bytes::from(chunk)))
}

fn feed_parquet(
    file: &File,
    source: &SourceFile,
    input: &fs::File,
    batch: &mut GeneralBatch<'_>,
    each: &mut dyn FnMut(&mut GeneralBatch<'_>) -> bool,
) -> Result<()> {
    let read = |range| bytes(file, input, range);
    let mut tail_len = ParquetPlan::tail_len(source.size);
    let plan = loop {
        match ParquetPlan::general(source, batch.plan(), &read(source.size - tail_len..source.size)?)? {
            Tail::Plan(plan) => break plan,
            Tail::Short(needed) => tail_len = needed,
            Tail::Foreign => {
                return Err(ParquetPlan::foreign(source, &read(0..HEAD_BYTES.min(source.size))?));
            }
        }
    };
    for group in plan.groups() {
        let chunks = group.ranges().into_iter().map(read).collect::<Result<Vec<_>>>()?;
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let mut reader = plan.reader(group, &chunks)?;
        loop {
            let has_more = reader.step_general(source, batch)?;
            if !each(batch) {
                return Ok(());
            }
            if !has_more {
                break;
            }
        }
    }
    Ok(())
}

/// The bytes of a range of a file.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn bytes(file: &File, input: &fs::File, range: Range<u64>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
    input.read_exact_at(&mut bytes, range.start).map_err(|error| unreadable(file, error))?;
    Ok(bytes)
}

/// A file of this machine that cannot be read is no bad file.
pub(crate) fn unreadable(file: &File, error: std::io::Error) -> Error {
    Error::caused(Kind::Misconfigured, file.path.display().to_string(), error)
}
