//! A source that is a replica.

use crate::faults::{Held, is_reading, polled};
use crate::servers::{Installation, Server};
use crate::support::*;
use serde_json::json;
use sluice::Kind;
use sqlx::PgConnection;

/// A pair whose source is a replica, which takes part in no decision of its primary; and that primary's database.
struct Replicated {
    pair: Pair,
    primary: Database,
    _servers: (Server, Server),
}

impl Replicated {
    async fn new() -> Self {
        // It cancels queries at once.
        let configuration = "max_standby_streaming_delay = 0\nhot_standby_feedback = off";
        let (primary, replica) = Server::with_replica(&Installation::usual(), configuration);
        let of_primary = primary.database("source").await;
        let pair = Pair { source: Database::from(replica.url("source")), target: Pair::of(["", ""]).await.target };
        sql(&of_primary, TABLE).await;
        sql(&pair.target, TABLE).await;
        let this = Self { pair, primary: of_primary, _servers: (primary, replica) };
        this.follow().await;
        this
    }

    /// Until the replica has all that the primary has.
    async fn follow(&self) {
        let position = texts(&self.primary, "select pg_current_wal_lsn()::text").await;
        let mut replica: Option<PgConnection> = None;
        loop {
            let options = self.pair.source.parse::<sqlx::postgres::PgConnectOptions>().unwrap();
            if replica.is_none() {
                // The database may not be there yet.
                replica = sqlx::ConnectOptions::connect(&options).await.ok();
            }
            let Some(connection) = &mut replica else { continue };
            let is_there = sqlx::query_scalar("select pg_last_wal_replay_lsn() >= $1::pg_lsn").bind(&position[0]);
            if is_there.fetch_one(connection).await.unwrap() {
                return;
            }
        }
    }

    async fn write(&self, statements: &str) {
        sql(&self.primary, statements).await;
        self.follow().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_read_once_it_has_what_the_window_needs() {
    let replicated = Replicated::new().await;
    let pair = &replicated.pair;
    let insert = "insert into t values (1, '2024-01-02', 'x', 1)";
    replicated.write(insert).await;
    // It does not see its primary's transactions, so it cannot tell that they are over.
    let job = Job::new(json!({}));
    let error = pair.copy(&job, "2024-01-02", "2024-01-03").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains("use settle lag"), "{error}");
    let job = Job::new(json!({"windows": {"settle": "lag", "lag_minutes": 1}}));
    let output = pair.copy(&job, "2024-01-02", "2024-01-03").await.unwrap();
    assert_eq!(output.rows, 1);
    assert_equal(pair).await;
    assert_eq!(texts(&pair.target, "select source_in_recovery::text from sluice.windows").await, ["true"]);
    // The lag is over by the clock, but nothing that the primary has committed since then has been replayed: a window
    // of which only the end was replayed may still get rows.
    let end = texts(
        &replicated.primary,
        "select to_char(clock_timestamp() - interval '59 s', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    )
    .await;
    let is_over = format!("select (clock_timestamp() > '{}'::timestamptz + interval '62 s')::text", end[0]);
    while texts(&replicated.primary, &is_over).await != ["true"] {}
    let later = job.again("second");
    let error = pair.copy(&later, "2020-01-01", &end[0]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LockHeld);
    assert!(error.to_string().contains("has not replayed"), "{error}");
    replicated.write("insert into t values (2, '2024-01-02 01:00', 'y', 1)").await;
    let output = pair.copy(&later, "2020-01-01", &end[0]).await.unwrap();
    assert_eq!(output.rows, 2);
    assert_equal(pair).await;
}

/// The primary's VACUUM takes away what the copy still reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_a_replica_cancels_is_tried_again() {
    let replicated = Replicated::new().await;
    let pair = &replicated.pair;
    replicated
        .write(
            "alter table t set (autovacuum_enabled = false);
             insert into t select i, timestamptz '2024-01-02 00:00Z' + i * interval '1 s', repeat('x', 200), i
             from generate_series(1, 80000) i",
        )
        .await;
    let job = Job::new(json!({"windows": {"settle": "lag", "lag_minutes": 1}}));
    let planned = window("2024-01-02", "2024-01-03");
    let mut held = Held::new(pair, &job, &planned).await;
    {
        let mut attempt = Box::pin(held.run(&job, &planned));
        while !is_reading(pair).await {
            assert!(polled(attempt.as_mut(), 1).await.is_none(), "it ended before it was in the midst of its copy");
        }
        // The last rows, which have not been read yet.
        sql(&replicated.primary, "delete from t where id > 79000").await;
        sql(&replicated.primary, "vacuum t").await;
        let error = attempt.await.unwrap_err();
        assert_eq!(error.kind(), Kind::TransientFailure, "{error}");
        let text = error.to_string();
        assert!(text.contains("40001") && text.contains("hot_standby_feedback"), "{text}");
    }
    assert_eq!(rows(&pair.target, "t").await, [""; 0]);
    replicated.follow().await;
    let output = pair.attempt(&job, &planned, sluice::contract::copy_table::Purpose::Load).await.unwrap();
    assert_eq!(output.rows, 79_000);
    assert_equal(pair).await;
}
