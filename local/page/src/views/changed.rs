//! What is not as it was when a run of the job was last good: the first thing that is asked of a run that failed.

use super::Reader;
use crate::changes::{self, Changes};
use crate::model::{Run, Stack};
use crate::shared::DEFINITION;
use crate::words;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// How many changes are told.
const TOLD: usize = 6;

/// What has changed since the run `good`, of a run that ended badly.
pub(super) fn since(stack: &Stack, run: &Run, good: &Run, reader: &Reader) -> Markup {
    let changes = match (&good.revision, &run.revision) {
        (Some(before), Some(after)) => changes::between(&before.value, &after.value),
        _ if good.is_forgotten || run.is_forgotten => {
            return html! { "not known: Step Functions has forgotten one of the two" };
        }
        _ if good.is_revision_lost || run.is_revision_lost => return unknown(stack, reader),
        _ if stack.notices.contains_key(DEFINITION) => return html! { "not known: see above" },
        _ => return html! { span class="soft" { "being read …" } },
    };
    let deployed = stack.deployed_at.filter(|at| *at > good.head.started);
    if changes == Changes::default() && deployed.is_none() {
        return html! { "nothing: spec and states are the same, and nothing was deployed" };
    }
    html! {
        @if changes.spec.is_empty() { "the spec is the same" } @else { "spec: " (listed(&changes.spec)) }
        @if changes.states.is_empty() { "; the states are the same" } @else { "; states: " (listed(&changes.states)) }
        @match deployed {
            None => "; nothing was deployed",
            Some(at) if at <= run.head.started => { "; deployed between the two, at " (reader.clock.near(at)) ": the functions may be others" },
            Some(at) => { "; deployed last at " (reader.clock.near(at)) ", after both: whether their functions were the same is not known" },
        }
    }
}

fn listed(all: &BTreeSet<String>) -> Markup {
    html! {
        @for (place, what) in all.iter().take(TOLD).enumerate() { @if place > 0 { ", " } code class="break" { (words::visible(what, 120)) } }
        @if all.len() > TOLD { " and " (words::number((all.len() - TOLD) as u64)) " more" }
    }
}

/// Of one of the two nobody says what it ran with.
fn unknown(stack: &Stack, reader: &Reader) -> Markup {
    html! {
        "not known"
        @match stack.deployed_at.filter(|_| !stack.is_account) {
            Some(at) => { ": the stack was deployed at " (reader.clock.near(at)) ", and what was there before is not kept on this machine" },
            None => ": what one of the two ran with is not there any more",
        }
    }
}
