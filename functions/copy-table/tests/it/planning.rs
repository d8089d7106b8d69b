//! Which windows an execution copies.

use crate::support::*;
use copy_table::conclude::conclude;
use serde_json::{Value, json};
use sluice::Kind;
use sluice::contract::copy_table::{Outcome, Purpose, WindowResult};

/// The days of January by their numbers.
fn days(starts: &[String]) -> Vec<u32> {
    starts.iter().map(|start| start.strip_prefix("2024-01-").unwrap()[..2].parse().unwrap()).collect()
}

async fn planned_days(pair: &Pair, job: &Job, input: Value) -> Vec<u32> {
    days(&pair.planned(job, input).await)
}

async fn filled() -> Pair {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, 24 * 10 - 1)).await;
    pair
}

#[tokio::test]
async fn a_scheduled_run_copies_the_newest_window_and_what_is_missing_the_oldest_first() {
    let pair = filled().await;
    let job = Job::new(json!({"windows": {"max_windows": 4}})).at("first", "2024-01-06T02:00:00.000Z");
    let planned = pair.plan(&job, json!({})).await.unwrap();
    assert_eq!((planned.output.window_count, planned.output.windows_left), (4, 1));
    assert_eq!(planned_days(&pair, &job, json!({})).await, [1, 2, 3, 5]);
    let (_, concluded) = pair.execute(&job, json!({})).await;
    assert!(concluded.failed.is_empty());
    assert_eq!((concluded.output.windows, concluded.output.rows), (4, 96));
    assert_eq!(planned_days(&pair, &job.again("second"), json!({})).await, [4]);
    // The time that it was to start at counts, however late it is; and one that nobody filled in does not.
    let late = json!({"scheduled_time": "2024-01-04T00:00:00Z"});
    assert_eq!(planned_days(&pair, &job.again("third"), late).await, [0; 0]);
    let literal = json!({"scheduled_time": "<aws.scheduler.scheduled-time>"});
    assert_eq!(planned_days(&pair, &job.again("fourth"), literal).await, [4]);
    let early = json!({"scheduled_time": "2023-06-01T00:00:00Z"});
    assert_eq!(pair.planned(&job, early).await, [""; 0]);
    // A window that is not over is not planned.
    let at_noon = job.at("fifth", "2024-01-07T12:00:00.000Z");
    assert_eq!(planned_days(&pair, &at_noon, json!({})).await, [4, 6]);
    let later = job.at("sixth", "2024-01-10T02:00:00.000Z");
    let planned = pair.plan(&later, json!({})).await.unwrap();
    assert_eq!(planned.output.windows_left, 1);
    assert_eq!(planned_days(&pair, &later, json!({})).await, [4, 6, 7, 9]);
    // Unless it depends on those before it.
    let windows = json!({"windows": {"max_windows": 4, "depends_on_past": true}});
    let in_order = Job { spec: Job::new(windows).spec, ..later };
    assert_eq!(planned_days(&pair, &in_order, json!({})).await, [4, 6, 7, 8]);
}

#[tokio::test]
async fn without_catching_up_only_the_newest_counts() {
    let pair = filled().await;
    let job = Job::new(json!({"windows": {"catch_up": "none"}})).at("first", "2024-01-06T02:00:00.000Z");
    assert_eq!(planned_days(&pair, &job, json!({})).await, [5]);
    pair.execute(&job, json!({})).await;
    assert_eq!(planned_days(&pair, &job, json!({})).await, [0; 0]);
}

#[tokio::test]
async fn a_backfill_copies_what_it_is_told_and_moves_nothing() {
    let pair = filled().await;
    let job = Job::new(json!({})).at("first", "2024-01-06T02:00:00.000Z");
    pair.execute(&job, json!({"from": "2024-01-03", "to": "2024-01-05"})).await;
    assert_eq!(planned_days(&pair, &job, json!({})).await, [1, 2, 5]);
    let range = json!({"from": "2024-01-02", "to": "2024-01-06T00:00:00Z"});
    assert_eq!(planned_days(&pair, &job, range).await, [2, 3, 4, 5]);
    let missing = json!({"from": "2024-01-02", "to": "2024-01-06", "only_missing": true});
    assert_eq!(planned_days(&pair, &job, missing).await, [2, 5]);
}

#[tokio::test]
async fn what_a_window_was_copied_for_must_still_be_so() {
    let pair = filled().await;
    let job = Job::new(json!({})).at("first", "2024-01-04T02:00:00.000Z");
    pair.execute(&job, json!({})).await;
    assert_eq!(planned_days(&pair, &job, json!({})).await, [0; 0]);
    // Rows went without us.
    sql(&pair.target, "delete from t where id = 30").await;
    assert_eq!(planned_days(&pair, &job, json!({})).await, [2]);
    // Another spec.
    let other = Job { spec: Job::new(json!({"source": {"columns": ["id", "at"]}})).spec, ..job.clone() };
    assert_eq!(planned_days(&pair, &other, json!({})).await, [1, 2, 3]);
    // Another database of the same form.
    let elsewhere = Pair { source: filled().await.source, target: pair.target.clone() };
    assert_eq!(planned_days(&elsewhere, &job, json!({})).await, [1, 2, 3]);
    // Another table.
    sql(&pair.target, &format!("drop table t; {TABLE}")).await;
    assert_eq!(planned_days(&pair, &job, json!({})).await, [1, 2, 3]);
    let (_, concluded) = pair.execute(&job.again("second"), json!({})).await;
    assert!(concluded.failed.is_empty());
    sql(&pair.target, "truncate t").await;
    assert_eq!(planned_days(&pair, &job, json!({})).await, [1, 2, 3]);
    // Windows of another length take the place of the old ones.
    let weeks = Job {
        spec: Job::new(json!({"windows": {"window": "1 week"}})).spec,
        ..job.at("third", "2024-01-08T02:00:00.000Z")
    };
    let (outputs, concluded) = pair.execute(&weeks, json!({})).await;
    assert!(concluded.failed.is_empty(), "{outputs:?}");
    assert_eq!(texts(&pair.target, "select execution from sluice.windows").await, [weeks.execution.id.as_str()]);
    let (outputs, concluded) = pair.execute(&job.at("fourth", "2024-01-04T02:00:00.000Z"), json!({})).await;
    assert!(concluded.failed.is_empty(), "{outputs:?}");
}

/// Newer ones by their rows, older ones by whether they have any: a table of years is not counted each night. Without
/// an index it would be read for each window, so then all are counted at once.
#[tokio::test]
async fn windows_that_the_target_lost_are_missing() {
    let pair = filled().await;
    let windows = json!({"windows": {"max_windows": 2, "recheck_windows": 1}});
    let job = Job::new(windows).at("first", "2024-01-11T02:00:00.000Z");
    // Of the third day there is nothing to copy.
    sql(&pair.source, "delete from t where at::date = '2024-01-03'").await;
    pair.execute(&job, json!({"from": "2024-01-01", "to": "2024-01-11"})).await;
    let days = async |name: &str| {
        let planned = pair.plan(&job.again(name), json!({})).await.unwrap().plan.windows;
        let missing = planned.into_iter().filter(|planned| !planned.recheck);
        days(&missing.map(|planned| planned.window.unwrap().start).collect::<Vec<_>>())
    };
    assert_eq!(days("second").await, [0; 0]);
    // A row of each: of the eighth day and later ones that is noticed.
    sql(&pair.target, "delete from t where id % 24 = 7 and id / 24 in (1, 6, 7)").await;
    assert_eq!(days("third").await, [8]);
    // All of one, and some in one that had none.
    sql(&pair.target, "delete from t where id / 24 = 1; insert into t values (1000, '2024-01-03 12:00Z')").await;
    assert_eq!(days("fourth").await, [2, 3]);
    sql(&pair.target, "drop index t_at_idx").await;
    let all = Job { spec: Job::new(json!({})).spec, ..job.clone() };
    assert_eq!(planned_days(&pair, &all.again("fifth"), json!({})).await, [2, 3, 7, 8]);
}

/// What the target got columns for later, its older windows lack; also if a column was dropped and made anew.
#[tokio::test]
async fn windows_that_were_copied_with_other_columns_are_missing() {
    for target in [json!({"new_column": "ignore"}), json!({"new_column": "ignore", "mode": "upsert"})] {
        let pair = filled().await;
        sql(&pair.source, "alter table t add more text default 'more'").await;
        let job = Job::new(json!({"target": target})).at("first", "2024-01-04T02:00:00.000Z");
        pair.execute(&job, json!({})).await;
        assert_eq!(planned_days(&pair, &job, json!({})).await, [0; 0]);
        for (number, change) in ["add more text", "drop more, add more text"].into_iter().enumerate() {
            sql(&pair.target, &format!("alter table t {change}")).await;
            assert_eq!(planned_days(&pair, &job, json!({})).await, [1, 2, 3], "{target} {change}");
            let (_, concluded) = pair.execute(&job.again(&format!("run-{number}")), json!({})).await;
            assert!(concluded.failed.is_empty());
            assert_eq!(planned_days(&pair, &job, json!({})).await, [0; 0], "{target} {change}");
            assert_eq!(texts(&pair.target, "select count(more)::text from t").await, ["72"]);
        }
    }
    // A comparison sees the columns of now.
    let pair = filled().await;
    let job =
        Job::new(json!({"target": {"new_column": "ignore"}, "windows": {"recheck_windows": 2, "max_windows": 1}}))
            .at("first", "2024-01-04T02:00:00.000Z");
    pair.execute(&job, json!({"from": "2024-01-01", "to": "2024-01-04"})).await;
    for side in [&pair.source, &pair.target] {
        sql(side, "alter table t add more text").await;
    }
    pair.execute(&job.again("second"), json!({})).await;
    assert_eq!(planned_days(&pair, &Job { spec: Job::new(json!({})).spec, ..job }, json!({})).await, [0; 0]);
}

/// Names that queries of ours use themselves.
#[tokio::test]
async fn a_table_may_have_any_name() {
    let pair = filled().await;
    for side in [&pair.source, &pair.target] {
        sql(side, "alter table t rename to edge; alter table edge rename at to first; alter table edge add rows int")
            .await;
    }
    let names = json!({"source": {"table": "edge"}, "target": {"table": "edge"}, "windows": {"cursor": "first"}});
    let job = Job::new(names).at("first", "2024-01-04T02:00:00.000Z");
    for (name, days) in [("first", 3), ("second", 0)] {
        let (_, concluded) = pair.execute(&job.again(name), json!({})).await;
        assert_eq!((concluded.failed.len(), concluded.output.windows), (0, days));
    }
    assert_eq!(texts(&pair.target, "select count(*)::text from edge").await, ["72"]);
}

/// Rows move from window to window there, but none goes.
#[tokio::test]
async fn after_upserts_a_table_without_a_row_was_emptied() {
    let pair = filled().await;
    sql(&pair.source, "delete from t where at::date = '2024-01-02'").await;
    let job = Job::new(json!({"target": {"mode": "upsert"}})).at("first", "2024-01-04T02:00:00.000Z");
    pair.execute(&job, json!({})).await;
    sql(&pair.target, "delete from t where id <> 5").await;
    assert_eq!(planned_days(&pair, &job, json!({})).await, [0; 0]);
    sql(&pair.target, "truncate t").await;
    assert_eq!(planned_days(&pair, &job, json!({})).await, [1, 3], "the second never had one");
    pair.execute(&job.again("second"), json!({})).await;
    assert_equal_days(&pair).await;
}

/// The first three days of both sides.
async fn assert_equal_days(pair: &Pair) {
    let of = "select t::text from t where at < '2024-01-04' order by 1";
    assert_eq!(texts(&pair.source, of).await, texts(&pair.target, of).await);
}

#[tokio::test]
async fn windows_that_are_there_are_compared_and_copied_if_they_differ() {
    let pair = filled().await;
    let job = Job::new(json!({"windows": {"recheck_windows": 2}})).at("first", "2024-01-05T02:00:00.000Z");
    pair.execute(&job, json!({})).await;
    sql(&pair.source, "update t set name = 'changed' where id in (5, 60); delete from t where id = 61").await;
    let second = job.at("second", "2024-01-06T02:00:00.000Z");
    let planned = pair.plan(&second, json!({})).await.unwrap();
    let rechecked: Vec<_> = planned.plan.windows.iter().map(|planned| planned.recheck).collect();
    assert_eq!(rechecked, [true, true, false], "{:?}", planned.plan.windows);
    let (outputs, concluded) = pair.execute(&second, json!({})).await;
    assert!(concluded.failed.is_empty());
    let outcomes: Vec<_> = outputs.into_iter().map(|output| output.unwrap()).collect();
    assert_eq!(outcomes[0].outcome, Outcome::Copied);
    assert_eq!(counts(&outcomes[0]), [0, 1, 1, 22]);
    assert_eq!((outcomes[1].outcome, counts(&outcomes[1])), (Outcome::Unchanged, [0, 0, 0, 24]));
    // What lies further back is not looked at.
    assert_eq!(texts(&pair.target, "select name from t where id in (5, 60) order by id").await, ["n5", "changed"]);
}

#[tokio::test]
async fn a_comparison_says_what_differs_and_writes_nothing() {
    let pair = filled().await;
    let job = Job::new(json!({})).at("first", "2024-01-04T02:00:00.000Z");
    pair.execute(&job, json!({})).await;
    let range = json!({"verify": {"from": "2024-01-01", "to": "2024-01-04"}});
    let (outputs, concluded) = pair.execute(&job.again("second"), range.clone()).await;
    assert!(concluded.failed.is_empty());
    assert!(outputs.iter().all(|output| output.as_ref().unwrap().outcome == Outcome::Equal));
    sql(&pair.target, "update t set name = 'n30 ' where id = 30").await;
    let before =
        texts(&pair.target, "select t::text || xmin from t union all select w::text from sluice.windows w").await;
    let (outputs, concluded) = pair.execute(&job.again("third"), range).await;
    assert_eq!(concluded.output.purpose, Purpose::Verify);
    assert_eq!(concluded.failed.into_keys().collect::<Vec<_>>(), [1]);
    let error = outputs[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidSource);
    assert!(error.to_string().contains("public.t 2024-01-02T00:00:00Z/2024-01-03T00:00:00Z differs"), "{error}");
    let after =
        texts(&pair.target, "select t::text || xmin from t union all select w::text from sluice.windows w").await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let pair = filled().await;
    sql(&pair.source, "analyze t; alter table t add extra int").await;
    let job = Job::new(json!({"target": {"new_column": "ignore"}})).at("first", "2024-01-04T02:00:00.000Z");
    let planned = pair.plan(&job, json!({"dry_run": true})).await.unwrap();
    let output = planned.output;
    assert_eq!((output.window_count, output.windows.len()), (3, 0));
    assert_eq!(
        (output.from.as_deref(), output.to.as_deref()),
        (Some("2024-01-01T00:00:00Z"), Some("2024-01-04T00:00:00Z"))
    );
    assert_eq!((output.columns.count, output.columns.format.as_str()), (4, "binary"));
    assert_eq!(output.columns.ignored, ["extra"]);
    assert!(output.rows_estimated.is_some_and(|rows| (60..90).contains(&rows)), "{:?}", output.rows_estimated);
    assert!(output.bytes_estimated > output.rows_estimated);
    assert_eq!(texts(&pair.target, "select nspname::text from pg_namespace where nspname = 'sluice'").await, [""; 0]);
}

#[tokio::test]
async fn times_that_are_no_bounds_are_refused() {
    let pair = filled().await;
    let job = Job::new(json!({})).at("first", "2024-01-06T02:00:00.000Z");
    for (from, to, expected) in [
        ("2024-01-01T06:00:00Z", "2024-01-02", "2024-01-01T00:00:00Z and 2024-01-02T00:00:00Z are next to it"),
        ("2024-01-02", "2024-01-02", "from is not before to"),
        ("2024-01-02", "2024-01-07", "beyond 2024-01-06T00:00:00Z"),
        (
            "2020-01-01",
            "2024-01-01",
            "1461 windows are more than an execution can have, 1000; begin with from \
                                      2020-01-01T00:00:00Z to 2022-09-27T00:00:00Z",
        ),
    ] {
        let error = pair.plan(&job, json!({"from": from, "to": to})).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidEvent, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let whole = Job::whole(json!({}));
    let error = pair.plan(&whole, json!({"from": "2024-01-01", "to": "2024-01-02"})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidEvent);
    let zone = Job::new(json!({"windows": {"zone": "Mars/Olympus"}}));
    let error = pair.plan(&zone, json!({})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
}

#[tokio::test]
async fn rows_that_are_in_no_window_are_counted() {
    let pair = Pair::new("create table t (id int primary key, at timestamptz)").await;
    sql(&pair.source, "insert into t values (1, null), (2, 'infinity'), (3, '-infinity'), (4, '2024-01-01')").await;
    let job = Job::new(json!({}));
    let error = pair.plan(&job, json!({})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidSource);
    assert!(error.to_string().contains("1 rows in which \"at\" is NULL and 2 in which it is infinite"), "{error}");
    let job = Job::new(json!({"windows": {"cursor_null": "ignore"}}));
    let planned = pair.plan(&job, json!({})).await.unwrap();
    assert_eq!(planned.output.columns.rows_without_window, 3);
    assert_eq!(planned.output.warnings.len(), 2, "neither side has an index");
}

/// A column may be NOT NULL and have a NULL all the same: in a table that inherits, in a foreign one, and, from 18 on,
/// by a constraint that is not valid.
#[tokio::test]
async fn null_is_looked_for_where_a_column_only_claims_to_have_none() {
    let pair = Pair::new("create table t (id int primary key, at timestamptz not null)").await;
    sql(
        &pair.source,
        "do $$ begin
             if current_setting('server_version_num')::int >= 180000 then
                 alter table t alter at drop not null;
                 insert into t values (1, null);
                 execute 'alter table t add constraint claimed not null at not valid';
             else
                 create table child () inherits (t);
                 alter table child alter at drop not null;
                 insert into child values (1, null);
             end if;
         end $$",
    )
    .await;
    let claim = "select attnotnull::text from pg_attribute where attrelid = 't'::regclass and attname = 'at'";
    assert_eq!(texts(&pair.source, claim).await, ["true"]);
    let error = pair.plan(&Job::new(json!({})), json!({})).await.unwrap_err();
    assert!(error.to_string().contains("1 rows in which \"at\" is NULL"), "{error}");
}

#[tokio::test]
async fn a_window_may_depend_on_the_one_before() {
    let pair = filled().await;
    let job = Job::new(json!({"windows": {"depends_on_past": true}})).at("first", "2024-01-05T02:00:00.000Z");
    let planned = pair.plan(&job, json!({})).await.unwrap().plan.windows;
    assert_eq!(planned[0].previous, None, "before the first there is none");
    let in_order = async |input: Value| pair.plan(&job, input).await.unwrap().output.in_order;
    assert!(in_order(json!({})).await && !in_order(json!({"verify": {}})).await);
    let error = pair.attempt(&job, &planned[1], Purpose::Load).await.unwrap_err();
    assert_eq!(error.kind(), Kind::StaleRun);
    assert!(error.to_string().contains("2024-01-01T00:00:00Z/2024-01-02T00:00:00Z, is missing"), "{error}");
    let (_, concluded) = pair.execute(&job, json!({})).await;
    assert!(concluded.failed.is_empty());
    let alone = json!({"from": "2024-01-05", "to": "2024-01-06"});
    let later = job.at("second", "2024-01-07T00:00:00.000Z");
    let (outputs, _) = pair.execute(&later, alone).await;
    assert!(outputs[0].is_ok());
    let (outputs, concluded) = pair
        .execute(&job.at("third", "2024-01-09T00:00:00.000Z"), json!({"from": "2024-01-07", "to": "2024-01-09"}))
        .await;
    let kinds: Vec<_> = outputs.iter().map(|output| output.as_ref().unwrap_err().kind()).collect();
    assert_eq!((kinds, concluded.failed.len()), (vec![Kind::StaleRun, Kind::StaleRun], 2));
}

/// What has been copied before that is gone, and no other table's.
#[tokio::test]
async fn a_target_that_is_made_anew_in_the_midst_lacks_its_first_windows() {
    let pair = filled().await;
    let job = Job::new(json!({})).at("first", "2024-01-04T02:00:00.000Z");
    let plan = pair.plan(&job, json!({})).await.unwrap().plan;
    pair.attempt(&job, &plan.windows[0], Purpose::Load).await.unwrap();
    sql(&pair.target, &format!("drop table t; {TABLE}")).await;
    for planned in &plan.windows[1..] {
        pair.attempt(&job, planned, Purpose::Load).await.unwrap();
    }
    let results: Vec<_> =
        (0..3).map(|index| WindowResult { index, error: None, rows_newer: 0, rows_only_at_target: 0 }).collect();
    let mut target = connect(&pair.target).await;
    let (execution, spec, origin) = (&job.execution, &job.spec, pair.origin());
    let concluded = conclude(&mut target, execution, spec, &origin, &plan, &results, TIME).await.unwrap();
    assert_eq!(concluded.failed.into_keys().collect::<Vec<_>>(), [0]);
    // The same plan is older than what others have done since, and costs nothing.
    let (_, concluded) = pair.execute(&job.again("second"), json!({})).await;
    assert!(concluded.failed.is_empty());
    for planned in &plan.windows {
        let output = pair.attempt(&job.again("late"), planned, Purpose::Load).await.unwrap();
        assert_eq!(counts(&output), [0, 0, 0, 24]);
    }
    assert_eq!(planned_days(&pair, &job.again("third"), json!({})).await, [0; 0]);
}
