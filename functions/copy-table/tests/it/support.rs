//! Two databases per test, and what tests keep asking of them.

use copy_table::conclude::{Concluded, conclude};
use copy_table::copy::Attempt;
use copy_table::plan::{Planned, Request};
use copy_table::pump::Progress;
use copy_table::session::{Sessions, Side};
use local::postgres::Postgres;
use local::stack::tools_dir;
use serde_json::{Value, json};
use sluice::Result;
use sluice::contract::Execution;
use sluice::contract::copy_table::{CopyOutput, PlannedWindow, Purpose, Spec, Trigger, Window, WindowResult};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Mutex;

/// Far more than any test needs.
pub(crate) const TIME: Duration = Duration::from_secs(600);

/// The server of all tests, started by the first one. Nothing lets go of it: it ends with this process.
pub(crate) fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        let name =
            format!("sluice-test-{}-{:x}", std::process::id(), UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos());
        let state = std::env::temp_dir().join(name);
        Postgres::start(&state, &tools_dir(), false, &|text| eprintln!("{text}"))
            .unwrap_or_else(|error| panic!("{error}\n{:?}", error.source))
    })
}

/// A source and a target.
#[derive(Clone)]
pub(crate) struct Pair {
    pub source: Database,
    pub target: Database,
}

/// One of them.
#[derive(Clone)]
pub(crate) struct Database {
    url: String,
    /// For the statements of the tests themselves: to log in takes longer than most of these.
    idle: Arc<Mutex<Option<PgConnection>>>,
}

impl From<String> for Database {
    fn from(url: String) -> Self {
        Self { url, idle: Arc::default() }
    }
}

impl std::ops::Deref for Database {
    type Target = str;
    fn deref(&self) -> &str {
        &self.url
    }
}

pub(crate) async fn connect(url: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).unwrap().disable_statement_logging();
    PgConnection::connect_with(&options).await.unwrap()
}

/// Runs statements.
pub(crate) async fn sql(database: &Database, statements: &str) {
    let mut idle = database.idle.lock().await;
    let connection = match &mut *idle {
        Some(connection) => connection,
        None => idle.insert(connect(database).await),
    };
    run(connection, statements).await;
}

pub(crate) async fn run(connection: &mut PgConnection, statements: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{error}: {statements}"));
}

/// The rows of a query, each as a text.
pub(crate) async fn texts(database: &Database, query: &str) -> Vec<String> {
    let mut idle = database.idle.lock().await;
    let connection = match &mut *idle {
        Some(connection) => connection,
        None => idle.insert(connect(database).await),
    };
    // Not prepared: the table may have become another one.
    let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_all(connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}: {query}"));
    rows.iter().map(|row| row.try_get_unchecked(0).unwrap()).collect()
}

/// All rows of a table in a fixed order.
pub(crate) async fn rows(database: &Database, table: &str) -> Vec<String> {
    texts(database, &format!("select t::text from {table} t order by 1")).await
}

impl Pair {
    /// Two new databases in which `create` has run.
    pub(crate) async fn new(create: &str) -> Self {
        let pair = Self::of(["", ""]).await;
        sql(&pair.source, create).await;
        sql(&pair.target, create).await;
        pair
    }

    /// Two new databases, with the options of CREATE DATABASE.
    pub(crate) async fn of(options: [&str; 2]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let server = tokio::task::spawn_blocking(server).await.unwrap();
        let mut admin = connect(&server.url("postgres")).await;
        let mut urls = Vec::new();
        for (side, options) in ["source", "target"].into_iter().zip(options) {
            let name = format!("{side}_{number}");
            run(&mut admin, &format!("create database {name} {options}")).await;
            run(&mut admin, &format!("alter database {name} set timezone = 'UTC'")).await;
            // The user's own schema comes first by default, and its name is that of ours.
            run(&mut admin, &format!("alter database {name} set search_path = public")).await;
            urls.push(Database::from(server.url(&name)));
        }
        let target = urls.pop().unwrap();
        Self { source: urls.pop().unwrap(), target }
    }

    /// The source, by its name.
    pub(crate) fn origin(&self) -> String {
        self.source.rsplit('/').next().unwrap().to_owned()
    }

    /// One attempt at a window, as the function makes it.
    pub(crate) async fn attempt(&self, job: &Job, planned: &PlannedWindow, purpose: Purpose) -> Result<CopyOutput> {
        self.attempt_within(job, planned, purpose, TIME).await
    }

    pub(crate) async fn attempt_within(
        &self,
        job: &Job,
        planned: &PlannedWindow,
        purpose: Purpose,
        time_left: Duration,
    ) -> Result<CopyOutput> {
        let sessions = Sessions::new(&job.execution, planned.window.as_ref());
        let mut source = connect_as(&self.source, &sessions.name(Side::Source)).await;
        let mut target = connect_as(&self.target, &sessions.name(Side::Target)).await;
        let attempt = Attempt {
            execution: &job.execution,
            spec: &job.spec,
            origin: &self.origin(),
            purpose,
            planned,
            max_row_bytes: 64 << 20,
            max_whole_bytes: 4 << 30,
            time_left,
        };
        attempt.run(&mut source, &mut target, &Progress::default()).await
    }

    /// Copies the day, or another window.
    pub(crate) async fn copy(&self, job: &Job, start: &str, end: &str) -> Result<CopyOutput> {
        self.attempt(job, &window(start, end), Purpose::Load).await
    }

    /// Copies the whole table.
    pub(crate) async fn replace(&self, job: &Job) -> Result<CopyOutput> {
        self.attempt(job, &WHOLE, Purpose::Load).await
    }

    /// Plans an execution.
    pub(crate) async fn plan(&self, job: &Job, input: Value) -> Result<Planned> {
        let trigger = Trigger::read(&input).unwrap();
        let (mut source, mut target) = (connect(&self.source).await, connect(&self.target).await);
        let request = Request {
            execution: &job.execution,
            spec: &job.spec,
            origin: &self.origin(),
            trigger: &trigger,
            max_window_bytes: job.max_window_bytes,
            time_left: TIME,
        };
        request.plan(&mut source, &mut target).await
    }

    /// The starts of the windows that an execution would copy.
    pub(crate) async fn planned(&self, job: &Job, input: Value) -> Vec<String> {
        let planned = self.plan(job, input).await.unwrap();
        planned.plan.windows.into_iter().map(|planned| planned.window.unwrap().start).collect()
    }

    /// A whole execution; what became of each window, and its conclusion.
    pub(crate) async fn execute(&self, job: &Job, input: Value) -> (Vec<Result<CopyOutput>>, Concluded) {
        let Planned { plan, .. } = self.plan(job, input).await.unwrap();
        let (mut outputs, mut results) = (Vec::new(), Vec::new());
        for (index, planned) in (0..).zip(&plan.windows) {
            let output = self.attempt(job, planned, plan.purpose).await;
            let error = output.as_ref().err().map(|error| error.kind().name().to_owned());
            let [rows_newer, rows_only_at_target] =
                output.as_ref().map_or([0; 2], |output| [output.rows_newer, output.rows_only_at_target]);
            results.push(WindowResult { index, error, rows_newer, rows_only_at_target });
            outputs.push(output);
        }
        let mut target = connect(&self.target).await;
        let (execution, spec, origin) = (&job.execution, &job.spec, self.origin());
        let concluded = conclude(&mut target, execution, spec, &origin, &plan, &results, TIME).await.unwrap();
        (outputs, concluded)
    }
}

pub(crate) async fn connect_as(url: &str, application: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).unwrap().disable_statement_logging().application_name(application);
    PgConnection::connect_with(&options).await.unwrap()
}

/// The whole table.
pub(crate) const WHOLE: PlannedWindow = PlannedWindow { window: None, previous: None, recheck: false };

/// A window by its instants, as `2024-01-01` or `2024-01-01T06`.
pub(crate) fn window(start: &str, end: &str) -> PlannedWindow {
    let whole = |text: &str| format!("{text}{}", &"0000-00-00T00:00:00Z"[text.len()..]);
    let window = Window { start: whole(start), end: whole(end) };
    PlannedWindow { window: Some(window), previous: None, recheck: false }
}

/// An execution of a job.
#[derive(Clone)]
pub(crate) struct Job {
    pub execution: Execution,
    pub spec: Spec,
    /// Of more than so many a window is copied in parts.
    pub max_window_bytes: u64,
}

impl Job {
    /// Of the tables `public.t`, with a key `id` and a cursor `at`, by days; `changes` are laid over the spec.
    pub(crate) fn new(changes: Value) -> Self {
        let mut spec = json!({
            "source": {"schema": "public", "table": "t"},
            "target": {"schema": "public", "table": "t", "key": ["id"]},
            "windows": {"cursor": "at", "zone": "UTC", "window": "1 day", "start": "2024-01-01"},
        });
        lay_over(&mut spec, changes);
        let spec: Spec = serde_json::from_value(spec).unwrap();
        spec.check().unwrap();
        Self { execution: execution("first", "2024-02-01T02:00:00.000Z"), spec, max_window_bytes: 4 << 30 }
    }

    /// That replaces its table whole.
    pub(crate) fn whole(mut changes: Value) -> Self {
        lay_over(&mut changes, json!({"target": {"mode": "replace"}, "windows": null}));
        Self::new(changes)
    }

    /// Another execution of it.
    pub(crate) fn again(&self, name: &str) -> Self {
        let started_at = &self.execution.started_at;
        Self { execution: execution(name, started_at), ..self.clone() }
    }

    /// The same, started at another time.
    pub(crate) fn at(&self, name: &str, started_at: &str) -> Self {
        Self { execution: execution(name, started_at), ..self.clone() }
    }
}

fn execution(name: &str, started_at: &str) -> Execution {
    Execution {
        job: "users".into(),
        id: format!("arn:aws:states:eu-central-1:123456789012:execution:dev-users:{name}"),
        name: name.into(),
        started_at: started_at.into(),
        state_machine: "arn:aws:states:eu-central-1:123456789012:stateMachine:dev-users".into(),
    }
}

fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                lay_over(below.entry(name).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// A table with a key, a time and two other columns.
pub(crate) const TABLE: &str = "create table t (id bigint primary key, at timestamptz not null, name text, score numeric); \
                                create index on t (at)";

/// Rows `from` to `to`, one an hour from the start of 2024.
pub(crate) fn hourly(from: u32, to: u32) -> String {
    format!(
        "insert into t select i, timestamptz '2024-01-01 00:00Z' + i * interval '1 hour', 'n' || i, i / 7.0
         from generate_series({from}, {to}) i"
    )
}

/// How many rows a copy inserted, updated, deleted and left.
pub(crate) fn counts(output: &CopyOutput) -> [u64; 4] {
    [output.rows_inserted, output.rows_updated, output.rows_deleted, output.rows_unchanged]
}

/// Both tables hold the same rows.
pub(crate) async fn assert_equal(pair: &Pair) {
    assert_eq!(rows(&pair.source, "t").await, rows(&pair.target, "t").await);
}
