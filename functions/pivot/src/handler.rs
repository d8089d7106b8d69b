//! Reads a batch's files one after the other, the next ones already being fetched; writes its sums, then its result.

use crate::compression::Decompressor;
use crate::frame;
use crate::plan::Plan;
use crate::quarantine::Quarantine;
use crate::reader::{Batch, FileReader};
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use futures_util::{StreamExt, stream};
use pipeline::contract::{BatchManifest, Manifest, PivotInput, PivotOutput, PivotResult, SourceFile, keys};
use pipeline::edge::Invocation;
use pipeline::env::Env;
use pipeline::spec::BadRow;
use pipeline::store::{Condition, Pinned, Store};
use pipeline::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::{info, warn};

/// How many small files are fetched ahead of the one that is read: a small file is mostly waiting.
const FETCH_AHEAD: usize = 8;

/// Up to how many bytes a file is small. A larger one is opened in its turn: a body that nobody reads for minutes is cut off.
const SMALL_BYTES: u64 = 1 << 20;

/// Milliseconds before Lambda's deadline at which a function gives up, to do so with an error that says why.
const DEADLINE_MARGIN_MS: u64 = 20_000;

/// What one function instance keeps.
pub struct Context {
    store: Store,
}

impl Context {
    /// Reads `BUCKET` and makes the client.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let bucket = env.required("BUCKET");
        let bucket = env.finish(bucket)?;
        Ok(Self { store: Store::new(aws::s3(&aws::config().await), bucket) })
    }
}

/// Answers the state `Pivot`.
///
/// # Errors
/// `InvalidSource` for a file or row that cannot be read; others as the calls to S3 have it.
pub async fn handle(context: Arc<Context>, invocation: Invocation, input: PivotInput) -> Result<PivotOutput> {
    let store = &context.store;
    let plan = Plan::new(&input.pivot)?;
    let manifest: Manifest = store.read_json(&input.manifest).await?;
    let index = input.batch.index;
    let reference = manifest.batches.get(index as usize).ok_or_else(|| {
        let count = manifest.batches.len();
        Error::new(Kind::InvalidEvent, format!("batch {index} of a manifest of {count} batches"))
    })?;
    let BatchManifest { files } = store.read_json(reference).await?;

    let mut batch = Batch::new(&plan);
    let mut quarantine = Quarantine::new(store, keys::quarantine(&input.execution, index));
    let outcome = read_files(store, files, &mut batch, &mut quarantine, &invocation).await;
    // Before anything that may fail: bad rows that were found are written down, also when a later file ends the batch.
    let rejected = quarantine.finish(&mut batch.rejects.pending).await?;
    let Outcome { loaded, changed } = outcome?;
    if let Some(rejected) = rejected.as_ref().filter(|_| plan.bad_row == BadRow::Fail) {
        let what = format!("{} (all of them in {})", batch.rejects.summary(), rejected.key);
        return Err(Error::new(Kind::InvalidSource, what));
    }

    let pivoted = match batch.sums.is_empty() {
        true => None,
        false => {
            let text = frame::to_csv(frame::frame(&batch.sums, &plan.key.name, &plan.values)?)?;
            let prefix = keys::attempt_prefix(&input.execution, &invocation.attempt);
            Some(store.write(&format!("{prefix}pivoted-{index:05}.csv"), "text/csv", text).await?)
        }
    };
    let output = PivotOutput {
        index,
        pivoted,
        rows_read: batch.rows_read,
        rows_rejected: batch.rejects.count,
        rows_ignored: batch.rows_ignored,
        rejected,
        days: batch.sums.len() as u64,
        files_loaded: loaded.len() as u64,
        files_changed: changed.len() as u64,
    };
    let result = PivotResult { output, key: plan.key.clone(), values: plan.values.clone(), loaded, changed };
    let key = keys::pivot_result(&input.manifest.key, index);
    if !store.write_json_if(&key, &result, Condition::Absent).await? {
        // A twin of this invocation, or its own first try whose answer got lost, was here before.
        let first = store.read_latest_json::<PivotResult>(&key).await?;
        let first = first.ok_or_else(|| Error::new(Kind::TransientFailure, format!("{key} is being written")))?;
        return Ok(first.document.output);
    }
    info!(
        batch = index,
        files.loaded = result.loaded.len(),
        files.changed = result.changed.len(),
        rows.read = result.output.rows_read,
        rows.rejected = result.output.rows_rejected,
        rows.written = result.output.days,
        "batch pivoted"
    );
    Ok(result.output)
}

/// Which files were read, and which had changed or vanished since they were listed.
#[derive(Default)]
struct Outcome {
    loaded: Vec<SourceFile>,
    changed: Vec<SourceFile>,
}

async fn read_files(
    store: &Store,
    files: Vec<SourceFile>,
    batch: &mut Batch<'_>,
    quarantine: &mut Quarantine<'_>,
    invocation: &Invocation,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let fetched = files.into_iter().map(async |file| {
        if file.size > SMALL_BYTES {
            return (file, None);
        }
        // A task of its own, so that it goes on while another file is read.
        let task = tokio::spawn({
            let (store, file) = (store.clone(), file.clone());
            async move { fetch(&store, &file).await }
        });
        let fetched = task
            .await
            .unwrap_or_else(|failure| Err(Error::caused(Kind::InvariantBroken, format!("read {}", file.key), failure)));
        (file, Some(fetched))
    });
    let mut fetched = stream::iter(fetched).buffered(FETCH_AHEAD);
    while let Some((file, small)) = fetched.next().await {
        let pinned = match small {
            Some(small) => small?,
            None => store.open(&file.key, &file.etag).await?,
        };
        match pinned {
            Pinned::Body(body) => {
                read_file(&file, body, batch, quarantine, invocation).await?;
                outcome.loaded.push(file);
            }
            Pinned::Changed | Pinned::Gone => {
                // Its new version, if there is one, is newer than this run's listing: the next run finds it.
                warn!(s3.key = file.key, "{}: changed or deleted after it was listed, left out", file.key);
                outcome.changed.push(file);
            }
        }
    }
    Ok(outcome)
}

/// Reads a small file whole.
async fn fetch(store: &Store, file: &SourceFile) -> Result<Pinned> {
    match store.open(&file.key, &file.etag).await? {
        Pinned::Body(body) => {
            let bytes = body.collect().await.map_err(|error| interrupted(file, 0, error))?.into_bytes();
            Ok(Pinned::Body(ByteStream::from(bytes)))
        }
        other => Ok(other),
    }
}

fn interrupted(file: &SourceFile, after: u64, error: ByteStreamError) -> Error {
    Error::caused(Kind::TransientFailure, format!("read {} after {after} bytes", file.key), error)
}

async fn read_file(
    file: &SourceFile,
    mut body: ByteStream,
    batch: &mut Batch<'_>,
    quarantine: &mut Quarantine<'_>,
    invocation: &Invocation,
) -> Result<()> {
    let mut decompressor = Decompressor::new(&file.key, FileReader::new(file, batch));
    let mut stored = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| interrupted(file, stored, error))?;
        stored += chunk.len() as u64;
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            rest = &rest[decompressor.feed(rest)?..];
            quarantine.drain(&mut decompressor.rejects().pending).await?;
            check_deadline(invocation, file)?;
        }
    }
    if stored != file.size {
        let what = format!("{}: {stored} bytes of {} came", file.key, file.size);
        return Err(Error::new(Kind::TransientFailure, what));
    }
    while !decompressor.flush()? {
        quarantine.drain(&mut decompressor.rejects().pending).await?;
    }
    decompressor.finish()
}

/// A batch that takes too long would be ended without a word, tried again, and take as long.
fn check_deadline(invocation: &Invocation, file: &SourceFile) -> Result<()> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    if now_ms + u128::from(DEADLINE_MARGIN_MS) < u128::from(invocation.deadline_ms) {
        return Ok(());
    }
    let what = format!("out of time while reading {}: give the function more memory, hence more CPU", file.key);
    Err(Error::new(Kind::Misconfigured, what))
}
