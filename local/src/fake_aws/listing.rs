//! Listings of objects, and of more objects than can be held.

use super::World;
use super::http::Response;
use super::objects::{Object, s3_error, xml};
use sluice::time::format_time;
use std::collections::BTreeMap;
use std::ops::Bound;

/// A listing too long to be held: `object` makes the object of each number below `count`, in the order of the keys.
pub struct Generated {
    /// All keys start with it.
    pub prefix: String,
    /// How many there are.
    pub count: u64,
    /// The object of a number, and its key.
    pub object: Box<dyn Fn(u64) -> (String, Object) + Send>,
}

/// What stands after the question mark, decoded.
pub type Query = BTreeMap<String, String>;

impl World {
    /// `ListObjectsV2`. Its continuation token is the last key of the page, or the next number of a generated listing.
    pub(super) fn list(&mut self, query: &Query) -> Response {
        self.listings.push(query.clone());
        if self.refuses.is_some_and(|refuses| refuses(query)) {
            return s3_error(403, "AccessDenied");
        }
        let parameter = |name: &str| query.get(name).map(String::as_str);
        let is_encoded = parameter("encoding-type") == Some("url");
        if parameter("delimiter").is_some_and(|delimiter| !delimiter.is_empty()) {
            return s3_error(501, "a listing with a delimiter is not played");
        }
        let prefix = parameter("prefix").unwrap_or_default();
        let token = parameter("continuation-token");
        let most = parameter("max-keys").and_then(|most| most.parse().ok()).map_or(1_000, |most: u64| most.min(1_000));
        if token.is_some() {
            self.objects.append(&mut self.before_second_page);
        }

        let mut page = Page { is_encoded, ..Page::default() };
        let next = if let Some(Generated { count, object, .. }) =
            self.generated.as_ref().filter(|generated| generated.prefix == prefix)
        {
            let first = match (token.and_then(|token| token.parse().ok()), parameter("start-after")) {
                (Some(number), _) => number,
                (None, Some(after)) => first_after(*count, |number| object(number).0.as_str() > after),
                (None, None) => 0,
            };
            let end = (*count).min(first + most);
            for (key, object) in (first..end).map(object) {
                page.push(&key, &object);
            }
            (end < *count).then(|| end.to_string())
        } else {
            let start = match token.or(parameter("start-after")).filter(|after| *after >= prefix) {
                Some(after) => Bound::Excluded(after),
                None => Bound::Included(prefix),
            };
            let objects = self.objects.range::<str, _>((start, Bound::Unbounded));
            let mut objects = objects.take_while(|(key, _)| key.starts_with(prefix)).peekable();
            let mut last = None;
            for (key, object) in objects.by_ref().take(usize::try_from(most).unwrap_or_default()) {
                page.push(key, object);
                last = Some(key);
            }
            if objects.peek().is_some() { last.cloned() } else { None }
        };
        page.answer(next.as_deref())
    }
}

/// The first number below `count` that `is_after`, if those that are follow those that are not; else `count`.
fn first_after(count: u64, is_after: impl Fn(u64) -> bool) -> u64 {
    let (mut first, mut end) = (0u64, count);
    while first < end {
        let middle = first.midpoint(end);
        if is_after(middle) {
            end = middle;
        } else {
            first = middle + 1;
        }
    }
    first
}

/// A page of a listing. Plain pushes, because a million objects pass through here.
#[derive(Default)]
struct Page {
    contents: String,
    count: u64,
    /// Keys in the encoding of URLs, which can express every character.
    is_encoded: bool,
    /// The date of the last object and its text: neighbours often share it.
    date: (i64, String),
}

impl Page {
    fn push(&mut self, key: &str, object: &Object) {
        if self.date.1.is_empty() || self.date.0 != object.modified {
            self.date = (object.modified, date(object.modified));
        }
        self.count += 1;
        for part in [
            "<Contents><Key>",
            &if self.is_encoded { url_encoded(key) } else { escaped(key) },
            "</Key><LastModified>",
            &self.date.1,
            "</LastModified><ETag>",
            &escaped(&object.etag),
            "</ETag><Size>",
            &object.size.to_string(),
            "</Size></Contents>",
        ] {
            self.contents.push_str(part);
        }
    }

    fn answer(self, next: Option<&str>) -> Response {
        let token = next.map(|token| format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(token)));
        let content = format!(
            "{}<KeyCount>{}</KeyCount><IsTruncated>{}</IsTruncated>{}{}",
            if self.is_encoded { "<EncodingType>url</EncodingType>" } else { "" },
            self.count,
            next.is_some(),
            token.unwrap_or_default(),
            self.contents,
        );
        xml("ListBucketResult", &content)
    }
}

/// A listing's date, from seconds since 1970.
pub fn date(seconds: i64) -> String {
    format_time(aws_sdk_s3::primitives::DateTime::from_secs(seconds))
}

fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn escaped(text: &str) -> String {
    if !text.bytes().any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"')) {
        return text.to_owned();
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
