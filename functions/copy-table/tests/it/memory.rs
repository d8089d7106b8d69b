//! How much memory a copy takes, measured in a process of its own: the other tests run in this one.

use crate::support::*;
use serde_json::json;
use std::process::Command;
use std::{env, fs};

/// Set in a process that runs one test only.
const ALONE: &str = "SLUICE_TEST_ALONE";

/// Copies the rows that `insert` makes; that may take so much more than there was before it. `test` is the whole name
/// of the test that calls this: under it that is called again, in a process of its own.
fn within(most_mebibytes: u64, test: &str, insert: &str) {
    if env::var_os(ALONE).is_none() {
        let program = env::current_exe().unwrap();
        let output = Command::new(program).args([test, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // A name that no test has would be a success, too.
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pair = Pair::new("create table t (id int primary key, c text)").await;
        // What a first copy takes, it takes once.
        let job = Job::whole(json!({}));
        pair.replace(&job).await.unwrap();
        sql(&pair.source, insert).await;
        // Forgets the peak so far; where that cannot be done, the preparation hides a part of the growth at worst.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let before = peak_mebibytes();
        let output = pair.replace(&job.again("measured")).await.unwrap();
        let grown = peak_mebibytes() - before;
        println!("{grown} MiB for {} rows with {} bytes", output.rows, output.bytes);
        assert!(grown <= most_mebibytes, "{grown} MiB for {} rows, {most_mebibytes} are allowed", output.rows);
    });
}

fn peak_mebibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

#[test]
fn many_rows_take_no_more_than_few() {
    let insert = "insert into t select i, repeat('x', 80) from generate_series(1, 300000) i";
    within(8, "memory::many_rows_take_no_more_than_few", insert);
}

/// Twice itself: as the driver reads it, and as it is sent.
#[test]
fn a_long_row_takes_hardly_more_than_twice_itself() {
    let insert = "insert into t values (1, repeat('long', 15000000))";
    within(60 * 22 / 10, "memory::a_long_row_takes_hardly_more_than_twice_itself", insert);
}

/// And the one before it.
#[test]
fn of_long_rows_in_a_row_no_more_than_three_are_there() {
    let insert = "insert into t select i, repeat('long', 10000000) from generate_series(1, 5) i";
    within(40 * 31 / 10, "memory::of_long_rows_in_a_row_no_more_than_three_are_there", insert);
}
