//! A case of files: what is uploaded, by what spec, and what must come of it. Its form is described in
//! `local/spec/trials/run.py`, which runs the same cases against a stack of one's own.

use crate::support::{Fixture, run};
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;
use std::fs;
use std::path::{Path, PathBuf};

/// A case, with all that its folder says.
pub(super) struct Case {
    pub name: String,
    /// The bucket's prefix and the table are called after it. No word of the case stands in them, for an error would
    /// be taken to say it.
    number: usize,
    given: Value,
    /// For each run the files that are uploaded before it, by their names.
    steps: Vec<Vec<(String, PathBuf)>>,
    /// The table in the end, with its header.
    table: Option<Vec<Vec<String>>>,
    /// Lines `what: text` about the last run.
    told: Vec<(String, String)>,
}

impl Case {
    pub(super) fn read(number: usize, folder: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let given = text("spec.json").map_or(json!({}), |text| serde_json::from_str(&text).unwrap());
        let input = folder.join("in");
        let mut steps: Vec<PathBuf> =
            (1..).map(|step| input.join(step.to_string())).take_while(|step| step.is_dir()).collect();
        if steps.is_empty() {
            steps.push(input);
        }
        let table = text("expected.csv").map(|text| {
            assert!(!text.contains('"'), "a quoted field is more than this reads");
            text.lines().map(|line| line.split(',').map(ToOwned::to_owned).collect()).collect()
        });
        let told = text("expected.txt").unwrap_or_default();
        let told = told.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "));
        Self {
            name: super::name(folder).to_owned(),
            number,
            given,
            steps: steps.iter().map(|step| files(step, step)).collect(),
            table,
            told: told.map(|(what, text)| (what.to_owned(), text.to_owned())).collect(),
        }
    }

    fn table_name(&self) -> String {
        format!("trial_{}", self.number)
    }

    /// The fields of payloads that carry the spec.
    fn spec(&self, prefix: &str) -> Map<String, Value> {
        let over = |mut base: Value, given: &Value| {
            base.as_object_mut().unwrap().extend(given.as_object().cloned().unwrap_or_default());
            base
        };
        let columns = json!({
            "date": {"from": "Start date", "type": "date"}, "project": "Project",
            "minutes": {"from": "Duration", "type": "number"},
        });
        let mut source = over(json!({"suffix": ".csv"}), &self.given["source"]);
        source["columns"] = over(columns, &source["columns"]);
        let shape = json!({
            "keys": ["date"], "values": {"minutes": "sum"},
            "pivot": {"on": "project", "into": {"Website": "website", "Branding": "branding"}},
        });
        let target = json!({"table": self.table_name(), "create": true, "on_overlap": "all_files"});
        let (shape, target) = (over(shape, &self.given["shape"]), over(target, &self.given["target"]));
        let fields = [("prefix", json!(prefix)), ("source", source), ("shape", shape), ("target", target)];
        fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect()
    }

    /// Runs it with the state machine of `stack`, of which it changes the spec.
    ///
    /// # Errors
    /// What came of it instead.
    pub(super) async fn run(&self, stack: &Fixture) -> Result<(), String> {
        let folder = format!("{}/", self.number);
        if let Some(sql) = self.given["sql"].as_str() {
            let sql = sql.replace("$T", &self.table_name());
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut stack.connect().await.unwrap()).await.unwrap();
        }
        let (sfn, machine) = (stack.sfn(), &stack.state_machine_arn);
        let described = sfn.describe_state_machine().state_machine_arn(machine).send().await.unwrap();
        let mut definition: Value = serde_json::from_str(&described.definition).unwrap();
        respecify(&mut definition, &self.spec(&format!("{}{folder}", stack.prefix)));
        let update = sfn.update_state_machine().state_machine_arn(machine).definition(definition.to_string());
        update.send().await.unwrap();

        let inputs = self.given["inputs"].as_array().cloned().unwrap_or_default();
        let mut outcome = None;
        for turn in 0..self.steps.len().max(inputs.len()) {
            for (name, path) in self.steps.get(turn).into_iter().flatten() {
                stack.upload(&format!("{folder}{name}"), fs::read(path).unwrap()).await.unwrap();
            }
            outcome = Some(run(stack, inputs.get(turn).cloned().unwrap_or(json!({}))).await);
        }
        let outcome = outcome.expect("a case has a step");
        let told = [Some(outcome.status.clone()), outcome.error.clone(), outcome.cause.clone()];
        let told: Vec<String> = told.into_iter().flatten().chain([outcome.counts.to_string()]).collect();
        let told = told.join(" ").replace("\\\"", "\"");
        for (what, text) in &self.told {
            let holds = match what.as_str() {
                "status" => outcome.status == *text,
                "has" => told.contains(text),
                "not" => !told.contains(text),
                "any" => text.split(" | ").any(|part| told.contains(part.trim())),
                _ => return Err(format!("expected.txt says {what}, which nothing understands")),
            };
            if !holds {
                return Err(format!("not {what}: {text}: {told}"));
            }
        }
        match &self.table {
            Some(expected) => {
                let found = table(stack, &self.table_name()).await;
                if found == *expected {
                    Ok(())
                } else {
                    Err(format!("the table is {found:?}, not {expected:?}: {told}"))
                }
            }
            None => Ok(()),
        }
    }
}

/// The files in a folder and those below it, by their paths from `root`.
fn files(root: &Path, folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(root, &path));
        } else {
            found.push((path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), path));
        }
    }
    found.sort();
    found
}

/// Puts the spec into every payload that has one.
fn respecify(part: &mut Value, spec: &Map<String, Value>) {
    match part {
        Value::Object(fields) => {
            if fields.contains_key("source") && fields.contains_key("target") {
                let known = spec.iter().filter(|(name, _)| fields.contains_key(*name));
                fields.extend(known.map(|(name, field)| (name.clone(), field.clone())).collect::<Vec<_>>());
            }
            fields.values_mut().for_each(|inner| respecify(inner, spec));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| respecify(inner, spec)),
        _ => {}
    }
}

/// A table with its header, as psql shows it, in the order of its first column; empty if there is none.
async fn table(stack: &Fixture, name: &str) -> Vec<Vec<String>> {
    let mut connection = stack.connect().await.unwrap();
    let columns: Vec<String> = sqlx::query_scalar(
        "select attname::text from pg_attribute
         where attrelid = to_regclass(quote_ident($1)) and attnum > 0 and not attisdropped order by attnum",
    )
    .bind(name)
    .fetch_all(&mut connection)
    .await
    .unwrap();
    if columns.is_empty() {
        return Vec::new();
    }
    let texts = columns.iter().map(|column| format!("coalesce(\"{column}\"::text, '')")).collect::<Vec<_>>().join(", ");
    let select = format!("select array[{texts}] from \"{name}\" order by 1");
    let mut rows: Vec<Vec<String>> =
        sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(&mut connection).await.unwrap();
    rows.insert(0, columns);
    rows
}
