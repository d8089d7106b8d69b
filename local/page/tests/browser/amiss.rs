//! An AWS in a bad mood.

use crate::aws::{Aws, Mood};
use crate::page::Page;
use crate::{FAILED, audit, browser, enter, see};

/// Acceptance 12: an AWS in a bad mood.
#[test]
fn what_is_amiss_is_said_and_passes_by_itself() {
    let (aws, mut browser) = (Aws::start(), browser());
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    browser.until("document.body.innerText.includes('Stopped')");
    for (mood, says) in [
        (Mood::Says("ThrottlingException"), "AWS asked us to slow down"),
        (Mood::Says("ExpiredTokenException"), "The credentials have expired"),
        (Mood::Says("InternalFailure"), "cannot be read"),
        (Mood::Denies("ListExecutions"), "these credentials may not states:ListExecutions"),
    ] {
        aws.set_mood(mood.clone());
        browser.until(&format!("document.getElementById('part-notices').innerText.includes('{says}')"));
        // What was known stays.
        assert_eq!(browser.evaluate("document.querySelectorAll('a.job').length"), 1, "{mood:?}");
        audit(&mut browser, says);
        aws.set_mood(Mood::Well);
        // What is denied is not asked again for a minute.
        if !matches!(mood, Mood::Denies(_)) {
            browser.until("!document.getElementById('part-notices').innerText.trim()");
        }
    }
    assert!(browser.evaluate("document.body.innerText").as_str().unwrap().contains("these credentials may not"));
    // Lines that may not be read leave the rest complete.
    let page = Page::local(&aws);
    aws.set_mood(Mood::Denies("FilterLogEvents"));
    enter(&mut browser, &page);
    see(
        &mut browser,
        &page,
        FAILED,
        "document.body.innerText.includes('logs:FilterLogEvents') && document.querySelector('.places') !== null && document.querySelector('.nodes .bad') !== null",
    );
}

/// What is amiss in one view is not told in those that do not ask for it; and nowhere once nobody asks for it.
#[test]
fn a_notice_is_of_the_views_that_ask() {
    let (aws, mut browser) = (Aws::start(), browser());
    let always = |action| (1..1_000).map(move |number| (action, number, "ThrottlingException"));
    aws.world().refused = always("FilterLogEvents").chain(always("GetExecutionHistory")).collect();
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    let notices = "document.getElementById('part-notices').innerText";
    let both = format!("{notices}.includes('FilterLogEvents') && {notices}.includes('GetExecutionHistory')");
    see(&mut browser, &page, FAILED, &both);
    assert!(!browser.evaluate(notices).as_str().unwrap().contains("in 0 s"));
    // The Jobs view asks for no lines, and for no states while nothing runs.
    let html = page.get("/").2;
    assert!(!html.contains("FilterLogEvents") && html.contains("class=\"job\""), "{html}");
    see(&mut browser, &page, "/", &format!("document.querySelector('a.job') && !{notices}.trim()"));
    // Who comes back is told.
    see(&mut browser, &page, FAILED, &both);
}

/// What was never read is not said to be well.
#[test]
fn runs_that_may_not_be_listed_are_no_good_news() {
    let (aws, mut browser) = (Aws::start(), browser());
    aws.set_mood(Mood::Denies("ListExecutions"));
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    browser.until("document.getElementById('part-notices').innerText.includes('states:ListExecutions')");
    let told = browser.evaluate("document.getElementById('main').innerText").as_str().unwrap().to_owned();
    assert!(told.contains("0 of 1 job is read."), "{told}");
    assert!(!told.contains("No job failed") && !told.contains("never"), "{told}");
    audit(&mut browser, "unlisted");
}

/// One that does not answer at all is told, and passes too.
#[test]
fn an_aws_that_hangs_is_told() {
    let (aws, mut browser) = (Aws::start(), browser());
    aws.set_mood(Mood::Hangs);
    let page = Page::local(&aws);
    browser.open(&page.address);
    browser.until("document.getElementById('part-notices')?.innerText.includes('did not come in time')");
    aws.set_mood(Mood::Well);
    browser
        .until("document.querySelector('a.job') !== null && !document.getElementById('part-notices').innerText.trim()");
}

/// One that nobody answers at is told, and passes when it is there again.
#[test]
fn an_aws_that_is_gone_is_told() {
    let (aws, mut browser) = (Aws::start(), browser());
    let page = Page::account(&aws);
    enter(&mut browser, &page);
    let (endpoint, world) = aws.stop();
    browser.until("document.getElementById('part-notices')?.innerText.includes('AWS cannot be reached')");
    assert_eq!(browser.evaluate("document.querySelectorAll('a.job').length"), 1, "what was known stays");
    let _aws = Aws::again(&endpoint, world);
    browser.until("!document.getElementById('part-notices').innerText.includes('cannot be reached')");
}
