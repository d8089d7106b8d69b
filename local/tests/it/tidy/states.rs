//! The states of a kind: what they say, what they retry and catch, where they lead, how long they take.

use crate::tidy::repository::{definition, definition_of, kinds, read};
use local::template;
use serde_json::Value;
use sluice::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// What lasts for minutes: the account's quota of functions is used up, or Lambda has to make the network interfaces of
/// a function in a VPC that was idle for weeks. Step Functions puts `Lambda.` before the name of Lambda's error; of
/// some both spellings are seen.
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

/// Errors of the services around the functions. `Runtime.ExitError` and `Sandbox.Timedout` are what Lambda says in
/// practice, `Lambda.Unknown` what its documentation says of the same.
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

/// The kinds whose states keep to all rules below. In `copy-table` a window that fails ends its own branch only.
const KINDS: [&str; 2] = ["transform-and-upsert", "athena-elt"];

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

/// A rule of one purpose is the same in all states, but for those that modify an instance: it refuses for minutes.
#[test]
fn rules_and_payloads_that_stand_in_every_state_are_the_same_in_all() {
    const MODIFIES_AN_INSTANCE: [&str; 3] = ["OpenDatabase", "CloseDatabase", "CloseAfterFailure"];
    let definition = definition();
    let mut rules: BTreeMap<(Vec<String>, bool), BTreeSet<String>> = BTreeMap::new();
    let mut executions = BTreeSet::new();
    for (name, state) in states(&definition).into_iter().filter(|(_, state)| state["Type"] == "Task") {
        for rule in state["Retry"].as_array().unwrap() {
            let errors = rule["ErrorEquals"].as_array().unwrap();
            let errors: Vec<String> = errors.iter().map(|error| error.as_str().unwrap().to_owned()).collect();
            let is_patient =
                MODIFIES_AN_INSTANCE.contains(&name.as_str()) && errors.contains(&"States.Timeout".to_owned());
            rules.entry((errors, is_patient)).or_default().insert(rule.to_string());
        }
        let execution = &state["Parameters"]["Payload"]["execution"];
        assert!(execution.is_object(), "{name} says which execution it belongs to");
        executions.insert(execution.to_string());
    }
    for (errors, rules) in &rules {
        assert_eq!(rules.len(), 1, "{errors:?}: {rules:#?}");
    }
    // The services' two, one of them also in its patient form; a held lock; and closing, whatever the error.
    assert_eq!(rules.len(), 5, "{:#?}", rules.keys());
    assert_eq!(executions.len(), 1, "{executions:#?}");
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
fn every_state_is_explained_and_every_task_bounded() {
    let root = template::parse(&template::text().unwrap()).unwrap();
    for (kind, template) in kinds().iter().filter(|(kind, _)| KINDS.contains(&kind.as_str())) {
        let mut functions = template::functions(&root);
        functions.extend(template::functions(template));
        explained_and_bounded(kind, &functions);
    }
}

fn explained_and_bounded(kind: &str, functions: &BTreeMap<&str, &Value>) {
    let definition = definition_of(kind);
    let text = read(&format!("statemachine/{kind}.asl.json"));
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

#[test]
fn errors_that_the_state_machine_matches_exist_and_are_the_retryable_ones() {
    for states in KINDS.map(|kind| states(&definition_of(kind))) {
        retryable_errors(&states);
    }
}

fn retryable_errors(states: &BTreeMap<String, Value>) {
    let matched: BTreeSet<&str> = states
        .values()
        .flat_map(|state| names_of(&state["Retry"]).into_iter().chain(names_of(&state["Catch"])))
        .collect();
    let ours: BTreeSet<&str> =
        matched.iter().copied().filter(|name| !SERVICE_ERRORS.contains(name) && !SLOW_ERRORS.contains(name)).collect();
    assert_eq!(ours, BTreeSet::from([Kind::LockHeld.name(), Kind::TransientFailure.name()]));
    for (name, state) in states {
        let retried = names_of(&state["Retry"]);
        // Closing is tried again whatever the error: giving up leaves the database public.
        assert_eq!(retried.contains("States.ALL"), name.starts_with("Close"), "{name}: only what may pass is retried");
    }
}

#[test]
fn a_caught_error_never_ends_in_success() {
    for states in KINDS.map(|kind| states(&definition_of(kind))) {
        never_ends_in_success(&states);
    }
}

fn never_ends_in_success(states: &BTreeMap<String, Value>) {
    for (name, state) in states {
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

/// Once it is open, whatever comes next, and however often files are looked for again.
#[test]
fn a_database_that_was_opened_is_closed_on_every_path() {
    let definition = definition();
    let states = states(&definition);
    let mut ahead = vec!["OpenDatabase".to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(name) = ahead.pop() {
        let state = &states[&name];
        assert!(!["Succeed", "Fail"].contains(&state["Type"].as_str().unwrap()), "{name} is reached with it open");
        if ["CloseDatabase", "CloseAfterFailure"].contains(&name.as_str()) || !seen.insert(name.clone()) {
            continue;
        }
        let rules = ["Choices", "Catch"].into_iter().flat_map(|field| state[field].as_array().into_iter().flatten());
        let rules: Vec<&Value> = rules.collect();
        // Whether it is open is what such a state asks; only asking for reasons is done without a lock, and never
        // twice.
        let asks = rules.iter().find(|rule| rule["Variable"] == "$.database" && rule["IsPresent"] == true);
        let nexts: Vec<&Value> = match asks {
            Some(rule) => vec![&rule["Next"]],
            None => rules
                .iter()
                .filter(|rule| rule["StringEquals"] != "explain")
                .map(|rule| &rule["Next"])
                .chain([&state["Next"], &state["Default"]])
                .collect(),
        };
        ahead.extend(nexts.into_iter().filter_map(|next| next.as_str().map(ToOwned::to_owned)));
    }
    assert!(seen.contains("DetectNewFiles") && seen.contains("IsDatabaseOpen"), "{seen:?}");
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
    for kind in KINDS {
        check(&definition_of(kind));
    }
}

/// The longest that a rule's attempts can take: each may run into its timeout, and waits its longest before the next
/// one.
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

/// How often a run looks for new files at most: see `IsTargetAsAssumed`.
const LOOKS: f64 = 3.0;

/// If the machine's own timeout came first, no state would close the database.
#[test]
fn timeouts_add_up() {
    let definition = definition();
    // By which the loop of CheckDatabase ends.
    let source = read("functions/database-access/src/handler.rs");
    let (_, deadline) = source.split_once("const DEADLINE_SECONDS: f64 = ").unwrap();
    let mut total: f64 = deadline.split_once(';').unwrap().0.parse().unwrap();
    for (name, state) in states(&definition).into_iter().filter(|(_, state)| state["Type"] == "Task") {
        let times = match name.as_str() {
            // Twice as many batches as are pivoted at the same time, at their very longest.
            "Pivot" => 2.0 * LOOKS,
            "DetectNewFiles" | "Upsert" => LOOKS,
            _ => 1.0,
        };
        total += longest(&state) * times;
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
