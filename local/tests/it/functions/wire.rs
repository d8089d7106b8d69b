//! What the real binaries say to the Lambda Runtime API: the exact `errorType`, whatever goes wrong.

use crate::support::with_spec;
use local::binaries::workspace;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A function's binary with an environment in which it can start but reach nothing.
fn command(function: &str) -> Command {
    let mut command = Command::new(crate::support::binaries().join(function));
    command
        .env_clear()
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_LAMBDA_FUNCTION_NAME", function)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "x")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "x")
        .env("BUCKET", "lake")
        .env("DATABASE_URL", "postgres://u:hush@127.0.0.1:1/d")
        .env("DATABASE_INSTANCE", "d")
        .env("SOURCE_DATABASE_URL", "postgres://u:hush@127.0.0.1:1/d")
        .env("MYSQL_URL", "mysql://u:hush@127.0.0.1:1/d")
        .env("REDSHIFT_WORKGROUP", "w")
        .env("REDSHIFT_DATABASE", "d")
        .env("PLAN_ROLE", "p")
        .env("LOAD_ROLE", "l")
        .env("REDSHIFT_ROLE_ARN", "arn:aws:iam::1:role/r")
        .env("WORKGROUP", "w")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Gives a function one event; returns what it posted and to which path, and its log.
fn answer(function: &str, event: &str) -> (String, Value, String) {
    answer_of(command(function), function, event)
}

fn answer_of(mut command: Command, function: &str, event: &str) -> (String, Value, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut child = command.env("AWS_LAMBDA_RUNTIME_API", address).spawn().unwrap();
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(60);
    let mut was_asked = false;
    let (path, body) = loop {
        let stream = accept(&listener, &mut child);
        let mut stream = BufReader::new(stream);
        // The runtime keeps its connection, so requests follow one another on it.
        let posted = loop {
            let Some((method, path, body)) = request(&mut stream) else { break None };
            if method == "POST" {
                respond(stream.get_mut(), "", "{}");
                break Some((path, body));
            }
            if was_asked {
                break None;
            }
            was_asked = true;
            let headers = format!(
                "Lambda-Runtime-Aws-Request-Id: id-1\r\nLambda-Runtime-Deadline-Ms: {}\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:1:function:{function}\r\n",
                deadline.as_millis()
            );
            respond(stream.get_mut(), &headers, event);
        };
        if let Some(posted) = posted {
            break posted;
        }
    };
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    (path, serde_json::from_slice(&body).unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// The next connection; a function that ends without one fails the test.
fn accept(listener: &TcpListener, child: &mut Child) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    loop {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            return stream;
        }
        assert!(child.try_wait().unwrap().is_none(), "the function ended without an answer");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, String, Vec<u8>)> {
    let mut line = String::new();
    if stream.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace().map(ToOwned::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((method, path, body))
}

fn respond(stream: &mut TcpStream, headers: &str, body: &str) {
    let head =
        format!("HTTP/1.1 200 OK\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
}

const EXECUTION: &str = r#"{"job": "m", "id": "arn:x:execution:m:e", "name": "e", "started_at": "2024-01-01T00:00:00.000Z", "state_machine": "arn:x:stateMachine:m"}"#;

/// A valid event of each function.
fn event(function: &str) -> String {
    let execution: Value = serde_json::from_str(EXECUTION).unwrap();
    let manifest = json!({"bucket": "lake", "key": "k", "etag": "e"});
    let event = match function {
        "detect-new-files" => {
            with_spec(json!({"action": "detect", "execution": execution, "prefix": "p/", "trigger": {}}))
        }
        "pivot" => with_spec(json!({"execution": execution, "manifest": manifest, "batch": {"index": 0}})),
        "upsert" => with_spec(json!({"execution": execution, "manifest": manifest})),
        "database-access" => json!({"execution": execution, "action": "open"}),
        _ => {
            let mut event = example(function);
            event["execution"] = execution;
            event
        }
    };
    event.to_string()
}

/// The example of a function's event that is in `events/`.
fn example(function: &str) -> Value {
    let name = match function {
        "copy-table" => "copy-table-plan",
        "prepare-elt" => "athena-elt-check",
        "run-query" => "athena-elt-build",
        "publish-elt" => "athena-elt-publish",
        "plan-export" => "mysql-to-redshift-plan",
        "export-table" => "mysql-to-redshift-inspect",
        "load-redshift" => "mysql-to-redshift-load",
        other => panic!("which event is of {other}?"),
    };
    let path = workspace().join(format!("events/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The one password that comes in a payload.
#[test]
fn what_prepares_a_database_logs_no_password_whatever_is_logged() {
    for event in [
        r#"{"action": "prepare", "user": "postgres", "password": "secret-7f3a"}"#,
        r#"{"action": "prepare", "user": "postgres", "password": "secret-7f3a", "table": 5}"#,
        r#"{"action": "prepare", "user": "postgres", "password": "secret-7f3a", "execution": {"id": "x"}}"#,
    ] {
        let mut command = command("upsert");
        command.env("LOG_LEVEL", "trace");
        let (_, body, log) = answer_of(command, "upsert", event);
        assert!(body["errorType"].is_string() && log.len() > 1_000, "{body} {log}");
        for text in [&body.to_string(), &log] {
            assert!(!text.contains("secret-7f3a") && !text.contains("hush"), "{text}");
        }
    }
}

#[test]
fn log_lines_say_which_job_and_which_execution() {
    for function in crate::support::functions() {
        let (_, _, log) = answer(function, &event(function));
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let ended = lines.iter().find(|line| line["message"] == "invocation ended");
        let span = &ended.unwrap_or_else(|| panic!("{function}: {log}"))["span"];
        assert_eq!((&span["job"], &span["sfn.execution_id"]), (&"m".into(), &"arn:x:execution:m:e".into()), "{span}");
    }
}

#[test]
fn an_event_that_does_not_decode_is_an_invalid_event() {
    for function in crate::support::functions() {
        for payload in ["{}", "[]", "null", "\"text\"", r#"{"execution": 5}"#] {
            let (path, body, _) = answer(function, payload);
            assert_eq!(path, "/2018-06-01/runtime/invocation/id-1/error", "{function} {payload}");
            assert_eq!(body["errorType"], "InvalidEvent", "{function} {payload}: {body}");
        }
    }
}

#[test]
fn a_service_that_cannot_be_reached_is_a_transient_failure_with_its_causes() {
    for function in crate::support::functions() {
        let (_, body, log) = answer(function, &event(function));
        assert_eq!(body["errorType"], "TransientFailure", "{function}: {body}");
        let message = body["errorMessage"].as_str().unwrap();
        assert!(
            message.to_lowercase().contains("connection refused") || message.contains("tcp connect"),
            "{function}: {message}"
        );
        assert!(!log.contains("hush"), "no secret in the log");
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let ended = lines.iter().find(|line| line["message"] == "invocation ended").expect("a closing line");
        assert_eq!(ended["outcome"], "TransientFailure");
        assert!(ended["timestamp"].as_str().unwrap().ends_with('Z'));
        assert!(ended.to_string().contains("arn:x:execution:m:e"), "{ended}");
        // A search for the execution finds the error too, which the runtime logs without it.
        let failed = lines.iter().find(|line| line["level"] == "ERROR" && line["error.kind"] == "TransientFailure");
        let failed = failed.unwrap_or_else(|| panic!("{function}: {log}"));
        assert_eq!(failed["span"]["sfn.execution_id"], "arn:x:execution:m:e", "{failed}");
        assert_eq!(failed["message"], message, "{failed}");
    }
}

#[test]
fn a_function_that_cannot_start_answers_with_all_that_is_missing() {
    let database = ["DATABASE_HOST", "DATABASE_USER", "DATABASE_NAME"];
    for (function, removed, named) in [
        ("detect-new-files", vec!["BUCKET"], vec!["BUCKET"]),
        ("pivot", vec!["BUCKET"], vec!["BUCKET"]),
        ("upsert", vec!["BUCKET", "DATABASE_URL"], [&["BUCKET"][..], &database].concat()),
        ("database-access", vec!["DATABASE_INSTANCE"], vec!["DATABASE_INSTANCE"]),
    ] {
        let mut command = command(function);
        for variable in removed {
            command.env_remove(variable);
        }
        let (_, body, log) = answer_of(command, function, &event(function));
        assert_eq!(body["errorType"], "Misconfigured", "{function}");
        for variable in named {
            let text = format!("{variable} is not set");
            assert!(body["errorMessage"].as_str().unwrap().contains(&text), "{function}: {body}");
            assert!(log.contains(&text), "{function}: {log}");
        }
    }
}
