//! What other people's files and specs come to: the cases of `local/spec/trials`, each as its own files say, by the
//! template's state machine and functions.

mod by_command;
mod case;

use crate::support::{Fixture, fixture_with, vpc_mode};
use case::Case;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

/// How many cases run side by side, each on a deployment of its own: a job has one run at a time.
const SIDE_BY_SIDE: usize = 3;

/// The folders of cases, and how many each has: those that were given, and more of the same kinds.
const GROUPS: [(&str, usize); 2] = [("give", 33), ("more", 15)];

/// The cases with commands in place of files: a test each, by the name of the case, in [`by_command`].
const BY_COMMAND: [&str; 5] =
    ["own-table-with-a-note", "prefix-changed", "sample-forget", "target-renamed", "zero-bytes-in-its-place"];

fn folders() -> Vec<PathBuf> {
    GROUPS.iter().flat_map(|(group, _)| folders_of(group)).collect()
}

fn folders_of(group: &str) -> Vec<PathBuf> {
    let folder = local::binaries::workspace().join("local/spec/trials").join(group);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn name(folder: &std::path::Path) -> &str {
    folder.file_name().unwrap().to_str().unwrap()
}

#[test]
fn every_given_case_has_a_test() {
    for (group, count) in GROUPS {
        assert_eq!(folders_of(group).len(), count, "{group}");
    }
    let folders = folders();
    let by_command: BTreeSet<&str> =
        folders.iter().filter(|folder| folder.join("commands.txt").exists()).map(|folder| name(folder)).collect();
    assert_eq!(by_command, BTreeSet::from(BY_COMMAND));
    for folder in &folders {
        let is_by_command = by_command.contains(name(folder));
        let what = if is_by_command { "by its commands" } else { "by its files" };
        eprintln!("trial {}: {what}", name(folder));
        let says = |file: &str| folder.join(file).exists();
        assert!(is_by_command || says("in") && (says("expected.csv") || says("expected.txt")), "{}", folder.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_files_ends_as_it_says() {
    let with_files = folders().into_iter().filter(|folder| folder.join("in").exists());
    let mut cases: Vec<Case> = with_files.enumerate().map(|(number, folder)| Case::read(number, &folder)).collect();
    cases.reverse();
    let (count, cases) = (cases.len(), Arc::new(Mutex::new(cases)));
    let mut workers = JoinSet::new();
    for _ in 0..SIDE_BY_SIDE {
        let cases = Arc::clone(&cases);
        workers.spawn(async move {
            let stack = fixture_with(vpc_mode()).await;
            let mut problems = Vec::new();
            while let Some(case) = next(&cases) {
                match case.run(&stack).await {
                    Ok(()) => eprintln!("trial {}: as it says", case.name),
                    Err(problem) => problems.push(format!("trial {}: {problem}", case.name)),
                }
            }
            problems
        });
    }
    let mut problems = Vec::new();
    while let Some(ended) = workers.join_next().await {
        problems.extend(ended.unwrap());
    }
    assert!(problems.is_empty(), "{} of {count} cases:\n{}", problems.len(), problems.join("\n"));
}

fn next(cases: &Mutex<Vec<Case>>) -> Option<Case> {
    cases.lock().unwrap().pop()
}

/// The sample of the reference job, uploaded.
async fn upload_sample(stack: &Fixture) {
    for month in ["01", "02", "03"] {
        let name = format!("sessions-2024-{month}.csv");
        let file = local::binaries::workspace().join("local/sample/pomodoro").join(&name);
        stack.upload(&name, std::fs::read(file).unwrap()).await.unwrap();
    }
}
