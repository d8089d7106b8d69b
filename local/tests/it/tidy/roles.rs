//! Who may do what, in every variant of the template, against a list that a person has read. No local AWS enforces the
//! roles of the services, so this is their test: a permission more or less, a resource, a condition or a user of a role
//! is a difference.

use crate::executions::jobs::with_changed_second_job;
use crate::tidy::combinations::{MYSQL, ONE_MACHINE, SECRET, USERS, USERS_BY_SECRET};
use crate::tidy::resolved::Resolver;
use local::binaries::workspace;
use local::template;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const LIST: &str = "local/tests/golden/permissions.txt";

type Parameters = &'static [(&'static str, &'static str)];

/// What changes permissions, by the name that the list has for it.
const VARIANTS: [(&str, Parameters); 8] = [
    ("vpc", &[]),
    ("mysql", MYSQL),
    ("toggle", &[("NetworkMode", "toggle")]),
    ("secret", &[SECRET]),
    ("mail", &[("AlarmEmail", "a@example.org")]),
    ("users", USERS),
    ("users by secret", USERS_BY_SECRET),
    ("one machine", &[ONE_MACHINE]),
];

/// A value as people write it: `${Bucket.Arn}/*`.
fn shown(value: &Value) -> String {
    let Some((call, argument)) = value.as_object().filter(|call| call.len() == 1).and_then(|call| call.iter().next())
    else {
        return value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    };
    match (call.as_str(), argument) {
        ("Ref", name) => format!("${{{}}}", shown(name)),
        ("Fn::GetAtt", path) => format!("${{{}.{}}}", shown(&path[0]), shown(&path[1])),
        ("Fn::Sub", Value::String(text)) => text.replace("${AWS::Partition}", "aws"),
        ("Fn::Sub", parts) => {
            let mut text = shown(&parts[0]).replace("${AWS::Partition}", "aws");
            for (name, value) in parts[1].as_object().unwrap() {
                text = text.replace(&format!("${{{name}}}"), &shown(value));
            }
            text
        }
        _ => value.to_string(),
    }
}

/// One value or several.
fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(shown).collect(),
        one => vec![shown(one)],
    }
}

/// Conditions, each as `test key is value`.
fn conditions(statement: &Value) -> String {
    let mut found = Vec::new();
    for (test, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, value) in keys.as_object().unwrap() {
            found.push(format!(" if {test} {key} is {}", list(value).join(" or ")));
        }
    }
    found.concat()
}

/// The statements of a policy, an action on a resource each.
fn statements(document: &Value, found: &mut Vec<String>) {
    for statement in document["Statement"].as_array().unwrap() {
        assert!(statement["NotAction"].is_null() && statement["NotResource"].is_null(), "{statement}");
        let who = match &statement["Principal"] {
            Value::Null => String::new(),
            Value::Object(kinds) => {
                format!(" to {}", kinds.values().flat_map(list).collect::<Vec<_>>().join(", "))
            }
            other => format!(" to {}", shown(other)),
        };
        let effect = statement["Effect"].as_str().unwrap();
        let resources =
            if statement["Resource"].is_null() { vec![String::new()] } else { list(&statement["Resource"]) };
        for action in list(&statement["Action"]) {
            for resource in &resources {
                let on = if resource.is_empty() { String::new() } else { format!(" on {resource}") };
                found.push(format!("{effect} {action}{on}{who}{}", conditions(statement)));
            }
        }
    }
}

/// Every place that names a role.
fn users_of_roles(id: &str, path: &str, value: &Value, found: &mut BTreeMap<String, Vec<String>>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if ["Role", "RoleArn"].contains(&name.as_str()) {
                    let role = shown(field).trim_start_matches("${").trim_end_matches(".Arn}").to_owned();
                    found.entry(role).or_default().push(format!("used by {id}{path}"));
                } else {
                    users_of_roles(id, &format!("{path}.{name}"), field, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| users_of_roles(id, path, item, found)),
        _ => {}
    }
}

/// What a variant allows: lines, by the resource that they stand in.
fn permissions(parameters: Parameters) -> BTreeMap<String, Vec<String>> {
    let (template, _) = with_changed_second_job(|parameters| parameters["After"] = "pomodoro".into());
    let resolved = Resolver::new(&template, parameters).resolve();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut users = BTreeMap::new();
    for (id, resource) in resolved["Resources"].as_object().unwrap() {
        let properties = &resource["Properties"];
        users_of_roles(id, "", properties, &mut users);
        let mut found = Vec::new();
        match resource["Type"].as_str().unwrap() {
            "AWS::IAM::Role" => {
                assert!(properties["ManagedPolicyArns"].is_null(), "{id}: managed policies allow more than is needed");
                statements(&properties["AssumeRolePolicyDocument"], &mut found);
                for policy in properties["Policies"].as_array().unwrap() {
                    statements(&policy["PolicyDocument"], &mut found);
                }
            }
            "AWS::S3::BucketPolicy" | "AWS::SQS::QueuePolicy" | "AWS::SNS::TopicPolicy" | "AWS::EC2::VPCEndpoint" => {
                statements(&properties["PolicyDocument"], &mut found);
            }
            "AWS::Lambda::Permission" => found.push(format!(
                "Allow {} on {} to {} if SourceArn is {}",
                shown(&properties["Action"]),
                shown(&properties["FunctionName"]),
                shown(&properties["Principal"]),
                shown(&properties["SourceArn"])
            )),
            other => {
                assert!(!other.contains("Policy") && !other.contains("Permission"), "{id}: a {other} nobody reads")
            }
        }
        if !found.is_empty() {
            all.insert(id.clone(), found);
        }
    }
    for (role, mut users) in users {
        all.get_mut(&role).unwrap_or_else(|| panic!("{role} is used and is no role")).append(&mut users);
    }
    all
}

#[test]
fn the_template_allows_what_is_written_down_and_nothing_else() {
    // In the order in which they come, with the variants that they are in.
    let mut lines: BTreeMap<String, Vec<(String, BTreeSet<&str>)>> = BTreeMap::new();
    for (variant, parameters) in VARIANTS {
        for (id, found) in permissions(parameters) {
            let known = lines.entry(id).or_default();
            for line in found {
                match known.iter_mut().find(|(text, _)| *text == line) {
                    Some((_, variants)) => drop(variants.insert(variant)),
                    None => known.push((line, [variant].into())),
                }
            }
        }
    }
    let mut text = String::from(
        "# Who may do what, as template.yaml has it. Checked by a test; made anew by SLUICE_ACCEPT=1 cargo test, to be read then.\n\
         # What does not hold in all of its variants (vpc, mysql, toggle, secret, mail, users, users by secret, one machine) says where it does.\n",
    );
    for (id, lines) in &lines {
        text.push_str(&format!("\n{id}\n"));
        for (line, variants) in lines {
            let only = match variants.len() == VARIANTS.len() {
                true => String::new(),
                false => format!(" [{}]", variants.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            text.push_str(&format!("  {line}{only}\n"));
        }
    }
    let path = workspace().join(LIST);
    if std::env::var_os("SLUICE_ACCEPT").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let accepted = fs::read_to_string(&path).unwrap();
    let (old, new): (Vec<&str>, Vec<&str>) = (accepted.lines().collect(), text.lines().collect());
    let gone: Vec<_> = old.iter().filter(|line| !new.contains(line)).collect();
    let come: Vec<_> = new.iter().filter(|line| !old.contains(line)).collect();
    assert!(accepted == text, "{LIST} differs from the template: gone {gone:#?}, come {come:#?}");
}

/// At the place of a workgroup lie the results of others too.
#[test]
fn of_a_workgroup_s_place_only_what_has_the_form_of_a_result_is_read_and_deleted() {
    let mut root = template::root().unwrap();
    let parameters = &mut root["Resources"]["Scifi"]["Properties"]["Parameters"];
    (parameters["ExistingWorkGroup"], parameters["WorkGroupPrefix"]) = ("analysts".into(), "results/".into());
    let resolved = Resolver::new(&template::flatten(root).unwrap(), &[]).resolve();
    let mut found = Vec::new();
    for policy in resolved["Resources"]["ScifiPublishEltRole"]["Properties"]["Policies"].as_array().unwrap() {
        statements(&policy["PolicyDocument"], &mut found);
    }
    let there = found.iter().filter_map(|line| {
        let (action, rest) = line.split_once(" on ")?;
        let (_, below) = rest.split_once("/results/")?;
        Some((action, below.split_once(" if ").map_or(below, |(below, _)| below)))
    });
    const TABLE: &str = "tables/????????-????-????-????-????????????/*";
    const RESULT: &str = "????????-????-????-????-????????????.csv*";
    let (get, delete) = ("Allow s3:GetObject", "Allow s3:DeleteObject");
    assert_eq!(there.collect::<Vec<_>>(), [(get, TABLE), (get, RESULT), (delete, TABLE), (delete, RESULT)]);
}

/// What stands under one job's resources names neither the other's resources nor its keys.
#[test]
fn no_job_reaches_what_is_another_s() {
    for (variant, parameters) in VARIANTS {
        let all = permissions(parameters);
        // The keys and the names of each.
        const JOBS: [(&str, &[&str]); 5] = [
            ("Pomodoro", &["Pomodoro", "pomodoro/", "input_data/"]),
            ("Sales", &["Sales", "sales"]),
            ("Users", &["Users", "/users/", "-users"]),
            ("Nps", &["Nps", "/nps/"]),
            ("Scifi", &["Scifi", "scifi"]),
        ];
        for (ours, _) in JOBS {
            let own: Vec<_> = all.iter().filter(|(id, _)| id.starts_with(ours)).collect();
            let is_there = match ours {
                "Users" => variant.starts_with("users"),
                "Nps" => variant == "mysql",
                _ => true,
            };
            assert!(own.len() >= if is_there { 4 } else { 0 }, "{variant}: {own:?}");
            assert_eq!(own.is_empty(), !is_there, "{variant}: {own:?}");
            let theirs: Vec<&str> =
                JOBS.iter().filter(|(job, _)| *job != ours).flat_map(|(_, names)| names.iter().copied()).collect();
            for (id, lines) in own {
                for line in lines {
                    assert!(!theirs.iter().any(|name| line.contains(name)), "{variant}, {id}: {line}");
                }
            }
        }
        // What all share reaches no keys of a job.
        for (id, lines) in all.iter().filter(|(id, _)| !JOBS.iter().any(|(job, _)| id.starts_with(job))) {
            for line in lines.iter().filter(|line| line.starts_with("Allow") && line.contains("s3:")) {
                let is_for_jobs =
                    id == "S3Endpoint" || line.contains("/state/database-access/") || line.contains("s3:ListBucket");
                assert!(is_for_jobs, "{variant}, {id}: {line}");
            }
        }
    }
}

/// A star is an exception that AWS forces; next to it in the template stands why.
#[test]
fn no_action_and_no_resource_is_a_star_without_reason() {
    const WITHOUT_RESOURCE: [&str; 19] = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
        "redshift-data:DescribeStatement",
        "redshift-data:GetStatementResult",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
    ];
    for (variant, parameters) in VARIANTS {
        for (id, lines) in permissions(parameters) {
            for line in lines.iter().filter(|line| line.starts_with("Allow ")) {
                let words: Vec<&str> = line.split(' ').collect();
                assert!(!words[1].contains('*'), "{variant}, {id}: {line}");
                let is_known = WITHOUT_RESOURCE.contains(&words[1]) || words[1] == "xray:PutTraceSegments";
                assert!(words.get(3) != Some(&"*") || is_known, "{variant}, {id}: {line}");
                if words[1] == "sts:AssumeRole" {
                    assert!(line.contains("aws:SourceAccount is ${AWS::AccountId}"), "{variant}, {id}: {line}");
                }
            }
        }
    }
}
