//! Graphs beside timelines, in a window of a usual size.

use crate::aws::{Aws, definition, running};
use crate::page::Page;
use crate::{browser, enter, is_quiet, see};
use serde_json::json;

/// Pairs of two texts.
type Pairs = &'static [(&'static str, &'static str)];

/// Of each kind a run that has failed in a function: the states that it reached, and what the error says.
const FAILED: [(&str, Pairs, &str); 4] = [
    (
        "transform-and-upsert",
        &[("Task", "DetectNewFiles"), ("Choice", "AnyNewFiles"), ("Map", "PivotFiles")],
        "2 bad rows: input_data/sessions-2024-04.csv, line 42, column 2 (Minutes): not a number; \
         input_data/sessions-2024-04.csv, line 97, column 3 (Start date): not a date",
    ),
    (
        "copy-table",
        &[("Pass", "KeepTrigger"), ("Choice", "IsToggleMode"), ("Task", "PlanCopy")],
        "source shop.orders: rows without a time",
    ),
    ("athena-elt", &[("Pass", "KeepTrigger"), ("Task", "CheckCatalog")], "source ratings: no such object"),
    ("mysql-to-redshift", &[("Pass", "KeepTrigger"), ("Task", "InspectSource")], "source shop.orders: a key twice"),
];

/// Texts of the error, each as whether its box is in the window.
const SEEN: &str =
    "[...document.querySelectorAll('#h-err, .error .what code, .places td, .error pre, .todo li')].map((n) => {
    const box = n.getBoundingClientRect();
    return [n.innerText.trim(), box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth];
})";

/// Whatever the width of a graph, it scrolls within its own box, by keys too, and the error is seen at once.
#[test]
fn a_wide_graph_scrolls_within_its_box_and_the_error_is_seen_above_it() {
    let (aws, mut browser) = (Aws::start(), browser());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    for (kind, states, cause) in FAILED {
        let mut run = running(kind, "bad", now - 60.0, states);
        let id = run.events.len() + 1;
        run.events
            .push(json!({"id": id, "timestamp": now - 50.0, "type": "ExecutionFailed", "previousEventId": id - 1}));
        for (field, value) in [
            ("status", json!("FAILED")),
            ("stopDate", json!(now - 50.0)),
            ("error", json!("InvalidSource")),
            ("cause", json!(json!({"errorType": "InvalidSource", "errorMessage": cause}).to_string())),
        ] {
            run.described[field] = value;
        }
        aws.world().jobs.insert(kind.to_owned(), (definition(kind, kind), vec![run]));
    }
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    let mut widest = (0.0, "");
    for (kind, ..) in FAILED {
        browser.resize(1280, 800);
        let is_there =
            "document.querySelector('.todo li') !== null && document.querySelector('.node.bad, .mapbox.bad') !== null";
        see(&mut browser, &page, &format!("/jobs/{kind}/runs/bad"), is_there);
        browser.evaluate("document.getElementById('pause').click()");
        let seen = browser.evaluate(SEEN);
        let texts = seen.as_array().unwrap();
        assert!(texts.len() >= 3 && texts.iter().all(|text| text[1] == true), "{kind}: {seen}");
        if kind == "transform-and-upsert" {
            for text in ["input_data/sessions-2024-04.csv", "42", "97"] {
                assert!(texts.iter().any(|seen| seen[0] == text), "{text}: {seen}");
            }
        }
        // The graph begins beside the timeline, and neither widens the page.
        let places = "(() => {
            const [graph, times] = ['.graph', 'table.time'].map((name) => document.querySelector(name).closest('section').getBoundingClientRect());
            return [Math.round(graph.top - times.top), graph.right <= times.left, times.right <= innerWidth];
        })()";
        assert_eq!(browser.evaluate(places), json!([0, true, true]), "{kind}");
        for width in [1280, 390] {
            browser.resize(width, 800);
            assert_eq!(browser.evaluate("document.scrollingElement.scrollWidth"), width, "{kind}");
            let box_of = "[document.querySelector('.graph').getBoundingClientRect()].every((b) => b.left >= 0 && b.right <= innerWidth)";
            assert_eq!(browser.evaluate(box_of), true, "{kind}, {width}");
        }
        browser.resize(1280, 800);
        let width =
            browser.evaluate("document.querySelector('.graph svg').getBoundingClientRect().width").as_f64().unwrap();
        if width > widest.0 {
            widest = (width, kind);
        }
        is_quiet(&mut browser, &page, kind);
    }
    // The widest one is wider than its box; its last state is reached by keys alone.
    see(
        &mut browser,
        &page,
        &format!("/jobs/{}/runs/bad", widest.1),
        "document.querySelector('.node.bad, .mapbox.bad') !== null",
    );
    browser.evaluate("document.getElementById('pause').click()");
    let over = "document.querySelector('.graph').scrollWidth - document.querySelector('.graph').clientWidth";
    assert!(browser.evaluate(over).as_f64().unwrap() > 0.0, "{widest:?}");
    let mut presses = 0;
    while browser.evaluate("document.activeElement.classList.contains('graph')") != true {
        browser.press("Tab");
        presses += 1;
        assert!(presses < 100, "the graph is not reached");
    }
    let is_at_end = format!("Math.round(document.querySelector('.graph').scrollLeft) >= {over} - 1");
    browser.evaluate("document.querySelector('.graph').scrollLeft = 0");
    assert_eq!(browser.evaluate(&is_at_end), false);
    let scrolled = |browser: &mut crate::chromium::Chromium| {
        browser.evaluate("document.querySelector('.graph').scrollLeft").as_f64().unwrap()
    };
    for _ in 0..100 {
        if browser.evaluate(&is_at_end) == true {
            break;
        }
        let before = scrolled(&mut browser);
        browser.press("ArrowRight");
        browser.until(&format!("document.querySelector('.graph').scrollLeft > {before}"));
    }
    assert_eq!(browser.evaluate(&is_at_end), true, "{widest:?}");
    assert_eq!(browser.evaluate("scrollX"), 0);
    browser.picture("graph-widest");
}
