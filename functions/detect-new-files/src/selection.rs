//! What is listed, and how it is cut into batches. Pure.

use aws_sdk_s3::primitives::DateTime;
use sluice::contract::SourceFile;
use sluice::input::PassedOver;
use sluice::spec::Source;
use sluice::time::format_time;

/// What a listing says of an object.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Its key.
    pub key: String,
    /// Its entity tag.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// Whole seconds.
    pub modified: DateTime,
}

impl Listed {
    /// Why it is no input of `source`; `None` if it is.
    pub(crate) fn passed_over(&self, source: &Source, prefix: &str) -> Option<PassedOver> {
        PassedOver::of(source, prefix, &self.key, self.size)
    }

    /// As it is written down.
    pub(crate) fn into_file(self) -> SourceFile {
        let last_modified = format_time(self.modified);
        SourceFile { key: self.key, etag: self.etag, size: self.size, last_modified }
    }
}

/// Cuts a stream of files into batches.
#[derive(Debug)]
pub(crate) struct Batcher {
    max_files: usize,
    max_bytes: u64,
    files: Vec<SourceFile>,
    bytes: u64,
    cut: u32,
}

/// After so many batches they become twice as large: what a state passes on, and remembers of a Map, has room for some
/// 2,500.
const SAME_SIZE: u32 = 512;

/// But not larger than 16 times: 16 GiB are read in four minutes where a function gets 75 MB/s, a file of which none is
/// cut aside.
const MOST_DOUBLINGS: u32 = 4;

impl Default for Batcher {
    /// 1,000 files or 1 GiB at first: what one function reads in a quarter of a minute.
    fn default() -> Self {
        Self { max_files: 1_000, max_bytes: 1 << 30, files: Vec::new(), bytes: 0, cut: 0 }
    }
}

impl Batcher {
    /// Adds a file. Returns the batch before it, if the file does not fit in any more.
    pub(crate) fn push(&mut self, file: SourceFile) -> Option<Vec<SourceFile>> {
        let doublings = (self.cut / SAME_SIZE).min(MOST_DOUBLINGS);
        let is_full =
            self.files.len() >= self.max_files << doublings || self.bytes + file.size > self.max_bytes << doublings;
        let full = if is_full { self.rest() } else { None };
        self.cut += u32::from(full.is_some());
        self.bytes += file.size;
        self.files.push(file);
        full
    }

    /// The last batch, if it holds anything.
    pub(crate) fn rest(&mut self) -> Option<Vec<SourceFile>> {
        self.bytes = 0;
        let files = std::mem::take(&mut self.files);
        (!files.is_empty()).then_some(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_cut_by_count_and_by_size_and_lose_nothing() {
        let file = |size| SourceFile { key: "k".into(), etag: "e".into(), size, last_modified: String::new() };
        for (sizes, expected) in [
            (vec![], vec![]),
            (vec![5], vec![1]),
            (vec![1, 1, 1, 1, 1, 1, 1], vec![3, 3, 1]),
            (vec![10, 10], vec![1, 1]),
            (vec![11, 1], vec![1, 1]),
            (vec![4, 6, 1], vec![2, 1]),
            (vec![0, 0, 0, 0], vec![3, 1]),
        ] {
            let mut batcher = Batcher { max_files: 3, max_bytes: 10, ..Batcher::default() };
            let mut batches: Vec<usize> =
                sizes.iter().filter_map(|&size| batcher.push(file(size))).map(|b| b.len()).collect();
            batches.extend(batcher.rest().map(|b| b.len()));
            assert_eq!(batches, expected, "{sizes:?}");
        }
    }

    #[test]
    fn ten_terabytes_are_no_more_batches_than_a_payload_holds() {
        let file = || SourceFile { key: "k".into(), etag: "e".into(), size: 128 << 20, last_modified: String::new() };
        let mut batcher = Batcher::default();
        let (mut batches, mut bytes) = (0, 0);
        for _ in 0..(10 << 40) / file().size {
            let Some(batch) = batcher.push(file()) else { continue };
            batches += 1;
            let size: u64 = batch.iter().map(|file| file.size).sum();
            assert!(size <= 16 << 30, "batch {batches}");
            bytes += size;
        }
        bytes += batcher.rest().iter().flatten().map(|file| file.size).sum::<u64>();
        assert_eq!(bytes, 10 << 40);
        // `{"index":2500},` each, of 32 KiB that a payload is to stay under.
        assert!(batches < 2_300, "{batches}");
    }
}
