//! What must hold before a table and its file are published, and in which order that is done.
//!
//! The file goes first, then the table. Whoever dies between leaves each of them whole, one of them newer; the retry or
//! the next run ends it.

use crate::clean::{delete, delete_below};
use crate::context::Context;
use crate::copy::Copy;
use crate::counter::Counter;
use crate::places;
use crate::swap::{Version, versions};
use aws_sdk_glue::types::Table;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use sluice::contract::athena_elt::{Counts, OnEmpty, PublishInput, Published, Spec, Target};
use sluice::edge::Invocation;
use sluice::store::Pinned;
use sluice::{Error, Kind, Result, lock};
use std::collections::HashMap;
use std::time::Duration;
use tracing::warn;

/// How long before Lambda's deadline the counting is given up, so that its error reaches the state machine.
const DEADLINE_MARGIN: Duration = Duration::from_secs(30);

/// Metadata of the file: which query made the table that it is of, and how many rows it has.
const FILE_VERSION: &str = "sluice-version";
const FILE_ROWS: &str = "sluice-rows";

/// A table and its file on their way.
pub(crate) struct Publication<'a> {
    pub(crate) context: &'a Context,
    pub(crate) invocation: &'a Invocation,
    pub(crate) input: &'a PublishInput,
    pub(crate) spec: &'a Spec,
    pub(crate) target: &'a Target,
}

impl Publication<'_> {
    /// Publishes both, or neither for a reason.
    ///
    /// # Errors
    /// `StaleRun` if the run has lost its lock, or a newer one has published; `TransientFailure` if files changed while
    /// they were read; `InvalidSource` if there is no row; `Misconfigured` over a table of somebody else's;
    /// `InvariantBroken` if table and file differ.
    pub(crate) async fn run(&self) -> Result<Published> {
        let Self { context, input, spec, target, .. } = self;
        if !lock::is_of(&context.store, &input.execution).await? {
            let what = "this run no longer has the job's lock: it was given up for dead or has ended; start a new one";
            return Err(Error::new(Kind::StaleRun, what));
        }
        let current = lake::table(&context.glue, &spec.database, &target.table).await?;
        if let Some(published) = self.published_before(current.as_ref()).await? {
            self.tidy(Vec::new()).await;
            return Ok(published);
        }
        self.refuse(current.as_ref())?;
        self.sources_unchanged().await?;
        let built = self.built().await?;
        let (from, head) = self.result_file().await?;
        let counts = self.count(&built, from, &head).await?;
        if counts.rows == 0 && target.on_empty == OnEmpty::Fail {
            let what = format!("there is no row for {}; what was published stays", target.table);
            return Err(Error::new(Kind::InvalidSource, what));
        }

        let bytes = length(&head)?;
        let etag = head.e_tag().unwrap_or_default();
        let metadata = HashMap::from([
            (FILE_VERSION.to_owned(), input.build.query_id.clone()),
            (FILE_ROWS.to_owned(), counts.rows.to_string()),
        ]);
        Copy { from, etag, bytes, to: &target.export.key, metadata }.run(&context.store).await?;
        let there = self
            .head(&target.export.key)
            .await?
            .filter(|there| self.is_ours(there) && length(there).ok() == Some(bytes));
        if there.is_none() {
            let what = format!("{} is not what was copied there: somebody else writes it too", target.export.key);
            return Err(Error::new(Kind::TransientFailure, what));
        }
        let owner = lake::owner(context.store.bucket(), &input.execution.job);
        let version = Version {
            database: &spec.database,
            table: &target.table,
            owner: &owner,
            version: &input.build.query_id,
            locked_at: &input.locked_at,
            keep: target.keep_versions,
        };
        let dropped = version.publish(&context.glue, &built, current.as_ref()).await?;
        self.tidy(dropped).await;
        let location = built.storage_descriptor().and_then(|storage| storage.location()).unwrap_or_default();
        Ok(self.published(counts.rows, bytes, location))
    }

    fn published(&self, rows: u64, bytes: u64, location: &str) -> Published {
        let Self { context, input, target, .. } = self;
        Published {
            table: target.table.clone(),
            rows,
            bytes,
            to: format!("s3://{}/{}", context.store.bucket(), target.export.key),
            location: location.to_owned(),
            scanned_bytes: [&input.build, &input.export, &input.verify].iter().map(|query| query.scanned_bytes).sum(),
        }
    }

    /// What an earlier invocation of this state has published, whose answer was lost.
    async fn published_before(&self, current: Option<&Table>) -> Result<Option<Published>> {
        let Some(current) = current.filter(|table| lake::parameter(table, lake::VERSION) == self.input.build.query_id)
        else {
            return Ok(None);
        };
        let Some(there) = self.head(&self.target.export.key).await?.filter(|there| self.is_ours(there)) else {
            return Ok(None);
        };
        let rows = there.metadata().and_then(|all| all.get(FILE_ROWS)?.parse().ok()).unwrap_or_default();
        let location = versions(Some(current)).into_iter().next().unwrap_or_default();
        Ok(Some(self.published(rows, length(&there)?, &location)))
    }

    /// Not over something of somebody else's, nor over something newer.
    fn refuse(&self, current: Option<&Table>) -> Result<()> {
        let Self { context, input, spec, target, .. } = self;
        let Some(current) = current else { return Ok(()) };
        let name = format!("{}.{}", spec.database, target.table);
        if !lake::is_owned(current, &lake::owner(context.store.bucket(), &input.execution.job)) {
            let what = format!("the table {name} is not of this job; choose another name, or drop it");
            return Err(Error::new(Kind::Misconfigured, what));
        }
        if lake::parameter(current, lake::LOCKED_AT) > input.locked_at.as_str() {
            let what = format!("a run that read its sources later has published {name}");
            return Err(Error::new(Kind::StaleRun, what));
        }
        Ok(())
    }

    async fn sources_unchanged(&self) -> Result<()> {
        for (name, source) in &self.spec.sources {
            let listed = lake::list(&self.context.store, &source.prefix).await?;
            let before = self.input.found.get(name).map(|found| found.fingerprint.as_str());
            if before != Some(&lake::fingerprint(&listed)) {
                let what =
                    format!("files of {name} changed while they were read; the next run takes them as they are then");
                return Err(Error::new(Kind::TransientFailure, what));
            }
        }
        Ok(())
    }

    async fn built(&self) -> Result<Table> {
        let name = self.input.build.staging.as_deref().unwrap_or_default();
        let built = lake::table(&self.context.glue, &self.spec.database, name).await?;
        built.ok_or_else(|| Error::new(Kind::InvariantBroken, format!("the table {name:?} that was built is gone")))
    }

    /// The result file's key. That Athena calls a query SUCCEEDED does not prove that its file is there.
    async fn result_file(&self) -> Result<(&str, HeadObjectOutput)> {
        let output = &self.input.export.output;
        let key = places::key(self.context.store.bucket(), output).ok_or_else(|| {
            let what = format!("the workgroup puts results into another bucket: {output}");
            Error::new(Kind::Misconfigured, what)
        })?;
        let head = self.head(key).await?;
        let missing =
            || Error::new(Kind::InvariantBroken, format!("Athena says that {key} is written, but it is not there"));
        Ok((key, head.ok_or_else(missing)?))
    }

    /// Rows built, rows in the table and rows in the file must be as many; and of each column the values, and the
    /// length of its texts.
    async fn count(&self, built: &Table, key: &str, head: &HeadObjectOutput) -> Result<Counts> {
        let time_left = self.invocation.time_left(DEADLINE_MARGIN).max(Duration::from_millis(1));
        let columns = lake::columns(built);
        let counted = tokio::time::timeout(time_left, self.count_file(key, head, &columns)).await;
        let mut counts = counted.unwrap_or_else(|_| {
            let what = format!("{key} was not counted within {} s; give the function more memory", time_left.as_secs());
            Err(Error::new(Kind::Misconfigured, what))
        })?;
        for (count, column) in counts.columns.iter_mut().zip(&columns) {
            if !column.is_text() {
                count.characters = 0;
            }
        }
        let wanted = self.input.verify.counts.as_ref();
        let wanted = wanted.ok_or_else(|| Error::new(Kind::InvalidEvent, "the count of the table is missing"))?;
        let built_rows = self.input.build.rows.unwrap_or_default();
        if counts.rows != built_rows || counts.rows != wanted.rows {
            let what = format!(
                "{}: {built_rows} rows were built, {} are in the table, {} in the file",
                self.target.table, wanted.rows, counts.rows
            );
            return Err(Error::new(Kind::InvariantBroken, what));
        }
        let differing =
            columns.iter().zip(counts.columns.iter().zip(&wanted.columns)).find(|(_, (one, other))| one != other);
        if let Some((column, (there, wanted))) = differing {
            let what = format!(
                "{}: the file holds {} values with {} characters in the column {}, the table {} with {}",
                self.target.table, there.values, there.characters, column.name, wanted.values, wanted.characters
            );
            return Err(Error::new(Kind::InvariantBroken, what));
        }
        Ok(counts)
    }

    async fn count_file(&self, key: &str, head: &HeadObjectOutput, columns: &[lake::TableColumn]) -> Result<Counts> {
        let etag = head.e_tag().unwrap_or_default();
        let Pinned::Body(mut body) = self.context.store.open(key, etag).await? else {
            return Err(Error::new(Kind::TransientFailure, format!("{key} was replaced or deleted just now")));
        };
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let broken = |what: String| Error::new(Kind::InvariantBroken, format!("{key}: {what}"));
        let mut counter = Counter::new(&names);
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| Error::caused(Kind::TransientFailure, format!("read {key}"), error))?;
            counter.feed(&bytes).map_err(broken)?;
        }
        counter.end().map_err(broken)
    }

    async fn head(&self, key: &str) -> Result<Option<HeadObjectOutput>> {
        let store = &self.context.store;
        match store.client().head_object().bucket(store.bucket()).key(key).send().await {
            Ok(head) => Ok(Some(head)),
            Err(error) if error.as_service_error().is_some_and(|service| service.is_not_found()) => Ok(None),
            Err(error) => Err(Error::aws(format!("look at {key}"), error)),
        }
    }

    fn is_ours(&self, file: &HeadObjectOutput) -> bool {
        file.metadata().and_then(|all| all.get(FILE_VERSION)) == Some(&self.input.build.query_id)
    }

    /// Results that were copied, and versions that are no longer kept. What is left the clean-up of a later run takes.
    async fn tidy(&self, dropped: Vec<String>) {
        let Self { context, input, target, .. } = self;
        let bucket = context.store.bucket();
        let results = [&input.export, &input.verify].into_iter().filter_map(|query| places::key(bucket, &query.output));
        let keys = results.flat_map(|key| [key.to_owned(), format!("{key}.metadata")]).collect();
        let mut outcome = delete(&context.store, keys).await.map(drop);
        let places = context.places(&input.execution.job, &target.table);
        for prefix in dropped.iter().filter_map(|location| places.version(location)) {
            outcome = outcome.and(delete_below(&context.store, &prefix).await.map(drop));
        }
        if let Err(problem) = outcome {
            warn!(error.kind = %problem.kind(), "left behind: {problem}");
        }
    }
}

fn length(head: &HeadObjectOutput) -> Result<u64> {
    let length = head.content_length().and_then(|length| u64::try_from(length).ok());
    length.ok_or_else(|| Error::new(Kind::InvariantBroken, "S3 does not say how long a file is"))
}
