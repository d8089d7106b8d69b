//! The views where the reader's own few colours are forced on every page, as by the high contrast of some systems: what
//! is told by a colour is told by a form too, and all forms are seen. Looked at in pictures, as a reader would.

use crate::aws::Aws;
use crate::chromium::Chromium;
use crate::page::Page;
use crate::{FAILED, browser, enter, see, with_all_kinds, with_days};
use serde_json::{Value, json};

/// The least contrast of what is not text, by WCAG 2.2.
const LEAST: f64 = 3.0;

/// The contrasts of the darkest and the lightest pixel within boxes, in the order of these: `[left, top, width,
/// height]` each, in pixels of the window.
fn contrasts(browser: &mut Chromium, boxes: &Value) -> Vec<f64> {
    let picture = browser.ask("Page.captureScreenshot", json!({"format": "png"}))["data"].clone();
    let found = browser.evaluate(&format!(
        "(async () => {{
            const image = new Image();
            image.src = 'data:image/png;base64,' + {picture};
            await image.decode();
            const canvas = Object.assign(document.createElement('canvas'), {{width: image.width, height: image.height}});
            const context = canvas.getContext('2d');
            context.drawImage(image, 0, 0);
            const part = (v) => {{ v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }};
            return {boxes}.map(([left, top, width, height]) => {{
                const data = context.getImageData(Math.floor(left), Math.floor(top), Math.ceil(width), Math.ceil(height)).data;
                let [least, most] = [1, 0];
                for (let at = 0; at < data.length; at += 4) {{
                    const light = 0.2126 * part(data[at]) + 0.7152 * part(data[at + 1]) + 0.0722 * part(data[at + 2]);
                    [least, most] = [Math.min(least, light), Math.max(most, light)];
                }}
                return (most + 0.05) / (least + 0.05);
            }});
        }})()"
    ));
    found.as_array().unwrap().iter().map(|contrast| contrast.as_f64().unwrap()).collect()
}

/// Whether a place from the left is not cut off by what scrolls around an element.
const IN_SIGHT: &str = "(n, x) => {
    const around = (n.closest('.graph, .scroll') || document.documentElement).getBoundingClientRect();
    return x - 4 > around.left && x + 4 < around.right;
}";

/// All elements of this kind that are in sight are seen before what is around them: there are so many at least.
fn are_seen(browser: &mut Chromium, selector: &str, least: usize) {
    let boxes = browser.evaluate(&format!(
        "[...document.querySelectorAll('{selector}')].map((n) => [n, n.getBoundingClientRect()])
            .filter(([n, b]) => b.width > 0 && ({IN_SIGHT})(n, b.left + b.width / 2))
            .map(([, b]) => [b.left - 2, b.top - 2, b.width + 4, b.height + 4])"
    ));
    let found = contrasts(browser, &boxes);
    assert!(found.len() >= least, "{} of {selector}", found.len());
    for (place, contrast) in found.iter().enumerate() {
        assert!(*contrast >= LEAST, "{selector}, number {place}: {contrast:.2}");
    }
}

/// Opens a view in a window that is as high as all of it.
fn whole(browser: &mut Chromium, page: &Page, path: &str, expression: &str) {
    browser.resize(1280, 800);
    see(browser, page, path, expression);
    let height = browser.evaluate("document.documentElement.scrollHeight").as_u64().unwrap();
    browser.resize(1280, u32::try_from(height).unwrap());
    browser.evaluate("document.getElementById('pause')?.click()");
    assert_eq!(browser.evaluate("matchMedia('(forced-colors: active)').matches"), true);
}

#[test]
fn where_colours_are_forced_forms_tell_what_colours_did() {
    let (aws, mut browser) = (Aws::start(), browser());
    with_all_kinds(&aws);
    with_days(&aws);
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    for scheme in ["light", "dark"] {
        browser.colours(scheme, true);
        jobs(&mut browser, &page, scheme);
        job(&mut browser, &page, scheme);
        run(&mut browser, &page, scheme);
        days(&mut browser, &page, scheme);
    }
}

fn jobs(browser: &mut Chromium, page: &Page, scheme: &str) {
    let bars = "[...document.querySelectorAll('.bars')].some((n) => n.getAttribute('aria-label').startsWith('6 runs: 2 nothing new'))";
    whole(browser, page, "/", bars);
    browser.picture(&format!("forced-{scheme}-jobs"));
    are_seen(browser, "td .st .i", 4);
    are_seen(browser, ".bars rect", 6);
    // Each outcome has a bar of its own form: outline, dashes, height and what is cut out of it.
    let forms = browser.evaluate(
        "(() => {
            const forms = {};
            const svg = [...document.querySelectorAll('.legend li')];
            for (const item of svg) {
                const shapes = [...item.querySelectorAll('rect, path')];
                const form = shapes.map((n) => {
                    const s = getComputedStyle(n);
                    return [n.tagName, n.getAttribute('d'), n.getAttribute('rx'), s.fill === 'none', s.strokeDasharray, n.getAttribute('height')].join(' ');
                }).join(', ');
                if (shapes.length) forms[item.textContent.trim()] = form;
            }
            return forms;
        })()",
    );
    let forms = forms.as_object().unwrap();
    let different: std::collections::BTreeSet<String> = forms.values().map(ToString::to_string).collect();
    assert_eq!((forms.len(), different.len()), (6, 6), "{forms:?}");
    are_seen(browser, ".legend li svg", 6);
}

fn job(browser: &mut Chromium, page: &Page, scheme: &str) {
    // All runs are read, each with its states and its end.
    let are_read = "document.querySelectorAll('.colh').length === 6
        && [...document.querySelectorAll('.grid tbody td')].every((n) => n.querySelector('.i'))
        && new Set([...document.querySelectorAll('.grid tbody tr:last-child use')].map((n) => n.getAttribute('href'))).size === 5";
    whole(browser, page, "/jobs/pomodoro", are_read);
    browser.picture(&format!("forced-{scheme}-job"));
    are_seen(browser, ".grid tbody td .i", 30);
    are_seen(browser, ".chip, .btn", 5);
    are_seen(browser, ".plot rect", 3);
    let borders = browser.evaluate(
        "[...document.querySelectorAll('.chip, .btn')].filter((n) => !(parseFloat(getComputedStyle(n).borderTopWidth) > 0 && getComputedStyle(n).borderTopStyle === 'solid')).length",
    );
    assert_eq!(borders, 0);
    // How each run ended: a picture for each outcome, and its word beside it.
    let ends = browser.evaluate(
        "[...document.querySelectorAll('.grid tbody tr:last-child td')].map((n) => [n.querySelector('use').getAttribute('href'), n.querySelector('.vh').textContent])",
    );
    let pictures: std::collections::BTreeSet<(String, String)> = serde_json::from_value(ends).unwrap();
    let expected =
        [("bad", "Failed"), ("dry", "Dry run"), ("none", "Nothing new"), ("ok", "Loaded"), ("stop", "Stopped")];
    let expected = expected.map(|(picture, word)| (format!("#i-{picture}"), word.to_owned()));
    assert_eq!(pictures, std::collections::BTreeSet::from(expected));
}

fn run(browser: &mut Chromium, page: &Page, scheme: &str) {
    whole(
        browser,
        page,
        FAILED,
        "document.querySelectorAll('#log tbody tr').length > 3 && document.querySelector('.nodes .bad') !== null && document.querySelector('.places') !== null",
    );
    browser.picture(&format!("forced-{scheme}-run"));
    are_seen(browser, ".nodes .node, .nodes .mapbox", 15);
    // Those that were reached have pictures.
    are_seen(browser, ".nodes .i", 5);
    are_seen(browser, "table.time svg.row rect", 2);
    are_seen(browser, ".error .what .i, .chip .i", 2);
    // The way that was taken is a line without gaps, thick; what was not is thin and dashed. Both are seen, as is the
    // difference: the middle of each is looked at, where no state lies.
    let lines = browser.evaluate(&format!(
        "[...document.querySelectorAll('.nodes .edge')].map((n) => {{
            const s = getComputedStyle(n);
            const [length, matrix, points] = [n.getTotalLength(), n.getScreenCTM(), []];
            for (let at = 0; at <= 8; at++) {{
                const p = n.getPointAtLength(length * (0.3 + 0.05 * at)).matrixTransform(matrix);
                if (({IN_SIGHT})(n, p.x)) points.push([p.x - 4, p.y - 4, 8, 8]);
            }}
            return {{way: n.dataset.way || '', isError: n.classList.contains('err'), width: parseFloat(s.strokeWidth), dashes: s.strokeDasharray, points}};
        }})"
    ));
    let lines = lines.as_array().unwrap();
    let (taken, others): (Vec<&Value>, Vec<&Value>) = lines.iter().partition(|line| line["way"] != "");
    assert_eq!((taken.len(), others.len() > 10), (4, true));
    for line in &taken {
        let width = line["width"].as_f64().unwrap();
        let is_strong = if line["isError"] == true { width >= 3.0 } else { width >= 2.0 };
        assert!(is_strong && line["dashes"] == "none", "{line}");
        assert_ne!(line["points"], json!([]), "{line}");
        for contrast in contrasts(browser, &line["points"]) {
            assert!(contrast >= LEAST, "{}: {contrast:.2}", line["way"]);
        }
    }
    for line in others {
        assert!(line["width"].as_f64().unwrap() < 2.0 && line["dashes"] != "none", "{line}");
        let found = contrasts(browser, &line["points"]);
        assert!(found.is_empty() || found.iter().any(|contrast| *contrast >= LEAST), "{line}: {found:?}");
    }
    // What failed has the thickest border, and what was not reached a dashed one.
    let borders = browser.evaluate(
        "[...document.querySelectorAll('.nodes [data-state]')].map((n) => {
            const s = getComputedStyle(n.querySelector('rect, polygon'));
            return [n.dataset.mark, parseFloat(s.strokeWidth), s.strokeDasharray];
        })",
    );
    for state in borders.as_array().unwrap() {
        let (width, dashes) = (state[1].as_f64().unwrap(), state[2].as_str().unwrap());
        match state[0].as_str().unwrap() {
            "failed" => assert!(width >= 3.0 && dashes == "none", "{state}"),
            "not reached" => assert!(width < 2.0, "{state}"),
            _ => assert!(width < 3.0 && dashes == "none", "{state}"),
        }
    }
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), 1280);
}

fn days(browser: &mut Chromium, page: &Page, scheme: &str) {
    whole(browser, page, "/jobs/nps-to-redshift?year=2024", "document.querySelectorAll('.cal .day.ver').length === 3");
    browser.picture(&format!("forced-{scheme}-days"));
    are_seen(browser, ".cal .day.ver, .cal .day.mis", 6);
    // A day that is there has a border and a tick, one that is not a dashed outline, another one neither.
    let forms = browser.evaluate(
        "[...document.querySelectorAll('.cal .day')].map((n) => {
            const [s, tick] = [getComputedStyle(n), getComputedStyle(n, '::after').content];
            return [n.className.replace('day ', ''), s.borderTopStyle, s.outlineStyle, tick === 'none' ? '' : tick];
        })",
    );
    let forms: std::collections::BTreeSet<[String; 4]> = serde_json::from_value(forms).unwrap();
    let expected = [["mis", "none", "dashed", ""], ["out", "none", "none", ""], ["ver", "solid", "none", "\"✓\""]];
    assert_eq!(forms, std::collections::BTreeSet::from(expected.map(|form| form.map(ToOwned::to_owned))));
}
