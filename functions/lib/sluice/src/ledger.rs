//! What runs have loaded: for each batch of a run an entry in the bucket, written by the function that loads, read by
//! the one that looks for new files.
//!
//! # Protocol
//! A run writes its entries *in doubt* right before its commit, and *certain* after it. Without the first, a run that
//! dies between the two would leave an older entry standing: if the file is then put back to the version of that entry,
//! it would be taken for loaded while the table holds the other one. In doubt, it is loaded again.
//!
//! The entry of the first batch decides for the whole run, so it is the first to be in doubt and the last to be
//! certain: however far a run gets, its first entry is certain only if all are. A reader goes through the entries in
//! the order of their keys, which is that of detection; those of one run follow one another.
//!
//! An entry says of which generation of the target it is. It counts only if that is the one which is assumed to be
//! there, and if the target knows of its run: what was loaded into another table, or after the time to which a database
//! was restored, is not in this one. An entry also says which run its own one came after, by the target's record, so
//! that those between the two, or all of them by a reload, are known to be undone.

mod read;
mod versions;
mod write;

pub use read::{KnownVersion, LastKnown, Ledger, each_loaded, last_known};
pub use versions::Sameness;
pub use write::{BatchFiles, Certainty, LoadingRun, write};

#[cfg(test)]
mod tests {
    use super::versions::{HashedVersions, NamedVersions, Sameness};
    use super::write::{Certainty, order};
    use crate::contract::{Execution, LedgerEntry, Loaded, SourceFile, keys};
    use crate::spec::{OnOverlap, Print, Selection};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// A version of a file, and whether it is a bad file: key, number of the version, whether.
    type Given = (u8, u8, bool);

    /// What somebody does to the database before a run.
    #[derive(Clone, Copy, Debug)]
    enum Before {
        Nothing,
        /// Drops the table, or sets the job to another one.
        NewTable,
        /// Restores it as it was after some commit.
        Restore(usize),
        /// Asks for a reload.
        Reload,
    }

    /// A run of the history: the versions of its batches' files, and after how many steps it dies. A step is the write
    /// of an entry, or the commit. With `is_retried` the state machine tries it once more, without dying.
    #[derive(Clone, Debug)]
    struct Run {
        before: Before,
        batches: Vec<Vec<Given>>,
        steps: usize,
        is_retried: bool,
        is_reversed: bool,
    }

    fn run() -> impl Strategy<Value = Run> {
        let batches =
            proptest::collection::vec(proptest::collection::vec((0..4_u8, 0..4_u8, any::<bool>()), 1..3), 1..4);
        let before = prop_oneof![
            6 => Just(Before::Nothing),
            1 => Just(Before::NewTable),
            2 => (0..4_usize).prop_map(Before::Restore),
            1 => Just(Before::Reload),
        ];
        (before, batches, 0..9_usize, any::<bool>(), any::<bool>()).prop_map(
            |(before, batches, steps, is_retried, is_reversed)| Run { before, batches, steps, is_retried, is_reversed },
        )
    }

    /// What a step does.
    enum Step {
        Write(u32, Certainty),
        Commit,
    }

    /// The steps of a run that nothing stops. Entries that are written side by side may come in any order.
    fn steps(run: &Run) -> Vec<Step> {
        let count = u32::try_from(run.batches.len()).unwrap();
        let writes = |certainty| {
            let groups = order(count, certainty).map(|group| match run.is_reversed {
                true => group.rev().collect::<Vec<_>>(),
                false => group.collect(),
            });
            groups.into_iter().flatten().map(move |index| Step::Write(index, certainty)).collect::<Vec<_>>()
        };
        let mut steps = writes(Certainty::InDoubt);
        steps.push(Step::Commit);
        steps.extend(writes(Certainty::Committed));
        steps
    }

    /// Entity tag and date of a version: two of them have the same bytes.
    fn version(number: u8) -> (String, String) {
        ((number / 2).to_string(), (number % 2).to_string())
    }

    /// The good files of a batch, or the bad ones.
    fn files(batch: &[Given], bad: bool) -> Vec<SourceFile> {
        let file = |(key, number, _): &Given| {
            let (etag, last_modified) = version(*number);
            SourceFile { key: key.to_string(), etag, size: 1, last_modified }
        };
        batch.iter().filter(|(.., is_bad)| *is_bad == bad).map(file).collect()
    }

    /// A database: the generation and the last run that it knows of, and which version of each file was dealt with
    /// last, for that table.
    #[derive(Clone, Default)]
    struct Database {
        record: Option<(String, String)>,
        known: BTreeMap<String, (String, String)>,
    }

    impl Database {
        fn loaded(&self) -> Option<Loaded> {
            let (generation, detected_at) = self.record.clone()?;
            let selection =
                Selection { bucket: String::new(), prefix: String::new(), suffixes: Vec::new(), read_hidden: false };
            let print = Print {
                target: String::new(),
                selection,
                reading: String::new(),
                on_overlap: OnOverlap::AllFiles,
                allows_repeated: false,
            };
            Some(Loaded { generation, detected_at, print })
        }
    }

    proptest! {
        /// Whatever runs die where: what the ledger says was dealt with was, for the table that is there. And where
        /// none dies, and no database is restored, it says all of it.
        #[test]
        fn what_is_known_as_loaded_is_in_the_table(runs in proptest::collection::vec(run(), 1..7)) {
            let mut bucket: BTreeMap<String, LedgerEntry> = BTreeMap::new();
            let mut database = Database::default();
            let mut commits: Vec<Database> = Vec::new();
            let (mut has_died, mut is_restored) = (false, false);
            for (number, run) in runs.iter().enumerate() {
                match run.before {
                    Before::Nothing | Before::Reload => {}
                    Before::NewTable => database = Database::default(),
                    Before::Restore(_) if commits.is_empty() => {}
                    Before::Restore(which) => {
                        database = commits[which % commits.len()].clone();
                        is_restored = true;
                    }
                }
                let mut run = run.clone();
                // A listing has each key once.
                let mut taken = BTreeSet::new();
                run.batches.iter_mut().for_each(|batch| batch.retain(|(key, ..)| taken.insert(*key)));
                let detected_at = format!("2024-01-01T00:00:{number:02}.000Z");
                let execution = Execution {
                    job: "job".into(),
                    id: format!("arn:{number}"),
                    name: number.to_string(),
                    started_at: detected_at.clone(),
                    state_machine: "machine".into(),
                };
                let all = steps(&run).len();
                let tries = if run.steps >= all { vec![all] } else if run.is_retried { vec![run.steps, all] } else { vec![run.steps] };
                has_died |= tries.last() != Some(&all);
                let is_reload = matches!(run.before, Before::Reload);
                let known = database.record.as_ref().filter(|_| !is_reload);
                let after = known.map_or(String::new(), |(_, detected_at)| detected_at.clone());
                for (attempt, steps_taken) in tries.into_iter().enumerate() {
                    // Made in the loading transaction, hence anew by each attempt until one is committed.
                    let of_table = database.record.as_ref().map(|(generation, _)| generation.clone());
                    let generation = of_table.unwrap_or_else(|| format!("{number}.{attempt}"));
                    for step in steps(&run).into_iter().take(steps_taken) {
                        match step {
                            Step::Write(index, certainty) => {
                                let batch = &run.batches[index as usize];
                                let entry = LedgerEntry {
                                    execution: execution.id.clone(),
                                    detected_at: detected_at.clone(),
                                    files: files(batch, false),
                                    bad: files(batch, true),
                                    generation: generation.clone(),
                                    after: after.clone(),
                                    in_doubt: certainty == Certainty::InDoubt,
                                };
                                bucket.insert(keys::ledger_entry(&execution, &detected_at, index), entry);
                            }
                            Step::Commit => {
                                if is_reload {
                                    database.known.clear();
                                }
                                for batch in &run.batches {
                                    for file in [files(batch, false), files(batch, true)].concat() {
                                        database.known.insert(file.key, (file.etag, file.last_modified));
                                    }
                                }
                                database.record = Some((generation.clone(), detected_at.clone()));
                                commits.push(database.clone());
                            }
                        }
                    }
                }
                let Some(loaded) = database.loaded() else { continue };
                let sameness = Sameness::BytesAndDate;
                let (mut versions, mut named) =
                    (HashedVersions::hashed(&loaded, sameness), NamedVersions::named(&loaded, sameness));
                let keys: BTreeSet<String> = (0..4_u8).map(|key| key.to_string()).collect();
                for entry in bucket.values() {
                    versions.add(entry);
                    named.add(entry, &keys);
                }
                let named: BTreeMap<String, (String, String)> =
                    named.into_all().map(|(key, known)| (key, (known.etag, known.last_modified))).collect();
                for key in &keys {
                    let known = database.known.get(key);
                    for version in (0..4_u8).map(version) {
                        let is_held = versions.hold(key, &version.0, &version.1);
                        prop_assert_eq!(is_held, named.get(key) == Some(&version), "by hash and by name");
                        prop_assert!(!is_held || known == Some(&version), "{key} at {version:?}: the table knows {known:?}");
                        prop_assert!(has_died || is_restored || is_held == (known == Some(&version)), "{key} at {version:?} is not known");
                    }
                }
            }
        }
    }
}
