//! A large file comes in ranges, several of them under way: whatever becomes of one of them, no row is lost, none is
//! read twice, and all are of one version. The test plays S3.

use crate::functions::fake_aws::{FakeAws, Function, OnRange, World};
use crate::support::{reference_job, with_spec};
use serde_json::{Value, json};
use sluice::contract::{BatchIndex, BatchManifest, Manifest, ObjectRef, SourceFile};
use sluice::input::Skipped;
use std::collections::BTreeMap;

const ROWS: u64 = 400_000;

/// In bytes, as pivot asks for them.
const RANGE: u64 = 4 << 20;

/// The rows of a file of more ranges than are under way at once; no two of them are alike, nor is a place where one
/// range ends.
fn rows() -> Vec<String> {
    let row = |row: u64| {
        let note = "x".repeat(usize::try_from(row * 7_919 % 97).unwrap());
        format!("2024-01-{:02},Work,{row}.{:03},{note}\n", row % 28 + 1, row % 1_000)
    };
    (0..ROWS).map(row).collect()
}

/// Puts files of some rows each and a manifest of them, and pivots them while `on_range` has its way. Returns the
/// answer and the bucket.
fn pivot(rows: &[String], rows_of_a_file: usize, on_range: Box<OnRange>) -> (Result<Value, (String, String)>, FakeAws) {
    pivot_as(rows, rows_of_a_file, on_range, |_, _| ())
}

/// The same, once `change` had its way with the bucket and the event.
fn pivot_as(
    rows: &[String],
    rows_of_a_file: usize,
    on_range: Box<OnRange>,
    change: impl FnOnce(&mut World, &mut Value),
) -> (Result<Value, (String, String)>, FakeAws) {
    let aws = FakeAws::start();
    let mut function = Function::start("pivot", &aws);
    let manifest = {
        let mut world = aws.world();
        let files: Vec<SourceFile> = rows
            .chunks(rows_of_a_file)
            .enumerate()
            .map(|(number, rows)| {
                let body = format!("Start date,Project,Duration (in minutes),Note\n{}", rows.concat()).into_bytes();
                let (key, size) = (key(number), body.len() as u64);
                let etag = world.put(&key, body);
                SourceFile { key, etag, size, last_modified: "2024-01-01T00:00:00Z".to_owned() }
            })
            .collect();
        let new_bytes = files.iter().map(|file| file.size).sum();
        let mut put = |name: &str, document: Value| {
            let key = format!("intermediate_data/m/one/{name}");
            let etag = world.put(&key, document.to_string().into_bytes());
            ObjectRef { bucket: "lake".to_owned(), key, etag }
        };
        let new_file_count = files.len() as u64;
        let batch = put("batch-00000.json", json!(BatchManifest { files }));
        let detected_at = "2024-01-01T00:00:00.000Z".to_owned();
        put(
            "manifest.json",
            json!(Manifest {
                detected_at,
                new_file_count,
                new_bytes,
                skipped: Skipped::default(),
                assumed: None,
                print: reference_job().spec.print("lake", "input_data/"),
                reload: false,
                is_reload_by_itself: false,
                ended_badly: Vec::new(),
                batches: vec![batch]
            }),
        )
    };
    aws.world().on_range = Some(on_range);
    let mut event = event(&manifest);
    change(&mut aws.world(), &mut event);
    (function.invoke(&event), aws)
}

/// The event for the only batch of a manifest.
fn event(manifest: &ObjectRef) -> Value {
    let arn = |kind: &str| format!("arn:aws:states:us-east-1:123456789012:{kind}:m");
    let execution = json!({
        "job": "m", "id": format!("{}:one", arn("execution")), "name": "one", "started_at": "2024-01-01T00:00:00.000Z",
        "state_machine": arn("stateMachine"),
    });
    let mut event = with_spec(json!({"execution": execution, "manifest": manifest, "batch": BatchIndex { index: 0 }}));
    // The sums of all files together, however many these are.
    event["target"]["on_overlap"] = json!("last_run");
    event
}

fn key(number: usize) -> String {
    format!("input_data/{number:04}.csv")
}

/// All rows in one file.
fn pivot_large(on_range: Box<OnRange>) -> (Result<Value, (String, String)>, FakeAws) {
    let rows = rows();
    assert!(rows.iter().map(String::len).sum::<usize>() as u64 > 6 * RANGE);
    pivot(&rows, rows.len(), on_range)
}

/// The partial sums that an answer names.
fn sums(answer: &Value, aws: &FakeAws) -> Vec<u8> {
    let world = aws.world();
    world.objects[answer["pivoted"]["key"].as_str().unwrap()].body.clone()
}

#[test]
fn ranges_that_are_cut_off_come_again() {
    let rows = rows();
    // Each file in one range.
    let (answer, aws) = pivot(
        &rows,
        rows.len() / 20,
        Box::new(|first, _| {
            assert_eq!(first, 0);
            false
        }),
    );
    let expected = sums(&answer.unwrap(), &aws);
    let cut_off: [fn(u64, usize) -> bool; 3] =
        [|_, _| false, |_, times| times == 1, |range, times| range == 4 && times < 3];
    for cut_off in cut_off {
        let mut asked: BTreeMap<u64, usize> = BTreeMap::new();
        let (answer, aws) = pivot_large(Box::new(move |first, _| {
            let times = asked.entry(first).or_default();
            *times += 1;
            cut_off(first / RANGE, *times)
        }));
        let answer = answer.unwrap();
        assert_eq!((&answer["rows_read"], &answer["rows_rejected"]), (&json!(ROWS), &json!(0)));
        assert_eq!((&answer["files_loaded"], &answer["files_changed"]), (&json!(1), &json!(0)));
        assert_eq!(sums(&answer, &aws), expected);
    }
}

#[test]
fn a_range_that_is_cut_off_again_and_again_ends_the_batch() {
    let (output, aws) = pivot_large(Box::new(|first, _| first / RANGE == 5));
    let (error, cause) = output.unwrap_err();
    assert_eq!(error, "TransientFailure", "{cause}");
    assert!(cause.contains(&key(0)), "{cause}");
    check_nothing_is_left(&aws);
}

#[test]
fn a_file_that_is_replaced_between_two_ranges_ends_the_batch() {
    for range in [1, 5] {
        let (output, aws) = pivot_large(Box::new(move |first, objects| {
            if first / RANGE == range {
                let object = objects.get_mut(&key(0)).unwrap();
                object.etag = "\"another\"".to_owned();
            }
            false
        }));
        let (error, cause) = output.unwrap_err();
        assert_eq!(error, "TransientFailure", "{cause}");
        assert_eq!(cause, format!("{} was replaced while it was read", key(0)));
        check_nothing_is_left(&aws);
    }
}

#[test]
fn a_file_that_vanishes_before_the_first_range_is_left_out() {
    let (output, _aws) = pivot_large(Box::new(|_, objects| {
        objects.remove(&key(0));
        false
    }));
    let output = output.unwrap();
    assert_eq!(
        (&output["rows_read"], &output["files_loaded"], &output["files_changed"]),
        (&json!(0), &json!(0), &json!(1))
    );
}

/// It is refused by the first range of it that is read.
#[test]
fn a_file_whose_key_only_its_sender_has_blocks_no_other() {
    let rows = rows();
    for is_set_aside in [true, false] {
        let (output, aws) = pivot_as(&rows, rows.len() / 2, Box::new(|_, _| false), |world, event| {
            world.sealed.insert(key(0));
            event["source"]["on_bad_file"] = json!(if is_set_aside { "quarantine" } else { "fail" });
        });
        let what = "encrypted with a key of the sender's (SSE-C)";
        if !is_set_aside {
            let (error, cause) = output.unwrap_err();
            assert_eq!(error, "InvalidSource", "{cause}");
            assert!(cause.starts_with(&format!("{}: {what}", key(0))), "{cause}");
            check_nothing_is_left(&aws);
            continue;
        }
        let output = output.unwrap();
        assert_eq!((&output["files_loaded"], &output["files_bad"]), (&json!(1), &json!(1)), "{output}");
        let world = aws.world();
        let mut written = world.objects.values().map(|object| String::from_utf8_lossy(&object.body));
        assert!(written.any(|text| text.contains(&format!("\"reason\":\"{what}"))), "nobody says why");
    }
}

/// No result that upsert could load.
fn check_nothing_is_left(aws: &FakeAws) {
    let world = aws.world();
    let written: Vec<&String> = world.objects.keys().filter(|key| key.contains("result")).collect();
    assert!(written.is_empty(), "{written:?}");
}
