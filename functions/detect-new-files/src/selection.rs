//! Which listed files are new, and how they are cut into batches. Pure.

use aws_sdk_s3::primitives::DateTime;
use sluice::contract::SourceFile;
use sluice::input::PassedOver;
use sluice::spec::Source;
use sluice::time::format_time;

/// Seconds by which the start of the ledger that is read lies before the oldest candidate: the clocks of S3 and of a
/// function may differ, and a retried detection may be dated some time after the listing that found a file.
const LEDGER_MARGIN_SECONDS: i64 = 3_600;

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

/// Which modification times are of interest. All times are whole seconds since 1970, the resolution of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Files before this are known; none: no file is known by its age.
    candidates_from: Option<i64>,
    /// Files from here on are wanted even if the ledger holds them.
    reprocess_from: Option<i64>,
}

impl Window {
    /// The window after a success that started at `watermark`; everything without one.
    ///
    /// The watermark is floored to the second, since a listing shows whole seconds only: a file written 400 ms after a
    /// start at .500 s is dated before it.
    pub(crate) fn new(watermark: Option<DateTime>, lookback_hours: u32, since: Option<DateTime>) -> Self {
        Self {
            candidates_from: watermark.map(|start| start.secs() - i64::from(lookback_hours) * 3_600),
            reprocess_from: since.map(|since| since.secs()),
        }
    }

    /// Everything, whatever the ledger holds.
    pub(crate) fn everything() -> Self {
        Self { candidates_from: None, reprocess_from: Some(i64::MIN) }
    }

    /// From when on ledger entries matter; none: all of them do.
    pub(crate) fn ledger_start(&self) -> Option<DateTime> {
        self.candidates_from.map(|from| DateTime::from_secs(from - LEDGER_MARGIN_SECONDS))
    }

    /// Before when a file is taken to be known.
    pub(crate) fn candidates_from(&self) -> Option<DateTime> {
        self.candidates_from.map(DateTime::from_secs)
    }

    /// Does it depend on the ledger whether a file modified at `modified` is new?
    pub(crate) fn asks_ledger(&self, modified: i64) -> bool {
        !self.reprocesses(modified) && self.candidates_from.is_none_or(|from| modified >= from)
    }

    /// Is a file modified at `modified` new? `is_in_ledger` matters only if [`Self::asks_ledger`].
    ///
    /// A reprocessing run takes the ordinary candidates too: it will count as a success, so the next watermark covers
    /// them.
    pub(crate) fn wants(&self, modified: i64, is_in_ledger: bool) -> bool {
        self.reprocesses(modified) || self.asks_ledger(modified) && !is_in_ledger
    }

    fn reprocesses(&self, modified: i64) -> bool {
        self.reprocess_from.is_some_and(|from| modified >= from)
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

    fn at(seconds: f64) -> DateTime {
        DateTime::from_secs_f64(seconds)
    }

    #[test]
    fn a_file_of_the_second_of_the_watermark_is_a_candidate() {
        let window = Window::new(Some(at(1_000_000.9)), 0, None);
        assert!(window.wants(1_000_000, false));
        assert!(!window.wants(999_999, false));
        assert!(!window.wants(1_000_000, true));
    }

    #[test]
    fn the_lookback_reaches_behind_the_watermark_and_the_ledger_a_little_further() {
        let window = Window::new(Some(at(1_000_000.0)), 24, None);
        assert!(window.wants(1_000_000 - 86_400, false));
        assert!(!window.wants(1_000_000 - 86_401, false));
        assert_eq!(window.ledger_start(), Some(DateTime::from_secs(1_000_000 - 86_400 - 3_600)));
    }

    #[test]
    fn the_first_run_takes_everything_that_the_ledger_does_not_hold() {
        let window = Window::new(None, 24, None);
        assert!(window.wants(0, false));
        assert!(!window.wants(0, true));
        assert_eq!(window.ledger_start(), None);
    }

    #[test]
    fn since_reprocesses_without_losing_what_is_new() {
        let window = Window::new(Some(at(1_000_000.0)), 0, Some(at(2_000_000.0)));
        assert!(window.wants(2_000_000, true), "reprocessed although in the ledger");
        assert!(window.wants(1_500_000, false), "new, before since");
        assert!(!window.wants(1_500_000, true), "known, before since");
        let window = Window::new(Some(at(1_000_000.0)), 0, Some(at(10.0)));
        assert!(window.wants(11, true), "older than the watermark, asked for");
        assert!(!window.wants(9, false), "older than both");
    }

    #[test]
    fn a_reload_takes_everything_and_asks_nobody() {
        let window = Window::everything();
        assert!(window.wants(i64::MIN, true) && window.wants(0, true));
        assert!(!window.asks_ledger(0));
        assert_eq!(window.candidates_from(), None);
    }

    #[test]
    fn the_ledger_is_asked_only_about_candidates() {
        let window = Window::new(Some(at(1_000_000.0)), 0, Some(at(2_000_000.0)));
        let asked = [999_999, 1_000_000, 1_999_999, 2_000_000].map(|modified| window.asks_ledger(modified));
        assert_eq!(asked, [false, true, true, false]);
        assert!(Window::new(None, 0, None).asks_ledger(0));
    }

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
