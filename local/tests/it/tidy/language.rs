//! The language of a job's spec: its examples and the documents that show it agree with the reader of the functions.

use crate::support::reference_job;
use crate::tidy::repository::read;
use local::binaries::workspace;
use serde_json::Value;
use sluice::spec::{Parts, Problem};
use std::fs;

/// The first YAML block of a document, as JSON.
fn shown_in(path: &str) -> Value {
    let text = read(path);
    let (_, block) = text.split_once("```yaml\n").unwrap_or_else(|| panic!("{path} shows no spec"));
    local::template::parse(block.split("```").next().unwrap()).unwrap()
}

#[test]
fn the_spec_that_documents_show_is_that_of_the_reference_job() {
    let job = reference_job();
    for path in ["README.md", "local/spec/reference.md"] {
        let shown = shown_in(path);
        let part = |name: &str| serde_json::from_str(shown[name].as_str().unwrap()).unwrap();
        let parts = Parts { source: part("Source"), shape: part("Shape"), target: part("Target") };
        assert_eq!((parts, shown["Prefix"].as_str().unwrap()), (job.parts.clone(), job.prefix.as_str()), "{path}");
    }
}

#[test]
fn examples_of_the_language_are_taken() {
    let mut count = 0;
    for entry in fs::read_dir(workspace().join("local/spec/examples")).unwrap() {
        let folder = entry.unwrap().path();
        let parts: Parts = serde_json::from_str(&fs::read_to_string(folder.join("spec.json")).unwrap()).unwrap();
        assert_eq!(parts.check().map(drop), Ok(()), "{}", folder.display());
        count += 1;
    }
    assert_eq!(count, 15);
}

/// What the checks of the whole language refuse, the functions refuse at the same field, or as not supported yet.
#[test]
fn what_the_language_refuses_is_refused() {
    const LIST: &str = "\
import json, sys
from pathlib import Path
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from refused import REFUSED, changed
example = lambda name: json.loads(Path(sys.argv[1], 'examples', name, 'spec.json').read_text())
print(json.dumps([[changed(example(name), changes), where] for name, changes, where in REFUSED]))
";
    /// Not of the three parts; and a zone that only the function that reads can look up.
    const ELSEWHERE: [&str; 2] = ["/prefix", "/source/columns/date/zone"];
    let python = local::python::program().unwrap();
    let listed = std::process::Command::new(python).args(["-c", LIST]).arg(workspace().join("local/spec")).output();
    let listed = listed.unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let refused: Vec<(Value, String)> = serde_json::from_slice(&listed.stdout).unwrap();
    assert!(refused.len() > 50);
    let mut elsewhere = 0;
    for (spec, pointer) in refused {
        if ELSEWHERE.contains(&pointer.as_str()) {
            elsewhere += 1;
            continue;
        }
        let parts: Parts = serde_json::from_value(spec.clone()).unwrap();
        let problems = parts.check().expect_err(&spec.to_string());
        let is_told =
            |problem: &Problem| problem.pointer.starts_with(&pointer) || problem.what.contains("not supported yet");
        assert!(problems.iter().any(is_told), "{pointer}: {problems:?}");
    }
    assert_eq!(elsewhere, 3);
}

/// The model, by which property tests judge the functions, gives the tables that were worked out without it.
#[test]
fn the_model_gives_the_tables_of_the_examples() {
    const CHECK: &str = "\
import csv, datetime as dt, json, sys
from pathlib import Path
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import model
for folder in sorted(Path(sys.argv[1], 'examples').iterdir()):
    if next(folder.rglob('*.parquet'), None):
        continue  # read by a package that may not be there
    steps = sorted(step for step in (folder / 'in').iterdir() if step.name.isdigit()) or [folder / 'in']
    day = lambda turn: dt.datetime(2024, 6, 1, 0, 0, turn, tzinfo=dt.timezone.utc)
    runs = [[(str(file.relative_to(step)), file.read_bytes(), day(turn)) for file in sorted(step.rglob('*')) if file.is_file()]
            for turn, step in enumerate(steps)]
    columns, rows = model.table(json.loads((folder / 'spec.json').read_text()), runs)
    assert [columns, *rows] == list(csv.reader((folder / 'expected.csv').open())), folder
";
    let python = local::python::program().unwrap();
    let status = std::process::Command::new(python).args(["-c", CHECK]).arg(workspace().join("local/spec")).status();
    assert!(status.unwrap().success());
}

/// Editors find the schema: VS Code by its settings, which are for all examples.
#[test]
fn editors_know_the_schema_of_the_examples() {
    let settings: Value = serde_json::from_str(&read(".vscode/settings.json")).unwrap();
    let [schema] = &settings["json.schemas"].as_array().unwrap()[..] else { panic!("one schema") };
    let path = schema["url"].as_str().unwrap().trim_start_matches("./");
    let schema_of_settings: Value = serde_json::from_str(&read(path)).unwrap();
    assert_eq!(schema_of_settings["title"], "Spec of a transform-and-upsert job");
    assert_eq!(schema["fileMatch"], serde_json::json!(["/local/spec/examples/*/spec.json"]));
    // A spec says nothing but itself: where its schema is, editors are told elsewhere.
    let is_closed = schema_of_settings["additionalProperties"] == false;
    assert!(is_closed && schema_of_settings["properties"].get("$schema").is_none());
}
