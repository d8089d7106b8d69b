//! The page as a user gets it: by the address that a command prints.

use super::cli::{Running, cargo_local, up_telling};
use crate::support::Folder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Sends a request to the page at `host`, and returns the answer.
fn sent(host: &str, method: &str, path: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Opens the address as a browser does; returns where the page is, and the head that lets in from then on.
fn opened(address: &str) -> (String, String) {
    let (host, path) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert!(host.starts_with("127.0.0.1:") && path.starts_with("?t="), "{address}");
    let answer = sent(host, "GET", &format!("/{path}"), "");
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let cookie = answer.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    (host.to_owned(), format!("Cookie: {cookie}\r\n"))
}

/// A view, once it says this.
fn until(host: &str, cookie: &str, path: &str, says: &str) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = sent(host, "GET", path, cookie);
        if answer.contains(says) {
            return answer;
        }
        assert!(Instant::now() < end, "{path} does not say {says}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn up_and_page_print_an_address_at_which_the_runs_are() {
    let folder = Folder::new("page");
    let (mut reader, told) = std::io::pipe().map(|(reader, told)| (BufReader::new(reader), told)).unwrap();
    let (mut child, exports) = up_telling(&folder.0, &[], told);
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "it has ended without an address");
        eprint!("{line}");
        if let Some(address) = line.trim_end().strip_prefix("look at the runs, and start some: ") {
            break address.to_owned();
        }
    };
    // What it tells after that is read too, so that it never waits for a reader.
    let rest = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::stderr()));
    let (host, cookie) = opened(&address);
    let jobs = until(&host, &cookie, "/", "href=\"/jobs/pomodoro\"");
    assert!(jobs.contains("this machine") && !jobs.contains("read-only"), "{jobs}");
    until(&host, &cookie, "/jobs/pomodoro", "Run now…");
    assert!(sent(&host, "GET", "/", "").starts_with("HTTP/1.1 403"), "nobody else is let in");

    // The same stack, as one on an account: by its outputs, and only read unless that is said.
    let cache = folder.0.join("cache").display().to_string();
    let of_account = |arguments: &[&str]| {
        let arguments = [&["page", "--stack", "sluice", "--cache", &cache], arguments].concat();
        let mut command = cargo_local(&folder.0, &arguments);
        let names = ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"];
        command.envs(names.map(|name| (name, &exports[name]))).stdout(Stdio::piped());
        let mut page = Running(command.spawn().unwrap());
        let mut address = String::new();
        BufReader::new(page.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
        (page, address.trim().to_owned())
    };
    for (arguments, is_read_only) in [(&[][..], true), (&["--allow-actions"], false)] {
        let (_page, address) = of_account(arguments);
        let (host, cookie) = opened(&address);
        let jobs = until(&host, &cookie, "/", "href=\"/jobs/pomodoro\"");
        assert_eq!(jobs.contains("read-only"), is_read_only, "{jobs}");
        let button = if is_read_only { "How to run it…" } else { "Run now…" };
        until(&host, &cookie, "/jobs/pomodoro", button);
        let form = format!("{cookie}Origin: http://{host}\r\nContent-Length: 0\r\n");
        let status = if is_read_only { "HTTP/1.1 404" } else { "HTTP/1.1 422" };
        assert!(sent(&host, "POST", "/jobs/pomodoro/run", &form).starts_with(status), "{arguments:?}");
    }
    assert!(std::path::Path::new(&cache).is_dir(), "what is read is kept where that was said");

    Command::new("kill").args(["-INT", &child.0.id().to_string()]).status().unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    rest.join().unwrap().unwrap();
    assert!(TcpStream::connect(&host).is_err(), "it ends with the stack");
}

#[test]
fn page_says_what_it_needs() {
    let folder = Folder::new("page-needs");
    let help = cargo_local(&folder.0, &["page", "--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for part in ["--allow-actions", "--profile", "--region", "--stack", "logs:FilterLogEvents", "states:ListExecutions"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let mut command = cargo_local(&folder.0, &["page"]);
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    command.env("AWS_CONFIG_FILE", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("say --region"), "{told}");
}
