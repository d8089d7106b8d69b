//! The files of a source: what is there, and whether each has the columns of the spec: CSV in its first line, Parquet
//! in its metadata.

use crate::{header, schema};
use futures_util::stream::{FuturesUnordered, StreamExt};
use lake::Listed;
use sluice::contract::athena_elt::{Definition, Format, Source, SourceState};
use sluice::edge::Invocation;
use sluice::store::{Pinned, Store};
use sluice::{Error, Kind, Result};
use std::time::Duration;

/// How many files of a source are looked into at the same time, and how many objects it may have at most: all of them
/// are kept in memory until they have been looked into. How many there may be of all sources is a matter of time:
/// [`MARGIN`].
fn limits(format: Format) -> (usize, usize) {
    match format {
        Format::Csv => (16, 100_000),
        // The metadata of one may be much larger than a first line.
        Format::Parquet => (4, 20_000),
    }
}

/// How much of a file is read, in bytes: a first line has to end within.
const FIRST_BYTES: u64 = 64 << 10;

/// How long before Lambda's deadline no more files are looked into: those of all sources have to be looked into within
/// one invocation. Another one would begin from the start.
const MARGIN: Duration = Duration::from_secs(20);

/// Looks at all files of a source, of whose table became `table`, and which is defined by `definition` now. `before`:
/// how many of other sources the invocation has looked into. `most_seen`: up to how many bytes its files are told one
/// by one.
///
/// # Errors
/// `InvalidSource`, naming the file that has other columns, or that Athena would pass by; or that there is no file, or
/// that there are too many: for one source, or for the time that there is for all.
pub(crate) async fn look(
    store: &Store,
    invocation: &Invocation,
    (name, source): (&str, &Source),
    (table, definition): (Definition, String),
    before: u64,
    most_seen: usize,
) -> Result<SourceState> {
    let (concurrency, most) = limits(source.format);
    let Some(listed) = lake::list_at_most(store, &source.prefix, most).await? else {
        let what = format!(
            "{name}: there are more than {most} objects below {}; write fewer and larger files, or make several sources \
             of them",
            source.prefix
        );
        return Err(Error::new(Kind::InvalidSource, what));
    };
    let read: Vec<&Listed> = listed.iter().filter(|object| !lake::is_hidden(object, &source.prefix)).collect();
    if read.is_empty() {
        let what = format!("{name}: there is no file below {}", source.prefix);
        return Err(Error::new(Kind::InvalidSource, what));
    }
    if let Some(archived) = read.iter().find(|object| object.is_archived()) {
        let what = format!(
            "{} lies in the storage class {}, and Athena passes such files by, restored or not: copy it to another class",
            archived.key, archived.class
        );
        return Err(Error::new(Kind::InvalidSource, what));
    }
    // As soon as one is looked into the next one is begun: none waits for the slowest of several.
    let (mut left, mut checks, mut looked) = (read.iter(), FuturesUnordered::new(), 0_usize);
    loop {
        while checks.len() < concurrency
            && let Some(object) = left.next()
        {
            checks.push(check(store, object, source));
        }
        if checks.is_empty() {
            break;
        }
        if invocation.time_left(MARGIN).is_zero() {
            let what = format!(
                "there are too many files for the time that there is to look into them: {looked} of {} of {name} were \
                 looked into, and before them {before} of other sources; write fewer and larger files, or make several \
                 jobs of it",
                read.len()
            );
            return Err(Error::new(Kind::InvalidSource, what));
        }
        if let Some(checked) = checks.next().await {
            checked?;
            looked += 1;
        }
    }
    let (files, bytes) = read.iter().fold((0, 0), |(files, bytes), object| (files + 1, bytes + object.size));
    let (fingerprint, seen) = (lake::fingerprint(&listed), lake::seen(&listed, &source.prefix, most_seen));
    Ok(SourceState { table, definition, files, bytes, fingerprint, seen })
}

async fn check(store: &Store, object: &Listed, source: &Source) -> Result<()> {
    match source.format {
        Format::Csv => check_csv(store, object, source).await,
        Format::Parquet => {
            let file = lake::parquet(store, object).await?;
            schema::check(&file, &source.columns)
                .map_err(|what| Error::new(Kind::InvalidSource, format!("{}: {what}", object.key)))
        }
    }
}

async fn check_csv(store: &Store, object: &Listed, source: &Source) -> Result<()> {
    let wanted: Vec<&str> = source.columns.iter().map(|column| column.from.as_str()).collect();
    let key = &object.key;
    let Pinned::Body(body) = store.open_range(key, &object.etag, &(0..=FIRST_BYTES - 1)).await? else {
        return Err(Error::new(Kind::TransientFailure, format!("{key} was replaced or deleted just now")));
    };
    let first = body.collect().await;
    let first = first.map_err(|error| Error::caused(Kind::TransientFailure, format!("read {key}"), error))?;
    let first = first.into_bytes();
    header::check(key, &first, first.len() as u64 == object.size, &wanted)
        .map_err(|what| Error::new(Kind::InvalidSource, format!("{key}: {what}; columns are bound by position")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::contract::athena_elt::Column;
    use std::time::{SystemTime, UNIX_EPOCH};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    /// How much memory the files that are looked into at the same time may take, in bytes: the function has 128 MB.
    const MOST_BYTES: u64 = 32 << 20;

    /// S3 with so many files of one line, the last one of this storage class.
    async fn s3(files: usize, class: &str) -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let object = |number: usize| {
            let class = if number + 1 == files { class } else { "STANDARD" };
            format!(
                "<Contents><Key>in/{number:03}</Key><ETag>e</ETag><Size>3</Size><StorageClass>{class}</StorageClass>\
                 <LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
            )
        };
        let listing = format!("<ListBucketResult>{}</ListBucketResult>", (0..files).map(object).collect::<String>());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut stream, mut head, mut line) = (BufReader::new(stream), String::new(), String::new());
                while stream.read_line(&mut line).await.is_ok_and(|length| length > 2) {
                    head.push_str(&line);
                    line.clear();
                }
                let body = if head.contains("list-type=2") { &listing } else { "id\n" };
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.get_mut().write_all(format!("{answer}{body}").as_bytes()).await.unwrap();
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

    /// Looks into all of them, with so much time until Lambda's deadline.
    async fn looked(store: &Store, time: Duration) -> Result<SourceState> {
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time;
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap();
        let invocation = Invocation { attempt: "a".into(), deadline_ms };
        let columns = vec![Column { name: "id".into(), from: "id".into(), kind: "bigint".into() }];
        let source = Source { prefix: "in/".into(), format: Format::Csv, columns };
        look(store, &invocation, ("movies", &source), (Definition::Exists, "d".into()), 7, 100).await
    }

    #[tokio::test]
    async fn more_files_than_there_is_time_for_are_refused_before_the_time_is_over() {
        let store = s3(40, "STANDARD").await;
        let state = looked(&store, Duration::from_secs(600)).await.unwrap();
        assert_eq!((state.files, state.bytes), (40, 120));
        let error = looked(&store, MARGIN).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidSource, "which is not tried again");
        let told = "0 of 40 of movies were looked into, and before them 7 of other sources; write fewer";
        assert!(error.to_string().contains(told), "{error}");
    }

    #[tokio::test]
    async fn what_athena_passes_by_is_refused() {
        for class in ["GLACIER", "DEEP_ARCHIVE"] {
            let error = looked(&s3(2, class).await, Duration::from_secs(600)).await.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidSource);
            assert!(error.to_string().contains(&format!("in/001 lies in the storage class {class}")), "{error}");
        }
        for class in ["GLACIER_IR", "INTELLIGENT_TIERING"] {
            assert!(looked(&s3(2, class).await, Duration::from_secs(600)).await.is_ok(), "{class}");
        }
    }

    #[test]
    fn what_is_looked_into_at_the_same_time_fits_into_memory() {
        for (format, each) in [(Format::Csv, FIRST_BYTES), (Format::Parquet, lake::MAX_METADATA_BYTES)] {
            assert!(limits(format).0 as u64 * each <= MOST_BYTES, "{format:?}");
        }
    }
}
