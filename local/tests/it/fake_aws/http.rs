//! HTTP/1.1 as far as an SDK speaks it to loopback.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Answers HTTP requests on loopback, a thread per connection.
pub struct Server {
    pub address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
}

impl Server {
    pub fn start(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (answer, must_stop) = (Arc::new(answer), Arc::clone(&is_stopped));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if must_stop.load(Ordering::Relaxed) {
                    break;
                }
                let answer = Arc::clone(&answer);
                // A connection that breaks is its client's concern.
                thread::spawn(move || converse(stream, &*answer).ok());
            }
        });
        Self { address, is_stopped }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn converse(stream: TcpStream, answer: &dyn Fn(&Request) -> Response) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = Request::read(&mut stream)? {
        let Response { status, headers, body, is_cut_off } = answer(&request);
        let head = format!("HTTP/1.1 {status} -\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        // In one piece: a second one would wait for the first one's receipt.
        let mut bytes = head.into_bytes();
        if request.method != "HEAD" {
            let sent = if is_cut_off { body.len() / 2 } else { body.len() };
            bytes.extend(&body[..sent]);
        }
        stream.get_mut().write_all(&bytes)?;
        if is_cut_off {
            break;
        }
    }
    Ok(())
}

pub struct Request {
    pub method: String,
    /// Decoded, as are the query's names and values.
    pub path: String,
    pub query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    /// The next one on a connection, if there is one.
    fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut request = Self {
            method: method.to_owned(),
            path: decoded(path),
            query: query.map(|(name, value)| (decoded(name), decoded(value))).collect(),
            headers: BTreeMap::new(),
            body: Vec::new(),
        };
        loop {
            let mut header = String::new();
            stream.read_line(&mut header)?;
            let Some((name, value)) = header.split_once(':') else { break };
            request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        if request.header("transfer-encoding") == Some("chunked") {
            request.body = joined(stream)?;
        } else {
            let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            request.body.resize(length, 0);
            stream.read_exact(&mut request.body)?;
        }
        // The SDK's own chunks, with signatures or a checksum, within the body that HTTP sees.
        if request.header("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked")) {
            request.body = joined(&mut request.body.as_slice())?;
        }
        Ok(Some(request))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The data of a chunked body, without sizes, extensions and trailers.
fn joined(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        if size == 0 {
            break;
        }
        stream.by_ref().take(size).read_to_end(&mut body)?;
        stream.read_line(&mut String::new())?;
    }
    // The trailers end with an empty line.
    while stream.read_line(&mut String::new())? > 2 {}
    Ok(body)
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).unwrap()
}

pub struct Response {
    pub status: u16,
    headers: String,
    pub body: Vec<u8>,
    /// The connection ends in the middle of the body.
    is_cut_off: bool,
}

impl Response {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: String::new(), body: body.into(), is_cut_off: false }
    }

    pub fn cut_off(self, is_cut_off: bool) -> Self {
        Self { is_cut_off, ..self }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.extend([name, ": ", value, "\r\n"]);
        self
    }
}
