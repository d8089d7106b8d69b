//! A million objects are listed, and written down, in the memory that a thousand take, and in many places at once.

use super::{BEGINNING, HOUR, event, execution, parts, print, write_document};
use crate::functions::fake_aws::{FakeAws, Function, Generated, Keeps, Object, Query, Run, Seen};
use serde_json::{Value, json};
use sluice::contract::{BatchManifest, Loaded, Manifest, ObjectRef};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const MILLION: u64 = 1_000_000;
/// How much more memory a million objects may take than a thousand.
const MORE_MEMORY_KIB: u64 = 16 << 10;

/// Detects among a thousand objects, then among a million, of which the new ones are dated after the last success.
/// `key` is the key of each number, in their order.
fn detect_in_a_million(
    key: fn(u64) -> String,
    is_new: fn(u64) -> bool,
    mut keeps: Option<Box<Keeps>>,
) -> (FakeAws, Manifest) {
    let aws = FakeAws::start();
    let mut function = Function::start("detect-new-files", &aws);
    let success = Run {
        execution: execution("success", BEGINNING),
        status: "SUCCEEDED",
        started_at: BEGINNING,
        stopped_at: Some(BEGINNING + HOUR),
        output: json!({"mode": "load"}),
        seen: Seen::Described,
    };
    let detected_at = success.execution.started_at.clone();
    aws.world().runs.push(success);
    write_document(&aws, &Loaded { generation: "g".to_owned(), detected_at, print: print(&parts(24)) });
    let mut peaks = Vec::new();
    let mut manifest = Value::Null;
    for count in [1_000, MILLION] {
        let object = move |number| {
            let modified = BEGINNING / 1_000 - if is_new(number) { 0 } else { 30 * 86_400 };
            let object = Object { etag: format!("\"{number:x}\""), size: 100, modified, ..Object::default() };
            (key(number), object)
        };
        aws.world().generated = Some(Generated { prefix: "input_data/".to_owned(), count, object: Box::new(object) });
        if count == MILLION {
            aws.world().keeps = keeps.take();
        }
        aws.world().listings.clear();
        let output = function.invoke(&event(&execution("million", BEGINNING + HOUR), 24, &json!({}))).unwrap();
        assert_eq!(output["new_file_count"], json!((0..count).filter(|number| is_new(*number)).count()));
        peaks.push(function.peak_memory());
        manifest = output["manifest"].clone();
        check_calls(&aws.world().listings, usize::try_from(count.div_ceil(1_000)).unwrap());
    }
    assert!(peaks[1] <= peaks[0] + MORE_MEMORY_KIB, "{peaks:?} KiB");
    eprintln!("detection, peak memory with a thousand and with a million objects: {peaks:?} KiB");
    let reference: ObjectRef = serde_json::from_value(manifest).unwrap();
    let manifest = aws.world().document(&reference);
    (aws, manifest)
}

/// At most five calls for four pages, and of these not many one after the other.
fn check_calls(listings: &[Query], pages: usize) {
    // By where its range of keys begins.
    let mut calls: BTreeMap<Option<&String>, usize> = BTreeMap::new();
    for query in listings.iter().filter(|query| query["prefix"] == "input_data/") {
        *calls.entry(query.get("start-after")).or_default() += 1;
    }
    let (total, longest) = (calls.values().sum::<usize>(), calls.values().copied().max().unwrap_or_default());
    eprintln!("detection, {pages} pages: {total} calls in {} ranges, the longest of {longest}", calls.len());
    assert!(total * 4 <= pages * 5 + 4 && longest <= pages.div_ceil(3), "{total} calls, {longest} in one range");
}

#[test]
fn a_million_known_objects_are_listed_in_bounded_memory() {
    // Twenty years of ten months of ten days.
    let key = |number: u64| {
        let (year, month, day) = (2000 + number / 50_000, number / 5_000 % 10, number / 500 % 10);
        format!("input_data/{year}/{month:02}/{day:02}/{number:06}.csv")
    };
    let (aws, manifest) = detect_in_a_million(key, |number| number % 250_000 == 7, None);
    assert_eq!(manifest.batches.len(), 1);
    let batch: BatchManifest = aws.world().document(&manifest.batches[0]);
    let found: Vec<String> = batch.files.into_iter().map(|file| file.key).collect();
    assert_eq!(found, [7, 250_007, 500_007, 750_007].map(key));
}

#[test]
fn a_million_new_objects_are_written_down_in_bounded_memory() {
    let found = Arc::new(Mutex::new(vec![0u8; usize::try_from(MILLION).unwrap()]));
    let counts = Arc::clone(&found);
    // The test's own memory is bounded, too: of the batches it keeps which files they name.
    let keeps = move |key: &str, body: &[u8]| {
        let is_batch = key.contains("/batch-");
        if is_batch {
            let names = std::str::from_utf8(body).unwrap().split("\"key\":\"input_data/").skip(1);
            let numbers: Vec<usize> = names.map(|name| name[..6].parse().unwrap()).collect();
            assert!(
                [1_000, 2_000].contains(&numbers.len()) && numbers.is_sorted(),
                "{key}: a full batch in the order of its keys"
            );
            let mut counts = counts.lock().unwrap();
            numbers.into_iter().for_each(|number| counts[number] += 1);
        }
        !is_batch
    };
    let key = |number: u64| format!("input_data/{number:06}.csv");
    let (aws, manifest) = detect_in_a_million(key, |_| true, Some(Box::new(keeps)));
    // Twice as many files in each from the 513th on.
    assert_eq!(manifest.batches.len(), 512 + (1_000 - 512) / 2);
    for (number, batch) in (0u64..).zip(&manifest.batches) {
        assert!(batch.key.ends_with(&format!("/batch-{number:05}.json")));
        assert_eq!(aws.world().objects[&batch.key].etag, batch.etag);
    }
    assert!(found.lock().unwrap().iter().all(|count| *count == 1), "each file once");
}
