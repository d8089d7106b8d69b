//! Times, in the one zone in which all views of a reader are.

use crate::words;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The zone of a view, and the time at which it is written.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The zone's name.
    pub name: String,
    zone: TimeZone,
    /// Now, in milliseconds since 1970.
    pub now: i64,
}

impl Clock {
    /// The zone of this name, or UTC if there is none.
    pub fn new(name: Option<&str>, now: i64) -> Self {
        let found = name.filter(|name| known(name)).and_then(|name| Some((name, TimeZone::get(name).ok()?)));
        match found {
            Some((name, zone)) => Self { name: name.to_owned(), zone, now },
            None => Self { name: "UTC".to_owned(), zone: TimeZone::UTC, now },
        }
    }

    fn at(&self, milliseconds: i64) -> Zoned {
        Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone())
    }

    /// `02:45:58`.
    pub fn time(&self, milliseconds: i64) -> String {
        self.at(milliseconds).strftime("%H:%M:%S").to_string()
    }

    /// `02:45:58.331`.
    pub fn exact_time(&self, milliseconds: i64) -> String {
        format!("{}.{:03}", self.time(milliseconds), milliseconds.rem_euclid(1_000))
    }

    /// `2026-11-26 02:45:58`.
    pub fn full(&self, milliseconds: i64) -> String {
        self.at(milliseconds).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `26 November, 02:45:58`, and the year if it is another one.
    pub fn spoken(&self, milliseconds: i64) -> String {
        let at = self.at(milliseconds);
        let form = if at.year() == self.at(self.now).year() { "%-d %B, %H:%M:%S" } else { "%-d %B %Y, %H:%M:%S" };
        at.strftime(form).to_string()
    }

    /// `26 Nov`.
    pub fn short_day(&self, milliseconds: i64) -> String {
        self.at(milliseconds).strftime("%-d %b").to_string()
    }

    /// `November`.
    pub fn month(&self, milliseconds: i64) -> String {
        self.at(milliseconds).strftime("%B").to_string()
    }

    /// The time alone of today, else with the day.
    pub fn near(&self, milliseconds: i64) -> String {
        let (at, now) = (self.at(milliseconds), self.at(self.now));
        if at.date() == now.date() { self.time(milliseconds) } else { at.strftime("%-d %b %Y, %H:%M").to_string() }
    }

    /// `2 min ago`; `None` of what is a day ago or longer.
    pub fn ago(&self, milliseconds: i64) -> Option<String> {
        let passed = self.now - milliseconds;
        (passed < 86_400_000).then(|| format!("{} ago", words::about(passed)))
    }

    /// For the attribute `datetime`.
    pub fn machine(milliseconds: i64) -> String {
        Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
    }
}

/// Whether a zone of this name is there.
pub fn known(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
    name.len() < 60 && name.bytes().all(is_plain) && TimeZone::get(name).is_ok()
}

/// Now, in milliseconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_zone() {
        let at = 1_795_661_158_331;
        let clock = Clock::new(Some("Europe/Zurich"), at + 72_000);
        assert_eq!((clock.time(at), clock.name.as_str()), ("03:45:58".to_owned(), "Europe/Zurich"));
        assert_eq!(clock.exact_time(at), "03:45:58.331");
        assert_eq!(clock.spoken(at), "26 November, 03:45:58");
        assert_eq!(clock.ago(at).as_deref(), Some("1 min ago"));
        assert_eq!(clock.ago(at + 72_000 - 86_400_000), None);
        assert_eq!(Clock::machine(at), "2026-11-26T02:45:58.331Z");
    }

    #[test]
    fn an_unknown_zone_is_utc() {
        for name in ["Nowhere/City", "../../etc/passwd", "<script>", ""] {
            assert_eq!(Clock::new(Some(name), 0).name, "UTC", "{name}");
        }
    }
}
