//! What others see of a copy while it is under way.

use crate::faults::{Held, is_copying, many, polled};
use crate::support::*;
use serde_json::json;
use sluice::Kind;
use sluice::contract::copy_table::Purpose;

/// All rows of a window or none, the old ones or the new ones: at every step of every way of writing.
#[tokio::test]
async fn no_row_of_a_window_is_ever_visible_half() {
    for target in [json!({"key": ["id"]}), json!({"key": []}), json!({"mode": "upsert"})] {
        let pair = Pair::new(TABLE).await;
        sql(&pair.source, &hourly(24, 47)).await;
        let job = Job::new(json!({"target": target}));
        let (planned, mut reader) = (window("2024-01-02", "2024-01-03"), connect(&pair.target).await);
        // 24 rows of one generation each, in place of those of the one before.
        for generation in 1..=3 {
            sql(&pair.source, &format!("update t set name = 'g{generation}', score = {generation}")).await;
            let this = job.again(&format!("generation-{generation}"));
            let mut held = Held::new(&pair, &this, &planned).await;
            let mut attempt = Box::pin(held.run(&this, &planned));
            let mut looks = 0;
            loop {
                let ended = polled(attempt.as_mut(), 1).await;
                let seen: Vec<String> =
                    sqlx::query_scalar("select format('%s %s', name, count(*)) from t group by name order by 1")
                        .fetch_all(&mut reader)
                        .await
                        .unwrap();
                let (old, new) = (format!("g{} 24", generation - 1), format!("g{generation} 24"));
                let is_whole = seen == [new] || seen == [old] || (generation == 1 && seen.is_empty());
                assert!(is_whole, "{target}, generation {generation}: {seen:?}");
                looks += 1;
                if let Some(output) = ended {
                    output.unwrap();
                    break;
                }
            }
            assert!(looks > 10, "it was looked at {looks} times only");
        }
        assert_equal(&pair).await;
    }
}

/// Both would find the days empty and fill them, and without a key nothing would tell that they are there twice.
#[tokio::test]
async fn windows_of_another_kind_are_not_filled_at_the_same_time() {
    let pair = many().await;
    sql(&pair.target, "alter table t drop constraint t_pkey").await;
    let days = Job::new(json!({"target": {"key": []}}));
    let weeks = Job::new(json!({"target": {"key": []}, "windows": {"window": "1 week"}})).again("second");
    let (day, week) = (window("2024-01-02", "2024-01-03"), window("2024-01-01", "2024-01-08"));
    let mut held = Held::new(&pair, &days, &day).await;
    let mut first = Box::pin(held.run(&days, &day));
    while !is_copying(&pair).await {
        assert!(polled(first.as_mut(), 1).await.is_none());
    }
    let error = pair.attempt(&weeks, &week, Purpose::Load).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LockHeld, "{error}");
    // Those of the same kind go on.
    let next = window("2024-01-03", "2024-01-04");
    pair.attempt(&days.again("third"), &next, Purpose::Load).await.unwrap();
    first.await.unwrap();
    let output = pair.attempt(&weeks, &week, Purpose::Load).await.unwrap();
    assert_eq!(counts(&output), [0, 0, 0, 80_000]);
    assert_equal(&pair).await;
}

/// The first ones of all, of which one makes the table of the windows: no other waits until that one has its rows.
#[tokio::test]
async fn the_first_windows_do_not_wait_for_one_another() {
    let pair = many().await;
    let job = Job::new(json!({}));
    let planned = window("2024-01-02", "2024-01-03");
    let mut held = Held::new(&pair, &job, &planned).await;
    let mut first = Box::pin(held.run(&job, &planned));
    while !is_copying(&pair).await {
        assert!(polled(first.as_mut(), 1).await.is_none());
    }
    let short = std::time::Duration::from_secs(2);
    let other = window("2024-01-03", "2024-01-04");
    pair.attempt_within(&job.again("second"), &other, Purpose::Load, short).await.unwrap();
    first.await.unwrap();
}

/// The system's own view of the server's end of both connections: it asks after half a minute for a sign of life.
#[tokio::test]
async fn a_client_that_vanishes_is_looked_for() {
    let pair = many().await;
    let (job, planned) = (Job::new(json!({})), window("2024-01-02", "2024-01-03"));
    let mut held = Held::new(&pair, &job, &planned).await;
    // It has set both sessions up, and waits for nothing.
    let settings = "select count(*)::text from pg_stat_activity where starts_with(application_name, 'sluice ') and \
                    state = 'idle in transaction' and datname = current_database()";
    {
        let mut attempt = Box::pin(held.run(&job, &planned));
        while texts(&pair.target, settings).await != ["1"] {
            assert!(polled(attempt.as_mut(), 1).await.is_none());
        }
    }
    for side in [&pair.source, &pair.target] {
        let ports = "select format('%s %s', inet_server_port(), client_port) from pg_stat_activity \
                     where datname = current_database() and starts_with(application_name, 'sluice ')";
        let ports = texts(side, ports).await;
        let (server, client) = ports[0].split_once(' ').unwrap();
        let hexadecimal = |port: &str| format!("0100007F:{:04X}", port.parse::<u16>().unwrap());
        let (server, client) = (hexadecimal(server), hexadecimal(client));
        // Fields: number, local, remote, state, queues, timer:when in hundredths of a second.
        let when = loop {
            let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let mut lines = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let line = lines.find(|fields| fields[1] == server && fields[2] == client).expect("its socket");
            let (timer, when) = line[5].split_once(':').unwrap();
            // 2 is the timer of keepalives; an answer may still be on its way.
            if timer == "02" {
                break u32::from_str_radix(when, 16).unwrap();
            }
        };
        assert!((1..=3_000).contains(&when), "{when}");
    }
}
