//! Whole executions of the kind `mysql-to-redshift`: a real MySQL on one side, Redshift's stand-in on the other. What a
//! table should hold is asked of MySQL, what it holds of the PostgreSQL behind the stand-in, past everything of ours.

mod audited;
mod by_command;
mod every_type;
mod refused;

use crate::support::warehouse::Sides;
use crate::support::{Fixture, run, run_badly, run_well};
use local::binaries::workspace;
use local::deployment::{Deployment, Options};
use local::execution::Outcome;
use local::template;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};
use std::fs;

/// A deployment of one job of the kind, and its two sides.
pub(crate) struct Job {
    pub(crate) sides: Sides,
    pub(crate) deployment: Fixture,
}

/// The job `nps` of the sample, in a mode.
async fn nps(mode: &str) -> Job {
    nps_between(Sides::new().await, mode).await
}

/// The same between two sides of the caller's own.
pub(crate) async fn nps_between(sides: Sides, mode: &str) -> Job {
    let windows = json!({"cursor": "created_at", "zone": "UTC", "start": "2018-07-01", "catch_up": "none"});
    let target = json!({"table": "nps", "key": ["id"], "mode": mode, "create": true});
    let target = match mode {
        "replace" => target,
        _ => merged(target, json!({"allow_full": true})),
    };
    let windows = if mode == "replace" { Value::Null } else { windows };
    let job = deploy_between(sides, "nps", json!({}), target, windows, |_| {}).await;
    job.sides.in_mysql(&sample("nps.sql")).await;
    job
}

/// A job from a table of MySQL.
async fn deploy(table: &str, source: Value, target: Value, windows: Value) -> Job {
    deploy_changed(table, source, target, windows, |_| {}).await
}

/// The same with something of the template changed, in which no job is nested any more.
async fn deploy_changed(
    table: &str,
    source: Value,
    target: Value,
    windows: Value,
    change: impl FnOnce(&mut Value),
) -> Job {
    deploy_between(Sides::new().await, table, source, target, windows, change).await
}

async fn deploy_between(
    sides: Sides,
    table: &str,
    source: Value,
    target: Value,
    windows: Value,
    change: impl FnOnce(&mut Value),
) -> Job {
    let source = merged(json!({"schema": sides.name, "table": table}), source);
    let mut root = template::root().unwrap();
    let job = &mut root["Resources"]["Nps"]["Properties"]["Parameters"];
    for (name, part) in [("Source", source), ("Target", target), ("Windows", windows)] {
        job[name] = part.to_string().into();
    }
    let mut parameters = sides.warehouse().parameters(&sides.name, &sides.name);
    parameters.insert("MysqlUrl", sides.mysql_url());
    let options = Options { parameters, ..Options::default() };
    let mut template = template::flatten(root).unwrap();
    change(&mut template);
    let deployment = sides.stack.deploy_changed(&options, template).await.unwrap();
    let (before, _) = deployment.state_machine_arn.rsplit_once('-').unwrap();
    let state_machine_arn = format!("{before}-nps");
    let deployment = Deployment { job: "nps".to_owned(), prefix: String::new(), state_machine_arn, ..deployment };
    let stack = sides.stack.clone();
    Job { sides, deployment: Fixture { deployment, stack } }
}

fn merged(mut one: Value, other: Value) -> Value {
    let fields = other.as_object().unwrap().clone();
    one.as_object_mut().unwrap().extend(fields);
    one
}

fn sample(file: &str) -> String {
    fs::read_to_string(workspace().join("local/sample/nps").join(file)).unwrap()
}

impl Job {
    /// A line per row of a query in MySQL.
    async fn in_source(&self, sql: &str) -> Vec<String> {
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.sides.mysql().await).await.unwrap();
        // Some versions of MariaDB call such a text binary.
        rows.iter().map(|row| row.try_get_unchecked(0).unwrap()).collect()
    }

    /// The same in Redshift.
    pub(crate) async fn in_target(&self, sql: &str) -> Vec<String> {
        let rows =
            sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.sides.redshift().await).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Every cell of `nps`, in MySQL, as far as a condition holds.
    pub(crate) async fn nps_in_source(&self, condition: &str) -> Vec<String> {
        self.in_source(&format!(
            "select concat_ws('|', id, date_format(created_at, '%Y-%m-%d %H:%i:%s'), coalesce(score, 'NULL')) \
             from nps where {condition} order by id"
        ))
        .await
    }

    pub(crate) async fn nps_in_target(&self) -> Vec<String> {
        let sql = "select concat_ws('|', id, to_char(created_at, 'YYYY-MM-DD HH24:MI:SS'), coalesce(score::text, 'NULL')) \
                   from nps order by id";
        self.in_target(sql).await
    }
}

/// What a run did: rows, inserted, deleted, unchanged.
pub(crate) fn counts(outcome: &Outcome) -> [u64; 4] {
    let conclusion = &outcome.counts["conclusion"];
    ["rows", "rows_inserted", "rows_deleted", "rows_unchanged"]
        .map(|field| conclusion[field].as_u64().unwrap_or_else(|| panic!("{:?}", outcome.counts)))
}

pub(crate) const THREE_DAYS: &str = "created_at >= '2018-07-02' and created_at < '2018-07-05'";

pub(crate) fn three_days() -> Value {
    json!({"from": "2018-07-02", "to": "2018-07-05"})
}

#[tokio::test]
async fn an_upsert_loads_a_range_once_and_the_whole_table_on_demand() {
    let job = nps("upsert").await;
    let outcome = run_well(&job.deployment, three_days()).await;
    assert_eq!((counts(&outcome), outcome.counts["window_count"].as_u64()), ([120, 120, 0, 0], Some(3)));
    assert_eq!(job.nps_in_target().await, job.nps_in_source(THREE_DAYS).await);
    let asked = run_well(&job.deployment, json!({"explain": ["2018-07-03", "2018-07-05"]})).await;
    let explained = asked.counts["explained"].as_array().unwrap();
    assert_eq!((asked.last_state(), explained.len()), ("Explained", 2));
    assert_eq!([&explained[0]["is_loaded"], &explained[1]["is_loaded"]], [true, false], "{explained:?}");
    // The same days again: nothing is deleted, and nothing inserted.
    assert_eq!(counts(&run_well(&job.deployment, three_days()).await), [120, 0, 0, 120]);
    // What changed of them, and nothing else.
    job.sides
        .in_mysql("update nps set score = null where id = 41; update nps set score = 0 where id in (42, 81, 200)")
        .await;
    assert_eq!(counts(&run_well(&job.deployment, three_days()).await), [120, 3, 3, 117]);
    assert_eq!(job.nps_in_target().await, job.nps_in_source(THREE_DAYS).await);
    // An answer that is lost, and a load that has to wait: every row is there once.
    job.sides.in_mysql("update nps set score = 7 where id between 41 and 60").await;
    job.sides.settings(json!({"faults": {"BatchExecuteStatement": ["lose_answer", "InternalServerException", "none",
                                         "ActiveStatementsExceededException"], "DescribeStatement": ["lose_answer"]}}));
    run_well(&job.deployment, three_days()).await;
    assert_eq!(job.nps_in_target().await, job.nps_in_source(THREE_DAYS).await);
    // Twins: whatever becomes of either, the table is right.
    let (one, other) = tokio::join!(run(&job.deployment, three_days()), run(&job.deployment, three_days()));
    let ended_well = |outcome: &Outcome| outcome.succeeded() || outcome.error.as_deref() == Some("StaleRun");
    assert!((one.succeeded() || other.succeeded()) && ended_well(&one) && ended_well(&other), "{one:?} {other:?}");
    assert_eq!(job.nps_in_target().await, job.nps_in_source(THREE_DAYS).await);
    assert_eq!(counts(&run_well(&job.deployment, json!({"full": true})).await)[0], 1520);
    assert_eq!(job.nps_in_target().await, job.nps_in_source("true").await);
}

#[tokio::test]
async fn a_window_that_is_replaced_loses_what_the_source_lost() {
    let job = nps("replace_window").await;
    assert_eq!(counts(&run_well(&job.deployment, three_days()).await)[..2], [120, 120]);
    job.sides.in_mysql("delete from nps where id in (41, 160); update nps set score = null where id = 42").await;
    run_well(&job.deployment, three_days()).await;
    assert_eq!(job.nps_in_target().await, job.nps_in_source(THREE_DAYS).await);
    assert_eq!(job.in_target("select count(*)::text from nps").await, ["118"]);
}

/// A full refresh seen by a reader that never stops asking: the old table or the new one, nothing else.
#[tokio::test]
async fn a_reader_sees_the_whole_table_at_any_moment() {
    let job = nps("replace").await;
    run_well(&job.deployment, json!({})).await;
    assert_eq!(job.nps_in_target().await, job.nps_in_source("true").await);
    let sum = "select concat_ws(' ', count(*), sum(score)) from nps";
    let before = job.in_target(sum).await;
    job.sides.in_mysql("delete from nps where id % 5 = 0; update nps set score = 1 where score is null").await;
    let after = job.in_source(sum).await;
    assert_ne!(before, after);
    let mut reader = job.sides.redshift().await;
    let execution = run(&job.deployment, json!({}));
    tokio::pin!(execution);
    let (mut seen, mut asked) = (Vec::new(), 0);
    let outcome = loop {
        tokio::select! {
            outcome = &mut execution => break outcome,
            row = sqlx::query_scalar::<_, String>(sum).fetch_one(&mut reader) => {
                asked += 1;
                let row = row.unwrap();
                if seen.last() != Some(&row) {
                    seen.push(row);
                }
            }
        }
    };
    assert!(outcome.succeeded(), "{:?}", outcome.cause);
    assert!(asked > 10, "{asked}");
    seen.extend(job.in_target(sum).await);
    seen.dedup();
    assert_eq!(seen, [before, after].concat());
}
