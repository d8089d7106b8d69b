//! What texts of others may do in the rest of the places where they stand, and what is told nowhere at all.

use crate::aws::{Aws, definition, running};
use crate::page::Page;
use crate::{FAILED, browser, enter, is_quiet, see, with_all_kinds};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::Path;

const HOSTILE: &str = "</svg></textarea><script>window.__hit=1</script>\"'><img src=x onerror=\"window.__hit=1\">\u{202e}<a href=\"javascript:window.__hit=1\">x</a>";

/// The state machine of a kind with a hostile spec: of the names of tables, of what windows go by, and of their zone.
fn hostile_definition(kind: &str, job: &str) -> String {
    let quoted = serde_json::to_string(HOSTILE).unwrap();
    let text = definition(kind, job);
    let names = ["\"shop\"", "\"orders\"", "\"warehouse\"", "\"created_at\"", "\"Europe/Zurich\""];
    names.iter().fold(text, |text, name| text.replace(&format!(": {name}"), &format!(": {quoted}")))
}

/// The rest of acceptance 8: specs, errors of AWS, schedules and queries.
#[test]
fn hostile_specs_errors_and_queries_stay_texts() {
    let (aws, mut browser) = (Aws::start(), browser());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    {
        let mut world = aws.world();
        for kind in ["copy-table", "mysql-to-redshift"] {
            let run = running(kind, HOSTILE, now - 60.0, &[("Task", "PlanCopy")]);
            world.jobs.insert(kind.to_owned(), (hostile_definition(kind, kind), vec![run]));
        }
        // What CloudWatch says, each time.
        world.refused = (1..200).map(|number| ("FilterLogEvents", number, HOSTILE)).collect();
    }
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    let text = utf8_percent_encode(HOSTILE, NON_ALPHANUMERIC).to_string();
    let there = "document.querySelector('h1') !== null";
    for (path, is_there) in [
        ("/".to_owned(), "document.querySelectorAll('a.job').length === 3"),
        ("/jobs/copy-table".to_owned(), "document.querySelectorAll('.colh').length === 1"),
        ("/jobs/mysql-to-redshift".to_owned(), "document.body.innerText.includes('Redshift itself is not asked')"),
        (format!("/jobs/copy-table/runs/{text}"), "document.querySelector('.chip.run') !== null"),
        (format!("/jobs/copy-table/runs/{text}/stop"), "document.querySelector('button.danger') !== null"),
        (format!("/jobs/copy-table/backfill?from={text}&to={text}&which={text}&dry={text}"), there),
        (format!("/jobs/pomodoro/since?from={text}&once={text}&shown={text}"), there),
        (format!("/jobs/pomodoro/again?keys={text}"), "document.querySelector('textarea') !== null"),
        (format!("/jobs/pomodoro?o={text}&from={text}&states={text}&year={text}&{text}={text}&tz={text}"), there),
        (format!("/jobs/pomodoro/files?state={text}&prefix={text}&page={text}"), there),
        (format!("{FAILED}?items={text}"), there),
        (
            format!("{FAILED}/log?level={text}&fn={text}&q={text}&page={text}"),
            "document.getElementById('part-notices').innerText.includes('Log lines cannot be read')",
        ),
        ("/jobs/pomodoro?from=9223372036854775807d&year=-32768".to_owned(), there),
        (format!("{FAILED}?items=18446744073709551615"), there),
        (format!("{FAILED}/log?page=18446744073709551615"), there),
    ] {
        for width in [1280, 390] {
            browser.resize(width, 800);
            see(&mut browser, &page, &path, is_there);
            assert_eq!(browser.evaluate("typeof window.__hit"), "undefined", "{path}");
            let others = "[...document.querySelectorAll('a')].filter((a) => a.protocol === 'javascript:').length + document.querySelectorAll('main img, main script, header img').length";
            assert_eq!(browser.evaluate(others), 0, "{path}");
            let wide = browser.evaluate("document.scrollingElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= width.into(), "{path}: {wide}");
            is_quiet(&mut browser, &page, &path);
        }
    }
    // What is sent by a form comes back as text, too; and nothing of it gets into a head.
    for (path, form) in [
        ("/jobs/pomodoro/again", format!("once={text}&keys={text}%0d%0aSet-Cookie:x")),
        ("/jobs/pomodoro/since", format!("once={text}&from={text}")),
        ("/jobs/copy-table/backfill", format!("once={text}&from={text}&to={text}")),
    ] {
        let (status, head, html) = page.post(path, &form);
        assert!(status == 422 && !head.contains("Set-Cookie:x"), "{path}: {head}");
        assert!(!html.contains("<script>") && !html.contains("<img"), "{path}: {html}");
    }
    let (status, head, _) = page.get(&format!("/?tz=UTC%0d%0aSet-Cookie:x&t2={text}"));
    assert!(status == 200 && !head.to_lowercase().contains("set-cookie"), "{head}");
}

/// All that is below a folder, as text.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            found.push((path.display().to_string(), text));
        }
    }
    found
}

/// No credential is in a view, a notice, or what is kept on the disk; and no value of a row.
#[test]
fn no_credential_and_no_value_is_told_or_kept() {
    let aws = Aws::start();
    with_all_kinds(&aws);
    let rows = "source_key,source_etag,line,column,column_name,reason,raw\n\
                input_data/bad.csv,e,42,2,Minutes,not a number,cell-4711\n";
    aws.world().objects.insert("quarantine/pomodoro/bad/batch-00000.csv".to_owned(), rows.into());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kept-{}", std::process::id()));
    let kept = folder.display().to_string();
    let variables = [
        ("AWS_ACCESS_KEY_ID", "secret-key-id"),
        ("AWS_SECRET_ACCESS_KEY", "secret-key"),
        ("AWS_SESSION_TOKEN", "secret-session"),
        // Nobody listens there.
        ("DATABASE_URL", "postgres://somebody:secret-password@127.0.0.1:1/secret-database"),
    ];
    let page = Page::start(&aws.endpoint, &["--local", "--cache", &kept], &variables);
    let mut told = vec![page.get_until("/", "The database cannot be reached from here")];
    let (of_failed, log) = (format!("{FAILED}/log"), format!("{FAILED}/log.txt"));
    for (path, says) in [
        ("/", "1 dry run"),
        ("/jobs/pomodoro", "the database cannot be reached"),
        ("/jobs/orders-copy", "Which days are there is not shown"),
        (FAILED, "line\">42<"),
        (FAILED, "Input of the run"),
        ("/jobs/pomodoro/runs/ac44c1ec-258d-4101-9eea-5b5054cd3915", "Output of the run"),
        (&of_failed, "not a number"),
        (&log, "not a number"),
        ("/jobs/pomodoro/files", "1 not a number"),
        ("/jobs/pomodoro/run", "start-execution"),
    ] {
        told.push(page.get_until(path, says));
    }
    let kept = texts(&folder);
    assert!(kept.len() > 4, "{kept:?}");
    let token = page.address.split("t=").nth(1).unwrap().to_owned();
    for (place, text) in
        told.iter().map(|html| ("a view".to_owned(), html)).chain(kept.iter().map(|(a, b)| (a.clone(), b)))
    {
        for secret in ["secret-", &token, "cell-4711", "twelve", "2024-04-31"] {
            assert!(!text.contains(secret), "{secret} in {place}: {text}");
        }
    }
    // Nor is what a run was told to do.
    assert!(!kept.iter().any(|(_, text)| text.contains("dry_run\":true") || text.contains("\"input\":\"")), "{kept:?}");
    std::fs::remove_dir_all(folder).unwrap();
    assert!(page.get("/jobs/pomodoro/quarantine/bad.csv").2.contains("cell-4711"), "the download has it");
}
