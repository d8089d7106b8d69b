//! What the description of an execution says, in the words of its job: what started it, what became of it, its counts.
//! Of input and output only known fields are kept, and of any other its size: nothing that a file holds is among them.

use crate::kind::Kind;
use crate::outcome::{Outcome, Status};
use crate::unquoted::unquoted;
use crate::windows::Windows;
use crate::words;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is said of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What became of it.
    pub outcome: Outcome,
    /// What started it: `an upload`, `the clock`, `hand`.
    pub started_by: Cause,
    /// The name of the error that ended it.
    pub error: Option<String>,
    /// What the error says, without the JSON around it.
    pub cause: Option<String>,
    /// What it did, in the order in which a person reads it.
    pub counts: Vec<Count>,
    /// What else a person should know of it, a sentence each.
    pub notes: Vec<String>,
    /// Of each file that was asked for, whether and why it is new.
    pub explained: Vec<Explained>,
    /// Rows that it loaded, copied or published.
    pub rows: Option<u64>,
    /// Of a load into Redshift, what of the source is in the target when it has ended well.
    pub windows: Option<Windows>,
    /// Rows that it set aside.
    pub rejected: u64,
    /// Whether later runs may count on it: it looked for new files, and loaded those that there were.
    #[serde(default)]
    pub is_watermark: bool,
    /// The input, of which only known fields are shown; not kept on the disk.
    #[serde(skip)]
    pub input: Option<String>,
    /// The output, in the same way.
    #[serde(skip)]
    pub output: Option<String>,
}

/// What started a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// In words, behind "started by".
    pub words: String,
    /// The key of the file whose arrival started it.
    pub key: Option<String>,
}

/// Something that was counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// What.
    pub what: String,
    /// How often.
    pub number: u64,
    /// Whether it is bytes.
    pub is_bytes: bool,
}

/// Why a file is new or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Its key.
    pub key: String,
    /// Whether a run would load it.
    pub is_new: bool,
    /// Why.
    pub reason: String,
}

/// The texts of a description.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts<'a> {
    /// The input.
    pub input: Option<&'a str>,
    /// The output.
    pub output: Option<&'a str>,
    /// The name of the error.
    pub error: Option<&'a str>,
    /// Its cause.
    pub cause: Option<&'a str>,
}

impl Facts {
    /// Reads the description of an execution of a job of this kind.
    pub fn read(kind: Kind, status: Status, texts: Texts<'_>) -> Self {
        let json = |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let input = json(texts.input).unwrap_or(Value::Null);
        // One engine answers with the error as the output.
        let output = json(texts.output).filter(|_| status == Status::Succeeded).unwrap_or(Value::Null);
        let counts = counts(kind, &output);
        let of = |name: &str| counts.iter().find(|count| count.what == name).map(|count| count.number);
        Self {
            outcome: outcome(kind, status, &output),
            started_by: started_by(&input),
            error: texts.error.map(ToOwned::to_owned),
            cause: texts.cause.map(plain_cause),
            notes: notes(&output),
            explained: explained(&output),
            rows: of("rows read").or_else(|| of("rows")),
            windows: Windows::read(kind, &output),
            rejected: of("rows in quarantine").unwrap_or(0),
            is_watermark: kind == Kind::TransformAndUpsert && output["mode"] == "load",
            counts,
            input: texts.input.map(|text| shown(&input, text)),
            output: texts.output.filter(|_| status == Status::Succeeded).map(|text| shown(&output, text)),
        }
    }
}

/// The cause of a function's error is the JSON that the function answered with; its message is what a person wants,
/// without the values that an older function quotes.
pub fn plain_cause(cause: &str) -> String {
    let value = serde_json::from_str::<Value>(cause).ok();
    let message = value.as_ref().and_then(|value| value["errorMessage"].as_str());
    unquoted(message.unwrap_or(cause)).into_owned()
}

fn outcome(kind: Kind, status: Status, output: &Value) -> Outcome {
    match status {
        Status::Running => return Outcome::Running,
        Status::Failed => return Outcome::Failed,
        Status::TimedOut => return Outcome::TimedOut,
        Status::Aborted => return Outcome::Stopped,
        Status::Succeeded => {}
    }
    let purpose = output["conclusion"]["purpose"].as_str().unwrap_or_default();
    match kind {
        Kind::TransformAndUpsert => match output["mode"].as_str() {
            Some("explain") => Outcome::Explained,
            Some("left_to_owner") => Outcome::LeftToOwner,
            _ if !output["upsert"].is_object() => Outcome::NothingNew,
            Some("dry_run") => Outcome::DryRun,
            _ => Outcome::Loaded,
        },
        Kind::CopyTable => match purpose {
            "load" => Outcome::Loaded,
            "verify" => Outcome::Equal,
            _ if output["window_count"] == 0 => Outcome::NothingNew,
            _ => Outcome::DryRun,
        },
        Kind::MysqlToRedshift if output["purpose"] == "dry_run" => Outcome::DryRun,
        Kind::MysqlToRedshift if output["audit"]["is_equal"] == true => Outcome::Equal,
        Kind::MysqlToRedshift if output["audit"].is_object() => Outcome::Different,
        Kind::MysqlToRedshift if output["conclusion"].is_object() => Outcome::Loaded,
        Kind::MysqlToRedshift => Outcome::NothingNew,
        Kind::AthenaElt => Outcome::Loaded,
    }
}

/// Where each count stands in the output, and what it counts.
const FILES: [(&str, &str); 14] = [
    ("/new_file_count", "new files"),
    ("/new_bytes", "bytes"),
    ("/upsert/rows_read", "rows read"),
    ("/upsert/rows_inserted", "rows inserted"),
    ("/upsert/rows_updated", "rows updated"),
    ("/upsert/rows_unchanged", "rows unchanged"),
    ("/upsert/rows_deleted", "rows deleted"),
    ("/upsert/rows_ignored", "rows ignored"),
    ("/upsert/rows_filtered", "rows filtered out"),
    ("/upsert/rows_rejected", "rows in quarantine"),
    ("/upsert/files_bad", "bad files"),
    ("/upsert/files_changed", "files left for the next run"),
    ("/upsert/keys_partial", "keys known in part only"),
    ("/files_skipped", "files passed over"),
];
const WINDOWS: [(&str, &str); 14] = [
    ("/conclusion/windows", "windows"),
    ("/conclusion/rows", "rows"),
    ("/conclusion/bytes", "bytes"),
    ("/conclusion/rows_inserted", "rows inserted"),
    ("/conclusion/rows_updated", "rows updated"),
    ("/conclusion/rows_deleted", "rows deleted"),
    ("/conclusion/rows_unchanged", "rows unchanged"),
    ("/conclusion/rows_newer", "rows newer in the target"),
    ("/audit/rows_source", "rows in MySQL"),
    ("/audit/rows_target", "rows in Redshift"),
    ("/audit/parts_different", "parts of the key that differ"),
    ("/audit/keys_twice", "keys twice"),
    ("/windows_left", "windows left for the next run"),
    ("/rows_estimated", "rows in all, estimated"),
];

/// What is shown even if it is none.
const ALWAYS: [&str; 5] = ["new files", "rows read", "rows inserted", "windows", "rows"];

fn counts(kind: Kind, output: &Value) -> Vec<Count> {
    if kind == Kind::AthenaElt {
        let tables = || output["published"].as_array().into_iter().flatten();
        let sum = |field: &str| tables().filter_map(|table| table[field].as_u64()).sum();
        let all = [("tables", tables().count() as u64), ("rows", sum("rows")), ("bytes", sum("bytes"))];
        let read = ("bytes read by queries", sum("scanned_bytes"));
        let counted = all.into_iter().chain([read]).filter(|_| output["published"].is_array());
        return counted.map(|(what, number)| count(what, number)).collect();
    }
    let places: &[(&str, &str)] = if kind == Kind::TransformAndUpsert { &FILES } else { &WINDOWS };
    let counted = places.iter().filter_map(|(place, what)| Some((*what, output.pointer(place)?.as_u64()?)));
    let counted = counted.filter(|(what, number)| *number > 0 || ALWAYS.contains(what));
    counted.map(|(what, number)| count(what, number)).collect()
}

/// So many of something; of bytes, if its name begins so.
pub(crate) fn count(what: &str, number: u64) -> Count {
    Count { what: what.to_owned(), number, is_bytes: what.starts_with("bytes") }
}

fn notes(output: &Value) -> Vec<String> {
    let places = [&output["notes"], &output["upsert"]["notes"], &output["audit"]["notes"], &output["warnings"]];
    let texts = places.into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    texts.map(|text| unquoted(text).into_owned()).collect()
}

fn explained(output: &Value) -> Vec<Explained> {
    let text = |file: &Value, field: &str| file[field].as_str().unwrap_or_default().to_owned();
    let files = output["explained"].as_array().into_iter().flatten();
    let one = |file: &Value| Explained {
        key: text(file, "key"),
        is_new: file["is_new"] == true,
        reason: unquoted(&text(file, "reason")).into_owned(),
    };
    files.map(one).collect()
}

/// What started an execution, by its input.
pub fn started_by(input: &Value) -> Cause {
    let plain = |words: &str| Cause { words: words.to_owned(), key: None };
    let list = |field: &str| input[field].as_array().map(Vec::len).unwrap_or_default() as u64;
    let key = input["detail"]["object"]["key"].as_str();
    let key = key.or_else(|| input["Records"][0]["s3"]["object"]["key"].as_str());
    if let Some(key) = key {
        return Cause { words: "an upload of".to_owned(), key: Some(key.to_owned()) };
    }
    let of = |field: &str| input.get(field).is_some();
    let range = match (input["from"].as_str(), input["to"].as_str()) {
        (Some(from), Some(to)) => format!(" of {} to {}", words::visible(from, 40), words::visible(to, 40)),
        _ => String::new(),
    };
    if input.is_array() || input["upload"] == true {
        plain("an upload")
    } else if of("scheduled_time") {
        plain("the clock")
    } else if let Some(job) = input["after"].as_str() {
        plain(&format!("the job {}", words::visible(job, 60)))
    } else if of("again") {
        plain("the run before it, for what came meanwhile")
    } else if of("AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID") {
        plain("another state machine")
    } else if of("explain") {
        plain(&format!("hand, to explain {}", words::count(list("explain"), "file")))
    } else if of("verify") || input["audit"] == true {
        plain("hand, to compare both sides")
    } else {
        let mut what = Vec::new();
        if input["dry_run"] == true {
            what.push("dry run".to_owned());
        }
        if of("forget") {
            what.push(format!("load {} again", words::count(list("forget"), "file")));
        }
        if let Some(since) = input["since"].as_str() {
            what.push(format!("load all files since {} again", words::visible(since, 40)));
        }
        if input["reload"] == true {
            what.push("load everything anew".to_owned());
        }
        if input["full"] == true {
            what.push("the whole table".to_owned());
        }
        if !range.is_empty() {
            what.push(format!("backfill{range}"));
        }
        let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
        plain(&format!("hand{what}"))
    }
}

/// Fields of inputs and outputs whose values are times, counts, names of ours, or keys of files. The parts of a table
/// that an audit names are none of them: the bounds of a part are values of rows.
const KNOWN: [&str; 93] = [
    "Comment",
    "action",
    "after",
    "again",
    "answers_lost",
    "attempt",
    "audit",
    "batches",
    "bucket",
    "bytes",
    "bytes_estimated",
    "changed",
    "cleaned",
    "column_count",
    "conclusion",
    "detail",
    "detail-type",
    "differences",
    "dry_run",
    "etag",
    "explain",
    "explained",
    "files",
    "files_bad",
    "files_changed",
    "files_skipped",
    "forget",
    "from",
    "full",
    "hidden",
    "index",
    "is_equal",
    "is_new",
    "key",
    "keys_partial",
    "keys_twice",
    "loads_since",
    "location",
    "manifest",
    "mark",
    "mode",
    "name",
    "new_bytes",
    "new_file_count",
    "newest_load_read_at",
    "notes",
    "nuls",
    "object",
    "objects_deleted",
    "only_missing",
    "other_suffix",
    "parts_different",
    "plan",
    "published",
    "purpose",
    "read_at",
    "reason",
    "reload",
    "rows",
    "rows_deleted",
    "rows_estimated",
    "rows_filtered",
    "rows_gone",
    "rows_ignored",
    "rows_inserted",
    "rows_newer",
    "rows_not_due",
    "rows_outside",
    "rows_read",
    "rows_rejected",
    "rows_source",
    "rows_staged",
    "rows_target",
    "rows_unchanged",
    "rows_updated",
    "scanned_bytes",
    "scheduled_time",
    "sequences",
    "since",
    "size",
    "skipped",
    "source",
    "spans",
    "table",
    "tables_dropped",
    "time",
    "to",
    "upload",
    "upsert",
    "verify",
    "watermark",
    "window_count",
    "windows_left",
];

/// How many items of a list are shown.
const ITEMS: usize = 20;

/// An input or output of which only known fields are shown.
fn shown(value: &Value, text: &str) -> String {
    if value.is_null() {
        return format!("({} bytes that are no JSON)", text.len());
    }
    serde_json::to_string_pretty(&known(value, true)).unwrap_or_default()
}

fn known(value: &Value, is_known: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let is_known = KNOWN.contains(&name.as_str());
                (words::visible(name, 60), known(value, is_known))
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(items) => {
            let mut shown: Vec<Value> = items.iter().take(ITEMS).map(|item| known(item, is_known)).collect();
            if items.len() > ITEMS {
                shown.push(format!("… and {} more", items.len() - ITEMS).into());
            }
            Value::Array(shown)
        }
        Value::String(text) if is_known => words::visible(&unquoted(text), 300).into(),
        Value::String(text) => format!("({} bytes)", text.len()).into(),
        Value::Number(_) if !is_known => "(a number)".into(),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::fixture;
    use serde_json::json;

    fn recorded(name: &str, status: Status) -> Facts {
        let described = &fixture(name)["describe_execution"];
        let text = |field: &str| described[field].as_str();
        let texts = Texts { input: text("input"), output: text("output"), error: text("error"), cause: text("cause") };
        Facts::read(Kind::TransformAndUpsert, status, texts)
    }

    #[test]
    fn recorded_runs_are_told_in_words() {
        for (name, status, outcome, started_by) in [
            ("run-loaded", Status::Succeeded, Outcome::Loaded, "an upload of"),
            ("run-dry-run", Status::Succeeded, Outcome::DryRun, "hand: dry run, load 1 file again"),
            ("run-explain", Status::Succeeded, Outcome::Explained, "hand, to explain 3 files"),
            ("run-nothing-new", Status::Succeeded, Outcome::NothingNew, "hand"),
            ("run-failed-bad-rows", Status::Failed, Outcome::Failed, "an upload of"),
            ("run-stopped", Status::Aborted, Outcome::Stopped, "hand: load all files since 1970-01-01T00:00:00Z again"),
        ] {
            let facts = recorded(name, status);
            assert_eq!((facts.outcome, facts.started_by.words.as_str()), (outcome, started_by), "{name}");
        }
        let loaded = recorded("run-loaded", Status::Succeeded);
        assert_eq!((loaded.rows, loaded.rejected), (Some(174), 0));
        // A dry run that found nothing to do covers nothing.
        for (name, is_watermark) in [("run-loaded", true), ("run-nothing-new", true), ("run-dry-run", false)] {
            assert_eq!(recorded(name, Status::Succeeded).is_watermark, is_watermark, "{name}");
        }
        assert_eq!(loaded.started_by.key.as_deref(), Some("input_data/sessions-2024-04.csv"));
        let failed = recorded("run-failed-bad-rows", Status::Failed);
        assert!(failed.cause.unwrap().starts_with("2 bad rows: input_data/sessions-2024-04.csv, line 42"));
        assert_eq!(recorded("run-explain", Status::Succeeded).explained.len(), 3);
    }

    #[test]
    fn ends_of_the_other_kinds() {
        let of = |kind, output: Value| {
            let text = output.to_string();
            Facts::read(kind, Status::Succeeded, Texts { output: Some(&text), ..Texts::default() })
        };
        let copied = of(
            Kind::CopyTable,
            json!({"window_count": 3, "windows_left": 2, "conclusion": {"purpose": "load", "windows": 3, "rows": 70}}),
        );
        assert_eq!((copied.outcome, copied.rows), (Outcome::Loaded, Some(70)));
        let compared = of(Kind::CopyTable, json!({"window_count": 1, "conclusion": {"purpose": "verify"}}));
        assert_eq!(compared.outcome, Outcome::Equal);
        let none = of(Kind::CopyTable, json!({"window_count": 0, "conclusion": {"purpose": "nothing"}}));
        assert_eq!(none.outcome, Outcome::NothingNew);
        assert_eq!(of(Kind::MysqlToRedshift, json!({"purpose": "dry_run"})).outcome, Outcome::DryRun);
        let loaded = of(Kind::MysqlToRedshift, json!({"purpose": "load", "conclusion": {"windows": 1, "rows": 9}}));
        assert_eq!((loaded.outcome, loaded.rows), (Outcome::Loaded, Some(9)));
        let audited = |is_equal| {
            let audit = json!({"is_equal": is_equal, "rows_source": 9, "parts_different": 1, "notes": ["Load again."]});
            of(Kind::MysqlToRedshift, json!({"purpose": "audit", "audit": audit, "warnings": []}))
        };
        assert_eq!(audited(true).outcome, Outcome::Equal);
        let different = audited(false);
        assert_eq!((different.outcome, different.notes), (Outcome::Different, vec!["Load again.".to_owned()]));
        assert!(different.counts.iter().any(|count| count.what == "parts of the key that differ"));
        let published = json!({"published": [{"table": "old", "rows": 4, "bytes": 10, "scanned_bytes": 20}]});
        let published = of(Kind::AthenaElt, published);
        assert_eq!((published.outcome, published.rows), (Outcome::Loaded, Some(4)));
    }

    /// An audit names parts of a table by the bounds of their keys, and older functions quoted values in reasons.
    #[test]
    fn no_value_of_a_row_is_in_what_is_shown_of_an_output() {
        let part = |part: &str| json!({"part": part, "rows_source": 3, "rows_target": 2, "rows_not_due": 0});
        let reason = r#"line 2, column 1 (name): "Ann, \"the\" one": not a number"#;
        let output = json!({
            "mode": "explain", "mark": "\"0af\"", "notes": [format!("1 file was set aside: in/a.csv: {reason}")],
            "explained": [{"key": "in/a.csv", "is_new": false, "reason": reason}],
            "audit": {"is_equal": false, "differences": [part("id = 4711081512"), part("id from 4711081513 to 4711081520")],
                      "parts_different": 2, "notes": [format!("in/b.csv, {reason}")]},
        });
        for kind in [Kind::TransformAndUpsert, Kind::MysqlToRedshift] {
            let texts = Texts { output: Some(&output.to_string()), ..Texts::default() };
            let facts = Facts::read(kind, Status::Succeeded, texts);
            let told = format!("{facts:?}");
            assert!(!told.contains("4711") && !told.contains("Ann"), "{told}");
            assert_eq!(facts.notes[0], "1 file was set aside: in/a.csv: line 2, column 1 (name): not a number");
            assert_eq!(facts.explained[0].reason, "line 2, column 1 (name): not a number");
            // How much differs is there.
            let output = facts.output.unwrap();
            assert!(output.contains("\"part\": \"(15 bytes)\"") && output.contains("\"rows_source\": 3"), "{output}");
        }
    }

    #[test]
    fn of_an_unknown_field_only_the_size_is_shown() {
        let text = json!({"since": "2024-01-01", "patient": "Ann", "variables": {"n": 7}, "forget": ["a\u{202e}b"]});
        let facts =
            Facts::read(Kind::AthenaElt, Status::Running, Texts { input: Some(&text.to_string()), ..Texts::default() });
        let input = facts.input.unwrap();
        assert!(input.contains("\"since\": \"2024-01-01\"") && input.contains("\"patient\": \"(3 bytes)\""), "{input}");
        assert!(input.contains("\"n\": \"(a number)\"") && input.contains("aU+202Eb"), "{input}");
        assert!(!input.contains("Ann"), "{input}");
    }
}
