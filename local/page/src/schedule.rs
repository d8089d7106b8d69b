//! When a job runs by the clock, in words: EventBridge Scheduler's expressions, as far as people write them.

use crate::zone;
use jiff::civil::Weekday;
use jiff::{Timestamp, ToSpan, Zoned, tz::TimeZone};

/// A job's schedule.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// The clock starts no run.
    None,
    /// There is one, and it is switched off.
    Off(String),
    /// It is this expression in this zone.
    On {
        /// `cron(...)`, `rate(...)` or `at(...)`.
        expression: String,
        /// Its zone.
        zone: String,
    },
}

impl Schedule {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::None => "by hand".to_owned(),
            Self::Off(expression) => format!("switched off; else {}", words(expression, "UTC")),
            Self::On { expression, zone } => words(expression, zone),
        }
    }

    /// When it starts a run next, in milliseconds since 1970, if that can be said.
    pub fn next(&self, now: i64) -> Option<i64> {
        let Self::On { expression, zone } = self else { return None };
        Cron::read(expression)?.next(now, zone)
    }
}

fn words(expression: &str, zone: &str) -> String {
    match Cron::read(expression) {
        Some(cron) => format!("{} {zone}", cron.words()),
        None => match expression.strip_prefix("rate(").and_then(|text| text.strip_suffix(')')) {
            Some(rate) => format!("every {}", rate.strip_prefix("1 ").unwrap_or(rate)),
            None => format!("{expression} {zone}"),
        },
    }
}

/// A cron expression of one time a day, on all days, some days of the week, or one of the month; or one minute of each
/// hour.
struct Cron {
    minute: i8,
    hour: Option<i8>,
    days: Days,
}

enum Days {
    All,
    OfMonth(i8),
    OfWeek(Weekday),
    Workdays,
}

impl Cron {
    fn read(expression: &str) -> Option<Self> {
        let fields: Vec<&str> = expression.strip_prefix("cron(")?.strip_suffix(')')?.split_whitespace().collect();
        let [minute, hour, day, "*", weekday, ..] = fields[..] else { return None };
        if fields.get(5).is_some_and(|year| *year != "*") {
            return None;
        }
        let any = |field: &str| matches!(field, "*" | "?");
        let days = match (day, weekday) {
            (day, weekday) if any(day) && any(weekday) => Days::All,
            (day, weekday) if any(weekday) => Days::OfMonth(day.parse().ok()?),
            (day, "MON-FRI" | "2-6") if any(day) => Days::Workdays,
            (day, weekday) if any(day) => Days::OfWeek(weekday_of(weekday)?),
            _ => return None,
        };
        let hour = if any(hour) { None } else { Some(hour.parse().ok().filter(|hour| (0..24).contains(hour))?) };
        Some(Self { minute: minute.parse().ok().filter(|minute| (0..60).contains(minute))?, hour, days })
    }

    fn words(&self) -> String {
        let Some(hour) = self.hour else { return format!("each hour at minute {:02}", self.minute) };
        let days = match self.days {
            Days::All => "each day".to_owned(),
            Days::OfMonth(day) => format!("on the {} of a month", ordinal(day)),
            Days::OfWeek(day) => format!("each {day:?}"),
            Days::Workdays => "on workdays".to_owned(),
        };
        format!("{days} at {hour:02}:{:02}", self.minute)
    }

    fn next(&self, now: i64, zone: &str) -> Option<i64> {
        let zone = TimeZone::get(zone).ok()?;
        let now = Timestamp::from_millisecond(now).ok()?.to_zoned(zone);
        let mut day = now.clone();
        if self.hour.is_none() {
            let this = now.with().minute(self.minute).second(0).subsec_nanosecond(0).build().ok()?;
            let next = if this > now { this } else { this.checked_add(1.hour()).ok()? };
            return Some(next.timestamp().as_millisecond());
        }
        for _ in 0..400 {
            let at = day.with().hour(self.hour?).minute(self.minute).second(0).subsec_nanosecond(0).build().ok()?;
            if at > now && self.is_on(&at) {
                return Some(at.timestamp().as_millisecond());
            }
            day = day.checked_add(1.day()).ok()?;
        }
        None
    }

    fn is_on(&self, at: &Zoned) -> bool {
        match self.days {
            Days::All => true,
            Days::OfMonth(day) => at.day() == day,
            Days::OfWeek(day) => at.weekday() == day,
            Days::Workdays => !matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday),
        }
    }
}

fn weekday_of(text: &str) -> Option<Weekday> {
    const DAYS: [(&str, &str, Weekday); 7] = [
        ("SUN", "1", Weekday::Sunday),
        ("MON", "2", Weekday::Monday),
        ("TUE", "3", Weekday::Tuesday),
        ("WED", "4", Weekday::Wednesday),
        ("THU", "5", Weekday::Thursday),
        ("FRI", "6", Weekday::Friday),
        ("SAT", "7", Weekday::Saturday),
    ];
    DAYS.iter().find(|(name, number, _)| text.eq_ignore_ascii_case(name) || text == *number).map(|(_, _, day)| *day)
}

fn ordinal(day: i8) -> String {
    let end = match (day % 10, day % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{day}{end}")
}

/// What a zone's name is, if there is one: as [`zone::known`].
pub fn zone_of(name: Option<&str>) -> String {
    name.filter(|name| zone::known(name)).unwrap_or("UTC").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(expression: &str, zone: &str) -> Schedule {
        Schedule::On { expression: expression.to_owned(), zone: zone.to_owned() }
    }

    #[test]
    fn expressions_are_told_in_words() {
        for (expression, words) in [
            ("cron(0 6 1 * ? *)", "on the 1st of a month at 06:00 UTC"),
            ("cron(15 1 * * ? *)", "each day at 01:15 UTC"),
            ("cron(0 3 ? * SUN *)", "each Sunday at 03:00 UTC"),
            ("cron(30 5 ? * MON-FRI *)", "on workdays at 05:30 UTC"),
            ("cron(5 * * * ? *)", "each hour at minute 05 UTC"),
            ("rate(1 hour)", "every hour"),
            ("rate(15 minutes)", "every 15 minutes"),
            ("cron(0/5 6-9 L * ? 2027)", "cron(0/5 6-9 L * ? 2027) UTC"),
        ] {
            assert_eq!(on(expression, "UTC").words(), words);
        }
    }

    #[test]
    fn the_next_start_is_that_of_the_zone() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let now = at("2026-11-26T02:46:10Z");
        for (expression, zone, next) in [
            ("cron(0 6 1 * ? *)", "UTC", Some("2026-12-01T06:00:00Z")),
            ("cron(15 1 * * ? *)", "Europe/Zurich", Some("2026-11-27T00:15:00Z")),
            ("cron(0 3 ? * SUN *)", "UTC", Some("2026-11-29T03:00:00Z")),
            ("cron(5 * * * ? *)", "UTC", Some("2026-11-26T03:05:00Z")),
            ("rate(1 hour)", "UTC", None),
        ] {
            assert_eq!(on(expression, zone).next(now), next.map(at), "{expression}");
        }
        assert_eq!(Schedule::Off("cron(0 6 1 * ? *)".into()).next(now), None);
    }
}
