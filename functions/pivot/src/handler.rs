//! Reads the files of a batch one after the other, while the next ones are fetched; writes its sums, then its result.

use crate::batch::Batch;
use crate::decompressor::Decompressor;
use crate::frame;
use crate::parquet::{ParquetPlan, Tail};
use crate::plan::Plan;
use crate::reader::FileReader;
use crate::s3::download::{self, Body, Files, Opened};
use crate::s3::upload::Upload;
use polars::prelude::DataFrame;
use sluice::contract::{
    BadFile, BatchManifest, Manifest, PivotInput, PivotOutput, PivotResult, SourceFile, file_number, keys,
};
use sluice::edge::Invocation;
use sluice::env::Env;
use sluice::spec::{FileType, OnBad};
use sluice::store::{Condition, Store};
use sluice::{Error, Kind, Result, aws};
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

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
    let plan = Plan::new(&input.parts.spec(&input.execution.job)?)?;
    let manifest: Manifest = store.read_json(&input.manifest).await?;
    let index = input.batch.index;
    let reference = manifest.batches.get(index as usize).ok_or_else(|| {
        let count = manifest.batches.len();
        Error::new(Kind::InvalidEvent, format!("batch {index} of a manifest of {count} batches"))
    })?;
    let BatchManifest { files } = store.read_json(reference).await?;

    let mut batch = Batch::new(&plan);
    let mut quarantine = Upload::new(store, keys::quarantine(&input.execution, index), "text/csv");
    let prefix = keys::attempt_prefix(&input.execution, &invocation.attempt);
    let upload = Upload::new(store, format!("{prefix}pivoted-{index:05}.pgcopy"), "application/octet-stream");
    let mut partial_sums = PartialSums { batch: index, upload, rows: 0 };
    let outcome = read_files(store, files, &mut batch, &mut partial_sums, &mut quarantine, &invocation).await;
    // Before anything that may fail: rejected rows are written, also if a later file ends the batch.
    let rejected = quarantine.finish(&mut batch.rejects.pending).await?;
    let changed = outcome?;
    if let Some(rejected) = rejected.as_ref().filter(|_| plan.on_bad_row == OnBad::Fail && batch.rejects.count > 0) {
        let what = format!("{} (all of them in {})", batch.rejects.summary(), rejected.key);
        return Err(Error::new(Kind::InvalidSource, what));
    }
    batch.check_files().map_err(|error| {
        let where_to =
            rejected.as_ref().map_or_else(String::new, |rejected| format!(" (all rows in {})", rejected.key));
        Error::new(error.kind(), format!("{error}{where_to}"))
    })?;

    let (table, shared) = batch.take_merged()?;
    if let Some(table) = table {
        partial_sums.write(&table).await?;
    }
    let days = partial_sums.rows;
    let mut end = if days == 0 { Vec::new() } else { copy_binary::END.to_vec() };
    let pivoted = partial_sums.upload.finish(&mut end).await?;
    let Batch { rejects, rows_read, rows_ignored, loaded, bad, .. } = batch;
    let output = PivotOutput {
        index,
        pivoted,
        rows_read,
        rows_rejected: rejects.count,
        rows_ignored,
        rejected,
        days,
        files_loaded: loaded.len() as u64,
        files_changed: changed.len() as u64,
        files_bad: bad.len() as u64,
    };
    let result = PivotResult {
        output,
        key: plan.key.clone(),
        values: plan.values.clone(),
        per_file: plan.per_file,
        has_states: plan.has_states(),
        loaded,
        changed,
        bad,
        shared,
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

/// The upload of the sums, of one file after the other or of all at once.
struct PartialSums<'a> {
    batch: u32,
    upload: Upload<'a>,
    rows: u64,
}

impl PartialSums<'_> {
    /// Writes the sums of a file, which has this place among the loaded ones.
    async fn write_file(&mut self, table: DataFrame, place: usize) -> Result<()> {
        // A saturated number would give two files one number, and merge their sums.
        let place = u32::try_from(place).expect("a batch has at most 16,000 files");
        self.write(&frame::of_file(table, file_number(self.batch, place))?).await
    }

    /// Writes sums.
    async fn write(&mut self, table: &DataFrame) -> Result<()> {
        if self.rows == 0 {
            self.upload.drain(&mut copy_binary::HEADER.to_vec()).await?;
        }
        self.rows += table.height() as u64;
        self.upload.drain(&mut frame::copy::rows(table)?).await
    }
}

/// Reads all files into the batch. Returns those that were changed or deleted after they were listed.
async fn read_files(
    store: &Store,
    files: Vec<SourceFile>,
    batch: &mut Batch<'_>,
    partial_sums: &mut PartialSums<'_>,
    quarantine: &mut Upload<'_>,
    invocation: &Invocation,
) -> Result<Vec<SourceFile>> {
    let plan = batch.plan();
    let mut changed = Vec::new();
    let is_read_ahead = |file: &SourceFile| file.size <= SMALL_BYTES && !is_parquet(plan, file);
    let mut files = Files::new(store, files, is_read_ahead);
    while let Some((file, opened)) = files.next().await {
        let bad_before = batch.bad.len();
        match read_object(store, &file, opened, batch, quarantine, invocation).await {
            Ok(true) => {
                if let Some(table) = batch.end_file(&file)? {
                    partial_sums.write_file(table, batch.loaded.len() - 1).await?;
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
            Err(error) if error.kind() == Kind::InvalidSource && plan.on_bad_file == OnBad::Quarantine => {
                batch.set_aside(&file, reason_of(&file, &error));
            }
            Err(error) => return Err(error),
        }
        if let Some(BadFile { file, reason }) = batch.bad.get(bad_before) {
            warn!(s3.key = file.key, "{}: a bad file: {reason}", file.key);
            quarantine.drain(&mut batch.rejects.pending).await?;
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
fn is_parquet(plan: &Plan, file: &SourceFile) -> bool {
    file.size > 0 && plan.format_of(&file.key) == FileType::Parquet
}

/// Reads a file, which may have been opened ahead; false if the version that was listed no longer exists.
async fn read_object(
    store: &Store,
    file: &SourceFile,
    opened: Option<Opened>,
    batch: &mut Batch<'_>,
    quarantine: &mut Upload<'_>,
    invocation: &Invocation,
) -> Result<bool> {
    if is_parquet(batch.plan(), file) {
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

async fn read_file(
    file: &SourceFile,
    mut body: Body,
    batch: &mut Batch<'_>,
    quarantine: &mut Upload<'_>,
    invocation: &Invocation,
) -> Result<()> {
    let mut decompressor = Decompressor::new(&file.key);
    let mut reader = FileReader::new(file, batch.plan())?;
    loop {
        let chunk = body.next().await?;
        let is_end = chunk.is_none();
        decompressor.push(chunk)?;
        // Also for bytes that unpack to nothing, such as zstd's skippable frames.
        check_deadline(invocation, file)?;
        while let Some(piece) = decompressor.next_piece()? {
            reader.feed(piece, batch)?;
            quarantine.drain(&mut batch.rejects.pending).await?;
            check_deadline(invocation, file)?;
            // Lets the tasks that fetch the next bytes run.
            tokio::task::yield_now().await;
        }
        if is_end {
            return reader.finish(batch);
        }
    }
}

/// Reads a Parquet file a row group at a time; false if the version that was listed no longer exists.
async fn read_parquet(
    store: &Store,
    file: &SourceFile,
    batch: &mut Batch<'_>,
    quarantine: &mut Upload<'_>,
    invocation: &Invocation,
) -> Result<bool> {
    let mut tail_len = ParquetPlan::tail_len(file.size);
    let plan = loop {
        let Some(tail) = download::read(store, file, file.size - tail_len..file.size).await? else { return Ok(false) };
        match ParquetPlan::from_tail(file, batch.plan(), &tail)? {
            Tail::Plan(plan) => break plan,
            Tail::Short(needed) => tail_len = needed,
        }
    };
    for group in plan.groups() {
        let read = async |range| download::read(store, file, range).await?.ok_or_else(|| download::replaced(file));
        let [key, category, value] = group.ranges();
        let (key, category, value) = tokio::try_join!(read(key), read(category), read(value))?;
        let mut reader = plan.reader(group, [&key, &category, &value])?;
        loop {
            let has_more = reader.step(file, batch)?;
            quarantine.drain(&mut batch.rejects.pending).await?;
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
