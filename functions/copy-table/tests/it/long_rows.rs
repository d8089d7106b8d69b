//! Rows so long that each is fetched by itself, beside others in the stream: whichever way a row goes, it is the same
//! bytes.

use crate::support::*;
use serde_json::json;
use sluice::Kind;
use sluice::contract::copy_table::{Outcome, Purpose};

/// With a view of all rows: of a view all are in the stream.
const TABLE: &str = "
    create type mood as enum ('sad', 'glad');
    create domain note as text check (length(value) > 2);
    create table t (
        id bigint primary key, at timestamptz not null, c text, d note, b bytea, j jsonb, a int[], m mood, n numeric
    );
    create index on t (at);
    create view v as select * from t";

/// Short rows and very long ones, by each column that may be long, and of about the length from which on it is fetched:
/// one an hour from the start of 2024.
const ROWS: &str = "
    insert into t
    select i, timestamptz '2024-01-01 00:00Z' + i * interval '1 hour',
           case i % 9 when 1 then repeat('é', 1500000) when 2 then repeat('x', 2097152 - 600 + i * 100) else 'short' end,
           case i % 9 when 3 then repeat('note', 800000) end,
           case i % 9 when 4 then decode(repeat('00ff', 1200000), 'hex') when 5 then '' end,
           case i % 9 when 6 then (select jsonb_agg(md5(x::text)) from generate_series(1, 100000) x) else 'null' end,
           case i % 9 when 7 then (select array_agg(nullif(x % 7, 3)) from generate_series(1, 900000) x) end,
           case i % 2 when 0 then 'glad'::mood end,
           i / 7.0
    from generate_series(0, 17) i";

async fn filled() -> Pair {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, ROWS).await;
    pair
}

/// A hash of each row: no text of megabytes is compared, or shown.
async fn digests(database: &Database) -> Vec<String> {
    texts(database, "select concat_ws(' ', id, md5(t::text)) from t order by id").await
}

#[tokio::test]
async fn long_rows_are_copied_as_others_are() {
    let pair = filled().await;
    for mode in ["replace_window", "upsert"] {
        let job = Job::new(json!({"target": {"mode": mode}})).again(mode);
        let copied = pair.copy(&job, "2024-01-01", "2024-01-02").await.unwrap();
        assert_eq!((copied.rows, counts(&copied)), (18, [18, 0, 0, 0]), "{mode}");
        assert_eq!(digests(&pair.target).await, digests(&pair.source).await, "{mode}");
        let again = pair.copy(&job.again(&format!("{mode} again")), "2024-01-01", "2024-01-02").await.unwrap();
        assert_eq!((again.outcome, counts(&again)), (Outcome::Unchanged, [0, 0, 0, 18]), "{mode}");
        sql(&pair.target, "delete from t").await;
    }
    // Without a key, all are read, compared and written anew.
    let job = Job::new(json!({"target": {"key": []}})).again("no key");
    pair.copy(&job, "2024-01-01", "2024-01-02").await.unwrap();
    sql(&pair.source, "update t set c = c || '!' where id in (1, 5, 8)").await;
    let changed = pair.copy(&job.again("changed"), "2024-01-01", "2024-01-02").await.unwrap();
    assert_eq!(counts(&changed), [18, 0, 18, 0]);
    assert_eq!(digests(&pair.target).await, digests(&pair.source).await);
}

/// The target's rows are fetched, the view's are not.
#[tokio::test]
async fn both_ways_give_the_same_checksum() {
    let pair = filled().await;
    let job = Job::new(json!({"source": {"table": "v"}}));
    pair.copy(&job, "2024-01-01", "2024-01-02").await.unwrap();
    let day = window("2024-01-01", "2024-01-02");
    let compared = pair.attempt(&job.again("compared"), &day, Purpose::Verify).await.unwrap();
    assert_eq!((compared.outcome, compared.rows), (Outcome::Equal, 18));
    sql(&pair.target, "update t set a[77777] = 8 where id = 7").await;
    let differs = pair.attempt(&job.again("differs"), &day, Purpose::Verify).await.unwrap_err();
    assert!(differs.to_string().contains("differs"), "{differs}");
}

/// Tables that have others below them keep nothing themselves.
#[tokio::test]
async fn long_rows_of_partitions_are_found() {
    let create = "
        create table t (id int, at timestamptz not null, c text) partition by range (at);
        create table january partition of t for values from ('2024-01-01') to ('2024-02-01') partition by list (id);
        create table one partition of january for values in (1, 2, 3, 4)";
    let pair = Pair::new(create).await;
    sql(
        &pair.source,
        "insert into t select i, '2024-01-01 12:00Z', repeat('long', 1000000) from generate_series(1, 4) i",
    )
    .await;
    let job = Job::new(json!({"target": {"key": []}}));
    let copied = pair.copy(&job, "2024-01-01", "2024-01-02").await.unwrap();
    assert_eq!(copied.rows, 4);
    assert_equal(&pair).await;
}

#[tokio::test]
async fn long_texts_are_in_the_encoding_that_was_said() {
    let pair = Pair::of(["template template0 encoding 'SQL_ASCII' locale 'C'", ""]).await;
    for database in [&pair.source, &pair.target] {
        sql(database, "create table t (id int primary key, c text)").await;
    }
    sql(
        &pair.source,
        "insert into t select i, repeat(convert_from('\\x636166e9', 'SQL_ASCII'), 700000) from generate_series(1, 2) i",
    )
    .await;
    pair.replace(&Job::whole(json!({"source": {"encoding": "LATIN1"}}))).await.unwrap();
    let found = texts(&pair.target, "select count(*)::text from t where c = repeat('café', 700000)").await;
    assert_eq!(found, ["2"]);
}

#[tokio::test]
async fn a_row_that_is_too_long_is_refused() {
    for source in ["t", "v"] {
        let pair = Pair::new("create table t (id int primary key, c text); create view v as select * from t").await;
        sql(&pair.source, "insert into t values (1, 'short'), (2, repeat('long', 17000000))").await;
        let job = Job::whole(json!({"source": {"table": source}}));
        let refused = pair.replace(&job).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Misconfigured, "{refused}");
        let text = refused.to_string();
        assert!(text.contains("public.t: a row of 680000") && text.contains("67108864 bytes"), "{text}");
        assert!(rows(&pair.target, "t").await.is_empty());
    }
}
