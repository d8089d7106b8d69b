//! Parquet files, written and read by DuckDB.

use super::Folder;
use super::files::{self, Files};
use local::binaries::workspace;
use local::{emulator, stack};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The same files as Parquet, written by DuckDB; those without rows are left out.
pub(crate) fn as_parquet(files: &Files) -> Files {
    let (from, to) = (folder("as-csv"), folder("as-parquet"));
    files::write(&from.0, files);
    script(&["write", from.0.to_str().unwrap(), to.0.to_str().unwrap()]);
    files::read(&to.0)
}

/// The rows of Parquet files, as DuckDB reads them, by their first column.
pub(super) fn rows(bodies: &[Vec<u8>]) -> Vec<Value> {
    let folder = folder("parquet-rows");
    for (number, body) in bodies.iter().enumerate() {
        fs::write(folder.0.join(format!("{number}.parquet")), body).unwrap();
    }
    let Value::Array(rows) = script(&["read", folder.0.to_str().unwrap()]) else { panic!("no list") };
    rows
}

/// Runs the script with the Python of the stand-in for Athena, which has DuckDB.
fn script(arguments: &[&str]) -> Value {
    let environment = emulator::environment_with_athena(&stack::tools_dir(), &|text| eprintln!("{text}"));
    let mut python = Command::new(environment.unwrap_or_else(|error| panic!("{error}")).program("python"));
    python.arg("-B").arg(workspace().join("local/tests/it/support/parquet.py")).args(arguments);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A folder that nobody else has.
fn folder(name: &str) -> Folder {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    Folder::new(&format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}
