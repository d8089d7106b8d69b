//! A job whose keys are two texts, through whole executions: what a key is made of is nobody's business but its own.

use crate::executions::jobs::with_changed_second_job;
use crate::support::*;
use local::deployment::Deployment;
use serde_json::{Value, json};

/// A letter with its accent, and the same as two code points: other bytes are another key.
const COMPOSED: &str = "Caf\u{e9}";
const DECOMPOSED: &str = "Cafe\u{301}";

/// A file of rows of shop, product and amount, as CSV writes them that quotes everything.
fn sold(rows: &[[&str; 3]]) -> Vec<u8> {
    let quoted = |field: &&str| format!("\"{}\"", field.replace('"', "\"\""));
    let line = |row: &[&str; 3]| row.iter().map(quoted).collect::<Vec<_>>().join(",");
    let lines = rows.iter().map(|row| format!("{}\n", line(row)));
    format!("Shop,Product,Amount\n{}", lines.collect::<String>()).into_bytes()
}

/// The table, in the order of the bytes of its keys.
async fn sales(job: &Deployment) -> Vec<[String; 3]> {
    let mut connection = job.connect().await.unwrap();
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "select shop, product, trim_scale(amount)::text from sales_by_shop
         order by shop collate \"C\", product collate \"C\"",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    rows.into_iter().map(|(shop, product, amount)| [shop, product, amount]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_two_texts_are_added_up_corrected_and_refused_as_they_are() {
    let stack = stack().await;
    let (template, jobs) = with_changed_second_job(|parameters| {
        // An empty text is an empty text.
        parameters["Source"] = json!(
            r#"{"suffix": ".csv", "columns": {
                "shop": {"from": "Shop", "null_values": []}, "product": {"from": "Product", "null_values": []},
                "amount": {"from": "Amount", "type": "number"}}}"#
        );
        parameters["Shape"] = json!(r#"{"keys": ["shop", "product"], "values": {"amount": "sum"}}"#);
    });
    let deployment = stack.deploy_changed(&vpc_mode(), template).await.unwrap();
    let job = deployment.of_job(jobs.iter().find(|job| job.name == "sales").unwrap());

    let deli = "O'Brien \"Deli\"; drop table x; --";
    let first = [
        [deli, COMPOSED, "1.5"],
        [deli, DECOMPOSED, "2"],
        ["", "Brot", "3"],
        ["Süd, Ost\n2024-03-01", "", "4"],
        ["日本", "😀", "5"],
        ["日本 ", "😀", "6"],
        ["a, b", "c", "7"],
        ["a", "b, c", "8"],
        [deli, COMPOSED, "0.25"],
    ];
    job.upload("a.csv", sold(&first)).await.unwrap();
    job.upload("b.csv", sold(&[["日本", "😀", "10"], ["", "", "0.5"], ["A", "b, c", "9"]])).await.unwrap();
    let outcome = run_well(&job, json!({})).await;
    assert_eq!((outcome.last_state(), merged(&outcome)), ("Loaded", [10, 0, 0]));
    let mut expected = vec![
        ["", "", "0.5"],
        ["", "Brot", "3"],
        ["A", "b, c", "9"],
        [deli, DECOMPOSED, "2"],
        [deli, COMPOSED, "1.75"],
        ["Süd, Ost\n2024-03-01", "", "4"],
        ["a", "b, c", "8"],
        ["a, b", "c", "7"],
        ["日本", "😀", "15"],
        ["日本 ", "😀", "6"],
    ];
    assert_eq!(sales(&job).await, expected);

    // A correction: one value is another one, and the empty shop is gone.
    let corrected: Vec<[&str; 3]> = (first.into_iter().filter(|[shop, ..]| !shop.is_empty()))
        .map(|[shop, product, amount]| [shop, product, if shop == "日本" { "5.5" } else { amount }])
        .collect();
    job.upload("a.csv", sold(&corrected)).await.unwrap();
    let outcome = run_well(&job, json!({})).await;
    assert_eq!((merged(&outcome), outcome.counts["upsert"]["rows_deleted"].clone()), ([0, 1, 6], json!(1)));
    expected.remove(1);
    expected[7][2] = "15.5";
    assert_eq!(sales(&job).await, expected);

    // A repetition under another name: what refuses it names keys in their object only.
    job.upload("c.csv", sold(&corrected)).await.unwrap();
    let (error, cause) = run_badly(&job, json!({})).await;
    assert_eq!(error, "InvalidSource");
    let told = "sales/c.csv says the same as sales/a.csv on 7 of the 7 keys that they share";
    assert!(cause.contains(told), "{cause}");
    assert!(!["Deli", "Caf", "2024-03-01"].iter().any(|text| cause.contains(text)), "{cause}");
    let (_, object) = cause.rsplit_once("; first keys: ").expect(&cause);
    let (folder, _) = object.split_once("keys.json").expect(&cause);
    let named: Value = serde_json::from_str(&read(&job, &format!("{folder}keys.json")).await).unwrap();
    let shown = |[shop, product, _]: &[&str; 3]| json!(format!("{shop}, {product}"));
    assert!(named[0]["keys"].as_array().unwrap().contains(&shown(&corrected[0])), "{named}");
    assert_eq!(sales(&job).await, expected);

    // Once it is gone, a file that comes again changes nothing, nor does a load of all files anew.
    job.s3().delete_object().bucket(&job.bucket).key("sales/c.csv").send().await.unwrap();
    for input in [json!({"forget": ["sales/a.csv"]}), json!({"reload": true})] {
        let outcome = run_well(&job, input).await;
        assert_eq!((outcome.last_state(), merged(&outcome)[..2].to_vec()), ("Loaded", vec![0, 0]));
        assert_eq!(sales(&job).await, expected);
    }
}
