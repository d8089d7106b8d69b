//! Runs beside their states: a column for each run, the newest at the right.

use super::frame::icon;
use super::marks::{bar, median, of_mark};
use super::notices::unread;
use super::{Reader, path};
use crate::definition::{Definition, State, StateKind};
use crate::layout;
use crate::marks::{Mark, Marks, marks};
use crate::model::{Job, Run, Stack};
use crate::outcome::Outcome;
use crate::words;
use maud::{Markup, html};

/// Most rows that a grid has, and columns.
const ROWS: usize = 12;
const COLUMNS: usize = 40;

/// Which runs and states are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Outcomes that are left out.
    pub without: Vec<&'static str>,
    /// Only runs since so many days ago; 0: all.
    pub days: i64,
    /// All states, not only those that do work.
    pub all_states: bool,
}

/// The outcomes that can be left out, by their words in an address.
pub(super) const OUTCOMES: [(&str, &str); 5] =
    [("ok", "Loaded"), ("bad", "Failed"), ("stop", "Stopped"), ("none", "Nothing new"), ("dry", "Dry runs")];

pub(super) fn slug(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Loaded | Outcome::EndedWell | Outcome::Equal | Outcome::Running => "ok",
        Outcome::Failed | Outcome::TimedOut | Outcome::Different => "bad",
        Outcome::Stopped => "stop",
        Outcome::NothingNew | Outcome::LeftToOwner | Outcome::Explained => "none",
        Outcome::DryRun => "dry",
    }
}

/// The rows: names of states, and whether each is inside a Map.
fn rows(definition: &Definition, all: bool) -> Vec<(String, bool)> {
    let mut rows = Vec::new();
    // As they stand in the graph, from top to bottom.
    let graph = layout::layout(definition);
    let height = |name: &str| graph.states.iter().find(|state| state.name == name).map_or(0.0, |state| state.y);
    let mut states: Vec<&State> = definition.states.iter().collect();
    states.sort_by(|a, b| height(&a.name).total_cmp(&height(&b.name)));
    for state in states {
        let is_error = state.name.ends_with("AfterFailure");
        if (state.kind.does_work() && !is_error && state.kind != StateKind::Wait) || (all && !state.kind.is_end()) {
            rows.push((state.name.clone(), false));
        }
        for inner in state.inner.iter().flat_map(|inner| &inner.states) {
            if inner.kind == StateKind::Task || (all && !inner.kind.is_end()) {
                rows.push((inner.name.clone(), true));
            }
        }
    }
    rows.truncate(if all { 60 } else { ROWS });
    rows
}

/// The section.
pub(super) fn section(stack: &Stack, job: &Job, reader: &Reader, wanted: &Wanted) -> Markup {
    let all = job.runs.as_deref().unwrap_or_default();
    let since = reader.clock.now - wanted.days * 86_400_000;
    let takes =
        |run: &&Run| !wanted.without.contains(&slug(run.outcome())) && (wanted.days == 0 || run.head.started >= since);
    let mut shown: Vec<&Run> = all.iter().filter(takes).take(COLUMNS).collect();
    shown.reverse();
    html! {
        section class="card" id="grid" aria-labelledby="h-grid" {
            header {
                h2 id="h-grid" { "Runs and states" }
                span class="soft" { "the newest on the right · " (shown.len()) " of " @if job.is_cut { "the newest " } (words::count(all.len() as u64, "run")) }
            }
            div class="pad" { (form(job, wanted)) }
            @if shown.is_empty() { p class="pad soft" { @if job.runs.is_none() { (unread(stack, "states:ListExecutions", "Reading the runs of this job …", "The runs of this job cannot be listed now.")) } @else if all.is_empty() { "No run yet." } @else { "No run is like that." } } }
            @else { (table(job, &shown, reader, wanted)) }
            div class="pad" { (legend()) }
        }
    }
}

fn form(job: &Job, wanted: &Wanted) -> Markup {
    html! {
        form class="filter" method="get" action={ (path(&["jobs", &job.name])) "#grid" } {
            fieldset {
                legend { "Outcome" }
                @for (slug, word) in OUTCOMES {
                    label { input type="checkbox" name="o" value=(slug) checked[!wanted.without.contains(&slug)]; (word) }
                }
            }
            label { "From " select name="from" {
                @for (value, days, text) in [("", 0, "the last 40 runs"), ("1d", 1, "the last day"), ("7d", 7, "the last 7 days"), ("30d", 30, "the last 30 days")] {
                    option value=(value) selected[days == wanted.days] { (text) }
                }
            } }
            label { "States " select name="states" {
                option value="" { "that do work" }
                option value="all" selected[wanted.all_states] { "all" }
            } }
            button class="btn" { "Show" }
        }
    }
}

fn table(job: &Job, shown: &[&Run], reader: &Reader, wanted: &Wanted) -> Markup {
    let rows = rows(&job.definition, wanted.all_states);
    let usual = median(shown);
    let told: Vec<Option<Marks>> = shown
        .iter()
        .map(|run| run.story.as_ref().map(|story| marks(run.definition(job), story, run.outcome(), reader.clock.now)))
        .collect();
    // Runs of one month stand under its name.
    let mut months: Vec<(String, usize)> = Vec::new();
    for run in shown {
        let month = reader.clock.month(run.head.started);
        match months.last_mut().filter(|(known, _)| *known == month) {
            Some((_, count)) => *count += 1,
            None => months.push((month, 1)),
        }
    }
    html! {
        div class="scroll newest" tabindex="0" role="region" aria-label="Table of runs and states" {
            table class="grid" {
                thead {
                    tr { th class="rh" scope="row" { span class="vh" { "Month" } } @for (month, count) in &months { th class="day" colspan=(count) scope="colgroup" { @if *count > 2 { (month) } @else { span class="vh" { (month) } } } } }
                    tr {
                        th class="rh" scope="col" { "took" }
                        @for run in shown {
                            th scope="col" {
                                a class="colh" href=(path(&["jobs", &job.name, "runs", &run.head.name])) aria-label=(label(run, reader)) {
                                    svg width="16" height="34" viewBox="-4.5 0 16 34" aria-hidden="true" { (bar(run, 0.0, 34.0, usual, reader.clock.now)) }
                                }
                            }
                        }
                    }
                }
                tbody {
                    @for (name, is_inner) in &rows {
                        tr {
                            th class={ "rh" @if *is_inner { " in" } } scope="row" { (words::state(name)) }
                            @for (run, told) in shown.iter().zip(&told) { (cell(run, told.as_ref().map(|marks| marks.of(name)))) }
                        }
                    }
                    tr { th class="rh" scope="row" { "End" } @for run in shown { (end(run)) } }
                }
            }
        }
    }
}

fn label(run: &Run, reader: &Reader) -> String {
    format!(
        "Run of {}: {}, took {}",
        reader.clock.spoken(run.head.started),
        run.outcome().word().to_lowercase(),
        words::duration(run.head.took(reader.clock.now))
    )
}

fn cell(run: &Run, mark: Option<Mark>) -> Markup {
    let Some(mark) = mark else {
        return html! { td class="no" { span class="soft" aria-hidden="true" { @if run.is_forgotten { "" } @else { "…" } } span class="vh" { @if run.is_forgotten { "forgotten" } @else { "not read yet" } } } };
    };
    let (_, picture) = of_mark(mark);
    html! { td class=(class(mark)) { (icon(picture)) span class="vh" { (mark.word()) } } }
}

fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::Done | Mark::Nothing => "ok",
        Mark::Retried => "re",
        Mark::Failed => "bad",
        Mark::Running => "ru",
        Mark::Stopped => "stop",
        Mark::RolledBack => "dry",
        Mark::NotReached => "no",
    }
}

fn end(run: &Run) -> Markup {
    let outcome = run.outcome();
    let class = match outcome {
        Outcome::Running => "ru",
        outcome if outcome.is_bad() || outcome == Outcome::Different => "bad",
        Outcome::Stopped => "stop",
        Outcome::NothingNew | Outcome::LeftToOwner | Outcome::Explained => "end",
        _ => "ok",
    };
    html! { td class=(class) { (icon(super::frame::outcome_icon(outcome))) span class="vh" { (outcome.word()) } } }
}

fn legend() -> Markup {
    html! {
        ul class="legend" {
            @for mark in [Mark::Done, Mark::Retried, Mark::Failed, Mark::Running, Mark::Stopped, Mark::Nothing, Mark::RolledBack, Mark::NotReached] {
                li { (icon(of_mark(mark).1)) (mark.word()) }
            }
        }
    }
}
