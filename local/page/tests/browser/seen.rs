//! What is seen of a run, and how it follows what happens.

use crate::aws::{self, Aws, running};
use crate::page::Page;
use crate::paged::copying;
use crate::since::loaded_with;
use crate::{FAILED, browser, enter, is_quiet, see, with_all_kinds};
use serde_json::json;
use std::time::{Duration, Instant};

/// Acceptance 1 and 2: what failed and why is seen at once, without knowing Sluice.
#[test]
fn a_failed_run_says_where_and_what_to_do_without_scrolling() {
    let (aws, mut browser) = (loaded_with(None), browser());
    with_all_kinds(&aws);
    aws.world().jobs.get_mut("orders-copy").unwrap().1 = vec![copying(&[true; 20])];
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    // Six outcomes: pictures and words.
    let row = "document.querySelector('a.job[href=\"/jobs/pomodoro\"]')?.closest('tbody')";
    let bars = format!("{row}?.querySelector('.bars')?.getAttribute('aria-label')");
    browser.until(&format!("{bars}?.startsWith('6 runs') && {bars}.includes('2 nothing new')"));
    let told = browser.evaluate(&bars);
    for part in ["1 loaded", "1 failed", "1 stopped", "1 dry run"] {
        assert!(told.as_str().unwrap().contains(part), "{told}");
    }
    // The failed run is not the last one here: the stopped one is.
    browser.until(&format!("{row}.querySelector('.st').textContent === 'Stopped'"));
    browser.picture("jobs");
    // As it was before those that came later.
    let is_early = |run: &aws::Run| run.described["startDate"].as_f64().unwrap() < 1_795_661_159.0;
    aws.world().jobs.get_mut("pomodoro").unwrap().1.retain(is_early);
    browser.until("document.body.innerText.includes('sessions-2024-04.csv, lines 42 and 97 cannot be read')");
    browser.until("document.body.innerText.includes('20 of 31 days')");
    browser.picture("jobs.webp");
    see(
        &mut browser,
        &page,
        FAILED,
        "document.querySelector('.places') !== null && document.querySelector('.nodes .bad') !== null
         && document.querySelectorAll('#log tbody tr').length > 3 && document.querySelector('.facts').innerText.includes('spec and states are the same')",
    );
    browser.picture("run-failed.webp");
    let boxes = browser.evaluate(
        "['sessions-2024-04.csv', '42', '97', '(Duration (in minutes))', '(Start date)', 'Correct the file'].map((text) => {
            const walker = document.createTreeWalker(document.querySelector('.error'), NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                if (!walker.currentNode.textContent.includes(text)) continue;
                const range = document.createRange();
                range.selectNodeContents(walker.currentNode);
                const box = range.getBoundingClientRect();
                return box.height > 0 && box.top >= 0 && box.bottom < 800 && box.right <= 1280 ? 'seen' : JSON.stringify(box);
            }
            return 'missing';
        })",
    );
    assert_eq!(boxes, json!(vec!["seen"; 6]));
    is_quiet(&mut browser, &page, "run");
}

/// Acceptance 3, 4 and 5, on the recorded histories and lines.
#[test]
fn graph_timeline_and_lines_are_those_of_the_run() {
    let (aws, mut browser) = (Aws::start(), browser());
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    see(&mut browser, &page, FAILED, "document.querySelectorAll('#log tbody tr').length > 3");
    let taken = "[...document.querySelectorAll('.edge.on, .edge.err')].map((e) => e.dataset.way + (e.classList.contains('err') ? '!' : ''))";
    assert_eq!(
        browser.evaluate(taken),
        json!(["DetectNewFiles>AnyNewFiles", "AnyNewFiles>PivotFiles", "PivotFiles>HasCause!", "HasCause>Failed!"])
    );
    let marks = "Object.fromEntries([...document.querySelectorAll('[data-state]')].map((n) => [n.dataset.state, n.dataset.mark]).filter(([, m]) => m !== 'not reached'))";
    assert_eq!(
        browser.evaluate(marks),
        json!({"DetectNewFiles": "done", "AnyNewFiles": "done", "PivotFiles": "failed", "Pivot": "failed",
               "HasCause": "done", "Failed": "failed"})
    );
    // Boxes of states do not overlap, but for a frame and what is inside.
    let overlaps = "(() => {
        const boxes = [...document.querySelectorAll('.node')].map((n) => [n.dataset.state, n.querySelector('rect, polygon').getBoundingClientRect()]);
        return boxes.flatMap(([a, x], i) => boxes.slice(i + 1).filter(([, y]) => x.left < y.right && y.left < x.right && x.top < y.bottom && y.top < x.bottom).map(([b]) => `${a} ${b}`));
    })()";
    assert_eq!(browser.evaluate(overlaps), json!([]));
    // The item of the Map is there, by its line.
    assert!(browser.evaluate("document.querySelector('table.time').innerText").as_str().unwrap().contains("Pivot"));
    // No line of the neighbour, whose line names this run.
    let others =
        "[...document.querySelectorAll('#log tbody tr')].filter((r) => r.textContent.includes('67a17f21')).length";
    assert_eq!(browser.evaluate(others), 1, "the error alone names its quarantine");
    // The row of the error is there, without the cells that it quotes.
    let error = "[...document.querySelectorAll('#log tbody tr.e')].map((r) => r.textContent).join()";
    let error = browser.evaluate(error).as_str().unwrap().to_owned();
    assert!(error.contains("line 42, column 2 (Duration (in minutes)): not a number"), "{error}");
    assert!(!browser.evaluate("document.documentElement.outerHTML").as_str().unwrap().contains("twelve"));
    // Filters: in place, and by the address.
    let shown = "[...document.querySelectorAll('#log tbody tr')].filter((r) => !r.hidden).length";
    browser.evaluate("(() => { const s = document.getElementById('ll'); s.value = 'E'; s.dispatchEvent(new Event('input', {bubbles: true})); })()");
    assert_eq!(browser.evaluate(shown), 1);
    see(
        &mut browser,
        &page,
        &format!("{FAILED}/log?fn=pivot&level=E&q=bad"),
        "document.querySelectorAll('#log tbody tr').length === 1",
    );
    see(
        &mut browser,
        &page,
        &format!("{FAILED}/log?q=nowhere"),
        "document.body.innerText.includes('No line is like that')",
    );
    let text = page.get(&format!("{FAILED}/log.txt"));
    assert!(text.1.contains("attachment") && text.2.lines().count() >= 4, "{text:?}");
    assert!(text.2.contains("not a number") && !text.2.contains("twelve"), "{text:?}");
    // Two attempts and a pause.
    let held = "/jobs/pomodoro/runs/46ad0c16-d19e-42a9-92a8-ca075b92d81b";
    see(&mut browser, &page, held, "document.querySelectorAll('.f-wait').length === 1");
    assert!(
        browser.evaluate("document.querySelector('table.time').innerText").as_str().unwrap().contains("2 attempts")
    );
}

/// Ends the newest run of `pomodoro` at this time, in seconds since 1970.
fn abort(aws: &Aws, at: f64) {
    let mut world = aws.world();
    let run = &mut world.jobs.get_mut("pomodoro").unwrap().1[0];
    run.described["status"] = "ABORTED".into();
    run.described["stopDate"] = at.into();
    let id = run.events.len() + 1;
    run.events.push(json!({"id": id, "timestamp": at, "type": "ExecutionAborted", "previousEventId": id - 1}));
}

/// What changes while its reader is at work in it is there as soon as they are not.
#[test]
fn a_part_that_was_busy_changes_afterwards() {
    let (aws, mut browser) = (Aws::start(), browser());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let run = running("pomodoro", "now", now - 2.0, &[("Task", "DetectNewFiles")]);
    aws.world().jobs.get_mut("pomodoro").unwrap().1.insert(0, run);
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    see(&mut browser, &page, "/jobs/pomodoro/runs/now", "document.querySelector('h1 .chip.run') !== null");
    browser.evaluate("document.querySelector('#part-head .sub a').focus()");
    abort(&aws, now + 1.0);
    // The head is told of before the facts.
    browser.until("document.querySelector('#part-facts').innerText.includes('Took')");
    browser.until("document.activeElement.closest('#part-head') && document.querySelector('h1 .chip.run') !== null");
    browser.evaluate("document.activeElement.blur()");
    browser.until("document.querySelector('h1 .chip').textContent === 'Stopped'");
    is_quiet(&mut browser, &page, "busy");
}

/// A run that is at work is followed: what changes is swapped in, within three seconds.
#[test]
fn a_run_at_work_is_live() {
    let (aws, mut browser) = (Aws::start(), browser());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let states = [("Task", "DetectNewFiles"), ("Choice", "AnyNewFiles"), ("Map", "PivotFiles")];
    aws.world().jobs.get_mut("pomodoro").unwrap().1.insert(0, running("pomodoro", "now", now - 2.0, &states[..1]));
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    see(
        &mut browser,
        &page,
        "/jobs/pomodoro/runs/now",
        "document.querySelector('.node.run')?.dataset.state === 'DetectNewFiles'",
    );
    browser.evaluate("window.__same = true");
    let began = Instant::now();
    {
        let mut world = aws.world();
        world.jobs.get_mut("pomodoro").unwrap().1[0] = running("pomodoro", "now", now - 2.0, &states);
        let arn = world.jobs["pomodoro"].1[0].described["executionArn"].clone();
        let line = json!({"timestamp": "2026-11-26T02:45:58.4Z", "level": "WARN", "message": "a new line", "span": {"sfn.execution_id": arn}});
        let at = (now * 1_000.0) as i64;
        world.log.push(json!({"logGroupName": "/aws/lambda/x-pivot", "logStreamName": "s", "timestamp": at, "message": line.to_string()}));
    }
    browser.until("document.querySelector('.mapbox.run')?.dataset.state === 'PivotFiles' && document.getElementById('log')?.innerText.includes('a new line')");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(browser.evaluate("window.__same"), true, "the page was not loaded again");
    is_quiet(&mut browser, &page, "live");
    // What changes every three seconds is not read out, but that it stands still is.
    let still = "document.getElementById('still').textContent";
    browser.until("document.querySelector('.live').textContent.startsWith('Live')");
    assert_eq!(browser.evaluate("document.querySelector('.live').closest('[role=status], [aria-live]')"), json!(null));
    assert_eq!(browser.evaluate(still), "");
    browser.evaluate("document.getElementById('pause').click()");
    assert_eq!(browser.evaluate(still), "Paused");
    browser.evaluate("document.getElementById('pause').click()");
    browser.until(&format!("{still} === ''"));
    // It ends, and so does its picture.
    abort(&aws, now + 1.0);
    browser.until("document.querySelector('h1 .chip')?.textContent === 'Stopped'");
    // Somebody who has stopped the page is told.
    drop(page);
    let ended = Instant::now();
    browser.until("!document.getElementById('gone').hidden");
    assert!(ended.elapsed() < Duration::from_secs(10), "{:?}", ended.elapsed());
}
