//! Rows that appear in a window after its end.

use crate::support::*;
use copy_table::session::{Sessions, Side};
use serde_json::json;
use sluice::Kind;
use sqlx::{Connection, PgConnection};

/// The minute before now, as a window.
async fn last_minute(database: &Database) -> (String, String) {
    let minute =
        "to_char(date_trunc('minute', clock_timestamp()) - interval '1 minute' * $, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    let found =
        texts(database, &format!("select {} || ' ' || {}", minute.replace('$', "1"), minute.replace('$', "0"))).await;
    let (start, end) = found[0].split_once(' ').unwrap();
    (start.to_owned(), end.to_owned())
}

#[tokio::test]
async fn a_window_that_is_not_over_is_waited_for() {
    let pair = Pair::new(TABLE).await;
    let job = Job::new(json!({}));
    let error = pair.copy(&job, "2020-01-01", "2100-01-01").await.unwrap_err();
    assert_eq!(error.kind(), Kind::LockHeld, "{error}");
    assert!(error.to_string().contains("by the source's clock"), "{error}");
}

/// The end of a window right after the start of a transaction, once that is over by at least the second that is asked
/// for.
async fn just_over(open: &mut PgConnection) -> String {
    let end: String = sqlx::query_scalar(
        "select to_char(date_trunc('second', now()) + interval '1 second', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    )
    .fetch_one(&mut *open)
    .await
    .unwrap();
    loop {
        let is_past: bool = sqlx::query_scalar("select clock_timestamp() > $1::timestamptz + interval '1 second'")
            .bind(&end)
            .fetch_one(&mut *open)
            .await
            .unwrap();
        if is_past {
            return end;
        }
    }
}

#[tokio::test]
async fn a_transaction_that_has_not_written_yet_is_waited_for() {
    let pair = Pair::new(TABLE).await;
    let job = Job::new(json!({"windows": {"window": "1 minute"}}));
    let mut writer = connect(&pair.source).await;
    let mut open = writer.begin().await.unwrap();
    // It writes nothing, so it has no number, and no snapshot knows of it.
    let end = just_over(&mut open).await;
    let error = pair.copy(&job, "2020-01-01", &end).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LockHeld);
    let text = error.to_string();
    assert!(text.contains("is not settled: process") && text.contains("is in a transaction"), "{text}");
    run(&mut open, "insert into t values (1, now(), 'late', 1)").await;
    open.commit().await.unwrap();
    let output = pair.copy(&job, "2020-01-01", &end).await.unwrap();
    assert_eq!(output.rows, 1, "it is in the window");
    assert_equal(&pair).await;
    // A transaction that begins later is none of the window's.
    let later = writer.begin().await.unwrap();
    pair.copy(&job.again("second"), "2020-01-01", &end).await.unwrap();
    later.rollback().await.unwrap();
}

/// The source may be the target of another job, with the same role: what that one writes is waited for.
#[tokio::test]
async fn a_session_of_ours_that_writes_is_waited_for_and_one_that_reads_is_not() {
    let pair = Pair::new(TABLE).await;
    let job = Job::new(json!({"windows": {"window": "1 minute"}}));
    let other = Sessions::new(&job.again("other").execution, window("2024-01-01", "2024-01-02").window.as_ref());
    let mut reader = connect_as(&pair.source, &other.name(Side::Source)).await;
    let mut writer = connect_as(&pair.source, &other.name(Side::Target)).await;
    run(&mut reader, "begin; select 1").await;
    run(&mut writer, "begin; select 1").await;
    let end = just_over(&mut writer).await;
    let error = pair.copy(&job, "2020-01-01", &end).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LockHeld);
    assert!(error.to_string().contains("is in a transaction"), "{error}");
    run(&mut writer, "insert into t values (1, now(), 'late', 1); commit").await;
    assert_eq!(pair.copy(&job, "2020-01-01", &end).await.unwrap().rows, 1);
    run(&mut reader, "commit").await;
}

#[tokio::test]
async fn a_session_that_does_not_show_its_transactions_is_waited_for() {
    const HIDE: &str = "set track_activities = off; begin; select 1";
    let pair = Pair::new(TABLE).await;
    let job = Job::new(json!({"windows": {"window": "1 minute"}}));
    let mut hidden = connect(&pair.source).await;
    let process: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut hidden).await.unwrap();
    run(&mut hidden, HIDE).await;
    let end = just_over(&mut hidden).await;
    let error = pair.copy(&job, "2020-01-01", &end).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LockHeld);
    assert!(error.to_string().contains("track_activities is off"), "{error}");
    run(&mut hidden, "insert into t values (1, now(), 'late', 1); commit").await;
    hidden.close().await.unwrap();
    while !texts(&pair.source, &format!("select pid::text from pg_stat_activity where pid = {process}"))
        .await
        .is_empty()
    {}
    // One that came later has nothing to do with the window.
    let mut later = connect(&pair.source).await;
    run(&mut later, HIDE).await;
    assert_eq!(pair.copy(&job, "2020-01-01", &end).await.unwrap().rows, 1);
}

#[tokio::test]
async fn a_role_that_cannot_see_transactions_is_told_so() {
    let pair = Pair::new(TABLE).await;
    let name = pair.source.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let role = format!("reader_of_{name}");
    sql(&pair.source, &format!("create role {role} login password 'x'; grant select on t to {role}")).await;
    let (_, address) = pair.source.split_once('@').unwrap();
    let reader = Pair { source: format!("postgres://{role}:x@{address}").into(), target: pair.target.clone() };
    let job = Job::new(json!({}));
    let error = reader.copy(&job, "2024-01-01", "2024-01-02").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains("pg_read_all_stats"), "{error}");
    let lag = Job::new(json!({"windows": {"settle": "lag", "lag_minutes": 60}}));
    reader.copy(&lag, "2024-01-01", "2024-01-02").await.unwrap();
    sql(&pair.source, &format!("grant pg_read_all_stats to {role}")).await;
    reader.copy(&job.again("second"), "2024-01-01", "2024-01-02").await.unwrap();
}

#[tokio::test]
async fn a_lag_is_kept() {
    let pair = Pair::new(TABLE).await;
    let job = Job::new(json!({"windows": {"settle": "lag", "lag_minutes": 1440}}));
    let planned = pair.planned(&job.at("first", "2024-01-04T02:00:00.000Z"), json!({})).await;
    assert_eq!(planned, ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"], "the third is over for two hours only");
    let (start, end) = last_minute(&pair.source).await;
    let error = pair.copy(&job, &start, &end).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LockHeld);
    assert!(error.to_string().contains("1440 minutes"), "{error}");
}

/// Sources whose rows come by transactions that nobody sees there.
#[tokio::test]
async fn a_source_whose_writers_are_not_seen_needs_a_lag() {
    const REMOTE: &str = "create foreign data wrapper w; create server s foreign data wrapper w;";
    const COLUMNS: &str = "(id bigint, at timestamptz not null)";
    for (create, expected) in [
        (format!("{REMOTE} create foreign table t {COLUMNS} server s"), "public.t, a foreign table"),
        (
            format!(
                "{REMOTE} create foreign table far {COLUMNS} server s; create view near as select * from far; \
                     create view t as select * from near"
            ),
            "public.far, a foreign table",
        ),
        (
            format!(
                "{REMOTE} create table t {COLUMNS} partition by range (at); \
                     create foreign table far partition of t for values from ('2020-01-01') to ('2021-01-01') server s"
            ),
            "public.far, a foreign table",
        ),
        (
            format!(
                "create table base {COLUMNS}; create materialized view kept as select * from base; \
                     create view t as select * from kept"
            ),
            "public.kept, a materialized view",
        ),
        (
            format!("create table t {COLUMNS}; insert into pg_subscription_rel values (1, 't'::regclass, 'r')"),
            "public.t, filled by a subscription",
        ),
    ] {
        let pair = Pair::of(["", ""]).await;
        sql(&pair.source, &create).await;
        sql(&pair.target, &format!("create table t {COLUMNS}")).await;
        let spec = json!({"target": {"key": []}, "windows": {"cursor_null": "ignore"}});
        let error = pair.plan(&Job::new(spec), json!({})).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
        assert!(error.to_string().contains(expected) && error.to_string().contains("use settle lag"), "{error}");
    }
    // With a lag it is read; and a view of plain tables is no such source.
    let pair = Pair::of(["", ""]).await;
    sql(&pair.source, &format!("create table base {COLUMNS}; create view t as select * from base")).await;
    sql(&pair.target, &format!("create table t {COLUMNS}")).await;
    pair.plan(&Job::new(json!({"target": {"key": []}})), json!({})).await.unwrap();
    sql(&pair.source, "drop view t; create materialized view t as select * from base").await;
    let lag = Job::new(json!({"target": {"key": []}, "windows": {"settle": "lag", "lag_minutes": 60}}));
    pair.plan(&lag, json!({})).await.unwrap();
}
