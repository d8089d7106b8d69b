//! What is asked of the objects of a job, a few in a turn, and put where the views find it.

use super::Poller;
use crate::model::Job;
use crate::shared::Look;
use crate::task::Task;
use crate::trouble::Answer;
use crate::zone::now;
use std::sync::Arc;

/// How many objects, such as entries of a ledger, are read in a turn on this machine; on an account it is one.
const AT_ONCE: usize = 20;

/// After how many entries what is read is shown; each time all of them are gone through.
const SHOWN_AFTER: usize = 10;

impl Poller {
    fn bucket_and_job(&self, name: &str) -> Option<(String, Job)> {
        let stack = self.shared.stack();
        Some((stack.bucket.clone(), stack.jobs.get(name)?.clone()))
    }

    /// Forgets the objects of jobs whose files nobody has looked at for a while.
    pub(super) fn forget_files(&mut self, looks: &[Look], at: i64) {
        let open = looks.iter().filter_map(|look| match look {
            Look::Files(job) => Some(job.as_str()),
            _ => None,
        });
        for name in self.shelves.forget(open, at) {
            // Whoever comes back does not wait until a listing that is gone would have been too old.
            for task in [Task::Files, Task::Ledger, Task::Quarantine] {
                self.due.remove(&task(name.clone()));
            }
            self.shared.change(|stack| {
                if let Some(job) = stack.jobs.get_mut(&name) {
                    job.files = None;
                }
            });
        }
    }

    /// How long a listing holds, in milliseconds.
    fn listed_for(&self) -> i64 {
        if self.shared.stack().is_account { 30_000 } else { 2_000 }
    }

    pub(super) fn at_once(&self) -> usize {
        if self.shared.stack().is_account { 1 } else { AT_ONCE }
    }

    /// Shows what is known of a job's objects.
    pub(super) fn show(&self, bucket: &str, job: &Job) {
        let files = self.shelves.get(&job.name).and_then(|shelf| shelf.files(bucket, job)).map(Arc::new);
        self.shared.change(|stack| {
            if let Some(job) = stack.jobs.get_mut(&job.name) {
                job.files = files;
            }
        });
    }

    pub(super) async fn ask_files(&mut self, name: &str) -> Answer<i64> {
        let Some((bucket, job)) = self.bucket_and_job(name) else { return Ok(60_000) };
        let Some(listing) = self.source.input(&bucket, &job.spec.prefix).await? else { return Ok(0) };
        let shelf = self.shelves.of(name, now());
        (shelf.listing, shelf.listed_at) = (Some(listing), now());
        self.show(&bucket, &job);
        Ok(self.listed_for())
    }

    pub(super) async fn ask_ledger(&mut self, name: &str) -> Answer<i64> {
        let Some((bucket, job)) = self.bucket_and_job(name) else { return Ok(60_000) };
        // All entries that this names are in a listing that is begun after it.
        if self.shelves.get(name).is_none_or(|shelf| shelf.loaded_before.is_none()) {
            let loaded = self.source.loaded(&bucket, name).await?;
            self.shelves.of(name, now()).loaded_before = Some(loaded);
            return Ok(0);
        }
        let Some((entries, is_cut)) = self.source.ledger(&bucket, &job).await? else { return Ok(0) };
        let shelf = self.shelves.of(name, now());
        shelf.loaded = shelf.loaded_before.take();
        shelf.list_ledger(entries, is_cut);
        self.show(&bucket, &job);
        Ok(self.listed_for())
    }

    pub(super) async fn ask_entries(&mut self, name: &str) -> Answer<i64> {
        let Some((bucket, job)) = self.bucket_and_job(name) else { return Ok(60_000) };
        for place in 0..self.at_once() {
            let Some(object) = self.shelves.get(name).and_then(|shelf| shelf.next_entry()) else { break };
            if place > 0 {
                self.tokens.take().await;
            }
            let entry = self.source.ledger_entry(&bucket, &object.key).await?;
            if let Some(shelf) = self.shelves.get_mut(name) {
                shelf.put_entry(object, entry);
            }
        }
        let shelf = self.shelves.get(name);
        if shelf.is_some_and(|shelf| shelf.next_entry().is_none() || shelf.entry_count() % SHOWN_AFTER == 0) {
            self.show(&bucket, &job);
        }
        Ok(0)
    }

    pub(super) async fn ask_quarantine(&mut self, name: &str) -> Answer<i64> {
        let Some((bucket, job)) = self.bucket_and_job(name) else { return Ok(60_000) };
        let Some(objects) = self.source.quarantine_files(&bucket, name).await? else { return Ok(0) };
        self.shelves.of(name, now()).list_quarantine(objects);
        self.show(&bucket, &job);
        Ok(self.listed_for())
    }

    pub(super) async fn ask_quarantined(&mut self, name: &str) -> Answer<i64> {
        let Some((bucket, job)) = self.bucket_and_job(name) else { return Ok(60_000) };
        let Some(object) = self.shelves.get(name).and_then(|shelf| shelf.next_quarantined()) else { return Ok(0) };
        let text = match self.source.object(&bucket, &object.key).await {
            Err(crate::trouble::Trouble::Missing) => Vec::new(),
            answer => answer?,
        };
        if let Some(shelf) = self.shelves.get_mut(name) {
            shelf.put_quarantined(object, &text);
        }
        self.show(&bucket, &job);
        Ok(0)
    }
}
