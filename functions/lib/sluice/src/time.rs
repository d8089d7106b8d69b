//! Times as texts: RFC 3339, as in payloads and documents.

use crate::{Error, Kind, Result};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

/// Reads an RFC 3339 time that a function has written.
///
/// # Errors
/// `InvariantBroken` for any other text.
pub fn parse_time(text: &str) -> Result<DateTime> {
    DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset)
        .map_err(|error| Error::caused(Kind::InvariantBroken, format!("invalid RFC 3339 time {text:?}"), error))
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
