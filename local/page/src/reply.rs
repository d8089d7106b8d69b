//! What is answered: whole, or as a stream of events.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use std::io;

/// After how many milliseconds a browser that has lost its stream asks again: after six of them it says so.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// An answer. One that breaks off is shorter than it says, or has no end, so that no browser takes it for whole.
pub type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// A text of this type.
pub fn typed(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(whole(text.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

fn whole(text: Bytes) -> UnsyncBoxBody<Bytes, io::Error> {
    Full::new(text).map_err(|never| match never {}).boxed_unsync()
}

/// A text of this type, as it comes; none of it is held.
pub fn streamed(kind: &'static str, text: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Reply {
    let mut reply = Response::new(StreamBody::new(text.map(|part| part.map(Frame::data))).boxed_unsync());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// A plain text.
pub fn plain(status: StatusCode, text: &'static str) -> Reply {
    typed(status, "text/plain; charset=utf-8", text)
}

/// A view.
pub fn html(status: StatusCode, text: String) -> Reply {
    typed(status, "text/html; charset=utf-8", text)
}

/// The same, with one more header. A value that cannot be one, such as with a line break, is left out.
pub fn with(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// Server-sent events, each a name and a text of one line.
pub fn events(events: impl Stream<Item = (&'static str, String)> + Send + 'static) -> Reply {
    let frames = events.map(|(name, data)| {
        let data = data.replace(['\r', '\n'], " ");
        Ok(Frame::data(Bytes::from(format!("event: {name}\ndata: {data}\n\n"))))
    });
    let first = stream::once(async { Ok(Frame::data(Bytes::from_static(RETRY))) });
    let mut reply = Response::new(StreamBody::new(first.chain(frames)).boxed_unsync());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    reply
}
