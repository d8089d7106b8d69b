//! Many runs and many events.

use crate::aws::Aws;
use crate::page::Page;
use crate::{browser, enter, see};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Acceptance 11: many runs, many events, at the pace of an account.
#[test]
fn a_thousand_runs_are_quick_and_cost_few_calls() {
    let (aws, mut browser) = (Aws::start(), browser());
    many_runs(&aws);
    let (page, began) = (Page::account(&aws), Instant::now());
    enter(&mut browser, &page);
    browser.until("document.querySelector('.bars') !== null");
    for (path, is_there) in [
        ("/jobs/pomodoro", "document.querySelectorAll('.colh').length === 40"),
        ("/jobs/pomodoro/runs/run-1", "document.querySelector('h1') !== null"),
        ("/", "document.querySelectorAll('a.job').length === 1"),
    ] {
        browser.open(&page.at(path));
        browser.until(is_there);
        let took = browser.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd");
        assert!(took.as_f64().unwrap() < 1_000.0, "{path}: {took} ms");
        let size = browser.evaluate("document.documentElement.outerHTML.length").as_u64().unwrap();
        assert!(size < 100_000, "{path}: {size} bytes");
    }
    // Three tabs ask no more than one.
    for path in ["/", "/jobs/pomodoro", "/jobs/pomodoro/runs/run-1"] {
        page.get(path);
    }
    std::thread::sleep(Duration::from_secs(1));
    let (seconds, calls) = (began.elapsed().as_secs_f64(), aws.call_count());
    assert!(calls as f64 <= 20.0 + seconds + 1.0, "{calls} calls in {seconds} s");
    // Nobody looks: soon nobody asks. Somebody who looks asks for the list each two seconds.
    browser.open("about:blank");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let calls = aws.call_count();
        std::thread::sleep(Duration::from_millis(2_500));
        if aws.call_count() == calls {
            break;
        }
        assert!(Instant::now() < deadline, "{calls} calls, and more to come");
    }
}

/// On this machine nothing is paced: a long history folds, and a hundred reloads leave little behind.
#[test]
fn a_long_history_folds_and_reloads_leave_nothing_behind() {
    let (aws, mut browser) = (Aws::start(), browser());
    many_runs(&aws);
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    see(
        &mut browser,
        &page,
        "/jobs/pomodoro/runs/run-1",
        "document.querySelectorAll('table.time tr.sub2').length === 40",
    );
    assert!(
        browser
            .evaluate("document.querySelector('table.time .fold').innerText")
            .as_str()
            .unwrap()
            .contains("more items")
    );
    let before = page.memory();
    for _ in 0..100 {
        page.get("/jobs/pomodoro/runs/run-1");
    }
    let more = page.memory().saturating_sub(before);
    assert!(more < 64 << 20, "{more} bytes");
}

/// A job that runs each minute has more runs in 90 days than a list has: none of them is called forgotten.
#[test]
fn a_run_behind_the_newest_thousand_is_asked_for() {
    let aws = Aws::start();
    many_runs(&aws);
    {
        let mut world = aws.world();
        let runs = &mut world.jobs.get_mut("pomodoro").unwrap().1;
        let mut older = runs[0].clone();
        let arn = "arn:aws:states:us-east-1:000000000000:execution:sluice-pomodoro:behind";
        (older.described["executionArn"], older.described["name"]) = (arn.into(), "behind".into());
        runs.push(older);
    }
    let page = Page::local(&aws);
    let html = page.get_until("/jobs/pomodoro", "runs are listed");
    assert!(html.contains("40 of the newest 1\u{202f}000 runs"), "{html}");
    let html = page.get_until("/jobs/pomodoro/runs/behind", "Way through the states");
    assert!(!html.contains("older than 90 days"), "{html}");
    page.get_until("/jobs/pomodoro/runs/nowhere", "There is no such run");
    assert_eq!(page.get("/jobs/pomodoro/runs/nowhere").0, 404);
}

/// A thousand runs, of which one has ten thousand events.
pub(crate) fn many_runs(aws: &Aws) {
    let mut world = aws.world();
    let runs = &mut world.jobs.get_mut("pomodoro").unwrap().1;
    let few = runs.clone();
    *runs = (0..1_000_usize)
        .map(|place| {
            let mut run = few[place % few.len()].clone();
            let name = format!("run-{place}");
            run.described["executionArn"] =
                format!("arn:aws:states:us-east-1:000000000000:execution:sluice-pomodoro:{name}").into();
            run.described["name"] = name.into();
            for field in ["startDate", "stopDate"] {
                run.described[field] = (run.described[field].as_f64().unwrap() - 3_600.0 * place as f64).into();
            }
            run
        })
        .collect();
    runs[1].events = long_history();
}

/// A history as AWS writes it, of a Map with so many items that it has ten thousand events.
fn long_history() -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    let mut add = |kind: &str, previous: usize, details: Value| {
        let id = events.len() + 1;
        let mut event = json!({"id": id, "previousEventId": previous, "timestamp": 1_795_661_158.0 + id as f64 / 1_000.0, "type": kind});
        for (name, value) in details.as_object().unwrap() {
            event[name] = value.clone();
        }
        events.push(event);
        id
    };
    add("ExecutionStarted", 0, json!({}));
    let map = add("MapStateEntered", 1, json!({"stateEnteredEventDetails": {"name": "PivotFiles"}}));
    let started = add("MapStateStarted", map, json!({"mapStateStartedEventDetails": {"length": 1_660}}));
    for index in 0..1_660 {
        let began = add(
            "MapIterationStarted",
            started,
            json!({"mapIterationStartedEventDetails": {"name": "PivotFiles", "index": index}}),
        );
        let entered = add("TaskStateEntered", began, json!({"stateEnteredEventDetails": {"name": "Pivot"}}));
        let scheduled = add("TaskScheduled", entered, json!({}));
        let done = add("TaskSucceeded", scheduled, json!({}));
        let left = add("TaskStateExited", done, json!({"stateExitedEventDetails": {"name": "Pivot"}}));
        add(
            "MapIterationSucceeded",
            left,
            json!({"mapIterationSucceededEventDetails": {"name": "PivotFiles", "index": index}}),
        );
    }
    let last = events.len();
    events.push(
        json!({"id": last + 1, "previousEventId": last, "timestamp": 1_795_661_170.0, "type": "ExecutionFailed"}),
    );
    events
}
