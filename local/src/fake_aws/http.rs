//! HTTP/1.1 as far as an SDK speaks it to loopback.

use super::file_body::FileBody;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Answers HTTP requests on loopback, a thread per connection.
pub struct Server {
    /// Where it answers.
    pub address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
}

impl Server {
    /// Starts one at a free port.
    ///
    /// # Panics
    /// If nothing can listen on loopback.
    pub fn start(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("the address of a listener");
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

/// How much of a file is read at a time.
const PIECE: u64 = 1 << 20;

fn converse(stream: TcpStream, answer: &dyn Fn(&Request) -> Response) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = Request::read(&mut stream)? {
        let Response { status, headers, body, is_cut_off } = answer(&request);
        let head = format!("HTTP/1.1 {status} -\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        // In one piece: a second one would wait for the first one's receipt.
        let mut bytes = head.into_bytes();
        let sent = match (request.method.as_str(), is_cut_off) {
            ("HEAD", _) => 0,
            (_, true) => body.len() / 2,
            (_, false) => body.len(),
        };
        match body {
            Body::Bytes(body) => bytes.extend(body.iter().take(usize::try_from(sent).unwrap_or(usize::MAX))),
            Body::File(file, first, _) => {
                let mut place = first;
                while place < first + sent {
                    let end = (place + PIECE).min(first + sent);
                    bytes.append(&mut file.read(place, end)?);
                    stream.get_mut().write_all(&bytes)?;
                    bytes.clear();
                    place = end;
                }
            }
        }
        stream.get_mut().write_all(&bytes)?;
        if is_cut_off {
            break;
        }
    }
    Ok(())
}

/// A request, with all of its body.
pub struct Request {
    /// In capital letters.
    pub method: String,
    /// Decoded, as are the query's names and values.
    pub path: String,
    /// The parameters behind the question mark; a name by itself has an empty value.
    pub query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    /// Without the chunks of HTTP and of the SDK.
    pub body: Vec<u8>,
}

impl Request {
    /// The next one on a connection, if there is one.
    fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
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
        if request.header("expect").is_some() {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if request.header("transfer-encoding") == Some("chunked") {
            request.body = joined(stream)?;
        } else {
            let length: usize = request.header("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
            request.body.resize(length, 0);
            stream.read_exact(&mut request.body)?;
        }
        // The SDK's own chunks, with signatures or a checksum, within the body that HTTP sees.
        if request.header("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked")) {
            request.body = joined(&mut request.body.as_slice())?;
        }
        Ok(Some(request))
    }

    /// By its name in lower-case letters.
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

/// What a response carries.
#[derive(Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Those of a file, from the first place up to, but without, the second; they are read when they are sent.
    File(Arc<FileBody>, u64, u64),
}

impl Body {
    /// How many bytes.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, first, end) => end - first,
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::Bytes(text.into())
    }
}

/// The answer to a request.
pub struct Response {
    /// Such as 200.
    pub status: u16,
    headers: String,
    /// Its content.
    pub body: Body,
    /// The connection ends in the middle of the body.
    is_cut_off: bool,
}

impl Response {
    /// One without headers.
    pub fn new(status: u16, body: impl Into<Body>) -> Self {
        Self { status, headers: String::new(), body: body.into(), is_cut_off: false }
    }

    /// The same; if `is_cut_off`, the connection ends in the middle of the body.
    pub fn cut_off(self, is_cut_off: bool) -> Self {
        Self { is_cut_off, ..self }
    }

    /// The same with one more header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.extend([name, ": ", value, "\r\n"]);
        self
    }
}
