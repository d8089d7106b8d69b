//! The log lines of a run.

use super::frame::{crumbs, icon};
use super::notices::{amiss, is_coming, unread};
use super::{Block, Reader, View, path};
use crate::log::{Level, Line, Lines};
use crate::model::{Job, Run, Stack};
use crate::words;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// How many lines stand in the run's view at most, in how many bytes, and how much of each: the view stays small.
const LINES: usize = 500;
const LINES_BYTES: usize = 60_000;
const LINE_CHARACTERS: usize = 1_000;

const TOO_MANY: &str = "there are more, which are too many to keep";

/// How many stand on a page of their own.
const LINES_OF_PAGE: usize = 2_000;

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// The least severe level, by its letter; empty: all.
    pub level: String,
    /// The function; empty: all.
    pub function: String,
    /// A text that they hold.
    pub q: String,
    /// Which page, from 1.
    pub page: usize,
}

impl LogFilter {
    fn takes(&self, line: &Line) -> bool {
        let least = match self.level.as_str() {
            "E" => Level::Error,
            "W" => Level::Warn,
            "I" => Level::Info,
            _ => Level::Debug,
        };
        let text = self.q.to_lowercase();
        let holds = |part: &str| part.to_lowercase().contains(&text);
        line.level <= least
            && (self.function.is_empty() || self.function == line.function)
            && (text.is_empty() || holds(&line.message) || holds(&line.fields) || holds(&line.function))
    }
}

/// The section of the run's view.
pub(super) fn section(stack: &Stack, job: &Job, run: &Run, reader: &Reader) -> Markup {
    let address = path(&["jobs", &job.name, "runs", &run.head.name, "log"]);
    let lines = run.lines.as_deref();
    let rows = lines.map_or_else(Vec::new, |lines| newest(&lines.lines, reader));
    // What is not there a filter on the spot would not find.
    let has_all = lines.is_none_or(|lines| rows.len() == lines.lines.len() && !lines.is_cut);
    html! {
        section class="card" aria-labelledby="h-log" {
            header {
                h2 id="h-log" { "Log lines of this run" }
                span class="soft" { @if run.outcome().is_running() { "new lines come by themselves" } @else { (functions(lines)) } }
                span class="grow" {}
                (form(&address, lines, &LogFilter { level: "I".to_owned(), ..LogFilter::default() }, has_all))
            }
            @match lines {
                None => p class="pad soft" { @if run.is_forgotten { "Step Functions has forgotten this run, and its lines are not looked for." } @else { (unread_lines(stack)) } },
                Some(lines) if lines.lines.is_empty() => p class="pad soft" { @if lines.is_complete { "Its functions have logged nothing, or the lines are older than the groups keep them." } @else { "No line yet." } },
                Some(lines) => {
                    (table(&rows))
                    p class="pad soft" {
                        @if rows.len() < lines.lines.len() { (words::number(rows.len() as u64)) " of " (words::count(lines.lines.len() as u64, "line")) ": the newest, and errors and warnings before them. " }
                        @if lines.is_cut { (TOO_MANY) ". " }
                        a href=(address) { "All lines, whole" }
                    }
                },
            }
        }
    }
}

/// Whether all lines of a run are read; of one that is forgotten none are.
pub(super) fn are_complete(run: &Run) -> bool {
    run.is_forgotten || run.lines.as_ref().is_some_and(|lines| lines.is_complete)
}

fn unread_lines(stack: &Stack) -> &'static str {
    let (being, cannot) = ("Reading the log groups of its functions …", "The log lines cannot be read now.");
    unread(stack, "logs:FilterLogEvents", being, cannot)
}

fn functions(lines: Option<&Lines>) -> String {
    let names = names(lines);
    if names.is_empty() { String::new() } else { words::count(names.len() as u64, "function") }
}

fn names(lines: Option<&Lines>) -> Vec<&str> {
    let mut names: Vec<&str> =
        lines.into_iter().flat_map(|lines| &lines.lines).map(|line| line.function.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn form(address: &str, lines: Option<&Lines>, filter: &LogFilter, is_in_place: bool) -> Markup {
    let levels = [("", "All levels"), ("I", "Info and above"), ("W", "Warnings and errors"), ("E", "Errors")];
    html! {
        form class="filter" method="get" action=(address) data-filters=[is_in_place.then_some("log")] role="search" aria-label="Filter log lines" {
            label for="lq" class="vh" { "Text" }
            input id="lq" type="search" name="q" placeholder="Find in lines" value=(filter.q);
            label for="ll" class="vh" { "Level" }
            select id="ll" name="level" { @for (value, text) in levels { option value=(value) selected[value == filter.level] { (text) } } }
            label for="lf" class="vh" { "Function" }
            select id="lf" name="fn" {
                option value="" { "All functions" }
                @for name in names(lines) { option value=(name) selected[name == filter.function] { (name) } }
            }
            noscript { button class="btn" { "Show" } }
            @if !is_in_place { button class="btn" { "Show" } }
            output class="soft" { @if let Some(lines) = lines { (words::count(lines.lines.len() as u64, "line")) } }
            a href={ (address) ".txt" } class="nowrap" { (icon("down")) " Download" }
        }
    }
}

/// The newest lines, as far as they have room: what comes while it runs, and what it ended with. Half of the room is
/// for errors and warnings first.
fn newest(lines: &[Line], reader: &Reader) -> Vec<Markup> {
    let is_telling = |place: &usize| matches!(lines[*place].level, Level::Error | Level::Warn);
    let mut rows = BTreeMap::new();
    let mut size = 0;
    let mut add = |places: &mut dyn Iterator<Item = usize>, part: usize| {
        for place in places {
            if rows.contains_key(&place) {
                continue;
            }
            let row = row(&lines[place], reader, LINE_CHARACTERS);
            if rows.len() >= LINES / part || size + row.0.len() > LINES_BYTES / part {
                break;
            }
            size += row.0.len();
            rows.insert(place, row);
        }
    };
    add(&mut (0..lines.len()).rev().filter(is_telling), 2);
    add(&mut (0..lines.len()).rev(), 1);
    rows.into_values().collect()
}

/// A line, of which so many characters are shown. There are many: what looks and filters goes by the place of a cell.
fn row(line: &Line, reader: &Reader, characters: usize) -> Markup {
    let class = match line.level {
        Level::Error => Some("e"),
        Level::Warn => Some("w"),
        _ => None,
    };
    html! {
        tr class=[class] {
            td { (reader.clock.exact_time(line.at)) }
            td { abbr title=(line.level.name()) { (line.level.letter()) } }
            td { b { (line.function) } " " (words::visible(&line.message, characters)) " " @if !line.fields.is_empty() { i { (words::visible(&line.fields, characters)) } } }
        }
    }
}

fn table(rows: &[Markup]) -> Markup {
    html! {
        div class="log" tabindex="0" role="region" aria-label="Table of log lines" {
            table id="log" {
                thead class="vh" { tr { th { "Time" } th { "Level" } th { "Function and line" } } }
                tbody {
                    @for row in rows { (row) }
                }
            }
        }
    }
}

/// The lines alone.
pub fn log(stack: &Stack, job: &Job, run: &Run, reader: &Reader, filter: &LogFilter) -> View {
    let address = path(&["jobs", &job.name, "runs", &run.head.name, "log"]);
    let lines = run.lines.as_deref();
    let found: Vec<&Line> =
        lines.into_iter().flat_map(|lines| &lines.lines).filter(|line| filter.takes(line)).collect();
    let pages = found.len().div_ceil(LINES_OF_PAGE).max(1);
    let page = filter.page.clamp(1, pages);
    let shown = found.iter().skip((page - 1) * LINES_OF_PAGE).take(LINES_OF_PAGE);
    let shown: Vec<Markup> = shown.map(|line| row(line, reader, words::LINE_BYTES)).collect();
    let to_page = |page: usize| {
        format!(
            "{address}?level={}&fn={}&q={}&page={page}",
            super::value(&filter.level),
            super::value(&filter.function),
            super::value(&filter.q)
        )
    };
    let markup = html! {
        (crumbs(Some(&job.name), &format!("Log of run {}", short(&run.head.name))))
        div class="head" { div { h1 { "Log lines" } p class="sub" { "of the " a href=(path(&["jobs", &job.name, "runs", &run.head.name])) { "run of " (reader.clock.spoken(run.head.started)) } } } }
        section class="card" aria-label="Log lines" {
            header { (form(&address, lines, filter, false)) }
            @if lines.is_none() { p class="pad soft" { (unread_lines(stack)) } }
            @else if shown.is_empty() { p class="pad soft" { "No line is like that." } }
            @else { (table(&shown)) }
            p class="pad soft" {
                (words::number(found.len() as u64)) " of " (words::count(lines.map_or(0, |lines| lines.lines.len()) as u64, "line"))
                @if lines.is_some_and(|lines| lines.is_cut) { "; " (TOO_MANY) }
                @if page > 1 { " · " a href=(to_page(page - 1)) { "before" } }
                @if page < pages { " · " a href=(to_page(page + 1)) { "after" } }
            }
        }
    };
    View {
        title: format!("Log of a run of {}", words::visible(&job.name, 60)),
        is_files: false,
        job: Some(job.name.clone()),
        is_running: run.outcome().is_running() || is_coming(stack, are_complete(run), "logs:FilterLogEvents"),
        is_live: true,
        blocks: vec![amiss(stack, reader), Block::Part("log", markup)],
    }
}

/// The lines as plain text, none of them cut.
pub fn log_text(lines: &Lines) -> String {
    let mut text = String::new();
    for line in &lines.lines {
        let at = crate::zone::Clock::machine(line.at);
        text.push_str(&format!("{at} {:5} {} {} {}\n", line.level.name(), line.function, line.message, line.fields));
    }
    if lines.is_cut {
        text.push_str(&format!("-- {TOO_MANY}\n"));
    }
    if !lines.is_complete {
        text.push_str("-- not all lines are read yet\n");
    }
    text
}

/// The name of an execution, as far as it tells one from another.
pub(super) fn short(name: &str) -> String {
    let is_long = name.len() > 24;
    let end = name.char_indices().nth(8).map_or(name.len(), |(place, _)| place);
    words::visible(if is_long && name.is_ascii() { &name[..end] } else { name }, 60)
}
