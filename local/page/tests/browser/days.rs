//! The days of jobs that load Redshift, from what their runs and the records of windows say; and of jobs of which
//! nobody says them. It needs no browser.

use crate::aws::{Aws, Mood, running};
use crate::page::Page;
use crate::with_all_kinds;
use serde_json::json;
use sluice::contract::copy_table::Window;
use sluice::contract::mysql_to_redshift::{Changed, LoadCounts, WindowRecord};
use std::time::{Duration, Instant};

/// The section of a job's days, once it says this.
pub(crate) fn section(page: &Page, job: &str, says: &str) -> String {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, _, body) = page.get(&format!("/jobs/{job}?year=2024"));
        let section = body.find("id=\"part-days\"").map(|at| &body[at..]).unwrap_or_default();
        let section = section.split("id=\"part-grid\"").next().unwrap_or_default();
        if section.contains(says) {
            return section.to_owned();
        }
        assert!(Instant::now() < until, "{job} does not say {says}: {section}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The record of a day of January 2024 in Zurich, as `load-redshift` writes it.
pub(crate) fn record(day: u8) -> Vec<u8> {
    let midnight = |day: u8| match day {
        1 => "2023-12-31T23:00:00Z".to_owned(),
        day => format!("2024-01-{:02}T23:00:00Z", day - 1),
    };
    let record = WindowRecord {
        window: Some(Window { start: midnight(day), end: midnight(day + 1) }),
        exported_at: "2024-02-01 02:00:00.000000".to_owned(),
        is_consistent: true,
        counts: LoadCounts { rows: 9, ..LoadCounts::default() },
        changed: Changed::default(),
        statement: "s".to_owned(),
        manifest: None,
        loaded_at: "2024-02-01T02:01:00.000Z".to_owned(),
    };
    serde_json::to_vec(&record).unwrap()
}

/// The class of a day's cell, and the run that it leads to.
fn cell(section: &str, day: u8) -> (String, String) {
    let january = section.split("January 2024").nth(1).unwrap().split("</table>").next().unwrap();
    let is_of_day = |cell: &&str| {
        let text = cell.split_once('>').map(|(_, text)| text).unwrap_or_default();
        let text = if text.starts_with("<a ") { text.split_once('>').unwrap().1 } else { text };
        text.starts_with(&format!("{day}<"))
    };
    let cell = january.split("<td class=\"day ").find(is_of_day).unwrap();
    let run = cell.split("/runs/").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    (cell.split('"').next().unwrap().to_owned(), run.to_owned())
}

#[test]
fn days_of_a_load_are_those_that_runs_and_records_tell_of() {
    let aws = Aws::start();
    with_all_kinds(&aws);
    {
        let mut world = aws.world();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let runs = &mut world.jobs.get_mut("nps-to-redshift").unwrap().1;
        let mut told = running("nps-to-redshift", "told", now - 600.0, &[("Task", "InspectSource")]);
        told.described["status"] = "SUCCEEDED".into();
        told.described["stopDate"] = (now - 500.0).into();
        let output = json!({"purpose": "load", "window_count": 2, "from": "2024-01-01T23:00:00Z", "to": "2024-01-03T23:00:00Z",
                            "conclusion": {"windows": 2, "rows": 18}});
        told.described["output"] = output.to_string().into();
        let mut bad = running("nps-to-redshift", "bad", now - 400.0, &[("Task", "InspectSource")]);
        bad.described["status"] = "FAILED".into();
        bad.described["error"] = "TransientFailure".into();
        bad.described["stopDate"] = (now - 300.0).into();
        runs.extend([bad, told]);
        for (key, day) in [("bad/window-00001", 6), ("gone/window-00000", 1), ("gone/window-00001", 2)] {
            world.objects.insert(format!("state/nps-to-redshift/runs/{key}.json"), record(day));
        }
        // What its output tells of is not read again.
        world.objects.insert("state/nps-to-redshift/runs/told/window-00000.json".to_owned(), b"{}".to_vec());
    }
    let page = Page::local(&aws);
    let days = section(&page, "nps-to-redshift", "have no record of a load");
    let days = if days.contains("still to be read") || days.contains("being read") {
        section(&page, "nps-to-redshift", "/runs/bad\"")
    } else {
        days
    };
    assert_eq!(cell(&days, 1), ("ver".to_owned(), "gone".to_owned()));
    // Of a day with a record of its own that is the one that says most.
    assert_eq!(cell(&days, 2), ("ver".to_owned(), "gone".to_owned()));
    assert_eq!(cell(&days, 3), ("ver".to_owned(), "told".to_owned()));
    assert_eq!(cell(&days, 6), ("ver".to_owned(), "bad".to_owned()));
    assert_eq!(
        (cell(&days, 4), cell(&days, 7)),
        (("mis".to_owned(), String::new()), ("out".to_owned(), String::new()))
    );
    assert!(days.contains("2 days have no record of a load:</strong> 2024-01-04 to 2024-01-05"), "{days}");
    assert!(days.contains("Redshift itself is not asked") && !days.contains("Reading"), "{days}");
    let asked = |what: &str| aws.world().calls.iter().filter(|(_, call)| call.ends_with(what)).count();
    assert_eq!((asked("gone/window-00001.json"), asked("told/window-00000.json")), (1, 0));

    // A copy whose days nobody can tell says why.
    let days = section(&page, "orders-copy", "Which days are there is not shown");
    assert!(days.contains("the page knows no database") && !days.contains("Reading"), "{days}");

    // Without the records there are the days that outputs tell of.
    aws.set_mood(Mood::Denies("ListObjectsV2"));
    let page = Page::local(&aws);
    section(&page, "nps-to-redshift", "/runs/told\"");
    let days = section(&page, "nps-to-redshift", "Days of older and of failed runs are not shown");
    assert_eq!((cell(&days, 3).1, cell(&days, 6).0), ("told".to_owned(), "out".to_owned()));
}
