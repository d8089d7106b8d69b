//! The template of a kind, and the root: what they pass on, what they name, what their functions get and reach.

use crate::support::functions as function_names;
use crate::tidy::repository::{KINDS, kind, read, rust_files};
use local::binaries::workspace;
use local::template;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

#[test]
fn substitutions_of_the_template_are_those_of_the_state_machine() {
    let kinds = KINDS.map(kind);
    let machines = kinds.iter().flat_map(|kind| template::resources(kind, "AWS::StepFunctions::StateMachine"));
    for (id, machine) in machines {
        let properties = &machine["Properties"];
        let given: BTreeSet<String> =
            properties["DefinitionSubstitutions"].as_object().unwrap().keys().cloned().collect();
        let text = read(&format!("statemachine/{}", properties["DefinitionS3Location"].as_str().unwrap()));
        let wanted: BTreeSet<String> =
            text.split("${").skip(1).map(|rest| rest.split_once('}').unwrap().0.to_owned()).collect();
        assert_eq!(given, wanted, "{id}");
    }
}

/// A kind knows no job: what a job is about comes in by parameters. And no nested stack's own name, which nobody else
/// knows.
#[test]
fn a_kind_names_no_column_no_table_and_no_stack_of_its_own() {
    let job = crate::support::reference_job();
    let columns: Vec<&String> = job.spec.source.columns.keys().collect();
    let table: Vec<String> = job.spec.value_columns();
    let paths = KINDS.into_iter().flat_map(|kind| ["asl.json", "yaml"].map(|ext| format!("statemachine/{kind}.{ext}")));
    for path in paths {
        let text = read(&path);
        for word in columns.iter().copied().chain(&table) {
            assert!(!text.contains(&format!("\"{word}\"")), "{path} says {word}");
        }
        for word in [job.spec.target.table.as_str(), &job.prefix, template::REFERENCE_JOB, "users", "created_at"] {
            // As an example of a prefix.
            let is_example = path.ends_with("transform-and-upsert.yaml") && word == job.prefix;
            assert!(!text.contains(word) || is_example, "{path} says {word}");
        }
        assert!(!text.contains("AWS::StackName"), "{path}");
    }
}

/// What a function in the VPC calls it must be able to reach there: S3 by its gateway endpoint, the database, and
/// Secrets Manager by an endpoint that is made only if there is a secret.
#[test]
fn a_function_in_the_vpc_calls_only_what_has_an_endpoint() {
    const ALL: &[&str] = &["s3", "rds-db", "secretsmanager"];
    const IN_THE_VPC: [(&str, &[&str]); 3] = [("upsert", ALL), ("copy-table", ALL), ("export-table", ALL)];
    let kinds = KINDS.map(kind);
    for (kind, (id, function)) in
        kinds.iter().flat_map(|kind| template::functions(kind).into_iter().map(move |function| (kind, function)))
    {
        let name = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
        let listed = IN_THE_VPC.iter().find(|(function, _)| *function == name);
        assert_eq!(!function["Properties"]["VpcConfig"].is_null(), listed.is_some(), "{id}");
        let Some((_, reachable)) = listed else { continue };
        let role = &kind["Resources"][id.replace("Function", "Role")]["Properties"]["Policies"];
        let mut called = BTreeSet::new();
        allowed_services(role, &mut called);
        // Logs and traces go another way, and network interfaces are Lambda's own business.
        let elsewhere = ["logs", "xray", "ec2"].map(ToOwned::to_owned);
        let called: BTreeSet<_> = called.difference(&elsewhere.into()).cloned().collect();
        assert_eq!(called, reachable.iter().map(|service| (*service).to_owned()).collect(), "{id}");
    }
    let root = template::parse(&template::text().unwrap()).unwrap();
    let endpoints = template::resources(&root, "AWS::EC2::VPCEndpoint").into_values();
    let names: BTreeSet<_> = endpoints.map(|endpoint| endpoint["Properties"]["ServiceName"].to_string()).collect();
    for service in ["s3", "secretsmanager"] {
        assert!(names.iter().any(|name| name.ends_with(&format!(".{service}\"}}"))), "{names:?} has no {service}");
    }
}

/// The services of all actions that statements allow, conditional ones included.
fn allowed_services(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if fields.get("Effect").is_some_and(|effect| effect == "Allow") {
                let actions = match &fields["Action"] {
                    Value::Array(actions) => actions.clone(),
                    one => vec![one.clone()],
                };
                found.extend(
                    actions.iter().map(|action| action.as_str().unwrap().split(':').next().unwrap().to_owned()),
                );
            }
            fields.values().for_each(|field| allowed_services(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| allowed_services(item, found)),
        _ => {}
    }
}

/// A term in quotation marks matches a whole name only, so a stack's name in them would find nothing.
#[test]
fn searches_of_the_dashboard_find_the_stack_within_names() {
    let root = template::text().unwrap();
    assert!(root.contains(" ${AWS::StackName}', '") && !root.contains("\\\"${AWS::StackName}\\\""));
}

#[test]
fn a_function_gets_the_variables_that_it_reads() {
    let template = template::read().unwrap();
    let functions = template::functions(&template);
    let globals = ["LOG_LEVEL", "AWS_ENDPOINT_URL"].map(ToOwned::to_owned);
    for name in function_names() {
        let mut files = Vec::new();
        rust_files(&workspace().join("functions").join(name).join("src"), &mut files);
        let mut read_by_it: BTreeSet<String> = globals.clone().into();
        // What its libraries read, it reads through them: where Redshift is, and the database's, by a prefix.
        if files.iter().any(|file| fs::read_to_string(file).unwrap().contains("Place::from_env")) {
            files.push(workspace().join("functions/lib/redshift/src/warehouse.rs"));
        }
        let connect = read("functions/lib/postgres/src/connect.rs");
        let parts = connect.split("#[cfg(test)]").next().unwrap().split("(&name(\"").skip(1);
        let parts: BTreeSet<_> = parts.map(|rest| rest.split_once('"').unwrap().0).collect();
        for (constant, prefix) in [("connect::TARGET", "DATABASE"), ("connect::SOURCE", "SOURCE_DATABASE")] {
            if files.iter().any(|file| fs::read_to_string(file).unwrap().contains(constant)) {
                read_by_it.extend(parts.iter().map(|part| format!("{prefix}_{part}")));
            }
        }
        for file in files {
            let text = fs::read_to_string(file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for call in ["env.required(\"", "env.optional(\"", "env.parsed(\""] {
                read_by_it.extend(text.split(call).skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned()));
            }
        }
        // Lambda itself sets these.
        read_by_it.retain(|name| !name.starts_with("AWS_LAMBDA_"));
        let binary = |function: &Value| function["Metadata"]["BuildProperties"]["Binary"] == name.as_str();
        let function = functions.values().find(|function| binary(function)).unwrap();
        let variables = |properties: &Value| -> BTreeSet<String> {
            properties["Environment"]["Variables"].as_object().unwrap().keys().cloned().collect()
        };
        let mut given = variables(&function["Properties"]);
        if function["Type"] == "AWS::Serverless::Function" {
            given.extend(variables(&template["Globals"]["Function"]));
        }
        // This one the C library reads.
        given.remove("MALLOC_MMAP_THRESHOLD_");
        assert_eq!(given, read_by_it, "{name}");
    }
}
