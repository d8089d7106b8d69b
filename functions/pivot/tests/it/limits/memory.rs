//! How much memory a test takes, measured in a process of its own: the other tests run in this one.

use std::process::Command;
use std::{env, fs};

/// Set in a process that runs one test only.
const ALONE: &str = "SLUICE_TEST_ALONE";

/// Runs `work` on what `prepare` makes; that may take `most_mebibytes` more than there was before it. `test` is the
/// whole name of the test that calls this: under it that is called again, in a process of its own.
pub(super) fn within<T>(most_mebibytes: u64, test: &str, prepare: impl FnOnce() -> T, work: impl FnOnce(T)) {
    if env::var_os(ALONE).is_none() {
        let program = env::current_exe().unwrap();
        let output = Command::new(program).args([test, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // A name that no test has would be a success, too.
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let prepared = prepare();
    // Forgets the peak so far; where that cannot be done, the preparation hides a part of the growth at worst.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = peak_mebibytes();
    work(prepared);
    let grown = peak_mebibytes() - before;
    assert!(grown <= most_mebibytes, "{grown} MiB, {most_mebibytes} are allowed");
}

fn peak_mebibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}
