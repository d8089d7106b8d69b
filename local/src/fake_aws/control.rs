//! The fake for another program: commands come in as lines of JSON, and each is answered with a line.

use super::executions::{Run, Seen};
use super::file_body::FileBody;
use super::listing::Generated;
use super::objects::Object;
use super::{FakeAws, World};
use crate::BoxError;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice::contract::Execution;
use std::io::{BufRead, Write};
use std::path::PathBuf;

/// When every object was written: 2024-01-01, in milliseconds since 1970.
const NOW: i64 = 1_704_067_200_000;

/// What the other program can ask for.
#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    /// Forgets all objects.
    Clear,
    /// Puts a file; its lines behind the first one come `times` times.
    PutFile { key: String, path: PathBuf, times: u64 },
    /// Puts a text.
    PutText { key: String, text: String },
    /// Writes an object to a file.
    Save { key: String, path: PathBuf },
    /// Lists that many objects under a prefix, in so many folders; they cannot be read.
    List { prefix: String, count: u64, folders: u64 },
    /// Step Functions lists these executions, which succeeded, and no others.
    Executions { listed: Vec<Listed> },
    /// How many requests for objects there were since the last time, and for how many bytes.
    Reads,
}

#[derive(Deserialize)]
struct Listed {
    execution: Execution,
    /// When it started and ended, in seconds since 1970.
    at: i64,
}

/// Serves until the commands end. The first line of the answers is the address, as JSON.
///
/// # Errors
/// If a command is not understood, or a file of it cannot be used.
pub(crate) fn serve(commands: impl BufRead, mut answers: impl Write) -> Result<(), BoxError> {
    let aws = FakeAws::start();
    aws.world().now = NOW;
    // The lock of a run that was measured names an execution that nobody started here.
    aws.world().others_succeeded = true;
    writeln!(answers, "{}", json!(aws.address()))?;
    answers.flush()?;
    for line in commands.lines() {
        let answer = obey(&mut aws.world(), serde_json::from_str(&line?)?)?;
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

fn obey(world: &mut World, command: Command) -> Result<Value, BoxError> {
    Ok(match command {
        Command::Clear => {
            world.objects.clear();
            world.uploads.clear();
            world.listings.clear();
            world.generated = None;
            Value::Null
        }
        Command::PutFile { key, path, times } => {
            let object = world.put_file(&key, FileBody::open(&path, times)?);
            json!({"etag": object.etag, "size": object.size})
        }
        Command::PutText { key, text } => json!({"etag": world.put(&key, text.into_bytes())}),
        Command::Save { key, path } => {
            let object = world.objects.get(&key).ok_or_else(|| format!("there is no object {key}"))?;
            std::fs::write(path, object.content()?)?;
            Value::Null
        }
        Command::List { prefix, count, folders } => {
            let start = prefix.clone();
            let per_folder = if folders == 0 { count } else { count.div_ceil(folders) };
            let object = move |number: u64| {
                let folder = if folders == 0 { String::new() } else { format!("folder-{:04}/", number / per_folder) };
                let etag = format!("\"{number:032x}\"");
                let object = Object { etag, size: 1_000, modified: NOW / 1_000, ..Object::default() };
                (format!("{start}{folder}file-{number:08}.csv"), object)
            };
            world.generated = Some(Generated { prefix, count, object: Box::new(object) });
            Value::Null
        }
        Command::Executions { listed } => {
            let run = |Listed { execution, at }: Listed| Run {
                execution,
                status: "SUCCEEDED",
                started_at: at * 1_000,
                stopped_at: Some(at * 1_000),
                output: json!({"mode": "load"}),
                seen: Seen::Described,
            };
            world.runs = listed.into_iter().map(run).collect();
            Value::Null
        }
        Command::Reads => serde_json::to_value(std::mem::take(&mut world.reads))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    /// The head and the body of an answer.
    fn ask(address: &str, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    fn get(aws: &FakeAws, target: &str, headers: &str) -> (String, String) {
        ask(&aws.address().to_string(), &format!("GET {target} HTTP/1.1\r\n{headers}\r\n"))
    }

    fn told(aws: &FakeAws, command: Value) -> Value {
        obey(&mut aws.world(), serde_json::from_value(command).unwrap()).unwrap()
    }

    #[test]
    fn commands_are_answered_line_by_line() {
        let path = std::env::temp_dir().join(format!("sluice-control-{}", std::process::id()));
        let commands = [
            json!({"command": "put_text", "key": "a", "text": "hello"}),
            json!({"command": "save", "key": "a", "path": path}),
            json!({"command": "reads"}),
        ];
        let mut answers = Vec::new();
        let lines = commands.map(|command| format!("{command}\n")).concat();
        serve(lines.as_bytes(), &mut answers).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "hello");
        std::fs::remove_file(path).unwrap();
        let answers: Vec<Value> =
            answers.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert!(answers[0].as_str().unwrap().starts_with("127.0.0.1:"));
        assert!(answers[1]["etag"].is_string() && answers[2].is_null());
        assert_eq!(answers[3], json!({"requests": 0, "bytes": 0}));
        assert!(serve(&b"{\"command\": \"dance\"}\n"[..], Vec::new()).is_err());
    }

    #[test]
    fn a_file_is_read_in_ranges_and_may_be_longer_than_it_is() {
        let path = std::env::temp_dir().join(format!("sluice-file-body-{}", std::process::id()));
        std::fs::write(&path, "head\nabc\n").unwrap();
        let aws = FakeAws::start();
        let put = told(&aws, json!({"command": "put_file", "key": "a.csv", "path": path, "times": 3}));
        assert_eq!(put["size"], 17);
        std::fs::remove_file(path).unwrap();
        let whole = "head\nabc\nabc\nabc\n";
        assert_eq!(get(&aws, "/lake/a.csv", "").1, whole);
        for (asked, [first, end]) in [("2-10", [2, 11]), ("7-", [7, 17]), ("-3", [14, 17]), ("10-99", [10, 17])] {
            let (head, body) = get(&aws, "/lake/a.csv", &format!("Range: bytes={asked}\r\n"));
            assert!(head.starts_with("HTTP/1.1 206") && body == whole[first..end], "{asked}: {head} {body}");
        }
        assert!(get(&aws, "/lake/a.csv", "Range: bytes=17-\r\n").0.starts_with("HTTP/1.1 416"));
        assert!(get(&aws, "/lake/a.csv", "If-Match: other\r\n").0.starts_with("HTTP/1.1 412"));
        assert_eq!(told(&aws, json!({"command": "reads"})), json!({"requests": 5, "bytes": 17 + 9 + 10 + 3 + 7}));
    }

    #[test]
    fn parts_become_one_object() {
        let aws = FakeAws::start();
        let send = |method: &str, query: &str, body: &str| {
            let head = format!("{method} /lake/a?{query} HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
            ask(&aws.address().to_string(), &format!("{head}{body}"))
        };
        let (_, begun) = send("POST", "uploads", "");
        assert!(begun.contains("<UploadId>upload-0</UploadId>"), "{begun}");
        for (number, part) in [(2, "world"), (1, "hello ")] {
            assert!(send("PUT", &format!("partNumber={number}&uploadId=upload-0"), part).0.contains("ETag: "));
        }
        let (_, completed) = send("POST", "uploadId=upload-0", "");
        assert!(completed.contains("-2&quot;</ETag>"), "{completed}");
        assert_eq!(aws.world().objects["a"].body, b"hello world");
    }

    #[test]
    fn a_long_listing_comes_in_pages() {
        let aws = FakeAws::start();
        told(&aws, json!({"command": "list", "prefix": "in/", "count": 1_500, "folders": 2}));
        let target = "/lake?list-type=2&prefix=in%2F&encoding-type=url";
        let (_, page) = get(&aws, target, "");
        assert!(page.contains("<KeyCount>1000</KeyCount><IsTruncated>true</IsTruncated>"));
        assert!(page.contains("<Key>in/folder-0001/file-00000999.csv</Key>"));
        let (_, page) = get(&aws, &format!("{target}&continuation-token=1000"), "");
        assert!(page.contains("<KeyCount>500</KeyCount><IsTruncated>false</IsTruncated>"));
    }
}
