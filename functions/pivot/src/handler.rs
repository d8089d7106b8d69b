//! Reads a batch's files one after the other, the next ones already being fetched; writes its sums, then its result.

use crate::compression::Decompressor;
use crate::frame;
use crate::plan::Plan;
use crate::reader::{Batch, FileReader};
use crate::upload::Upload;
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use futures_util::{StreamExt, stream};
use pipeline::contract::{
    BatchManifest, Manifest, PivotInput, PivotOutput, PivotResult, SourceFile, file_number, keys,
};
use pipeline::edge::Invocation;
use pipeline::env::Env;
use pipeline::spec::BadRow;
use pipeline::store::{Condition, Pinned, Store};
use pipeline::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// How many small files are fetched ahead of the one that is read: a small file is mostly waiting.
const FETCH_AHEAD: usize = 8;

/// Up to how many bytes a file is small. A larger one is opened in its turn: a body that nobody reads for minutes is cut off.
const SMALL_BYTES: u64 = 1 << 20;

/// How much of a file is read before looking at the clock again.
const MAX_PIECE_BYTES: usize = 16 << 10;

/// How long before Lambda's deadline the function gives up, to do so with an error that says why.
const DEADLINE_MARGIN: Duration = Duration::from_secs(20);

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
    let mut quarantine = Upload::new(store, keys::quarantine(&input.execution, index));
    let prefix = keys::attempt_prefix(&input.execution, &invocation.attempt);
    let upload = Upload::new(store, format!("{prefix}pivoted-{index:05}.csv"));
    let mut partial_sums = PartialSums { batch: index, upload, rows: 0 };
    let outcome = read_files(store, files, &mut batch, &mut partial_sums, &mut quarantine, &invocation).await;
    // Before anything that may fail: bad rows that were found are written down, also when a later file ends the batch.
    let rejected = quarantine.finish(&mut batch.rejects.pending).await?;
    let Outcome { loaded, changed } = outcome?;
    if let Some(rejected) = rejected.as_ref().filter(|_| plan.bad_row == BadRow::Fail) {
        let what = format!("{} (all of them in {})", batch.rejects.summary(), rejected.key);
        return Err(Error::new(Kind::InvalidSource, what));
    }

    if !plan.per_file {
        partial_sums.write(&mut batch, None).await?;
    }
    let days = partial_sums.rows;
    let pivoted = partial_sums.upload.finish(&mut Vec::new()).await?;
    let output = PivotOutput {
        index,
        pivoted,
        rows_read: batch.rows_read,
        rows_rejected: batch.rejects.count,
        rows_ignored: batch.rows_ignored,
        rejected,
        days,
        files_loaded: loaded.len() as u64,
        files_changed: changed.len() as u64,
    };
    let (key, values) = (plan.key.clone(), plan.values.clone());
    let result = PivotResult { output, key, values, per_file: plan.per_file, loaded, changed };
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

/// The sums on their way out, one file's or all at once.
struct PartialSums<'a> {
    batch: u32,
    upload: Upload<'a>,
    rows: u64,
}

impl PartialSums<'_> {
    /// Writes what a batch has come to, and lets it start anew; as the sums of the file at this place among the loaded ones,
    /// if it is one file's.
    async fn write(&mut self, batch: &mut Batch<'_>, place: Option<usize>) -> Result<()> {
        if batch.sums.is_empty() {
            return Ok(());
        }
        let mut frame = frame::frame(&batch.sums, &batch.plan().key.name, &batch.plan().values)?;
        if let Some(place) = place {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            frame = frame::of_file(frame, file_number(self.batch, place))?;
        }
        let is_first = self.rows == 0;
        self.rows += batch.sums.len() as u64;
        batch.sums.clear();
        self.upload.drain(&mut frame::to_csv(frame, is_first)?).await
    }
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
    partial_sums: &mut PartialSums<'_>,
    quarantine: &mut Upload<'_>,
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
                if batch.plan().per_file {
                    partial_sums.write(batch, Some(outcome.loaded.len())).await?;
                }
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
    quarantine: &mut Upload<'_>,
    invocation: &Invocation,
) -> Result<()> {
    let mut decompressor = Decompressor::new(&file.key, FileReader::new(file, batch));
    let mut stored = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| interrupted(file, stored, error))?;
        stored += chunk.len() as u64;
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            // In small pieces, since a small piece of packed data may take long.
            rest = &rest[decompressor.feed(&rest[..rest.len().min(MAX_PIECE_BYTES)])?..];
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
        check_deadline(invocation, file)?;
    }
    decompressor.finish()
}

/// A batch that takes too long would be ended without a word, tried again, and take as long.
fn check_deadline(invocation: &Invocation, file: &SourceFile) -> Result<()> {
    if !invocation.time_left(DEADLINE_MARGIN).is_zero() {
        return Ok(());
    }
    let what = format!("out of time while reading {}: give the function more memory, hence more CPU", file.key);
    Err(Error::new(Kind::Misconfigured, what))
}
