//! Dates and times, in the ways people write them.

use super::typed::{Typed, example, fits, probe, quoted};
use pivot::general::probe::Probe;
use serde_json::{Value, json};
use sluice::spec::ColumnType;
use std::sync::OnceLock;

/// Dates as they are written, the usual ones first.
const DATES: [&str; 21] = [
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y-%m-%d",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%d. %B %Y",
    "%B %d, %Y",
    "%Y%m%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%b-%y",
    "%d %b %y",
    "%d-%m-%y",
];

/// What stands between a date and a time.
const BETWEEN: [&str; 3] = [" ", ", ", "T"];

/// Times as they are written.
const TIMES: [&str; 6] = ["%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p"];

/// Offsets as they are written.
const OFFSETS: [&str; 3] = ["", "%z", " %z"];

/// Years of which digits alone are taken for a date.
const YEARS: std::ops::RangeInclusive<i64> = 1990..=2060;

/// Seconds of the year 2001 and of 2060: numbers between them may count from 1970.
const SECONDS: std::ops::RangeInclusive<i64> = 978_307_200..=2_840_140_800;

/// A way to read a column.
struct Pattern {
    fields: Value,
    format: String,
    kind: ColumnType,
    probe: Probe,
}

/// All ways.
pub(super) struct Moments {
    iso: Vec<(ColumnType, Value)>,
    patterns: OnceLock<Vec<Pattern>>,
}

impl Moments {
    pub(super) fn new() -> Self {
        let iso = [
            (ColumnType::Timestamp, json!({"type": "timestamp"})),
            (ColumnType::Timestamptz, json!({"type": "timestamptz"})),
            (ColumnType::Timestamptz, json!({"type": "timestamptz", "zone": "UTC"})),
        ];
        Self { iso: iso.into(), patterns: OnceLock::new() }
    }

    fn patterns(&self) -> &[Pattern] {
        self.patterns.get_or_init(|| {
            let dates = DATES.iter().map(|date| (ColumnType::Date, (*date).to_owned()));
            let times = DATES.iter().flat_map(|date| {
                BETWEEN.iter().flat_map(move |between| TIMES.iter().map(move |time| format!("{date}{between}{time}")))
            });
            let times = times.flat_map(|time| {
                OFFSETS.iter().map(move |offset| {
                    let kind = if offset.is_empty() { ColumnType::Timestamp } else { ColumnType::Timestamptz };
                    (kind, format!("{time}{offset}"))
                })
            });
            dates
                .chain(times)
                .filter_map(|(kind, format)| {
                    let fields = json!({"type": kind.as_str(), "format": format});
                    Some(Pattern { probe: probe(&fields)?, fields, format, kind })
                })
                .collect()
        })
    }

    /// A column of digits that count from 1970, or are a date of eight of them.
    pub(super) fn of_digits(&self, title: &str, cells: &[&str]) -> Option<Typed> {
        let numbers = cells.iter().map(|cell| cell.trim().parse::<i64>().ok()).collect::<Option<Vec<_>>>()?;
        let is_date = cells.iter().all(|cell| cell.trim().len() == 8)
            && numbers.iter().all(|number| YEARS.contains(&(number / 10_000)));
        let as_date = json!({"type": "date", "format": "%Y%m%d"});
        if is_date && fits(&as_date, cells) {
            let mut typed = Typed::new(ColumnType::Date, as_date);
            typed.unsure.push(format!(
                "{} is read as a date. Write \"type\": \"integer\" and no \"format\" if it is a number",
                quoted(&[example(cells)])
            ));
            return Some(typed);
        }
        let title = title.to_lowercase();
        let words: Vec<&str> = title.split(|character: char| !character.is_alphanumeric()).collect();
        let is_named = words.iter().any(|word| {
            ["ts", "at", "time", "timestamp", "date", "datetime", "epoch", "created", "updated", "modified"]
                .contains(word)
        });
        let units = [("epoch_s", 1), ("epoch_ms", 1_000), ("epoch_us", 1_000_000), ("epoch_ns", 1_000_000_000)];
        let (format, _) =
            units.into_iter().find(|(_, by)| numbers.iter().all(|number| SECONDS.contains(&(number / by))))?;
        if !is_named {
            return None;
        }
        let mut typed = Typed::new(ColumnType::Timestamptz, json!({"format": format}));
        typed.unsure.push(format!("{} is read as a time that counts from 1970 ({format}). Write \"type\": \"integer\" and no \"format\" if it is a number", quoted(&[example(cells)])));
        Some(typed)
    }

    /// A column of dates or times; `None` if these are none.
    pub(super) fn moment(&self, _title: &str, cells: &[&str]) -> Option<Typed> {
        let is_day = cells.iter().all(|cell| cell.trim().len() == 10);
        if is_day && fits(&json!({"type": "date"}), cells) {
            return Some(Typed::new(ColumnType::Date, json!({})));
        }
        if let Some((kind, fields)) = self.iso.iter().find(|(_, fields)| fits(fields, cells)) {
            let mut typed = Typed::new(*kind, fields.clone());
            if fields["zone"] == "UTC" {
                typed.unsure.push("some times have an offset and others have none; those are taken for UTC. Write another \"zone\", such as \"Europe/Berlin\"".to_owned());
            }
            return Some(typed);
        }
        let found: Vec<&Pattern> =
            self.patterns().iter().filter(|pattern| cells.iter().all(|cell| pattern.probe.takes(cell))).collect();
        let first_found = found.first()?;
        // Of a year in two digits, one in four would be a pattern too.
        let other =
            found.iter().find(|other| other.kind == first_found.kind && is_swapped(&first_found.format, &other.format));
        let (chosen, other) = match other {
            // Who writes AM and PM puts the month first.
            Some(other) if first_found.format.contains("%p") => (other, Some(first_found)),
            other => (first_found, other),
        };
        let mut typed = Typed::new(chosen.kind, chosen.fields.clone());
        if let Some(other) = other {
            let count = cells.len();
            typed.unsure.push(format!(
                "{} may be day/month or month/day; {} fit both; read as {}. Write {:?} if the {} comes first",
                example(cells),
                if count == 1 { "the only value".to_owned() } else { format!("all {count} values") },
                chosen.format,
                other.format,
                if other.format.starts_with("%m") { "month" } else { "day" },
            ));
        }
        Some(typed)
    }
}

/// Whether the one has day and month where the other has month and day.
fn is_swapped(one: &str, other: &str) -> bool {
    one != other && one.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m") == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_found_out() {
        let moments = Moments::new();
        for (cells, fields) in [
            (vec!["2024-03-01"], json!({"type": "date"})),
            (vec!["2024-03-01 10:00", "2024-03-01T10:00:00.5"], json!({"type": "timestamp"})),
            (vec!["2024-03-01T10:00Z", "2024-03-01 10:00+02:00"], json!({"type": "timestamptz"})),
            (vec!["2024-03-01T10:00Z", "2024-03-01 10:00"], json!({"type": "timestamptz", "zone": "UTC"})),
            (vec!["01.03.2024", "1.3.2024"], json!({"type": "date", "format": "%d.%m.%Y"})),
            (vec!["17/04/2024"], json!({"type": "date", "format": "%d/%m/%Y"})),
            (vec!["04/17/2024"], json!({"type": "date", "format": "%m/%d/%Y"})),
            (vec!["31-Mar-24", "1-Feb-24"], json!({"type": "date", "format": "%d-%b-%y"})),
            (vec!["March 3, 2024"], json!({"type": "date", "format": "%B %d, %Y"})),
            (vec!["1/2/2024 8:00 AM"], json!({"type": "timestamp", "format": "%m/%d/%Y %I:%M %p"})),
            (vec!["13.02.24 09:15:00"], json!({"type": "timestamp", "format": "%d.%m.%y %H:%M:%S"})),
            (vec!["01.03.2024 10:00:00 +0100"], json!({"type": "timestamptz", "format": "%d.%m.%Y %H:%M:%S %z"})),
        ] {
            assert_eq!(moments.moment("x", &cells).map(|typed| typed.fields), Some(fields), "{cells:?}");
        }
        assert_eq!(moments.moment("x", &["2024-03-01", "soon"]), None);
        assert_eq!(moments.moment("x", &["30/02/2024"]), None);
    }

    #[test]
    fn a_day_that_may_be_a_month_is_said() {
        let moments = Moments::new();
        let told = |cells: &[&str]| moments.moment("x", cells).unwrap().unsure.join("\n");
        assert_eq!(
            told(&["01/02/2024", "03/04/2024"]),
            "01/02/2024 may be day/month or month/day; all 2 values fit both; read as %d/%m/%Y. Write \"%m/%d/%Y\" if the month \
             comes first"
        );
        assert!(told(&["1/2/2024 8:00 AM"]).ends_with("Write \"%d/%m/%Y %I:%M %p\" if the day comes first"));
        assert_eq!(told(&["01/02/2024", "13/02/2024"]), "");
        assert_eq!(told(&["01.02.2024"]), "");
    }

    #[test]
    fn digits_alone_may_be_times() {
        let moments = Moments::new();
        for (title, cell, fields) in [
            ("ts", "1709280000000", Some(json!({"type": "timestamptz", "format": "epoch_ms"}))),
            ("created_at", "1709280000", Some(json!({"type": "timestamptz", "format": "epoch_s"}))),
            ("amount", "1709280000", None),
            ("x", "20240301", Some(json!({"type": "date", "format": "%Y%m%d"}))),
            ("x", "20241301", None),
            ("x", "12345678", None),
        ] {
            assert_eq!(moments.of_digits(title, &[cell]).map(|typed| typed.fields), fields, "{title} {cell}");
        }
    }
}
