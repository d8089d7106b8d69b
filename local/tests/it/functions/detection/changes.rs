//! One random history of what is around the files: somebody edits the spec, drops, restores or swaps the table, and
//! runs die. Whatever comes, the table that is there holds every file that is selected, by the spec of now.
//!
//! The test plays upsert as far as it decides what is loaded: it compares what a manifest assumes with the table's own
//! record, has files looked for anew by that if they differ, and leaves record, ledger and document.

use super::{BEGINNING, HOUR, detect, execution, parts, print, write_document};
use crate::functions::fake_aws::{FakeAws, Function, Object, Run, Seen, World};
use crate::support::Random;
use aws_sdk_s3::primitives::DateTime;
use serde_json::{Value, json};
use sluice::contract::{BatchManifest, LedgerEntry, Loaded, Manifest, ObjectRef, Record, SourceFile, keys};
use sluice::spec::{Parts, Selection};
use sluice::time::format_time;
use std::collections::{BTreeMap, BTreeSet};

/// How many keys the writers share.
const KEYS: u64 = 8;

/// How far back a run looks.
const LOOKBACK_HOURS: i64 = 1;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Before its commit, with or without its entries in doubt.
    CommitFails,
    /// After the commit, before its entries are certain.
    Unrecorded,
    /// After its entries, before the document.
    Undocumented,
    /// After the document.
    ClosingFails,
    DryRun,
    Succeeds,
}

const FATES: [Fate; 8] = [
    Fate::CommitFails,
    Fate::Unrecorded,
    Fate::Undocumented,
    Fate::ClosingFails,
    Fate::DryRun,
    Fate::Succeeds,
    Fate::Succeeds,
    Fate::Succeeds,
];

/// A table with its record.
#[derive(Clone, Default)]
struct Table {
    record: Option<Loaded>,
    /// The version of each file that was loaded, or set aside, last.
    known: BTreeMap<String, String>,
    /// Keys of which it holds words.
    words: BTreeSet<String>,
}

/// What happened, added up.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub runs: u64,
    pub looks_again: u64,
    pub reloads: u64,
    pub refusals: u64,
    pub bad: u64,
}

pub(super) struct History<'a> {
    random: Random,
    aws: &'a FakeAws,
    function: &'a mut Function,
    counts: &'a mut Counts,
    /// Whether the database is asked before files are looked for.
    is_asked: bool,
    now: i64,
    content_count: u64,
    run_count: u64,
    /// By database and name.
    tables: BTreeMap<(u8, u8), Table>,
    /// What each table was after each commit, for those who restore.
    commits: Vec<((u8, u8), Table)>,
    database: u8,
    /// The spec: the table's name, how files are read, and whether some of them are selected.
    table: u8,
    reading: u8,
    has_texts: bool,
    /// Whether files that say what others say count.
    allows_repeated: bool,
}

/// What a detection found: its manifest and the files of that.
type Found = Option<(Manifest, Vec<Vec<SourceFile>>)>;

impl<'a> History<'a> {
    pub(super) fn new(seed: u64, aws: &'a FakeAws, function: &'a mut Function, counts: &'a mut Counts) -> Self {
        *aws.world() = World::default();
        Self {
            random: Random::new(seed),
            aws,
            function,
            counts,
            is_asked: seed.is_multiple_of(2),
            now: BEGINNING,
            content_count: 0,
            run_count: 0,
            tables: BTreeMap::new(),
            commits: Vec::new(),
            database: 0,
            table: 0,
            reading: 0,
            has_texts: false,
            allows_repeated: false,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.below(end)
    }

    /// The whole history.
    pub(super) fn play(mut self) {
        for _ in 0..20 {
            for _ in 0..self.below(4) {
                self.write();
            }
            if self.below(3) == 0 {
                self.change();
            }
            let fate = FATES[usize::try_from(self.random.below(8)).unwrap()];
            self.run(fate);
        }
        // A table that is not asked about is only noticed by a run that loads.
        self.put("input_data/last.csv".to_owned());
        self.run(Fate::Succeeds);
        let (listed, table) = (self.listed(), self.now_there().clone());
        for (key, etag) in &listed {
            assert_eq!(table.known.get(key), Some(etag), "{key}");
        }
        let found = self.detect(&json!({}), false).expect("nothing has changed");
        assert!(found.is_none(), "{:?}", found.map(|(_, batches)| batches));
    }

    /// What the job's table is now.
    fn now_there(&mut self) -> &mut Table {
        self.tables.entry((self.database, self.table)).or_default()
    }

    fn parts(&self) -> Parts {
        let mut parts = parts(LOOKBACK_HOURS);
        parts.target["table"] = json!(format!("t{}", self.table));
        parts.shape["pivot"]["into"] = json!({"Work": format!("work_{}", self.reading)});
        if self.allows_repeated {
            parts.target["on_repeated_file"] = json!("allow");
        }
        if self.has_texts {
            parts.source["suffix"] = json!([".csv", ".txt"]);
        }
        parts
    }

    /// The input files that there are, with their entity tags.
    fn listed(&self) -> BTreeMap<String, String> {
        let world = self.aws.world();
        let files = world.objects.iter().filter(|(key, _)| self.selects(key));
        files.map(|(key, object)| (key.clone(), object.etag.clone())).collect()
    }

    fn selects(&self, key: &str) -> bool {
        key.starts_with("input_data/") && (key.ends_with(".csv") || self.has_texts && key.ends_with(".txt"))
    }

    fn put(&mut self, key: String) {
        self.content_count += 1;
        let etag = format!("\"{:x}\"", self.content_count);
        self.aws.world().objects.insert(key, Object { etag, size: 1, modified: self.now / 1_000, ..Object::default() });
        self.now += 1_000;
    }

    /// Somebody writes, deletes, or puts back an earlier content.
    fn write(&mut self) {
        self.now += [1_000, 60_000, HOUR, 5 * HOUR][usize::try_from(self.random.below(4)).unwrap()];
        let n = self.below(KEYS);
        let key = format!("input_data/{n}.{}", if n % 3 == 2 { "txt" } else { "csv" });
        match self.below(8) {
            0 => drop(self.aws.world().objects.remove(&key)),
            1 if self.content_count > 0 => {
                let etag = format!("\"{:x}\"", 1 + self.random.below(self.content_count));
                let modified = self.now / 1_000;
                self.aws.world().objects.insert(key, Object { etag, size: 1, modified, ..Object::default() });
            }
            _ => self.put(key),
        }
    }

    /// Somebody changes the spec, the table, or the database.
    fn change(&mut self) {
        match self.below(10) {
            0 | 1 => self.has_texts = !self.has_texts,
            2 | 3 => self.reading = (self.reading + 1) % 3,
            4 => self.table = 1 - self.table,
            5 => self.database = 1 - self.database,
            6 => *self.now_there() = Table::default(),
            7 if !self.commits.is_empty() => {
                let which = usize::try_from(self.random.below(u64::try_from(self.commits.len()).unwrap())).unwrap();
                let (place, table) = self.commits[which].clone();
                self.tables.insert(place, table);
            }
            8 => self.allows_repeated = !self.allows_repeated,
            _ => drop(self.aws.world().objects.remove(&keys::loaded("m"))),
        }
    }

    /// One look of the function in the newest run, by the table's record if that `is_known`.
    fn look(&mut self, trigger: &Value, is_known: bool) -> Result<Found, String> {
        let execution = self.aws.world().runs.last().unwrap().execution.clone();
        let record = is_known.then(|| Record { loaded: self.now_there().record.clone(), asked_at: None });
        self.aws.world().now = self.now;
        let parts = self.parts();
        let output = self.function.invoke(&detect(&execution, parts, record, trigger)).map_err(|(error, text)| {
            assert_eq!(error, "Misconfigured", "{text}");
            text
        })?;
        if output["manifest"].is_null() {
            return Ok(None);
        }
        let world = self.aws.world();
        let reference: ObjectRef = serde_json::from_value(output["manifest"].clone()).unwrap();
        let manifest: Manifest = world.document(&reference);
        assert_eq!(output["reload"], json!(manifest.reload));
        let batches = manifest.batches.iter().map(|batch| world.document::<BatchManifest>(batch).files).collect();
        Ok(Some((manifest, batches)))
    }

    /// What the states up to the load do: they look again if the table is not what was assumed.
    fn detect(&mut self, trigger: &Value, is_dry: bool) -> Result<Found, String> {
        self.run_count += 1;
        self.now += 1_000;
        self.aws.world().runs.push(Run {
            execution: execution(&format!("run-{}", self.run_count), self.now),
            status: "RUNNING",
            started_at: self.now,
            stopped_at: None,
            output: json!({"mode": if is_dry { "dry_run" } else { "load" }}),
            seen: Seen::Described,
        });
        let mut is_known = self.is_asked;
        for _ in 0..2 {
            let found = self.look(trigger, is_known)?;
            let Some((manifest, _)) = &found else { return Ok(None) };
            if manifest.assumed == self.now_there().record {
                return Ok(found);
            }
            assert!(!is_known, "what was assumed is what the table says");
            self.counts.looks_again += 1;
            is_known = true;
        }
        panic!("looks are without end");
    }

    fn end(&mut self, status: &'static str) {
        self.now += 1_000;
        let mut world = self.aws.world();
        let run = world.runs.last_mut().unwrap();
        (run.status, run.stopped_at) = (status, Some(self.now));
    }

    /// One execution, and another one by hand if that is refused.
    fn run(&mut self, fate: Fate) {
        self.counts.runs += 1;
        let is_dry = fate == Fate::DryRun;
        let trigger = if is_dry { json!({"dry_run": true}) } else { json!({}) };
        let found = self.detect(&trigger, is_dry);
        if found.as_ref().is_err_and(|text| text.contains("no file is left")) {
            assert!(self.is_asked && self.listed().is_empty() && self.now_there().record.is_none());
            self.counts.refusals += 1;
            return self.end("FAILED");
        }
        let found = found.or_else(|text| {
            assert!(text.contains(r#"{"reload": true}"#), "{text}");
            let listed = self.listed();
            let is_missing = |key: &String| !listed.contains_key(key);
            let words: Vec<_> = self.commits.iter().flat_map(|(_, table)| &table.words).collect();
            assert!(words.into_iter().any(is_missing), "refused without a reason: {text}");
            self.counts.refusals += 1;
            self.end("FAILED");
            let reload = json!({"reload": true, "dry_run": is_dry});
            if listed.is_empty() { Ok(None) } else { self.detect(&reload, is_dry) }
        });
        let Some((manifest, batches)) = found.expect("a reload by hand is not refused") else {
            return self.end("SUCCEEDED");
        };
        self.check(&manifest, &batches);
        match fate {
            Fate::DryRun => self.end("SUCCEEDED"),
            Fate::CommitFails => {
                if self.below(2) == 0 {
                    self.write_ledger(&manifest, &batches, "never committed", true);
                }
                self.end("FAILED");
            }
            _ => self.load(&manifest, &batches, fate),
        }
    }

    /// Whatever is selected and not yet dealt with was found; by a reload, all that is selected.
    fn check(&mut self, manifest: &Manifest, batches: &[Vec<SourceFile>]) {
        let found: BTreeMap<&String, &String> = batches.iter().flatten().map(|file| (&file.key, &file.etag)).collect();
        let (listed, table) = (self.listed(), self.now_there().clone());
        for (key, etag) in &found {
            assert_eq!(listed.get(*key), Some(*etag), "{key} is no input");
        }
        for (key, etag) in &listed {
            let is_known = !manifest.reload && table.known.get(key) == Some(etag);
            assert!(is_known || found.contains_key(key), "{key} is new, and is not found");
        }
        let Selection { suffixes, .. } = &manifest.print.selection;
        assert_eq!(suffixes.len(), if self.has_texts { 2 } else { 1 });
    }

    /// Whether upsert sets a file aside, by its content.
    fn is_bad(file: &SourceFile) -> bool {
        file.etag.ends_with("7\"")
    }

    fn write_ledger(&mut self, manifest: &Manifest, batches: &[Vec<SourceFile>], generation: &str, in_doubt: bool) {
        let execution = self.aws.world().runs.last().unwrap().execution.clone();
        let detected_at = self.detected_at();
        let after = manifest.assumed.as_ref().filter(|_| !manifest.reload);
        for (index, batch) in (0..).zip(batches) {
            let (bad, files) = batch.iter().cloned().partition(Self::is_bad);
            let entry = LedgerEntry {
                execution: execution.id.clone(),
                detected_at: detected_at.clone(),
                files,
                bad,
                generation: generation.to_owned(),
                after: after.map_or(String::new(), |assumed| assumed.detected_at.clone()),
                in_doubt,
            };
            let key = keys::ledger_entry(&execution, &detected_at, index);
            self.aws.world().put(&key, serde_json::to_vec(&entry).unwrap());
        }
    }

    /// When the newest run listed, in simulated time: the function itself tells the real one.
    fn detected_at(&self) -> String {
        format_time(DateTime::from_millis(self.now))
    }

    /// What upsert does.
    fn load(&mut self, manifest: &Manifest, batches: &[Vec<SourceFile>], fate: Fate) {
        let (detected_at, place) = (self.detected_at(), (self.database, self.table));
        let generation = match &manifest.assumed {
            Some(assumed) => assumed.generation.clone(),
            None => format!("g{}", self.run_count),
        };
        let loaded = Loaded { generation: generation.clone(), detected_at, print: print(&self.parts()) };
        assert_eq!(loaded.print, manifest.print);
        self.counts.reloads += u64::from(manifest.reload);
        let table = self.tables.entry(place).or_default();
        if manifest.reload {
            *table = Table::default();
        }
        for file in batches.iter().flatten() {
            table.known.insert(file.key.clone(), file.etag.clone());
            if !Self::is_bad(file) {
                table.words.insert(file.key.clone());
            }
            self.counts.bad += u64::from(Self::is_bad(file));
        }
        table.record = Some(loaded.clone());
        let table = table.clone();
        self.commits.push((place, table));
        self.write_ledger(manifest, batches, &generation, fate == Fate::Unrecorded);
        if [Fate::ClosingFails, Fate::Succeeds].contains(&fate) {
            write_document(self.aws, &loaded);
        }
        self.end(if fate == Fate::Succeeds { "SUCCEEDED" } else { "FAILED" });
    }
}
