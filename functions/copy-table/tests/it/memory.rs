//! How much memory a copy takes, measured in a process of its own: the other tests run in this one.

use crate::support::*;
use serde_json::json;
use std::process::Command;
use std::{env, fs};

/// Set in a process that runs one test only.
const ALONE: &str = "SLUICE_TEST_ALONE";

/// What says when the C library gives memory back.
const THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";

/// As it is set for the function.
fn threshold() -> &'static str {
    let kind = include_str!("../../../../statemachine/copy-table.yaml");
    let line = kind.lines().find_map(|line| line.trim().strip_prefix(THRESHOLD)).unwrap();
    line.trim_matches([':', ' ', '"'])
}

/// Copies the rows that `insert` makes in the table `t`, out of `source`; that may take so much more than there was
/// before it. `test` is the whole name of the test that calls this: under it that is called again, in a process of its
/// own.
fn within(most_mebibytes: u64, test: &str, source: &str, insert: &str) {
    if env::var_os(ALONE).is_none() {
        let program = env::current_exe().unwrap();
        let mut alone = Command::new(program);
        alone.args([test, "--exact", "--nocapture"]).env(ALONE, "1").env(THRESHOLD, threshold());
        let output = alone.output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // A name that no test has would be a success, too.
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pair = Pair::new("create table t (id int primary key, c text); create view v as select * from t").await;
        // What a first copy takes, it takes once.
        let job = Job::whole(json!({"source": {"table": source}}));
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

/// 2.2 times so many million bytes, in mebibytes.
const fn of_a_row(megabytes: u64) -> u64 {
    megabytes * 1_000_000 * 22 / 10 / 1_048_576
}

#[test]
fn many_rows_take_no_more_than_few() {
    let insert = "insert into t select i, repeat('x', 80) from generate_series(1, 300000) i";
    within(8, "memory::many_rows_take_no_more_than_few", "t", insert);
}

/// Twice itself: as the driver reads it, and as it puts it together.
#[test]
fn a_long_row_takes_hardly_more_than_twice_itself() {
    let insert = "insert into t values (1, repeat('long', 15000000))";
    within(of_a_row(60), "memory::a_long_row_takes_hardly_more_than_twice_itself", "t", insert);
}

#[test]
fn long_rows_in_a_row_take_no_more_than_one() {
    let insert = "insert into t select i, repeat('long', 15000000) from generate_series(1, 4) i";
    within(of_a_row(60), "memory::long_rows_in_a_row_take_no_more_than_one", "t", insert);
}

/// What was taken for one is in the way of the next if that is longer.
#[test]
fn rows_that_become_longer_take_no_more_than_the_longest() {
    let insert = "insert into t select place, repeat('long', length)
                  from unnest(array[300, 2500000, 5000000, 600000, 8000000, 11000000, 15000000, 100])
                       with ordinality lengths (length, place)";
    within(of_a_row(60), "memory::rows_that_become_longer_take_no_more_than_the_longest", "t", insert);
}

/// They are all in one stream: with the one before it, and what the driver keeps beside, there are three.
#[test]
fn of_long_rows_of_a_view_no_more_than_three_are_there() {
    let insert = "insert into t select i, repeat('long', 10000000) from generate_series(1, 5) i";
    within(40 * 31 / 10, "memory::of_long_rows_of_a_view_no_more_than_three_are_there", "v", insert);
}
