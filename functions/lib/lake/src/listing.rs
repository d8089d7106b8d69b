//! The objects under a prefix: what Athena reads of a table, or what it has left.

use aws_sdk_s3::primitives::DateTime;
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use std::collections::BTreeMap;

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

/// All objects under a prefix, in the order of their keys.
///
/// # Errors
/// As [`Error::aws`]; `InvariantBroken` if the service left anything out.
pub async fn list(store: &Store, prefix: &str) -> Result<Vec<Listed>> {
    Ok(list_at_most(store, prefix, usize::MAX).await?.unwrap_or_default())
}

/// The same, or `None` if there are more than so many: then no more of them are listed.
///
/// # Errors
/// As [`list`].
pub async fn list_at_most(store: &Store, prefix: &str, most: usize) -> Result<Option<Vec<Listed>>> {
    let (mut objects, mut token) = (Vec::new(), None);
    loop {
        let request = store.client().list_objects_v2().bucket(store.bucket()).prefix(prefix);
        let answer = request.set_continuation_token(token).send().await;
        let answer = answer.map_err(|error| Error::aws(format!("list {prefix}"), error))?;
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
        if objects.len() > most {
            return Ok(None);
        }
        token = answer.next_continuation_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(Some(objects));
        }
    }
}

/// Whether Athena passes an object by: a part of its key below the prefix begins with `_` or `.`, or it is empty.
pub fn is_hidden(object: &Listed, prefix: &str) -> bool {
    let below = object.key.strip_prefix(prefix).unwrap_or(&object.key);
    object.size == 0 || below.split('/').any(|part| part.starts_with(['_', '.']))
}

/// What was there: keys, sizes, entity tags, dates and storage classes of all objects, as a SHA-256 in hexadecimal
/// digits. An object that was changed and changed back shows by its date.
pub fn fingerprint(objects: &[Listed]) -> String {
    sluice::digest::of(objects.iter().flat_map(|object| std::iter::once(object.key.clone()).chain(object.state())))
}

/// The same of each object by itself: by its key without the prefix the first eight digits. Nothing if that would be
/// more bytes than `most`, since it stands in the payloads of a run.
pub fn seen(objects: &[Listed], prefix: &str, most: usize) -> BTreeMap<String, String> {
    let length: usize = objects.iter().map(|object| object.key.len() - prefix.len() + DIGITS + 8).sum();
    if length > most {
        return BTreeMap::new();
    }
    let name = |object: &Listed| object.key.strip_prefix(prefix).unwrap_or(&object.key).to_owned();
    objects.iter().map(|object| (name(object), state_digits(object))).collect()
}

/// What [`seen`] says of an object.
pub fn state_digits(object: &Listed) -> String {
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

    /// S3 with more objects than anybody lists: a thousand in every page.
    async fn endless() -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let contents: String = (0..1_000)
            .map(|number| {
                format!(
                    "<Contents><Key>in/{number}</Key><ETag>e</ETag><Size>1</Size>\
                     <LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
                )
            })
            .collect();
        let body = format!(
            "<ListBucketResult>{contents}<IsTruncated>true</IsTruncated>\
             <NextContinuationToken>more</NextContinuationToken></ListBucketResult>"
        );
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut stream, mut line) = (BufReader::new(stream), String::new());
                while stream.read_line(&mut line).await.is_ok_and(|length| length > 2) {
                    line.clear();
                }
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
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
    async fn what_does_not_fit_is_not_listed_to_its_end() {
        let store = endless().await;
        let listed = list_at_most(&store, "in/", 2_500);
        let listed = tokio::time::timeout(std::time::Duration::from_secs(60), listed).await;
        assert_eq!(listed.expect("it ends").unwrap(), None);
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
    fn objects_are_told_one_by_one_where_they_are_few() {
        let named = |key: &str| Listed { key: format!("in/{key}"), ..object("", 1, "x") };
        let told = seen(&[named("a"), named("b/c")], "in/", 100);
        assert_eq!(told.keys().collect::<Vec<_>>(), ["a", "b/c"]);
        assert_eq!(told["a"], state_digits(&named("z")));
        let put_again = Listed { modified: DateTime::from_secs(1), ..named("a") };
        assert_ne!(told["a"], state_digits(&put_again));
        let many: Vec<Listed> = (0..1_000).map(|number| named(&number.to_string())).collect();
        assert!(seen(&many, "in/", 2_000).is_empty() && seen(&many[..100], "in/", 2_000).len() == 100);
    }

    #[test]
    fn every_change_shows_in_the_fingerprint() {
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
