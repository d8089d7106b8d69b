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

mod read;
mod versions;
mod write;

pub use read::{Ledger, LoadedVersion, last_loads};
pub use write::{BatchFiles, Certainty, LoadingRun, write};

#[cfg(test)]
mod tests {
    use super::versions::Versions;
    use super::write::{Certainty, order};
    use crate::contract::{Execution, LedgerEntry, SourceFile, keys};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A run of the history: the versions of its batches' files, and after how many steps it dies. A step is the write
    /// of an entry, or the commit. With `is_retried` the state machine tries it once more, without dying.
    #[derive(Clone, Debug)]
    struct Run {
        batches: Vec<Vec<(u8, u8)>>,
        steps: usize,
        is_retried: bool,
        is_reversed: bool,
    }

    fn run() -> impl Strategy<Value = Run> {
        let batches = proptest::collection::vec(proptest::collection::vec((0..4_u8, 0..3_u8), 1..3), 1..4);
        (batches, 0..9_usize, any::<bool>(), any::<bool>()).prop_map(|(batches, steps, is_retried, is_reversed)| Run {
            batches,
            steps,
            is_retried,
            is_reversed,
        })
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

    fn files(batch: &[(u8, u8)]) -> Vec<SourceFile> {
        let file = |(key, etag): &(u8, u8)| SourceFile {
            key: key.to_string(),
            etag: etag.to_string(),
            size: 1,
            last_modified: String::new(),
        };
        // A listing has each key once.
        let once: BTreeMap<_, _> = batch.iter().copied().collect();
        once.iter().map(|(key, etag)| file(&(*key, *etag))).collect()
    }

    proptest! {
        /// Whatever runs die where: what the ledger says is loaded is what the table holds. And where none dies, it
        /// says all of it.
        #[test]
        fn what_is_known_as_loaded_is_in_the_table(runs in proptest::collection::vec(run(), 1..6)) {
            let mut bucket: BTreeMap<String, LedgerEntry> = BTreeMap::new();
            let mut table: BTreeMap<String, String> = BTreeMap::new();
            let mut has_died = false;
            for (number, run) in runs.iter().enumerate() {
                let mut taken = std::collections::BTreeSet::new();
                let mut run = run.clone();
                run.batches.iter_mut().for_each(|batch| batch.retain(|(key, _)| taken.insert(*key)));
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
                for steps_taken in tries {
                    for step in steps(&run).into_iter().take(steps_taken) {
                        match step {
                            Step::Write(index, certainty) => {
                                let entry = LedgerEntry {
                                    execution: execution.id.clone(),
                                    detected_at: detected_at.clone(),
                                    files: files(&run.batches[index as usize]),
                                    bad: Vec::new(),
                                    generation: String::new(),
                                    in_doubt: certainty == Certainty::InDoubt,
                                };
                                bucket.insert(keys::ledger_entry(&execution, &detected_at, index), entry);
                            }
                            Step::Commit => {
                                for file in run.batches.iter().flat_map(|batch| files(batch)) {
                                    table.insert(file.key, file.etag);
                                }
                            }
                        }
                    }
                }
                let mut versions = Versions::default();
                bucket.values().for_each(|entry| versions.add(entry));
                for key in (0..4_u8).map(|key| key.to_string()) {
                    let in_table = table.get(&key);
                    for etag in (0..3_u8).map(|etag| etag.to_string()) {
                        let is_held = versions.hold(&key, &etag);
                        prop_assert!(!is_held || in_table == Some(&etag), "{key} at {etag}: the table holds {in_table:?}");
                        prop_assert!(has_died || is_held == (in_table == Some(&etag)), "{key} at {etag} is not known");
                    }
                }
            }
        }
    }
}
