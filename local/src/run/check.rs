//! `--check`: whether a job's spec is right and, with `--input`, what it would read. Nothing is started or loaded.

use super::arguments::RunArguments;
use crate::failure::Failure;
use crate::input::Input;
use crate::inspection::{self, Answer, File, Read, Reading};
use crate::report::{self, out};
use crate::template::{Files, Job, Kind};
use sluice::spec::OnBad;
use std::path::{Path, PathBuf};

/// Says whether the spec of a job is right; the template's own checks have been passed by now.
pub(super) fn check(arguments: &RunArguments, job: &Job) -> Result<(), Failure> {
    match (&job.kind, &arguments.input) {
        (Kind::TransformAndUpsert(files), input) => check_files(job, files, input.as_deref()),
        (_, None) => {
            told_right(job);
            Ok(())
        }
        (_, Some(_)) => Err(Failure::Run(format!("--input is not for {}, which loads no files", job.name))),
    }
}

fn told_right(job: &Job) {
    out(format_args!("job {}: the spec is right\n", job.name));
}

fn check_files(job: &Job, files: &Files, input: Option<&Path>) -> Result<(), Failure> {
    let found = match input {
        Some(input) => Input::find(input, &files.spec.source).map_err(Failure::Run)?,
        None => Input::default(),
    };
    let wrong = |what: Failure| match what {
        Failure::Run(what) => Failure::Run(format!("job {}: {what}", job.name)),
        setup => setup,
    };
    let reading = read(files, &found.files).map_err(wrong)?;
    told_right(job);
    for name in files.spec.unused_columns() {
        out(format_args!("the column {name:?} of Source is not used, and not read\n"));
    }
    let Some(input) = input else { return Ok(()) };
    found.told().iter().for_each(|line| out(format_args!("{line}\n")));
    if found.files.is_empty() {
        return Err(Failure::Run(format!("{}: no {} file in it", input.display(), files.spec.source.suffix)));
    }
    out(format_args!("\n{}", text(files, &reading)));
    let is_bad_row = reading.files.iter().any(|file| file.bad_rows > 0);
    let is_bad_file = reading.files.iter().any(|file| file.bad_file.is_some());
    let source = &files.spec.source;
    match () {
        () if is_bad_row && source.on_bad_row == OnBad::Fail => {
            Err(Failure::Run("a run would fail: bad rows, and on_bad_row is fail".to_owned()))
        }
        () if is_bad_file && source.on_bad_file == OnBad::Fail => {
            Err(Failure::Run("a run would fail: bad files, and on_bad_file is fail".to_owned()))
        }
        () => Ok(()),
    }
}

/// What a spec makes of files.
///
/// # Errors
/// What the function says of the spec, or of files that cannot be read.
pub(crate) fn read(files: &Files, found: &[(String, PathBuf)]) -> Result<Reading, Failure> {
    let listed = found.iter().map(|(name, path)| File { key: format!("{}{name}", files.prefix), path: path.clone() });
    let read = Read { parts: files.parts.clone(), files: listed.collect() };
    match inspection::ask(&inspection::Question::Read(read))? {
        Answer::Reading(reading) => Ok(reading),
        Answer::Proposal(_) | Answer::Refused(_) => Err(Failure::Run("no answer to what was asked".to_owned())),
    }
}

/// What was read, for a person.
pub(crate) fn text(files: &Files, reading: &Reading) -> String {
    let mut text = String::new();
    let width = reading.files.iter().map(|file| file.key.chars().count()).max().unwrap_or_default();
    for file in &reading.files {
        let some = |count: u64, what: &str| if count == 0 { String::new() } else { format!(", {count} {what}") };
        let rows = if file.rows == 1 { "row" } else { "rows" };
        text.push_str(&format!(
            "{:<width$}  {} {rows}{}{}{}\n",
            file.key,
            file.rows,
            some(file.bad_rows, "bad"),
            some(file.filtered, "left out by the filter"),
            some(file.ignored, "ignored"),
        ));
        if let Some(why) = &file.bad_file {
            text.push_str(&format!("  a bad file: {why}\n"));
        }
    }
    if !reading.bad_rows.is_empty() {
        text.push_str("\nbad rows, by reason\n");
        for row in reading.reasons.iter().skip(1) {
            if let [column, reason, count] = &row[..] {
                text.push_str(&format!("  {count:>6}  {}{reason}\n", place(column)));
            }
        }
        text.push_str("\nthe first of them\n");
        for row in reading.bad_rows.iter().skip(1) {
            if let [file, line, column, reason] = &row[..] {
                text.push_str(&format!("  {file}, line {line}, {}{reason}\n", place(column)));
            }
        }
    }
    text.push_str("\nthe first rows, as they are read\n");
    text.push_str(&report::rows(&reading.rows, ""));
    let target = &files.spec.target;
    text.push_str(&format!("\n{}.{}, as these files would make it\n", target.schema, target.table));
    let rows = if reading.table_rows == 1 { "row" } else { "rows" };
    text.push_str(&report::rows(&reading.table, &format!("{} {rows}", reading.table_rows)));
    text
}

/// The column of a bad row, before its reason; nothing for a row that is bad as a whole.
fn place(column: &str) -> String {
    if column.is_empty() { String::new() } else { format!("column {column}: ") }
}
