//! Answers that come in pages, and what goes wrong between two of them. It needs no browser.

use crate::aws::{Aws, definition, running};
use crate::bucket::loaded;
use crate::days::{record, section};
use crate::many::many_runs;
use crate::page::Page;
use crate::{FAILED, with_all_kinds};
use page::log::{Lines, LogEvent};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const FILES: &str = "/jobs/pomodoro/files";

/// What the page says on the way until a view holds a text: all of its notices.
fn notices(page: &Page, path: &str, is_there: &dyn Fn(&str) -> bool) -> String {
    let (deadline, mut told) = (Instant::now() + Duration::from_secs(30), String::new());
    loop {
        let (_, _, html) = page.get(path);
        let notices = html.split("id=\"part-notices\">").nth(1).and_then(|rest| rest.split("class=\"part\"").next());
        told.push_str(notices.unwrap_or_default());
        if is_there(&html) {
            return told;
        }
        assert!(Instant::now() < deadline, "{path}: {html}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A history has four pages here. What is read of it is not read again, unless its token is refused; then it is read
/// from its beginning, and nobody has to know.
#[test]
fn a_history_goes_on_where_it_was_interrupted() {
    for (error, calls, notice) in [
        ("ThrottlingException", 5, "AWS asked us to slow down"),
        ("ExpiredTokenException", 5, "The credentials have expired"),
        ("InvalidToken", 7, ""),
    ] {
        let aws = Aws::start();
        many_runs(&aws);
        aws.world().page = 3_000;
        aws.world().refused = vec![("GetExecutionHistory", 3, error)];
        let page = Page::local(&aws);
        page.get_until("/", "class=\"bars\"");
        // All of its 1,660 items but the first 40.
        let is_whole = |html: &str| html.contains("1\u{202f}620 more items");
        let told = notices(&page, "/jobs/pomodoro/runs/run-1", &is_whole);
        assert_eq!(aws.calls_of("GetExecutionHistory"), calls, "{error}");
        assert_eq!(told.contains("<strong>"), !notice.is_empty(), "{error}: {told}");
        assert!(told.contains(notice), "{error}: {told}");
    }
    // One that is refused again and again is told.
    let aws = Aws::start();
    many_runs(&aws);
    aws.world().page = 3_000;
    aws.world().refused = [2, 4].map(|number| ("GetExecutionHistory", number, "InvalidToken")).to_vec();
    let page = Page::local(&aws);
    page.get_until("/", "class=\"bars\"");
    let is_told = |html: &str| html.contains("The states of runs cannot be read");
    notices(&page, "/jobs/pomodoro/runs/run-1", &is_told);
    page.get_until("/jobs/pomodoro/runs/run-1", "1\u{202f}620 more items");
}

/// The lines of the failed run, as they are when they come at once.
fn lines_of_failed(aws: &Aws) -> String {
    let world = aws.world();
    let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
    let event = |(place, event): (usize, &Value)| LogEvent {
        function: text(event, "logGroupName").trim_start_matches("/aws/lambda/sluice-").to_owned(),
        stream: text(event, "logStreamName"),
        id: place.to_string(),
        at: event["timestamp"].as_i64().unwrap(),
        message: text(event, "message"),
    };
    let events: Vec<LogEvent> = world.log.iter().enumerate().map(event).collect();
    let runs = &world.jobs["pomodoro"].1;
    let failed = runs.iter().find(|run| run.described["status"] == "FAILED").unwrap();
    let lines = page::log::lines(&events, failed.described["executionArn"].as_str().unwrap());
    page::views::log_text(&Lines { is_complete: true, ..lines })
}

/// Lines come in pages of which some are empty; a token is only good for the times that it was given for.
#[test]
fn lines_go_on_where_they_were_interrupted() {
    let asked = |refused: Option<&'static str>, notice: &str| {
        let aws = Aws::start();
        aws.world().page = 3;
        aws.world().refused = refused.map(|error| ("FilterLogEvents", 4, error)).into_iter().collect();
        let (page, lines) = (Page::local(&aws), lines_of_failed(&aws));
        page.get_until("/", "class=\"bars\"");
        assert!(lines.lines().count() > 4, "{lines}");
        let is_whole = |_: &str| page.get(&format!("{FAILED}/log.txt")).2 == lines;
        let told = notices(&page, FAILED, &is_whole);
        assert_eq!(told.contains("<strong>"), !notice.is_empty(), "{refused:?}: {told}");
        assert!(told.contains(notice), "{refused:?}: {told}");
        // All groups are read to their ends, and then no more.
        let mut calls = 0;
        while calls != aws.calls_of("FilterLogEvents") {
            calls = aws.calls_of("FilterLogEvents");
            let lists = aws.calls_of("ListExecutions");
            notices(&page, FAILED, &|_| aws.calls_of("ListExecutions") > lists + 1);
        }
        calls
    };
    let calls = asked(None, "");
    assert!(calls > 8, "{calls}");
    assert_eq!(asked(Some("ThrottlingException"), "AWS asked us to slow down"), calls + 1);
    // Three pages are read once more.
    assert_eq!(asked(Some("InvalidParameterException"), ""), calls + 4);
}

/// Runs that are described one by one: an error costs that call alone.
#[test]
fn what_was_described_before_an_error_is_not_asked_for_again() {
    let aws = Aws::start();
    many_runs(&aws);
    aws.world().refused =
        vec![("DescribeExecution", 10, "ThrottlingException"), ("DescribeExecution", 20, "ExpiredTokenException")];
    let page = Page::local(&aws);
    let told = notices(&page, "/", &|_| aws.calls_of("DescribeExecution") >= 42);
    assert!(told.contains("AWS asked us to slow down") && told.contains("The credentials have expired"), "{told}");
    let lists = aws.calls_of("ListExecutions");
    notices(&page, "/", &|_| aws.calls_of("ListExecutions") > lists + 1);
    assert_eq!(aws.calls_of("DescribeExecution"), 42);
}

/// On an account it takes a while: how many runs are read is said, and becomes more.
#[test]
fn how_many_runs_are_read_is_said() {
    let aws = Aws::start();
    many_runs(&aws);
    let page = Page::account(&aws);
    let read = |html: &str| {
        let told = html.split("Reading 40 runs.</strong> ").nth(1)?;
        told.split_once(" of 40 are here").and_then(|(read, _)| read.parse::<u64>().ok())
    };
    let first = read(&page.get_until("/", "of 40 are here")).unwrap();
    notices(&page, "/", &|html| read(html).is_some_and(|now| now > first));
}

/// The pages of a listing that were read before an error are not read again, unless its token is refused.
#[test]
fn a_listing_goes_on_where_it_was_interrupted() {
    for (error, pages, notice) in [
        ("SlowDown", &["", "7", "14", "14"][..], "AWS asked us to slow down"),
        ("ExpiredToken", &["", "7", "14", "14"], "The credentials have expired"),
        ("InvalidArgument", &["", "7", "14", "", "7", "14"], "cannot be read"),
    ] {
        let aws = Aws::start();
        loaded(&aws, 20);
        aws.world().page = 7;
        aws.world().refused = vec![("ListObjectsV2 input_data/ 14", 1, error)];
        let page = Page::local(&aws);
        page.get_until("/", "class=\"job\"");
        let told = notices(&page, FILES, &|html| html.contains("19 are loaded"));
        assert!(told.contains(notice), "{told}");
        let world = aws.world();
        let asked = world.calls.iter().filter_map(|(_, call)| call.strip_prefix("ListObjectsV2 input_data/ "));
        assert_eq!(asked.take(pages.len()).collect::<Vec<_>>(), pages, "{error}");
    }
}

/// A long listing keeps no other question waiting: between any two of its pages another one is answered.
#[test]
fn between_two_pages_of_a_listing_others_are_asked() {
    let aws = Aws::start();
    loaded(&aws, 20);
    aws.world().page = 3;
    let page = Page::local(&aws);
    page.get_until("/", "class=\"job\"");
    page.get_until(FILES, "19 are loaded");
    let world = aws.world();
    // The ledger has as many pages as the prefix: whichever is being listed, the other one waits for a page of it.
    for (prefix, pages) in [("input_data/", 7), ("state/pomodoro/ledger/", 7)] {
        let of_it = format!("ListObjectsV2 {prefix}");
        let places: Vec<usize> = (0..world.calls.len()).filter(|at| world.calls[*at].1.starts_with(&of_it)).collect();
        assert!(places.len() >= pages, "{places:?}");
        assert!(places[..pages - 1].windows(2).all(|two| two[1] > two[0] + 1), "{prefix}: {:?}", world.calls);
    }
}

/// Objects, state machines and files of more than one page.
#[test]
fn lists_of_many_pages_are_read_to_their_ends() {
    for refused in [None, Some(("ListObjectsV2", 3, "ExpiredToken")), Some(("ListObjectsV2", 8, "SlowDown"))] {
        let aws = Aws::start();
        loaded(&aws, 130);
        aws.world().page = 7;
        aws.world().refused = refused.into_iter().collect();
        let page = Page::local(&aws);
        page.get_until("/", "class=\"job\"");
        let is_whole = |html: &str| html.contains("129 are loaded") || html.contains("129 is loaded");
        let told = notices(&page, FILES, &is_whole);
        assert_eq!(told.contains("<strong>"), refused.is_some(), "{told}");
        // A list that broke off is not taken for a whole one.
        let (_, _, html) = page.get(FILES);
        assert!(
            html.contains("<strong>2 files are new</strong>") && html.contains("50 of 131, the newest first"),
            "{html}"
        );
        for (number, rows, newer, older) in [
            ("2", 50, true, true),
            ("3", 31, true, false),
            ("18446744073709551615", 31, true, false),
            ("0", 50, false, true),
        ] {
            let (_, _, html) = page.get(&format!("{FILES}?state=&prefix=input_data%2F&page={number}"));
            let found = (html.matches("\">Why?").count(), html.contains("newer ones"), html.contains("older ones"));
            assert_eq!(found, (rows, newer, older), "page {number}");
        }
    }
    // More objects than are listed are told.
    let aws = Aws::start();
    for number in 0..5_001 {
        aws.world().objects.insert(format!("input_data/{number}.csv"), Vec::new());
    }
    let page = Page::local(&aws);
    page.get_until(FILES, "The prefix holds more than these 5\u{202f}000");
    // Many jobs.
    let aws = Aws::start();
    with_all_kinds(&aws);
    aws.world().page = 1;
    let page = Page::local(&aws);
    notices(&page, "/", &|html| html.matches("class=\"job\"").count() == 4);
}

/// The history of a copy as AWS writes it, with 31 days: these have ended, and whether well.
pub(crate) fn copying(ended: &[bool]) -> crate::aws::Run {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let mut run = running("orders-copy", "now", now - 60.0, &[("Task", "PlanCopy"), ("Map", "CopyWindows")]);
    let last = run.events.len();
    let mut add = |kind: &str, previous: usize, details: Value| {
        let id = run.events.len() + 1;
        let mut event =
            json!({"id": id, "previousEventId": previous, "timestamp": now - 50.0 + id as f64 / 100.0, "type": kind});
        event.as_object_mut().unwrap().extend(details.as_object().unwrap().clone());
        run.events.push(event);
        id
    };
    let started = add("MapStateStarted", last, json!({"mapStateStartedEventDetails": {"length": 31}}));
    // One more is at work.
    for index in 0..=ended.len() {
        let item = json!({"name": "CopyWindows", "index": index});
        let began = add("MapIterationStarted", started, json!({"mapIterationStartedEventDetails": item}));
        let entered = add("TaskStateEntered", began, json!({"stateEnteredEventDetails": {"name": "CopyWindow"}}));
        let scheduled = add("TaskScheduled", entered, json!({}));
        let left = json!({"stateExitedEventDetails": {"name": "CopyWindow"}});
        let done = match ended.get(index) {
            None => break,
            Some(true) => add("TaskSucceeded", scheduled, json!({})),
            // The machine catches that, and goes on with the other days.
            Some(false) => add("TaskFailed", scheduled, json!({"taskFailedEventDetails": {"error": "WindowTooLarge"}})),
        };
        let left = add("TaskStateExited", done, left);
        add("MapIterationSucceeded", left, json!({"mapIterationSucceededEventDetails": item}));
    }
    run
}

/// How far a copy is, in days: those that failed are not there.
#[test]
fn how_many_days_are_done_is_said_and_followed() {
    let aws = Aws::start();
    with_all_kinds(&aws);
    let page = Page::local(&aws);
    let ended = |ended: &[bool]| {
        let copy = (definition("copy-table", "orders-copy"), vec![copying(ended)]);
        aws.world().jobs.insert("orders-copy".to_owned(), copy);
    };
    ended(&[]);
    page.get_until("/", "0 of 31 days");
    ended(&[true, true, false]);
    page.get_until("/", "2 of 31 days");
    page.get_until("/jobs/orders-copy/runs/now", "<dt>So far</dt><dd>2 of 31 days</dd>");
    // A history of many pages says the same.
    aws.world().page = 4;
    ended(&[true, true, false, true, true]);
    page.get_until("/jobs/orders-copy/runs/now", "<dt>So far</dt><dd>4 of 31 days</dd>");
}

/// The records of windows, a few at a time: how many are still to come is said, and none is read twice.
#[test]
fn how_many_days_are_still_to_be_read_is_said() {
    let with_records = || {
        let aws = Aws::start();
        with_all_kinds(&aws);
        for day in 1..=12 {
            let key = format!("state/nps-to-redshift/runs/gone/window-{day:05}.json");
            aws.world().objects.insert(key, record(day));
        }
        aws.world().page = 5;
        aws
    };
    let aws = with_records();
    let page = Page::account(&aws);
    section(&page, "nps-to-redshift", "2 records of windows are still to be read");
    let days = section(&page, "nps-to-redshift", "/runs/gone\">12<");
    assert!(!days.contains("still to be read") && days.contains("Every day has a record of its load"), "{days}");

    let aws = with_records();
    aws.world().refused = vec![("GET /bucket/state/nps-to-redshift/runs/gone/", 7, "SlowDown")];
    let page = Page::local(&aws);
    section(&page, "nps-to-redshift", "/runs/gone\">12<");
    assert_eq!(aws.calls_of("GET /bucket/state/nps-to-redshift/runs/gone/"), 13);
}
