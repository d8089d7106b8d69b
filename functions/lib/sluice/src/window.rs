//! Which files a run looks at, by their dates. Pure.

use crate::change::Change;
use aws_sdk_s3::primitives::DateTime;

/// Seconds by which the start of the ledger that is read lies before the oldest candidate: the clocks of S3 and of a
/// function may differ, and a retried detection may be dated some time after the listing that found a file.
const LEDGER_MARGIN_SECONDS: i64 = 3_600;

/// Which modification times are of interest. All times are whole seconds since 1970, the resolution of a listing.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
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
    pub fn new(watermark: Option<DateTime>, lookback_hours: u32, since: Option<DateTime>) -> Self {
        Self {
            candidates_from: watermark.map(|start| start.secs() - i64::from(lookback_hours) * 3_600),
            reprocess_from: since.map(|since| since.secs()),
        }
    }

    /// The window of a run that finds what is new by `change`.
    pub fn by(change: &Change, watermark: Option<DateTime>, lookback_hours: u32, since: Option<DateTime>) -> Self {
        match change {
            Change::Nothing | Change::Refused(_) => Self::new(watermark, lookback_hours, since),
            Change::FullLook { .. } => Self::new(None, lookback_hours, since),
            Change::Reload { .. } => Self::everything(),
        }
    }

    /// Everything, whatever the ledger holds.
    pub fn everything() -> Self {
        Self { candidates_from: None, reprocess_from: Some(i64::MIN) }
    }

    /// From when on ledger entries matter; none: all of them do.
    pub fn ledger_start(&self) -> Option<DateTime> {
        self.candidates_from.map(|from| DateTime::from_secs(from - LEDGER_MARGIN_SECONDS))
    }

    /// Before when a file is taken to be known.
    pub fn candidates_from(&self) -> Option<DateTime> {
        self.candidates_from.map(DateTime::from_secs)
    }

    /// Does it depend on the ledger whether a file modified at `modified` is new?
    pub fn asks_ledger(&self, modified: i64) -> bool {
        !self.reprocesses(modified) && self.candidates_from.is_none_or(|from| modified >= from)
    }

    /// Is a file modified at `modified` new? `is_in_ledger` matters only if [`Self::asks_ledger`].
    ///
    /// A reprocessing run takes the ordinary candidates too: it will count as a success, so the next watermark covers
    /// them.
    pub fn wants(&self, modified: i64, is_in_ledger: bool) -> bool {
        self.reprocesses(modified) || self.asks_ledger(modified) && !is_in_ledger
    }

    fn reprocesses(&self, modified: i64) -> bool {
        self.reprocess_from.is_some_and(|from| modified >= from)
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
}
