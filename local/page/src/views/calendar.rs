//! Which days a job has, and which are missing: of copies, by what `sluice.windows` says.

use super::{Reader, path};
use crate::model::{Job, LoadedWindow, Run, Stack};
use crate::outcome::Outcome;
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

/// The days of a job.
pub(super) struct Days {
    days: BTreeMap<Date, (Day, Option<String>)>,
    /// Those that are missing, in their order.
    pub missing: Vec<Date>,
    /// The newest one that is there.
    pub newest: Option<Date>,
    zone: String,
}

/// The days that the windows cover, in the job's zone.
pub(super) fn days(job: &Job, windows: &[LoadedWindow], now: i64) -> Days {
    let name = crate::schedule::zone_of(job.spec.zone());
    let zone = TimeZone::get(&name).unwrap_or(TimeZone::UTC);
    let day_of =
        |at: i64| Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone()).date();
    let start_of = |day: Date| day.to_zoned(zone.clone()).map(|at| at.timestamp().as_millisecond()).unwrap_or_default();
    let mut days: BTreeMap<Date, (Day, Option<String>)> = BTreeMap::new();
    for window in windows {
        let (first, last) = (day_of(window.start), day_of(window.end - 1));
        let mut day = first;
        while day <= last && days.len() < 20_000 {
            let Ok(next) = day.tomorrow() else { break };
            let is_whole = window.start <= start_of(day) && window.end >= start_of(next);
            let found = match (is_whole, window.is_verified) {
                (true, true) => Day::Verified,
                (true, false) => Day::Copied,
                (false, _) => Day::Partly,
            };
            let known = days.entry(day).or_insert((found, Some(window.execution.clone())));
            if known.0 == Day::Partly && found == Day::Partly {
                // Parts of a day that make a whole: one of them would have to be missing to be told.
                known.0 = if covers(windows, start_of(day), start_of(next)) { Day::Copied } else { Day::Partly };
            }
            day = next;
        }
    }
    let mut missing = Vec::new();
    let start = job.spec.windows["start"].as_str().and_then(|text| text.get(..10)?.parse::<Date>().ok());
    let first = [start, days.keys().next().copied()].into_iter().flatten().min();
    let today = day_of(now);
    // What is newer than the newest one may still come.
    let last = days.keys().next_back().copied().filter(|last| *last <= today);
    if let (Some(mut day), Some(last)) = (first, last) {
        while day <= last {
            if days.get(&day).is_none_or(|(found, _)| *found == Day::Partly) {
                missing.push(day);
                days.entry(day).or_insert((Day::Missing, None));
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

/// The section; `year` is the one that is chosen.
pub(super) fn section(stack: &Stack, job: &Job, reader: &Reader, year: Option<i16>) -> Markup {
    let Some(windows) = job.windows.as_deref() else {
        return html! { section class="card" { p class="pad soft" { "Reading which days are there, from " code { "sluice.windows" } " …" } } };
    };
    let days = days(job, windows, reader.clock.now);
    let newest = days.days.keys().next_back().map(|day| day.year());
    let this =
        Timestamp::from_millisecond(reader.clock.now).map(|at| at.to_zoned(TimeZone::UTC).year()).unwrap_or(2024);
    let year = year.or(newest).unwrap_or(this).clamp(1, 9_998);
    let cursor = job.spec.windows["cursor"].as_str().unwrap_or_default();
    let address = path(&["jobs", &job.name]);
    let months: Vec<i8> =
        (1..=12).filter(|month| days.days.keys().any(|day| day.year() == year && day.month() == *month)).collect();
    html! {
        section class="card" aria-labelledby="h-days" {
            header {
                h2 id="h-days" { "Days" }
                span class="soft" { @if !cursor.is_empty() { "by " code { (words::visible(cursor, 60)) } " " } "in " (days.zone) ", from " code { "sluice.windows" } }
                span class="nav-months" { a href={ (address) "?year=" (year - 1) "#h-days" } { "‹ " (year - 1) } " · " strong { (year) } " · " a href={ (address) "?year=" (year + 1) "#h-days" } { (year + 1) " ›" } }
            }
            @if months.is_empty() { p class="pad soft" { "No day of " (year) " is there." } }
            @else { div class="months" { @for month in months { (self::month(job, &days, year, month)) } } }
            div class="gaps" {
                @if days.missing.is_empty() { strong { "No day is missing" } @if !days.days.is_empty() { " between the first and the last one." } }
                @else {
                    span { strong { (words::count(days.missing.len() as u64, "day")) " " (if days.missing.len() == 1 { "is" } else { "are" }) " missing:" } " " (gaps(&days.missing)) }
                    @if stack.allows_actions {
                        a class="btn" href={ (address) "/backfill?from=" (days.missing[0]) "&to=" (days.missing[days.missing.len() - 1]) } { "Backfill " (if days.missing.len() == 1 { "this day…".to_owned() } else { format!("these {} days…", days.missing.len()) }) }
                    }
                }
                (legend())
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul class="legend" {
            li { span class="swatch day ver" { "7" } "copied and verified" }
            li { span class="swatch day done" { "7" } "copied" }
            li { span class="swatch day mis" { "7" } "missing" }
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

fn month(job: &Job, days: &Days, year: i16, month: i8) -> Markup {
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
                            @match cell { None => td {}, Some(day) => (one(job, days, *day)) }
                        }
                    }
                }
            }
        }
    }
}

fn one(job: &Job, days: &Days, day: Date) -> Markup {
    let (found, execution) = days.days.get(&day).cloned().unwrap_or((Day::Outside, None));
    let (class, word) = match found {
        Day::Verified => ("ver", "copied and verified"),
        Day::Copied => ("done", "copied"),
        Day::Partly => ("mis", "copied in part"),
        Day::Missing => ("mis", "missing"),
        Day::Outside => ("out", ""),
    };
    let run = execution.as_deref().and_then(|arn| arn.rsplit(':').next());
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

/// The first and the last day of a range that a form proposes: the last week that is over.
pub(super) fn last_week(now: i64) -> (Date, Date) {
    let today = Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC).date();
    let back = |days: i64| today.checked_sub(days.days()).unwrap_or(today);
    (back(7), back(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::tests::of_kind;
    use crate::kind::Kind;
    use crate::model::JobSpec;
    use serde_json::json;

    fn window(start: &str, end: &str, is_verified: bool) -> LoadedWindow {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        LoadedWindow { start: at(start), end: at(end), rows: 1, execution: "arn:x:run".into(), is_verified }
    }

    #[test]
    fn days_are_those_of_the_job_s_zone_and_gaps_are_told() {
        let spec = JobSpec { windows: json!({"zone": "Europe/Zurich", "start": "2024-02-12"}), ..JobSpec::default() };
        let job = Job {
            name: "j".into(),
            kind: Kind::CopyTable,
            machine: "arn".into(),
            definition: of_kind(Kind::CopyTable).into(),
            spec: spec.into(),
            schedule: None,
            runs: None,
            is_cut: false,
            missing: std::collections::BTreeSet::new(),
            files: None,
            windows: None,
        };
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
        assert_eq!(found.days[&date(2024, 2, 12)].0, Day::Verified);
        assert_eq!(found.days[&date(2024, 2, 17)].0, Day::Copied, "two halves");
        assert_eq!(gaps(&found.missing), "2024-02-14 to 2024-02-16");
    }
}
