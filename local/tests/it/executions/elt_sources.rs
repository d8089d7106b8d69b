//! What is wrong with the files or the tables that a run finds publishes nothing, and is named.

use crate::support::keys;
use crate::support::lake::{Lake, RATINGS, change, sample};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_wrong_is_told_with_its_file_and_without_its_text() {
    let lake = Lake::with_sample().await;
    lake.run_well(json!({})).await;
    for (line, what) in [
        ("1,1,secret,1\n", "in the column rating stands what is no double"),
        ("1,secret,4.5,1\n", "in the column movie_id stands what is no bigint"),
        ("1,\"secret\n2\",4.5,1\n", "a line is empty, torn"),
        ("1,1,4.5\n", "a line is empty, torn"),
        ("1,1,4.5,1,secret\n", "a line is empty, torn"),
    ] {
        lake.put("ratings/bad.csv", format!("{RATINGS}{line}")).await;
        let (error, cause) = lake.run_badly(json!({})).await;
        assert_eq!(error, "InvalidSource", "{cause}");
        assert!(cause.contains("ratings/bad.csv") && cause.contains(what), "{what}: {cause}");
        assert!(!cause.contains("secret"), "{cause}");
    }
    lake.holds(&sample(), "Sci-Fi").await;
    lake.delete("ratings/bad.csv").await;
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_in_another_order_and_sources_without_files() {
    let lake = Lake::with_sample().await;
    lake.put("movies/part-9.csv", "movieId,genres,title\n5,Sci-Fi,X (1990)\n").await;
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "InvalidSource");
    assert!(cause.contains("part-9.csv") && cause.contains("position"), "{cause}");
    for name in sample().keys().filter(|name| name.starts_with("ratings/")) {
        lake.delete(name).await;
    }
    lake.delete("movies/part-9.csv").await;
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "InvalidSource");
    assert!(cause.contains("ratings: there is no file"), "{cause}");
    assert!(keys(&lake, lake.export()).await.is_empty());
    assert!(!lake.tables().await.contains(&"scifi".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_change_while_they_are_read_publish_nothing() {
    let lake = Lake::with_sample().await;
    lake.fault("hold", "ORDER BY", 1);
    let execution = lake.start(&json!({})).await.unwrap();
    lake.until_query("SELECT", "RUNNING").await;
    let late = format!("{RATINGS}9,1,5.0,1\n").into_bytes();
    lake.put("ratings/late.csv", late.clone()).await;
    lake.release_queries();
    let outcome = execution.outcome().await.unwrap();
    assert_eq!(outcome.error.as_deref(), Some("TransientFailure"), "{outcome:?}");
    assert!(outcome.cause.unwrap().contains("files of ratings changed while they were read"));
    assert!(keys(&lake, lake.export()).await.is_empty());
    let mut files = sample();
    files.insert("ratings/late.csv".to_owned(), late);
    lake.run_well(json!({})).await;
    lake.is_published(&files, "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_somebody_else_are_left_alone() {
    let lake = Lake::with_sample().await;
    let create = lake.glue().create_database();
    let input = aws_sdk_glue::types::DatabaseInput::builder().name(&lake.database).build().unwrap();
    create.database_input(input).send().await.unwrap();
    let database = &lake.database;
    lake.rows(&format!("create table {database}.scifi as select 1 as theirs")).await.unwrap();
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "Misconfigured", "{cause}");
    assert_eq!(lake.rows(&format!("select * from {database}.scifi")).await.unwrap(), [["1"]]);
    assert!(keys(&lake, lake.export()).await.is_empty());
    lake.glue().delete_table().database_name(database).name("scifi").send().await.unwrap();
    lake.run_well(json!({})).await;

    // A source table of ours follows the spec; one of somebody else's is not touched.
    lake.redeploy(|parameters| {
        change(parameters, "Sources", |sources| sources["ratings"]["columns"][0]["name"] = json!("who"));
    })
    .await;
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "Sci-Fi").await;
    lake.glue().delete_table().database_name(database).name("movies").send().await.unwrap();
    let (bucket, columns) = (&lake.bucket, "movieid string, title string, genres string");
    lake.rows(&format!("create external table {database}.movies ({columns}) location 's3://{bucket}/theirs/'"))
        .await
        .unwrap_or_default();
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "Misconfigured", "{cause}");
    lake.holds(&sample(), "Sci-Fi").await;
}
