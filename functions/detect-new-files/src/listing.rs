//! The objects under a prefix, each once, in no particular order: many pages are asked for at the same time.

use crate::ranges::{KeyRange, Page, Ranges};
use crate::selection::Listed;
use aws_sdk_s3::types::Object;
use sluice::store::Store;
use sluice::{Error, Kind, Result};
use tokio::task::JoinSet;

/// A listing under way. What it has asked for ends with it.
pub(crate) struct Listing {
    store: Store,
    prefix: String,
    ranges: Ranges,
    requests: JoinSet<Result<(KeyRange, Page)>>,
}

impl Listing {
    /// Asks for the first page.
    pub(crate) fn start(store: &Store, prefix: &str) -> Self {
        let mut listing = Self {
            store: store.clone(),
            prefix: prefix.to_owned(),
            ranges: Ranges::new(prefix),
            requests: JoinSet::new(),
        };
        listing.request(Ranges::whole());
        listing
    }

    /// The objects of another page, in the order of their keys; none: that was all.
    ///
    /// # Errors
    /// As [`Error::aws`], from whichever page it is.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Listed>>> {
        let Some(answered) = self.requests.join_next().await else { return Ok(None) };
        let answered = answered.map_err(|failure| Error::caused(Kind::InvariantBroken, "the listing", failure))?;
        let (range, mut page) = answered?;
        for range in self.ranges.next(range, &mut page, self.requests.len())? {
            self.request(range);
        }
        Ok(Some(page.objects))
    }

    /// In a task of its own, so that it goes on while the objects of another page are looked at.
    fn request(&mut self, range: KeyRange) {
        self.requests.spawn(page(self.store.clone(), self.prefix.clone(), range));
    }
}

async fn page(store: Store, prefix: String, range: KeyRange) -> Result<(KeyRange, Page)> {
    let request = store.client().list_objects_v2().bucket(store.bucket()).prefix(&prefix);
    let request = request.set_start_after(range.after.clone()).set_continuation_token(range.token.clone());
    let answer = request.send().await.map_err(|error| Error::aws(format!("list {prefix}"), error))?;
    let contents = answer.contents.unwrap_or_default();
    // Not collected: that would take over the memory of the much larger items.
    let mut objects = Vec::with_capacity(contents.len());
    for object in contents {
        objects.push(listed(object)?);
    }
    let token = answer.next_continuation_token.filter(|token| !token.is_empty());
    Ok((range, Page { objects, token }))
}

/// What is needed of a listed object.
///
/// # Errors
/// `InvariantBroken` if the service left any of it out: an object must not be passed over for that.
pub(crate) fn listed(object: Object) -> Result<Listed> {
    let size = object.size.and_then(|size| u64::try_from(size).ok());
    let (Some(key), Some(etag), Some(size), Some(modified)) = (object.key, object.e_tag, size, object.last_modified)
    else {
        return Err(Error::new(
            Kind::InvariantBroken,
            "the listing has an object without key, entity tag, size or date",
        ));
    };
    Ok(Listed { key, etag, size, modified })
}
