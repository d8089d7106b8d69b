//! The views for those who see other colours, use keys, a phone, or no scripts.

use crate::aws::Aws;
use crate::page::Page;
use crate::{FAILED, amiss_in, browser, enter, is_quiet, see, with_all_kinds, with_days};
use std::time::{Duration, Instant};

/// Acceptance 10: all views, light and dark, wide and narrow; all reached by keys.
#[test]
fn every_view_is_for_everybody() {
    let (aws, mut browser) = (Aws::start(), browser());
    with_all_kinds(&aws);
    aws.world().objects.insert("input_data/new.csv".to_owned(), b"x".to_vec());
    with_days(&aws);
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    let log = format!("{FAILED}/log");
    let views = [
        ("/", "document.querySelectorAll('a.job').length === 4", "jobs"),
        ("/jobs/pomodoro", "document.querySelectorAll('.grid td.ok .i').length > 5", "job"),
        ("/jobs/nps-to-redshift", "document.querySelector('.cal .day.ver') !== null", "job-redshift"),
        ("/jobs/orders-copy", "document.querySelector('.grid') !== null", "job-copy"),
        (
            FAILED,
            "document.querySelectorAll('#log tbody tr').length > 3 && document.querySelector('.error') !== null",
            "run-failed",
        ),
        (
            "/jobs/pomodoro/runs/ac44c1ec-258d-4101-9eea-5b5054cd3915",
            "document.querySelector('.counts') !== null",
            "run-loaded",
        ),
        ("/jobs/orders-copy/runs/now", "document.querySelector('.node.run') !== null", "run-copy"),
        ("/jobs/film-ratings/runs/now", "document.querySelector('.node.run') !== null", "run-elt"),
        ("/jobs/nps-to-redshift/runs/now", "document.querySelector('.node.run') !== null", "run-redshift"),
        ("/jobs/pomodoro/files", "document.querySelector('#h-q') !== null", "files"),
        ("/jobs/pomodoro/files/why?key=input_data%2Fnew.csv", "document.querySelector('.st') !== null", "why"),
        (log.as_str(), "document.querySelectorAll('#log tbody tr').length > 3", "log"),
        ("/jobs/pomodoro/run", "document.querySelector('form[method=post]') !== null", "run-now"),
        ("/jobs/pomodoro/again?keys=input_data%2Fnew.csv", "document.querySelector('textarea') !== null", "again"),
        ("/jobs/pomodoro/since", "document.querySelector('form[method=post]') !== null", "since"),
        ("/jobs/orders-copy/backfill", "document.querySelector('form[method=post]') !== null", "backfill"),
        ("/jobs/orders-copy/runs/now/stop", "document.querySelector('form[method=post]') !== null", "stop"),
        ("/jobs/nowhere", "document.querySelector('h1').textContent.includes('no such job')", "missing"),
    ];
    let mut amiss = Vec::new();
    for (path, is_there, name) in &views {
        see(&mut browser, &page, path, is_there);
        for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)] {
            browser.colours(scheme, false);
            browser.resize(width, if width == 390 { 844 } else { 800 });
            // The rules that looks do not touch are kept or broken by all of them alike.
            let is_first = (scheme, width) == ("light", 1280);
            amiss.extend(amiss_in(&mut browser, &format!("{name}, {scheme}, {width}"), is_first));
            browser.picture(&format!("{name}-{scheme}-{width}"));
        }
        browser.colours("light", false);
        browser.resize(1280, 800);
        // Of a page that is not there the browser itself complains.
        if *name != "missing" {
            is_quiet(&mut browser, &page, name);
        }
    }
    assert!(amiss.is_empty(), "{amiss:#?}");
    // Every link, control and box that scrolls is reached by Tab.
    for (path, is_there) in [
        ("/", "document.querySelectorAll('a.job').length === 4"),
        (FAILED, "document.querySelectorAll('#log tbody tr').length > 3 && document.querySelector('.error') !== null"),
        ("/jobs/pomodoro/files", "document.querySelector('#h-q') !== null"),
        ("/jobs/orders-copy/backfill", "document.querySelector('form[method=post]') !== null"),
        ("/jobs/pomodoro", "document.querySelectorAll('.colh').length === 6"),
    ] {
        see(&mut browser, &page, path, is_there);
        browser.evaluate("document.getElementById('pause')?.click()");
        // A part that was asked for before may still be swapped in, once.
        for _ in 0..3 {
            browser.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })");
            let wanted = browser.evaluate("window.__wanted = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex=\"0\"]')].filter((n) => n.getClientRects().length), window.__wanted.length");
            browser.evaluate("document.activeElement.blur(), window.__reached = new Set()");
            for _ in 0..wanted.as_u64().unwrap() + 1 {
                browser.press("Tab");
                browser.evaluate("window.__reached.add(document.activeElement), 1");
            }
            if browser.evaluate("window.__wanted.every((n) => n.isConnected)") == true {
                break;
            }
        }
        let missed = browser
            .evaluate("window.__wanted.filter((n) => !window.__reached.has(n)).map((n) => n.outerHTML.slice(0, 200))");
        assert_eq!(missed, serde_json::json!([]), "{path}");
    }
    browser.evaluate("document.querySelector('.colh').focus()");
    for (key, place) in [("End", 5), ("ArrowLeft", 4), ("ArrowRight", 5), ("Home", 0), ("ArrowLeft", 0)] {
        browser.press(key);
        let at = "[...document.querySelectorAll('.colh')].indexOf(document.activeElement)";
        assert_eq!(browser.evaluate(at), place, "{key}");
    }
    // Where colours are forced, each outcome still has a picture of its own.
    browser.colours("light", true);
    let ends = "[...document.querySelectorAll('.grid tbody tr:last-child td use')].map((u) => u.getAttribute('href'))";
    let pictures = browser.evaluate(ends);
    for picture in ["#i-ok", "#i-bad", "#i-stop", "#i-none", "#i-dry"] {
        assert!(pictures.as_array().unwrap().contains(&picture.into()), "{picture}: {pictures}");
    }
}

/// Acceptance 13: without scripts.
#[test]
fn every_view_works_without_scripts() {
    let (aws, mut browser) = (Aws::start(), browser());
    with_all_kinds(&aws);
    aws.world().objects.insert("input_data/new.csv".to_owned(), b"x".to_vec());
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    see(&mut browser, &page, FAILED, "document.querySelectorAll('#log tbody tr').length > 3");
    browser.scripts(false);
    let errors = format!("{FAILED}/log?level=E");
    for (path, text) in [
        ("/jobs/nps-to-redshift", "Runs and states"),
        ("/jobs/orders-copy/runs/now", "class=\"node run\""),
        ("/jobs/film-ratings/runs/now", "class=\"node run\""),
        ("/jobs/nps-to-redshift/runs/now/stop", "Stop it"),
        ("/jobs/pomodoro/explain", "It loads nothing"),
        ("/", "Jobs"),
        (FAILED, "cannot be read"),
        ("/jobs/pomodoro", "Runs and states"),
        ("/jobs/pomodoro?o=bad&states=all&tz=Europe%2FZurich", "Europe/Zurich"),
        ("/jobs/pomodoro/files", "In quarantine"),
        ("/jobs/pomodoro/files/why?key=input_data%2Fnew.csv", "</svg>New</span>"),
        ("/jobs/nowhere", "no such job"),
        (errors.as_str(), "1 of "),
    ] {
        browser.open(&page.at(path));
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let html = browser.html();
            if html.contains(text) {
                break;
            }
            assert!(Instant::now() < deadline, "{path}: {text}\n{html}");
            // What is still being read comes by itself.
            std::thread::sleep(Duration::from_millis(300));
            browser.open(&page.at(path));
        }
    }
    browser.scripts(true);
}
