//! `cargo local new-job`: a job that loads files like the given ones, written into the template.

use crate::failure::{Failure, named};
use crate::input::{self, Input};
use crate::inspection::{self, Answer, File, Proposal, Propose, Question, Wishes};
use crate::report::out;
use crate::run;
use crate::template::{self, Addition, Files};
use clap::Args;
use serde_json::json;
use sluice::contract::keys;
use sluice::spec::Parts;
use std::fs;
use std::path::{Path, PathBuf};

/// Proposes the spec of a job from the beginning of the files: how they are written, the columns with their types, the
/// keys and values of a table. Shows the first rows as they would be read and the table that would come of them, adds
/// the job to template.yaml, behind the last one of its kind, and says what the files do not tell, with what to write
/// if it is otherwise. Nothing is loaded.
#[derive(Args)]
pub(crate) struct NewJobArguments {
    /// Files like those that the job is to load: CSV, JSON or Parquet, also packed; or folders of them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The name of the job; without it one is made of the name of the first file.
    #[arg(long)]
    name: Option<String>,
    /// The folder of the bucket that the job reads; without it the job's name and a slash.
    #[arg(long, value_name = "FOLDER/")]
    prefix: Option<String>,
    /// The keys of the table: columns as they are called in the files, or in a proposal.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    keys: Vec<String>,
    /// What is computed for each key: a column with sum, count, min or max, such as Amount=sum.
    #[arg(long, value_name = "COLUMN=AGGREGATE,...", value_delimiter = ',', conflicts_with = "rows")]
    values: Vec<String>,
    /// The column whose values become columns of the table.
    #[arg(long, value_name = "COLUMN", conflicts_with = "rows")]
    pivot: Option<String>,
    /// Keep every row as it is, one per key.
    #[arg(long)]
    rows: bool,
    /// The name of the table; without it that of the job.
    #[arg(long)]
    table: Option<String>,
    /// Show everything, and leave template.yaml as it is.
    #[arg(long)]
    dry_run: bool,
}

/// Proposes a job, shows what it makes of the files, and adds it to the template.
pub(crate) fn new_job(arguments: &NewJobArguments) -> Result<(), Failure> {
    let text = template::text()?;
    let known = template::jobs(&template::parse(&text)?, &text)?;
    let found = files(&arguments.files).map_err(Failure::Run)?;
    let name = name(arguments, &found)?;
    if known.iter().any(|job| job.name == name) {
        let what = format!("there is a job {name} in template.yaml; give the new one another name with --name");
        return Err(Failure::Run(what));
    }
    let prefix = arguments.prefix.clone().unwrap_or_else(|| format!("{name}/"));
    if let Some(problem) = keys::refuse_prefix(&prefix) {
        return Err(Failure::Run(problem));
    }
    let Proposal { parts, unsure } = propose(arguments, &name, &prefix, &found)?;
    let spec = parts.check().map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::Run(problems.join("\n"))
    })?;
    let files = Files { prefix: prefix.clone(), parts, spec };
    let comments = comments(&found, &unsure);
    let addition = Addition { name: &name, prefix: &prefix, parts: &files.parts, comments: &comments };
    let (new, block) = template::add(&text, &addition)?;
    // What the comments say is told by itself.
    let block: String = block.split_inclusive('\n').filter(|line| !line.trim_start().starts_with('#')).collect();
    let reading = run::read(&files, &found)?;
    out(format_args!("{}\n", run::text(&files, &reading)));
    if !unsure.is_empty() {
        out(format_args!("what the files do not tell\n"));
        unsure.iter().for_each(|line| out(format_args!("- {line}\n")));
        out(format_args!("\n"));
    }
    if arguments.dry_run {
        out(format_args!("{block}\nnothing is written: this would be added to template.yaml\n"));
        return Ok(());
    }
    let path = template::path();
    fs::write(&path, new).map_err(|error| named(&path, &error))?;
    out(format_args!(
        "{block}\nadded to {}; try it with: cargo local --job {name} --input {}\n",
        here(&path).display(),
        shown(arguments)
    ));
    Ok(())
}

/// A path as it is seen from the folder of the terminal.
fn here(path: &Path) -> PathBuf {
    let folder = std::env::current_dir().ok();
    folder.and_then(|folder| path.strip_prefix(folder).ok().map(Path::to_owned)).unwrap_or_else(|| path.to_owned())
}

/// What `--input` takes of the files that were given.
fn shown(arguments: &NewJobArguments) -> String {
    match &arguments.files[..] {
        [one] => one.display().to_string(),
        [first, ..] => match first.parent() {
            Some(folder) if folder != Path::new("") => folder.display().to_string(),
            _ => ".".to_owned(),
        },
        [] => String::new(),
    }
}

fn propose(
    arguments: &NewJobArguments,
    name: &str,
    prefix: &str,
    found: &[(String, PathBuf)],
) -> Result<Proposal, Failure> {
    let values = arguments.values.iter().map(|value| {
        let (column, aggregate) = value.rsplit_once('=').unwrap_or((value, "sum"));
        (column.to_owned(), aggregate.to_owned())
    });
    let wishes = Wishes {
        keys: arguments.keys.clone(),
        values: values.collect(),
        pivot: arguments.pivot.clone(),
        rows: arguments.rows,
    };
    let files = found.iter().map(|(name, path)| File { key: format!("{prefix}{name}"), path: path.clone() });
    let table = arguments.table.clone().unwrap_or_else(|| name.replace('-', "_"));
    match inspection::ask(&Question::Propose(Propose { files: files.collect(), table, wishes }))? {
        Answer::Proposal(proposal) => Ok(proposal),
        Answer::Reading(_) | Answer::Refused(_) => Err(Failure::Run("no answer to what was asked".to_owned())),
    }
}

/// What stands above the job in the template.
fn comments(found: &[(String, PathBuf)], unsure: &[String]) -> Vec<String> {
    let names: Vec<&str> = found.iter().take(3).map(|(name, _)| name.as_str()).collect();
    let more = if found.len() > names.len() { " and more" } else { "" };
    let first = format!("Proposed from {}{more}.", names.join(", "));
    let rest = if unsure.is_empty() { "" } else { " What they do not tell:" };
    std::iter::once(first + rest).chain(unsure.iter().map(|line| format!("- {line}"))).collect()
}

/// The files that are named, and those in folders that are: each with its name below the prefix.
fn files(paths: &[PathBuf]) -> Result<Vec<(String, PathBuf)>, String> {
    // One that takes files of any name.
    let parts = Parts {
        source: json!({"suffix": "", "format": {"type": "csv"}, "columns": {"any": {}}}),
        shape: json!({"keys": ["any"], "rows": {}}),
        target: json!({"table": "any", "on_overlap": "newest_row"}),
    };
    let source = parts.check().map_err(|problems| format!("{problems:?}"))?.source;
    let mut files = Vec::new();
    for path in paths {
        let found = Input::find(path, &source)?;
        let is_folder = path.is_dir();
        if found.files.is_empty() && !is_folder {
            return Err(format!("{}: files whose names begin with _ or . are no input of a job", path.display()));
        }
        let above = partitions(if is_folder { Some(path) } else { path.parent() });
        files.extend(found.files.into_iter().map(|(name, path)| (format!("{above}{name}"), path)));
    }
    files.sort();
    if files.is_empty() { Err("there is no file in it".to_owned()) } else { Ok(files) }
}

/// The last folders of a path that are parts such as `day=2024-03-01`, as they stand in a key.
fn partitions(path: Option<&Path>) -> String {
    let folders =
        path.into_iter().flat_map(Path::ancestors).map(|folder| folder.file_name().and_then(|name| name.to_str()));
    let mut parts: Vec<&str> = folders.map_while(|name| name.filter(|name| name.contains('='))).collect();
    parts.reverse();
    parts.iter().map(|part| format!("{part}/")).collect()
}

/// The name that the job gets.
fn name(arguments: &NewJobArguments, found: &[(String, PathBuf)]) -> Result<String, Failure> {
    if let Some(name) = &arguments.name {
        return template::checked_name(name).map(ToOwned::to_owned).map_err(Failure::Run);
    }
    let file = found.first().map(|(_, path)| path.as_path());
    let candidates = [file.map(|file| (file, true)), file.and_then(Path::parent).map(|folder| (folder, false))];
    let made = candidates.into_iter().flatten().filter_map(|(path, is_file)| {
        let name = input::name_of(path).ok()?;
        let stem = if is_file { name.split('.').next().unwrap_or_default() } else { &name };
        Some(plain(stem)).filter(|name| template::checked_name(name).is_ok())
    });
    let nothing =
        || Failure::Run("no name for the job can be made of the names of the files: say --name NAME".to_owned());
    made.into_iter().next().ok_or_else(nothing)
}

/// A text as the name of a job: its letters, with hyphens between words.
fn plain(text: &str) -> String {
    let words: Vec<String> = text
        .split(|character: char| !character.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let mut name = words.join("-");
    name.truncate(30);
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_letters() {
        for (text, expected) in [
            ("sessions-2024-01", "sessions"),
            ("Clockify_Time_Report_Detailed", "clockify-time-report-detailed"),
            ("2024-01", ""),
            ("a very long name of a file that nobody types", "a-very-long-name-of-a-file-tha"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn folders_that_are_parts_of_the_key_stay() {
        for (path, expected) in
            [("lake/day=2024-03-01", "day=2024-03-01/"), ("lake/y=1/m=2", "y=1/m=2/"), ("lake", ""), ("a=b/lake", "")]
        {
            assert_eq!(partitions(Some(Path::new(path))), expected);
        }
    }
}
