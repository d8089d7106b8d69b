//! What stands around each view.

use super::{Block, Reader, View};
use crate::look::Look;
use crate::model::Stack;
use crate::outcome::Outcome;
use crate::words;
use crate::zone::Clock;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sluice::digest;

/// The sheet of all views.
pub const STYLE: &str = include_str!("style.css");

/// The script of all views.
pub const SCRIPT: &str = include_str!("script.js");

/// The pictures of all views: a constant of ours.
const SPRITE: PreEscaped<&str> = PreEscaped(include_str!("sprite.svg"));

/// The address of an asset, which changes with its content: so a browser may keep it for ever.
pub fn asset_address(name: &str, content: &str) -> String {
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    format!("/assets/{stem}-{}.{kind}", &digest::of([content])[..12])
}

/// A view with everything around it. `version` is that of what is known, which a tab says when it asks for changes.
pub fn page(stack: &Stack, reader: &Reader, view: &View, version: u64) -> String {
    let place = if stack.is_account && !stack.allows_actions {
        format!("{} · {} · read-only", stack.name, stack.place)
    } else {
        format!("{} · {}", stack.name, stack.place)
    };
    let files = view.job.as_deref().or_else(|| first_with_files(stack));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (view.title) " · Sluice" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(asset_address("style.css", STYLE));
                script src=(asset_address("script.js", SCRIPT)) defer {}
                @if view.is_running { noscript { meta http-equiv="refresh" content="5"; } }
            }
            body {
                (SPRITE)
                a class="skip" href="#main" { "Skip to content" }
                header class="top" {
                    a class="brand" href="/" { svg aria-hidden="true" { use href="#i-logo" {} } "Sluice" }
                    nav aria-label="Views" {
                        ul {
                            li { a href="/" aria-current=[(!view.is_files).then_some("page")] { "Jobs" } }
                            @if let Some(job) = files {
                                li {
                                    a href={ (super::path(&["jobs", job])) "/files" } aria-current=[view.is_files.then_some("page")] { "Files" }
                                }
                            }
                        }
                    }
                    span class={ "where" @if stack.is_account { " account" } } { (words::visible(&place, 120)) }
                    span class="grow" {}
                    (tools(stack, reader, view, version))
                }
                main id="main" {
                    div id="gone" class="note bad" hidden role="status" {
                        (icon("bad"))
                        div {
                            strong { "The stack has stopped." } " "
                            @if stack.is_account { code { "cargo local page" } } @else { code { "cargo local up" } }
                            " starts it again, at a new address."
                        }
                    }
                    @for block in &view.blocks { (written(block)) }
                    p class="keys" {
                        kbd { "Tab" } " moves through links and controls, " kbd { "←" } " " kbd { "→" }
                        " between runs in a grid. Times are in " (reader.clock.name) "."
                    }
                }
            }
        }
    };
    markup.into_string()
}

fn tools(stack: &Stack, reader: &Reader, view: &View, version: u64) -> Markup {
    let mut zones = vec!["UTC".to_owned()];
    let of_jobs = stack.jobs.values().filter_map(|job| job.spec.zone().map(ToOwned::to_owned));
    zones.extend(of_jobs.chain([reader.clock.name.clone()]).filter(|zone| crate::zone::known(zone)));
    zones.sort();
    zones.dedup();
    let (path, query) = reader.address.split_once('?').unwrap_or((&reader.address, ""));
    let kept: Vec<(&str, &str)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| !matches!(*name, "tz" | "part"))
        .collect();
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    html! {
        div class="tools" {
            @if view.is_live {
                span class="live" data-version=(version) data-unread=[(!stack.is_read).then_some("1")] { "As of " (reader.clock.time(stack.reads.as_of(&Look::at(&reader.address), &stack.notices))) }
                // The time changes all the while, and so is not read out; that it stands still is.
                span class="vh" id="still" role="status" {}
                button type="button" id="pause" hidden { "Pause" }
            }
            form method="get" action=(path) {
                @for (name, value) in kept { input type="hidden" name=(decoded(name)) value=(decoded(value)); }
                label class="vh" for="tz" { "Time zone" }
                select id="tz" name="tz" class="hide" {
                    @for zone in &zones { option value=(zone) selected[*zone == reader.clock.name] { (zone) } }
                }
                noscript { button { "Show" } }
            }
            button type="button" id="theme" class="hide" hidden { "Dark" }
        }
    }
}

fn first_with_files(stack: &Stack) -> Option<&str> {
    stack.jobs.values().find(|job| !job.spec.prefix.is_empty()).map(|job| job.name.as_str())
}

fn written(block: &Block) -> Markup {
    match block {
        Block::Part(name, markup) => part(name, markup),
        Block::Two(left, right) => html! {
            div class="two" {
                div { @for (name, markup) in left { (part(name, markup)) } }
                div { @for (name, markup) in right { (part(name, markup)) } }
            }
        },
    }
}

/// A part as it stands in its view, and as it is fetched alone.
pub fn part(name: &str, markup: &Markup) -> Markup {
    html! { div class="part" id={ "part-" (name) } { (markup) } }
}

/// One of our pictures.
pub(super) fn icon(name: &str) -> Markup {
    html! { svg class="i" aria-hidden="true" { use href={ "#i-" (name) } {} } }
}

/// The picture of an outcome.
pub(super) fn outcome_icon(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Running => "run",
        Outcome::Failed | Outcome::Different => "bad",
        Outcome::TimedOut => "late",
        Outcome::Stopped => "stop",
        Outcome::NothingNew | Outcome::LeftToOwner | Outcome::Explained => "none",
        Outcome::DryRun => "dry",
        Outcome::Loaded | Outcome::Equal | Outcome::EndedWell => "ok",
    }
}

/// The class of an outcome: its colour.
pub(super) fn outcome_class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Running => "run",
        Outcome::Failed | Outcome::TimedOut | Outcome::Different => "bad",
        Outcome::Stopped | Outcome::NothingNew | Outcome::LeftToOwner | Outcome::Explained => "off",
        Outcome::DryRun | Outcome::Loaded | Outcome::Equal | Outcome::EndedWell => "ok",
    }
}

/// A time: the same element says it to machines.
pub(super) fn time(milliseconds: i64, text: &str) -> Markup {
    html! { time datetime=(Clock::machine(milliseconds)) { (text) } }
}

/// A key, which may break behind each slash.
pub(super) fn key(text: &str) -> Markup {
    let shown = words::visible(text, words::KEY_CHARACTERS);
    let parts: Vec<&str> = shown.split_inclusive('/').collect();
    html! { code class="break" { @for (place, part) in parts.iter().enumerate() { @if place > 0 { wbr; } (part) } } }
}

/// A text of ours with `` ` `` around code.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Where a view stands below the jobs.
pub(super) fn crumbs(job: Option<&str>, last: &str) -> Markup {
    html! {
        nav class="crumbs" aria-label="Where you are" {
            ol {
                li { a href="/" { "Jobs" } }
                @if let Some(job) = job { li { a href=(super::path(&["jobs", job])) { (words::visible(job, 80)) } } }
                li aria-current="page" { (words::visible(last, 80)) }
            }
        }
    }
}

/// What a browser without the cookie gets.
pub fn refused(is_account: bool) -> String {
    let command = if is_account { "cargo local page" } else { "cargo local up" };
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Not open · Sluice" }
                link rel="icon" href="data:,";
            }
            body {
                main {
                    h1 { "This page is not open in this browser" }
                    p { "Open the address that " code { (command) } " has printed in your terminal: it ends with " code { "?t=…" } ", and is another one each time that it starts." }
                }
            }
        }
    };
    markup.into_string()
}
