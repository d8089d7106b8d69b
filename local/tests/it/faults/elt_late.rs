//! A function of the job that makes a table of the lake goes on after its run was stopped. One starts its query late.
//! One cleans up late. One copies its file late: over one that a newer run has put there, and that has the bytes of the
//! file that the late one saw. And one dies before it has deleted what its run dropped.

use crate::faults::proxies::{Action, Fault, Faults, Moment, Place};
use crate::functions::elt::run;
use crate::support::lake::{Lake, RATINGS, sample};
use crate::support::{keys, until};
use aws_sdk_athena::types::{ResultConfiguration, WorkGroupConfiguration};
use local::stack::Stack;
use serde_json::json;
use std::sync::Arc;

const WORKGROUP: &str = "analysts";
const PREFIX: &str = "results/";

#[tokio::test(flavor = "multi_thread")]
async fn a_late_copy_does_not_replace_a_newer_file_of_the_same_bytes() {
    let (faults, stack) = Faults::with_stack().await;
    let stack = Arc::new(stack);
    survive(&faults, &Lake::on(stack.clone(), |_| ()).await).await;
    // Where the workgroup decides it, results lie among those of others.
    survive(&faults, &of_a_workgroup(stack).await).await;
}

/// A function is about to start its query when the run is stopped, and does it once the rule has looked twice for
/// queries of the run. Of the answers one is lost, or all are.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_started_late_is_stopped() {
    let (faults, stack) = Faults::with_stack().await;
    let stack = Arc::new(stack);
    let at_start = |moment, action, times| {
        let place = Place::Named("run-query StartQueryExecution".to_owned());
        Some(Fault { place, moment, action, times })
    };
    let stopped = [("CREATE_TABLE_AS_SELECT".to_owned(), "CANCELLED".to_owned())];
    let lake = Lake::on(stack.clone(), |_| ()).await;
    lake.upload_all(&sample()).await;
    // It would go on for ever.
    lake.fault("hold", "CREATE TABLE", 1);
    lake.fault("lose_answer", "CREATE TABLE", 1);
    faults.arm(&lake.name, at_start(Moment::Before, Action::Hold, 1));
    let late = lake.start(&json!({})).await.unwrap();
    until("it is about to start its query", async || Ok(faults.struck(&lake.name).is_some())).await;
    lake.sfn().stop_execution().execution_arn(&late.arn).send().await.unwrap();
    late.outcome().await.unwrap();
    until("the rule has looked twice", async || {
        let looks = faults.seen(&lake.name).into_iter().filter(|name| name == "run-query ListQueryExecutions");
        Ok(looks.count() > 1)
    })
    .await;
    assert!(lake.queries().await.is_empty(), "it is not there yet");
    faults.release(&lake.name);
    until("it is there", async || Ok(!lake.queries().await.is_empty())).await;
    until("no query is at work", async || Ok(lake.is_quiet().await)).await;
    assert_eq!(lake.queries().await, stopped);

    let lake = Lake::on(stack, |_| ()).await;
    lake.upload_all(&sample()).await;
    lake.fault("hold", "CREATE TABLE", 1);
    let run = run(&lake, "ended");
    run.ask("prepare-elt", json!({"action": "check", "trigger": {}})).await.unwrap();
    for action in ["create_database", "create_sources"] {
        run.ask("prepare-elt", json!({"action": action})).await.unwrap();
    }
    run.ask("run-query", json!({"action": "stop", "execution": run.execution})).await.unwrap();
    faults.arm(&lake.name, at_start(Moment::After, Action::Cut, 9));
    let build = json!({
        "action": "run", "step": "build", "table": "scifi", "values": {"genre": "Sci-Fi"},
        "progress": {"attempt": 0, "query_id": null},
    });
    let (error, text) = run.ask("run-query", build).await.unwrap_err();
    assert_eq!(error, "StaleRun", "{text}");
    assert_eq!(lake.queries().await, stopped);
}

/// A function is about to list what it cleans up when its run is stopped, and does it while a newer run is at work.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_clean_up_takes_nothing_of_a_newer_run_away() {
    let (faults, stack) = Faults::with_stack().await;
    // What is unpublished is swept, however new it is.
    let lake = Lake::on(Arc::new(stack), |parameters| parameters["SweepAfterHours"] = "0".into()).await;
    let files = sample();
    lake.upload_all(&files).await;
    let (listing, lock) = ("publish-elt GetTables", "publish-elt GET state/../lock.json");
    let place = Place::Named(listing.to_owned());
    faults.arm(&lake.name, Some(Fault { place, moment: Moment::Before, action: Action::Hold, times: 1 }));
    let late = lake.start(&json!({})).await.unwrap();
    until("it is about to clean up", async || Ok(faults.struck(&lake.name).is_some())).await;
    lake.sfn().stop_execution().execution_arn(&late.arn).send().await.unwrap();
    late.outcome().await.unwrap();
    // The newer run has built its table, and makes its file.
    lake.fault("hold", "ORDER BY", 1);
    let newer = lake.start(&json!({})).await.unwrap();
    lake.until_query("SELECT", "RUNNING").await;
    faults.release(&lake.name);
    until("the late one has looked whether it has the lock", async || {
        let seen = faults.seen(&lake.name);
        let last = |name: &str| seen.iter().rposition(|request| request == name);
        Ok(last(lock) > last(listing) && faults.is_quiet(&lake.name))
    })
    .await;
    lake.release_queries();
    let outcome = newer.outcome().await.unwrap();
    assert!(outcome.succeeded(), "{outcome:?}");
    lake.is_published(&files, "Sci-Fi").await;
}

/// A run dies once it has pointed the table to a new version, before it can delete the one that is no longer kept. In
/// the folder of a workgroup nobody sweeps it.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_a_dead_run_dropped_is_deleted_by_the_next_one() {
    let (faults, stack) = Faults::with_stack().await;
    let (lake, mut files) = (of_a_workgroup(Arc::new(stack)).await, sample());
    lake.upload_all(&files).await;
    // The files of versions, and not what Athena says of its queries beside them.
    let tables = format!("{PREFIX}tables/");
    let of_versions = async || {
        let found = keys(&lake, &tables).await;
        found.into_iter().filter(|key| key[tables.len()..].contains('/')).collect::<Vec<String>>()
    };
    lake.run_well(json!({})).await;
    let first = of_versions().await;
    files.insert("ratings/more.csv".to_owned(), format!("{RATINGS}700,1,1.5,1\n").into_bytes());
    lake.upload_all(&files).await;
    lake.run_well(json!({})).await;
    // Nobody reads the first version any more, and two are kept.
    lake.age_versions().await;
    // At every try.
    let place = Place::Named("publish-elt POST /../".to_owned());
    faults.arm(&lake.name, Some(Fault { place, moment: Moment::Before, action: Action::Kill, times: 40 }));
    let dead = lake.start(&json!({"variables": {"genre": "Comedy"}})).await.unwrap().outcome().await.unwrap();
    assert!(!dead.succeeded() && faults.struck(&lake.name).is_some(), "{dead:?}");
    faults.arm(&lake.name, None);
    lake.holds(&files, "Comedy").await;
    let left = of_versions().await;
    assert!(!first.is_empty() && first.iter().all(|key| left.contains(key)), "{first:#?} of {left:#?}");
    let versions = left.len() - first.len();
    lake.run_well(json!({})).await;
    lake.is_published(&files, "Sci-Fi").await;
    let left = of_versions().await;
    assert!(first.iter().all(|key| !left.contains(key)), "{left:#?}");
    assert!(left.len() > versions, "the others stay: {left:#?}");
    let table = lake.glue().get_table().database_name(&lake.database).name("scifi").send().await.unwrap();
    let listed = table.table.unwrap().parameters.unwrap()["sluice.versions"].clone();
    let id = first[0][tables.len()..].split('/').next().unwrap();
    assert!(!listed.contains(id), "nor is it spoken of: {listed}");
}

async fn survive(faults: &Faults, lake: &Lake) {
    let files = sample();
    lake.upload_all(&files).await;
    lake.run_well(json!({})).await;
    let seen = etag(lake).await;
    let place = Place::Named("publish-elt PUT exports/../scifi.csv".to_owned());
    faults.arm(&lake.name, Some(Fault { place, moment: Moment::Before, action: Action::Hold, times: 1 }));
    let late = lake.start(&json!({"variables": {"genre": "Comedy"}})).await.unwrap();
    until("it is about to copy", async || Ok(faults.struck(&lake.name).is_some())).await;
    lake.sfn().stop_execution().execution_arn(&late.arn).send().await.unwrap();
    late.outcome().await.unwrap();
    lake.run_well(json!({})).await;
    assert_eq!(etag(lake).await, seen, "the newer file has the same bytes");
    faults.release(&lake.name);
    until("the functions are quiet", async || Ok(faults.is_quiet(&lake.name))).await;
    lake.holds(&files, "Sci-Fi").await;
    lake.run_well(json!({})).await;
    lake.is_published(&files, "Sci-Fi").await;
}

async fn etag(lake: &Lake) -> String {
    let head = lake.s3().head_object().bucket(&lake.bucket).key(lake.export()).send().await.unwrap();
    head.e_tag.unwrap()
}

async fn of_a_workgroup(stack: Arc<Stack>) -> Lake {
    let lake = Lake::on(stack, |parameters| {
        parameters["ExistingWorkGroup"] = WORKGROUP.into();
        parameters["WorkGroupPrefix"] = PREFIX.into();
    })
    .await;
    let place = ResultConfiguration::builder().output_location(format!("s3://{}/{PREFIX}", lake.bucket)).build();
    let configuration = WorkGroupConfiguration::builder().enforce_work_group_configuration(true);
    let configuration = configuration.result_configuration(place).build();
    lake.athena().create_work_group().name(WORKGROUP).configuration(configuration).send().await.unwrap();
    lake
}
