//! The files of a job: which are loaded, and what of that is refused, or comes little by little.

use crate::aws::{Aws, Mood, recorded_definition};
use crate::page::Page;
use crate::{browser, enter, see};
use serde_json::{Value, json};
use sluice::contract::Loaded;
use std::time::{Duration, Instant};

const FILES: &str = "/jobs/pomodoro/files";
const QUARANTINED: &str = "source_key,source_etag,line,column,column_name,reason,raw\n\
                           input_data/bad.csv,e,42,2,Minutes,not a number,secret\n";

/// Puts down that `entries` runs have loaded a file each, the first one an earlier version of the last one's.
pub(crate) fn loaded(aws: &Aws, entries: usize) {
    let definition: Value = serde_json::from_str(&recorded_definition("pomodoro")).unwrap();
    let payload = &definition["States"]["DetectNewFiles"]["Parameters"]["Payload"];
    let spec = page::files::spec(&payload["source"], &payload["shape"], &payload["target"]).unwrap();
    let at = |number: usize| format!("2026-11-26T{:02}:{:02}:00.000Z", 2 + number / 60, number % 60);
    let print = spec.print("bucket", "input_data/");
    let document = Loaded { generation: "g".to_owned(), detected_at: at(entries), print };
    let mut world = aws.world();
    world.objects.insert("state/pomodoro/loaded.json".to_owned(), serde_json::to_vec(&document).unwrap());
    for number in 1..=entries {
        let key = format!("input_data/{number}.csv");
        let after = if number == 1 { String::new() } else { at(number - 1) };
        let entry = json!({"execution": format!("arn:run-{number}"), "detected_at": at(number), "generation": "g",
                           "after": after, "files": [{"key": key, "etag": "\"e3\"", "size": 3,
                                                      "last_modified": "2026-11-26T02:46:00.000Z"}]});
        world.objects.insert(format!("state/pomodoro/ledger/{}-run-00000.json", at(number)), entry.to_string().into());
        world.objects.insert(key, b"a,b".to_vec());
    }
    world.objects.insert("input_data/1.csv".to_owned(), b"a,b,c".to_vec());
    world.objects.insert("input_data/new.csv".to_owned(), b"a".to_vec());
    world.objects.insert("quarantine/pomodoro/run-1/batch-00000.csv".to_owned(), QUARANTINED.into());
}

/// What is read once is not read again, as long as it stays as it is; and the page says why as a run would.
#[test]
fn what_is_loaded_is_read_once() {
    let aws = Aws::start();
    loaded(&aws, 30);
    let page = Page::local(&aws);
    let html = page.get_until(FILES, "29 are loaded");
    assert!(html.contains("<strong>2 files are new</strong>") && html.contains("Changed"), "{html}");
    let why = page.get_until(&format!("{FILES}/why?key=input_data%2F7.csv"), "and this version is loaded");
    assert!(why.contains("it was loaded last by arn:run-7, which listed it at 2026-11-26T02:07:00.000Z"), "{why}");
    let deadline = Instant::now() + Duration::from_secs(5);
    let listed = aws.calls_of("ListObjectsV2");
    while Instant::now() < deadline {
        page.get(FILES);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(aws.calls_of("ListObjectsV2") > listed, "it is listed again");
    assert_eq!(aws.calls_of("GET /bucket/state/pomodoro/ledger/"), 30);
    assert_eq!(aws.calls_of("GET /bucket/quarantine/"), 1);
    assert!(!page.get(FILES).2.contains("secret"));
}

/// On an account the listing is there at once, and the entries come one by one, at the pace of all calls.
#[test]
fn a_long_ledger_keeps_nobody_waiting() {
    let aws = Aws::start();
    loaded(&aws, 40);
    let (page, began) = (Page::account(&aws), Instant::now());
    let html = page.get_until(FILES, "input_data/<wbr>new.csv");
    assert!(html.contains("is not read yet") || html.contains("are not read yet"), "{html}");
    assert!(
        html.contains("What is new is not known yet") && !html.contains("files are new</strong>"),
        "what is not known is not called new: {html}"
    );
    assert!(aws.calls_of("GET /bucket/state/pomodoro/ledger/") < 40);
    let (seconds, calls) = (began.elapsed().as_secs_f64(), aws.call_count());
    assert!(calls as f64 <= 20.0 + seconds + 1.0, "{calls} calls in {seconds} s");
    // Another view has its turns meanwhile.
    page.get_until("/", "class=\"bars\"");
}

/// One part that is refused empties no other.
#[test]
fn a_refused_part_leaves_the_others() {
    for (denied, notice, is_there) in [
        ("GET /bucket/quarantine/", "The quarantine cannot be read", "quarantine/<wbr>pomodoro/<wbr>run-1/"),
        ("GET /bucket/state/", "What is loaded cannot be read", "Not known yet"),
    ] {
        let aws = Aws::start();
        loaded(&aws, 3);
        aws.set_mood(Mood::Denies(denied));
        let page = Page::local(&aws);
        let html = page.get_until(FILES, notice);
        assert!(html.contains("input_data/<wbr>new.csv"), "{denied}: {html}");
        page.get_until(FILES, is_there);
    }
}

/// What was read of a job's objects is kept for who comes back soon. Five jobs are one too many: that which was looked
/// at longest ago is read anew.
#[test]
fn of_jobs_that_nobody_looks_at_any_more_nothing_is_held() {
    let aws = Aws::start();
    let jobs = ["a", "b", "c", "d", "e"];
    {
        let mut world = aws.world();
        for job in jobs {
            world.jobs.insert(job.to_owned(), (recorded_definition(job), Vec::new()));
        }
        world.objects.insert("input_data/new.csv".to_owned(), b"a".to_vec());
    }
    let page = Page::local(&aws);
    let files = |job: &str| format!("/jobs/{job}/files");
    page.get_until("/", "href=\"/jobs/e\"");
    for job in jobs {
        page.get_until(&files(job), "<strong>1 file is new</strong>");
    }
    // The first one is looked at longest ago. Whoever looks once counts as a reader for six seconds.
    let deadline = Instant::now() + Duration::from_secs(8);
    while Instant::now() < deadline {
        page.get(&files("e"));
        std::thread::sleep(Duration::from_millis(100));
    }
    // The others come first: once the first one is listed again, another one has to go.
    for job in ["b", "c", "d", "e"] {
        assert!(page.get(&files(job)).2.contains("<strong>1 file is new</strong>"), "{job}");
    }
    assert!(page.get(&files("a")).2.contains("Listing "), "it is held");
    page.get_until(&files("a"), "<strong>1 file is new</strong>");
}

/// A download takes its calls from the same bucket as all others.
#[test]
fn a_download_is_at_the_pace_of_an_account() {
    let aws = Aws::start();
    for number in 0..22 {
        let key = format!("quarantine/pomodoro/run-1/batch-{number:05}.csv");
        aws.world().objects.insert(key, QUARANTINED.into());
    }
    // Keys that notes are about are no bad rows, and stand on no page.
    let named = "[{\"note\": \"1 key went\", \"keys\": [\"cell-4711\"]}]";
    aws.world().objects.insert("quarantine/pomodoro/run-1/keys.json".to_owned(), named.into());
    let (page, began) = (Page::account(&aws), Instant::now());
    page.get_until("/", "class=\"bars\"");
    let (status, head, text) = page.get("/jobs/pomodoro/quarantine/run-1.csv");
    assert!(status == 200 && head.contains("attachment") && text.lines().count() == 23, "{status} {text}");
    assert!(!text.contains("1 key went"), "{text}");
    let (seconds, calls) = (began.elapsed().as_secs_f64(), aws.call_count());
    assert!(calls as f64 <= 20.0 + seconds + 1.0, "{calls} calls in {seconds} s");
}

/// What cannot be downloaded is said on a page, and what breaks off is no whole file.
#[test]
fn a_download_that_fails_is_said_on_a_page() {
    let (aws, mut browser) = (Aws::start(), browser());
    loaded(&aws, 3);
    aws.world().objects.insert("quarantine/pomodoro/run-1/batch-00001.csv".to_owned(), QUARANTINED.into());
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    see(&mut browser, &page, FILES, "document.querySelector('a[href$=\".csv\"]') !== null");
    aws.set_mood(Mood::Denies("GET /bucket/quarantine/"));
    browser.follow("a[href$=\".csv\"]");
    let told = browser.evaluate("document.querySelector('main').innerText").as_str().unwrap().to_owned();
    assert!(told.contains("There is no download of bad rows") && told.contains("s3:GetObject"), "{told}");
    assert_eq!(browser.evaluate("document.querySelector('header.top nav') !== null"), true);
    for (path, status) in [("run-1.csv", 502), ("run-2.csv", 404), ("x%2Fy.csv", 404)] {
        let (found, head, text) = page.get(&format!("/jobs/pomodoro/quarantine/{path}"));
        assert_eq!(found, status, "{path}");
        assert!(!head.contains("attachment") && text.contains("<main"), "{path}: {text}");
    }
    // The second file is refused when the first is on its way: what came has no end, so it is not taken for whole.
    aws.set_mood(Mood::Denies("GET /bucket/quarantine/pomodoro/run-1/batch-00001.csv"));
    let (status, _, text) = page.get("/jobs/pomodoro/quarantine/run-1.csv");
    assert!(status == 200 && !text.starts_with("source_key") && !text.ends_with("\r\n0\r\n\r\n"), "{text}");
    aws.set_mood(Mood::Well);
    let (_, _, text) = page.get("/jobs/pomodoro/quarantine/run-1.csv");
    assert_eq!(text, format!("{QUARANTINED}{}", QUARANTINED.split_once('\n').unwrap().1), "one heading");
}
