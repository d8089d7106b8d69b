//! The files of a source: what is there, and whether each has the columns of the spec: CSV in its first line, Parquet
//! in its metadata.

use crate::{header, schema};
use futures_util::stream::{FuturesUnordered, StreamExt};
use lake::{Fingerprint, Listed, Pages};
use sluice::contract::athena_elt::{Definition, Format, Source, SourceState};
use sluice::contract::{Execution, keys};
use sluice::edge::Invocation;
use sluice::store::{Pinned, Store};
use sluice::{Error, Kind, Result};
use std::time::Duration;

/// How many files of a source are looked into at the same time, and how many objects it may have at most. How many
/// there may be of all sources is a matter of time: [`MARGIN`].
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

/// Looks at all files of a source, of whose table became `table`, and which is defined by `definition` now; and lists
/// them, so that whoever finds them changed can say which. `before`: how many of other sources the invocation has
/// looked into.
///
/// # Errors
/// `InvalidSource`, naming the file that has other columns, or that Athena would pass by; or that there is no file, or
/// that there are too many: for one source, or for the time that there is for all.
pub(crate) async fn look(
    store: &Store,
    invocation: &Invocation,
    execution: &Execution,
    (name, source): (&str, &Source),
    (table, definition): (Definition, String),
    before: u64,
) -> Result<SourceState> {
    let ((_, most), prefix) = (limits(source.format), &source.prefix);
    let (mut pages, mut fingerprint) = (Pages::new(store, prefix), Fingerprint::default());
    let (mut objects, mut files, mut bytes, mut lists) = (0, 0, 0, 0);
    while let Some(page) = pages.next().await? {
        objects += page.len();
        if objects > most {
            let what = format!(
                "{name}: there are more than {most} objects below {prefix}; write fewer and larger files, or make \
                 several sources of them"
            );
            return Err(Error::new(Kind::InvalidSource, what));
        }
        let read: Vec<&Listed> = page.iter().filter(|object| !lake::is_hidden(object, prefix)).collect();
        look_into(store, invocation, (name, source), &read, (files, before)).await?;
        files += read.len() as u64;
        bytes += read.iter().map(|object| object.size).sum::<u64>();
        fingerprint.add(&page);
        let key = keys::source_files(execution, &invocation.attempt, name, lists);
        store.write_json(&key, &lake::seen(&page, prefix)).await?;
        lists += 1;
    }
    if files == 0 {
        let what = format!("{name}: there is no file below {prefix}");
        return Err(Error::new(Kind::InvalidSource, what));
    }
    let (fingerprint, listed_by) = (fingerprint.end(), invocation.attempt.clone());
    Ok(SourceState { table, definition, files, bytes, fingerprint, listed_by, lists })
}

/// Looks into files of a source. `looked`: into how many others of it, and into how many of other sources.
async fn look_into(
    store: &Store,
    invocation: &Invocation,
    (name, source): (&str, &Source),
    read: &[&Listed],
    (mut looked, before): (u64, u64),
) -> Result<()> {
    if let Some(archived) = read.iter().find(|object| object.is_archived()) {
        let what = format!(
            "{} lies in the storage class {}, and Athena passes such files by, restored or not: copy it to another class",
            archived.key, archived.class
        );
        return Err(Error::new(Kind::InvalidSource, what));
    }
    // As soon as one is looked into the next one is begun: none waits for the slowest of several.
    let (mut left, mut checks, (concurrency, _)) = (read.iter(), FuturesUnordered::new(), limits(source.format));
    loop {
        while checks.len() < concurrency
            && let Some(object) = left.next()
        {
            checks.push(check(store, object, source));
        }
        if checks.is_empty() {
            return Ok(());
        }
        if invocation.time_left(MARGIN).is_zero() {
            let what = format!(
                "there are too many files for the time that there is to look into them: {looked} of {name} were \
                 looked into, and before them {before} of other sources; write fewer and larger files, or make \
                 several jobs of it"
            );
            return Err(Error::new(Kind::InvalidSource, what));
        }
        if let Some(checked) = checks.next().await {
            checked?;
            looked += 1;
        }
    }
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
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    /// How much memory the files that are looked into at the same time may take, in bytes: the function has 128 MB.
    const MOST_BYTES: u64 = 32 << 20;

    /// S3 with so many files of one line, the last one of this storage class, by their names below `in/`.
    async fn s3(files: usize, class: &str, name: fn(usize) -> String) -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let class = class.to_owned();
        let object = move |number: usize| {
            let class = if number + 1 == files { class.as_str() } else { "STANDARD" };
            format!(
                "<Contents><Key>in/{}</Key><ETag>e</ETag><Size>3</Size><StorageClass>{class}</StorageClass>\
                 <LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>",
                name(number)
            )
        };
        let listing = move |page: usize| {
            let (first, last) = (1_000 * page, files.min(1_000 * (page + 1)));
            let next = format!("<NextContinuationToken>page-{}-</NextContinuationToken>", page + 1);
            let next = if last < files { next.as_str() } else { "" };
            format!("<ListBucketResult>{}{next}</ListBucketResult>", (first..last).map(&object).collect::<String>())
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut stream, mut head, mut line) = (BufReader::new(stream), String::new(), String::new());
                while stream.read_line(&mut line).await.is_ok_and(|length| length > 2) {
                    head.push_str(&line);
                    line.clear();
                }
                // Of a page the number stands in the token, and of a list its length in the head.
                let number = |before: &str| -> Option<usize> {
                    let (_, rest) = head.split_once(before)?;
                    rest.split(|at: char| !at.is_ascii_digit()).next()?.parse().ok()
                };
                let length = number("content-length: ").filter(|_| head.starts_with("PUT"));
                tokio::io::copy(&mut (&mut stream).take(length.unwrap_or(0) as u64), &mut tokio::io::sink())
                    .await
                    .unwrap();
                let page = number("continuation-token=page-").unwrap_or(0);
                let body = if head.contains("list-type=2") { listing(page) } else { "id\n".to_owned() };
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

    fn short(number: usize) -> String {
        format!("{number:03}")
    }

    /// Looks into all of them, with so much time until Lambda's deadline.
    async fn looked(store: &Store, time: Duration) -> Result<SourceState> {
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time;
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap();
        let invocation = Invocation { attempt: "a".into(), deadline_ms };
        let columns = vec![Column { name: "id".into(), from: "id".into(), kind: "bigint".into() }];
        let source = Source { prefix: "in/".into(), format: Format::Csv, columns };
        let execution = Execution {
            job: "scifi".into(),
            id: "arn:aws:states:us-east-1:1:execution:dev-scifi:x".into(),
            name: "x".into(),
            started_at: "2024-01-01T00:00:00.000Z".into(),
            state_machine: "arn:aws:states:us-east-1:1:stateMachine:dev-scifi".into(),
        };
        look(store, &invocation, &execution, ("movies", &source), (Definition::Exists, "d".into()), 7).await
    }

    #[tokio::test]
    async fn more_files_than_there_is_time_for_are_refused_before_the_time_is_over() {
        let store = s3(40, "STANDARD", short).await;
        let state = looked(&store, Duration::from_secs(600)).await.unwrap();
        assert_eq!((state.files, state.bytes), (40, 120));
        let error = looked(&store, MARGIN).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidSource, "which is not tried again");
        let told = "0 of movies were looked into, and before them 7 of other sources; write fewer";
        assert!(error.to_string().contains(told), "{error}");
    }

    #[tokio::test]
    async fn what_athena_passes_by_is_refused() {
        for class in ["GLACIER", "DEEP_ARCHIVE"] {
            let error = looked(&s3(2, class, short).await, Duration::from_secs(600)).await.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidSource);
            assert!(error.to_string().contains(&format!("in/001 lies in the storage class {class}")), "{error}");
        }
        for class in ["GLACIER_IR", "INTELLIGENT_TIERING"] {
            assert!(looked(&s3(2, class, short).await, Duration::from_secs(600)).await.is_ok(), "{class}");
        }
    }

    /// As many objects as there may be, all but one of them hidden, so that they are listed and not looked into; with
    /// keys as long as S3 has them: more than a hundred megabytes.
    #[tokio::test]
    async fn a_listing_of_long_keys_fits_into_memory() {
        let name = |number: usize| format!("{}{number:06}/{}", if number == 0 { "" } else { "_" }, "k".repeat(1_013));
        let store = s3(100_000, "STANDARD", name).await;
        let memory = |what: &str| -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
            line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
        };
        let before = memory("VmRSS");
        let state = looked(&store, Duration::from_secs(600)).await.unwrap();
        assert_eq!((state.files, state.lists), (1, 100));
        assert_eq!(lake::fingerprint(&store, "in/").await.unwrap(), state.fingerprint, "as whoever publishes asks");
        let most = memory("VmHWM").saturating_sub(before);
        assert!(most <= MOST_BYTES, "{most} bytes");
    }

    #[test]
    fn what_is_looked_into_at_the_same_time_fits_into_memory() {
        for (format, each) in [(Format::Csv, FIRST_BYTES), (Format::Parquet, lake::MAX_METADATA_BYTES)] {
            assert!(limits(format).0 as u64 * each <= MOST_BYTES, "{format:?}");
        }
    }
}
