//! Why a file is new or not: what an operator asks when a run did not do what was expected of it.

use crate::change::Change;
use crate::listing::listed;
use crate::selection::{Listed, Window};
use sluice::contract::{Execution, Explanation, Loaded};
use sluice::ledger::{self, KnownVersion, Sameness};
use sluice::spec::Source;
use sluice::store::Store;
use sluice::time::format_time;
use sluice::{Error, Result};
use std::collections::{BTreeSet, HashMap};

/// As a run that starts now would see the files.
pub(crate) struct View<'a> {
    /// Which objects are input.
    pub source: &'a Source,
    /// Under which prefix.
    pub prefix: &'a str,
    /// Which of them are looked at by date.
    pub window: &'a Window,
    /// What is taken to be loaded.
    pub assumed: Option<&'a Loaded>,
    /// When two versions of a file are the same.
    pub sameness: Sameness,
    /// How the run finds what is new.
    pub change: &'a Change,
}

/// Explains each of `keys`.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn explain(
    store: &Store,
    execution: &Execution,
    view: &View<'_>,
    keys: &BTreeSet<String>,
) -> Result<Vec<Explanation>> {
    let mut known = match view.assumed {
        Some(assumed) => ledger::last_known(store, execution, assumed, view.sameness, keys).await?,
        None => HashMap::new(),
    };
    let mut explained = Vec::with_capacity(keys.len());
    for key in keys {
        let object = if key.starts_with(view.prefix) { find(store, key).await? } else { None };
        let (is_new, reason) = view.reason(key, object, known.remove(key));
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

impl View<'_> {
    /// Whether a file is new, and why.
    fn reason(&self, key: &str, object: Option<Listed>, known: Option<KnownVersion>) -> (bool, String) {
        let Self { source, prefix, window, sameness, change, .. } = self;
        let history = known.as_ref().map_or_else(
            || "no run is known to have loaded it".to_owned(),
            |known| {
                let what = if known.is_bad { "set aside as a bad file" } else { "loaded last" };
                format!("it was {what} by {}, which listed it at {}", known.execution, known.detected_at)
            },
        );
        if let Some(why) = outside(key, prefix) {
            return (false, why);
        }
        let Some(object) = object else { return (false, format!("there is no such object; {history}")) };
        if let Some(reason) = object.passed_over(source, prefix) {
            return (false, reason.why(source, prefix));
        }
        match change {
            Change::Refused(why) => return (false, format!("a run that starts now fails: {why}; {history}")),
            Change::Reload { why, .. } => {
                return (true, format!("a run that starts now loads all files again, {why}; {history}"));
            }
            Change::Nothing | Change::FullLook { .. } => {}
        }
        // A detection reads the ledger from some time on; what was loaded before may be loaded again.
        let start = window.ledger_start().map(format_time).unwrap_or_default();
        let modified = object.modified.secs();
        let date = format_time(object.modified);
        let has_its_bytes = known.as_ref().is_some_and(|known| known.etag == object.etag && known.detected_at >= start);
        let is_sent_again = has_its_bytes && known.as_ref().is_some_and(|known| known.last_modified != date);
        let is_known = has_its_bytes && !(is_sent_again && *sameness == Sameness::BytesAndDate);
        let is_new = window.wants(modified, is_known);
        let dated = match is_sent_again {
            true => format!("it was sent again at {date}, unchanged"),
            false => format!("it is dated {date}"),
        };
        let reason = match window.candidates_from().filter(|from| modified < from.secs()) {
            Some(from) => format!(
                "{dated}, and what is dated before {}, the start of the last success less {} h, is not looked at again; \
                 {history}",
                format_time(from),
                source.lookback_hours
            ),
            None if is_known && known.as_ref().is_some_and(|known| known.is_bad) => {
                format!(
                    "{dated}, and of this version {history}; it is tried again when it changes, or is named in forget"
                )
            }
            None if is_known => format!("{dated}, and this version is loaded: {history}"),
            None if has_its_bytes => format!("{dated}, and its date decides which file speaks: {history}"),
            None if known.is_some() => {
                format!("{dated}, and this version is not loaded, or so long ago that it may be again: {history}")
            }
            None => format!("{dated}, and {history}"),
        };
        (is_new, reason)
    }
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
