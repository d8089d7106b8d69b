//! The records of windows that runs have left in the bucket: an object each, so they are read a few at a time, and
//! kept.

use super::Poller;
use crate::files::Object;
use crate::model::LoadedWindow;
use crate::records;
use crate::trouble::{Answer, Trouble};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far the records of a job's windows are read.
#[derive(Default)]
pub(super) struct WindowRecords {
    /// Whether what the cache has was taken over.
    is_begun: bool,
    unread: Vec<Object>,
    /// By their keys; `None` for what is not understood.
    read: BTreeMap<String, Option<LoadedWindow>>,
}

impl Poller {
    /// Some of the records of a job's windows, the newest first; those that the cache has are never read again.
    pub(super) async fn ask_window_records(&mut self, name: &str) -> Answer<i64> {
        let (bucket, job) = {
            let stack = self.shared.stack();
            (stack.bucket.clone(), stack.jobs.get(name).cloned())
        };
        let Some(job) = job else { return Ok(60_000) };
        let at_once = self.at_once();
        let known = self.records.entry(name.to_owned()).or_default();
        if !known.is_begun {
            known.is_begun = true;
            known.read = self.cache.as_ref().map(|cache| cache.read_windows(&job.machine)).unwrap_or_default();
        }
        let count = known.unread.len().min(at_once);
        if count == 0 {
            let Some(found) = self.source.window_records(&bucket, &job).await? else { return Ok(0) };
            known.unread = found.into_iter().filter(|object| !known.read.contains_key(&object.key)).collect();
        }
        for (place, object) in known.unread[..count].iter().enumerate() {
            // It was read before another one of these went wrong.
            if known.read.contains_key(&object.key) {
                continue;
            }
            if place > 0 {
                self.tokens.take().await;
            }
            let bytes = match self.source.object(&bucket, &object.key).await {
                // Somebody has deleted it since it was listed.
                Err(Trouble::Missing) => continue,
                answer => answer?,
            };
            let window = records::window(&job, &object.key, &String::from_utf8_lossy(&bytes));
            known.read.insert(object.key.clone(), window);
        }
        known.unread.drain(..count);
        let unread = known.unread.len();
        if let Some(cache) = self.cache.as_ref().filter(|_| count > 0) {
            cache.write_windows(&job.machine, &known.read);
        }
        let windows = Arc::new(known.read.values().flatten().cloned().collect());
        self.shared.change(|stack| {
            if let Some(job) = stack.jobs.get_mut(name) {
                (job.windows, job.unread_windows) = (Some(windows), unread);
            }
        });
        Ok(match unread {
            0 if self.shared.stack().is_account => 60_000,
            0 => 2_000,
            _ => 0,
        })
    }
}
