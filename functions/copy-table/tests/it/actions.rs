//! The three actions as the state machine calls them, and what they leave in the bucket.

use crate::support::*;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use copy_table::handler::{Context, Output, handle};
use local::fake_aws::{BUCKET, FakeAws};
use serde_json::{Value, json};
use sluice::contract::copy_table::CopyTableInput;
use sluice::edge::Invocation;
use sluice::{Error, Kind};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A function that reaches both databases, and a bucket of its own.
pub(crate) struct Function {
    context: Arc<Context>,
    aws: FakeAws,
}

impl Function {
    pub(crate) async fn new(pair: &Pair) -> Self {
        Self::with(&|name| match name {
            "SOURCE_DATABASE_URL" => Some(pair.source.to_string()),
            "DATABASE_URL" => Some(pair.target.to_string()),
            _ => None,
        })
        .await
    }

    /// One with these variables, and a bucket.
    pub(crate) async fn with(variables: &dyn Fn(&str) -> Option<String>) -> Self {
        let aws = FakeAws::start();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(sluice::aws::http_client())
            .region(Region::from_static("eu-central-1"))
            .endpoint_url(format!("http://{}", aws.address()))
            .credentials_provider(Credentials::new("id", "key", None, None, "test"))
            .load()
            .await;
        let lookup = |name: &str| match name {
            "BUCKET" => Some(BUCKET.to_owned()),
            other => variables(other),
        };
        Self { context: Arc::new(Context::new(&lookup, config).unwrap()), aws }
    }

    pub(crate) async fn call(&self, action: &str, job: &Job, more: Value) -> Result<Value, Error> {
        let mut payload = serde_json::to_value(&job.spec).unwrap();
        payload["action"] = json!(action);
        payload["execution"] = serde_json::to_value(&job.execution).unwrap();
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.send(&payload).await
    }

    /// A payload as it is.
    pub(crate) async fn send(&self, payload: &Value) -> Result<Value, Error> {
        let input: CopyTableInput = serde_json::from_value(payload.clone()).unwrap();
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + TIME;
        let invocation = Invocation { attempt: "1".into(), deadline_ms: u64::try_from(deadline.as_millis()).unwrap() };
        let output: Output = handle(Arc::clone(&self.context), invocation, input).await?;
        Ok(serde_json::to_value(output).unwrap())
    }

    /// What the state machine does, with the answer of the last state.
    pub(crate) async fn execute(&self, job: &Job, trigger: Value) -> Result<Value, Error> {
        let planned = self.call("plan", job, json!({"trigger": trigger})).await?;
        let mut results = Vec::new();
        for item in planned["windows"].as_array().unwrap() {
            let copied = self.call("copy", job, json!({"plan": planned["plan"], "window": item})).await;
            let mut result = item.clone();
            if let Err(error) = copied {
                result["error"] = json!(error.kind().name());
            }
            results.push(result);
        }
        self.call("conclude", job, json!({"plan": planned["plan"], "results": results})).await
    }

    fn keys(&self) -> Vec<String> {
        self.aws.world().objects.keys().cloned().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_copies_all_of_its_windows() {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, 71)).await;
    let function = Function::new(&pair).await;
    let job = Job::new(json!({})).at("first", "2024-01-04T02:00:00.000Z");
    let concluded = function.execute(&job, json!({"scheduled_time": "2024-01-04T02:00:00Z"})).await.unwrap();
    assert_eq!(
        (&concluded["purpose"], &concluded["windows"], &concluded["rows"]),
        (&json!("load"), &json!(3), &json!(72))
    );
    assert_eq!(function.keys(), ["intermediate_data/users/first/1/plan.json"]);
    assert_equal(&pair).await;
    // There is nothing more to do, and no plan.
    let planned = function.call("plan", &job.again("second"), json!({"trigger": {}})).await.unwrap();
    assert_eq!((&planned["window_count"], &planned["plan"]), (&json!(0), &json!(null)));
    let error = function.call("plan", &job, json!({"trigger": {"table": "x"}})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidEvent);
}

/// One bad day does not cost the others, and decides how the execution ends.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_ends_with_the_first_window_that_failed() {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, 71)).await;
    sql(&pair.target, "alter table t add check (name not in ('n30', 'n50'))").await;
    let function = Function::new(&pair).await;
    let job = Job::new(json!({})).at("first", "2024-01-04T02:00:00.000Z");
    let error = function.execute(&job, json!({})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidSource);
    let text = error.to_string();
    let expected =
        "2 of 3 windows of public.t are missing; the first one: public.t 2024-01-02T00:00:00Z/2024-01-03T00:00:00Z: ";
    assert!(text.starts_with(expected) && text.contains("23514"), "{text}");
    let keys = function.keys();
    assert_eq!(keys[1..], ["state/users/first/window-00001.json", "state/users/first/window-00002.json"]);
    assert_eq!(texts(&pair.target, "select count(*)::text from t").await, ["24"]);
    // A window that the Map says nothing about is missing, too: its function was ended.
    let again = job.again("second");
    let planned = function.call("plan", &again, json!({"trigger": {}})).await.unwrap();
    assert_eq!(planned["window_count"], json!(2));
    let conclude = json!({"plan": planned["plan"], "results": [{"index": 1, "error": "Sandbox.Timedout"}]});
    let error = function.call("conclude", &again, conclude).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TransientFailure);
    assert!(error.to_string().contains("is not recorded"), "{error}");
}

/// Each window has a snapshot of its own, so a row may be moved by one that was copied by another. That is not passed
/// over in silence, and copying once more what is missing heals it.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_another_one_has_changed_is_told_and_copied_again() {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, 71)).await;
    let function = Function::new(&pair).await;
    let job = Job::new(json!({})).at("first", "2024-01-04T02:00:00.000Z");
    let plan = &function.call("plan", &job, json!({"trigger": {}})).await.unwrap()["plan"];
    for index in 0..3 {
        function.call("copy", &job, json!({"plan": plan, "window": {"index": index}})).await.unwrap();
        if index == 0 {
            sql(&pair.source, "update t set at = '2024-01-03 05:30Z' where id = 5").await;
        }
    }
    let results = json!([{"index": 0}, {"index": 1}, {"index": 2}]);
    let error = function.call("conclude", &job, json!({"plan": plan, "results": results})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::StaleRun);
    let text = error.to_string();
    let expected = "1 of 3 windows of public.t are missing; the first one: 2024-01-01T00:00:00Z/2024-01-02T00:00:00Z was \
                    copied with 24 rows, but 23 are there now";
    assert!(text.starts_with(expected), "{text}");
    let again = json!({"from": "2024-01-01", "to": "2024-01-04", "only_missing": true});
    let concluded = function.execute(&job.again("second"), again).await.unwrap();
    assert_eq!((&concluded["windows"], &concluded["rows"]), (&json!(1), &json!(23)));
    assert_equal(&pair).await;
}

/// Nobody else says why a function was killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_was_killed_may_have_met_a_row_that_is_too_long() {
    let pair = Pair::new(TABLE).await;
    let function = Function::new(&pair).await;
    let job = Job::new(json!({})).at("first", "2024-01-02T02:00:00.000Z");
    let plan = &function.call("plan", &job, json!({"trigger": {}})).await.unwrap()["plan"];
    for error in ["Runtime.ExitError", "Runtime.OutOfMemory"] {
        let conclude = json!({"plan": plan, "results": [{"index": 0, "error": error}]});
        let error = function.call("conclude", &job, conclude).await.unwrap_err();
        assert_eq!(error.kind(), Kind::TransientFailure);
        assert!(error.to_string().contains("a row that is too long for its memory, which is enough for one of 64 MiB"));
    }
}

/// In the same call, since each call counts in the history of an execution; but not for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_held_is_waited_for_while_the_execution_gets_on() {
    const HOLD: &str =
        "begin; select pg_advisory_xact_lock_shared(hashtext('sluice:public.t'), hashtext('another grid'))";
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, 47)).await;
    let function = Function::new(&pair).await;
    let job = Job::new(json!({})).at("first", "2024-01-03T02:00:00.000Z");
    let plan = &function.call("plan", &job, json!({"trigger": {}})).await.unwrap()["plan"];
    let copy = async |index: u32| function.call("copy", &job, json!({"plan": plan, "window": {"index": index}})).await;
    let mut holder = connect(&pair.target).await;
    run(&mut holder, HOLD).await;
    // It began long ago, and has copied nothing yet.
    assert_eq!(copy(0).await.unwrap_err().kind(), Kind::LockHeld);
    run(&mut holder, "commit").await;
    copy(0).await.unwrap();
    run(&mut holder, HOLD).await;
    let released = async {
        let waiting = "select pid::text from pg_stat_activity where datname = current_database() and state = 'idle' \
                       and application_name like 'sluice users 20240102%' and query like '%1 hour%'";
        while texts(&pair.target, waiting).await.is_empty() {
            tokio::task::yield_now().await;
        }
        run(&mut holder, "commit").await;
    };
    let (copied, ()) = tokio::join!(copy(1), released);
    assert_eq!(copied.unwrap()["rows"], json!(24));
    assert_equal(&pair).await;
}
