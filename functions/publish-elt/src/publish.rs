//! What must hold before a table and its file are published, and in which order that is done.
//!
//! The file goes first, then the table. Whoever dies between leaves each of them whole, one of them newer; the retry or
//! the next run ends it.

use crate::changed::what_changed;
use crate::clean::{delete, delete_below, delete_earlier_results};
use crate::context::Context;
use crate::copy::{Copy, conditions};
use crate::counter::Counter;
use crate::parts::{self, Part};
use crate::placed::{self, Placed, head, length, placed};
use crate::places;
use crate::swap::{Kept, Version, versions};
use aws_sdk_glue::types::Table;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use sluice::contract::athena_elt::{Counts, OnEmpty, PublishInput, Published, QueryResult, Spec, Target};
use sluice::contract::keys;
use sluice::edge::Invocation;
use sluice::store::{Condition, Pinned};
use sluice::{Error, Kind, Result, lock};
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;
use tracing::warn;

/// How long before Lambda's deadline the counting is given up, so that its error reaches the state machine.
const DEADLINE_MARGIN: Duration = Duration::from_secs(30);

const CSV: &str = "text/csv; charset=utf-8";

/// What is to be placed, counted.
enum Counted<'a> {
    /// A result file of Athena, in the run's own folder.
    File { key: Cow<'a, str>, etag: String, rows: u64, bytes: u64 },
    /// The table's own files.
    Parts(Vec<Part>),
}

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
    /// `StaleRun` if the run has lost its lock, a newer one has published, or files or the definition of a source
    /// changed while they were read; `InvalidSource` if there is no row; `Misconfigured` over a table or file of
    /// somebody else's; `InvariantBroken` if table and file differ.
    pub(crate) async fn run(&self) -> Result<Published> {
        let Self { context, input, spec, target, .. } = self;
        let locked = self.has_lock().await?;
        // Before the file is looked at: what a function of an earlier run copies there until then is seen.
        delete_earlier_results(&context.store, &input.execution, locked).await?;
        let before = placed(&context.store, &target.export.key).await?;
        let current = lake::table(&context.glue, &spec.database, &target.table).await?;
        if let Some(published) = self.published_before(current.as_ref(), before.as_ref())? {
            self.tidy(&versions(current.as_ref())?).await;
            return Ok(published);
        }
        self.refuse(current.as_ref(), before.as_ref())?;
        let earlier = self.earlier(current.as_ref(), before.as_ref())?;
        let ours = before.as_ref().filter(|before| self.is_ours(before));
        // While file and table are of one version: from the copy to the swap nothing else is done.
        let earlier = if ours.is_some() { earlier } else { self.without_deleted(earlier).await };
        let (rows, bytes, built) = match ours {
            // An earlier invocation has counted and copied it, and ended before the table was swapped. Until it is,
            // file and table are of two versions, so nothing else is asked any more.
            Some(before) => (before.rows, before.bytes, self.built().await?.0),
            None => self.count_and_place(before.as_ref()).await?,
        };
        let owner = lake::owner(context.store.bucket(), &input.execution.job);
        let version = Version {
            database: &spec.database,
            table: &target.table,
            owner: &owner,
            version: &input.build.query_id,
            locked_at: &input.locked_at,
            keep: target.keep_versions,
        };
        let versions = version.publish(&context.glue, &built, current.as_ref(), earlier).await?;
        self.tidy(&versions).await;
        Ok(self.published(rows, bytes, lake::location(&built)))
    }

    /// Copies the file to its place, once it is counted. Rows, bytes, and the table that was built.
    async fn count_and_place(&self, before: Option<&Placed>) -> Result<(u64, u64, Table)> {
        let Self { context, target, .. } = self;
        self.sources_unchanged().await?;
        let (built, prefix) = self.built().await?;
        let counted = match target.export.folder() {
            None => self.counted_file(&built).await?,
            Some(_) => self.counted_parts(&built, &prefix).await?,
        };
        let (rows, bytes) = counted.totals();
        if rows == 0 && target.on_empty == OnEmpty::Fail {
            let what = format!("there is no row for {}; what was published stays", target.table);
            return Err(Error::new(Kind::InvalidSource, what));
        }
        let length = self.place(&counted, before).await?;
        let there = placed(&context.store, &target.export.key).await?;
        if there.is_none_or(|there| !self.is_ours(&there) || there.length != length) {
            let what = format!("{} is not what was copied there: somebody else writes it too", target.export.key);
            return Err(Error::new(Kind::TransientFailure, what));
        }
        Ok((rows, bytes, built))
    }

    /// The versions that somebody may be reading: those of the table, and that of the manifest which stood at the place
    /// before this run's, and whose run may have died before it changed the table.
    fn earlier(&self, current: Option<&Table>, before: Option<&Placed>) -> Result<Vec<Kept>> {
        let Self { context, input, target, .. } = self;
        let mut earlier = versions(current)?;
        let before = before.filter(|_| target.export.folder().is_some());
        let replaced = before.and_then(|before| match self.is_ours(before) {
            true => before.replaced.as_deref(),
            false => before.version.as_deref(),
        });
        let is_known = |id: &str| earlier.iter().any(|version| places::query_id(&version.location) == id);
        if let Some(id) = replaced.filter(|id| !is_known(id)) {
            let location = context.places(&input.execution.job, &target.table).location(id);
            earlier.push(Kept::from_now_on(location));
        }
        Ok(earlier)
    }

    /// Whether what stands at the place is of this run's own table.
    fn is_ours(&self, there: &Placed) -> bool {
        there.version.as_ref() == Some(&self.input.build.query_id)
    }

    fn published(&self, rows: u64, bytes: u64, location: &str) -> Published {
        let Self { context, input, target, .. } = self;
        let queries = [Some(&input.build), input.export.as_ref(), Some(&input.verify)].into_iter().flatten();
        Published {
            table: target.table.clone(),
            rows,
            bytes,
            to: format!("s3://{}/{}", context.store.bucket(), target.export.key),
            location: location.to_owned(),
            scanned_bytes: queries.map(|query| query.scanned_bytes).sum(),
        }
    }

    /// Since when the run has the job's lock.
    async fn has_lock(&self) -> Result<DateTime> {
        let what = "this run no longer has the job's lock: it was given up for dead or has ended; start a new one";
        let since = lock::held_since(&self.context.store, &self.input.execution).await?;
        since.ok_or_else(|| Error::new(Kind::StaleRun, what))
    }

    /// What an earlier invocation of this state has published, whose answer was lost.
    fn published_before(&self, current: Option<&Table>, there: Option<&Placed>) -> Result<Option<Published>> {
        let version = &self.input.build.query_id;
        let current = current.filter(|table| lake::parameter(table, lake::VERSION) == version);
        let (Some(current), Some(there)) = (current, there.filter(|there| self.is_ours(there))) else {
            return Ok(None);
        };
        let newest = versions(Some(current))?.into_iter().next();
        let location = newest.map(|newest| newest.location).unwrap_or_default();
        Ok(Some(self.published(there.rows, there.bytes, &location)))
    }

    /// Not over something of somebody else's, nor over something newer.
    fn refuse(&self, current: Option<&Table>, there: Option<&Placed>) -> Result<()> {
        let Self { context, input, spec, target, .. } = self;
        let owner = lake::owner(context.store.bucket(), &input.execution.job);
        if there.is_some_and(|there| !there.is_of(&owner)) {
            let what = format!(
                "the file {} is there already, and not of this job; move or delete it, or choose another `to`",
                target.export.key
            );
            return Err(Error::new(Kind::Misconfigured, what));
        }
        let Some(current) = current else { return Ok(()) };
        let name = format!("{}.{}", spec.database, target.table);
        if !lake::is_owned(current, &owner) {
            let what = format!("the table {name} is not of this job; choose another name, or drop it");
            return Err(Error::new(Kind::Misconfigured, what));
        }
        if lake::parameter(current, lake::LOCKED_AT) > input.locked_at.as_str() {
            let what = format!("a run that read its sources later has published {name}");
            return Err(Error::new(Kind::StaleRun, what));
        }
        Ok(())
    }

    /// Of this run a source that has changed is never again what it was, so no retry helps.
    async fn sources_unchanged(&self) -> Result<()> {
        let (Self { context, .. }, database) = (self, &self.spec.database);
        for (name, source) in &self.spec.sources {
            let before = self.input.found.get(name);
            let table = lake::table(&context.glue, database, name).await?;
            let definition = table.as_ref().map(lake::definition).transpose()?;
            if before.is_none_or(|before| definition.as_ref() != Some(&before.definition)) {
                let what = format!(
                    "somebody changed or dropped the table {database}.{name} while it was read; the next run takes it \
                     as it is then"
                );
                return Err(Error::new(Kind::StaleRun, what));
            }
            let fingerprint = lake::fingerprint(&context.store, &source.prefix).await?;
            let Some(before) = before.filter(|before| before.fingerprint != fingerprint) else { continue };
            let (store, execution) = (&context.store, &self.input.execution);
            let changed = what_changed(store, execution, (name, before), &source.prefix).await?;
            let what = format!(
                "files of {name} changed while they were read: {changed}; the next run takes them as they are then"
            );
            return Err(Error::new(Kind::StaleRun, what));
        }
        Ok(())
    }

    /// The table that was built, and the prefix of its files: those that its query has made, and nobody else's.
    async fn built(&self) -> Result<(Table, String)> {
        let Self { context, input, target, .. } = self;
        let name = input.build.staging.as_deref().unwrap_or_default();
        let built = lake::table(&context.glue, &self.spec.database, name).await?;
        let gone = || Error::new(Kind::InvariantBroken, format!("the table {name:?} that was built is gone"));
        let built = built.ok_or_else(gone)?;
        let (location, query_id) = (lake::location(&built), &input.build.query_id);
        let prefix = context.places(&input.execution.job, &target.table).version(location);
        let prefix = prefix.filter(|prefix| places::query_id(prefix) == query_id).ok_or_else(|| {
            let what = format!("the files of {name} are at {location}, where the query {query_id} does not put them");
            Error::new(Kind::Misconfigured, what)
        })?;
        Ok((built, prefix))
    }

    /// The result file, which holds as many rows as the table, and of each column as many values with texts as long.
    async fn counted_file(&self, built: &Table) -> Result<Counted<'_>> {
        let (key, head) = self.result_file().await?;
        let rows = self.count(built, key, &head).await?;
        let (etag, bytes) = (head.e_tag().unwrap_or_default().to_owned(), length(&head)?);
        let (key, etag) = self.own(key, etag, bytes).await?;
        Ok(Counted::File { key, etag, rows, bytes })
    }

    /// The result file in the run's own folder, where a run that takes the lock over deletes it. A workgroup that
    /// decides itself where results go puts it among those of others: then this is a copy of it.
    async fn own<'a>(&self, key: &'a str, etag: String, bytes: u64) -> Result<(Cow<'a, str>, String)> {
        let store = &self.context.store;
        let own = keys::query_results(&self.input.execution);
        if key.starts_with(&own) {
            return Ok((key.into(), etag));
        }
        let to = format!("{own}{}", key.rsplit('/').next().unwrap_or(key));
        let (content_type, metadata) = (CSV, HashMap::new());
        Copy { from: key, etag: &etag, bytes, to: &to, content_type, over: None, metadata }.run(store).await?;
        let gone = || Error::new(Kind::InvariantBroken, format!("{to} was copied, but it is not there"));
        let head = head(store, &to).await?.ok_or_else(gone)?;
        Ok((to.into(), head.e_tag().unwrap_or_default().to_owned()))
    }

    /// The table's own files, the same.
    async fn counted_parts(&self, built: &Table, prefix: &str) -> Result<Counted<'_>> {
        let parts = parts::parts(&self.context.store, prefix).await?;
        let wanted = self.wanted()?;
        self.same_rows(wanted.rows, parts::totals(&parts).0)?;
        parts::check(&parts, &lake::columns(built), wanted)
            .map_err(|what| Error::new(Kind::InvariantBroken, format!("{}: {what}", self.target.table)))?;
        Ok(Counted::Parts(parts))
    }

    /// Puts the file, or the files and then their manifest, to its place, over what was there before; returns the
    /// length of what stands there then.
    ///
    /// Counting may have taken minutes, and copying may, too. Whoever has the lock afterwards puts something else over
    /// what was there: so right before the request that shows it the lock has to be this run's still.
    async fn place(&self, counted: &Counted<'_>, before: Option<&Placed>) -> Result<u64> {
        let Self { context, input, target, .. } = self;
        let (rows, bytes) = counted.totals();
        let (key, version) = (&target.export.key, &input.build.query_id);
        let owner = lake::owner(context.store.bucket(), &input.execution.job);
        let metadata = placed::metadata(&owner, version, before, rows, bytes);
        let over = before.map_or(Condition::Absent, |before| Condition::Matches(&before.etag));
        match counted {
            Counted::File { key: from, etag, .. } => {
                let copy = Copy { from, etag, bytes, to: key, content_type: CSV, over: Some(over), metadata };
                let begun = copy.begin(&context.store).await?;
                if let Err(lost) = self.has_lock().await {
                    begun.abandon(&context.store).await;
                    return Err(lost);
                }
                begun.end(&context.store).await.map(|()| bytes)
            }
            Counted::Parts(parts) => {
                let folder = target.export.folder().and_then(|folder| places::exported(&folder, version));
                let unnamed = || Error::new(Kind::InvariantBroken, format!("{version:?} is no id of a query"));
                let manifest = parts::copy(&context.store, parts, &folder.ok_or_else(unnamed)?).await?;
                let body = serde_json::to_vec_pretty(&manifest);
                let body = body.map_err(|error| Error::caused(Kind::InvariantBroken, "encode the manifest", error))?;
                let length = body.len() as u64;
                self.has_lock().await?;
                let put = context.store.client().put_object().bucket(context.store.bucket()).key(key);
                let (absent, etag) = conditions(Some(over));
                let put = put.set_if_none_match(absent).set_if_match(etag);
                let put = put.content_type("application/json").set_metadata(Some(metadata)).body(body.into());
                put.send().await.map_err(|error| Error::aws(format!("write {key}"), error))?;
                Ok(length)
            }
        }
    }

    fn wanted(&self) -> Result<&Counts> {
        let wanted = self.input.verify.counts.as_ref();
        wanted.ok_or_else(|| Error::new(Kind::InvalidEvent, "the count of the table is missing"))
    }

    /// Rows built, rows in the table and rows in the file must be as many.
    fn same_rows(&self, in_table: u64, in_file: u64) -> Result<()> {
        let built = self.input.build.rows.unwrap_or_default();
        if in_file == built && in_file == in_table {
            return Ok(());
        }
        let table = &self.target.table;
        let what = format!("{table}: {built} rows were built, {in_table} are in the table, {in_file} in the file");
        Err(Error::new(Kind::InvariantBroken, what))
    }

    fn export(&self) -> Result<&QueryResult> {
        let export = self.input.export.as_ref();
        export.ok_or_else(|| Error::new(Kind::InvalidEvent, "the result of the export is missing"))
    }

    /// The result file's key. That Athena calls a query SUCCEEDED does not prove that its file is there.
    async fn result_file(&self) -> Result<(&str, HeadObjectOutput)> {
        let (store, output) = (&self.context.store, &self.export()?.output);
        let key = places::key(store.bucket(), output).ok_or_else(|| {
            let what = format!("the workgroup puts results into another bucket: {output}");
            Error::new(Kind::Misconfigured, what)
        })?;
        let missing =
            || Error::new(Kind::InvariantBroken, format!("Athena says that {key} is written, but it is not there"));
        Ok((key, head(store, key).await?.ok_or_else(missing)?))
    }

    async fn count(&self, built: &Table, key: &str, head: &HeadObjectOutput) -> Result<u64> {
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
        let wanted = self.wanted()?;
        self.same_rows(wanted.rows, counts.rows)?;
        let differing =
            columns.iter().zip(counts.columns.iter().zip(&wanted.columns)).find(|(_, (one, other))| one != other);
        if let Some((column, (there, wanted))) = differing {
            let what = format!(
                "{}: the file holds {} values with {} characters in the column {}, the table {} with {}",
                self.target.table, there.values, there.characters, column.name, wanted.values, wanted.characters
            );
            return Err(Error::new(Kind::InvariantBroken, what));
        }
        Ok(counts.rows)
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

    /// Deletes the files of a version that is dropped. Whether it could: what does not lie where queries of the job put
    /// tables is left alone.
    async fn delete_version(&self, location: &str) -> Result<bool> {
        let Self { context, input, target, .. } = self;
        let Some(prefix) = context.places(&input.execution.job, &target.table).version(location) else {
            return Ok(false);
        };
        delete_below(&context.store, &prefix).await?;
        let id = places::query_id(location);
        if let Some(exported) = target.export.folder().and_then(|folder| places::exported(&folder, id)) {
            delete_below(&context.store, &exported).await?;
        }
        Ok(true)
    }

    /// Without those that were dropped before and whose files are gone: now, if whoever dropped them died before that.
    async fn without_deleted(&self, versions: Vec<Kept>) -> Vec<Kept> {
        let mut left = Vec::new();
        for version in versions {
            let deleted = if version.is_dropped { self.delete_version(&version.location).await } else { Ok(false) };
            if !deleted.unwrap_or_else(left_behind) {
                left.push(version);
            }
        }
        left
    }

    /// Deletes results that were copied, and versions that are dropped. What is left a later run deletes.
    async fn tidy(&self, versions: &[Kept]) {
        let Self { context, input, .. } = self;
        let bucket = context.store.bucket();
        let results = input.export.iter().chain([&input.verify]);
        let results = results.filter_map(|query| places::key(bucket, &query.output));
        let keys = results.flat_map(|key| [key.to_owned(), format!("{key}.metadata")]).collect();
        if let Err(problem) = delete(&context.store, keys).await {
            left_behind(problem);
        }
        for version in versions.iter().filter(|version| version.is_dropped) {
            self.delete_version(&version.location).await.unwrap_or_else(left_behind);
        }
    }
}

/// Says why something was not deleted, which it was not.
fn left_behind(problem: Error) -> bool {
    warn!(error.kind = %problem.kind(), "left behind: {problem}");
    false
}

impl Counted<'_> {
    /// Rows and bytes.
    fn totals(&self) -> (u64, u64) {
        match self {
            Self::File { rows, bytes, .. } => (*rows, *bytes),
            Self::Parts(parts) => parts::totals(parts),
        }
    }
}
