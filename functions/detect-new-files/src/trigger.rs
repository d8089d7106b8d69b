//! What may start an execution. An event is only a wake-up: which files are new is read from the listing.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::s3::S3Event;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use sluice::contract::Mode;
use sluice::{Error, Kind, Result};
use std::collections::BTreeSet;

/// Of how many files a run can be asked at a time: the answer is passed from state to state.
const MAX_NAMED: usize = 20;

/// A valid wake-up.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Trigger {
    /// What it was, for the log.
    pub kind: &'static str,
    /// What the run is for.
    pub mode: Mode,
    /// It asks for nothing but a look at what is new, and nobody waits for its answer: a run that is at work may have
    /// that done.
    pub may_be_left: bool,
    /// Reprocess the files from here on.
    pub since: Option<DateTime>,
    /// Reprocess these files, by their keys.
    pub forget: BTreeSet<String>,
    /// Make the table what the files selected now say, and nothing else.
    pub reload: bool,
    /// Say of these why they are new or not.
    pub explain: BTreeSet<String>,
}

impl Trigger {
    /// An event's, which asks for nothing in particular.
    fn event(kind: &'static str) -> Self {
        Self { kind, may_be_left: true, ..Self::default() }
    }
}

/// What the template's rules, its pipe and a run that ends start others with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Constant {
    /// A file arrived.
    Upload(True),
    /// A mark asked for one more run.
    Again(True),
    /// Another job succeeded: its name.
    After(String),
}

/// `true`, and nothing else.
#[derive(Deserialize)]
#[serde(try_from = "bool")]
struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;
    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Ok(Self) } else { Err("false where only true makes sense") }
    }
}

impl Constant {
    fn trigger(&self) -> Trigger {
        Trigger::event(match self {
            Self::Upload(_) => "upload",
            Self::Again(_) => "one run more",
            Self::After(job) => {
                tracing::info!(after = job, "another job succeeded");
                "another job's success"
            }
        })
    }
}

/// A start by hand, in the console or the command line, or by EventBridge Scheduler.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    since: Option<String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    forget: BTreeSet<String>,
    explain: Option<BTreeSet<String>>,
    #[serde(default)]
    reload: bool,
    /// What the template's schedule passes on.
    scheduled_time: Option<String>,
    /// The console suggests an input that holds just this.
    #[serde(rename = "Comment", alias = "comment")]
    _comment: Option<String>,
    /// Added by Step Functions when another state machine starts this one.
    #[serde(rename = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID")]
    _started_by: Option<String>,
}

/// Understands an execution's input.
///
/// # Errors
/// `InvalidEvent` for anything but a start by hand, one of the template's own constants, a schedule's event, an S3
/// notification, an "Object Created" event from EventBridge, or a batch of these from a queue; and for events about
/// another bucket, or about no object under `prefix`.
pub(crate) fn decode(input: &Value, bucket: &str, prefix: &str) -> Result<Trigger> {
    let fields = match input {
        Value::Object(fields) => fields,
        Value::Array(messages) if !messages.is_empty() => return queued(messages, bucket, prefix),
        _ => return Err(invalid("the execution's input is no JSON object")),
    };
    let is_constant = ["upload", "again", "after"].iter().any(|name| fields.contains_key(*name));
    let is_event = is_constant || ["Records", "Event", "detail-type"].iter().any(|name| fields.contains_key(*name));
    let request =
        ["dry_run", "since", "forget", "explain", "reload"].into_iter().find(|name| fields.contains_key(*name));
    if let Some(request) = request.filter(|_| is_event) {
        return Err(invalid(format!("{request} beside an event, which would be ignored")));
    }
    if is_constant {
        return read::<Constant>(input).map(|constant| constant.trigger());
    }
    if fields.contains_key("Records") {
        return notification(input, bucket, prefix);
    }
    if fields.get("Event").is_some_and(|event| event == "s3:TestEvent") {
        return Ok(Trigger::event("S3 test event"));
    }
    if fields.contains_key("detail-type") {
        return event_bridge(input, bucket, prefix);
    }
    let start: Start = read(input)?;
    let is_scheduled = start.scheduled_time.is_some();
    let kind = if is_scheduled { "schedule" } else { "start by hand" };
    if start.explain.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(invalid("explain names no file"));
    }
    let explain = start.explain.unwrap_or_default();
    if start.forget.len() > MAX_NAMED || explain.len() > MAX_NAMED {
        return Err(invalid(format!("forget and explain take at most {MAX_NAMED} files; since takes any number")));
    }
    let mode = match (start.dry_run, explain.is_empty()) {
        (false, true) => Mode::Load,
        (true, true) => Mode::DryRun,
        (false, false) => Mode::Explain,
        (true, false) => return Err(invalid("explain loads nothing anyway, so it goes without dry_run")),
    };
    let asks_for_some = start.since.is_some() || !start.forget.is_empty() || mode == Mode::Explain;
    if start.reload && (asks_for_some || is_scheduled) {
        return Err(invalid("reload takes all files, so it goes without since, forget and explain, and by hand only"));
    }
    let since = start.since.as_deref().map(since).transpose()?;
    let may_be_left = is_scheduled && mode == Mode::Load && !asks_for_some;
    Ok(Trigger { kind, mode, may_be_left, since, forget: start.forget, reload: start.reload, explain })
}

fn since(text: &str) -> Result<DateTime> {
    // What the parser says of it beyond that is about its own parts.
    DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset)
        .map_err(|_| invalid(format!("since: {text:?} is no RFC 3339 time such as 2024-01-01T00:00:00Z")))
}

fn notification(input: &Value, bucket: &str, prefix: &str) -> Result<Trigger> {
    let event: S3Event = read(input)?;
    let mut objects = Vec::new();
    for record in event.records {
        let key = record.s3.object.key.ok_or_else(|| invalid("an S3 record without a key"))?;
        let source = record.s3.bucket.name.ok_or_else(|| invalid("an S3 record without a bucket"))?;
        objects.push((source, form_decoded(&key)?));
    }
    concerns(&objects, bucket, prefix)?;
    Ok(Trigger::event("S3 notification"))
}

fn event_bridge(input: &Value, bucket: &str, prefix: &str) -> Result<Trigger> {
    #[derive(Deserialize)]
    struct Detail {
        bucket: Named,
        object: Keyed,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    #[derive(Deserialize)]
    struct Keyed {
        key: String,
    }
    let event: EventBridgeEvent<Value> = read(input)?;
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.events" | "aws.scheduler", "Scheduled Event") => Ok(Trigger::event("schedule")),
        ("aws.s3", "Object Created") => {
            // EventBridge passes keys on as they are: decoding would corrupt a plus sign.
            let detail: Detail = read(&event.detail)?;
            concerns(&[(detail.bucket.name, detail.object.key)], bucket, prefix)?;
            Ok(Trigger::event("S3 event"))
        }
        (source, kind) => Err(invalid(format!("an event {kind:?} of {source:?} is none of this job's"))),
    }
}

/// What EventBridge Pipes makes of a queue's messages: an array with the constant of the template's pipe for each;
/// without its template each would be the message, with the event as text, or as JSON, in its body.
fn queued(messages: &[Value], bucket: &str, prefix: &str) -> Result<Trigger> {
    #[derive(Deserialize)]
    struct Message {
        body: Value,
    }
    for message in messages {
        if message.get("body").is_none() {
            read::<Constant>(message)?;
            continue;
        }
        let Message { body } = read(message)?;
        let event: Value = match body {
            Value::String(text) => serde_json::from_str(&text)
                .map_err(|error| Error::caused(Kind::InvalidEvent, "the body of a queued message", error))?,
            event => event,
        };
        if !event.is_object() {
            return Err(invalid("the body of a queued message is no event"));
        }
        // What somebody asked for by hand cannot be merged with the others.
        let trigger = decode(&event, bucket, prefix)?;
        if !trigger.may_be_left {
            return Err(invalid("a queued message that is no event: start an execution by hand instead"));
        }
    }
    Ok(Trigger::event("queued events"))
}

/// Keys in S3 notifications are form-encoded (Amazon S3 User Guide, "Event message structure"): once, and only there.
fn form_decoded(key: &str) -> Result<String> {
    let spaced = key.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(|key| key.into_owned())
        .map_err(|error| Error::caused(Kind::InvalidEvent, format!("the key {key:?} is not form-encoded UTF-8"), error))
}

/// Guards against a rule that fires for another bucket, or on what the job itself writes.
fn concerns(objects: &[(String, String)], bucket: &str, prefix: &str) -> Result<()> {
    if let Some((other, _)) = objects.iter().find(|(source, _)| source != bucket) {
        return Err(invalid(format!("an event of the bucket {other:?}; this job reads {bucket:?}")));
    }
    if !objects.iter().any(|(_, key)| key.starts_with(prefix)) {
        return Err(invalid(format!("an event about no object under {prefix:?}")));
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T> {
    T::deserialize(value).map_err(|error| Error::caused(Kind::InvalidEvent, "the execution's input", error))
}

fn invalid(what: impl Into<String>) -> Error {
    Error::new(Kind::InvalidEvent, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(input: Value) -> Result<Trigger> {
        decode(&input, "lake", "input data/")
    }

    #[test]
    fn starts_by_hand() {
        assert_eq!(check(json!({})).unwrap(), Trigger { may_be_left: false, ..Trigger::event("start by hand") });
        assert_eq!(check(json!({"Comment": "Insert your JSON here"})).unwrap().since, None);
        let since = check(json!({"since": "2024-01-01T00:00:00Z"})).unwrap().since;
        assert_eq!(since, Some(DateTime::from_secs(1_704_067_200)));
        assert_eq!(check(json!({"scheduled_time": "2024-01-01T00:00:00Z"})).unwrap(), Trigger::event("schedule"));
        let scheduled = check(json!({"scheduled_time": "2024-01-01T00:00:00Z", "since": "2024-01-01T00:00:00Z"}));
        assert!(!scheduled.unwrap().may_be_left, "nobody else would do what it asks for");
        assert_eq!(check(json!({"dry_run": true, "forget": ["a"]})).unwrap().mode, Mode::DryRun);
        assert_eq!(check(json!({"explain": ["a", "b"]})).unwrap().mode, Mode::Explain);
        let reload = check(json!({"reload": true, "dry_run": true})).unwrap();
        assert!(reload.reload && reload.mode == Mode::DryRun && !reload.may_be_left);
        assert!(!check(json!({"reload": false})).unwrap().reload);
    }

    #[test]
    fn constants_wake_up_and_ask_for_nothing() {
        assert_eq!(check(json!({"upload": true})).unwrap(), Trigger::event("upload"));
        assert_eq!(check(json!({"again": true})).unwrap(), Trigger::event("one run more"));
        assert_eq!(check(json!({"after": "sales"})).unwrap(), Trigger::event("another job's success"));
        let many: Vec<Value> = vec![json!({"upload": true}); 10_000];
        assert!(json!(many).to_string().len() < 262_144, "what an execution takes");
        assert_eq!(check(json!(many)).unwrap(), Trigger::event("queued events"));
        for input in [
            json!({"upload": false}),
            json!({"upload": true, "since": "2024-01-01T00:00:00Z"}),
            json!({"upload": true, "again": true}),
            json!({"after": 1}),
            json!([{"upload": true}, {"since": "2024-01-01T00:00:00Z"}]),
        ] {
            assert_eq!(check(input.clone()).unwrap_err().kind(), Kind::InvalidEvent, "{input}");
        }
    }

    #[test]
    fn s3_notifications_are_decoded_once() {
        let event = |key: &str| {
            let mut event: Value = serde_json::from_str(include_str!("../../../events/s3-notification.json")).unwrap();
            event["Records"][0]["s3"]["bucket"]["name"] = json!("lake");
            event["Records"][0]["s3"]["object"]["key"] = json!(key);
            event
        };
        assert_eq!(check(event("input+data/a%2Bb%252B.csv")).unwrap().kind, "S3 notification");
        assert!(check(event("input%2Bdata/a.csv")).is_err(), "that is a plus sign, not a space");
        assert!(check(event("input+data/%FF.csv")).is_err(), "not UTF-8");
        assert_eq!(form_decoded("a+b%2Bc%252B%F0%9F%98%80").unwrap(), "a b+c%2B😀");
        assert_eq!(check(json!({"Service": "Amazon S3", "Event": "s3:TestEvent"})).unwrap().kind, "S3 test event");
    }

    #[test]
    fn event_bridge_keys_are_taken_as_they_are() {
        let event = |key: &str, bucket: &str| {
            json!({"version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3", "account": "1",
                   "time": "2024-01-01T00:00:00Z", "region": "r", "resources": [],
                   "detail": {"bucket": {"name": bucket}, "object": {"key": key}}})
        };
        assert_eq!(check(event("input data/a+b.csv", "lake")).unwrap().kind, "S3 event");
        assert!(check(event("input+data/a.csv", "lake")).is_err());
        assert!(check(event("input data/a.csv", "pond")).unwrap_err().to_string().contains("pond"));
        assert!(check(event("intermediate_data/x.csv", "lake")).is_err(), "its own output");
    }

    #[test]
    fn the_events_in_the_repository_are_understood() {
        for (event, kind) in [
            (include_str!("../../../events/schedule.json"), "schedule"),
            (include_str!("../../../events/s3-notification.json"), "S3 notification"),
            (include_str!("../../../events/eventbridge-s3.json"), "S3 event"),
            (include_str!("../../../events/pipe.json"), "queued events"),
            (include_str!("../../../events/console-start.json"), "start by hand"),
            (include_str!("../../../events/console-since.json"), "start by hand"),
            (include_str!("../../../events/console-dry-run.json"), "start by hand"),
            (include_str!("../../../events/console-forget.json"), "start by hand"),
            (include_str!("../../../events/console-explain.json"), "start by hand"),
            (include_str!("../../../events/console-reload.json"), "start by hand"),
        ] {
            let event: Value = serde_json::from_str(event).unwrap();
            let named = event.pointer("/Records/0/s3/bucket/name").or_else(|| event.pointer("/detail/bucket/name"));
            let queued: Option<Value> =
                event.pointer("/0/body").and_then(|body| serde_json::from_str(body.as_str()?).ok());
            let queued = queued.as_ref().and_then(|event| event.pointer("/detail/bucket/name"));
            let bucket = named.or(queued).and_then(Value::as_str).unwrap_or("lake");
            assert_eq!(decode(&event, bucket, "input_data/").unwrap().kind, kind, "{event}");
        }
    }

    #[test]
    fn a_queue_s_messages_are_events_each() {
        let message = |key: &str| {
            let event = json!({"version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3", "account": "1",
                "time": "2024-01-01T00:00:00Z", "region": "r", "resources": [],
                "detail": {"bucket": {"name": "lake"}, "object": {"key": key}}});
            json!({"messageId": "1", "body": event.to_string(), "eventSource": "aws:sqs"})
        };
        assert_eq!(check(json!([message("input data/a+b.csv")])).unwrap().kind, "queued events");
        for messages in [
            json!([message("input data/a.csv"), message("quarantine/a.csv")]),
            json!([{"body": "no JSON"}]),
            json!([{"body": "[]"}]),
            json!([{"body": {"since": "2024-01-01T00:00:00Z"}}]),
            json!([{"body": 1}]),
            json!([1]),
        ] {
            assert_eq!(check(messages.clone()).unwrap_err().kind(), Kind::InvalidEvent, "{messages}");
        }
    }

    #[test]
    fn anything_else_is_an_invalid_event() {
        for input in [
            json!([]),
            json!("since"),
            json!(null),
            json!({"sinse": "2024-01-01T00:00:00Z"}),
            json!({"since": "last week"}),
            json!({"since": 3}),
            json!({"dry_run": "yes"}),
            json!({"dry_run": true, "explain": ["a"]}),
            json!({"forget": "a"}),
            json!({"reload": "yes"}),
            json!({"reload": true, "since": "2024-01-01T00:00:00Z"}),
            json!({"reload": true, "forget": ["a"]}),
            json!({"reload": true, "explain": ["a"]}),
            json!({"reload": true, "scheduled_time": "2024-01-01T00:00:00Z"}),
            json!({"reload": true, "upload": true}),
            json!({"explain": []}),
            json!({"Records": [], "dry_run": true}),
            json!({"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": {}, "since": "2024-01-01T00:00:00Z"}),
            json!([{"body": "{\"scheduled_time\": \"2024-01-01T00:00:00Z\", \"dry_run\": true}"}]),
            json!({"forget": (0..21).map(|number| number.to_string()).collect::<Vec<_>>()}),
            json!({"bucket": "other"}),
            json!({"Records": []}),
            json!({"Records": [{"s3": {"bucket": {"name": "lake"}, "object": {}}}]}),
            json!({"Records": "none"}),
            json!({"detail-type": "Object Deleted", "source": "aws.s3", "detail": {}}),
            json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {"bucket": "lake"}}),
        ] {
            let error = check(input.clone()).expect_err(&input.to_string());
            assert_eq!(error.kind(), Kind::InvalidEvent, "{input}: {error}");
        }
    }
}
