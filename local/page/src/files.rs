//! The files of a job: which are new, loaded, passed over or changed, and what waits in quarantine. Which and why is
//! decided as a run that is asked decides it. Pure; `source` reads what this decides on.

use crate::unquoted::unquoted;
use aws_sdk_s3::primitives::DateTime;
use serde_json::Value;
use sluice::ledger::KnownVersion;
use sluice::reason::{Reason, Seen, Standing, View};
use sluice::spec::{Parts, Spec};
use std::collections::{BTreeMap, HashMap};

/// What is in the bucket for a job.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// When it was listed, in milliseconds since 1970.
    pub listed_at: i64,
    /// The files, the newest first.
    pub files: Vec<File>,
    /// Whether the listing ends before the prefix does.
    pub is_cut: bool,
    /// What waits in quarantine, the newest first.
    pub quarantine: Vec<Quarantined>,
    /// Older quarantine files, which are not looked at.
    pub unread: usize,
    /// Entries of the ledger that are not read, or not yet.
    pub entries_unread: usize,
    /// Whether it is known what is recorded as loaded.
    pub is_loaded_known: bool,
}

/// What a file is to its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The next run takes it up.
    New,
    /// This version is loaded.
    Loaded,
    /// It is no input.
    PassedOver,
    /// An earlier version is loaded.
    Changed,
    /// It was set aside as a bad file.
    SetAside,
    /// It is dated before what runs look at.
    Old,
    /// What is loaded is not read, or not yet.
    Unread,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::New, Self::Loaded, Self::PassedOver, Self::Changed, Self::SetAside, Self::Old, Self::Unread];

    fn of(standing: Standing) -> Self {
        match standing {
            Standing::New => Self::New,
            Standing::Loaded => Self::Loaded,
            Standing::PassedOver | Standing::NotThere => Self::PassedOver,
            Standing::Changed => Self::Changed,
            Standing::SetAside => Self::SetAside,
            Standing::Old => Self::Old,
        }
    }

    /// What more there is to say, beside the state; the reason as a whole is longer.
    pub fn note(self) -> &'static str {
        match self {
            Self::New | Self::Loaded | Self::PassedOver | Self::Unread => "",
            Self::Changed => "another version was dealt with; the next run takes this one up",
            Self::SetAside => "it is tried again when it changes, or when a run is told to",
            Self::Old => "it is dated before what runs look at, and no run is known to have loaded it",
        }
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Loaded => "Loaded",
            Self::PassedOver => "Passed over",
            Self::Changed => "Changed",
            Self::SetAside => "Set aside",
            Self::Old => "Not looked at",
            Self::Unread => "Not known yet",
        }
    }

    /// The word in an address.
    pub fn slug(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Loaded => "loaded",
            Self::PassedOver => "passed-over",
            Self::Changed => "changed",
            Self::SetAside => "set-aside",
            Self::Old => "old",
            Self::Unread => "unread",
        }
    }
}

/// An object under the prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its entity tag.
    pub etag: String,
    /// Its size in bytes.
    pub size: u64,
    /// When S3 dates it, in milliseconds since 1970.
    pub modified: i64,
}

/// A file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// The object.
    pub object: Object,
    /// What it is to the job.
    pub state: State,
    /// Whether the next run takes it up.
    pub is_new: bool,
    /// Why, in the words of a run that is asked; empty if that is not known yet.
    pub why: String,
    /// ARN of the execution that loaded it, or set it aside, last.
    pub run: Option<String>,
}

impl File {
    /// One of which it is not known what is loaded.
    pub(crate) fn unjudged(object: Object) -> Self {
        Self { object, state: State::Unread, is_new: false, why: String::new(), run: None }
    }
}

/// Bad rows of one file in one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quarantined {
    /// The name of the execution.
    pub run: String,
    /// The key of the file that they are of; that of the quarantine file, if only its name is known.
    pub key: String,
    /// Only its name is known.
    pub is_unread: bool,
    /// How many there are; 0 if the whole file was set aside.
    pub rows: u64,
    /// The first of their lines.
    pub lines: Vec<String>,
    /// How many rows there are for each reason.
    pub reasons: BTreeMap<String, u64>,
}

/// How many lines are named.
const LINES: usize = 12;

/// The parts of a spec, checked.
pub fn spec(source: &Value, shape: &Value, target: &Value) -> Option<Spec> {
    let parts = Parts { source: source.clone(), shape: shape.clone(), target: target.clone() };
    parts.check().ok()
}

/// What each object is to the job, as a run that starts now would see it, by what is `known` of them. Unless that is
/// all that there is to know, others are not judged.
pub(crate) fn judged(
    objects: Vec<Object>,
    view: &View<'_>,
    known: &HashMap<String, KnownVersion>,
    is_all_known: bool,
) -> Vec<File> {
    let mut files: Vec<File> = objects
        .into_iter()
        .map(|object| {
            let known = known.get(&object.key);
            let seen = Seen { etag: &object.etag, size: object.size, modified: DateTime::from_millis(object.modified) };
            let Reason { standing, is_new, why } = view.reason(&object.key, Some(seen), known);
            // An older function has quoted values where it says what is wrong with a file.
            let why = unquoted(&why).into_owned();
            if known.is_none() && !is_all_known && standing != Standing::PassedOver {
                return File::unjudged(object);
            }
            let run = known.map(|known| known.execution.clone());
            File { object, state: State::of(standing), is_new, why, run }
        })
        .collect();
    files.sort_by(|a, b| (b.object.modified, &a.object.key).cmp(&(a.object.modified, &b.object.key)));
    files
}

/// What a quarantine file says, without the rows themselves.
pub fn quarantined(run: &str, text: &[u8]) -> Vec<Quarantined> {
    let mut by_file: BTreeMap<String, Quarantined> = BTreeMap::new();
    for record in records(text).into_iter().skip(1) {
        let [key, _etag, line, _column, _name, reason, ..] = &record[..] else { continue };
        let file = by_file.entry(key.clone()).or_insert_with(|| Quarantined {
            run: run.to_owned(),
            key: key.clone(),
            ..Quarantined::default()
        });
        if !line.is_empty() {
            file.rows += 1;
            if file.lines.len() < LINES {
                file.lines.push(line.clone());
            }
        }
        *file.reasons.entry(reason.clone()).or_default() += 1;
    }
    by_file.into_values().collect()
}

/// The records of a CSV file, as RFC 4180 has them.
fn records(text: &[u8]) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), Vec::new());
    let mut is_quoted = false;
    let mut bytes = text.iter().copied().peekable();
    let take = |field: &mut Vec<u8>| String::from_utf8_lossy(&std::mem::take(field)).into_owned();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if is_quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
                field.push(b'"');
            }
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => record.push(take(&mut field)),
            b'\n' if !is_quoted => {
                record.push(take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            b'\r' if !is_quoted => {}
            byte => field.push(byte),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(take(&mut field));
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_quarantine_everything_is_read_but_the_rows() {
        let text = b"source_key,source_etag,line,column,column_name,reason,raw\n\
                     in/a.csv,e,42,2,Minutes,not a number,\"Work,secret-cell\"\n\
                     in/a.csv,e,97,3,\"Day, of\",no date,\"x\"\"y\nz\"\n\
                     in/b.csv,e,,,,a workbook,\n";
        let found = quarantined("run-1", text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].rows, found[0].lines.join(",").as_str()), (2, "42,97"));
        assert_eq!(found[0].reasons["no date"], 1);
        assert_eq!((found[1].rows, found[1].reasons["a workbook"]), (0, 1));
        assert!(!format!("{found:?}").contains("secret-cell"));
    }
}
