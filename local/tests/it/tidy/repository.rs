//! What must agree across files: names, files, events, documentation.

use local::binaries::workspace;
use local::template;
use serde_json::Value;
use sluice::Kind;
use sluice::contract::athena_elt::{self, PrepareEltInput, PublishEltInput, RunQueryInput};
use sluice::contract::copy_table::{self, CopyTableInput};
use sluice::contract::mysql_to_redshift::{self, ExportTableInput, LoadRedshiftInput, PlanExportEvent};
use sluice::contract::{DatabaseAccessInput, DetectInput, PivotInput, UpsertEvent};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The kinds whose states and templates are held to the same rules.
pub(crate) const KINDS: [&str; 4] = ["transform-and-upsert", "copy-table", "mysql-to-redshift", "athena-elt"];

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A kind's own template, as it is nested.
pub(crate) fn kind(name: &str) -> Value {
    template::parse(&read(&format!("statemachine/{name}.yaml"))).unwrap()
}

/// The templates of all kinds, by the names of the kinds.
pub(crate) fn kinds() -> Vec<(String, Value)> {
    let mut kinds = Vec::new();
    for entry in fs::read_dir(template::kinds_folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            kinds.push((name, template::parse(&fs::read_to_string(&path).unwrap()).unwrap()));
        }
    }
    kinds
}

/// A kind's states.
pub(crate) fn definition(kind: &str) -> Value {
    template::definition(&workspace().join(format!("statemachine/{kind}.asl.json"))).unwrap()
}

pub(crate) fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `detect-new-files` as `DetectNewFiles`.
fn camel(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

#[test]
fn a_function_has_one_name_in_four_spellings() {
    let root = template::root().unwrap();
    let kinds = kinds();
    let mut functions = template::functions(&root);
    functions.extend(kinds.iter().flat_map(|(_, kind)| template::functions(kind)));
    let definitions = kinds.iter().map(|(name, _)| read(&format!("statemachine/{name}.asl.json"))).collect::<String>();
    let mut names = BTreeSet::from(["lib".to_owned()]);
    for (id, function) in functions {
        // One that has its code in the template is built from no folder.
        let Some(name) = function["Metadata"]["BuildProperties"]["Binary"].as_str() else { continue };
        assert!(read(&format!("functions/{name}/Cargo.toml")).contains(&format!("name = \"{name}\"\n")), "{name}");
        assert_eq!(id, format!("{}Function", camel(name)));
        assert!(definitions.contains(&format!("\"${{{id}Arn}}\"")), "{id}");
        names.insert(name.to_owned());
    }
    let folders: BTreeSet<String> = fs::read_dir(workspace().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, names);
}

#[test]
fn every_event_decodes() {
    let mut count = 0;
    for entry in fs::read_dir(workspace().join("events")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let event: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let decoded = match name.as_str() {
            "copy-table-plan"
            | "copy-table-copy"
            | "copy-table-conclude"
            | "copy-table-prepare-source"
            | "copy-table-prepare-target" => serde_json::from_value::<CopyTableInput>(event).map(drop),
            _ if name.starts_with("copy-table-") => {
                copy_table::Trigger::read(&event).map(drop).map_err(serde::de::Error::custom)
            }
            "athena-elt-check" | "athena-elt-create-sources" => {
                serde_json::from_value::<PrepareEltInput>(event).map(drop)
            }
            "athena-elt-build" | "athena-elt-stop" => serde_json::from_value::<RunQueryInput>(event).map(drop),
            "athena-elt-publish" | "athena-elt-conclude" => serde_json::from_value::<PublishEltInput>(event).map(drop),
            _ if name.starts_with("athena-elt-") => {
                athena_elt::Trigger::read(&event).map(drop).map_err(serde::de::Error::custom)
            }
            "mysql-to-redshift-inspect"
            | "mysql-to-redshift-export"
            | "mysql-to-redshift-audit-source"
            | "mysql-to-redshift-prepare-source" => serde_json::from_value::<ExportTableInput>(event).map(drop),
            "mysql-to-redshift-plan" | "mysql-to-redshift-prepare-target" => {
                serde_json::from_value::<PlanExportEvent>(event).map(drop)
            }
            "mysql-to-redshift-load"
            | "mysql-to-redshift-status"
            | "mysql-to-redshift-conclude"
            | "mysql-to-redshift-audit-target" => serde_json::from_value::<LoadRedshiftInput>(event).map(drop),
            _ if name.starts_with("mysql-to-redshift-") => {
                mysql_to_redshift::Trigger::read(&event).map(drop).map_err(serde::de::Error::custom)
            }
            "detect-new-files" | "detect-new-files-release" => serde_json::from_value::<DetectInput>(event).map(drop),
            "pivot" => serde_json::from_value::<PivotInput>(event).map(drop),
            "upsert" | "upsert-check" | "upsert-prepare" => serde_json::from_value::<UpsertEvent>(event).map(drop),
            _ if name.starts_with("database-access-") => serde_json::from_value::<DatabaseAccessInput>(event).map(drop),
            // What starts an execution is decoded by a function of its own, tested there with these very files.
            "console-start" | "console-since" | "console-dry-run" | "console-forget" | "console-reload"
            | "console-explain" | "schedule" | "s3-notification" | "eventbridge-s3" | "pipe" | "upload" | "again"
            | "after" => Ok(()),
            _ => panic!("{name}: nothing reads it"),
        };
        decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
        count += 1;
    }
    assert_eq!(count, 55);
}

#[test]
fn the_events_carry_the_spec_of_the_reference_job() {
    let event = |name: &str| -> Value { serde_json::from_str(&read(&format!("events/{name}.json"))).unwrap() };
    let job = crate::support::reference_job();
    for name in ["detect-new-files", "pivot", "upsert", "upsert-check"] {
        assert_eq!(serde_json::from_value::<sluice::spec::Parts>(event(name)).unwrap(), job.parts, "{name}");
    }
    assert_eq!(event("detect-new-files")["prefix"], job.prefix);
}

#[test]
fn the_readme_explains_every_error_and_event() {
    let readme = read("README.md");
    for kind in Kind::ALL {
        assert!(readme.contains(&format!("| `{kind}` |")), "{kind}");
    }
    for name in [
        "schedule",
        "s3-notification",
        "eventbridge-s3",
        "pipe",
        "console-start",
        "console-since",
        "console-dry-run",
        "console-forget",
        "console-reload",
        "console-explain",
        "upload",
        "again",
        "after",
        "upsert-check",
        "upsert-prepare",
        "copy-table-plan",
        "copy-table-copy",
        "copy-table-conclude",
        "copy-table-backfill",
        "copy-table-backfill-missing",
        "copy-table-dry-run",
        "copy-table-verify",
        "copy-table-prepare-source",
        "copy-table-prepare-target",
        "mysql-to-redshift-backfill",
        "mysql-to-redshift-backfill-missing",
        "mysql-to-redshift-full",
        "mysql-to-redshift-dry-run",
        "mysql-to-redshift-explain",
        "mysql-to-redshift-audit",
        "mysql-to-redshift-audit-source",
        "mysql-to-redshift-audit-target",
        "mysql-to-redshift-inspect",
        "mysql-to-redshift-plan",
        "mysql-to-redshift-export",
        "mysql-to-redshift-load",
        "mysql-to-redshift-status",
        "mysql-to-redshift-conclude",
        "mysql-to-redshift-prepare-source",
        "mysql-to-redshift-prepare-target",
    ] {
        assert!(readme.contains(&format!("events/{name}.json")), "{name}");
    }
}

#[test]
fn files_are_short_and_have_names_of_the_domain() {
    let mut files = Vec::new();
    for folder in ["functions", "local"] {
        rust_files(&workspace().join(folder), &mut files);
    }
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 520, "{} has {lines} lines", file.display());
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(!["utils", "util", "common", "helpers", "misc"].contains(&name), "{}", file.display());
    }
}

/// As `.rustfmt.toml` has it for code.
#[test]
fn comments_are_no_wider_than_code() {
    let mut files = Vec::new();
    for folder in ["functions", "local"] {
        rust_files(&workspace().join(folder), &mut files);
    }
    let mut wide = Vec::new();
    for file in files {
        for (number, line) in (1..).zip(fs::read_to_string(&file).unwrap().lines()) {
            if line.trim_start().starts_with("//") && line.chars().count() > 120 {
                wide.push(format!("{}:{number}", file.display()));
            }
        }
    }
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn nothing_else_stands_at_the_top() {
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "events",
        "functions",
        "local",
        "samconfig.toml",
        "statemachine",
        "template.yaml",
    ];
    // Only what is part of the repository: where git is not at hand, there is nothing to ask.
    let Ok(listed) = std::process::Command::new("git").arg("ls-files").current_dir(workspace()).output() else {
        return;
    };
    for path in String::from_utf8(listed.stdout).unwrap().lines() {
        let name = path.split('/').next().unwrap();
        assert!(name.starts_with('.') || allowed.contains(&name), "{name}");
    }
}

/// A dependency that only tests have may turn on features of one that all share; then tests and functions are built
/// from two sets of everything, in twice the time.
#[test]
fn tests_and_functions_are_built_from_one_set_of_dependencies() {
    let packages = |edges: &str| -> BTreeSet<String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let output = std::process::Command::new(cargo)
            .args(["tree", "--locked", "--offline", "--workspace", "--prefix", "none", "-f", "{p} {f}", "-e", edges])
            .current_dir(workspace())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    };
    let (of_functions, of_tests) = (packages("normal,build"), packages("normal,build,dev"));
    let changed: Vec<&String> = of_functions.difference(&of_tests).collect();
    assert!(of_functions.len() > 200 && changed.is_empty(), "{changed:?}");
}
