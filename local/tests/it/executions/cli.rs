//! The command of a newcomer, as a process of its own.

use crate::support::{Folder, csv, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

pub(super) fn cargo_local(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(arguments).env("SLUICE_STATE_DIR", state).env_remove("DATABASE_URL").env_remove("MYSQL_URL");
    command
}

fn run(state: &Path, arguments: &[&str]) -> (Output, Value) {
    let output = cargo_local(state, arguments).output().unwrap();
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output, json)
}

#[test]
fn the_sample_once_then_nothing_then_the_file_that_was_added() {
    let folder = Folder::new("sample");
    let first = cargo_local(&folder.0, &[]).output().unwrap();
    let text = String::from_utf8(first.stdout).unwrap();
    assert_eq!(first.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&first.stderr));
    for part in ["✓ DetectNewFiles", "✓ Loaded", "84 inserted", "84 rows", "3594.36666667", "12201.00000003"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (output, outcome) = run(&folder.0, &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(outcome["states"].as_array().unwrap().last().unwrap()["state"], "NothingToDo");

    let later = local::binaries::workspace().join("local/sample/pomodoro/later/sessions-2024-04.csv");
    let (_, outcome) = run(&folder.0, &["--json", "--add", later.to_str().unwrap()]);
    assert_eq!(outcome["counts"]["new_file_count"], 1);
    assert_eq!(outcome["counts"]["upsert"]["rows_inserted"], 23);

    assert_eq!(cargo_local(&folder.0, &["reset"]).output().unwrap().status.code(), Some(0));
    assert!(!folder.0.exists());
}

#[test]
fn a_folder_of_ones_own_and_a_run_that_fails() {
    let folder = Folder::new("input");
    let input = folder.0.join("input");
    std::fs::create_dir_all(&input).unwrap();
    std::fs::write(input.join("a.csv"), csv(&[("Work", "1", "2024-01-01")])).unwrap();
    let state = folder.0.join("state");
    let arguments = ["--json", "--input", input.to_str().unwrap()];
    let (_, outcome) = run(&state, &arguments);
    assert_eq!(outcome["counts"]["upsert"]["rows_inserted"], 1);

    // As long as before, and dated long ago: it is another file all the same.
    std::fs::write(input.join("a.csv"), csv(&[("Work", "9", "2024-01-01")])).unwrap();
    let file = std::fs::File::options().write(true).open(input.join("a.csv")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    let (_, outcome) = run(&state, &arguments);
    assert_eq!(outcome["counts"]["upsert"]["rows_updated"], 1);

    std::fs::write(input.join("b.csv"), "Project,Start date\nWork,2024-01-01\n").unwrap();
    let (output, outcome) = run(&state, &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(outcome["status"], "FAILED");
    assert_eq!(outcome["error"], "InvalidSource");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("InvalidSource: input_data/b.csv, line 1: the column \"Duration (in minutes)\" is missing"),
        "{stderr}"
    );
}

#[test]
fn a_folder_is_read_with_those_within_and_what_is_passed_over_is_told() {
    let folder = Folder::new("within");
    let input = folder.0.join("input");
    std::fs::create_dir_all(input.join("2024/_draft")).unwrap();
    let files = ["a.csv", "2024/b.CSV", "2024/_draft/c.csv", "notes.txt"];
    for (day, name) in files.iter().enumerate() {
        std::fs::write(input.join(name), csv(&[("Work", "1", &format!("2024-01-{:02}", day + 1))])).unwrap();
    }
    let state = folder.0.join("state");
    let output = cargo_local(&state, &["--input", input.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "2 passed over: 1 other suffix, 1 hidden",
        "  2024/_draft/c.csv: hidden",
        "  notes.txt: other suffix",
        "2 new files",
        "2 inserted",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The keys are the paths below the folder.
    let (_, outcome) =
        run(&state, &["--json", "--input", input.to_str().unwrap(), "--explain", "input_data/2024/b.CSV"]);
    let reason = outcome["counts"]["explained"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("is loaded"), "{reason}");
    // A single file, which the others have no part in.
    let (_, outcome) = run(&state, &["--json", "--input", input.join("2024/b.CSV").to_str().unwrap()]);
    assert_eq!(outcome["counts"]["upsert"]["rows_inserted"], 1);
    let other = cargo_local(&state, &["--input", input.join("notes.txt").to_str().unwrap()]).output().unwrap();
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8(other.stderr).unwrap().contains("1 passed over: 1 other suffix"));
}

#[test]
fn what_is_missing_is_said_with_how_to_get_it() {
    let folder = Folder::new("missing");
    let output = cargo_local(&folder.0, &[]).env("SLUICE_PG_BIN", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("SLUICE_PG_BIN"));
    let output = cargo_local(&folder.0, &["--input", "/nonexistent"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let output = cargo_local(&folder.0, &[]).env("DATABASE_URL", "postgres://a:b@127.0.0.1:1/c").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("does not answer at 127.0.0.1:1") && stderr.contains("unset DATABASE_URL"), "{stderr}");
    let output = cargo_local(&folder.0, &["--add", "/etc/hostname"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("does not end in .csv"));
    std::fs::write(folder.0.join("thesis.txt"), "mine").unwrap();
    assert!(cargo_local(&folder.0, &["reset"]).output().unwrap().status.success());
    assert!(folder.0.join("thesis.txt").exists(), "what is not ours stays");
    for arguments in [&["--help"][..], &["up", "--help"], &["reset", "--help"]] {
        let output = cargo_local(&folder.0, arguments).output().unwrap();
        assert!(output.status.success() && output.stdout.len() > 100, "{arguments:?}");
    }
}

/// What is in the bucket says that all is loaded; the database knows better.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_is_loaded_again() {
    let folder = Folder::new("gone");
    let (_, outcome) = run(&folder.0, &["--json"]);
    assert_eq!(outcome["counts"]["upsert"]["rows_inserted"], 84, "{outcome}");
    for (spoil, why) in [("drop table", "the table is gone"), ("truncate", "the table was emptied")] {
        let (mut child, exports) = up(&folder.0, &[]);
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&exports["DATABASE_URL"]).await.unwrap();
        let spoil = format!("{spoil} pomodoro_day_catg");
        sqlx::raw_sql(sqlx::AssertSqlSafe(spoil.as_str())).execute(&mut connection).await.unwrap();
        drop(connection);
        Command::new("kill").args(["-INT", &child.0.id().to_string()]).status().unwrap();
        assert_eq!(child.0.wait().unwrap().code(), Some(0));
        let (output, outcome) = run(&folder.0, &["--json"]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(&format!("public.pomodoro_day_catg: {why}, so all files are looked at")), "{told}");
        assert_eq!(outcome["counts"]["new_file_count"], 3, "{outcome}");
        assert_eq!(outcome["counts"]["upsert"]["rows_inserted"], 84, "{outcome}");
    }
    let (output, outcome) = run(&folder.0, &["--json"]);
    assert_eq!(outcome["counts"]["new_file_count"], 0, "{outcome}");
    assert!(!String::from_utf8(output.stderr).unwrap().contains("looked at"));
    let (_, outcome) = run(&folder.0, &["--json", "--reload"]);
    assert_eq!(outcome["counts"]["reload"], true, "{outcome}");
    assert_eq!(outcome["counts"]["upsert"]["rows_unchanged"], 84, "{outcome}");
}

/// A process that does not outlive its test.
pub(super) struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `up`, and waits until it is ready; returns what it exports.
fn up(state: &Path, arguments: &[&str]) -> (Running, BTreeMap<String, String>) {
    up_telling(state, arguments, Stdio::inherit())
}

/// As [`up`]; what it tells on the standard error goes there.
pub(super) fn up_telling(
    state: &Path,
    arguments: &[&str],
    telling: impl Into<Stdio>,
) -> (Running, BTreeMap<String, String>) {
    let arguments = [&["up"], arguments].concat();
    let child = cargo_local(state, &arguments).stdout(Stdio::piped()).stderr(telling).spawn().unwrap();
    let mut child = Running(child);
    let mut exports = BTreeMap::new();
    for line in BufReader::new(child.0.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line == "ready" {
            break;
        }
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        exports.insert(name.to_owned(), value.trim_matches('\'').to_owned());
    }
    (child, exports)
}

/// Whether the local AWS and the database of these exports still answer.
fn answer(exports: &BTreeMap<String, String>) -> [bool; 2] {
    let database = exports["DATABASE_URL"].split_once('@').unwrap().1.split_once('/').unwrap().0;
    [exports["AWS_ENDPOINT_URL"].trim_start_matches("http://"), database]
        .map(|address| std::net::TcpStream::connect(address).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_ends_with_up_even_when_it_is_killed() {
    let folder = Folder::new("killed");
    let (mut child, exports) = up(&folder.0, &[]);
    assert_eq!(answer(&exports), [true, true]);
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    until("nothing answers any more", async || Ok(answer(&exports) == [false, false])).await;
    // And it starts again from what was left.
    let (mut child, exports) = up(&folder.0, &[]);
    assert_eq!(answer(&exports), [true, true]);
    Command::new("kill").args(["-INT", &child.0.id().to_string()]).status().unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn up_serves_other_programs_until_it_is_told_to_end() {
    let folder = Folder::new("up");
    // At an address of its own, as containers find it.
    let (mut child, exports) = up(&folder.0, &["--listen", "127.0.0.2"]);
    for name in ["AWS_ENDPOINT_URL", "DATABASE_URL", "DATABASE_ENDPOINT"] {
        assert!(exports[name].contains("127.0.0.2:"), "{}", exports[name]);
    }
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(sluice::aws::http_client())
        .region(aws_config::Region::new(exports["AWS_REGION"].clone()))
        .endpoint_url(&exports["AWS_ENDPOINT_URL"])
        .credentials_provider(aws_sdk_s3::config::Credentials::new(
            &exports["AWS_ACCESS_KEY_ID"],
            &exports["AWS_SECRET_ACCESS_KEY"],
            None,
            None,
            "exports",
        ))
        .load()
        .await;
    let put = sluice::aws::s3(&config).put_object().bucket(&exports["BUCKET"]).key("input_data/a.csv");
    put.body(csv(&[("Work", "1", "2024-01-01")]).into()).send().await.unwrap();
    let sfn = aws_sdk_sfn::Client::new(&config);
    until("the upload has started an execution that succeeded", async || {
        let listed = sfn.list_executions().state_machine_arn(&exports["POMODORO_STATE_MACHINE_ARN"]).send().await?;
        Ok(listed.executions.iter().any(|item| item.status.as_str() == "SUCCEEDED"))
    })
    .await;
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&exports["DATABASE_URL"]).await.unwrap();
    let count: i64 =
        sqlx::query_scalar("select count(*) from pomodoro_day_catg").fetch_one(&mut connection).await.unwrap();
    assert_eq!(count, 1);
    drop(connection);
    every_filled_in_example_gets_an_answer(&config, &folder.0.join("events/pomodoro")).await;

    let second = cargo_local(&folder.0, &["--json"]).output().unwrap();
    assert_eq!(second.status.code(), Some(2), "the stack of this folder is in use");

    Command::new("kill").args(["-TERM", &child.0.id().to_string()]).status().unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    assert_eq!(answer(&exports), [false, false], "nothing is left running");
}

/// What `up` made of the examples is taken by the functions as it is.
async fn every_filled_in_example_gets_an_answer(config: &aws_config::SdkConfig, events: &Path) {
    let client = aws_sdk_lambda::Client::new(config);
    let cases = [
        ("pomodoro-detect-new-files", "detect-new-files", "/new_file_count", Value::from(0)),
        ("pomodoro-detect-new-files", "detect-new-files-release", "/started", Value::Null),
        ("pomodoro-pivot", "pivot", "/rows_read", Value::from(1)),
        ("pomodoro-upsert", "upsert", "/rows_inserted", Value::from(1)),
        ("pomodoro-upsert", "upsert-check", "/loaded/print/on_overlap", Value::from("all_files")),
        ("database-access", "database-access-open", "/was_public", Value::from(false)),
        ("database-access", "database-access-status", "/reachable", Value::from(true)),
        ("database-access", "database-access-close", "/public", Value::from(false)),
    ];
    // By hand there is no execution, so these two are what they are.
    let by_hand = ["database-access-open", "database-access-close"];
    // They come one after the other, in any order.
    let is_filled_in = |example: &str| by_hand.contains(&example) || events.join(format!("{example}.json")).exists();
    until("the examples are filled in", async || Ok(cases.iter().all(|case| is_filled_in(case.1)))).await;
    for (function, example, field, expected) in &cases {
        let is_by_hand = by_hand.contains(example);
        let folder = if is_by_hand { local::binaries::workspace().join("events") } else { events.to_owned() };
        let event = std::fs::read(folder.join(format!("{example}.json"))).unwrap();
        let answer = client.invoke().function_name(format!("sluice-{function}")).payload(event.into()).send().await;
        let answer: Value = serde_json::from_slice(answer.unwrap().payload.unwrap().as_ref()).unwrap();
        assert_eq!(answer.pointer(field), Some(expected), "{example}: {answer}");
    }
    assert_eq!(std::fs::read_dir(events).unwrap().count() + by_hand.len(), cases.len(), "every example has a case");
}
