//! The objects under a prefix: what Athena reads of a table, or what it has left.

use aws_sdk_s3::primitives::DateTime;
use sluice::contract::athena_elt::SeenFile;
use sluice::digest::Digest;
use sluice::store::Store;
use sluice::{Error, Kind, Result};

/// An object as it was listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its entity tag.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// When it was last modified: if it came in parts, when its upload began.
    pub modified: DateTime,
    /// Its storage class, as S3 names it; empty if it names none.
    pub class: String,
}

/// How many digits stand for what an object was.
const DIGITS: usize = 8;

impl Listed {
    /// What it was, beside its key.
    fn state(&self) -> [String; 4] {
        let Self { etag, size, modified, class, .. } = self;
        [size.to_string(), etag.clone(), modified.as_nanos().to_string(), class.clone()]
    }

    /// Whether it lies in an archive, or is a copy that was restored from there: Athena passes such an object by
    /// (Amazon EMR Release Guide, "Read restored objects", of Athena's default).
    pub fn is_archived(&self) -> bool {
        ["GLACIER", "DEEP_ARCHIVE"].contains(&self.class.as_str())
    }
}

/// The objects under a prefix in the order of their keys, a page of 1,000 at most at a time: keys are up to 1,024 bytes
/// long, so that all of them may need more memory than a function has.
#[derive(Debug)]
pub struct Pages<'a> {
    store: &'a Store,
    prefix: &'a str,
    /// Where the next page begins.
    token: Option<String>,
    is_over: bool,
}

impl<'a> Pages<'a> {
    /// Of the objects under this prefix.
    pub fn new(store: &'a Store, prefix: &'a str) -> Self {
        Self { store, prefix, token: None, is_over: false }
    }

    /// The next page; `None` behind the last one.
    ///
    /// # Errors
    /// As [`Error::aws`]; `InvariantBroken` if the service left anything out.
    pub async fn next(&mut self) -> Result<Option<Vec<Listed>>> {
        if self.is_over {
            return Ok(None);
        }
        let Self { store, prefix, .. } = *self;
        let request = store.client().list_objects_v2().bucket(store.bucket()).prefix(prefix);
        let answer = request.set_continuation_token(self.token.take()).send().await;
        let answer = answer.map_err(|error| Error::aws(format!("list {prefix}"), error))?;
        self.token = answer.next_continuation_token.filter(|token| !token.is_empty());
        self.is_over = self.token.is_none();
        let mut objects = Vec::new();
        for object in answer.contents.unwrap_or_default() {
            let size = object.size.and_then(|size| u64::try_from(size).ok());
            let (Some(key), Some(etag), Some(size), Some(modified)) =
                (object.key, object.e_tag, size, object.last_modified)
            else {
                let what = "the listing has an object without key, entity tag, size or date";
                return Err(Error::new(Kind::InvariantBroken, what));
            };
            let class = object.storage_class.map_or_else(String::new, |class| class.as_str().to_owned());
            objects.push(Listed { key, etag, size, modified, class });
        }
        Ok(Some(objects))
    }
}

/// All objects under a prefix at once, where they are known to be few.
///
/// # Errors
/// As [`Pages::next`].
pub async fn list(store: &Store, prefix: &str) -> Result<Vec<Listed>> {
    let (mut pages, mut objects) = (Pages::new(store, prefix), Vec::new());
    while let Some(page) = pages.next().await? {
        objects.extend(page);
    }
    Ok(objects)
}

/// The keys of those that are wanted.
///
/// # Errors
/// As [`Pages::next`].
pub async fn keys(store: &Store, prefix: &str, is_wanted: impl Fn(&Listed) -> bool) -> Result<Vec<String>> {
    let (mut pages, mut keys) = (Pages::new(store, prefix), Vec::new());
    while let Some(page) = pages.next().await? {
        keys.extend(page.into_iter().filter(&is_wanted).map(|object| object.key));
    }
    Ok(keys)
}

/// Whether Athena passes an object by: a part of its key below the prefix begins with `_` or `.`, or it is empty.
pub fn is_hidden(object: &Listed, prefix: &str) -> bool {
    let below = object.key.strip_prefix(prefix).unwrap_or(&object.key);
    object.size == 0 || below.split('/').any(|part| part.starts_with(['_', '.']))
}

/// What was there: keys, sizes, entity tags, dates and storage classes of all objects, as a SHA-256 in hexadecimal
/// digits. An object that was changed and changed back shows by its date.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint(Digest);

impl Fingerprint {
    /// Takes the next page in.
    pub fn add(&mut self, page: &[Listed]) {
        for object in page {
            self.0.add(&object.key);
            for part in object.state() {
                self.0.add(&part);
            }
        }
    }

    /// That of all pages.
    pub fn end(self) -> String {
        self.0.end()
    }
}

/// That of what is under a prefix now.
///
/// # Errors
/// As [`Pages::next`].
pub async fn fingerprint(store: &Store, prefix: &str) -> Result<String> {
    let (mut pages, mut fingerprint) = (Pages::new(store, prefix), Fingerprint::default());
    while let Some(page) = pages.next().await? {
        fingerprint.add(&page);
    }
    Ok(fingerprint.end())
}

/// The same of each object by itself: its key without the prefix, and the first eight digits.
pub fn seen(objects: &[Listed], prefix: &str) -> Vec<SeenFile> {
    let name = |object: &Listed| object.key.strip_prefix(prefix).unwrap_or(&object.key).to_owned();
    objects.iter().map(|object| (name(object), state_digits(object))).collect()
}

fn state_digits(object: &Listed) -> String {
    let mut digits = sluice::digest::of(object.state());
    digits.truncate(DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    fn object(key: &str, size: u64, etag: &str) -> Listed {
        let class = "STANDARD".to_owned();
        Listed { key: key.to_owned(), etag: etag.to_owned(), size, modified: DateTime::from_secs(0), class }
    }

    /// S3 with so many pages of a thousand objects.
    async fn s3(pages: usize) -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answer = move |page: usize| {
            let object = |number: usize| {
                format!(
                    "<Contents><Key>in/{page}-{number}</Key><ETag>e</ETag><Size>1</Size>\
                     <LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
                )
            };
            let next = format!("<NextContinuationToken>page-{}-</NextContinuationToken>", page + 1);
            let body = format!(
                "<ListBucketResult>{}{}</ListBucketResult>",
                (0..1_000).map(object).collect::<String>(),
                if page + 1 < pages { next.as_str() } else { "" }
            );
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut stream, mut line, mut page) = (BufReader::new(stream), String::new(), 0);
                while stream.read_line(&mut line).await.is_ok_and(|length| length > 2) {
                    if let Some((_, token)) = line.split_once("continuation-token=page-") {
                        page = token.split('-').next().unwrap().parse().unwrap();
                    }
                    line.clear();
                }
                stream.get_mut().write_all(answer(page).as_bytes()).await.unwrap();
            }
        });
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(aws_sdk_s3::config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_s3::config::Credentials::new("x", "x", None, None, "test"))
            .http_client(sluice::aws::http_client())
            .force_path_style(true)
            .endpoint_url(address);
        Store::new(aws_sdk_s3::Client::from_conf(config.build()), "b")
    }

    #[tokio::test]
    async fn pages_come_one_at_a_time_and_end() {
        let store = s3(3).await;
        let mut pages = Pages::new(&store, "in/");
        let mut fingerprint = Fingerprint::default();
        for number in 0..3 {
            let page = pages.next().await.unwrap().unwrap();
            assert_eq!((page.len(), page[0].key.as_str()), (1_000, &*format!("in/{number}-0")));
            fingerprint.add(&page);
        }
        assert_eq!(pages.next().await.unwrap(), None);
        assert_eq!(super::fingerprint(&store, "in/").await.unwrap(), fingerprint.end());
        let keys = keys(&store, "in/", |object| object.key.ends_with("-7")).await.unwrap();
        assert_eq!(keys, ["in/0-7", "in/1-7", "in/2-7"]);
        assert_eq!(list(&store, "in/").await.unwrap().len(), 3_000);
    }

    #[test]
    fn hidden_names_and_empty_objects_are_passed_by() {
        for (key, size, hidden) in [
            ("_in/a.csv", 1, false),
            ("_in/b/c.csv.gz", 1, false),
            ("_in/_SUCCESS", 1, true),
            ("_in/.a/b.csv", 1, true),
            ("_in/b.csv", 0, true),
        ] {
            assert_eq!(is_hidden(&object(key, size, "e"), "_in/"), hidden, "{key}");
        }
    }

    #[test]
    fn objects_are_told_one_by_one() {
        let named = |key: &str| Listed { key: format!("in/{key}"), ..object("", 1, "x") };
        let told = seen(&[named("a"), named("b/c")], "in/");
        assert_eq!((told[0].0.as_str(), told[1].0.as_str(), told.len()), ("a", "b/c", 2));
        assert_eq!((&told[0].1, told[0].1.len()), (&told[1].1, 8));
        let put_again = Listed { modified: DateTime::from_secs(1), ..named("a") };
        assert_ne!(told[0].1, seen(&[put_again], "in/")[0].1);
    }

    #[test]
    fn every_change_shows_in_the_fingerprint() {
        let fingerprint = |objects: &[Listed]| {
            let mut fingerprint = Fingerprint::default();
            fingerprint.add(objects);
            fingerprint.end()
        };
        let before = [object("a", 1, "x"), object("b", 12, "y")];
        let print = fingerprint(&before);
        assert_eq!(print.len(), 64);
        for after in [
            vec![object("a", 1, "x")],
            vec![object("a", 1, "z"), object("b", 12, "y")],
            vec![object("a", 1, "x"), object("c", 12, "y")],
            vec![object("a", 11, "x"), object("b", 2, "y")],
            vec![object("a", 1, "x"), object("b", 12, "y"), object("c", 0, "")],
        ] {
            assert_ne!(fingerprint(&after), print, "{after:?}");
        }
        assert_eq!(fingerprint(&before.clone()), print);
        let put_again = Listed { modified: DateTime::from_secs(1), ..before[1].clone() };
        assert_ne!(fingerprint(&[before[0].clone(), put_again]), print);
        let archived = Listed { class: "GLACIER".to_owned(), ..before[1].clone() };
        assert!(archived.is_archived() && !before[1].is_archived());
        assert_ne!(fingerprint(&[before[0].clone(), archived]), print);
    }
}
