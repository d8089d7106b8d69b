//! The way of a run through its states, as a picture whose text is the timeline.

use super::frame::icon;
use super::marks::{fixed, of_mark};
use crate::curve;
use crate::definition::{Definition, StateKind};
use crate::layout::{self, Graph, Placed};
use crate::marks::{Mark, Marks};
use crate::words;
use maud::{Markup, html};

/// About how wide a letter is, of a bold name, one that is not, and of a time, and what is between a name and its time.
const BOLD: f64 = 7.8;
const PLAIN: f64 = 7.0;
const SMALL: f64 = 6.6;
const BETWEEN: f64 = 6.0;

/// A run's graph.
pub(super) fn graph(definition: &Definition, marks: &Marks) -> Markup {
    let graph = layout::layout(definition);
    let (width, height) = (graph.width + 16.0, graph.height + 16.0);
    html! {
        svg class="nodes" role="group" aria-label=(told(marks)) width=(fixed(width)) height=(fixed(height)) viewBox={ "-8 -8 " (fixed(width)) " " (fixed(height)) } {
            (drawn(&graph, marks))
        }
    }
}

fn told(marks: &Marks) -> String {
    let mut names: Vec<&str> = marks.ways.iter().map(|(from, _, _)| from.as_str()).collect();
    names.extend(marks.ways.last().map(|(_, to, _)| to.as_str()));
    format!(
        "State machine: the run went {}",
        if names.is_empty() { "nowhere yet".to_owned() } else { words::visible(&names.join(", then "), 4_000) }
    )
}

fn drawn(graph: &Graph, marks: &Marks) -> Markup {
    let taken = |line: &layout::Line| {
        marks.ways.iter().find(|(from, to, _)| *from == line.from && *to == line.to).map(|(_, _, is_bad)| *is_bad)
    };
    // What was not taken lies below what was; ways of errors are drawn only if they were.
    let (on, off): (Vec<&layout::Line>, Vec<&layout::Line>) =
        graph.lines.iter().partition(|line| taken(line).is_some());
    let off = off.into_iter().filter(|line| line.way != crate::definition::Way::Catch);
    let mut drawn = std::collections::BTreeSet::new();
    let on = on.into_iter().filter(|line| drawn.insert((&line.from, &line.to)));
    html! {
        @for line in off {
            path class="edge" d=(curve::path(&line.points)) {}
            path class="tip" d=(curve::tip(&line.points)) {}
        }
        @for line in on {
            @let class = if taken(line) == Some(true) { "err" } else { "on" };
            path class={ "edge " (class) } data-way={ (words::state(&line.from)) ">" (words::state(&line.to)) } d=(curve::path(&line.points)) {}
            path class={ "tip " (class) } d=(curve::tip(&line.points)) {}
        }
        @for state in &graph.states { (one(state, marks)) }
    }
}

fn one(state: &Placed, marks: &Marks) -> Markup {
    let reached = marks.states.get(&state.name);
    let mark = marks.of(&state.name);
    let took = reached.filter(|_| state.kind.does_work()).map(|reached| words::duration(reached.took));
    let visits = reached.filter(|reached| reached.visits > 1).map(|reached| format!("×{}", reached.visits));
    let error = reached.and_then(|reached| reached.error.as_deref()).filter(|_| mark == Mark::Failed);
    let label = format!(
        "{}{}, {}: {}{}",
        words::state(&state.name),
        took.as_deref().map(|took| format!(" {took}")).unwrap_or_default(),
        state.kind.name(),
        mark.word(),
        error.map(|error| format!(" with {}", words::visible(error, 80))).unwrap_or_default(),
    );
    let side = match (&visits, &took) {
        (Some(visits), Some(took)) => format!("{visits} {took}"),
        (Some(visits), None) => visits.clone(),
        (None, took) => took.clone().unwrap_or_default(),
    };
    let inside = if state.inner.is_empty() { node(state, mark, &side) } else { frame(state, marks, mark, &side) };
    html! {
        @if mark == Mark::NotReached { g role="img" aria-label=(label) { (inside) } }
        @else { a href={ "#s-" (words::state(&state.name)) } aria-label=(label) { (inside) } }
        @for (x, y, graph) in &state.inner {
            g transform={ "translate(" (fixed(state.x + x)) " " (fixed(state.y + y)) ")" } { (drawn(graph, marks)) }
        }
    }
}

fn frame(state: &Placed, _marks: &Marks, mark: Mark, side: &str) -> Markup {
    let (class, picture) = of_mark(mark);
    let name = words::state(&state.name);
    html! {
        g class={ "mapbox " (class) } data-state=(name) data-mark=(mark.word()) {
            rect class="frame" x=(fixed(state.x)) y=(fixed(state.y)) width=(fixed(state.width)) height=(fixed(state.height)) rx="9" {}
            (picture_at(picture, state.x + 9.0, state.y + 9.0))
            text x=(fixed(state.x + 28.0)) y=(fixed(state.y + 20.0)) { (name) }
            text class="t" x=(fixed(state.x + state.width - 10.0)) y=(fixed(state.y + 20.0)) text-anchor="end" { (side) }
        }
    }
}

fn node(state: &Placed, mark: Mark, side: &str) -> Markup {
    let (class, picture) = of_mark(mark);
    let name = words::state(&state.name);
    let (x, y, w, h) = (state.x, state.y, state.width, state.height);
    let is_reached = mark != Mark::NotReached;
    let inset = if state.kind == StateKind::Choice { 15.0 } else { 9.0 };
    let letters = |text: &str| super::marks::as_f64(text.chars().count());
    let beside = if side.is_empty() { 0.0 } else { BETWEEN + SMALL * letters(side) };
    let room = w - inset * 2.0 - if is_reached { 18.0 } else { 0.0 } - beside;
    let length = if is_reached { BOLD } else { PLAIN } * letters(&name);
    // A longer name is squeezed; none is stretched.
    let squeezed = (length > room).then(|| fixed(room));
    html! {
        g class={ "node " (class) } data-state=(name) data-mark=(mark.word()) {
            @if state.kind == StateKind::Choice {
                polygon points={ (fixed(x)) "," (fixed(y + h / 2.0)) " " (fixed(x + 14.0)) "," (fixed(y)) " " (fixed(x + w - 14.0)) "," (fixed(y)) " " (fixed(x + w)) "," (fixed(y + h / 2.0)) " " (fixed(x + w - 14.0)) "," (fixed(y + h)) " " (fixed(x + 14.0)) "," (fixed(y + h)) } {}
            } @else {
                rect x=(fixed(x)) y=(fixed(y)) width=(fixed(w)) height=(fixed(h)) rx=(if state.kind.is_end() { "16" } else { "7" }) {}
            }
            @if is_reached {
                (picture_at(picture, x + inset, y + 8.0))
                text x=(fixed(x + inset + 18.0)) y=(fixed(y + 19.0)) textLength=[squeezed.as_deref()] lengthAdjust=[squeezed.as_ref().map(|_| "spacingAndGlyphs")] { (name) }
                @if !side.is_empty() { " " text class="t" x=(fixed(x + w - inset)) y=(fixed(y + 19.0)) text-anchor="end" { (side) } }
            } @else {
                text x=(fixed(x + w / 2.0)) y=(fixed(y + 19.0)) text-anchor="middle" textLength=[squeezed.as_deref()] lengthAdjust=[squeezed.as_ref().map(|_| "spacingAndGlyphs")] { (name) }
            }
        }
    }
}

fn picture_at(name: &str, x: f64, y: f64) -> Markup {
    html! { svg class="i" x=(fixed(x)) y=(fixed(y)) width="14" height="14" { use href={ "#i-" (name) } {} } }
}

/// What the pictures mean.
pub(super) fn legend() -> Markup {
    html! {
        ul class="legend" {
            li { (icon("ok")) "done" }
            li { (icon("retry")) "done after retries" }
            li { (icon("bad")) "failed" }
            li { (icon("no")) "not reached" }
            li { "dashed: not taken" }
        }
    }
}
