//! The page, as a process of its own in front of an AWS.

use crate::aws::Aws;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running page.
pub(crate) struct Page {
    process: Child,
    /// What it has printed: the address with the token.
    pub address: String,
    pub port: u16,
}

impl Page {
    /// Of a stack on this machine.
    pub(crate) fn local(aws: &Aws) -> Self {
        Self::start(&aws.endpoint, &["--local"], &[])
    }

    /// Of a stack on an account, which is read only.
    pub(crate) fn account(aws: &Aws) -> Self {
        Self::start(&aws.endpoint, &[], &[])
    }

    pub(crate) fn start(endpoint: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_page"));
        command.args(["--stack", "sluice", "--region", "us-east-1"]).args(arguments);
        command.env("AWS_ENDPOINT_URL", endpoint);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env_remove("DATABASE_URL");
        command.envs(variables.iter().copied()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let port = address.split(['/', ':']).nth(4).unwrap().parse().unwrap();
        Self { process, address, port }
    }

    /// The address of a view.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The cookie that lets a browser in.
    pub(crate) fn cookie(&self) -> String {
        format!("sluice-{}={}", self.port, self.address.split("t=").nth(1).unwrap())
    }

    /// Memory that the process has in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1_024
    }

    /// Sends these lines as they are, and returns the answer: status, head and body.
    pub(crate) fn raw(&self, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        let whole = Some(body).filter(|_| is_chunked).and_then(joined);
        (status, head.to_owned(), whole.unwrap_or_else(|| body.to_owned()))
    }

    /// A view, as whoever has the cookie gets it.
    pub(crate) fn get(&self, path: &str) -> (u16, String, String) {
        let cookie = self.cookie();
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {cookie}", self.port), "")
    }

    /// A view, as soon as it holds a text.
    pub(crate) fn get_until(&self, path: &str, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (_, _, html) = self.get(path);
            if html.contains(text) {
                return html;
            }
            assert!(Instant::now() < deadline, "{path} has no {text:?}: {html}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A form that is sent from a view.
    pub(crate) fn post(&self, path: &str, form: &str) -> (u16, String, String) {
        let (cookie, port, length) = (self.cookie(), self.port, form.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}"
        );
        self.raw(&head, form)
    }
}

/// What came in chunks, as one; `None` if it has no end, since it broke off.
fn joined(mut rest: &str) -> Option<String> {
    let mut text = String::new();
    loop {
        let (size, behind) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        text.push_str(behind.get(..size)?);
        rest = behind.get(size..)?.strip_prefix("\r\n")?;
        if size == 0 {
            return Some(text);
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
