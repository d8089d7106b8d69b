//! The shared stack, and what tests keep asking of a deployment.

pub(crate) mod fields;
pub(crate) mod files;
pub(crate) mod lake;
pub(crate) mod parquet;
pub(crate) mod warehouse;

use local::BoxError;
use local::deployment::{Deployment, Options};
use local::execution::Outcome;
use local::stack::Stack;
use local::template;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The stack of all tests, started by the first one. Nothing lets go of it: what it started ends with this process.
pub(crate) async fn stack() -> Arc<Stack> {
    static STACK: OnceLock<Arc<Stack>> = OnceLock::new();
    tokio::task::spawn_blocking(|| {
        let start = || Stack::for_tests().unwrap_or_else(|error| panic!("{error}\n{:?}", error.source));
        STACK.get_or_init(|| Arc::new(start())).clone()
    })
    .await
    .unwrap()
}

/// The binaries of all functions.
pub(crate) fn functions() -> &'static BTreeSet<String> {
    static FUNCTIONS: OnceLock<BTreeSet<String>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| template::binaries(&template::root().unwrap(), &template::all_jobs().unwrap()).unwrap())
}

/// The folder of the functions' binaries, once they are built.
pub(crate) fn binaries() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| local::binaries::build(functions()).unwrap_or_else(|error| panic!("{error}")))
}

/// A folder of a test's own that goes with it.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sluice-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A deployment of a test's own, and the stack that it must not outlive.
pub(crate) struct Fixture {
    pub deployment: Deployment,
    pub stack: Arc<Stack>,
}

impl std::ops::Deref for Fixture {
    type Target = Deployment;
    fn deref(&self) -> &Deployment {
        &self.deployment
    }
}

impl Drop for Fixture {
    /// Beside the test's own runtime, which ends now.
    fn drop(&mut self) {
        let deployment = self.deployment.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(end_functions(&deployment));
        });
    }
}

impl Fixture {
    /// [`invoke`] for a function of this deployment.
    pub(crate) async fn invoke(&self, function: &str, payload: &Value) -> Result<Answer, BoxError> {
        invoke(&self.deployment, function, payload).await
    }
}

/// What a function answers, or the type and message of its error.
pub(crate) type Answer = Result<Value, (String, String)>;

/// Calls a function of a deployment as the state machine does.
pub(crate) async fn invoke(deployment: &Deployment, function: &str, payload: &Value) -> Result<Answer, BoxError> {
    let client = aws_sdk_lambda::Client::new(&deployment.config);
    let invoke = client.invoke().function_name(deployment.function_name(function));
    let answer = invoke.payload(payload.to_string().into_bytes().into()).send().await?;
    let body: Value = serde_json::from_slice(answer.payload.unwrap_or_default().as_ref())?;
    if answer.function_error.is_none() {
        return Ok(Ok(body));
    }
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    Ok(Err((text("errorType"), text("errorMessage"))))
}

/// A deployment as the template has it, started by nothing but the test.
pub(crate) async fn fixture() -> Fixture {
    fixture_with(Options::default()).await
}

/// A deployment with other options.
pub(crate) async fn fixture_with(options: Options) -> Fixture {
    let stack = stack().await;
    Fixture { deployment: stack.deploy_anew(&options).await.unwrap(), stack }
}

/// The options of a deployment that leaves the database's visibility alone.
pub(crate) fn vpc_mode() -> Options {
    Options { parameters: [("NetworkMode", "vpc".to_owned())].into(), ..Options::default() }
}

/// The options of a deployment that keeps no file's words.
pub(crate) fn last_run() -> Options {
    Options { spec: vec![(r#""on_overlap": "all_files""#, r#""on_overlap": "last_run""#)], ..vpc_mode() }
}

/// The target as the upsert function would create it.
pub(crate) const TARGET: &str = "create table pomodoro_day_catg (date date not null unique, learning_minutes numeric not null, \
                          work_minutes numeric not null)";

pub(crate) const HEADER: &str = "Project,Duration (in minutes),Start date,End date\n";

/// A file in the format of the sample: `(category, minutes, date)`.
pub(crate) fn csv(rows: &[(&str, &str, &str)]) -> Vec<u8> {
    let lines =
        rows.iter().map(|(category, minutes, date)| format!("{category},{minutes},{date} 10:00,{date} 11:00\n"));
    format!("{HEADER}{}", lines.collect::<String>()).into_bytes()
}

/// Runs an execution to its end.
pub(crate) async fn run(deployment: &Deployment, input: Value) -> Outcome {
    deployment.start(&input).await.unwrap().outcome().await.unwrap()
}

/// Runs an execution that must do its work.
pub(crate) async fn run_well(deployment: &Deployment, input: Value) -> Outcome {
    let outcome = run(deployment, input).await;
    assert!(outcome.succeeded(), "{}", local::report::failure(&outcome));
    outcome
}

/// Runs an execution that must fail; returns the error's name and its text.
pub(crate) async fn run_badly(deployment: &Deployment, input: Value) -> (String, String) {
    let outcome = run(deployment, input).await;
    assert_eq!(outcome.status, "FAILED", "{:?}", outcome.counts);
    assert_eq!(outcome.last_state(), "Failed");
    (outcome.error.unwrap_or_default(), outcome.cause.unwrap_or_default())
}

/// How many keys a run inserted, updated and left unchanged.
pub(crate) fn merged(outcome: &Outcome) -> [u64; 3] {
    ["rows_inserted", "rows_updated", "rows_unchanged"]
        .map(|field| outcome.counts["upsert"][field].as_u64().unwrap_or_else(|| panic!("{:?}", outcome.counts)))
}

/// The target table, a line per row; nothing if there is no such table.
pub(crate) async fn table(deployment: &Deployment) -> Vec<String> {
    let mut connection = deployment.connect().await.unwrap();
    let exists: bool = sqlx::query_scalar("select to_regclass('public.pomodoro_day_catg') is not null")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    if !exists {
        return Vec::new();
    }
    sqlx::query_scalar(
        "select concat_ws(' ', date, learning_minutes, work_minutes) from pomodoro_day_catg order by date",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
}

/// Runs statements on the deployment's database.
pub(crate) async fn sql(deployment: &Deployment, statements: &'static str) {
    let mut connection = deployment.connect().await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
}

/// The keys under a prefix of the deployment's bucket.
pub(crate) async fn keys(deployment: &Deployment, prefix: &str) -> Vec<String> {
    let listed = deployment.s3().list_objects_v2().bucket(&deployment.bucket).prefix(prefix).send().await.unwrap();
    listed.contents().iter().filter_map(|object| object.key().map(ToOwned::to_owned)).collect()
}

/// An object as text.
pub(crate) async fn read(deployment: &Deployment, key: &str) -> String {
    String::from_utf8(read_bytes(deployment, key).await).unwrap()
}

/// The bytes of an object.
pub(crate) async fn read_bytes(deployment: &Deployment, key: &str) -> Vec<u8> {
    let got = deployment.s3().get_object().bucket(&deployment.bucket).key(key).send().await.unwrap();
    got.body.collect().await.unwrap().to_vec()
}

/// Puts a JSON document; returns a reference to it.
pub(crate) async fn put_json(deployment: &Deployment, key: &str, document: &Value) -> Value {
    let put = deployment.s3().put_object().bucket(&deployment.bucket).key(key);
    let put = put.body(document.to_string().into_bytes().into()).send().await.unwrap();
    json!({"bucket": deployment.bucket, "key": key, "etag": put.e_tag.unwrap()})
}

/// The `execution` of a payload, for a function that is called without a state machine.
pub(crate) fn execution(deployment: &Deployment, name: &str) -> Value {
    let id = deployment.state_machine_arn.replace(":stateMachine:", ":execution:");
    json!({
        "job": deployment.job, "id": format!("{id}:{name}"), "name": name, "started_at": "2024-01-01T00:00:00.000Z",
        "state_machine": deployment.state_machine_arn,
    })
}

/// The input of detection in an execution of this name, with the reference job's spec.
pub(crate) fn detection(deployment: &Deployment, name: &str) -> Value {
    with_spec(json!({
        "action": "detect", "execution": execution(deployment, name), "prefix": deployment.prefix, "trigger": {},
    }))
}

/// What the reference job says, as the template has it.
pub(crate) fn reference_job() -> template::Files {
    let jobs = template::all_jobs().unwrap();
    template::reference(&jobs).unwrap().files().unwrap().clone()
}

/// A payload with the reference job's spec.
pub(crate) fn with_spec(mut payload: Value) -> Value {
    let parts = reference_job().parts;
    for (name, part) in [("source", parts.source), ("shape", parts.shape), ("target", parts.target)] {
        payload[name] = part;
    }
    payload
}

/// Whether a load waits for a lock of the database.
pub(crate) async fn waits_for_lock(deployment: &Deployment) -> Result<bool, local::BoxError> {
    let mut connection = deployment.connect().await?;
    let waits = sqlx::query_scalar(
        "select exists (select from pg_stat_activity where application_name like 'sluice %' and wait_event_type = 'Lock' \
         and datname = current_database())",
    );
    Ok(waits.fetch_one(&mut connection).await?)
}

/// Random numbers that are the same for the same seed, by the xorshift method of Marsaglia.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from 0 up to, but without, `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// The seeds of a randomized test: `count` of them, or the ones that `SLUICE_SEEDS` gives as `first..end`.
pub(crate) fn seeds(count: u64) -> std::ops::Range<u64> {
    let given = std::env::var("SLUICE_SEEDS").ok().map(|text| {
        let (first, end) = text.split_once("..").expect("SLUICE_SEEDS=first..end");
        first.parse().unwrap()..end.parse().unwrap()
    });
    given.unwrap_or(0..count)
}

/// All points and moments, and all that may go on beside them? Else a part of it.
pub(crate) fn is_full_campaign() -> bool {
    std::env::var("SLUICE_CAMPAIGN").is_ok_and(|campaign| campaign == "full")
}

/// Polls until something holds.
pub(crate) async fn until<F: Future<Output = Result<bool, BoxError>>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(180);
    while !holds().await.unwrap() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The processes of a function of this deployment.
pub(crate) fn processes(deployment: &Deployment, function: &str) -> Vec<String> {
    let (function, endpoint) = (deployment.function_name(function), deployment.config.endpoint_url());
    let is_wanted = |process: &Running| process.function == function && Some(process.endpoint.as_str()) == endpoint;
    running().filter(is_wanted).map(|process| process.pid).collect()
}

/// A function's process on this machine.
struct Running {
    pid: String,
    function: String,
    /// Where it finds AWS.
    endpoint: String,
}

fn running() -> impl Iterator<Item = Running> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    pids.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter_map(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let value = |variable: &str| {
            let mut values = environment.split(|byte| *byte == 0);
            values.find_map(|entry| Some(std::str::from_utf8(entry).ok()?.strip_prefix(variable)?.to_owned()))
        };
        let (function, endpoint) = (value("AWS_LAMBDA_FUNCTION_NAME=")?, value("AWS_ENDPOINT_URL=")?);
        Some(Running { pid, function, endpoint })
    })
}

/// Kills a function's processes; says whether there was one.
pub(crate) fn kill(deployment: &Deployment, function: &str) -> bool {
    let pids = processes(deployment, function);
    if !pids.is_empty() {
        std::process::Command::new("kill").arg("-KILL").args(&pids).status().unwrap();
    }
    !pids.is_empty()
}

/// Deletes the functions of a deployment that is not needed any more. The local Lambda keeps an idle process of each
/// one and asks it ten times a second; those of a hundred deployments take more time than all tests.
pub(crate) async fn end_functions(deployment: &Deployment) {
    let client = aws_sdk_lambda::Client::new(&deployment.config);
    let prefix = format!("{}-", deployment.name);
    // Wherever they find AWS: behind a proxy, it may be.
    let names: BTreeSet<String> = running().map(|process| process.function).collect();
    for name in names.iter().filter(|name| name.starts_with(&prefix)) {
        // Two jobs of one deployment may end at once.
        let _ = client.delete_function().function_name(name).send().await;
    }
}
