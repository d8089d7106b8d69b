//! What the views write, looked at as text.

mod small;
mod unread;

use super::*;
use crate::definition::Definition;
use crate::facts::{Facts, Texts};
use crate::fold::tests::{fixture, story};
use crate::kind::Kind;
use crate::log::{Level, Line, Lines};
use crate::model::{Head, Job, JobSpec, Notice, Origin, Row, Run, Stack};
use crate::outcome::{Outcome, Status};
use crate::schedule::Schedule;
use crate::shared::{DATABASE, RECORDS};
use crate::trouble::Trouble;
use serde_json::json;
use std::sync::Arc;

/// A stack with one job and the recorded runs.
pub(crate) fn stack() -> Stack {
    let text = fixture("describe-state-machine")["definition"].as_str().unwrap().to_owned();
    let definition = Definition::read(&serde_json::from_str(&text).unwrap()).unwrap();
    let run = |name: &str, status: Status| {
        let described = &fixture(name)["describe_execution"];
        let text = |field: &str| described[field].as_str();
        #[allow(clippy::cast_possible_truncation, reason = "a time of this century")]
        let time = |field: &str| (described[field].as_f64().unwrap() * 1_000.0) as i64;
        let texts = Texts { input: text("input"), output: text("output"), error: text("error"), cause: text("cause") };
        Run {
            facts: Some(Arc::new(Facts::read(Kind::TransformAndUpsert, status, texts))),
            story: Some(Arc::new(story(name))),
            ..Run::new(Head {
                name: described["name"].as_str().unwrap().to_owned(),
                arn: described["executionArn"].as_str().unwrap().to_owned(),
                status,
                started: time("startDate"),
                ended: Some(time("stopDate")),
            })
        }
    };
    let mut runs = vec![
        run("run-failed-bad-rows", Status::Failed),
        run("run-loaded", Status::Succeeded),
        run("run-stopped", Status::Aborted),
        run("run-dry-run", Status::Succeeded),
        run("run-nothing-new", Status::Succeeded),
        run("run-lock-held-then-nothing", Status::Succeeded),
    ];
    runs[1..].sort_by_key(|run| std::cmp::Reverse(run.head.started));
    let spec = JobSpec {
        prefix: "input_data/".into(),
        source: json!({"suffix": ".csv"}),
        target: json!({"table": "pomodoro_day_catg"}),
        ..JobSpec::default()
    };
    let job = Job {
        name: "pomodoro".into(),
        kind: Kind::TransformAndUpsert,
        machine: "arn:aws:states:us-east-1:000000000000:stateMachine:sluice-pomodoro".into(),
        definition: definition.into(),
        spec: spec.into(),
        schedule: None,
        runs: Some(runs),
        is_cut: false,
        is_history_cut: false,
        missing: std::collections::BTreeSet::new(),
        files: None,
        windows: None,
        unread_windows: 0,
    };
    Stack {
        name: "sluice".into(),
        place: "this machine".into(),
        allows_actions: true,
        jobs: [(job.name.clone(), job)].into(),
        is_read: true,
        ..Stack::default()
    }
}

pub(crate) fn reader() -> Reader {
    Reader { clock: crate::zone::Clock::new(None, 1_795_661_300_000), address: "/".into() }
}

fn text(stack: &Stack, view: &View) -> String {
    page(stack, &reader(), view, 1)
}

#[test]
fn the_jobs_view_says_what_failed_and_why() {
    let stack = stack();
    let html = text(&stack, &jobs(&stack, &reader()));
    for part in [
        "<strong>1 of 1 job failed in its last run.</strong>",
        "InvalidSource: sessions-2024-04.csv, lines 42 and 97 cannot be read; nothing was loaded.",
        "#i-bad",
        "6 runs: ",
        "1 stopped",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("twelve") && !html.contains("SUCCEEDED"));
}

#[test]
fn the_run_view_has_the_error_first_and_the_way_that_was_taken() {
    let stack = stack();
    let job = &stack.jobs["pomodoro"];
    let run = &job.runs.as_ref().unwrap()[0];
    let html = text(&stack, &super::run(&stack, job, run, &reader(), &RunQuery::default()));
    let error = html.find("class=\"error\"").unwrap();
    let at = |part: &str| html[error..].find(part).unwrap_or_else(|| panic!("{part}"));
    let order = [
        "2 rows of one file cannot be read",
        "sessions-2024-04.csv",
        ">42<",
        "not a number",
        ">97<",
        "Correct the file",
        "Way through",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{order:?}");
    // Exactly the taken ways are drawn as taken.
    let taken: Vec<&str> = html.split("data-way=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(
        taken,
        ["DetectNewFiles&gt;AnyNewFiles", "AnyNewFiles&gt;PivotFiles", "PivotFiles&gt;HasCause", "HasCause&gt;Failed"]
    );
    assert!(!html.contains("twelve"), "no value of a cell");
}

/// A run may fail behind what it has loaded, and its states may not be read yet.
#[test]
fn that_nothing_was_loaded_is_said_once_the_states_say_so() {
    let (mut stack, nothing) = (stack(), "<dd>nothing</dd>");
    let html = |stack: &Stack| {
        let job = &stack.jobs["pomodoro"];
        text(stack, &super::run(stack, job, &job.runs.as_ref().unwrap()[0], &reader(), &RunQuery::default()))
    };
    let read = html(&stack);
    assert!(read.contains(nothing) && read.contains("so nothing was loaded") && read.contains("is as it was before"));
    let mut change = |change: &dyn Fn(&mut Run)| {
        change(&mut stack.jobs.get_mut("pomodoro").unwrap().runs.as_mut().unwrap()[0]);
        html(&stack)
    };
    let unread = change(&|run| run.story = None);
    let mut behind = story("run-loaded");
    behind.ended = behind.ended.map(|(_, at)| (crate::fold::End::Failed, at));
    let behind = change(&|run| run.story = Some(Arc::new(behind.clone())));
    for html in [unread, behind] {
        assert!(!html.contains(nothing) && !html.contains("nothing was loaded") && !html.contains("is as it was"));
    }
}

#[test]
fn a_retry_is_drawn_in_pieces_with_its_pause() {
    let stack = stack();
    let job = &stack.jobs["pomodoro"];
    let run = job
        .runs
        .iter()
        .flatten()
        .find(|run| run.outcome() == Outcome::NothingNew && run.head.name.starts_with("46ad"))
        .unwrap();
    let html = text(&stack, &super::run(&stack, job, run, &reader(), &RunQuery::default()));
    assert_eq!(html.matches("f-wait").count(), 1);
    assert!(html.contains("2 attempts"));
}

/// A deploy may take away a way that an older run has gone.
#[test]
fn an_older_run_is_drawn_by_the_states_of_then() {
    let mut stack = stack();
    let job = stack.jobs.get_mut("pomodoro").unwrap();
    let then = job.definition.clone();
    let now = r#"{"StartAt": "DetectNewFiles", "States": {"DetectNewFiles": {"Type": "Task", "Next": "PivotFiles"},
                  "PivotFiles": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Pivot", "States": {
                      "Pivot": {"Type": "Task", "End": true}}}}}}"#;
    job.definition = Definition::read(&serde_json::from_str(now).unwrap()).unwrap().into();
    let drawn = |stack: &Stack| {
        let job = &stack.jobs["pomodoro"];
        let view = super::run(stack, job, &job.runs.as_ref().unwrap()[0], &reader(), &RunQuery::default());
        let grid = super::job(stack, job, &reader(), &[("from".into(), String::new())]);
        (text(stack, &view), text(stack, &grid))
    };
    let (view, _) = drawn(&stack);
    assert!(!view.contains("PivotFiles&gt;HasCause"), "as it is now");
    let revision = crate::model::Revision { definition: then, value: json!({}).into(), digest: String::new() };
    for run in stack.jobs.get_mut("pomodoro").unwrap().runs.as_mut().unwrap() {
        run.revision = Some(revision.clone());
    }
    let (view, grid) = drawn(&stack);
    assert!(view.contains("edge err\" data-way=\"PivotFiles&gt;HasCause\""));
    assert!(grid.contains("class=\"bad\""));
}

/// Whatever a name, key, line or text of an error holds, it is text.
#[test]
fn nothing_of_others_can_be_more_than_text() {
    let hostile =
        "</svg><script>window.__hit=1</script>\"'><img src=x onerror=alert(1)>\u{202e}\r\n\u{0}javascript:alert(1)";
    let mut stack = stack();
    let job = stack.jobs.get_mut("pomodoro").unwrap();
    job.name = hostile.into();
    job.spec = Arc::new(JobSpec { prefix: format!("{hostile}/"), ..(*job.spec).clone() });
    let cause = format!("1 bad row: {hostile}, line 2, column 1 ({hostile}): {hostile}");
    let input = json!({"detail": {"object": {"key": hostile}}, hostile: hostile}).to_string();
    let texts = Texts { error: Some(hostile), cause: Some(&cause), input: Some(&input), output: Some(&input) };
    // Names of states too: of those that do work, that choose, and that are inside of a Map.
    let renamed = |name: &str| format!("{name}{hostile}");
    let states = json!({"StartAt": renamed("a"), "States": {
        renamed("a"): {"Type": "Task", "Next": renamed("b")},
        renamed("b"): {"Type": "Choice", "Choices": [{"Next": renamed("c")}], "Default": renamed("d")},
        renamed("c"): {"Type": "Map", "Next": renamed("d"), "ItemProcessor": {"StartAt": renamed("e"),
            "States": {renamed("e"): {"Type": "Task", "End": true}}}},
        renamed("d"): {"Type": "Fail"},
    }});
    job.definition = Definition::read(&states).unwrap().into();
    let mut told = story("run-failed-bad-rows");
    let names: Vec<String> = told.visits.iter().map(|visit| visit.state.clone()).collect();
    for (place, visit) in told.visits.iter_mut().enumerate() {
        visit.state = renamed(["a", "b", "c", "d"][place.min(3)]);
    }
    assert!(names.len() >= 4, "{names:?}");
    for run in job.runs.iter_mut().flatten() {
        run.story = Some(Arc::new(told.clone()));
        run.head.name = hostile.into();
        run.head.arn = format!("arn:{hostile}");
        run.facts = Some(Arc::new(Facts::read(Kind::TransformAndUpsert, run.head.status, texts)));
        let line = Line {
            at: 1,
            level: Level::Error,
            function: "pivot".into(),
            message: hostile.repeat(2_000),
            fields: hostile.into(),
        };
        run.lines = Some(Arc::new(Lines { lines: vec![line], ..Lines::default() }));
    }
    let job = job.clone();
    stack.jobs = [(hostile.to_owned(), job)].into();
    let job = &stack.jobs[hostile];
    // What a reader has written comes back to them as it is, but as a text too.
    let written = &hostile.replace(['\u{202e}', '\u{0}'], "");
    let form = crate::actions::Form { keys: written.into(), from: written.into(), ..Default::default() };
    let shown =
        action::Shown { action: crate::actions::Action::Again, form: &form, once: Some("x"), problem: Some(hostile) };
    let mut reader = reader();
    reader.address = format!("/?q={written}");
    let mut views = vec![
        jobs(&stack, &reader),
        super::job(&stack, job, &reader, &[("o".into(), written.into())]),
        files(&stack, job, &reader, &[("prefix".into(), written.into())]),
        why(&stack, job, &reader, hostile),
        action::action(job, &reader, &shown),
        action::sorry(&stack, "x", hostile),
    ];
    for run in job.runs.iter().flatten() {
        views.push(super::run(&stack, job, run, &reader, &RunQuery::default()));
        views.push(log(&stack, job, run, &reader, &LogFilter { q: written.into(), ..LogFilter::default() }));
        views.push(action::stop(job, run, &reader, None, Some(hostile)));
    }
    for view in views {
        let html = page(&stack, &reader, &view, 1);
        assert!(!html.contains("<script>") && !html.contains("<img"), "{}", view.title);
        assert!(!html.contains('\u{202e}') && !html.contains('\u{0}'), "{}", view.title);
        assert!(!html.contains("href=\"javascript:") && !html.contains("\"'><"), "{}", view.title);
        assert!(html.len() < 100_000, "{}: {}", view.title, html.len());
    }
}

/// Notices, schedules and older runs hold texts of others too.
#[test]
fn what_is_amiss_and_what_was_written_down_is_text() {
    let hostile = "</svg><script>window.__hit=1</script>\"'><img src=x onerror=alert(1)>\u{202e}\u{0}";
    let mut row = older(Origin::Runs, Status::Failed);
    (row.execution, row.error) = (format!("arn:{hostile}"), Some(hostile.to_owned()));
    let mut stack = with_older(Kind::TransformAndUpsert, row);
    (stack.name, stack.place, stack.bucket) = (hostile.into(), hostile.into(), hostile.into());
    for (action, trouble) in [
        ("states:ListExecutions", Trouble::Other(hostile.into())),
        ("states:DescribeExecution", Trouble::Throttled(hostile.into())),
        ("cloudformation:DescribeStacks", Trouble::Missing),
    ] {
        stack.notices.insert(action, Notice { trouble, action, again: 0 });
    }
    let job = stack.jobs.get_mut("pomodoro").unwrap();
    job.schedule = Some(Schedule::On { expression: hostile.into(), zone: hostile.into() });
    job.spec = Arc::new(JobSpec { target: json!({"table": hostile, "schema": hostile}), ..(*job.spec).clone() });
    let job = &stack.jobs["pomodoro"];
    let old = job.runs.iter().flatten().find(|run| run.is_forgotten).unwrap();
    let mut views =
        vec![jobs(&stack, &reader()), super::job(&stack, job, &reader(), &[]), files(&stack, job, &reader(), &[])];
    views.push(super::run(&stack, job, old, &reader(), &RunQuery::default()));
    let mut empty = stack.clone();
    empty.jobs.get_mut("pomodoro").unwrap().runs = Some(Vec::new());
    views.push(jobs(&empty, &reader()));
    // One that failed, and of which nothing but that row is known.
    let mut forgotten = stack.clone();
    forgotten.jobs.get_mut("pomodoro").unwrap().runs = Some(vec![old.clone()]);
    views.push(jobs(&forgotten, &reader()));
    for view in views {
        let html = text(&stack, &view);
        assert!(html.contains("&lt;script&gt;"), "{}", view.title);
        assert!(!html.contains("<script>") && !html.contains("<img"), "{}", view.title);
        assert!(!html.contains('\u{202e}') && !html.contains('\u{0}'), "{}", view.title);
    }
}

/// A run that has much to say ends with what matters: what it failed with, or what it is at now.
#[test]
fn of_many_lines_the_newest_are_shown() {
    let mut stack = stack();
    let run = &mut stack.jobs.get_mut("pomodoro").unwrap().runs.as_mut().unwrap()[0];
    let line = |number: i64| Line {
        at: number,
        level: Level::Info,
        function: "pivot".into(),
        message: format!("line {number}."),
        fields: String::new(),
    };
    run.lines = Some(Arc::new(Lines { lines: (1..=501).map(line).collect(), ..Lines::default() }));
    let job = &stack.jobs["pomodoro"];
    let run = &job.runs.as_ref().unwrap()[0];
    let html = text(&stack, &super::run(&stack, job, run, &reader(), &RunQuery::default()));
    assert!(html.contains("line 501.") && !html.contains("line 1.") && html.contains("500 of 501 lines: the newest"));
    for page in [0, 1, usize::MAX] {
        let html = text(&stack, &log(&stack, job, run, &reader(), &LogFilter { page, ..LogFilter::default() }));
        assert!(html.contains("line 1.") && html.contains("line 501."), "{page}");
    }
}

/// A job with a run that Step Functions has forgotten.
fn with_older(kind: Kind, row: Row) -> Stack {
    let mut stack = stack();
    stack.has_database = true;
    let job = stack.jobs.get_mut("pomodoro").unwrap();
    job.kind = kind;
    crate::runs::join(job, vec![row]);
    stack
}

fn older(origin: Origin, status: Status) -> Row {
    Row {
        execution: "arn:aws:states:us-east-1:000000000000:execution:sluice-pomodoro:old".into(),
        origin,
        started: 1_700_000_000_000,
        ended: 1_700_000_060_000,
        committed: (status == Status::Succeeded).then_some(1_700_000_060_000),
        status,
        error: (status == Status::Failed).then(|| "InvalidSource".to_owned()),
        counts: vec![crate::facts::count("rows", 4_711)],
        rows: 4_711,
    }
}

#[test]
fn older_runs_are_listed_with_what_was_written_down() {
    for (kind, origin, told) in [
        (Kind::TransformAndUpsert, Origin::Runs, "Those that found nothing new are not there."),
        (Kind::CopyTable, Origin::Windows, "which no later run has copied again"),
        (Kind::AthenaElt, Origin::Document, "Those that failed, were stopped or had nothing to do are not there."),
        (Kind::MysqlToRedshift, Origin::Document, "state/pomodoro/runs/"),
    ] {
        let stack = with_older(kind, older(origin, Status::Succeeded));
        let job = &stack.jobs["pomodoro"];
        let html = text(&stack, &super::job(&stack, job, &reader(), &[]));
        let section = &html[html.find("id=\"history\"").unwrap()..];
        assert!(section.contains("1 run<") && section.contains("/jobs/pomodoro/runs/old"), "{kind:?}");
        assert!(section.contains(told) && section.contains("Loaded") && !section.contains("not shown"), "{kind:?}");
        let html = text(&stack, &super::run(&stack, job, job.run("old").unwrap(), &reader(), &RunQuery::default()));
        assert!(html.contains("older than 90 days") && html.contains("4\u{202f}711"), "{kind:?}: {html}");
        assert!(html.contains("Committed") && !html.contains("Why is being read"), "{kind:?}");
    }
    let stack = with_older(Kind::TransformAndUpsert, older(Origin::Runs, Status::Failed));
    let job = &stack.jobs["pomodoro"];
    let html = text(&stack, &super::job(&stack, job, &reader(), &[]));
    let section = &html[html.find("id=\"history\"").unwrap()..];
    assert!(section.contains("InvalidSource") && !section.contains("cut off"));
    let html = text(&stack, &super::run(&stack, job, job.run("old").unwrap(), &reader(), &RunQuery::default()));
    assert!(html.contains("The run ended with InvalidSource") && !html.contains("Committed"));
}

#[test]
fn where_older_runs_cannot_be_read_is_said() {
    let told = |kind: Kind, is_toggled: bool, has_database: bool, trouble: Option<(&'static str, Trouble)>| {
        let mut stack = stack();
        stack.has_database = has_database;
        if let Some((action, trouble)) = trouble {
            stack.notices.insert(action, Notice { trouble, action, again: 0 });
        }
        let job = stack.jobs.get_mut("pomodoro").unwrap();
        job.kind = kind;
        job.spec = Arc::new(JobSpec { is_toggled, ..(*job.spec).clone() });
        let html = text(&stack, &super::job(&stack, &stack.jobs["pomodoro"], &reader(), &[]));
        html[html.find("id=\"history\"").unwrap()..].to_owned()
    };
    let (files, database) = (Kind::TransformAndUpsert, DATABASE);
    for (html, part) in [
        (told(files, false, false, None), "the page knows no database"),
        (told(files, true, true, Some((database, Trouble::Late))), "the database is closed."),
        (told(files, true, true, Some((database, Trouble::Gone))), "only while a run loads"),
        (told(files, false, true, Some((database, Trouble::Gone))), "cannot be reached from here"),
        (told(files, true, true, Some((database, Trouble::Denied))), "may not select from <code>sluice.runs</code>"),
        (told(Kind::CopyTable, true, true, Some((database, Trouble::Denied))), "from <code>sluice.windows</code>"),
        (told(Kind::AthenaElt, false, false, Some((RECORDS, Trouble::Denied))), "these credentials may not read"),
    ] {
        assert!(html.contains("Older runs are not shown") && html.contains(part), "{part}");
    }
    // It has no database, and needs none.
    let html = told(Kind::MysqlToRedshift, false, false, Some((database, Trouble::Gone)));
    assert!(!html.contains("not shown"));
}

#[test]
fn of_the_items_of_a_map_those_that_failed_stand_first_then_those_at_work() {
    let stack = stack();
    let job = &stack.jobs["pomodoro"];
    let run = &job.runs.as_ref().unwrap()[0];
    let mut story = story("history-map-as-on-aws-synthetic");
    let known = story.visits.iter_mut().find_map(|visit| Some(&mut visit.items.as_mut()?.known)).unwrap();
    known.iter_mut().find(|item| item.index == 3).unwrap().to = None;
    let took: Vec<i64> = [0, 1].map(|at| known[at].to.unwrap() - known[at].from).to_vec();
    let slowest = if took[0] > took[1] { [0, 1] } else { [1, 0] };
    let shown = |items: usize| {
        let now = story.ended.unwrap().1;
        let html = timeline::timeline(job, run, &story, &crate::marks::Marks::default(), now, items).into_string();
        let names =
            html.split("item ").skip(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        (names.collect::<Vec<_>>(), html.contains("2 more items"))
    };
    let order = [2, 3, slowest[0], slowest[1]].map(|index| index.to_string());
    assert_eq!(shown(40), (order.to_vec(), false));
    assert_eq!(shown(2), (order[..2].to_vec(), true));
}

/// Text reaches HTML through the template engine; this is the one constant that does not.
#[test]
fn one_constant_is_not_escaped() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses = Vec::new();
    let mut open = vec![folder];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("views/tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            uses.extend(text.matches("PreEscaped(").map(|_| path.file_name().unwrap().to_owned()));
        }
    }
    assert_eq!(uses, ["frame.rs"]);
}
