//! The download of the bad rows of a run: never a view, and never held, however many there are.

use crate::addresses::reader;
use crate::app::App;
use crate::reply::{self, Reply};
use crate::trouble::Trouble;
use crate::views;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::stream;
use hyper::{HeaderMap, StatusCode, header};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// What is still to be sent.
struct Download {
    app: Arc<App>,
    bucket: String,
    /// The files that are not opened yet.
    keys: VecDeque<String>,
    /// The one that is being sent.
    body: ByteStream,
    /// Its first line is the one that was sent already.
    is_in_head: bool,
}

/// The files of the quarantine of a run, with the heading of the first, as one. What is wrong before it begins is a
/// page; behind that the download breaks off.
pub(crate) async fn download(app: Arc<App>, job: &str, file: &str, headers: &HeaderMap) -> Reply {
    let run = file.strip_suffix(".csv").filter(|run| !run.is_empty() && !run.contains('/'));
    let bucket = {
        let stack = app.shared.stack();
        stack.jobs.contains_key(job).then(|| stack.bucket.clone())
    };
    let sorry = |status, text: &str| {
        let stack = app.shared.stack();
        let view = views::action::sorry(&stack, "There is no download of bad rows", text);
        reply::html(status, views::page(&stack, &reader(headers, "/", &[]), &view, 0))
    };
    let (Some(run), Some(bucket)) = (run, bucket) else {
        return sorry(StatusCode::NOT_FOUND, "There is no such job or run.");
    };
    app.tokens.take().await;
    let mut keys: VecDeque<String> = match app.source.quarantine_of(&bucket, job, run, &app.tokens).await {
        Ok(objects) => objects.into_iter().map(|object| object.key).collect(),
        Err(trouble) => return sorry(StatusCode::BAD_GATEWAY, &said("listed", "s3:ListBucket", &trouble)),
    };
    let Some(first) = keys.pop_front() else {
        return sorry(StatusCode::NOT_FOUND, "This run has nothing in quarantine, or no longer.");
    };
    app.tokens.take().await;
    let body = match app.source.opened(&bucket, &first).await {
        Ok(body) => body,
        Err(trouble) => return sorry(StatusCode::BAD_GATEWAY, &said("read", "s3:GetObject", &trouble)),
    };
    let download = Download { app, bucket, keys, body, is_in_head: false };
    let parts =
        stream::try_unfold(
            download,
            |mut download| async move { Ok(download.next().await?.map(|part| (part, download))) },
        );
    let reply = reply::streamed("text/csv; charset=utf-8", parts);
    reply::with(reply, header::CONTENT_DISPOSITION, "attachment; filename=\"quarantine.csv\"")
}

impl Download {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            while let Some(part) = self.body.next().await {
                let part = part.map_err(|_| broken_off())?;
                let part = if self.is_in_head { behind_head(&part) } else { Some(part) };
                if let Some(part) = part {
                    self.is_in_head = false;
                    return Ok(Some(part));
                }
            }
            let Some(key) = self.keys.pop_front() else { return Ok(None) };
            self.app.tokens.take().await;
            self.body = self.app.source.opened(&self.bucket, &key).await.map_err(|_| broken_off())?;
            self.is_in_head = true;
        }
    }
}

/// What stands behind the first line; `None` if that goes on.
fn behind_head(part: &Bytes) -> Option<Bytes> {
    let end = part.iter().position(|byte| *byte == b'\n')?;
    Some(part.slice(end + 1..))
}

/// Whoever downloads sees that it is not whole; why, is nobody's text.
fn broken_off() -> io::Error {
    io::Error::other("the quarantine cannot be read to its end")
}

fn said(what: &str, action: &str, trouble: &Trouble) -> String {
    let why = match trouble {
        Trouble::Denied => format!("these credentials may not {action} on quarantine/*."),
        Trouble::Throttled(_) => "AWS asked us to slow down; open it again in a moment.".to_owned(),
        Trouble::Expired => "the credentials have expired.".to_owned(),
        Trouble::Gone | Trouble::Late => "nobody answered; open it again in a moment.".to_owned(),
        Trouble::Missing => "it is gone meanwhile.".to_owned(),
        _ => "S3 refused it.".to_owned(),
    };
    format!("The quarantine of this run cannot be {what}: {why}")
}
