//! Which days a job has, and which are missing: of copies, by what `sluice.windows` says; of loads into Redshift, by
//! what runs say of themselves and the records of their windows.

use super::{Reader, history, path};
use crate::kind::Kind;
use crate::model::{Job, LoadedWindow, Origin, Run, Stack};
use crate::outcome::Outcome;
use crate::records::{self, MOST_WINDOWS};
use crate::shared::RECORDS;
use crate::words;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// What a day is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// Copied, and compared.
    Verified,
    /// Copied.
    Copied,
    /// Copied in part.
    Partly,
    /// It lies between days that are there, and is not.
    Missing,
    /// Not asked for, or not over yet.
    Outside,
}

/// A day, and the run that it is from.
#[derive(Clone, Debug)]
struct Found {
    what: Day,
    execution: Option<String>,
    /// How long the window is that it is from, in milliseconds.
    length: i64,
}

/// The days of a job.
pub(super) struct Days {
    days: BTreeMap<Date, Found>,
    /// Those that are missing, in their order.
    pub missing: Vec<Date>,
    /// The newest one that is there.
    pub newest: Option<Date>,
    zone: String,
}

/// The zone of a job's days, and its name.
fn zone(job: &Job) -> (String, TimeZone) {
    let name = crate::schedule::zone_of(job.spec.zone());
    let zone = TimeZone::get(&name).unwrap_or(TimeZone::UTC);
    (name, zone)
}

/// The day in a zone at a time in milliseconds since 1970.
fn date_in(zone: &TimeZone, at: i64) -> Date {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone()).date()
}

/// The days that the windows cover, in the job's zone. The windows are in the order of their starts.
pub(super) fn days(job: &Job, windows: &[LoadedWindow], now: i64) -> Days {
    let (name, zone) = zone(job);
    let day_of = |at: i64| date_in(&zone, at);
    let start_of = |day: Date| day.to_zoned(zone.clone()).map(|at| at.timestamp().as_millisecond()).unwrap_or_default();
    let mut days: BTreeMap<Date, Found> = BTreeMap::new();
    for window in windows {
        let (first, last) = (day_of(window.start), day_of(window.end - 1));
        let mut day = first;
        while day <= last && days.len() < 20_000 {
            let Ok(next) = day.tomorrow() else { break };
            let is_whole = window.start <= start_of(day) && window.end >= start_of(next);
            let what = match (is_whole, window.is_verified) {
                (true, true) => Day::Verified,
                (true, false) => Day::Copied,
                (false, _) => Day::Partly,
            };
            let execution = Some(window.execution.clone());
            let found = Found { what, execution, length: window.end - window.start };
            match days.get_mut(&day) {
                None => drop(days.insert(day, found)),
                // Parts of a day that make a whole: one of them would have to be missing to be told.
                Some(known) if known.what == Day::Partly && what == Day::Partly => {
                    let is_covered = covers(windows, start_of(day), start_of(next));
                    known.what = if is_covered { Day::Copied } else { Day::Partly };
                }
                // The shorter a window, the more it says of the day.
                Some(known) if what != Day::Partly && (known.what == Day::Partly || found.length <= known.length) => {
                    *known = found;
                }
                Some(_) => {}
            }
            day = next;
        }
    }
    let mut missing = Vec::new();
    let first = [job.spec.first_day(), days.keys().next().copied()].into_iter().flatten().min();
    let today = day_of(now);
    // What is newer than the newest one may still come.
    let last = days.keys().next_back().copied().filter(|last| *last <= today);
    if let (Some(mut day), Some(last)) = (first, last) {
        while day <= last {
            if days.get(&day).is_none_or(|found| found.what == Day::Partly) {
                missing.push(day);
                days.entry(day).or_insert(Found { what: Day::Missing, execution: None, length: 0 });
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
    }
    Days { days, missing, newest: last, zone: name }
}

fn covers(windows: &[LoadedWindow], from: i64, to: i64) -> bool {
    let mut at = from;
    for window in windows.iter().filter(|window| window.end > from && window.start < to) {
        if window.start > at {
            return false;
        }
        at = at.max(window.end);
    }
    at >= to
}

/// How days are spoken of.
struct Words {
    /// Where it is written down which are there.
    origin: Markup,
    whole: &'static str,
    whole_unverified: Option<&'static str>,
    partly: &'static str,
    missing: &'static str,
    /// Behind how many are missing: `3 days ...`.
    are_missing: [&'static str; 2],
    none_missing: &'static str,
}

impl Words {
    fn of(kind: Kind) -> Self {
        if kind == Kind::CopyTable {
            return Self {
                origin: html! { code { "sluice.windows" } },
                whole: "copied and verified",
                whole_unverified: Some("copied"),
                partly: "copied in part",
                missing: "missing",
                are_missing: ["is missing", "are missing"],
                none_missing: "No day is missing",
            };
        }
        Self {
            origin: html! { "the outputs of runs and the records of their windows" },
            whole: "loaded and compared",
            whole_unverified: None,
            partly: "loaded in part",
            missing: "no record of a load",
            are_missing: ["has no record of a load", "have no record of a load"],
            none_missing: "Every day has a record of its load",
        }
    }
}

/// Whether a job has days: one that takes a table whole has none.
pub(super) fn has_days(job: &Job) -> bool {
    job.kind.has_windows() && !job.spec.windows.is_null()
}

/// The windows of a job, as far as they are read; `None` as long as nothing is.
pub(super) fn loaded(job: &Job) -> Option<Vec<LoadedWindow>> {
    match job.kind {
        Kind::CopyTable => job.windows.as_ref().map(|windows| windows.as_ref().clone()),
        _ => job.runs.as_ref().map(|_| records::loaded(job)),
    }
}

/// The windows of a job, or why they are not known.
fn windows(stack: &Stack, job: &Job) -> Result<Vec<LoadedWindow>, Markup> {
    let reading = |what: Markup| html! { "Reading which days are there, from " (what) " …" };
    let cannot = |why: Markup| html! { strong { "Which days are there is not shown" } ": " (why) };
    let why = || match job.kind {
        Kind::CopyTable => history::amiss(stack, job, Origin::Windows).map(cannot),
        _ => stack
            .notices
            .contains_key("states:ListExecutions")
            .then(|| cannot(html! { "the runs of this job cannot be read now." })),
    };
    loaded(job).ok_or_else(|| why().unwrap_or_else(|| reading(Words::of(job.kind).origin)))
}

/// The section; `year` is the one that is chosen.
pub(super) fn section(stack: &Stack, job: &Job, reader: &Reader, year: Option<i16>) -> Markup {
    let windows = match windows(stack, job) {
        Ok(windows) => windows,
        Err(why) => {
            return html! {
                section class="card" aria-labelledby="h-days" { header { h2 id="h-days" { "Days" } } p class="pad" { (why) } }
            };
        }
    };
    let days = days(job, &windows, reader.clock.now);
    let words = Words::of(job.kind);
    let newest = days.days.keys().next_back().map(|day| day.year());
    let this = date_in(&zone(job).1, reader.clock.now).year();
    let year = year.or(newest).unwrap_or(this).clamp(1, 9_998);
    let cursor = job.spec.windows["cursor"].as_str().unwrap_or_default();
    let address = path(&["jobs", &job.name]);
    let months: Vec<i8> =
        (1..=12).filter(|month| days.days.keys().any(|day| day.year() == year && day.month() == *month)).collect();
    html! {
        section class="card" aria-labelledby="h-days" {
            header {
                h2 id="h-days" { "Days" }
                span class="soft" { @if !cursor.is_empty() { "by " code { (words::visible(cursor, 60)) } " " } "in " (days.zone) ", from " (words.origin) }
                span class="nav-months" { a href={ (address) "?year=" (year - 1) "#h-days" } { "‹ " (year - 1) } " · " strong { (year) } " · " a href={ (address) "?year=" (year + 1) "#h-days" } { (year + 1) " ›" } }
            }
            @if months.is_empty() { p class="pad soft" { "No day of " (year) " is there." } }
            @else { div class="months" { @for month in months { (self::month(job, &days, &words, year, month)) } } }
            div class="gaps" {
                @if days.missing.is_empty() { @if !days.days.is_empty() { strong { (words.none_missing) } " between the first and the last one." } }
                @else {
                    span { strong { (words::count(days.missing.len() as u64, "day")) " " (words.are_missing[usize::from(days.missing.len() > 1)]) ":" } " " (gaps(&days.missing)) }
                    @if stack.allows_actions {
                        a class="btn" href={ (address) "/backfill?from=" (days.missing[0]) "&to=" (days.missing[days.missing.len() - 1]) } { "Backfill " (if days.missing.len() == 1 { "this day…".to_owned() } else { format!("these {} days…", days.missing.len()) }) }
                    }
                }
                (legend(&words))
            }
            @if job.kind == Kind::MysqlToRedshift { p class="pad soft" { (told(stack, job)) } }
        }
    }
}

/// What the days of loads into Redshift do not say.
fn told(stack: &Stack, job: &Job) -> Markup {
    let is_cut = job.windows.as_ref().is_some_and(|windows| windows.len() >= MOST_WINDOWS);
    html! {
        @if stack.notices.contains_key(RECORDS) {
            strong { "Days of older and of failed runs are not shown" } ": the records of their windows cannot be read now (" code { (RECORDS) } "). "
        } @else if job.windows.is_none() {
            "The records of windows that older and failed runs have left are being read. "
        } @else if job.unread_windows > 0 {
            (words::count(job.unread_windows as u64, "record")) " of windows " (if job.unread_windows == 1 { "is" } else { "are" }) " still to be read; their days come then. "
        } @else if is_cut {
            "Of older windows, only the newest " (words::number(MOST_WINDOWS as u64)) " records are read. "
        }
        "Redshift itself is not asked: a day that was loaded by other means, or whose record was deleted, has none here. A run loads none twice: it goes by what Redshift says."
    }
}

fn legend(words: &Words) -> Markup {
    html! {
        ul class="legend" {
            li { span class="swatch day ver" { "7" } (words.whole) }
            @if let Some(whole) = words.whole_unverified { li { span class="swatch day done" { "7" } (whole) } }
            li { span class="swatch day mis" { "7" } (words.missing) }
            li { span class="swatch day out" { "7" } "not asked for, or not over" }
        }
    }
}

/// Days in words, those in a row together: `14 and 15 February 2024, 2 May 2024`.
pub(super) fn gaps(missing: &[Date]) -> String {
    let mut runs: Vec<(Date, Date)> = Vec::new();
    for day in missing {
        match runs.last_mut().filter(|(_, last)| last.tomorrow().is_ok_and(|next| next == *day)) {
            Some((_, last)) => *last = *day,
            None => runs.push((*day, *day)),
        }
    }
    let more = runs.len().saturating_sub(8);
    let text =
        |(first, last): &(Date, Date)| if first == last { first.to_string() } else { format!("{first} to {last}") };
    let texts: Vec<String> = runs.iter().take(8).map(text).collect();
    if more > 0 { format!("{}, and {more} more gaps", texts.join(", ")) } else { words::list(&texts) }
}

fn month(job: &Job, days: &Days, words: &Words, year: i16, month: i8) -> Markup {
    let first = date(year, month, 1);
    let lead = first.weekday().to_monday_zero_offset();
    let length = first.days_in_month();
    let cells: Vec<Option<Date>> =
        (0..lead).map(|_| None).chain((1..=length).map(|day| Some(date(year, month, day)))).collect();
    html! {
        table class="cal" {
            caption { (first.strftime("%B %Y").to_string()) }
            thead { tr { @for (letter, name) in [("M", "Monday"), ("T", "Tuesday"), ("W", "Wednesday"), ("T", "Thursday"), ("F", "Friday"), ("S", "Saturday"), ("S", "Sunday")] { th scope="col" { abbr title=(name) { (letter) } } } } }
            tbody {
                @for week in cells.chunks(7) {
                    tr {
                        @for cell in week {
                            @match cell { None => td {}, Some(day) => (one(job, days, words, *day)) }
                        }
                    }
                }
            }
        }
    }
}

fn one(job: &Job, days: &Days, words: &Words, day: Date) -> Markup {
    let found = days.days.get(&day);
    let execution = found.and_then(|found| found.execution.as_ref());
    let (class, word) = match found.map_or(Day::Outside, |found| found.what) {
        Day::Verified => ("ver", words.whole),
        Day::Copied => ("done", words.whole_unverified.unwrap_or(words.whole)),
        Day::Partly => ("mis", words.partly),
        Day::Missing => ("mis", words.missing),
        Day::Outside => ("out", ""),
    };
    let run = execution.and_then(|arn| arn.rsplit(':').next());
    html! {
        td class={ "day " (class) } {
            @match run {
                Some(run) => a href=(path(&["jobs", &job.name, "runs", run])) { (day.day()) span class="vh" { ", " (word) } },
                None => { (day.day()) @if !word.is_empty() { span class="vh" { ", " (word) } } },
            }
        }
    }
}

/// The runs of a job that failed lately.
pub(super) fn failed_lately(runs: &[Run]) -> impl Iterator<Item = &Run> {
    runs.iter().filter(|run| matches!(run.outcome(), Outcome::Failed | Outcome::TimedOut)).take(5)
}

/// The first and the last day of a range that a form proposes: the last seven days that are over in the job's zone.
pub(super) fn last_week(job: &Job, now: i64) -> (Date, Date) {
    let today = date_in(&zone(job).1, now);
    let back = |days: i64| today.checked_sub(days.days()).unwrap_or(today);
    (back(7), back(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::tests::of_kind;
    use crate::model::JobSpec;
    use serde_json::json;

    fn window(start: &str, end: &str, is_verified: bool) -> LoadedWindow {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        LoadedWindow { start: at(start), end: at(end), rows: 1, execution: "arn:x:run".into(), is_verified }
    }

    fn job_in(zone: &str) -> Job {
        let spec = JobSpec { windows: json!({"zone": zone, "start": "2024-02-12"}), ..JobSpec::default() };
        Job {
            name: "j".into(),
            kind: Kind::CopyTable,
            machine: "arn".into(),
            definition: of_kind(Kind::CopyTable).into(),
            spec: spec.into(),
            schedule: None,
            runs: None,
            is_cut: false,
            is_history_cut: false,
            missing: std::collections::BTreeSet::new(),
            files: None,
            windows: None,
            unread_windows: 0,
        }
    }

    #[test]
    fn days_are_those_of_the_job_s_zone_and_gaps_are_told() {
        let job = job_in("Europe/Zurich");
        let windows = [
            window("2024-02-11T23:00:00Z", "2024-02-12T23:00:00Z", true),
            window("2024-02-12T23:00:00Z", "2024-02-13T23:00:00Z", false),
            // 14 and 15 are missing; the 16th has a half.
            window("2024-02-15T23:00:00Z", "2024-02-16T11:00:00Z", false),
            window("2024-02-16T23:00:00Z", "2024-02-17T11:00:00Z", false),
            window("2024-02-17T11:00:00Z", "2024-02-17T23:00:00Z", false),
        ];
        let now = "2024-03-01T00:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        let found = days(&job, &windows, now);
        let missing: Vec<String> = found.missing.iter().map(ToString::to_string).collect();
        assert_eq!(missing, ["2024-02-14", "2024-02-15", "2024-02-16"]);
        assert_eq!(found.days[&date(2024, 2, 12)].what, Day::Verified);
        assert_eq!(found.days[&date(2024, 2, 17)].what, Day::Copied, "two halves");
        assert_eq!(gaps(&found.missing), "2024-02-14 to 2024-02-16");
    }

    #[test]
    fn what_is_over_is_so_in_the_job_s_zone() {
        let now = "2025-12-31T12:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        for (zone, first, last) in [
            ("UTC", date(2025, 12, 24), date(2025, 12, 30)),
            ("Pacific/Auckland", date(2025, 12, 25), date(2025, 12, 31)),
            ("Etc/GMT+12", date(2025, 12, 24), date(2025, 12, 30)),
        ] {
            assert_eq!(last_week(&job_in(zone), now), (first, last), "{zone}");
        }
        let mut job = job_in("Pacific/Auckland");
        job.windows = Some(std::sync::Arc::default());
        let reader = Reader { clock: crate::zone::Clock::new(None, now), address: "/jobs/j".into() };
        let html = section(&Stack::default(), &job, &reader, None).into_string();
        assert!(html.contains("<strong>2026</strong>"), "{html}");
    }
}
