//! What a person gets to see of a table that is copied window by window.

use super::{render, seconds};
use crate::execution::Outcome;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// A window that a run wrote down.
#[derive(Clone, Default)]
pub(crate) struct Copied {
    /// Its start in the job's zone.
    pub(crate) window: String,
    /// Rows of the source.
    pub(crate) rows: i64,
    /// Their size as COPY has them.
    pub(crate) bytes: i64,
    /// Rows that were new.
    pub(crate) rows_inserted: i64,
    /// Rows that changed.
    pub(crate) rows_updated: i64,
    /// Rows that the source no longer has.
    pub(crate) rows_deleted: i64,
    /// Rows that stayed as they were.
    pub(crate) rows_unchanged: i64,
}

impl FromRow<'_, PgRow> for Copied {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            window: row.try_get("window")?,
            rows: row.try_get("rows")?,
            bytes: row.try_get("bytes")?,
            rows_inserted: row.try_get("rows_inserted")?,
            rows_updated: row.try_get("rows_updated")?,
            rows_deleted: row.try_get("rows_deleted")?,
            rows_unchanged: row.try_get("rows_unchanged")?,
        })
    }
}

/// What an execution that succeeded came to, and what else a person should know of it, a line each.
pub(super) fn summary(outcome: &Outcome) -> String {
    let (counts, took) = (&outcome.counts, seconds(outcome.duration_ms));
    let text = |field: &str, otherwise: &'static str| counts[field].as_str().unwrap_or(otherwise).to_owned();
    let windows = plural(counts["window_count"].as_u64().unwrap_or_default());
    let first = match outcome.last_state() {
        "WouldCopy" => format!(
            "{windows} from {} to {} would be copied: about {} rows of {} bytes in all; {} columns as {}",
            text("from", "the start"),
            text("to", "the end"),
            counts["rows_estimated"],
            counts["bytes_estimated"],
            counts["columns"]["count"],
            counts["columns"]["format"].as_str().unwrap_or_default(),
        ),
        "Equal" => format!("{windows} compared, equal in both tables, {took:.2} s"),
        _ => format!("{}, {took:.2} s", copied(outcome)),
    };
    let lines = |value: &Value, before: &str| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(|line| format!("{before}{line}")).collect()
    };
    let left = counts["windows_left"].as_u64().filter(|left| *left > 0);
    let left = left.map(|left| format!("{} more missing: the next runs copy them", plural(left)));
    let columns = &counts["columns"];
    let outside = columns["rows_without_window"].as_u64().filter(|rows| *rows > 0);
    let outside = outside.map(|rows| format!("{rows} rows of the source are in no window, and not copied"));
    let only_there = counts["conclusion"]["rows_only_at_target"].as_u64().filter(|rows| *rows > 0);
    let only_there =
        only_there.map(|rows| format!("{rows} rows are at the target only, as the mode upsert leaves them"));
    let newer = counts["conclusion"]["rows_newer"].as_u64().filter(|rows| *rows > 0);
    let newer = newer.map(|rows| format!("{rows} rows of the target are newer than the source's, and stay"));
    let notes = [
        newer.into_iter().collect(),
        only_there.into_iter().collect(),
        left.into_iter().collect(),
        lines(&columns["casts"], "cast: "),
        lines(&columns["ignored"], "not copied, since the target has no such column: "),
        outside.into_iter().collect(),
        lines(&counts["warnings"], ""),
        lines(&counts["conclusion"]["sequences"], "to go on after the copied rows: "),
    ];
    notes.into_iter().flatten().fold(first, |text, note| format!("{text}\n{note}"))
}

/// The states that copy: windows side by side, or one after the other.
const COPYING: [&str; 2] = ["CopyWindows", "CopyInOrder"];

/// What a run copied, and how fast.
fn copied(outcome: &Outcome) -> String {
    let conclusion = &outcome.counts["conclusion"];
    let count = |field: &str| conclusion[field].as_u64().unwrap_or_default();
    let (windows, rows) = (plural(count("windows")), count("rows"));
    let changed = ["rows_inserted", "rows_updated", "rows_deleted", "rows_unchanged"].map(count);
    if rows + changed.iter().sum::<u64>() == 0 {
        return format!("{windows}, and nothing to copy");
    }
    let copying =
        outcome.states.iter().find(|run| COPYING.contains(&run.state.as_str())).map(|run| run.duration_ms.max(1));
    let rate = copying.map_or_else(String::new, |milliseconds| {
        let per_second = |count: u64| count * 1_000 / milliseconds.unsigned_abs();
        format!(
            " in {:.2} s: {} rows, {} kB a second",
            seconds(milliseconds),
            per_second(rows),
            per_second(count("bytes")) / 1_000
        )
    });
    let [inserted, updated, deleted, unchanged] = changed;
    format!(
        "{windows}, {rows} rows copied and verified{rate}\n{inserted} inserted, {updated} updated, {deleted} deleted, \
         {unchanged} unchanged"
    )
}

fn plural(count: u64) -> String {
    if count == 1 { "1 window".to_owned() } else { format!("{count} windows") }
}

/// The windows and their sums.
pub(crate) fn table(copied: &[Copied]) -> String {
    let counts =
        |one: &Copied| [one.rows, one.bytes, one.rows_inserted, one.rows_updated, one.rows_deleted, one.rows_unchanged];
    let line = |name: &str, counts: [i64; 6]| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(counts.map(|count| count.to_string())).collect()
    };
    let sums = copied.iter().fold([0; 6], |sums, one| std::array::from_fn(|place| sums[place] + counts(one)[place]));
    let names = ["window", "rows", "bytes", "inserted", "updated", "deleted", "unchanged"].map(ToOwned::to_owned);
    let lines: Vec<_> = copied.iter().map(|one| line(&one.window, counts(one))).collect();
    render(&names, &lines, &[line(&plural(copied.len().try_into().unwrap_or(u64::MAX)), sums)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::StateRun;
    use serde_json::json;

    fn outcome(last: &str, counts: Value) -> Outcome {
        let run = |state: &str, duration_ms| StateRun { state: state.to_owned(), duration_ms, error: None };
        Outcome {
            execution: "e".to_owned(),
            status: "SUCCEEDED".to_owned(),
            error: None,
            cause: None,
            counts,
            duration_ms: 2_500,
            states: vec![run("CopyWindows", 2_000), run(last, 0)],
        }
    }

    #[test]
    fn a_summary_tells_the_counts_the_rate_and_what_is_left() {
        let conclusion = json!({"purpose": "load", "windows": 31, "rows": 3_100, "bytes": 250_000, "rows_inserted": 3_000,
                                "rows_updated": 90, "rows_deleted": 1, "rows_unchanged": 10});
        let counts = json!({"conclusion": conclusion, "windows_left": 4, "warnings": ["no index"],
                            "columns": {"casts": ["a: int4 -> int8"], "ignored": ["b"], "rows_without_window": 2}});
        assert_eq!(
            summary(&outcome("Copied", counts)),
            "31 windows, 3100 rows copied and verified in 2.00 s: 1550 rows, 125 kB a second\n\
             3000 inserted, 90 updated, 1 deleted, 10 unchanged, 2.50 s\n\
             4 windows more missing: the next runs copy them\n\
             cast: a: int4 -> int8\n\
             not copied, since the target has no such column: b\n\
             2 rows of the source are in no window, and not copied\n\
             no index"
        );
        let nothing = json!({"conclusion": {"purpose": "load", "windows": 7, "rows": 0}});
        assert_eq!(summary(&outcome("Copied", nothing)), "7 windows, and nothing to copy, 2.50 s");
        let equal = json!({"window_count": 1, "conclusion": {"purpose": "verify", "windows": 1, "rows_newer": 2, "rows_only_at_target": 3}});
        assert_eq!(
            summary(&outcome("Equal", equal)),
            "1 window compared, equal in both tables, 2.50 s\n\
             2 rows of the target are newer than the source's, and stay\n\
             3 rows are at the target only, as the mode upsert leaves them"
        );
    }

    #[test]
    fn a_table_of_windows_has_their_sums() {
        let one =
            |window: &str, rows| Copied { window: window.to_owned(), rows, bytes: 10 * rows, ..Copied::default() };
        let text = table(&[one("2024-01-01", 2), one("2024-01-02", 3)]);
        let last = text.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(last, ["2", "windows", "5", "50", "0", "0", "0", "0"]);
    }
}
