//! The page in a real browser, a Chromium without a window, before an AWS that answers what a test puts into it, and
//! before a real stack. One browser for all cases; a page of its own for each.

#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "times and sizes of this century")]

#[path = "browser/acting.rs"]
mod acting;
#[path = "browser/amiss.rs"]
mod amiss;
#[path = "browser/aws.rs"]
mod aws;
#[path = "browser/axe.rs"]
mod axe;
#[path = "browser/bucket.rs"]
mod bucket;
#[path = "browser/chromium.rs"]
mod chromium;
#[path = "browser/counted.rs"]
mod counted;
#[path = "browser/days.rs"]
mod days;
#[path = "browser/everybody.rs"]
mod everybody;
#[path = "browser/forced.rs"]
mod forced;
#[path = "browser/graphs.rs"]
mod graphs;
#[path = "browser/many.rs"]
mod many;
#[path = "browser/older.rs"]
mod older;
#[path = "browser/page.rs"]
mod page;
#[path = "browser/paged.rs"]
mod paged;
#[path = "browser/pressed.rs"]
mod pressed;
#[path = "browser/real.rs"]
mod real;
#[path = "browser/safe.rs"]
mod safe;
#[path = "browser/seen.rs"]
mod seen;
#[path = "browser/since.rs"]
mod since;
#[path = "browser/tabs.rs"]
mod tabs;
#[path = "browser/told.rs"]
mod told;

use aws::{Aws, definition, running};
use chromium::Chromium;
use page::Page;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const FAILED: &str = "/jobs/pomodoro/runs/67a17f21-7729-4d71-ad90-0cc674d418ac";

/// The browser, started by the first case. It ends with this process, which holds the other end of its pipe.
fn browser() -> MutexGuard<'static, Chromium> {
    static BROWSER: OnceLock<Mutex<Chromium>> = OnceLock::new();
    let start = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Mutex::new(Chromium::start(&folder))
    };
    let mut browser = BROWSER.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner);
    browser.scripts(true);
    browser.resize(1280, 800);
    browser.colours("light", false);
    browser
}

/// Lets the browser in, and waits for the jobs.
fn enter(browser: &mut Chromium, page: &Page) {
    browser.open(&page.address);
    browser.until("document.querySelector('a.job') !== null");
}

/// Opens a view, and waits until an expression in it is true.
fn see(browser: &mut Chromium, page: &Page, path: &str, expression: &str) {
    browser.open(&page.at(path));
    browser.until(expression);
}

/// What is wrong with the page that is open: by rules of our own, and by those of axe.
fn amiss_in(browser: &mut Chromium, what: &str, are_all: bool) -> Vec<String> {
    let (ours, axe) = (browser.evaluate(include_str!("browser/audit.js")), axe::violations(browser, are_all));
    let wrong = [ours, axe].into_iter().flat_map(|wrong| wrong.as_array().unwrap().clone());
    wrong.map(|wrong| format!("{what}: {wrong}")).collect()
}

/// Nothing is wrong with it.
fn audit(browser: &mut Chromium, what: &str) {
    assert_eq!(amiss_in(browser, what, true), Vec::<String>::new());
}

/// The view asked nobody else, and nobody complained.
fn is_quiet(browser: &mut Chromium, page: &Page, what: &str) {
    let (requests, complaints) = browser.requests_and_complaints();
    let own = page.at("/");
    let others: Vec<&String> =
        requests.iter().filter(|url| !url.starts_with(&own) && !url.starts_with("data:")).collect();
    assert!(others.is_empty() && complaints.is_empty(), "{what}: {others:?} {complaints:?}");
}

/// Three days of January 2024 that a run has loaded; three between them are missing.
fn with_days(aws: &Aws) {
    for (window, day) in [(0, 1), (1, 2), (2, 6)] {
        let key = format!("state/nps-to-redshift/runs/old/window-{window:05}.json");
        aws.world().objects.insert(key, days::record(day));
    }
}

/// The other kinds, each with a run that is at work.
fn with_all_kinds(aws: &Aws) {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let mut world = aws.world();
    for (kind, job, states) in [
        ("copy-table", "orders-copy", &[("Pass", "KeepTrigger"), ("Choice", "IsToggleMode"), ("Task", "PlanCopy")][..]),
        ("athena-elt", "film-ratings", &[("Pass", "KeepTrigger"), ("Task", "CheckCatalog")][..]),
        ("mysql-to-redshift", "nps-to-redshift", &[("Pass", "KeepTrigger"), ("Task", "InspectSource")][..]),
    ] {
        let run = running(job, "now", now - 60.0, states);
        world.jobs.insert(job.to_owned(), (definition(kind, job), vec![run]));
    }
}
