//! Every action, pressed with the mouse where no script runs.

use crate::aws::{Aws, definition, recorded_definition};
use crate::chromium::Chromium;
use crate::page::Page;
use crate::{browser, enter};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A press on the view of a job, and what comes of it.
struct Press {
    job: &'static str,
    /// The last part of the link's address.
    action: &'static str,
    /// What the confirmation says will happen.
    says: &'static str,
    /// Fields that are filled in, by their names.
    fields: &'static [(&'static str, &'static str)],
    /// What is said of these before anything starts.
    shown: &'static str,
    input: Value,
}

/// Loads a view until it holds a text: what is still being read comes by itself.
fn open_until(browser: &mut Chromium, address: &str, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        browser.open(address);
        let html = browser.html();
        if html.contains(text) {
            return;
        }
        assert!(Instant::now() < deadline, "{address} has no {text}: {html}");
    }
}

fn says(browser: &mut Chromium, text: &str) {
    let html = browser.html();
    assert!(html.contains(text), "{text}: {html}");
}

/// Acceptance 13: from the view of a job by its confirmation to the run, and its end, by links and forms alone.
#[test]
fn every_action_is_pressed_without_scripts() {
    let (aws, mut browser) = (Aws::start(), browser());
    let of_files = ["a-run", "a-trial", "a-key", "a-time", "a-question"];
    for job in of_files {
        aws.world().jobs.insert(job.to_owned(), (recorded_definition(job), Vec::new()));
    }
    for (kind, job) in [("copy-table", "days"), ("mysql-to-redshift", "all-days"), ("athena-elt", "tables")] {
        aws.world().jobs.insert(job.to_owned(), (definition(kind, job), Vec::new()));
    }
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    browser.scripts(false);
    let presses = [
        Press { job: "a-run", action: "run", says: "One execution of", fields: &[], shown: "", input: json!({}) },
        Press {
            job: "tables",
            action: "run",
            says: "It makes all tables of the job anew",
            fields: &[],
            shown: "",
            input: json!({}),
        },
        Press {
            job: "a-trial",
            action: "dry-run",
            says: "Everything is done and then rolled back",
            fields: &[],
            shown: "",
            input: json!({"dry_run": true}),
        },
        Press {
            job: "a-key",
            action: "again",
            says: "It loads the files below again",
            fields: &[("keys", "input_data/a b.csv")],
            shown: "input_data/a b.csv",
            input: json!({"forget": ["input_data/a b.csv"]}),
        },
        Press {
            job: "a-time",
            action: "since",
            says: "It loads all files that are dated from that time on again",
            fields: &[("from", "2024-01-31")],
            shown: "2024-01-31T00:00:00Z",
            input: json!({"since": "2024-01-31T00:00:00Z"}),
        },
        Press {
            job: "days",
            action: "backfill",
            says: "It takes the days below of",
            fields: &[("from", "2024-02-14"), ("to", "2024-02-29")],
            shown: "16 days, 2024-02-14 to 2024-02-29",
            input: json!({"from": "2024-02-14", "to": "2024-03-01", "only_missing": true}),
        },
        Press {
            job: "all-days",
            action: "backfill",
            says: "It takes the days below of",
            fields: &[("from", "2024-02-14"), ("to", "2024-02-14")],
            shown: "1 day, 2024-02-14",
            input: json!({"from": "2024-02-14", "to": "2024-02-15", "only_missing": true}),
        },
    ];
    for (place, press) in presses.iter().enumerate() {
        let job = page.at(&format!("/jobs/{}", press.job));
        // Nothing runs on it yet, so the view does not load itself anew under the mouse.
        open_until(&mut browser, &job, "No run yet.");
        browser.follow(&format!(".acts a[href$=\"/{}\"]", press.action));
        assert_eq!(browser.address(), format!("{job}/{}", press.action));
        says(&mut browser, press.says);
        for (name, text) in press.fields {
            browser.fill(&format!("form [name={name}]"), text);
        }
        // What was filled in is shown before anything starts.
        if !press.fields.is_empty() {
            browser.follow("form button.first");
            says(&mut browser, "Press once more");
            says(&mut browser, press.shown);
        }
        assert_eq!(aws.world().started.len(), place, "{}", press.action);
        browser.follow("form button.first");
        let (run, input) = aws.world().started.last().unwrap().clone();
        assert_eq!((aws.world().started.len(), &input), (place + 1, &press.input), "{}", press.action);
        let run = format!("{job}/runs/{run}");
        assert_eq!(browser.address(), run);
        open_until(&mut browser, &run, "Running</span></h1>");
    }
    // The last one is stopped, by its own view.
    let run = browser.address();
    browser.follow(".acts a.danger");
    assert_eq!(browser.address(), format!("{run}/stop"));
    says(&mut browser, "The execution ends at once");
    assert!(aws.world().stopped.is_empty());
    browser.follow("form button.danger");
    let stopped = aws.world().stopped.clone();
    assert!(stopped.len() == 1 && run.ends_with(stopped[0].rsplit(':').next().unwrap()), "{stopped:?}");
    assert_eq!(browser.address(), run);
    open_until(&mut browser, &run, "Stopped</span></h1>");
    browser.scripts(true);
}
