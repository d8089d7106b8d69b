//! The job that copies users, run by the real state machine: a day is copied once, again where it differs, and a bad
//! one costs no other.

use crate::support::*;
use local::deployment::{Deployment, Options};
use local::template;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const TABLE: &str = include_str!("../../../sample/users/table.sql");
const ROWS: &str = include_str!("../../../sample/users/rows.sql");
const CORRECTIONS: &str = include_str!("../../../sample/users/later/corrections.sql");

/// The sample's month, of 31 days and 3,100 rows.
fn month() -> Value {
    json!({"from": "2024-01-01", "to": "2024-02-01"})
}

struct Users {
    deployment: Deployment,
    source_url: String,
}

impl Users {
    /// The job with its sample, in databases of its own.
    async fn new(source: &str) -> Self {
        Self::with(source, vpc_mode()).await
    }

    /// The same, of a deployment with other options.
    async fn with(source: &str, mut options: Options) -> Self {
        let stack = stack().await;
        let source_url = stack.database_for(source).await.unwrap();
        options.parameters.insert(local::source::PARAMETER, source_url.clone());
        let deployment = stack.deploy_anew(&options).await.unwrap();
        let jobs = template::all_jobs().unwrap();
        let deployment = deployment.of_job(jobs.iter().find(|job| job.name == "users").unwrap());
        let users = Self { deployment, source_url };
        users.at_source(TABLE).await;
        users.at_source(ROWS).await;
        users.at_target(TABLE).await;
        users
    }

    async fn at_source(&self, statements: &str) {
        run_in(&self.source_url, statements).await;
    }

    async fn at_target(&self, statements: &str) {
        run_in(&self.deployment.database_url, statements).await;
    }

    /// What the run copied, by the counts: windows, inserted, updated, deleted, unchanged.
    async fn copied(&self, input: Value) -> [u64; 5] {
        let outcome = run_well(&self.deployment, input).await;
        assert_eq!(outcome.last_state(), "Copied");
        ["windows", "rows_inserted", "rows_updated", "rows_deleted", "rows_unchanged"]
            .map(|field| outcome.counts["conclusion"][field].as_u64().unwrap())
    }

    /// Waits until so many windows are there; how long all of them take is the machine's affair, but a few take no
    /// minute.
    async fn has_recorded(&self, windows: u64) {
        for few in (1..=windows).step_by(10).chain([windows]) {
            until("a few more days are copied", async || {
                Ok(text_in(&self.deployment.database_url, RECORDED).await.parse::<u64>()? >= few)
            })
            .await;
        }
    }

    /// Whether both tables hold the same.
    async fn are_equal(&self) -> bool {
        const ROWS: &str = "select coalesce(md5(string_agg(users::text, ' ' order by id)), '') from users";
        text_in(&self.source_url, ROWS).await == text_in(&self.deployment.database_url, ROWS).await
    }
}

async fn run_in(url: &str, statements: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
}

async fn text_in(url: &str, statement: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_copied_once_and_what_changed_in_it_again() {
    let users = Users::new("source-of-a-month").await;
    let would = run_well(&users.deployment, json!({"from": "2024-01-01", "to": "2024-02-01", "dry_run": true})).await;
    assert_eq!((would.last_state(), &would.counts["window_count"]), ("WouldCopy", &json!(31)));
    assert_eq!(users.copied(month()).await, [31, 3_100, 0, 0, 0]);
    assert!(users.are_equal().await);

    // The places and the transactions of all rows.
    const VERSIONS: &str = "select md5(string_agg(ctid::text || xmin::text, ' ' order by id)) from users";
    let before = text_in(&users.deployment.database_url, VERSIONS).await;
    assert_eq!(users.copied(month()).await, [31, 0, 0, 0, 3_100]);
    assert_eq!(text_in(&users.deployment.database_url, VERSIONS).await, before, "nothing is written");

    users.at_source(CORRECTIONS).await;
    let (error, _) = run_badly(&users.deployment, json!({"verify": month()})).await;
    assert_eq!(error, "InvalidSource");
    // The late row of the 28th is in one of the seven days that every run looks at again.
    let scheduled = json!({"scheduled_time": "2024-02-01T02:00:00Z"});
    assert_eq!(users.copied(scheduled).await[1..4], [1, 0, 0]);
    assert!(!users.are_equal().await);
    assert_eq!(users.copied(month()).await[..4], [31, 2, 7, 0]);
    assert!(users.are_equal().await);
    assert_eq!(run_well(&users.deployment, json!({"verify": month()})).await.last_state(), "Equal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_the_target_refuses_costs_no_other_day() {
    let users = Users::new("source-with-a-bad-day").await;
    users.at_target("alter table users add constraint not_this_one check (id <> 1003)").await;
    let (error, cause) = run_badly(&users.deployment, month()).await;
    assert_eq!(error, "InvalidSource", "{cause}");
    assert!(cause.contains("1 of 31 windows of public.users") && cause.contains("not_this_one"), "{cause}");
    assert!(cause.contains("2024-01-10T00:00:00Z/2024-01-11T00:00:00Z") && !cause.contains("1003"), "{cause}");
    const DAYS: &str = "select count(distinct (created_at at time zone 'UTC')::date)::text from users";
    assert_eq!(text_in(&users.deployment.database_url, DAYS).await, "30");

    users.at_target("alter table users drop constraint not_this_one").await;
    let missing = json!({"from": "2024-01-01", "to": "2024-02-01", "only_missing": true});
    assert_eq!(users.copied(missing).await[0], 1);
    assert!(users.are_equal().await);
}

/// Which days are recorded, in the order in which they were.
const DAYS_IN_ORDER: &str = "
    select coalesce(string_agg(to_char(window_start at time zone 'UTC', 'DD'), ' ' order by copied_at), '')
    from sluice.windows";

/// The days of a month from one to another.
fn days(from: u32, to: u32) -> String {
    (from..=to).map(|day| format!("{day:02}")).collect::<Vec<_>>().join(" ")
}

/// A day is copied when the one before it is there, and refused else, so that all are there shows that they came one
/// after the other. The first day that fails ends the run, and no later one is copied: on AWS none is tried, since a
/// Map state ends all its iterations when one of them fails (Amazon States Language, "Map State"); the local engine
/// goes on with them, and each finds that the day before it is missing.
#[tokio::test(flavor = "multi_thread")]
async fn days_that_depend_on_those_before_are_copied_in_order_up_to_the_first_that_fails() {
    let in_order = (r#""recheck_windows": 7"#, r#""depends_on_past": true"#);
    let users = Users::with("source-in-order", Options { spec: vec![in_order], ..vpc_mode() }).await;
    let recorded = async || text_in(&users.deployment.database_url, DAYS_IN_ORDER).await;
    users.at_target("alter table users add constraint not_this_one check (id <> 1003)").await;
    let failed = run(&users.deployment, month()).await;
    let cause = failed.cause.clone().unwrap_or_default();
    assert_eq!((failed.last_state(), failed.error.as_deref()), ("Failed", Some("InvalidSource")), "{cause}");
    assert!(cause.contains("not_this_one") && !cause.contains("1003"), "{cause}");
    assert!(cause.contains("2024-01-10T00:00:00Z/2024-01-11T00:00:00Z"), "{cause}");
    assert!(failed.states.iter().all(|run| !["CopyWindows", "ConcludeCopy"].contains(&run.state.as_str())));
    assert_eq!(recorded().await, days(1, 9));
    assert_eq!(
        text_in(&users.deployment.database_url, "select max(created_at at time zone 'UTC')::date::text from users")
            .await,
        "2024-01-09"
    );

    // A day whose day before is missing is not copied by itself either.
    let later = json!({"from": "2024-01-20", "to": "2024-01-22"});
    let (error, cause) = run_badly(&users.deployment, later).await;
    assert_eq!(error, "StaleRun", "{cause}");
    assert!(cause.contains("the window before it, 2024-01-19T00:00:00Z/2024-01-20T00:00:00Z, is missing"), "{cause}");
    assert_eq!(recorded().await, days(1, 9));

    users.at_target("alter table users drop constraint not_this_one").await;
    // As the clock does it: what is missing, the oldest first.
    let copied = run_well(&users.deployment, json!({"scheduled_time": "2024-02-01T02:00:00Z"})).await;
    assert_eq!((copied.last_state(), &copied.counts["conclusion"]["windows"]), ("Copied", &json!(22)));
    assert!(copied.states.iter().any(|run| run.state == "CopyInOrder"));
    assert_eq!(recorded().await, days(1, 31));
    assert!(users.are_equal().await);
    // A comparison depends on no order, so all days are compared at a time.
    let compared = run_well(&users.deployment, json!({"verify": month()})).await;
    assert_eq!(compared.last_state(), "Equal");
    assert!(compared.states.iter().any(|run| run.state == "CopyWindows"));
}

/// What a state may hand on ("Step Functions service quotas").
const MAX_PAYLOAD_BYTES: usize = 256 << 10;

/// How many windows are recorded.
const RECORDED: &str = "select count(*)::text from sluice.windows";

/// How many executions have written windows, and the windows' rows that were inserted, and those that were there.
const WRITTEN: &str = "
    select concat_ws(' ', count(distinct execution), sum(rows_inserted), sum(rows_unchanged)) from sluice.windows";

/// As many days as an execution can have in a full campaign, else a part of them: all of them fail; then a run copies
/// most, while its functions are killed, and the rest fails; then another run copies the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_days_fail_in_one_error_and_are_copied_once_each() {
    let count: u64 = if is_full_campaign() { 1_000 } else { 100 };
    let users = Users::new("source-of-a-thousand-days").await;
    users
        .at_source(&format!(
            "delete from users;
             insert into users (id, email, plan, balance, created_at)
             select day, 'user-' || day, 'free', 0, timestamptz '2021-01-01 12:00Z' + day * interval '1 day'
             from generate_series(0, {}) day",
            count - 1
        ))
        .await;
    let (from, to) = ("2021-01-01", if is_full_campaign() { "2023-09-28" } else { "2021-04-11" });
    let all = json!({"from": from, "to": to});
    users.at_target("alter table users add constraint none_at_all check (id < 0)").await;
    let failing = users.deployment.start(&all).await.unwrap();
    let failed = failing.outcome().await.unwrap();
    // What goes into ConcludeCopy.
    let payload = failing.output_of("CopyWindows").await.unwrap().to_string().len();
    eprintln!("{count} windows failed in {} s, with a payload of {payload} bytes", failed.duration_ms / 1_000);
    let of_a_thousand = payload * usize::try_from(1_000 / count).unwrap();
    assert!(payload > 3_000 && of_a_thousand < MAX_PAYLOAD_BYTES / 2, "{payload} bytes of {count} windows");
    let cause = failed.cause.unwrap_or_default();
    assert_eq!(
        (failed.error.as_deref(), failed.states.last().unwrap().state.as_str()),
        (Some("InvalidSource"), "Failed")
    );
    assert!(cause.contains(&format!("{count} of {count} windows of public.users are missing")), "{cause}");
    assert!(cause.contains("none_at_all") && cause.len() < 2_000, "{cause}");
    assert_eq!(text_in(&users.deployment.database_url, "select count(*)::text from users").await, "0");

    let (most, rest) = (count / 10 * 9, count / 10);
    users
        .at_target(&format!(
            "alter table users drop constraint none_at_all, add constraint no_more check (id < {most})"
        ))
        .await;
    let first = users.deployment.start(&all).await.unwrap();
    for copied in [count / 10, count / 3] {
        users.has_recorded(copied).await;
        assert!(kill(&users.deployment, "copy-table"));
    }
    let first = first.outcome().await.unwrap();
    eprintln!("{most} of {count} windows were copied in {} s, with two kills", first.duration_ms / 1_000);
    assert_eq!(first.error.as_deref(), Some("InvalidSource"));
    let cause = first.cause.unwrap_or_default();
    assert!(cause.contains(&format!("{rest} of {count} windows of public.users are missing")), "{cause}");
    assert!(cause.contains("no_more"), "{cause}");
    assert_eq!(text_in(&users.deployment.database_url, RECORDED).await, most.to_string());

    users.at_target("alter table users drop constraint no_more").await;
    let missing = json!({"from": from, "to": to, "only_missing": true});
    assert_eq!(users.copied(missing).await, [rest, rest, 0, 0, 0]);
    let written = text_in(&users.deployment.database_url, WRITTEN).await;
    assert_eq!(written, format!("2 {count} 0"), "nothing is copied twice");
    assert!(users.are_equal().await);
}

/// A job that copies runs after one that loads files, and the other way round; what was only tried or compared, or
/// found nothing, starts nobody.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_after_a_copy_and_a_copy_after_jobs() {
    let (stack, source) = (stack().await, "source-of-a-chain");
    let mut root = template::parse(&template::text().unwrap()).unwrap();
    root["Resources"]["Users"]["Properties"]["Parameters"]["After"] = json!("pomodoro");
    let mut last = root["Resources"]["Pomodoro"].clone();
    for (name, value) in [
        ("Job", "last"),
        ("After", "users"),
        ("Prefix", "last/"),
        ("Target", r#"{"table": "last_day_catg", "create": true, "on_overlap": "all_files"}"#),
    ] {
        last["Properties"]["Parameters"][name] = json!(value);
    }
    root["Resources"]["Last"] = last;
    let jobs = template::jobs(&root, "").unwrap();
    let source_url = stack.database_for(source).await.unwrap();
    let mut options = vpc_mode();
    options.parameters.insert(local::source::PARAMETER, source_url.clone());
    let first = stack.deploy_changed(&options, template::flatten(root).unwrap()).await.unwrap();
    let job = |name: &str| first.of_job(jobs.iter().find(|job| job.name == name).unwrap());
    let (users, last) = (Users { deployment: job("users"), source_url }, job("last"));
    users.at_source(TABLE).await;
    users.at_target(TABLE).await;
    // The newest window that is over; whatever else may be missing waits.
    users
        .at_source(
            "insert into users (id, email, plan, balance, created_at) values (1, 'a', 'free', 0, '2024-01-01 08:00Z')",
        )
        .await;
    last.upload("b.csv", csv(&[("Work", "2", "2024-01-02")])).await.unwrap();
    let runs = async |job: &Deployment| -> Result<usize, local::BoxError> {
        let listed = job.sfn().list_executions().state_machine_arn(&job.state_machine_arn).send().await?;
        Ok(listed.executions.iter().filter(|run| run.stop_date.is_some()).count())
    };
    // None of these has copied anything.
    let day = json!({"from": "2024-01-01", "to": "2024-01-02"});
    let tried = run_well(&users.deployment, json!({"from": "2024-01-01", "to": "2024-01-02", "dry_run": true})).await;
    assert_eq!(tried.last_state(), "WouldCopy");
    let nothing = run_well(&users.deployment, json!({"scheduled_time": "2024-01-01T12:00:00Z"})).await;
    assert_eq!(nothing.last_state(), "NothingToDo");
    users.copied(day.clone()).await;
    until("the job after the copy has run", async || Ok(runs(&last).await? == 1)).await;
    assert_eq!(run_well(&users.deployment, json!({"verify": day})).await.last_state(), "Equal");

    first.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    run_well(&first, json!({})).await;
    // Four by hand, and the fifth after the job that loads files; it copies the days that are missing, so the last job
    // runs once more, and no more than that.
    until("the copy after the load has run", async || Ok(runs(&users.deployment).await? == 5)).await;
    until("the job after that copy has run", async || Ok(runs(&last).await? == 2)).await;
    assert_eq!(runs(&last).await.unwrap(), 2);
    let rows = "select concat_ws(' ', date, work_minutes) from last_day_catg";
    assert_eq!(text_in(&users.deployment.database_url, rows).await, "2024-01-02 2");
}
