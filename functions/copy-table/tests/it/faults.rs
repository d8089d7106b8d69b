//! Attempts that die, freeze, or meet others.

use crate::support::*;
use copy_table::copy::Attempt;
use copy_table::pump::Progress;
use copy_table::session::{Sessions, Side};
use serde_json::json;
use sluice::Kind;
use sluice::contract::copy_table::{CopyOutput, PlannedWindow, Purpose};
use sqlx::PgConnection;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Lets a future run until it has been polled so many times; `None` if it has not ended by then.
pub(crate) async fn polled<F: Future>(mut future: Pin<&mut F>, times: usize) -> Option<F::Output> {
    let mut left = times;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // Nobody else would wake us for the last time.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// What an attempt holds, so that it can be stopped at any place.
pub(crate) struct Held {
    pub source: PgConnection,
    pub target: PgConnection,
    pub progress: Progress,
    origin: String,
}

impl Held {
    pub(crate) async fn new(pair: &Pair, job: &Job, planned: &PlannedWindow) -> Self {
        let sessions = Sessions::new(&job.execution, planned.window.as_ref());
        Self {
            source: connect_as(&pair.source, &sessions.name(Side::Source)).await,
            target: connect_as(&pair.target, &sessions.name(Side::Target)).await,
            progress: Progress::default(),
            origin: pair.origin(),
        }
    }

    pub(crate) async fn run(&mut self, job: &Job, planned: &PlannedWindow) -> sluice::Result<CopyOutput> {
        let attempt = Attempt {
            execution: &job.execution,
            spec: &job.spec,
            origin: &self.origin,
            purpose: Purpose::Load,
            planned,
            max_row_bytes: 64 << 20,
            max_whole_bytes: 4 << 30,
            time_left: TIME,
        };
        attempt.run(&mut self.source, &mut self.target, &self.progress).await
    }
}

const DAY: [&str; 2] = ["2024-01-02", "2024-01-03"];

/// Many rows in one day, so that a copy is stopped in its midst.
pub(crate) async fn many() -> Pair {
    let pair = Pair::new(TABLE).await;
    sql(
        &pair.source,
        "insert into t select i, timestamptz '2024-01-02 00:00Z' + i * interval '1 s', repeat('x', 200), i from generate_series(1, 80000) i",
    )
    .await;
    pair
}

/// Whether a session of the target is in the midst of a COPY into it.
pub(crate) async fn is_copying(pair: &Pair) -> bool {
    let copying = "select pid::text from pg_stat_activity where datname = current_database() \
                   and query like 'copy % from stdin%' and state = 'active' and wait_event = 'ClientRead'";
    !texts(&pair.target, copying).await.is_empty()
}

/// Whether one of the source's sends rows that nobody takes.
pub(crate) async fn is_reading(pair: &Pair) -> bool {
    let reading = "select pid::text from pg_stat_activity where datname = current_database() \
                   and query like 'copy (%' and state = 'active' and wait_event = 'ClientWrite'";
    !texts(&pair.source, reading).await.is_empty()
}

/// A function that Lambda has frozen still holds its connection, and its locks: no timeout of the server sees that.
#[tokio::test]
async fn a_frozen_attempt_is_gone_when_the_next_one_comes() {
    let pair = many().await;
    let (job, planned) = (Job::new(json!({})), window(DAY[0], DAY[1]));
    let mut held = Held::new(&pair, &job, &planned).await;
    let mut frozen = Box::pin(held.run(&job, &planned));
    while !is_copying(&pair).await {
        assert!(polled(frozen.as_mut(), 1).await.is_none(), "it ended before it was in the midst of its copy");
    }
    let started = Instant::now();
    let output = pair.attempt(&job, &planned, Purpose::Load).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(counts(&output), [80_000, 0, 0, 0]);
    let error = frozen.await.unwrap_err();
    assert_eq!(error.kind(), Kind::TransientFailure, "{error}");
    assert_equal(&pair).await;
}

/// All of its rows are there and verified, so nothing more is asked of it.
#[tokio::test]
async fn a_source_that_dies_after_its_last_row_costs_no_window() {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(24, 47)).await;
    // At the end of the COPY, when the source has sent all.
    sql(
        &pair.target,
        "create function waits() returns trigger language plpgsql as \
         $$ begin perform pg_advisory_xact_lock(1, 2); return null; end $$;
         create trigger waits after insert on t for each statement execute function waits()",
    )
    .await;
    let mut holder = connect(&pair.target).await;
    run(&mut holder, "select pg_advisory_lock(1, 2)").await;
    let ended = async {
        let waiting = "select pid::text from pg_stat_activity where datname = current_database() and \
                       wait_event_type = 'Lock' and wait_event = 'advisory'";
        while texts(&pair.target, waiting).await.is_empty() {
            tokio::task::yield_now().await;
        }
        let ended = "select pg_terminate_backend(pid)::text from pg_stat_activity where datname = current_database() \
                     and starts_with(application_name, 'sluice ')";
        assert_eq!(texts(&pair.source, ended).await, ["true"]);
        while !texts(&pair.source, SESSIONS).await.is_empty() {}
        run(&mut holder, "select pg_advisory_unlock(1, 2)").await;
    };
    let (job, planned) = (Job::new(json!({})), window(DAY[0], DAY[1]));
    let (output, ()) = tokio::join!(pair.attempt(&job, &planned, Purpose::Load), ended);
    assert_eq!(counts(&output.unwrap()), [24, 0, 0, 0]);
    assert_equal(&pair).await;
    assert_eq!(texts(&pair.target, "select count(*)::text from sluice.windows").await, ["1"]);
}

/// It may be at work, so it is waited for.
#[tokio::test]
async fn another_execution_waits_and_does_not_end_the_first_one() {
    let pair = many().await;
    let (job, planned) = (Job::new(json!({})), window(DAY[0], DAY[1]));
    let mut held = Held::new(&pair, &job, &planned).await;
    let mut first = Box::pin(held.run(&job, &planned));
    while !is_copying(&pair).await {
        assert!(polled(first.as_mut(), 1).await.is_none());
    }
    let short = Duration::from_millis(100);
    let error = pair.attempt_within(&job.again("second"), &planned, Purpose::Load, short).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LockHeld, "{error}");
    assert!(error.to_string().contains("is being loaded by another run"), "{error}");
    first.await.unwrap();
    let second = pair.attempt(&job.again("second"), &planned, Purpose::Load).await.unwrap();
    assert_eq!(counts(&second), [0, 0, 0, 80_000]);
}

#[tokio::test]
async fn twins_of_two_executions_copy_once() {
    let pair = many().await;
    let planned = window(DAY[0], DAY[1]);
    let (one, other) = (Job::new(json!({})), Job::new(json!({})).again("second"));
    let (one, other) =
        tokio::join!(pair.attempt(&one, &planned, Purpose::Load), pair.attempt(&other, &planned, Purpose::Load));
    let mut inserted = [one.unwrap().rows_inserted, other.unwrap().rows_inserted];
    inserted.sort_unstable();
    assert_eq!(inserted, [0, 80_000]);
    assert_equal(&pair).await;
}

#[tokio::test]
async fn windows_of_one_table_are_replaced_at_the_same_time() {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, 24 * 8 - 1)).await;
    let job = Job::new(json!({}));
    let planned: Vec<_> =
        (1..=8).map(|day| window(&format!("2024-01-0{day}"), &format!("2024-01-0{}", day + 1))).collect();
    let attempts = planned.iter().map(|planned| pair.attempt(&job, planned, Purpose::Load));
    let outputs = futures_util::future::join_all(attempts).await;
    assert_eq!(outputs.into_iter().map(|output| output.unwrap().rows).sum::<u64>(), 24 * 8);
    assert_equal(&pair).await;
    assert_eq!(texts(&pair.target, "select count(*)::text from sluice.windows").await, ["8"]);
}

/// Sessions of attempts that have not ended yet.
const SESSIONS: &str = "select application_name from pg_stat_activity \
                        where datname = current_database() and starts_with(application_name, 'sluice ')";

/// How many windows are recorded, whether there is a table for them or not.
const RECORDED: &str = "select case when to_regclass('sluice.windows') is null then '0' else (
    xpath('/table/row/n/text()', query_to_xml('select count(*) as n from sluice.windows', true, false, '')))[1]::text end";

/// At each of its steps: the connections are dropped, as they are when the process is killed.
#[tokio::test]
async fn an_attempt_that_is_killed_anywhere_leaves_nothing_or_everything() {
    for key in [json!(["id"]), json!([])] {
        let pair = Pair::new(TABLE).await;
        sql(&pair.source, &hourly(0, 71)).await;
        sql(&pair.target, &hourly(20, 40)).await;
        let (job, planned) = (Job::new(json!({"target": {"key": key}})), window(DAY[0], DAY[1]));
        let before = rows(&pair.target, "t").await;
        let mut kills = 0;
        for times in 1.. {
            let this = job.again(&format!("kill-{times}"));
            let mut held = Held::new(&pair, &this, &planned).await;
            let output = {
                let attempt = pin!(held.run(&this, &planned));
                polled(attempt, times).await
            };
            drop(held);
            while !texts(&pair.target, SESSIONS).await.is_empty() {}
            if texts(&pair.target, RECORDED).await != ["0"] {
                // Its answer may have got lost.
                assert!(output.is_none_or(|output| output.is_ok()));
                break;
            }
            assert!(output.is_none(), "{output:?}");
            assert_eq!(rows(&pair.target, "t").await, before, "a kill after {times} steps");
            kills = times;
        }
        assert!(kills > 0, "it was never stopped");
        assert_eq!(
            texts(&pair.target, "select count(*)::text from t where at >= '2024-01-02' and at < '2024-01-03'").await,
            ["24"]
        );
    }
}
