//! Which runs that ended badly detection hands on with what is loaded, and that it never fails for their sake.

use super::{BEGINNING, HOUR, event, execution, print, write_document};
use crate::functions::fake_aws::{FakeAws, Function, Object, Run, Seen};
use aws_sdk_s3::primitives::DateTime;
use serde_json::{Value, json};
use sluice::contract::{BadEnd, EndedBadly, Loaded, Manifest, ObjectRef};
use sluice::time::format_time;

/// A job with one new file, and a function that detects it.
struct Job {
    aws: FakeAws,
    function: Function,
}

impl Job {
    fn new() -> Self {
        let aws = FakeAws::start();
        let object = Object { etag: "\"e\"".to_owned(), size: 1, modified: BEGINNING / 1_000, ..Object::default() };
        aws.world().objects.insert("input_data/a.csv".to_owned(), object);
        Self { function: Function::start("detect-new-files", &aws), aws }
    }

    /// A run that was started so many hours after the beginning, and ended half an hour later.
    fn ended(&self, name: &str, status: &'static str, hours: i64, output: Value) {
        let started_at = BEGINNING + hours * HOUR;
        self.aws.world().runs.push(Run {
            execution: execution(name, started_at),
            status,
            started_at,
            stopped_at: (status != "RUNNING").then_some(started_at + HOUR / 2),
            output,
            seen: Seen::Described,
        });
    }

    fn detect(&mut self, trigger: &Value) -> Value {
        self.function.invoke(&event(&execution("now", BEGINNING + 100 * HOUR), 24, trigger)).unwrap()
    }

    fn manifest(&mut self) -> Manifest {
        let output = self.detect(&json!({}));
        let manifest: ObjectRef = serde_json::from_value(output["manifest"].clone()).unwrap();
        self.aws.world().document::<Manifest>(&manifest)
    }

    fn handed_on(&mut self) -> Vec<EndedBadly> {
        self.manifest().ended_badly
    }

    /// A load by a manifest that was detected then.
    fn loaded(&self, detected_at: String) {
        let loaded = Loaded { generation: "g".to_owned(), detected_at, print: print(&super::parts(24)) };
        write_document(&self.aws, &loaded);
    }
}

fn names(ended: &[EndedBadly]) -> Vec<&str> {
    ended.iter().filter_map(|run| run.execution.rsplit(':').next()).collect()
}

fn failed() -> Value {
    json!({"error": "InvalidSource"})
}

#[test]
fn what_ended_badly_is_handed_on_the_newest_first() {
    let mut job = Job::new();
    job.ended("failed", "FAILED", 1, failed());
    job.ended("late", "TIMED_OUT", 3, Value::Null);
    job.ended("stopped", "ABORTED", 2, json!({"error": "Stopped"}));
    job.ended("good", "SUCCEEDED", 4, json!({"mode": "dry_run"}));
    job.ended("at-work", "RUNNING", 5, Value::Null);
    let ended = job.handed_on();
    assert_eq!(names(&ended), ["late", "stopped", "failed"]);
    let errors: Vec<_> = ended.iter().map(|run| (run.status, run.error.as_deref())).collect();
    let expected =
        [(BadEnd::TimedOut, None), (BadEnd::Aborted, Some("Stopped")), (BadEnd::Failed, Some("InvalidSource"))];
    assert_eq!(errors, expected);
    assert_eq!(ended[2].started_at, "2024-01-01T01:00:00.000Z");
    assert_eq!(ended[2].ended_at, "2024-01-01T01:30:00.000Z");
}

#[test]
fn of_many_the_newest_are_handed_on_and_fewer_are_asked_for_their_errors() {
    let mut job = Job::new();
    for number in 0..120 {
        job.ended(&format!("failed-{number}"), "FAILED", number, failed());
    }
    let ended = job.handed_on();
    assert_eq!(names(&ended)[..2], ["failed-119", "failed-118"]);
    assert_eq!(ended.len(), 100);
    let named: Vec<bool> = ended.iter().map(|run| run.error.is_some()).collect();
    assert_eq!((named[..20].iter().all(|is| *is), named[20..].iter().any(|is| *is)), (true, false));
}

/// Whose errors the last load left without names are asked next, however long ago they ended. A run that does not load
/// leaves that as it was.
#[test]
fn what_was_not_asked_is_asked_by_the_next_load() {
    let mut job = Job::new();
    for number in 0..60 {
        job.ended(&format!("failed-{number}"), "FAILED", number, failed());
    }
    let named = |manifest: &Manifest| -> Vec<usize> {
        let ended = manifest.ended_badly.iter().enumerate();
        ended.filter(|(_, run)| run.error.is_some()).map(|(place, _)| place).collect()
    };
    let first = job.manifest();
    assert_eq!(named(&first), (0..20).collect::<Vec<_>>());
    // It did not load: nothing of it is written down.
    let second = job.manifest();
    assert_eq!(named(&second), (0..20).collect::<Vec<_>>());
    job.loaded(second.detected_at);
    // This one fails behind its detection, and what it was told is lost with it.
    assert_eq!(named(&job.manifest()), (20..40).collect::<Vec<_>>());
    let fourth = job.manifest();
    assert_eq!(named(&fourth), (20..40).collect::<Vec<_>>());
    job.loaded(fourth.detected_at);
    let fifth = job.manifest();
    assert_eq!(named(&fifth), (40..60).collect::<Vec<_>>());
    job.loaded(fifth.detected_at);
    assert_eq!(named(&job.manifest()), Vec::<usize>::new());
}

/// Those before the last load are written down with their errors, if the load before handed them on.
#[test]
fn what_the_last_load_has_handed_on_is_not_asked_again() {
    let mut job = Job::new();
    job.ended("old", "FAILED", 1, failed());
    job.ended("new", "FAILED", 70, failed());
    let at = format_time(DateTime::from_millis(BEGINNING + 60 * HOUR));
    job.loaded(at);
    let ended = job.handed_on();
    assert_eq!(names(&ended), ["new", "old"]);
    assert_eq!(ended.iter().map(|run| run.error.is_some()).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_run_that_loads_nothing_hands_nothing_on() {
    let mut job = Job::new();
    job.ended("failed", "FAILED", 1, failed());
    let tried = job.detect(&json!({"dry_run": true}));
    let manifest: ObjectRef = serde_json::from_value(tried["manifest"].clone()).unwrap();
    assert_eq!(job.aws.world().document::<Manifest>(&manifest).ended_badly, []);
    job.aws.world().objects.remove("input_data/a.csv");
    assert_eq!(job.detect(&json!({}))["manifest"], Value::Null);
}

/// One that is listed before it can be described has no error's name yet, and is handed on all the same.
#[test]
fn what_cannot_be_asked_costs_the_name_of_the_error_alone() {
    let mut job = Job::new();
    job.ended("failed", "FAILED", 1, failed());
    job.aws.world().runs[0].seen = Seen::Listed;
    let ended = job.handed_on();
    assert_eq!((names(&ended), ended[0].error.as_deref()), (vec!["failed"], None));
}

/// A role without these permissions, a service that refuses: the run loads what is new.
#[test]
fn lists_that_are_refused_cost_some_history_alone() {
    let mut job = Job::new();
    job.ended("failed", "FAILED", 1, failed());
    job.aws.world().refuses_status = Some("ABORTED");
    assert_eq!(job.handed_on(), []);
}
