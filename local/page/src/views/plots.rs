//! Rows and durations of a job's runs.

use super::Reader;
use super::marks::as_f64;
use crate::model::Run;
use crate::outcome::Outcome;
use crate::words;
use maud::{Markup, html};

/// Most points of a plot; older ones are pooled by day.
const POINTS: usize = 100;

/// A point: what it is worth, and whether the run failed.
struct Point {
    at: i64,
    value: f64,
    is_bad: bool,
}

/// Both plots.
pub(super) fn plots(runs: &[Run], reader: &Reader) -> Markup {
    let rows = points(runs, |run| match run.outcome() {
        Outcome::Loaded => run.rows().map(as_f64),
        outcome if outcome.is_bad() => Some(0.0),
        _ => None,
    });
    let times = points(runs, |run| {
        let counts = matches!(run.outcome(), Outcome::Loaded | Outcome::EndedWell) || run.outcome().is_bad();
        Some(as_f64(run.head.ended? - run.head.started)).filter(|_| counts)
    });
    html! {
        div class="plots" {
            (plot("Rows loaded", &rows, reader, &|value| words::number(whole(value))))
            (plot("Duration", &times, reader, &|value| words::duration(i64::try_from(whole(value)).unwrap_or(0))))
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and durations, which are not negative"
)]
fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

/// The runs that have a value, the oldest first.
fn points(runs: &[Run], value: impl Fn(&Run) -> Option<f64>) -> Vec<Point> {
    let all: Vec<Point> = runs
        .iter()
        .filter_map(|run| Some(Point { at: run.head.started, value: value(run)?, is_bad: run.outcome().is_bad() }))
        .collect();
    let (new, old) = all.split_at(all.len().min(POINTS / 2));
    let mut days: Vec<Point> = Vec::new();
    if all.len() > POINTS {
        for point in old {
            match days.last_mut().filter(|day| day.at / 86_400_000 == point.at / 86_400_000) {
                Some(day) => {
                    day.value = day.value.max(point.value);
                    day.is_bad |= point.is_bad;
                }
                None => days.push(Point { at: point.at, value: point.value, is_bad: point.is_bad }),
            }
        }
        days.truncate(POINTS / 2);
    } else {
        days.extend(old.iter().map(|point| Point { at: point.at, value: point.value, is_bad: point.is_bad }));
    }
    let mut points: Vec<Point> =
        new.iter().map(|point| Point { at: point.at, value: point.value, is_bad: point.is_bad }).chain(days).collect();
    points.reverse();
    points
}

fn plot(title: &str, points: &[Point], reader: &Reader, text: &dyn Fn(f64) -> String) -> Markup {
    let mut good: Vec<f64> = points.iter().filter(|point| !point.is_bad).map(|point| point.value).collect();
    good.sort_by(f64::total_cmp);
    let highest = points.iter().map(|point| point.value).fold(0.0, f64::max);
    let median = good.get(good.len() / 2).copied().unwrap_or(0.0);
    let scale = if highest > 0.0 { highest } else { 1.0 };
    let step = 100.0 / as_f64(points.len().max(12));
    let summary = format!(
        "{title} of {}: median {}, highest {}",
        words::count(points.len() as u64, "run"),
        text(median),
        text(highest)
    );
    html! {
        section class="card" {
            header { h2 { (title) } span class="soft" { @if points.is_empty() { "nothing yet" } @else { "median " (text(median)) ", highest " (text(highest)) } } }
            div class="plot" {
                svg role="img" aria-label=(summary) {
                    @for (y, value) in [(8.0, 1.0), (58.0, 0.5), (108.0, 0.0)] {
                        line class="s-axis" x1="0" x2="100%" y1=(y) y2=(y) {}
                        text x="-8" y=(y + 4.0) text-anchor="end" { (text(scale * value)) }
                    }
                    @for (place, point) in points.iter().enumerate() {
                        @let height = (point.value / scale * 100.0).max(if point.is_bad { 6.0 } else { 1.0 });
                        @let x = step * as_f64(place);
                        rect class=(if point.is_bad { "f-bad" } else { "f-ok" }) x={ (format!("{x:.2}")) "%" } width={ (format!("{:.2}", step * 0.75)) "%" } y=(format!("{:.1}", 108.0 - height)) height=(format!("{height:.1}")) rx="1.5" {}
                        @if point.is_bad { text x={ (format!("{:.2}", x + step * 0.37)) "%" } y=(format!("{:.1}", 104.0 - height)) text-anchor="middle" { "×" } }
                    }
                    @if let (Some(first), Some(last)) = (points.first(), points.last()) {
                        text x="0" y="126" { (reader.clock.short_day(first.at)) }
                        text x="100%" y="126" text-anchor="end" { (reader.clock.short_day(last.at)) }
                    }
                }
            }
        }
    }
}
