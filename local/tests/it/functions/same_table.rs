//! The same table whatever way the files come: random histories of random jobs, and after each run the table must be
//! what the model of the spec language, `local/spec/model.py`, makes of the files that the runs have read.
//!
//! The real functions detect, pivot and load; the test plays the state machine, the writers, S3's dates, and all that
//! goes wrong. The model is slow and exact, and knows nothing of batches, transactions, ledgers or records: it is told
//! of the files of each run that is committed, in the order of the runs.
//!
//! # What is generated, and what would go unnoticed without it
//! - Corrections that lack a key, emptied files, files that are deleted: a word that goes, and one that stays.
//! - Rows and files that are set aside, some with a key that cannot be read: a right value never gives way to a part.
//! - `since`, `forget`, a run that is killed when it writes into the ledger, and is retried or not: files again.
//! - A table that is dropped, emptied, or another one; a database that is brought back as it was: the target's own
//!   record, with and without the database being asked first.
//! - Another spec, and `reload`: all files again, and nothing else.
//! - Copies under another name, some with a row more: files that repeat others, and do not count as long as they do.
//! - Files that are sent again unchanged: the newest one by date speaks.
//! - Files that are corrected in the second in which they were written: S3 dates both versions alike.
//! - Sums, first and last values, and rows that win; by a number, and by when files are dated: of rows that are equal
//!   in one, the other decides, and a date is in the table.
//!
//! `SLUICE_SEEDS=first..end` plays some histories, `SLUICE_CAMPAIGN=full` many.

mod history;
mod job;
mod machine;
mod oracle;
mod split;

use crate::support::{is_full_campaign, seeds, stack};
use history::{Counts, History};
use job::{Job, PREFIX, TABLE};
use machine::{Machine, Plan};
use oracle::{Oracle, Seen};
use serde_json::json;
use sluice::spec::OnOverlap;

/// How many seeds there are, of `few` in the suite.
fn all(few: u64) -> std::ops::Range<u64> {
    seeds(if is_full_campaign() { few * 50 } else { few })
}

/// Functions and a database of a test's own.
async fn machine(database: &str) -> Machine {
    Machine::start(&stack().await.database_url("postgres"), database).await
}

async fn histories(database: &str, modes: &[OnOverlap], few: u64) {
    let (mut machine, mut oracle, mut counts) = (machine(database).await, Oracle::start(), Counts::default());
    let (seeds, is_all) = (all(few), std::env::var_os("SLUICE_SEEDS").is_none());
    for seed in seeds {
        eprintln!("{database}: SLUICE_SEEDS={seed}..{}", seed + 1);
        History::new(seed, modes, &mut machine, &mut oracle, &mut counts).await.play().await;
    }
    eprintln!("{database}: {counts:?}");
    let may_repeat = modes.contains(&OnOverlap::AllFiles) && is_all;
    assert!(!may_repeat || counts.repeated > 0, "no file was ever set aside since it repeated another one: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_history_ends_with_what_all_files_together_say() {
    histories("same_table_all_files", &[OnOverlap::AllFiles], 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_history_ends_with_what_the_newest_files_say() {
    histories("same_table_newest_file", &[OnOverlap::NewestFile], 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_history_ends_with_what_the_last_runs_said() {
    histories("same_table_last_run", &[OnOverlap::LastRun], 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_history_ends_with_the_rows_that_win() {
    histories("same_table_newest_row", &[OnOverlap::NewestRow], 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_files_come_to_the_same_table_in_any_order_and_any_split() {
    let (mut machine, mut oracle) = (machine("same_table_split").await, Oracle::start());
    for seed in all(10) {
        eprintln!("same files: SLUICE_SEEDS={seed}..{}", seed + 1);
        split::play(seed, &mut machine, &mut oracle).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_sent_again_unchanged_is_the_newest_one() {
    let mut machine = machine("same_table_again").await;
    let mut job = Job::sums(OnOverlap::NewestFile);
    job.go_by_date();
    let mut now = 1_704_067_200;
    let mut tables = Vec::new();
    for (name, number) in [("a", 1), ("b", 2), ("a", 1)] {
        now += 60;
        let key = format!("{PREFIX}dt=2024-03-01/{name}.csv");
        machine.upload(&key, &format!("Kind,N,Day\nA,{number},2024-03-01\n"), now);
        let outcome = machine.run(&job, &Plan::plain(json!({})), now * 1_000).await;
        assert_eq!(outcome.listed.len(), 1, "{outcome:?}");
        tables.push(machine.table(&job).await);
    }
    assert_eq!(tables[0], tables[2]);
    assert_ne!(tables[0], tables[1]);
}

/// S3 dates in whole seconds: what was overwritten in the second in which it was written is dated as what came after.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_corrected_within_the_same_second_says_what_it_says_then() {
    let (mut machine, mut oracle) = (machine("same_table_second").await, Oracle::start());
    let modes = [OnOverlap::AllFiles, OnOverlap::NewestFile, OnOverlap::NewestRow, OnOverlap::LastRun];
    for job in modes.into_iter().flat_map(|mode| [Job::sums(mode), Job::rows(mode)]) {
        if !job.is_possible() {
            continue;
        }
        for asks_record in [false, true] {
            machine.clear().await;
            let (mut runs, mut tables) = (Vec::<Vec<Seen>>::new(), Vec::new());
            // The row that is left has a place before those of the version before.
            for (step, rows) in (1..).zip(["A,1\nA,1\nB,2\n", "A,2\n", "B,1\nA,1\n", "A,2\n"]) {
                let rows = rows.replace('\n', ",2024-03-01\n");
                machine.upload(&format!("{PREFIX}dt=2024-03-01/a.csv"), &format!("Kind,N,Day\n{rows}"), 1_704_067_200);
                let plan = Plan { asks_record, ..Plan::plain(json!({})) };
                let outcome = machine.run(&job, &plan, 1_704_067_200_000 + step).await;
                assert_eq!(outcome.loaded.len(), 1, "{outcome:?}, {:?}", job.parts);
                runs.push(outcome.loaded.iter().map(|file| machine.seen(file)).collect());
                tables.push(machine.table(&job).await);
                assert_eq!(Ok(tables.last().unwrap()), oracle.table(&job.spec(), &runs).as_ref(), "{:?}", job.parts);
            }
            assert_eq!(tables[1], tables[3]);
            assert!(tables[0] != tables[1] && tables[1] != tables[2], "{tables:?}");
        }
    }
}

/// The word of a file that is gone from the bucket is nowhere but in the table of words, also after the target was
/// emptied: a change of the spec must not drop it by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_spec_keeps_the_word_of_a_file_that_is_gone() {
    let mut machine = machine("same_table_gone").await;
    let mut job = Job::sums(OnOverlap::NewestFile);
    let names = ["dt=2024-03-01/a.csv", "dt=2024-03-02/b.csv"].map(|name| format!("{PREFIX}{name}"));
    for (name, day) in names.iter().zip(["2024-03-01", "2024-03-02"]) {
        machine.upload(name, &format!("Kind,N,Day\nA,1,{day}\n"), 1_704_067_200);
    }
    let mut now = 1_704_067_200_000;
    for step in ["load", "load again into the emptied table", "load by another spec"] {
        now += 60_000;
        let outcome = machine.run(&job, &Plan::plain(json!({})), now).await;
        if step == "load by another spec" {
            let (name, text) = outcome.error.clone().unwrap_or_else(|| panic!("a word is lost: {outcome:?}"));
            assert_eq!(name, "Misconfigured");
            assert!(text.contains(&names[0]) && text.contains("reload"), "{text}");
        }
        assert_eq!(machine.table(&job).await.len(), 2, "{step}");
        if step == "load" {
            machine.aws.world().objects.remove(&names[0]);
            machine.execute(&format!("truncate public.{TABLE}")).await;
        } else {
            job.swap_columns();
        }
    }
}

/// By `allow` nobody looked for files that say what others say, so the change to `fail` has to: also where no new file
/// has come.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_allowed_to_repeat_others_are_compared_once_they_are_not() {
    let mut machine = machine("same_table_repeated").await;
    for (on_bad_file, asks_record) in [("quarantine", false), ("quarantine", true), ("fail", false), ("fail", true)] {
        machine.clear().await;
        let mut job = Job::sums(OnOverlap::AllFiles);
        job.parts.source["on_bad_file"] = json!(on_bad_file);
        let mut now = 1_704_067_200_000;
        let mut run = async |machine: &mut Machine, on_repeated_file: &str| {
            now += 60_000;
            job.parts.target["on_repeated_file"] = json!(on_repeated_file);
            let outcome = machine.run(&job, &Plan { asks_record, ..Plan::plain(json!({})) }, now).await;
            (outcome, machine.table(&job).await.iter().map(|row| row[1..3].to_vec()).collect::<Vec<_>>())
        };
        let names = ["a", "b"].map(|name| format!("{PREFIX}dt=2024-03-01/{name}.csv"));
        for (second, name) in names.iter().enumerate() {
            machine.upload(name, "Kind,N,Day\nA,1,2024-03-01\nB,2,2024-03-01\n", 1_704_067_200 + second as i64);
        }
        let (both, one) = ([["2", "4"]], [["1", "2"]]);
        assert_eq!(run(&mut machine, "allow").await.1, both);
        let (outcome, table) = run(&mut machine, "fail").await;
        assert!(outcome.reload, "{outcome:?}");
        match outcome.error {
            None => assert!(table == one && on_bad_file == "quarantine", "{table:?}"),
            Some((error, text)) => {
                assert_eq!((error.as_str(), on_bad_file), ("InvalidSource", "fail"));
                assert!(names.iter().all(|name| text.contains(name)) && text.contains("counted twice"), "{text}");
                assert_eq!(table, both);
                continue;
            }
        }
        // It is not done again; and back again, the next run that loads counts both.
        assert!(run(&mut machine, "fail").await.0.listed.is_empty());
        let (outcome, table) = run(&mut machine, "allow").await;
        assert!(outcome.listed.is_empty() && table == one, "{outcome:?}, {table:?}");
        machine.upload(&format!("{PREFIX}dt=2024-03-01/c.csv"), "Kind,N,Day\nA,5,2024-03-01\n", 1_704_067_202);
        assert_eq!(run(&mut machine, "allow").await.1, [["7", "4"]]);
    }
}
