//! The files of a job: new, loaded, passed over, changed, in quarantine; and why.

use super::frame::{crumbs, icon, key, time};
use super::notices::{amiss, is_coming, unread};
use super::{Block, Reader, View, path, value};
use crate::files::{File, Files, State};
use crate::model::{Job, Stack};
use crate::shared::LEDGER;
use crate::words;
use maud::{Markup, html};

/// How many files a page has.
const PAGE: usize = 50;

/// The call that lists files.
const LIST: &str = "s3:ListBucket";

/// The view; `query` is what was chosen.
pub fn files(stack: &Stack, job: &Job, reader: &Reader, query: &[(String, String)]) -> View {
    let chosen = |name: &str| query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let (state, prefix) = (chosen("state"), chosen("prefix"));
    let page = chosen("page").parse::<usize>().unwrap_or(1).max(1);
    let markup = match job.files.as_deref() {
        None => {
            let place = key(&format!("s3://{}/{}", stack.bucket, job.spec.prefix));
            html! { p class="say" { "Listing " (place) (unread(stack, LIST, " …", ": it cannot be listed now.")) } }
        }
        Some(files) => html! {
            (say(files))
            (not_known(stack, files))
            (listed(job, files, reader, (state, prefix), page))
            (quarantine(job, files, reader))
        },
    };
    View {
        title: format!("Files of {}", words::visible(&job.name, 60)),
        is_files: true,
        job: Some(job.name.clone()),
        is_running: is_being_read(stack, job),
        is_live: true,
        blocks: vec![
            Block::Part("head", head(stack, job, reader, (state, prefix))),
            amiss(stack, reader),
            Block::Part("files", markup),
        ],
    }
}

/// Whether the list, or what of it is loaded, is still on its way.
fn is_being_read(stack: &Stack, job: &Job) -> bool {
    let is_known = job.files.as_ref().is_none_or(|files| files.is_loaded_known && files.entries_unread == 0);
    is_coming(stack, job.files.is_some(), LIST) || is_coming(stack, is_known, LEDGER)
}

fn head(stack: &Stack, job: &Job, reader: &Reader, (state, prefix): (&str, &str)) -> Markup {
    let others: Vec<&Job> =
        stack.jobs.values().filter(|other| !other.spec.prefix.is_empty() && other.name != job.name).collect();
    html! {
        (crumbs(Some(&job.name), "Files"))
        div class="head" {
            div {
                h1 { "Files" }
                p class="sub" {
                    "of " a href=(path(&["jobs", &job.name])) { (words::visible(&job.name, 80)) } ": " (key(&format!("{}*", job.spec.prefix)))
                    @if let Some(files) = &job.files { " · listed at " (time(files.listed_at, &reader.clock.time(files.listed_at))) " " (reader.clock.name) }
                    @for other in others { " · " a href={ (path(&["jobs", &other.name])) "/files" } { "those of " (words::visible(&other.name, 80)) } }
                }
            }
            form class="filter" method="get" action={ (path(&["jobs", &job.name])) "/files" } {
                label for="fs" class="vh" { "State" }
                select id="fs" name="state" {
                    option value="" { "All states" }
                    @for known in State::ALL { option value=(known.slug()) selected[known.slug() == state] { (known.word()) } }
                }
                label for="fq" class="vh" { "Key begins with" }
                input id="fq" type="search" name="prefix" placeholder="Key begins with …" value=(prefix);
                button class="btn" { "Show" }
            }
        }
    }
}

fn say(files: &Files) -> Markup {
    let count = |state: State| files.files.iter().filter(|file| file.state == state).count() as u64;
    let (new, loaded, passed) =
        (count(State::New) + count(State::Changed), count(State::Loaded), count(State::PassedOver));
    html! {
        p class="say" {
            @match new {
                _ if count(State::Unread) > 0 => strong { "What is new is not known yet." },
                0 => strong { "No file is new." },
                1 => { strong { "1 file is new" } "; the next run takes it up." },
                _ => { strong { (words::number(new)) " files are new" } "; the next run takes them up." },
            }
            " " (words::number(loaded)) " " (if loaded == 1 { "is" } else { "are" }) " loaded, " (words::number(passed)) " " (if passed == 1 { "was" } else { "were" }) " passed over."
            @if files.is_cut { " The prefix holds more than these " (words::number(files.files.len() as u64)) "." }
        }
    }
}

/// What is not known yet of what is loaded, or cannot be.
fn not_known(stack: &Stack, files: &Files) -> Markup {
    html! {
        @if !files.is_loaded_known { p class="soft" { "What is loaded " (unread(stack, LEDGER, "is not read yet", "cannot be read now")) ": which files are new is not known before that." } }
        @else if files.entries_unread > 0 { p class="soft" { (words::count(files.entries_unread as u64, "record")) " of what older runs loaded " (if files.entries_unread == 1 { "is" } else { "are" }) " not read yet, the newest first." } }
    }
}

fn listed(job: &Job, files: &Files, reader: &Reader, (state, prefix): (&str, &str), page: usize) -> Markup {
    let takes = |file: &&File| (state.is_empty() || file.state.slug() == state) && file.object.key.starts_with(prefix);
    let found: Vec<&File> = files.files.iter().filter(takes).collect();
    // There are no pages behind the last one, whatever an address says.
    let page = page.min(found.len().div_ceil(PAGE).max(1));
    let shown: Vec<&&File> = found.iter().skip((page - 1) * PAGE).take(PAGE).collect();
    let to_page = |page: usize| {
        format!("{}/files?state={}&prefix={}&page={page}", path(&["jobs", &job.name]), value(state), value(prefix))
    };
    html! {
        section class="card" aria-labelledby="h-files" {
            header { h2 id="h-files" { "In the bucket" } span class="soft" { (shown.len()) " of " (words::number(files.files.len() as u64)) ", the newest first" } }
            @if shown.is_empty() { p class="pad soft" { @if files.files.is_empty() { "There is no object under the prefix." } @else { "No file is like that." } } }
            @else {
                table class="list cards" {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "State" } th scope="col" { "Loaded by run" } th scope="col" { "Dated" } th scope="col" class="num" { "Bytes" } th scope="col" { span class="vh" { "Explain" } } } }
                    tbody { @for file in shown { (row(job, file, reader)) } }
                }
            }
            @if page > 1 || found.len() > page * PAGE {
                p class="pad soft" { @if page > 1 { a href=(to_page(page - 1)) { "newer ones" } " " } @if found.len() > page * PAGE { a href=(to_page(page + 1)) { "older ones" } } }
            }
        }
    }
}

/// The class and the picture of a state.
fn look(state: State) -> (&'static str, &'static str) {
    match state {
        State::New => ("run", "wait"),
        State::Loaded => ("ok", "ok"),
        State::PassedOver | State::Old => ("off", "no"),
        State::Unread => ("off", "wait"),
        State::Changed => ("warn", "retry"),
        State::SetAside => ("warn", "tray"),
    }
}

/// What stands below a key: of one that is passed over the reason, of others what its state means.
fn note(file: &File) -> Option<&str> {
    let note = if file.state == State::PassedOver { &file.why } else { file.state.note() };
    Some(note).filter(|note| !note.is_empty())
}

fn row(job: &Job, file: &File, reader: &Reader) -> Markup {
    let (class, picture) = look(file.state);
    html! {
        tr {
            td class="break" { (key(&file.object.key)) @if let Some(note) = note(file) { div class="soft" { (words::visible(&words::sentence(note), 400)) } } }
            td data-l="" { span class={ "st " (class) } { (icon(picture)) (file.state.word()) } }
            td data-l="Loaded by run" class="nowrap" { (loaded_by(job, file, reader)) }
            td data-l="Dated" class="nowrap" { (time(file.object.modified, &reader.clock.near(file.object.modified))) }
            td data-l="Bytes" class="num" { (words::number(file.object.size)) }
            td class="nowrap" { a href={ (path(&["jobs", &job.name, "files", "why"])) "?key=" (value(&file.object.key)) } { "Why?" span class="vh" { " " (words::visible(&file.object.key, 200)) } } }
        }
    }
}

fn loaded_by(job: &Job, file: &File, reader: &Reader) -> Markup {
    let Some(arn) = &file.run else {
        return html! { @if file.state == State::New { span class="soft" { "next run" } } };
    };
    let name = arn.rsplit(':').next().unwrap_or_default();
    let text = job.run(name).map_or_else(|| super::logs::short(name), |run| reader.clock.near(run.head.started));
    html! { a href=(path(&["jobs", &job.name, "runs", name])) { (text) } }
}

fn quarantine(job: &Job, files: &Files, reader: &Reader) -> Markup {
    let rows: u64 = files.quarantine.iter().map(|file| file.rows).sum();
    html! {
        section class="card" id="quarantine" aria-labelledby="h-q" {
            header { h2 id="h-q" { "In quarantine" } span class="soft" { (words::count(rows, "row")) " of " (words::count(files.quarantine.len() as u64, "file")) " · rows are in the download only" } }
            @if files.quarantine.is_empty() { p class="pad soft" { "Nothing was set aside." } }
            @else {
                table class="list cards" {
                    thead { tr { th scope="col" { "File" } th scope="col" class="num" { "Rows" } th scope="col" { "Reasons" } th scope="col" { "Run" } th scope="col" { "State" } th scope="col" { span class="vh" { "Download" } } } }
                    tbody {
                        @for bad in &files.quarantine {
                            @let run = job.run(&bad.run);
                            @let newer = files.files.iter().find(|file| file.object.key == bad.key);
                            @let is_newer = newer.zip(run).is_some_and(|(file, run)| file.object.modified > run.head.started);
                            tr {
                                td class="break" { (key(&bad.key)) @if !bad.lines.is_empty() { div class="soft" { (if bad.rows == 1 { "line " } else { "lines " }) (bad.lines.join(", ")) @if bad.rows > bad.lines.len() as u64 { " …" } } } }
                                td data-l="Rows" class="num" { @if bad.is_unread { "…" } @else if bad.rows > 0 { (words::number(bad.rows)) } @else { "all" } }
                                td data-l="Reasons" { @for (place, (reason, count)) in bad.reasons.iter().take(6).enumerate() { @if place > 0 { ", " } (count) " " (words::visible(reason, 160)) } }
                                td data-l="Run" class="nowrap" { a href=(path(&["jobs", &job.name, "runs", &bad.run])) { (run.map_or_else(|| super::logs::short(&bad.run), |run| reader.clock.near(run.head.started))) } }
                                td { @match newer { None if bad.is_unread => "Its reasons are not read", None => "The file is gone", Some(_) if is_newer => "There is a newer version", Some(_) => "Waits" } }
                                td class="nowrap" { a href=(path(&["jobs", &job.name, "quarantine", &format!("{}.csv", bad.run)])) { (icon("down")) " CSV" span class="vh" { " of " (words::visible(&bad.key, 200)) } } }
                            }
                        }
                    }
                }
            }
            @if files.unread > 0 { p class="pad soft" { (words::count(files.unread as u64, "older file")) " of the quarantine " (if files.unread == 1 { "is" } else { "are" }) " not read." } }
            p class="pad soft" { "Correct the rows in the " em { "source" } " file and upload it again under its name: it is new by its version." }
        }
    }
}

/// Why one file is new or not.
pub fn why(stack: &Stack, job: &Job, reader: &Reader, wanted: &str) -> View {
    let file = job.files.as_ref().and_then(|files| files.files.iter().find(|file| file.object.key == wanted));
    let bad: Vec<_> = job.files.iter().flat_map(|files| &files.quarantine).filter(|bad| bad.key == wanted).collect();
    let asked = job
        .runs
        .iter()
        .flatten()
        .filter_map(|run| Some((run, run.facts.as_ref()?.explained.iter().find(|file| file.key == wanted)?)));
    let ask = format!("{}/explain?keys={}", path(&["jobs", &job.name]), value(wanted));
    let markup = html! {
        (crumbs(Some(&job.name), "A file"))
        div class="narrow" {
            div class="head" { div { h1 { "Why is it new or not?" } p class="sub" { (key(wanted)) } } }
            section class="card" aria-labelledby="h-now" {
                header { h2 id="h-now" { "As the page sees it" } }
                div class="pad" {
                    @match (job.files.is_some(), file) {
                        (false, _) => p { (unread(stack, LIST, "Listing the prefix …", "The prefix cannot be listed now.")) },
                        (true, None) => p { "There is no such object under " (key(&job.spec.prefix)) " now." },
                        (true, Some(file)) => {
                            @let (class, picture) = look(file.state);
                            p { span class={ "st " (class) } { (icon(picture)) (file.state.word()) } @if !file.why.is_empty() { ": " (words::visible(&file.why, 2_000)) } "." }
                            p class="soft" { "Dated " (time(file.object.modified, &reader.clock.full(file.object.modified))) " " (reader.clock.name) ", " (words::size(file.object.size)) "." }
                            @if file.run.is_some() { p class="soft" { "Dealt with last by the run of " (loaded_by(job, file, reader)) "." } }
                        },
                    }
                    @for bad in bad { p class="soft" { (words::count(bad.rows, "row")) " of it " (if bad.rows == 1 { "was" } else { "were" }) " set aside by the run of " a href=(path(&["jobs", &job.name, "runs", &bad.run])) { (job.run(&bad.run).map_or_else(|| super::logs::short(&bad.run), |run| reader.clock.near(run.head.started))) } "." } }
                }
            }
            section class="card" aria-labelledby="h-ask" {
                header { h2 id="h-ask" { "As a run that starts now would see it" } }
                div class="pad" {
                    p { "A run can be asked, which loads nothing: it answers in the same words, and has asked the table too where the database is open." }
                    div class="acts gap" { a class="btn" href=(ask) { "Ask a run…" } }
                }
                @for (run, file) in asked.take(3) {
                    p class="pad" { a href=(path(&["jobs", &job.name, "runs", &run.head.name])) { (reader.clock.near(run.head.started)) } ": " (if file.is_new { "new" } else { "not new" }) ": " (words::visible(&file.reason, 2_000)) }
                }
            }
        }
    };
    View {
        title: "A file".to_owned(),
        is_files: true,
        job: Some(job.name.clone()),
        is_running: is_being_read(stack, job),
        is_live: true,
        blocks: vec![amiss(stack, reader), Block::Part("why", markup)],
    }
}
