//! The log lines of one run, out of what the log groups of its functions hold.
//!
//! Lines of a run are those of invocations of which a line says, in its span, that they are of this execution. A search
//! for the execution's name would be wrong: the next run's lines name it too, as the lock's owner before.

use crate::unquoted::unquoted;
use crate::words;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

/// How much of a run is kept, in bytes of text.
const KEPT_BYTES: usize = 10 * 1024 * 1024;

/// An event of a log group.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEvent {
    /// The function whose group it is in.
    pub function: String,
    /// The stream: one instance of the function.
    pub stream: String,
    /// Its id, by which it is known when it comes twice; empty where the engine gives none, as that of one machine.
    pub id: String,
    /// When CloudWatch says that it was written, in milliseconds since 1970.
    pub at: i64,
    /// Its text.
    pub message: String,
}

impl LogEvent {
    /// What an event is known by when it comes twice: its id, or else all of it.
    pub fn identity(&self) -> impl Eq + Hash + '_ {
        match self.id.as_str() {
            "" => ("", &*self.function, &*self.stream, self.at, &*self.message),
            id => (id, "", "", 0, ""),
        }
    }
}

/// How severe a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Somebody must act.
    Error,
    /// Something went wrong and was mended.
    Warn,
    /// What is done.
    Info,
    /// Everything else.
    Debug,
}

impl Level {
    /// Its letter.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Error => "E",
            Self::Warn => "W",
            Self::Info => "I",
            Self::Debug => "D",
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// A line of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// How severe.
    pub level: Level,
    /// Which function.
    pub function: String,
    /// What it says.
    pub message: String,
    /// Its fields, `name=value` each.
    pub fields: String,
}

/// A call of a function for an item of a Map, as its lines tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemCall {
    /// The item: a day, a window, a batch, a table.
    pub item: String,
    /// Which function.
    pub function: String,
    /// When it began, in milliseconds since 1970.
    pub from: i64,
    /// When it ended; `None` while it runs.
    pub to: Option<i64>,
    /// The name of the error that ended it.
    pub error: Option<String>,
}

/// The lines of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    /// In the order of their times.
    pub lines: Vec<Line>,
    /// Calls for items of Maps, in the order in which they began.
    pub items: Vec<ItemCall>,
    /// Whether some were left out, because there are too many.
    pub is_cut: bool,
    /// Whether all groups were read to their ends.
    pub is_complete: bool,
}

/// Fields of a line that say which item of a Map it is about, the most telling first.
const ITEM_FIELDS: [&str; 4] = ["window", "batch", "table", "step"];

/// Fields that are the line's own, or say nothing to a reader.
const OWN_FIELDS: [&str; 7] = ["timestamp", "level", "message", "target", "span", "spans", "error.kind"];

/// The lines of the execution `arn` among these events, which may hold some of them twice.
pub fn lines(events: &[LogEvent], arn: &str) -> Lines {
    let mut streams: BTreeMap<(&str, &str), Vec<&LogEvent>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for event in events.iter().filter(|event| seen.insert(event.identity())) {
        streams.entry((&event.function, &event.stream)).or_default().push(event);
    }
    let mut found = Lines::default();
    for events in streams.values_mut() {
        // What is read twice may come behind what is newer.
        events.sort_by_key(|event| event.at);
        for invocation in invocations(events) {
            if invocation.iter().any(|event| execution_of(&event.message).as_deref() == Some(arn)) {
                let read: Vec<(Line, Value)> = invocation.iter().filter_map(|event| line(event)).collect();
                found.items.extend(item_call(&read));
                for (line, value) in &read {
                    // The runtime repeats what the edge has logged in the span.
                    let is_repeated =
                        value["target"].as_str().is_some_and(|target| target.starts_with("lambda_runtime"))
                            && read.iter().any(|(other, other_value)| {
                                other_value["error.kind"].is_string() && line.message.ends_with(&other.message)
                            });
                    if !is_repeated {
                        found.lines.push(line.clone());
                    }
                }
            }
        }
    }
    let size = |line: &Line| line.message.len() + line.fields.len();
    found.is_cut =
        cut(&mut found.lines, KEPT_BYTES, size, |line| (matches!(line.level, Level::Error | Level::Warn), line.at));
    found.lines.sort_by_key(|line| line.at);
    found.items.sort_by(|a, b| (a.from, &a.item).cmp(&(b.from, &b.item)));
    found
}

/// Keeps so many bytes: first what is telling, of that and of the rest the newest; `of` says of one whether it is
/// telling, and when it was. Whether anything was left out.
fn cut<T>(all: &mut Vec<T>, most: usize, size: impl Fn(&T) -> usize, of: impl Fn(&T) -> (bool, i64)) -> bool {
    // Nearly always, and whenever a page of lines has come.
    if all.iter().map(&size).sum::<usize>() <= most {
        return false;
    }
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_cached_key(|place| Reverse(of(&all[*place])));
    let mut left = most;
    let has_room = |place: &usize| {
        let rest = left.checked_sub(size(&all[*place]));
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    let kept: HashSet<usize> = order.into_iter().take_while(has_room).collect();
    let mut places = 0..;
    all.retain(|_| places.next().is_some_and(|place| kept.contains(&place)));
    true
}

/// The events of a stream, by invocation: from START to END. What stands before the first START was cut off.
fn invocations<'a>(events: &'a [&'a LogEvent]) -> Vec<Vec<&'a LogEvent>> {
    let mut invocations = vec![Vec::new()];
    for event in events {
        if event.message.starts_with("START RequestId:") {
            invocations.push(Vec::new());
        }
        if let Some(last) = invocations.last_mut() {
            last.push(*event);
        }
        if event.message.starts_with("REPORT RequestId:") {
            invocations.push(Vec::new());
        }
    }
    invocations
}

/// Drops what cannot be of the execution `arn`: whole invocations of which no line is; and events that come twice. Says
/// whether it also dropped some because there are too many.
pub(crate) fn prune(events: &mut Vec<LogEvent>, arn: &str) -> bool {
    let dropped: HashSet<usize> = {
        let mut seen = HashSet::new();
        let mut streams: BTreeMap<(&str, &str), Vec<(usize, &LogEvent)>> = BTreeMap::new();
        let mut dropped = HashSet::new();
        for (place, event) in events.iter().enumerate() {
            if seen.insert(event.identity()) {
                streams.entry((&event.function, &event.stream)).or_default().push((place, event));
            } else {
                dropped.insert(place);
            }
        }
        for mut stream in streams.into_values() {
            stream.sort_by_key(|(_, event)| event.at);
            let (places, stream): (Vec<usize>, Vec<&LogEvent>) = stream.into_iter().unzip();
            let mut from = 0;
            for invocation in invocations(&stream) {
                let to = from + invocation.len();
                let is_over = invocation.last().is_some_and(|event| event.message.starts_with("REPORT RequestId:"));
                let is_its = || invocation.iter().any(|event| execution_of(&event.message).as_deref() == Some(arn));
                if is_over && !is_its() {
                    dropped.extend(&places[from..to]);
                }
                from = to;
            }
        }
        dropped
    };
    let mut place = 0;
    events.retain(|_| {
        place += 1;
        !dropped.contains(&(place - 1))
    });
    // More than is shown of a run, with what stands around each line, is not kept. By what begins and ends invocations
    // the others are known.
    cut(
        events,
        4 * KEPT_BYTES,
        |event| event.message.len(),
        |event| {
            let is_telling =
                ["START RequestId:", "REPORT RequestId:"].iter().any(|word| event.message.starts_with(word))
                    || ["\"level\":\"ERROR\"", "\"level\":\"WARN\""].iter().any(|level| event.message.contains(level));
            (is_telling, event.at)
        },
    )
}

fn execution_of(message: &str) -> Option<String> {
    let value: Value = serde_json::from_str(message.trim()).ok()?;
    value["span"]["sfn.execution_id"].as_str().map(ToOwned::to_owned)
}

/// A line as it is shown; `None` of what Lambda itself says at the beginning and the end.
fn line(event: &LogEvent) -> Option<(Line, Value)> {
    let message = event.message.trim_end();
    let is_lambda_s = ["START ", "END ", "REPORT ", "INIT_START "].iter().any(|word| message.starts_with(word));
    if is_lambda_s || message.is_empty() {
        return None;
    }
    let function = event.function.clone();
    let value = serde_json::from_str::<Value>(message).ok().filter(Value::is_object);
    let Some(value) = value else {
        let line = Line {
            at: event.at,
            level: Level::Info,
            function,
            message: unquoted(message).into(),
            fields: String::new(),
        };
        return Some((line, Value::Null));
    };
    let level = match value["level"].as_str() {
        Some("ERROR") => Level::Error,
        Some("WARN") => Level::Warn,
        Some("INFO") | None => Level::Info,
        Some(_) => Level::Debug,
    };
    let at = value["timestamp"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let mut fields = String::new();
    for (name, field) in
        value.as_object().into_iter().flatten().filter(|(name, _)| !OWN_FIELDS.contains(&name.as_str()))
    {
        if !fields.is_empty() {
            fields.push(' ');
        }
        let text = field.as_str().map_or_else(|| field.to_string(), ToOwned::to_owned);
        fields.push_str(&format!("{name}={}", unquoted(&text)));
    }
    let message = unquoted(value["message"].as_str().unwrap_or_default()).into_owned();
    let message = match value["error.kind"].as_str() {
        Some(kind) if !message.starts_with(kind) => format!("{kind}: {message}"),
        _ => message,
    };
    let at = at.map_or(event.at, |at| at.as_millisecond());
    Some((Line { at, level, function, message, fields }, value))
}

/// What an invocation tells of the item that it was for.
fn item_call(lines: &[(Line, Value)]) -> Option<ItemCall> {
    let item = ITEM_FIELDS.iter().find_map(|name| {
        let field = lines.iter().map(|(_, value)| &value[*name]).find(|field| !field.is_null())?;
        let text = field.as_str().map_or_else(|| field.to_string(), ToOwned::to_owned);
        Some(if field.is_number() { format!("{name} {text}") } else { text })
    })?;
    let ended = lines.iter().find(|(line, _)| line.message == "invocation ended");
    let first = lines.first()?.0.at;
    let took = ended.and_then(|(_, value)| value["duration_ms"].as_i64());
    let to = ended.map(|(line, _)| line.at);
    let from = to.zip(took).map_or(first, |(to, took)| to - took);
    let error = ended.and_then(|(_, value)| value["outcome"].as_str()).filter(|outcome| *outcome != "ok");
    let function = lines.first()?.0.function.clone();
    Some(ItemCall {
        item: words::visible(&window_name(&item), 80),
        function,
        from,
        to,
        error: error.map(ToOwned::to_owned),
    })
}

/// A window of whole days of UTC by its days, the last one included; others as they are.
fn window_name(item: &str) -> String {
    let day = |text: &str| text.strip_suffix("T00:00:00Z")?.parse::<jiff::civil::Date>().ok();
    let days = item.split_once('/').and_then(|(start, end)| Some((day(start)?, day(end)?.yesterday().ok()?)));
    match days {
        Some((first, last)) if first == last => first.to_string(),
        Some((first, last)) => format!("{first} to {last}"),
        None => item.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::fixture;

    fn recorded() -> Vec<LogEvent> {
        let recorded = fixture("filter-log-events");
        let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
        let one = |(place, event): (usize, &Value)| LogEvent {
            function: text(event, "logGroupName").trim_start_matches("/aws/lambda/sluice-").to_owned(),
            stream: text(event, "logStreamName"),
            id: place.to_string(),
            at: event["timestamp"].as_i64().unwrap(),
            message: text(event, "message"),
        };
        recorded["events"].as_array().unwrap().iter().enumerate().map(one).collect()
    }

    const FAILED: &str = "arn:aws:states:us-east-1:000000000000:execution:sluice-transform-and-upsert:67a17f21-7729-4d71-ad90-0cc674d418ac";

    #[test]
    fn the_lines_of_a_run_are_its_own_in_the_order_of_their_times() {
        let found = lines(&recorded(), FAILED);
        let functions: Vec<&str> = found.lines.iter().map(|line| line.function.as_str()).collect();
        assert!(functions.contains(&"detect-new-files") && functions.contains(&"pivot"), "{functions:?}");
        assert!(found.lines.is_sorted_by_key(|line| line.at));
        // The run after it names it as the lock's owner before; that line is not one of this run.
        let neighbour = recorded().into_iter().find(|event| {
            event.message.contains("lock.previous_owner") && event.message.contains(&format!("\"{FAILED}\",\"target"))
        });
        assert!(neighbour.is_some(), "the fixture has such a line");
        assert_eq!(found.lines.iter().filter(|line| line.fields.contains(FAILED)).count(), 0);
        let errors: Vec<&Line> = found.lines.iter().filter(|line| line.level == Level::Error).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        // The runtime's own line of an older function quotes the cells.
        assert!(errors[0].message.contains("line 42, column 2 (Duration (in minutes)): not a number"), "{errors:?}");
        assert!(recorded().iter().any(|event| event.message.contains("twelve")), "the fixture has such a line");
        assert!(!format!("{found:?}").contains("twelve"));
    }

    #[test]
    fn a_window_is_called_by_its_days() {
        for (item, name) in [
            ("2024-01-03T00:00:00Z/2024-01-04T00:00:00Z", "2024-01-03"),
            ("2024-01-03T00:00:00Z/2024-02-01T00:00:00Z", "2024-01-03 to 2024-01-31"),
            ("2024-01-02T23:00:00Z/2024-01-03T23:00:00Z", "2024-01-02T23:00:00Z/2024-01-03T23:00:00Z"),
            ("batch 0", "batch 0"),
        ] {
            assert_eq!(window_name(item), name);
        }
    }

    /// The groups hold the lines of all runs; those of others are not held.
    #[test]
    fn what_is_not_of_the_run_is_dropped_and_nothing_of_it() {
        let mut events: Vec<LogEvent> = recorded().into_iter().chain(recorded()).collect();
        let all = lines(&events, FAILED);
        prune(&mut events, FAILED);
        assert!(events.len() < recorded().len(), "{} of {}", events.len(), recorded().len());
        assert_eq!(lines(&events, FAILED), all);
        // What was dropped is read once more, its beginning aside, after what is newer: it is nothing of the run.
        let of = |id: &str, at: i64, message: &str| LogEvent {
            function: "pivot".into(),
            stream: "s".into(),
            id: id.into(),
            at,
            message: message.into(),
        };
        let its = r#"{"message": "its", "span": {"sfn.execution_id": "arn:x"}}"#;
        let mut events = vec![of("3", 20, "START RequestId: b"), of("4", 20, its)];
        events.extend([of("1", 10, r#"{"message": "of another"}"#), of("2", 10, "REPORT RequestId: a")]);
        prune(&mut events, "arn:x");
        assert_eq!(events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["3", "4"]);
        // One that is not over may still turn out to be of the run.
        let mut open = recorded();
        open.retain(|event| !event.message.starts_with("REPORT RequestId:"));
        let count = open.len();
        prune(&mut open, FAILED);
        assert_eq!(open.len(), count);
        // One run with too much to say does not take all memory.
        let mut long: Vec<LogEvent> = Vec::new();
        for place in 0..60 {
            long.push(LogEvent { id: place.to_string(), message: "x".repeat(1 << 20), ..recorded().remove(0) });
        }
        assert!(prune(&mut long, FAILED));
        assert!(long.iter().map(|event| event.message.len()).sum::<usize>() <= 4 * KEPT_BYTES && long.len() > 30);
    }

    /// Whichever function says most.
    #[test]
    fn of_too_many_lines_errors_and_the_newest_are_kept() {
        let mut events = Vec::new();
        let mut add = |function: &str, at: i64, level: &str, message: &str| {
            let message =
                format!(r#"{{"level":"{level}","message":"{message}","span":{{"sfn.execution_id":"arn:x"}}}}"#);
            let (function, stream, id) = (function.to_owned(), "s".to_owned(), format!("{function}-{at}"));
            events.push(LogEvent { function, stream, id, at, message });
        };
        add("upsert", 1, "ERROR", "the first");
        add("a-loud-one", 2, "INFO", "an early one");
        for at in 0..2_000 {
            add("a-loud-one", 10 + at, "DEBUG", &"x".repeat(8_000));
        }
        add("upsert", 5_000, "INFO", "the last");
        let found = lines(&events, "arn:x");
        let has = |text: &str| found.lines.iter().any(|line| line.message.to_string().contains(text));
        assert!(found.is_cut && found.lines.is_sorted_by_key(|line| line.at));
        assert_eq!([has("the first"), has("the last"), has("an early one")], [true, true, false]);
        let mut many = events.clone();
        for round in 1..5 {
            many.extend(events.iter().map(|event| LogEvent { id: format!("{}-{round}", event.id), ..event.clone() }));
        }
        assert!(prune(&mut many, "arn:x"));
        let is_kept = |text: &str| many.iter().any(|event| event.message.contains(text));
        assert_eq!([is_kept("the first"), is_kept("the last"), is_kept("an early one")], [true, true, false]);
        let mut few = events[..3].to_vec();
        assert!(!prune(&mut few, "arn:x") && few.len() == 3 && !lines(&few, "arn:x").is_cut);
    }

    #[test]
    fn a_line_that_comes_twice_is_there_once() {
        let mut twice: Vec<LogEvent> = recorded().into_iter().chain(recorded()).collect();
        assert_eq!(lines(&twice, FAILED), lines(&recorded(), FAILED));
        twice.iter_mut().for_each(|event| event.id.clear());
        assert_eq!(lines(&twice, FAILED), lines(&recorded(), FAILED), "an engine that gives no ids");
    }

    #[test]
    fn the_runtime_s_copy_of_an_error_is_left_out_and_items_are_told() {
        let event = |id: &str, message: &str| LogEvent {
            function: "copy-table".into(),
            stream: "s".into(),
            id: id.into(),
            at: 5_000,
            message: message.into(),
        };
        let span = r#""span":{"sfn.execution_id":"arn:x"}"#;
        let at = r#""timestamp":"1970-01-01T00:00:04Z""#;
        let events = [
            event("1", "START RequestId: a Version: $LATEST"),
            event("2", &format!(r#"{{{at},"level":"INFO","message":"window begun","window":"2024-01-03",{span}}}"#)),
            event("3", &format!(r#"{{{at},"level":"ERROR","message":"differs","error.kind":"InvalidSource",{span}}}"#)),
            event(
                "4",
                &format!(
                    r#"{{{at},"level":"INFO","message":"invocation ended","duration_ms":3000,"outcome":"InvalidSource",{span}}}"#
                ),
            ),
            event(
                "5",
                &format!(
                    r#"{{{at},"level":"ERROR","message":"InvalidSource: differs","target":"lambda_runtime::layers"}}"#
                ),
            ),
            event("6", "REPORT RequestId: a"),
        ];
        let found = lines(&events, "arn:x");
        let messages: Vec<&str> = found.lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["window begun", "InvalidSource: differs", "invocation ended"]);
        let [item] = &found.items[..] else { panic!("{found:?}") };
        assert_eq!((item.item.as_str(), item.from, item.to), ("2024-01-03", 1_000, Some(4_000)));
        assert_eq!(item.error.as_deref(), Some("InvalidSource"));
        assert!(lines(&events, "arn:y").lines.is_empty());
    }
}
