//! Rows that the source keeps and marks as deleted.

use crate::lab::*;
use serde_json::{Value, json};
use sluice::Kind;

const KEPT: &str = "select concat_ws('|', id, coalesce(score, '-')) from nps where deleted_at is null order by id";
const HELD: &str = "select concat_ws('|', id, coalesce(score::text, '-')) from nps order by id";

async fn marked(lab: &Lab) {
    lab.make_nps(72).await;
    lab.in_mysql("alter table nps add deleted_at datetime null, add gone tinyint(1) not null default 0").await;
    lab.in_mysql("update nps set deleted_at = '2018-07-09', gone = 1 where id in (1, 2, 40)").await;
}

fn parts(lab: &Lab, mode: &str, column: &str) -> Value {
    let mut parts = lab.nps(mode);
    parts["target"]["deleted"] = json!(column);
    parts["target"]["on_deleted"] = json!("delete");
    parts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_row_leaves_the_target_in_every_mode() {
    let lab = Lab::new().await;
    marked(&lab).await;
    let days = json!({"from": "2018-07-01", "to": "2018-07-03"});
    for (mode, column) in [("upsert", "deleted_at"), ("replace_window", "gone"), ("replace", "deleted_at")] {
        // As it was before the job knew of the mark: the rows are there, marked and all.
        let input = || if mode == "replace" { json!({}) } else { days.clone() };
        assert_eq!(lab.run(&lab.nps(mode), input()).await.unwrap().counts.rows_gone, 0);
        assert_eq!(lab.target("select count(*)::text from nps").await, ["72"], "a column like any other");
        let counts = lab.run(&parts(&lab, mode, column), input()).await.unwrap().counts;
        assert_eq!((counts.rows, counts.rows_gone), (72, 3), "{mode}");
        assert_eq!(lab.target(HELD).await, lab.source(KEPT).await, "{mode}");
        // One comes back, another goes.
        lab.in_mysql("update nps set deleted_at = null, gone = 0 where id = 1").await;
        lab.in_mysql("update nps set deleted_at = '2018-07-09', gone = 1 where id = 3").await;
        let counts = lab.run(&parts(&lab, mode, column), input()).await.unwrap().counts;
        let written = (counts.rows_inserted, counts.rows_deleted, counts.rows_unchanged);
        assert_eq!(written, if mode == "replace" { (69, 69, 0) } else { (1, 1, 68) }, "{mode}: nothing but these two");
        assert_eq!(lab.target(HELD).await, lab.source(KEPT).await, "{mode}");
        lab.in_mysql("update nps set deleted_at = null, gone = 0 where id = 3").await;
        lab.in_mysql("update nps set deleted_at = '2018-07-09', gone = 1 where id = 1").await;
        lab.in_redshift("drop table nps; delete from sluice.loads").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_rows_are_mostly_marked_is_kept() {
    let lab = Lab::new().await;
    marked(&lab).await;
    let parts = parts(&lab, "replace", "deleted_at");
    lab.run(&parts, json!({})).await.unwrap();
    let before = lab.target(HELD).await;
    lab.in_mysql("update nps set deleted_at = now() where id > 20").await;
    let error = lab.run(&parts, json!({})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains("it has 69 rows and would lose more than 50 % of them"), "{error}");
    assert_eq!(lab.target(HELD).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_on_an_older_row_takes_no_newer_one_away() {
    let lab = Lab::new().await;
    marked(&lab).await;
    let mut parts = parts(&lab, "upsert", "gone");
    parts["target"]["version"] = json!("created_at");
    let days = json!({"from": "2018-07-01", "to": "2018-07-03"});
    lab.run(&parts, days.clone()).await.unwrap();
    lab.in_redshift("update nps set created_at = '2018-07-05' where id = 5").await;
    lab.in_mysql("update nps set gone = 1 where id in (5, 6)").await;
    let counts = lab.run(&parts, days).await.unwrap().counts;
    assert_eq!((counts.rows_newer, counts.rows_deleted, counts.rows_gone), (1, 1, 4));
    assert_eq!(lab.target("select id::text from nps where id in (5, 6)").await, ["5"]);
}

/// A row that was deleted leaves no version behind, by which an older reading of it could be told.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_reading_brings_no_row_back_that_went_to_a_later_day_and_was_deleted() {
    let lab = Lab::new().await;
    marked(&lab).await;
    let parts = parts(&lab, "upsert", "gone");
    let first = lab.plan(&parts, json!({"from": "2018-07-01", "to": "2018-07-02"})).await.unwrap();
    let read = lab.export(&first, 0).await.unwrap();
    // The day that it goes to is not over by MySQL's clock while the first one is read.
    lab.in_mysql("update nps set created_at = '2037-06-01 12:00:00', gone = 1 where id = 5").await;
    let mut later = execution(&format!("later{}", next()));
    later.started_at = "2037-06-02T02:00:00.000Z".into();
    let run = lab.plan_as(&later, &parts, json!({"from": "2037-06-01", "to": "2037-06-02"})).await.unwrap();
    let export = lab.export(&run, 0).await.unwrap();
    lab.load(&run, 0, &export).await.unwrap();
    let error = lab.load(&first, 0, &read).await.unwrap_err();
    assert_eq!(error.kind(), Kind::StaleRun);
    assert!(error.to_string().contains("a row that went there and was deleted could come back"), "{error}");
    assert_eq!(lab.target("select count(*)::text from nps").await, ["0"], "nothing was loaded");
    // Read again it has the row no more; and days that were over may be loaded in any order.
    let days = lab.plan(&parts, json!({"from": "2018-07-01", "to": "2018-07-03"})).await.unwrap();
    let exports = [lab.export(&days, 0).await.unwrap(), lab.export(&days, 1).await.unwrap()];
    for day in [1, 0] {
        lab.load(&days, day, &exports[day as usize]).await.unwrap();
    }
    assert_eq!(lab.target(HELD).await, lab.source(&KEPT.replace("deleted_at is null", "gone = 0")).await);
}
