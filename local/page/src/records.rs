//! What runs write down in `state/<job>/runs/`, of kinds that load no PostgreSQL: an object per run that ended well,
//! and of loads into Redshift one per window, whatever became of its run.

use crate::facts::{Facts, Texts};
use crate::files::Object;
use crate::kind::Kind;
use crate::model::{Job, LoadedWindow, Origin, Row, Run};
use crate::outcome::Status;
use crate::windows::Windows;
use serde_json::{Value, json};
use sluice::contract::mysql_to_redshift::WindowRecord;
use std::collections::HashSet;

/// How many older runs of a job are read at most, the newest.
pub(crate) const MOST: usize = 200;

/// How many records of windows of a job are read at most, the newest.
pub(crate) const MOST_WINDOWS: usize = 1_000;

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

/// The run of a record of a window: `state/<job>/runs/<run>/window-00000.json`.
fn run_of_window<'a>(job: &Job, key: &'a str) -> Option<&'a str> {
    let (run, file) = key.strip_prefix(&folder(&job.name))?.split_once('/')?;
    let number = file.strip_prefix("window-")?.strip_suffix(".json")?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(run)
}

/// Which of the objects are records of windows that no output of a run tells of, the newest first.
pub(crate) fn of_windows(job: &Job, objects: Vec<Object>) -> Vec<Object> {
    let has_told = |run: &&Run| run.facts.as_ref().is_some_and(|facts| facts.windows.is_some());
    let told: HashSet<&str> = job.runs.iter().flatten().filter(has_told).map(|run| run.head.name.as_str()).collect();
    let is_wanted = |object: &Object| run_of_window(job, &object.key).is_some_and(|run| !told.contains(run));
    let mut wanted: Vec<Object> = objects.into_iter().filter(is_wanted).collect();
    wanted.sort_by_key(|object| std::cmp::Reverse(object.modified));
    wanted.truncate(MOST_WINDOWS);
    wanted
}

/// The window of a record; of a load of the whole table all that was over when it was read. `None` if the record is not
/// understood.
pub(crate) fn window(job: &Job, key: &str, text: &str) -> Option<LoadedWindow> {
    let record: WindowRecord = serde_json::from_str(text).ok()?;
    let at = |text: &str| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond());
    let (start, end) = match &record.window {
        Some(window) => (at(&window.start)?, at(&window.end)?),
        None => (job.spec.first_instant()?, at(&format!("{}Z", record.exported_at.replacen(' ', "T", 1)))?),
    };
    let machine = job.machine.replacen(":stateMachine:", ":execution:", 1);
    let execution = format!("{machine}:{}", run_of_window(job, key)?);
    Some(LoadedWindow { start, end, rows: record.counts.rows, execution, is_verified: true })
}

/// The windows that are in the target of a job that loads Redshift, as far as outputs of its runs and records say so,
/// by their start.
pub(crate) fn loaded(job: &Job) -> Vec<LoadedWindow> {
    let of_run = |run: &Run| {
        let told = run.facts.as_ref()?.windows.as_ref()?;
        let (start, end) = match told {
            Windows::Between(from, to) => (*from, *to),
            Windows::All => (job.spec.first_instant()?, run.head.started),
        };
        let rows = run.rows().unwrap_or_default();
        Some(LoadedWindow { start, end, rows, execution: run.head.arn.clone(), is_verified: true })
    };
    let recorded = job.windows.iter().flat_map(|windows| windows.iter().cloned());
    let mut loaded: Vec<LoadedWindow> = job.runs.iter().flatten().filter_map(of_run).chain(recorded).collect();
    loaded.sort_by_key(|window| window.start);
    loaded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobSpec;
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

    /// As `load-redshift` writes it.
    fn record(window: Option<[&str; 2]>, rows: u64) -> String {
        use sluice::contract::copy_table::Window;
        use sluice::contract::mysql_to_redshift::{Changed, LoadCounts};
        let record = WindowRecord {
            window: window.map(|[start, end]| Window { start: start.into(), end: end.into() }),
            exported_at: "2026-01-09 02:00:00.000000".into(),
            is_consistent: true,
            counts: LoadCounts { rows, ..LoadCounts::default() },
            changed: Changed::default(),
            statement: "s".into(),
            manifest: None,
            loaded_at: "2026-01-09T02:01:00.000Z".into(),
        };
        serde_json::to_string(&record).unwrap()
    }

    #[test]
    fn days_are_loaded_if_a_record_or_an_output_says_so() {
        let mut job = job();
        job.kind = Kind::MysqlToRedshift;
        job.spec = JobSpec { windows: json!({"zone": "UTC", "start": "2026-01-01"}), ..JobSpec::default() }.into();
        let output = json!({"purpose": "load", "window_count": 2, "from": "2026-01-03T00:00:00Z",
                            "to": "2026-01-05T00:00:00Z", "conclusion": {"windows": 2, "rows": 9}});
        let texts = [output.to_string()];
        let facts = Facts::read(
            Kind::MysqlToRedshift,
            Status::Succeeded,
            Texts { output: Some(&texts[0]), ..Texts::default() },
        );
        let told = Run { facts: Some(facts.into()), ..Run::new(head("told", Status::Succeeded, 5)) };
        job.runs = Some(vec![Run::new(head("bad", Status::Failed, 6)), told]);
        let objects = ["told/window-00000.json", "bad/window-00001.json", "bad/window-x.json", "bad.json"];
        let objects = objects.iter().zip(1..).map(|(key, at)| object(&format!("state/j/runs/{key}"), at)).collect();
        let found: Vec<String> = of_windows(&job, objects).into_iter().map(|object| object.key).collect();
        assert_eq!(found, ["state/j/runs/bad/window-00001.json"]);
        let day = Some(["2026-01-07T00:00:00Z", "2026-01-08T00:00:00Z"]);
        let window = super::window(&job, &found[0], &record(day, 7)).unwrap();
        assert_eq!((window.rows, window.execution.as_str()), (7, "arn:aws:states:x:1:execution:m:bad"));
        assert!(super::window(&job, &found[0], "{}").is_none());
        let whole = super::window(&job, &found[0], &record(None, 7)).unwrap();
        assert_eq!((whole.end - whole.start) / 3_600_000, 8 * 24 + 2, "from the first day to when it was read");
        job.windows = Some(vec![window].into());
        let days: Vec<i64> = loaded(&job).iter().map(|window| (window.end - window.start) / 86_400_000).collect();
        assert_eq!(days, [2, 1]);
    }
}
