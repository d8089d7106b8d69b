//! Each permission of the functions that make tables of the lake is needed, as far as the local AWS and the stand-in
//! for Athena ask for it: shown by taking them away one at a time, from the roles of one deployment. The others stand
//! in AWS's documentation, and here by name.

use super::elt::{Run, run};
use crate::support::is_full_campaign;
use crate::support::lake::{Lake, sample};
use serde_json::{Value, json};

/// The functions' roles, by their names in the template.
const ROLES: [&str; 3] = ["PrepareEltRole", "RunQueryRole", "PublishEltRole"];

/// What nobody here asks for, by role and the beginning of action and resource, with the reason to have it.
const NOT_ENFORCED: [(&str, &str, &str); 14] = [
    ("", "logs:", "the log lines of a function"),
    ("", "xray:", "traces"),
    ("", "sqs:", "events about ended runs that failed, which Lambda sends to the dead letters"),
    ("", "athena:GetDataCatalog", "Athena User Guide, access to workgroups and data catalogs"),
    // Of a call the local AWS asks for the table or the database alone; Glue for what is around it, too (AWS Glue
    // Developer Guide, "Specifying AWS Glue resource ARNs"). For what a query does, the stand-in asks as Glue does.
    ("PrepareEltRole", "glue:* catalog", "as Glue's documentation has it"),
    ("PrepareEltRole", "glue:*Table database", "as Glue's documentation has it"),
    ("PublishEltRole", "glue:* catalog", "as Glue's documentation has it"),
    ("PublishEltRole", "glue:*Table database", "as Glue's documentation has it"),
    ("PublishEltRole", "glue:GetTables table", "as Glue's documentation has it"),
    ("RunQueryRole", "glue:GetDatabase", "Athena User Guide, fine-grained access to databases and tables"),
    ("RunQueryRole", "s3:ListBucketMultipartUploads", "Athena User Guide, access to Amazon S3"),
    ("RunQueryRole", "s3:AbortMultipartUpload", "the same"),
    ("RunQueryRole", "s3:ListMultipartUploadParts", "the same"),
    ("PublishEltRole", "s3:AbortMultipartUpload", "Amazon S3 User Guide, multipart uploads: of copies over 5 GiB"),
];

/// One action on one resource.
#[derive(Clone, Debug)]
struct Permission {
    action: String,
    resource: String,
    condition: Value,
}

impl Permission {
    fn is_enforced(&self, role: &str) -> bool {
        let resource = self.resource.rsplit(':').next().unwrap_or_default();
        let is_listed = |(of, what, _): &&(&str, &str, &str)| {
            let (action, on) = what.split_once(' ').unwrap_or((what, ""));
            let (start, end) = action.split_once('*').unwrap_or((action, ""));
            let acts = self.action.starts_with(start) && self.action.ends_with(end);
            (of.is_empty() || *of == role) && acts && resource.starts_with(on)
        };
        !NOT_ENFORCED.iter().any(|listed| is_listed(&listed))
    }

    fn statement(&self) -> Value {
        let mut statement = json!({"Effect": "Allow", "Action": self.action, "Resource": self.resource});
        if !self.condition.is_null() {
            statement["Condition"] = self.condition.clone();
        }
        statement
    }
}

/// A role of the deployment, and what it may.
struct Role<'a> {
    lake: &'a Lake,
    name: String,
    policy: String,
    permissions: Vec<Permission>,
}

impl<'a> Role<'a> {
    async fn of(lake: &'a Lake, role: &str) -> Self {
        let client = aws_sdk_cloudformation::Client::new(&lake.config);
        let resource =
            client.describe_stack_resource().stack_name(&lake.name).logical_resource_id(format!("Scifi{role}"));
        let found = resource.send().await.unwrap().stack_resource_detail.unwrap();
        let name = found.physical_resource_id.unwrap();
        let listed = lake.iam("ListRolePolicies", &[("RoleName", &name)]);
        let policy = between(&listed, "<member>", "</member>").to_owned();
        let got = lake.iam("GetRolePolicy", &[("RoleName", &name), ("PolicyName", &policy)]);
        let document: Value = serde_json::from_str(&decoded(between(&got, "<PolicyDocument>", "</"))).unwrap();
        let mut permissions = Vec::new();
        for statement in document["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow");
            for action in list(&statement["Action"]) {
                for resource in list(&statement["Resource"]) {
                    let condition = statement["Condition"].clone();
                    permissions.push(Permission { action: action.clone(), resource, condition });
                }
            }
        }
        Self { lake, name, policy, permissions }
    }

    /// The role may all, but for one.
    fn allow_all_but(&self, left_out: Option<usize>) {
        let kept = self.permissions.iter().enumerate().filter(|(number, _)| Some(*number) != left_out);
        let statements: Vec<Value> = kept.map(|(_, permission)| permission.statement()).collect();
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let fields = [("RoleName", &*self.name), ("PolicyName", &*self.policy), ("PolicyDocument", &*document)];
        self.lake.iam("PutRolePolicy", &fields);
    }
}

/// One text or several.
fn list(value: &Value) -> Vec<String> {
    let items = match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).unwrap_or_else(|| panic!("{text}")).0
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

type Step = Result<Value, (String, String)>;

/// All that the functions ever do, on tables and locks that are not as they should be, up to and with what the role
/// does. It ends with the first error.
async fn scenario(lake: &Lake, role: &str, number: usize) -> Step {
    let run = run(lake, &format!("permission-{number}"));
    let checked = prepare(lake, &run, role == "PrepareEltRole").await?;
    if role == "PrepareEltRole" {
        return run.ask("prepare-elt", json!({"action": "release"})).await;
    }
    if role == "RunQueryRole" {
        let left = json!({"action": "stop", "execution": leave_a_query(lake, &run).await});
        // It waits for late ones: only who looks at what this needs has the time.
        if is_full_campaign() {
            run.ask("run-query", left).await?;
        }
        lake.release_queries();
    }
    if role == "PublishEltRole" {
        // One table is new, and the other one is changed.
        let _ = lake.glue().delete_table().database_name(&lake.database).name("scifi").send().await;
    }
    for (table, export) in [
        ("scifi", json!({"to": "scifi.csv", "order_by": ["movie_id"]})),
        ("plain", json!({"to": "plain.json", "format": "parquet"})),
    ] {
        let target = json!({"table": table, "select": "SELECT movie_id, title FROM movies", "export": export});
        let targets = json!([target]);
        let build = query(&run, &targets, table, "build", &Value::Null).await?;
        let export = match table {
            "scifi" => query(&run, &targets, table, "export", &build["staging"]).await?,
            _ => Value::Null,
        };
        let verify = query(&run, &targets, table, "verify", &build["staging"]).await?;
        if role == "PublishEltRole" {
            let found = checked["sources"].clone();
            let publish = json!({
                "action": "publish", "table": table, "found": found, "locked_at": checked["locked_at"], "targets": targets,
                "build": build, "export": export, "verify": verify,
            });
            let published = run.ask("publish-elt", publish).await?;
            let conclude = json!({
                "action": "conclude", "values": {"genre": "Sci-Fi"}, "locked_at": checked["locked_at"],
                "published": [published], "targets": targets,
            });
            leave_files(lake, table).await;
            // A scenario that was denied to clean up has left it.
            let _ = lake.leave_table(&lake.staging(table, 0), &lake.folder_of(table)).await;
            // What it cannot clean up it leaves to the next run; a run that failed says it, and sweeps no files.
            run.ask("publish-elt", json!({"action": "clean", "targets": targets})).await?;
            if run.ask("publish-elt", conclude).await?["objects_deleted"] == 0 {
                return Err(("left to the next run".to_owned(), "Access denied, so nothing was swept".to_owned()));
            }
        }
    }
    run.ask("prepare-elt", json!({"action": "release"})).await
}

/// The states before the queries. `all`: also those of a first run, and of one that finds everything changed.
async fn prepare(lake: &Lake, run: &Run<'_>, all: bool) -> Step {
    let dead =
        json!({"owner": format!("{}:dead", run.lake.state_machine_arn.replace(":stateMachine:", ":execution:"))});
    let lock = format!("state/{}/lock.json", lake.job);
    if all {
        let mut body = dead;
        (body["started_at"], body["released"]) = (json!("2024-01-01T00:00:00.000Z"), json!(false));
        crate::support::put_json(lake, &lock, &body).await;
    }
    let checked = run.ask("prepare-elt", json!({"action": "check", "trigger": {}})).await?;
    run.ask("prepare-elt", json!({"action": "create_database"})).await?;
    if all {
        // One table is not there, and one is as another spec had it.
        let glue = lake.glue();
        let _ = glue.delete_table().database_name(&lake.database).name("ratings").send().await;
        if lake.tables().await.contains(&"movies".to_owned()) {
            lake.redefine("movies", |table| {
                table.storage_descriptor.as_mut().unwrap().columns.as_mut().unwrap().pop();
            })
            .await;
        }
    }
    let mut found = run.ask("prepare-elt", json!({"action": "create_sources"})).await?;
    found["locked_at"] = checked["locked_at"].clone();
    Ok(found)
}

/// Runs a step to its end.
async fn query(run: &Run<'_>, targets: &Value, table: &str, step: &str, staging: &Value) -> Step {
    let mut progress = json!({"attempt": 0, "query_id": null});
    loop {
        let fields = json!({
            "action": "run", "step": step, "table": table, "values": {"genre": "Sci-Fi"}, "progress": progress,
            "staging": staging, "targets": targets,
        });
        let answer = run.ask("run-query", fields).await?;
        if answer["is_done"] == true {
            return Ok(answer["result"].clone());
        }
        progress = answer;
    }
}

/// A query of an execution that has ended, still at work; returns the execution.
async fn leave_a_query(lake: &Lake, run: &Run<'_>) -> Value {
    lake.fault("hold", "left-behind", 1);
    let id = run.execution["id"].as_str().unwrap();
    let output = format!("s3://{}/intermediate_data/{}/shown/", lake.bucket, lake.job);
    let place = aws_sdk_athena::types::ResultConfiguration::builder().output_location(output).build();
    let start = lake.athena().start_query_execution().query_string(format!("/* {id} */\nselect 'left-behind' as a"));
    start.work_group(&lake.workgroup).result_configuration(place).send().await.unwrap();
    lake.until_query("SELECT", "RUNNING").await;
    run.execution.clone()
}

/// Files of a version that nobody published.
async fn leave_files(lake: &Lake, table: &str) {
    let id = "0c2f1b6e-1111-4a2b-9c3d-0123456789ab";
    let (folder, _) = lake.export().rsplit_once('/').unwrap();
    for key in [format!("tables/{}/{table}/tables/{id}/0", lake.job), format!("{folder}/{table}/{id}/00000.parquet")] {
        lake.s3().put_object().bucket(&lake.bucket).key(key).body(b"x".to_vec().into()).send().await.unwrap();
    }
}

/// Whether an error says that something was not allowed, in the words of whoever said it.
fn is_denied((_, text): &(String, String)) -> bool {
    let words = [
        "AccessDenied",
        "(HTTP 403)",
        "not authorized",
        "Access Denied",
        "Insufficient permissions",
        "Access denied",
        "Unable to verify/create output bucket",
    ];
    words.iter().any(|word| text.contains(word))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_permission_of_a_lake_s_roles_something_fails() {
    let lake = Lake::with(|parameters| parameters["SweepAfterHours"] = "0".into()).await;
    lake.upload_all(&sample()).await;
    let (mut problems, mut number) = (Vec::new(), 0);
    for role_name in ROLES {
        let role = Role::of(&lake, role_name).await;
        role.allow_all_but(None);
        scenario(&lake, role_name, number).await.unwrap();
        let enforced = role.permissions.iter().enumerate().filter(|(_, permission)| permission.is_enforced(role_name));
        let enforced: Vec<(usize, &Permission)> = enforced.collect();
        assert!(enforced.len() > 7, "{role_name}: {enforced:#?}");
        // Each takes seconds: one of each role shows that it is looked at, all are for the full campaign.
        let looked_at = if is_full_campaign() { enforced.len() } else { 1 };
        for (place, permission) in enforced.into_iter().take(looked_at) {
            number += 1;
            role.allow_all_but(Some(place));
            let what = format!("{role_name} without {} on {}", permission.action, permission.resource);
            match scenario(&lake, role_name, number).await {
                Err(error) if is_denied(&error) => eprintln!("{what}: {}", error.0),
                Err((error, text)) => problems.push(format!("{what}: {error}: {text}")),
                Ok(_) => problems.push(format!("{what}: nothing fails")),
            }
            lake.release_queries();
            role.allow_all_but(None);
        }
        number += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
