//! Windows that one call could not copy go in parts, and are whole windows all the same.

use crate::support::*;
use serde_json::json;
use sluice::contract::copy_table::Outcome;

/// Three days with a row an hour, of which PostgreSQL knows how many there are.
async fn filled() -> Pair {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, 71)).await;
    sql(&pair.source, "analyze t").await;
    pair
}

/// A job that copies less than half a day at once.
fn small(changes: serde_json::Value) -> Job {
    Job { max_window_bytes: 300, ..Job::new(changes) }.at("first", "2024-01-04T02:00:00.000Z")
}

const RECORDED: &str = "select format('%s %s', to_char(window_end - window_start, 'HH24:MI:SS'), rows) \
                        from sluice.windows order by window_start, window_end";

#[tokio::test]
async fn the_parts_of_a_window_make_the_window() {
    let pair = filled().await;
    let job = small(json!({}));
    let planned = pair.plan(&job, json!({})).await.unwrap();
    let windows: Vec<_> = planned.plan.windows.iter().map(|planned| planned.window.clone().unwrap()).collect();
    assert!(windows.len() >= 6, "{windows:?}");
    assert_eq!(
        (windows[0].start.as_str(), windows.last().unwrap().end.as_str()),
        ("2024-01-01T00:00:00Z", "2024-01-04T00:00:00Z")
    );
    assert!(windows.windows(2).all(|both| both[0].end == both[1].start), "{windows:?}");
    let (outputs, concluded) = pair.execute(&job, json!({})).await;
    assert!(concluded.failed.is_empty(), "{:?}", concluded.failed);
    assert_eq!((outputs.len(), concluded.output.rows), (windows.len(), 72));
    assert_equal(&pair).await;
    assert_eq!(texts(&pair.target, RECORDED).await.len(), windows.len());
    // Whole days are asked for, and there.
    let large = Job { max_window_bytes: 4 << 30, ..job.clone() };
    assert_eq!(pair.planned(&large, json!({})).await, [""; 0]);
    assert_eq!(pair.planned(&job, json!({})).await, [""; 0]);
    // A row that is gone from a part is gone from the day.
    sql(&pair.target, "delete from t where id = 47").await;
    assert_eq!(pair.planned(&large, json!({})).await, ["2024-01-02T00:00:00Z"]);
    let (outputs, concluded) = pair.execute(&large.again("second"), json!({})).await;
    assert!(concluded.failed.is_empty(), "{:?}", concluded.failed);
    assert_eq!(counts(outputs[0].as_ref().unwrap()), [1, 0, 0, 23]);
    let recorded = texts(&pair.target, RECORDED).await;
    assert!(recorded.contains(&"00:00:00 24".to_owned()), "a row for the day, and none for its parts: {recorded:?}");
    assert_eq!(pair.planned(&job, json!({})).await, [""; 0]);
}

#[tokio::test]
async fn a_day_whose_part_failed_is_missing() {
    let pair = filled().await;
    sql(&pair.target, "alter table t add constraint no check (id <> 47)").await;
    let job = small(json!({}));
    let (_, concluded) = pair.execute(&job, json!({})).await;
    assert_eq!(concluded.failed.len(), 1);
    sql(&pair.target, "alter table t drop constraint no").await;
    let large = Job { max_window_bytes: 4 << 30, ..job };
    assert_eq!(pair.planned(&large, json!({})).await, ["2024-01-02T00:00:00Z"]);
    let (_, concluded) = pair.execute(&large.again("second"), json!({})).await;
    assert!(concluded.failed.is_empty(), "{:?}", concluded.failed);
    assert_equal(&pair).await;
}

/// What was copied as a whole is compared in parts once it has grown, and the other way round.
#[tokio::test]
async fn windows_are_compared_in_parts_and_parts_as_windows() {
    let pair = filled().await;
    let small = small(json!({"windows": {"recheck_windows": 2}}));
    let large = Job { max_window_bytes: 4 << 30, ..small.clone() };
    for (number, job) in [&large, &small, &large, &small].into_iter().enumerate() {
        sql(&pair.source, &format!("update t set name = 'new' || {number} where id = 30")).await;
        let (outputs, concluded) = pair.execute(&job.again(&format!("run-{number}")), json!({})).await;
        assert!(concluded.failed.is_empty(), "run {number}: {outputs:?}");
        let copied = outputs.iter().filter(|output| output.as_ref().unwrap().outcome == Outcome::Copied).count();
        assert_eq!(copied, if number == 0 { 3 } else { 1 }, "run {number}: {outputs:?}");
        assert_equal(&pair).await;
        assert_eq!(
            pair.plan(&large, json!({})).await.unwrap().plan.windows.iter().filter(|planned| !planned.recheck).count(),
            0
        );
    }
}

/// As it grows or shrinks, or as PostgreSQL estimates its rows anew.
#[tokio::test]
async fn a_day_is_cut_in_other_parts_than_before() {
    let pair = filled().await;
    let job = small(json!({"windows": {"recheck_windows": 3}}));
    let mut before = 0;
    for (number, bytes) in [300, 200, 450, 100, 300].into_iter().enumerate() {
        sql(&pair.source, &format!("update t set name = 'new' || {number} where id = 30")).await;
        let job = Job { max_window_bytes: bytes, ..job.again(&format!("run-{number}")) };
        let (outputs, concluded) = pair.execute(&job, json!({})).await;
        assert!(concluded.failed.is_empty(), "run {number}: {outputs:?}");
        assert_ne!(outputs.len(), before, "run {number}: the days are cut as before");
        before = outputs.len();
        assert_equal(&pair).await;
        let whole = Job { max_window_bytes: 4 << 30, ..job };
        let planned = pair.plan(&whole, json!({})).await.unwrap().plan.windows;
        assert!(planned.iter().all(|planned| planned.recheck), "run {number}: {planned:?}");
    }
}

#[tokio::test]
async fn each_part_depends_on_the_one_before() {
    let pair = filled().await;
    let job = small(json!({"windows": {"depends_on_past": true}}));
    let planned = pair.plan(&job, json!({})).await.unwrap().plan.windows;
    for both in planned.windows(2) {
        let (before, this) = (both[0].window.as_ref().unwrap(), &both[1]);
        let previous = this.previous.as_ref().unwrap();
        assert_eq!(previous.end, this.window.as_ref().unwrap().start);
        assert_eq!(&previous.end, &before.end);
    }
    let (outputs, concluded) = pair.execute(&job, json!({})).await;
    assert!(concluded.failed.is_empty(), "{outputs:?}");
    assert_equal(&pair).await;
}

#[tokio::test]
async fn a_day_of_a_calendar_is_not_cut() {
    let pair = Pair::new("create table t (id int primary key, at date not null, c text)").await;
    sql(&pair.source, "insert into t select i, '2024-01-01', 'x' from generate_series(1, 50) i; analyze t").await;
    let planned = pair.plan(&small(json!({})), json!({"from": "2024-01-01", "to": "2024-01-02"})).await.unwrap();
    assert_eq!(planned.output.window_count, 1);
    let warning = planned.output.warnings.iter().find(|warning| warning.contains("cannot be cut"));
    assert!(warning.is_some_and(|warning| warning.contains("2024-01-01T00:00:00Z/2024-01-02T00:00:00Z")));
}
