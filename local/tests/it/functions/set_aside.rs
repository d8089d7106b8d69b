//! The alarm on what a run sets aside: the filter of the template finds the line of the function, whatever is logged.

use crate::functions::fake_aws::{FakeAws, Function};
use crate::functions::prepared::*;
use crate::support::*;
use local::emulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use local::template;
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;

/// Does a line fit a pattern `{ $.field = "text" && ... }`?
fn fits(pattern: &str, line: &Value) -> bool {
    let conditions = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect("a pattern of fields");
    conditions.split("&&").all(|condition| {
        let (field, text) = condition.split_once('=').unwrap_or_else(|| panic!("{condition}: no equation"));
        let field = field.trim().strip_prefix("$.").expect("a field");
        line[field] == serde_json::from_str::<Value>(text.trim()).expect("a text")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_aside_alarms_at_every_log_level() {
    let stack = fixture().await;
    let path = template::kinds_folder().join("transform-and-upsert.yaml");
    let template = template::parse(&fs::read_to_string(path).unwrap()).unwrap();
    let filters = template::resources(&template, "AWS::Logs::MetricFilter");
    let pattern = filters["SetAsideFilter"]["Properties"]["FilterPattern"].as_str().unwrap();
    let root = template::root().unwrap();
    let levels = root["Parameters"]["LogLevel"]["AllowedValues"].as_array().unwrap();
    let endpoint = stack.config.endpoint_url().unwrap();
    let aws = FakeAws::start();
    let folder = Folder::new("set-aside");
    for (number, level) in (1..).zip(levels) {
        let level = level.as_str().unwrap();
        let path = folder.0.join(format!("{level}.log"));
        let log = Stdio::from(fs::File::create(&path).unwrap());
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("BUCKET", stack.bucket.as_str()),
            ("DATABASE_URL", stack.database_url.as_str()),
            ("LOG_LEVEL", level),
        ];
        let mut function = Function::start_logging("upsert", &aws, &variables, log);
        let parts = parts(&format!("t_{level}"), "all_files");
        let run = Run::new(number, &parts, vec![vec![file("a.csv", 1, &["2024-01-01 1 1"])]]);
        let mut load = run.leave(&stack).await;
        load["mode"] = json!("dry_run");
        function.invoke(&load).unwrap();
        load["mode"] = json!("load");
        assert_eq!(function.invoke(&load).unwrap()["rows_rejected"], 1);
        drop(function);
        let lines: Vec<Value> =
            fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let found: Vec<&Value> = lines.iter().filter(|line| fits(pattern, line)).collect();
        assert_eq!(found.len(), 1, "{level}: {lines:?}");
        assert_eq!(found[0]["rows.rejected"], 1, "{level}");
    }
}
