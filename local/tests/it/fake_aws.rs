//! S3, Step Functions and the Lambda Runtime API as far as one function needs them; contents and clock are the test's.
//! The local AWS cannot date an object as a test likes, show an execution late, or list a million objects.

mod gate;
mod http;

pub use gate::Gate;

use http::{Request, Response, Server};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice::contract::{Execution, ObjectRef, format_time};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The only bucket.
const BUCKET: &str = "lake";

/// One version of an object.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// With its quotation marks, as S3 has it.
    pub etag: String,
    pub size: u64,
    /// Seconds since 1970: a listing shows no fractions.
    pub modified: i64,
    pub body: Vec<u8>,
}

impl Object {
    /// The bytes of a range, or all.
    fn answer(&self, range: Option<[u64; 2]>) -> Response {
        let Some([first, last]) = range else { return Response::new(200, self.body.clone()).with("ETag", &self.etag) };
        let last = last.min(self.body.len() as u64 - 1);
        let bytes = &self.body[usize::try_from(first).unwrap()..=usize::try_from(last).unwrap()];
        let content_range = format!("bytes {first}-{last}/{}", self.body.len());
        Response::new(206, bytes).with("ETag", &self.etag).with("Content-Range", &content_range)
    }
}

/// A listing too long to be held: `object` makes the object of each number below `count`, in the order of the keys.
pub struct Generated {
    pub prefix: &'static str,
    pub count: u64,
    pub object: Box<dyn Fn(u64) -> (String, Object) + Send>,
}

/// How much of an execution Step Functions shows already; both calls are eventually consistent.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Seen {
    NotYet,
    Listed,
    Described,
}

/// An execution as Step Functions knows it. Times are milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct Run {
    pub execution: Execution,
    pub status: &'static str,
    pub started_at: i64,
    pub stopped_at: Option<i64>,
    /// What an execution that loaded ends with, or one that did something else.
    pub output: Value,
    pub seen: Seen,
}

impl Run {
    fn json(&self) -> Value {
        // Seconds with a fraction: the times of the AWS JSON protocol.
        let seconds = |time: i64| json!(time as f64 / 1_000.0);
        let mut fields = json!({
            "executionArn": self.execution.id, "name": self.execution.name, "status": self.status,
            "stateMachineArn": self.execution.plain_state_machine(), "startDate": seconds(self.started_at),
        });
        if let Some(stopped_at) = self.stopped_at {
            fields["stopDate"] = seconds(stopped_at);
        }
        fields
    }
}

/// Everything that the services know.
#[derive(Default)]
pub struct World {
    /// What a written object is dated with, in milliseconds since 1970.
    pub now: i64,
    pub objects: BTreeMap<String, Object>,
    /// Listed instead of the objects under its prefix.
    pub generated: Option<Generated>,
    pub runs: Vec<Run>,
    /// Put just before the second page of a listing is made.
    pub before_second_page: BTreeMap<String, Object>,
    /// After this many requests, all others are refused.
    pub denied_after: Option<u64>,
    /// The queries of all listings, page by page.
    pub listings: Vec<Query>,
    /// By their queries, the listings that are refused.
    pub refuses: Option<fn(&Query) -> bool>,
    /// What happens when a range of an object is read.
    pub on_range: Option<Box<OnRange>>,
    /// Sees what is written, and says whether the body is kept; without it all of them are.
    pub keeps: Option<Box<Keeps>>,
}

/// What stands after the question mark, decoded.
pub type Query = BTreeMap<String, String>;

/// By where a range begins: whether its body is cut off. Objects may be replaced before it is read.
pub type OnRange = dyn FnMut(u64, &mut BTreeMap<String, Object>) -> bool + Send;

/// By the key and the body of a written object.
pub type Keeps = dyn FnMut(&str, &[u8]) -> bool + Send;

impl World {
    /// The document that a reference names, at the version that it names.
    pub fn document<T: DeserializeOwned>(&self, reference: &ObjectRef) -> T {
        let object = &self.objects[&reference.key];
        assert_eq!((reference.bucket.as_str(), &reference.etag), (BUCKET, &object.etag), "{}", reference.key);
        serde_json::from_slice(&object.body).unwrap()
    }

    /// Writes an object as a client would; returns its entity tag.
    pub fn put(&mut self, key: &str, body: Vec<u8>) -> String {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = format!("\"{:032x}\"", hasher.finish());
        let size = u64::try_from(body.len()).unwrap();
        let is_kept = self.keeps.as_mut().is_none_or(|keeps| keeps(key, &body));
        let body = if is_kept { body } else { Vec::new() };
        let object = Object { etag: etag.clone(), size, modified: self.now / 1_000, body };
        self.objects.insert(key.to_owned(), object);
        etag
    }

    fn answer(&mut self, request: &Request) -> Response {
        let target = request.header("x-amz-target");
        match self.denied_after {
            Some(0) if target.is_some() => return Response::new(400, r#"{"__type": "AccessDeniedException"}"#),
            Some(0) => return s3_error(403, "AccessDenied"),
            Some(left) => self.denied_after = Some(left - 1),
            None => {}
        }
        if let Some(target) = target {
            return self.step_functions(target, &serde_json::from_slice(&request.body).unwrap());
        }
        let key = request.path.strip_prefix('/').and_then(|path| path.strip_prefix(BUCKET)?.strip_prefix('/'));
        match (request.method.as_str(), key) {
            ("GET", Some("")) if request.query.contains_key("list-type") => self.list(&request.query),
            ("GET" | "HEAD" | "PUT" | "DELETE", Some(key)) if !key.is_empty() => self.object(request, key),
            (method, _) => s3_error(501, &format!("{method} {} is not played", request.path)),
        }
    }

    /// The calls that name an object.
    fn object(&mut self, request: &Request, key: &str) -> Response {
        let range = request.header("range").map(|range| {
            let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap();
            [first, last].map(|place| place.parse::<u64>().unwrap())
        });
        let is_cut_off = match (&mut self.on_range, range) {
            (Some(on_range), Some([first, _])) => on_range(first, &mut self.objects),
            _ => false,
        };
        let etag = self.objects.get(key).map(|object| object.etag.as_str());
        match (request.header("if-match"), etag) {
            (Some(_), None) => return s3_error(404, "NoSuchKey"),
            (Some(wanted), Some(etag)) if wanted != etag => return s3_error(412, "PreconditionFailed"),
            _ => {}
        }
        if request.header("if-none-match") == Some("*") && etag.is_some() {
            return s3_error(412, "PreconditionFailed");
        }
        match request.method.as_str() {
            "PUT" => Response::new(200, "").with("ETag", &self.put(key, request.body.clone())),
            "DELETE" => {
                self.objects.remove(key);
                Response::new(204, "")
            }
            _ => self
                .objects
                .get(key)
                .map_or_else(|| s3_error(404, "NoSuchKey"), |object| object.answer(range).cut_off(is_cut_off)),
        }
    }

    /// `ListObjectsV2`. Its continuation token is the last key of the page, or the next number of a generated listing.
    fn list(&mut self, query: &Query) -> Response {
        self.listings.push(query.clone());
        if self.refuses.is_some_and(|refuses| refuses(query)) {
            return s3_error(403, "AccessDenied");
        }
        let parameter = |name: &str| query.get(name).map(String::as_str);
        if parameter("encoding-type").is_some() || parameter("delimiter").is_some() {
            return s3_error(501, "this listing is not played");
        }
        let prefix = parameter("prefix").unwrap_or_default();
        let token = parameter("continuation-token");
        let most = parameter("max-keys").map_or(1_000, |most| most.parse::<usize>().unwrap().min(1_000));
        if token.is_some() {
            self.objects.append(&mut self.before_second_page);
        }

        let mut page = Page::default();
        let next = if let Some(Generated { count, object, .. }) =
            self.generated.as_ref().filter(|generated| generated.prefix == prefix)
        {
            let first = match (token, parameter("start-after")) {
                (Some(token), _) => token.parse().unwrap(),
                (None, Some(after)) => first_after(*count, |number| object(number).0.as_str() > after),
                (None, None) => 0,
            };
            let end = (*count).min(first + u64::try_from(most).unwrap());
            for (key, object) in (first..end).map(object) {
                page.push(&key, &object);
            }
            (end < *count).then(|| end.to_string())
        } else {
            let start = match token.or(parameter("start-after")).filter(|after| *after >= prefix) {
                Some(after) => Bound::Excluded(after),
                None => Bound::Included(prefix),
            };
            let objects = self.objects.range::<str, _>((start, Bound::Unbounded));
            let mut objects = objects.take_while(|(key, _)| key.starts_with(prefix)).peekable();
            let mut last = None;
            for (key, object) in objects.by_ref().take(most) {
                page.push(key, object);
                last = Some(key);
            }
            if objects.peek().is_some() { last.cloned() } else { None }
        };
        Response::new(200, page.xml(next.as_deref())).with("Content-Type", "application/xml")
    }

    fn step_functions(&mut self, target: &str, input: &Value) -> Response {
        let text = |name: &str| input[name].as_str().unwrap_or_default();
        match target {
            "AWSStepFunctions.ListExecutions" => {
                let wanted = |run: &&Run| {
                    run.seen >= Seen::Listed
                        && run.execution.plain_state_machine() == text("stateMachineArn")
                        && input["statusFilter"].as_str().is_none_or(|status| status == run.status)
                };
                let mut listed: Vec<&Run> = self.runs.iter().filter(wanted).collect();
                // By the end, so that one that waited for another, or was redriven, is not in the order of the starts.
                listed.sort_by_key(|run| std::cmp::Reverse(run.stopped_at.unwrap_or(i64::MAX)));
                let first: usize = text("nextToken").parse().unwrap_or(0);
                let most = input["maxResults"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(100);
                let page: Vec<Value> = listed.iter().skip(first).take(most).map(|run| run.json()).collect();
                let mut output = json!({"executions": page});
                if first + most < listed.len() {
                    output["nextToken"] = json!((first + most).to_string());
                }
                Response::new(200, output.to_string())
            }
            "AWSStepFunctions.DescribeExecution" => {
                let mut seen = self.runs.iter().filter(|run| run.seen == Seen::Described);
                let Some(run) = seen.find(|run| run.execution.id == text("executionArn")) else {
                    return Response::new(400, r#"{"__type": "ExecutionDoesNotExist", "message": "not here"}"#);
                };
                let mut output = run.json();
                output["output"] = json!(run.output.to_string());
                Response::new(200, output.to_string())
            }
            "AWSStepFunctions.StartExecution" => {
                let arn =
                    format!("{}:{}", text("stateMachineArn").replace(":stateMachine:", ":execution:"), text("name"));
                // The same input is the same request while the execution runs.
                match self.runs.iter().find(|run| run.execution.id == arn).map(|run| run.status) {
                    Some("RUNNING") => {}
                    Some(_) => {
                        return Response::new(400, r#"{"__type": "ExecutionAlreadyExists", "message": "it is there"}"#);
                    }
                    None => {
                        let mut execution = self.runs[0].execution.clone();
                        (execution.id, execution.name) = (arn.clone(), text("name").to_owned());
                        let (started_at, output) = (self.now, Value::Null);
                        let seen = Seen::Described;
                        self.runs.push(Run {
                            execution,
                            status: "RUNNING",
                            started_at,
                            stopped_at: None,
                            output,
                            seen,
                        });
                    }
                }
                Response::new(200, json!({"executionArn": arn, "startDate": self.now / 1_000}).to_string())
            }
            _ => Response::new(400, json!({"__type": "UnknownOperationException", "message": target}).to_string()),
        }
    }
}

/// The first number below `count` that `is_after`, if those that are follow those that are not; else `count`.
fn first_after(count: u64, is_after: impl Fn(u64) -> bool) -> u64 {
    let (mut first, mut end) = (0u64, count);
    while first < end {
        let middle = first.midpoint(end);
        if is_after(middle) {
            end = middle;
        } else {
            first = middle + 1;
        }
    }
    first
}

/// A page of a listing. Plain pushes, because a million objects pass through here.
#[derive(Default)]
struct Page {
    contents: String,
    /// The date of the last object and its text: neighbours often share it.
    date: (i64, String),
}

impl Page {
    fn push(&mut self, key: &str, object: &Object) {
        if self.date.1.is_empty() || self.date.0 != object.modified {
            self.date = (object.modified, date(object.modified));
        }
        for part in [
            "<Contents><Key>",
            &escaped(key),
            "</Key><LastModified>",
            &self.date.1,
            "</LastModified><ETag>",
            &escaped(&object.etag),
            "</ETag><Size>",
            &object.size.to_string(),
            "</Size></Contents>",
        ] {
            self.contents.push_str(part);
        }
    }

    fn xml(self, next: Option<&str>) -> String {
        let token = next.map(|token| format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(token)));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             {}<IsTruncated>{}</IsTruncated>{}</ListBucketResult>",
            self.contents,
            next.is_some(),
            token.unwrap_or_default()
        )
    }
}

/// A listing's date, from seconds since 1970.
pub fn date(seconds: i64) -> String {
    format_time(aws_sdk_s3::primitives::DateTime::from_secs(seconds))
}

fn escaped(text: &str) -> String {
    if !text.bytes().any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"')) {
        return text.to_owned();
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn s3_error(status: u16, code: &str) -> Response {
    Response::new(status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
}

/// S3 and Step Functions at one address.
pub struct FakeAws {
    world: Arc<Mutex<World>>,
    server: Server,
}

impl FakeAws {
    pub fn start() -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let served = Arc::clone(&world);
        Self { world, server: Server::start(move |request| served.lock().unwrap().answer(request)) }
    }

    /// The same services at another address, behind a gate.
    pub fn behind(&self, gate: Arc<Gate>) -> Self {
        let (world, served) = (Arc::clone(&self.world), Arc::clone(&self.world));
        let server = Server::start(move |request| gate.pass(request, || served.lock().unwrap().answer(request)));
        Self { world, server }
    }

    /// To be let go of before the function is called.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

/// One process of a function, and the Runtime API that it asks for events. It lives for many events, as on Lambda.
pub struct Function {
    child: Child,
    events: Sender<(String, String)>,
    answers: Receiver<(String, Vec<u8>)>,
    event_count: u64,
    _runtime: Server,
}

impl Function {
    pub fn start(name: &str, aws: &FakeAws) -> Self {
        let (events, next) = mpsc::channel::<(String, String)>();
        let (posted, answers) = mpsc::channel();
        let next = Mutex::new(next);
        let runtime = Server::start(move |request| {
            if request.method == "POST" {
                // Nobody listens any more when the test has failed.
                let _ = posted.send((request.path.clone(), request.body.clone()));
                return Response::new(202, "{}");
            }
            let Ok((id, event)) = next.lock().unwrap().recv() else { return Response::new(500, "") };
            let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(900);
            Response::new(200, event)
                .with("Lambda-Runtime-Aws-Request-Id", &id)
                .with("Lambda-Runtime-Deadline-Ms", &deadline.as_millis().to_string())
                .with("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:f")
        });
        let child = Command::new(crate::support::binaries().join(name))
            .env_clear()
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "x")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .env("AWS_ENDPOINT_URL", format!("http://{}", aws.server.address))
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "x")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "x")
            .env("BUCKET", BUCKET)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, events, answers, event_count: 0, _runtime: runtime }
    }

    /// Gives it an event. An error is its `errorType` and `errorMessage`.
    pub fn invoke(&mut self, event: &Value) -> Result<Value, (String, String)> {
        self.event_count += 1;
        self.events.send((format!("id-{}", self.event_count), event.to_string())).unwrap();
        let asked_at = Instant::now();
        let (path, body) = loop {
            if let Ok(answer) = self.answers.recv_timeout(Duration::from_secs(1)) {
                break answer;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the function ended without an answer");
            assert!(asked_at.elapsed() < Duration::from_secs(600), "the function does not answer");
        };
        let body: Value = serde_json::from_slice(&body).unwrap();
        if path.ends_with("/response") {
            return Ok(body);
        }
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        Err((text("errorType"), text("errorMessage")))
    }

    /// The most memory that it ever held, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
