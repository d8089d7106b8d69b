//! A run of a job that loads files: those of its sample, or others.

use super::arguments::RunArguments;
use super::{folder, folder_number, follow, upload};
use crate::BoxError;
use crate::deployment::{Deployment, Options};
use crate::execution::Outcome;
use crate::failure::{Failure, not_deployed};
use crate::input::{self, Input};
use crate::loaded;
use crate::report::{self, out};
use crate::stack::{STACK_NAME, Stack};
use crate::template::{self, Files, Job};
use serde_json::Value;
use sluice::contract::{NamedKeys, keys};
use sluice::input::PassedOver;
use std::path::{Path, PathBuf};

/// What lies in this folder of a sample comes later, by `--add`.
const LATER: &str = "later/";

/// Deploys the template, uploads the files of a job, runs it and shows what it did.
pub(super) async fn run(
    arguments: &RunArguments,
    state_dir: &Path,
    root: &Value,
    jobs: &[Job],
    (job, files): (&Job, &Files),
) -> Result<(), Failure> {
    let say = |text: &str| {
        if !arguments.json {
            out(format_args!("{text}\n"));
        }
    };
    let input = arguments
        .input_of_files()
        .map_err(|argument| Failure::Run(format!("{argument} is not for {}, which loads files", job.name)))?;
    let name = match &arguments.input {
        None => STACK_NAME.to_owned(),
        Some(folder) => format!("{STACK_NAME}-{:08x}", folder_number(folder)),
    };
    let folder = folder(arguments, job)?;
    let mut found = Input::find(&folder, &files.spec.source).map_err(Failure::Run)?;
    if arguments.input.is_none() {
        found.files.retain(|(name, _)| !name.starts_with(LATER));
    }
    if found.files.is_empty() {
        let told = std::iter::once(format!("{}: no {} file in it", folder.display(), files.spec.source.suffix));
        return Err(Failure::Run(told.chain(found.told()).collect::<Vec<_>>().join("\n")));
    }
    let added = arguments.add.iter().map(|file| added(file, files)).collect::<Result<Vec<_>, _>>()?;

    say("starting PostgreSQL and the local AWS");
    let stack = Stack::start(state_dir, template::binaries(root, template::with_followers(jobs, job))?, &say)?;
    say("deploying template.yaml");
    let deployment = stack.deploy(&name, &Options::default()).await.map_err(|error| not_deployed(error, state_dir))?;
    let deployment = deployment.of_job(job);
    upload(&deployment, found.files.iter().chain(&added), &say).await?;
    // With --json standard output holds nothing else.
    let tell = |line: &str| if arguments.json { eprintln!("{line}") } else { say(line) };
    found.told().iter().for_each(|line| tell(line));
    for name in files.spec.unused_columns() {
        tell(&format!("the column {name:?} of Source is not used, and not read"));
    }
    let loads = !arguments.dry_run && arguments.explain.is_empty();
    if let Some(line) = loaded::forget_if_gone(&deployment, &files.spec, loads).await? {
        tell(&line);
    }
    say(&format!("running {}", job.name));
    let outcome = follow(&deployment.start(&input).await?, arguments.json).await?;
    show(&deployment, files, &outcome, arguments.json).await?;
    named_keys(&deployment, &outcome).await?.iter().for_each(|line| tell(line));
    if outcome.succeeded() { Ok(()) } else { Err(Failure::Run(report::failure(&outcome))) }
}

async fn show(deployment: &Deployment, files: &Files, outcome: &Outcome, json: bool) -> Result<(), BoxError> {
    if json {
        out(format_args!("{}\n", serde_json::to_string(outcome)?));
        return Ok(());
    }
    if outcome.succeeded() {
        out(format_args!("\n{}\n\n", report::summary(outcome)));
        if ["Explained", "WouldLoad"].contains(&outcome.last_state()) {
            return Ok(());
        }
        let mut connection = deployment.connect().await?;
        // The run has done its work, whatever keeps its table from being shown.
        match report::table(&mut connection, &files.spec).await {
            Ok(table) => out(format_args!("{table}")),
            Err(error) => eprintln!("the table cannot be shown: {error}"),
        }
    }
    Ok(())
}

/// The first keys of which the notes of a run, or its error, speak, if they name an object with these: lines for a
/// person.
async fn named_keys(deployment: &Deployment, outcome: &Outcome) -> Result<Vec<String>, BoxError> {
    let name = outcome.execution.rsplit(':').next().unwrap_or_default();
    let key = keys::named_keys(&deployment.job, name);
    let told = format!("{} {}", outcome.counts, outcome.cause.as_deref().unwrap_or_default());
    if !told.contains(&key) {
        return Ok(Vec::new());
    }
    let got = deployment.s3().get_object().bucket(&deployment.bucket).key(&key).send().await?;
    let named: Vec<NamedKeys> = serde_json::from_slice(got.body.collect().await?.to_vec().as_ref())?;
    Ok(lines_of(&named))
}

fn lines_of(named: &[NamedKeys]) -> Vec<String> {
    // A terminal would follow what a control character says.
    let shown = |key: &String| format!("  {}", key.replace(char::is_control, "\u{fffd}"));
    let lines = |named: &NamedKeys| std::iter::once(named.note.clone()).chain(named.keys.iter().map(shown)).collect();
    named.iter().flat_map::<Vec<String>, _>(lines).collect()
}

/// A file that is to be uploaded, with its name.
fn added(file: &Path, files: &Files) -> Result<(String, PathBuf), Failure> {
    let name = input::name_of(file).map_err(Failure::Run)?;
    let why = match input::passed_over(&name, &files.spec.source) {
        None => return Ok((name, file.to_owned())),
        Some(PassedOver::Hidden) => "begins with _ or .".to_owned(),
        Some(_) => format!("does not end in {}", files.spec.source.suffix),
    };
    Err(Failure::Run(format!("{}: its name {why}, so no run would load it", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_below_what_is_said_of_them() {
        let keys = vec!["ann".to_owned(), "bo\u{1b}[2Jb".to_owned()];
        let named = [NamedKeys { note: "2 keys went".to_owned(), keys }];
        assert_eq!(lines_of(&named), ["2 keys went", "  ann", "  bo\u{fffd}[2Jb"]);
    }
}
