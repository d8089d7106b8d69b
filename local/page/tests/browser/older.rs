//! Runs that Step Functions has forgotten, of kinds that write them down in the bucket. It needs no browser.

use crate::aws::{Aws, Mood};
use crate::page::Page;
use crate::with_all_kinds;
use serde_json::json;
use std::time::{Duration, Instant};

/// The section of a job's older runs, once it says this.
fn section(page: &Page, job: &str, says: &str) -> String {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, _, body) = page.get(&format!("/jobs/{job}"));
        let section = body.find("id=\"history\"").map(|at| body[at..].to_owned()).unwrap_or_default();
        if section.contains(says) {
            return section;
        }
        assert!(Instant::now() < until, "{job} does not say {says}: {section}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn older_runs_are_read_from_their_records_and_nowhere_twice() {
    let aws = Aws::start();
    with_all_kinds(&aws);
    let elt = json!({"execution": "arn:x", "started_at": "2026-01-01T00:00:00.000Z", "values": {},
                     "finished_at": "2026-01-01T00:01:00.000Z", "published": [{"table": "t", "rows": 4_711}]});
    let load = json!({"execution": "arn:x", "started_at": "2026-01-01T00:00:00.000Z", "rows": 815, "windows": 2,
                      "finished_at": "2026-01-01T00:01:00.000Z"});
    {
        let mut world = aws.world();
        for (key, record) in [
            ("state/film-ratings/runs/old.json", &elt),
            // Step Functions has it.
            ("state/film-ratings/runs/now.json", &elt),
            ("state/nps-to-redshift/runs/old.json", &load),
        ] {
            world.objects.insert(key.to_owned(), record.to_string().into_bytes());
        }
    }
    let page = Page::local(&aws);
    let films = section(&page, "film-ratings", "/jobs/film-ratings/runs/old");
    assert!(films.contains("1 run<") && films.contains("4\u{202f}711") && !films.contains("not shown"), "{films}");
    assert!(!films.contains("/jobs/film-ratings/runs/now"), "{films}");
    let loads = section(&page, "nps-to-redshift", "/jobs/nps-to-redshift/runs/old");
    assert!(loads.contains("815"), "{loads}");
    let (status, _, run) = page.get("/jobs/nps-to-redshift/runs/old");
    assert!(status == 200 && run.contains("from its record in the bucket") && run.contains("815"), "{run}");
    assert!(section(&page, "orders-copy", "sluice.windows").contains("the page knows no database"));
    let asked = |what: &str| aws.world().calls.iter().filter(|(_, call)| call.ends_with(what)).count();
    assert_eq!((asked("runs/old.json"), asked("film-ratings/runs/now.json")), (2, 0));

    // Whoever may not read them is told so, and sees the rest.
    aws.set_mood(Mood::Denies("ListObjectsV2"));
    let page = Page::local(&aws);
    section(&page, "film-ratings", "these credentials may not read");
}
