//! What failed, for a person: what the cause says where, in a table, and what is to be done about it.

use crate::facts::Facts;
use crate::kind::Kind;
use crate::loading::Loading;
use crate::outcome::Outcome;
use crate::words;
use sluice::error::advice::{Advice, advice};

/// A failed run, told.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What happened, in a sentence.
    pub headline: String,
    /// The name of the error.
    pub error: String,
    /// Where, if the cause says that.
    pub places: Vec<Place>,
    /// How many more places there are.
    pub more: u64,
    /// The cause as it came, where no places could be read.
    pub cause: Option<String>,
    /// What is to be done.
    pub to_do: Vec<String>,
    /// Whether the bad rows are in quarantine.
    pub has_quarantine: bool,
}

/// A place that a cause names.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The key of the file, the window or the table.
    pub what: String,
    /// The line or row, as the cause calls it.
    pub line: String,
    /// The number of the column, and its name.
    pub column: Option<(String, String)>,
    /// Why.
    pub reason: String,
}

/// Tells of a run that did not end well; `None` of one that did.
pub fn failure(kind: Kind, outcome: Outcome, facts: &Facts, loading: Loading) -> Option<Failure> {
    if !outcome.is_bad() {
        return None;
    }
    let error = facts.error.clone().unwrap_or_else(|| {
        if outcome == Outcome::TimedOut { "States.Timeout".to_owned() } else { "Failed".to_owned() }
    });
    let cause = facts.cause.clone().unwrap_or_default();
    let (places, more, counted) = places(&cause);
    let rows = advice(kind.name(), &error);
    let nothing = if loading == Loading::NotReached { ", so nothing was loaded" } else { "" };
    let headline = match (&*error, counted) {
        (_, Some(Counted { rows: Some(rows), files, .. })) => {
            let files = if files == 1 { "one file".to_owned() } else { words::count(files, "file") };
            format!("{} of {files} cannot be read{nothing}", words::count(rows, "row"))
        }
        (_, Some(Counted { windows: Some((missing, all)), .. })) => {
            format!("{} of {} were not {}", missing, words::count(all, "window"), done(kind))
        }
        _ if outcome == Outcome::TimedOut => "The run took too long, and was ended".to_owned(),
        _ => headline(&error, rows.first().copied(), nothing),
    };
    let mut to_do: Vec<String> = rows.iter().flat_map(|row| steps(row)).collect();
    if !to_do.is_empty() && error != "InvariantBroken" && loading != Loading::Done {
        to_do.push(AFTERWARDS.to_owned());
    }
    let has_quarantine = cause.contains(" in quarantine/");
    let cause = places.is_empty().then_some(cause).filter(|cause| !cause.is_empty());
    Some(Failure { headline, error, places, more, cause, to_do, has_quarantine })
}

/// What holds after any error.
const AFTERWARDS: &str = "Nothing else: the next run takes up what was not loaded. Nothing has to be cleaned up, nothing \
                          is loaded twice.";

fn done(kind: Kind) -> &'static str {
    if kind == Kind::CopyTable { "copied" } else { "loaded" }
}

/// A sentence for an error that names no places; `nothing` says that nothing was loaded, if that is certain.
fn headline(error: &str, row: Option<&Advice>, nothing: &str) -> String {
    match error {
        "InvalidSource" => format!("The source is not as the spec says{nothing}"),
        "InvalidEvent" => "The input of the run is not understood".to_owned(),
        "Misconfigured" => format!("Something is not set up as it has to be{nothing}"),
        "LockHeld" => "Something else is at work for too long".to_owned(),
        "StaleRun" => "A newer run is already loaded, so this one changed nothing".to_owned(),
        "TransientFailure" => "Something that should pass by itself did not".to_owned(),
        "InvariantBroken" => "A bug of ours".to_owned(),
        _ => match row {
            Some(row) => words::sentence(row.means).trim_end_matches('.').to_owned(),
            None => "A service's error ended the run".to_owned(),
        },
    }
}

/// What an advice says to do, a step each.
fn steps(row: &Advice) -> Vec<String> {
    let condition = row.condition();
    let condition = if condition.is_empty() { String::new() } else { format!("If it {}: ", condition.trim()) };
    let texts = row.to_do.split("; ").map(words::sentence);
    texts.enumerate().map(|(place, text)| if place == 0 { format!("{condition}{text}") } else { text }).collect()
}

/// What a cause counts.
struct Counted {
    /// Bad rows.
    rows: Option<u64>,
    /// The files that they are of, as far as these are named.
    files: u64,
    /// Windows that are missing, and all of them.
    windows: Option<(u64, u64)>,
}

/// The places that a cause names, how many more there are, and what it counts. The forms are those of `pivot`'s
/// rejects, and of the runs of windows.
fn places(cause: &str) -> (Vec<Place>, u64, Option<Counted>) {
    if let Some((count, rest)) = bad_rows(cause) {
        let rest = rest.rsplit_once(" (all of them in ").map_or(rest, |(rest, _)| rest);
        let (mut places, mut more) = (Vec::new(), 0);
        for part in rest.split("; ") {
            if let Some(number) = part.strip_prefix("and ").and_then(|part| part.strip_suffix(" more")) {
                more = number.parse().unwrap_or_default();
                continue;
            }
            match place(part) {
                Some(place) => places.push(place),
                // A reason may hold what parts these.
                None => match places.last_mut() {
                    Some(last) => last.reason = format!("{}; {part}", last.reason),
                    None => return (Vec::new(), 0, None),
                },
            }
        }
        let mut files: Vec<&str> = places.iter().map(|place| place.what.as_str()).collect();
        files.dedup();
        let files = files.len() as u64;
        return (places, more, Some(Counted { rows: Some(count), files, windows: None }));
    }
    if let Some((missing, all)) = missing_windows(cause) {
        let first = cause.split_once("the first one: ").map(|(_, first)| first).unwrap_or_default();
        let place = first.split_once(": ").filter(|(window, _)| window.len() < 80).map(|(window, reason)| Place {
            what: window.to_owned(),
            line: String::new(),
            column: None,
            reason: reason.to_owned(),
        });
        let counted = Counted { rows: None, files: 0, windows: Some((missing, all)) };
        return (place.into_iter().collect(), 0, Some(counted));
    }
    (place(cause).into_iter().collect(), 0, None)
}

/// `2 bad rows: ...`.
fn bad_rows(cause: &str) -> Option<(u64, &str)> {
    let (count, rest) = cause.split_once(" bad row")?;
    let (_, rest) = rest.split_once(": ")?;
    Some((count.parse().ok()?, rest))
}

/// How many bad rows a cause counts, if that is what it is about.
pub fn bad_row_count(cause: &str) -> Option<u64> {
    bad_rows(cause).map(|(count, _)| count)
}

/// `2 of 31 windows of public.users are missing; ...`.
fn missing_windows(cause: &str) -> Option<(u64, u64)> {
    let (missing, rest) = cause.split_once(" of ")?;
    let (all, rest) = rest.split_once(" window")?;
    rest.contains("missing").then_some(())?;
    Some((missing.parse().ok()?, all.parse().ok()?))
}

/// Most digits that a number of a line or a column has: what has more is none.
const MOST_DIGITS: usize = 18;

/// How many digits a text begins with; `None` if those are no number of a line or a column.
fn digits(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits <= MOST_DIGITS).then_some(digits)
}

/// `KEY, line N, column C (NAME): REASON`; a key may hold anything, so it is what stands before the last `, line `.
fn place(text: &str) -> Option<Place> {
    let (at, word) = [", line ", ", row "].iter().filter_map(|word| Some((text.find(word)?, *word))).min()?;
    let (what, rest) = (&text[..at], &text[at + word.len()..]);
    let number = digits(rest).filter(|digits| *digits > 0 && !what.is_empty())?;
    let (line, mut rest) = rest.split_at(number);
    let mut line = line.to_owned();
    if let Some(behind) = rest.strip_prefix(", record ") {
        let number = digits(behind)?;
        line = format!("{line}, record {}", &behind[..number]);
        rest = &behind[number..];
    }
    let (column, reason) = match rest.strip_prefix(", column ") {
        None => (None, rest.strip_prefix(": ")?),
        Some(rest) => column(rest)?,
    };
    Some(Place { what: what.to_owned(), line, column, reason: reason.to_owned() })
}

/// `2 (Duration (in minutes)): not a number`, `2: ...` or `name: ...`.
fn column(text: &str) -> Option<(Option<(String, String)>, &str)> {
    let (number, rest) = text.split_at(digits(text)?);
    if let Some(named) = rest.strip_prefix(" (").filter(|_| !number.is_empty()) {
        let (name, reason) = named.split_once("): ")?;
        return Some((Some((number.to_owned(), name.to_owned())), reason));
    }
    if let Some(reason) = rest.strip_prefix(": ").filter(|_| !number.is_empty()) {
        return Some((Some((number.to_owned(), String::new())), reason));
    }
    let (name, reason) = text.split_once(": ")?;
    Some((Some((String::new(), name.to_owned())), reason))
}

/// A cause in a line: for the row of a job.
pub fn short(kind: Kind, outcome: Outcome, facts: &Facts) -> Option<String> {
    let failure = failure(kind, outcome, facts, Loading::Unknown)?;
    let error = words::visible(&failure.error, 120);
    let Some(first) = failure.places.first() else {
        let cause = failure.cause.unwrap_or(failure.headline);
        return Some(format!("{}: {}", error, words::visible(&cause, 160)));
    };
    if first.line.is_empty() {
        return Some(format!("{error}: {}: {}", words::visible(&first.what, 80), words::visible(&first.reason, 100)));
    }
    let of_first = failure.places.iter().filter(|place| place.what == first.what);
    let lines: Vec<String> = of_first.map(|place| place.line.clone()).collect();
    let word = if lines.len() == 1 { "line" } else { "lines" };
    let file = first.what.rsplit('/').next().unwrap_or_default();
    // What counts bad rows comes before anything is loaded.
    let is_before =
        kind == Kind::TransformAndUpsert && facts.cause.as_deref().is_some_and(|cause| bad_rows(cause).is_some());
    let nothing = if is_before { "; nothing was loaded" } else { "" };
    Some(format!(
        "{}: {}, {word} {} cannot be read{nothing}.",
        error,
        words::visible(file, 80),
        words::visible(&words::list(&lines), 160)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Texts;
    use crate::outcome::Status;

    fn told(kind: Kind, error: &str, cause: &str) -> Failure {
        told_of(kind, error, cause, Loading::NotReached)
    }

    fn told_of(kind: Kind, error: &str, cause: &str, loading: Loading) -> Failure {
        let texts = Texts { error: Some(error), cause: Some(cause), ..Texts::default() };
        failure(kind, Outcome::Failed, &Facts::read(kind, Status::Failed, texts), loading).unwrap()
    }

    #[test]
    fn that_nothing_was_loaded_is_said_only_if_it_is_certain() {
        let bad = "1 bad row: in/a.csv, line 42: not a number";
        for (error, cause) in [("InvalidSource", bad), ("InvalidSource", "x"), ("Misconfigured", "x")] {
            for loading in [Loading::Unknown, Loading::Reached, Loading::Done, Loading::NotReached] {
                let failure = told_of(Kind::AthenaElt, error, cause, loading);
                let is_said = failure.headline.ends_with(", so nothing was loaded");
                assert_eq!(is_said, loading == Loading::NotReached, "{}", failure.headline);
                let is_taken_up = failure.to_do.last().is_some_and(|step| step == AFTERWARDS);
                assert_eq!(is_taken_up, loading != Loading::Done && !failure.to_do.is_empty());
            }
        }
        let texts = Texts { error: Some("InvalidSource"), cause: Some(bad), ..Texts::default() };
        let facts = Facts::read(Kind::AthenaElt, Status::Failed, texts);
        assert!(!short(Kind::AthenaElt, Outcome::Failed, &facts).unwrap().contains("nothing was loaded"));
    }

    #[test]
    fn bad_rows_become_a_table() {
        let cause = "3 bad rows: input_data/a, b.csv, line 42, column 2 (Duration (in minutes)): not a number; \
                     input_data/a, b.csv, line 97, column 3: no date of the calendar; as YYYY-MM-DD; and 1 more (all of them in \
                     quarantine/pomodoro/x/batch-00000.csv)";
        let failure = told(Kind::TransformAndUpsert, "InvalidSource", cause);
        assert_eq!(failure.headline, "3 rows of one file cannot be read, so nothing was loaded");
        let [first, second] = &failure.places[..] else { panic!("{failure:?}") };
        assert_eq!((first.what.as_str(), first.line.as_str()), ("input_data/a, b.csv", "42"));
        assert_eq!(first.column, Some(("2".into(), "Duration (in minutes)".into())));
        assert_eq!(second.reason, "no date of the calendar; as YYYY-MM-DD");
        assert_eq!((failure.more, failure.has_quarantine, failure.cause), (1, true, None));
        assert!(failure.to_do[0].starts_with("Correct the file and upload it again"), "{:?}", failure.to_do);
        assert!(failure.to_do.last().unwrap().contains("nothing is loaded twice"));
    }

    #[test]
    fn a_quoted_value_of_an_older_function_is_not_shown() {
        for value in ["twelve", "twelve; or so", r#"twelve\": x"#, r#"in/b.csv, line 3: \"twelve\": x"#] {
            let cause = format!(
                "1 bad row: in/a.csv, line 2, column 1 (n): \"{value}\": not a number (all of them in quarantine/x)"
            );
            let failure = told(Kind::TransformAndUpsert, "InvalidSource", &cause);
            assert_eq!((failure.places.len(), failure.places[0].reason.as_str()), (1, "not a number"), "{value}");
            assert!(!format!("{failure:?}").contains("twelve"));
        }
    }

    #[test]
    fn what_has_too_many_digits_is_no_number() {
        let many = "4".repeat(100_000);
        for cause in [
            format!("1 bad row: in/a.csv, line {many}: x"),
            format!("1 bad row: in/a.csv, line 4, record {many}: x"),
            format!("1 bad row: in/a.csv, line 4, column {many} (n): x"),
        ] {
            let failure = told(Kind::TransformAndUpsert, "InvalidSource", &cause);
            assert_eq!((failure.places.len(), failure.cause.map(|told| told.len())), (0, Some(cause.len())));
        }
    }

    #[test]
    fn windows_that_are_missing_are_counted() {
        let cause = "2 of 31 windows of public.users are missing; the first one: \
                     2024-01-03T00:00:00Z/2024-01-04T00:00:00Z: InvalidSource: 3 rows differ";
        let failure = told(Kind::CopyTable, "InvalidSource", cause);
        assert_eq!(failure.headline, "2 of 31 windows were not copied");
        assert_eq!(failure.places[0].what, "2024-01-03T00:00:00Z/2024-01-04T00:00:00Z");
        assert!(failure.to_do[0].starts_with("Correct the rows"), "{:?}", failure.to_do);
    }

    #[test]
    fn a_cause_that_does_not_parse_is_shown_whole() {
        let failure = told(Kind::TransformAndUpsert, "Misconfigured", "the role lacks INSERT on public.t");
        assert_eq!(failure.cause.as_deref(), Some("the role lacks INSERT on public.t"));
        let failure = told(Kind::CopyTable, "Custom.Error", "<b>x</b>");
        assert_eq!((failure.headline.as_str(), failure.to_do.len()), ("A service's error ended the run", 0));
        assert_eq!(failure.cause.as_deref(), Some("<b>x</b>"));
    }

    #[test]
    fn the_row_of_a_job_names_file_and_lines() {
        let cause = "2 bad rows: in/s.csv, line 42, column 2 (n): not a number; in/s.csv, line 97, column 3 (d): no date \
                     (all of them in quarantine/x)";
        let texts = Texts { error: Some("InvalidSource"), cause: Some(cause), ..Texts::default() };
        let facts = Facts::read(Kind::TransformAndUpsert, Status::Failed, texts);
        assert_eq!(
            short(Kind::TransformAndUpsert, Outcome::Failed, &facts).unwrap(),
            "InvalidSource: s.csv, lines 42 and 97 cannot be read; nothing was loaded."
        );
    }
}
