//! A deployment of the job that makes tables of the lake, with a database of Glue of its own, and what tests ask of it.

pub(crate) use super::files::Files;

use super::{Fixture, Folder, files, keys, parquet, read, read_bytes, run, stack, until};
use aws_sdk_glue::types::{StorageDescriptor, Table, TableInput};
use local::binaries::workspace;
use local::deployment::{Deployment, Options};
use local::execution::Outcome;
use local::report::failure;
use local::stack::Stack;
use local::{lake, template};
use serde_json::{Value, json};
use sluice::contract::Execution;
use sluice::contract::athena_elt::{Spec, staging};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The first line of a file of ratings.
pub(crate) const RATINGS: &str = "userId,movieId,rating,timestamp\n";

/// The job, deployed.
pub(crate) struct Lake {
    fixture: Fixture,
    /// Of Glue.
    pub(crate) database: String,
    /// Of Athena.
    pub(crate) workgroup: String,
    spec: Spec,
}

impl std::ops::Deref for Lake {
    type Target = Deployment;
    fn deref(&self) -> &Deployment {
        &self.fixture.deployment
    }
}

impl Lake {
    /// The job as the template has it, with the sample's files.
    pub(crate) async fn with_sample() -> Self {
        let lake = Self::with(|_| ()).await;
        lake.upload_all(&sample()).await;
        lake
    }

    /// The job with other parameters, and no files.
    pub(crate) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        Self::on(stack().await, change).await
    }

    /// The same on another stack.
    pub(crate) async fn on(stack: Arc<Stack>, change: impl FnOnce(&mut Value)) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let database = format!("lake_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (template, job, workgroup) = changed(&database, change);
        let template::Kind::AthenaElt(spec) = &job.kind else { panic!("{:?}", job.kind) };
        let deployment = stack.deploy_changed(&Options::default(), template).await.unwrap().of_job(&job);
        let own = || format!("{}-{}", deployment.name, deployment.job);
        let workgroup = if workgroup.is_empty() { own() } else { workgroup };
        Self { fixture: Fixture { deployment, stack }, database, workgroup, spec: *spec.clone() }
    }

    /// Deploys it again, with other parameters.
    pub(crate) async fn redeploy(&self, change: impl FnOnce(&mut Value)) {
        let (template, _, _) = changed(&self.database, change);
        self.fixture.stack.deploy_template(&self.name, &Options::default(), template).await.unwrap();
    }

    pub(crate) fn athena(&self) -> aws_sdk_athena::Client {
        aws_sdk_athena::Client::new(&self.config)
    }

    pub(crate) fn glue(&self) -> aws_sdk_glue::Client {
        aws_sdk_glue::Client::new(&self.config)
    }

    /// The key of a file of a source.
    pub(crate) fn key(&self, name: &str) -> String {
        let (source, rest) = name.split_once('/').unwrap();
        format!("{}{rest}", self.spec.sources[source].prefix)
    }

    /// The key of the file that the job makes.
    pub(crate) fn export(&self) -> &str {
        &self.spec.targets[0].export.key
    }

    /// Puts a file of a source.
    pub(crate) async fn put(&self, name: &str, body: impl Into<Vec<u8>>) {
        let put = self.s3().put_object().bucket(&self.bucket).key(self.key(name));
        put.body(body.into().into()).send().await.unwrap();
    }

    pub(crate) async fn delete(&self, name: &str) {
        let key = self.key(name);
        self.s3().delete_object().bucket(&self.bucket).key(key).send().await.unwrap();
    }

    pub(crate) async fn upload_all(&self, files: &Files) {
        for (name, body) in files {
            self.put(name, body.clone()).await;
        }
    }

    /// Runs it to an end that must be good, and not come by what the stand-in cannot do.
    pub(crate) async fn run_well(&self, input: Value) -> Outcome {
        let outcome = run(self, input).await;
        assert!(outcome.succeeded(), "{}", failure(&outcome));
        outcome
    }

    /// Runs it to an end that must be bad; returns the error's name and its text.
    pub(crate) async fn run_badly(&self, input: Value) -> (String, String) {
        let outcome = run(self, input).await;
        assert_eq!(outcome.status, "FAILED", "{:?}", outcome.counts);
        self.is_told_by_the_functions(&outcome);
        (outcome.error.unwrap_or_default(), outcome.cause.unwrap_or_default())
    }

    /// What the stand-in does not know is never a result of ours.
    pub(crate) fn is_told_by_the_functions(&self, outcome: &Outcome) {
        let told = failure(outcome);
        assert!(!told.contains("LOCAL_STAND_IN"), "{told}");
    }

    /// The name of a staging table of the job, of an execution that nobody knows any more.
    pub(crate) fn staging(&self, table: &str, attempt: u32) -> String {
        let id = format!("{}:forgotten", self.state_machine_arn.replace(":stateMachine:", ":execution:"));
        let execution: Execution = serde_json::from_value(json!({
            "job": self.job, "id": id, "name": "forgotten", "started_at": "2024-01-01T00:00:00.000Z",
            "state_machine": self.state_machine_arn,
        }))
        .unwrap();
        staging(table, &format!("{}/{}", self.bucket, self.job), &execution, attempt)
    }

    /// Where queries of the job put the files of a table.
    pub(crate) fn folder_of(&self, table: &str) -> String {
        format!("tables/{}/{table}/tables/0c2f1b6e-2222-4a2b-9c3d-0123456789ab/", self.job)
    }

    /// Makes the definition of a table over a folder of the bucket.
    pub(crate) async fn leave_table(&self, name: &str, folder: &str) -> Result<(), local::BoxError> {
        let storage = StorageDescriptor::builder().location(format!("s3://{}/{folder}", self.bucket)).build();
        let input =
            TableInput::builder().name(name).table_type("EXTERNAL_TABLE").storage_descriptor(storage).build()?;
        self.glue().create_table().database_name(&self.database).table_input(input).send().await?;
        Ok(())
    }

    /// Changes the definition of a table, as somebody else may.
    pub(crate) async fn redefine(&self, name: &str, change: impl FnOnce(&mut Table)) {
        let got = self.glue().get_table().database_name(&self.database).name(name).send().await.unwrap();
        let mut table = got.table.unwrap();
        change(&mut table);
        let input = TableInput::builder().name(name).set_parameters(table.parameters);
        let input = input.set_storage_descriptor(table.storage_descriptor).set_table_type(table.table_type);
        let update = self.glue().update_table().database_name(&self.database).table_input(input.build().unwrap());
        update.send().await.unwrap();
    }

    /// Has the versions of the table that were replaced be replaced long ago.
    pub(crate) async fn age_versions(&self) {
        self.redefine("scifi", |table| {
            let versions = table.parameters.as_mut().unwrap().get_mut("sluice.versions").unwrap();
            let mut aged: Vec<Value> = serde_json::from_str(versions).unwrap();
            for version in aged.iter_mut().skip(1) {
                assert!(version["replaced_at"].is_string(), "{version}");
                version["replaced_at"] = json!("2024-01-01T00:00:00.000Z");
            }
            *versions = json!(aged).to_string();
        })
        .await;
    }

    /// The rows of a query of an administrator, without the names of its columns.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, local::BoxError> {
        Ok(lake::query(self, sql).await?.into_iter().skip(1).collect())
    }

    /// The kind and the state of each query of the job.
    pub(crate) async fn queries(&self) -> Vec<(String, String)> {
        let (athena, mut found) = (self.athena(), Vec::new());
        let mut pages = athena.list_query_executions().work_group(&self.workgroup).into_paginator().send();
        while let Some(page) = pages.next().await {
            let ids = page.unwrap().query_execution_ids.unwrap_or_default();
            if ids.is_empty() {
                continue;
            }
            let described = athena.batch_get_query_execution().set_query_execution_ids(Some(ids)).send().await.unwrap();
            for query in described.query_executions.unwrap_or_default() {
                let status = query.status.unwrap();
                let reason = status.state_change_reason.unwrap_or_default();
                assert!(!reason.contains("LOCAL_STAND_IN"), "{reason}");
                found.push((query.substatement_type.unwrap_or_default(), status.state.unwrap().as_str().to_owned()));
            }
        }
        found.sort();
        found
    }

    /// How many queries of a kind are in a state.
    pub(crate) async fn count(&self, kind: &str, state: &str) -> usize {
        self.queries().await.iter().filter(|(found, is)| found == kind && is == state).count()
    }

    /// Whether no query of the job is at work.
    pub(crate) async fn is_quiet(&self) -> bool {
        self.queries().await.iter().all(|(_, state)| ["SUCCEEDED", "FAILED", "CANCELLED"].contains(&state.as_str()))
    }

    /// Waits for a query of a kind to be in a state.
    pub(crate) async fn until_query(&self, kind: &str, state: &str) {
        until(&format!("a {kind} is {state}"), async || Ok(self.count(kind, state).await > 0)).await;
    }

    /// The names of the tables in its database.
    pub(crate) async fn tables(&self) -> Vec<String> {
        let got = self.glue().get_tables().database_name(&self.database).send().await.unwrap();
        let mut names: Vec<String> = got.table_list().iter().map(|table| table.name().to_owned()).collect();
        names.sort();
        names
    }

    /// The queries that made the versions of the table whose files are there.
    pub(crate) async fn versions(&self) -> Vec<String> {
        let prefix = format!("tables/{}/scifi/tables/", self.job);
        let found = keys(self, &prefix).await;
        let mut ids: Vec<String> =
            found.iter().filter_map(|key| Some(key[prefix.len()..].split_once('/')?.0.to_owned())).collect();
        ids.dedup();
        ids
    }

    /// What the file holds, as Python's reader of CSV has it; or the Parquet files that the manifest names.
    pub(crate) async fn file_rows(&self) -> Vec<Value> {
        if self.spec.targets[0].export.folder().is_some() {
            return self.exported().await.1;
        }
        let folder = Folder::new(&format!("export-{}", self.name));
        let file = folder.0.join("export.csv");
        fs::write(&file, read_bytes(self, self.export()).await).unwrap();
        movielens(&["read", file.to_str().unwrap()])
    }

    /// The files that the manifest names, and what it says of them held against what is there; their rows.
    pub(crate) async fn exported(&self) -> (Vec<String>, Vec<Value>) {
        let manifest: Value = serde_json::from_str(&read(self, self.export()).await).unwrap();
        let (mut names, mut bodies) = (Vec::new(), Vec::new());
        for entry in manifest["entries"].as_array().unwrap() {
            let (_, key) = entry["url"].as_str().unwrap().split_once(&format!("s3://{}/", self.bucket)).unwrap();
            let body = read_bytes(self, key).await;
            assert_eq!(entry["meta"]["content_length"], body.len());
            assert_eq!(entry["meta"]["record_count"], parquet::rows(std::slice::from_ref(&body)).len());
            names.push(key.to_owned());
            bodies.push(body);
        }
        let rows = parquet::rows(&bodies);
        assert_eq!(manifest["meta"]["record_count"], rows.len());
        assert_eq!(manifest["meta"]["content_length"], bodies.iter().map(Vec::len).sum::<usize>());
        (names, rows)
    }

    /// What the table holds, as whoever queries it sees it.
    pub(crate) async fn table_rows(&self) -> Vec<Value> {
        let columns = "movie_id, title, year, ratings, average";
        let rows =
            self.rows(&format!("select {columns} from {}.scifi order by movie_id", self.database)).await.unwrap();
        let typed = |row: &Vec<String>| {
            let number = |place: usize| row[place].parse::<i64>().ok();
            // As the truth is read: this reader of JSON may miss the last digit.
            json!([number(0), row[1], number(2), number(3), serde_json::from_str::<Value>(&row[4]).unwrap()])
        };
        rows.iter().map(typed).collect()
    }

    /// File and table both hold exactly what is true of the files.
    pub(crate) async fn holds(&self, files: &Files, genre: &str) {
        let expected = truth(files, genre);
        let mut file = self.file_rows().await;
        file.sort_by_key(|row| row[0].as_i64());
        assert_eq!(file, expected, "the file");
        assert_eq!(self.table_rows().await, expected, "the table");
    }

    /// The same, and nothing of a run lies about: no other table, no result, no query at work.
    pub(crate) async fn is_published(&self, files: &Files, genre: &str) {
        self.holds(files, genre).await;
        assert_eq!(self.tables().await, ["movies", "ratings", "scifi"]);
        // What runs that failed have left expires with the folder.
        let failed = self.failed().await;
        let folder = format!("intermediate_data/{}/", self.job);
        let is_left = |key: &&String| {
            let execution = key[folder.len()..].split('/').next().unwrap_or_default();
            let execution = execution.strip_suffix(".ended").unwrap_or(execution);
            execution != "shown" && !failed.iter().any(|name| name == execution)
        };
        let results = keys(self, &folder).await;
        let results: Vec<&String> = results.iter().filter(is_left).collect();
        assert!(results.is_empty(), "{results:?}");
        assert!(self.is_quiet().await, "{:?}", self.queries().await);
    }

    /// The names of the executions that did not end well.
    async fn failed(&self) -> Vec<String> {
        let list = self.sfn().list_executions().state_machine_arn(&self.state_machine_arn).max_results(1_000);
        let listed = list.send().await.unwrap().executions.into_iter();
        listed.filter(|item| item.status.as_str() != "SUCCEEDED").map(|item| item.name).collect()
    }

    /// Something shall go wrong with the next `times` queries of this job whose SQL matches.
    pub(crate) fn fault(&self, kind: &str, matching: &str, times: u32) {
        self.ask("LocalFault", json!({"Kind": kind, "Match": matching, "Times": times, "WorkGroup": self.workgroup}));
    }

    /// The same, for some seconds.
    pub(crate) fn fault_for(&self, kind: &str, matching: &str, seconds: f64) {
        let fault = json!({"Kind": kind, "Match": matching, "Seconds": seconds, "WorkGroup": self.workgroup});
        self.ask("LocalFault", fault);
    }

    /// Nothing shall go wrong any more, and what is held goes on.
    pub(crate) fn release_queries(&self) {
        self.ask("LocalFault", json!({"Kind": "clear", "WorkGroup": self.workgroup}));
    }

    /// Athena knows the tokens of this job's queries no longer.
    pub(crate) fn forget_tokens(&self) {
        self.ask("LocalForgetTokens", json!({"WorkGroup": self.workgroup}));
    }

    /// An operation that only the stand-in has.
    fn ask(&self, action: &str, body: Value) {
        let header = format!("X-Amz-Target: AmazonAthena.{action}\r\nContent-Type: application/x-amz-json-1.1");
        self.post("athena", &header, &body.to_string());
    }

    /// An operation of IAM; returns the answer's text.
    pub(crate) fn iam(&self, action: &str, fields: &[(&str, &str)]) -> String {
        let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let fields = fields.iter().map(|(name, value)| format!("&{name}={}", encoded(value)));
        let body = format!("Action={action}&Version=2010-05-08{}", fields.collect::<String>());
        self.post("iam", "Content-Type: application/x-www-form-urlencoded", &body)
    }

    /// A request of an administrator; returns the body of its answer.
    fn post(&self, service: &str, headers: &str, body: &str) -> String {
        let address = self.fixture.stack.address();
        let mut connection = TcpStream::connect(&address).unwrap();
        let scope = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n\
             Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }
}

/// The template with other parameters of the job, the job, and the workgroup that it is to use; empty: one of its own.
fn changed(database: &str, change: impl FnOnce(&mut Value)) -> (Value, template::Job, String) {
    let mut root = template::root().unwrap();
    let parameters = &mut root["Resources"]["Scifi"]["Properties"]["Parameters"];
    parameters["Database"] = database.into();
    change(parameters);
    let workgroup = parameters["ExistingWorkGroup"].as_str().unwrap_or_default().to_owned();
    let jobs = template::jobs(&root, "").unwrap();
    let job = jobs.into_iter().find(|job| job.id == "Scifi").unwrap();
    (template::flatten(root).unwrap(), job, workgroup)
}

/// A part of the job's spec, changed as JSON.
pub(crate) fn change(parameters: &mut Value, part: &str, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_str(parameters[part].as_str().unwrap()).unwrap();
    change(&mut value);
    parameters[part] = value.to_string().into();
}

/// The sample's files.
pub(crate) fn sample() -> Files {
    files::read(&workspace().join("local/sample/scifi"))
}

/// Parameters of the job by which both sources and the export are Parquet.
pub(crate) fn as_parquet_job(parameters: &mut Value) {
    change(parameters, "Sources", |sources| {
        for source in ["movies", "ratings"] {
            sources[source]["format"] = json!("parquet");
        }
    });
    exported_as_parquet(parameters);
}

/// The same for the export alone.
pub(crate) fn exported_as_parquet(parameters: &mut Value) {
    change(parameters, "Targets", |targets| targets[0]["export"] = json!({"format": "parquet", "to": "scifi.json"}));
}

/// What is true of files, worked out without SQL, by the numbers of the movies.
pub(crate) fn truth(files: &Files, genre: &str) -> Vec<Value> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let folder = Folder::new(&format!("truth-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    files::write(&folder.0, files);
    movielens(&["truth", folder.0.to_str().unwrap(), genre])
}

fn movielens(arguments: &[&str]) -> Vec<Value> {
    let mut python = Command::new(local::python::program().unwrap());
    let output = python.arg("-B").arg(workspace().join("local/sample/movielens.py")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
