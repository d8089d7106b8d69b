//! Lock, watermark, ledger, listing, manifest: in this order.

use crate::explain;
use crate::ledger::Ledger;
use crate::lock;
use crate::selection::{Batcher, Window};
use crate::trigger;
use crate::watermark;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::Object;
use pipeline::contract::{
    Batch, BatchManifest, DetectInput, DetectOutput, Execution, Manifest, Mode, ObjectRef, SourceFile, format_time,
    keys,
};
use pipeline::edge::Invocation;
use pipeline::env::Env;
use pipeline::spec::Source;
use pipeline::store::Store;
use pipeline::{Error, Kind, Result, aws};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::info;

/// Ten years; beyond that, `since` is what is wanted.
const MAX_LOOKBACK_HOURS: u32 = 87_660;

/// What one function instance keeps.
pub struct Context {
    store: Store,
    executions: aws_sdk_sfn::Client,
}

impl Context {
    /// Reads `BUCKET` and makes the clients.
    pub async fn from_env() -> Result<Self> {
        let mut env = Env::new(&|name| std::env::var(name).ok());
        let bucket = env.required("BUCKET");
        let bucket = env.finish(bucket)?;
        let config = aws::config().await;
        Ok(Self { store: Store::new(aws::s3(&config), bucket), executions: aws_sdk_sfn::Client::new(&config) })
    }
}

/// Answers the state `DetectNewFiles`.
pub async fn handle(context: Arc<Context>, invocation: Invocation, input: DetectInput) -> Result<DetectOutput> {
    let Context { store, executions } = &*context;
    let execution = &input.execution;
    let wake_up = trigger::decode(&input.trigger, store.bucket(), &input.source.prefix)?;
    if input.source.lookback_hours > MAX_LOOKBACK_HOURS {
        let what = format!("source spec: lookback_hours is more than {MAX_LOOKBACK_HOURS}");
        return Err(Error::new(Kind::Misconfigured, what));
    }
    if wake_up.mode != Mode::Explain {
        lock::acquire(store, executions, execution).await?;
    }

    // Taken before the listing: a file that appears meanwhile is not older than this.
    let detected_at = DateTime::from(SystemTime::now());
    let watermark = watermark::last_success(executions, execution).await?;
    let window = Window::new(watermark, input.source.lookback_hours, wake_up.since);
    if wake_up.mode == Mode::Explain {
        let explained = explain::explain(store, execution, &input.source, &window, &wake_up.explain).await?;
        let watermark = watermark.map(format_time);
        return Ok(DetectOutput { mode: wake_up.mode, explained, watermark, ..DetectOutput::default() });
    }
    let ledger = Ledger::load(store, execution, window.ledger_start()).await?;
    let batches = Batches::new(store, execution, &invocation.attempt);
    let batches = list_new(store, &input.source, &window, &wake_up.forget, &ledger, batches).await?;

    let skipped_count = batches.skipped_count;
    let output = batches.finish(detected_at, watermark.map(format_time)).await?;
    let output = DetectOutput { mode: wake_up.mode, ..output };
    info!(
        files.new = output.new_file_count,
        files.known = ledger.len(),
        files.skipped_by_name = skipped_count,
        bytes.new = output.new_bytes,
        batches = output.batches.len(),
        watermark = output.watermark.as_deref().unwrap_or("none: everything that the ledger does not hold is new"),
        trigger = wake_up.kind,
        "files detected"
    );
    Ok(output)
}

/// Reads the whole listing, a page at a time, and hands the new files on.
async fn list_new<'a>(
    store: &Store,
    source: &Source,
    window: &Window,
    forget: &BTreeSet<String>,
    ledger: &Ledger,
    mut batches: Batches<'a>,
) -> Result<Batches<'a>> {
    let mut not_seen = forget.clone();
    let listing = store.client().list_objects_v2().bucket(store.bucket()).prefix(&source.prefix);
    let mut pages = listing.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Error::aws(format!("list {}", source.prefix), error))?;
        for object in page.contents.unwrap_or_default() {
            let Some((file, modified)) = source_file(object, source) else {
                batches.skipped_count += 1;
                continue;
            };
            if not_seen.remove(&file.key) || window.wants(modified.secs(), || ledger.holds(&file.key, &file.etag)) {
                batches.push(file).await?;
            }
        }
    }
    if !not_seen.is_empty() {
        let what = format!("forget: there is no input file {not_seen:?}");
        return Err(Error::new(Kind::InvalidEvent, what));
    }
    Ok(batches)
}

/// A listed object as a source file, unless it is a folder marker or has another suffix.
pub fn source_file(object: Object, source: &Source) -> Option<(SourceFile, DateTime)> {
    let key = object.key?;
    if key.ends_with('/') || !key.ends_with(&source.suffix) {
        return None;
    }
    let modified = object.last_modified?;
    let file = SourceFile {
        key,
        etag: object.e_tag.unwrap_or_default(),
        size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        last_modified: format_time(modified),
    };
    Some((file, modified))
}

/// Writes a manifest per full batch as it goes, so that memory does not grow with the number of files.
struct Batches<'a> {
    store: &'a Store,
    prefix: String,
    batcher: Batcher,
    written: Vec<ObjectRef>,
    file_count: u64,
    skipped_count: u64,
    bytes: u64,
}

impl<'a> Batches<'a> {
    fn new(store: &'a Store, execution: &Execution, attempt: &str) -> Self {
        let prefix = keys::attempt_prefix(execution, attempt);
        Self {
            store,
            prefix,
            batcher: Batcher::default(),
            written: Vec::new(),
            file_count: 0,
            skipped_count: 0,
            bytes: 0,
        }
    }

    async fn push(&mut self, file: SourceFile) -> Result<()> {
        self.file_count += 1;
        self.bytes += file.size;
        match self.batcher.push(file) {
            Some(files) => self.write(files).await,
            None => Ok(()),
        }
    }

    async fn write(&mut self, files: Vec<SourceFile>) -> Result<()> {
        let key = format!("{}batch-{:05}.json", self.prefix, self.written.len());
        let reference = self.store.write_json(&key, &BatchManifest { files }).await?;
        self.written.push(reference);
        Ok(())
    }

    async fn finish(mut self, detected_at: DateTime, watermark: Option<String>) -> Result<DetectOutput> {
        if let Some(files) = self.batcher.rest() {
            self.write(files).await?;
        }
        let batches = (0..).take(self.written.len()).map(|index| Batch { index }).collect();
        let manifest = Manifest {
            detected_at: format_time(detected_at),
            new_file_count: self.file_count,
            new_bytes: self.bytes,
            batches: self.written,
        };
        let manifest = match manifest.new_file_count {
            0 => None,
            _ => Some(self.store.write_json(&format!("{}manifest.json", self.prefix), &manifest).await?),
        };
        Ok(DetectOutput {
            new_file_count: self.file_count,
            new_bytes: self.bytes,
            batches,
            manifest,
            watermark,
            ..DetectOutput::default()
        })
    }
}
