//! What a person gets to see: progress, counts, and the table. In `windows`: the same of a table that is copied.

mod audit;
pub(crate) mod windows;

use crate::BoxError;
use crate::execution::{Outcome, Progress, StateRun};
use serde_json::Value;
use sluice::input::Skipped;
use sluice::spec::{Spec, Target};
use sqlx::{Column, PgConnection, Row};
use std::io::{IsTerminal, Write};

/// Characters of a cell that are shown.
const SHOWN_CHARACTERS: usize = 40;

/// Rows of the table that are shown at its head and at its foot.
const SHOWN_ROWS: usize = 6;

/// Prints a line per state, and in a terminal the one that is at work.
pub(crate) struct ProgressLines {
    is_terminal: bool,
}

impl Default for ProgressLines {
    fn default() -> Self {
        Self { is_terminal: std::io::stdout().is_terminal() }
    }
}

impl ProgressLines {
    /// Tells of one step.
    pub(crate) fn tell(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Entered(state) if self.is_terminal => {
                out(format_args!("\r\x1b[K  … {state}"));
            }
            Progress::Entered(_) => {}
            Progress::Left(StateRun { state, duration_ms, error }) => {
                let mark = if error.is_some() { '✗' } else { '✓' };
                out(format_args!("{}  {mark} {state:<22} {:>8.2} s\n", self.line_start(), seconds(*duration_ms)));
            }
            Progress::AttemptFailed(error) => out(format_args!("{}  ! {error}\n", self.line_start())),
        }
    }

    fn line_start(&self) -> &'static str {
        if self.is_terminal { "\r\x1b[K" } else { "" }
    }
}

/// Writes to standard output. Whoever reads there may have seen enough: that ends nothing.
pub(crate) fn out(text: std::fmt::Arguments<'_>) {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_fmt(text).and_then(|()| stdout.flush());
}

/// What an execution came to, in a line or two, and what else a person should know of it, a line each.
pub(crate) fn summary(outcome: &Outcome) -> String {
    let took = seconds(outcome.duration_ms);
    let counts = &outcome.counts;
    let summary = match outcome.last_state() {
        "Equal" | "Differs" if counts["audit"].is_object() => {
            let audit = serde_json::from_value(counts["audit"].clone()).unwrap_or_default();
            format!("{}\n{took:.2} s", audit::summary(&audit))
        }
        "WouldCopy" | "Equal" | "Copied" => return windows::summary(outcome),
        "NothingToDo" => format!("nothing new{}, {took:.2} s", skipped(counts)),
        "LeftToOwner" => format!("left to the run at work, which starts one more, {took:.2} s"),
        "Published" => format!("{}, {took:.2} s", published(counts)),
        "Explained" => {
            let lines = counts["explained"].as_array().into_iter().flatten().map(|file| {
                let text = |field: &str| file[field].as_str().unwrap_or_default();
                match file["is_new"].as_bool() {
                    Some(true) => format!("{}: new: {}", text("key"), text("reason")),
                    Some(false) => format!("{}: not new: {}", text("key"), text("reason")),
                    // A window, not a file.
                    None => format!("{}: {}", text("at"), text("reason")),
                }
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        "WouldLoad" if counts["mapping"].is_array() => would_load(counts),
        _ if outcome.succeeded() && counts["conclusion"]["windows"].is_u64() => {
            format!("{}, {took:.2} s", windows_loaded(counts))
        }
        _ if outcome.succeeded() => format!("{}, {took:.2} s", loaded(counts)),
        _ => return failure(outcome),
    };
    let notes = [&counts["notes"], &counts["upsert"]["notes"], &counts["warnings"]]
        .into_iter()
        .filter_map(Value::as_array)
        .flatten();
    notes.filter_map(Value::as_str).fold(summary, |text, note| format!("{text}\n{note}"))
}

/// Which tables a run made, a line each, and how much its queries read.
fn published(counts: &Value) -> String {
    let tables: Vec<&Value> = counts["published"].as_array().into_iter().flatten().collect();
    let line = |table: &&Value| {
        format!("{}: {} rows, {} bytes", table["table"].as_str().unwrap_or_default(), table["rows"], table["bytes"])
    };
    let read: u64 = tables.iter().filter_map(|table| table["scanned_bytes"].as_u64()).sum();
    format!("{}\n{read} bytes read by queries", tables.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// What a run loaded, in two lines.
fn loaded(counts: &Value) -> String {
    let count = |field: &str| counts["upsert"][field].as_u64().unwrap_or_default();
    // Behind a comma; nothing if there are none.
    let some = |field: &str, what: &str| match count(field) {
        0 => String::new(),
        number => format!(", {number} {what}"),
    };
    let new = format!(
        "{}{} {}{}",
        if counts["mode"] == "dry_run" { "tried, and rolled back: " } else { "" },
        counts["new_file_count"],
        if counts["reload"] == true { "" } else { "new " },
        if counts["new_file_count"] == 1 { "file" } else { "files" },
    );
    let changed = some("files_changed", "left for the next run because they changed meanwhile");
    let bytes = format!("{} bytes{changed}{}", counts["new_bytes"], some("files_bad", "set aside as bad files"));
    let files = match skipped(counts) {
        none if none.is_empty() => format!("{new} ({bytes})"),
        skipped => format!("{new}{skipped}\n{bytes}"),
    };
    format!(
        "{files}, {} rows{}{}{}\n{} inserted, {} updated, {} unchanged{}{}",
        count("rows_read"),
        some("rows_filtered", "filtered out"),
        some("rows_ignored", "ignored"),
        some("rows_rejected", "in quarantine"),
        count("rows_inserted"),
        count("rows_updated"),
        count("rows_unchanged"),
        some("rows_deleted", "deleted"),
        some("keys_partial", "known in part only"),
    )
}

/// What a run of windows loaded, in two lines.
fn windows_loaded(counts: &Value) -> String {
    let conclusion = &counts["conclusion"];
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let some = |value: &Value, what: &str| match count(value) {
        0 => String::new(),
        number => format!(", {number} {what}"),
    };
    format!(
        "{}{}, {} rows\n{} inserted, {} deleted, {} unchanged{}{}{}{}{}{}",
        windows(counts, count(&conclusion["windows"])),
        some(&counts["windows_left"], "left for the next run"),
        count(&conclusion["rows"]),
        count(&conclusion["rows_inserted"]),
        count(&conclusion["rows_deleted"]),
        count(&conclusion["rows_unchanged"]),
        some(&conclusion["rows_newer"], "newer in the target, and kept"),
        some(&conclusion["rows_gone"], "marked as deleted, and left out"),
        some(&conclusion["answers_lost"], "windows whose answer was lost, and whose numbers are not known"),
        some(&conclusion["changed"]["zero_dates"], "zero dates became NULL"),
        some(&conclusion["changed"]["truncated"], "texts were cut"),
        some(&conclusion["changed"]["nuls"], "texts lost NUL bytes"),
    )
}

/// How each column would go over.
fn would_load(counts: &Value) -> String {
    let mapping = counts["mapping"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let count = counts["window_count"].as_u64().unwrap_or_default();
    mapping.fold(format!("would load {}", windows(counts, count)), |text, line| format!("{text}\n  {line}"))
}

/// Which windows, or that it is the whole table.
fn windows(counts: &Value, count: u64) -> String {
    match (counts["from"].as_str(), counts["to"].as_str()) {
        (Some(from), Some(to)) => {
            let noun = if count == 1 { "window" } else { "windows" };
            format!("{count} {noun} from {from} to {to}")
        }
        _ => "the whole table".to_owned(),
    }
}

/// What a run passed over, behind a comma; nothing if that is nothing.
fn skipped(counts: &Value) -> String {
    let skipped: Skipped = serde_json::from_value(counts["skipped"].clone()).unwrap_or_default();
    if skipped.total() == 0 { String::new() } else { format!(", {skipped}") }
}

/// The typed error of an execution that failed.
pub fn failure(outcome: &Outcome) -> String {
    let error = outcome.error.as_deref().unwrap_or(&outcome.status);
    format!("{error}: {}", outcome.cause.as_deref().unwrap_or("no cause given"))
}

/// A target's name in SQL text.
pub(crate) fn quoted_table(target: &Target) -> String {
    full_name(&target.schema, &target.table)
}

fn full_name(schema: &str, table: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(table))
}

pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The target table as the database renders it: its first and last rows, and the sum of each number column. It may
/// have columns of any type; long texts are cut.
///
/// # Errors
/// As the server has it.
pub async fn table(connection: &mut PgConnection, spec: &Spec) -> Result<String, BoxError> {
    table_by(connection, &spec.target.schema, &spec.target.table, spec.shape.keys.first().map(String::as_str)).await
}

/// As [`table`], of any table, in the order of a column.
///
/// # Errors
/// As the server has it.
pub(crate) async fn table_by(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
    key: Option<&str>,
) -> Result<String, BoxError> {
    let full_name = full_name(schema, table);
    // Of the table: the columns of the answer are texts, and have the same names.
    let key = key.map_or_else(|| "1".to_owned(), |key| format!("{}.{}", quoted(table), quoted(key)));
    let columns: Vec<(String, bool)> = sqlx::query_as(
        "select quote_ident(column_name), numeric_precision is not null or data_type = 'numeric' \
         from information_schema.columns where table_schema = $1 and table_name = $2 order by ordinal_position",
    )
    .bind(schema)
    .bind(table)
    .fetch_all(&mut *connection)
    .await?;
    if columns.is_empty() {
        return Ok(format!("{schema}.{table} does not exist yet"));
    }
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let as_text: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
    let rows = select(connection, &format!("select {} from {full_name} order by {key}", as_text.join(", "))).await?;
    let sum = |(name, is_number): &(String, bool)| match is_number {
        true => format!("coalesce(sum({name}), 0)::text"),
        false => "''".to_owned(),
    };
    let sums: Vec<String> = columns.iter().skip(1).map(sum).collect();
    let totals =
        select(connection, &format!("select count(*) || ' rows', {} from {full_name}", sums.join(", "))).await?;
    Ok(format!("{schema}.{table}\n{}", render(&names, &rows, &totals)))
}

/// Rows of texts, of which the first one is the names of the columns; `total` stands below them, if there is one.
pub(crate) fn rows(rows: &[Vec<String>], total: &str) -> String {
    let Some((names, rows)) = rows.split_first() else { return format!("  {total}\n") };
    let in_lines = |row: &Vec<String>| row.iter().map(|cell| in_one_line(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(in_lines).collect();
    let mut totals = vec![String::new(); names.len()];
    totals[0] = total.to_owned();
    let text = render(names, &rows, if total.is_empty() { &[] } else { std::slice::from_ref(&totals) });
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

async fn select(connection: &mut PgConnection, statement: &str) -> Result<Vec<Vec<String>>, BoxError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(connection).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let cell = |place: usize| row.try_get::<Option<String>, _>(place).ok().flatten().unwrap_or_default();
            row.columns().iter().map(|column| in_one_line(&cell(column.ordinal()))).collect()
        })
        .collect())
}

/// A cell of any type, short enough to stand beside others.
fn in_one_line(cell: &str) -> String {
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    match cell.char_indices().nth(SHOWN_CHARACTERS) {
        None => cell.chars().map(plain).collect(),
        Some((place, _)) => cell[..place].chars().map(plain).chain(['…']).collect(),
    }
}

/// Lines of a table, without the middle ones of many, and its totals.
fn render(names: &[String], rows: &[Vec<String>], totals: &[Vec<String>]) -> String {
    let is_long = rows.len() > 2 * SHOWN_ROWS + 1;
    let head = if is_long { SHOWN_ROWS } else { rows.len() };
    let mut lines: Vec<Vec<String>> = vec![names.to_vec()];
    lines.extend(rows[..head].iter().cloned());
    if is_long {
        lines.push(vec!["…".to_owned(); names.len()]);
        lines.extend(rows[rows.len() - SHOWN_ROWS..].iter().cloned());
    }
    lines.extend(totals.iter().cloned());
    let widths: Vec<usize> = (0..names.len())
        .map(|place| lines.iter().map(|line| line[place].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(place, (cell, width))| if place == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") },
            )
            .collect();
        text.push_str(&format!("  {}\n", cells.join("  ")));
        let is_last = number + 1 == lines.len() - totals.len();
        if number == 0 || is_last && !totals.is_empty() {
            let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            text.push_str(&format!("  {}\n", rule.join("  ")));
        }
    }
    text
}

fn seconds(milliseconds: i64) -> f64 {
    std::time::Duration::from_millis(milliseconds.unsigned_abs()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::StateRun;
    use serde_json::json;

    fn outcome(last: &str, counts: Value) -> Outcome {
        Outcome {
            execution: "e".to_owned(),
            status: "SUCCEEDED".to_owned(),
            error: None,
            cause: None,
            counts,
            duration_ms: 1_500,
            states: vec![StateRun { state: last.to_owned(), duration_ms: 0, error: None }],
        }
    }

    #[test]
    fn a_summary_tells_what_was_loaded_of_windows() {
        let conclusion = json!({"windows": 2, "rows": 80, "rows_inserted": 3, "rows_deleted": 2, "rows_unchanged": 77,
                                "rows_newer": 1, "rows_gone": 2, "answers_lost": 0, "changed": {"zero_dates": 4}});
        let mut counts = json!({"window_count": 2, "windows_left": 1, "from": "2018-07-01T00:00:00Z",
                                "to": "2018-07-03T00:00:00Z", "conclusion": conclusion, "warnings": ["No index."]});
        assert_eq!(
            summary(&outcome("Loaded", counts.clone())),
            "2 windows from 2018-07-01T00:00:00Z to 2018-07-03T00:00:00Z, 1 left for the next run, 80 rows\n3 inserted, \
             2 deleted, 77 unchanged, 1 newer in the target, and kept, 2 marked as deleted, and left out, 4 zero dates became NULL, 1.50 s\nNo index."
        );
        let explained = json!({"explained": [{"at": "2018-07-01", "is_loaded": false, "reason": "not loaded"}]});
        assert_eq!(summary(&outcome("Explained", explained)), "2018-07-01: not loaded");
        counts["from"] = json!(null);
        counts["mapping"] = json!(["id: int -> integer"]);
        assert_eq!(
            summary(&outcome("WouldLoad", counts)),
            "would load the whole table\n  id: int -> integer\nNo index."
        );
    }

    #[test]
    fn a_summary_tells_what_was_passed_over_and_left_out() {
        let upsert = json!({"rows_read": 527, "rows_inserted": 84, "rows_updated": 0, "rows_unchanged": 0});
        let plain = json!({"mode": "load", "new_file_count": 3, "new_bytes": 25_936, "upsert": upsert,
                           "files_skipped": 0, "skipped": {"other_suffix": 0, "hidden": 0}});
        assert_eq!(
            summary(&outcome("Loaded", plain.clone())),
            "3 new files (25936 bytes), 527 rows\n84 inserted, 0 updated, 0 unchanged, 1.50 s"
        );
        let mut told = plain;
        told["skipped"] = json!({"other_suffix": 1, "hidden": 1});
        told["upsert"]["rows_filtered"] = json!(7);
        told["upsert"]["rows_ignored"] = json!(5);
        told["upsert"]["rows_rejected"] = json!(1);
        assert_eq!(
            summary(&outcome("Loaded", told.clone())),
            "3 new files, 2 passed over: 1 other suffix, 1 hidden\n25936 bytes, 527 rows, 7 filtered out, 5 ignored, \
             1 in quarantine\n84 inserted, 0 updated, 0 unchanged, 1.50 s"
        );
        told["upsert"]["files_bad"] = json!(1);
        told["upsert"]["keys_partial"] = json!(2);
        told["upsert"]["notes"] = json!(["One."]);
        told["notes"] = json!(["All of it."]);
        told["reload"] = json!(true);
        assert_eq!(
            summary(&outcome("Loaded", told.clone())),
            "3 files, 2 passed over: 1 other suffix, 1 hidden\n25936 bytes, 1 set aside as bad files, 527 rows, \
             7 filtered out, 5 ignored, 1 in quarantine\n84 inserted, 0 updated, 0 unchanged, 2 known in part only, 1.50 s\nAll of it.\nOne."
        );
        told["new_file_count"] = json!(0);
        told["upsert"] = json!(null);
        assert_eq!(
            summary(&outcome("NothingToDo", told)),
            "nothing new, 2 passed over: 1 other suffix, 1 hidden, 1.50 s\nAll of it."
        );
    }
}
