//! A Map within an item of a Map, as AWS writes it: no kind has one, and one that comes is not mistaken for the Map
//! around it.

use super::{Calls, Counts, End, Event, Items, Story};

/// A history as it is written.
#[derive(Default)]
struct Written(Vec<Event>);

impl Written {
    /// Writes an event that another one led to, and says its number.
    fn add(&mut self, previous: i64, kind: &str, name: &str, number: Option<u32>) -> i64 {
        let id = self.0.len() as i64 + 1;
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        let error = kind.ends_with("Failed").then(|| "Bad".to_owned());
        self.0.push(Event { id, previous, at: id * 10, kind: kind.to_owned(), name, error, number });
        id
    }

    /// A task, from its beginning to its end, or to its error.
    fn task(&mut self, previous: i64, name: &str, is_good: bool) -> i64 {
        let entered = self.add(previous, "TaskStateEntered", name, None);
        let scheduled = self.add(entered, "TaskScheduled", "", None);
        if !is_good {
            return self.add(scheduled, "TaskFailed", "", None);
        }
        let done = self.add(scheduled, "TaskSucceeded", "", None);
        self.add(done, "TaskStateExited", name, None)
    }

    fn map(&mut self, previous: i64, name: &str, length: u32) -> i64 {
        let entered = self.add(previous, "MapStateEntered", name, None);
        self.add(entered, "MapStateStarted", "", Some(length))
    }

    fn map_done(&mut self, previous: i64, name: &str) -> i64 {
        let done = self.add(previous, "MapStateSucceeded", "", None);
        self.add(done, "MapStateExited", name, None)
    }

    fn story(&self) -> Story {
        let mut story = Story::default();
        self.0.iter().for_each(|event| story.add(event));
        story
    }
}

/// Two items side by side, each with a task and then a Map of three; `is_good` says how the very last call ends.
fn story(is_good: bool) -> Story {
    let mut written = Written::default();
    let start = written.add(0, "ExecutionStarted", "", None);
    let outer = written.map(start, "Files", 2);
    let began = [0, 1].map(|index| written.add(outer, "MapIterationStarted", "Files", Some(index)));
    let tasks = began.map(|began| written.task(began, "Open", true));
    let inner = tasks.map(|task| written.map(task, "Parts", 3));
    let parts =
        inner.map(|inner| [0, 1, 2].map(|index| written.add(inner, "MapIterationStarted", "Parts", Some(index))));
    // They take turns, so that each is led to by an event of long ago.
    let mut ends = [0, 0];
    for (part, number) in [0, 1, 2].into_iter().zip(0..) {
        for (item, parts) in parts.iter().enumerate() {
            let is_last = (part, item) == (2, 1);
            let task = written.task(parts[part], "Read", is_good || !is_last);
            let kind = if is_good || !is_last { "MapIterationSucceeded" } else { "MapIterationFailed" };
            ends[item] = written.add(task, kind, "Parts", Some(number));
        }
    }
    let first = written.map_done(ends[0], "Parts");
    let mut last = written.add(first, "MapIterationSucceeded", "Files", Some(0));
    if is_good {
        let second = written.map_done(ends[1], "Parts");
        last = written.add(second, "MapIterationSucceeded", "Files", Some(1));
        last = written.map_done(last, "Files");
        last = written.add(last, "SucceedStateEntered", "Done", None);
        written.add(last, "ExecutionSucceeded", "", None);
    } else {
        let failed = written.add(ends[1], "MapStateFailed", "", None);
        last = last.max(written.add(failed, "MapIterationFailed", "Files", Some(1)));
        last = written.add(last, "MapStateFailed", "", None);
        written.add(last, "ExecutionFailed", "", None);
    }
    written.story()
}

fn items(story: &Story) -> &Items {
    let items = story.visits[0].items.as_ref().unwrap();
    assert_eq!((items.total, items.known.len(), &items.anonymous), (Some(2), 2, &Calls::default()));
    // The call of its own task alone.
    assert!(items.known.iter().all(|item| item.attempts.len() == 1), "{items:?}");
    items
}

#[test]
fn items_of_an_inner_map_are_no_items_of_the_outer_one() {
    let story = story(true);
    let items = items(&story);
    assert!(items.known.iter().all(|item| item.error.is_none() && item.state.is_none()), "{items:?}");
    // Both begin before any part does, and end behind all of their parts.
    assert!(items.known.iter().all(|item| item.to.unwrap() - item.from > 300), "{items:?}");
    let counts = |number| Counts { entered: number, left: number, failed: 0 };
    assert_eq!(
        items.states,
        [("Open", 2), ("Parts", 2), ("Read", 6)].map(|(name, number)| (name.to_owned(), counts(number))).into()
    );
    let names: Vec<&str> = story.visits.iter().map(|visit| visit.state.as_str()).collect();
    assert_eq!((names, story.ended.map(|(end, _)| end)), (vec!["Files", "Done"], Some(End::Succeeded)));
    assert!(story.visits[0].left.is_some() && story.scopes.len() <= 1, "{:?}", story.scopes);
}

#[test]
fn an_error_in_an_inner_map_is_one_of_its_outer_item() {
    let story = story(false);
    let items = items(&story);
    assert_eq!(items.known.iter().map(|item| item.error.as_deref()).collect::<Vec<_>>(), [None, Some("Bad")]);
    assert_eq!(items.states["Parts"], Counts { entered: 2, left: 1, failed: 0 });
    assert_eq!(items.states["Read"], Counts { entered: 6, left: 5, failed: 0 });
    assert_eq!((story.visits.len(), story.ended.map(|(end, _)| end)), (1, Some(End::Failed)));
}
