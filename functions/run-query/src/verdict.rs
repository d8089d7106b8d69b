//! What the end of a query means. Pure.

use crate::statement::COMPLAINT;
use sluice::Kind;
use std::time::Duration;

/// A query that has failed, or was stopped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended {
    /// It was stopped: by somebody, or by the workgroup's limit.
    pub(crate) is_cancelled: bool,
    /// Athena's text.
    pub(crate) reason: String,
    /// Whose fault it is, as Athena sees it: 1 its own, 2 the caller's, 3 another one's (`AthenaError`).
    pub(crate) category: i32,
    /// Whether Athena thinks that another attempt may do better.
    pub(crate) retryable: bool,
}

/// What to do now.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Another attempt may do better.
    Again(String),
    /// It would not.
    Failed(Kind, String),
}

/// How a query is gone on with that has failed, or was stopped.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Its end is its end.
    Judge,
    /// Athena may take it up again: this invocation looks once more.
    LookAgain,
    /// The same, but another invocation looks, after so many seconds.
    AskLater(u64),
}

/// For how long a query that has failed by Athena's own fault may be taken up again by Athena itself, in seconds
/// (Amazon Athena API, `QueryExecutionStatus`).
const SECOND_THOUGHTS: u64 = 5;

/// Words for what may pass by itself, where Athena's flag says nothing.
const TRANSIENT: [&str; 6] = [
    "exhausted resources",
    "internal error",
    "SlowDown",
    "reduce your request rate",
    "Rate exceeded",
    "GENERIC_INTERNAL_ERROR",
];

/// Names of errors that data cause (Trino, `StandardErrorCode` and `HiveErrorCode`). Their texts may hold a value.
const OF_DATA: [&str; 11] = [
    "INVALID_CAST_ARGUMENT",
    "INVALID_FUNCTION_ARGUMENT",
    "HIVE_BAD_DATA",
    "HIVE_CURSOR_ERROR",
    "HIVE_PARTITION_SCHEMA_MISMATCH",
    "HIVE_FILE_NOT_FOUND",
    "NUMERIC_VALUE_OUT_OF_RANGE",
    "DIVISION_BY_ZERO",
    "JSON_INPUT_CONVERSION_ERROR",
    "JSON_OUTPUT_CONVERSION_ERROR",
    "PATH_EVALUATION_ERROR",
];

/// How reasons begin that tell nothing but SQL, names and permissions: what the analysis of a query refuses (Trino,
/// `StandardErrorCode`), what somebody may not do, and what the stand-in on one machine does not know.
const OF_THE_JOB: [&str; 27] = [
    "SYNTAX_ERROR",
    "MALFORMED_QUERY",
    "CATALOG_NOT_FOUND",
    "SCHEMA_NOT_FOUND",
    "TABLE_NOT_FOUND",
    "COLUMN_NOT_FOUND",
    "FUNCTION_NOT_FOUND",
    "TYPE_NOT_FOUND",
    "TYPE_MISMATCH",
    "AMBIGUOUS_NAME",
    "MISSING_COLUMN_NAME",
    "DUPLICATE_COLUMN_NAME",
    "COLUMN_TYPE_UNKNOWN",
    "MISMATCHED_COLUMN_ALIASES",
    "INVALID_COLUMN_REFERENCE",
    "EXPRESSION_NOT_AGGREGATE",
    "EXPRESSION_NOT_IN_DISTINCT",
    "EXPRESSION_NOT_SCALAR",
    "NESTED_AGGREGATION",
    "NESTED_WINDOW",
    "NOT_SUPPORTED",
    "PERMISSION_DENIED",
    "Access Denied",
    "Access denied",
    "Insufficient permissions",
    "Insufficient Lake Formation",
    "LOCAL_STAND_IN",
];

/// Names of errors by which an earlier query of the same attempt shows, whose token Athena has forgotten.
const LEFT_BEHIND: [&str; 2] = ["TABLE_ALREADY_EXISTS", "HIVE_PATH_ALREADY_EXISTS"];

impl Ended {
    /// What it means.
    pub(crate) fn verdict(&self) -> Verdict {
        let Self { is_cancelled, reason, category, retryable } = self;
        if *is_cancelled {
            // Measured: a query over the limit is CANCELLED, with these words.
            return Verdict::Failed(
                Kind::Misconfigured,
                match reason.contains("Bytes scanned limit") {
                    true => format!("{reason}: the workgroup's limit is too small, or the query reads too much"),
                    false => "it was stopped; start a new execution".to_owned(),
                },
            );
        }
        let has_name = |names: &[&str]| names.iter().any(|name| reason.starts_with(name));
        if let Some(complaint) = complaint(reason) {
            return Verdict::Failed(Kind::InvalidSource, complaint.to_owned());
        }
        if TRANSIENT.iter().any(|words| reason.to_lowercase().contains(&words.to_lowercase())) || has_name(&LEFT_BEHIND)
        {
            return Verdict::Again(told(reason));
        }
        if has_name(&OF_DATA) {
            return Verdict::Failed(Kind::InvalidSource, told(reason));
        }
        match *retryable || *category == 1 {
            true => Verdict::Again(told(reason)),
            false => Verdict::Failed(Kind::Misconfigured, told(reason)),
        }
    }

    /// What to do with a query that has ended so long ago, as far as Athena says when; `is_late`: this invocation has
    /// waited for as long as it does. Until it is past being taken up again no other attempt is begun: there would be
    /// two queries of one step.
    pub(crate) fn next(&self, ended_ago: Option<Duration>, is_late: bool) -> Next {
        match ended_ago {
            _ if !self.may_be_taken_up() => Next::Judge,
            Some(time) if time.as_secs() >= SECOND_THOUGHTS => Next::Judge,
            Some(_) if is_late => Next::AskLater(SECOND_THOUGHTS),
            // It may never say.
            None if is_late => Next::Judge,
            _ => Next::LookAgain,
        }
    }

    /// Whether Athena might take it up again by itself: what is the caller's fault it does not.
    fn may_be_taken_up(&self) -> bool {
        !self.is_cancelled && matches!(self.verdict(), Verdict::Again(_))
    }
}

/// Our own words within the reason: they name the column and the file, and hold no value. The name of a file may hold
/// quotation marks too, so the last one counts.
fn complaint(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once(COMPLAINT)?;
    Some(&rest[..rest.rfind(['\'', '"']).unwrap_or(rest.len())])
}

/// What may be told of a reason. All of it where it can hold no value; what may pass by itself without what stands in
/// quotation marks. Of any other the error's name alone: its text may name a value, with quotation marks or without
/// any. What Hive says of a file names the file.
fn told(reason: &str) -> String {
    let begins = |names: &[&str]| names.iter().any(|name| reason.starts_with(name));
    if begins(&OF_THE_JOB) || begins(&LEFT_BEHIND) {
        return reason.to_owned();
    }
    let name = name(reason);
    if name.is_none() && TRANSIENT.iter().any(|words| reason.contains(words)) {
        return match (reason.find(['\'', '"']), reason.rfind(['\'', '"'])) {
            (Some(first), Some(last)) if first < last => format!("{}...{}", &reason[..=first], &reason[last..]),
            _ => reason.to_owned(),
        };
    }
    let file = reason.split_whitespace().find(|word| word.starts_with("s3://"));
    let file = file.filter(|_| name.is_some_and(|name| name.starts_with("HIVE_")));
    let file = file.map_or_else(String::new, |file| format!(" ({})", file.trim_end_matches(['.', ',', ':', ';', ')'])));
    let name = name.unwrap_or("it failed");
    format!("{name}{file}; the text of the error may hold a value, and stands with the query in Athena")
}

/// The name by which an error of the engine begins.
fn name(reason: &str) -> Option<&str> {
    let (name, _) = reason.split_once(':')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') && name.contains('_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Again, Failed};

    fn failed(reason: &str, category: i32, retryable: bool) -> Verdict {
        Ended { reason: reason.to_owned(), category, retryable, is_cancelled: false }.verdict()
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for reason in ["Query exhausted resources at this scale factor", "Please reduce your request rate"] {
            assert_eq!(failed(reason, 2, false), Again(reason.to_owned()));
        }
        assert!(matches!(failed("GENERIC_INTERNAL_ERROR: Value 4711 exceeds MAX_BYTE", 2, false),
            Again(text) if text.starts_with("GENERIC_INTERNAL_ERROR;") && !text.contains("4711")));
        for (category, retryable) in [(1, false), (3, true)] {
            assert!(matches!(failed("what holds 'secret'", category, retryable),
                Again(text) if text.starts_with("it failed;") && !text.contains("secret")));
        }
        assert!(matches!(failed("TABLE_ALREADY_EXISTS: line 1:1: Table 'a.b' already exists", 2, false), Again(_)));
    }

    #[test]
    fn what_athena_may_take_up_again_is_not_tried_again_too_early() {
        let fault = Ended { reason: "internal error".to_owned(), category: 1, ..Ended::default() };
        let ago = |seconds| Some(Duration::from_secs(seconds));
        for (ended_ago, is_late, next) in [
            (ago(1), false, Next::LookAgain),
            (None, false, Next::LookAgain),
            (ago(5), false, Next::Judge),
            // It failed when the invocation had hardly time left.
            (ago(0), true, Next::AskLater(5)),
            (ago(5), true, Next::Judge),
            (None, true, Next::Judge),
        ] {
            assert_eq!(fault.next(ended_ago, is_late), next, "{ended_ago:?} {is_late}");
        }
        let ours = Ended { reason: "SYNTAX_ERROR: line 1:1".to_owned(), category: 2, ..Ended::default() };
        assert_eq!(ours.next(ago(0), false), Next::Judge);
    }

    #[test]
    fn what_is_wrong_with_data_names_the_file_and_no_value() {
        for (path, behind) in [
            ("s3://b/in/r.csv", "' to DOUBLE"),
            ("s3://b/it's/r.csv", "' to DOUBLE"),
            ("s3://b/in/r.csv", ""),
            ("s3://b/in/r.csv", "\", expected format is (YYYY-MM-DD)"),
        ] {
            let told = format!("in the column x stands what is no double: {path}");
            let of_ours = format!("INVALID_CAST_ARGUMENT: Cannot cast 'sluice: {told}{behind}");
            assert_eq!(failed(&of_ours, 2, false), Failed(Kind::InvalidSource, told));
        }
        for reason in [
            "INVALID_CAST_ARGUMENT: Cannot cast 'it's secret' to INTEGER",
            "INVALID_CAST_ARGUMENT: Value cannot be cast to date: secret",
            "INVALID_CAST_ARGUMENT: Value cannot be cast to timestamp: 10:00: secret",
            "NUMERIC_VALUE_OUT_OF_RANGE: bigint addition overflow: secret + 1",
            "INVALID_FUNCTION_ARGUMENT: Invalid format: \"secret\"",
            "HIVE_BAD_DATA: Error reading field value: For input string: \"secret\"",
            "HIVE_BAD_DATA: Malformed Parquet file. Field rating's type INT64 in s3://b/in/r.parquet: secret",
            "JSON_INPUT_CONVERSION_ERROR: conversion to JSON failed: secret",
        ] {
            let Failed(Kind::InvalidSource, told) = failed(reason, 2, false) else { panic!("{reason}") };
            let (name, _) = reason.split_once(':').unwrap();
            assert!(told.starts_with(name) && !told.contains("secret"), "{told}");
            assert_eq!(told.contains(" (s3://b/in/r.parquet)"), reason.contains("s3://"), "{told}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_job_is_the_operator_s() {
        for reason in [
            "COLUMN_NOT_FOUND: line 3:8: Column 'titel' cannot be resolved",
            "Insufficient permissions to execute the query. User is not authorized to perform: glue:GetTable",
            "PERMISSION_DENIED: Access Denied (Service: Amazon S3; Status Code: 403)",
        ] {
            assert_eq!(failed(reason, 2, false), Failed(Kind::Misconfigured, reason.to_owned()));
        }
        // What nobody here has heard of may hold a value.
        for (reason, told_as) in [
            ("EXCEEDED_ARRAY_LIMIT: the text secret is too long", "EXCEEDED_ARRAY_LIMIT;"),
            (
                "HIVE_CANNOT_OPEN_SPLIT: Error opening s3://b/in/r.csv: secret",
                "HIVE_CANNOT_OPEN_SPLIT (s3://b/in/r.csv);",
            ),
            ("secret: it is wrong", "it failed;"),
        ] {
            let Failed(Kind::Misconfigured, told) = failed(reason, 2, false) else { panic!("{reason}") };
            assert!(told.starts_with(told_as) && !told.contains("secret"), "{told}");
        }
        let cancelled = |reason: &str| Ended { is_cancelled: true, reason: reason.to_owned(), ..Ended::default() };
        for reason in ["Bytes scanned limit was exceeded", "Query cancelled by user"] {
            assert!(matches!(cancelled(reason).verdict(), Failed(Kind::Misconfigured, _)), "{reason}");
            assert_eq!(cancelled(reason).next(Some(Duration::ZERO), false), Next::Judge);
        }
    }
}
