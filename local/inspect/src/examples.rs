//! The examples of the spec language: what they would make of their files, and what is proposed for these.

use crate::propose::propose;
use crate::reading::read;
use local::inspection::{File, Propose, Read, Reading, Wishes};
use serde_json::Value;
use sluice::spec::Parts;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// An example.
struct Example {
    name: String,
    parts: Parts,
    /// All versions of its files, as they came.
    versions: Vec<File>,
    expected: String,
}

impl Example {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/examples");
        let mut folders: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders.iter().map(|folder| Self::read(folder)).collect()
    }

    fn read(folder: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let spec: Value = serde_json::from_str(&text("spec.json")).unwrap();
        let part = |name: &str| spec[name].clone();
        let parts = Parts { source: part("source"), shape: part("shape"), target: part("target") };
        let mut paths = Vec::new();
        find(&folder.join("in"), &mut paths);
        paths.sort();
        let versions = paths.into_iter().map(|path| {
            let below = path.strip_prefix(folder.join("in")).unwrap().to_str().unwrap().to_owned();
            // The folder of the run, if there are several.
            let key = below.trim_start_matches(|character: char| character.is_ascii_digit()).trim_start_matches('/');
            File { key: key.to_owned(), path }
        });
        let is_input = |file: &File| !file.key.split('/').any(|part| part.starts_with(['_', '.']));
        let versions = versions.filter(is_input).collect();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        Self { name, parts, versions, expected: text("expected.csv") }
    }

    /// The newest version of each file, in the order of the keys.
    fn files(&self) -> Vec<File> {
        let newest: BTreeMap<&str, &File> = self.versions.iter().map(|file| (file.key.as_str(), file)).collect();
        newest.into_values().cloned().collect()
    }
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { find(&path, found) } else { found.push(path) }
    }
}

/// A line of CSV as `psql` writes it, numbers without the zeros behind.
fn line(cells: &[String]) -> String {
    let cells = cells.iter().map(|cell| match cell.contains('.') && cell.parse::<f64>().is_ok() {
        true => cell.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => cell.clone(),
    });
    cells.collect::<Vec<_>>().join(",")
}

fn assert_good(name: &str, reading: &Reading) {
    for file in &reading.files {
        assert_eq!((file.bad_rows, &file.bad_file), (0, &None), "{name}: {} {:?}", file.key, reading.bad_rows);
    }
}

#[test]
fn the_table_that_is_shown_is_the_one_that_is_loaded() {
    let examples = Example::all();
    assert_eq!(examples.len(), 15);
    for example in examples {
        // Where rows of all versions count, all of them come.
        let is_of_versions = example.parts.target["on_overlap"] == "newest_row";
        let files = if is_of_versions { example.versions.clone() } else { example.files() };
        let reading = read(&Read { parts: example.parts.clone(), files }).unwrap();
        assert_good(&example.name, &reading);
        let found: Vec<String> = reading.table.iter().map(|cells| line(cells)).collect();
        let expected: Vec<String> = example
            .expected
            .lines()
            .map(|text| {
                line(&text.split(',').map(|cell| cell.trim_matches('"').replace("\"\"", "\"")).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(found, expected, "{}", example.name);
        assert_eq!(reading.table_rows + 1, u64::try_from(expected.len()).unwrap(), "{}", example.name);
        assert!(reading.rows.len() > 1, "{}", example.name);
    }
}

/// A column whose type a person has to say, and why.
const NEED_HELP: [(&str, &str, &str); 1] =
    [("json-events", "meta.at", "rows that the filter leaves out have no time there, but another text")];

#[test]
fn what_is_proposed_reads_all_rows() {
    for example in Example::all() {
        let files = example.files();
        let wanted = Propose { files: files.clone(), table: "proposed".to_owned(), wishes: Wishes::default() };
        let proposal = propose(&wanted).unwrap_or_else(|why| panic!("{}: {why}", example.name));
        let read = |parts: &Parts| read(&Read { parts: parts.clone(), files: files.clone() });
        let reading =
            read(&proposal.parts).unwrap_or_else(|why| panic!("{}: {why} {:?}", example.name, proposal.parts));
        assert_good(&example.name, &reading);
        // As many rows as those that know better read.
        let known = read(&example.parts).unwrap();
        let counts = |reading: &Reading| reading.files.iter().map(|file| file.rows).collect::<Vec<_>>();
        assert_eq!(
            counts(&reading),
            counts(&known),
            "{}: {:?} {:?}",
            example.name,
            proposal.parts.source,
            proposal.unsure
        );
        // The same types, where the same field is read.
        let of = |parts: &Parts| {
            let columns = parts.source["columns"].as_object().unwrap().clone();
            let place = |(name, column): (String, Value)| match &column {
                Value::String(from) => (Value::from(from.as_str()), "text".to_owned()),
                column => {
                    let from = if column["from"].is_null() { Value::from(name) } else { column["from"].clone() };
                    (from, column["type"].as_str().unwrap_or("text").to_owned())
                }
            };
            columns.into_iter().map(place).collect::<Vec<_>>()
        };
        for (from, kind) in of(&example.parts) {
            for (_, proposed) in of(&proposal.parts).into_iter().filter(|(other, _)| *other == from) {
                let are_alike = |one: &str, other: &str| {
                    let groups = [["date", "timestamp", "timestamptz"], ["integer", "number", ""]];
                    one == other || groups.iter().any(|group| group.contains(&one) && group.contains(&other))
                };
                let way = from.as_str().map_or_else(
                    || from.as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect::<Vec<_>>().join("."),
                    ToOwned::to_owned,
                );
                if NEED_HELP.iter().any(|(name, column, _)| *name == example.name && *column == way) {
                    assert_eq!(proposed, "text", "{}: {from} needs no help", example.name);
                    continue;
                }
                assert!(are_alike(&kind, &proposed), "{}: {from} is {kind}, proposed {proposed}", example.name);
            }
        }
    }
}

/// What is proposed for a file that another program wrote: the columns by where they are, with their types, and what is
/// said besides.
fn proposed(name: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/pivot/tests/parquet").join(name);
    let files = vec![File { key: name.to_owned(), path }];
    let wanted = Propose { files: files.clone(), table: "proposed".to_owned(), wishes: Wishes::default() };
    let proposal = propose(&wanted).unwrap();
    assert_good(name, &read(&Read { parts: proposal.parts.clone(), files }).unwrap());
    let columns = proposal.parts.source["columns"].as_object().unwrap().clone();
    let place = |(name, column): (String, Value)| {
        let from = if column["from"].is_null() { Value::from(name) } else { column["from"].clone() };
        (from.to_string(), column["type"].as_str().unwrap_or("text").to_owned())
    };
    (columns.into_iter().map(place).collect(), proposal.unsure)
}

#[test]
fn what_is_nested_in_parquet_is_proposed_by_its_way() {
    let (columns, unsure) = proposed("zstd-plain-pages-v2-nested-others.parquet");
    assert_eq!(columns.get(r#"["nested","n"]"#).map(String::as_str), Some("integer"), "{columns:?}");
    let said = |name: &str| unsure.iter().any(|line| line.contains(&format!("{name:?} is not read")));
    assert!(said("nested.tags") && said("list"), "{unsure:?}");
    assert_eq!(columns.len(), 4, "{columns:?}");
    // A type that has no name of its own in a table.
    let (columns, _) = proposed("floats.parquet");
    assert!(columns.values().any(|kind| kind == "number"), "{columns:?}");
}
