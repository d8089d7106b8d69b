//! Each permission of a function's role that the local AWS enforces is needed, and all of them suffice: shown by taking
//! them away one at a time. What it does not enforce, or does not have, and the roles of the services, are checked in
//! `roles`.

use crate::functions::prepared::{Run, file, parts};
use crate::support::*;
use crate::tidy::combinations::ONE_MACHINE;
use crate::tidy::resolved::Resolver;
use local::deployment::Options;
use local::report::failure;
use local::template;
use serde_json::{Value, json};

/// The functions' roles.
const ROLES: [&str; 4] =
    ["PomodoroDetectNewFilesRole", "PomodoroPivotRole", "PomodoroUpsertRole", "DatabaseAccessRole"];

/// Actions that no local AWS asks for, with what they are for.
const NOT_ENFORCED: [(&str, &str); 7] = [
    ("sqs:", "calls of a function that failed, which Lambda sends to the dead letters"),
    ("ec2:", "network interfaces, which Lambda makes for a function in a VPC"),
    ("logs:", "the log lines of a function"),
    ("xray:", "traces"),
    ("rds-db:connect", "logging in by IAM token: there is no RDS behind the local instance"),
    ("s3:ListBucket on PomodoroPivotRole", "telling a deleted file (404) from a forbidden one (403)"),
    ("s3:ListBucket on PomodoroUpsertRole", "telling a missing result (404) from a forbidden one (403)"),
];

/// What serves the history of runs alone: without it the names of some errors stay unknown, and no run fails.
const HISTORY: &str = "/unnamed.json";

/// One action on one resource.
#[derive(Clone)]
struct Permission {
    role: &'static str,
    /// Its number among the role's pairs of action and resource.
    number: usize,
    text: String,
}

/// One value or several. A call such as `!Sub [text, names]` is one.
fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}

/// The statements of a role as they are in toggle mode on one machine, taken apart into one action on one resource
/// each; `drop` is left out. Returns what there is.
fn take_apart(template: &mut Value, role: &'static str, drop: Option<usize>) -> Vec<Permission> {
    let resolved = Resolver::new(template, &[("NetworkMode", "toggle"), ONE_MACHINE]).resolve();
    let policies = &resolved["Resources"][role]["Properties"]["Policies"];
    let mut found = Vec::new();
    let mut single = Vec::new();
    for statement in policies[0]["PolicyDocument"]["Statement"].as_array().unwrap() {
        if statement["Effect"] == "Deny" {
            single.push(statement.clone());
            continue;
        }
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                let name = action.as_str().unwrap();
                let text = format!("{name} on {role}: {}", serde_json::to_string(&resource).unwrap_or_default());
                if drop != Some(found.len()) {
                    let mut one = statement.clone();
                    one["Action"] = action.clone();
                    one["Resource"] = resource;
                    single.push(one);
                }
                found.push(Permission { role, number: found.len(), text });
            }
        }
    }
    assert_eq!(policies.as_array().map(Vec::len), Some(1), "{role}");
    template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"] = single.into();
    found
}

/// Loads a file, meets a bad one, then its correction: everything that the functions ever do. Says where it went
/// otherwise.
async fn scenario(stack: &Fixture) -> Result<(), String> {
    let expect = async |error: Option<&str>| {
        let outcome = run(stack, json!({})).await;
        if outcome.error.as_deref() == error { Ok(()) } else { Err(failure(&outcome)) }
    };
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    expect(None).await?;
    asked_for_one_more(stack).await?;
    stack.upload("b.csv", csv(&[("Work", "x", "2024-01-02")])).await.unwrap();
    expect(Some("InvalidSource")).await?;
    stack.upload("b.csv", csv(&[("Work", "2", "2024-01-02")])).await.unwrap();
    expect(None).await?;
    // What is loaded is looked up in the target, and found to be all there is.
    let loaded = sluice::contract::keys::loaded(&stack.job);
    stack.s3().delete_object().bucket(&stack.bucket).key(&loaded).send().await.unwrap();
    expect(None).await?;
    // Two batches share a key that is no date, so it is named beside the bad rows, also by a run that changes nothing.
    let mut by_name = parts("by_name", "last_run");
    by_name.source["columns"]["date"] = json!("Start date");
    let batches = vec![vec![file("x.csv", 1, &["ann 1 1"])], vec![file("y.csv", 1, &["ann 1 1"])]];
    let dry = Run { assumed: Some(Value::Null), ..Run::new(1, &by_name, batches) };
    let mut payload = dry.leave(stack).await;
    payload["mode"] = json!("dry_run");
    let told = stack.invoke("upsert", &payload).await.unwrap().map_err(|(error, cause)| format!("{error}: {cause}"))?;
    assert!(told["notes"].to_string().contains("/keys.json"), "{told}");
    // What an execution left behind when it was aborted: its lease, and an open database.
    let dead = execution(stack, "dead");
    let lease = json!({"execution": dead["id"], "started_at": dead["started_at"]});
    put_json(stack, &format!("state/database-access/{}/m/dead.json", stack.database_instance), &lease).await;
    let rds = aws_sdk_rds::Client::new(&stack.config);
    let open = rds.modify_db_instance().db_instance_identifier(&stack.database_instance).publicly_accessible(true);
    open.send().await.unwrap();
    let watch = json!({"action": "close_leftover"});
    let closed = stack.invoke("database-access", &watch).await.unwrap();
    closed.map(drop).map_err(|(error, cause)| format!("{error}: {cause}"))
}

/// What a run that was left to another one leaves; the next one that ends starts one for it.
async fn asked_for_one_more(stack: &Fixture) -> Result<(), String> {
    let mut execution = execution(stack, "owner");
    execution["started_at"] = json!(sluice::time::format_time(std::time::SystemTime::now().into()));
    let detect = |name: &str, trigger: Value| {
        let mut input = detection(stack, name);
        (input["execution"]["started_at"], input["trigger"]) = (execution["started_at"].clone(), trigger);
        input
    };
    let call = async |payload: Value| {
        let answer = stack.invoke("detect-new-files", &payload).await.unwrap();
        answer.map_err(|(error, cause)| format!("{error}: {cause}"))
    };
    call(detect("owner", json!({}))).await?;
    let left = call(detect("other", json!({"upload": true}))).await?;
    assert_eq!(left["mode"], "left_to_owner");
    let released = call(json!({"action": "release", "execution": execution})).await?;
    let started = released["started"].as_str().unwrap().to_owned();
    let outcome = local::execution::Execution::new(stack.sfn(), started).outcome().await.unwrap();
    if outcome.succeeded() { Ok(()) } else { Err(failure(&outcome)) }
}

async fn deploy(change: impl FnOnce(&mut Value)) -> Fixture {
    let stack = stack().await;
    let mut template = template::read().unwrap();
    change(&mut template);
    Fixture { deployment: stack.deploy_changed(&Options::default(), template).await.unwrap(), stack }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_permission_something_fails_and_with_all_nothing_does() {
    let whole = deploy(|template| {
        for role in ROLES {
            take_apart(template, role, None);
        }
    })
    .await;
    scenario(&whole).await.unwrap();

    let mut template = template::read().unwrap();
    let all: Vec<Permission> = ROLES.into_iter().flat_map(|role| take_apart(&mut template, role, None)).collect();
    let enforced: Vec<Permission> = all
        .into_iter()
        .filter(|permission| !NOT_ENFORCED.iter().any(|(name, _)| permission.text.starts_with(name)))
        .filter(|permission| !permission.text.contains(HISTORY))
        .collect();
    assert_eq!(enforced.len(), 27);
    let mut problems = Vec::new();
    for pair in enforced.chunks(4) {
        let tasks: Vec<_> = pair
            .iter()
            .cloned()
            .map(|permission| {
                tokio::spawn(async move {
                    let stack =
                        deploy(|template| drop(take_apart(template, permission.role, Some(permission.number)))).await;
                    match scenario(&stack).await {
                        Err(failure) if failure.contains("AccessDenied") || failure.contains("not authorized") => None,
                        Err(failure) => Some(format!("without {}: {failure}", permission.text)),
                        Ok(()) => Some(format!("without {}: nothing fails", permission.text)),
                    }
                })
            })
            .collect();
        for task in tasks {
            problems.extend(task.await.unwrap());
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Those of functions that load files, and of the one that all share; the others' are held by the list of permissions.
#[test]
fn every_role_of_a_function_that_loads_files_is_looked_at() {
    let template = template::read().unwrap();
    let jobs = template::all_jobs().unwrap();
    let is_of_another_kind = |id: &str| jobs.iter().any(|job| job.files().is_none() && id.starts_with(&job.id));
    let functions = template::functions(&template);
    let functions = functions.keys().filter(|id| !is_of_another_kind(id));
    let mut roles: Vec<String> = functions.map(|id| id.replace("Function", "Role")).collect();
    roles.sort();
    let mut looked_at = ROLES.map(ToOwned::to_owned).to_vec();
    looked_at.sort();
    assert_eq!(roles, looked_at);
}
