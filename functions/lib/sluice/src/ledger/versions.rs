//! What the entries come to, read in their order. Pure.

use crate::contract::{LedgerEntry, Loaded, SourceFile};
use crate::spec::{FilePart, NewestBy, OnBad, OnOverlap, OnRepeatedFile, Place, Spec};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// When two versions of a file are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// If they have the same bytes, by the entity tag: a file that is sent again unchanged says nothing new.
    Bytes,
    /// If S3 dates them alike, too: where the date decides which file speaks, one that is sent again may speak now; and
    /// where it is in the table, or decides which of equal rows is the first, it says something else.
    BytesAndDate,
}

impl Sameness {
    /// For a job with this spec: the date matters only where it decides which file speaks, or what it says.
    pub fn of(spec: &Spec) -> Self {
        let (source, target) = (&spec.source, &spec.target);
        let is_date = |name: &str| {
            let place = source.columns.get(name).map(|column| &column.place);
            matches!(place, Some(Place::File { of: FilePart::Modified, .. }))
        };
        let has_dates = || spec.used_columns().into_iter().any(is_date);
        let has_orders = || spec.shape.values.values().any(|aggregate| aggregate.order_by().is_some());
        let by_date = match target.on_overlap {
            OnOverlap::NewestFile | OnOverlap::NewestRow => target.newest_by == NewestBy::Modified || has_dates(),
            OnOverlap::AllFiles => {
                let sets_aside = (OnRepeatedFile::Fail, OnBad::Quarantine);
                (target.on_repeated_file, source.on_bad_file) == sets_aside || has_orders() || has_dates()
            }
            OnOverlap::LastRun => false,
        };
        if by_date { Self::BytesAndDate } else { Self::Bytes }
    }

    /// What of the date makes a version another one.
    fn date(self, last_modified: &str) -> &str {
        match self {
            Self::Bytes => "",
            Self::BytesAndDate => last_modified,
        }
    }
}

/// The version of each key that was dealt with last: loaded into what is assumed to be loaded, or set aside as a bad
/// file.
///
/// Only the last one: a file that is put back to an older version is as new as any other. `K` stands for a key, `T` for
/// what tells versions apart, and `R` is what else is kept of a version.
#[derive(Debug)]
pub(super) struct Versions<K, T, R> {
    sameness: Sameness,
    doubt: Doubt,
    runs: Runs,
    last: HashMap<K, Version<T, R>>,
}

/// A version of a file.
#[derive(Debug)]
struct Version<T, R> {
    tag: T,
    /// By which of the runs.
    run: usize,
    rest: R,
}

/// Both as hashes: a million of them take some 70 MB, and 100 while it grows.
pub(super) type HashedVersions = Versions<Hash128, u64, ()>;

/// Of a few keys, by their names.
pub(super) type NamedVersions = Versions<String, (String, String), Known>;

/// Of a key; 128 bits, because a collision would be a file that is never loaded.
pub(super) type Hash128 = (u64, u64);

/// What else is kept of a named version.
#[derive(Debug)]
pub(super) struct Known {
    pub etag: String,
    pub last_modified: String,
    pub execution: String,
    pub detected_at: String,
    pub is_bad: bool,
}

/// Which runs count: those of one generation of the target, up to the last one that it knows of, but for those that
/// were undone.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    generation: String,
    detected_at: String,
    all: Vec<Run>,
}

/// A run of that generation.
#[derive(Clone, Debug)]
struct Run {
    detected_at: String,
    /// A later one came after one before it: the database was restored between the two, or the later one began anew.
    is_undone: bool,
}

impl Runs {
    /// None yet of those that are `assumed` to be loaded.
    pub(super) fn new(assumed: &Loaded) -> Self {
        Self { generation: assumed.generation.clone(), detected_at: assumed.detected_at.clone(), all: Vec::new() }
    }

    /// Takes the next entry; gives the number of its run, if that is one of them.
    ///
    /// Also one in doubt says what is undone: it has seen the target's record before.
    pub(super) fn take(&mut self, entry: &LedgerEntry) -> Option<usize> {
        if entry.generation != self.generation || entry.detected_at > self.detected_at {
            return None;
        }
        if self.all.last().is_none_or(|run| run.detected_at != entry.detected_at) {
            let between = self.all.iter_mut().rev().take_while(|run| run.detected_at > entry.after);
            between.for_each(|run| run.is_undone = true);
            self.all.push(Run { detected_at: entry.detected_at.clone(), is_undone: false });
        }
        Some(self.all.len() - 1)
    }

    /// Now that all entries are taken: does this one count?
    pub(super) fn count(&self, entry: &LedgerEntry) -> bool {
        let is_its_own = |run: &&Run| run.detected_at == entry.detected_at;
        entry.generation == self.generation && self.all.iter().find(is_its_own).is_some_and(|run| !run.is_undone)
    }

    fn is_undone(&self, run: usize) -> bool {
        self.all[run].is_undone
    }
}

/// Which run is in doubt: one whose first entry is. Its entries follow one another, and the first one is certain only
/// when all are.
#[derive(Debug, Default)]
struct Doubt {
    run: (String, String),
    is_in_doubt: bool,
}

impl Doubt {
    /// Takes the next entry; says whether its run is in doubt.
    fn covers(&mut self, entry: &LedgerEntry) -> bool {
        let run = (entry.execution.clone(), entry.detected_at.clone());
        if self.run != run {
            *self = Self { run, is_in_doubt: entry.in_doubt };
        }
        self.is_in_doubt
    }
}

impl<K: Eq + Hash, T: PartialEq, R> Versions<K, T, R> {
    fn new(assumed: &Loaded, sameness: Sameness) -> Self {
        Self { sameness, doubt: Doubt::default(), runs: Runs::new(assumed), last: HashMap::new() }
    }

    /// The version of a key that was dealt with last.
    fn last(&self, key: &K) -> Option<&Version<T, R>> {
        self.last.get(key).filter(|version| !self.runs.is_undone(version.run))
    }

    /// Adds an entry that is newer than those before it. `remembered` gives what is kept of a file, if anything is; it
    /// is told whether the file was set aside.
    ///
    /// An entry in doubt makes its files unknown whatever its generation: that of the target may be the one after it.
    fn add_as(&mut self, entry: &LedgerEntry, remembered: impl Fn(&SourceFile, bool) -> Option<(K, T, R)>) {
        let is_in_doubt = self.doubt.covers(entry);
        let run = self.runs.take(entry);
        let loaded = entry.files.iter().map(|file| (file, false));
        for (file, is_bad) in loaded.chain(entry.bad.iter().map(|file| (file, true))) {
            let Some((key, tag, rest)) = remembered(file, is_bad) else { continue };
            if !is_in_doubt {
                if let Some(run) = run {
                    self.last.insert(key, Version { tag, run, rest });
                }
            } else if self.last.get(&key).is_some_and(|known| known.tag != tag) {
                // The table holds the version that it held before, or this one. If they are the same, nothing is
                // uncertain.
                self.last.remove(&key);
            }
        }
    }
}

impl HashedVersions {
    /// None yet.
    pub(super) fn hashed(assumed: &Loaded, sameness: Sameness) -> Self {
        Self::new(assumed, sameness)
    }

    /// Adds an entry that is newer than those before it.
    pub(super) fn add(&mut self, entry: &LedgerEntry) {
        let sameness = self.sameness;
        self.add_as(entry, |file, _| {
            Some((hash_of_key(&file.key), hash_of_version(&file.etag, sameness.date(&file.last_modified)), ()))
        });
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.last.len()
    }

    /// Is this version of this file the one that was dealt with last?
    pub(super) fn hold(&self, key: &str, etag: &str, last_modified: &str) -> bool {
        let tag = hash_of_version(etag, self.sameness.date(last_modified));
        self.last(&hash_of_key(key)).is_some_and(|known| known.tag == tag)
    }
}

impl NamedVersions {
    /// None yet.
    pub(super) fn named(assumed: &Loaded, sameness: Sameness) -> Self {
        Self::new(assumed, sameness)
    }

    /// Adds what an entry that is newer than those before it says of `keys`.
    pub(super) fn add(&mut self, entry: &LedgerEntry, keys: &BTreeSet<String>) {
        let sameness = self.sameness;
        self.add_as(entry, |file, is_bad| {
            let tag = || (file.etag.clone(), sameness.date(&file.last_modified).to_owned());
            let known = || Known {
                etag: file.etag.clone(),
                last_modified: file.last_modified.clone(),
                execution: entry.execution.clone(),
                detected_at: entry.detected_at.clone(),
                is_bad,
            };
            keys.contains(&file.key).then(|| (file.key.clone(), tag(), known()))
        });
    }

    /// Each key with what is known of it.
    pub(super) fn into_all(self) -> impl Iterator<Item = (String, Known)> {
        let Self { runs, last, .. } = self;
        let known = last.into_iter().filter(move |(_, version)| !runs.is_undone(version.run));
        known.map(|(key, version)| (key, version.rest))
    }
}

fn hash_of_key(key: &str) -> Hash128 {
    (hash(1, key), hash(2, key))
}

fn hash_of_version(etag: &str, date: &str) -> u64 {
    hash(0, (etag, date))
}

/// Only compared within one process, so the hash need not be stable.
fn hash(salt: u8, value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (salt, value).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{OnOverlap, Print, Selection};

    fn assumed() -> Loaded {
        let selection =
            Selection { bucket: String::new(), prefix: String::new(), suffixes: Vec::new(), read_hidden: false };
        let print = Print {
            target: String::new(),
            selection,
            reading: String::new(),
            on_overlap: OnOverlap::AllFiles,
            allows_repeated: false,
        };
        Loaded { generation: "g".into(), detected_at: "2".into(), print }
    }

    fn none() -> HashedVersions {
        HashedVersions::hashed(&assumed(), Sameness::Bytes)
    }

    fn entry(key: &str, etag: &str) -> LedgerEntry {
        let file = SourceFile { key: key.into(), etag: etag.into(), size: 0, last_modified: String::new() };
        LedgerEntry {
            execution: String::new(),
            detected_at: "1".into(),
            files: vec![file],
            bad: Vec::new(),
            generation: "g".into(),
            after: String::new(),
            in_doubt: false,
        }
    }

    #[test]
    fn dates_count_where_they_decide_what_is_said() {
        let of = |values: serde_json::Value, target: serde_json::Value| {
            let mut parts = crate::spec::Parts {
                source: serde_json::json!({"suffix": ".csv", "columns": {"k": {}, "d": {"type": "date"}, "s": {},
                                           "m": {"file": "modified", "type": "timestamptz"}}}),
                shape: serde_json::json!({"keys": ["k"], "values": values}),
                target: serde_json::json!({"table": "t", "create": true}),
            };
            parts.target.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
            Sameness::of(&parts.check().unwrap())
        };
        let count = || serde_json::json!({"n": {"count": "*"}});
        let last = || serde_json::json!({"s": {"last": "s", "order_by": "d"}});
        let latest = || serde_json::json!({"m": {"max": "m"}});
        let all_files = || serde_json::json!({"on_overlap": "all_files"});
        let by_key = || serde_json::json!({"on_overlap": "newest_file", "newest_by": "key"});
        for (values, target, expected) in [
            (count(), all_files(), Sameness::Bytes),
            (last(), all_files(), Sameness::BytesAndDate),
            (latest(), all_files(), Sameness::BytesAndDate),
            (count(), by_key(), Sameness::Bytes),
            (latest(), by_key(), Sameness::BytesAndDate),
            (latest(), serde_json::json!({"on_overlap": "last_run"}), Sameness::Bytes),
            (count(), serde_json::json!({"on_overlap": "newest_file"}), Sameness::BytesAndDate),
        ] {
            assert_eq!(of(values.clone(), target.clone()), expected, "{values} {target}");
        }
    }

    #[test]
    fn a_file_in_doubt_is_known_at_no_version() {
        let dead = || LedgerEntry { in_doubt: true, execution: "dead".into(), ..entry("a", "2") };
        for dead in [dead(), LedgerEntry { generation: "another".into(), detected_at: "3".into(), ..dead() }] {
            let mut versions = none();
            versions.add(&entry("a", "1"));
            versions.add(&dead);
            assert!(!versions.hold("a", "1", "") && !versions.hold("a", "2", ""));
        }
        // Loaded again at the version that was there: the table holds that, whatever became of the run.
        let mut versions = none();
        versions.add(&entry("a", "1"));
        versions.add(&LedgerEntry { in_doubt: true, execution: "again".into(), ..entry("a", "1") });
        assert!(versions.hold("a", "1", ""));
    }

    #[test]
    fn a_run_is_in_doubt_as_a_whole() {
        let of =
            |execution: &str, in_doubt, key| LedgerEntry { in_doubt, execution: execution.into(), ..entry(key, "1") };
        let mut versions = none();
        for entry in [of("x", true, "a"), of("x", false, "b"), of("y", false, "c")] {
            versions.add(&entry);
        }
        assert!(!versions.hold("a", "1", "") && !versions.hold("b", "1", "") && versions.hold("c", "1", ""));
    }

    #[test]
    fn a_file_is_known_by_key_and_version() {
        let mut versions = none();
        versions.add(&entry("a", "1"));
        assert!(versions.hold("a", "1", ""));
        assert!(!versions.hold("a", "2", ""));
        assert!(!versions.hold("a1", "", ""));
        assert_eq!(versions.len(), 1);
    }

    #[test]
    fn a_file_that_is_put_back_is_new_again() {
        let mut versions = none();
        for etag in ["1", "2"] {
            versions.add(&entry("a", etag));
        }
        assert!(!versions.hold("a", "1", ""));
        assert!(versions.hold("a", "2", ""));
        versions.add(&entry("a", "1"));
        assert!(versions.hold("a", "1", ""));
    }

    #[test]
    fn a_file_that_is_sent_again_unchanged_is_new_where_its_date_matters() {
        let keys = BTreeSet::from(["a".to_owned()]);
        for (sameness, is_held) in [(Sameness::Bytes, true), (Sameness::BytesAndDate, false)] {
            let dated = |last_modified: &str| {
                let mut entry = entry("a", "1");
                entry.files[0].last_modified = last_modified.to_owned();
                entry
            };
            let mut versions = HashedVersions::hashed(&assumed(), sameness);
            versions.add(&dated("one day"));
            assert!(versions.hold("a", "1", "one day"));
            assert_eq!(versions.hold("a", "1", "the next day"), is_held);
            // The table may have either date now.
            versions.add(&LedgerEntry { in_doubt: true, execution: "dead".into(), ..dated("the next day") });
            assert_eq!(versions.hold("a", "1", "one day"), is_held);
            let mut named = NamedVersions::named(&assumed(), sameness);
            named.add(&dated("one day"), &keys);
            let known: Vec<_> = named.into_all().map(|(_, known)| known.last_modified).collect();
            assert_eq!(known, ["one day"], "{sameness:?}");
        }
    }

    #[test]
    fn what_was_loaded_into_another_table_or_after_a_restored_one_does_not_count() {
        let mut versions = none();
        versions.add(&entry("a", "1"));
        versions.add(&LedgerEntry { generation: "another".into(), ..entry("a", "2") });
        versions.add(&LedgerEntry { detected_at: "3".into(), ..entry("a", "3") });
        assert!(versions.hold("a", "1", ""));
    }

    #[test]
    fn a_run_that_began_anew_undoes_all_before_it() {
        let mut versions = none();
        let mut runs = Runs::new(&assumed());
        let reload = LedgerEntry { detected_at: "11".into(), ..entry("b", "1") };
        for entry in [&entry("a", "1"), &reload] {
            versions.add(entry);
            runs.take(entry);
        }
        assert!(!versions.hold("a", "1", "") && versions.hold("b", "1", ""));
        assert!(!runs.count(&entry("a", "1")) && runs.count(&reload));
    }

    #[test]
    fn what_a_later_run_does_not_know_of_was_undone() {
        let of = |detected_at: &str, after: &str, key| LedgerEntry {
            detected_at: detected_at.into(),
            after: after.into(),
            ..entry(key, "1")
        };
        let mut versions = none();
        for entry in
            [of("1", "", "a"), of("11", "1", "b"), of("12", "11", "c"), of("13", "1", "d"), of("14", "13", "e")]
        {
            versions.add(&entry);
        }
        let held: Vec<&str> = ["a", "b", "c", "d", "e"].into_iter().filter(|key| versions.hold(key, "1", "")).collect();
        assert_eq!(held, ["a", "d", "e"]);
    }

    #[test]
    fn a_file_that_was_set_aside_is_not_tried_again_at_that_version() {
        let mut versions = none();
        let keys = BTreeSet::from(["a".to_owned()]);
        let mut named = NamedVersions::named(&assumed(), Sameness::Bytes);
        let LedgerEntry { files, .. } = entry("a", "2");
        for entry in [entry("a", "1"), LedgerEntry { files: Vec::new(), bad: files, ..entry("b", "1") }] {
            versions.add(&entry);
            named.add(&entry, &keys);
        }
        assert!(versions.hold("a", "2", "") && !versions.hold("a", "1", ""));
        let known: Vec<_> = named.into_all().map(|(key, known)| (key, known.etag, known.is_bad)).collect();
        assert_eq!(known, [("a".to_owned(), "2".to_owned(), true)]);
    }
}
