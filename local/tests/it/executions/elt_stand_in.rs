//! The stand-in for Athena answers as Athena does, where that is known: its own tests, in Python, on the stack of all.

use crate::support::stack;
use local::{emulator, stack as stacks};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_athena_does_where_that_is_known() {
    let stack = stack().await;
    let output = tokio::task::spawn_blocking(move || {
        let environment = emulator::environment_with_athena(&stacks::tools_dir(), &|text| eprintln!("{text}"));
        let mut tests = Command::new(environment.unwrap_or_else(|error| panic!("{error}")).program("python"));
        tests.args(["-B", "-m", "unittest", "discover", "--start-directory"]);
        tests.arg(emulator::athena_folder().join("tests"));
        tests.env("AWS_ENDPOINT_URL", stack.endpoint()).output().unwrap()
    });
    let output = output.await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    // As many as there are: a folder in which none is found would do as well else.
    assert!(told.contains(&format!("Ran {TESTS} tests")), "{told}");
}

/// How many the stand-in has.
const TESTS: usize = 26;
