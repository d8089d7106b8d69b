//! Views as sources: what they show is what the snapshot sees, also if it was written anew behind it.

use crate::faults::{Held, polled};
use crate::support::*;
use serde_json::json;
use sluice::Kind;
use sqlx::AssertSqlSafe;
use std::pin::pin;

/// At every third of its steps the view's content is written anew; the copy then has all of it, or fails.
async fn rewritten_at_each_step(create: &str, rewrite: &str) {
    let pair = Pair::of(["", ""]).await;
    sql(
        &pair.source,
        "create table base (id int, c text); insert into base select i, 'x' from generate_series(1, 9) i",
    )
    .await;
    sql(&pair.source, create).await;
    sql(&pair.target, "create table t (id int primary key, c text)").await;
    let job = Job::whole(json!({"target": {"max_shrink_percent": 100}}));
    let mut has_ended = false;
    for times in (1..200).step_by(3) {
        let this = job.again(&format!("step-{times}"));
        let mut held = Held::new(&pair, &this, &WHOLE).await;
        let mut rewriting = connect(&pair.source).await;
        run(&mut rewriting, "set lock_timeout = '50ms'").await;
        let mut attempt = pin!(held.run(&this, &WHOLE));
        let ended = polled(attempt.as_mut(), times).await;
        has_ended = ended.is_some();
        // What the copy has locked cannot be written; it waits no longer than that.
        let _ = sqlx::raw_sql(AssertSqlSafe(rewrite.to_owned())).execute(&mut rewriting).await;
        let _ = match ended {
            Some(output) => output,
            None => attempt.await,
        };
        let count = texts(&pair.target, "select count(*)::text from t").await;
        assert!(count == ["9"] || (times == 1 && count == ["0"]), "{count:?} after a rewrite at step {times}");
        if has_ended {
            break;
        }
    }
    assert!(has_ended, "it never ended by itself");
}

#[tokio::test]
async fn a_materialized_view_that_is_refreshed_is_never_taken_for_empty() {
    let create = "create materialized view t as select * from base";
    rewritten_at_each_step(create, "refresh materialized view t").await;
}

#[tokio::test]
async fn a_view_of_a_table_that_is_written_anew_is_never_taken_for_empty() {
    let rewrite = "begin; create temporary table kept on commit drop as select * from base; truncate base; \
                   insert into base select * from kept; commit";
    rewritten_at_each_step("create view t as select * from base", rewrite).await;
}

/// The snapshot is older than the lock that was waited for, so it sees nothing of what is there now.
#[tokio::test]
async fn a_refresh_that_was_waited_for_is_not_read_by_an_older_snapshot() {
    let pair = Pair::of(["", ""]).await;
    sql(&pair.source, "create table base (id int, c text); create materialized view t as select * from base").await;
    sql(&pair.source, "insert into base select i, 'x' from generate_series(1, 9) i").await;
    sql(&pair.target, "create table t (id int primary key, c text)").await;
    let job = Job::whole(json!({}));
    let mut held = Held::new(&pair, &job, &WHOLE).await;
    let mut refreshing = connect(&pair.source).await;
    run(&mut refreshing, "begin; refresh materialized view t").await;
    {
        let mut attempt = pin!(held.run(&job, &WHOLE));
        let waiting = "select l.pid::text from pg_locks l join pg_stat_activity a using (pid) \
                       where not l.granted and a.datname = current_database()";
        while texts(&pair.source, waiting).await.is_empty() {
            assert!(polled(attempt.as_mut(), 1).await.is_none(), "it did not wait");
        }
        run(&mut refreshing, "commit").await;
        let error = attempt.await.unwrap_err();
        assert_eq!(error.kind(), Kind::TransientFailure, "{error}");
        assert!(error.to_string().contains("was refreshed meanwhile"), "{error}");
    }
    assert_eq!(pair.replace(&job).await.unwrap().rows, 9);
}
