//! axe-core, the rules of others for pages that everybody can use. It is under a licence of its own, so it is not in
//! this repository: it comes with a package of Python, which is fetched into the cache by its hash, as other tools are.

use crate::chromium::Chromium;
use local::python::environment;
use local::stack::tools_dir;
use serde_json::{Value, json};
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("../../../requirements/axe.txt");

/// Where it is in the package.
const SCRIPT: &str = "axe_playwright_python/axe.min.js";

/// Rules that a colour scheme or the width of the window may break, though the page keeps them otherwise.
const OF_LOOKS: &str = "['color-contrast', 'link-in-text-block', 'scrollable-region-focusable', 'target-size']";

fn script() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let made = environment(&tools_dir(), "axe", REQUIREMENTS, &|text| eprintln!("{text}"));
        let made = made.unwrap_or_else(|error| panic!("{error}\n{:?}", error.source));
        let path = made.site_packages().join(SCRIPT);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    })
}

/// What of the page that is open breaks which rule: of all rules, or of those that looks may break.
pub(crate) fn violations(browser: &mut Chromium, are_all: bool) -> Value {
    if browser.evaluate("typeof axe") != json!("object") {
        browser.evaluate(&format!("{}; 0", script()));
    }
    let only = match are_all {
        // It is off unless it is named.
        true => ", rules: {'target-size': {enabled: true}}".to_owned(),
        false => format!(", runOnly: {{type: 'rule', values: {OF_LOOKS}}}"),
    };
    let ran = browser.evaluate(&format!(
        "axe.run(document, {{resultTypes: ['violations']{only}}}).then((found) => ({{
            count: found.passes.length,
            wrong: found.violations.flatMap((rule) => rule.nodes.map((node) =>
                `${{rule.id}}: ${{node.target.join(' ')}}: ${{node.failureSummary}}`)),
        }}))"
    ));
    assert!(ran["count"].as_u64().is_some_and(|count| count > 0), "no rule was looked at: {ran}");
    ran["wrong"].clone()
}
