//! What may stand behind a date: a time of day, as ISO 8601 has it with a colon, and nothing else.

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// Since midnight, a fraction left out.
    pub(super) seconds: i64,
    /// How far its clock is ahead of UTC, in seconds, if that is said: then it is of a point in time.
    pub(super) offset: Option<i64>,
}

/// Digits of a fraction of a second that may be there: nanoseconds.
const MAX_FRACTION: usize = 9;

/// How far clocks are ahead of UTC, in seconds: from -12:00, at sea, to +14:00, on the Line Islands.
const OFFSETS: std::ops::RangeInclusive<i64> = -12 * 3_600..=14 * 3_600;

/// Reads ` ` or `T`, then a time: `HH[:MM[:SS[.fraction]]]`, then perhaps an offset, `Z` or `UTC`; `None` if it is
/// something else.
pub(super) fn read(text: &[u8]) -> Option<Time> {
    let [b' ' | b'T' | b't', time @ ..] = text else { return None };
    let (hour, rest) = number(time, 24)?;
    let (minute, time) = match rest {
        [b':', rest @ ..] => {
            let (minute, rest) = number(rest, 60)?;
            (minute, behind_minutes(rest)?)
        }
        rest => (0, Time { seconds: 0, offset: offset(rest)? }),
    };
    Some(Time { seconds: 3_600 * hour + 60 * minute + time.seconds, ..time })
}

/// Whether `text` may stand behind `HH:MM` on a wall clock: perhaps seconds, and nothing else.
pub(super) fn is_end_of_wall_clock(text: &[u8]) -> bool {
    behind_minutes(text).is_some_and(|time| time.offset.is_none())
}

fn behind_minutes(text: &[u8]) -> Option<Time> {
    let [b':', rest @ ..] = text else { return Some(Time { seconds: 0, offset: offset(text)? }) };
    let (seconds, rest) = number(rest, 60)?;
    let rest = match rest {
        [b'.' | b',', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (1..=MAX_FRACTION).contains(&digits).then(|| &fraction[digits..])?
        }
        rest => rest,
    };
    Some(Time { seconds, offset: offset(rest)? })
}

/// What is said about the clock: `Some(None)` if nothing is, `None` if it is something else.
#[expect(clippy::option_option, reason = "two ways of not having it, which the caller treats differently")]
fn offset(text: &[u8]) -> Option<Option<i64>> {
    match text.strip_prefix(b" ").unwrap_or(text) {
        [] => text.is_empty().then_some(None),
        b"Z" | b"UTC" => Some(Some(0)),
        [sign @ (b'+' | b'-'), offset @ ..] => {
            let (hours, rest) = number(offset, 24)?;
            let minutes = match rest {
                [] => 0,
                rest => {
                    let (minutes, rest) = number(rest.strip_prefix(b":").unwrap_or(rest), 60)?;
                    rest.is_empty().then_some(minutes)?
                }
            };
            offset_of(*sign == b'-', hours, minutes).map(Some)
        }
        _ => None,
    }
}

/// An offset in seconds, if clocks anywhere have it; behind a time there may also be another one, to which something
/// lasts.
pub(super) fn offset_of(is_negative: bool, hours: i64, minutes: i64) -> Option<i64> {
    let seconds = (hours * 60 + minutes) * 60;
    let seconds = if is_negative { -seconds } else { seconds };
    (matches!(minutes, 0 | 15 | 30 | 45) && OFFSETS.contains(&seconds)).then_some(seconds)
}

/// A number of two digits below `end`, and what follows it.
fn number(text: &[u8], end: u8) -> Option<(i64, &[u8])> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
            let number = (tens - b'0') * 10 + (ones - b'0');
            (number < end).then_some((i64::from(number), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_what_is_none() {
        const TEN: i64 = 36_000;
        for (text, seconds, offset) in [
            (" 10", TEN, None),
            ("T10Z", TEN, Some(0)),
            ("T10+02", TEN, Some(7_200)),
            (" 10:00", TEN, None),
            ("T10:00", TEN, None),
            ("t00:00", 0, None),
            (" 23:59:59", 86_399, None),
            (" 10:00:00.1", TEN, None),
            ("T10:00:00,123456", TEN, None),
            ("T10:00:00.123456789", TEN, None),
            ("T10:00:00,000000001Z", TEN, Some(0)),
            ("T10:00Z", TEN, Some(0)),
            (" 10:00 UTC", TEN, Some(0)),
            (" 10:00UTC", TEN, Some(0)),
            ("T10:00:00+02:00", TEN, Some(7_200)),
            ("T10:00-0530", TEN, Some(-19_800)),
            (" 10:00+14:00", TEN, Some(50_400)),
            (" 10:00-12", TEN, Some(-43_200)),
            (" 10:00+05:45", TEN, Some(20_700)),
            // To half past nine, or on the Marquesas: as ISO 8601 has it.
            (" 10:00-09:30", TEN, Some(-34_200)),
            ("T10:00:00.5 +02", TEN, Some(7_200)),
        ] {
            assert_eq!(read(text.as_bytes()), Some(Time { seconds, offset }), "{text:?}");
        }
        for other in [
            "",
            " ",
            "T",
            "10:00",
            "  10:00",
            " 1:00",
            " 1",
            " 10:",
            " 10:0",
            " 24:00",
            " 24",
            " 10:60",
            " 10:00:60",
            " 10:00:0",
            " 10:00:00.",
            " 10:00:00.1234567890",
            " 10:00 ",
            " 10:00  Z",
            " 10:00 PM",
            " 10:00 CET",
            " 10:00z",
            " 10:00+",
            " 10:00+2",
            " 10:00+24",
            " 10:00+14:15",
            " 10:00-12:15",
            " 10:00-21:30",
            " 10:00-11:20",
            " 10:00-1050",
            " 10:00 -18",
            " 10:00+02:",
            " 10:00+02:60",
            " 10:00+02:000",
            " 10:00Zx",
            " 10 h",
            " - 2024",
            " - 2024-03-31",
            " to 2024-03-31",
            " total",
            " 10:00 - 11:00",
            "Z",
            " UTC",
        ] {
            assert_eq!(read(other.as_bytes()), None, "{other:?}");
        }
        for (end, is_wall_clock) in
            [("", true), (":59.5", true), (":59.1234567", true), ("Z", false), (":59+02", false), (":5", false)]
        {
            assert_eq!(is_end_of_wall_clock(end.as_bytes()), is_wall_clock, "{end:?}");
        }
    }
}
