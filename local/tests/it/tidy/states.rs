//! The states of a kind: what they say, what they retry and catch, where they lead, how long they take.

use crate::tidy::repository::{KINDS, definition, kind, read};
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

/// The kinds whose runs wait for one another. In `mysql-to-redshift` the warehouse's own lock sees to it.
const LOCKS: [&str; 3] = ["transform-and-upsert", "copy-table", "athena-elt"];

/// States of which a run may have a thousand, or hundreds: see `windows_fit_into_a_history_however_they_fail`.
const OF_A_WINDOW: [&str; 5] = ["CopyWindow", "CopyNextWindow", "ExportTable", "LoadRedshift", "CheckLoad"];

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
    // By the errors, and in which cases.
    let mut rules: BTreeMap<(Vec<String>, &str), BTreeSet<String>> = BTreeMap::new();
    let mut executions = BTreeSet::new();
    let all = KINDS.into_iter().flat_map(|kind| states(&definition(kind)).into_iter().map(move |state| (kind, state)));
    for (kind, (name, state)) in all.filter(|(_, (_, state))| state["Type"] == "Task") {
        for rule in state["Retry"].as_array().unwrap() {
            let errors = rule["ErrorEquals"].as_array().unwrap();
            let errors: Vec<String> = errors.iter().map(|error| error.as_str().unwrap().to_owned()).collect();
            // A lock is waited for as long as its owner may take, which each kind knows of its own.
            let is_lock = errors.contains(&Kind::LockHeld.name().to_owned());
            let is_patient =
                MODIFIES_AN_INSTANCE.contains(&name.as_str()) && errors.contains(&"States.Timeout".to_owned());
            let case = if is_lock {
                kind
            } else if is_patient {
                "patient"
            } else {
                ""
            };
            rules.entry((errors, case)).or_default().insert(rule.to_string());
        }
        let execution = &state["Parameters"]["Payload"]["execution"];
        assert!(execution.is_object(), "{name} says which execution it belongs to");
        executions.insert(execution.to_string());
    }
    for (errors, rules) in &rules {
        assert_eq!(rules.len(), 1, "{errors:?}: {rules:#?}");
    }
    // The services' two, one of them also in its patient form, and both as one; closing, whatever the error; and the
    // locks.
    assert_eq!(rules.len(), 5 + LOCKS.len(), "{:#?}", rules.keys());
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
    KINDS.into_iter().for_each(is_explained_and_bounded);
}

fn is_explained_and_bounded(name: &str) {
    let (root, kind) = (template::parse(&template::text().unwrap()).unwrap(), kind(name));
    let mut functions = template::functions(&root);
    functions.extend(template::functions(&kind));
    let definition = definition(name);
    let text = read(&format!("statemachine/{name}.asl.json"));
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
        if OF_A_WINDOW.contains(&name.as_str()) {
            continue;
        }
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
    KINDS.into_iter().for_each(matches_what_exists);
}

fn matches_what_exists(kind: &str) {
    let states = states(&definition(kind));
    let matched: BTreeSet<&str> = states
        .values()
        .flat_map(|state| names_of(&state["Retry"]).into_iter().chain(names_of(&state["Catch"])))
        .collect();
    let ours: BTreeSet<&str> =
        matched.iter().copied().filter(|name| !SERVICE_ERRORS.contains(name) && !SLOW_ERRORS.contains(name)).collect();
    let mut expected = BTreeSet::from([Kind::TransientFailure.name()]);
    expected.extend(LOCKS.contains(&kind).then_some(Kind::LockHeld.name()));
    assert_eq!(ours, expected);
    for (name, state) in &states {
        let retried = names_of(&state["Retry"]);
        // Closing is tried again whatever the error: giving up leaves the database public.
        assert_eq!(retried.contains("States.ALL"), name.starts_with("Close"), "{name}: only what may pass is retried");
    }
}

#[test]
fn a_caught_error_never_ends_in_success() {
    KINDS.into_iter().for_each(never_ends_in_success);
}

fn never_ends_in_success(kind: &str) {
    // It ends an iteration of a Map, and the state after that fails if there was one.
    const CONCLUDED: &str = "WindowFailed";
    let states = states(&definition(kind));
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
            assert!(after["End"].is_null() || next == CONCLUDED, "{name} is caught and ends in {next}");
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
    for (kind, passed) in
        [("transform-and-upsert", ["DetectNewFiles", "IsDatabaseOpen"]), ("copy-table", ["CopyWindows", "PlanCopy"])]
    {
        let states = states(&definition(kind));
        let mut ahead = vec!["OpenDatabase".to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(name) = ahead.pop() {
            let state = &states[&name];
            let is_end = ["Succeed", "Fail"].contains(&state["Type"].as_str().unwrap());
            assert!(!is_end, "{kind}: {name} is reached with it open");
            if ["CloseDatabase", "CloseAfterFailure"].contains(&name.as_str()) || !seen.insert(name.clone()) {
                continue;
            }
            let rules =
                ["Choices", "Catch"].into_iter().flat_map(|field| state[field].as_array().into_iter().flatten());
            let rules: Vec<&Value> = rules.collect();
            // Whether it is open is what such a state asks; only asking for reasons is done without a lock, and never
            // twice.
            let asks = rules.iter().find(|rule| {
                rule["Variable"] == "$.database" && rule["IsPresent"] == true || rule["StringEquals"] == "toggle"
            });
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
        assert!(passed.iter().all(|name| seen.contains(*name)), "{kind}: {seen:?}");
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
    KINDS.into_iter().for_each(|kind| check(&definition(kind)));
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
    let definition = definition("transform-and-upsert");
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

/// What Step Functions takes for the input of a state, in bytes.
const MAX_PAYLOAD: usize = 256 << 10;

/// A thousand windows that all fail, with the longest name of an error: the plan, the items of the Map and what comes
/// of them stand in one payload.
#[test]
fn a_thousand_windows_that_fail_fit_into_a_payload() {
    let states = states(&definition("copy-table"));
    let of_window = states["WindowFailed"]["Parameters"].as_object().unwrap();
    assert_eq!(of_window.keys().map(String::as_str).collect::<Vec<_>>(), ["error.$", "index.$"]);
    let longest = SLOW_ERRORS.iter().chain(&SERVICE_ERRORS).max_by_key(|name| name.len()).unwrap();
    let numbers = 0..sluice::contract::copy_table::MAX_WINDOWS;
    let items: Vec<Value> = numbers.clone().map(|index| serde_json::json!({ "index": index })).collect();
    let results: Vec<Value> = numbers.map(|index| serde_json::json!({"index": index, "error": longest})).collect();
    let both = serde_json::json!({"windows": items, "results": results}).to_string().len();
    assert!(both < MAX_PAYLOAD / 2, "{both} bytes, and the columns and warnings beside them");
}

/// An execution ends when its history has so many events ("Step Functions service quotas"). Others than the windows'
/// have a thousand: opening the database asks for it again and again.
const MAX_EVENTS: u64 = 25_000 - 1_000;

/// A try is scheduled, begins and ends.
const EVENTS_OF_A_TRY: u64 = 3;

/// How often a state is tried again at most.
fn retries(state: &Value) -> u64 {
    state["Retry"].as_array().into_iter().flatten().map(|rule| rule["MaxAttempts"].as_u64().unwrap()).sum()
}

#[test]
fn windows_fit_into_a_history_however_they_fail() {
    // An iteration begins and ends, its task and what comes after it are entered and exited.
    const EVENTS: u64 = 6;
    let states = states(&definition("copy-table"));
    for name in ["CopyWindow", "CopyNextWindow"] {
        let tries = 1 + retries(&states[name]);
        let events = u64::from(sluice::contract::copy_table::MAX_WINDOWS) * (EVENTS + EVENTS_OF_A_TRY * tries);
        assert!(events <= MAX_EVENTS, "{name}: {events} events");
        let retried = names_of(&states[name]["Retry"]);
        assert!(SLOW_ERRORS.iter().all(|slow| retried.contains(slow)), "{name}");
    }
}

/// The events of states that follow one another: each is entered and exited, and a task is tried once between.
fn events(states: &BTreeMap<String, Value>, names: &[&str]) -> u64 {
    let of = |name: &&str| if states[*name]["Type"] == "Task" { 2 + EVENTS_OF_A_TRY } else { 2 };
    names.iter().map(of).sum()
}

/// How long loads are waited for, by the numbers that are held against the definition here, `load-redshift` sees to.
#[test]
fn windows_that_go_to_redshift_fit_into_a_history_however_they_fail() {
    let definition = definition("mysql-to-redshift");
    let states = states(&definition);
    // And an iteration begins and ends.
    let of_a_window = 2 + events(&states, &["ExportTable", "IsExported", "LoadRedshift", "IsLoaded", "WindowLoaded"]);
    let of_a_question = events(&states, &["WaitForLoad", "CheckLoad", "IsLoaded"]);
    let template = kind("mysql-to-redshift");
    let numbers = [
        ("EVENTS_OF_A_WINDOW", of_a_window),
        ("EVENTS_OF_A_QUESTION", of_a_question),
        ("TIMEOUT_SECONDS", definition["TimeoutSeconds"].as_u64().unwrap()),
        ("MOST_SIDE_BY_SIDE", template["Parameters"]["ExportConcurrency"]["MaxValue"].as_u64().unwrap()),
    ];
    let source = read("functions/load-redshift/src/pauses.rs").replace('_', "");
    for (name, number) in numbers {
        let line = format!("const {}: u64 = {number};", name.replace('_', ""));
        assert!(source.contains(&line), "{name} is {number}");
    }
    assert_eq!(states["WaitForLoad"]["SecondsPath"], "$.load.pause_seconds");
    // All three fail as often as they may in every window, and all loads are over when they are asked for.
    let all: u64 = ["ExportTable", "LoadRedshift", "CheckLoad"].iter().map(|name| retries(&states[*name])).sum();
    let windows = u64::from(sluice::contract::mysql_to_redshift::MAX_WINDOWS);
    let events = windows * (of_a_window + of_a_question + EVENTS_OF_A_TRY * all);
    assert!(events <= MAX_EVENTS, "{events} events");
}

/// How long queries are waited for, by what it takes to ask, `run-query` sees to: its test counts nine events.
#[test]
fn asking_for_a_query_takes_nine_events_and_as_long_as_the_function_says() {
    let definition = definition("athena-elt");
    let states = states(&definition);
    for (ask, choice, wait, path) in [
        ("BuildTable", "TableBuilt", "WaitForTable", "$.build.pause_seconds"),
        ("ExportFile", "FileExported", "WaitForFile", "$.export.pause_seconds"),
        ("VerifyTable", "TableVerified", "WaitForCounts", "$.verify.pause_seconds"),
    ] {
        assert_eq!(events(&states, &[ask, choice, wait]), 9);
        assert_eq!((&states[wait]["SecondsPath"], &states[wait]["Next"]), (&path.into(), &ask.into()));
        assert_eq!((&states[ask]["Next"], &states[choice]["Default"]), (&choice.into(), &wait.into()));
    }
    assert_eq!(
        (&states["BuildTargets"]["MaxConcurrency"], &definition["TimeoutSeconds"]),
        (&2.into(), &172_800.into())
    );
}

/// On request, whatever a job's `CopyConcurrency` says; and a window that fails ends it.
#[test]
fn windows_that_depend_on_those_before_are_copied_one_at_a_time() {
    let definition = definition("copy-table");
    let states = states(&definition);
    let choices = states["AnyWindows"]["Choices"].as_array().unwrap();
    let in_order = choices.iter().find(|choice| choice["Variable"] == "$.copy.in_order").unwrap();
    let map = &states[in_order["Next"].as_str().unwrap()];
    assert_eq!((&in_order["BooleanEquals"], &map["MaxConcurrency"]), (&true.into(), &1.into()));
    assert_eq!(states["PlanCopy"]["ResultSelector"]["in_order.$"], "$.Payload.in_order");
    assert_eq!(states["CopyNextWindow"]["Parameters"], states["CopyWindow"]["Parameters"]);
    assert!(states["CopyNextWindow"]["Catch"].is_null());
}
