//! What must agree across files: names, errors, environment, events, documentation.

use local::binaries::{FUNCTIONS, workspace};
use local::template::{self, resources};
use pipeline::Kind;
use pipeline::contract::{DatabaseAccessInput, DetectInput, PivotInput, UpsertInput};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const DEFINITION: &str = "statemachine/transform-and-upsert.asl.json";

/// Errors of the services around the functions. `Runtime.ExitError` and `Sandbox.Timedout` are what Lambda says in practice,
/// `Lambda.Unknown` what its documentation says of the same.
const SERVICE_ERRORS: [&str; 11] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
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
    let template = template::read().unwrap();
    let functions = resources(&template, "AWS::Serverless::Function");
    let machine = resources(&template, "AWS::Serverless::StateMachine")["StateMachine"];
    let definition = read(DEFINITION);
    for name in FUNCTIONS {
        assert!(read(&format!("functions/{name}/Cargo.toml")).contains(&format!("name = \"{name}\"\n")), "{name}");
        let logical_id = format!("{}Function", camel(name));
        let function = functions.get(logical_id.as_str()).unwrap_or_else(|| panic!("{logical_id}"));
        assert_eq!(function["Metadata"]["BuildProperties"]["Binary"].as_str(), Some(name));
        let substitution = format!("{logical_id}Arn");
        assert!(machine["Properties"]["DefinitionSubstitutions"].get(&substitution).is_some(), "{substitution}");
        assert!(definition.contains(&format!("\"${{{substitution}}}\"")), "{substitution}");
    }
    assert_eq!(functions.len(), FUNCTIONS.len());
    let folders: BTreeSet<String> = fs::read_dir(workspace().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, FUNCTIONS.into_iter().chain(["pipeline"]).map(ToOwned::to_owned).collect());
}

#[test]
fn substitutions_of_the_template_are_those_of_the_state_machine() {
    let template = template::read().unwrap();
    let machine = resources(&template, "AWS::Serverless::StateMachine")["StateMachine"];
    let given: BTreeSet<String> = machine["Properties"]["DefinitionSubstitutions"]
        .as_mapping()
        .unwrap()
        .keys()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    let text = read(DEFINITION);
    let wanted: BTreeSet<String> =
        text.split("${").skip(1).map(|rest| rest.split_once('}').unwrap().0.to_owned()).collect();
    assert_eq!(given, wanted);
}

#[test]
fn every_state_is_explained_and_every_task_bounded() {
    let template = template::read().unwrap();
    let functions = resources(&template, "AWS::Serverless::Function");
    let definition = template::definition(DEFINITION).unwrap();
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
    let definition = template::definition(DEFINITION).unwrap();
    let states = states(&definition);
    let matched: BTreeSet<&str> = states
        .values()
        .flat_map(|state| names_of(&state["Retry"]).into_iter().chain(names_of(&state["Catch"])))
        .collect();
    let ours: BTreeSet<&str> = matched.iter().copied().filter(|name| !SERVICE_ERRORS.contains(name)).collect();
    assert_eq!(ours, BTreeSet::from([Kind::LockHeld.name(), Kind::TransientFailure.name()]));
    for (name, state) in &states {
        let retried = names_of(&state["Retry"]);
        // Closing is tried again whatever the error: giving up leaves the database public.
        assert_eq!(retried.contains("States.ALL"), name.starts_with("Close"), "{name}: only what may pass is retried");
    }
}

#[test]
fn a_caught_error_never_ends_in_success() {
    let definition = template::definition(DEFINITION).unwrap();
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
    let globals = ["LOG_LEVEL", "AWS_ENDPOINT_URL"].map(ToOwned::to_owned);
    for name in FUNCTIONS {
        let mut files = Vec::new();
        rust_files(&workspace().join("functions").join(name).join("src"), &mut files);
        let mut read_by_it: BTreeSet<String> = globals.clone().into();
        for file in files {
            let text = fs::read_to_string(file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for call in ["env.required(\"", "env.optional(\"", "env.parsed(\""] {
                read_by_it.extend(text.split(call).skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned()));
            }
        }
        let id = format!("{}Function", camel(name));
        let function = resources(&template, "AWS::Serverless::Function")[id.as_str()];
        let variables = |properties: &serde_yaml_ng::Value| -> BTreeSet<String> {
            let variables = properties["Environment"]["Variables"].as_mapping().unwrap().keys();
            variables.map(|key| key.as_str().unwrap().to_owned()).collect()
        };
        let mut given = variables(&function["Properties"]);
        given.extend(variables(&template["Globals"]["Function"]));
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
            "detect-new-files" => serde_json::from_value::<DetectInput>(event).map(drop),
            "pivot" => serde_json::from_value::<PivotInput>(event).map(drop),
            "upsert" => serde_json::from_value::<UpsertInput>(event).map(drop),
            _ if name.starts_with("database-access-") => serde_json::from_value::<DatabaseAccessInput>(event).map(drop),
            // What starts an execution is decoded by a function of its own, tested there with these very files.
            "console-start" | "console-since" | "console-dry-run" | "console-forget" | "console-explain"
            | "schedule" | "s3-notification" | "eventbridge-s3" | "pipe" => Ok(()),
            _ => panic!("{name}: nothing reads it"),
        };
        decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
        count += 1;
    }
    assert_eq!(count, 16);
}

#[test]
fn the_events_carry_the_spec_of_the_state_machine() {
    let event = |name: &str| -> Value { serde_json::from_str(&read(&format!("events/{name}.json"))).unwrap() };
    for (name, state, field) in [("pivot", "Pivot", "pivot"), ("upsert", "Upsert", "target")] {
        assert_eq!(event(name)[field], crate::support::task_spec(state, field), "{name}");
    }
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
    check(&template::definition(DEFINITION).unwrap());
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
    let definition = template::definition(DEFINITION).unwrap();
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
    let number = |value: &serde_yaml_ng::Value| value.as_u64().unwrap();
    for (id, function) in resources(&template, "AWS::Serverless::Function") {
        assert!(number(&function["Properties"]["Timeout"]) <= 900, "{id}: Lambda's limit");
    }
    let visibility = number(&template["Resources"]["FileEvents"]["Properties"]["VisibilityTimeout"]);
    let collecting = number(&template["Parameters"]["DebounceSeconds"]["MaxValue"]);
    assert!(visibility > collecting, "messages would come back while the pipe still collects");
    let days = number(&template["Parameters"]["DaysWithoutSuccess"]["MaxValue"]);
    assert!(days < 90, "Step Functions forgets executions after 90 days");
    let schedule = &template["Resources"]["RunSchedule"]["Properties"]["Target"]["RetryPolicy"];
    assert!(number(&schedule["MaximumEventAgeInSeconds"]) <= 86_400, "a run that was missed is not made up for");
}
