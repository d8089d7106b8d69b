//! Every guard fires, and what it stops leaves the table as it was.

use crate::lab::*;
use serde_json::{Value, json};
use sluice::contract::mysql_to_redshift::Export;
use sluice::{Error, Kind};

/// What loading an export again as another execution says; the table is as before.
async fn refused(lab: &Lab, parts: &Value, change: impl FnOnce(&mut Export)) -> Error {
    let (run, export) = read(lab, parts).await;
    let export = lab.tampered(&export, change).await;
    let before = lab.target("select t::text from nps t order by 1").await;
    let error = lab.load(&run, 0, &export).await.unwrap_err();
    assert_eq!(lab.target("select t::text from nps t order by 1").await, before, "{error}");
    error
}

async fn read(lab: &Lab, parts: &Value) -> (Run, sluice::contract::ObjectRef) {
    let input = if parts["windows"].is_null() { json!({}) } else { json!({"from": "2018-07-01", "to": "2018-07-02"}) };
    let run = lab.plan(parts, input).await.unwrap();
    let export = lab.export(&run, 0).await.unwrap();
    (run, export)
}

fn says(error: &Error, kind: Kind, words: &str) {
    assert!(error.kind() == kind && error.to_string().contains(words), "{error:?} is not {kind}: {words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_add_up_undoes_itself_in_every_mode() {
    let lab = Lab::new().await;
    lab.make_nps(36).await;
    for mode in ["replace", "upsert", "replace_window"] {
        let parts = lab.nps(mode);
        let (run, export) = read(&lab, &parts).await;
        lab.load(&run, 0, &export).await.unwrap();
        let error = refused(&lab, &parts, |export| export.rows += 1).await;
        says(&error, Kind::TransientFailure, "36 rows arrived of the 37 that were read");
        let error = refused(&lab, &parts, |export| export.columns[2].sum = Some("7".into())).await;
        says(&error, Kind::TransientFailure, "do not add up to what was read");
        let error = refused(&lab, &parts, |export| export.columns[2].values += 1).await;
        says(&error, Kind::TransientFailure, "do not add up to what was read");
        lab.assert_nps_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_load_again_is_one_load_and_an_older_one_is_stale() {
    let lab = Lab::new().await;
    lab.make_nps(36).await;
    let parts = lab.nps("upsert");
    let (old_run, old) = read(&lab, &parts).await;
    lab.in_mysql("update nps set score = 50 where id = 1").await;
    let (run, export) = read(&lab, &parts).await;
    lab.load(&run, 0, &export).await.unwrap();
    // As when every answer was lost for longer than a token is known: another batch of the same load.
    let statements = |lab: &Lab| {
        let (store, run, export) = (lab.store.clone(), run.plan.clone().unwrap(), export.clone());
        async move { (store.read_json(&run).await.unwrap(), store.read_json(&export).await.unwrap()) }
    };
    let (plan, document) = statements(&lab).await;
    let load = load_redshift::batch::Load {
        execution: &run.execution,
        plan: &plan,
        index: 0,
        window: &plan.windows[0],
        export: &document,
        role: &lab.role,
    };
    let texts: Vec<String> = load.statements().into_iter().map(|statement| statement.text).collect();
    let error = lab.warehouse.run("load again", &texts, std::time::Duration::from_secs(60)).await.unwrap_err();
    assert!(error.to_string().contains("sluice:already_loaded:1"), "{error}");
    let failure = load_redshift::outcome::failure(&load, 0, &error.to_string());
    assert!(matches!(failure, load_redshift::outcome::Failure::AlreadyLoaded));
    // By its token the batch is found, not submitted again.
    lab.load(&run, 0, &export).await.unwrap();
    assert_eq!(lab.target("select count(*)::text from sluice.loads").await, ["1"]);

    let error = lab.load(&old_run, 0, &old).await.unwrap_err();
    says(&error, Kind::StaleRun, "whose rows were read after");
    lab.assert_nps_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_null_or_double_are_refused() {
    let lab = Lab::new().await;
    lab.in_mysql("create table nps (id int, created_at timestamp null, score smallint, unique (id), key (created_at))")
        .await;
    lab.in_mysql("insert into nps values (1, '2018-07-01 10:00:00', 1), (null, '2018-07-01 11:00:00', 2)").await;
    lab.in_redshift("create table nps (id int, created_at timestamp, score smallint)").await;
    let parts = lab.nps("upsert");
    says(&refused(&lab, &parts, |_| ()).await, Kind::InvalidSource, "1 rows have no key");

    // A part that comes twice brings each key twice.
    lab.in_mysql("delete from nps where id is null").await;
    let (run, export) = read(&lab, &parts).await;
    let document: Export = lab.store.read_json(&export).await.unwrap();
    let url = format!("s3://{}/{}", lab.store.bucket(), document.parts[0].key);
    let twice = json!({"entries": [{"url": url, "mandatory": true}, {"url": url, "mandatory": true}]});
    let manifest = lab.store.write_json("intermediate_data/nps/twice/manifest.json", &twice).await.unwrap();
    let double = |export: &mut Export| {
        export.rows *= 2;
        export.manifest = Some(manifest);
        for column in &mut export.columns {
            column.values *= 2;
            let sum: i128 = column.sum.as_ref().unwrap().parse().unwrap();
            column.sum = Some((sum * 2).to_string());
        }
    };
    let export = lab.tampered(&export, double).await;
    says(&lab.load(&run, 0, &export).await.unwrap_err(), Kind::InvalidSource, "1 keys come twice");

    // Redshift's primary keys keep nobody from writing a row twice: whether they are the source's or others.
    for by_hand in
        ["(1, '2018-07-01 10:00:00', 1), (1, '2018-07-01 10:00:00', 1)", "(1, '2018-07-09', 5), (1, '2018-07-09', 6)"]
    {
        lab.in_redshift(&format!("delete from nps; insert into nps values {by_hand}")).await;
        for mode in ["upsert", "replace_window"] {
            let error = refused(&lab, &lab.nps(mode), |_| ()).await;
            says(&error, Kind::Misconfigured, "1 of the keys to be loaded are in it twice");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_would_be_emptied_or_halved_is_kept() {
    let lab = Lab::new().await;
    lab.make_nps(36).await;
    let parts = lab.nps("replace");
    lab.run(&parts, json!({})).await.unwrap();
    lab.in_mysql("delete from nps where id > 17").await;
    let error = refused(&lab, &parts, |_| ()).await;
    says(&error, Kind::Misconfigured, "it has 36 rows and would lose more than 50 % of them, for 17 were read");
    lab.in_mysql("delete from nps").await;
    says(&refused(&lab, &parts, |_| ()).await, Kind::Misconfigured, "for 0 were read");
    let mut allowed = parts.clone();
    allowed["target"]["max_shrink_percent"] = json!(100);
    lab.run(&allowed, json!({})).await.unwrap();
    lab.assert_nps_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_read_and_a_row_that_does_not_fit_are_told() {
    let lab = Lab::with_role_for("somewhere_else").await;
    lab.make_nps(36).await;
    let (run, export) = read(&lab, &lab.nps("upsert")).await;
    let error = lab.load(&run, 0, &export).await.unwrap_err();
    assert!(error.kind() == Kind::Misconfigured, "{error:?}");

    // The table changes between planning and loading.
    let lab = Lab::new().await;
    lab.make_nps(36).await;
    let (run, export) = read(&lab, &lab.nps("upsert")).await;
    lab.in_redshift("alter table nps alter score set not null").await;
    let error = lab.load(&run, 0, &export).await.unwrap_err();
    says(&error, Kind::InvalidSource, "column score: Missing data for not-null field");
    assert!(error.to_string().contains("part-00000.csv.zst, line 10"), "{error}");
}
