//! One random history: what the writers do, and how the runs end.

mod files;

use self::files::{KEYS, Version, key, size};
use super::{BEGINNING, HOUR, detect, execution, parts, print, write_document};
use crate::functions::fake_aws::{FakeAws, Function, Object, Run, Seen, World, date};
use crate::support::Random;
use aws_sdk_s3::primitives::DateTime;
use serde_json::{Value, json};
use sluice::contract::{BatchManifest, LedgerEntry, Loaded, Manifest, ObjectRef, Record, SourceFile, keys};
use sluice::time::format_time;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// From how many files on a listing has a second page.
const PAGE: usize = 1_000;
/// The batches' bound.
const BATCH_BYTES: u64 = 1 << 30;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// At a random request of the detection, which may be tried again.
    DetectionFails,
    /// After the detection.
    CommitFails,
    /// After the commit, before all ledger entries are written.
    Unrecorded,
    /// After the ledger entries.
    ClosingFails,
    DryRun,
    Succeeds,
}

/// One of these at a time, most of them successes.
const FATES: [Fate; 9] = [
    Fate::DetectionFails,
    Fate::CommitFails,
    Fate::Unrecorded,
    Fate::ClosingFails,
    Fate::DryRun,
    Fate::Succeeds,
    Fate::Succeeds,
    Fate::Succeeds,
    Fate::Succeeds,
];

/// What happened, added up.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub runs: u64,
    pub loads: u64,
    /// Loads after one that was not recorded.
    pub repeats: u64,
    /// Files that changed between detection and reading.
    pub left_out: u64,
    /// Files that were set aside.
    pub bad: u64,
}

pub(super) struct History<'a> {
    seed: u64,
    random: Random,
    aws: &'a FakeAws,
    function: &'a mut Function,
    lookback_hours: i64,
    now: i64,
    versions: Vec<Version>,
    /// The bucket: a place in `versions` by key.
    current: BTreeMap<String, usize>,
    /// The entity tag that the ledger holds last of each key.
    recorded: BTreeMap<String, String>,
    /// The entity tag that the table holds, or that was set aside last.
    table: BTreeMap<String, String>,
    /// What the table's own record says.
    record: Option<Loaded>,
    newest_commit: i64,
    /// An execution that found the lock held, and tries again later.
    waiting: Option<usize>,
    content_count: u64,
    counts: &'a mut Counts,
}

impl<'a> History<'a> {
    pub(super) fn new(seed: u64, aws: &'a FakeAws, function: &'a mut Function, counts: &'a mut Counts) -> Self {
        *aws.world() = World::default();
        let mut random = Random::new(seed);
        Self {
            seed,
            lookback_hours: [1, 2, 24][usize::try_from(random.below(3)).unwrap()],
            random,
            aws,
            function,
            now: BEGINNING,
            versions: Vec::new(),
            current: BTreeMap::new(),
            recorded: BTreeMap::new(),
            table: BTreeMap::new(),
            record: None,
            newest_commit: 0,
            waiting: None,
            content_count: 0,
            counts,
        }
    }

    /// A number from 0 up to, but without, `end`.
    fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.random.below(end.unsigned_abs())).unwrap()
    }

    /// A place in something of this length.
    fn pick(&mut self, length: usize) -> usize {
        usize::try_from(self.random.below(u64::try_from(length).unwrap())).unwrap()
    }

    fn lookback(&self) -> i64 {
        self.lookback_hours * HOUR
    }

    /// The whole history.
    pub(super) fn play(mut self) {
        for other in ["input_data/", "input_data/notes.txt", "other/a.csv"] {
            let object = self.object(0, self.now / 1_000);
            self.aws.world().objects.insert(other.to_owned(), object);
        }
        let is_long = self.seed % 16 == 3;
        if is_long {
            for n in 0..2_000 + self.below(1_500) {
                let modified = (self.now - self.below(9 * 24 * HOUR)) / 1_000;
                let object = self.object(size(n), modified);
                self.put(key(n), object);
            }
        }
        let runs = if is_long { 6 } else { 14 };
        for _ in 0..runs {
            for _ in 0..self.below(6) {
                self.pass();
                self.change();
            }
            self.show_successes();
            let fate = FATES[self.pick(FATES.len())];
            if self.below(3) == 0 {
                self.aim();
            }
            self.run(fate, 3);
        }
        // When nobody writes any more, one run finds the rest, and another one nothing.
        for _ in 0..2 {
            self.now += 3 * self.lookback() + HOUR;
            self.show_successes();
            self.run(Fate::Succeeds, 1);
            for (key, &version) in &self.current {
                assert_eq!(self.table.get(key), Some(&self.versions[version].object.etag), "{key} is not loaded");
            }
        }
    }

    /// Time between two writes: a moment, until the end of a second or just beyond, up to an hour, beyond the lookback.
    fn pass(&mut self) {
        self.now += match self.below(10) {
            0..=3 => self.below(300),
            4 | 5 => self.below(5_000),
            6 => 999 - self.now % 1_000,
            7 => 1_000 - self.now % 1_000,
            8 => self.below(HOUR),
            _ => self.below(2 * self.lookback()),
        };
    }

    /// Time between two steps of a run.
    fn wait(&mut self) {
        self.now += match self.below(6) {
            0 | 1 => 0,
            2 | 3 => self.below(200),
            4 => self.below(5_000),
            _ => self.below(HOUR),
        };
    }

    /// An object with a content that there has not been before.
    fn object(&mut self, size: u64, modified: i64) -> Object {
        self.content_count += 1;
        Object { etag: format!("\"{:032x}\"", self.content_count), size, modified, ..Object::default() }
    }

    fn put(&mut self, key: String, object: Object) {
        self.aws.world().objects.insert(key.clone(), object.clone());
        self.current.insert(key.clone(), self.versions.len());
        self.versions.push(Version { key, object, loads: 0, is_unrecorded: false, is_ahead: false });
    }

    /// Somebody writes, or deletes.
    ///
    /// Nobody deletes just the newest version of a file. The one before it would be back with its old date, and no
    /// listing tells that from a file that was there all the time.
    fn change(&mut self) {
        let kind = self.below(10);
        let n = self.below(KEYS);
        let key = key(n);
        // S3's clock differs from that of the executions by up to 5 s.
        let dated = (self.now + self.below(10_001) - 5_000) / 1_000;
        match kind {
            0 => {
                self.current.remove(&key);
                self.aws.world().objects.remove(&key);
            }
            1 | 2 => {
                let earlier = self.versions.iter().filter(|version| version.key == key);
                let etags: Vec<String> = earlier.map(|version| version.object.etag.clone()).collect();
                if etags.is_empty() {
                    return;
                }
                let etag = etags[self.pick(etags.len())].clone();
                self.put(key, Object { etag, size: size(n), modified: dated, ..Object::default() });
            }
            // A multipart upload is dated with its start. Every other one took as long as the lookback allows, the
            // clocks' difference included.
            3..=5 => {
                let took = if self.below(2) == 0 { self.lookback() } else { self.below(self.lookback()) };
                let object = self.object(size(n), (self.now - took) / 1_000);
                self.put(key, object);
            }
            _ => {
                let object = self.object(size(n), dated);
                self.put(key, object);
            }
        }
    }

    /// Fewer than `end` changes.
    fn changes(&mut self, end: i64) {
        for _ in 0..self.below(end) {
            self.wait();
            self.change();
        }
        self.wait();
    }

    /// Step Functions shows more of what has succeeded.
    fn show_successes(&mut self) {
        for run in self.aws.world().runs.iter_mut().filter(|run| run.status == "SUCCEEDED") {
            if run.seen != Seen::Described && self.random.below(2) == 1 {
                run.seen = if run.seen == Seen::NotYet { Seen::Listed } else { Seen::Described };
            }
        }
    }

    /// Lets time pass until the start of a run makes the date of some file the oldest that the next run looks at.
    fn aim(&mut self) {
        let (now, lookback) = (self.now, self.lookback());
        let versions = self.current.values().map(|&version| &self.versions[version]);
        let starts = versions.map(|version| (version.object.modified * 1_000 + lookback, version.is_ahead));
        let near: Vec<(i64, bool)> =
            starts.filter(|(start, _)| (now + 1..now + 2 * lookback).contains(start)).collect();
        let is_any_ahead = near.iter().any(|(_, is_ahead)| *is_ahead);
        let near: Vec<i64> =
            near.iter().filter(|(_, is_ahead)| *is_ahead == is_any_ahead).map(|(start, _)| *start).collect();
        if !near.is_empty() {
            self.now = near[self.pick(near.len())] + self.below(1_000);
        }
    }

    /// An execution starts; returns its place in the list.
    fn begin(&mut self) -> usize {
        let world = &mut *self.aws.world();
        world.runs.push(Run {
            execution: execution(&format!("{}-{}", self.seed, world.runs.len()), self.now),
            status: "RUNNING",
            started_at: self.now,
            stopped_at: None,
            output: json!({"mode": "load"}),
            seen: Seen::Described,
        });
        world.runs.len() - 1
    }

    fn end(&mut self, run: usize, status: &'static str) {
        let stopped_at = Some(self.now);
        self.now += self.below(2);
        let seen = match status {
            "SUCCEEDED" => [Seen::NotYet, Seen::Listed, Seen::Described][self.pick(3)],
            _ => Seen::Described,
        };
        let run = &mut self.aws.world().runs[run];
        (run.status, run.stopped_at, run.seen) = (status, stopped_at, seen);
    }

    /// Calls the function; returns the batches that it wrote, or the error's name.
    fn detect(&mut self, run: usize) -> Result<Vec<Vec<SourceFile>>, String> {
        let (execution, input) = {
            let world = &mut *self.aws.world();
            world.now = self.now;
            let is_dry_run = world.runs[run].output["mode"] == "dry_run";
            (world.runs[run].execution.clone(), if is_dry_run { json!({"dry_run": true}) } else { json!({}) })
        };
        let asked_at = format_time(SystemTime::now().into());
        let record = Some(Record { loaded: self.record.clone(), asked_at: None });
        let event = detect(&execution, parts(self.lookback_hours), record, &input);
        let output = self.function.invoke(&event).map_err(|(name, text)| {
            eprintln!("{}: {name}: {text}", execution.name);
            name
        })?;
        if output["manifest"].is_null() {
            assert_eq!((&output["new_file_count"], &output["batches"]), (&json!(0), &json!([])));
            return Ok(Vec::new());
        }
        let world = self.aws.world();
        let reference: ObjectRef = serde_json::from_value(output["manifest"].clone()).unwrap();
        let manifest: Manifest = world.document(&reference);
        assert_eq!(manifest.assumed, self.record);
        assert!(asked_at <= manifest.detected_at && manifest.detected_at <= format_time(SystemTime::now().into()));
        let batches: Vec<Vec<SourceFile>> =
            manifest.batches.iter().map(|batch| world.document::<BatchManifest>(batch).files).collect();
        let indices: Vec<Value> = (0..batches.len()).map(|index| json!({"index": index})).collect();
        assert_eq!(output["batches"], Value::Array(indices));
        assert_eq!(output["new_file_count"], json!(batches.iter().map(Vec::len).sum::<usize>()));
        let keys: BTreeSet<&str> = batches.iter().flatten().map(|file| file.key.as_str()).collect();
        assert_eq!(keys.len(), batches.iter().map(Vec::len).sum::<usize>(), "each file once");
        for batch in &batches {
            let bytes: u64 = batch.iter().map(|file| file.size).sum();
            assert!((1..=PAGE).contains(&batch.len()) && bytes <= BATCH_BYTES, "{} files, {bytes} bytes", batch.len());
            assert!(batch.is_sorted_by(|one, next| one.key < next.key), "in the order of the keys");
        }
        Ok(batches)
    }

    /// One execution. `end` as in [`Self::changes`].
    fn run(&mut self, fate: Fate, end: i64) {
        self.counts.runs += 1;
        let run = self.waiting.take().unwrap_or_else(|| self.begin());
        if fate == Fate::DryRun {
            self.aws.world().runs[run].output = json!({"mode": "dry_run"});
        }
        self.changes(end);

        let listed = self.current.clone();
        let mut written = BTreeMap::new();
        if fate == Fate::DetectionFails {
            self.aws.world().denied_after = Some(self.random.below(16));
        } else if listed.len() > PAGE && end > 1 {
            for _ in 0..self.below(4) {
                let n = self.below(4_000);
                written.insert(key(n), self.object(size(n), self.now / 1_000));
            }
            self.aws.world().before_second_page = written.clone();
        }
        let mut batches = self.detect(run);
        self.aws.world().denied_after = None;
        if let Err(name) = &batches {
            assert_eq!((fate, name.as_str()), (Fate::DetectionFails, "Misconfigured"));
            if self.below(2) == 0 {
                return self.end(run, "FAILED");
            }
            self.wait();
            batches = self.detect(run);
        }
        let batches = batches.expect("nothing is denied any more");
        let detected_at = self.now + self.below(2_001) - 1_000;
        self.check(&batches, &listed, &written);
        for (key, object) in written {
            self.put(key, object);
        }
        if self.below(4) == 0 {
            let late = self.begin();
            assert_eq!(self.detect(late), Err("LockHeld".to_owned()), "one at a time");
            self.waiting = Some(late);
        }
        if batches.is_empty() {
            return self.end(run, "SUCCEEDED");
        }

        self.changes(end);
        if fate == Fate::DryRun {
            return self.end(run, "SUCCEEDED");
        }
        // Upsert refuses a run that was detected before one that is committed.
        if fate == Fate::CommitFails || detected_at <= self.newest_commit {
            return self.end(run, "FAILED");
        }
        self.load(run, detected_at, &batches, fate);
        self.changes(end);
        self.end(run, if fate == Fate::Succeeds || fate == Fate::DetectionFails { "SUCCEEDED" } else { "FAILED" });
    }

    /// Everything that is new was found, and nothing else.
    ///
    /// A content that is written once more is a version that may be loaded and need not be: it depends on whether the
    /// ledger that is read still reaches back to it.
    fn check(&self, batches: &[Vec<SourceFile>], listed: &BTreeMap<String, usize>, written: &BTreeMap<String, Object>) {
        let found: BTreeMap<&str, &SourceFile> =
            batches.iter().flatten().map(|file| (file.key.as_str(), file)).collect();
        for (key, &version) in listed {
            let version = &self.versions[version];
            match found.get(key.as_str()) {
                // Both are right: what there was at its first page, and what there was at its second.
                Some(file) if written.get(key).is_some_and(|object| object.etag == file.etag) => {}
                Some(file) => {
                    let is_known = self.recorded.get(key) == Some(&version.object.etag);
                    let may_be_new = !is_known || version.loads == 0 || version.is_unrecorded;
                    assert!(may_be_new, "{key}, dated {}, is loaded, and is found again", file.last_modified);
                    assert_eq!(**file, version.file());
                }
                None if written.contains_key(key) => {}
                // Also if the ledger does not say so: then it is dated before what is looked at again.
                None => {
                    let is_loaded = self.table.get(key) == Some(&version.object.etag);
                    assert!(is_loaded, "{key}, dated {}, is new, and is not found", date(version.object.modified));
                }
            }
        }
        for key in found.keys() {
            assert!(listed.contains_key(*key) || written.contains_key(*key), "{key} is no input");
        }
    }

    /// What pivot and upsert do: they leave out what has changed, commit the rest, and write an entry per batch.
    fn load(&mut self, run: usize, detected_at: i64, batches: &[Vec<SourceFile>], fate: Fate) {
        self.newest_commit = detected_at;
        let entry_count = match fate {
            Fate::Unrecorded => self.pick(batches.len()),
            _ => batches.len(),
        };
        // The first entry is certain last, and decides.
        let is_recorded = entry_count == batches.len();
        let execution = self.aws.world().runs[run].execution.clone();
        let detected_text = format_time(DateTime::from_millis(detected_at));
        let before = self.record.replace(Loaded {
            generation: "g".to_owned(),
            detected_at: detected_text.clone(),
            print: print(&parts(self.lookback_hours)),
        });
        for (index, batch) in batches.iter().enumerate() {
            let (mut files, mut bad) = (Vec::new(), Vec::new());
            for file in batch {
                let current = self.current.get(&file.key).copied();
                let Some(version) = current.filter(|&version| self.versions[version].object.etag == file.etag) else {
                    self.counts.left_out += 1;
                    continue;
                };
                let version = &mut self.versions[version];
                assert!(version.loads == 0 || version.is_unrecorded, "{} is loaded twice", file.key);
                self.counts.repeats += u64::from(version.loads > 0);
                self.counts.loads += 1;
                version.loads += 1;
                version.is_unrecorded = !is_recorded;
                version.is_ahead = version.object.modified * 1_000 > detected_at;
                self.table.insert(file.key.clone(), file.etag.clone());
                // In doubt, another version than this one is not held any more.
                match is_recorded {
                    true => self.recorded.insert(file.key.clone(), file.etag.clone()),
                    false if self.recorded.get(&file.key) == Some(&file.etag) => None,
                    false => self.recorded.remove(&file.key),
                };
                // By its content.
                if file.etag.ends_with("7\"") {
                    self.counts.bad += 1;
                    bad.push(file.clone());
                } else {
                    files.push(file.clone());
                }
            }
            let key = keys::ledger_entry(&execution, &detected_text, u32::try_from(index).unwrap());
            let (execution, detected_at) = (execution.id.clone(), detected_text.clone());
            let entry = LedgerEntry {
                execution,
                detected_at,
                files,
                bad,
                generation: "g".to_owned(),
                after: before.as_ref().map_or(String::new(), |before| before.detected_at.clone()),
                in_doubt: index < batches.len() - entry_count,
            };
            self.aws.world().put(&key, serde_json::to_vec(&entry).unwrap());
        }
        if let Some(loaded) = self.record.as_ref().filter(|_| is_recorded) {
            write_document(self.aws, loaded);
        }
    }
}
