//! What queries have left and nobody published is deleted, and nothing else.

use crate::support::keys;
use crate::support::lake::{Lake, RATINGS, sample};
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
    // A definition that a run has left, whose execution nobody knows any more.
    let staging = format!("create table {}.scifi__0123456789ab_2 as select 1 as a", lake.database);
    let theirs = format!("create table {}.scifi_0123456789ab_2 as select 1 as a", lake.database);
    for sql in [staging, theirs] {
        lake.rows(&sql).await.unwrap();
    }
    // A run that fails may still be publishing another target: what nobody has published yet stays.
    lake.put("ratings/bad.csv", format!("{RATINGS}1,1,bad,1\n")).await;
    lake.run_badly(json!({})).await;
    let after_failure = keys(&lake, &format!("tables/{job}/")).await;
    assert!(left.iter().all(|key| after_failure.contains(key)), "{after_failure:#?}");
    lake.delete("ratings/bad.csv").await;
    lake.run_well(json!({})).await;
    lake.holds(&sample(), "Sci-Fi").await;
    assert_eq!(lake.tables().await, ["movies", "ratings", "scifi", "scifi_0123456789ab_2"]);
    let now = [keys(&lake, "tables/").await, keys(&lake, &format!("{exports}/")).await].concat();
    assert!(left.iter().all(|key| !now.contains(key)), "{now:#?}");
    assert!(others.iter().chain(&published).all(|key| now.contains(key)), "{now:#?}");
}
