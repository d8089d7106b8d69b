//! What may stand behind a date: a time of day, as ISO 8601 has it with a colon, and nothing else.

/// Whether `text` is ` ` or `T`, then a time: `HH:MM[:SS[.fraction]]`, then perhaps an offset, `Z` or `UTC`.
pub(super) fn is_time(text: &[u8]) -> bool {
    let [b' ' | b'T' | b't', time @ ..] = text else { return false };
    let Some(rest) = below(time, 24).and_then(colon).and_then(|rest| below(rest, 60)) else { return false };
    is_end_of_time(rest)
}

/// Whether `text` may stand behind `HH:MM`: perhaps seconds, then perhaps an offset, `Z` or `UTC`.
pub(super) fn is_end_of_time(text: &[u8]) -> bool {
    let zone = match text {
        [b':', seconds @ ..] => match below(seconds, 60) {
            Some([b'.' | b',', fraction @ ..]) => {
                let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
                match digits {
                    1..=MAX_FRACTION => &fraction[digits..],
                    _ => return false,
                }
            }
            Some(rest) => rest,
            None => return false,
        },
        rest => rest,
    };
    match zone.strip_prefix(b" ").unwrap_or(zone) {
        [] => zone.is_empty(),
        b"Z" | b"UTC" => true,
        [b'+' | b'-', offset @ ..] => match below(offset, 24) {
            Some([]) => true,
            Some(minutes) => below(colon(minutes).unwrap_or(minutes), 60) == Some(&[]),
            None => false,
        },
        _ => false,
    }
}

/// Digits of a fraction of a second: nanoseconds, of which a day has no use.
const MAX_FRACTION: usize = 9;

/// What follows a number of two digits below `end`.
fn below(text: &[u8], end: u8) -> Option<&[u8]> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] if (tens - b'0') * 10 + (ones - b'0') < end => Some(rest),
        _ => None,
    }
}

fn colon(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_what_is_none() {
        for time in [
            " 10:00",
            "T10:00",
            "t00:00",
            " 23:59:59",
            " 10:00:00.1",
            "T10:00:00,123456789",
            "T10:00Z",
            " 10:00 UTC",
            " 10:00UTC",
            "T10:00:00+02:00",
            "T10:00-0530",
            "T10:00:00.5 +02",
        ] {
            assert!(is_time(time.as_bytes()), "{time:?}");
        }
        for other in [
            "",
            " ",
            "T",
            "10:00",
            "  10:00",
            " 1:00",
            " 10",
            " 10:0",
            " 24:00",
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
            " 10:00+02:",
            " 10:00+02:60",
            " 10:00+02:000",
            " 10:00Zx",
            " - 2024",
            " - 2024-03-31",
            " to 2024-03-31",
            " total",
            " 10:00 - 11:00",
            "Z",
            " UTC",
        ] {
            assert!(!is_time(other.as_bytes()), "{other:?}");
        }
    }
}
