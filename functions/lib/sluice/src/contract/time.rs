//! Times, as payloads and documents have them.

use crate::{Error, Kind, Result};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use std::time::{Duration, SystemTime};

/// Reads an RFC 3339 time of a document of ours.
///
/// # Errors
/// `InvariantBroken` if it is none.
pub fn parse_time(text: &str) -> Result<DateTime> {
    DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset)
        .map_err(|error| Error::caused(Kind::InvariantBroken, format!("{text:?} is no RFC 3339 time"), error))
}

/// For how long after its start an execution that Step Functions does not know may be one that it does not know yet: what it
/// describes is eventually consistent (AWS Step Functions API, `DescribeExecution`).
const UNKNOWN_GRACE: Duration = Duration::from_secs(300);

/// May an execution that was started then run although Step Functions does not know it?
///
/// # Errors
/// `InvariantBroken` if `started_at` is not RFC 3339.
pub fn may_be_too_new_to_be_known(started_at: &str) -> Result<bool> {
    let started_at = SystemTime::try_from(parse_time(started_at)?);
    Ok(started_at.is_ok_and(|time| time.elapsed().map_or(true, |age| age <= UNKNOWN_GRACE)))
}

/// Renders a time so that the order of the texts is the order of the times: UTC, always three decimals.
pub fn format_time(time: DateTime) -> String {
    let whole = DateTime::from_secs(time.secs());
    let text = whole.fmt(DateTimeFormat::DateTime).expect("a time of this age can be rendered");
    format!("{}.{:03}Z", text.trim_end_matches('Z'), time.subsec_nanos() / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_order_as_text() {
        let texts = [
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.007Z",
            "2024-01-01T00:00:00.5+00:00",
            "2024-01-01T02:00:01+02:00",
        ];
        let rendered: Vec<String> = texts.iter().map(|text| format_time(parse_time(text).unwrap())).collect();
        assert_eq!(
            rendered,
            [
                "2024-01-01T00:00:00.000Z",
                "2024-01-01T00:00:00.007Z",
                "2024-01-01T00:00:00.500Z",
                "2024-01-01T00:00:01.000Z"
            ]
        );
        assert!(parse_time("yesterday").is_err());
    }
}
