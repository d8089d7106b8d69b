//! Runs as detection and pivot leave them in the bucket, so that a load can be looked at alone.

use crate::functions::copy_parts;
use crate::support::*;
use serde_json::{Value, json};
use sluice::contract::{Layout, STATE_COLUMN, file_number};
use sluice::spec::{ColumnType, OnBad, Parts};

/// A file as pivot found it.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub name: String,
    /// In which second of 2024 S3 dates it.
    pub second: u32,
    /// A row of it is in quarantine whose key is not known.
    pub has_unknown_keys: bool,
    /// Key, two sums and, if they are not whole, the state.
    pub rows: Vec<String>,
}

/// A file with these rows.
pub(crate) fn file(name: &str, second: u32, rows: &[&str]) -> File {
    let rows = rows.iter().map(|row| (*row).to_owned()).collect();
    File { name: name.to_owned(), second, has_unknown_keys: false, rows }
}

/// What S3 says of when an object was changed.
fn modified(second: u32) -> String {
    format!("2024-01-01T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

/// A run that is ready to be loaded.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub name: String,
    pub detected_at: String,
    pub parts: Parts,
    pub batches: Vec<Vec<File>>,
    pub reload: bool,
    /// It is a reload for which nobody asked.
    pub is_reload_by_itself: bool,
    /// Files of the first batch that pivot set aside, by their names.
    pub bad: Vec<&'static str>,
    /// Files of the first batch that changed after they were listed, by their names.
    pub changed: Vec<&'static str>,
    /// What detection assumed to be loaded; without it, what the target's record says when the run is left.
    pub assumed: Option<Value>,
    /// Keys that pivot found in several files of the first batch.
    pub shared: Value,
    /// Runs that ended badly, as detection hands them on.
    pub ended_badly: Value,
}

/// The reference job's spec with another table and another `on_overlap`; rows may be in quarantine.
pub(crate) fn parts(table: &str, on_overlap: &str) -> Parts {
    let Parts { mut source, shape, .. } = reference_job().parts;
    source["on_bad_row"] = json!("quarantine");
    Parts { source, shape, target: json!({"table": table, "create": true, "on_overlap": on_overlap}) }
}

impl Run {
    /// The run `number` of a job: its time goes by that, its name also by the table.
    pub(crate) fn new(number: u32, parts: &Parts, batches: Vec<Vec<File>>) -> Self {
        let table =
            parts.target["table"].as_str().unwrap_or_default().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        Self {
            name: format!("run-{number}-{table}"),
            detected_at: format!("2024-02-01T{:02}:{:02}:00.000Z", number / 60, number % 60),
            parts: parts.clone(),
            batches,
            reload: false,
            is_reload_by_itself: false,
            bad: Vec::new(),
            changed: Vec::new(),
            assumed: None,
            shared: json!({"count": 0, "first": []}),
            ended_badly: json!([]),
        }
    }

    /// Leaves its documents; returns the payload that loads it.
    pub(crate) async fn leave(&self, stack: &Fixture) -> Value {
        let spec = self.parts.check().unwrap();
        let (keeps_words, has_states) =
            (spec.target.on_overlap.keeps_words(), spec.source.on_bad_row == OnBad::Quarantine);
        let prefix = format!("intermediate_data/{}/{}", stack.job, self.name);
        let is_date = spec.source.columns[&spec.shape.keys[0]].kind == ColumnType::Date;
        let kind = if is_date { "date" } else { "text" };
        let mut batches = Vec::new();
        for (index, files) in (0..).zip(&self.batches) {
            let key = format!("{prefix}/part-{index}.pgcopy");
            let rows = rows(index, files, keeps_words, has_states);
            let types = ["bigint", "smallint", kind, "numeric", "numeric"].into_iter().enumerate();
            let types = types.filter(|(place, _)| [keeps_words, has_states, true, true, true][*place]);
            let types: Vec<&str> = types.map(|(_, kind)| kind).collect();
            let body = copy_parts::encoded(stack, &types, &rows).await;
            let put = stack.s3().put_object().bucket(&stack.bucket).key(&key).body(body.into()).send().await.unwrap();
            let pivoted = json!({"bucket": stack.bucket, "key": key, "etag": put.e_tag.unwrap()});
            let loaded: Vec<Value> = files.iter().map(|file| self.loaded(file, keeps_words)).collect();
            let (mut bad, mut changed) = (Vec::new(), Vec::new());
            if index == 0 {
                bad.extend(self.bad.iter().map(|name| self.loaded(&file(name, 1, &[]), keeps_words)));
                bad.iter_mut().for_each(|bad| bad["reason"] = json!("it lacks a column"));
                changed.extend(self.changed.iter().map(|name| self.loaded(&file(name, 1, &[]), keeps_words)));
            }
            let result = json!({
                "output": {"index": index, "pivoted": if rows.is_empty() { Value::Null } else { pivoted },
                           "rows_read": 5, "rows_rejected": 1, "rows_ignored": 0, "rejected": null,
                           "days": rows.len(), "files_loaded": files.len(), "files_changed": changed.len(),
                           "files_bad": bad.len()},
                "layout": Layout::of(&spec), "loaded": loaded, "changed": changed, "bad": bad,
                "shared": if index == 0 { self.shared.clone() } else { json!({"count": 0, "first": []}) },
            });
            put_json(stack, &format!("{prefix}/result-{index:05}.json"), &result).await;
            batches.push(json!({"bucket": stack.bucket, "key": "unused", "etag": "unused"}));
        }
        let assumed = match &self.assumed {
            Some(assumed) => assumed.clone(),
            None => record(stack, &self.parts).await,
        };
        let manifest = json!({
            "detected_at": self.detected_at, "new_file_count": 1, "new_bytes": 1, "batches": batches,
            "assumed": assumed, "print": spec.print(&stack.bucket, &stack.prefix), "reload": self.reload,
            "is_reload_by_itself": self.is_reload_by_itself, "ended_badly": self.ended_badly,
        });
        let manifest = put_json(stack, &format!("{prefix}/manifest.json"), &manifest).await;
        payload(stack, &self.name, &self.parts, json!({"manifest": manifest}))
    }

    fn loaded(&self, file: &File, keeps_words: bool) -> Value {
        let mut loaded = json!({
            "key": format!("{}{}", "input_data/", file.name), "etag": self.name, "size": 1,
            "last_modified": modified(file.second), "has_unknown_keys": file.has_unknown_keys,
        });
        let keys = || file.rows.iter().filter_map(|row| row.split(' ').next());
        if let (false, Some(first), Some(last)) = (keeps_words, keys().min(), keys().max()) {
            (loaded["first_key"], loaded["last_key"]) = (json!(first), json!(last));
        }
        loaded
    }

    /// Loads it.
    pub(crate) async fn load(&self, stack: &Fixture) -> Answer {
        let payload = self.leave(stack).await;
        stack.invoke("upsert", &payload).await.unwrap()
    }
}

/// The rows of a part, as they are given.
fn rows(batch: u32, files: &[File], keeps_words: bool, has_states: bool) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (place, file) in (0..).zip(files) {
        for row in &file.rows {
            let fields: Vec<&str> = row.split(' ').collect();
            let number = keeps_words.then(|| file_number(batch, place).to_string());
            let state = has_states.then(|| fields.get(3).unwrap_or(&"0").to_string());
            assert!(has_states || fields.len() == 3, "{STATE_COLUMN} of {row}");
            let values = fields.iter().take(3).map(ToString::to_string);
            rows.push(number.into_iter().chain(state).chain(values).collect());
        }
    }
    rows
}

fn payload(stack: &Fixture, name: &str, parts: &Parts, mut more: Value) -> Value {
    more["execution"] = execution(stack, name);
    let Parts { source, shape, target } = parts;
    (more["source"], more["shape"], more["target"]) = (source.clone(), shape.clone(), target.clone());
    more
}

/// What the target's record says is loaded.
pub(crate) async fn record(stack: &Fixture, parts: &Parts) -> Value {
    let check = payload(stack, "check", parts, json!({"action": "check"}));
    stack.invoke("upsert", &check).await.unwrap().unwrap()["loaded"].clone()
}

/// The rows of a table like the reference job's, a line each.
pub(crate) async fn rows_of(stack: &Fixture, table: &str) -> Vec<String> {
    let mut connection = stack.connect().await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "select concat_ws(' ', date, learning_minutes, work_minutes) from {table} order by date"
    )))
    .fetch_all(&mut connection)
    .await
    .unwrap()
}

/// The notes of a load.
pub(crate) fn notes(output: &Value) -> Vec<String> {
    output["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned()).collect()
}

/// Some counts of a load.
pub(crate) fn counts<const N: usize>(output: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| output[name].as_u64().unwrap_or_else(|| panic!("{name} of {output}")))
}
