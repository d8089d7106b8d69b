//! Lambda puts a function in a VPC to sleep that was idle for weeks: its next call fails, and wakes it up. A monthly
//! job meets that each time.

use crate::support::*;
use local::deployment::Options;
use local::template;
use serde_json::json;
use std::io::Write;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Answers the first two events as Lambda does for a function that sleeps, then is the real function. The local Lambda
/// hands the errors of functions on under their own names, as Step Functions has Lambda's own.
const BOOTSTRAP: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
for error in Lambda.ResourceNotReadyException Lambda.ResourceConflictException; do
  [ -e "MARK-$error" ] && continue
  : > "MARK-$error"
  exec python3 - "$api" "$error" <<'END'
import json, sys, urllib.request
api, error = sys.argv[1:]
with urllib.request.urlopen(f"{api}/next") as event:
    request = event.headers["Lambda-Runtime-Aws-Request-Id"]
body = json.dumps({"errorType": error, "errorMessage": "The function is inactive"}).encode()
urllib.request.urlopen(urllib.request.Request(f"{api}/{request}/error", body)).read()
END
done
exec ./function
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fell_asleep_is_waited_for() {
    let stack = stack().await;
    let marks = Folder::new("sleeping");
    let binary = std::fs::read(crate::support::binaries().join("upsert")).unwrap();
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).unix_permissions(0o755);
    let script = BOOTSTRAP.replace("MARK", marks.0.join("asked").to_str().unwrap());
    for (name, content) in [("bootstrap", script.as_bytes()), ("function", &binary)] {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    let s3 = sluice::aws::s3(&stack.config().await);
    let _ = s3.create_bucket().bucket("sleeping").send().await;
    let body = zip.finish().unwrap().into_inner();
    s3.put_object().bucket("sleeping").key("upsert.zip").body(body.into()).send().await.unwrap();
    let mut flat = template::read().unwrap();
    flat["Resources"]["PomodoroUpsertFunction"]["Properties"]["Code"] =
        json!({"S3Bucket": "sleeping", "S3Key": "upsert.zip"});
    let options = Options { ..vpc_mode() };
    let deployment = stack.deploy_changed(&options, flat).await.unwrap();
    deployment.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let outcome = run_well(&deployment, json!({})).await;
    assert_eq!(outcome.last_state(), "Loaded");
    assert_eq!(std::fs::read_dir(&marks.0).unwrap().count(), 2, "it was asleep twice");
    assert_eq!(table(&deployment).await, ["2024-01-01 0 1"]);
}
