//! What was read so far of the objects of one job: its listing, what is loaded, and the quarantine. Each comes in a
//! call of its own and may be refused by itself, so what is there is shown, and what is not there yet is said to be
//! missing. What was read of an object is kept as long as it stays at that version. Pure.

use crate::files::{self, Files, Object, Quarantined};
use crate::model::Job;
use sluice::change::Known;
use sluice::contract::{LedgerEntry, Loaded};
use sluice::ledger::{LastKnown, Sameness};
use sluice::reason::View;
use sluice::window::Window;
use std::collections::{BTreeSet, HashMap};

/// How many quarantine files are read for their reasons, each up to so many bytes.
const MOST_QUARANTINE_FILES: usize = 12;
const QUARANTINE_BYTES: u64 = 1_000_000;

/// How many files the entries that are kept may name; of older ones no more is read.
const MOST_FILES: usize = 200_000;

/// Of how many jobs the objects are kept, and for how long after somebody has looked at them, in milliseconds. Who
/// comes back soon waits for nothing, and a page that is open all day does not hold all that was ever looked at.
const MOST_KEPT: usize = 4;
const KEPT_FOR: i64 = 300_000;

/// The shelves of the jobs whose files somebody has looked at lately.
#[derive(Default)]
pub(crate) struct Shelves {
    /// By job; with when it was looked at last, in milliseconds since 1970.
    by_job: HashMap<String, (Shelf, i64)>,
}

impl Shelves {
    /// The shelf of a job.
    pub(crate) fn get(&self, job: &str) -> Option<&Shelf> {
        self.by_job.get(job).map(|(shelf, _)| shelf)
    }

    /// The same, to put something on it.
    pub(crate) fn get_mut(&mut self, job: &str) -> Option<&mut Shelf> {
        self.by_job.get_mut(job).map(|(shelf, _)| shelf)
    }

    /// The shelf of a job; an empty one, if there is none.
    pub(crate) fn of(&mut self, job: &str, at: i64) -> &mut Shelf {
        &mut self.by_job.entry(job.to_owned()).or_insert_with(|| (Shelf::default(), at)).0
    }

    /// Drops those that nobody has looked at for long, and the ones of longest ago if there are too many; those that
    /// are `open` stay. Says of which jobs.
    pub(crate) fn forget<'a>(&mut self, open: impl Iterator<Item = &'a str>, at: i64) -> Vec<String> {
        for job in open {
            if let Some((_, seen)) = self.by_job.get_mut(job) {
                *seen = at;
            }
        }
        let mut unseen: Vec<(i64, String)> = self.by_job.iter().map(|(job, (_, seen))| (*seen, job.clone())).collect();
        unseen.retain(|(seen, _)| *seen < at);
        unseen.sort_unstable();
        let too_many = self.by_job.len().saturating_sub(MOST_KEPT);
        let dropped = unseen.into_iter().enumerate();
        let dropped = dropped.filter(|(place, (seen, _))| *place < too_many || at - seen > KEPT_FOR);
        let dropped: Vec<String> = dropped.map(|(_, (_, job))| job).collect();
        dropped.iter().for_each(|job| drop(self.by_job.remove(job)));
        dropped
    }
}

/// What was read of the objects of a job.
#[derive(Default)]
pub(crate) struct Shelf {
    /// The objects under its prefix, and whether there are more.
    pub listing: Option<(Vec<Object>, bool)>,
    /// When they were listed, in milliseconds since 1970.
    pub listed_at: i64,
    /// What is recorded as loaded; `None` inside if nothing is.
    pub loaded: Option<Option<Loaded>>,
    /// The same, as it was before the ledger began to be listed anew.
    pub loaded_before: Option<Option<Loaded>>,
    entries: Read<Option<LedgerEntry>>,
    /// The ledger has more entries than are listed.
    is_ledger_cut: bool,
    quarantine: Read<Vec<Quarantined>>,
}

/// Objects that are listed, and what was read of them.
struct Read<T> {
    listed: Option<Vec<Object>>,
    /// By key, with the entity tag.
    read: HashMap<String, (String, T)>,
}

impl<T> Default for Read<T> {
    fn default() -> Self {
        Self { listed: None, read: HashMap::new() }
    }
}

impl<T> Read<T> {
    /// Takes a new listing; what was read of other versions is forgotten.
    fn list(&mut self, objects: Vec<Object>) {
        let known: HashMap<&str, &str> =
            objects.iter().map(|object| (object.key.as_str(), object.etag.as_str())).collect();
        self.read.retain(|key, (etag, _)| known.get(key.as_str()) == Some(&etag.as_str()));
        self.listed = Some(objects);
    }

    fn get(&self, key: &str) -> Option<&T> {
        self.read.get(key).map(|(_, read)| read)
    }

    /// Puts down what was read of an object.
    fn put(&mut self, object: Object, read: T) {
        self.read.insert(object.key, (object.etag, read));
    }
}

impl Shelf {
    /// Takes a listing of the ledger, in the order of its entries.
    pub(crate) fn list_ledger(&mut self, entries: Vec<Object>, is_cut: bool) {
        self.entries.list(entries);
        self.is_ledger_cut = is_cut;
    }

    /// Takes a listing of the quarantine, the newest first.
    pub(crate) fn list_quarantine(&mut self, objects: Vec<Object>) {
        self.quarantine.list(objects);
    }

    /// The entry that is to be read next: the newest one that is not read, since it says most of what is new.
    pub(crate) fn next_entry(&self) -> Option<Object> {
        let read = self.entries.read.values().filter_map(|(_, entry)| entry.as_ref());
        if read.map(|entry| entry.files.len() + entry.bad.len()).sum::<usize>() >= MOST_FILES {
            return None;
        }
        let mut entries = self.entries.listed.iter().flatten().rev();
        entries.find(|object| self.entries.get(&object.key).is_none()).cloned()
    }

    /// How many entries were read.
    pub(crate) fn entry_count(&self) -> usize {
        self.entries.read.len()
    }

    /// Takes an entry that was read; `None` if it has gone meanwhile.
    pub(crate) fn put_entry(&mut self, object: Object, entry: Option<LedgerEntry>) {
        self.entries.put(object, entry);
    }

    /// The quarantine file that is to be read next.
    pub(crate) fn next_quarantined(&self) -> Option<Object> {
        let newest = self.quarantine.listed.iter().flatten().take(MOST_QUARANTINE_FILES);
        let mut unread = newest.filter(|object| self.quarantine.get(&object.key).is_none());
        unread.find(|object| object.size <= QUARANTINE_BYTES).cloned()
    }

    /// Takes the text of a quarantine file; its rows are not kept.
    pub(crate) fn put_quarantined(&mut self, object: Object, text: &[u8]) {
        let read = files::quarantined(run_of(&object.key), text);
        self.quarantine.put(object, read);
    }

    /// What is known of the job's files, as of what was read so far; `None` before they are listed.
    pub(crate) fn files(&self, bucket: &str, job: &Job) -> Option<Files> {
        let (objects, is_cut) = self.listing.as_ref()?;
        let spec = files::spec(&job.spec.source, &job.spec.shape, &job.spec.target);
        let mut found = Files { listed_at: self.listed_at, is_cut: *is_cut, ..Files::default() };
        let listed = self.entries.listed.as_deref().unwrap_or_default();
        found.entries_unread = listed.iter().filter(|entry| self.entries.get(&entry.key).is_none()).count();
        found.entries_unread += usize::from(self.is_ledger_cut);
        found.is_loaded_known = self.loaded.is_some() && self.entries.listed.is_some();
        let Some(spec) = spec else {
            found.files = objects.iter().map(|object| files::File::unjudged(object.clone())).collect();
            return Some(found);
        };
        let (document, prefix) = (self.loaded.as_ref().and_then(Option::as_ref), &job.spec.prefix);
        let print = spec.print(bucket, prefix);
        let recorded = Known { record: None, document };
        let (assumed, change) = (recorded.assumed(&print), recorded.change(&print, false));
        let window = Window::by(&change, crate::runs::watermark(job), spec.source.lookback_hours, None);
        let sameness = Sameness::of(&spec);
        let names: BTreeSet<String> = objects.iter().map(|object| object.key.clone()).collect();
        let known = assumed.map(|assumed| {
            let mut known = LastKnown::new(assumed, sameness, &names);
            let entries = listed.iter().filter_map(|object| self.entries.get(&object.key)?.as_ref());
            entries.for_each(|entry| known.add(entry));
            known.into_all()
        });
        let view = View { source: &spec.source, prefix, window: &window, sameness, change: &change };
        let is_all_known = found.is_loaded_known && (found.entries_unread == 0 || assumed.is_none());
        found.files = files::judged(objects.clone(), &view, &known.unwrap_or_default(), is_all_known);
        found.quarantine = self.quarantined();
        found.unread = self.quarantine.listed.iter().flatten().count().saturating_sub(MOST_QUARANTINE_FILES);
        Some(found)
    }

    /// What is in quarantine: of files that are not read, or too large to be, the names alone.
    fn quarantined(&self) -> Vec<Quarantined> {
        let newest = self.quarantine.listed.iter().flatten().take(MOST_QUARANTINE_FILES);
        let read = newest.map(|object| match self.quarantine.get(&object.key) {
            Some(read) => read.clone(),
            None => {
                let (run, key) = (run_of(&object.key).to_owned(), object.key.clone());
                vec![Quarantined { run, key, is_unread: true, ..Quarantined::default() }]
            }
        });
        read.flatten().collect()
    }
}

/// The name of the execution in the key of a quarantine file.
fn run_of(key: &str) -> &str {
    key.split('/').nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::State;
    use crate::kind::Kind;
    use crate::model::JobSpec;
    use serde_json::json;
    use sluice::contract::SourceFile;

    fn object(key: &str, etag: &str) -> Object {
        Object { key: key.to_owned(), etag: etag.to_owned(), size: 5, modified: 5_000 }
    }

    fn job() -> Job {
        let spec = JobSpec {
            prefix: "in/".into(),
            source: json!({"suffix": ".csv", "columns": {"d": {"type": "date"}, "n": {"type": "number"}}}),
            shape: json!({"keys": ["d"], "values": {"n": "sum"}}),
            target: json!({"table": "t", "on_overlap": "all_files"}),
            ..JobSpec::default()
        };
        Job { kind: Kind::TransformAndUpsert, spec: spec.into(), ..crate::runs::tests::job() }
    }

    fn entry(detected_at: &str, after: &str, files: &[(&str, &str)]) -> LedgerEntry {
        let file = |(key, etag): &(&str, &str)| SourceFile {
            key: (*key).to_owned(),
            etag: (*etag).to_owned(),
            size: 5,
            last_modified: "1970-01-01T00:00:05.000Z".to_owned(),
        };
        LedgerEntry {
            execution: format!("arn:{detected_at}"),
            detected_at: detected_at.to_owned(),
            files: files.iter().map(file).collect(),
            bad: Vec::new(),
            generation: "g".to_owned(),
            after: after.to_owned(),
            in_doubt: false,
        }
    }

    fn states(shelf: &Shelf) -> Vec<(String, State)> {
        let files = shelf.files("bucket", &job()).unwrap().files;
        let mut states: Vec<_> = files.into_iter().map(|file| (file.object.key, file.state)).collect();
        states.sort_by(|a, b| a.0.cmp(&b.0));
        states
    }

    /// A part that is refused, or comes later, empties no other.
    #[test]
    fn what_is_there_is_shown_and_the_rest_is_said_to_be_unread() {
        let mut shelf = Shelf::default();
        assert!(shelf.files("bucket", &job()).is_none());
        shelf.listing = Some((vec![object("in/a.csv", "1"), object("in/b.csv", "1"), object("in/x.txt", "1")], false));
        let all = |a, b| {
            vec![("in/a.csv".to_owned(), a), ("in/b.csv".to_owned(), b), ("in/x.txt".to_owned(), State::PassedOver)]
        };
        assert_eq!(states(&shelf), all(State::Unread, State::Unread));
        // What is not read of the quarantine is there by its name.
        shelf.list_quarantine(vec![object("quarantine/j/r2/b.csv", "1"), object("quarantine/j/r1/b.csv", "1")]);
        let text = b"source_key,source_etag,line,column,column_name,reason,raw\nin/a.csv,e,4,2,n,not a number,secret\n";
        let next = shelf.next_quarantined().unwrap();
        assert_eq!(next.key, "quarantine/j/r2/b.csv");
        shelf.put_quarantined(next, text);
        let found = shelf.files("bucket", &job()).unwrap();
        let told: Vec<_> = found.quarantine.iter().map(|bad| (bad.run.as_str(), bad.rows, bad.is_unread)).collect();
        assert_eq!(told, [("r2", 1, false), ("r1", 0, true)]);
        // Nothing was ever loaded, so all are new.
        shelf.loaded = Some(None);
        shelf.list_ledger(Vec::new(), false);
        assert_eq!(states(&shelf), all(State::New, State::New));
    }

    #[test]
    fn entries_are_read_one_by_one_the_newest_first_and_once() {
        let objects = vec![object("in/a.csv", "1"), object("in/b.csv", "2"), object("in/c.csv", "1")];
        let mut shelf = Shelf { listing: Some((objects, false)), ..Shelf::default() };
        let spec = files::spec(&job().spec.source, &job().spec.shape, &job().spec.target).unwrap();
        let print = spec.print("bucket", "in/");
        shelf.loaded = Some(Some(Loaded { generation: "g".into(), detected_at: "2".into(), print }));
        shelf.list_ledger(vec![object("l/1", "x"), object("l/2", "x")], false);
        let newest = shelf.next_entry().unwrap();
        assert_eq!(newest.key, "l/2");
        shelf.put_entry(newest, Some(entry("2", "1", &[("in/b.csv", "1")])));
        let state = |shelf: &Shelf| states(shelf).into_iter().map(|(_, state)| state).collect::<Vec<_>>();
        assert_eq!(state(&shelf), [State::Unread, State::Changed, State::Unread]);
        let oldest = shelf.next_entry().unwrap();
        shelf.put_entry(oldest, Some(entry("1", "", &[("in/a.csv", "1"), ("in/b.csv", "2")])));
        assert_eq!(state(&shelf), [State::Loaded, State::Changed, State::New]);
        assert!(shelf.next_entry().is_none());
        // Listed again: only what is new, or another version, is read again.
        shelf.list_ledger(vec![object("l/1", "x"), object("l/2", "y")], false);
        assert_eq!(shelf.next_entry().unwrap().key, "l/2");
        // What the view says is what a run that is asked would answer.
        let files = shelf.files("bucket", &job()).unwrap().files;
        let why = &files.iter().find(|file| file.object.key == "in/a.csv").unwrap().why;
        assert_eq!(
            why,
            "it is dated 1970-01-01T00:00:05.000Z, and this version is loaded: it was loaded last by arn:1, which listed it at 1"
        );
    }

    /// Who comes back soon finds what was read; what nobody looks at is not held, for long or for many jobs.
    #[test]
    fn what_nobody_looks_at_any_more_is_dropped() {
        let mut shelves = Shelves::default();
        let jobs = ["a", "b", "c", "d", "e", "f"];
        for (at, job) in (1..).zip(jobs) {
            shelves.of(job, at).listed_at = at;
        }
        let open = |jobs: &'static [&'static str]| jobs.iter().copied();
        // Open ones stay, however many; of the others the one of longest ago goes first.
        assert_eq!(shelves.forget(open(&["a", "b", "c", "d", "e"]), 10), ["f"]);
        assert_eq!(shelves.forget(open(&["a", "c", "d", "e"]), 11), ["b"]);
        assert_eq!(shelves.forget(open(&[]), 11 + KEPT_FOR), Vec::<String>::new());
        assert_eq!(shelves.get("a").map(|shelf| shelf.listed_at), Some(1));
        assert_eq!(shelves.forget(open(&["c"]), 12 + KEPT_FOR), ["a", "d", "e"]);
        assert!(shelves.get("a").is_none() && shelves.get("c").is_some());
        assert_eq!(shelves.of("a", 13 + KEPT_FOR).listed_at, 0);
    }
}
