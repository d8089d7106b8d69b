//! However keys are spelled, the function finds what a listing page by page finds.

use super::{BEGINNING, event, execution};
use crate::functions::fake_aws::{FakeAws, Function, Object, Query};
use serde_json::json;
use sluice::contract::{BatchManifest, Manifest, ObjectRef};
use std::collections::BTreeSet;

/// Puts so many objects in place of all that there are.
fn put(aws: &FakeAws, count: u64, key: impl Fn(u64) -> String) {
    let object = Object { etag: "\"e\"".to_owned(), size: 1, modified: BEGINNING / 1_000, ..Object::default() };
    let mut world = aws.world();
    world.objects.clear();
    world.listings.clear();
    world.objects.extend((0..count).map(|number| (key(number), object.clone())));
    // Neighbours of what is listed.
    for other in ["input_dat", "input_data.csv", "input_data0.csv", "z.csv"] {
        world.objects.insert(other.to_owned(), object.clone());
    }
}

/// Detects under `prefix`; returns how often that asked for a page.
fn detect(aws: &FakeAws, function: &mut Function, prefix: &str) -> Result<(BTreeSet<String>, usize), (String, String)> {
    let mut event = event(&execution("spellings", BEGINNING), 24, &json!({}));
    event["prefix"] = json!(prefix);
    let output = function.invoke(&event)?;
    let world = aws.world();
    let mut found = BTreeSet::new();
    if !output["manifest"].is_null() {
        let reference: ObjectRef = serde_json::from_value(output["manifest"].clone()).unwrap();
        let manifest: Manifest = world.document(&reference);
        for batch in &manifest.batches {
            found.extend(world.document::<BatchManifest>(batch).files.into_iter().map(|file| file.key));
        }
    }
    // Once each, since they are counted there; and all others are counted, too.
    assert_eq!(output["new_file_count"], json!(found.len()));
    let listed = world.objects.keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!(output["files_skipped"], json!(listed - found.len()));
    Ok((found, world.listings.iter().filter(|query| query["prefix"] == prefix).count()))
}

#[test]
fn files_are_found_however_they_are_spelled() {
    let aws = FakeAws::start();
    let mut function = Function::start("detect-new-files", &aws);
    let chain = "one/folder/in/another/".repeat(9);
    let spellings: [(&str, &dyn Fn(u64) -> String); 9] = [
        ("one folder", &|n| format!("input_data/{n:06}.csv")),
        ("hashes", &|n| format!("input_data/{:016x}.csv", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
        ("100 folders with their markers", &|n| match n {
            0..100 => format!("input_data/{n:02}/"),
            _ => format!("input_data/{:02}/{n:06}.csv", n % 100),
        }),
        ("year, month, day", &|n| {
            format!("input_data/{}/{:02}/{:02}/{n:06}.csv", 2020 + n % 5, 1 + n / 5 % 12, 1 + n / 60 % 28)
        }),
        ("one deep chain of folders", &|n| format!("input_data/{chain}{n:06}.csv")),
        ("keys that are each other's beginning", &|n| {
            format!(
                "input_data/{}{n}{}",
                "a".repeat(usize::try_from(n % 40).unwrap()),
                if n % 3 == 0 { ".csv" } else { "" }
            )
        }),
        ("other characters", &|n| format!("input_data/é&<\"%2B>/a+b {n:06} 😀.csv")),
        ("hidden names and other cases", &|n| match n % 3 {
            0 => format!("input_data/_{n:06}.csv"),
            1 => format!("input_data/{n:06}.CSV"),
            _ => format!("input_data/{:02}/.x/{n:06}.csv", n % 100),
        }),
        ("other suffixes", &|n| format!("input_data/{n:06}.{}", if n % 1_000 == 0 { "csv" } else { "txt" })),
    ];
    for (name, key) in spellings {
        put(&aws, 10_000, key);
        for prefix in ["input_data/", "input_data/00/", "input_data/2024/", "input_data/none/"] {
            aws.world().listings.clear();
            let listed: Vec<String> =
                aws.world().objects.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
            let is_input =
                |key: &&String| key.to_lowercase().ends_with(".csv") && !key.contains("/_") && !key.contains("/.");
            let expected: BTreeSet<String> = listed.iter().filter(is_input).cloned().collect();
            let (found, calls) = detect(&aws, &mut function, prefix).unwrap();
            assert!(found == expected, "{name}, {prefix}: {} of {} files", found.len(), expected.len());
            let pages = listed.len().div_ceil(1_000).max(1);
            assert!(calls * 4 <= pages * 5 + 4, "{name}, {prefix}: {calls} calls for {pages} pages");
        }
    }
}

#[test]
fn what_fits_on_a_page_takes_one_call() {
    let aws = FakeAws::start();
    let mut function = Function::start("detect-new-files", &aws);
    for count in [0, 1, 1_000] {
        put(&aws, count, |n| format!("input_data/{n:06}.csv"));
        let (found, calls) = detect(&aws, &mut function, "input_data/").unwrap();
        assert_eq!((found.len(), calls), (usize::try_from(count).unwrap(), 1));
    }
}

#[test]
fn a_range_that_cannot_be_listed_fails_the_run() {
    let aws = FakeAws::start();
    let mut function = Function::start("detect-new-files", &aws);
    // One that a cut begins, and one that goes on.
    let refusals: [fn(&Query) -> bool; 2] = [
        |query| query.get("start-after").is_some_and(|after| after.starts_with("input_data/")),
        |query| query.contains_key("continuation-token"),
    ];
    for refuses in refusals {
        put(&aws, 10_000, |n| format!("input_data/{n:06}.csv"));
        aws.world().refuses = Some(refuses);
        let (error, text) = detect(&aws, &mut function, "input_data/").unwrap_err();
        assert_eq!(error, "Misconfigured");
        assert!(text.starts_with("list input_data/: AccessDenied"), "{text}");
        // And nothing is left of it that the next one, in the same process, could meet.
        aws.world().refuses = None;
        let (found, _) = detect(&aws, &mut function, "input_data/").unwrap();
        assert_eq!(found.len(), 10_000);
    }
}
