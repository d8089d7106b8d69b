//! What is asked of the bucket.

use super::Source;
use crate::files::Object;
use crate::model::Job;
use crate::pace::Tokens;
use crate::records;
use crate::trouble::{Answer, Trouble};
use crate::zone::now;
use aws_sdk_s3::primitives::ByteStream;
use sluice::contract::{Execution, LedgerEntry, Loaded, keys};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many objects are listed: of a prefix, and of a ledger, of which each run has a few.
const MOST_OBJECTS: usize = 5_000;
const MOST_ENTRIES: usize = 20_000;

/// Objects that are listed, and whether there are more.
type Listing = (Vec<Object>, bool);

/// How long after its last page a listing is gone on with, in milliseconds: what came or went under its first pages
/// meanwhile is not in it.
const GOES_ON_FOR: i64 = 120_000;

/// How far a listing came: its objects so far, the token of the next page, and when the last one came, in milliseconds
/// since 1970.
type Begun = (Vec<Object>, Option<String>, i64);

/// What is listed: a prefix of a bucket, and whether it is a folder, without those in it.
type Place = (String, String, bool);

/// Listings that are begun: the next question goes on behind the pages that were read.
#[derive(Default)]
pub(super) struct Listings(Mutex<HashMap<Place, Begun>>);

impl Listings {
    /// Takes that of a place, unless it is too old.
    fn take(&self, place: &Place, at: i64) -> Option<Begun> {
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listings.retain(|_, (.., last)| at - *last < GOES_ON_FOR);
        listings.remove(place)
    }

    fn put(&self, place: Place, listing: Begun) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, listing);
    }
}

impl Source {
    /// An object, as it is: the record of a run or a window.
    pub async fn object(&self, bucket: &str, key: &str) -> Answer<Vec<u8>> {
        let body = self.opened(bucket, key).await?.collect().await;
        Ok(body.map_err(|error| Trouble::Other(error.to_string()))?.to_vec())
    }

    /// An object, as it comes: a quarantine file, which may be large.
    pub async fn opened(&self, bucket: &str, key: &str) -> Answer<ByteStream> {
        let answer = self.s3.get_object().bucket(bucket).key(key).send().await;
        Ok(answer.map_err(|error| Trouble::of(&error))?.body)
    }

    /// The objects under a prefix; `None` until the last page is read, one in each call, as of all listings here.
    pub async fn input(&self, bucket: &str, prefix: &str) -> Answer<Option<Listing>> {
        self.list(bucket, prefix, false, MOST_OBJECTS).await
    }

    /// The quarantine files of all runs: keys and sizes, the newest first.
    pub async fn quarantine_files(&self, bucket: &str, job: &str) -> Answer<Option<Vec<Object>>> {
        let listing = self.list(bucket, &format!("quarantine/{job}/"), false, MOST_OBJECTS).await?;
        Ok(listing.map(|(mut objects, _)| {
            // Beside them lie keys that are named.
            objects.retain(is_of_rows);
            objects.sort_by_key(|object| std::cmp::Reverse(object.modified));
            objects
        }))
    }

    /// Those of one run, all pages at once, in the order of their keys. Before each call but the first, a token is
    /// taken.
    pub async fn quarantine_of(&self, bucket: &str, job: &str, run: &str, tokens: &Tokens) -> Answer<Vec<Object>> {
        let place = (bucket.to_owned(), format!("quarantine/{job}/{run}/"), false);
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            self.page(&place, &mut found, &mut next).await?;
            if next.is_none() || found.len() >= MOST_OBJECTS {
                found.retain(is_of_rows);
                found.sort_by(|a, b| a.key.cmp(&b.key));
                return Ok(found);
            }
            tokens.take().await;
        }
    }

    /// One more page of a listing, so that a long one keeps no other question waiting.
    async fn list(&self, bucket: &str, prefix: &str, is_folder: bool, most: usize) -> Answer<Option<Listing>> {
        let place = (bucket.to_owned(), prefix.to_owned(), is_folder);
        let (mut found, mut next, last) = self.begun.take(&place, now()).unwrap_or((Vec::new(), None, now()));
        match self.page(&place, &mut found, &mut next).await {
            Ok(()) if next.is_none() || found.len() >= most => return Ok(Some((found, next.is_some()))),
            Ok(()) => self.begun.put(place, (found, next, now())),
            // A token that is refused is of no more use.
            Err(Trouble::Other(text)) => return Err(Trouble::Other(text)),
            Err(trouble) => {
                self.begun.put(place, (found, next, last));
                return Err(trouble);
            }
        }
        Ok(None)
    }

    /// Reads the page of this token behind those that were found; then it is that of the next one, if there is one.
    async fn page(
        &self,
        (bucket, prefix, is_folder): &Place,
        found: &mut Vec<Object>,
        next: &mut Option<String>,
    ) -> Answer<()> {
        let ask = self.s3.list_objects_v2().bucket(bucket).prefix(prefix);
        // Without those of folders in it.
        let ask = ask.set_delimiter(is_folder.then(|| "/".to_owned())).set_continuation_token(next.clone());
        let answer = ask.send().await.map_err(|error| Trouble::of(&error))?;
        found.extend(answer.contents.unwrap_or_default().into_iter().filter_map(object));
        *next = answer.next_continuation_token;
        Ok(())
    }

    /// What runs of a job wrote down that are not known: their executions and records, the newest first.
    pub async fn records(&self, bucket: &str, job: &Job) -> Answer<Option<Vec<(String, Object)>>> {
        let listing = self.list(bucket, &records::folder(&job.name), true, MOST_OBJECTS).await?;
        Ok(listing.map(|(objects, _)| records::unknown(job, objects)))
    }

    /// Which records of windows of a job there are, the newest first.
    pub async fn window_records(&self, bucket: &str, job: &Job) -> Answer<Option<Vec<Object>>> {
        let listing = self.list(bucket, &records::folder(&job.name), false, MOST_OBJECTS).await?;
        Ok(listing.map(|(objects, _)| records::of_windows(job, objects)))
    }

    /// What is recorded as loaded by a job, as of its last load; `None` if nothing is.
    pub async fn loaded(&self, bucket: &str, job: &str) -> Answer<Option<Loaded>> {
        self.document(bucket, &keys::loaded(job)).await
    }

    /// The entries of a job's ledger, in their order.
    pub async fn ledger(&self, bucket: &str, job: &Job) -> Answer<Option<Listing>> {
        let listing = self.list(bucket, &keys::ledger_prefix(&execution(job)), false, MOST_ENTRIES).await?;
        Ok(listing.map(|(mut entries, is_cut)| {
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            (entries, is_cut)
        }))
    }

    /// One of them; `None` if it has gone meanwhile.
    pub async fn ledger_entry(&self, bucket: &str, key: &str) -> Answer<Option<LedgerEntry>> {
        self.document(bucket, key).await
    }

    async fn document<T: serde::de::DeserializeOwned>(&self, bucket: &str, key: &str) -> Answer<Option<T>> {
        let bytes = match self.object(bucket, key).await {
            Ok(bytes) => bytes,
            Err(Trouble::Missing) => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| Trouble::Other(format!("{key} is not understood: {error}")))
    }
}

/// As much of an execution as says where a job's documents are.
fn execution(job: &Job) -> Execution {
    Execution {
        job: job.name.clone(),
        id: String::new(),
        name: String::new(),
        started_at: String::new(),
        state_machine: job.machine.clone(),
    }
}

/// Whether an object of the quarantine holds bad rows.
fn is_of_rows(object: &Object) -> bool {
    object.key.ends_with(".csv")
}

fn object(object: aws_sdk_s3::types::Object) -> Option<Object> {
    Some(Object {
        key: object.key?,
        etag: object.e_tag.unwrap_or_default(),
        size: object.size.unwrap_or_default().unsigned_abs(),
        modified: object.last_modified.and_then(|at| at.to_millis().ok()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_is_begun_is_gone_on_with_once_and_not_for_ever() {
        let listings = Listings::default();
        let place = |bucket: &str, is_folder| (bucket.to_owned(), "in/".to_owned(), is_folder);
        for (bucket, last) in [("one", 1_000), ("other", 2_000)] {
            listings.put(place(bucket, false), (Vec::new(), Some(bucket.to_owned()), last));
        }
        assert_eq!(listings.take(&place("one", true), 2_000), None);
        assert_eq!(listings.take(&place("one", false), 2_000), Some((Vec::new(), Some("one".to_owned()), 1_000)));
        assert_eq!(listings.take(&place("one", false), 2_000), None);
        assert_eq!(listings.take(&place("other", false), 2_000 + GOES_ON_FOR), None);
    }
}
