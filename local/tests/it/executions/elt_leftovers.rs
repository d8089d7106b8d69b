//! What queries have left and nobody published is deleted, and nothing else.

use crate::support::keys;
use crate::support::lake::{Lake, RATINGS, change, sample};
use serde_json::json;

const ID: &str = "0c2f1b6e-1111-4a2b-9c3d-0123456789ab";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_deletes_what_queries_left_and_nothing_else() {
    let lake = Lake::with(|parameters| parameters["SweepAfterHours"] = "0".into()).await;
    lake.upload_all(&sample()).await;
    lake.run_well(json!({})).await;
    let published = keys(&lake, &format!("tables/{}/", lake.job)).await;
    let (job, exports) = (&lake.job, lake.export().rsplit_once('/').unwrap().0);
    let left = [format!("tables/{job}/scifi/tables/{ID}/part-0"), format!("tables/{job}/scifi/{ID}.csv.metadata")];
    let others = [
        format!("tables/{job}/scifi/readme.txt"),
        format!("tables/{job}/scifi/tables/mine/{ID}"),
        format!("tables/{job}/other/tables/{ID}/part-0"),
        format!("tables/another/scifi/tables/{ID}/part-0"),
        format!("{exports}/scifi/{ID}/00000.parquet"),
        format!("{exports}/notes.txt"),
    ];
    for key in left.iter().chain(&others) {
        lake.s3().put_object().bucket(&lake.bucket).key(key).body(b"x".to_vec().into()).send().await.unwrap();
    }
    // Definitions that runs have left; and such as are somebody else's: of another job, of the same name elsewhere, and
    // of another name.
    let staging = [lake.staging("scifi", 2), lake.staging("scifi", 1)];
    let theirs = ["scifi__0123456789ab_0123456789ab_2", &lake.staging("scifi", 0), "scifi_0123456789ab_2"];
    let ours = lake.folder_of("scifi");
    for (name, folder) in staging.iter().map(|name| (name.as_str(), ours.as_str())).chain([
        (theirs[0], ours.as_str()),
        (theirs[1], "tables/another/scifi/tables/0c2f1b6e-2222-4a2b-9c3d-0123456789ab/"),
        (theirs[2], ours.as_str()),
    ]) {
        lake.leave_table(name, folder).await.unwrap();
    }
    // A run that fails may still be publishing another target: what nobody has published yet stays.
    lake.put("ratings/bad.csv", format!("{RATINGS}1,1,bad,1\n")).await;
    lake.run_badly(json!({})).await;
    let mut expected = ["movies", "ratings", "scifi"].map(ToOwned::to_owned).to_vec();
    expected.extend(theirs.map(ToOwned::to_owned));
    expected.sort();
    assert_eq!(lake.tables().await, expected, "definitions are dropped after a failure, too");
    let after_failure = keys(&lake, &format!("tables/{job}/")).await;
    assert!(left.iter().all(|key| after_failure.contains(key)), "{after_failure:#?}");
    lake.delete("ratings/bad.csv").await;
    lake.run_well(json!({})).await;
    lake.holds(&sample(), "Sci-Fi").await;
    assert_eq!(lake.tables().await, expected);
    let now = [keys(&lake, "tables/").await, keys(&lake, &format!("{exports}/")).await].concat();
    assert!(left.iter().all(|key| !now.contains(key)), "{now:#?}");
    assert!(others.iter().chain(&published).all(|key| now.contains(key)), "{now:#?}");
}

/// A query may read for hours what was published before it began.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_goes_no_earlier_than_its_last_reader_whatever_its_own_age() {
    let lake = Lake::with(|parameters| {
        // What nobody needs is swept, however new it is.
        parameters["SweepAfterHours"] = "0".into();
        change(parameters, "Targets", |targets| targets[0]["keep_versions"] = json!(1));
    })
    .await;
    lake.upload_all(&sample()).await;
    lake.run_well(json!({})).await;
    let read = keys(&lake, &format!("tables/{}/scifi/tables/", lake.job)).await;
    for _ in 0..2 {
        lake.run_well(json!({"variables": {"genre": "Comedy"}})).await;
    }
    let now = keys(&lake, &format!("tables/{}/scifi/tables/", lake.job)).await;
    assert!(!read.is_empty() && read.iter().all(|key| now.contains(key)), "{read:#?} of {now:#?}");
    lake.age_versions().await;
    lake.run_well(json!({})).await;
    let left = keys(&lake, &format!("tables/{}/scifi/tables/", lake.job)).await;
    assert!(read.iter().all(|key| !left.contains(key)), "{left:#?}");
    assert_eq!(lake.versions().await.len(), 2, "the newest one, and the one that was replaced just now");
    lake.is_published(&sample(), "Sci-Fi").await;
}
