//! `on_overlap: newest_row`: what a load that begins anew cannot read again.

use crate::functions::examples::Job;
use crate::support::*;
use serde_json::{Value, json};
use sluice::spec::Parts;

/// A row that wins may be of a version that was overwritten since. A change of the spec does not drop it untold.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_spec_drops_no_row_of_a_version_that_was_overwritten() {
    let stack = fixture_with(vpc_mode()).await;
    let columns = json!({"id": {}, "at": {"type": "integer"}, "name": {}});
    let parts = Parts {
        source: json!({"suffix": ".csv", "columns": columns}),
        shape: json!({"keys": ["id"], "rows": {"columns": ["name"], "order_by": ["at"]}}),
        target: json!({"table": "t", "create": true, "on_overlap": "newest_row"}),
    };
    let mut job = Job::new(&stack, "rows", parts).await;
    job.upload("1.csv", "id,at,name\na,9,nine\nb,1,one\nc,9,nine\n").await;
    job.run().await.unwrap();
    // S3 dates in whole seconds, so both versions may be dated alike.
    job.upload("1.csv", "id,at,name\nb,2,two\n").await;
    job.run().await.unwrap();
    let table = ["a,nine", "b,two", "c,nine"];
    assert_eq!(job.table().await[1..], table);

    job.parts.source["columns"]["name"] = json!({"trim": true});
    let (error, cause) = job.run().await.unwrap_err();
    assert_eq!(error, "Misconfigured");
    let told = format!("of versions that were overwritten since: {}1.csv (2 keys)", job.prefix());
    assert!(cause.contains(&told) && cause.contains("{\"reload\": true}"), "{cause}");
    let (_, object) = cause.rsplit_once("; first keys: ").expect(&cause);
    let named: Value = serde_json::from_str(&read(&stack, object).await).unwrap();
    assert_eq!((named[0]["keys"].clone(), named.as_array().unwrap().len()), (json!(["a", "c"]), 1));
    assert_eq!(job.table().await[1..], table);

    // They are in another file, too: nothing is lost.
    job.parts.source["columns"]["name"] = json!({});
    job.upload("2.csv", "id,at,name\na,9,nine\nc,9,nine\n").await;
    job.run().await.unwrap();
    job.parts.source["columns"]["name"] = json!({"trim": true});
    job.run().await.unwrap();
    assert_eq!(job.table().await[1..], table);

    // The same bytes that are sent again later are no other version.
    let key = format!("{}1.csv", job.prefix());
    let date = async || {
        let head = stack.s3().head_object().bucket(&stack.bucket).key(&key).send().await.unwrap();
        head.last_modified.unwrap()
    };
    let before = date().await;
    while date().await == before {
        job.upload("1.csv", "id,at,name\nb,2,two\n").await;
    }
    job.parts.source["columns"]["name"] = json!({});
    job.run().await.unwrap();
    assert_eq!(job.table().await[1..], table);
}
