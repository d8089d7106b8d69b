//! Time zones: what a clock shows at a point in time, by the database that is part of this program.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

/// A time zone of the IANA database.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of this name, letter for letter; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(Self(zone))
    }

    /// How far its clocks are ahead of UTC, in seconds, so many seconds after 1970-01-01 in UTC.
    pub(super) fn offset(&self, seconds: i64) -> i64 {
        // The library's time ends a day before the calendar's last one, on which no zone changes its clocks.
        let seconds = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let time = Timestamp::from_second(seconds).expect("it is within the limits");
        i64::from(self.0.to_offset(time).seconds())
    }

    /// When its clocks show so many seconds after 1970-01-01.
    pub(super) fn of_wall(&self, seconds: i64) -> Times {
        let wall = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(SignedDuration::from_secs(seconds));
        // Beyond the library's years, which are those of the calendar, no clock is changed.
        let Ok(wall) = wall else { return Times::Once(self.offset(seconds)) };
        let seconds = |offset: Offset| i64::from(offset.seconds());
        match self.0.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => Times::Once(seconds(offset)),
            AmbiguousOffset::Gap { before, .. } => Times::Never { before: seconds(before) },
            AmbiguousOffset::Fold { before, after } => Times::Twice { earlier: seconds(before), later: seconds(after) },
        }
    }
}

/// When clocks show something; offsets are how far they are ahead of UTC, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// Once, with this offset.
    Once(i64),
    /// Never, since they were put forward; before that they had this offset.
    Never {
        /// The offset.
        before: i64,
    },
    /// Twice, since they were put back.
    Twice {
        /// The offset at the first time.
        earlier: i64,
        /// At the second.
        later: i64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_by_their_names_alone() {
        for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
            assert!(Zone::named(name).is_some(), "{name}");
        }
        for name in ["", "Mars", "europe/berlin", "Europe/Berlin ", "CEST", "+02:00", "Etc/Unknown"] {
            assert!(Zone::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn clocks_are_changed_in_spring_and_autumn_of_any_year() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        // The last Sunday of March 2024 at one o'clock, and a summer and a winter in 2150.
        for (seconds, offset) in
            [(1_711_846_799, 3_600), (1_711_846_800, 7_200), (5_695_704_000, 7_200), (5_680_000_000, 3_600)]
        {
            assert_eq!(berlin.offset(seconds), offset, "{seconds}");
        }
        for far in [i64::MIN, i64::MAX] {
            assert!(berlin.offset(far).abs() <= 3_600);
        }
    }
}
