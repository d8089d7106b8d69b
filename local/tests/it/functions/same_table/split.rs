//! The same files, in any order and any split into runs, some of them again: the same table.

use super::job::{Content, Job};
use super::machine::{Fate, Machine, Plan};
use super::oracle::{Oracle, Seen};
use crate::support::Random;
use aws_sdk_s3::primitives::DateTime;
use serde_json::json;
use sluice::spec::OnOverlap;
use sluice::time::format_time;
use std::collections::BTreeMap;

/// When the first file is dated, in seconds since 1970: 1 January 2024. All files and runs lie within the lookback.
const BEGINNING: i64 = 1_704_067_200;

/// A file that is uploaded, and when it is dated.
#[derive(Clone, Debug)]
struct Upload {
    key: String,
    text: String,
    modified: i64,
}

/// Loads the files of a seed in two ways.
pub(super) async fn play(seed: u64, machine: &mut Machine, oracle: &mut Oracle) {
    let mut random = Random::new(seed);
    let mut job = Job::new(&mut random, &[OnOverlap::AllFiles, OnOverlap::NewestFile, OnOverlap::NewestRow]);
    job.fail_of_no_repeated();
    let content = job.set_aside;
    // The last version of each file, and an earlier one of some. Of a file with bad rows there is none: what is right
    // in it speaks on, so it matters whether it was seen. So it does where all versions count.
    let (mut last, mut earlier) = (BTreeMap::new(), Vec::new());
    for place in 0..3 + random.below(4) {
        let key = job.name(&mut random, content);
        if last.contains_key(&key) {
            continue;
        }
        let modified = BEGINNING + i64::try_from(random.below(1_000) * 10 + place).unwrap();
        let has_earlier = random.below(3) == 0 && job.on_overlap != OnOverlap::NewestRow;
        let content = if has_earlier { Content::GOOD } else { content };
        let texts: Vec<String> = last.values().map(|upload: &Upload| upload.text.clone()).collect();
        let text = match job.sets_repeated_aside() && !texts.is_empty() && random.below(2) == 0 {
            true => job.nearly(&mut random, &texts),
            false => job.text(&mut random, content),
        };
        let upload = Upload { text, key: key.clone(), modified };
        if has_earlier {
            // Some files are sent again unchanged.
            let is_same = random.below(2) == 0;
            let text = if is_same { upload.text.clone() } else { job.text(&mut random, Content::ANY) };
            // Some in the same second.
            let modified = if random.below(2) == 0 { modified } else { BEGINNING - 1 };
            earlier.push(Upload { key: key.clone(), text, modified });
        }
        last.insert(key, upload);
    }
    let seen: Vec<Seen> = last
        .values()
        .map(|upload| Seen {
            key: upload.key.clone(),
            etag: String::new(),
            text: upload.text.clone(),
            modified: upload.modified,
            is_bad: false,
        })
        .collect();
    let expected = oracle.table(&job.spec(), &[seen]).expect("bad rows and files are set aside, or there are none");
    let place = format!("SLUICE_SEEDS={seed}..{}, {:?}", seed + 1, job.parts);

    for is_split in [false, true] {
        machine.clear().await;
        let mut coming: Vec<Upload> = last.values().cloned().collect();
        for place in (1..coming.len()).rev() {
            coming.swap(place, usize::try_from(random.below(u64::try_from(place).unwrap() + 1)).unwrap());
        }
        // Earlier versions come before all others: the last one stays.
        let coming = [if is_split { earlier.clone() } else { Vec::new() }, coming].concat();
        let mut now = BEGINNING + 20_000;
        for upload in &coming {
            machine.upload(&upload.key, &upload.text, upload.modified);
            if is_split && random.below(2) == 0 {
                now += 60;
                let plan = plan(&mut random, &upload.key);
                machine.run(&job, &plan, now * 1_000).await;
            }
        }
        let outcome = machine.run(&job, &Plan::plain(json!({})), (now + 60) * 1_000).await;
        assert!(outcome.has_succeeded, "{place}: {outcome:?}");
        let found = machine.table(&job).await;
        assert_eq!(found, expected, "{place}, in one run: {}: {coming:?}", !is_split);
    }
}

/// A run somewhere between the uploads. It may load a file again, and it may fail.
fn plan(random: &mut Random, key: &str) -> Plan {
    let input = match random.below(4) {
        0 => json!({"since": format_time(DateTime::from_secs(BEGINNING))}),
        1 => json!({"forget": [key]}),
        _ => json!({}),
    };
    let fate = match random.below(6) {
        0 => Fate::Killed { document: 1, is_stored: false, is_retried: false },
        1 => Fate::Loaded,
        _ => Fate::Ends,
    };
    Plan { fate, asks_record: random.below(2) == 0, ..Plan::plain(input) }
}
