//! What the page says when something is amiss: one line above the view; what is known stays below it.

use super::frame::icon;
use super::{Block, Reader};
use crate::look::Look;
use crate::model::{Job, Notice, Run, Stack};
use crate::shared::{DATABASE, DEFINITION, LEDGER, MISTAKE, QUARANTINE, RECORDS, RUNS_READ};
use crate::task::Task;
use crate::trouble::Trouble;
use crate::words;
use maud::{Markup, html};

/// What is amiss, above a view.
pub(super) fn amiss(stack: &Stack, reader: &Reader) -> Block {
    Block::Part("notices", notices(stack, reader))
}

/// All of them.
fn notices(stack: &Stack, reader: &Reader) -> Markup {
    // What meets every call is said once.
    let look = Look::at(&reader.address);
    let of_all = stack.notices.values().find(|notice| notice.trouble.is_of_all() && notice.action != DATABASE);
    let all: Vec<&Notice> = match of_all {
        Some(notice) => vec![notice],
        // What this view asks nobody for is amiss in another one.
        None => stack.notices.values().filter(|notice| Task::may_ask(&look, notice.action)).collect(),
    };
    html! {
        div role="status" {
            @for notice in &all { (line(stack, notice, reader)) }
            @if let Some((read, all)) = being_read(stack).filter(|_| all.is_empty()) {
                div class="note run" {
                    (icon("run"))
                    div { strong { "Reading " (words::count(all, "run")) "." } " " (read) " of " (all) " are here, the newest first; the page is at the pace that AWS allows." }
                }
            }
        }
    }
}

/// On an account: how many runs were read, of those that are to be.
fn being_read(stack: &Stack) -> Option<(u64, u64)> {
    if !stack.is_account {
        return None;
    }
    let runs = || stack.jobs.values().flat_map(shown);
    let (read, all) = (runs().filter(|run| run.facts.is_some()).count() as u64, runs().count() as u64);
    (read < all).then_some((read, all))
}

fn line(stack: &Stack, notice: &Notice, reader: &Reader) -> Markup {
    let (class, picture) =
        if notice.trouble.is_of_all() && notice.action != DATABASE { ("bad", "bad") } else { ("warn", "late") };
    html! { div class={ "note " (class) } { (icon(picture)) div { (text(stack, notice, reader)) } } }
}

fn text(stack: &Stack, notice: &Notice, reader: &Reader) -> Markup {
    let read_at = stack.reads.of_action(notice.action);
    let of = reader.clock.time(read_at);
    let seen = html! { @if read_at > 0 { "What you see is of " (of) } @else { "Nothing of that was read yet" } };
    let again = match notice.again - reader.clock.now {
        ..1_000 => "now".to_owned(),
        left => format!("in {}", words::about(left)),
    };
    let what = what(notice.action);
    if notice.action == DATABASE {
        let why = match notice.trouble {
            Trouble::Denied => " may not be read by its user",
            _ => " cannot be reached from here",
        };
        return html! {
            strong { "The database" (why) "." }
            @if stack.jobs.values().any(|job| job.spec.is_toggled) && notice.trouble != Trouble::Denied { " With the network mode toggle it is open only while a run loads." }
            " Counts come from the executions; calendars and runs older than 90 days are not shown."
        };
    }
    if notice.action == MISTAKE {
        return html! {
            strong { "The page has made a mistake." } " What you see may be of " (of) "; the page goes on by itself, and its terminal names the place."
        };
    }
    match &notice.trouble {
        Trouble::Throttled(name) => html! {
            strong { "AWS asked us to slow down" } " (" (words::visible(name, 80)) ", " (notice.action) "). " (seen) ". The page tries again " (again) "."
        },
        Trouble::Denied => html! {
            strong { (what) " cannot be read" } ": these credentials may not " code { (notice.action) } ". "
            @match notice.action {
                _ if !is_of_stack(notice.action) && notice.action != LIST => "Everything else is complete.",
                LIST => "What ran since it was read last, if it ever was, is not shown.",
                _ if stack.is_read => { "What was deployed since " (of) " is not shown." },
                _ => "Without that nothing is shown.",
            }
        },
        Trouble::Expired => html! {
            strong { "The credentials have expired." } " " (seen) ". Log in again (" code { "aws sso login" } "), and start " code { "cargo local page" } " anew if it does not go on by itself."
        },
        Trouble::NoCredentials(_) => html! {
            strong { "There are no credentials that AWS takes." } " " (seen) ". Try " code { "aws sts get-caller-identity" } "; the page goes on by itself."
        },
        Trouble::Clock => html! {
            strong { "The clock of this machine is wrong" } ", so AWS takes no signature of it. " (seen) ". Set it (" code { "timedatectl" } " tells whether it is synchronized); the page goes on by itself."
        },
        Trouble::Gone if stack.is_account => html! {
            strong { "AWS cannot be reached." } " " (seen) "; the page goes on by itself."
        },
        Trouble::Gone => html! {
            strong { "The stack has stopped." } " " (seen) ". " code { "cargo local up" } " starts it again, at a new address."
        },
        Trouble::Late => html! {
            strong { (what) " did not come in time." } " " (seen) ". The page tries again " (again) "."
        },
        Trouble::Missing => html! {
            strong { "There is no stack " code { (words::visible(&stack.name, 80)) } " here." } " Is it another region, or another name? " code { "cargo local page --stack NAME --region REGION" }
        },
        Trouble::Other(text) => html! {
            strong { (what) " cannot be read" } " (" (notice.action) "): " (words::visible(text, 300))
        },
    }
}

/// The calls without which nothing is known of a stack.
const OF_STACK: [&str; 3] =
    ["cloudformation:DescribeStacks", "states:ListStateMachines", "states:DescribeStateMachine"];

/// The call that lists runs.
const LIST: &str = "states:ListExecutions";

fn is_of_stack(action: &str) -> bool {
    OF_STACK.contains(&action)
}

/// Whether the jobs of a stack cannot be read now.
pub(super) fn has_no_stack(stack: &Stack) -> bool {
    OF_STACK.iter().any(|action| stack.notices.contains_key(action))
}

/// What stands in place of what is not read: that it is `being` read or, if a call for it meets trouble, that it
/// `cannot` be.
pub(crate) fn unread<'a>(stack: &Stack, action: &str, being: &'a str, cannot: &'a str) -> &'a str {
    if stack.notices.contains_key(action) { cannot } else { being }
}

/// Whether what a call is for is still on its way: it is not there, and the call is not denied. A view without scripts
/// loads itself again as long as that is so.
pub(super) fn is_coming(stack: &Stack, is_there: bool, action: &str) -> bool {
    !is_there && stack.notices.get(action).is_none_or(|notice| notice.trouble != Trouble::Denied)
}

/// Whether the list of a job's runs, or the description of one that is shown, is still on its way.
pub(super) fn are_runs_coming(stack: &Stack, job: &Job) -> bool {
    let mut shown = shown(job);
    is_coming(stack, job.runs.is_some(), LIST)
        || is_coming(stack, shown.all(|run| run.facts.is_some()), "states:DescribeExecution")
}

/// The runs of a job that are described.
fn shown(job: &Job) -> impl Iterator<Item = &Run> {
    let runs = job.runs.iter().flatten().take(RUNS_READ);
    runs.filter(|run| run.head.ended.is_some() && !run.is_forgotten)
}

/// What a call is for.
fn what(action: &str) -> &'static str {
    match action {
        "logs:FilterLogEvents" => "Log lines",
        "states:GetExecutionHistory" => "The states of runs",
        "states:DescribeExecution" => "What runs did",
        LIST => "The list of runs",
        "scheduler:ListSchedules" | "scheduler:GetSchedule" => "Schedules",
        "states:DescribeStateMachine" | "states:ListStateMachines" => "The jobs of this stack",
        DEFINITION => "The states and specs that jobs had then",
        RECORDS => "Older runs",
        LEDGER => "What is loaded",
        QUARANTINE => "The quarantine",
        action if action.starts_with("s3:") => "Files",
        _ => "The stack",
    }
}
