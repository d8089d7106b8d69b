//! One job: its days, its runs beside their states, how much and how long.

use super::frame::{crumbs, icon, outcome_class, outcome_icon, time};
use super::notices::{amiss, are_runs_coming, is_coming};
use super::{Block, Reader, View, calendar, grid, history, jobs, path, plots};
use crate::actions::Action;
use crate::errors;
use crate::model::{Job, Stack};
use crate::shared::RUNS_READ;
use crate::words;
use maud::{Markup, html};

/// The view; `query` is what was chosen.
pub fn job(stack: &Stack, job: &Job, reader: &Reader, query: &[(String, String)]) -> View {
    let outcomes: Vec<&str> = chosen(query, "o").flat_map(|value| value.split(',')).collect();
    let wanted = grid::Wanted {
        without: match outcomes.is_empty() {
            true => Vec::new(),
            false => grid::OUTCOMES.iter().map(|(slug, _)| *slug).filter(|slug| !outcomes.contains(slug)).collect(),
        },
        days: chosen(query, "from")
            .next()
            .and_then(|value| value.strip_suffix('d')?.parse::<u16>().ok())
            .map_or(0, i64::from),
        all_states: chosen(query, "states").next() == Some("all"),
    };
    let year = chosen(query, "year").next().and_then(|value| value.parse().ok());
    let runs = job.runs.as_deref().unwrap_or_default();
    let mut blocks = vec![Block::Part("head", head(stack, job, reader)), amiss(stack, reader)];
    if calendar::has_days(job) {
        blocks.push(Block::Part("days", calendar::section(stack, job, reader, year)));
    }
    blocks.push(Block::Part("grid", grid::section(stack, job, reader, &wanted)));
    blocks.push(Block::Part("plots", plots::plots(runs, reader)));
    let has_failed = calendar::failed_lately(runs).next().is_some();
    blocks.push(Block::Part(
        "failed",
        if has_failed {
            failed(job, reader)
        } else {
            html! {}
        },
    ));
    blocks.push(Block::Part("history", history::section(stack, job, reader)));
    let are_told = runs.iter().take(RUNS_READ).all(|run| run.is_forgotten || run.is_told());
    let is_running = runs.iter().any(|run| run.outcome().is_running())
        || are_runs_coming(stack, job)
        || is_coming(stack, are_told, "states:GetExecutionHistory");
    View {
        title: words::visible(&job.name, 80),
        is_files: false,
        job: Some(job.name.clone()).filter(|_| !job.spec.prefix.is_empty()),
        is_running,
        is_live: true,
        blocks,
    }
}

/// All values of a name in a query.
fn chosen<'a>(query: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    query.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn head(stack: &Stack, job: &Job, reader: &Reader) -> Markup {
    let address = path(&["jobs", &job.name]);
    let last = jobs::last(job);
    let (schedule, next) = jobs::schedule(stack, job, reader);
    let button = |action: Action, text: &str, is_first: bool| {
        html! {
            a class={ "btn" @if is_first { " first" } } href={ (address) "/" (action.slug()) } { @if is_first { (icon("play")) } (text) }
        }
    };
    let all = [
        (Action::Run, "Run now…"),
        (Action::DryRun, "Dry run…"),
        (Action::Again, "Load again…"),
        (Action::Since, "Since…"),
        (Action::Backfill, "Backfill…"),
    ];
    html! {
        (crumbs(None, &job.name))
        div class="head" {
            div {
                h1 {
                    (words::visible(&job.name, 80))
                    @if let Some(run) = last { span class={ "chip " (outcome_class(run.outcome())) } { (icon(outcome_icon(run.outcome()))) (run.outcome().word()) } }
                }
                p class="sub" { (job.kind.name()) (what(job)) " · " (schedule) @if let Some(next) = next { ", " (next) } }
            }
            div class="acts" {
                @if stack.allows_actions {
                    @for (action, text) in all.iter().filter(|(action, _)| action.is_for(job.kind)) { (button(*action, text, *action == Action::Run)) }
                } @else {
                    a class="btn" href={ (address) "/run" } { "How to run it…" }
                }
                @if !job.spec.prefix.is_empty() { a class="btn" href={ (address) "/files" } { "Files" } }
            }
        }
    }
}

/// From what to what, as the spec says.
fn what(job: &Job) -> Markup {
    let (source, target) = (job.spec.source_table(), job.spec.table());
    html! {
        @if !source.is_empty() && !target.is_empty() {
            " · " code { (words::visible(&source, 120)) } " to " code { (words::visible(&target, 120)) }
        } @else if !target.is_empty() {
            " · " code { (words::visible(&job.spec.prefix, 120)) "*" } " to " code { (words::visible(&target, 120)) }
        }
    }
}

fn failed(job: &Job, reader: &Reader) -> Markup {
    html! {
        section class="card" aria-labelledby="h-bad" {
            header { h2 id="h-bad" { "What failed lately" } }
            table class="list cards" {
                thead { tr { th scope="col" { "Run" } th scope="col" { "Why" } } }
                tbody {
                    @for run in calendar::failed_lately(job.runs.as_deref().unwrap_or_default()) {
                        tr {
                            td class="nowrap" { a href=(path(&["jobs", &job.name, "runs", &run.head.name])) { (time(run.head.started, &reader.clock.near(run.head.started))) } }
                            td { @if let Some(facts) = &run.facts { (errors::short(job.kind, run.outcome(), facts).unwrap_or_default()) } @else if let Some(error) = run.row.as_ref().and_then(|row| row.error.clone()) { (words::visible(&error, 120)) } }
                        }
                    }
                }
            }
        }
    }
}
