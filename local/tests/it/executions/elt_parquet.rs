//! Parquet files as sources and as the export: written and read by DuckDB, judged by what Python says of the same rows
//! as CSV.

use crate::support::keys;
use crate::support::lake::{Files, Lake, RATINGS, as_parquet_job, sample, truth};
use crate::support::parquet::as_parquet;
use serde_json::json;
use std::collections::BTreeSet;

async fn holds(lake: &Lake, files: &Files) -> BTreeSet<String> {
    let expected = truth(files, "Sci-Fi");
    let (names, rows) = lake.exported().await;
    assert_eq!(rows, expected, "the export");
    assert_eq!(lake.table_rows().await, expected, "the table");
    assert_eq!(lake.tables().await, ["movies", "ratings", "scifi"]);
    names.into_iter().collect()
}

/// The exported files that are there.
async fn exported(lake: &Lake) -> BTreeSet<String> {
    let (folder, _) = lake.export().split_once(".json").unwrap();
    keys(lake, &format!("{folder}/")).await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parquet_files_parquet_files_and_a_manifest() {
    let (lake, mut files) = (Lake::with(as_parquet_job).await, sample());
    lake.upload_all(&as_parquet(&files)).await;
    lake.run_well(json!({})).await;
    assert_eq!(lake.queries().await.len(), 2, "the table's own files are the export");
    let mut versions = vec![holds(&lake, &files).await];
    for round in 0..3 {
        if round == 2 {
            // Those of all versions are there yet: a reader of an older manifest may still be at work.
            let left = exported(&lake).await;
            assert_eq!(left, versions.iter().flatten().cloned().collect());
            lake.age_versions().await;
        }
        let name = format!("ratings/more-{round}.csv");
        files.insert(name.clone(), format!("{RATINGS}700,1,{round}.5,1\n").into_bytes());
        let more = Files::from([(name.clone(), files[&name].clone())]);
        lake.upload_all(&as_parquet(&more)).await;
        lake.run_well(json!({})).await;
        versions.push(holds(&lake, &files).await);
    }
    // Once nobody can read them any more, those of two versions stay.
    assert_eq!(exported(&lake).await, versions[2..].iter().flatten().cloned().collect());
    assert_eq!(lake.versions().await.len(), 2);

    // One that stood in the manifest only, for its run died before it changed the table, stays for its readers, too.
    lake.redefine("scifi", |table| {
        let parameters = table.parameters.as_mut().unwrap();
        parameters.insert("sluice.versions".to_owned(), "[]".to_owned());
        parameters.insert("sluice.version".to_owned(), "another".to_owned());
    })
    .await;
    lake.redeploy(|parameters| {
        as_parquet_job(parameters);
        parameters["SweepAfterHours"] = "0".into();
    })
    .await;
    lake.run_well(json!({})).await;
    versions.push(holds(&lake, &files).await);
    assert_eq!(exported(&lake).await, versions[3..].iter().flatten().cloned().collect());

    // A file without the column, one of another type, and one that is none: each is named, and nothing is published.
    let header = "movieId,title,kinds\n5,X,Sci-Fi\n";
    let other = as_parquet(&Files::from([("movies/bad.csv".to_owned(), header.as_bytes().to_vec())]));
    let ratings =
        as_parquet(&Files::from([("movies/bad.csv".to_owned(), format!("{RATINGS}1,1,1.5,1\n").into_bytes())]));
    let text = Files::from([("movies/bad.parquet".to_owned(), b"movieId,title,genres\n5,X,Sci-Fi\n".to_vec())]);
    // A text that was mangled before it came, in a film of the genre: the SELECT reads it.
    let mangled = "movieId,title,genres\n1,Am\u{fffd}lie,Sci-Fi\n";
    let mangled = as_parquet(&Files::from([("movies/bad.csv".to_owned(), mangled.as_bytes().to_vec())]));
    for (bad, what) in [
        (other, "no column \"genres\""),
        (ratings, "no column \"title\""),
        (text, "not a Parquet file"),
        (mangled, "in the column title stands what is not UTF-8, or holds U+FFFD"),
    ] {
        lake.upload_all(&bad).await;
        let (error, cause) = lake.run_badly(json!({})).await;
        assert_eq!(error, "InvalidSource", "{cause}");
        assert!(cause.contains("movies/bad.parquet") && cause.contains(what), "{what}: {cause}");
    }
    holds(&lake, &files).await;
}
