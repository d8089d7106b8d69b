//! What every role allows and who may take it: read from the template, since no local AWS enforces the roles of the services.

use local::template::{self, resources};
use serde_yaml_ng::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Actions that AWS knows no resource for; each stands in the template with AWS's reason.
const WITHOUT_RESOURCE: [&str; 4] = ["xray:", "logs:", "ec2:", "cloudwatch:PutMetricData"];

/// A value that stands under a condition, or the value itself: `!If [condition, value, ...]`.
fn chosen(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) if tagged.tag == "If" => chosen(&tagged.value[1]),
        plain => plain,
    }
}

/// One value or several. A call such as `!Sub [text, names]` is one.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Sequence(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// The statements of a role's own policies.
fn statements(role: &Value) -> Vec<&Value> {
    let policies = role["Properties"]["Policies"].as_sequence().into_iter().flatten().map(chosen);
    policies.flat_map(|policy| list(&policy["PolicyDocument"]["Statement"])).map(chosen).collect()
}

/// What a role allows: from an action to the resources as they are written.
fn allowed(role: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for statement in statements(role) {
        for action in list(&statement["Action"]) {
            let resources = list(&statement["Resource"])
                .into_iter()
                .map(|resource| serde_yaml_ng::to_string(resource).unwrap().trim().to_owned());
            found.entry(action.as_str().unwrap().to_owned()).or_default().extend(resources);
        }
    }
    found
}

#[test]
fn no_role_is_taken_by_a_stranger() {
    let template = template::read().unwrap();
    for (id, role) in resources(&template, "AWS::IAM::Role") {
        for statement in list(&role["Properties"]["AssumeRolePolicyDocument"]["Statement"]) {
            let service = statement["Principal"]["Service"].as_str().unwrap_or_else(|| panic!("{id}: who?"));
            assert!(service.ends_with(".amazonaws.com"), "{id}");
            let condition = serde_yaml_ng::to_string(&statement["Condition"]).unwrap();
            assert!(condition.contains("aws:SourceAccount"), "{id}: {service} of any account");
        }
        assert!(role["Properties"]["ManagedPolicyArns"].is_null(), "{id}: managed policies allow more than is needed");
    }
}

#[test]
fn no_action_and_no_resource_is_a_star_without_reason() {
    let template = template::read().unwrap();
    for (id, role) in resources(&template, "AWS::IAM::Role") {
        for (action, resources) in allowed(role) {
            assert!(!action.contains('*'), "{id}: {action}");
            let is_everything = resources.iter().any(|resource| resource.trim_matches(['\'', '"']) == "*");
            let has_reason = WITHOUT_RESOURCE.iter().any(|prefix| action.starts_with(prefix));
            assert!(!is_everything || has_reason, "{id}: {action} on everything");
        }
    }
}

#[test]
fn the_state_machine_may_call_its_functions_and_no_others() {
    let template = template::read().unwrap();
    let roles = resources(&template, "AWS::IAM::Role");
    let allowed = allowed(roles["StateMachineRole"]);
    let functions: BTreeSet<String> =
        resources(&template, "AWS::Serverless::Function").keys().map(|id| format!("!GetAtt {id}.Arn")).collect();
    let called: BTreeSet<String> =
        allowed["lambda:InvokeFunction"].iter().map(|resource| resource.replace('\'', "")).collect();
    assert_eq!(called, functions);
    let others: Vec<&String> = allowed
        .keys()
        .filter(|action| {
            *action != "lambda:InvokeFunction" && !action.starts_with("logs:") && !action.starts_with("xray:")
        })
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn what_starts_executions_may_do_nothing_else() {
    let template = template::read().unwrap();
    let functions: BTreeSet<String> =
        resources(&template, "AWS::Serverless::Function").keys().map(|id| id.replace("Function", "Role")).collect();
    let mut starters = 0;
    for (id, role) in resources(&template, "AWS::IAM::Role") {
        if functions.contains(id) || id == "StateMachineRole" {
            continue;
        }
        for (action, resources) in allowed(role) {
            match action.as_str() {
                "states:StartExecution" => {
                    starters += 1;
                    let own = if id == "FreshnessScheduleRole" { "FreshnessCheck" } else { "StateMachine" };
                    assert!(resources.iter().all(|resource| resource.contains(own)), "{id}: {resources:?}");
                }
                "sqs:SendMessage" | "sqs:ReceiveMessage" | "sqs:DeleteMessage" | "sqs:GetQueueAttributes" => {
                    assert!(resources.iter().all(|resource| resource.starts_with("!GetAtt")), "{id}: {resources:?}");
                }
                "lambda:InvokeFunction" => {
                    assert!(
                        resources.iter().all(|resource| resource.contains("DatabaseAccessFunction")),
                        "{id}: {resources:?}"
                    );
                }
                // The daily look for a success.
                "states:ListExecutions" if id == "FreshnessCheckRole" => {
                    assert!(resources.iter().all(|resource| resource.contains("StateMachine")), "{resources:?}");
                }
                _ => panic!("{id}: {action}"),
            }
        }
    }
    assert!(starters >= 2, "a schedule and an upload start executions");
}
