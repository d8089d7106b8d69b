//! Reads the files of a batch one after the other, while the next ones are fetched; writes its sums, then its result.

mod work;

use crate::batch::{Batch, Tally};
use crate::decompressor::Decompressor;
use crate::general::batch::GeneralBatch;
use crate::general::plan::GeneralPlan;
use crate::parquet::{HEAD_BYTES, ParquetPlan, Tail};
use crate::plan::Plan;
use crate::s3::download::{self, Body, Files, Opened};
use crate::s3::upload::Upload;
use futures_util::future::try_join_all;
use sluice::contract::{
    BadFile, BatchManifest, Layout, Manifest, PivotInput, PivotOutput, PivotResult, SourceFile, file_number, keys,
};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::spec::{FileType, OnBad, Spec};
use sluice::store::{Condition, Store};
use sluice::{Error, Kind, Result, aws};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};
use work::Work;

/// Largest size of a file that is opened ahead, in bytes. A larger one is opened in its turn, so that memory does not
/// grow with the files' sizes.
const SMALL_BYTES: u64 = 1 << 20;

/// How long before Lambda's deadline the function stops, with an error that says why.
const DEADLINE_MARGIN: Duration = Duration::from_secs(20);

/// What a function instance keeps between invocations.
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
/// `InvalidSource` for a file or row that cannot be read, where the spec says that this is a failure, and for sums of
/// several files that are too long or too many; others as the calls to S3 have it.
pub async fn handle(context: Arc<Context>, invocation: Invocation, input: PivotInput) -> Result<PivotOutput> {
    let store = &context.store;
    let spec = input.parts.spec(&input.execution.job)?;
    let manifest: Manifest = store.read_json(&input.manifest).await?;
    let index = input.batch.index;
    let reference = manifest.batches.get(index as usize).ok_or_else(|| {
        let count = manifest.batches.len();
        Error::new(Kind::InvalidEvent, format!("batch {index} of a manifest of {count} batches"))
    })?;
    let BatchManifest { files } = store.read_json(reference).await?;

    let result = if spec.is_usual() {
        let plan = Plan::new(&spec)?;
        pivot(store, &input, &spec, files, Batch::new(&plan), &invocation).await?
    } else {
        let plan = GeneralPlan::new(&spec)?;
        pivot(store, &input, &spec, files, GeneralBatch::new(&plan), &invocation).await?
    };
    let key = keys::pivot_result(&input.manifest.key, index);
    if !store.write_json_if(&key, &result, Condition::Absent).await? {
        // A duplicate of this invocation, or its own first try whose answer got lost, has written it.
        let first = store.read_latest_json::<PivotResult>(&key).await?;
        let first = first.ok_or_else(|| Error::new(Kind::TransientFailure, format!("{key} is being written")))?;
        return Ok(first.document.output);
    }
    info!(
        batch = index,
        files.loaded = result.loaded.len(),
        files.changed = result.changed.len(),
        files.bad = result.bad.len(),
        rows.read = result.output.rows_read,
        rows.rejected = result.output.rows_rejected,
        rows.written = result.output.days,
        "batch pivoted"
    );
    Ok(result.output)
}

/// Reads the files, and writes what they come to and what is wrong with them.
async fn pivot<W: Work>(
    store: &Store,
    input: &PivotInput,
    spec: &Spec,
    files: Vec<SourceFile>,
    mut batch: W,
    invocation: &Invocation,
) -> Result<PivotResult> {
    let index = input.batch.index;
    let mut quarantine = Upload::new(store, keys::quarantine(&input.execution, index), "text/csv");
    let prefix = keys::attempt_prefix(&input.execution, &invocation.attempt);
    let upload = Upload::new(store, format!("{prefix}pivoted-{index:05}.pgcopy"), "application/octet-stream");
    let mut part = Part { batch: index, upload, rows: 0 };
    let outcome = read_files(store, files, &mut batch, &mut part, &mut quarantine, invocation).await;
    // Before anything that may fail: rejected rows are written, also if a later file ends the batch.
    let rejected = quarantine.finish(&mut batch.tally().rejects.pending).await?;
    let changed = outcome?;
    let is_failure = batch.on_bad_row() == OnBad::Fail && batch.tally().rejects.count > 0;
    if let Some(rejected) = rejected.as_ref().filter(|_| is_failure) {
        let what = format!("{} (all of them in {})", batch.tally().rejects.summary(), rejected.key);
        return Err(Error::new(Kind::InvalidSource, what));
    }
    batch.tally().check_files().map_err(|error| {
        let where_to =
            rejected.as_ref().map_or_else(String::new, |rejected| format!(" (all rows in {})", rejected.key));
        Error::new(error.kind(), format!("{error}{where_to}"))
    })?;

    let (merged, shared) = batch.take_merged()?;
    if let Some(mut merged) = merged {
        part.write::<W>(&mut merged, None).await?;
    }
    let days = part.rows;
    let mut end = if days == 0 { Vec::new() } else { copy_binary::END.to_vec() };
    let pivoted = part.upload.finish(&mut end).await?;
    let Tally { rejects, rows_read, rows_ignored, rows_filtered, loaded, bad, .. } = batch.into_tally();
    let output = PivotOutput {
        index,
        pivoted,
        rows_read,
        rows_rejected: rejects.count,
        rows_ignored,
        rows_filtered,
        rejected,
        days,
        files_loaded: loaded.len() as u64,
        files_changed: changed.len() as u64,
        files_bad: bad.len() as u64,
    };
    // All keys of a file are in memory until its end, or all of the batch.
    Ok(PivotResult { output, layout: Layout::of(spec), loaded, changed, bad, shared, has_keys_once: true })
}

/// The upload of what files come to, of one after the other or of all at once.
struct Part<'a> {
    batch: u32,
    upload: Upload<'a>,
    rows: u64,
}

impl Part<'_> {
    /// Writes what a file, which has this place among the loaded ones, comes to, or all files together.
    async fn write<W: Work>(&mut self, rows: &mut W::Part, place: Option<usize>) -> Result<()> {
        // A saturated number would give two files one number, and merge what they say.
        let place = place.map(|place| u32::try_from(place).expect("a batch has at most 16,000 files"));
        let file = place.map(|place| file_number(self.batch, place));
        let mut bytes = if self.rows == 0 { copy_binary::HEADER.to_vec() } else { Vec::new() };
        loop {
            let count = W::write(rows, file, &mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            self.rows += count;
            self.upload.drain(&mut bytes).await?;
        }
    }
}

/// Reads all files into the batch. Returns those that were changed or deleted after they were listed.
async fn read_files<W: Work>(
    store: &Store,
    files: Vec<SourceFile>,
    batch: &mut W,
    part: &mut Part<'_>,
    quarantine: &mut Upload<'_>,
    invocation: &Invocation,
) -> Result<Vec<SourceFile>> {
    let mut changed = Vec::new();
    let parquet: HashSet<String> =
        files.iter().filter(|file| is_parquet(&*batch, file)).map(|file| file.key.clone()).collect();
    let is_read_ahead = |file: &SourceFile| file.size <= SMALL_BYTES && !parquet.contains(&file.key);
    let mut files = Files::new(store, files, is_read_ahead);
    while let Some((file, opened)) = files.next().await {
        let bad_before = batch.tally().bad.len();
        match read_object(store, &file, opened, batch, quarantine, invocation).await {
            Ok(true) => {
                if let Some(mut rows) = batch.end_file(&file)? {
                    let place = batch.tally().loaded.len() - 1;
                    part.write::<W>(&mut rows, Some(place)).await?;
                }
            }
            Ok(false) => {
                // Its new version, if there is one, is newer than this run's listing: the next run finds it.
                warn!(s3.key = file.key, "{}: changed or deleted after it was listed, left out", file.key);
                changed.push(file);
                continue;
            }
            // What is wrong with the file is no reason to leave the others. What is wrong with S3, a permission or
            // the time that is left is not the file's.
            Err(error) if error.kind() == Kind::InvalidSource && batch.on_bad_file() == OnBad::Quarantine => {
                batch.set_aside(&file, reason_of(&file, &error));
            }
            Err(error) => return Err(error),
        }
        if let Some(BadFile { file, reason }) = batch.tally().bad.get(bad_before) {
            warn!(s3.key = file.key, "{}: a bad file: {reason}", file.key);
            quarantine.drain(&mut batch.tally().rejects.pending).await?;
        }
    }
    Ok(changed)
}

/// What an error says of a file, without its key.
fn reason_of(file: &SourceFile, error: &Error) -> String {
    let text = error.to_string();
    text.strip_prefix(&file.key).map_or(text.as_str(), |rest| rest.trim_start_matches([',', ':', ' '])).to_owned()
}

/// An empty file is read as any other empty one.
fn is_parquet(batch: &impl Work, file: &SourceFile) -> bool {
    file.size > 0 && batch.format_of(&file.key) == FileType::Parquet
}

/// Reads a file, which may have been opened ahead; false if the version that was listed no longer exists.
async fn read_object<W: Work>(
    store: &Store,
    file: &SourceFile,
    opened: Option<Opened>,
    batch: &mut W,
    quarantine: &mut Upload<'_>,
    invocation: &Invocation,
) -> Result<bool> {
    if is_parquet(&*batch, file) {
        return read_parquet(store, file, batch, quarantine, invocation).await;
    }
    let body = match opened {
        Some(opened) => opened?,
        None => download::open(store, file).await?,
    };
    match body {
        Some(body) => read_file(file, body, batch, quarantine, invocation).await.map(|()| true),
        None => Ok(false),
    }
}

async fn read_file<W: Work>(
    file: &SourceFile,
    mut body: Body,
    batch: &mut W,
    quarantine: &mut Upload<'_>,
    invocation: &Invocation,
) -> Result<()> {
    let mut decompressor = Decompressor::new(&file.key);
    let mut reader = batch.reader(file)?;
    loop {
        let chunk = body.next().await?;
        let is_end = chunk.is_none();
        decompressor.push(chunk)?;
        // Also for bytes that unpack to nothing, such as zstd's skippable frames.
        check_deadline(invocation, file)?;
        while let Some(piece) = decompressor.next_piece()? {
            batch.feed(&mut reader, piece)?;
            quarantine.drain(&mut batch.tally().rejects.pending).await?;
            check_deadline(invocation, file)?;
            // Lets the tasks that fetch the next bytes run.
            tokio::task::yield_now().await;
        }
        if is_end {
            return batch.finish(reader);
        }
    }
}

/// Reads a Parquet file a row group at a time; false if the version that was listed no longer exists.
async fn read_parquet<W: Work>(
    store: &Store,
    file: &SourceFile,
    batch: &mut W,
    quarantine: &mut Upload<'_>,
    invocation: &Invocation,
) -> Result<bool> {
    let mut tail_len = ParquetPlan::tail_len(file.size);
    let plan = loop {
        let Some(tail) = download::read(store, file, file.size - tail_len..file.size).await? else { return Ok(false) };
        match batch.read_tail(file, &tail)? {
            Tail::Plan(plan) => break plan,
            Tail::Short(needed) => tail_len = needed,
            Tail::Foreign => {
                let head = download::read(store, file, 0..HEAD_BYTES.min(file.size)).await?;
                return head.map_or(Ok(false), |head| Err(ParquetPlan::foreign(file, &head)));
            }
        }
    };
    for group in plan.groups() {
        let read = async |range| download::read(store, file, range).await?.ok_or_else(|| download::replaced(file));
        let chunks = try_join_all(group.ranges().into_iter().map(read)).await?;
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let mut reader = plan.reader(group, &chunks)?;
        loop {
            let has_more = batch.step(&mut reader, file)?;
            quarantine.drain(&mut batch.tally().rejects.pending).await?;
            check_deadline(invocation, file)?;
            if !has_more {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(true)
}

/// Lambda would end a batch that takes too long without a cause, and it would be tried again, and take as long.
fn check_deadline(invocation: &Invocation, file: &SourceFile) -> Result<()> {
    if !invocation.time_left(DEADLINE_MARGIN).is_zero() {
        return Ok(());
    }
    let what = format!("out of time while reading {}: give the function more memory, hence more CPU", file.key);
    Err(Error::new(Kind::Misconfigured, what))
}
