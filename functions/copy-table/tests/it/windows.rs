//! Where windows begin and end: no row is in none, and none is in two.

use crate::support::*;
use serde_json::{Value, json};
use sluice::Kind;

/// Plans a range, and the lengths of its windows in hours.
async fn lengths(pair: &Pair, windows: Value, from: &str, to: &str) -> Vec<i64> {
    let job = Job::new(json!({"windows": windows})).at("later", "2026-01-01T00:00:00.000Z");
    let planned = pair.plan(&job, json!({"from": from, "to": to})).await.unwrap();
    let mut connection = connect(&pair.target).await;
    let mut lengths = Vec::new();
    let mut last_end = None;
    for planned in planned.plan.windows {
        let window = planned.window.unwrap();
        assert!(last_end.is_none_or(|end| end == window.start), "a gap before {window}");
        let hours: i64 =
            sqlx::query_scalar("select (extract(epoch from $2::timestamptz - $1::timestamptz) / 3600)::bigint")
                .bind(&window.start)
                .bind(&window.end)
                .fetch_one(&mut connection)
                .await
                .unwrap();
        lengths.push(hours);
        last_end = Some(window.end);
    }
    lengths
}

#[tokio::test]
async fn days_are_as_long_as_the_zone_says() {
    let pair = Pair::new(TABLE).await;
    let days = |zone: &str| json!({"zone": zone, "start": "2010-01-01"});
    for (zone, from, to, expected) in [
        ("UTC", "2024-03-09", "2024-03-12", vec![24, 24, 24]),
        ("America/New_York", "2024-03-09", "2024-03-12", vec![24, 23, 24]),
        ("America/New_York", "2024-11-02", "2024-11-05", vec![24, 25, 24]),
        // Midnight does not exist, or comes twice; then it is the second one.
        ("America/Sao_Paulo", "2018-11-03", "2018-11-06", vec![24, 23, 24]),
        ("America/Sao_Paulo", "2018-02-16", "2018-02-19", vec![24, 25, 24]),
        ("America/Havana", "2024-03-09", "2024-03-12", vec![24, 23, 24]),
        ("America/Havana", "2024-11-02", "2024-11-05", vec![25, 24, 24]),
        // A day does not exist.
        ("Pacific/Apia", "2011-12-28", "2012-01-01", vec![24, 24, 24]),
        ("Asia/Kathmandu", "2024-01-01", "2024-01-03", vec![24, 24]),
    ] {
        assert_eq!(lengths(&pair, days(zone), from, to).await, expected, "{zone} {from}");
    }
    for (window, zone, from, to, expected) in [
        ("1 month", "Europe/Berlin", "2024-02-01", "2024-05-01", vec![29 * 24, 31 * 24 - 1, 30 * 24]),
        ("1 week", "Europe/Berlin", "2024-03-25", "2024-04-08", vec![7 * 24 - 1, 7 * 24]),
        // An hour is an hour: the day of the change has 23.
        ("12 hours", "UTC", "2024-03-31", "2024-04-01", vec![12, 12]),
        ("1 hour", "Europe/Berlin", "2024-03-31", "2024-04-01", vec![1; 23]),
    ] {
        let windows = json!({"zone": zone, "window": window, "start": "2024-01-01"});
        assert_eq!(lengths(&pair, windows, from, to).await, expected, "{window}");
    }
    // Before the start, too.
    assert_eq!(lengths(&pair, json!({"start": "2024-03-01"}), "2023-12-31", "2024-01-02").await, [24, 24]);
    let months = json!({"start": "2024-03-01", "window": "2 months"});
    assert_eq!(lengths(&pair, months, "2023-11-01", "2024-03-01").await, [61 * 24, 60 * 24]);
}

/// Every quarter of an hour around both changes is copied by exactly one window, whatever type the cursor has.
#[tokio::test]
async fn each_row_is_in_one_window_whatever_the_cursor_is() {
    for (cursor, expression) in [
        ("timestamptz", "instant"),
        ("timestamp", "instant at time zone 'America/New_York'"),
        ("date", "(instant at time zone 'America/New_York')::date"),
    ] {
        let pair = Pair::new(&format!("create table t (id int primary key, at {cursor} not null, c text)")).await;
        sql(
            &pair.source,
            &format!(
                "insert into t select row_number() over (), {expression}, 'x' from (
                     select generate_series('2024-03-08 05:00Z', '2024-03-13 03:45Z', interval '15 minutes')
                     union all
                     select generate_series('2024-11-01 04:00Z', '2024-11-06 04:45Z', interval '15 minutes')
                 ) instants (instant)"
            ),
        )
        .await;
        let job = Job::new(json!({"windows": {"zone": "America/New_York"}})).at("first", "2025-01-01T00:00:00.000Z");
        let mut copied = Vec::new();
        for (from, to) in [("2024-03-08", "2024-03-13"), ("2024-11-01", "2024-11-06")] {
            let (outputs, concluded) = pair.execute(&job, json!({"from": from, "to": to})).await;
            assert!(concluded.failed.is_empty(), "{:?}", concluded.failed);
            copied.extend(outputs.into_iter().map(|output| output.unwrap().rows_inserted));
        }
        assert_eq!(copied, [96, 96, 92, 96, 96, 96, 96, 100, 96, 96], "{cursor}");
        assert_equal(&pair).await;
    }
}

/// On 4 November 2018 the clocks of São Paulo went from midnight to one o'clock, so that midnight is no time there;
/// those of Apia left out 30 December 2011. What is stored with such a time belongs to one window, the same on both
/// sides, whatever it becomes there.
#[tokio::test]
async fn times_that_a_clock_never_shows_are_in_one_window_of_both_sides() {
    for (theirs, ours) in
        [("date", "timestamp"), ("date", "date"), ("timestamp", "timestamp"), ("timestamp", "timestamptz")]
    {
        for (zone, first, to) in
            [("America/Sao_Paulo", "2018-11-03", "2018-11-06"), ("Pacific/Apia", "2011-12-29", "2012-01-01")]
        {
            let pair = Pair::of(["", ""]).await;
            for (side, cursor) in [(&pair.source, theirs), (&pair.target, ours)] {
                sql(side, &format!("create table t (id int primary key, at {cursor} not null)")).await;
            }
            sql(
                &pair.source,
                &format!(
                    "insert into t select i, timestamp '{first}' + i * interval '30 minutes' from generate_series(0, 143) i"
                ),
            )
            .await;
            let job = Job::new(json!({"windows": {"zone": zone, "start": "2010-01-01"}}))
                .at("first", "2019-01-01T00:00:00.000Z");
            let (outputs, concluded) = pair.execute(&job, json!({"from": first, "to": to})).await;
            assert!(concluded.failed.is_empty(), "{theirs} to {ours} in {zone}: {outputs:?}");
            let copied: u64 = outputs.into_iter().map(|output| output.unwrap().rows_inserted).sum();
            assert_eq!(copied, 144, "{theirs} to {ours} in {zone}");
            let missing = json!({"from": first, "to": to, "only_missing": true});
            assert_eq!(pair.planned(&job.again("second"), missing).await, [""; 0], "{theirs} to {ours} in {zone}");
        }
    }
}

/// On 3 November 2024 the clocks of Havana went back from one o'clock to midnight, so that a quarter past midnight is
/// in the day before and in that day. Those of the Azores do that each October.
#[tokio::test]
async fn instants_are_not_told_by_a_clock_that_is_set_back_over_midnight() {
    for (theirs, ours, zone, is_refused) in [
        ("timestamptz", "timestamp", "America/Havana", true),
        ("timestamptz", "timestamp", "Atlantic/Azores", true),
        // From midnight to eleven: midnight itself comes once.
        ("timestamptz", "timestamp", "America/Sao_Paulo", false),
        ("timestamptz", "timestamp", "America/New_York", false),
        ("timestamptz", "timestamp", "UTC", false),
        ("timestamptz", "timestamptz", "America/Havana", false),
        ("timestamp", "timestamp", "America/Havana", false),
        ("timestamp", "timestamptz", "America/Havana", false),
    ] {
        let pair = Pair::of(["", ""]).await;
        for (side, cursor) in [(&pair.source, theirs), (&pair.target, ours)] {
            sql(side, &format!("create table t (id int primary key, at {cursor} not null)")).await;
        }
        sql(
            &pair.source,
            "insert into t select row_number() over (), instant from (
                 select generate_series(timestamptz '2018-02-16 12:00Z', '2018-02-19 12:00Z', interval '20 minutes')
                 union all
                 select generate_series(timestamptz '2018-11-02 12:00Z', '2018-11-06 12:00Z', interval '20 minutes')
             ) instants (instant)",
        )
        .await;
        let job = Job::new(json!({"windows": {"zone": zone, "start": "2018-02-01"}}));
        let job = job.at("first", "2018-12-01T00:00:00.000Z");
        let planned = pair.plan(&job, json!({"from": "2018-02-01", "to": "2018-02-02"})).await;
        assert_eq!(planned.is_err(), is_refused, "{theirs} to {ours} in {zone}: {planned:?}");
        if let Err(error) = planned {
            assert_eq!(error.kind(), Kind::Misconfigured);
            assert!(error.to_string().contains("00:00, where a window begins"), "{error}");
            continue;
        }
        for (from, to) in [("2018-02-15", "2018-02-21"), ("2018-11-01", "2018-11-08")] {
            let (outputs, concluded) = pair.execute(&job, json!({"from": from, "to": to})).await;
            assert!(concluded.failed.is_empty(), "{theirs} to {ours} in {zone}: {outputs:?}");
        }
        assert_eq!(texts(&pair.target, "select count(*)::text from t").await, ["506"], "{theirs} to {ours} in {zone}");
    }
}

#[tokio::test]
async fn a_cursor_may_have_another_type_at_the_target() {
    let pair = Pair::of(["", ""]).await;
    sql(&pair.source, "create table t (id int primary key, at timestamp not null)").await;
    sql(&pair.target, "create table t (id int primary key, at timestamptz not null)").await;
    sql(
        &pair.source,
        "insert into t select i, '2024-01-01'::timestamp + i * interval '1 hour' from generate_series(0, 47) i",
    )
    .await;
    let job = Job::new(json!({"windows": {"zone": "Asia/Tokyo"}}));
    let (outputs, _) = pair.execute(&job, json!({"from": "2024-01-01", "to": "2024-01-03"})).await;
    let copied: Vec<_> = outputs.into_iter().map(|output| counts(&output.unwrap())).collect();
    assert_eq!(copied, [[24, 0, 0, 0], [24, 0, 0, 0]]);
    assert_eq!(texts(&pair.target, "select min(at)::text from t").await, ["2023-12-31 15:00:00+00"]);
}

#[tokio::test]
async fn hours_of_a_clock_that_is_set_back_are_refused() {
    for (cursor, zone, is_refused) in [
        ("timestamp", "Europe/Berlin", true),
        ("timestamp", "UTC", false),
        ("date", "UTC", true),
        ("timestamptz", "Europe/Berlin", false),
    ] {
        let pair = Pair::new(&format!("create table t (id int primary key, at {cursor} not null)")).await;
        let job = Job::new(json!({"windows": {"zone": zone, "window": "1 hour"}}));
        let planned = pair.plan(&job, json!({})).await;
        assert_eq!(planned.is_err(), is_refused, "{cursor} in {zone}: {planned:?}");
    }
}
