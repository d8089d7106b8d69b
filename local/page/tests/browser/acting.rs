//! Actions, and who may.

use crate::aws::{Aws, Mood};
use crate::page::Page;
use crate::{FAILED, browser, enter, see, with_all_kinds};
use serde_json::json;
use std::time::{Duration, Instant};

/// Acceptance 7: what an action will do, once.
#[test]
fn an_action_says_what_it_does_and_does_it_once() {
    let (aws, mut browser) = (Aws::start(), browser());
    with_all_kinds(&aws);
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    see(&mut browser, &page, "/jobs/pomodoro", "document.querySelector('.acts .btn.first') !== null");
    browser.evaluate("document.querySelector('.acts .btn.first').click()");
    browser.until("document.body.innerText.includes('Nothing has been started yet')");
    assert!(
        browser
            .evaluate("document.body.innerText")
            .as_str()
            .unwrap()
            .contains("One execution of sluice-pomodoro starts.")
    );
    let once = browser.evaluate("document.querySelector('[name=once]').value");
    browser.evaluate("document.querySelector('button.first').click()");
    browser.until(
        "location.pathname.startsWith('/jobs/pomodoro/runs/page-') && document.querySelector('.chip.run') !== null",
    );
    assert_eq!(aws.world().started.iter().map(|(_, input)| input.clone()).collect::<Vec<_>>(), [json!({})]);
    // The same form once more finds the same run.
    let (status, head, _) = page.post("/jobs/pomodoro/run", &format!("once={}", once.as_str().unwrap()));
    let run = aws.world().started[0].0.clone();
    assert!(status == 303 && head.contains(&format!("location: /jobs/pomodoro/runs/{run}")), "{head}");
    // Values of others, of other actions, and none at all start nothing.
    for (path, form) in [
        ("/jobs/pomodoro/run", "once=".to_owned()),
        ("/jobs/pomodoro/run", format!("once={}", "0".repeat(64))),
        ("/jobs/pomodoro/dry-run", format!("once={}", once.as_str().unwrap())),
    ] {
        assert_eq!(page.post(path, &form).0, 422, "{path} {form}");
    }
    assert_eq!(aws.world().started.len(), 1);
    // Each action: the input is exactly what its form says.
    for (path, form, input) in [
        ("/jobs/pomodoro/dry-run", "", json!({"dry_run": true})),
        ("/jobs/pomodoro/again", "keys=input_data%2Fa+b.csv", json!({"forget": ["input_data/a b.csv"]})),
        ("/jobs/pomodoro/explain", "keys=input_data%2Fa+b.csv", json!({"explain": ["input_data/a b.csv"]})),
        ("/jobs/pomodoro/since", "from=2024-01-31", json!({"since": "2024-01-31T00:00:00Z"})),
        (
            "/jobs/orders-copy/backfill",
            "from=2024-02-14&to=2024-02-15&which=all",
            json!({"from": "2024-02-14", "to": "2024-02-16"}),
        ),
        (
            "/jobs/nps-to-redshift/backfill",
            "from=2024-02-14&to=2024-02-14&dry=1",
            json!({"from": "2024-02-14", "to": "2024-02-15", "only_missing": true, "dry_run": true}),
        ),
    ] {
        let (_, _, html) = page.get(path);
        let once = html.split("name=\"once\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect(path);
        assert_eq!(page.post(path, &format!("once={once}&{form}")).0, 303, "{path}");
        assert_eq!(aws.world().started.last().unwrap().1, input, "{path}");
    }
    // What is filled in anew is shown before it is done.
    let started = aws.world().started.len();
    see(
        &mut browser,
        &page,
        "/jobs/orders-copy/backfill?from=2024-02-14&to=2024-02-15",
        "document.querySelector('[name=to]') !== null",
    );
    let told = browser.evaluate("document.body.innerText + document.querySelector('pre.cmd').textContent");
    let told = told.as_str().unwrap();
    assert!(told.contains("2 days, 2024-02-14 to 2024-02-15") && told.contains("\"to\":\"2024-02-16\""), "{told}");
    browser.evaluate("document.querySelector('.fields [name=to]').value = '2024-02-20'");
    browser.evaluate("document.querySelector('button.first').click()");
    browser.until("document.body.innerText.includes('Press once more')");
    let told = browser.evaluate("document.body.innerText + document.querySelector('pre.cmd').textContent");
    let told = told.as_str().unwrap();
    assert!(told.contains("7 days, 2024-02-14 to 2024-02-20") && told.contains("\"to\":\"2024-02-21\""), "{told}");
    assert_eq!(aws.world().started.len(), started);
    browser.evaluate("document.querySelector('button.first').click()");
    browser.until("location.pathname.startsWith('/jobs/orders-copy/runs/page-')");
    let input = json!({"from": "2024-02-14", "to": "2024-02-21", "only_missing": true});
    assert_eq!(aws.world().started.last().unwrap().1, input);
    // A mistake is told, and starts nothing.
    let (_, _, html) = page.get("/jobs/orders-copy/backfill");
    let once = html.split("name=\"once\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let (status, _, html) =
        page.post("/jobs/orders-copy/backfill", &format!("once={once}&from=2024-02-30&to=2024-03-01"));
    assert!(status == 422 && html.contains("The first day is not of the form"), "{status}");
    // A stop that is not of a form from here stops nothing, and says so.
    for once in [String::new(), "0".repeat(64)] {
        let (status, _, html) = page.post("/jobs/orders-copy/runs/now/stop", &format!("once={once}"));
        assert!(status == 422 && html.contains("too long ago") && html.contains("Stop it"), "{status} {html}");
    }
    assert!(aws.world().stopped.is_empty());
    // Stop.
    see(&mut browser, &page, "/jobs/orders-copy/runs/now", "document.querySelector('.btn.danger') !== null");
    browser.evaluate("document.querySelector('.btn.danger').click()");
    browser.until("document.querySelector('h1')?.textContent.startsWith('Stop the run')");
    browser.evaluate("document.querySelector('button.danger').click()");
    browser.until("location.pathname === '/jobs/orders-copy/runs/now'");
    assert_eq!(aws.world().stopped.len(), 1);
    // One that has ended is not to be stopped.
    let (status, _, html) = page.get(&format!("{FAILED}/stop"));
    assert!(status == 200 && html.contains("nothing to stop") && !html.contains("Stop it"), "{html}");
}

/// The one-use value of a form.
fn once_of(html: &str) -> &str {
    html.split("name=\"once\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap()
}

/// Whether a start that nobody answered has arrived is not known: it is pressed again, and there is one run.
#[test]
fn a_start_that_nobody_answered_is_not_done_twice() {
    let aws = Aws::start();
    let page = Page::local(&aws);
    let html = page.get_until("/jobs/pomodoro/run", "name=\"once\"");
    aws.set_mood(Mood::Forgets("StartExecution"));
    let (status, _, html) = page.post("/jobs/pomodoro/run", &format!("once={}", once_of(&html)));
    assert!(status == 422 && html.contains("may have been started"), "{status} {html}");
    let run = aws.world().started[0].0.clone();
    aws.set_mood(Mood::Well);
    let (status, head, _) = page.post("/jobs/pomodoro/run", &format!("once={}", once_of(&html)));
    assert!(status == 303 && head.contains(&format!("location: /jobs/pomodoro/runs/{run}")), "{head}");
    assert_eq!(aws.world().started.len(), 1);
}

/// Without `--allow-actions` an account is only read.
#[test]
fn an_account_is_only_read_unless_that_is_said() {
    let aws = Aws::start();
    let page = Page::account(&aws);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !page.get("/").2.contains("class=\"job\"") {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(50));
    }
    let html = page.get("/jobs/pomodoro").2;
    assert!(!html.contains("Run now…") && html.contains("read-only") && html.contains("How to run it…"));
    let html = page.get("/jobs/pomodoro/run").2;
    assert!(html.contains("aws stepfunctions start-execution") && !html.contains("name=\"once\""));
    for path in ["/jobs/pomodoro/run", "/jobs/pomodoro/dry-run", &format!("{FAILED}/stop")] {
        assert_eq!(page.post(path, "once=").0, 404, "{path}");
    }
    assert!(aws.world().started.is_empty());
}
