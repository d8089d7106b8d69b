//! The story of a run: its history, folded as it comes into what is shown, so that ten thousand events are never held.
//!
//! Two engines write histories. AWS chains events by `previousEventId`, and tells of each item of a Map; the local one
//! does neither: there the calls inside a Map are anonymous, and which items they were for stands in log lines.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// An event of a history, as far as it is folded.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Its number, from 1.
    pub id: i64,
    /// The event that led to it; 0 where the engine does not say.
    pub previous: i64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Its type, such as `TaskStateEntered`.
    pub kind: String,
    /// The name of the state or Map that it is about.
    pub name: Option<String>,
    /// The name of the error.
    pub error: Option<String>,
    /// How many items a Map has, or the number of one.
    pub number: Option<u32>,
}

/// A call of a function, or of another service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was scheduled, in milliseconds since 1970.
    pub from: i64,
    /// When it ended.
    pub to: Option<i64>,
    /// The name of the error by which it ended.
    pub error: Option<String>,
}

/// A state, entered and perhaps left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// Its name.
    pub state: String,
    /// When it was entered, in milliseconds since 1970.
    pub entered: i64,
    /// When it was left.
    pub left: Option<i64>,
    /// Its calls.
    pub attempts: Vec<Attempt>,
    /// Of a Map, what is inside.
    pub items: Option<Items>,
}

impl Visit {
    /// The name of the error by which its last attempt ended.
    pub fn error(&self) -> Option<&str> {
        self.attempts.last().and_then(|attempt| attempt.error.as_deref())
    }
}

/// The inside of a Map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Items {
    /// How many there are, where the engine says.
    pub total: Option<u32>,
    /// Those that the engine tells of.
    pub known: Vec<Item>,
    /// Calls that nobody says the item of.
    pub anonymous: Calls,
    /// By the name of the state inside: how often it was entered, and left.
    pub states: BTreeMap<String, Counts>,
}

/// How often something was begun, done and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Entered.
    pub entered: u32,
    /// Left.
    pub left: u32,
    /// Calls of it that failed.
    pub failed: u32,
}

/// Calls without names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    /// How many were scheduled.
    pub scheduled: u32,
    /// How many of these ended well.
    pub succeeded: u32,
    /// How many failed.
    pub failed: u32,
    /// The first error.
    pub error: Option<String>,
}

/// An item of a Map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its number, from 0.
    pub index: u32,
    /// When it began, in milliseconds since 1970.
    pub from: i64,
    /// When it ended.
    pub to: Option<i64>,
    /// Whether it failed: also if the machine caught that, and went on.
    pub error: Option<String>,
    /// Its calls.
    pub attempts: Vec<Attempt>,
    /// The state that it is in.
    pub state: Option<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Well.
    Succeeded,
    /// With an error.
    Failed,
    /// It took too long.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

/// A folded history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// The states in the order in which they were entered, those inside Maps left out.
    pub visits: Vec<Visit>,
    /// When it began, in milliseconds since 1970.
    pub started: i64,
    /// How and when it ended.
    pub ended: Option<(End, i64)>,
    /// The number of the last event that is in it.
    pub last_id: i64,
    /// Of events that others may follow: whose these are, and whether there may be more than one of them.
    #[serde(skip)]
    scopes: HashMap<i64, (Scope, bool)>,
}

/// Whose an event is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scope {
    /// Of the run itself.
    Run,
    /// Of an item, by its place, of a visit, by its place; how many Maps are around it inside of that item. Of what is
    /// in a Map within an item only the states are counted.
    Item { visit: usize, item: usize, depth: u32 },
}

impl Story {
    /// Folds one more event. Events come in the order of their numbers; those that were folded already, and those
    /// behind the end, change nothing.
    pub fn add(&mut self, event: &Event) {
        if event.id <= self.last_id || self.ended.is_some() {
            return;
        }
        self.last_id = event.id;
        let scope = self.scope(event);
        self.fold(event, scope);
        let is_branching = event.kind == "MapStateStarted" || event.kind == "ParallelStateEntered";
        if self.scopes.get(&event.previous).is_some_and(|(_, is_branching)| !is_branching) {
            self.scopes.remove(&event.previous);
        }
        let behind = self.behind(event, scope);
        if behind != Scope::Run || is_branching {
            self.scopes.insert(event.id, (behind, is_branching));
        } else if let Scope::Item { visit: of, item: ended, .. } = scope {
            // Nothing more comes of an item that is over.
            self.scopes.retain(
                |_, (scope, _)| !matches!(scope, Scope::Item { visit, item, .. } if (*visit, *item) == (of, ended)),
            );
        }
    }

    /// Whose an event is that this one leads to.
    fn behind(&self, event: &Event, scope: Scope) -> Scope {
        match scope {
            Scope::Run if event.kind == "MapIterationStarted" => self.last_item().unwrap_or(scope),
            Scope::Item { visit, item, depth } if event.kind == "MapIterationStarted" => {
                Scope::Item { visit, item, depth: depth + 1 }
            }
            Scope::Item { visit, item, depth } if event.kind.starts_with("MapIteration") => {
                match depth.checked_sub(1) {
                    Some(depth) => Scope::Item { visit, item, depth },
                    // What follows the last item is the run's own again.
                    None => Scope::Run,
                }
            }
            scope => scope,
        }
    }

    /// The item that has just begun.
    fn last_item(&self) -> Option<Scope> {
        let visit = self.open_visit()?;
        let items = self.visits[visit].items.as_ref()?;
        Some(Scope::Item { visit, item: items.known.len().checked_sub(1)?, depth: 0 })
    }

    fn scope(&self, event: &Event) -> Scope {
        self.scopes.get(&event.previous).map_or(Scope::Run, |(scope, _)| *scope)
    }

    /// The visit outside of Maps that is not over.
    fn open_visit(&self) -> Option<usize> {
        self.visits.iter().rposition(|visit| visit.left.is_none())
    }

    fn fold(&mut self, event: &Event, scope: Scope) {
        let is_inner = matches!(scope, Scope::Item { depth: 1.., .. });
        match event.kind.as_str() {
            "ExecutionStarted" => self.started = event.at,
            "ExecutionSucceeded" => self.ended = Some((End::Succeeded, event.at)),
            "ExecutionFailed" => self.ended = Some((End::Failed, event.at)),
            "ExecutionTimedOut" => self.ended = Some((End::TimedOut, event.at)),
            "ExecutionAborted" => self.ended = Some((End::Aborted, event.at)),
            // A Map within an item, its items, and their calls.
            "MapStateStarted" | "MapIterationStarted" if scope != Scope::Run => {}
            kind if is_inner && !kind.ends_with("StateEntered") && !kind.ends_with("StateExited") => {}
            "MapStateStarted" => {
                if let Some(items) = self.open_items() {
                    items.total = event.number;
                }
            }
            "MapIterationStarted" => self.begin_item(event),
            "MapIterationSucceeded" | "MapIterationFailed" | "MapIterationAborted" => self.end_item(event, scope),
            kind if kind.ends_with("StateEntered") => self.enter(event, scope),
            kind if kind.ends_with("StateExited") => self.leave(event, scope),
            "TaskScheduled" | "LambdaFunctionScheduled" | "ActivityScheduled" => self.schedule(event, scope),
            "TaskSucceeded" | "LambdaFunctionSucceeded" | "ActivitySucceeded" => self.end_attempt(event, scope, None),
            "TaskFailed"
            | "TaskTimedOut"
            | "TaskSubmitFailed"
            | "TaskStartFailed"
            | "LambdaFunctionFailed"
            | "LambdaFunctionTimedOut"
            | "LambdaFunctionScheduleFailed"
            | "LambdaFunctionStartFailed"
            | "ActivityFailed"
            | "ActivityTimedOut" => {
                let error = event.error.clone().unwrap_or_else(|| "States.Timeout".to_owned());
                self.end_attempt(event, scope, Some(error));
            }
            _ => {}
        }
    }

    fn open_items(&mut self) -> Option<&mut Items> {
        let visit = self.open_visit()?;
        self.visits[visit].items.as_mut()
    }

    fn begin_item(&mut self, event: &Event) {
        let (index, from) = (event.number.unwrap_or_default(), event.at);
        if let Some(items) = self.open_items() {
            items.known.push(Item { index, from, to: None, error: None, attempts: Vec::new(), state: None });
        }
    }

    fn end_item(&mut self, event: &Event, scope: Scope) {
        let has_failed = event.kind != "MapIterationSucceeded";
        let Some(item) = self.item(event, scope) else { return };
        item.to = Some(event.at);
        let last_error = item.attempts.last().and_then(|attempt| attempt.error.clone());
        item.error = match has_failed {
            true => last_error.or_else(|| event.error.clone()).or_else(|| Some("Failed".to_owned())),
            // Caught inside: the item did not do what it should.
            false => last_error,
        };
        item.state = None;
    }

    /// The item of an event: by what led to it, or by the number that it says.
    fn item(&mut self, event: &Event, scope: Scope) -> Option<&mut Item> {
        if let Scope::Item { visit, item, .. } = scope {
            return self.visits.get_mut(visit)?.items.as_mut()?.known.get_mut(item);
        }
        let index = event.number?;
        self.open_items()?.known.iter_mut().rfind(|item| item.index == index && item.to.is_none())
    }

    fn enter(&mut self, event: &Event, scope: Scope) {
        let Some(name) = event.name.clone() else { return };
        if let Scope::Item { visit, item, .. } = scope {
            let Some(items) = self.visits.get_mut(visit).and_then(|visit| visit.items.as_mut()) else { return };
            items.states.entry(name.clone()).or_default().entered += 1;
            if let Some(item) = items.known.get_mut(item) {
                item.state = Some(name);
            }
            return;
        }
        let has_items = event.kind.starts_with("Map") || event.kind.starts_with("Parallel");
        self.visits.push(Visit {
            state: name,
            entered: event.at,
            left: None,
            attempts: Vec::new(),
            items: has_items.then(Items::default),
        });
    }

    fn leave(&mut self, event: &Event, scope: Scope) {
        let Some(name) = event.name.as_deref() else { return };
        if let Scope::Item { visit, .. } = scope {
            let items = self.visits.get_mut(visit).and_then(|visit| visit.items.as_mut());
            if let Some(state) = items.and_then(|items| items.states.get_mut(name)) {
                state.left += 1;
            }
            return;
        }
        if let Some(visit) = self.visits.iter_mut().rfind(|visit| visit.state == name && visit.left.is_none()) {
            visit.left = Some(event.at);
        }
    }

    fn schedule(&mut self, event: &Event, scope: Scope) {
        let attempt = Attempt { from: event.at, to: None, error: None };
        if let Scope::Item { .. } = scope {
            if let Some(item) = self.item(event, scope) {
                item.attempts.push(attempt);
            }
            return;
        }
        let Some(visit) = self.open_visit() else { return };
        match &mut self.visits[visit].items {
            Some(items) => items.anonymous.scheduled += 1,
            None => self.visits[visit].attempts.push(attempt),
        }
    }

    fn end_attempt(&mut self, event: &Event, scope: Scope, error: Option<String>) {
        if let Scope::Item { visit, .. } = scope {
            let Some(item) = self.item(event, scope) else { return };
            let state = item.state.clone();
            if let Some(attempt) = item.attempts.last_mut() {
                attempt.to = Some(event.at);
                attempt.error.clone_from(&error);
            }
            if let (Some(state), Some(_), Some(items)) = (state, error, self.visits[visit].items.as_mut()) {
                items.states.entry(state).or_default().failed += 1;
            }
            return;
        }
        let Some(visit) = self.open_visit() else { return };
        let visit = &mut self.visits[visit];
        if let Some(items) = &mut visit.items {
            match error {
                None => items.anonymous.succeeded += 1,
                Some(error) => {
                    items.anonymous.failed += 1;
                    items.anonymous.error.get_or_insert(error);
                }
            }
        } else if let Some(attempt) = visit.attempts.iter_mut().rfind(|attempt| attempt.to.is_none()) {
            attempt.to = Some(event.at);
            attempt.error = error;
        }
    }
}

#[cfg(test)]
mod nested;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::Value;
    use std::path::Path;

    /// A recorded answer.
    pub(crate) fn fixture(name: &str) -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).with_extension("json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// The events of a recorded history.
    pub(crate) fn events(history: &Value) -> Vec<Event> {
        let detail = |event: &Value, field: &str| {
            let details = event.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("Details"));
            details.map(|(_, details)| details[field].clone()).find(|value| !value.is_null())
        };
        let text = |event: &Value, field| detail(event, field).and_then(|value| value.as_str().map(ToOwned::to_owned));
        let number = |event: &Value, field| detail(event, field).and_then(|value| value.as_u64());
        let one = |event: &Value| Event {
            id: event["id"].as_i64().unwrap(),
            previous: event["previousEventId"].as_i64().unwrap_or_default(),
            #[allow(clippy::cast_possible_truncation, reason = "a time of this century")]
            at: (event["timestamp"].as_f64().unwrap() * 1_000.0).round() as i64,
            kind: event["type"].as_str().unwrap().to_owned(),
            name: text(event, "name"),
            error: text(event, "error"),
            number: number(event, "index").or(number(event, "length")).map(|number| u32::try_from(number).unwrap()),
        };
        history["events"].as_array().unwrap().iter().map(one).collect()
    }

    /// The story of a recorded run.
    pub(crate) fn story(name: &str) -> Story {
        let recorded = fixture(name);
        let history = if recorded["events"].is_array() { &recorded } else { &recorded["get_execution_history"] };
        let mut story = Story::default();
        for event in events(history) {
            story.add(&event);
        }
        story
    }

    #[test]
    fn a_failed_run_of_the_local_engine_names_the_map_and_its_calls() {
        let story = story("run-failed-bad-rows");
        let names: Vec<&str> = story.visits.iter().map(|visit| visit.state.as_str()).collect();
        assert_eq!(names, ["DetectNewFiles", "AnyNewFiles", "PivotFiles", "HasCause", "Failed"]);
        let items = story.visits[2].items.as_ref().unwrap();
        assert_eq!((items.anonymous.scheduled, items.anonymous.failed), (1, 1));
        assert_eq!(items.anonymous.error.as_deref(), Some("InvalidSource"));
        assert_eq!(story.ended.map(|(end, at)| (end, at - story.started)), Some((End::Failed, 363)));
    }

    #[test]
    fn a_retry_is_two_attempts_with_a_pause() {
        let story = story("run-lock-held-then-nothing");
        let [first, second] = &story.visits[0].attempts[..] else { panic!("{story:?}") };
        assert_eq!(first.error.as_deref(), Some("LockHeld"));
        assert_eq!(second.from - first.to.unwrap(), 3_001);
        assert_eq!(story.visits[0].error(), None);
    }

    #[test]
    fn what_follows_the_end_is_not_folded() {
        let story = story("run-stopped");
        assert_eq!(story.ended.map(|(end, _)| end), Some(End::Aborted));
        let last = story.visits.last().unwrap();
        assert_eq!((last.state.as_str(), last.left), ("WaitForDatabase", None));
    }

    #[test]
    fn items_of_aws_are_told_apart_by_what_led_to_them() {
        let story = story("history-map-as-on-aws-synthetic");
        let map = story.visits.iter().find(|visit| visit.state == "CopyWindows").unwrap();
        let items = map.items.as_ref().unwrap();
        assert_eq!((items.total, items.known.len(), &items.anonymous), (Some(4), 4, &Calls::default()));
        let of = |index: u32| items.known.iter().find(|item| item.index == index).unwrap();
        assert_eq!(of(1).attempts.len(), 2, "it was tried again");
        assert_eq!((of(1).error.as_deref(), of(2).error.as_deref()), (None, Some("WindowTooLarge")));
        assert_eq!(of(0).to.unwrap() - of(0).from, 9_240);
        assert_eq!(items.states["CopyWindow"], Counts { entered: 4, left: 4, failed: 2 });
        assert_eq!(items.states["WindowFailed"].entered, 1);
        assert_eq!(story.visits.last().unwrap().state, "Failed");
        assert!(story.scopes.len() < 8, "{}", story.scopes.len());
    }

    #[test]
    fn a_history_may_come_in_pieces_and_twice() {
        let recorded = fixture("history-map-as-on-aws-synthetic");
        let all = events(&recorded);
        let mut pieces = Story::default();
        for event in all[..20].iter().chain(&all[10..]) {
            pieces.add(event);
        }
        assert_eq!(pieces, story("history-map-as-on-aws-synthetic"));
    }

    #[test]
    fn ten_thousand_events_take_little_memory() {
        let mut story = Story::default();
        let mut id = 0;
        let mut add = |kind: &str, previous: i64, name: &str, number: Option<u32>| {
            id += 1;
            let name = Some(name.to_owned()).filter(|name| !name.is_empty());
            story.add(&Event { id, previous, at: id, kind: kind.into(), name, error: None, number });
            id
        };
        add("ExecutionStarted", 0, "", None);
        let map = add("MapStateEntered", 0, "M", None);
        let started = add("MapStateStarted", map, "", Some(1_500));
        for index in 0..1_500 {
            let began = add("MapIterationStarted", started, "M", Some(index));
            let entered = add("TaskStateEntered", began, "T", None);
            let scheduled = add("TaskScheduled", entered, "", None);
            let done = add("TaskSucceeded", scheduled, "", None);
            let left = add("TaskStateExited", done, "T", None);
            add("MapIterationSucceeded", left, "M", Some(index));
        }
        assert!(story.last_id > 9_000);
        let text = serde_json::to_string(&story).unwrap();
        assert!(text.len() < 1_024 + 192 * 1_500, "{}", text.len());
        assert!(story.scopes.len() <= 2, "{}", story.scopes.len());
    }
}
