//! A large file comes in ranges, several of them under way: whatever becomes of one of them, no row is lost, none is read twice, and
//! all are of one version. The test plays S3.

use crate::fake_aws::{FakeAws, Function, OnRange};
use crate::support::task_spec;
use pipeline::contract::{Batch, BatchManifest, Manifest, ObjectRef, SourceFile};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const KEY: &str = "input_data/large.csv";
const ROWS: u64 = 400_000;

/// In bytes, as pivot asks for them.
const RANGE: u64 = 4 << 20;

/// A file of more ranges than are under way at once; each row counts as one.
fn large() -> Vec<u8> {
    let rows = (0..ROWS).map(|row| format!("2024-01-{:02},Work,1,{}\n", row % 28 + 1, "x".repeat(60)));
    ["Start date,Project,Duration (in minutes),Note\n".to_owned()]
        .into_iter()
        .chain(rows)
        .collect::<String>()
        .into_bytes()
}

/// Puts the file and a manifest of it, and pivots it while `on_range` has its way.
fn pivot(on_range: Box<OnRange>) -> (Result<Value, (String, String)>, FakeAws) {
    let aws = FakeAws::start();
    let mut function = Function::start("pivot", &aws);
    let manifest = {
        let mut world = aws.world();
        let body = large();
        assert!(body.len() as u64 > 6 * RANGE);
        let size = body.len() as u64;
        let etag = world.put(KEY, body);
        let file = SourceFile { key: KEY.to_owned(), etag, size, last_modified: "2024-01-01T00:00:00Z".to_owned() };
        let mut put = |name: &str, document: Value| {
            let key = format!("intermediate_data/one/{name}");
            let etag = world.put(&key, document.to_string().into_bytes());
            ObjectRef { bucket: "lake".to_owned(), key, etag }
        };
        let batch = put("batch-00000.json", json!(BatchManifest { files: vec![file] }));
        let detected_at = "2024-01-01T00:00:00.000Z".to_owned();
        put("manifest.json", json!(Manifest { detected_at, new_file_count: 1, new_bytes: size, batches: vec![batch] }))
    };
    aws.world().on_range = Some(on_range);
    let arn = |kind: &str| format!("arn:aws:states:us-east-1:123456789012:{kind}:m");
    let execution = json!({
        "id": format!("{}:one", arn("execution")), "name": "one", "started_at": "2024-01-01T00:00:00.000Z",
        "state_machine": arn("stateMachine"),
    });
    let event = json!({
        "execution": execution, "manifest": manifest, "batch": Batch { index: 0 }, "pivot": task_spec("Pivot", "pivot"),
    });
    (function.invoke(&event), aws)
}

/// Fails if a row is lost or read twice, where the body is cut off whose range, and how often it was asked for, say so.
fn check_all_rows_are_read_once(cut_off: fn(u64, usize) -> bool) {
    let mut asked: BTreeMap<u64, usize> = BTreeMap::new();
    let (output, _aws) = pivot(Box::new(move |first, _| {
        let times = asked.entry(first).or_default();
        *times += 1;
        cut_off(first / RANGE, *times)
    }));
    let output = output.unwrap();
    assert_eq!((&output["rows_read"], &output["days"]), (&json!(ROWS), &json!(28)));
    assert_eq!((&output["files_loaded"], &output["files_changed"]), (&json!(1), &json!(0)));
}

#[test]
fn ranges_that_are_cut_off_come_again() {
    check_all_rows_are_read_once(|_, _| false);
    check_all_rows_are_read_once(|_, times| times == 1);
    check_all_rows_are_read_once(|range, times| range == 4 && times < 3);
}

#[test]
fn a_range_that_is_cut_off_again_and_again_ends_the_batch() {
    let (output, aws) = pivot(Box::new(|first, _| first / RANGE == 5));
    let (error, cause) = output.unwrap_err();
    assert_eq!(error, "TransientFailure", "{cause}");
    assert!(cause.contains(KEY), "{cause}");
    check_nothing_is_left(&aws);
}

#[test]
fn a_file_that_is_replaced_between_two_ranges_ends_the_batch() {
    for range in [1, 5] {
        let (output, aws) = pivot(Box::new(move |first, objects| {
            if first / RANGE == range {
                let object = objects.get_mut(KEY).unwrap();
                object.etag = "\"another\"".to_owned();
            }
            false
        }));
        let (error, cause) = output.unwrap_err();
        assert_eq!(error, "TransientFailure", "{cause}");
        assert_eq!(cause, format!("{KEY} was replaced while it was read"));
        check_nothing_is_left(&aws);
    }
}

#[test]
fn a_file_that_is_replaced_before_the_first_range_is_left_out() {
    let (output, _aws) = pivot(Box::new(|_, objects| {
        objects.remove(KEY);
        false
    }));
    let output = output.unwrap();
    assert_eq!(
        (&output["rows_read"], &output["files_loaded"], &output["files_changed"]),
        (&json!(0), &json!(0), &json!(1))
    );
}

/// No result that upsert could load.
fn check_nothing_is_left(aws: &FakeAws) {
    let world = aws.world();
    let written: Vec<&String> = world.objects.keys().filter(|key| key.contains("result")).collect();
    assert!(written.is_empty(), "{written:?}");
}
