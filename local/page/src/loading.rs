//! Whether a run has come so far that something may be loaded, by its story: a run may fail behind what it has loaded.

use crate::fold::{Story, Visit};
use crate::kind::Kind;

/// How far a run has come with what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loading {
    /// Its states are not read, or not all of them.
    Unknown,
    /// It ended before the state that loads, so nothing was loaded.
    NotReached,
    /// It came to that state: something may be loaded.
    Reached,
    /// That state has ended well.
    Done,
}

/// How far the run of this story has come.
pub fn loading(kind: Kind, story: Option<&Story>) -> Loading {
    let Some(story) = story.filter(|story| story.ended.is_some()) else { return Loading::Unknown };
    let names = kind.loading_states();
    let visits = || story.visits.iter().filter(|visit| names.iter().any(|(outer, _)| *outer == visit.state));
    let inner = |visit: &Visit| names.iter().find(|(outer, _)| *outer == visit.state).and_then(|(_, inner)| *inner);
    let has_reached = |visit: &Visit| match (&visit.items, inner(visit)) {
        (Some(items), Some(inner)) if !items.states.is_empty() => {
            items.states.get(inner).is_some_and(|counts| counts.entered > 0)
        }
        // Nobody says which of its calls were whose.
        (Some(items), _) => items.anonymous.scheduled > 0,
        (None, _) => true,
    };
    let is_done = |visit: &Visit| visit.items.is_none() && visit.left.is_some() && visit.error().is_none();
    match () {
        () if visits().next_back().is_some_and(is_done) => Loading::Done,
        () if visits().any(has_reached) => Loading::Reached,
        () => Loading::NotReached,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::story;
    use crate::fold::{Attempt, Calls, Counts, End, Items};

    /// The story of a run that failed in, or behind, a state.
    fn failed(state: &str, error: Option<&str>, items: Option<Items>) -> Story {
        let attempt = Attempt { from: 1, to: Some(2), error: error.map(ToOwned::to_owned) };
        let attempts = if items.is_some() { Vec::new() } else { vec![attempt] };
        let visit = Visit { state: state.to_owned(), entered: 1, left: Some(2), attempts, items };
        let mut story = Story::default();
        (story.visits, story.ended) = (vec![visit], Some((End::Failed, 3)));
        story
    }

    fn items(states: &[(&str, u32)], scheduled: u32) -> Option<Items> {
        let states =
            states.iter().map(|(name, entered)| ((*name).to_owned(), Counts { entered: *entered, left: 0, failed: 0 }));
        let anonymous = Calls { scheduled, ..Calls::default() };
        Some(Items { states: states.collect(), anonymous, ..Items::default() })
    }

    #[test]
    fn what_may_be_loaded_is_told_by_the_states_that_were_reached() {
        let (files, elt) = (Kind::TransformAndUpsert, Kind::AthenaElt);
        for (kind, story, expected) in [
            (files, story("run-failed-bad-rows"), Loading::NotReached),
            (files, story("run-loaded"), Loading::Done),
            (files, failed("Upsert", None, None), Loading::Done),
            (files, failed("Upsert", Some("States.Timeout"), None), Loading::Reached),
            (elt, failed("CheckCatalog", Some("Misconfigured"), None), Loading::NotReached),
            (elt, failed("BuildTargets", None, items(&[("BuildTable", 3)], 0)), Loading::NotReached),
            (elt, failed("BuildTargets", None, items(&[("BuildTable", 3), ("Publish", 1)], 0)), Loading::Reached),
            (elt, failed("BuildTargets", None, items(&[], 2)), Loading::Reached),
            (Kind::CopyTable, story("history-map-as-on-aws-synthetic"), Loading::Reached),
            (Kind::MysqlToRedshift, failed("LoadWindows", None, items(&[("ExportTable", 1)], 0)), Loading::NotReached),
        ] {
            assert_eq!(loading(kind, Some(&story)), expected, "{kind:?} {:?}", story.visits.last());
        }
        assert_eq!(loading(files, None), Loading::Unknown);
        let mut open = story("run-failed-bad-rows");
        open.ended = None;
        assert_eq!(loading(files, Some(&open)), Loading::Unknown);
    }

    /// The names are those of the state machines.
    #[test]
    fn the_states_are_there() {
        for kind in Kind::ALL {
            let definition = crate::definition::tests::of_kind(kind);
            for (outer, inner) in kind.loading_states() {
                let state = definition.state(outer).unwrap_or_else(|| panic!("{outer}"));
                let has = |inner: &&str| state.inner.iter().any(|definition| definition.find(inner).is_some());
                assert!(inner.as_ref().is_none_or(has), "{outer} {inner:?}");
            }
        }
    }
}
