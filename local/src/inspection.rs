//! What files hold and what a spec makes of them: asked of a program of its own, `inspect`, which reads them by the
//! code of the function `pivot`. It is built only where it is asked, since whoever only runs a job should not wait for
//! it.

use crate::binaries;
use crate::failure::Failure;
use crate::setup_error::SetupError;
use serde::{Deserialize, Serialize};
use sluice::spec::Parts;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The name of the program.
const PROGRAM: &str = "inspect";

/// What is asked of it, as one JSON object on its standard input.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Which spec would read these files.
    Propose(Propose),
    /// What a spec makes of these files.
    Read(Read),
}

/// A file of this machine, as the object that it would be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct File {
    /// Its key.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Which spec would read these files.
#[derive(Debug, Deserialize, Serialize)]
pub struct Propose {
    /// The files, one at least.
    pub files: Vec<File>,
    /// The name of the table that the job is to load.
    pub table: String,
    /// What the person has decided.
    #[serde(default)]
    pub wishes: Wishes,
}

/// What a person has decided of a shape. Columns may be called as in the file or as the job would call them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Wishes {
    /// The columns that are to be the keys; empty: to be found.
    pub keys: Vec<String>,
    /// The columns that are to be added up, or computed otherwise, each with its aggregate; empty: to be found.
    pub values: Vec<(String, String)>,
    /// The column whose values are to be columns of the table.
    pub pivot: Option<String>,
    /// Every row is to be kept as it is.
    pub rows: bool,
}

/// What a spec makes of these files.
#[derive(Debug, Deserialize, Serialize)]
pub struct Read {
    /// The spec.
    #[serde(flatten)]
    pub parts: Parts,
    /// The files, in the order in which they would come; none: only the spec is looked at.
    pub files: Vec<File>,
}

/// What it answers, as one JSON object on its standard output.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A spec.
    Proposal(Proposal),
    /// What was read.
    Reading(Reading),
    /// Why it can answer nothing.
    Refused(String),
}

/// A spec that reads some files.
#[derive(Debug, Deserialize, Serialize)]
pub struct Proposal {
    /// Which.
    pub parts: Parts,
    /// What the files do not tell, a sentence or two each, with what to write if it is otherwise.
    pub unsure: Vec<String>,
}

/// Lines of a table, the first of them the names of its columns.
pub type Grid = Vec<Vec<String>>;

/// What was read of some files.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Reading {
    /// File by file.
    pub files: Vec<FileReading>,
    /// The first rows, as they are read.
    pub rows: Grid,
    /// How many rows are bad, by column and reason.
    pub reasons: Grid,
    /// The first of them: file, line, column, reason.
    pub bad_rows: Grid,
    /// The first rows of the table that would come of the good rows of the good files.
    pub table: Grid,
    /// How many rows that has.
    pub table_rows: u64,
}

/// What was read of a file.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct FileReading {
    /// Its key.
    pub key: String,
    /// Its rows, those included that do not count.
    pub rows: u64,
    /// Of them those that cannot be read.
    pub bad_rows: u64,
    /// Those that the filter leaves out.
    pub filtered: u64,
    /// Those of a category that is ignored.
    pub ignored: u64,
    /// Why it cannot be loaded, if so.
    pub bad_file: Option<String>,
}

/// Builds the program if need be, and asks it.
///
/// # Errors
/// It cannot be built or started, or it refuses.
pub(crate) fn ask(question: &Question) -> Result<Answer, Failure> {
    let program = binaries::build(&BTreeSet::from([PROGRAM.to_owned()]))?.join(PROGRAM);
    let failed = || SetupError::failed("The files could not be looked at.", "See above what it says.");
    let question = serde_json::to_vec(question).map_err(|error| failed().caused_by(error))?;
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed().caused_by(error))?;
    // It answers when it has read all of the question.
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&question).map_err(|error| failed().caused_by(error))?;
    }
    let output = child.wait_with_output().map_err(|error| failed().caused_by(error))?;
    match serde_json::from_slice(&output.stdout) {
        Ok(Answer::Refused(why)) => Err(Failure::Run(why)),
        Ok(answer) => Ok(answer),
        Err(error) => Err(failed().caused_by(error).into()),
    }
}
