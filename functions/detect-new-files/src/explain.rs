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

/// Why a key that somebody names can be none of the job's, with the one that was meant if it looks like that; `None` if
/// it is under the prefix.
pub(crate) fn outside(key: &str, prefix: &str) -> Option<String> {
    if key.starts_with(prefix) {
        return None;
    }
    // As the console and the command line of AWS show it: without the bucket it is the key.
    let plain = key.strip_prefix("s3://").and_then(|rest| Some(rest.split_once('/')?.1)).unwrap_or(key);
    let plain = plain.trim_start_matches('/');
    let meant = if plain.starts_with(prefix) { plain.to_owned() } else { format!("{prefix}{plain}") };
    Some(format!("only keys under {prefix} are input; was {meant:?} meant?"))
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
    if let Some(why) = outside(key, &input.prefix) {
        return (false, why);
    }
    let Some(object) = object else { return (false, format!("there is no such object; {loaded}")) };
    if let Some(reason) = object.passed_over(&input.source, &input.prefix) {
        return (false, reason.why(&input.source, &input.prefix));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_its_prefix_gets_a_hint() {
        assert_eq!(outside("input_data/a.csv", "input_data/"), None);
        for (key, meant) in [
            ("a.csv", "\"input_data/a.csv\""),
            ("s3://lake/input_data/b/a.csv", "\"input_data/b/a.csv\""),
            ("s3://lake/a.csv", "\"input_data/a.csv\""),
            ("/input_data/a.csv", "\"input_data/a.csv\""),
            ("s3://lake", "\"input_data/s3://lake\""),
        ] {
            let why = outside(key, "input_data/").unwrap();
            assert!(why.starts_with("only keys under input_data/ are input; ") && why.contains(meant), "{key}: {why}");
        }
    }
}
