//! Real tabs, each with its stream of events, at the pace of an account. What counts is what arrives at AWS.

use crate::aws::Aws;
use crate::many::many_runs;
use crate::page::Page;
use crate::{browser, enter, running, see};
use std::time::{Duration, Instant};

/// How long nothing may arrive before it is said that nobody asks: whoever looks has a list read each two seconds.
const QUIET: Duration = Duration::from_secs(5);

/// How long any of this may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is true in a tab that is seen and has its stream of events.
const LIVE: &str = "!document.hidden && document.querySelector('.live').textContent.startsWith('Live')";

/// Waits until so many more calls have arrived.
fn until_called(aws: &Aws, more: usize) {
    let (end, wanted) = (Instant::now() + PATIENCE, aws.call_count() + more);
    while aws.call_count() < wanted {
        assert!(Instant::now() < end, "{} of {wanted} calls", aws.call_count());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until no call has arrived for long.
fn until_quiet(aws: &Aws) {
    let (began, end) = (Instant::now(), Instant::now() + PATIENCE);
    loop {
        let last = aws.world().calls.last().map_or(began, |(at, _)| (*at).max(began));
        if last.elapsed() > QUIET {
            return;
        }
        assert!(Instant::now() < end, "{} calls, and more to come", aws.call_count());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Twenty at the start, then one a second: of each call, counted from the first one.
fn is_at_pace(aws: &Aws, began: Instant) {
    let world = aws.world();
    for (place, (at, action)) in world.calls.iter().enumerate() {
        let (count, seconds) = (place + 1, at.duration_since(began).as_secs_f64());
        assert!(count as f64 <= 20.0 + seconds + 1.0, "{action} is call {count} after {seconds} s");
    }
}

/// Acceptance 11, and section 9: three tabs ask no more than one, hidden ones ask for nothing.
#[test]
fn three_tabs_ask_at_the_pace_of_one_and_hidden_ones_not_at_all() {
    let (aws, mut browser) = (Aws::start(), browser());
    many_runs(&aws);
    // One run that is at work: its view always has something to ask.
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let run = running("pomodoro", "now", now - 60.0, &[("Pass", "KeepTrigger"), ("Task", "DetectNewFiles")]);
    aws.world().jobs.get_mut("pomodoro").unwrap().1.insert(0, run);
    let page = Page::account(&aws);
    until_quiet(&aws);
    assert_eq!(aws.call_count(), 0, "nobody looks");
    let began = Instant::now();
    let first = browser.new_tab();
    enter(&mut browser, &page);
    let mut tabs = Vec::new();
    for path in ["/jobs/pomodoro", "/jobs/pomodoro/runs/now"] {
        tabs.push(browser.new_tab());
        see(&mut browser, &page, path, LIVE);
    }
    let last = browser.turn_to(&first);
    tabs.push(last);
    until_called(&aws, 20);
    is_at_pace(&aws, began);
    for tab in &tabs {
        browser.turn_to(tab);
        browser.until(LIVE);
    }
    // A hidden tab closes its stream: with all of them hidden nobody asks.
    for tab in &tabs {
        browser.turn_to(tab);
        browser.put_away(true);
    }
    until_quiet(&aws);
    // One that comes back asks again.
    browser.put_away(false);
    until_called(&aws, 5);
    // Closed tabs are as good as hidden ones.
    for tab in &tabs {
        browser.turn_to(tab);
        browser.close_for(&first);
    }
    until_quiet(&aws);
    is_at_pace(&aws, began);
}
