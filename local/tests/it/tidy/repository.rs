//! What must agree across files: names, errors, environment, events, documentation.

use crate::support::functions as function_names;
use local::binaries::workspace;
use local::template;
use serde_json::Value;
use sluice::Kind;
use sluice::contract::{DatabaseAccessInput, DetectInput, PivotInput, UpsertEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const DEFINITION: &str = "statemachine/transform-and-upsert.asl.json";
const KIND: &str = "statemachine/transform-and-upsert.yaml";

/// What lasts for minutes: the account's quota of functions is used up, or Lambda has to make the network interfaces of a function in a VPC
/// that was idle for weeks. Step Functions puts `Lambda.` before the name of Lambda's error; of some both spellings are seen.
const SLOW_ERRORS: [&str; 12] = [
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "Lambda.ENILimitReachedException",
    "Lambda.ENINotReadyException",
    "Lambda.Ec2ThrottledException",
    "Lambda.Ec2UnexpectedException",
    "Lambda.EniLimitReachedException",
    "Lambda.EniNotReadyException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotReadyException",
    "Lambda.SubnetIPAddressLimitReachedException",
    "Lambda.TooManyRequestsException",
];

/// Errors of the services around the functions. `Runtime.ExitError` and `Sandbox.Timedout` are what Lambda says in practice,
/// `Lambda.Unknown` what its documentation says of the same.
const SERVICE_ERRORS: [&str; 10] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.Unknown",
    "Sandbox.Timedout",
    "States.ALL",
    "States.Timeout",
];

/// `detect-new-files` as `DetectNewFiles`.
fn camel(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The kind's own template, as it is nested.
fn kind() -> Value {
    template::parse(&read(KIND)).unwrap()
}

fn definition() -> Value {
    template::definition(&workspace().join(DEFINITION)).unwrap()
}

/// All states, those within a Map included.
fn states(definition: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (name, state) in definition["States"].as_object().unwrap() {
        if let Value::Object(_) = &state["ItemProcessor"] {
            found.extend(states(&state["ItemProcessor"]));
        }
        found.insert(name.clone(), state.clone());
    }
    found
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn a_function_has_one_name_in_four_spellings() {
    let root = template::parse(&template::text().unwrap()).unwrap();
    let kind = kind();
    let mut functions = template::functions(&root);
    functions.extend(template::functions(&kind));
    let definition = read(DEFINITION);
    for name in function_names() {
        assert!(read(&format!("functions/{name}/Cargo.toml")).contains(&format!("name = \"{name}\"\n")), "{name}");
        let logical_id = format!("{}Function", camel(name));
        let function = functions.get(logical_id.as_str()).unwrap_or_else(|| panic!("{logical_id}"));
        assert_eq!(function["Metadata"]["BuildProperties"]["Binary"].as_str(), Some(name.as_str()));
        assert!(definition.contains(&format!("\"${{{logical_id}Arn}}\"")), "{logical_id}");
    }
    assert_eq!(functions.len(), function_names().len());
    let folders: BTreeSet<String> = fs::read_dir(workspace().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, function_names().iter().cloned().chain(["lib".to_owned()]).collect());
}

#[test]
fn substitutions_of_the_template_are_those_of_the_state_machine() {
    let kind = kind();
    for (id, machine) in template::resources(&kind, "AWS::StepFunctions::StateMachine") {
        let properties = &machine["Properties"];
        let given: BTreeSet<String> =
            properties["DefinitionSubstitutions"].as_object().unwrap().keys().cloned().collect();
        let text = read(&format!("statemachine/{}", properties["DefinitionS3Location"].as_str().unwrap()));
        let wanted: BTreeSet<String> =
            text.split("${").skip(1).map(|rest| rest.split_once('}').unwrap().0.to_owned()).collect();
        assert_eq!(given, wanted, "{id}");
    }
}

/// A kind knows no job: what a job is about comes in by parameters. And no nested stack's own name, which nobody else knows.
#[test]
fn a_kind_names_no_column_no_table_and_no_stack_of_its_own() {
    let job = crate::support::reference_job();
    let shape = serde_json::to_value(&job.shape).unwrap();
    for path in [DEFINITION, KIND] {
        let text = read(path);
        for word in [&shape["index"]["column"], &shape["columns"], &shape["values"]] {
            assert!(!text.contains(&format!("\"{}\"", word.as_str().unwrap())), "{path} says {word}");
        }
        for word in [&job.target.table, &job.prefix, &job.name] {
            assert!(!text.contains(word.as_str()) || path == KIND && *word == job.prefix, "{path} says {word}");
        }
        assert!(!text.contains("AWS::StackName"), "{path}");
    }
}

/// What a function in the VPC calls it must be able to reach there: S3 by its gateway endpoint, the database, and Secrets Manager by an
/// endpoint that is made only if there is a secret.
#[test]
fn a_function_in_the_vpc_calls_only_what_has_an_endpoint() {
    const IN_THE_VPC: [(&str, &[&str]); 1] = [("upsert", &["s3", "rds-db", "secretsmanager"])];
    let kind = kind();
    for (id, function) in template::functions(&kind) {
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
fn every_state_is_explained_and_every_task_bounded() {
    let (root, kind) = (template::parse(&template::text().unwrap()).unwrap(), kind());
    let mut functions = template::functions(&root);
    functions.extend(template::functions(&kind));
    let definition = definition();
    let text = read(DEFINITION);
    assert!(definition["TimeoutSeconds"].is_u64());
    for (name, state) in states(&definition) {
        assert!(state["Comment"].as_str().is_some_and(|comment| comment.len() > 20), "{name} has no Comment");
        if state["Type"] != "Task" {
            continue;
        }
        // The definition was read with its substitutions replaced, so the function is looked up in the text.
        let place = text.find(&format!("\"{name}\": {{")).unwrap();
        let function = text[place..].split("${").nth(1).unwrap().split_once("Arn}").unwrap().0;
        let timeout = functions[function]["Properties"]["Timeout"].as_u64().unwrap();
        let task_timeout = state["TimeoutSeconds"].as_u64().unwrap_or_else(|| panic!("{name} has no TimeoutSeconds"));
        assert!(task_timeout > timeout, "{name}: {task_timeout} s, its function {timeout} s");
        let retried: BTreeSet<&str> = names_of(&state["Retry"]);
        assert!(retried.contains("TransientFailure") && retried.contains("Lambda.ServiceException"), "{name}");
        // In a rule of its own, before the one for what passes within a minute.
        let slow = state["Retry"].as_array().unwrap().iter().find(|rule| {
            let names = rule["ErrorEquals"].as_array().unwrap();
            SLOW_ERRORS.iter().all(|slow| names.iter().any(|name| name == slow)) && names.len() == SLOW_ERRORS.len()
        });
        let slow = slow.unwrap_or_else(|| panic!("{name} has no rule for {SLOW_ERRORS:?}"));
        // Half of each pause on average: from 15 s on by half as much again, up to a minute.
        let (attempts, most) = (slow["MaxAttempts"].as_u64().unwrap(), slow["MaxDelaySeconds"].as_u64().unwrap());
        assert!(attempts * most / 2 >= 800, "{name} waits for a quarter of an hour");
    }
}

fn names_of(rules: &Value) -> BTreeSet<&str> {
    rules
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|rule| rule["ErrorEquals"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect()
}

#[test]
fn errors_that_the_state_machine_matches_exist_and_are_the_retryable_ones() {
    let definition = definition();
    let states = states(&definition);
    let matched: BTreeSet<&str> = states
        .values()
        .flat_map(|state| names_of(&state["Retry"]).into_iter().chain(names_of(&state["Catch"])))
        .collect();
    let ours: BTreeSet<&str> =
        matched.iter().copied().filter(|name| !SERVICE_ERRORS.contains(name) && !SLOW_ERRORS.contains(name)).collect();
    assert_eq!(ours, BTreeSet::from([Kind::LockHeld.name(), Kind::TransientFailure.name()]));
    for (name, state) in &states {
        let retried = names_of(&state["Retry"]);
        // Closing is tried again whatever the error: giving up leaves the database public.
        assert_eq!(retried.contains("States.ALL"), name.starts_with("Close"), "{name}: only what may pass is retried");
    }
}

#[test]
fn a_caught_error_never_ends_in_success() {
    let definition = definition();
    let states = states(&definition);
    for (name, state) in &states {
        let mut ahead: Vec<String> = state["Catch"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|rule| rule["Next"].as_str().unwrap().to_owned())
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(next) = ahead.pop() {
            let after = &states[&next];
            assert_ne!(after["Type"], "Succeed", "{name} is caught and reaches {next}");
            assert!(after["End"].is_null(), "{name} is caught and ends in {next}");
            if seen.insert(next) {
                let choices = after["Choices"].as_array().into_iter().flatten().map(|choice| &choice["Next"]);
                ahead.extend(
                    choices
                        .chain([&after["Next"], &after["Default"]])
                        .filter_map(|next| next.as_str().map(ToOwned::to_owned)),
                );
            }
        }
    }
}

#[test]
fn a_function_gets_the_variables_that_it_reads() {
    let template = template::read().unwrap();
    let functions = template::functions(&template);
    let globals = ["LOG_LEVEL", "AWS_ENDPOINT_URL"].map(ToOwned::to_owned);
    for name in function_names() {
        let mut files = Vec::new();
        rust_files(&workspace().join("functions").join(name).join("src"), &mut files);
        // What its libraries read, it reads through them: of these only the database's reads any.
        if read(&format!("functions/{name}/Cargo.toml")).contains("postgres.workspace") {
            rust_files(&workspace().join("functions/lib/postgres/src"), &mut files);
        }
        let mut read_by_it: BTreeSet<String> = globals.clone().into();
        for file in files {
            let text = fs::read_to_string(file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for call in ["env.required(\"", "env.optional(\"", "env.parsed(\""] {
                read_by_it.extend(text.split(call).skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned()));
            }
        }
        let binary = |function: &Value| function["Metadata"]["BuildProperties"]["Binary"] == name.as_str();
        let function = functions.values().find(|function| binary(function)).unwrap();
        let variables = |properties: &Value| -> BTreeSet<String> {
            properties["Environment"]["Variables"].as_object().unwrap().keys().cloned().collect()
        };
        let mut given = variables(&function["Properties"]);
        if function["Type"] == "AWS::Serverless::Function" {
            given.extend(variables(&template["Globals"]["Function"]));
        }
        assert_eq!(given, read_by_it, "{name}");
    }
}

#[test]
fn every_event_decodes() {
    let mut count = 0;
    for entry in fs::read_dir(workspace().join("events")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let event: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let decoded = match name.as_str() {
            "detect-new-files" | "detect-new-files-release" => serde_json::from_value::<DetectInput>(event).map(drop),
            "pivot" => serde_json::from_value::<PivotInput>(event).map(drop),
            "upsert" | "upsert-prepare" => serde_json::from_value::<UpsertEvent>(event).map(drop),
            _ if name.starts_with("database-access-") => serde_json::from_value::<DatabaseAccessInput>(event).map(drop),
            // What starts an execution is decoded by a function of its own, tested there with these very files.
            "console-start" | "console-since" | "console-dry-run" | "console-forget" | "console-explain"
            | "schedule" | "s3-notification" | "eventbridge-s3" | "pipe" | "upload" | "again" | "after" => Ok(()),
            _ => panic!("{name}: nothing reads it"),
        };
        decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
        count += 1;
    }
    assert_eq!(count, 21);
}

#[test]
fn the_events_carry_the_spec_of_the_reference_job() {
    let event = |name: &str| -> Value { serde_json::from_str(&read(&format!("events/{name}.json"))).unwrap() };
    let job = crate::support::reference_job();
    let (pivot, target) = (event("pivot")["pivot"].take(), event("upsert")["target"].take());
    assert_eq!(serde_json::from_value::<sluice::spec::Pivot>(pivot).unwrap(), job.shape);
    assert_eq!(serde_json::from_value::<sluice::spec::Target>(target).unwrap(), job.target);
    assert_eq!(event("detect-new-files")["prefix"], job.prefix);
}

#[test]
fn the_readme_explains_every_error_and_event() {
    let readme = read("README.md");
    for kind in Kind::ALL {
        assert!(readme.contains(&format!("| `{kind}` |")), "{kind}");
    }
    for name in [
        "schedule",
        "s3-notification",
        "eventbridge-s3",
        "pipe",
        "console-start",
        "console-since",
        "console-dry-run",
        "console-forget",
        "console-explain",
        "upload",
        "again",
        "after",
        "upsert-prepare",
    ] {
        assert!(readme.contains(&format!("events/{name}.json")), "{name}");
    }
}

#[test]
fn files_are_short_and_have_names_of_the_domain() {
    let mut files = Vec::new();
    for folder in ["functions", "local"] {
        rust_files(&workspace().join(folder), &mut files);
    }
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 520, "{} has {lines} lines", file.display());
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(!["utils", "util", "common", "helpers", "misc"].contains(&name), "{}", file.display());
    }
}

#[test]
fn nothing_else_stands_at_the_top() {
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "events",
        "functions",
        "local",
        "samconfig.toml",
        "statemachine",
        "template.yaml",
    ];
    // Only what is part of the repository: where git is not at hand, there is nothing to ask.
    let Ok(listed) = std::process::Command::new("git").arg("ls-files").current_dir(workspace()).output() else {
        return;
    };
    for path in String::from_utf8(listed.stdout).unwrap().lines() {
        let name = path.split('/').next().unwrap();
        assert!(name.starts_with('.') || allowed.contains(&name), "{name}");
    }
}

#[test]
fn every_state_can_be_reached_and_leads_somewhere() {
    fn check(machine: &Value) {
        let states = machine["States"].as_object().unwrap();
        let mut ahead = vec![machine["StartAt"].as_str().unwrap().to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(name) = ahead.pop() {
            let state = states.get(&name).unwrap_or_else(|| panic!("there is no state {name}"));
            if !seen.insert(name.clone()) {
                continue;
            }
            let rules =
                ["Choices", "Catch"].into_iter().flat_map(|field| state[field].as_array().into_iter().flatten());
            let nexts: Vec<&str> = rules
                .map(|rule| &rule["Next"])
                .chain([&state["Next"], &state["Default"]])
                .filter_map(Value::as_str)
                .collect();
            let ends = state["End"] == true || ["Succeed", "Fail"].contains(&state["Type"].as_str().unwrap());
            assert!(
                ends != state["Next"].is_string() || state["Type"] == "Choice",
                "{name} ends and goes on, or neither"
            );
            assert!(state["Type"] != "Choice" || state["Default"].is_string(), "{name} has no Default");
            ahead.extend(nexts.into_iter().map(ToOwned::to_owned));
            if state["ItemProcessor"].is_object() {
                check(&state["ItemProcessor"]);
            }
        }
        assert_eq!(seen, states.keys().cloned().collect(), "states that nothing leads to");
    }
    check(&definition());
}

/// A dependency that only tests have may turn on features of one that all share; then tests and functions are built from two
/// sets of everything, in twice the time.
#[test]
fn tests_and_functions_are_built_from_one_set_of_dependencies() {
    let packages = |edges: &str| -> BTreeSet<String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let output = std::process::Command::new(cargo)
            .args(["tree", "--locked", "--offline", "--workspace", "--prefix", "none", "-f", "{p} {f}", "-e", edges])
            .current_dir(workspace())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    };
    let (of_functions, of_tests) = (packages("normal,build"), packages("normal,build,dev"));
    let changed: Vec<&String> = of_functions.difference(&of_tests).collect();
    assert!(of_functions.len() > 200 && changed.is_empty(), "{changed:?}");
}

/// The longest that a rule's attempts can take: each may run into its timeout, and waits its longest before the next one.
fn longest(state: &Value) -> f64 {
    let timeout = state["TimeoutSeconds"].as_f64().unwrap();
    let mut seconds = timeout;
    for rule in state["Retry"].as_array().into_iter().flatten() {
        let number = |field: &str, default: f64| rule[field].as_f64().unwrap_or(default);
        let mut pause = number("IntervalSeconds", 1.0);
        // Lambda refuses these at once; and a held lock is seen at once.
        let is_slow = rule["ErrorEquals"]
            .as_array()
            .unwrap()
            .iter()
            .any(|name| name == "LockHeld" || SLOW_ERRORS.iter().any(|slow| name == slow));
        let timeout = if is_slow { 0.0 } else { timeout };
        for _ in 0..rule["MaxAttempts"].as_u64().unwrap_or(3) {
            seconds += timeout + pause.min(number("MaxDelaySeconds", f64::MAX));
            pause *= number("BackoffRate", 2.0);
        }
    }
    seconds
}

/// If the machine's own timeout came first, no state would close the database.
#[test]
fn timeouts_add_up() {
    let definition = definition();
    // By which the loop of CheckDatabase ends.
    let source = read("functions/database-access/src/handler.rs");
    let (_, deadline) = source.split_once("const DEADLINE_SECONDS: f64 = ").unwrap();
    let mut total: f64 = deadline.split_once(';').unwrap().0.parse().unwrap();
    for (name, state) in states(&definition).into_iter().filter(|(_, state)| state["Type"] == "Task") {
        // Twice as many batches as are pivoted at the same time, at their very longest.
        total += longest(&state) * if name == "Pivot" { 2.0 } else { 1.0 };
    }
    let machine = definition["TimeoutSeconds"].as_f64().unwrap();
    assert!(total < machine, "the states may take {total} s, the machine {machine} s");

    let template = template::read().unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    for (id, function) in template::functions(&template) {
        assert!(number(&function["Properties"]["Timeout"]) <= 900, "{id}: Lambda's limit");
    }
    let visibility = number(&template["Resources"]["PomodoroUploadEvents"]["Properties"]["VisibilityTimeout"]);
    let collecting = number(&template["Parameters"]["DebounceSeconds"]["MaxValue"]);
    assert!(visibility > collecting, "messages would come back while the pipe still collects");
    let days = number(&template["Parameters"]["DaysWithoutSuccess"]["MaxValue"]);
    assert!(days < 90, "Step Functions forgets executions after 90 days");
    let schedule = &template["Resources"]["PomodoroRunSchedule"]["Properties"]["Target"]["RetryPolicy"];
    assert!(number(&schedule["MaximumEventAgeInSeconds"]) <= 86_400, "a run that was missed is not made up for");
}
