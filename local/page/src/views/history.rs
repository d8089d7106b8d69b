//! Runs that Step Functions has forgotten: what was written down of them, and, in words, what was not or cannot be
//! read.

use super::frame::{icon, outcome_class, outcome_icon, time};
use super::{Reader, path};
use crate::database::MOST_RUNS;
use crate::model::{Job, Origin, Run, Stack};
use crate::shared::{DATABASE, RECORDS};
use crate::trouble::Trouble;
use crate::words;
use maud::{Markup, html};

/// How many are shown.
const SHOWN: usize = 100;

/// The section of a job's view.
pub(super) fn section(stack: &Stack, job: &Job, reader: &Reader) -> Markup {
    let older: Vec<&Run> = job.runs.iter().flatten().filter(|run| run.is_forgotten).collect();
    html! {
        section class="card" id="history" aria-labelledby="h-history" {
            header {
                h2 id="h-history" { "Older runs" }
                span class="soft" { "older than the 90 days of Step Functions · " (words::count(older.len() as u64, "run")) }
            }
            @if !older.is_empty() { (table(job, &older, reader)) }
            @if older.len() > SHOWN { p class="pad soft" { "The newest " (SHOWN) " of " (words::count(older.len() as u64, "run")) "." } }
            @if job.is_cut { p class="pad" { "Of the last 90 days the newest 1" "\u{202f}" "000 runs are listed. An older one of these days is asked for when its address is opened, as from a calendar or the files." } }
            @if job.is_history_cut { p class="pad" { "What was written down is cut off: of each job the newest " (words::number(MOST_RUNS as u64)) " of these runs are read." } }
            p class="pad" { (told(stack, job)) }
        }
    }
}

fn table(job: &Job, older: &[&Run], reader: &Reader) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Table of older runs" {
            table class="list cards" {
                thead { tr { th scope="col" { "Run" } th scope="col" { "What became of it" } th scope="col" class="num" { "Rows" } } }
                tbody {
                    @for run in older.iter().take(SHOWN) {
                        tr {
                            td class="nowrap" { a href=(path(&["jobs", &job.name, "runs", &run.head.name])) { (time(run.head.started, &reader.clock.full(run.head.started))) } }
                            td {
                                span class={ "st " (outcome_class(run.outcome())) } { (icon(outcome_icon(run.outcome()))) (run.outcome().word()) }
                                @if let Some(error) = run.row.as_ref().and_then(|row| row.error.as_deref()) { " " (words::visible(error, 80)) }
                            }
                            td data-l="Rows" class="num in" { @if let Some(rows) = run.rows() { (words::number(rows)) } }
                        }
                    }
                }
            }
        }
    }
}

/// From where older runs of a job are, and which of them are not there.
fn told(stack: &Stack, job: &Job) -> Markup {
    let origin = Origin::of(job.kind);
    let reason = amiss(stack, job, origin);
    html! {
        @match reason {
            Some(reason) => { strong { "Older runs are not shown" } ": " (reason) },
            None => @match origin {
                Origin::Runs => { "From " code { "sluice.runs" } ": runs that loaded, and runs that failed, took too long or were stopped, once a later one has loaded. Those that found nothing new are not there." },
                Origin::Windows => { "From " code { "sluice.windows" } ": runs that copied a window which no later run has copied again. When they began and how they ended is not there, and runs that copied nothing are not either." },
                Origin::Document => { "From " (records(job)) ": runs that ended well. Those that failed, were stopped or had nothing to do are not there." },
            },
        }
    }
}

fn records(job: &Job) -> Markup {
    html! { code { "state/" (words::visible(&job.name, 80)) "/runs/" } }
}

/// Why what was written down cannot be read.
pub(super) fn amiss(stack: &Stack, job: &Job, origin: Origin) -> Option<Markup> {
    let table = if origin == Origin::Windows { "sluice.windows" } else { "sluice.runs" };
    if origin == Origin::Document {
        let trouble = &stack.notices.get(RECORDS)?.trouble;
        return Some(match trouble {
            Trouble::Denied => html! { "these credentials may not read " (records(job)) " (" code { (RECORDS) } ")." },
            _ => html! { (records(job)) " cannot be read now." },
        });
    }
    if !stack.has_database {
        return Some(html! {
            "the page knows no database. Start it with " code { "DATABASE_URL" } " to have them from " code { (table) } "."
        });
    }
    let trouble = &stack.notices.get(DATABASE)?.trouble;
    Some(match trouble {
        Trouble::Denied => {
            html! { "the user of " code { "DATABASE_URL" } " may not select from " code { (table) } "." }
        }
        Trouble::Gone | Trouble::Late if job.spec.is_toggled => html! {
            "the database is closed. With the network mode " code { "toggle" } " it is open only while a run loads; then they are read."
        },
        _ => html! { "the database cannot be reached from here." },
    })
}

/// Above an older run.
pub(super) fn forgotten(run: &Run) -> Markup {
    html! {
        div class="note" {
            (icon("none"))
            div {
                strong { "This run is older than 90 days, or its state machine was made anew." }
                " Step Functions has forgotten its states and lines; "
                @match run.row.as_ref().map(|row| row.origin) {
                    Some(Origin::Runs) => { "what is here is from " code { "sluice.runs" } "." },
                    Some(Origin::Windows) => { "what is here is from the windows in " code { "sluice.windows" } " that no later run has copied again, and its times are theirs." },
                    Some(Origin::Document) => { "what is here is from its record in the bucket." },
                    None => { "nothing else was written down of it." },
                }
            }
        }
    }
}
