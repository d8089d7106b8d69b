//! What files hold, and what a spec makes of them, without loading anything.
//!
//! # Layout
//! - [`reading`]: files by a spec: counts, bad rows, the table. It goes by the functions' own code, [`pivot`]: `file`
//!   hands a file over to it, `part` takes what it leaves, `field` shows a field of that.
//! - [`propose`]: a spec from files. What stands in them is read by the same code, all columns as texts (`sample`).
//!   Before that, `dialect` and `text` find out how a file is written; then `typing` with `numbers` and `moments`
//!   what its columns are (`typed`), and `shape` what could become of the rows.

pub mod propose;
pub mod reading;

#[cfg(test)]
mod examples;
mod field;
mod file;
mod part;

use local::inspection::{Answer, Question};

/// Answers a question.
pub fn answer(question: Question) -> Answer {
    let answer = match question {
        Question::Propose(wanted) => propose::propose(&wanted).map(Answer::Proposal),
        Question::Read(read) => reading::read(&read).map(Answer::Reading),
    };
    answer.unwrap_or_else(Answer::Refused)
}
