//! A million objects are listed, and written down, in the memory that a thousand take.

use super::{BEGINNING, HOUR, event, execution};
use crate::fake_aws::{FakeAws, Function, Generated, Object, Run, Seen};
use pipeline::contract::{BatchManifest, Manifest, ObjectRef};
use serde_json::{Value, json};

const MILLION: u64 = 1_000_000;
/// How much more memory a million objects may take than a thousand.
const MORE_MEMORY_KIB: u64 = 16 << 10;

/// Detects among a thousand objects, then among a million, of which the new ones are dated after the last success.
fn detect_in_a_million(is_new: fn(u64) -> bool, keeps: fn(&str) -> bool) -> (FakeAws, Manifest) {
    let aws = FakeAws::start();
    let mut function = Function::start("detect-new-files", &aws);
    let success = Run {
        execution: execution("success", BEGINNING),
        status: "SUCCEEDED",
        started_at: BEGINNING,
        stopped_at: Some(BEGINNING + HOUR),
        input: json!({}),
        seen: Seen::Described,
    };
    aws.world().runs.push(success);
    aws.world().keeps = Some(keeps);
    let mut peaks = Vec::new();
    let mut manifest = Value::Null;
    for count in [1_000, MILLION] {
        let object = move |number| {
            let modified = BEGINNING / 1_000 - if is_new(number) { 0 } else { 30 * 86_400 };
            let object = Object { etag: format!("\"{number:x}\""), size: 100, modified, ..Object::default() };
            (format!("input_data/{number:06}.csv"), object)
        };
        aws.world().generated = Some(Generated { prefix: "input_data/", count, object: Box::new(object) });
        let output = function.invoke(&event(&execution("million", BEGINNING + HOUR), 24, &json!({}))).unwrap();
        assert_eq!(output["new_file_count"], json!((0..count).filter(|number| is_new(*number)).count()));
        peaks.push(function.peak_memory());
        manifest = output["manifest"].clone();
    }
    assert!(peaks[1] <= peaks[0] + MORE_MEMORY_KIB, "{peaks:?} KiB");
    eprintln!("detection, peak memory with a thousand and with a million objects: {peaks:?} KiB");
    let reference: ObjectRef = serde_json::from_value(manifest).unwrap();
    let manifest = aws.world().document(&reference);
    (aws, manifest)
}

fn keys_of(aws: &FakeAws, batch: &ObjectRef) -> Vec<String> {
    let batch: BatchManifest = aws.world().document(batch);
    batch.files.into_iter().map(|file| file.key).collect()
}

#[test]
fn a_million_known_objects_are_listed_in_bounded_memory() {
    let (aws, manifest) = detect_in_a_million(|number| number % 250_000 == 7, |_| true);
    assert_eq!(manifest.batches.len(), 1);
    let found = keys_of(&aws, &manifest.batches[0]);
    assert_eq!(found, ["000007", "250007", "500007", "750007"].map(|number| format!("input_data/{number}.csv")));
}

#[test]
fn a_million_new_objects_are_written_down_in_bounded_memory() {
    // The test's own memory is bounded, too: of the batches it keeps the first one and the last one.
    let keeps = |key: &str| !key.contains("/batch-") || key.ends_with("-00000.json") || key.ends_with("-00999.json");
    let (aws, manifest) = detect_in_a_million(|_| true, keeps);
    assert_eq!(manifest.batches.len(), 1_000);
    for (number, batch) in (0u64..).zip(&manifest.batches) {
        assert!(batch.key.ends_with(&format!("/batch-{number:05}.json")));
        assert_eq!(aws.world().objects[&batch.key].etag, batch.etag);
    }
    for number in [0u64, 999] {
        let found = keys_of(&aws, &manifest.batches[usize::try_from(number).unwrap()]);
        let expected: Vec<String> =
            (number * 1_000..(number + 1) * 1_000).map(|number| format!("input_data/{number:06}.csv")).collect();
        assert_eq!(found, expected);
    }
}
