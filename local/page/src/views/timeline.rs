//! When each state of a run was at work: a table, whose bars are pieces for the attempts.

use super::frame::icon;
use super::marks::{as_f64, of_mark};
use crate::fold::{Attempt, Story, Visit};
use crate::log::{ItemCall, Lines};
use crate::marks::{Mark, Marks};
use crate::model::{Job, Run};
use crate::names;
use crate::words;
use maud::{Markup, html};

/// Shorter states of routing are named in one line, in milliseconds.
const SHORT: i64 = 10;

/// How many items of a Map are shown at first, and behind that.
pub(super) const ITEMS: usize = 40;
pub(super) const MORE_ITEMS: usize = 200;

/// A row.
struct Row {
    id: Option<String>,
    name: String,
    is_item: bool,
    mark: Mark,
    attempts: Vec<Attempt>,
    from: i64,
    to: Option<i64>,
}

/// The section. `items` is how many items of a Map are shown.
pub(super) fn timeline(job: &Job, run: &Run, story: &Story, marks: &Marks, now: i64, items: usize) -> Markup {
    let end = story.ended.map_or(now, |(_, at)| at).max(story.started + 1);
    let (mut rows, mut short, mut left_out, mut is_from_lines) = (Vec::new(), Vec::new(), 0, false);
    for (place, visit) in story.visits.iter().enumerate() {
        let took = visit.left.unwrap_or(end) - visit.entered;
        let state = run.definition(job).state(&visit.state);
        let is_first = !story.visits[..place].iter().any(|other| other.state == visit.state);
        if state.is_some_and(|state| !state.kind.does_work()) && took < SHORT {
            short.push((visit.state.as_str(), is_first));
            continue;
        }
        let mark = mark_of(visit, story, marks, place);
        rows.push(Row {
            id: is_first.then(|| visit.state.clone()),
            name: visit.state.clone(),
            is_item: false,
            mark,
            attempts: visit.attempts.clone(),
            from: visit.entered,
            to: visit.left,
        });
        if visit.items.is_some() {
            let (found, from_lines) = items_of(visit, run.lines.as_deref(), state, end, is_first);
            left_out += found.len().saturating_sub(items);
            is_from_lines |= from_lines;
            rows.extend(found.into_iter().take(items));
        }
    }
    let span = as_f64(end - story.started);
    let share = |at: i64| (as_f64(at - story.started) / span * 100.0).clamp(0.0, 100.0);
    html! {
        section class="card" aria-labelledby="h-time" {
            header {
                h2 id="h-time" { "Timeline" }
                span class="soft" { @if is_from_lines { "items from log lines" } @else { "in order; a Map’s items side by side" } }
            }
            div class="scroll" tabindex="0" role="region" aria-label="Timeline of states" {
                table class="time" {
                    thead {
                        tr {
                            th scope="col" { "State" }
                            th scope="col" class="axis" {
                                span class="vh" { "When" }
                                svg class="ax" aria-hidden="true" {
                                    text x="0%" y="11" text-anchor="start" { "0" }
                                    // Longer ones do not stand beside each other.
                                    @for quarter in (1..4_i64).filter(|quarter| *quarter == 2 || end - story.started < 60_000) {
                                        text class="q" x={ (quarter * 25) "%" } y="11" text-anchor="middle" { (words::duration((end - story.started) * quarter / 4)) }
                                    }
                                    text x="100%" y="11" text-anchor="end" { (words::duration(end - story.started)) }
                                }
                            }
                            th scope="col" class="num" { "Took" }
                        }
                    }
                    tbody {
                        @for row in &rows { (written(row, end, &share)) }
                        @if left_out > 0 {
                            tr class="fold" {
                                td colspan="3" {
                                    (words::count(left_out as u64, "more item")) " · "
                                    a href={ "?items=" (items + MORE_ITEMS) "#h-time" } { "show " (MORE_ITEMS.min(left_out)) " more" }
                                }
                            }
                        }
                        @if !short.is_empty() {
                            tr class="fold" {
                                td colspan="2" {
                                    (words::count(short.len() as u64, "routing state")) " took under 10 ms: "
                                    @for (place, (name, is_first)) in short.iter().enumerate() {
                                        @if place > 0 { ", " }
                                        span id=[is_first.then(|| format!("s-{}", words::state(name)))] { (words::state(name)) }
                                    }
                                }
                                td {}
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What became of one visit: of a state that was entered often, its own attempts say.
fn mark_of(visit: &Visit, story: &Story, marks: &Marks, place: usize) -> Mark {
    let is_last = !story.visits[place + 1..].iter().any(|other| other.state == visit.state);
    match () {
        () if is_last => marks.of(&visit.state),
        () if visit.attempts.iter().any(|attempt| attempt.error.is_some()) => Mark::Retried,
        () => Mark::Done,
    }
}

/// The items of a Map: those that failed first, then those at work, then the slowest.
fn items_of(
    visit: &Visit,
    lines: Option<&Lines>,
    state: Option<&crate::definition::State>,
    end: i64,
    is_first: bool,
) -> (Vec<Row>, bool) {
    let Some(items) = &visit.items else { return (Vec::new(), false) };
    // The calls of functions inside of the Map, while it was at work.
    let functions: Vec<&str> = state
        .into_iter()
        .flat_map(|state| &state.inner)
        .flat_map(|inner| &inner.states)
        .filter_map(|state| state.function.as_deref())
        .collect();
    let calls = lines.map(|lines| lines.items.as_slice()).unwrap_or_default();
    let until = visit.left.unwrap_or(i64::MAX);
    let calls: Vec<&ItemCall> = calls
        .iter()
        .filter(|call| call.from >= visit.entered - 5 && call.from <= until)
        .filter(|call| functions.is_empty() || functions.iter().any(|name| name.ends_with(&call.function)))
        .collect();
    let mark = |error: Option<&str>, to: Option<i64>, attempts: usize| match (error, to) {
        (Some(_), _) => Mark::Failed,
        (None, None) => Mark::Running,
        (None, Some(_)) if attempts > 1 => Mark::Retried,
        (None, Some(_)) => Mark::Done,
    };
    let (mut rows, is_from_lines): (Vec<Row>, bool) = if items.known.is_empty() {
        // An item may be called more than once: these are its attempts.
        let mut rows: Vec<Row> = Vec::new();
        for call in calls {
            let attempt = Attempt { from: call.from, to: call.to, error: call.error.clone() };
            match rows.iter_mut().find(|row| row.name == call.item) {
                Some(row) => {
                    row.attempts.push(attempt);
                    row.to = call.to;
                    row.mark = mark(
                        call.error.as_deref(),
                        call.to,
                        row.attempts.iter().filter(|a| a.error.is_some()).count() + 1,
                    );
                }
                None => rows.push(Row {
                    id: None,
                    name: call.item.clone(),
                    is_item: true,
                    mark: mark(call.error.as_deref(), call.to, 1),
                    attempts: vec![attempt],
                    from: call.from,
                    to: call.to,
                }),
            }
        }
        (rows, true)
    } else {
        let names = names::names(&items.known, &calls);
        let rows = items.known.iter().zip(names).map(|(item, name)| Row {
            id: None,
            name: name.unwrap_or_else(|| format!("item {}", item.index)),
            is_item: true,
            mark: mark(
                item.error.as_deref(),
                item.to,
                item.attempts.iter().filter(|attempt| attempt.error.is_some()).count() + 1,
            ),
            attempts: item.attempts.clone(),
            from: item.from,
            to: item.to,
        });
        (rows.collect(), false)
    };
    let order = |row: &Row| (row.mark != Mark::Failed, row.mark != Mark::Running, -(row.to.unwrap_or(end) - row.from));
    rows.sort_by_key(order);
    let inner = state.into_iter().flat_map(|state| &state.inner).flat_map(|inner| &inner.states);
    if let (true, Some(task), Some(row)) =
        (is_first, inner.into_iter().find(|state| state.kind.does_work()), rows.first_mut())
    {
        row.id = Some(task.name.clone());
    }
    let is_from_lines = is_from_lines && !rows.is_empty();
    (rows, is_from_lines)
}

fn written(row: &Row, end: i64, share: &dyn Fn(i64) -> f64) -> Markup {
    let (class, picture) = of_mark(row.mark);
    let percent = |number: f64| format!("{number:.2}%");
    let width = |from: i64, to: i64| percent((share(to) - share(from)).max(0.4));
    let fill = |is_failed: bool, is_open: bool| match (is_failed, is_open) {
        (true, _) => "f-bad",
        (_, true) => "f-run",
        _ => "f-ok",
    };
    let is_open = row.to.is_none() && row.mark == Mark::Running;
    let to = row.to.unwrap_or(end);
    html! {
        tr id=[row.id.as_deref().map(|id| format!("s-{}", words::state(id)))] class={ @if row.is_item { "sub2" } @if row.mark == Mark::Failed { " bad" } } {
            td {
                span class={ "name " (class) } {
                    (icon(picture)) span class="vh" { (row.mark.word()) " " } (words::visible(&row.name, 60))
                }
            }
            td {
                svg class="row" aria-hidden="true" {
                    @for line in ["0%", "25%", "50%", "75%", "100%"] { line class="s-axis" x1=(line) x2=(line) y1="-5" y2="23" {} }
                    @if row.attempts.len() > 1 {
                        @for pair in row.attempts.windows(2) {
                            line class="f-wait" x1=(percent(share(pair[0].to.unwrap_or(pair[0].from)))) x2=(percent(share(pair[1].from))) y1="9" y2="9" {}
                        }
                        @for attempt in &row.attempts {
                            rect class=(fill(attempt.error.is_some(), attempt.to.is_none() && is_open)) x=(percent(share(attempt.from))) width=(width(attempt.from, attempt.to.unwrap_or(to))) y="3" height="12" rx="2.5" {}
                        }
                    } @else {
                        rect class=(fill(row.mark == Mark::Failed, is_open)) x=(percent(share(row.from))) width=(width(row.from, to)) y="3" height="12" rx="2.5" {}
                    }
                }
            }
            td class="num" { (words::duration(to - row.from)) @if is_open { " …" } @if row.attempts.len() > 1 && !row.is_item { div class="soft" { (row.attempts.len()) " attempts" } } }
        }
    }
}
