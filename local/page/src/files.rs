//! The files of a job: which are new, loaded, passed over or changed, and what waits in quarantine. Pure; `source`
//! reads what this decides on.

use serde_json::Value;
use sluice::input::PassedOver;
use sluice::ledger::{KnownVersion, Sameness};
use sluice::spec::{Parts, Source, Spec};
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
    /// Quarantine files of which only the names were read.
    pub unread: usize,
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
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::New, Self::Loaded, Self::PassedOver, Self::Changed, Self::SetAside, Self::Old];

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Loaded => "Loaded",
            Self::PassedOver => "Passed over",
            Self::Changed => "Changed",
            Self::SetAside => "Set aside",
            Self::Old => "Not looked at",
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
    /// Why, in a sentence; empty if the state says all.
    pub why: String,
    /// ARN of the execution that loaded it, or set it aside, last.
    pub run: Option<String>,
}

/// Bad rows of one file in one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quarantined {
    /// The name of the execution.
    pub run: String,
    /// The key of the file that they are of.
    pub key: String,
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

/// What each object is to the job. `looked_from` is since when runs look at files, in milliseconds since 1970.
pub fn judged(
    objects: Vec<Object>,
    spec: &Spec,
    prefix: &str,
    known: &HashMap<String, KnownVersion>,
    looked_from: Option<i64>,
) -> Vec<File> {
    let sameness = Sameness::of(spec);
    let mut files: Vec<File> = objects
        .into_iter()
        .map(|object| {
            let (state, why) = state(&object, &spec.source, prefix, known.get(&object.key), sameness, looked_from);
            let run = known.get(&object.key).map(|known| known.execution.clone());
            File { object, state, why, run }
        })
        .collect();
    files.sort_by(|a, b| (b.object.modified, &a.object.key).cmp(&(a.object.modified, &b.object.key)));
    files
}

fn state(
    object: &Object,
    source: &Source,
    prefix: &str,
    known: Option<&KnownVersion>,
    sameness: Sameness,
    looked_from: Option<i64>,
) -> (State, String) {
    if let Some(reason) = PassedOver::of(source, prefix, &object.key, object.size) {
        return (State::PassedOver, reason.why(source, prefix));
    }
    let modified =
        jiff::Timestamp::from_millisecond(object.modified).map(|at| at.strftime("%Y-%m-%dT%H:%M").to_string());
    let is_dated_alike = |known: &KnownVersion| modified.as_ref().is_ok_and(|at| known.last_modified.starts_with(at));
    match known {
        Some(known) if known.etag == object.etag && (sameness == Sameness::Bytes || is_dated_alike(known)) => {
            if known.is_bad {
                return (State::SetAside, "it is tried again when it changes, or when a run is told to".to_owned());
            }
            return (State::Loaded, String::new());
        }
        Some(known) => {
            let what = if known.is_bad { "was set aside" } else { "is loaded" };
            return (State::Changed, format!("an earlier version {what}; the next run takes this one up"));
        }
        None => {}
    }
    if looked_from.is_some_and(|from| object.modified < from) {
        return (State::Old, "it is dated before what runs look at, and no run is known to have loaded it".to_owned());
    }
    (State::New, "the next run takes it up".to_owned())
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
    use serde_json::json;

    fn object(key: &str, etag: &str, modified: i64) -> Object {
        Object { key: key.to_owned(), etag: etag.to_owned(), size: 5, modified }
    }

    #[test]
    fn each_file_has_a_state_and_why() {
        let spec = spec(
            &json!({"suffix": ".csv", "columns": {"d": {"type": "date"}, "n": {"type": "number"}, "p": "P"}}),
            &json!({"keys": ["d"], "values": {"n": "sum"}, "pivot": {"on": "p", "into": {"A": "a"}}}),
            &json!({"table": "t", "on_overlap": "all_files"}),
        )
        .unwrap();
        let version = |etag: &str, is_bad| KnownVersion {
            etag: etag.to_owned(),
            last_modified: "1970-01-01T00:00:05Z".to_owned(),
            execution: "arn:x".to_owned(),
            detected_at: String::new(),
            is_bad,
        };
        let known = HashMap::from([
            ("in/loaded.csv".to_owned(), version("1", false)),
            ("in/changed.csv".to_owned(), version("1", false)),
            ("in/bad.csv".to_owned(), version("1", true)),
        ]);
        let objects = vec![
            object("in/loaded.csv", "1", 5_000),
            object("in/changed.csv", "2", 5_000),
            object("in/bad.csv", "1", 5_000),
            object("in/new.csv", "1", 9_000),
            object("in/old.csv", "1", 1_000),
            object("in/notes.txt", "1", 5_000),
            object("in/_SUCCESS.csv", "1", 5_000),
        ];
        let files = judged(objects, &spec, "in/", &known, Some(4_000));
        let of = |key: &str| files.iter().find(|file| file.object.key == key).unwrap();
        for (key, state) in [
            ("in/loaded.csv", State::Loaded),
            ("in/changed.csv", State::Changed),
            ("in/bad.csv", State::SetAside),
            ("in/new.csv", State::New),
            ("in/old.csv", State::Old),
            ("in/notes.txt", State::PassedOver),
            ("in/_SUCCESS.csv", State::PassedOver),
        ] {
            assert_eq!(of(key).state, state, "{key}");
        }
        assert_eq!(files[0].object.key, "in/new.csv", "the newest first");
        assert!(of("in/notes.txt").why.contains(".csv"));
    }

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
