//! Every field of a job's spec has a line in the reference, a case of its right values and a refusal that names it and
//! its line in the template. What the cases come to in the table, `functions::fields` asks the functions.

use crate::support::fields::{Ends, Field, Refused, Schema, fields, line, parts, sorted};
use crate::tidy::repository::read;
use local::binaries::workspace;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// Seconds since 1970 of the first run; the others are a minute apart.
const FIRST_RUN: i64 = 1_717_200_000;

#[test]
fn every_field_of_the_schema_has_cases() {
    let schema = Schema::read();
    let (known, cases) = (schema.fields(), fields());
    let with_cases: BTreeSet<&str> = cases.iter().map(|field| field.pattern.as_str()).collect();
    assert_eq!(cases.len(), with_cases.len(), "a field has its cases at one place");
    assert_eq!(with_cases, known.keys().map(String::as_str).collect::<BTreeSet<_>>());
    assert!(known.len() > 80, "{} fields", known.len());
    for Field { pattern, takes, refuses } in &cases {
        let mut seen = Vec::new();
        for taken in takes {
            let spec = &taken.spec;
            assert_eq!(parts(spec).check().map(drop), Ok(()), "{pattern}: {spec}");
            let mut values = schema.values(spec);
            seen.append(values.get_mut(pattern).unwrap_or_else(|| panic!("{spec} does not have the field {pattern}")));
        }
        for word in &known[pattern] {
            assert!(seen.contains(word), "{pattern}: no case of {word}");
        }
        assert!(takes.iter().any(|taken| matches!(taken.ends, Ends::Table(_))), "{pattern}: no case has a table");
        assert!(refuses.iter().any(|refused| is_of(pattern, &refused.at)), "{pattern}: no refusal names it");
    }
}

/// Whether a pointer is that of a field, or of something in it.
fn is_of(pattern: &str, pointer: &str) -> bool {
    if let Some(name) = pattern.strip_prefix("/condition/") {
        let path = pointer.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '/');
        let is_condition = ["/shape/filter/", "/shape/rows/delete_when/"].iter().any(|at| pointer.starts_with(at));
        return is_condition && path.ends_with(&format!("/{name}"));
    }
    let mut steps = pointer.split('/');
    pattern.split('/').all(|step| steps.next().is_some_and(|given| step == "*" || step == given))
}

/// The section of the reference that a field stands in.
fn section(pattern: &str) -> &'static str {
    match pattern {
        _ if pattern.starts_with("/source/format/") => "## 2. ",
        _ if pattern.starts_with("/source/columns/") => "## 3. ",
        _ if pattern.starts_with("/source") || pattern == "/prefix" => "## 1. ",
        _ if pattern.starts_with("/target") => "## 5. ",
        _ => "## 4. ",
    }
}

#[test]
fn every_field_stands_in_the_reference() {
    let reference = read("local/spec/reference.md");
    for pattern in Schema::read().fields().keys() {
        let (_, rest) = reference.split_once(&format!("\n{}", section(pattern))).unwrap();
        let section = rest.split("\n## ").next().unwrap();
        let name = pattern.rsplit('/').next().unwrap();
        let is_told = ["`{name}`", "`\"{name}\"", "{\"{name}\"", "`{name}:"].iter().any(|form| {
            let form = form.replace("{name}", name);
            section.contains(&form)
        });
        // The parameter is written as the template has it.
        let is_told = is_told || name == "prefix" && section.contains("`Prefix`");
        assert!(name == "*" || is_told, "{pattern} does not stand in its section of the reference");
    }
}

/// A template with one job of this spec, each field of which stands on a line of its own.
fn template(spec: &Value) -> String {
    let mut text = format!(
        "Resources:\n  Fields:\n    Type: AWS::Serverless::Application\n    Properties:\n      Location: \
         statemachine/transform-and-upsert.yaml\n      Parameters:\n        Job: fields\n        Prefix: '{}'\n",
        spec["prefix"].as_str().unwrap()
    );
    for (parameter, part) in [("Source", "source"), ("Shape", "shape"), ("Target", "target")] {
        text += &format!("        {parameter}: |\n");
        for line in serde_json::to_string_pretty(&spec[part]).unwrap().lines() {
            text += &format!("          {line}\n");
        }
    }
    text
}

/// The line of the template on which a field of the spec stands, found by what would stand there in its place.
fn line_of(spec: &Value, pointer: &str) -> usize {
    let mut marked = spec.clone();
    *marked.pointer_mut(pointer).unwrap_or_else(|| panic!("{spec} has no {pointer}")) = json!("here it is");
    1 + template(&marked).lines().position(|line| line.contains("here it is")).unwrap()
}

#[test]
fn every_refusal_names_its_field_and_the_line_in_the_template() {
    for Field { pattern, refuses, .. } in fields() {
        for Refused { spec, at, says } in &refuses {
            let text = template(spec);
            let error = local::template::jobs(&local::template::parse(&text).unwrap(), &text).unwrap_err().to_string();
            // The prefix is no part of the JSON.
            let begin = match at.as_str() {
                "/prefix" => format!("template.yaml:{}: job fields: the prefix ", line_of(spec, at)),
                _ => format!("template.yaml:{}: job fields, {at}: ", line_of(spec, at)),
            };
            let told: Vec<&str> = error.lines().collect();
            let count = told.iter().filter(|told| told.starts_with(&begin) && told.contains(says)).count();
            assert!(count == 1, "{pattern}: {begin} ... {says}, but:\n{error}");
            assert_eq!(told.len(), 1, "{pattern}: {at} is all that is wrong, but:\n{error}");
        }
    }
}

/// The model, which knows nothing of how the functions work, comes to the same tables.
#[test]
fn the_model_says_the_same_of_every_field() {
    const ANSWER: &str = "\
import datetime as dt, json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import model
for line in sys.stdin:
    spec, runs = json.loads(line)
    date = lambda seconds: dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    runs = [[(key, data.encode('latin-1'), date(at)) for key, data, at in run] for run in runs]
    try:
        print(json.dumps(model.table(spec, runs)))
    except model.Bad as bad:
        print('null')
";
    let fields = fields();
    let cases: Vec<_> = fields
        .iter()
        .flat_map(|field| field.takes.iter().map(move |taken| (&field.pattern, taken)))
        .filter(|(_, taken)| taken.is_for_model)
        .collect();
    let mut questions = String::new();
    for (_, taken) in &cases {
        let runs = (FIRST_RUN..).step_by(60).zip(&taken.runs).map(|(at, files)| {
            let latin = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
            files.iter().map(|(key, bytes)| json!([key, latin(bytes), at])).collect::<Vec<_>>()
        });
        questions += &format!("{}\n", json!([taken.spec, runs.collect::<Vec<_>>()]));
    }
    let mut child = Command::new(local::python::program().unwrap())
        .args(["-c", ANSWER])
        .arg(workspace().join("local/spec"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let asking = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let output = child.wait_with_output().unwrap();
    asking.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), cases.len());
    for ((pattern, taken), answer) in cases.into_iter().zip(answers.lines()) {
        let answer: Option<(Vec<String>, Vec<Vec<String>>)> = serde_json::from_str(answer).unwrap();
        let lines = answer.map(|(header, rows)| {
            sorted(std::iter::once(&header).chain(&rows).map(|fields| line(fields)).collect::<Vec<_>>())
        });
        match (&taken.ends, lines) {
            (Ends::Table(expected), Some(lines)) => assert_eq!(&lines, expected, "{pattern}: {}", taken.spec),
            (Ends::Fails(_), None) => {}
            (ends, lines) => panic!("{pattern}: {}\n{ends:?}, the model: {lines:?}", taken.spec),
        }
    }
}
