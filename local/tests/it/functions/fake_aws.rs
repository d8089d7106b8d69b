//! The fake AWS of the crate, and one function that works with it.

pub(crate) use local::fake_aws::{
    BUCKET, FakeAws, Gate, Generated, Keeps, Object, OnRange, Query, Run, Seen, World, date,
};

use local::fake_aws::http::{Response, Server};
use serde_json::Value;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One process of a function, and the Runtime API that it asks for events. It lives for many events, as on Lambda.
pub(crate) struct Function {
    child: Child,
    events: Sender<(String, String)>,
    answers: Receiver<(String, Vec<u8>)>,
    event_count: u64,
    _runtime: Server,
}

impl Function {
    pub(crate) fn start(name: &str, aws: &FakeAws) -> Self {
        Self::start_with(name, aws, &[])
    }

    /// The same with variables of its own in its environment.
    pub(crate) fn start_with(name: &str, aws: &FakeAws, variables: &[(&str, &str)]) -> Self {
        Self::start_logging(name, aws, variables, Stdio::null())
    }

    /// The same with its log going somewhere.
    pub(crate) fn start_logging(name: &str, aws: &FakeAws, variables: &[(&str, &str)], log: Stdio) -> Self {
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
            .env("AWS_ENDPOINT_URL", format!("http://{}", aws.address()))
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "x")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "x")
            .env("BUCKET", BUCKET)
            .envs(variables.iter().copied())
            .stdout(log)
            .spawn()
            .unwrap();
        Self { child, events, answers, event_count: 0, _runtime: runtime }
    }

    /// Gives it an event. An error is its `errorType` and `errorMessage`.
    pub(crate) fn invoke(&mut self, event: &Value) -> Result<Value, (String, String)> {
        self.invoke_until_end(event).expect("the function ended without an answer")
    }

    /// The same; `None` if the function ended without an answer.
    pub(crate) fn invoke_until_end(&mut self, event: &Value) -> Option<Result<Value, (String, String)>> {
        self.event_count += 1;
        self.events.send((format!("id-{}", self.event_count), event.to_string())).unwrap();
        let asked_at = Instant::now();
        let (path, body) = loop {
            if let Ok(answer) = self.answers.recv_timeout(Duration::from_millis(50)) {
                break answer;
            }
            if self.child.try_wait().unwrap().is_some() {
                // It may have answered just before.
                break self.answers.try_recv().ok()?;
            }
            assert!(asked_at.elapsed() < Duration::from_secs(600), "the function does not answer");
        };
        let body: Value = serde_json::from_slice(&body).unwrap();
        if path.ends_with("/response") {
            return Some(Ok(body));
        }
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        Some(Err((text("errorType"), text("errorMessage"))))
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it ever held, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
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
