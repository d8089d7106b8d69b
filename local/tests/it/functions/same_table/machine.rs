//! The state machine, played: the real functions one after the other, with a fake S3 and a database of their own.

use super::job::{Job, PREFIX, TABLE};
use super::oracle::Seen;
use crate::functions::fake_aws::{FakeAws, Function, Object, Run, Seen as Shown, World};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use serde_json::{Value, json};
use sluice::contract::{BatchManifest, Execution, Manifest, ObjectRef, PivotResult, SourceFile, keys};
use sluice::time::format_time;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the machine looks again if a target's record is not what was assumed.
const MOST_LOOKS: usize = 3;

/// How far a run gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Ends,
    /// It fails after the detection.
    Detected,
    /// It fails after the pivots.
    Pivoted,
    /// The process of upsert is killed when it writes its document of this number, from 0.
    Killed {
        document: usize,
        is_stored: bool,
        is_retried: bool,
    },
    /// It fails when all is loaded.
    Loaded,
}

/// What a run is for, and what comes in its way.
pub(super) struct Plan {
    /// The execution's input.
    pub input: Value,
    /// The target's record is asked for before the detection, as in the mode `vpc`.
    pub asks_record: bool,
    pub fate: Fate,
    /// Written between the detection and the pivots.
    pub meanwhile: Option<(String, Object)>,
}

impl Plan {
    /// A run that asks for the target's record, and in whose way nothing comes.
    pub(super) fn plain(input: Value) -> Self {
        Self { input, asks_record: true, fate: Fate::Ends, meanwhile: None }
    }
}

/// What came of a run.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The error's name and text.
    pub error: Option<(String, String)>,
    /// The files that were listed as new.
    pub listed: Vec<SourceFile>,
    /// Those that were read.
    pub loaded: Vec<SourceFile>,
    /// Those that were set aside.
    pub bad: Vec<SourceFile>,
    /// Rows of those that were read are in quarantine.
    pub has_rejected_rows: bool,
    /// The table was to become what these say, and nothing else.
    pub reload: bool,
    /// The transaction is committed.
    pub is_committed: bool,
    /// The execution's status and the last output of its detection.
    pub has_succeeded: bool,
}

type Error = (String, String);

/// The functions, and what they work with.
pub(super) struct Machine {
    pub aws: FakeAws,
    /// The texts of all objects that there ever were, by their entity tags.
    texts: BTreeMap<String, String>,
    server: String,
    database: String,
    detect: Function,
    pivot: Function,
    upsert: Function,
    /// To look at what is loaded; opened when it is needed.
    connection: Option<PgConnection>,
    execution_count: u32,
}

impl Machine {
    /// Functions that load into the database `database` at `server`, a URL of another database there.
    pub(super) async fn start(server: &str, database: &str) -> Self {
        let aws = FakeAws::start();
        execute(server, &format!("drop database if exists {database} with (force)")).await;
        execute(server, &format!("create database {database}")).await;
        let url = beside(server, database);
        Self {
            detect: Function::start("detect-new-files", &aws),
            pivot: Function::start("pivot", &aws),
            upsert: upsert(&aws, &url),
            texts: BTreeMap::new(),
            server: server.to_owned(),
            database: database.to_owned(),
            connection: None,
            execution_count: 0,
            aws,
        }
    }

    /// Nothing was ever loaded, and nothing is in the bucket.
    pub(super) async fn clear(&mut self) {
        *self.aws.world() = World::default();
        self.texts.clear();
        self.execute(&format!("drop table if exists public.{TABLE}; drop schema if exists sluice cascade")).await;
    }

    /// Writes a file that S3 dates with `modified`, in seconds since 1970.
    pub(super) fn upload(&mut self, key: &str, text: &str, modified: i64) {
        let object = self.object(text, modified);
        self.aws.world().objects.insert(key.to_owned(), object);
    }

    /// What [`Self::upload`] writes.
    pub(super) fn object(&mut self, text: &str, modified: i64) -> Object {
        let mut elsewhere = World { now: modified * 1_000, ..World::default() };
        let etag = elsewhere.put("x", text.as_bytes().to_vec());
        self.texts.insert(etag, text.to_owned());
        elsewhere.objects.remove("x").expect("it was just put")
    }

    /// The input that is there: from key to entity tag and date, in seconds since 1970.
    pub(super) fn files(&self) -> BTreeMap<String, (String, i64)> {
        let world = self.aws.world();
        let files = world.objects.iter().filter(|(key, _)| key.starts_with(PREFIX));
        files.map(|(key, object)| (key.clone(), (object.etag.clone(), object.modified))).collect()
    }

    /// What the model is told of a file.
    pub(super) fn seen(&self, file: &SourceFile) -> Seen {
        let modified = DateTime::from_str(&file.last_modified, DateTimeFormat::DateTimeWithOffset).unwrap().secs();
        Seen {
            key: file.key.clone(),
            etag: file.etag.clone(),
            text: self.texts[&file.etag].clone(),
            modified,
            is_bad: false,
        }
    }

    /// One execution, which starts at `now`, in milliseconds since 1970.
    pub(super) async fn run(&mut self, job: &Job, plan: &Plan, now: i64) -> Outcome {
        let execution = self.begin(now);
        let mut outcome = Outcome::default();
        let ended = self.play(job, plan, &execution, &mut outcome).await;
        outcome.has_succeeded = ended.is_ok();
        outcome.is_committed = self.is_committed(&execution).await;
        let mut world = self.aws.world();
        let run = world.runs.last_mut().expect("it was begun");
        (run.status, run.stopped_at) = (if ended.is_ok() { "SUCCEEDED" } else { "FAILED" }, Some(now));
        match ended {
            Ok(mode) => run.output = json!({"mode": mode}),
            Err(error) => outcome.error = error,
        }
        outcome
    }

    fn begin(&mut self, now: i64) -> Execution {
        self.execution_count += 1;
        let name = format!("run-{}", self.execution_count);
        let arn = |kind: &str| format!("arn:aws:states:us-east-1:123456789012:{kind}:m");
        let execution = Execution {
            job: "m".to_owned(),
            id: format!("{}:{name}", arn("execution")),
            name,
            started_at: format_time(DateTime::from_millis(now)),
            state_machine: arn("stateMachine"),
        };
        let mut world = self.aws.world();
        world.now = now;
        world.runs.push(Run {
            execution: execution.clone(),
            status: "RUNNING",
            started_at: now,
            stopped_at: None,
            output: Value::Null,
            seen: Shown::Described,
        });
        execution
    }

    /// Its states. Returns the mode of its output; an error of a function, or none if the plan has it fail.
    async fn play(
        &mut self,
        job: &Job,
        plan: &Plan,
        execution: &Execution,
        outcome: &mut Outcome,
    ) -> Result<Value, Option<Error>> {
        let payload = |fields: Value| {
            let mut payload = serde_json::to_value(&job.parts).unwrap();
            payload["execution"] = json!(execution);
            payload.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            payload
        };
        let mut record = Value::Null;
        if plan.asks_record {
            record = self.upsert.invoke(&payload(json!({"action": "check"})))?;
        }
        for _ in 0..MOST_LOOKS {
            let fields = json!({"action": "detect", "prefix": PREFIX, "record": record, "trigger": plan.input});
            let detected = self.detect.invoke(&payload(fields))?;
            if detected["manifest"].is_null() {
                return Ok(detected["mode"].clone());
            }
            outcome.reload = detected["reload"] == json!(true);
            outcome.listed = self.listed(&detected["manifest"]);
            if plan.fate == Fate::Detected {
                return Err(None);
            }
            if let Some((key, object)) = &plan.meanwhile {
                self.aws.world().objects.insert(key.clone(), object.clone());
            }
            for batch in detected["batches"].as_array().unwrap() {
                self.pivot.invoke(&payload(json!({"manifest": detected["manifest"], "batch": batch})))?;
            }
            self.read(&detected, outcome);
            if plan.fate == Fate::Pivoted {
                return Err(None);
            }
            let load = payload(json!({"manifest": detected["manifest"], "mode": detected["mode"]}));
            let answer = self.load(&load, plan.fate).await?;
            if answer["record"].is_null() {
                return if plan.fate == Fate::Loaded { Err(None) } else { Ok(detected["mode"].clone()) };
            }
            record = answer["record"].clone();
        }
        panic!("the target's record is never what was assumed: {record}");
    }

    /// Calls upsert, which may be killed.
    async fn load(&mut self, payload: &Value, fate: Fate) -> Result<Value, Option<Error>> {
        let Fate::Killed { document, is_stored, is_retried } = fate else {
            return Ok(self.upsert.invoke(payload)?);
        };
        let written = Arc::new(Mutex::new(Vec::new()));
        let (process, seen) = (self.upsert.process(), Arc::clone(&written));
        self.aws.world().keeps = Some(Box::new(move |key, body| {
            let mut seen = seen.lock().unwrap();
            seen.push((key.to_owned(), body.to_vec()));
            if seen.len() == document + 1 {
                let status = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status();
                assert!(status.unwrap().success());
            }
            true
        }));
        let before = self.aws.world().objects.clone();
        let answer = self.upsert.invoke_until_end(payload);
        self.aws.world().keeps = None;
        if let Some(answer) = answer {
            // It wrote less than that.
            return Ok(answer?);
        }
        let mut written = written.lock().unwrap().clone();
        let (key, _) = written.pop().expect("it was killed when it wrote");
        if !is_stored {
            let mut world = self.aws.world();
            match written.into_iter().rev().find(|(earlier, _)| *earlier == key) {
                Some((_, body)) => drop(world.put(&key, body)),
                None => match before.get(&key) {
                    Some(object) => drop(world.objects.insert(key, object.clone())),
                    None => drop(world.objects.remove(&key)),
                },
            }
        }
        self.restart_upsert().await;
        if is_retried { Ok(self.upsert.invoke(payload)?) } else { Err(None) }
    }

    /// The files of a manifest.
    fn listed(&self, manifest: &Value) -> Vec<SourceFile> {
        let reference: ObjectRef = serde_json::from_value(manifest.clone()).unwrap();
        let world = self.aws.world();
        let manifest: Manifest = world.document(&reference);
        manifest.batches.iter().flat_map(|batch| world.document::<BatchManifest>(batch).files).collect()
    }

    /// The files that the pivots of a run have read, and those that they set aside.
    fn read(&self, detected: &Value, outcome: &mut Outcome) {
        let manifest = detected["manifest"]["key"].as_str().unwrap();
        let world = self.aws.world();
        (outcome.loaded, outcome.bad, outcome.has_rejected_rows) = Default::default();
        for index in 0..detected["batches"].as_array().unwrap().len() {
            let key = keys::pivot_result(manifest, u32::try_from(index).unwrap());
            let result: PivotResult = serde_json::from_slice(&world.objects[&key].body).unwrap();
            outcome.loaded.extend(result.loaded.into_iter().map(|loaded| loaded.file));
            outcome.bad.extend(result.bad.into_iter().map(|bad| bad.file));
            outcome.has_rejected_rows |= result.output.rows_rejected > 0;
        }
    }

    /// A new process, once nothing of the one before is left in the database.
    async fn restart_upsert(&mut self) {
        self.upsert = upsert(&self.aws, &beside(&self.server, &self.database));
        self.connection = None;
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        let asked_at = Instant::now();
        loop {
            let sessions = sqlx::query_scalar("select count(*) from pg_stat_activity where datname = $1");
            let count: i64 = sessions.bind(&self.database).fetch_one(&mut connection).await.unwrap();
            if count == 0 {
                return;
            }
            assert!(asked_at.elapsed() < Duration::from_secs(60), "a session does not end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn is_committed(&mut self, execution: &Execution) -> bool {
        let connection = self.connection().await;
        let has_runs: bool = sqlx::query_scalar("select to_regclass('sluice.runs') is not null")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if !has_runs {
            return false;
        }
        sqlx::query_scalar("select exists (select from sluice.runs where execution = $1 and committed_at is not null)")
            .bind(&execution.id)
            .fetch_one(connection)
            .await
            .unwrap()
    }

    /// The rows of the table, sorted; none if there is no table.
    pub(super) async fn table(&mut self, job: &Job) -> Vec<Vec<String>> {
        let connection = self.connection().await;
        let is_there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
            .bind(format!("public.{TABLE}"))
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if !is_there {
            return Vec::new();
        }
        // Not as a prepared statement: the table may be another one the next time.
        let rows = sqlx::raw_sql(AssertSqlSafe(job.select())).fetch_all(connection).await.unwrap();
        let mut rows: Vec<Vec<String>> = rows.iter().map(|row| row.get(0)).collect();
        rows.sort();
        rows
    }

    async fn connection(&mut self) -> &mut PgConnection {
        if self.connection.is_none() {
            self.connection = Some(PgConnection::connect(&beside(&self.server, &self.database)).await.unwrap());
        }
        self.connection.as_mut().expect("it was just opened")
    }

    /// Statements in the database that is loaded.
    pub(super) async fn execute(&mut self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(self.connection().await).await.unwrap();
    }

    /// Keeps the database as it is.
    pub(super) async fn keep(&mut self) {
        self.copy(&self.database.clone(), &self.kept()).await;
    }

    /// Brings it back as it was kept.
    pub(super) async fn bring_back(&mut self) {
        self.copy(&self.kept(), &self.database.clone()).await;
    }

    fn kept(&self) -> String {
        format!("{}_kept", self.database)
    }

    async fn copy(&mut self, from: &str, to: &str) {
        self.restart_upsert().await;
        execute(&self.server, &format!("drop database if exists {to} with (force)")).await;
        execute(&self.server, &format!("create database {to} template {from}")).await;
    }
}

fn upsert(aws: &FakeAws, url: &str) -> Function {
    Function::start_with("upsert", aws, &[("DATABASE_URL", url)])
}

/// The URL of another database of the same server.
fn beside(server: &str, database: &str) -> String {
    let (before, after) = server.rsplit_once('/').expect("a URL ends with the database");
    let options = after.split_once('?').map_or(String::new(), |(_, options)| format!("?{options}"));
    format!("{before}/{database}{options}")
}

async fn execute(url: &str, statements: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
