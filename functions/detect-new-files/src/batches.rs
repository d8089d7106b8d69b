//! Writes down which files are new: a manifest per full batch as it goes, so that memory does not grow with their
//! number.

use crate::selection::Batcher;
use aws_sdk_s3::primitives::DateTime;
use sluice::contract::{
    BatchIndex, BatchManifest, DetectOutput, EndedBadly, Execution, Loaded, Manifest, ObjectRef, SourceFile, keys,
};
use sluice::input::Skipped;
use sluice::spec::Print;
use sluice::store::Store;
use sluice::time::format_time;
use sluice::{Error, Kind, Result};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

/// How many manifests are written at the same time, each of some 500 KB meanwhile, or up to 16
/// times that, so that the listing seldom waits for them.
const MAX_WRITES: usize = 4;

/// What the run's manifest says beside its batches.
#[derive(Debug)]
pub(crate) struct Heading {
    /// When the listing began.
    pub detected_at: DateTime,
    /// How many other objects are no input.
    pub skipped: Skipped,
    /// What was taken to be loaded.
    pub assumed: Option<Loaded>,
    /// What decides what the table holds after this run.
    pub print: Print,
    /// The table becomes what the files of this run say.
    pub reload: bool,
    /// Nobody asked for that.
    pub is_reload_by_itself: bool,
    /// Runs that ended badly.
    pub ended_badly: Vec<EndedBadly>,
}

/// The batches of one run.
pub(crate) struct Batches {
    store: Store,
    prefix: String,
    batcher: Batcher,
    /// Under way, by the number of the batch.
    writes: JoinSet<(usize, Result<ObjectRef>)>,
    written: BTreeMap<usize, ObjectRef>,
    file_count: u64,
    bytes: u64,
}

impl Batches {
    /// None yet.
    pub(crate) fn new(store: &Store, execution: &Execution, attempt: &str) -> Self {
        Self {
            store: store.clone(),
            prefix: keys::attempt_prefix(execution, attempt),
            batcher: Batcher::default(),
            writes: JoinSet::new(),
            written: BTreeMap::new(),
            file_count: 0,
            bytes: 0,
        }
    }

    /// Adds a file.
    ///
    /// # Errors
    /// As [`Error::aws`], also of a batch before.
    pub(crate) async fn push(&mut self, file: SourceFile) -> Result<()> {
        self.file_count += 1;
        self.bytes += file.size;
        match self.batcher.push(file) {
            Some(files) => self.write(files).await,
            None => Ok(()),
        }
    }

    /// Whether no file was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.file_count == 0
    }

    async fn write(&mut self, mut files: Vec<SourceFile>) -> Result<()> {
        // Whichever page came first: an error names the first bad rows of a batch.
        files.sort_by(|one, next| one.key.cmp(&next.key));
        if self.writes.len() == MAX_WRITES {
            self.end_a_write().await?;
        }
        let index = self.written.len() + self.writes.len();
        let key = format!("{}batch-{index:05}.json", self.prefix);
        let store = self.store.clone();
        self.writes.spawn(async move { (index, store.write_json(&key, &BatchManifest { files }).await) });
        Ok(())
    }

    /// Waits for one of the writes under way; says whether there was one.
    async fn end_a_write(&mut self) -> Result<bool> {
        let Some(ended) = self.writes.join_next().await else { return Ok(false) };
        let (index, reference) =
            ended.map_err(|failure| Error::caused(Kind::InvariantBroken, "write a batch", failure))?;
        self.written.insert(index, reference?);
        Ok(true)
    }

    /// Writes the last batch, and when all are written the run's manifest.
    ///
    /// # Errors
    /// As [`Error::aws`].
    pub(crate) async fn finish(mut self, heading: Heading) -> Result<DetectOutput> {
        if let Some(files) = self.batcher.rest() {
            self.write(files).await?;
        }
        while self.end_a_write().await? {}
        let batches = (0..).take(self.written.len()).map(|index| BatchIndex { index }).collect();
        let Heading { detected_at, skipped, assumed, print, reload, is_reload_by_itself, ended_badly } = heading;
        let manifest = Manifest {
            detected_at: format_time(detected_at),
            new_file_count: self.file_count,
            new_bytes: self.bytes,
            skipped,
            assumed,
            print,
            reload,
            is_reload_by_itself,
            ended_badly,
            batches: self.written.into_values().collect(),
        };
        let manifest = match manifest.new_file_count {
            0 => None,
            _ => Some(self.store.write_json(&format!("{}manifest.json", self.prefix), &manifest).await?),
        };
        Ok(DetectOutput {
            new_file_count: self.file_count,
            new_bytes: self.bytes,
            files_skipped: skipped.total(),
            skipped,
            batches,
            manifest,
            reload,
            ..DetectOutput::default()
        })
    }
}
