//! What an action will do, and its form: nothing is started before somebody has read that.

use super::frame::{crumbs, icon};
use super::{Block, Reader, View, calendar, path};
use crate::actions::{self, Action, Form};
use crate::kind::Kind;
use crate::model::{Job, Run, Stack};
use crate::outcome::Outcome;
use crate::words;
use jiff::civil::Date;
use maud::{Markup, html};

/// A form as it is shown.
pub struct Shown<'a> {
    /// What is to be done.
    pub action: Action,
    /// What was filled in.
    pub form: &'a Form,
    /// The one-use value; `None` where nothing can be done from here.
    pub once: Option<&'a str>,
    /// What is wrong with what was filled in.
    pub problem: Option<&'a str>,
}

/// The view of an action on a job.
pub fn action(job: &Job, reader: &Reader, shown: &Shown<'_>) -> View {
    let mut form = shown.form.clone();
    if shown.action == Action::Backfill && form.from.is_empty() {
        let (from, to) = calendar::last_week(job, reader.clock.now);
        (form.from, form.to) = (from.to_string(), to.to_string());
    }
    let input = actions::input(shown.action, job, &form);
    let title = title(shown.action, job);
    let markup = html! {
        (crumbs(Some(&job.name), &title.0))
        div class="narrow" {
            div class="head" { div { h1 { (title.1) } p class="sub" { "Nothing has been started yet." } } }
            @if let Some(problem) = shown.problem { (wrong(problem)) }
            section class="card" aria-labelledby="h-will" {
                header { h2 id="h-will" { "What will happen" } }
                div class="pad" { ul class="will" { @for line in will(job, shown.action, &form, reader) { li { (super::frame::prose(&line)) } } } }
            }
            @match shown.once {
                Some(once) => (form_of(job, shown.action, &form, once)),
                None => section class="card pad" { p { "This page only reads: on an account it starts nothing unless it was started with " code { "--allow-actions" } ". The command below does the same." } },
            }
            section class="card" {
                details open[shown.once.is_none()] {
                    summary { "The same by command" }
                    div class="pad" {
                        @match &input {
                            Ok(input) => pre class="cmd" tabindex="0" { (words::visible_lines(&actions::command(&job.machine, input))) },
                            Err(problem) => p class="soft" { (words::visible(problem, 400)) },
                        }
                    }
                }
            }
        }
    };
    View {
        title: title.1.clone(),
        is_files: false,
        job: Some(job.name.clone()).filter(|_| !job.spec.prefix.is_empty()),
        is_running: false,
        is_live: false,
        blocks: vec![Block::Part("action", markup)],
    }
}

/// Why what was pressed was not done.
fn wrong(problem: &str) -> Markup {
    html! { div class="note bad" role="alert" { (icon("bad")) div { (words::visible(problem, 400)) } } }
}

fn title(action: Action, job: &Job) -> (String, String) {
    let name = words::visible(&job.name, 80);
    match action {
        Action::Run => ("Run now".to_owned(), format!("Run {name} now?")),
        Action::DryRun => ("Dry run".to_owned(), format!("Try a run of {name}?")),
        Action::Again => ("Load again".to_owned(), format!("Load files of {name} again?")),
        Action::Since => ("Since".to_owned(), format!("Load all files of {name} since a time again?")),
        Action::Backfill => ("Backfill".to_owned(), format!("Backfill days of {name}?")),
        Action::Explain => ("Explain".to_owned(), format!("Ask {name} about files?")),
        Action::Stop => ("Stop".to_owned(), format!("Stop a run of {name}?")),
    }
}

/// What an action does, a sentence each.
fn will(job: &Job, action: Action, form: &Form, reader: &Reader) -> Vec<String> {
    let shown = |text: &str| words::visible(text, 200);
    let machine = shown(job.machine.rsplit(':').next().unwrap_or_default());
    let (table, source, prefix) = (shown(&job.spec.table()), shown(&job.spec.source_table()), shown(&job.spec.prefix));
    let mut lines = vec![format!("One execution of `{machine}` starts.")];
    let of_kind = match job.kind {
        Kind::TransformAndUpsert => format!(
            "It looks for files under `{prefix}` that are new, and loads them into `{table}` in one transaction. If there are \
             none, it says so."
        ),
        Kind::CopyTable => format!("It copies the windows of `{source}` that are missing in `{table}`, each in one transaction."),
        Kind::MysqlToRedshift => format!("It loads the windows of `{source}` that are missing in `{table}`, each in one transaction."),
        Kind::AthenaElt => "It makes all tables of the job anew, and publishes each when it is complete; until then the ones before are read.".to_owned(),
    };
    match action {
        Action::Run => lines.push(of_kind),
        Action::DryRun if job.kind == Kind::TransformAndUpsert => {
            lines.push(of_kind);
            lines.push("Everything is done and then rolled back: the run says what would be inserted, updated and deleted. It holds the job's lock, and costs the database its writes.".to_owned());
        }
        Action::DryRun => lines.push("It only says what it would do; nothing is written.".to_owned()),
        Action::Again => lines.push(format!("It loads the files below again, and besides what is new. In `{table}` nothing is counted twice: what a file says takes the place of what it said.")),
        Action::Since => lines.push(format!("It loads all files that are dated from that time on again, and besides what is new. In `{table}` nothing is counted twice.")),
        Action::Explain => lines.push("It loads nothing: it says of each file why it is new or not.".to_owned()),
        Action::Backfill => {
            lines.push(format!("It takes the days below of `{source}`, the last one included. Each window is one transaction: in `{table}` it becomes what the source says now."));
            lines.extend(days(job, form, reader));
            lines.push("No other day is touched, and scheduled runs go on as before.".to_owned());
        }
        Action::Stop => {}
    }
    if let Some(run) = running(job) {
        let since = reader.clock.near(run.head.started);
        lines.push(match job.kind {
            Kind::TransformAndUpsert | Kind::AthenaElt => {
                format!("A run is at work on this job since {since}; this one waits for it, for an hour or so.")
            }
            _ => format!("A run is at work on this job since {since}; this one waits for windows that both want."),
        });
    }
    let usual = usual(job);
    if usual > 0 && matches!(action, Action::Run | Action::DryRun) {
        lines.push(format!("It takes about {}, by the median of the last runs.", words::duration(usual)));
    }
    lines
}

/// How many days a backfill takes, and which of them are missing, as far as that is known here.
fn days(job: &Job, form: &Form, reader: &Reader) -> Option<String> {
    let day = |text: &str| text.trim().parse::<Date>().ok();
    let (first, last) = (day(&form.from)?, day(&form.to)?);
    let count = u64::try_from(first.until(last).ok()?.get_days() + 1).ok().filter(|count| *count > 0)?;
    let all = if count == 1 { first.to_string() } else { format!("{first} to {last}") };
    let all = format!("{}, {all}", words::count(count, "day"));
    if form.which == "all" {
        return Some(format!("All of them: {all}."));
    }
    let is_read = job.windows.is_some() && job.unread_windows == 0;
    let Some(windows) = calendar::loaded(job).filter(|_| is_read) else {
        return Some(format!("Those that are missing of {all}."));
    };
    let known = calendar::days(job, &windows, reader.clock.now);
    let mut missing: Vec<Date> = known.missing.into_iter().filter(|day| (first..=last).contains(day)).collect();
    // Behind the newest day that is there nothing is called missing in the calendar.
    let newest = known.newest.map_or(first, |day| day.tomorrow().unwrap_or(day)).max(first);
    let mut day = newest;
    while day <= last && missing.len() < 20_000 {
        missing.push(day);
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    Some(match missing.len() as u64 {
        0 => format!("Of {all}, none is missing as far as is known here: nothing is copied."),
        number => format!(
            "{} of {all} {}: {}.",
            number,
            if number == 1 { "is missing" } else { "are missing" },
            calendar::gaps(&missing)
        ),
    })
}

fn running(job: &Job) -> Option<&Run> {
    job.runs.iter().flatten().find(|run| run.outcome() == Outcome::Running)
}

fn usual(job: &Job) -> i64 {
    let runs: Vec<&Run> = job.runs.iter().flatten().take(40).collect();
    super::marks::median(&runs)
}

fn form_of(job: &Job, action: Action, form: &Form, once: &str) -> Markup {
    let address = format!("{}/{}", path(&["jobs", &job.name]), action.slug());
    let can_try = Action::DryRun.is_for(job.kind) && !matches!(action, Action::DryRun | Action::Explain);
    let verb = match action {
        Action::Run => "Run now",
        Action::DryRun => "Try it",
        Action::Again => "Load again",
        Action::Since => "Load again",
        Action::Backfill => "Backfill",
        Action::Explain => "Ask",
        Action::Stop => "Stop",
    };
    html! {
        form class="card pad" method="post" action=(address) {
            input type="hidden" name="once" value=(once);
            input type="hidden" name="shown" value=(actions::shown(action, job, form));
            div class="fields" {
                @match action {
                    Action::Backfill => {
                        label class="field" { "First day" input type="text" size="11" inputmode="numeric" pattern=r"\d{4}-\d{2}-\d{2}" name="from" value=(form.from) required; }
                        label class="field" { "Last day" input type="text" size="11" inputmode="numeric" pattern=r"\d{4}-\d{2}-\d{2}" name="to" value=(form.to) required; }
                        label class="field" { "Of these" select name="which" { option value="missing" { "days that are missing" } option value="all" selected[form.which == "all"] { "all days" } } }
                    },
                    Action::Since => label class="field" { "From this time on, UTC" input type="text" size="22" name="from" placeholder="2024-01-31T00:00:00Z" value=(form.from) required; },
                    Action::Again | Action::Explain => label class="field wide" { "Keys, a line each" textarea name="keys" rows="4" required { (form.keys) } },
                    Action::Run | Action::DryRun | Action::Stop => {},
                }
            }
            div class="acts gap" {
                button class="btn first" type="submit" { (verb) }
                @if can_try { button class="btn" type="submit" name="dry" value="1" { (if job.kind == Kind::TransformAndUpsert { "Try it, and roll back" } else { "Only say what it would do" }) } }
                @if !matches!(action, Action::Run | Action::DryRun) { button class="btn" type="submit" formmethod="get" { "What will happen?" } }
                a class="btn" href=(path(&["jobs", &job.name])) { "Cancel" }
            }
        }
    }
}

/// The view of stopping a run; `once` and `problem` as in [`Shown`].
pub fn stop(job: &Job, run: &Run, reader: &Reader, once: Option<&str>, problem: Option<&str>) -> View {
    let address = path(&["jobs", &job.name, "runs", &run.head.name]);
    let what = match job.kind {
        Kind::TransformAndUpsert => {
            "What it has not committed yet is not loaded. The next run takes up all of it: nothing is lost, nothing is loaded twice."
        }
        Kind::CopyTable | Kind::MysqlToRedshift => {
            "Windows that are committed stay; those at work are rolled back or go on to their end. The next run takes up what is missing."
        }
        Kind::AthenaElt => {
            "Its queries are stopped. Tables that are published stay as they are; the next run makes all of them anew."
        }
    };
    let markup = html! {
        (crumbs(Some(&job.name), "Stop"))
        div class="narrow" {
            div class="head" { div { h1 { "Stop the run of " (reader.clock.spoken(run.head.started)) "?" } p class="sub" { "It is still at work." } } }
            @if let Some(problem) = problem { (wrong(problem)) }
            section class="card" aria-labelledby="h-will" {
                header { h2 id="h-will" { "What will happen" } }
                div class="pad" { ul class="will" {
                    li { "The execution ends at once; a function that is at work goes on for as long as its call takes." }
                    li { (what) }
                    li { "In toggle mode the watchdog makes the database private again." }
                } }
            }
            @match once {
                Some(once) => form class="card pad" method="post" action={ (address) "/stop" } {
                    input type="hidden" name="once" value=(once);
                    div class="acts" { button class="btn danger" type="submit" { (icon("stop")) "Stop it" } a class="btn" href=(address) { "Let it run" } }
                },
                None => section class="card pad" { p { "This page only reads. The same by command:" } pre class="cmd" tabindex="0" { "aws stepfunctions stop-execution --execution-arn " (words::visible(&run.head.arn, 400)) } },
            }
        }
    };
    View {
        title: "Stop a run".to_owned(),
        is_files: false,
        job: None,
        is_running: false,
        is_live: false,
        blocks: vec![Block::Part("action", markup)],
    }
}

/// A view that only says something.
pub fn sorry(stack: &Stack, title: &str, text: &str) -> View {
    let markup = html! {
        div class="narrow" {
            div class="head" { div { h1 { (title) } } }
            p class="say" { (words::visible(text, 400)) }
            @if !stack.jobs.is_empty() {
                section class="card" aria-labelledby="h-jobs" {
                    header { h2 id="h-jobs" { "The jobs of this stack" } }
                    div class="pad" { ul class="links" { @for name in stack.jobs.keys() { li { a href=(path(&["jobs", name])) { (words::visible(name, 80)) } } } } }
                }
            }
        }
    };
    View {
        title: title.to_owned(),
        is_files: false,
        job: None,
        is_running: !stack.is_read,
        is_live: false,
        blocks: vec![Block::Part("sorry", markup)],
    }
}
