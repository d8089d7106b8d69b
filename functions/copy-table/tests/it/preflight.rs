//! Tables that would not keep what is copied, and sources that would not give all of it.

use crate::support::*;
use serde_json::{Value, json};
use sluice::Kind;

/// Why a copy of the whole table is refused.
async fn refused(pair: &Pair, changes: Value) -> String {
    let before = rows(&pair.target, "t").await;
    let error = pair.replace(&Job::whole(changes)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
    assert_eq!(rows(&pair.target, "t").await, before);
    error.to_string()
}

const SIMPLE: &str = "create table t (id int primary key, c text)";

#[tokio::test]
async fn a_target_that_would_not_keep_the_rows_is_refused() {
    const TRIGGER: &str = "create function upper_c() returns trigger language plpgsql as \
                           $$ begin new.c := upper(new.c); return new; end $$; \
                           create trigger upper_c before insert on t for each row execute function upper_c()";
    for (change, expected) in [
        ("drop table t; create unlogged table t (id int primary key, c text)", "it is unlogged"),
        ("drop table t; create view t as select 1 as id, 'x' as c", "it is not a table"),
        (TRIGGER, "its row triggers [\"upper_c\"]"),
        ("create table child () inherits (t)", "other tables inherit from it"),
        ("create rule r as on delete to t do instead nothing", "it has rewrite rules"),
        ("drop table t; create table t (id int not null, c text)", "no unique constraint on exactly (id)"),
        ("alter table t drop constraint t_pkey, alter id drop not null", "the key's column \"id\" may be NULL"),
        ("alter table t drop c", "the target lacks the columns [\"c\"]"),
        ("alter table t add d int not null", "\"d\" of the target is NOT NULL without a default"),
    ] {
        let pair = Pair::new(SIMPLE).await;
        sql(&pair.target, change).await;
        let error = refused(&pair, json!({"target": {"key": ["id"]}})).await;
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn all_problems_are_told_at_once() {
    let pair = Pair::new(SIMPLE).await;
    sql(&pair.target, "alter table t alter id type bigint, alter c type bytea using ''::bytea, add d int not null")
        .await;
    sql(&pair.source, "alter table t add e int").await;
    let error = refused(&pair, json!({})).await;
    for expected in
        ["lacks the columns [\"e\"]", "\"c\" is text at the source and bytea at the target", "\"d\" of the target"]
    {
        assert!(error.contains(expected), "{error}");
    }
    assert!(!error.contains("\"id\""), "{error}");
}

#[tokio::test]
async fn columns_go_by_name_and_generated_ones_not_at_all() {
    let pair = Pair::of(["", ""]).await;
    sql(
        &pair.source,
        "create table t (gone int, c text, id int generated always as identity primary key, twice int generated always as \
         (id * 2) stored, \"odd \"\"name\" text); alter table t drop gone;
         insert into t (c, \"odd \"\"name\") values ('a', 'x'), ('b', 'y')",
    )
    .await;
    sql(
        &pair.target,
        "create table t (\"odd \"\"name\" text, id int generated always as identity primary key, c text, more int default 7, \
         twice int generated always as (id * 2) stored)",
    )
    .await;
    let job = Job::whole(json!({}));
    pair.replace(&job).await.unwrap();
    assert_eq!(rows(&pair.target, "t").await, ["(x,1,a,7,2)", "(y,2,b,7,4)"]);
    // By the merge, too.
    sql(&pair.source, "update t set c = 'c' where id = 2; insert into t (c) values ('d')").await;
    let output = pair.replace(&job.again("second")).await.unwrap();
    assert_eq!(counts(&output), [1, 1, 0, 1]);
    assert_eq!(rows(&pair.target, "t").await, ["(,3,d,7,6)", "(x,1,a,7,2)", "(y,2,c,7,4)"]);
    // An identity that is no key could not be updated.
    let keyless = pair.replace(&Job::whole(json!({"target": {"key": []}})).again("third")).await.unwrap_err();
    assert!(keyless.to_string().contains("GENERATED ALWAYS"), "{keyless}");
}

#[tokio::test]
async fn new_columns_are_left_out_only_if_that_is_said() {
    let pair = Pair::new(SIMPLE).await;
    sql(&pair.source, "alter table t add extra int; insert into t values (1, 'a', 2)").await;
    assert!(refused(&pair, json!({})).await.contains("lacks the columns [\"extra\"]"));
    let error = refused(&pair, json!({"source": {"columns": ["id", "b"]}})).await;
    assert!(
        error.contains("the source has no column \"b\"") && error.contains("the target has no column \"b\""),
        "{error}"
    );
    pair.replace(&Job::whole(json!({"target": {"new_column": "ignore"}}))).await.unwrap();
    assert_eq!(rows(&pair.target, "t").await, ["(1,a)"]);
    pair.replace(&Job::whole(json!({"source": {"columns": ["id"]}})).again("second")).await.unwrap();
    assert_eq!(rows(&pair.target, "t").await, ["(1,a)"], "what is not copied stays");
}

#[tokio::test]
async fn row_security_never_hides_rows() {
    let pair = Pair::new(SIMPLE).await;
    let name = pair.source.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let role = format!("restricted_in_{name}");
    sql(
        &pair.source,
        &format!(
            "create role {role} login password 'x'; grant select on t to {role}; insert into t values (1, 'a'), (2, 'b');
             alter table t enable row level security; create policy p on t for select to {role} using (id = 1)"
        ),
    )
    .await;
    let (_, address) = pair.source.split_once('@').unwrap();
    let reader = Pair { source: format!("postgres://{role}:x@{address}").into(), target: pair.target.clone() };
    let error = refused(&reader, json!({})).await;
    assert!(error.contains("42501"), "{error}");
}

#[tokio::test]
async fn partitions_and_views_are_read_and_partitions_written() {
    let pair = Pair::of(["", ""]).await;
    let partitioned =
        "create table t (id int, at timestamptz not null, c text, primary key (id, at)) partition by range (at);
         create table early partition of t for values from ('2024-01-01') to ('2024-01-02');
         create table late partition of t for values from ('2024-01-02') to ('2024-01-03')";
    sql(&pair.source, partitioned).await;
    sql(
        &pair.source,
        "insert into t select i, '2024-01-01'::timestamptz + i * interval '1 hour', 'x' from generate_series(0, 47) i",
    )
    .await;
    sql(&pair.target, partitioned).await;
    let job = Job::new(json!({"target": {"key": ["id", "at"]}}));
    let (_, concluded) = pair.execute(&job, json!({"from": "2024-01-01", "to": "2024-01-03"})).await;
    assert!(concluded.failed.is_empty(), "{:?}", concluded.failed);
    assert_equal(&pair).await;
    sql(&pair.source, "update t set c = 'y' where id = 30; delete from t where id = 31").await;
    let output = pair.copy(&job.again("second"), "2024-01-02", "2024-01-03").await.unwrap();
    assert_eq!(counts(&output), [0, 1, 1, 22]);
    // No partition for it.
    sql(
        &pair.source,
        "create table later partition of t for values from ('2024-01-03') to ('2024-01-04'); \
                       insert into t values (50, '2024-01-03', 'secret')",
    )
    .await;
    let error = pair.copy(&job, "2024-01-03", "2024-01-04").await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidSource);
    assert!(error.to_string().contains("23514") && !error.to_string().contains("secret"), "{error}");
    // A trigger of a partition is a trigger.
    sql(
        &pair.target,
        "create function f() returns trigger language plpgsql as $$ begin return null; end $$; \
                       create trigger f before insert on late for each row execute function f()",
    )
    .await;
    let error = pair.copy(&job.again("third"), "2024-01-02", "2024-01-03").await.unwrap_err();
    assert!(error.to_string().contains("row triggers [\"f\"]"), "{error}");

    let viewed = Pair::of(["", ""]).await;
    sql(
        &viewed.source,
        "create table base (id int, c text); insert into base values (1, 'a'); create view t as select * from base",
    )
    .await;
    sql(&viewed.target, SIMPLE).await;
    viewed.replace(&Job::whole(json!({}))).await.unwrap();
    assert_eq!(rows(&viewed.target, "t").await, ["(1,a)"]);
}

#[tokio::test]
async fn triggers_may_be_allowed_and_then_counts_are_compared() {
    let pair = Pair::new(SIMPLE).await;
    sql(&pair.source, "insert into t values (1, 'a'), (2, 'b')").await;
    sql(
        &pair.target,
        "create function f() returns trigger language plpgsql as $$ begin new.c := upper(new.c); return new; end $$;
         create trigger f before insert on t for each row execute function f()",
    )
    .await;
    pair.replace(&Job::whole(json!({"target": {"allow_triggers": true}}))).await.unwrap();
    assert_eq!(rows(&pair.target, "t").await, ["(1,A)", "(2,B)"]);
    let verified =
        texts(&pair.target, "select verified_at::text from sluice.windows where verified_at is not null").await;
    assert_eq!(verified, [""; 0]);
}

#[tokio::test]
async fn constraints_roll_the_window_back_and_name_no_value() {
    for (constraint, code) in [
        ("alter table t add constraint short check (length(c) < 4)", "23514"),
        ("create table known (c text primary key); alter table t add foreign key (c) references known", "23503"),
        ("alter table t alter c set not null", "23502"),
        ("create unique index on t (c)", "23505"),
    ] {
        let pair = Pair::new(SIMPLE).await;
        sql(&pair.source, "insert into t values (1, 'secret'), (2, null), (3, 'secret')").await;
        if code != "23502" {
            sql(&pair.source, "delete from t where c is null").await;
        }
        sql(&pair.target, constraint).await;
        let error = pair.replace(&Job::whole(json!({}))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidSource, "{error}");
        assert!(error.to_string().contains(code) && !error.to_string().contains("secret"), "{error}");
        assert_eq!(rows(&pair.target, "t").await, [""; 0]);
    }
}
