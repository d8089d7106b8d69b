//! A function of the job that makes a table of the lake goes on after its run was stopped, and copies its file late:
//! over one that a newer run has put there, and that has the bytes of the file that the late one saw.

use crate::faults::proxies::{Action, Fault, Faults, Moment, Place};
use crate::support::lake::{Lake, sample};
use crate::support::until;
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
