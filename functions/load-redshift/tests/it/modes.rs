//! The table `nps` of the original in all three modes.

use crate::lab::*;
use export_table::export::Reading;
use export_table::parts::Parts;
use serde_json::json;
use sluice::Kind;
use sluice::contract::mysql_to_redshift::{ConcludeLoadOutput, Export, Plan};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Rows of the source, inserted, deleted, unchanged.
fn counts(output: &ConcludeLoadOutput) -> [u64; 4] {
    let counts = output.counts;
    [counts.rows, counts.rows_inserted, counts.rows_deleted, counts.rows_unchanged]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_replaced_whole_and_a_reader_sees_all_old_or_all_new_rows() {
    let lab = Lab::new().await;
    lab.make_nps(3_000).await;
    let parts = lab.nps("replace");
    assert_eq!(counts(&lab.run(&parts, json!({})).await.unwrap()), [3_000, 3_000, 0, 0]);
    lab.assert_nps_equal().await;

    lab.in_mysql("delete from nps where id % 100 = 0; update nps set score = 10 where id % 7 = 0").await;
    let (is_over, mut reader) = (Arc::new(AtomicBool::new(false)), lab.redshift().await);
    let watched = is_over.clone();
    let watcher = tokio::spawn(async move {
        let mut seen = BTreeSet::new();
        while !watched.load(Ordering::Relaxed) {
            let count: i64 = sqlx::query_scalar("select count(*) from nps").fetch_one(&mut reader).await.unwrap();
            seen.insert(count);
        }
        reader.close().await.unwrap();
        seen
    });
    assert_eq!(counts(&lab.run(&parts, json!({})).await.unwrap()), [2_970, 2_970, 3_000, 0]);
    is_over.store(true, Ordering::Relaxed);
    let seen = watcher.await.unwrap();
    assert!(seen.is_subset(&[3_000, 2_970].into()) && seen.contains(&3_000), "{seen:?}");
    lab.assert_nps_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_writes_what_changed_and_the_same_day_again_writes_nothing() {
    let lab = Lab::new().await;
    lab.make_nps(72).await;
    let parts = lab.nps("upsert");
    let day = json!({"from": "2018-07-01", "to": "2018-07-02"});
    assert_eq!(counts(&lab.run(&parts, day.clone()).await.unwrap()), [36, 36, 0, 0]);
    assert_eq!(counts(&lab.run(&parts, day.clone()).await.unwrap()), [36, 0, 0, 36], "again");
    lab.run(&parts, json!({"from": "2018-07-02", "to": "2018-07-03"})).await.unwrap();
    lab.assert_nps_equal().await;
    lab.in_mysql(
        "update nps set score = 99 where id in (1, 2); insert into nps values (1000, '2018-07-01 23:59:59', null)",
    )
    .await;
    assert_eq!(counts(&lab.run(&parts, day.clone()).await.unwrap()), [37, 3, 2, 34]);
    lab.assert_nps_equal().await;
    // What MySQL deletes an upsert does not see.
    lab.in_mysql("delete from nps where id = 1").await;
    assert_eq!(counts(&lab.run(&parts, day).await.unwrap()), [36, 0, 0, 36]);
    assert_eq!(lab.target("select count(*)::text from nps where id = 1").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_row_of_the_target_stays() {
    let lab = Lab::new().await;
    lab.make_nps(36).await;
    let mut parts = lab.nps("upsert");
    parts["target"]["version"] = json!("created_at");
    let day = json!({"from": "2018-07-01", "to": "2018-07-02"});
    lab.run(&parts, day.clone()).await.unwrap();
    lab.in_redshift("update nps set created_at = '2018-07-05', score = 77 where id = 5").await;
    lab.in_mysql("update nps set score = 1 where id in (5, 6)").await;
    let output = lab.run(&parts, day).await.unwrap();
    assert_eq!((counts(&output), output.counts.rows_newer), ([36, 1, 1, 34], 1));
    assert_eq!(
        lab.target("select concat_ws(' ', id, score) from nps where id in (5, 6) order by id").await,
        ["5 77", "6 1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_reading_of_one_day_leaves_a_row_that_has_moved_to_a_later_one() {
    let lab = Lab::new().await;
    lab.make_nps(72).await;
    let parts = lab.nps("upsert");
    let old = lab.plan(&parts, json!({"from": "2018-07-01", "to": "2018-07-02"})).await.unwrap();
    let export = lab.export(&old, 0).await.unwrap();
    lab.in_mysql("update nps set created_at = '2018-07-02 12:00:00', score = 99 where id = 5").await;
    lab.run(&parts, json!({"from": "2018-07-02", "to": "2018-07-03"})).await.unwrap();
    lab.load(&old, 0, &export).await.unwrap();
    assert_eq!(lab.conclude(&old).await.unwrap().counts.rows_newer, 1);
    lab.assert_nps_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_replaced_with_its_deletions() {
    let lab = Lab::new().await;
    lab.make_nps(108).await;
    let parts = lab.nps("replace_window");
    let days = json!({"from": "2018-07-01", "to": "2018-07-04"});
    let output = lab.run(&parts, days.clone()).await.unwrap();
    assert_eq!((output.windows, counts(&output)), (3, [108, 108, 0, 0]));
    lab.assert_nps_equal().await;
    assert_eq!(counts(&lab.run(&parts, days.clone()).await.unwrap()), [108, 0, 0, 108], "again");
    lab.in_mysql("delete from nps where id in (1, 40); update nps set score = 99 where id = 2").await;
    // A row that moves into another window.
    lab.in_mysql("update nps set created_at = '2018-07-01 12:00:00' where id = 100").await;
    let output = lab.run(&parts, days.clone()).await.unwrap();
    lab.assert_nps_equal().await;
    assert_eq!(counts(&output)[3], 104, "two are gone, one changed, one moved");
    assert_eq!(counts(&lab.run(&parts, days).await.unwrap()), [106, 0, 0, 106], "again");

    // Without a key everything of the window is written again.
    let mut keyless = lab.nps("replace_window");
    keyless["target"]["key"] = json!([]);
    let day = json!({"from": "2018-07-01", "to": "2018-07-02"});
    assert_eq!(counts(&lab.run(&keyless, day).await.unwrap()), [36, 36, 36, 0]);
    lab.assert_nps_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_without_rows_empties_its_own_day_and_no_other() {
    let lab = Lab::new().await;
    lab.make_nps(72).await;
    let parts = lab.nps("replace_window");
    lab.run(&parts, json!({"from": "2018-07-01", "to": "2018-07-03"})).await.unwrap();
    lab.in_mysql("delete from nps where created_at < '2018-07-02'").await;
    let day = json!({"from": "2018-07-01", "to": "2018-07-02"});
    assert_eq!(counts(&lab.run(&parts, day).await.unwrap()), [0, 0, 36, 0]);
    lab.assert_nps_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_read_in_many_calls_is_read_once() {
    let lab = Lab::new().await;
    lab.in_mysql(
        "create table nps (team varchar(20) character set latin1 collate latin1_bin not null, kind enum('z', 'a', 'm') not null, \
         id int not null, note varchar(200), primary key (team, kind, id))",
    )
    .await;
    // Two of them differ by their case only, and the key tells them apart.
    for team in ["o'clock", "ä\\b", "", "abX", "aBx"] {
        let team = team.replace('\\', "\\\\").replace('\'', "''");
        let kind = |id: usize| ["z", "a", "m"][id % 3];
        let rows: Vec<String> =
            (0..2_500).map(|id| format!("('{team}', '{}', {id}, repeat('{id} ', 30))", kind(id))).collect();
        lab.in_mysql(&format!("insert into nps values {}", rows.join(", "))).await;
    }
    let mut parts = lab.nps("replace");
    // MySQL sorts by each column's own order, and compares with the place to go on from in another one if it may.
    parts["target"]["key"] = json!(["team", "kind", "id"]);
    let run = lab.plan(&parts, json!({})).await.unwrap();
    let (export, calls) = lab.export_bit_by_bit(&run, 1 << 20).await;
    assert!(calls > 3 && !export.is_consistent && export.rows == 12_500, "{calls} calls, {} rows", export.rows);
    assert_eq!(export.parts.len(), calls);
    let bucket = lab.store.bucket();
    let entries: Vec<_> = export
        .parts
        .iter()
        .map(|part| json!({"url": format!("s3://{bucket}/{}", part.key), "mandatory": true}))
        .collect();
    let manifest =
        lab.store.write_json("intermediate_data/nps/bits/manifest.json", &json!({"entries": entries})).await.unwrap();
    let export = Export { manifest: Some(manifest), ..export };
    let export = lab.store.write_json("intermediate_data/nps/bits/export.json", &export).await.unwrap();
    lab.load(&run, 0, &export).await.unwrap();
    let query = |text: &str| format!("select concat_ws('|', team, kind, id, note) from nps order by {text}, id");
    assert_eq!(
        lab.source(&query("hex(team)")).await,
        lab.target(&query("encode(convert_to(team, 'UTF8'), 'hex')")).await
    );
}

/// The reading stops at a row until the writer is done: what comes behind it is as old as what came before.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_a_call_reads_is_not_in_it() {
    let lab = Arc::new(Lab::new().await);
    lab.make_nps(200).await;
    let gate = lab.name.clone();
    let mut holder = lab.mysql().await;
    let in_session = async |holder: &mut MySqlConnection, text: String| {
        sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(holder).await.unwrap()
    };
    in_session(&mut holder, format!("select get_lock('{gate}', 0)")).await;
    lab.in_mysql(&format!(
        "create view slow as select id, created_at, score + if(id = 101, 0 * get_lock('{gate}', 120), 0) as score from nps"
    ))
    .await;
    let before = lab.source("select concat_ws(' ', id, created_at, score) from nps order by id").await;
    let mut parts = lab.nps("replace");
    parts["source"]["table"] = json!("slow");
    let run = Arc::new(lab.plan(&parts, json!({})).await.unwrap());
    let reading = tokio::spawn({
        let (lab, run) = (lab.clone(), run.clone());
        async move { lab.export(&run, 0).await.unwrap() }
    });
    let waits = format!(
        "select cast(count(*) as char) from information_schema.processlist where state = 'User lock' and db = '{gate}'"
    );
    while lab.source(&waits).await != ["1"] {
        assert!(!reading.is_finished(), "it has not waited");
    }
    lab.in_mysql("update nps set score = 99; delete from nps where id > 150; insert into nps values (999, now(), 1)")
        .await;
    in_session(&mut holder, format!("select release_lock('{gate}')")).await;
    let export = reading.await.unwrap();
    lab.load(&run, 0, &export).await.unwrap();
    assert_eq!(lab.target("select concat_ws(' ', id, created_at, score) from nps order by id").await, before);
}

/// What ends one call and begins the next is one row; of others with the same key some would be lost.
#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_key_is_no_unique_index_are_not_gone_on_with() {
    let lab = Lab::new().await;
    lab.in_mysql(
        "create table nps (id int not null primary key, team int not null, note varchar(200), unique key (note(9), id), key (team))",
    )
    .await;
    let rows: Vec<String> = (0..5_000).map(|id| format!("({id}, {id}, repeat('{id} ', 30))")).collect();
    lab.in_mysql(&format!("insert into nps values {}", rows.join(", "))).await;
    let mut parts = lab.nps("replace");
    parts["target"]["key"] = json!(["team"]);
    let run = lab.plan(&parts, json!({})).await.unwrap();
    assert!(run.output.warnings.iter().any(|warning| warning.contains("no unique index")), "{:?}", run.output.warnings);
    let plan: Plan = lab.store.read_json(run.plan.as_ref().unwrap()).await.unwrap();
    let reading = Reading { plan: &plan, window: &plan.windows[0], deadline: Instant::now() };
    let mut parts_of_it = Parts::new(&lab.store, "bits/".to_owned(), 1 << 20);
    let error = reading.run(&mut lab.mysql().await, None, &mut parts_of_it).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
    assert!(error.to_string().contains("without a unique index in MySQL of the key, team,"), "{error}");
    // All the same a table that one call reads is loaded.
    lab.run(&parts, json!({})).await.unwrap();
    // The index of a part of the key is one of the key too.
    for key in [json!(["team", "id"]), json!(["note", "id"])] {
        parts["target"]["key"] = key;
        let run = lab.plan(&parts, json!({})).await.unwrap();
        assert!(!run.output.warnings.iter().any(|warning| warning.contains("no unique index")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_done_and_makes_nothing() {
    let lab = Lab::new().await;
    lab.make_nps(72).await;
    let run =
        lab.plan(&lab.nps("upsert"), json!({"from": "2018-07-01", "to": "2018-07-03", "dry_run": true})).await.unwrap();
    assert_eq!((run.output.window_count, run.output.windows.len(), run.plan.is_none()), (2, 0, true));
    assert_eq!(run.output.mapping[1], "created_at: timestamp -> timestamp without time zone");
    assert_eq!(lab.target("select count(*)::text from pg_tables where tablename in ('nps', 'loads')").await, ["0"]);
    let refused = lab.plan(&lab.nps("upsert"), json!({"full": true})).await.err().unwrap();
    assert_eq!(refused.kind(), Kind::InvalidEvent, "{refused}");
    let mut allowed = lab.nps("upsert");
    allowed["target"]["allow_full"] = json!(true);
    assert_eq!(counts(&lab.run(&allowed, json!({"full": true})).await.unwrap()), [72, 72, 0, 0]);
    lab.assert_nps_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_cluster_is_loaded_as_a_workgroup_is() {
    for place in [&[("REDSHIFT_CLUSTER", "c")][..], &[("REDSHIFT_CLUSTER", "c"), ("REDSHIFT_USER", "loader")]] {
        let lab = Lab::at("intermediate_data", place).await;
        lab.make_nps(72).await;
        lab.run(&lab.nps("upsert"), json!({"from": "2018-07-01", "to": "2018-07-03"})).await.unwrap();
        lab.assert_nps_equal().await;
    }
}
