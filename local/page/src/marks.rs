//! What became of each state in a run, for the graph, the grid and the timeline: the story of the run, read beside the
//! definition, which says by what the run went on.

use crate::definition::{Definition, State, StateKind, Way};
use crate::fold::{End, Items, Story, Visit};
use crate::outcome::Outcome;
use std::collections::BTreeMap;

/// What became of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// The run never came to it.
    NotReached,
    /// It did its work.
    Done,
    /// It did its work after failed attempts.
    Retried,
    /// The run ended here with nothing to do.
    Nothing,
    /// The run ended here, and what it tried was rolled back.
    RolledBack,
    /// It was at work when the run was stopped.
    Stopped,
    /// It is at work.
    Running,
    /// It failed.
    Failed,
}

impl Mark {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotReached => "not reached",
            Self::Done => "done",
            Self::Retried => "done after retries",
            Self::Nothing => "nothing to do",
            Self::RolledBack => "rolled back, as asked",
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Failed => "failed",
        }
    }
}

/// A state in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// What became of it.
    pub mark: Mark,
    /// How long it took, all visits together, in milliseconds.
    pub took: i64,
    /// How often it was entered.
    pub visits: usize,
    /// The name of the last error.
    pub error: Option<String>,
}

/// A run, beside the definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    /// By the name of the state, those inside Maps included; those that were not reached are missing.
    pub states: BTreeMap<String, Reached>,
    /// The ways that were taken, in their order, and whether an error was one of the reasons before.
    pub ways: Vec<(String, String, bool)>,
}

impl Marks {
    /// What became of a state.
    pub fn of(&self, state: &str) -> Mark {
        self.states.get(state).map_or(Mark::NotReached, |reached| reached.mark)
    }
}

/// Reads the story beside the definition, at `now` in milliseconds since 1970.
pub fn marks(definition: &Definition, story: &Story, outcome: Outcome, now: i64) -> Marks {
    let now = story.ended.map_or(now, |(_, at)| at);
    let mut marks = Marks::default();
    let mut is_after_error = false;
    for (place, visit) in story.visits.iter().enumerate() {
        let next = story.visits.get(place + 1);
        let state = definition.state(&visit.state);
        let has_failed = failed(definition, story, visit, next);
        if let Some(next) = next {
            is_after_error |= has_failed;
            marks.ways.push((visit.state.clone(), next.state.clone(), is_after_error));
        }
        let mark = match state {
            _ if has_failed => Mark::Failed,
            Some(State { kind: StateKind::Fail, .. }) => Mark::Failed,
            Some(State { kind: StateKind::Succeed, .. }) => end_mark(outcome),
            _ if visit.left.is_none() && next.is_none() => open_mark(story),
            _ if visit.attempts.iter().any(|attempt| attempt.error.is_some()) => Mark::Retried,
            _ => Mark::Done,
        };
        let error = visit.error().or_else(|| visit.items.as_ref()?.anonymous.error.as_deref());
        add(&mut marks, &visit.state, mark, visit.left.unwrap_or(now) - visit.entered, error);
        if let (Some(items), Some(state)) = (&visit.items, state) {
            inside(&mut marks, items, state, mark, visit.left.unwrap_or(now) - visit.entered);
        }
    }
    marks
}

/// Whether a visit ended by an error: the run went on by a Catch, or not at all.
fn failed(definition: &Definition, story: &Story, visit: &Visit, next: Option<&Visit>) -> bool {
    match next {
        Some(next) => definition.way(&visit.state, &next.state) == Some(Way::Catch),
        None => {
            let is_end = definition.state(&visit.state).is_some_and(|state| state.kind == StateKind::Succeed);
            matches!(story.ended, Some((End::Failed | End::TimedOut, _))) && !is_end
        }
    }
}

fn open_mark(story: &Story) -> Mark {
    match story.ended {
        Some((End::Aborted, _)) => Mark::Stopped,
        Some(_) => Mark::Failed,
        None => Mark::Running,
    }
}

fn end_mark(outcome: Outcome) -> Mark {
    match outcome {
        Outcome::NothingNew | Outcome::LeftToOwner => Mark::Nothing,
        Outcome::DryRun => Mark::RolledBack,
        _ => Mark::Done,
    }
}

fn add(marks: &mut Marks, name: &str, mark: Mark, took: i64, error: Option<&str>) {
    let known = marks.states.entry(name.to_owned()).or_insert(Reached { mark, took: 0, visits: 0, error: None });
    // The last visit decides, but a retry before it is not forgotten.
    known.mark = if known.mark == Mark::Retried && mark == Mark::Done { Mark::Retried } else { mark };
    known.took += took;
    known.visits += 1;
    if let Some(error) = error {
        known.error = Some(error.to_owned());
    }
}

/// What is inside a Map: as AWS tells of it, or, where nobody says which calls were whose, as a whole.
fn inside(marks: &mut Marks, items: &Items, state: &State, map: Mark, took: i64) {
    for (name, counts) in &items.states {
        let mark = if counts.entered > counts.left {
            if map == Mark::Done { Mark::Done } else { map }
        } else if counts.failed > 0 {
            if map == Mark::Failed || items.known.iter().any(|item| item.error.is_some()) {
                Mark::Failed
            } else {
                Mark::Retried
            }
        } else {
            Mark::Done
        };
        add(marks, name, mark, took, None);
        if let Some(reached) = marks.states.get_mut(name) {
            reached.visits = counts.entered as usize;
        }
    }
    let tasks = || state.inner.iter().flat_map(|inner| &inner.states).filter(|state| state.kind == StateKind::Task);
    if items.anonymous.scheduled > 0 && items.states.is_empty() {
        for task in tasks().take(if map == Mark::Done { usize::MAX } else { 1 }) {
            let mark = match map {
                Mark::Done if items.anonymous.failed > 0 => Mark::Retried,
                mark => mark,
            };
            add(marks, &task.name, mark, took, items.anonymous.error.as_deref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::{fixture, story};

    fn recorded() -> Definition {
        let text = fixture("describe-state-machine")["definition"].as_str().unwrap().to_owned();
        Definition::read(&serde_json::from_str(&text).unwrap()).unwrap()
    }

    #[test]
    fn a_failed_map_is_red_and_so_is_the_way_behind_it() {
        let marks = marks(&recorded(), &story("run-failed-bad-rows"), Outcome::Failed, 0);
        for (state, mark) in [
            ("DetectNewFiles", Mark::Done),
            ("AnyNewFiles", Mark::Done),
            ("PivotFiles", Mark::Failed),
            ("Pivot", Mark::Failed),
            ("Failed", Mark::Failed),
            ("Upsert", Mark::NotReached),
        ] {
            assert_eq!(marks.of(state), mark, "{state}");
        }
        let ways: Vec<(&str, bool)> = marks.ways.iter().map(|(_, to, bad)| (to.as_str(), *bad)).collect();
        assert_eq!(ways, [("AnyNewFiles", false), ("PivotFiles", false), ("HasCause", true), ("Failed", true)]);
    }

    #[test]
    fn a_loaded_run_has_only_done_states_and_no_red_way() {
        let marks = marks(&recorded(), &story("run-loaded"), Outcome::Loaded, 0);
        assert_eq!((marks.of("PivotFiles"), marks.of("Upsert")), (Mark::Done, Mark::Done));
        assert!(marks.ways.iter().all(|(_, _, is_after_error)| !is_after_error));
        assert!(marks.states.values().all(|reached| reached.mark != Mark::Failed), "{marks:?}");
    }

    #[test]
    fn other_ends_have_marks_of_their_own() {
        let of = |name: &str, outcome| marks(&recorded(), &story(name), outcome, 0);
        let held = of("run-lock-held-then-nothing", Outcome::NothingNew);
        assert_eq!((held.of("DetectNewFiles"), held.of("NothingToDo")), (Mark::Retried, Mark::Nothing));
        let stopped = of("run-stopped", Outcome::Stopped);
        assert_eq!(stopped.of("WaitForDatabase"), Mark::Stopped);
        let dry = of("run-dry-run", Outcome::DryRun);
        assert_eq!(dry.states.values().filter(|reached| reached.mark == Mark::RolledBack).count(), 1);
    }
}
