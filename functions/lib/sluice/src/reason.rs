//! Why a file is new or not: what a run that is asked answers, and what the page says before anybody asks. Pure.

use crate::change::Change;
use crate::input::PassedOver;
use crate::ledger::{KnownVersion, Sameness};
use crate::spec::Source;
use crate::time::format_time;
use crate::window::Window;
use aws_sdk_s3::primitives::DateTime;

/// As a run that starts now would see the files.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Which objects are input.
    pub source: &'a Source,
    /// Under which prefix.
    pub prefix: &'a str,
    /// Which of them are looked at by date.
    pub window: &'a Window,
    /// When two versions of a file are the same.
    pub sameness: Sameness,
    /// How the run finds what is new.
    pub change: &'a Change,
}

/// An object, as a listing has it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its entity tag.
    pub etag: &'a str,
    /// Bytes.
    pub size: u64,
    /// When S3 dates it.
    pub modified: DateTime,
}

/// What a file is to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is no object, or none under the prefix.
    NotThere,
    /// It is no input.
    PassedOver,
    /// It is dated before what runs look at, and is not known.
    Old,
    /// This version is loaded.
    Loaded,
    /// This version was set aside as a bad file.
    SetAside,
    /// Another version of it was dealt with.
    Changed,
    /// No run is known to have dealt with it, or all files are loaded again.
    New,
}

/// Whether a file is new, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What it is.
    pub standing: Standing,
    /// Whether the run takes it up.
    pub is_new: bool,
    /// Why, for a person.
    pub why: String,
}

/// Why a key that somebody names can be none of the job's, with the one that was meant if it looks like that; `None` if
/// it is under the prefix.
pub fn outside(key: &str, prefix: &str) -> Option<String> {
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
    /// Whether the file `key` is new, and why: `object` is what is there, `known` what was dealt with last.
    pub fn reason(&self, key: &str, object: Option<Seen<'_>>, known: Option<&KnownVersion>) -> Reason {
        let Self { source, prefix, window, sameness, change } = *self;
        let history = known.map_or_else(
            || "no run is known to have loaded it".to_owned(),
            |known| {
                let what = if known.is_bad { "set aside as a bad file" } else { "loaded last" };
                format!("it was {what} by {}, which listed it at {}", known.execution, known.detected_at)
            },
        );
        if let Some(why) = outside(key, prefix) {
            return Reason { standing: Standing::NotThere, is_new: false, why };
        }
        let Some(object) = object else {
            let why = format!("there is no such object; {history}");
            return Reason { standing: Standing::NotThere, is_new: false, why };
        };
        if let Some(reason) = PassedOver::of(source, prefix, key, object.size) {
            return Reason { standing: Standing::PassedOver, is_new: false, why: reason.why(source, prefix) };
        }
        // A detection reads the ledger from some time on; what was loaded before may be loaded again.
        let start = window.ledger_start().map(format_time).unwrap_or_default();
        let modified = object.modified.secs();
        let date = format_time(object.modified);
        let has_its_bytes = known.is_some_and(|known| known.etag == object.etag && known.detected_at >= start);
        let is_sent_again = has_its_bytes && known.is_some_and(|known| known.last_modified != date);
        let is_known = has_its_bytes && !(is_sent_again && sameness == Sameness::BytesAndDate);
        let too_old = window.candidates_from().filter(|from| modified < from.secs());
        // One that is too old to be looked at may be known from before the ledger's start.
        let is_this = is_known || too_old.is_some() && known.is_some_and(|known| known.etag == object.etag);
        let standing = match known {
            Some(known) if is_this && known.is_bad => Standing::SetAside,
            Some(_) if is_this => Standing::Loaded,
            Some(_) => Standing::Changed,
            None if too_old.is_some() => Standing::Old,
            None => Standing::New,
        };
        match change {
            Change::Refused(why) => {
                let why = format!("a run that starts now fails: {why}; {history}");
                return Reason { standing, is_new: false, why };
            }
            Change::Reload { why, .. } => {
                let why = format!("a run that starts now loads all files again, {why}; {history}");
                return Reason { standing: Standing::New, is_new: true, why };
            }
            Change::Nothing | Change::FullLook { .. } => {}
        }
        let dated = match is_sent_again {
            true => format!("it was sent again at {date}, unchanged"),
            false => format!("it is dated {date}"),
        };
        let why = match too_old {
            Some(from) => format!(
                "{dated}, and what is dated before {}, the start of the last success less {} h, is not looked at again; \
                 {history}",
                format_time(from),
                source.lookback_hours
            ),
            None if is_known && known.is_some_and(|known| known.is_bad) => {
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
        Reason { standing, is_new: window.wants(modified, is_known), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Parts;
    use serde_json::json;

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

    #[test]
    fn each_standing_has_its_reason() {
        let parts = Parts {
            source: json!({"suffix": ".csv", "lookback_hours": 24, "columns": {"d": {"type": "date"}, "n": {"type": "number"}}}),
            shape: json!({"keys": ["d"], "values": {"n": "sum"}}),
            target: json!({"table": "t", "on_overlap": "all_files"}),
        };
        let source = parts.check().unwrap().source;
        let at = |day: i64| DateTime::from_secs(day * 86_400);
        let known = |etag: &str, day: i64, is_bad| KnownVersion {
            etag: etag.to_owned(),
            last_modified: format_time(at(day)),
            execution: "arn:x".to_owned(),
            detected_at: format_time(at(day)),
            is_bad,
        };
        let reason = |change: &Change, sameness, key: &str, day: i64, known: Option<KnownVersion>| {
            let window = Window::by(change, Some(at(100)), 24, None);
            let view = View { source: &source, prefix: "in/", window: &window, sameness, change };
            let seen = Seen { etag: "e", size: 5, modified: at(day) };
            view.reason(key, Some(seen).filter(|_| day > 0), known.as_ref())
        };
        let (bytes, dates, same) = (Sameness::Bytes, Sameness::BytesAndDate, Change::Nothing);
        let same = &same;
        let refused = Change::Refused("no".to_owned());
        let reload = Change::Reload { why: "since".to_owned(), finds_loaded: false };
        let full = Change::FullLook { why: "since".to_owned(), selects_loaded: false };
        for (reason, standing, is_new, part) in [
            (reason(same, bytes, "x/a.csv", 100, None), Standing::NotThere, false, "only keys under in/"),
            (reason(same, bytes, "in/a.csv", 0, None), Standing::NotThere, false, "there is no such object"),
            (reason(same, bytes, "in/a.txt", 100, None), Standing::PassedOver, false, "that end in .csv"),
            (reason(same, bytes, "in/a.csv", 100, None), Standing::New, true, "no run is known to have loaded it"),
            (reason(same, bytes, "in/a.csv", 90, None), Standing::Old, false, "less 24 h, is not looked at again"),
            (reason(&full, bytes, "in/a.csv", 90, None), Standing::New, true, "no run is known"),
            (
                reason(same, bytes, "in/a.csv", 100, Some(known("e", 100, false))),
                Standing::Loaded,
                false,
                "and this version is loaded: it was loaded last by arn:x, which listed it at 1970-04-11",
            ),
            (
                reason(same, bytes, "in/a.csv", 90, Some(known("e", 90, false))),
                Standing::Loaded,
                false,
                "is not looked at again; it was loaded last by arn:x",
            ),
            (
                reason(same, bytes, "in/a.csv", 100, Some(known("e", 100, true))),
                Standing::SetAside,
                false,
                "tried again when it changes",
            ),
            (
                reason(same, bytes, "in/a.csv", 100, Some(known("d", 100, false))),
                Standing::Changed,
                true,
                "this version is not loaded",
            ),
            (
                reason(same, bytes, "in/a.csv", 101, Some(known("e", 100, false))),
                Standing::Loaded,
                false,
                "it was sent again at 1970-04-12",
            ),
            (
                reason(same, dates, "in/a.csv", 101, Some(known("e", 100, false))),
                Standing::Changed,
                true,
                "its date decides which file speaks",
            ),
            (reason(&refused, bytes, "in/a.csv", 100, None), Standing::New, false, "a run that starts now fails: no"),
            (
                reason(&reload, bytes, "in/a.csv", 100, Some(known("e", 100, false))),
                Standing::New,
                true,
                "loads all files again, since",
            ),
        ] {
            assert_eq!((reason.standing, reason.is_new), (standing, is_new), "{}", reason.why);
            assert!(reason.why.contains(part), "{}", reason.why);
        }
    }
}
