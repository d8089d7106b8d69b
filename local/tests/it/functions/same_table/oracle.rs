//! What the table must be, by the model of the spec language: `local/spec/model.py`, asked line by line.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// One version of one file, as a run saw it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub key: String,
    /// Its entity tag.
    pub etag: String,
    pub text: String,
    /// When S3 dates it, in seconds since 1970.
    pub modified: i64,
    /// It was set aside.
    pub is_bad: bool,
}

/// The rows of a table, sorted; or what the model says of bad rows and files.
pub(super) type Verdict = Result<Vec<Vec<String>>, String>;

/// A process that answers for the model.
pub(super) struct Oracle {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    pub(super) fn start() -> Self {
        let workspace = local::binaries::workspace();
        let mut child = Command::new(local::python::program().unwrap())
            .arg(workspace.join("local/tests/it/functions/same_table/oracle.py"))
            .arg(workspace.join("local/spec"))
            // It must leave nothing in the repository.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, questions, answers: BufReader::new(answers) }
    }

    /// The table that a spec, with its prefix, makes of these runs.
    pub(super) fn table(&mut self, spec: &Value, runs: &[Vec<Seen>]) -> Verdict {
        let runs: Vec<Vec<Value>> = runs
            .iter()
            .map(|run| run.iter().map(|seen| json!([seen.key, seen.text, seen.modified])).collect())
            .collect();
        writeln!(self.questions, "{}", json!({"spec": spec, "runs": runs})).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).expect("the model said above why it has no answer");
        if let Some(refused) = answer["refused"].as_str() {
            return Err(refused.to_owned());
        }
        let mut rows: Vec<Vec<String>> = serde_json::from_value(answer["rows"].clone()).unwrap();
        rows.sort();
        Ok(rows)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
