//! What runs write down in `state/<job>/runs/`, of kinds that load no PostgreSQL: an object per run that ended well.

use crate::facts::{Facts, Texts};
use crate::files::Object;
use crate::kind::Kind;
use crate::model::{Job, Origin, Row};
use crate::outcome::Status;
use serde_json::{Value, json};
use std::collections::HashSet;

/// How many older runs of a job are read at most, the newest, and how many of them before something else is asked.
pub(crate) const MOST: usize = 200;
pub(crate) const AT_ONCE: usize = 10;

/// Where the records of a job are; windows have folders below it.
pub(crate) fn folder(job: &str) -> String {
    format!("state/{job}/runs/")
}

/// The execution of a record of a job.
fn execution(job: &Job, key: &str) -> Option<String> {
    let name = key.strip_prefix(&folder(&job.name))?.strip_suffix(".json")?;
    (!name.is_empty() && !name.contains('/')).then(|| job.execution(name))
}

/// Which of the objects are records of runs that are not known: with their executions, the newest first.
pub(crate) fn unknown(job: &Job, objects: Vec<Object>) -> Vec<(String, Object)> {
    let known: HashSet<&str> = job.runs.iter().flatten().map(|run| run.head.arn.as_str()).collect();
    let records = objects.into_iter().filter_map(|object| Some((execution(job, &object.key)?, object)));
    let mut unknown: Vec<_> = records.filter(|(execution, _)| !known.contains(execution.as_str())).collect();
    unknown.sort_by_key(|(_, object)| std::cmp::Reverse(object.modified));
    let read = job.runs.iter().flatten().filter(|run| run.row.is_some()).count();
    unknown.truncate(MOST.saturating_sub(read));
    unknown
}

/// What the record of an execution says; of one that is not understood, or of an earlier version, when it was written.
pub(crate) fn row(kind: Kind, execution: String, object: &Object, text: &str) -> Row {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let time = |field: &str| {
        let at = value[field].as_str()?.parse::<jiff::Timestamp>().ok()?;
        Some(at.as_millisecond())
    };
    let (started, ended) = (time("started_at"), time("finished_at").unwrap_or(object.modified));
    // The same as the output of the run, of which one kind puts it into a field.
    let output = if kind == Kind::MysqlToRedshift { json!({"conclusion": value}) } else { value };
    let facts = Facts::read(kind, Status::Succeeded, Texts { output: Some(&output.to_string()), ..Texts::default() });
    Row {
        execution,
        origin: Origin::Document,
        started: started.unwrap_or(ended),
        ended,
        committed: Some(ended),
        status: Status::Succeeded,
        error: None,
        counts: facts.counts,
        rows: facts.rows.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Run;
    use crate::runs::tests::{head, job};

    fn object(key: &str, modified: i64) -> Object {
        Object { key: key.to_owned(), etag: String::new(), size: 0, modified }
    }

    #[test]
    fn records_of_runs_that_step_functions_lists_are_not_read() {
        let mut job = job();
        job.runs = Some(vec![Run::new(head("a", Status::Succeeded, 5))]);
        let keys = ["state/j/runs/a.json", "state/j/runs/old.json", "state/j/runs/older.json"];
        let windows = ["state/j/runs/a/window-00000.json", "state/k/runs/x.json", "state/j/runs/.json"];
        let objects = keys.iter().chain(&windows).zip(0_i64..).map(|(key, place)| object(key, -place));
        let found: Vec<String> = unknown(&job, objects.collect()).into_iter().map(|(execution, _)| execution).collect();
        assert_eq!(found, ["arn:aws:states:x:1:execution:m:old", "arn:aws:states:x:1:execution:m:older"]);
        let many = (0..300).map(|number| object(&format!("state/j/runs/{number}.json"), number));
        let found = unknown(&job, many.collect());
        assert_eq!((found.len(), found[0].1.modified), (MOST, 299));
    }

    #[test]
    fn both_kinds_say_what_they_did() {
        let elt = json!({"execution": "arn:x", "started_at": "2026-01-01T00:00:00.000Z", "locked_at": "x",
                         "finished_at": "2026-01-01T00:01:00.000Z", "values": {},
                         "published": [{"table": "t", "rows": 7, "bytes": 70, "scanned_bytes": 1}]});
        let read = row(Kind::AthenaElt, "arn:x".into(), &object("k", 9), &elt.to_string());
        assert_eq!((read.rows, read.ended - read.started, read.status), (7, 60_000, Status::Succeeded));
        assert!(read.counts.iter().any(|count| count.what == "tables" && count.number == 1));
        let did = json!({"execution": "arn:x", "started_at": "2026-01-01T00:00:00.000Z", "windows": 2, "rows": 8,
                         "finished_at": "2026-01-01T00:01:00.000Z", "rows_inserted": 8, "changed": {}});
        let read = row(Kind::MysqlToRedshift, "arn:x".into(), &object("k", 9), &did.to_string());
        assert_eq!((read.rows, read.counts[0].number, read.ended - read.started), (8, 2, 60_000));
        // Of an earlier version, which wrote no times; and of something else.
        let read = row(Kind::MysqlToRedshift, "arn:x".into(), &object("k", 9), r#"{"windows": 2, "rows": 8}"#);
        assert_eq!((read.rows, read.started, read.ended), (8, 9, 9));
        let read = row(Kind::AthenaElt, "arn:x".into(), &object("k", 9), "no JSON");
        assert_eq!((read.rows, read.started, read.counts.len()), (0, 9, 0));
    }
}
