//! What is wrong with the files or the tables that a run finds publishes nothing, and is named.

use crate::support::lake::{Lake, RATINGS, change, sample};
use crate::support::{keys, read};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_wrong_is_told_with_its_file_and_without_its_text() {
    let lake = Lake::with_sample().await;
    lake.run_well(json!({})).await;
    for (line, what) in [
        ("1,1,secret,1\n", "in the column rating stands what is no double"),
        // What Java takes for one, and with it Athena.
        ("1,1,NaN,1\n", "in the column rating stands what is no double"),
        ("1,1,1e999,1\n", "in the column rating stands what is no double"),
        ("1,1,4.5f,1\n", "in the column rating stands what is no double"),
        ("1,1, 4.5,1\n", "in the column rating stands what is no double"),
        ("1,secret,4.5,1\n", "in the column movie_id stands what is no bigint"),
        // Columns that no SELECT of the job reads, and a film that is of no genre it asks for.
        ("secret,1,4.5,1\n", "in the column user_id stands what is no bigint"),
        ("1,999999,4.5,secret\n", "in the column rated_at stands what is no bigint"),
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
    lake.delete("ratings/bad.csv").await;
    // Latin-1, in a film that is of no genre that is asked for; and a text that was mangled before it came.
    for title in [&b"Am\xe9lie"[..], "Am\u{fffd}lie".as_bytes()] {
        lake.put("movies/bad.csv", [b"movieId,title,genres\n5,", title, b",War\n"].concat()).await;
        let (error, cause) = lake.run_badly(json!({})).await;
        assert_eq!(error, "InvalidSource", "{cause}");
        assert!(
            cause.contains("movies/bad.csv") && cause.contains("in the column title stands what is not UTF-8"),
            "{cause}"
        );
    }
    lake.delete("movies/bad.csv").await;
    lake.holds(&sample(), "Sci-Fi").await;
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "Sci-Fi").await;
}

/// Of a decimal, a date or a time no place is lost: what the type cannot hold is no value of it. Also where the SELECT
/// leaves the row out, by what it reads of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_type_cannot_hold_is_refused_and_not_rounded() {
    let lake = Lake::with(|parameters| {
        change(parameters, "Sources", |sources| {
            sources["ratings"]["columns"][2]["type"] = json!("decimal(2,1)");
            sources["movies"]["columns"][1]["type"] = json!("date");
            sources["movies"]["columns"][2]["type"] = json!("timestamp");
        });
        change(parameters, "Targets", |targets| {
            targets[0]["select"] = json!(
                "SELECT cast(m.title as varchar) AS day, date_diff('millisecond', TIMESTAMP '2020-01-01 00:00:00', m.genres) AS after,
                        cast(r.rating as varchar) AS rating
                 FROM movies AS m JOIN ratings AS r ON r.movie_id = m.movie_id WHERE m.movie_id < 9"
            );
            targets[0]["parameters"] = json!([]);
            targets[0]["export"] = json!({"to": "scifi.csv", "order_by": ["day"]});
        });
    })
    .await;
    let movies = "movieId,title,genres\n";
    let good =
        ["1,2020-02-29,2020-02-29 10:00:00.123000", "2,2021-01-01,2021-01-01", "3,2022-01-01,2022-01-01 10:00:59"];
    lake.put("movies/good.csv", format!("{movies}{}\n", good.join("\n"))).await;
    lake.put("ratings/good.csv", format!("{RATINGS}1,1,4.50,1\n1,2,.5,1\n1,3,-1,1\n")).await;
    lake.run_well(json!({})).await;
    let file = read(&lake, lake.export()).await;
    let lines: Vec<&str> = file.lines().collect();
    let expected = [
        r#""2020-02-29","5133600123","4.5""#,
        r#""2021-01-01","31622400000","0.5""#,
        r#""2022-01-01","63194459000","-1.0""#,
    ];
    assert_eq!(lines[1..], expected, "{file}");
    for (file, line, column) in [
        ("ratings", "1,1,4.55,1", "rating stands what is no decimal(2,1)"),
        ("ratings", "1,1,4.5e0,1", "rating stands what is no decimal(2,1)"),
        ("ratings", "1,1,45.5,1", "rating stands what is no decimal(2,1)"),
        ("movies", "9,2020-01-01 10:00:00,2020-01-01", "title stands what is no date"),
        ("movies", "9,2020-1-1,2020-01-01", "title stands what is no date"),
        ("movies", "9,2020-02-30,2020-01-01", "title stands what is no date"),
        ("movies", "9,2020-01-01,2020-01-01 10:00:00.123456", "genres stands what is no timestamp"),
        ("movies", "9,2020-01-01,2020-01-01T10:00:00", "genres stands what is no timestamp"),
    ] {
        let (name, head) = (format!("{file}/bad.csv"), if file == "movies" { movies } else { RATINGS });
        lake.put(&name, format!("{head}{line}\n")).await;
        let (error, cause) = lake.run_badly(json!({})).await;
        assert_eq!(error, "InvalidSource", "{cause}");
        assert!(cause.contains(&name) && cause.contains(column), "{line}: {cause}");
        lake.delete(&name).await;
    }
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
    // Such a file Athena passes by, also if its bytes can be read again for a time.
    let archived = lake.s3().put_object().bucket(&lake.bucket).key(lake.key("ratings/old.csv"));
    let archived = archived.storage_class(aws_sdk_s3::types::StorageClass::Glacier);
    archived.body(format!("{RATINGS}1,1,1.5,1\n").into_bytes().into()).send().await.unwrap();
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "InvalidSource");
    assert!(cause.contains("ratings/old.csv lies in the storage class GLACIER"), "{cause}");
    lake.delete("ratings/old.csv").await;
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
    assert_eq!(outcome.error.as_deref(), Some("StaleRun"), "{outcome:?}");
    let cause = outcome.cause.unwrap();
    assert!(cause.contains("files of ratings changed while they were read"), "{cause}");
    assert!(cause.contains(&format!("new: {};", lake.key("ratings/late.csv"))), "{cause}");
    assert!(keys(&lake, lake.export()).await.is_empty());
    assert_eq!(
        failed_tasks(&lake, &execution.arn).await,
        ["StaleRun"],
        "what has changed stays so, and is not retried"
    );
    let mut files = sample();
    files.insert("ratings/late.csv".to_owned(), late);
    lake.run_well(json!({})).await;
    lake.is_published(&files, "Sci-Fi").await;
}

/// The errors of all tries of an execution's tasks.
async fn failed_tasks(lake: &Lake, arn: &str) -> Vec<String> {
    let history = lake.sfn().get_execution_history().execution_arn(arn).max_results(1_000).send().await.unwrap();
    assert!(history.next_token.is_none(), "all of it was read");
    let failures = history.events.iter().filter_map(|event| event.task_failed_event_details());
    failures.map(|failed| failed.error().unwrap_or_default().to_owned()).collect()
}

/// However many files a source has, and however long their names: those that have changed are named.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_change_are_named_among_many() {
    let lake = Lake::with_sample().await;
    let body = |rating: &str| format!("{RATINGS}700,1,{rating},1\n");
    let long = "n".repeat(200);
    // Behind more than a page of a listing, of files that Athena passes by.
    let names = ["back", "gone", "other"].map(|name| format!("ratings/{name}-{long}.csv"));
    let [back, gone, other] = &names;
    for name in &names {
        lake.put(name, body("1.5")).await;
    }
    for number in 0..1_010 {
        lake.put(&format!("ratings/_old/{number:04}-{long}"), "x").await;
    }
    lake.fault("hold", "ORDER BY", 1);
    let execution = lake.start(&json!({})).await.unwrap();
    lake.until_query("SELECT", "RUNNING").await;
    let folder = format!("intermediate_data/{}/", lake.job);
    let lists = keys(&lake, &folder).await.into_iter().filter(|key| key.contains("/source-files/ratings/"));
    assert_eq!(lists.count(), 2);
    lake.delete(gone).await;
    lake.put(other, body("2.5")).await;
    lake.put(back, body("2.5")).await;
    lake.put(back, body("1.5")).await;
    lake.release_queries();
    let outcome = execution.outcome().await.unwrap();
    assert_eq!(outcome.error.as_deref(), Some("StaleRun"), "{outcome:?}");
    let [back, gone, other] = names.each_ref().map(|name| lake.key(name));
    let told = format!("files of ratings changed while they were read: changed: {back}, {other}; gone: {gone};");
    let cause = outcome.cause.unwrap();
    assert!(cause.contains(&told), "{cause}");
    let left = keys(&lake, &folder).await;
    assert!(left.iter().all(|key| key.ends_with(".ended")), "the lists go with the run: {left:#?}");
    lake.run_well(json!({})).await;
    let left = keys(&lake, &folder).await;
    assert!(left.iter().all(|key| key.ends_with(".ended")), "{left:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_somebody_else_is_left_alone() {
    let lake = Lake::with_sample().await;
    let put = lake.s3().put_object().bucket(&lake.bucket).key(lake.export()).body(b"theirs".to_vec().into());
    put.send().await.unwrap();
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "Misconfigured", "{cause}");
    assert!(cause.contains("is there already, and not of this job; move or delete it"), "{cause}");
    assert_eq!(read(&lake, lake.export()).await, "theirs");
    assert!(!lake.tables().await.contains(&"scifi".to_owned()));
    lake.s3().delete_object().bucket(&lake.bucket).key(lake.export()).send().await.unwrap();
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "Sci-Fi").await;
    // One of ours from before they named their job; and one of another job.
    for (job, is_ours) in [(None, true), (Some("another"), false)] {
        let copy = lake.s3().copy_object().bucket(&lake.bucket).key(lake.export());
        let copy = copy.copy_source(format!("{}/{}", lake.bucket, lake.export())).metadata("sluice-version", "x");
        let copy = copy.metadata_directive(aws_sdk_s3::types::MetadataDirective::Replace);
        match job {
            Some(job) => copy.metadata("sluice-job", job),
            None => copy,
        }
        .send()
        .await
        .unwrap();
        match is_ours {
            true => drop(lake.run_well(json!({})).await),
            false => assert_eq!(lake.run_badly(json!({})).await.0, "Misconfigured"),
        }
        lake.holds(&sample(), "Sci-Fi").await;
    }
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
