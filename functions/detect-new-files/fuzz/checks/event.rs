//! Inputs of an execution: each is understood, or an `InvalidEvent`; none that is understood is about another bucket.

use crate::trigger::{Trigger, decode};
use serde_json::{Value, json};
use sluice::Kind;

const BUCKET: &str = "lake";

const PREFIX: &str = "input_data/";

/// Of how many files a run can be asked at a time.
const MAX_NAMED: usize = 20;

/// Fails if an input is taken for what it is not.
pub(super) fn check(bytes: &[u8]) {
    // What is no JSON does not start an execution.
    let Ok(input) = serde_json::from_slice::<Value>(bytes) else { return };
    let alone = understood(&input);
    if let Some(trigger) = &alone {
        assert!(trigger.forget.len() <= MAX_NAMED && trigger.explain.len() <= MAX_NAMED, "{trigger:?}");
        assert!(!trigger.reload || trigger.since.is_none() && trigger.forget.is_empty() && !trigger.may_be_left);
        is_about_this_bucket(&input);
    }
    let message = json!({"messageId": "1", "body": input.to_string()});
    assert_eq!(understood(&json!([message, {"body": "[]"}])), None, "one message that is no event");
    if let Some(queued) = understood(&json!([message])) {
        assert!(input.is_object(), "a queue within a queue");
        let alone = alone.expect("what is refused alone is refused in a queue");
        assert_eq!(queued, Trigger { kind: queued.kind, ..alone }, "a queue drops nothing that a message asks for");
    }
}

fn understood(input: &Value) -> Option<Trigger> {
    match decode(input, BUCKET, PREFIX) {
        Ok(trigger) => Some(trigger),
        Err(error) => {
            assert_eq!(error.kind(), Kind::InvalidEvent, "{error}");
            None
        }
    }
}

fn is_about_this_bucket(input: &Value) {
    let records = input["Records"].as_array();
    for record in records.into_iter().flatten() {
        assert_eq!(record["s3"]["bucket"]["name"], BUCKET);
    }
    let is_from_s3 = records.is_none() && input["Event"] != "s3:TestEvent" && input["detail-type"] == "Object Created";
    if is_from_s3 {
        assert_eq!(input["detail"]["bucket"]["name"], BUCKET);
        let key = input["detail"]["object"]["key"].as_str();
        assert!(key.is_some_and(|key| key.starts_with(PREFIX)), "{key:?}");
    }
}
