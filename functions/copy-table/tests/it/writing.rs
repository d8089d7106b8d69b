//! How rows get into the target: what differs is written, and nothing else.

use crate::support::*;
use copy_table::copy::Attempt;
use copy_table::pump::Progress;
use serde_json::json;
use sluice::Kind;
use sluice::contract::copy_table::{Outcome, Purpose};

const DAY: [&str; 2] = ["2024-01-02", "2024-01-03"];

async fn filled(rows: u32) -> Pair {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, rows - 1)).await;
    pair
}

/// Which version of each row there is, by its place and its transactions.
async fn versions(pair: &Pair) -> Vec<String> {
    texts(&pair.target, "select format('%s %s %s', ctid, xmin, xmax) from t order by id").await
}

#[tokio::test]
async fn a_window_that_is_equal_writes_nothing() {
    for key in [json!(["id"]), json!([])] {
        let pair = filled(72).await;
        let job = Job::new(json!({"target": {"key": key}}));
        let first = pair.copy(&job, DAY[0], DAY[1]).await.unwrap();
        assert_eq!((first.outcome, counts(&first), first.rows), (Outcome::Copied, [24, 0, 0, 0], 24));
        let before = versions(&pair).await;
        let second = pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap();
        assert_eq!((second.outcome, counts(&second)), (Outcome::Unchanged, [0, 0, 0, 24]));
        assert_eq!(versions(&pair).await, before, "no row was touched, or locked");
        let dead = "select (pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid) + pg_stat_get_tuples_deleted(oid))::text \
                    from pg_class where relname = 't'";
        sql(&pair.target, "select pg_stat_clear_snapshot()").await;
        let written: u64 = texts(&pair.target, dead).await[0].parse().unwrap();
        assert!(written <= 24, "{written} rows were written for 24");
        let recorded =
            texts(&pair.target, "select format('%s %s %s', rows, rows_inserted, rows_unchanged) from sluice.windows")
                .await;
        assert_eq!(recorded, ["24 0 24"]);
    }
}

/// As many rows as fill hundreds of pages: a version of one of them would be newer, or take another page.
#[tokio::test]
async fn an_equal_window_of_many_rows_adds_no_version_of_a_row() {
    let pair = Pair::new(TABLE).await;
    sql(
        &pair.source,
        "insert into t select i, timestamptz '2024-01-02 00:00Z' + i * interval '1 s', repeat('x', 100), i from generate_series(1, 50000) i",
    )
    .await;
    let job = Job::new(json!({}));
    pair.copy(&job, DAY[0], DAY[1]).await.unwrap();
    let last = "select max(xmin::text::bigint)::text from t";
    // Its rows only: the maps of free and visible pages are another fork, which the server adds when it likes.
    let size = "select pg_relation_size('t', 'main')::text";
    let before = (texts(&pair.target, last).await, texts(&pair.target, size).await);
    let again = pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap();
    assert_eq!(counts(&again), [0, 0, 0, 50_000]);
    assert_eq!((texts(&pair.target, last).await, texts(&pair.target, size).await), before);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_given_again() {
    let pair = filled(72).await;
    let job = Job::new(json!({}));
    let first = pair.copy(&job, DAY[0], DAY[1]).await.unwrap();
    sql(&pair.source, "delete from t").await;
    assert_eq!(pair.copy(&job, DAY[0], DAY[1]).await.unwrap(), first);
    assert_eq!(texts(&pair.target, "select count(*)::text from t").await, ["24"]);
    pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap();
    assert_eq!(texts(&pair.target, "select count(*)::text from t").await, ["0"]);
    // After 90 days another execution may have the same name, and the same ARN.
    sql(&pair.target, "update sluice.windows set copied_at = timestamptz '2024-02-01 02:00Z' - interval '91 days'")
        .await;
    sql(&pair.source, &hourly(24, 25)).await;
    assert_eq!(pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap().rows, 2);
    let execution = job.again("second");
    let (_, concluded) = pair.execute(&execution, json!({"from": DAY[0], "to": DAY[1]})).await;
    assert_eq!((concluded.output.windows, concluded.output.rows), (1, 2));
    sql(&pair.target, "update sluice.windows set copied_at = timestamptz '2024-02-01 02:00Z' - interval '91 days'")
        .await;
    let (_, concluded) = pair.execute(&execution, json!({"from": "2024-01-03", "to": "2024-01-04"})).await;
    assert_eq!((concluded.output.windows, concluded.output.rows), (1, 0), "the old one's rows are none of its own");
}

#[tokio::test]
async fn what_changed_in_a_window_is_written_and_others_are_left_alone() {
    for (key, expected) in [(json!(["id"]), [1, 2, 2, 20]), (json!([]), [23, 0, 24, 0])] {
        let pair = filled(72).await;
        let job = Job::new(json!({"target": {"key": key}}));
        let (_, concluded) = pair.execute(&job, json!({"from": "2024-01-01", "to": "2024-01-04"})).await;
        assert!(concluded.failed.is_empty());
        sql(
            &pair.source,
            "update t set name = null where id = 30; update t set score = score * 1.00 where id = 31;
             delete from t where id in (32, 33); insert into t values (100, '2024-01-02 12:30Z', 'new', 'NaN');
             update t set name = 'not in the window' where id = 50",
        )
        .await;
        let output = pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap();
        assert_eq!(counts(&output), expected);
        assert_eq!(texts(&pair.target, "select name from t where id = 50").await, ["n50"]);
        pair.copy(&job.again("third"), "2024-01-03", "2024-01-04").await.unwrap();
        assert_equal(&pair).await;
    }
}

#[tokio::test]
async fn a_row_that_moves_to_another_window_is_moved() {
    let pair = filled(48).await;
    let job = Job::new(json!({}));
    pair.copy(&job, "2024-01-01", "2024-01-02").await.unwrap();
    sql(&pair.source, "update t set at = '2024-01-02 23:00Z' where id = 5").await;
    // The second day is empty, so it would be copied straight, but for that row.
    let output = pair.copy(&job, DAY[0], DAY[1]).await.unwrap();
    assert_eq!(counts(&output), [24, 1, 0, 0]);
    assert_equal(&pair).await;
    sql(&pair.source, "update t set at = '2024-01-01 05:00Z' where id = 5").await;
    for (name, start, end) in [("second", "2024-01-01", "2024-01-02"), ("third", DAY[0], DAY[1])] {
        pair.copy(&job.again(name), start, end).await.unwrap();
    }
    assert_equal(&pair).await;
}

#[tokio::test]
async fn rows_without_a_key_may_be_there_twice() {
    let pair = Pair::new("create table t (at date not null, c text)").await;
    sql(&pair.source, "insert into t select '2024-01-02', 'a' from generate_series(1, 3)").await;
    let job = Job::new(json!({"target": {"key": []}}));
    assert_eq!(counts(&pair.copy(&job, DAY[0], DAY[1]).await.unwrap()), [3, 0, 0, 0]);
    sql(&pair.source, "delete from t where ctid = '(0,1)'").await;
    assert_eq!(counts(&pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap()), [2, 0, 3, 0]);
    assert_equal(&pair).await;
}

#[tokio::test]
async fn a_key_that_is_not_unique_at_the_source_is_told() {
    for target in
        [json!({}), json!({"verify": "count"}), json!({"mode": "upsert"}), json!({"mode": "upsert", "verify": "count"})]
    {
        let pair = Pair::of(["", ""]).await;
        sql(&pair.source, "create table t (id int, at date not null, c text)").await;
        sql(&pair.target, "create table t (id int primary key, at date not null, c text)").await;
        sql(&pair.source, "insert into t values (1, '2024-01-02', 'a'), (1, '2024-01-02', 'b')").await;
        let job = Job::new(json!({"target": target}));
        for prepare in ["", "insert into t values (1, '2024-01-02', 'c')"] {
            sql(&pair.target, prepare).await;
            let error = pair.copy(&job, DAY[0], DAY[1]).await.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidSource, "{target}: {error}");
            assert!(error.to_string().contains("is not unique"), "{target}: {error}");
            assert_eq!(texts(&pair.target, "select c from t where c <> 'c'").await, [""; 0]);
        }
    }
}

/// Where bytes are not compared, rows are counted, also in a window that had rows before.
#[tokio::test]
async fn what_triggers_lose_or_keep_is_told_by_a_count() {
    const KEPT: &str = "create function keeps() returns trigger language plpgsql as \
                        $$ begin update t set name = 'gone' where ctid = old.ctid; return null; end $$; \
                        create trigger keeps before delete on t for each row execute function keeps()";
    const LOST: &str = "create function loses() returns trigger language plpgsql as \
                        $$ begin return case when new.id = 30 then null else new end; end $$; \
                        create trigger loses before insert on t for each row execute function loses()";
    for (target, trigger, there) in [
        (json!({"key": ["id"], "allow_triggers": true}), LOST, 23),
        (json!({"mode": "upsert", "allow_triggers": true}), LOST, 23),
        (json!({"key": [], "allow_triggers": true}), KEPT, 47),
    ] {
        let pair = filled(72).await;
        if target["key"] == json!([]) {
            sql(&pair.target, "alter table t drop constraint t_pkey").await;
        }
        let job = Job::new(json!({"target": target}));
        pair.copy(&job, DAY[0], DAY[1]).await.unwrap();
        sql(&pair.target, "delete from t where id = 30").await;
        sql(&pair.target, trigger).await;
        let before = rows(&pair.target, "t").await;
        let error = pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvariantBroken, "{target}: {error}");
        let expected = format!("24 rows were sent, {there} are in the target");
        assert!(error.to_string().contains(&expected), "{target}: {error}");
        assert_eq!(rows(&pair.target, "t").await, before);
    }
}

#[tokio::test]
async fn an_upsert_deletes_nothing_and_keeps_what_is_newer() {
    let pair = filled(48).await;
    let job = Job::new(json!({"target": {"mode": "upsert"}}));
    assert_eq!(counts(&pair.copy(&job, DAY[0], DAY[1]).await.unwrap()), [24, 0, 0, 0]);
    sql(&pair.source, "delete from t where id = 30; update t set name = 'changed' where id in (31, 32)").await;
    sql(&pair.target, "update t set at = '2024-01-05', name = 'newer' where id = 32").await;
    let output = pair.copy(&job.again("second"), DAY[0], DAY[1]).await.unwrap();
    assert_eq!((counts(&output), output.rows_newer), ([0, 1, 0, 21], 1));
    let names = "select coalesce(name, '') from t where id in (30, 31, 32) order by id";
    assert_eq!(texts(&pair.target, names).await, ["n30", "changed", "newer"]);
    let older = Job::new(json!({"target": {"mode": "upsert", "newer_wins": false}}));
    let output = pair.copy(&older.again("third"), DAY[0], DAY[1]).await.unwrap();
    assert_eq!((counts(&output), output.rows_newer), ([0, 1, 0, 22], 0));
    assert_eq!(texts(&pair.target, names).await, ["n30", "changed", "changed"]);
}

/// What an upsert leaves at the target is no difference; a row that is another one is.
#[tokio::test]
async fn a_comparison_after_upserts_tells_rows_that_only_the_target_has_apart() {
    let pair = filled(48).await;
    let job = Job::new(json!({"target": {"mode": "upsert"}})).at("first", "2024-01-03T02:00:00.000Z");
    pair.execute(&job, json!({})).await;
    sql(&pair.source, "delete from t where id in (30, 31)").await;
    sql(&pair.target, "update t set at = '2024-01-05', name = 'newer' where id = 32").await;
    let verify = json!({"verify": {"from": "2024-01-01", "to": "2024-01-03"}});
    let before = versions(&pair).await;
    let (outputs, concluded) = pair.execute(&job.again("second"), verify.clone()).await;
    let found: Vec<_> = outputs.into_iter().map(|output| output.unwrap()).collect();
    let found = found.iter().map(|output| (output.outcome, output.rows, output.rows_newer, output.rows_only_at_target));
    assert_eq!(found.collect::<Vec<_>>(), [(Outcome::Equal, 24, 0, 0), (Outcome::Equal, 22, 1, 2)]);
    let output = concluded.output;
    assert_eq!((concluded.failed.len(), output.rows_newer, output.rows_only_at_target), (0, 1, 2));
    assert_eq!(versions(&pair).await, before);
    sql(&pair.target, "update t set name = 'another' where id = 33; delete from t where id = 34").await;
    let (outputs, _) = pair.execute(&job.again("third"), verify).await;
    let error = outputs[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidSource);
    assert!(
        error.to_string().contains("the source has 22 rows") && error.to_string().contains("target has 21"),
        "{error}"
    );
}

#[tokio::test]
async fn a_table_is_replaced_whole_but_never_emptied_by_mistake() {
    for key in [json!(["id"]), json!([])] {
        let pair = filled(100).await;
        let job = Job::whole(json!({"target": {"key": key}}));
        let planned = pair.plan(&job, json!({})).await.unwrap();
        assert_eq!((planned.output.window_count, planned.output.from), (1, None));
        let (_, concluded) = pair.execute(&job, json!({})).await;
        assert_eq!((concluded.output.rows_inserted, concluded.failed.len()), (100, 0));
        assert_equal(&pair).await;
        sql(&pair.source, "delete from t where id >= 50; insert into t values (-1, now(), 'x', 1)").await;
        pair.replace(&job.again("second")).await.unwrap();
        assert_equal(&pair).await;
        sql(&pair.source, "delete from t where id >= 20").await;
        let error = pair.replace(&job.again("third")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidSource);
        assert!(error.to_string().contains("the source has 21 rows, the target 51"), "{error}");
        assert_eq!(texts(&pair.target, "select count(*)::text from t").await, ["51"]);
        let allowed = Job::whole(json!({"target": {"key": key, "max_shrink_percent": 100}}));
        sql(&pair.source, "truncate t").await;
        pair.replace(&allowed.again("fourth")).await.unwrap();
        assert_eq!(texts(&pair.target, "select count(*)::text from t").await, ["0"]);
    }
}

/// A type's own equality is not enough: 1.0 is 1.00, and json has none.
#[tokio::test]
async fn rows_are_compared_byte_by_byte() {
    let pair =
        Pair::new("create extension citext; create table t (id citext primary key, n numeric, j json, p point, x xml)")
            .await;
    sql(&pair.source, "insert into t values ('a', 1.0, '{}', '(0,0)', '<a/>'), ('b', 0, null, null, null)").await;
    let job = Job::whole(json!({}));
    pair.replace(&job).await.unwrap();
    sql(&pair.source, "update t set id = 'A', n = 1.00, j = '{ }', x = '<a />' where id = 'a'").await;
    assert_eq!(counts(&pair.replace(&job.again("second")).await.unwrap()), [0, 1, 0, 1]);
    assert_equal(&pair).await;
}

#[tokio::test]
async fn what_is_stored_must_be_what_was_sent() {
    let pair = filled(72).await;
    // A statement's trigger, which nobody refuses.
    sql(
        &pair.target,
        "create function loses() returns trigger language plpgsql as $$ begin delete from t where id = 30; return null; end $$;
         create trigger loses after insert on t for each statement execute function loses()",
    )
    .await;
    let job = Job::new(json!({}));
    let error = pair.copy(&job, DAY[0], DAY[1]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvariantBroken);
    let text = error.to_string();
    assert!(text.contains("24 rows with the checksum") && text.contains("23 with"), "{text}");
    assert_eq!(rows(&pair.target, "t").await, [""; 0]);
    assert_eq!(texts(&pair.target, "select count(*)::text from sluice.windows").await, ["0"], "nothing was committed");
    // One value that changes is seen, too, but not by a count.
    sql(
        &pair.target,
        "create or replace function loses() returns trigger language plpgsql as \
                       $$ begin update t set name = 'N30' where id = 30; return null; end $$",
    )
    .await;
    assert_eq!(pair.copy(&job, DAY[0], DAY[1]).await.unwrap_err().kind(), Kind::InvariantBroken);
    let counting = Job::new(json!({"target": {"verify": "count"}}));
    pair.copy(&counting, DAY[0], DAY[1]).await.unwrap();
}

#[tokio::test]
async fn long_rows_go_in_slices_and_too_long_ones_not_at_all() {
    let pair = Pair::new("create table t (id int primary key, c text)").await;
    sql(
        &pair.source,
        "insert into t select i, repeat(chr(65 + i), 10) from generate_series(1, 20) i;
         insert into t values (21, repeat('long', 1000000)), (22, repeat('x', 65536)), (23, ''), (24, repeat('y', 65509))",
    )
    .await;
    let job = Job::whole(json!({}));
    let output = pair.replace(&job).await.unwrap();
    assert_eq!(output.rows, 24);
    assert_equal(&pair).await;
    sql(&pair.source, "insert into t values (25, repeat('z', 70000000))").await;
    let error = pair.replace(&job.again("second")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains("public.t: a row of 70000"), "{error}");
    // A comparison takes the same memory.
    let error = pair.attempt(&job.again("third"), &WHOLE, Purpose::Verify).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
    assert!(error.to_string().starts_with("public.t: a row of 70000"), "{error}");
}

#[tokio::test]
async fn both_sides_may_be_one_database() {
    let pair = filled(72).await;
    sql(&pair.source, "create schema copies; create table copies.t (like t including all)").await;
    let same = Pair { source: pair.source.clone(), target: pair.source.clone() };
    let job = Job::new(json!({"target": {"schema": "copies"}}));
    let output = same.attempt(&job, &window(DAY[0], DAY[1]), Purpose::Load).await.unwrap();
    assert_eq!(output.rows, 24);
}

/// An identity takes the copied values, and its sequence none of them.
#[tokio::test]
async fn a_whole_copy_says_what_its_sequences_need() {
    let create =
        "create table \"it's\" (id int generated by default as identity primary key, \"se\"\"ries\" bigserial, c text)";
    let pair = Pair::new(create).await;
    sql(&pair.source, "insert into \"it's\" (c) select 'x' from generate_series(1, 9)").await;
    let table = json!({"source": {"table": "it's"}, "target": {"table": "it's"}});
    let (_, concluded) = pair.execute(&Job::whole(table), json!({})).await;
    let offered = concluded.output.sequences;
    assert_eq!(offered.len(), 2, "{offered:?}");
    let next = "insert into \"it's\" (c) values ('own') returning format('%s %s', id, \"se\"\"ries\")";
    // Nothing has been done about it.
    assert_eq!(texts(&pair.target, &format!("begin; delete from \"it's\"; {next}; rollback")).await, ["1 1"]);
    for statement in offered {
        sql(&pair.target, &statement).await;
    }
    assert_eq!(texts(&pair.target, next).await, ["10 10"]);
    // Windows are no whole copy: others' rows may be there, too.
    let pair = filled(72).await;
    let (_, concluded) = pair.execute(&Job::new(json!({})), json!({"from": "2024-01-01", "to": "2024-01-02"})).await;
    assert!(concluded.output.sequences.is_empty());
}

#[tokio::test]
async fn a_source_that_is_too_large_is_not_copied_whole() {
    let pair = Pair::of(["", ""]).await;
    let create = "create table t (id int primary key, c text) partition by range (id); \
                  create table low partition of t for values from (0) to (1000000)";
    for side in [&pair.source, &pair.target] {
        sql(side, create).await;
    }
    sql(&pair.source, "insert into t select i, repeat('x', 100) from generate_series(1, 20000) i").await;
    let (job, sessions) = (Job::whole(json!({})), [connect(&pair.source).await, connect(&pair.target).await]);
    let origin = pair.origin();
    let attempt = Attempt {
        execution: &job.execution,
        spec: &job.spec,
        origin: &origin,
        purpose: Purpose::Load,
        planned: &WHOLE,
        max_row_bytes: 64 << 20,
        max_whole_bytes: 1 << 20,
        time_left: TIME,
    };
    let [mut source, mut target] = sessions;
    let error = attempt.run(&mut source, &mut target, &Progress::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains("too much to replace a table whole; use windows"), "{error}");
    let large = Attempt { max_whole_bytes: 1 << 30, ..attempt };
    assert_eq!(large.run(&mut source, &mut target, &Progress::default()).await.unwrap().rows, 20_000);
}
