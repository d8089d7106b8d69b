//! Audits: what is loaded is compared with MySQL by the whole key, and what differs is named without its values.

use crate::lab::*;
use load_redshift::audit::TargetAudit;
use serde_json::{Value, json};
use sluice::Kind;
use sluice::contract::ObjectRef;
use sluice::contract::mysql_to_redshift::{Audit, MAX_TOLD, SourceAudit};
use sluice::store::Store;
use std::time::Duration;

fn three_days() -> Value {
    json!({"from": "2018-07-01", "to": "2018-07-04"})
}

/// Each difference as `part source target`.
fn told(audit: &Audit) -> Vec<String> {
    let told = audit.differences.iter();
    told.map(|one| format!("{} {} {}", one.part, one.rows_source, one.rows_target)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_tables_are_said_to_be_equal_in_every_mode() {
    let lab = Lab::new().await;
    lab.make_nps(130).await;
    for mode in ["upsert", "replace_window", "replace"] {
        let parts = lab.nps(mode);
        // Before the first load there is nothing to compare.
        let run = lab.plan(&parts, json!({"audit": true})).await.unwrap();
        assert_eq!((run.output.window_count, run.plan), (0, None), "{mode}");
        lab.run(&parts, if mode == "replace" { json!({}) } else { three_days() }).await.unwrap();
        let audit = lab.audit(&parts).await;
        let (rows, not_due) = if mode == "replace" { (130, 0) } else { (108, 22) };
        assert!(audit.is_equal && audit.differences.is_empty(), "{mode}: {audit:?}");
        assert_eq!((audit.rows_source, audit.rows_target, audit.rows_not_due), (rows, rows, not_due), "{mode}");
        let span = ["2018-07-01 00:00:00", "2018-07-04 00:00:00"].map(ToOwned::to_owned);
        assert_eq!(audit.spans, if mode == "replace" { vec![] } else { vec![span] }, "{mode}");
        lab.in_redshift("drop table nps; delete from sluice.loads").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_missing_too_many_or_changed_are_named_by_key_and_not_by_value() {
    let lab = Lab::new().await;
    lab.make_nps(108).await;
    lab.in_mysql("alter table nps add note varchar(20) not null default 'secret-0'").await;
    lab.in_mysql("update nps set note = concat('secret-', id % 10)").await;
    for mode in ["upsert", "replace"] {
        let parts = lab.nps(mode);
        let load = || if mode == "replace" { json!({}) } else { three_days() };
        for (change, expected) in [
            ("delete from nps where id = 7", vec!["id = 7 1 0"]),
            ("delete from nps where id between 10 and 19", vec!["id from 10 to 19 10 0"]),
            ("insert into nps values (50, '2018-07-02', 1, 'x')", vec!["id = 50 1 2"]),
            ("insert into nps values (900, '2018-07-02', 1, 'x')", vec!["id > 108 0 1"]),
            ("insert into nps values (-3, '2018-07-02', 1, 'x')", vec!["id < 1 0 1"]),
            ("update nps set score = score + 1 where id = 3", vec!["id = 3 1 1"]),
            ("update nps set score = 0 where id = 20", vec!["id = 20 1 1"]),
            ("update nps set score = null where id = 21", vec!["id = 21 1 1"]),
            // As many bytes, and only blanks behind it.
            ("update nps set note = 'secret-x' where id = 5", vec!["id = 5 1 1"]),
            ("update nps set note = note || ' ' where id = 5", vec!["id = 5 1 1"]),
            ("update nps set created_at = created_at + interval '1 microsecond' where id = 6", vec!["id = 6 1 1"]),
            // All columns add up as before.
            (
                "update nps set note = case id when 1 then 'secret-2' else 'secret-1' end where id in (1, 2)",
                vec!["id from 1 to 2 2 2"],
            ),
            ("update nps set id = 207 - id where id in (100, 107)", vec!["id = 100 1 1", "id = 107 1 1"]),
        ] {
            lab.run(&parts, load()).await.unwrap();
            lab.in_redshift(change).await;
            let audit = lab.audit(&parts).await;
            assert!(!audit.is_equal, "{mode}: {change}");
            assert_eq!(told(&audit), expected, "{mode}: {change}");
            assert_eq!(audit.keys_twice, u64::from(change.contains("(50,")), "{mode}: {change}");
            let text = serde_json::to_string(&audit).unwrap();
            assert!(!text.contains("secret"), "{text}");
            assert!(text.contains("what MySQL has changed since its rows were read for a load"), "{text}");
            lab.in_redshift("drop table nps; delete from sluice.loads").await;
        }
    }
}

/// What the reader leaves in the bucket holds no value of a row either.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_texts_are_named_by_their_hashes() {
    let lab = Lab::new().await;
    lab.in_mysql("create table nps (mail varchar(50) not null primary key, score int) default charset utf8mb4").await;
    let rows: Vec<String> = (0..200).map(|number| format!("('somebody-{number}@example.org ö', {number})")).collect();
    lab.in_mysql(&format!("insert into nps values {}", rows.join(", "))).await;
    let mut parts = lab.nps("replace");
    parts["target"]["key"] = json!(["mail"]);
    lab.run(&parts, json!({})).await.unwrap();
    assert!(lab.audit(&parts).await.is_equal);
    lab.in_redshift("update nps set score = -1 where score = 77").await;
    let run = lab.plan(&parts, json!({"audit": true})).await.unwrap();
    let source = lab.read_for_audit(&run).await.unwrap();
    let audit = lab.compare(&run, &source).await.unwrap();
    let [difference] = audit.differences.as_slice() else { panic!("{audit:?}") };
    let left = lab.source("select left(md5(mail), 3) from nps where score = 77").await;
    assert_eq!(difference.part, format!("left(md5(mail), 3) = '{}'", left[0]));
    // The condition finds the row on both sides.
    let query = format!("select mail from nps where {}", difference.part);
    assert!(lab.source(&query).await.contains(&"somebody-77@example.org ö".to_owned()));
    assert_eq!(lab.source(&query).await.len(), lab.target(&query).await.len());
    let kept = read(&lab.store, &source.key).await + &serde_json::to_string(&audit).unwrap();
    assert!(!kept.contains("example.org"), "{kept}");
}

async fn read(store: &Store, key: &str) -> String {
    let got = store.client().get_object().bucket(store.bucket()).key(key).send().await.unwrap();
    String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_compared_at_its_limits() {
    let lab = Lab::new().await;
    let sample = local::binaries::workspace().join("local/sample/nps/every-type.sql");
    lab.in_mysql(&std::fs::read_to_string(sample).unwrap()).await;
    let columns = lab
        .source(&format!(
            "select column_name from information_schema.columns where table_schema = '{}' and table_name = 'every_type' \
             order by ordinal_position",
            lab.name
        ))
        .await;
    let mut parts = lab.nps("replace");
    parts["source"]["table"] = json!("every_type");
    parts["target"]["table"] = json!("every_type");
    // Such a TIME lies within a day.
    lab.in_mysql("alter table every_type add a_clock time(6); update every_type set a_clock = '23:59:59.5'").await;
    parts["target"]["types"] = json!({"a_clock": "time", "a_flag": "smallint"});
    lab.run(&parts, json!({})).await.unwrap();
    let audit = lab.audit(&parts).await;
    assert!(audit.is_equal, "{audit:?}");
    assert_eq!((audit.rows_source, audit.rows_target), (5, 5));
    let partly = audit.notes.iter().find(|note| note.starts_with("not compared: ")).unwrap();
    assert!(["a_float", "a_double", "a_clock"].iter().all(|name| partly.contains(name)), "{partly}");
    let digits =
        lab.source("select left(md5(cast(id as char)), 3) from every_type where id = 9223372036854775807").await;
    // A value that goes is found in each of them, but for JSON, which is not compared.
    for column in columns.iter().skip(1).chain([&"a_clock".to_owned()]).filter(|column| *column != "a_json") {
        let quoted = format!("\"{}\"", column.replace('"', "\"\""));
        let mut target = lab.redshift().await;
        let kept = "create temp table kept as select * from every_type where id = 9223372036854775807".to_owned();
        let go = format!("update every_type set {quoted} = null where id = 9223372036854775807");
        for statement in [kept, go] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut target).await.unwrap();
        }
        let audit = lab.audit(&parts).await;
        assert_eq!(told(&audit), [format!("left(md5(id), 3) = '{}' 1 1", digits[0])], "{column}");
        let back = "delete from every_type where id = 9223372036854775807; insert into every_type select * from kept";
        sqlx::raw_sql(back).execute(&mut target).await.unwrap();
    }
    assert!(lab.audit(&parts).await.is_equal);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_source_does_is_told() {
    let lab = Lab::new().await;
    lab.make_nps(130).await;
    let parts = lab.nps("upsert");
    lab.run(&parts, three_days()).await.unwrap();
    // New rows of days that are not loaded yet are no difference, and are told.
    lab.in_mysql("insert into nps values (131, '2018-07-20', 1)").await;
    let audit = lab.audit(&parts).await;
    assert!(audit.is_equal && audit.rows_not_due == 23, "{audit:?}");
    assert!(audit.notes[0].starts_with("23 rows of MySQL are in no window that is loaded"), "{:?}", audit.notes);
    // A row that has gone to such a day is too many until that is loaded, and the part says that a row may have gone.
    lab.in_mysql("update nps set created_at = '2018-07-20' where id = 9").await;
    let audit = lab.audit(&parts).await;
    assert_eq!((told(&audit), audit.differences[0].rows_not_due), (vec!["id = 9 0 1".to_owned()], 1));
    assert!(audit.notes.iter().any(|note| note.starts_with("a row whose cursor has gone")), "{:?}", audit.notes);
    lab.run(&parts, json!({"from": "2018-07-20", "to": "2018-07-21"})).await.unwrap();
    let audit = lab.audit(&parts).await;
    assert!(audit.is_equal && audit.spans.len() == 2, "{audit:?}");
    // A load between the two readings: what it brings differs from what was read, and it is said to be the reason.
    let run = lab.plan(&parts, json!({"audit": true})).await.unwrap();
    let source = lab.read_for_audit(&run).await.unwrap();
    lab.in_mysql("update nps set score = 10 where id = 10").await;
    lab.run(&parts, three_days()).await.unwrap();
    let audit = lab.compare(&run, &source).await.unwrap();
    assert_eq!((told(&audit), audit.loads_since), (vec!["id = 10 1 1".to_owned()], 3));
    assert!(audit.notes.iter().any(|note| note.starts_with("3 loads whose rows were read after")), "{:?}", audit.notes);
    assert!(lab.audit(&parts).await.is_equal, "once more, and it is over");
    // What MySQL deletes an upsert does not see.
    lab.in_mysql("delete from nps where id = 11").await;
    let audit = lab.audit(&parts).await;
    assert_eq!(told(&audit), ["id = 11 0 1"]);
    assert!(audit.notes.iter().any(|note| note.contains("upsert does not see that")), "{:?}", audit.notes);
}

/// Each call has half a minute, and stops a minute before its end: at the first look at the clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_takes_several_calls_is_whole_and_says_so() {
    let lab = Lab::new().await;
    lab.make_nps(2_500).await;
    let parts = lab.nps("replace");
    lab.run(&parts, json!({})).await.unwrap();
    lab.in_redshift("delete from nps where id = 2400").await;
    let run = lab.plan(&parts, json!({"audit": true})).await.unwrap();
    let (source, calls) = lab.read_for_audit_within(&run, Duration::from_secs(30)).await.unwrap();
    let read: SourceAudit = lab.store.read_json(&source).await.unwrap();
    assert_eq!((calls, read.rows_read, read.is_consistent), (3, 2_500, false));
    let audit = lab.compare(&run, &source).await.unwrap();
    assert_eq!(told(&audit), ["id = 2400 1 0"]);
    assert!(audit.notes.iter().any(|note| note.contains("in several calls")), "{:?}", audit.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_marked_are_not_to_be_there_and_keys_are_looked_at_in_the_whole_table() {
    let lab = Lab::new().await;
    lab.make_nps(130).await;
    lab.in_mysql("alter table nps add gone tinyint(1) not null default 0").await;
    lab.in_mysql("update nps set gone = 1 where id in (2, 3)").await;
    let mut parts = lab.nps("upsert");
    parts["target"]["deleted"] = json!("gone");
    parts["target"]["on_deleted"] = json!("delete");
    lab.run(&parts, three_days()).await.unwrap();
    let audit = lab.audit(&parts).await;
    assert!(audit.is_equal && audit.rows_gone == 2 && audit.rows_target == 106, "{audit:?}");
    // Another writer doubles keys that no load looks at, and leaves rows where no load has been.
    lab.in_redshift("insert into nps values (500, '2018-09-01', 1, 0), (500, '2018-09-01', 1, 0), (501, null, 1, 0)")
        .await;
    let audit = lab.audit(&parts).await;
    assert!(!audit.is_equal && audit.differences.is_empty(), "{audit:?}");
    assert_eq!((audit.keys_twice, audit.rows_outside), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_key_is_compared_as_one_and_many_differences_are_kept_in_the_record() {
    let lab = Lab::new().await;
    lab.make_nps(300).await;
    let mut parts = lab.nps("replace");
    lab.run(&parts, json!({})).await.unwrap();
    lab.in_redshift("delete from nps where id % 2 = 0").await;
    let run = lab.plan(&parts, json!({"audit": true})).await.unwrap();
    let source = lab.read_for_audit(&run).await.unwrap();
    let audit = lab.compare(&run, &source).await.unwrap();
    assert_eq!((audit.parts_different, audit.differences.len()), (150, MAX_TOLD));
    assert!(audit.notes[0].starts_with("100 more differences are in audit.json"), "{:?}", audit.notes);
    let record = read(&lab.store, &format!("state/nps/runs/{}/audit.json", run.execution.name)).await;
    assert_eq!(serde_json::from_str::<Audit>(&record).unwrap().differences.len(), 150);
    parts["target"].as_object_mut().unwrap().remove("key");
    assert_eq!(told(&lab.audit(&parts).await), ["all rows 300 150"]);
    lab.in_redshift("drop table nps; delete from sluice.loads").await;
    lab.run(&parts, json!({})).await.unwrap();
    assert!(lab.audit(&parts).await.is_equal);
}

/// A statement that takes longer than Redshift lets it is asked again by smaller and smaller slices of the key. What
/// takes long is forced: nobody reads the table while another holds it.
#[tokio::test(flavor = "multi_thread")]
async fn what_redshift_ends_for_taking_too_long_is_asked_by_slices_of_the_key() {
    let lab = Lab::new().await;
    lab.make_nps(400).await;
    let by_number = lab.nps("upsert");
    lab.in_mysql("create table people (mail varchar(50) not null primary key, score int) default charset utf8mb4")
        .await;
    lab.in_mysql("insert into people select concat('p', id, '@example.org'), score from nps").await;
    let mut by_text = lab.nps("replace");
    by_text["source"]["table"] = json!("people");
    by_text["target"] = json!({"table": "people", "key": ["mail"], "mode": "replace", "create": true});
    let mut keyless = by_text.clone();
    keyless["target"].as_object_mut().unwrap().remove("key");
    lab.run(&by_number, three_days()).await.unwrap();
    lab.run(&by_text, json!({})).await.unwrap();
    // In the first slice and in the last one, below all keys and above; and in no window.
    lab.in_redshift(
        "delete from nps where id in (3, 40); update nps set score = 99 where id = 107;
         insert into nps values (-1, '2018-07-02', 1), (500, '2018-07-02', 1), (501, '2019-01-01', 1), (501, null, 1);
         delete from people where score = 7; insert into people select * from people where score = 8",
    )
    .await;
    for (parts, table) in [(&by_number, "nps"), (&by_text, "people")] {
        let (run, source) = read_of(&lab, parts).await;
        let at_once = lab.compare(&run, &source).await.unwrap();
        assert!(at_once.differences.len() > 3 && at_once.keys_twice > 0, "{at_once:?}");
        let (run, source) = read_of(&lab, parts).await;
        let mut target = None;
        // One batch is ended, then the next one, and of four slices the second one.
        for (is_ended, slices, slices_done) in
            [(true, 2, 0), (true, 4, 0), (false, 4, 1), (true, 8, 2), (false, 8, 3), (false, 8, 4)]
        {
            let asked = if is_ended {
                lab.held(table, lab.ask_target(&run, &source, target)).await
            } else {
                lab.ask_target(&run, &source, target).await
            };
            let asked = asked.unwrap();
            assert!(!asked.is_done && asked.audit.is_none(), "{asked:?}");
            let so_far: TargetAudit = lab.store.read_json(asked.target.as_ref().unwrap()).await.unwrap();
            assert_eq!((so_far.slices, so_far.slices_done), (slices, slices_done), "{table}");
            target = asked.target;
        }
        let audit = loop {
            let asked = lab.ask_target(&run, &source, target).await.unwrap();
            if let Some(audit) = asked.audit {
                break audit;
            }
            target = asked.target;
        };
        assert!(audit.notes.iter().any(|note| note.contains("by 8 slices of the key")), "{:?}", audit.notes);
        let of_one = |audit: Audit| Audit { read_at: String::new(), notes: Vec::new(), ..audit };
        assert_eq!(of_one(audit), of_one(at_once), "{table}");
    }
    // What cannot be cut says what to do.
    let (run, source) = read_of(&lab, &keyless).await;
    let error = lab.held("people", lab.ask_target(&run, &source, None)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
    assert!(error.to_string().contains("give the spec a key"), "{error}");
}

/// A planned audit whose source is read.
async fn read_of(lab: &Lab, parts: &Value) -> (Run, ObjectRef) {
    let run = lab.plan(parts, json!({"audit": true})).await.unwrap();
    let source = lab.read_for_audit(&run).await.unwrap();
    (run, source)
}
