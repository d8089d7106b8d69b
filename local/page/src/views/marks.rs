//! Small pictures: bars of runs, cells of grids.

use super::frame::outcome_class;
use crate::marks::Mark;
use crate::model::Run;
use crate::outcome::Outcome;
use maud::{Markup, html};

/// How many runs a row of bars has.
pub(super) const BARS: usize = 30;

/// The median of the durations of runs that did something, in milliseconds; 0 without any.
pub(super) fn median(runs: &[&Run]) -> i64 {
    let mut times: Vec<i64> = runs
        .iter()
        .filter(|run| matches!(run.outcome(), Outcome::Loaded | Outcome::EndedWell))
        .filter_map(|run| Some(run.head.ended? - run.head.started))
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}

/// The last runs of a job, a bar each, the newest at the right.
pub(super) fn bars(runs: &[Run], now: i64) -> Markup {
    let shown: Vec<&Run> = runs.iter().take(BARS).collect();
    let usual = median(&shown);
    html! {
        svg class="bars" role="img" aria-label=(told(&shown)) viewBox="0 0 272 34" {
            @for (place, run) in shown.iter().rev().enumerate() {
                (bar(run, 9.05 * as_f64(place), 34.0, usual, now))
            }
        }
    }
}

/// One bar, which ends at `bottom`: its height is the duration, against the usual one.
pub(super) fn bar(run: &Run, x: f64, bottom: f64, usual: i64, now: i64) -> Markup {
    let share = if usual == 0 { 1.0 } else { (as_f64(run.head.took(now)) / as_f64(usual)).clamp(0.3, 4.0) };
    let height = (share.sqrt() * 15.0).round();
    let y = bottom - height;
    let outcome = run.outcome();
    match outcome {
        Outcome::NothingNew | Outcome::LeftToOwner | Outcome::Explained => html! {
            rect class="f-none" x=(fixed(x + 0.6)) y=(bottom - 6.0) width="5.8" height="5.4" rx="1.5" {}
        },
        Outcome::DryRun => html! {
            rect class="f-dry" x=(fixed(x + 0.6)) y=(y + 0.6) width="5.8" height=(height - 1.2) rx="1.5" {}
        },
        Outcome::Failed | Outcome::TimedOut | Outcome::Different => html! {
            rect class="f-bad" x=(fixed(x)) y=(y) width="7" height=(height) {}
            path class="f-cut" d={ "M" (fixed(x + 1.0)) " " (y + 2.0) "l5 5m0-5l-5 5" } {}
        },
        Outcome::Stopped => html! {
            rect class="f-off" x=(fixed(x)) y=(y) width="7" height=(height) {}
            path class="f-cut" d={ "M" (fixed(x)) " " (y + 4.0) "h7" } {}
        },
        Outcome::Running => html! {
            rect class="f-run" x=(fixed(x)) y=(y) width="7" height=(height) rx="1.5" {}
            path class="f-cut" d={ "M" (fixed(x)) " " (y + height / 3.0) "h7M" (fixed(x)) " " (y + height / 1.5) "h7" } {}
        },
        Outcome::Loaded | Outcome::Equal | Outcome::EndedWell => html! {
            rect class={ "f-" (outcome_class(outcome)) } x=(fixed(x)) y=(y) width="7" height=(height) rx="1.5" {}
        },
    }
}

pub(super) fn fixed(number: f64) -> String {
    format!("{number:.1}")
}

#[allow(clippy::cast_precision_loss, reason = "counts and durations of pictures")]
pub(super) fn as_f64(number: impl TryInto<i64>) -> f64 {
    number.try_into().unwrap_or(i64::MAX) as f64
}

/// The same for those who do not see them.
fn told(runs: &[&Run]) -> String {
    let mut counts: Vec<(Outcome, usize)> = Vec::new();
    for run in runs {
        let outcome = run.outcome();
        match counts.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += 1,
            None => counts.push((outcome, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let parts: Vec<String> =
        counts.iter().map(|(outcome, count)| format!("{count} {}", outcome.word().to_lowercase())).collect();
    let last = runs.first().map(|run| format!(", the last one {}", run.outcome().word().to_lowercase()));
    format!("{} runs: {}{}", runs.len(), parts.join(", "), last.unwrap_or_default())
}

/// What the bars mean.
pub(super) fn legend() -> Markup {
    let item =
        |mark: Markup, text: &str| html! { li { svg width="10" height="14" aria-hidden="true" { (mark) } (text) } };
    html! {
        ul class="legend" {
            (item(html! { rect class="f-ok" width="8" height="14" rx="1.5" {} }, "loaded"))
            (item(html! { rect class="f-bad" width="8" height="14" {} path class="f-cut" d="M1.5 3l5 5m0-5l-5 5" {} }, "failed"))
            (item(html! { rect class="f-run" width="8" height="14" rx="1.5" {} path class="f-cut" d="M0 5h8M0 9.5h8" {} }, "running"))
            (item(html! { rect class="f-off" width="8" height="14" {} path class="f-cut" d="M0 4h8" {} }, "stopped"))
            (item(html! { rect class="f-dry" x=".6" y=".6" width="6.8" height="12.8" rx="1.5" {} }, "dry run"))
            (item(html! { rect class="f-none" x=".6" y="8" width="6.8" height="5.4" rx="1.5" {} }, "nothing new"))
            li { "taller: took longer than this job’s usual" }
        }
    }
}

/// The class and the picture of a mark.
pub(super) fn of_mark(mark: Mark) -> (&'static str, &'static str) {
    match mark {
        Mark::NotReached => ("not", "no"),
        Mark::Done => ("ok", "ok"),
        Mark::Retried => ("warn", "retry"),
        Mark::Nothing => ("ok", "none"),
        Mark::RolledBack => ("ok", "dry"),
        Mark::Stopped => ("off", "stop"),
        Mark::Running => ("run", "run"),
        Mark::Failed => ("bad", "bad"),
    }
}
