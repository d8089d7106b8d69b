//! Why a file is new or not: what an operator asks when a run did not do what was expected of it.

use crate::listing::listed;
use crate::selection::{Listed, Window};
use sluice::contract::{Detect, Explanation};
use sluice::ledger::{self, LoadedVersion};
use sluice::store::Store;
use sluice::time::format_time;
use sluice::{Error, Result};
use std::collections::BTreeSet;

/// Explains each of `keys`, as a run that starts now would see it.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn explain(
    store: &Store,
    input: &Detect,
    window: &Window,
    keys: &BTreeSet<String>,
) -> Result<Vec<Explanation>> {
    let mut loads = ledger::last_loads(store, &input.execution, keys).await?;
    let mut explained = Vec::with_capacity(keys.len());
    for key in keys {
        let object = if key.starts_with(&input.prefix) { find(store, key).await? } else { None };
        let (is_new, reason) = reason(key, object, input, window, loads.remove(key));
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

fn reason(
    key: &str,
    object: Option<Listed>,
    input: &Detect,
    window: &Window,
    load: Option<LoadedVersion>,
) -> (bool, String) {
    let loaded = load.as_ref().map_or_else(
        || "no run is known to have loaded it".to_owned(),
        |load| format!("it was loaded last by {}, which listed it at {}", load.execution, load.detected_at),
    );
    if !key.starts_with(&input.prefix) {
        return (false, format!("only keys under {} are input", input.prefix));
    }
    let Some(object) = object else { return (false, format!("there is no such object; {loaded}")) };
    if !object.is_input(&input.source) {
        return (false, format!("only keys that end in {} are input", input.source.suffix));
    }
    // A detection reads the ledger from some time on; what was loaded before may be loaded again.
    let start = window.ledger_start().map(format_time).unwrap_or_default();
    let is_loaded = load.as_ref().is_some_and(|load| load.etag == object.etag && load.detected_at >= start);
    let modified = object.modified.secs();
    let is_new = window.wants(modified, is_loaded);
    let dated = format!("it is dated {}", format_time(object.modified));
    let reason = match window.candidates_from().filter(|from| modified < from.secs()) {
        Some(from) => format!(
            "{dated}, and what is dated before {}, the start of the last success less {} h, is not looked at again; {loaded}",
            format_time(from),
            input.lookback_hours
        ),
        None if is_loaded => format!("{dated}, and this version is loaded: {loaded}"),
        None if load.is_some() => {
            format!("{dated}, and this version is not loaded, or so long ago that it may be again: {loaded}")
        }
        None => format!("{dated}, and {loaded}"),
    };
    (is_new, reason)
}
