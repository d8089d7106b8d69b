//! An AWS that answers the page's questions from what a test puts into it, counts them, and can be in a bad mood.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

type Response = hyper::Response<Full<Bytes>>;

const MACHINES: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:sluice-";
const EXECUTIONS: &str = "arn:aws:states:us-east-1:000000000000:execution:sluice-";

/// How it answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mood {
    Well,
    /// All questions get this error.
    Says(&'static str),
    /// Actions that begin so are denied.
    Denies(&'static str),
    /// It does not answer.
    Hangs,
    /// What actions that begin so ask for is done, and nobody answers.
    Forgets(&'static str),
}

/// A run of a job.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub described: Value,
    pub events: Vec<Value>,
    /// What it ran with, if that is not what its job has now.
    pub definition: Option<String>,
}

/// What it holds.
pub(crate) struct World {
    pub mood: Mood,
    /// When each question came, and what it was.
    pub calls: Vec<(Instant, String)>,
    /// Definitions and runs by the names of jobs; the newest run first.
    pub jobs: BTreeMap<String, (String, Vec<Run>)>,
    pub log: Vec<Value>,
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Executions that were started: name and input.
    pub started: Vec<(String, Value)>,
    pub stopped: Vec<String>,
    /// When the stack was deployed last.
    pub deployed_at: &'static str,
    /// How much an answer holds at most.
    pub page: usize,
    /// Questions that are refused once: those whose name begins so, the so manieth of them, and by which error.
    pub refused: Vec<(&'static str, usize, &'static str)>,
}

/// A running one.
pub(crate) struct Aws {
    pub endpoint: String,
    world: Arc<Mutex<World>>,
    _runtime: tokio::runtime::Runtime,
}

/// A recorded answer.
pub(crate) fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).with_extension("json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A recorded run.
pub(crate) fn recorded(name: &str) -> Run {
    let recorded = fixture(name);
    let events = recorded["get_execution_history"]["events"].as_array().unwrap().clone();
    Run { described: recorded["describe_execution"].clone(), events, definition: None }
}

/// The state machine that the recorded runs are of, as it would be deployed for a job of this name.
pub(crate) fn recorded_definition(job: &str) -> String {
    let text = fixture("describe-state-machine")["definition"].as_str().unwrap().to_owned();
    let spec = r#""prefix": "input_data/",
        "source": {"suffix": ".csv", "columns": {"date": {"from": "Start date", "type": "date"}, "project": "Project",
                   "minutes": {"from": "Duration (in minutes)", "type": "number"}}},
        "shape": {"keys": ["date"], "values": {"minutes": "sum"},
                  "pivot": {"on": "project", "into": {"Learning": "learning_minutes", "Work": "work_minutes"}}},
        "target": {"table": "pomodoro_day_catg", "on_overlap": "all_files"},"#;
    let text = text.replacen(
        "\"source\": {\"prefix\": \"input_data/\", \"suffix\": \".csv\", \"lookback_hours\": 24},",
        spec,
        1,
    );
    text.replace("\"execution\": {", &format!("\"execution\": {{\"job\": \"{job}\","))
}

/// The state machine of a kind, filled in for a job of this name.
pub(crate) fn definition(kind: &str, job: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../statemachine").join(kind).with_extension("asl.json");
    let text = std::fs::read_to_string(file).unwrap().replace("${Job}", job);
    let filled = [
        ("${Source}", r#"{"schema": "shop", "table": "orders"}"#),
        ("${Target}", r#"{"schema": "warehouse", "table": "orders", "key": ["id"]}"#),
        (
            "${Windows}",
            r#"{"cursor": "created_at", "zone": "Europe/Zurich", "window": "1 day", "start": "2024-01-01"}"#,
        ),
    ];
    let text = filled.iter().fold(text, |text, (name, value)| text.replace(name, value));
    // What else stands without quotes is a number.
    let mut parts = text.split(" ${");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| format!("{text} 1{}", part.split_once('}').unwrap().1))
}

/// A run that is at work in the first states of a definition.
pub(crate) fn running(job: &str, name: &str, started: f64, states: &[(&str, &str)]) -> Run {
    let mut events = vec![json!({"id": 1, "timestamp": started, "type": "ExecutionStarted", "previousEventId": 0})];
    for (place, (kind, state)) in states.iter().enumerate() {
        let at = started + 0.1 * place as f64;
        let id = events.len() + 1;
        events
            .push(json!({"id": id, "timestamp": at, "type": format!("{kind}StateEntered"), "previousEventId": id - 1,
                           "stateEnteredEventDetails": {"name": state}}));
        if place + 1 < states.len() {
            events.push(json!({"id": id + 1, "timestamp": at + 0.05, "type": format!("{kind}StateExited"),
                               "previousEventId": id, "stateExitedEventDetails": {"name": state}}));
        }
    }
    let described = json!({"executionArn": format!("{EXECUTIONS}{job}:{name}"), "name": name, "status": "RUNNING",
                           "stateMachineArn": format!("{MACHINES}{job}"), "startDate": started, "input": "{}"});
    Run { described, events, definition: None }
}

impl Aws {
    /// One with the recorded runs of the job pomodoro.
    pub(crate) fn start() -> Self {
        let names = [
            "run-stopped",
            "run-loaded",
            "run-failed-bad-rows",
            "run-nothing-new",
            "run-dry-run",
            "run-lock-held-then-nothing",
        ];
        let mut runs: Vec<Run> = names.into_iter().map(recorded).collect();
        let started = |run: &Run| run.described["startDate"].as_f64().unwrap();
        runs.sort_by(|a, b| started(b).total_cmp(&started(a)));
        let world = World {
            mood: Mood::Well,
            calls: Vec::new(),
            jobs: BTreeMap::from([("pomodoro".to_owned(), (recorded_definition("pomodoro"), runs))]),
            log: fixture("filter-log-events")["events"].as_array().unwrap().clone(),
            objects: BTreeMap::new(),
            started: Vec::new(),
            stopped: Vec::new(),
            deployed_at: "2026-11-26T02:45:11Z",
            page: 1_000,
            refused: Vec::new(),
        };
        Self::listening("127.0.0.1:0", Arc::new(Mutex::new(world)))
    }

    /// The same at the same address, after it was gone.
    pub(crate) fn again(endpoint: &str, world: Arc<Mutex<World>>) -> Self {
        Self::listening(endpoint.trim_start_matches("http://"), world)
    }

    /// It is gone; what it holds stays.
    pub(crate) fn stop(self) -> (String, Arc<Mutex<World>>) {
        (self.endpoint, self.world)
    }

    fn listening(address: &str, world: Arc<Mutex<World>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = world.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                let service = service_fn(move |request| {
                    let shared = shared.clone();
                    async move { Ok::<_, Infallible>(answer(&shared, request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { endpoint, world, _runtime: runtime }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.world().mood = mood;
    }

    /// How often something was asked whose name begins so.
    pub(crate) fn calls_of(&self, action: &str) -> usize {
        self.world().calls.iter().filter(|(_, called)| called.starts_with(action)).count()
    }

    pub(crate) fn call_count(&self) -> usize {
        self.world().calls.len()
    }
}

async fn answer(world: &Mutex<World>, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    let (method, uri) = (head.method, head.uri);
    let body = body.collect().await.unwrap().to_bytes();
    let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let action = match target.rsplit_once('.') {
        Some((_, action)) => action.to_owned(),
        None if text.contains("Action=DescribeStacks") => "DescribeStacks".to_owned(),
        None if uri.path().starts_with("/schedules") => "ListSchedules".to_owned(),
        None if uri.query().is_some_and(|query| query.contains("list-type=2")) => {
            let (prefix, token) = listing(&uri);
            format!("ListObjectsV2 {prefix} {}", token.unwrap_or_default())
        }
        None => format!("{method} {}", uri.path()),
    };
    let (mood, once) = {
        let mut world = world.lock().unwrap();
        world.calls.push((Instant::now(), action.clone()));
        let count = |name: &str| world.calls.iter().filter(|(_, called)| called.starts_with(name)).count();
        let mut refused = world.refused.iter().filter(|(name, ..)| action.starts_with(name));
        let once = refused.find(|(name, number, _)| count(name) == *number).map(|(_, _, error)| *error);
        (world.mood.clone(), once)
    };
    let says = match mood {
        _ if once.is_some() => once,
        Mood::Well | Mood::Forgets(_) => None,
        Mood::Says(error) => Some(error),
        Mood::Denies(denied) => (action.starts_with(denied)).then_some("AccessDeniedException"),
        Mood::Hangs => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            None
        }
    };
    if let Some(error) = says {
        if action == "DescribeStacks" {
            let text = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{error}</Code><Message>m</Message></Error></ErrorResponse>"
            );
            return said(StatusCode::BAD_REQUEST, "text/xml", text);
        }
        if target.is_empty() && action != "ListSchedules" {
            let text = format!("<Error><Code>{error}</Code><Message>m</Message></Error>");
            return said(StatusCode::FORBIDDEN, "text/xml", text);
        }
        return refused(error);
    }
    let asked: Value = serde_json::from_str(&text).unwrap_or_default();
    let done = done(&mut world.lock().unwrap(), &action, &asked, &uri, target.is_empty());
    if matches!(mood, Mood::Forgets(forgotten) if action.starts_with(forgotten)) {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    done
}

/// What is done and answered in the best of moods.
fn done(world: &mut World, action: &str, asked: &Value, uri: &Uri, has_no_target: bool) -> Response {
    match action {
        "DescribeStacks" => xml(&stack(world.deployed_at)),
        "ListSchedules" => json_answer(&json!({"Schedules": []})),
        action if action.starts_with("ListObjectsV2 ") => xml(&world.listed(uri)),
        "FilterLogEvents" => match world.lines(asked) {
            Some(answer) => json_answer(&answer),
            None => refused("InvalidParameterException"),
        },
        _ if has_no_target => world.object(uri.path()),
        _ => match world.states(action, asked) {
            Some(answer) => json_answer(&answer),
            None => refused("ExecutionDoesNotExist"),
        },
    }
}

/// Which prefix a listing is of, and the token of its page.
fn listing(uri: &Uri) -> (String, Option<&str>) {
    let value = |name: &str| uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix(name));
    (value("prefix=").unwrap_or_default().replace("%2F", "/"), value("continuation-token="))
}

fn said(status: StatusCode, kind: &str, text: impl Into<Bytes>) -> Response {
    hyper::Response::builder().status(status).header("content-type", kind).body(Full::new(text.into())).unwrap()
}

fn json_answer(value: &Value) -> Response {
    said(StatusCode::OK, "application/x-amz-json-1.0", value.to_string())
}

fn refused(error: &str) -> Response {
    let text = json!({"__type": error, "message": "m"}).to_string();
    said(StatusCode::BAD_REQUEST, "application/x-amz-json-1.0", text)
}

fn xml(text: &str) -> Response {
    said(StatusCode::OK, "text/xml", text.to_owned())
}

fn stack(deployed_at: &str) -> String {
    let output = |key: &str, value: &str| {
        format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>")
    };
    format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult><Stacks><member>\
         <StackName>sluice</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-11-26T02:45:11Z</CreationTime><LastUpdatedTime>{deployed_at}</LastUpdatedTime>\
         <Outputs>{}{}</Outputs><Parameters><member><ParameterKey>S3TriggerState</ParameterKey>\
         <ParameterValue>ENABLED</ParameterValue></member></Parameters>\
         </member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
        output("BucketName", "bucket"),
        output("StateMachineArnPrefix", MACHINES),
    )
}

impl World {
    fn run(&self, arn: &str) -> Option<&Run> {
        self.jobs.values().flat_map(|(_, runs)| runs).find(|run| run.described["executionArn"] == arn)
    }

    fn states(&mut self, action: &str, asked: &Value) -> Option<Value> {
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let job = text("stateMachineArn").trim_start_matches(MACHINES).to_owned();
        Some(match action {
            "ListStateMachines" => {
                let one = |name: &String| {
                    json!({"stateMachineArn": format!("{MACHINES}{name}"), "name": name,
                                                 "type": "STANDARD", "creationDate": 1.0})
                };
                let (machines, next) = self.page_of(self.jobs.keys().map(one).collect(), &asked["nextToken"]);
                json!({"stateMachines": machines, "nextToken": next})
            }
            "DescribeStateMachine" => {
                json!({"stateMachineArn": text("stateMachineArn"), "name": job, "roleArn": "arn:r",
                                             "definition": self.jobs.get(&job)?.0, "type": "STANDARD", "creationDate": 1.0})
            }
            "ListExecutions" => {
                let one = |run: &Run| {
                    let described = &run.described;
                    let mut item = json!({});
                    for field in ["executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate"] {
                        if !described[field].is_null() {
                            item[field] = described[field].clone();
                        }
                    }
                    item
                };
                let runs = &self.jobs.get(&job)?.1;
                let mut answer = json!({"executions": runs.iter().take(1_000).map(one).collect::<Vec<_>>()});
                if runs.len() > 1_000 {
                    answer["nextToken"] = "more".into();
                }
                answer
            }
            "DescribeStateMachineForExecution" => {
                let arn = text("executionArn");
                let is_it = |run: &&Run| run.described["executionArn"] == arn.as_str();
                let (definition_of_now, runs) =
                    self.jobs.values().find(|(_, runs)| runs.iter().any(|run| is_it(&run)))?;
                let run = runs.iter().find(is_it)?;
                let started = |run: &Run| run.described["startDate"].as_f64().unwrap_or_default();
                let others = runs.iter().filter(|run| run.definition.is_some());
                let (definition, updated) = match &run.definition {
                    Some(definition) => (definition, 1.0),
                    // Since then the job has what it has now.
                    None => (definition_of_now, others.map(|run| started(run) + 0.5).fold(1.0, f64::max)),
                };
                json!({"stateMachineArn": "arn:m", "name": "x", "roleArn": "arn:r", "definition": definition,
                       "updateDate": updated})
            }
            "DescribeExecution" => self.run(&text("executionArn"))?.described.clone(),
            "GetExecutionHistory" => {
                let events = self.run(&text("executionArn"))?.events.clone();
                let (events, next) = self.page_of(events, &asked["nextToken"]);
                json!({"events": events, "nextToken": next})
            }
            "StartExecution" => {
                let name = text("name");
                let input = serde_json::from_str(asked["input"].as_str().unwrap()).unwrap();
                // The same once more is the same execution.
                let is_it = |run: &&Run| run.described["name"] == name.as_str();
                if let Some(known) = self.jobs.get(&job)?.1.iter().find(is_it) {
                    return Some(json!({"executionArn": known.described["executionArn"], "startDate": 1.0}));
                }
                let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
                let mut run = running(&job, &name, now, &[("Task", "DetectNewFiles")]);
                run.described["input"] = asked["input"].clone();
                let arn = run.described["executionArn"].clone();
                self.jobs.get_mut(&job)?.1.insert(0, run);
                self.started.push((name, input));
                json!({"executionArn": arn, "startDate": now})
            }
            "StopExecution" => {
                let (arn, now) = (text("executionArn"), std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64());
                let run = self.jobs.values_mut().flat_map(|(_, runs)| runs);
                for run in run.filter(|run| run.described["executionArn"] == arn.as_str()) {
                    run.described["status"] = "ABORTED".into();
                    run.described["stopDate"] = now.into();
                    let id = run.events.len() + 1;
                    run.events.push(json!({"id": id, "timestamp": now, "type": "ExecutionAborted",
                                           "previousEventId": id - 1}));
                }
                self.stopped.push(arn);
                json!({"stopDate": now})
            }
            _ => return None,
        })
    }

    /// A page of some things, and the token of the next one.
    fn page_of(&self, all: Vec<Value>, token: &Value) -> (Vec<Value>, Option<String>) {
        let from = token.as_str().map_or(0, |token| token.parse().unwrap());
        let is_last = from + self.page >= all.len();
        (all.into_iter().skip(from).take(self.page).collect(), (!is_last).then(|| (from + self.page).to_string()))
    }

    /// A page of lines; `None` to a token of another question. As of AWS, there are empty pages with a token, the first
    /// one here.
    fn lines(&self, asked: &Value) -> Option<Value> {
        let group = asked["logGroupName"].as_str().unwrap_or_default();
        // The recorded groups are those of an older template, without the name of the job.
        let function =
            ["detect-new-files", "pivot", "upsert", "database-access"].into_iter().find(|name| group.ends_with(name));
        let (from, to) = (asked["startTime"].as_i64().unwrap_or(0), asked["endTime"].as_i64().unwrap_or(i64::MAX));
        let is_in = |event: &&Value| {
            let at = event["timestamp"].as_i64().unwrap();
            function.is_some_and(|name| event["logGroupName"].as_str().unwrap().ends_with(name))
                && at >= from
                && at <= to
        };
        let events = self.log.iter().enumerate().filter(|(_, event)| is_in(event)).map(|(place, event)| {
            let mut event = event.clone();
            event["eventId"] = place.to_string().into();
            event
        });
        let events: Vec<Value> = events.collect();
        if events.len() <= self.page {
            return Some(json!({"events": events}));
        }
        let own = format!("{function:?} {from} {to}");
        let Some(token) = asked["nextToken"].as_str() else {
            return Some(json!({"events": [], "nextToken": format!("{own}/0")}));
        };
        let place = token.strip_prefix(&own)?.strip_prefix('/')?;
        let (events, next) = self.page_of(events, &place.into());
        Some(json!({"events": events, "nextToken": next.map(|next| format!("{own}/{next}"))}))
    }

    fn listed(&self, uri: &Uri) -> String {
        let (prefix, token) = listing(uri);
        let escaped =
            |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let one = |(key, body): (&String, &Vec<u8>)| {
            format!(
                "<Contents><Key>{}</Key><LastModified>2026-11-26T02:46:00.000Z</LastModified><ETag>&quot;e{}&quot;</ETag><Size>{}</Size></Contents>",
                escaped(key),
                body.len(),
                body.len()
            )
        };
        let from: usize = token.map_or(0, |token| token.parse().unwrap());
        let all: Vec<_> = self.objects.iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
        let objects: String = all.iter().skip(from).take(self.page).copied().map(one).collect();
        let next = from + self.page;
        let more = match next < all.len() {
            true => format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>"),
            false => "<IsTruncated>false</IsTruncated>".to_owned(),
        };
        format!("<ListBucketResult>{more}{objects}</ListBucketResult>")
    }

    fn object(&self, path: &str) -> Response {
        let key =
            percent_encoding::percent_decode_str(path.trim_start_matches("/bucket/")).decode_utf8_lossy().into_owned();
        match self.objects.get(key.as_str()) {
            Some(body) => said(StatusCode::OK, "text/csv", body.clone()),
            None => {
                said(StatusCode::NOT_FOUND, "text/xml", "<Error><Code>NoSuchKey</Code><Message>m</Message></Error>")
            }
        }
    }
}
