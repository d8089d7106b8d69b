//! The page before a real stack: a real PostgreSQL, a local AWS, the repository's state machines and functions. What
//! runs there is started, held up and stopped, and the page has to say so.

use crate::counted::Counted;
use crate::page::Page;
use crate::{browser, enter, is_quiet, see};
use local::deployment::{Deployment, Options};
use local::stack::Stack;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::time::{Duration, Instant};

const HEADER: &str = "Project,Duration (in minutes),Start date,End date\n";

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn csv(rows: &[[&str; 3]]) -> Vec<u8> {
    let lines = rows.iter().map(|[project, minutes, day]| format!("{project},{minutes},{day} 10:00,{day} 11:00\n"));
    format!("{HEADER}{}", lines.collect::<String>()).into_bytes()
}

/// A page, and what it shows.
struct Seen {
    page: Page,
    runtime: tokio::runtime::Runtime,
    deployment: Deployment,
}

impl Seen {
    fn upload(&self, name: &str, rows: &[[&str; 3]]) {
        self.runtime.block_on(self.deployment.upload(name, csv(rows))).unwrap();
    }

    /// Waits until a view says this, and returns it.
    fn until(&self, path: &str, says: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let (_, _, body) = self.page.get(path);
            if body.contains(says) {
                return body;
            }
            let shown = body.split("<main").nth(1).unwrap_or_default().chars().take(3_000).collect::<String>();
            assert!(Instant::now() < end, "{path} does not say {says}: {shown}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses the button of a form; returns where that leads.
    fn press(&self, path: &str) -> String {
        self.press_with(path, "")
    }

    /// The same, with what is filled in.
    fn press_with(&self, path: &str, form_of: &str) -> String {
        let (_, _, form) = self.page.get(path);
        let once = form.split("name=\"once\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect(path);
        let (status, head, body) = self.page.post(path, &format!("once={once}&{form_of}"));
        assert_eq!(status, 303, "{path}: {body}");
        head.split("location: ").nth(1).and_then(|rest| rest.split('\r').next()).expect(path).to_owned()
    }

    /// Waits until a run is what it is to become: its picture, and its word beside it.
    fn becomes(&self, run: &str, picture: &str, word: &str) -> String {
        self.until(run, &format!("href=\"#i-{picture}\"></use></svg>{word}</span></h1>"))
    }

    /// A transaction that lets nobody write into the target.
    fn hold_target(&self) -> PgConnection {
        self.runtime.block_on(async {
            let mut connection = self.deployment.connect().await.unwrap();
            let hold = "begin; lock table pomodoro_day_catg in exclusive mode";
            sqlx::raw_sql(hold).execute(&mut connection).await.unwrap();
            connection
        })
    }

    /// Waits until a load waits for that transaction.
    fn until_a_load_waits(&self) {
        let end = Instant::now() + PATIENCE;
        let waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' \
                     and application_name like 'sluice %' and datname = current_database())";
        let is_waiting = async || {
            let mut connection = self.deployment.connect().await.unwrap();
            sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut connection).await.unwrap()
        };
        while !self.runtime.block_on(is_waiting()) {
            assert!(Instant::now() < end, "no load waits");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// How each run of the job ended, the oldest first: the picture and the hidden word.
const ENDS: &str = "[...document.querySelectorAll('.grid tbody tr:last-child td')].map((n) =>
    [n.querySelector('use').getAttribute('href').slice(3), n.querySelector('.vh').textContent])";

/// Acceptance 1 and 4.
#[test]
fn what_happens_in_a_real_stack_is_seen() {
    let stack = Stack::for_tests().unwrap_or_else(|error| panic!("{error}\n{:?}", error.source));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = Options { parameters: [("NetworkMode", "vpc".to_owned())].into(), ..Options::default() };
    let deployment = runtime.block_on(stack.deploy("sluice", &options)).unwrap();
    let page = Page::start(&stack.endpoint(), &["--local"], &[("DATABASE_URL", &deployment.database_url)]);
    let seen = Seen { page, runtime, deployment };
    let job = "/jobs/pomodoro";
    let press = |action: &str| seen.press(&format!("{job}/{action}"));
    seen.until("/", "class=\"job\" href=\"/jobs/pomodoro\"");

    seen.upload("sessions-2024-01.csv", &[["Work", "10", "2024-01-01"], ["Learning", "20", "2024-01-02"]]);
    let loaded = press("run");
    seen.becomes(&loaded, "ok", "Loaded");
    seen.becomes(&press("run"), "none", "Nothing new");
    seen.upload("sessions-2024-02.csv", &[["Work", "30", "2024-02-01"]]);
    seen.becomes(&press("dry-run"), "dry", "Dry run");

    // One that has to wait for the table, and meanwhile one that has to wait for that one.
    let mut holder = seen.hold_target();
    let stopped = press("run");
    seen.until_a_load_waits();
    seen.becomes(&stopped, "run", "Running");
    let waiting = press("run");
    seen.until(&waiting, "class=\"f-wait\"");
    let mut browser = browser();
    enter(&mut browser, &seen.page);
    see(&mut browser, &seen.page, job, "document.querySelectorAll('.colh').length === 5");
    browser.until(&format!("{ENDS}.filter(([picture, word]) => picture === 'run' && word === 'Running').length === 2"));
    seen.press(&format!("{stopped}/stop"));
    seen.becomes(&stopped, "stop", "Stopped");
    seen.runtime.block_on(sqlx::raw_sql("rollback").execute(&mut holder)).unwrap();
    // The stopped one's function goes on, and commits what it was about to load: that is passed over.
    seen.becomes(&waiting, "none", "Nothing new");

    seen.upload(
        "sessions-2024-04.csv",
        &[
            ["Work", "1", "2024-04-01"],
            ["Work", "twelve", "2024-04-02"],
            ["Work", "3", "2024-04-03"],
            ["Work", "4", "2024-04-31"],
        ],
    );
    let failed = press("run");
    let view = seen.becomes(&failed, "bad", "Failed");
    assert!(!view.contains("twelve") && !view.contains("2024-04-31"), "no value of a cell");
    acceptance_1(&seen, &mut browser, &failed);
    acceptance_6(&seen, &failed);
    acceptance_4(&seen, &mut browser, &loaded, &waiting);
    older_runs_are_there(&seen);
    acceptance_11(&seen, &stack, &failed);
}

/// The outcomes, as pictures and words, and why the last run failed.
fn acceptance_1(seen: &Seen, browser: &mut crate::chromium::Chromium, failed: &str) {
    let page = &seen.page;
    see(browser, page, "/jobs/pomodoro", "document.querySelectorAll('.colh').length === 6");
    browser.until(&format!("{ENDS}.every(([picture]) => picture !== 'run')"));
    let ends = browser.evaluate(ENDS);
    let known = [
        ["ok", "Loaded"],
        ["none", "Nothing new"],
        ["dry", "Dry run"],
        ["stop", "Stopped"],
        ["none", "Nothing new"],
        ["bad", "Failed"],
    ];
    assert_eq!(ends, json!(known));
    is_quiet(browser, page, "job");

    let row = "document.querySelector('a.job[href=\"/jobs/pomodoro\"]').closest('tbody')";
    see(browser, page, "/", &format!("{row}.querySelector('.oneerror')?.innerText.includes('cannot be read')"));
    let why = browser.evaluate(&format!("{row}.querySelector('.oneerror').innerText"));
    assert!(why.as_str().unwrap().contains("sessions-2024-04.csv, lines 3 and 5 cannot be read"), "{why}");
    let end = browser.evaluate(&format!(
        "[{row}.querySelector('.st').textContent, {row}.querySelector('.st use').getAttribute('href')]"
    ));
    assert_eq!(end, json!(["Failed", "#i-bad"]));
    let told = browser.evaluate(&format!("{row}.querySelector('.bars').getAttribute('aria-label')"));
    for part in ["6 runs: ", "1 failed", "1 stopped", "1 dry run", " loaded", " nothing new", "the last one failed"] {
        assert!(told.as_str().unwrap().contains(part), "{told}");
    }
    is_quiet(browser, page, "jobs");
    // Where, and what has changed since it was last good: nothing.
    see(browser, page, failed, "document.querySelectorAll('.places tbody tr').length === 2");
    let places = browser.evaluate("[...document.querySelectorAll('.places tbody tr')].map((r) => [...r.cells].slice(0, 3).map((c) => c.innerText.trim()))");
    assert_eq!(
        places,
        json!([
            ["input_data/sessions-2024-04.csv", "3", "2 (Duration (in minutes))"],
            ["input_data/sessions-2024-04.csv", "5", "3 (Start date)"]
        ])
    );
    browser.until("document.querySelector('.facts').innerText.includes('nothing: spec and states are the same, and nothing was deployed')");
}

/// The page says of each file what a run that is asked says, word for word; the download has both bad rows, the views
/// have no value of them.
fn acceptance_6(seen: &Seen, failed: &str) {
    let name = failed.rsplit('/').next().unwrap();
    let (status, head, csv) = seen.page.get(&format!("/jobs/pomodoro/quarantine/{name}.csv"));
    assert!(status == 200 && head.contains("content-disposition: attachment"), "{status} {head}");
    assert!(csv.lines().count() == 3 && csv.contains("twelve") && csv.contains("2024-04-31"), "{csv}");
    let files = seen.until("/jobs/pomodoro/files", "/quarantine/");
    for (name, state) in [("sessions-2024-01.csv", "Loaded"), ("sessions-2024-04.csv", "New")] {
        let key = format!("input_data%2F{name}");
        let why = seen.until(&format!("/jobs/pomodoro/files/why?key={key}"), &format!("</svg>{state}</span>: "));
        let told = why.split(&format!("</svg>{state}</span>: ")).nth(1).unwrap().split(".</p>").next().unwrap();
        let asked = seen.press_with("/jobs/pomodoro/explain", &format!("keys={key}"));
        let view = seen.until(&asked, "Why files are new or not").to_lowercase();
        assert!(view.contains(&told.to_lowercase()), "{told}: {view}");
        assert!(![&files, &why, &view].iter().any(|html| html.contains("twelve") || html.contains("2024-04-31")));
    }
}

/// A run that waited for another one has its attempts and the pauses between them; the items of a Map are there, as the
/// lines of its functions say.
fn acceptance_4(seen: &Seen, browser: &mut crate::chromium::Chromium, loaded: &str, waiting: &str) {
    see(browser, &seen.page, waiting, "document.querySelector('.f-wait') !== null");
    let row = "document.querySelector('.f-wait').closest('tr')";
    let shown = browser.evaluate(&format!(
        "({{name: {row}.querySelector('.name').innerText.trim(),
            pauses: {row}.querySelectorAll('.f-wait').length, failed: {row}.querySelectorAll('rect.f-bad').length,
            done: {row}.querySelectorAll('rect.f-ok').length, attempts: parseInt({row}.querySelector('.num .soft').innerText)}})"
    ));
    let attempts = shown["attempts"].as_u64().unwrap();
    assert!(attempts >= 2 && shown["name"].as_str().unwrap().ends_with("DetectNewFiles"), "{shown}");
    let pieces = ["pauses", "failed", "done"].map(|what| shown[what].as_u64().unwrap());
    assert_eq!(pieces, [attempts - 1, attempts - 1, 1], "{shown}");

    see(browser, &seen.page, loaded, "document.querySelectorAll('table.time tr.sub2').length === 1");
    let item: Value = browser.evaluate(
        "({name: document.querySelector('table.time tr.sub2 .name').innerText.trim(),
           bars: document.querySelectorAll('table.time tr.sub2 rect.f-ok').length,
           from: document.querySelector('#h-time').parentElement.innerText})",
    );
    assert!(item["name"].as_str().unwrap().contains("batch"), "{item}");
    assert!(item["bars"] == 1 && item["from"].as_str().unwrap().contains("items from log lines"), "{item}");
    // Lines are read again and again while a run is at work, and each is there once.
    see(browser, &seen.page, waiting, "document.querySelectorAll('#log tbody tr').length > 5");
    let twice = browser.evaluate(
        "[...document.querySelectorAll('#log tbody tr')].map((r) => r.textContent).filter((text, at, all) => all.indexOf(text) !== at)",
    );
    assert_eq!(twice, json!([]));
    is_quiet(browser, &seen.page, "run");
}

/// A run that Step Functions does not know any more is there, by its row.
fn older_runs_are_there(seen: &Seen) {
    seen.runtime.block_on(async {
        let mut connection = seen.deployment.connect().await.unwrap();
        let older = "insert into sluice.runs
                     select (jsonb_populate_record(run, jsonb_build_object(
                         'execution', regexp_replace(execution, '[^:]*$', 'older'), 'rows_read', 4711,
                         'started_at', '2023-01-05 06:00+00', 'detected_at', '2023-01-05 06:00+00',
                         'committed_at', '2023-01-05 06:01+00', 'ended_at', null))).*
                     from sluice.runs as run where status = 'LOADED' limit 1";
        assert_eq!(sqlx::raw_sql(older).execute(&mut connection).await.unwrap().rows_affected(), 1);
    });
    // The rows are read again when a run has ended.
    seen.becomes(&seen.press("/jobs/pomodoro/run"), "bad", "Failed");
    let view = seen.until("/jobs/pomodoro", "/jobs/pomodoro/runs/older");
    let history = view.split("id=\"history\"").nth(1).unwrap();
    assert!(history.contains("2023-01-05 06:00:00") && history.contains("4\u{202f}711"), "{history}");
    let (status, _, run) = seen.page.get("/jobs/pomodoro/runs/older");
    assert!(status == 200 && run.contains("what is here is from <code>sluice.runs</code>"), "{run}");
}

/// At the pace of an account: no call before somebody looks, twenty at the start, one a second with three tabs open,
/// and none when they are closed.
fn acceptance_11(seen: &Seen, stack: &Stack, failed: &str) {
    let counted = Counted::start(&seen.runtime, &stack.endpoint());
    let page = Page::start(&counted.endpoint, &[], &[]);
    assert_eq!(counted.count(), 0, "nobody has looked");
    let began = Instant::now();
    let mut at_start = 0;
    while began.elapsed() < Duration::from_secs(12) {
        for path in ["/", "/jobs/pomodoro", failed] {
            assert_eq!(page.get(path).0, 200, "{path}");
        }
        let (calls, seconds) = (counted.count(), began.elapsed().as_secs_f64());
        assert!(calls as f64 <= 20.0 + seconds + 1.0, "{calls} calls in {seconds} s");
        if seconds < 2.0 {
            at_start = calls;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let (calls, seconds) = (counted.count(), began.elapsed().as_secs_f64());
    eprintln!("{at_start} calls in the first two seconds, {calls} in {seconds:.0} s");
    // It is at work all the time, and shows the failed run by then.
    assert!(calls > 20, "{calls}");
    let (_, _, html) = page.get(failed);
    assert!(html.contains("sessions-2024-04.csv") && html.contains("class=\"places\""), "{html}");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let calls = counted.count();
        std::thread::sleep(Duration::from_millis(2_500));
        if counted.count() == calls {
            break;
        }
        assert!(Instant::now() < deadline, "{calls} calls, and more to come");
    }
}
