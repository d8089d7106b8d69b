//! One run: the error first, then the way through the states, when, and the lines.

use super::frame::{crumbs, icon, key, outcome_class, outcome_icon, prose, time};
use super::logs::short;
use super::notices::{amiss, is_coming, unread};
use super::{Block, Reader, View, changed, graph, history, logs, path, timeline};
use crate::errors::{self, Failure};
use crate::facts::Facts;
use crate::kind::Kind;
use crate::loading::{Loading, loading};
use crate::marks::{Mark, Marks, marks};
use crate::model::{Job, Origin, Run, Stack};
use crate::outcome::Outcome;
use crate::shared::DEFINITION;
use crate::words;
use maud::{Markup, html};

/// What is chosen in a run's view.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    /// How many items of a Map are shown.
    pub items: usize,
}

/// The view.
pub fn run(stack: &Stack, job: &Job, run: &Run, reader: &Reader, query: &RunQuery) -> View {
    let outcome = run.outcome();
    let marks = match &run.story {
        Some(story) => marks(run.definition(job), story, outcome, reader.clock.now),
        None => Marks::default(),
    };
    let error = match run.facts.as_deref() {
        Some(facts) => {
            let loading = loading(job.kind, run.story.as_deref());
            errors::failure(job.kind, outcome, facts, loading).map(|failure| error(job, run, &failure, &marks, loading))
        }
        None => outcome.is_bad().then(|| unread_error(stack, run)),
    };
    let explained = run.facts.as_deref().filter(|facts| !facts.explained.is_empty()).map(explained);
    // Each part is always there, so that what comes later has its place.
    let part = |name, markup: Option<Markup>| Block::Part(name, markup.unwrap_or_else(|| html! {}));
    let mut blocks = vec![
        Block::Part("head", head(stack, job, run, reader)),
        amiss(stack, reader),
        part("forgotten", run.is_forgotten.then(|| history::forgotten(run))),
        part("error", error),
        Block::Part("facts", facts(stack, job, run, reader)),
        part("counts", counts(run)),
        part("explained", explained),
    ];
    if !run.is_forgotten {
        let items = if query.items == 0 { timeline::ITEMS } else { query.items.min(10_000) };
        let times = match &run.story {
            Some(story) => timeline::timeline(job, run, story, &marks, reader.clock.now, items),
            None => {
                let (being, cannot) =
                    ("Reading the states of this run …", "The states of this run cannot be read now.");
                let text = unread(stack, "states:GetExecutionHistory", being, cannot);
                html! { section class="card" { p class="pad soft" { (text) } } }
            }
        };
        blocks.push(Block::Two(
            vec![("graph", way(job, run, &marks))],
            vec![("timeline", times), ("log", logs::section(stack, job, run, reader)), ("data", data(run))],
        ));
    }
    View {
        title: format!("{} run of {}", outcome.word(), reader.clock.spoken(run.head.started)),
        is_files: false,
        job: Some(job.name.clone()),
        is_running: outcome.is_running() || is_being_read(stack, job, run),
        is_live: true,
        blocks,
    }
}

/// Whether something that its view shows is still on its way.
fn is_being_read(stack: &Stack, job: &Job, run: &Run) -> bool {
    let compared = if run.outcome().is_bad() { job.last_good(run).map(|good| [run, good]) } else { None };
    let is_defined = |run: &Run| run.revision.is_some() || run.is_revision_lost || run.is_forgotten;
    let are_defined = compared.into_iter().flatten().all(is_defined);
    !run.is_forgotten
        && (is_coming(stack, run.facts.is_some(), "states:DescribeExecution")
            || is_coming(stack, run.is_told(), "states:GetExecutionHistory")
            || is_coming(stack, logs::are_complete(run), "logs:FilterLogEvents")
            || is_coming(stack, are_defined, DEFINITION))
}

/// Of a run that did not end well, before anything else is known.
fn unread_error(stack: &Stack, run: &Run) -> Markup {
    let name = run.row.as_ref().and_then(|row| row.error.as_deref());
    html! {
        section class="error" {
            div class="what" {
                (icon("bad"))
                div { h2 { @match name { Some(name) => { "The run ended with " (words::visible(name, 80)) }, None if run.is_forgotten => { "Why was not written down" }, None => (unread(stack, "states:DescribeExecution", "Why is being read …", "Why cannot be read now")) } } }
            }
        }
    }
}

fn head(stack: &Stack, job: &Job, run: &Run, reader: &Reader) -> Markup {
    let outcome = run.outcome();
    let runs = job.runs.as_deref().unwrap_or_default();
    let place = runs.iter().position(|known| known.head.arn == run.head.arn);
    let before = place.and_then(|place| runs.get(place + 1));
    let after = place.and_then(|place| runs.get(place.checked_sub(1)?));
    let address = |run: &Run| path(&["jobs", &job.name, "runs", &run.head.name]);
    let took = words::duration(run.head.took(reader.clock.now));
    html! {
        (crumbs(Some(&job.name), &format!("Run {}", short(&run.head.name))))
        div class="head" {
            div {
                h1 { span { "Run of " (time(run.head.started, &reader.clock.spoken(run.head.started))) } " " span class={ "chip " (outcome_class(outcome)) } { (icon(outcome_icon(outcome))) (outcome.word()) } }
                p class="sub" {
                    "Job " a href=(path(&["jobs", &job.name])) { (words::visible(&job.name, 80)) }
                    @if let Some(facts) = &run.facts {
                        " · started by " (facts.started_by.words)
                        @if let Some(uploaded) = &facts.started_by.key { " " (key(uploaded)) }
                    }
                    @if outcome.is_running() { " · for " (took) } @else { " · ended after " (took) }
                }
            }
            div class="acts" {
                @if let Some(run) = before { a class="btn" href=(address(run)) { "‹ Run before" } }
                @if let Some(run) = after { a class="btn" href=(address(run)) { "Run after ›" } }
                @if stack.allows_actions {
                    @if outcome.is_running() { a class="btn danger" href={ (address(run)) "/stop" } { (icon("stop")) "Stop…" } }
                    @else { a class="btn" href={ (path(&["jobs", &job.name])) "/run" } { "Run now…" } }
                }
            }
        }
    }
}

fn error(job: &Job, run: &Run, failure: &Failure, marks: &Marks, loading: Loading) -> Markup {
    let failed = run.story.as_ref().and_then(|story| {
        let mut visits = story.visits.iter().rev();
        visits.find(|visit| {
            marks.of(&visit.state) == Mark::Failed
                && !run.definition(job).state(&visit.state).is_some_and(|state| state.kind.is_end())
        })
    });
    let table = job.spec.table();
    let quarantine = path(&["jobs", &job.name, "quarantine", &format!("{}.csv", run.head.name)]);
    let has_lines = failure.places.iter().any(|place| !place.line.is_empty());
    html! {
        section class="error" aria-labelledby="h-err" {
            div class="what" {
                (icon("bad"))
                div {
                    h2 id="h-err" { (failure.headline) }
                    p {
                        code { (words::visible(&failure.error, 120)) }
                        @if let Some(visit) = failed { " in state " a href={ "#s-" (words::state(&visit.state)) } { (words::state(&visit.state)) } }
                        "."
                        @if !table.is_empty() && loading == Loading::NotReached { " The table " code { (words::visible(&table, 120)) } " is as it was before this run." }
                    }
                }
            }
            div class="cols" {
                div {
                    h3 { @if failure.places.is_empty() { "What was said" } @else { "Where" } }
                    @if !failure.places.is_empty() {
                        div class="scroll" tabindex="0" role="region" aria-label="Where" {
                            table class="places" {
                                thead {
                                    tr {
                                        th scope="col" { @if has_lines { "File" } @else { "What" } }
                                        @if has_lines { th scope="col" { "Line" } th scope="col" { "Column" } }
                                        th scope="col" { "Why" }
                                    }
                                }
                                tbody {
                                    @for place in &failure.places {
                                        tr {
                                            td class="mono break" { (key(&place.what)) }
                                            @if has_lines {
                                                td class="line" { (place.line) }
                                                td {
                                                    @if let Some((number, name)) = &place.column {
                                                        (number) " " @if !name.is_empty() { span class="soft" { "(" (words::visible(name, 120)) ")" } }
                                                    }
                                                }
                                            }
                                            td { (words::visible(&place.reason, 2_000)) }
                                        }
                                    }
                                }
                            }
                        }
                        @if failure.more > 0 { p class="soft" { "and " (words::count(failure.more, "more row")) } }
                    }
                    @if let Some(cause) = &failure.cause { pre tabindex="0" { (words::visible(cause, words::LINE_BYTES)) } }
                }
                div {
                    h3 { "What to do" }
                    @if failure.to_do.is_empty() { p { "There is no advice for this error here: look up its name in the documentation of the service." } }
                    @else { ol class="todo" { @for step in &failure.to_do { li { (prose(step)) } } } }
                }
            }
            @if failure.has_quarantine || has_lines {
                div class="foot" {
                    @if failure.has_quarantine { a href=(quarantine) { (icon("down")) " Download the bad rows as CSV" } }
                    @if let Some(place) = failure.places.first().filter(|_| !job.spec.prefix.is_empty()) {
                        a href={ (path(&["jobs", &job.name, "files", "why"])) "?key=" (super::value(&place.what)) } { "The file and its history" }
                    }
                    span class="grow" {}
                    span class="soft" { "Cell values are shown nowhere on this page; the download has them." }
                }
            }
        }
    }
}

fn facts(stack: &Stack, job: &Job, run: &Run, reader: &Reader) -> Markup {
    let good = job.last_good(run);
    let outcome = run.outcome();
    html! {
        section class="card" {
            dl class="facts" {
                div { dt { "Started" } dd { (time(run.head.started, &reader.clock.full(run.head.started))) " " (reader.clock.name) } }
                div { dt { @if outcome.is_running() { "At work for" } @else { "Took" } } dd { (words::duration(run.head.took(reader.clock.now))) } }
                @if outcome.is_bad() || outcome == Outcome::Stopped { div { dt { "Loaded" } dd { (what_was_loaded(job, run)) } } }
                @if let Some(good) = good {
                    div {
                        dt { "Last good run" }
                        dd { a href=(path(&["jobs", &job.name, "runs", &good.head.name])) { (reader.clock.near(good.head.started)) } ", " (words::about(run.head.started - good.head.started)) " before" }
                    }
                    @if outcome.is_bad() { div { dt { "Changed since the last good run" } dd class="break" { (changed::since(stack, run, good, reader)) } } }
                }
                @if let Some(at) = run.row.as_ref().and_then(|row| row.committed) { div { dt { "Committed" } dd { (time(at, &reader.clock.near(at))) } } }
                @if outcome.is_running() && let Some(progress) = super::jobs::progress(job, run) { div { dt { "So far" } dd { (progress) } } }
            }
        }
    }
}

/// What a run that did not end well has loaded all the same, as far as that is known.
fn what_was_loaded(job: &Job, run: &Run) -> Markup {
    let loading = loading(job.kind, run.story.as_deref());
    html! {
        @match (&run.row, loading, job.kind) {
            (Some(row), ..) if row.committed.is_some() => "everything, before that",
            // A load writes a row of its own.
            (Some(row), Loading::Unknown, _) if row.origin == Origin::Runs => "nothing",
            (_, Loading::NotReached, _) => "nothing",
            (_, Loading::Done, _) => "its load ended well before that",
            (_, _, Kind::CopyTable) => { "what is in " code { "sluice.windows" } },
            (_, Loading::Unknown, _) => "not known before its states are read",
            (_, Loading::Reached, Kind::AthenaElt) => "tables that it had published before that",
            (_, Loading::Reached, Kind::MysqlToRedshift) => "windows that were committed before that",
            (_, Loading::Reached, Kind::TransformAndUpsert) => "nothing, unless its transaction was committed before that",
        }
    }
}

/// What a run did, in numbers.
fn counts(run: &Run) -> Option<Markup> {
    let counts = match (&run.facts, &run.row) {
        (Some(facts), _) if !facts.counts.is_empty() => &facts.counts,
        (_, Some(row)) if !row.counts.is_empty() => &row.counts,
        _ => return None,
    };
    let text = |count: &crate::facts::Count| {
        if count.is_bytes { words::size(count.number) } else { words::number(count.number) }
    };
    let notes = run.facts.as_ref().map(|facts| facts.notes.as_slice()).unwrap_or_default();
    Some(html! {
        section class="card" aria-label="What it did" {
            ul class="counts" { @for count in counts { li { b { (text(count)) } span { (what(count)) } } } }
            @for note in notes { p class="pad" { (words::visible(note, 2_000)) } }
        }
    })
}

/// What a number is of; behind a size its unit is no news.
fn what(count: &crate::facts::Count) -> &str {
    match count.what.strip_prefix("bytes").filter(|_| count.is_bytes) {
        Some("") => "in all",
        Some(of) => of.trim_start(),
        None => &count.what,
    }
}

fn explained(facts: &Facts) -> Markup {
    html! {
        section class="card" aria-labelledby="h-why" {
            header { h2 id="h-why" { "Why files are new or not" } }
            div class="scroll" tabindex="0" role="region" aria-label="Table of files" {
                table class="list cards" {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "Is it new?" } th scope="col" { "Why" } } }
                    tbody {
                        @for file in &facts.explained {
                            tr { td { (key(&file.key)) } td { @if file.is_new { "new" } @else { "not new" } } td { (words::visible(&words::sentence(&file.reason), 2_000)) } }
                        }
                    }
                }
            }
        }
    }
}

fn way(job: &Job, run: &Run, marks: &Marks) -> Markup {
    let reached = marks.states.len();
    html! {
        section class="card" aria-labelledby="h-graph" {
            header {
                h2 id="h-graph" { "Way through the states" }
                span class="soft" {
                    @match now_in(run) { Some(state) => { "now in " (words::state(state)) }, None => { (reached) " of " (run.definition(job).len()) " states reached" } }
                }
            }
            div class="graph" tabindex="0" role="region" aria-label="Graph of states" { (graph::graph(run.definition(job), marks)) }
            div class="pad" { (graph::legend()) }
        }
    }
}

fn now_in(run: &Run) -> Option<&str> {
    let story = run.story.as_ref().filter(|story| story.ended.is_none())?;
    story.visits.iter().rev().find(|visit| visit.left.is_none()).map(|visit| visit.state.as_str())
}

fn data(run: &Run) -> Markup {
    let texts =
        run.facts.as_ref().map(|facts| [("Input of the run", &facts.input), ("Output of the run", &facts.output)]);
    html! {
        section class="card" aria-labelledby="h-io" {
            header { h2 id="h-io" { "Input and output" } span class="soft" { "references and counts only" } }
            @for (title, text) in texts.into_iter().flatten() {
                @if let Some(text) = text { details { summary { (title) } div class="pad" { pre tabindex="0" { (text) } } } }
            }
            p class="pad soft" { "Execution " code class="break" { (words::visible(&run.head.arn, 400)) } }
        }
    }
}
