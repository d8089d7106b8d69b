//! Where windows begin and end, and which ones an execution is about. Windows are half-open; the bounds of one are
//! alike on both sides, because each is what the cursor itself has: of a `timestamp` the time in UTC, of a `datetime`
//! the one on the clocks of the spec's zone, of a `date` the day.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use sluice::contract::copy_table::{CatchUp, Moment, Unit, Window};
use sluice::contract::mysql_to_redshift::{MAX_WINDOWS, Past, PlannedWindow, Range, Windows};
use sluice::{Error, Kind, Result};

/// What a cursor's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// A time in UTC.
    Timestamp,
    /// A time on the clocks of the spec's zone.
    Datetime,
    /// A day.
    Date,
}

/// The boundaries of a job's windows, numbered from 0.
#[derive(Debug)]
pub struct Grid {
    zone: TimeZone,
    start: Date,
    count: i64,
    unit: Unit,
    cursor: Cursor,
    /// How long after its end a window is complete.
    lag: Span,
    depends_on_past: bool,
}

/// What is recorded as loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// Windows, by their bounds.
    pub windows: Vec<[String; 2]>,
    /// When the newest load of the whole table was read.
    pub whole_at: Option<Timestamp>,
}

/// The windows that were chosen.
#[derive(Debug, Default, PartialEq)]
pub struct Chosen {
    /// The oldest first.
    pub windows: Vec<PlannedWindow>,
    /// How many more are missing.
    pub left: u64,
}

/// No job has as many windows as this.
const FAR: i64 = 1 << 40;

impl Grid {
    /// The boundaries that a spec describes.
    ///
    /// # Errors
    /// `Misconfigured` for a zone that is not known, and windows of hours over a cursor of days.
    pub fn new(windows: &Windows, cursor: Cursor) -> Result<Self> {
        let zone = TimeZone::get(&windows.zone).map_err(|_| {
            Error::new(Kind::Misconfigured, format!("/windows/zone: there is no time zone {:?}", windows.zone))
        })?;
        let start = windows.start.as_str().parse::<Date>();
        let start = start.map_err(|error| Error::caused(Kind::Misconfigured, "/windows/start", error))?;
        if cursor == Cursor::Date && !windows.window.unit.is_of_calendar() {
            let what = format!("/windows/window: {:?} has days, which have no {}", windows.cursor, windows.window);
            return Err(Error::new(Kind::Misconfigured, what));
        }
        Ok(Self {
            zone,
            start,
            count: i64::from(windows.window.count),
            unit: windows.window.unit,
            cursor,
            lag: Span::new().minutes(i64::from(windows.lag_minutes)),
            depends_on_past: windows.depends_on_past,
        })
    }

    /// A boundary; `None` beyond the times that can be told.
    fn boundary(&self, number: i64) -> Option<Timestamp> {
        let steps = number.checked_mul(self.count)?;
        let span = match self.unit {
            Unit::Minute => Span::new().try_minutes(steps),
            Unit::Hour => Span::new().try_hours(steps),
            Unit::Day => Span::new().try_days(steps),
            Unit::Week => Span::new().try_weeks(steps),
            Unit::Month => Span::new().try_months(steps),
        };
        let midnight = |date: Date| date.to_zoned(self.zone.clone()).ok();
        match self.unit.is_of_calendar() {
            true => midnight(self.start.checked_add(span.ok()?).ok()?).map(|zoned| zoned.timestamp()),
            false => midnight(self.start)?.timestamp().checked_add(span.ok()?).ok(),
        }
    }

    /// The number of the last boundary that is not after an instant; -1 before the first one.
    fn last_until(&self, instant: Timestamp) -> i64 {
        let is_after = |number: i64| self.boundary(number).is_none_or(|boundary| boundary > instant);
        let (mut low, mut high) = (-1, FAR);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if is_after(middle) { high = middle } else { low = middle }
        }
        low
    }

    /// The number of the boundary at a time.
    fn at(&self, moment: &Moment) -> Result<i64> {
        let (instant, text) = (self.instant(moment), text_of(moment));
        let number = instant.map(|instant| (self.last_until(instant), instant));
        match number {
            Some((number, instant)) if number >= 0 && self.boundary(number) == Some(instant) => Ok(number),
            _ => {
                let what = format!("{text} is no boundary of a window: the first one begins with {}", self.start);
                Err(Error::new(Kind::InvalidEvent, what))
            }
        }
    }

    /// The window in which a time lies; `None` before the first one.
    pub fn around(&self, moment: &Moment) -> Option<PlannedWindow> {
        let number = self.instant(moment).map(|instant| self.last_until(instant))?;
        (number >= 0).then(|| self.window(number)).flatten()
    }

    /// When a window is complete: at its end, and a lag after it.
    pub fn complete_at(&self, end: Timestamp) -> Timestamp {
        end.checked_add(self.lag).unwrap_or(Timestamp::MAX)
    }

    fn instant(&self, moment: &Moment) -> Option<Timestamp> {
        match moment {
            Moment::Day(day) => {
                let date = day.as_str().parse::<Date>().ok().and_then(|date| date.to_zoned(self.zone.clone()).ok());
                date.map(|zoned| zoned.timestamp())
            }
            Moment::Instant(instant) => instant.as_str().parse().ok(),
        }
    }

    /// The window behind a boundary.
    fn window(&self, number: i64) -> Option<PlannedWindow> {
        let (start, end) = (self.boundary(number)?, self.boundary(number + 1)?);
        let window = Window { start: start.to_string(), end: end.to_string() };
        let past = if self.depends_on_past && number > 0 { self.past(number - 1) } else { None };
        Some(PlannedWindow { window: Some(window), bounds: Some([self.bound(start), self.bound(end)]), past })
    }

    /// The window behind a boundary, as another one depends on it.
    fn past(&self, number: i64) -> Option<Past> {
        let (start, end) = (self.boundary(number)?, self.boundary(number + 1)?);
        let complete_at = TimeZone::UTC.to_datetime(self.complete_at(end)).strftime("%Y-%m-%d %H:%M:%S").to_string();
        Some(Past { bounds: [self.bound(start), self.bound(end)], complete_at })
    }

    /// The first of these windows that depends on one which is neither loaded nor among them.
    pub fn without_past<'a>(&self, windows: &'a [PlannedWindow], loaded: &Loaded) -> Option<&'a PlannedWindow> {
        windows.iter().find(|window| {
            let Some(past) = &window.past else { return false };
            let is_among = windows.iter().any(|other| other.bounds.as_ref() == Some(&past.bounds));
            let end = window.window.as_ref().and_then(|window| window.start.parse().ok());
            !is_among && !self.holds(loaded, &past.bounds, end)
        })
    }

    /// Whether a window with these bounds, which ends so, is recorded.
    fn holds(&self, loaded: &Loaded, bounds: &[String; 2], end: Option<Timestamp>) -> bool {
        // What is recorded are times, also of days.
        let time = |bound: &String| if bound.len() == 10 { format!("{bound} 00:00:00") } else { bound.clone() };
        let is_complete = |at: Timestamp| end.is_some_and(|end| self.complete_at(end) <= at);
        loaded.windows.contains(&bounds.each_ref().map(time)) || loaded.whole_at.is_some_and(is_complete)
    }

    /// A boundary as the cursor has it.
    fn bound(&self, instant: Timestamp) -> String {
        let clock = |zone: &TimeZone| -> DateTime { zone.to_datetime(instant) };
        match self.cursor {
            Cursor::Timestamp => format!("{}", clock(&TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S")),
            Cursor::Datetime => format!("{}", clock(&self.zone).strftime("%Y-%m-%d %H:%M:%S")),
            Cursor::Date => format!("{}", clock(&self.zone).strftime("%Y-%m-%d")),
        }
    }

    /// Is a window loaded already?
    fn is_loaded(&self, number: i64, window: &PlannedWindow, loaded: &Loaded) -> bool {
        window.bounds.as_ref().is_some_and(|bounds| self.holds(loaded, bounds, self.boundary(number + 1)))
    }

    /// Everything that is recorded as loaded, in the order of time: windows that touch or overlap are one. A load of
    /// the whole table counts for those windows that were complete when it was read.
    pub fn spans(&self, loaded: &Loaded) -> Vec<PlannedWindow> {
        let whole = loaded.whole_at.and_then(|at| {
            let complete = at.checked_sub(self.lag).ok()?;
            Some([self.bound(self.boundary(0)?), self.bound(self.boundary(self.last_until(complete))?)])
        });
        // What is recorded are times, also of days.
        let of_cursor = |bound: &String| match self.cursor {
            Cursor::Date => bound.chars().take(10).collect(),
            Cursor::Timestamp | Cursor::Datetime => bound.clone(),
        };
        let mut all: Vec<[String; 2]> =
            loaded.windows.iter().map(|bounds| bounds.each_ref().map(of_cursor)).chain(whole).collect();
        all.retain(|[from, to]| from < to);
        all.sort();
        let mut spans: Vec<[String; 2]> = Vec::new();
        for [from, to] in all {
            match spans.last_mut() {
                Some(last) if from <= last[1] => last[1] = to.max(std::mem::take(&mut last[1])),
                _ => spans.push([from, to]),
            }
        }
        spans.into_iter().map(|bounds| PlannedWindow { bounds: Some(bounds), ..PlannedWindow::default() }).collect()
    }

    /// The windows that an execution loads. `now` is when it was to start.
    ///
    /// # Errors
    /// `InvalidEvent` for times that are no bounds of windows, or not over yet.
    pub fn choose(&self, spec: &Windows, range: &Range, now: Timestamp, loaded: &Loaded) -> Result<Chosen> {
        let complete = now.checked_sub(self.lag).map_or(-1, |time| self.last_until(time));
        let (from, to, only_missing, limit) = match range {
            Range::Between { from, to, only_missing } => {
                let (from, to) = (self.at(from)?, self.at(to)?);
                let (count, most) = (to - from, i64::from(MAX_WINDOWS));
                let problem = if count <= 0 {
                    Some("from is not before to".to_owned())
                } else if to > complete {
                    let last = self.boundary(complete).map_or_else(|| "none".to_owned(), |end| end.to_string());
                    Some(format!("not all of these windows are over: the last one that is ends at {last}"))
                } else if count > most && !only_missing {
                    let middle = self.boundary(from + most).map_or_else(String::new, |middle| middle.to_string());
                    Some(format!(
                        "these are {count} windows, and an execution has {most} at most: start several, of which the first \
                         ends at {middle} and the next one begins there; or send only_missing, again and again"
                    ))
                } else {
                    None
                };
                if let Some(problem) = problem {
                    return Err(Error::new(Kind::InvalidEvent, problem));
                }
                (from, to, *only_missing, MAX_WINDOWS)
            }
            _ => match spec.catch_up {
                CatchUp::None => ((complete - 1).max(0), complete, false, 1),
                CatchUp::Missed => (0, complete, true, spec.max_windows),
            },
        };
        let mut chosen = Chosen::default();
        for number in from..to {
            let Some(window) = self.window(number) else { break };
            if only_missing && self.is_loaded(number, &window, loaded) {
                continue;
            }
            if chosen.windows.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
                chosen.windows.push(window);
            } else {
                chosen.left += 1;
            }
        }
        if matches!(range, Range::Scheduled { .. }) {
            let first = (complete - i64::from(spec.recheck_windows) - 1).max(0);
            for window in (first..complete - 1).filter_map(|number| self.window(number)) {
                if spec.recheck_windows > 0 && !chosen.windows.contains(&window) {
                    chosen.windows.push(window);
                }
            }
            chosen.windows.sort_by(|one, other| one.window.cmp(&other.window));
        }
        Ok(chosen)
    }
}

/// A time as it was given.
pub fn text_of(moment: &Moment) -> &str {
    match moment {
        Moment::Day(day) => day.as_str(),
        Moment::Instant(instant) => instant.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sluice::contract::mysql_to_redshift::{Parts, Trigger};

    fn spec(changes: Value) -> Windows {
        let mut windows = json!({"cursor": "created_at", "zone": "UTC", "start": "2018-01-01"});
        windows.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let parts = json!({
            "source": {"schema": "prod", "table": "nps"},
            "target": {"table": "nps", "key": ["id"], "mode": "upsert"},
            "windows": windows,
        });
        serde_json::from_value::<Parts>(parts).unwrap().check().unwrap().windows.unwrap()
    }

    fn chosen(
        windows: &Windows,
        cursor: Cursor,
        input: Value,
        now: &str,
        loaded: &Loaded,
    ) -> Result<(Vec<[String; 2]>, u64)> {
        let range = Trigger::read(&input).unwrap().range;
        let chosen = Grid::new(windows, cursor)?.choose(windows, &range, now.parse().unwrap(), loaded)?;
        Ok((chosen.windows.into_iter().map(|window| window.bounds.unwrap()).collect(), chosen.left))
    }

    fn pair(from: &str, to: &str) -> [String; 2] {
        [from.to_owned(), to.to_owned()]
    }

    #[test]
    fn what_is_loaded_is_as_few_spans_as_it_takes() {
        let loaded = |windows: &[[&str; 2]], whole_at: Option<&str>| Loaded {
            windows: windows.iter().map(|bounds| bounds.map(|bound| format!("{bound} 00:00:00"))).collect(),
            whole_at: whole_at.map(|at| at.parse().unwrap()),
        };
        let windows = spec(json!({"start": "2018-07-01"}));
        let grid = |cursor| Grid::new(&windows, cursor).unwrap();
        let spans = |cursor, loaded: &Loaded| -> Vec<String> {
            let spans = grid(cursor).spans(loaded);
            spans.into_iter().map(|span| span.bounds.unwrap().map(|bound| bound[8..10].to_owned()).join("-")).collect()
        };
        let days =
            loaded(&[["2018-07-05", "2018-07-06"], ["2018-07-02", "2018-07-03"], ["2018-07-03", "2018-07-04"]], None);
        assert_eq!(spans(Cursor::Timestamp, &days), ["02-04", "05-06"]);
        assert_eq!(grid(Cursor::Date).spans(&days)[0].bounds.as_ref().unwrap()[0], "2018-07-02");
        let with_whole = Loaded { whole_at: Some("2018-07-04T12:00:00Z".parse().unwrap()), ..days };
        assert_eq!(spans(Cursor::Timestamp, &with_whole), ["01-04", "05-06"]);
        assert!(spans(Cursor::Timestamp, &loaded(&[], Some("2018-06-01T00:00:00Z"))).is_empty(), "before all windows");
        assert!(spans(Cursor::Timestamp, &Loaded::default()).is_empty());
    }

    #[test]
    fn a_scheduled_run_loads_the_day_before() {
        let windows = spec(json!({}));
        let day = |now: &str| chosen(&windows, Cursor::Timestamp, json!({}), now, &Loaded::default()).unwrap().0;
        assert_eq!(day("2018-07-02T02:00:00Z"), [pair("2018-07-01 00:00:00", "2018-07-02 00:00:00")]);
        assert_eq!(day("2018-07-02T00:00:00Z"), [pair("2018-07-01 00:00:00", "2018-07-02 00:00:00")]);
        assert_eq!(day("2018-07-01T23:59:59Z"), [pair("2018-06-30 00:00:00", "2018-07-01 00:00:00")]);
        assert!(day("2018-01-01T23:00:00Z").is_empty() && day("2017-01-01T23:00:00Z").is_empty());
        let lagging = spec(json!({"lag_minutes": 180}));
        let found = chosen(&lagging, Cursor::Timestamp, json!({}), "2018-07-02T02:00:00Z", &Loaded::default()).unwrap();
        assert_eq!(found.0, [pair("2018-06-30 00:00:00", "2018-07-01 00:00:00")]);
        let again = spec(json!({"recheck_windows": 2}));
        let found = chosen(&again, Cursor::Date, json!({}), "2018-01-03T02:00:00Z", &Loaded::default()).unwrap();
        assert_eq!(found.0, [pair("2018-01-01", "2018-01-02"), pair("2018-01-02", "2018-01-03")]);
    }

    #[test]
    fn bounds_are_those_of_the_cursor() {
        let windows = spec(json!({"zone": "Europe/Berlin"}));
        let bounds = |cursor| {
            let input = json!({"from": "2018-10-28", "to": "2018-10-29"});
            chosen(&windows, cursor, input, "2019-01-01T00:00:00Z", &Loaded::default()).unwrap().0
        };
        assert_eq!(bounds(Cursor::Timestamp), [pair("2018-10-27 22:00:00", "2018-10-28 23:00:00")], "25 hours");
        assert_eq!(bounds(Cursor::Datetime), [pair("2018-10-28 00:00:00", "2018-10-29 00:00:00")]);
        assert_eq!(bounds(Cursor::Date), [pair("2018-10-28", "2018-10-29")]);
        let hours = spec(json!({"window": "6 hours"}));
        let input = json!({"from": "2018-01-01T18:00:00Z", "to": "2018-01-02"});
        let found = chosen(&hours, Cursor::Timestamp, input, "2019-01-01T00:00:00Z", &Loaded::default()).unwrap();
        assert_eq!(found.0, [pair("2018-01-01 18:00:00", "2018-01-02 00:00:00")]);
    }

    #[test]
    fn a_backfill_covers_its_range_and_nothing_that_is_not_over() {
        let windows = spec(json!({}));
        let fill = |from: &str, to: &str| {
            chosen(
                &windows,
                Cursor::Timestamp,
                json!({"from": from, "to": to}),
                "2018-08-01T12:00:00Z",
                &Loaded::default(),
            )
        };
        let (days, left) = fill("2018-07-01", "2018-08-01").unwrap();
        assert_eq!((days.len(), left), (31, 0));
        assert_eq!(days[30], pair("2018-07-31 00:00:00", "2018-08-01 00:00:00"));
        for (from, to, expected) in [
            ("2018-07-01", "2018-08-02", "not all of these windows are over: the last one that is ends at 2018-08-01"),
            ("2018-07-02", "2018-07-01", "from is not before to"),
            ("2017-12-31", "2018-07-01", "2017-12-31 is no boundary"),
            ("2018-07-01T12:00:00Z", "2018-07-03", "2018-07-01T12:00:00Z is no boundary"),
        ] {
            let error = fill(from, to).unwrap_err();
            assert!(error.kind() == Kind::InvalidEvent && error.to_string().contains(expected), "{error}");
        }
        let minutes = spec(json!({"window": "1 minute"}));
        let input = json!({"from": "2018-07-01", "to": "2018-07-02"});
        let error = chosen(&minutes, Cursor::Timestamp, input, "2018-08-01T12:00:00Z", &Loaded::default()).unwrap_err();
        let expected = "these are 1440 windows, and an execution has 366 at most: start several, of which the first ends at \
                        2018-07-01T06:06:00Z";
        assert!(error.to_string().contains(expected), "{error}");
        // A year is one run, and so is a beginning of what is missing.
        let now = "2020-08-01T12:00:00Z";
        let year = json!({"from": "2018-07-01", "to": "2019-07-01"});
        assert_eq!(chosen(&windows, Cursor::Timestamp, year, now, &Loaded::default()).unwrap().0.len(), 365);
        let input = json!({"from": "2018-07-01", "to": "2018-07-02", "only_missing": true});
        let (found, left) = chosen(&minutes, Cursor::Timestamp, input, now, &Loaded::default()).unwrap();
        assert_eq!((found.len(), left), (366, 1_440 - 366));
    }

    #[test]
    fn what_was_missed_is_loaded_the_oldest_first() {
        let windows = spec(json!({"catch_up": "missed", "max_windows": 2}));
        let loaded = Loaded { windows: vec![pair("2018-01-02 00:00:00", "2018-01-03 00:00:00")], whole_at: None };
        let found = chosen(&windows, Cursor::Timestamp, json!({}), "2018-01-06T02:00:00Z", &loaded).unwrap();
        let expected =
            [pair("2018-01-01 00:00:00", "2018-01-02 00:00:00"), pair("2018-01-03 00:00:00", "2018-01-04 00:00:00")];
        assert_eq!(found, (expected.to_vec(), 2));
        let whole = Loaded { whole_at: Some("2018-01-05T12:00:00Z".parse().unwrap()), ..loaded };
        let found = chosen(&windows, Cursor::Timestamp, json!({}), "2018-01-06T02:00:00Z", &whole).unwrap();
        assert_eq!(found, (vec![pair("2018-01-05 00:00:00", "2018-01-06 00:00:00")], 0));
        let by_days = Loaded { windows: vec![pair("2018-01-01 00:00:00", "2018-01-02 00:00:00")], whole_at: None };
        let input = json!({"from": "2018-01-01", "to": "2018-01-03", "only_missing": true});
        let found = chosen(&windows, Cursor::Date, input, "2018-01-06T02:00:00Z", &by_days).unwrap();
        assert_eq!(found.0, [pair("2018-01-02", "2018-01-03")]);
    }

    #[test]
    fn a_whole_load_within_the_lag_does_not_count() {
        let windows = spec(json!({"catch_up": "missed", "lag_minutes": 180}));
        let whole_at = |at: &str| Loaded { whole_at: Some(at.parse().unwrap()), ..Loaded::default() };
        let left = |loaded: &Loaded| chosen(&windows, Cursor::Timestamp, json!({}), "2018-01-02T03:30:00Z", loaded);
        assert_eq!(left(&whole_at("2018-01-02T02:59:59Z")).unwrap().0.len(), 1, "late rows may have come since");
        assert_eq!(left(&whole_at("2018-01-02T03:00:00Z")).unwrap().0.len(), 0);
    }

    #[test]
    fn a_window_depends_on_the_one_before_it_if_the_spec_says_so() {
        let windows = spec(json!({"depends_on_past": true, "lag_minutes": 60, "zone": "Europe/Berlin"}));
        let grid = Grid::new(&windows, Cursor::Date).unwrap();
        let range = Trigger::read(&json!({"from": "2018-01-01", "to": "2018-01-04"})).unwrap().range;
        let now = "2018-01-06T00:00:00Z".parse().unwrap();
        let days = grid.choose(&windows, &range, now, &Loaded::default()).unwrap().windows;
        let past = days[1].past.clone().unwrap();
        assert_eq!((past.bounds, past.complete_at.as_str()), (pair("2018-01-01", "2018-01-02"), "2018-01-02 00:00:00"));
        assert!(days[0].past.is_none(), "there is nothing before the first one");
        assert_eq!(grid.without_past(&days, &Loaded::default()), None);
        let alone = &days[2..];
        assert_eq!(grid.without_past(alone, &Loaded::default()), alone.first());
        let of_days = Loaded { windows: vec![pair("2018-01-02 00:00:00", "2018-01-03 00:00:00")], whole_at: None };
        assert_eq!(grid.without_past(alone, &of_days), None);
        let whole = |at: &str| Loaded { whole_at: Some(at.parse().unwrap()), ..Loaded::default() };
        assert_eq!(grid.without_past(alone, &whole("2018-01-02T23:59:59Z")), alone.first(), "within the lag");
        assert_eq!(grid.without_past(alone, &whole("2018-01-03T00:00:00Z")), None);
    }

    #[test]
    fn a_zone_that_is_none_and_hours_of_days_are_refused() {
        let error = Grid::new(&spec(json!({"zone": "Mars/Base"})), Cursor::Date).unwrap_err();
        assert!(error.to_string().contains("no time zone \"Mars/Base\""), "{error}");
        let error = Grid::new(&spec(json!({"window": "6 hours"})), Cursor::Date).unwrap_err();
        assert!(error.to_string().contains("has days, which have no 6 hours"), "{error}");
    }
}
