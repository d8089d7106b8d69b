//! A state machine, as far as it is drawn: the part of the Amazon States Language that says what comes after what.

use serde_json::Value;

/// What a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// Calls a function.
    Task,
    /// Does one thing per item.
    Map,
    /// Does several things at once.
    Parallel,
    /// Chooses the next state.
    Choice,
    /// Passes on.
    Pass,
    /// Waits.
    Wait,
    /// Ends well.
    Succeed,
    /// Ends badly.
    Fail,
}

impl StateKind {
    /// As the language calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "Task",
            Self::Map => "Map",
            Self::Parallel => "Parallel",
            Self::Choice => "Choice",
            Self::Pass => "Pass",
            Self::Wait => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
        }
    }

    /// Whether it does or waits for something, rather than only leading on.
    pub fn does_work(self) -> bool {
        matches!(self, Self::Task | Self::Map | Self::Parallel | Self::Wait)
    }

    /// Whether a run ends in it.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Succeed | Self::Fail)
    }
}

/// By what one state leads to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// `Next`.
    Next,
    /// A rule of a Choice.
    Rule,
    /// A Choice's `Default`.
    Default,
    /// An error.
    Catch,
}

/// A state.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: StateKind,
    /// Where it leads, each place once.
    pub ways: Vec<(Way, String)>,
    /// Whether `End` says that it is the last one.
    pub is_last: bool,
    /// What is inside a Map, or the branches of a Parallel.
    pub inner: Vec<Definition>,
    /// The name of the function that it calls, if it does.
    pub function: Option<String>,
}

/// The states of a machine, of a Map or of a branch.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The first one.
    pub start: String,
    /// In the order in which a walk from the first one meets them.
    pub states: Vec<State>,
}

impl Definition {
    /// Reads a definition; `None` if it is not one.
    pub fn read(value: &Value) -> Option<Self> {
        let start = value["StartAt"].as_str()?.to_owned();
        let states = value["States"].as_object()?;
        let mut known: Vec<State> = Vec::new();
        let mut open = vec![start.clone()];
        while let Some(name) = open.pop() {
            if known.iter().any(|state| state.name == name) {
                continue;
            }
            let state = read_state(&name, states.get(&name)?)?;
            // The last one pushed is looked at first.
            open.extend(state.ways.iter().rev().map(|(_, to)| to.clone()));
            known.push(state);
        }
        Some(Self { start, states: known })
    }

    /// The state of this name, not looking inside Maps.
    pub fn state(&self, name: &str) -> Option<&State> {
        self.states.iter().find(|state| state.name == name)
    }

    /// The state of this name, also inside Maps.
    pub fn find(&self, name: &str) -> Option<&State> {
        self.states.iter().find_map(|state| {
            if state.name == name { Some(state) } else { state.inner.iter().find_map(|inner| inner.find(name)) }
        })
    }

    /// How many states there are, those inside Maps included.
    pub fn len(&self) -> usize {
        self.states.iter().map(|state| 1 + state.inner.iter().map(Self::len).sum::<usize>()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// By what the one state leads to the other.
    pub fn way(&self, from: &str, to: &str) -> Option<Way> {
        let ways = &self.state(from)?.ways;
        ways.iter().filter(|(_, name)| name == to).map(|(way, _)| *way).min()
    }
}

fn read_state(name: &str, value: &Value) -> Option<State> {
    let kind = match value["Type"].as_str()? {
        "Task" => StateKind::Task,
        "Map" => StateKind::Map,
        "Parallel" => StateKind::Parallel,
        "Choice" => StateKind::Choice,
        "Pass" => StateKind::Pass,
        "Wait" => StateKind::Wait,
        "Succeed" => StateKind::Succeed,
        "Fail" => StateKind::Fail,
        _ => return None,
    };
    let mut ways: Vec<(Way, String)> = Vec::new();
    let mut add = |way: Way, to: &Value| {
        if let Some(to) = to.as_str().filter(|to| !ways.iter().any(|known| known == &(way, (*to).to_owned()))) {
            ways.push((way, to.to_owned()));
        }
    };
    add(Way::Next, &value["Next"]);
    for rule in value["Choices"].as_array().into_iter().flatten() {
        add(Way::Rule, &rule["Next"]);
    }
    add(Way::Default, &value["Default"]);
    for catcher in value["Catch"].as_array().into_iter().flatten() {
        add(Way::Catch, &catcher["Next"]);
    }
    let inner = match kind {
        StateKind::Map => vec![Definition::read(value.get("ItemProcessor").or(value.get("Iterator"))?)?],
        StateKind::Parallel => value["Branches"].as_array()?.iter().map(Definition::read).collect::<Option<_>>()?,
        _ => Vec::new(),
    };
    let function = value["Parameters"]["FunctionName"].as_str();
    let function = function.and_then(|name| name.split(':').nth(6)).map(ToOwned::to_owned);
    let is_last = value["End"] == true || kind.is_end();
    Some(State { name: name.to_owned(), kind, ways, is_last, inner, function })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::kind::Kind;
    use std::path::Path;

    /// The state machine of a kind, as this repository deploys it, with nothing filled in.
    pub(crate) fn of_kind(kind: Kind) -> Definition {
        let file = format!("../../statemachine/{}.asl.json", kind.name());
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        Definition::read(&serde_json::from_str(&filled(&text)).unwrap()).unwrap()
    }

    /// What the template fills in without quotes becomes a number.
    fn filled(text: &str) -> String {
        let mut parts = text.split(" ${");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (_, rest) = part.split_once('}').unwrap();
            filled.push_str(" 1");
            filled.push_str(rest);
        }
        filled
    }

    #[test]
    fn the_definitions_of_all_kinds_are_read_and_told_apart() {
        for kind in Kind::ALL {
            let definition = of_kind(kind);
            assert_eq!(Kind::of(&definition), Some(kind));
            assert!(definition.len() > 15, "{kind:?}: {}", definition.len());
        }
    }

    #[test]
    fn ways_are_those_of_the_language() {
        let definition = of_kind(Kind::TransformAndUpsert);
        assert_eq!(definition.way("PivotFiles", "NeedsOpening"), Some(Way::Next));
        assert_eq!(definition.way("PivotFiles", "IsDatabaseOpenAfterFailure"), Some(Way::Catch));
        assert_eq!(definition.way("AnyNewFiles", "PivotFiles"), Some(Way::Default));
        assert_eq!(definition.way("AnyNewFiles", "Loaded"), None);
        assert!(definition.find("Pivot").is_some_and(|state| state.is_last && state.kind == StateKind::Task));
    }
}
