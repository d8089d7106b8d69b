//! One random history of a job: what the writers do, what is done to the database, and how the runs end. After each run
//! the table must be what the model says of the runs so far.

use super::job::{Content, Job, TABLE, pick};
use super::machine::{Fate, Machine, Outcome, Plan};
use super::oracle::{Oracle, Seen};
use crate::support::Random;
use aws_sdk_s3::primitives::DateTime;
use serde_json::{Value, json};
use sluice::contract::SourceFile;
use sluice::spec::OnOverlap;
use sluice::time::format_time;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long before now a history begins: runs are detected now, and no file may be dated later than that.
const BEGINS_BEFORE: Duration = Duration::from_hours(24 * 300);

/// Beyond the lookback of all jobs, in seconds.
const LONG: i64 = 2 * 24 * 3_600;

/// What happened, added up.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub runs: u64,
    pub commits: u64,
    /// Runs that ended with an error of a function, as they had to.
    pub refusals: u64,
    pub reloads: u64,
    /// Times that something was done to the database.
    pub disturbances: u64,
    /// Rows that were compared.
    pub rows: usize,
    /// Comparisons while a file did not count, since it repeated another one.
    pub repeated: u64,
}

/// The database as it was kept, and what the model knew then.
struct Kept {
    runs: Vec<Vec<Seen>>,
    loaded_by: Option<Value>,
}

pub(super) struct History<'a> {
    seed: u64,
    random: Random,
    machine: &'a mut Machine,
    oracle: &'a mut Oracle,
    counts: &'a mut Counts,
    job: Job,
    /// Seconds since 1970.
    now: i64,
    /// What the model is told: the runs that count.
    runs: Vec<Vec<Seen>>,
    /// The spec of what is loaded, as the model takes it.
    loaded_by: Option<Value>,
    /// That of the last load ever, into whatever table: all that a run knows which does not ask the database.
    last_loaded_by: Option<Value>,
    /// Something was done to the database, and no run has asked it since.
    is_stale: bool,
    /// The table was emptied, and not loaded since.
    is_emptied: bool,
    kept: Option<Kept>,
}

impl<'a> History<'a> {
    pub(super) async fn new(
        seed: u64,
        modes: &[OnOverlap],
        machine: &'a mut Machine,
        oracle: &'a mut Oracle,
        counts: &'a mut Counts,
    ) -> Self {
        machine.clear().await;
        let mut random = Random::new(seed);
        let job = Job::new(&mut random, modes);
        let begins = (SystemTime::now() - BEGINS_BEFORE).duration_since(UNIX_EPOCH).unwrap();
        Self {
            seed,
            random,
            machine,
            oracle,
            counts,
            job,
            now: i64::try_from(begins.as_secs()).unwrap(),
            runs: Vec::new(),
            loaded_by: None,
            last_loaded_by: None,
            is_stale: false,
            is_emptied: false,
            kept: None,
        }
    }

    /// The whole history.
    pub(super) async fn play(mut self) {
        for step in 0..12 {
            for _ in 0..self.random.below(4) {
                self.pass();
                self.write();
            }
            if self.random.below(5) == 0 {
                self.disturb().await;
            }
            self.pass();
            let plan = self.plan();
            self.run(step, &plan).await;
        }
        // In the end one run loads what is left, and another one finds nothing.
        self.correct();
        if self.loaded_by.as_ref().is_none_or(|loaded| is_read_otherwise(loaded, &self.job.spec())) {
            self.run(12, &Plan::plain(json!({"reload": true}))).await;
        }
        for step in 13..15 {
            self.pass();
            let outcome = self.run(step, &Plan::plain(json!({}))).await;
            assert!(outcome.has_succeeded, "{}", self.place(step));
            assert!(step == 13 || outcome.listed.is_empty(), "{}: {:?}", self.place(step), outcome.listed);
        }
    }

    fn place(&self, step: u32) -> String {
        format!("SLUICE_SEEDS={}..{}, step {step}, {:?}", self.seed, self.seed + 1, self.job.parts)
    }

    /// Time between two steps; now and then none that S3's dates would show.
    fn pass(&mut self) {
        if self.random.below(4) == 0 {
            return;
        }
        self.now += 1 + i64::try_from(self.random.below(600)).unwrap();
        if self.random.below(12) == 0 {
            self.now += LONG;
        }
    }

    /// A run of a plan that asks for nothing in particular most of the time.
    fn plan(&mut self) -> Plan {
        let random = &mut self.random;
        let fate = match random.below(12) {
            0 => Fate::Detected,
            1 => Fate::Pivoted,
            2 => Fate::Loaded,
            3..=5 => Fate::Killed {
                document: usize::try_from(random.below(3)).unwrap(),
                is_stored: random.below(2) == 0,
                is_retried: random.below(2) == 0,
            },
            _ => Fate::Ends,
        };
        let files: Vec<String> = self.machine.files().into_keys().collect();
        let input = match random.below(12) {
            0 => json!({"dry_run": true}),
            1 if !files.is_empty() => json!({"forget": [pick(random, &files)]}),
            2 => {
                let back = i64::try_from(random.below(4_000)).unwrap();
                json!({"since": format_time(DateTime::from_secs(self.now - back))})
            }
            3 => json!({"since": "1970-01-01T00:00:00Z"}),
            4 => json!({"reload": true}),
            _ => json!({}),
        };
        let asks_record = random.below(2) == 0;
        let meanwhile = (random.below(8) == 0).then(|| self.file());
        let meanwhile = meanwhile.map(|(key, text)| (key, self.machine.object(&text, self.now)));
        Plan { input, asks_record, fate, meanwhile }
    }

    fn content(&mut self) -> Content {
        // Now and then a run has to fail.
        if self.random.below(24) == 0 { Content::ANY } else { self.job.set_aside }
    }

    /// A new version of a file.
    fn file(&mut self) -> (String, String) {
        let content = self.content();
        (self.job.name(&mut self.random, content), self.job.text(&mut self.random, content))
    }

    /// Somebody writes, deletes, copies, or sends a file again as it is.
    fn write(&mut self) {
        let (mut key, text) = self.file();
        let files = self.machine.files();
        // What was just written is often corrected at once.
        let just: Vec<&String> = files.iter().filter(|(_, (_, at))| *at == self.now).map(|(key, _)| key).collect();
        if !just.is_empty() && self.random.below(2) == 0 {
            key.clone_from(*pick(&mut self.random, &just));
        }
        match self.random.below(12) {
            0 => drop(self.machine.aws.world().objects.remove(&key)),
            3..=6 if self.job.sets_repeated_aside() && !files.is_empty() => {
                let world = self.machine.aws.world();
                let text = |key| String::from_utf8(world.objects[key].body.clone()).unwrap();
                let texts: Vec<String> = files.keys().map(text).collect();
                drop(world);
                let text = self.job.nearly(&mut self.random, &texts);
                self.machine.upload(&key, &text, self.now);
            }
            place @ (1 | 2) if !files.is_empty() => {
                let keys: Vec<String> = files.into_keys().collect();
                let from = pick(&mut self.random, &keys);
                let key = if place == 1 { key } else { from.clone() };
                let body = self.machine.aws.world().objects[from].body.clone();
                self.machine.upload(&key, &String::from_utf8(body).unwrap(), self.now);
            }
            _ => self.machine.upload(&key, &text, self.now),
        }
    }

    /// Somebody does something to the database, or to the spec.
    async fn disturb(&mut self) {
        self.counts.disturbances += 1;
        let keeps_words = self.job.on_overlap.keeps_words();
        let table = format!("public.{TABLE}");
        match self.random.below(7) {
            0 | 1 => {
                let (is_dropped, had_rows) =
                    (self.random.below(2) == 0, !self.machine.table(&self.job).await.is_empty());
                let statement = if is_dropped {
                    format!("drop table if exists {table}")
                } else {
                    format!("do $$ begin if to_regclass('{table}') is not null then truncate {table}; end if; end $$")
                };
                self.machine.execute(&statement).await;
                (self.is_stale, self.is_emptied) = (true, true);
                // Nothing but the table knew what was loaded. Of files without rows it has none to lose.
                if !keeps_words && (is_dropped || had_rows) {
                    self.runs.clear();
                }
            }
            // As another database.
            2 => {
                let statements = format!("drop table if exists {table}; drop schema if exists sluice cascade");
                self.machine.execute(&statements).await;
                self.runs.clear();
                (self.is_stale, self.is_emptied, self.loaded_by) = (true, true, None);
            }
            3 if !self.is_stale => {
                self.machine.keep().await;
                self.kept = Some(Kept { runs: self.runs.clone(), loaded_by: self.loaded_by.clone() });
            }
            3 | 4 => {
                if let Some(kept) = self.kept.take() {
                    self.machine.bring_back().await;
                    (self.runs, self.loaded_by) = (kept.runs, kept.loaded_by);
                    (self.is_stale, self.is_emptied) = (true, false);
                }
            }
            5 if self.job.on_overlap == OnOverlap::AllFiles => self.job.swap_repeated(),
            _ => self.job.swap_columns(),
        }
    }

    /// All files that there are can be read from now on, and no two say the same. There is one at least.
    fn correct(&mut self) {
        let mut files: Vec<String> = self.machine.files().into_keys().collect();
        if !files.iter().any(|key| self.job.has_key_in(key)) {
            files.push(self.job.name(&mut self.random, Content::GOOD));
        }
        for (number, key) in files.into_iter().enumerate() {
            self.pass();
            if self.job.has_key_in(&key) {
                let text = self.job.text(&mut self.random, Content::GOOD);
                let text = if self.job.refuses_repeated() { unlike(number) } else { text };
                self.machine.upload(&key, &text, self.now);
            } else {
                self.machine.aws.world().objects.remove(&key);
            }
        }
    }

    /// One run, and what it must come to.
    async fn run(&mut self, step: u32, plan: &Plan) -> Outcome {
        self.counts.runs += 1;
        // Runs come one after the other, also within a second.
        let outcome = self.machine.run(&self.job, plan, self.now * 1_000 + 10 * i64::from(step)).await;
        let place = format!("{}, {}, {:?}: {outcome:?}", self.place(step), plan.input, plan.fate);
        if outcome.is_committed {
            self.commit(&outcome, plan, &place);
        } else if let Some((name, text)) = &outcome.error {
            self.counts.refusals += 1;
            self.expect_error(&outcome, plan, name, text, &place);
        }
        let loads = outcome.has_succeeded && plan.input != json!({"dry_run": true});
        if outcome.is_committed || loads && plan.asks_record {
            self.is_stale = false;
        }
        if !self.is_stale {
            self.compare(&place).await;
        }
        if loads && !self.is_stale && plan.meanwhile.is_none() {
            self.expect_complete(&place);
        }
        outcome
    }

    fn commit(&mut self, outcome: &Outcome, plan: &Plan, place: &str) {
        self.counts.commits += 1;
        let is_read_otherwise =
            self.loaded_by.as_ref().is_some_and(|loaded| is_read_otherwise(loaded, &self.job.spec()));
        assert!(!is_read_otherwise || outcome.reload || self.is_emptied, "not loaded anew: {place}");
        if outcome.reload || is_read_otherwise {
            self.counts.reloads += u64::from(outcome.reload);
            let by_itself = plan.input != json!({"reload": true});
            let lost = self.runs.iter().flatten().find(|seen| {
                let is_listed = outcome.listed.iter().any(|file| file.key == seen.key);
                !seen.is_bad && !is_listed && plan.meanwhile.is_none()
            });
            assert!(!by_itself || self.is_emptied || lost.is_none(), "lost untold: {lost:?}: {place}");
            self.runs.clear();
        }
        let seen = |files: &[SourceFile], is_bad| -> Vec<Seen> {
            files.iter().map(|file| Seen { is_bad, ..self.machine.seen(file) }).collect()
        };
        self.runs.push([seen(&outcome.loaded, false), seen(&outcome.bad, true)].concat());
        (self.loaded_by, self.is_emptied) = (Some(self.job.spec()), false);
        self.last_loaded_by = self.loaded_by.clone();
    }

    /// A run may fail only of what is wrong with its files, or if a change of the spec would lose what is loaded.
    fn expect_error(&mut self, outcome: &Outcome, plan: &Plan, name: &str, text: &str, place: &str) {
        let spec = self.job.spec();
        let is_changed_since =
            |loaded: &Option<Value>| loaded.as_ref().is_some_and(|loaded| is_read_otherwise(loaded, &spec));
        let is_changed = is_changed_since(&self.loaded_by);
        let seems_changed = is_changed || !plan.asks_record && is_changed_since(&self.last_loaded_by);
        let (files, asks_reload) = (self.machine.files(), plan.input == json!({"reload": true}));
        if name == "Misconfigured" && text.contains("reload") && seems_changed {
            let loaded: BTreeSet<&str> = self.runs.iter().flatten().map(|seen| seen.key.as_str()).collect();
            let is_any_gone = loaded.iter().any(|key| !files.contains_key(*key));
            // Of a file with bad rows the table may have more than is there of it now.
            let has_bad_rows = text.contains("in quarantine, and ") && outcome.has_rejected_rows;
            let is_row = self.job.on_overlap == OnOverlap::NewestRow;
            // Nobody knows whether a row that is set aside was the one that wins.
            let may_have_won = is_row && text.contains("has to be asked for") && outcome.has_rejected_rows;
            let is_overwritten = |seen: &Seen| {
                files.get(&seen.key).is_some_and(|(etag, modified)| (etag, *modified) != (&seen.etag, seen.modified))
            };
            let is_any_overwritten = is_row
                && text.contains("overwritten since")
                && self.runs.iter().flatten().any(|seen| !seen.is_bad && is_overwritten(seen));
            let is_any_lost =
                is_any_gone || !outcome.bad.is_empty() || has_bad_rows || may_have_won || is_any_overwritten;
            // What happened to the table since, who does not ask it cannot know.
            let may_be_wrong = self.is_stale && !plan.asks_record;
            let is_right = self.job.on_overlap == OnOverlap::LastRun || is_any_lost || may_be_wrong;
            assert!(is_right, "nothing would be lost: {place}");
            assert!(!asks_reload, "{place}");
            return;
        }
        // What is to be all there is was overwritten meanwhile.
        if name == "StaleRun" {
            assert!(outcome.reload && plan.meanwhile.is_some(), "{place}");
            return;
        }
        // Nothing is left from which to load the table again.
        if name == "Misconfigured" && text.contains("no file is left") {
            assert!(files.is_empty() && plan.asks_record && !asks_reload, "{place}");
            assert!(self.is_emptied || self.loaded_by.is_none(), "nothing is lost: {place}");
            return;
        }
        if asks_reload && files.is_empty() {
            assert_eq!(name, "InvalidEvent", "{place}");
            return;
        }
        assert_eq!(name, "InvalidSource", "{place}");
        if plan.meanwhile.is_some() {
            return;
        }
        let listed: Vec<SourceFile> = outcome.listed.clone();
        let listed: Vec<Seen> = listed.iter().map(|file| self.machine.seen(file)).collect();
        let before = if outcome.reload || is_changed { Vec::new() } else { self.runs.clone() };
        let verdict = self.oracle.table(&self.job.spec(), &[before, vec![listed]].concat());
        assert!(verdict.is_err(), "the model has nothing against it: {place}");
        // Or nothing is ever loaded again.
        self.correct();
    }

    /// The table is what the model says.
    async fn compare(&mut self, place: &str) {
        let Some(spec) = &self.loaded_by else { return };
        let expected = self.oracle.table(spec, &self.runs);
        let found = self.machine.table(&self.job).await;
        let told = || self.runs.iter().map(|run| format!("{run:#?}")).collect::<Vec<_>>().join("\n");
        match &expected {
            Ok(expected) => assert_eq!(&found, expected, "{place}\nof these runs:\n{}", told()),
            Err(refused) => panic!("the model refuses what was loaded: {refused}: {place}\nof these runs:\n{}", told()),
        }
        self.counts.rows += found.len();
        if self.job.sets_repeated_aside() {
            let mut allowing = spec.clone();
            allowing["target"]["on_repeated_file"] = json!("allow");
            self.counts.repeated += u64::from(self.oracle.table(&allowing, &self.runs) != expected);
        }
    }

    /// Every file that is there was read at its version, and counts.
    fn expect_complete(&self, place: &str) {
        for (key, (etag, modified)) in self.machine.files() {
            let last = self.runs.iter().rev().flatten().find(|seen| seen.key == key);
            // A suffix of upper case is as good as any.
            assert_eq!(last.map(|seen| &seen.etag), Some(&etag), "{key} is not loaded: {place}");
            let is_its_date = last.is_some_and(|seen| seen.modified == modified);
            assert!(is_its_date || !self.job.goes_by_date(), "{key} is not loaded by its new date: {place}");
        }
    }
}

/// Whether all files have to be loaded again since one spec was loaded and another one is to be. Files that say what
/// others say may count from now on, but not the other way round: they were not looked for.
fn is_read_otherwise(loaded: &Value, now: &Value) -> bool {
    let mut loaded = loaded.clone();
    if now["target"]["on_repeated_file"] == "allow" {
        loaded["target"]["on_repeated_file"] = json!("allow");
    }
    loaded != *now
}

/// A file that says what no other one does.
fn unlike(number: usize) -> String {
    format!("Kind,N,Day\nA,{number}.125,2024-03-01\n")
}
