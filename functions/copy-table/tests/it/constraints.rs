//! Constraints of the target that hold before a copy and after it, but not at each step between.

use crate::faults::{Held, polled};
use crate::support::*;
use serde_json::json;
use sluice::Kind;
use sqlx::PgConnection;

const DAY: [&str; 2] = ["2024-01-02", "2024-01-03"];

/// A day that is copied, with a column for other rows' keys; `constraints` are the target's.
async fn copied(constraints: &str) -> (Pair, Job) {
    let pair = Pair::new(TABLE).await;
    for side in [&pair.source, &pair.target] {
        sql(side, "alter table t add parent bigint").await;
    }
    sql(&pair.source, &hourly(24, 47)).await;
    sql(&pair.target, constraints).await;
    let job = Job::new(json!({}));
    pair.copy(&job, DAY[0], DAY[1]).await.unwrap();
    (pair, job)
}

/// Two rows of the source exchange their names.
const EXCHANGE: &str = "update t set name = case id when 30 then 'n31' else 'n30' end where id in (30, 31)";

#[tokio::test]
async fn rows_may_exchange_the_values_of_another_unique_key() {
    for constraint in ["unique (name)", "unique (name) deferrable", "exclude using btree (name with =)"] {
        let (pair, job) = copied(&format!("alter table t add {constraint}")).await;
        sql(&pair.source, EXCHANGE).await;
        // A value that goes from a row that is deleted to a new one, too.
        sql(&pair.source, "delete from t where id = 40; insert into t values (100, '2024-01-02 23:30Z', 'n40', 1)")
            .await;
        let output = pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap();
        assert_eq!(counts(&output), [1, 2, 1, 21], "{constraint}");
        assert_equal(&pair).await;
        let again = pair.copy(&job.again("third"), DAY[0], DAY[1]).await.unwrap();
        assert_eq!(counts(&again), [0, 0, 0, 24], "{constraint}");
    }
}

/// The other window's copy moves it after this one has found it gone, and before this one has its lock: then it is the
/// other one's, and stays.
#[tokio::test]
async fn a_row_that_another_copy_moves_meanwhile_stays() {
    let (pair, job) = copied("alter table t add unique (name)").await;
    sql(&pair.source, &format!("{EXCHANGE}; update t set at = '2024-01-03 05:00Z' where id = 40")).await;
    let (planned, this) = (window(DAY[0], DAY[1]), job.again("second"));
    let mut held = Held::new(&pair, &this, &planned).await;
    let mut attempt = Box::pin(held.run(&this, &planned));
    let waiting = async |mine: i32| {
        let query = format!("select pid::text from pg_locks where not granted and pid = {mine}");
        !texts(&pair.target, &query).await.is_empty()
    };
    let process = async |connection: &mut PgConnection| -> i32 {
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(connection).await.unwrap()
    };
    let attempted = "select pid::text from pg_stat_activity where datname = current_database() and \
                     starts_with(application_name, 'sluice ') and wait_event_type = 'Lock'";
    // One kind of change after the other stops at a row that it would update, with the other row deleted already.
    let (mut holder, mut other) = (connect(&pair.target).await, connect(&pair.target).await);
    run(&mut holder, "begin; select from t where id = 30 for update").await;
    while texts(&pair.target, attempted).await.is_empty() {
        assert!(polled(attempt.as_mut(), 1).await.is_none());
    }
    let others = process(&mut other).await;
    let moving = tokio::spawn(async move {
        run(&mut other, "begin; update t set at = '2024-01-03 05:00Z' where id = 40").await;
        other
    });
    while !waiting(others).await {}
    run(&mut holder, "commit").await;
    // It breaks the unique key on its way, gives the rows free, and takes up all at once.
    while waiting(others).await {
        assert!(polled(attempt.as_mut(), 1).await.is_none(), "the row was not free in between");
    }
    let mut other = moving.await.unwrap();
    while texts(&pair.target, attempted).await.is_empty() {
        assert!(polled(attempt.as_mut(), 1).await.is_none(), "it did not wait for the other copy");
    }
    run(&mut other, "commit").await;
    let output = attempt.await.unwrap();
    assert_eq!(counts(&output), [0, 2, 0, 21]);
    assert_equal(&pair).await;
}

#[tokio::test]
async fn rows_may_refer_to_other_rows_of_their_table() {
    for constraint in ["", "deferrable"] {
        let (pair, job) = copied(&format!("alter table t add foreign key (parent) references t {constraint}")).await;
        sql(&pair.source, "update t set parent = 30 where id in (31, 32)").await;
        let output = pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap();
        assert_eq!(counts(&output), [0, 2, 0, 22]);
        // Their parent is another one, which is new.
        sql(
            &pair.source,
            "insert into t values (100, '2024-01-02 23:30Z', 'new', 1); update t set parent = 100 where parent = 30;
             delete from t where id = 30",
        )
        .await;
        let output = pair.copy(&job.again("third"), DAY[0], DAY[1]).await.unwrap();
        assert_eq!(counts(&output), [1, 2, 1, 21], "{constraint}");
        assert_equal(&pair).await;
    }
}

/// In the mode `upsert` too, where rows that are gone stay, and a role that may not delete is told so.
#[tokio::test]
async fn an_upsert_may_exchange_values_if_it_may_delete() {
    let (pair, _) = copied("alter table t add unique (name)").await;
    let job = Job::new(json!({"target": {"mode": "upsert"}}));
    sql(&pair.source, &format!("{EXCHANGE}; delete from t where id = 40")).await;
    let name = pair.target.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let (_, address) = pair.target.split_once('@').unwrap();
    let role = format!("writer_of_{name}");
    sql(
        &pair.target,
        &format!(
            "create role {role} login password 'x'; grant select, insert, update on t to {role};
             grant usage, create on schema sluice to {role}; grant all on sluice.windows to {role}"
        ),
    )
    .await;
    let writer = Pair { source: pair.source.clone(), target: format!("postgres://{role}:x@{address}").into() };
    let error = writer.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidSource);
    assert!(error.to_string().contains("t_name_key") && error.to_string().contains("may not delete"), "{error}");
    let output = pair.copy(&job.again("third"), DAY[0], DAY[1]).await.unwrap();
    assert_eq!(counts(&output), [0, 2, 0, 21]);
    assert_eq!(
        texts(&pair.target, "select name from t where id in (30, 31, 40) order by id").await,
        ["n31", "n30", "n40"]
    );
}

/// To delete and insert a row anew would lose what is not copied, or what others have made depend on it.
#[tokio::test]
async fn rows_are_not_deleted_for_a_moment_where_that_is_seen() {
    for (change, expected) in [
        ("create table orders (t bigint references t on delete cascade)", "a foreign key that refers to them"),
        ("create table orders (t bigint references t on delete set null)", "a foreign key that refers to them"),
        ("create table orders (t bigint); alter table t add note text default 'mine'", "columns that are not copied"),
    ] {
        let (pair, job) = copied("alter table t add unique (name)").await;
        sql(&pair.target, &format!("{change}; insert into orders values (30), (40)")).await;
        let before = rows(&pair.target, "t").await;
        sql(&pair.source, EXCHANGE).await;
        let error = pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidSource, "{error}");
        assert!(error.to_string().contains("t_name_key") && error.to_string().contains(expected), "{error}");
        assert_eq!(rows(&pair.target, "t").await, before);
        assert_eq!(texts(&pair.target, "select t::text from orders order by 1").await, ["30", "40"]);
    }
}

/// Others' rows that refer to one that is updated or exchanged stay; one that they refer to is not deleted.
#[tokio::test]
async fn rows_of_other_tables_keep_those_that_they_refer_to() {
    let (pair, job) = copied("alter table t add unique (name); create table orders (t bigint references t)").await;
    sql(&pair.target, "insert into orders values (30), (40)").await;
    sql(&pair.source, EXCHANGE).await;
    pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap();
    assert_equal(&pair).await;
    sql(&pair.source, "delete from t where id = 40").await;
    let error = pair.copy(&job.again("third"), DAY[0], DAY[1]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidSource);
    assert!(error.to_string().contains("orders_t_fkey"), "{error}");
    assert_eq!(texts(&pair.target, "select t::text from orders order by 1").await, ["30", "40"]);
}
