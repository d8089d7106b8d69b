//! Workgroups that are there already: one that leaves the place of results to whoever asks, and one that decides it.

use crate::functions::elt::run;
use crate::support::keys;
use crate::support::lake::{Lake, RATINGS, sample};
use aws_sdk_athena::types::{
    ResultConfiguration, ResultConfigurationUpdates, WorkGroupConfiguration, WorkGroupConfigurationUpdates,
};
use serde_json::json;

const NAME: &str = "analysts";
const PREFIX: &str = "results/of analysts/";

#[tokio::test(flavor = "multi_thread")]
async fn a_workgroup_that_is_there_is_used_whoever_decides_where_results_go() {
    let lake = Lake::with(|parameters| {
        parameters["ExistingWorkGroup"] = NAME.into();
        parameters["WorkGroupPrefix"] = PREFIX.into();
    })
    .await;
    let mut files = sample();
    lake.upload_all(&files).await;
    let configuration = WorkGroupConfiguration::builder().enforce_work_group_configuration(false);
    let configuration =
        configuration.result_configuration(ResultConfiguration::builder().output_location("s3://elsewhere/").build());
    let create = lake.athena().create_work_group().name(NAME).configuration(configuration.build());
    create.send().await.unwrap();
    lake.run_well(json!({})).await;
    lake.is_published(&files, "Sci-Fi").await;
    assert!(keys(&lake, PREFIX).await.is_empty(), "the run says where results go");
    assert_eq!(lake.versions().await.len(), 1);

    let place = ResultConfigurationUpdates::builder().output_location(format!("s3://{}/{PREFIX}", lake.bucket)).build();
    let enforced = WorkGroupConfigurationUpdates::builder().enforce_work_group_configuration(true);
    let enforced = enforced.result_configuration_updates(place).build();
    lake.athena().update_work_group().work_group(NAME).configuration_updates(enforced).send().await.unwrap();
    for round in 0..3 {
        let name = format!("ratings/more-{round}.csv");
        files.insert(name.clone(), format!("{RATINGS}700,1,{round}.5,1\n").into_bytes());
        lake.put(&name, files[&name].clone()).await;
        // Nobody reads any more what was replaced before.
        lake.age_versions().await;
        lake.run_well(json!({})).await;
        lake.is_published(&files, "Sci-Fi").await;
        // Results that were published are deleted there too; of versions two are kept, wherever they lie.
        let left = keys(&lake, PREFIX).await;
        assert!(left.iter().all(|key| key[PREFIX.len()..].starts_with("tables/")), "{left:?}");
        let mut folders: Vec<&str> =
            left.iter().filter_map(|key| key[PREFIX.len() + 7..].split_once('/')).map(|it| it.0).collect();
        folders.dedup();
        assert_eq!((folders.len(), lake.versions().await.len()), ([1, 2, 2][round], [1, 0, 0][round]), "round {round}");
    }
}

/// What the template says is refused before it is deployed; a function is told the spec by the state machine.
#[tokio::test(flavor = "multi_thread")]
async fn results_may_not_become_data() {
    let lake = Lake::with(|parameters| {
        parameters["ExistingWorkGroup"] = "whoever".into();
        parameters["WorkGroupPrefix"] = "other/ratings/results/".into();
    })
    .await;
    let run = run(&lake, "results");
    for (source_prefix, told) in [
        (
            "other/",
            "/sources/ratings/location: WorkGroupPrefix \"other/ratings/results/\" lies within the source ratings",
        ),
        ("other/ratings/results/tables/", "/sources/movies/location: lies within \"other/ratings/results/tables/\""),
        ("exports/scifi/", "/sources/movies/location: lies within ExportPrefix \"exports/scifi/\""),
    ] {
        let check = json!({"action": "check", "trigger": {}, "source_prefix": source_prefix});
        let (error, cause) = run.ask("prepare-elt", check).await.unwrap_err();
        assert_eq!(error, "Misconfigured", "{cause}");
        assert!(cause.contains(told), "{cause}");
    }
    assert!(keys(&lake, &format!("state/{}/", lake.job)).await.is_empty(), "the lock was not even asked for");
}
