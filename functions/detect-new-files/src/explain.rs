//! Why a file is new or not: what an operator asks when a run did not do what was expected of it.

use crate::listing::listed;
use crate::selection::Listed;
use sluice::contract::{Execution, Explanation, Loaded};
use sluice::ledger;
use sluice::reason::{Reason, Seen, View};
use sluice::store::Store;
use sluice::{Error, Result};
use std::collections::{BTreeSet, HashMap};

/// Explains each of `keys`, by what is `assumed` to be loaded.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn explain(
    store: &Store,
    execution: &Execution,
    view: &View<'_>,
    assumed: Option<&Loaded>,
    keys: &BTreeSet<String>,
) -> Result<Vec<Explanation>> {
    let mut known = match assumed {
        Some(assumed) => ledger::last_known(store, execution, assumed, view.sameness, keys).await?,
        None => HashMap::new(),
    };
    let mut explained = Vec::with_capacity(keys.len());
    for key in keys {
        let object = if key.starts_with(view.prefix) { find(store, key).await? } else { None };
        let seen =
            object.as_ref().map(|object| Seen { etag: &object.etag, size: object.size, modified: object.modified });
        let Reason { is_new, why: reason, .. } = view.reason(key, seen, known.remove(key).as_ref());
        explained.push(Explanation { key: key.clone(), is_new, reason });
    }
    Ok(explained)
}

/// The object of exactly this key: the first one of a listing by it, since keys are listed in order.
async fn find(store: &Store, key: &str) -> Result<Option<Listed>> {
    let listing = store.client().list_objects_v2().bucket(store.bucket()).prefix(key).max_keys(1).send().await;
    let listing = listing.map_err(|error| Error::aws(format!("list {key}"), error))?;
    let first = listing.contents.unwrap_or_default().into_iter().next().map(listed).transpose()?;
    Ok(first.filter(|object| object.key == key))
}
