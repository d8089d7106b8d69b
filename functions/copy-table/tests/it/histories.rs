//! Any history of the source, any order of windows, repetitions, kills and freezes: what a copy records is equal at
//! that moment, also while others at the source have not committed, and once all windows are copied, the tables are
//! equal.

use crate::faults::{Held, polled};
use crate::support::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use sluice::Kind;
use sluice::contract::copy_table::{CopyOutput, Purpose};
use std::collections::VecDeque;
use std::pin::pin;

/// How many days there are.
const DAYS: u32 = 4;

#[derive(Clone, Debug)]
enum Step {
    /// Of a row of that number, into that hour.
    Put { id: u8, hour: u8, name: u8 },
    /// Of a row.
    Delete { id: u8 },
    /// Of a day, in the source only: as a restore or a clean-up does.
    DeleteDay { day: u32 },
    /// Somebody writes into the target.
    Disturb { id: u8, hour: u8 },
    /// A transaction of the source writes a row into that hour, and stays open.
    Open { hour: u8 },
    /// The oldest one that is open ends.
    End { commits: bool },
    /// A day is copied.
    Copy { day: u32 },
    /// The same, but its attempt is killed after so many steps, and tried again.
    Kill { day: u32, polls: usize },
    /// The same, but its attempt is frozen, and its connections stay.
    Freeze { day: u32, polls: usize },
    /// Two days are copied at the same time, by two executions; or one day twice.
    Beside { day: u32, other: u32 },
    /// All that a scheduled run would copy.
    Scheduled,
}

fn step() -> impl Strategy<Value = Step> {
    let (id, hour, day, polls) = (0..24_u8, 0..96_u8, 0..DAYS, 1..60_usize);
    prop_oneof![
        6 => (id.clone(), hour.clone(), any::<u8>()).prop_map(|(id, hour, name)| Step::Put { id, hour, name }),
        2 => id.clone().prop_map(|id| Step::Delete { id }),
        1 => day.clone().prop_map(|day| Step::DeleteDay { day }),
        1 => (id, hour.clone()).prop_map(|(id, hour)| Step::Disturb { id, hour }),
        2 => hour.prop_map(|hour| Step::Open { hour }),
        2 => any::<bool>().prop_map(|commits| Step::End { commits }),
        4 => day.clone().prop_map(|day| Step::Copy { day }),
        2 => (day.clone(), polls.clone()).prop_map(|(day, polls)| Step::Kill { day, polls }),
        1 => (day.clone(), polls).prop_map(|(day, polls)| Step::Freeze { day, polls }),
        2 => (day.clone(), day).prop_map(|(day, other)| Step::Beside { day, other }),
        2 => Just(Step::Scheduled),
    ]
}

fn put(id: u8, hour: u8, name: &str) -> String {
    format!(
        "insert into t values ({id}, timestamptz '2024-01-01Z' + interval '{hour} hours', '{name}', {id})
         on conflict (id) do update set at = excluded.at, name = excluded.name"
    )
}

fn insert(id: usize, hour: u8) -> String {
    format!("insert into t values ({id}, timestamptz '2024-01-01Z' + interval '{hour} hours', 'late', {id})")
}

fn day_window(day: u32) -> sluice::contract::copy_table::PlannedWindow {
    window(&format!("2024-01-0{}", day + 1), &format!("2024-01-0{}", day + 2))
}

/// What an execution has recorded is so: the rows of each of its windows are those that the source has committed.
async fn assert_claims(pair: &Pair, job: &Job) {
    let execution = &job.execution.id;
    let recorded = format!(
        "select format('at >= %L and at < %L/%s', window_start, window_end, rows) from sluice.windows
         where execution = '{execution}'"
    );
    for claim in texts(&pair.target, &recorded).await {
        let (condition, count) = claim.split_once('/').unwrap();
        let of = format!("select t::text from t where {condition} order by 1");
        let (theirs, ours) = (texts(&pair.source, &of).await, texts(&pair.target, &of).await);
        assert_eq!((theirs.len().to_string().as_str(), &theirs), (count, &ours), "{execution}: {condition}");
    }
}

async fn play(steps: &[Step], key: serde_json::Value) {
    let pair = Pair::new(TABLE).await;
    let job = Job::new(json!({"target": {"key": key}})).at("first", "2024-01-05T02:00:00.000Z");
    let (mut frozen, mut open) = (Vec::new(), VecDeque::new());
    // Without a key, a row that moved is in the way of its new day until its old one is copied.
    let has_key = !job.spec.target.key.is_empty();
    let check = |outcome: sluice::Result<CopyOutput>| match outcome {
        Ok(_) => {}
        Err(error) => assert!(!has_key && error.kind() == Kind::InvalidSource, "{error}"),
    };
    for (number, step) in steps.iter().enumerate() {
        let this = job.again(&format!("step-{number}"));
        match step {
            Step::Put { id, hour, name } => sql(&pair.source, &put(*id, *hour, &format!("n{name}"))).await,
            Step::Delete { id } => sql(&pair.source, &format!("delete from t where id = {id}")).await,
            Step::DeleteDay { day } => {
                sql(&pair.source, &format!("delete from t where at::date = date '2024-01-01' + {day}")).await;
            }
            Step::Open { hour } => {
                let mut writer = connect(&pair.source).await;
                run(&mut writer, &format!("begin; {}", insert(1_000 + number, *hour))).await;
                open.push_back(writer);
            }
            Step::End { commits } => {
                if let Some(mut writer) = open.pop_front() {
                    run(&mut writer, if *commits { "commit" } else { "rollback" }).await;
                }
            }
            Step::Disturb { id, hour } => sql(&pair.target, &put(*id, *hour, "disturbed")).await,
            Step::Copy { day } => {
                check(pair.attempt(&this, &day_window(*day), Purpose::Load).await);
                assert_claims(&pair, &this).await;
            }
            Step::Kill { day, polls } | Step::Freeze { day, polls } => {
                let planned = day_window(*day);
                let mut held = Box::new(Held::new(&pair, &this, &planned).await);
                drop({
                    let attempt = pin!(held.run(&this, &planned));
                    polled(attempt, *polls).await
                });
                if matches!(step, Step::Freeze { .. }) {
                    frozen.push(held);
                } else {
                    drop(held);
                }
                // The state machine's next attempt.
                check(pair.attempt(&this, &planned, Purpose::Load).await);
                assert_claims(&pair, &this).await;
            }
            Step::Beside { day, other } => {
                let twin = this.again(&format!("twin-{number}"));
                let (one, other) = (day_window(*day), day_window(*other));
                let both =
                    tokio::join!(pair.attempt(&this, &one, Purpose::Load), pair.attempt(&twin, &other, Purpose::Load));
                // Rows that change places between the two days may lock each other out; the state machine tries again.
                for outcome in [both.0, both.1] {
                    if outcome.as_ref().is_err_and(|error| error.kind() == Kind::TransientFailure) {
                        continue;
                    }
                    check(outcome);
                }
                assert_claims(&pair, &this).await;
                assert_claims(&pair, &twin).await;
            }
            Step::Scheduled => {
                let (outputs, concluded) = pair.execute(&this, json!({})).await;
                outputs.into_iter().for_each(check);
                assert!(!has_key || concluded.failed.is_empty(), "{:?}", concluded.failed);
                if concluded.output.windows > 0 {
                    assert_claims(&pair, &this).await;
                }
            }
        }
    }
    for mut writer in open {
        run(&mut writer, "commit").await;
    }
    // Nothing was left behind: a backfill of all days makes both equal.
    let last = job.again("last");
    for round in 0..2 {
        let this = last.again(&format!("last-{round}"));
        let (outputs, concluded) = pair.execute(&this, json!({"from": "2024-01-01", "to": "2024-01-05"})).await;
        if concluded.failed.is_empty() {
            break;
        }
        assert!(round == 0 && !has_key, "{outputs:?}");
    }
    assert_equal(&pair).await;
    let planned = pair.planned(&last.again("afterwards"), json!({})).await;
    assert!(planned.is_empty(), "nothing is missing: {planned:?}");
    drop(frozen);
}

fn run_histories(key: &serde_json::Value, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 1..25), |steps| {
        runtime.block_on(play(&steps, key.clone()));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn with_a_key_every_history_ends_in_equal_tables() {
    run_histories(&json!(["id"]), 12);
}

/// Rows of the target that no window of the source covers any more are deleted there by their own window.
#[test]
fn without_a_key_every_history_ends_in_equal_tables() {
    run_histories(&json!([]), 6);
}
