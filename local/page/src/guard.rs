//! Who may ask for what: the layer before any view. The page is for the user who started it, on this machine, in a page
//! of its own: other sites that a browser has open, and names that are made to point here, are refused.

use crate::app::App;
use crate::reply::{self, Reply};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};

/// Longest body of a request, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;

/// What a browser may do with a page: nothing but what comes from here, and no script or style within it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Whether the request may come in at all, whoever sends it; else why not.
///
/// # Errors
/// The status to answer with, and a sentence for a person.
pub fn admit(port: u16, method: &Method, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    if ![Method::GET, Method::HEAD, Method::POST].contains(method) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "Only GET, HEAD and POST are understood here."));
    }
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // Whoever makes a name of theirs point to this machine has another one here.
    if headers.get_all(header::HOST).iter().count() != 1
        || !text(header::HOST).is_some_and(|host| hosts.iter().any(|own| own == host))
    {
        return Err((StatusCode::MISDIRECTED_REQUEST, "This page has another address."));
    }
    let origin = text(header::ORIGIN);
    let is_own = |origin: &str| origin.strip_prefix("http://").is_some_and(|host| hosts.iter().any(|own| own == host));
    if origin.is_some_and(|origin| !is_own(origin)) {
        return Err((StatusCode::FORBIDDEN, "Another site asked for this."));
    }
    if text(HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site != "same-origin" && site != "none") {
        return Err((StatusCode::FORBIDDEN, "Another site asked for this."));
    }
    if method == Method::POST && origin.is_none() {
        return Err((StatusCode::FORBIDDEN, "A form has to say where it comes from."));
    }
    let length = text(header::CONTENT_LENGTH).map(str::parse::<usize>);
    if length.is_some_and(|length| length.is_ok_and(|length| length > BODY_BYTES)) {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "That is too long."));
    }
    Ok(())
}

/// The name of the cookie: all ports of a host share their cookies.
fn cookie_name(port: u16) -> String {
    format!("sluice-{port}")
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// What every answer says to the browser.
pub fn protect(reply: &mut Reply) {
    let headers = reply.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Others are told nothing. With no-referrer, Chromium would send its own forms with the origin "null".
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// The answer to a request that goes no further; `None` for one that does.
pub fn decided<B>(app: &App, request: &Request<B>) -> Option<Reply> {
    if let Err((status, text)) = admit(app.port, request.method(), request.headers()) {
        return Some(reply::plain(status, text));
    }
    if let Some(token) = offered(request) {
        return Some(if app.token.is(token) { admitted(app) } else { refused(app) });
    }
    let is_known = cookie(request.headers(), &cookie_name(app.port)).is_some_and(|value| app.token.is(value));
    (!is_known).then(|| refused(app))
}

/// The token in the address that was printed.
fn offered<B>(request: &Request<B>) -> Option<&str> {
    let query = request.uri().query().filter(|_| request.method() == Method::GET && request.uri().path() == "/")?;
    query.split('&').find_map(|pair| pair.strip_prefix("t="))
}

/// From now on the browser's cookie tells; the address no longer does.
fn admitted(app: &App) -> Reply {
    let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", cookie_name(app.port), app.token.text());
    let reply = reply::with(reply::plain(StatusCode::SEE_OTHER, ""), header::SET_COOKIE, &cookie);
    reply::with(reply, header::LOCATION, "/")
}

fn refused(app: &App) -> Reply {
    reply::html(StatusCode::FORBIDDEN, crate::views::refused(app.is_account))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value): (HeaderName, HeaderValue)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn only_this_page_s_own_requests_come_in() {
        let ours = ("host", "127.0.0.1:4711");
        for (method, pairs, status) in [
            (Method::GET, vec![ours], None),
            (Method::GET, vec![("host", "localhost:4711")], None),
            (Method::HEAD, vec![ours, ("sec-fetch-site", "none")], None),
            (Method::POST, vec![ours, ("origin", "http://127.0.0.1:4711"), ("sec-fetch-site", "same-origin")], None),
            (Method::TRACE, vec![ours], Some(405)),
            (Method::OPTIONS, vec![ours], Some(405)),
            (Method::PUT, vec![ours], Some(405)),
            (Method::GET, vec![], Some(421)),
            (Method::GET, vec![("host", "127.0.0.1")], Some(421)),
            (Method::GET, vec![("host", "127.0.0.1:4712")], Some(421)),
            (Method::GET, vec![("host", "evil.example:4711")], Some(421)),
            (Method::GET, vec![("host", "127.0.0.1:4711.evil.example")], Some(421)),
            (Method::GET, vec![ours, ("host", "evil.example")], Some(421)),
            (Method::GET, vec![ours, ("origin", "http://evil.example")], Some(403)),
            (Method::GET, vec![ours, ("origin", "null")], Some(403)),
            (Method::GET, vec![ours, ("origin", "https://127.0.0.1:4711")], Some(403)),
            (Method::GET, vec![ours, ("sec-fetch-site", "cross-site")], Some(403)),
            (Method::GET, vec![ours, ("sec-fetch-site", "same-site")], Some(403)),
            (Method::POST, vec![ours], Some(403)),
            (Method::POST, vec![ours, ("origin", "http://127.0.0.1:4711"), ("content-length", "1048576")], Some(413)),
        ] {
            let found = admit(4711, &method, &headers(&pairs)).err().map(|(status, _)| status.as_u16());
            assert_eq!(found, status, "{method} {pairs:?}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let headers = headers(&[("cookie", "xsluice-1=a; sluice-12=b"), ("cookie", "sluice-1=c")]);
        assert_eq!(cookie(&headers, "sluice-1"), Some("c"));
        assert_eq!(cookie(&headers, "sluice-2"), None);
    }
}
