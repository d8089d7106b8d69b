//! From the text of a failed statement to a kind. The Data API gives no code, so the texts are all there is: of these
//! as few as can be are looked at, and one that is not known is nobody's but ours.

use sluice::{Error, Kind};

/// What a text of a guard begins with. A guard that finds something casts such a text to a number, which fails the
/// batch: `sluice:<guard>:<count>`.
pub const GUARD: &str = "sluice:";

/// The guard that stopped a batch, and how many rows it found.
pub fn guard(error: &str) -> Option<(&str, &str)> {
    let (_, rest) = error.split_once(GUARD)?;
    let (name, rest) = rest.split_once(':')?;
    Some((name, rest.split(|other: char| !other.is_ascii_digit()).next().unwrap_or_default()))
}

/// Words of errors that pass by themselves. Serialization conflicts have the number 1023 (Amazon Redshift, "Resolving
/// serializable isolation violation").
const TRANSIENT: [&str; 8] = [
    "1023",
    "Serializable isolation violation",
    "concurrent transaction",
    "deadlock",
    "connection",
    "Connection",
    "cancelled on user's request",
    "SlowDown",
];

/// Words of errors that an operator has to act on.
const MISCONFIGURED: [&str; 11] = [
    "does not exist",
    "permission denied",
    "not authorized",
    "must be owner",
    "Access Denied",
    "AccessDenied",
    "Status 403",
    "Error 403",
    "S3ServiceException",
    "unsupported type",
    "out of memory",
];

/// Words of errors that are about the rows.
const SOURCE: [&str; 6] = [
    "Load into table",
    "stl_load_errors",
    "sys_load_error_detail",
    "Value too long",
    "value too long",
    "Numeric data overflow",
];

/// What the text of a failed statement means while doing `what`.
pub fn classify(what: &str, error: &str) -> Error {
    let is = |words: &[&str]| words.iter().any(|word| error.contains(word));
    let kind = if is(&SOURCE) {
        Kind::InvalidSource
    } else if is(&TRANSIENT) {
        Kind::TransientFailure
    } else if is(&MISCONFIGURED) {
        Kind::Misconfigured
    } else {
        Kind::InvariantBroken
    };
    Error::new(kind, format!("{what}: {}", told(error)))
}

/// Whether a statement was ended from outside: by a limit of its time or of its work, a rule of the workload
/// management, or somebody. Redshift says `cancelled` or `canceled` in each such text.
pub fn was_ended(error: &str) -> bool {
    error.to_ascii_lowercase().contains("cancel")
}

/// As much of a text as may be repeated: Redshift names a value behind the word `Value`, and its line has no more.
pub fn told(error: &str) -> &str {
    let line = error.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason was given").trim();
    let end = ["Value '", "value '", "Invalid char:", "hex sequence:"].iter().filter_map(|word| line.find(word)).min();
    line[..end.unwrap_or(line.len())].trim_end_matches([' ', ',', ':', '('])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_found_in_what_the_cast_says() {
        let said = "ERROR: invalid input syntax for type integer: \"sluice:rows_loaded:59\"";
        assert_eq!(guard(said), Some(("rows_loaded", "59")));
        assert_eq!(guard("ERROR: Invalid digit, Value 's', Pos 0 sluice:stale:1"), Some(("stale", "1")));
        assert_eq!(guard("ERROR: relation \"sluice.loads\" does not exist"), None);
    }

    #[test]
    fn kinds_by_text() {
        for (text, kind) in [
            ("ERROR: 1023 DETAIL: Serializable isolation violation on table - 1", Kind::TransientFailure),
            ("ERROR: Load into table 'nps' failed.  Check 'sys_load_error_detail' system table", Kind::InvalidSource),
            ("ERROR: relation \"a.b\" does not exist", Kind::Misconfigured),
            ("ERROR: permission denied for relation nps", Kind::Misconfigured),
            ("ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied", Kind::Misconfigured),
            ("ERROR: User x is not authorized to assume IAM Role y", Kind::Misconfigured),
            ("ERROR: something new", Kind::InvariantBroken),
        ] {
            assert_eq!(classify("load", text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn a_statement_that_was_ended_from_outside_is_told_from_one_that_failed() {
        assert!(was_ended("ERROR: Query (123) cancelled on user's request"));
        assert!(was_ended("ERROR: canceling statement due to statement timeout"));
        assert!(was_ended("ERROR: Query cancelled by WLM abort action of Query Monitoring Rule \"long\"."));
        assert!(!was_ended("ERROR: permission denied for relation nps"));
    }

    #[test]
    fn no_value_is_repeated() {
        assert_eq!(told("Invalid digit, Value 'x', Pos 0, Type: Short"), "Invalid digit");
        assert_eq!(
            told("Multibyte character (Hint: use VARCHAR). Invalid char: c3 a9"),
            "Multibyte character (Hint: use VARCHAR)."
        );
        assert_eq!(told("\n"), "no reason was given");
    }
}
