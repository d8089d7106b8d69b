//! Every field of a job's spec, through detection, pivot and upsert: what the table holds then is what the cases of
//! `local/spec/fields` say. That no field is without cases, `tidy::fields` sees to.

use crate::functions::examples::lines_of;
use crate::functions::fake_aws::{FakeAws, Function, Run, Seen, World};
use crate::support::fields::{Ends, Taken, fields, parts, sorted};
use crate::support::stack;
use aws_sdk_s3::primitives::DateTime;
use serde_json::{Value, json};
use sluice::contract::Execution;
use sluice::time::format_time;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The first run is at that time, in milliseconds since 1970; the others are a minute apart.
const FIRST_RUN: i64 = 1_717_200_000_000;

/// How often a run looks again if the target's record is not what was assumed.
const MOST_LOOKS: usize = 3;

/// The functions with a fake S3, and a database of their own, in which each case finds nothing.
struct Machine {
    aws: FakeAws,
    detect: Function,
    pivot: Function,
    upsert: Function,
    database: PgConnection,
}

type Error = (String, String);

impl Machine {
    async fn start(server: &str, database: &str) -> Self {
        let mut connection = PgConnection::connect(server).await.unwrap();
        for statement in ["drop database if exists {} with (force)", "create database {}"] {
            let statement = statement.replace("{}", database);
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
        let (address, options) = server
            .split_once('?')
            .map_or((server, String::new()), |(address, options)| (address, format!("?{options}")));
        let (address, _) = address.rsplit_once('/').expect("a URL ends with the database");
        let url = format!("{address}/{database}{options}");
        let aws = FakeAws::start();
        Self {
            detect: Function::start("detect-new-files", &aws),
            pivot: Function::start("pivot", &aws),
            upsert: Function::start_with("upsert", &aws, &[("DATABASE_URL", &url)]),
            database: PgConnection::connect(&url).await.unwrap(),
            aws,
        }
    }

    async fn execute(&mut self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut self.database).await.unwrap();
    }

    /// The table that a case's files come to, or the first error.
    async fn play(&mut self, case: &Taken) -> Result<Vec<String>, Error> {
        *self.aws.world() = World::default();
        self.execute("drop schema if exists sluice, mine cascade; drop schema public cascade; create schema public")
            .await;
        if !case.before.is_empty() {
            self.execute(&case.before).await;
        }
        for (now, files) in (FIRST_RUN..).step_by(60_000).zip(&case.runs) {
            let execution = self.begin(now);
            for (key, bytes) in files {
                self.aws.world().put(key, bytes.clone());
            }
            self.run(&case.spec, &execution)?;
            let mut world = self.aws.world();
            let run = world.runs.last_mut().expect("it was begun");
            (run.status, run.stopped_at, run.output) = ("SUCCEEDED", Some(now), json!({"mode": "load"}));
        }
        let target = parts(&case.spec).check().unwrap().target;
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let table = format!("{}.{}", quoted(&target.schema), quoted(&target.table));
        Ok(sorted(lines_of(&mut self.database, &table).await))
    }

    fn begin(&mut self, now: i64) -> Execution {
        let name = format!("run-{now}");
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
            seen: Seen::Described,
        });
        execution
    }

    /// The states of an execution in the mode `vpc`.
    fn run(&mut self, spec: &Value, execution: &Execution) -> Result<(), Error> {
        let payload = |fields: Value| {
            let mut payload = serde_json::to_value(parts(spec)).unwrap();
            payload["execution"] = json!(execution);
            payload.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            payload
        };
        let mut record = self.upsert.invoke(&payload(json!({"action": "check"})))?;
        for _ in 0..MOST_LOOKS {
            let fields = json!({"action": "detect", "prefix": spec["prefix"], "record": record, "trigger": {}});
            let detected = self.detect.invoke(&payload(fields))?;
            assert!(!detected["manifest"].is_null(), "there is nothing new: {detected}");
            for batch in detected["batches"].as_array().unwrap() {
                self.pivot.invoke(&payload(json!({"manifest": detected["manifest"], "batch": batch})))?;
            }
            let load = json!({"manifest": detected["manifest"], "mode": detected["mode"]});
            let answer = self.upsert.invoke(&payload(load))?;
            if answer["record"].is_null() {
                return Ok(());
            }
            record = answer["record"].clone();
        }
        panic!("the target's record is never what was assumed: {record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_does_what_its_cases_say() {
    let mut machine = Machine::start(&stack().await.database_url("postgres"), "fields").await;
    let mut problems = Vec::new();
    let mut count = 0;
    for field in fields() {
        for case in &field.takes {
            count += 1;
            let ended = machine.play(case).await;
            let is_right = match (&case.ends, &ended) {
                (Ends::Table(expected), Ok(table)) => expected == table,
                (Ends::Fails(part), Err((_, cause))) => cause.contains(part),
                _ => false,
            };
            if !is_right {
                problems.push(format!("{}: {}\n  {:?}, not {ended:?}", field.pattern, case.spec, case.ends));
            }
        }
    }
    assert!(count > 100, "{count} cases");
    assert!(problems.is_empty(), "{} of {count} cases:\n{}", problems.len(), problems.join("\n"));
}
