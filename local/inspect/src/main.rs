//! The program that `cargo local new-job` and `cargo local --check` ask: a question on standard input, an answer on
//! standard output, both JSON.

use local::inspection::{Answer, Question};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let question: Result<Question, _> = serde_json::from_reader(std::io::stdin().lock());
    let answer = match question {
        Ok(question) => inspect::answer(question),
        Err(error) => Answer::Refused(format!("the question is not understood: {error}")),
    };
    let text = serde_json::to_vec(&answer).expect("an answer is made of texts and numbers");
    match std::io::stdout().lock().write_all(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
