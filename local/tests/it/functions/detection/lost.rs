//! What detection says of a table that has lost something, of a reload, and of files that are sent again unchanged.

use super::{BEGINNING, HOUR, detect, execution, parts, print, write_document};
use crate::functions::fake_aws::{FakeAws, Function, Object};
use aws_sdk_s3::primitives::DateTime;
use serde_json::{Value, json};
use sluice::contract::{LedgerEntry, Loaded, Manifest, ObjectRef, Record, SourceFile, keys};
use sluice::spec::Parts;
use sluice::time::format_time;

/// What two runs have loaded, one file each: `a.csv` an hour before `b.csv`. Only the first one is in the bucket.
struct Loads {
    aws: FakeAws,
    function: Function,
    parts: Parts,
}

fn at(hours: i64) -> String {
    format_time(DateTime::from_millis(BEGINNING + hours * HOUR))
}

fn object(hours: i64) -> Object {
    Object { etag: "\"e\"".to_owned(), size: 1, modified: (BEGINNING + hours * HOUR) / 1_000, ..Object::default() }
}

impl Loads {
    fn new(parts: Parts) -> Self {
        let aws = FakeAws::start();
        let loads = Self { function: Function::start("detect-new-files", &aws), aws, parts };
        for (number, name, after) in [(1, "a", String::new()), (2, "b", at(1))] {
            let execution = execution(&format!("load-{number}"), BEGINNING + number * HOUR);
            let file = SourceFile {
                key: format!("input_data/{name}.csv"),
                etag: "\"e\"".to_owned(),
                size: 1,
                last_modified: at(0),
            };
            let entry = LedgerEntry {
                execution: execution.id.clone(),
                detected_at: at(number),
                files: vec![file],
                bad: Vec::new(),
                generation: "g".to_owned(),
                after,
                in_doubt: false,
            };
            let key = keys::ledger_entry(&execution, &entry.detected_at, 0);
            loads.aws.world().put(&key, serde_json::to_vec(&entry).unwrap());
        }
        write_document(&loads.aws, &loads.loaded(2));
        loads.aws.world().objects.insert("input_data/a.csv".to_owned(), object(0));
        loads
    }

    /// What a table knows of after the run of this number.
    fn loaded(&self, number: i64) -> Loaded {
        Loaded { generation: "g".to_owned(), detected_at: at(number), print: print(&self.parts) }
    }

    fn look(&mut self, record: Option<Loaded>, trigger: &Value) -> Result<Value, (String, String)> {
        self.look_by(Record { loaded: record, asked_at: None }, trigger)
    }

    fn look_by(&mut self, record: Record, trigger: &Value) -> Result<Value, (String, String)> {
        let execution = execution("look", BEGINNING + 9 * HOUR);
        self.function.invoke(&detect(&execution, self.parts.clone(), Some(record), trigger))
    }

    fn manifest(&self, output: &Value) -> Manifest {
        let reference: ObjectRef = serde_json::from_value(output["manifest"].clone()).unwrap();
        self.aws.world().document(&reference)
    }
}

#[test]
fn a_table_that_lost_all_of_which_no_file_is_left_is_told() {
    let mut loads = Loads::new(parts(24));
    let found = loads.look(None, &json!({})).unwrap();
    assert_eq!(found["new_file_count"], 1, "it is loaded again from what is there");
    let notes = found["notes"].as_array().unwrap();
    let told = "what they said is lost unless the schema sluice still has it: 1, input_data/b.csv";
    assert!(notes.iter().any(|note| note.as_str().unwrap().ends_with(told)), "{found}");
    // Of a reload that was asked for nothing is told: it is what the files say now.
    let reloaded = loads.look(None, &json!({"reload": true})).unwrap();
    assert!(!reloaded["notes"].to_string().contains("b.csv"), "{reloaded}");
    loads.aws.world().objects.remove("input_data/a.csv");
    let (name, text) = loads.look(None, &json!({})).unwrap_err();
    assert_eq!(name, "Misconfigured");
    assert!(text.contains("no file is left under input_data/") && text.contains(&keys::loaded("m")), "{text}");
    loads.aws.world().objects.remove(&keys::loaded("m"));
    assert_eq!(loads.look(None, &json!({})).unwrap()["new_file_count"], 0, "nothing was ever loaded");
}

/// Only the last version of a file can be read again: where an earlier one may have had more to say, that is told.
#[test]
fn a_table_that_lost_all_of_which_files_were_overwritten_is_told() {
    for (mode, is_told) in [("newest_row", true), ("last_run", true), ("newest_file", false), ("all_files", false)] {
        let mut parts = Parts { target: json!({"table": "t", "on_overlap": mode}), ..parts(24) };
        if mode == "newest_row" {
            parts.shape = json!({"keys": ["date"], "rows": {"columns": ["minutes"]}});
        }
        for (lost, told) in [(true, "has lost what was loaded into it"), (false, "knows of no load after that of")] {
            let mut loads = Loads::new(parts.clone());
            // Another version of the one, and the same bytes of the other, sent again.
            let changed = Object { etag: "\"f\"".to_owned(), ..object(3) };
            loads.aws.world().objects.insert("input_data/b.csv".to_owned(), changed);
            loads.aws.world().objects.insert("input_data/a.csv".to_owned(), object(3));
            let record = (!lost).then(|| loads.loaded(1));
            let found = loads.look(record, &json!({})).unwrap();
            let notes = found["notes"].as_array().unwrap();
            let end = "overwritten since, and what only a version before the last one had is lost: 1, input_data/b.csv";
            let is_it = |note: &&Value| note.as_str().unwrap().contains(told) && note.as_str().unwrap().ends_with(end);
            assert_eq!(notes.iter().filter(is_it).count(), usize::from(is_told), "{mode}: {found}");
        }
    }
}

/// Words outlive a table that was emptied: those of a file that is no longer selected would count again.
#[test]
fn a_table_that_lost_all_brings_back_no_file_that_is_no_longer_selected() {
    let mut loads = Loads::new(parts(24));
    loads.parts.source["suffix"] = json!(".txt");
    loads.aws.world().objects.insert("input_data/c.txt".to_owned(), object(3));
    let (name, text) = loads.look(None, &json!({})).unwrap_err();
    assert_eq!(name, "Misconfigured");
    let told = "no longer selected: 2, among them input_data/a.csv, input_data/b.csv; ";
    assert!(text.contains(told) && text.contains("{\"reload\": true}"), "{text}");
    assert_eq!(loads.look(None, &json!({"reload": true})).unwrap()["new_file_count"], 1);
    // With last_run nothing is kept that could come back.
    let mut loads = Loads::new(Parts { target: json!({"table": "t", "on_overlap": "last_run"}), ..parts(24) });
    loads.parts.source["suffix"] = json!(".txt");
    loads.aws.world().objects.insert("input_data/c.txt".to_owned(), object(3));
    assert_eq!(loads.look(None, &json!({})).unwrap()["new_file_count"], 1);
}

/// A bucket is a part of what is selected, and what is in another one cannot be asked for.
#[test]
fn a_table_that_was_loaded_from_another_bucket_is_refused() {
    let mut loads = Loads::new(parts(24));
    loads.aws.world().objects.remove(&keys::loaded("m"));
    let mut elsewhere = loads.loaded(2);
    elsewhere.print.selection.bucket = "pond".to_owned();
    let (name, text) = loads.look(Some(elsewhere.clone()), &json!({})).unwrap_err();
    assert_eq!(name, "Misconfigured");
    for part in ["public.t was loaded from the bucket pond", "reads from lake", "{\"reload\": true}"] {
        assert!(text.contains(part), "{text}");
    }
    let reloaded = loads.look(Some(elsewhere), &json!({"reload": true})).unwrap();
    assert_eq!((&reloaded["reload"], &reloaded["new_file_count"]), (&json!(true), &json!(1)));
}

#[test]
fn files_that_a_restored_table_lost_and_that_are_gone_are_named() {
    let mut loads = Loads::new(parts(24));
    let restored = loads.loaded(1);
    let found = loads.look(Some(restored.clone()), &json!({})).unwrap();
    let notes = found["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note.as_str().unwrap().ends_with("lost: 1, input_data/b.csv")), "{found}");
    assert_eq!(found["new_file_count"], 0);

    // The file is there: it is loaded again, and nothing is lost.
    let mut loads = Loads::new(parts(24));
    loads.aws.world().objects.insert("input_data/b.csv".to_owned(), object(0));
    let found = loads.look(Some(restored), &json!({})).unwrap();
    assert!(!found["notes"].to_string().contains("lost"), "{found}");
    assert_eq!(found["new_file_count"], 1);
}

/// A run that was started by hand asks for the record, and then waits for another run, which loads.
#[test]
fn a_record_from_before_the_last_load_says_nothing_of_a_loss() {
    let mut loads = Loads::new(parts(24));
    let document = keys::loaded("m");
    loads.aws.world().objects.get_mut(&document).unwrap().modified = (BEGINNING + 5 * HOUR) / 1_000;
    for (loaded, hours, is_told) in
        [(None, 4, false), (Some(1), 4, false), (None, 6, true), (Some(1), 6, true), (Some(2), 4, false)]
    {
        let record = Record { loaded: loaded.map(|number| loads.loaded(number)), asked_at: Some(at(hours)) };
        let found = loads.look_by(record, &json!({})).unwrap();
        assert_eq!(found["notes"].to_string().contains("b.csv"), is_told, "{loaded:?}, {hours}: {found}");
    }
}

#[test]
fn a_manifest_says_whether_a_reload_was_asked_for() {
    let mut loads = Loads::new(parts(24));
    loads.aws.world().objects.insert("input_data/b.csv".to_owned(), object(0));
    let before = loads.loaded(2);
    loads.parts.shape["pivot"]["into"] = json!({"Work": "minutes_of_work"});
    for (trigger, is_by_itself) in [(json!({}), true), (json!({"reload": true}), false)] {
        let found = loads.look(Some(before.clone()), &trigger).unwrap();
        let manifest = loads.manifest(&found);
        assert_eq!((manifest.reload, manifest.is_reload_by_itself), (true, is_by_itself), "{trigger}");
    }
}

#[test]
fn a_file_that_is_sent_again_unchanged_is_new_only_where_its_date_matters() {
    for (target, is_new) in [
        (json!({"table": "t", "on_overlap": "newest_file"}), true),
        (json!({"table": "t", "on_overlap": "newest_file", "newest_by": "key"}), false),
        (json!({"table": "t", "on_overlap": "all_files"}), false),
        (json!({"table": "t", "on_overlap": "last_run"}), false),
    ] {
        let mut loads = Loads::new(Parts { target: target.clone(), ..parts(24) });
        loads.aws.world().objects.insert("input_data/a.csv".to_owned(), object(3));
        let record = loads.loaded(2);
        let found = loads.look(Some(record.clone()), &json!({})).unwrap();
        assert_eq!(found["new_file_count"], u64::from(is_new), "{target}");
        let explained = loads.look(Some(record), &json!({"explain": ["input_data/a.csv"]})).unwrap();
        let explained = &explained["explained"][0];
        assert_eq!(explained["is_new"], is_new, "{explained}");
        let reason = explained["reason"].as_str().unwrap();
        assert!(reason.starts_with(&format!("it was sent again at {}, unchanged", at(3))), "{reason}");
    }
}
