//! All jobs, a row each: what ran, what failed and why.

use super::frame::{icon, key, outcome_class, outcome_icon, time};
use super::notices::{amiss, are_runs_coming, has_no_stack, unread};
use super::{Block, Reader, View, marks, path};
use crate::errors;
use crate::kind::Kind;
use crate::model::{Job, Run, Stack};
use crate::outcome::Outcome;
use crate::schedule::Schedule;
use crate::shared::RUNS_READ;
use crate::words;
use crate::zone::Clock;
use maud::{Markup, html};

/// The view.
pub fn jobs(stack: &Stack, reader: &Reader) -> View {
    let is_running = |job: &Job| last(job).is_some_and(|run| run.outcome().is_running());
    let is_changing = stack.jobs.values().any(|job| is_running(job) || are_runs_coming(stack, job));
    let is_empty = stack.is_read && stack.jobs.values().all(|job| job.runs.as_ref().is_some_and(Vec::is_empty));
    // Each part is always there, so that what comes later has its place.
    let table = match () {
        () if !stack.jobs.is_empty() => table(stack, reader),
        () if stack.is_read => html! { p class="say" { "This stack has no jobs." } },
        () if has_no_stack(stack) => html! { p class="say" { "The jobs of this stack cannot be read now." } },
        () => html! { p class="say" { "Reading the jobs of this stack …" } },
    };
    let blocks = vec![
        Block::Part("head", head(stack)),
        amiss(stack, reader),
        Block::Part(
            "say",
            if stack.jobs.is_empty() {
                html! {}
            } else {
                say(stack)
            },
        ),
        Block::Part("jobs", table),
        Block::Part(
            "first",
            if is_empty {
                first_run(stack)
            } else {
                html! {}
            },
        ),
    ];
    View {
        title: "Jobs".to_owned(),
        is_files: false,
        job: None,
        is_running: is_changing || !stack.is_read,
        is_live: true,
        blocks,
    }
}

fn head(stack: &Stack) -> Markup {
    html! {
        div class="head" {
            div {
                h1 { "Jobs" }
                p class="sub" {
                    @if !stack.jobs.is_empty() { (words::count(stack.jobs.len() as u64, "job")) " of the stack " }
                    @else { "Stack " }
                    code { (words::visible(&stack.name, 120)) }
                }
            }
        }
    }
}

/// The newest run that counts as the job's last one: one that found nothing to do for another one does not.
pub(super) fn last(job: &Job) -> Option<&Run> {
    job.runs.iter().flatten().find(|run| !matches!(run.outcome(), Outcome::LeftToOwner | Outcome::Explained))
}

fn say(stack: &Stack) -> Markup {
    let outcomes: Vec<Outcome> = stack.jobs.values().filter_map(|job| Some(last(job)?.outcome())).collect();
    let failed = outcomes.iter().filter(|outcome| outcome.is_bad()).count() as u64;
    let running = outcomes.iter().filter(|outcome| outcome.is_running()).count() as u64;
    let rejected: u64 = stack.jobs.values().filter_map(waiting).sum();
    let all = words::count(stack.jobs.len() as u64, "job");
    let read = stack.jobs.values().filter(|job| job.runs.is_some()).count();
    let is_read = read == stack.jobs.len();
    html! {
        p class="say" {
            @if failed > 0 { strong { (failed) " of " (all) " failed in " (if failed == 1 { "its" } else { "their" }) " last run." } }
            @else if is_read { strong { "No job failed in its last run." } }
            // Of a job whose runs are not listed nothing can be said.
            @if !is_read { " " (read) " of " (all) " " (if stack.jobs.len() == 1 { "is" } else { "are" }) " read." }
            @if running == 1 { " 1 is running." }
            @if running > 1 { " " (running) " are running." }
            @if rejected > 0 { " " (words::count(rejected, "row")) " " (if rejected == 1 { "waits" } else { "wait" }) " in quarantine." }
        }
    }
}

/// Rows that the newest run that loaded something, or failed because of them, set aside; `None` as long as the
/// description that says so is not read.
fn waiting(job: &Job) -> Option<u64> {
    let runs = job.runs.as_ref()?;
    let is_unread = |run: &Run| run.facts.is_none() && !run.is_forgotten;
    if let Some(failed) = last(job).filter(|run| run.outcome() == Outcome::Failed) {
        let cause = failed.facts.as_ref().and_then(|facts| facts.cause.as_deref());
        match cause.and_then(errors::bad_row_count) {
            None if is_unread(failed) => return None,
            None => {}
            count => return count,
        }
    }
    // One that ended well may have loaded something.
    let may_count = |run: &&Run| match run.outcome() {
        Outcome::Loaded => true,
        Outcome::EndedWell => is_unread(run),
        _ => false,
    };
    match runs.iter().take(RUNS_READ).find(may_count) {
        Some(run) if is_unread(run) => None,
        Some(run) => Some(run.facts.as_ref().map_or(0, |facts| facts.rejected)),
        None => Some(0),
    }
}

fn table(stack: &Stack, reader: &Reader) -> Markup {
    html! {
        section class="card" aria-label="Jobs" {
            div class="scroll" tabindex="0" role="region" aria-label="Table of jobs" {
                table class="list cards" {
                    thead {
                        tr {
                            th scope="col" { "Job" }
                            th scope="col" { "Last run" }
                            th scope="col" { "Last 30 runs" }
                            th scope="col" { "Schedule" }
                            th scope="col" { "Last success" }
                            th scope="col" class="num" { "Rows" }
                            th scope="col" class="num" { "Quarantine" }
                        }
                    }
                    @for job in stack.jobs.values() { (row(stack, job, reader)) }
                }
            }
            div class="pad" { (marks::legend()) }
        }
    }
}

fn row(stack: &Stack, job: &Job, reader: &Reader) -> Markup {
    let address = path(&["jobs", &job.name]);
    let last = last(job);
    let runs = job.runs.as_deref().unwrap_or_default();
    let good = runs.iter().find(|run| run.outcome().is_good() && run.outcome() != Outcome::DryRun);
    let loaded = runs.iter().find(|run| run.outcome() == Outcome::Loaded);
    let rows = loaded.and_then(Run::rows);
    let waiting = waiting(job);
    let rejected = waiting.unwrap_or_default();
    html! {
        tbody {
            tr {
                td { a class="job" href=(address) { (words::visible(&job.name, 80)) } div class="soft" { (job.kind.name()) } }
                td { (last_run(job, last)) }
                td {
                    @if !runs.is_empty() {
                        a href={ (address) "#grid" } { (marks::bars(runs, reader.clock.now)) }
                    }
                }
                td data-l="Schedule" {
                    @let (words, next) = schedule(stack, job, reader);
                    (words) @if let Some(next) = next { div class="soft" { (next) } }
                }
                td data-l="Last success" class="nowrap in" {
                    @match good { Some(run) => (success(run.head.ended.unwrap_or(run.head.started), reader)), None => span class="soft" { (if job.runs.is_none() { "…" } else { "never" }) } }
                }
                td data-l="Rows" class="num in" { @if let Some(rows) = rows { (words::number(rows)) } }
                td data-l="In quarantine" class={ "num in" @if rejected == 0 { " zero" } } {
                    @if rejected > 0 { a href={ (address) "/files#quarantine" } { (words::number(rejected)) } } @else { span class="soft" { (if waiting.is_none() { "…" } else { "0" }) } }
                }
            }
            @if let Some(reason) = last.and_then(|run| reason(stack, job, run)) {
                tr class="why" {
                    td colspan="7" {
                        p class="oneerror" { span { (reason) } a class="nowrap" href=(path(&["jobs", &job.name, "runs", last.map_or("", |run| run.head.name.as_str())])) { "Open the run" } }
                    }
                }
            } @else if rejected > 0 {
                tr class="why" {
                    td colspan="7" {
                        p class="oneerror warn" { span { (words::count(rejected, "row")) " of the last load " (if rejected == 1 { "waits" } else { "wait" }) " in " a href={ (address) "/files#quarantine" } { "quarantine" } "; the other rows are loaded." } }
                    }
                }
            }
        }
    }
}

/// When a run ended: how long ago, as long as that says more than the time, and the time.
fn success(at: i64, reader: &Reader) -> Markup {
    let near = reader.clock.near(at);
    html! {
        time datetime=(Clock::machine(at)) {
            @match reader.clock.ago(at) {
                Some(ago) => { (ago) br; span class="soft" { (near) } },
                None => (near),
            }
        }
    }
}

fn last_run(job: &Job, last: Option<&Run>) -> Markup {
    let Some(run) = last else {
        let text = if job.runs.is_none() { "…" } else { "No run yet" };
        return html! { span class="st off" { (icon("none")) (text) } };
    };
    let outcome = run.outcome();
    html! {
        span class={ "st " (outcome_class(outcome)) } { (icon(outcome_icon(outcome))) (outcome.word()) }
        @if outcome.is_running() {
            div { a href=(path(&["jobs", &job.name, "runs", &run.head.name])) { (progress(job, run).unwrap_or_else(|| "Follow it".to_owned())) } }
        }
    }
}

/// How far a run of windows is, `20 of 31 days`.
pub(super) fn progress(job: &Job, run: &Run) -> Option<String> {
    let story = run.story.as_ref()?;
    let items = story.visits.iter().rev().find_map(|visit| visit.items.as_ref())?;
    let total = items.total.map(u64::from).filter(|total| *total > 0)?;
    // What failed is over too, and is not there.
    let done = items.known.iter().filter(|item| item.to.is_some() && item.error.is_none()).count() as u64;
    let is_daily = matches!(job.spec.windows["window"].as_str(), Some("1 day" | "day"));
    let noun = match job.kind {
        Kind::CopyTable | Kind::MysqlToRedshift if is_daily => "day",
        Kind::CopyTable | Kind::MysqlToRedshift => "window",
        Kind::TransformAndUpsert => "batch",
        Kind::AthenaElt => "table",
    };
    let nouns = if noun == "batch" && total != 1 { "batches".to_owned() } else { words::plural(total, noun) };
    Some(format!("{} of {} {nouns}", words::number(done), words::number(total)))
}

/// Why a run failed, in a line.
fn reason(stack: &Stack, job: &Job, run: &Run) -> Option<String> {
    if !run.outcome().is_bad() {
        return None;
    }
    match (&run.facts, &run.row) {
        (Some(facts), _) => errors::short(job.kind, run.outcome(), facts),
        (None, Some(row)) => row.error.as_deref().map(|error| words::visible(error, 120)),
        (None, None) => {
            let (being, cannot) = ("Why is being read …", "Why cannot be read now.");
            Some(unread(stack, "states:DescribeExecution", being, cannot).to_owned())
        }
    }
}

/// When a job runs, in words, and when next.
pub(super) fn schedule(stack: &Stack, job: &Job, reader: &Reader) -> (String, Option<Markup>) {
    let by_upload = stack.runs_on_upload && job.kind == Kind::TransformAndUpsert;
    let by_clock = job.schedule.as_ref().filter(|schedule| **schedule != Schedule::None).map(Schedule::words);
    let words = match (by_upload, by_clock) {
        (true, Some(clock)) => format!("on upload; {clock}"),
        (true, None) => "on upload".to_owned(),
        (false, Some(clock)) => clock,
        (false, None) if job.schedule.is_none() => "…".to_owned(),
        (false, None) => "by hand, or after another job".to_owned(),
    };
    let next = job.schedule.as_ref().and_then(|schedule| schedule.next(reader.clock.now));
    let next = next.map(|next| time(next, &format!("next in {}", words::about(next - reader.clock.now))));
    (words::visible(&words, 200), next.or_else(|| by_upload.then(|| html! { "when a file lands" })))
}

/// What to do if nothing ever ran.
fn first_run(stack: &Stack) -> Markup {
    let Some(job) = stack.jobs.values().find(|job| job.kind == Kind::TransformAndUpsert) else { return html! {} };
    let upload = format!("aws s3 cp FILE 's3://{}/{}'", stack.bucket, job.spec.prefix);
    html! {
        section class="card" aria-labelledby="h-first" {
            header { h2 id="h-first" { "Make the first run" } span class="soft" { "it takes seconds" } }
            div class="pad" {
                ol class="steps" {
                    li {
                        h3 { "Upload a file" }
                        p class="soft" { "The job " (words::visible(&job.name, 80)) " watches " (key(&format!("s3://{}/{}", stack.bucket, job.spec.prefix))) }
                        pre class="cmd" tabindex="0" { @if !stack.is_account { ". .sluice/env\n" } (words::visible_lines(&upload)) }
                    }
                    li {
                        h3 { "A run starts by itself" }
                        p class="soft" { "It appears above, live. Without a file, start one by hand: it will find nothing new, and say so." }
                        @if stack.allows_actions { p { a class="btn first" href={ (path(&["jobs", &job.name])) "/run" } { (icon("play")) "Run now…" } } }
                    }
                    li {
                        h3 { "See what it loaded" }
                        pre class="cmd" tabindex="0" { "psql \"$DATABASE_URL\" -c 'select * from " (words::visible(&job.spec.table(), 120)) " limit 5'" }
                    }
                }
            }
        }
    }
}
