//! What is loaded is what the table says: whatever becomes of the table, of the spec or of the document in the bucket,
//! a run looks again by what it finds there.

use crate::support::*;
use serde_json::{Value, json};

/// Deploys another spec, as far as the state machine knows it.
async fn respec(stack: &Fixture, old: &str, new: &str) {
    let arn = &stack.state_machine_arn;
    let described = stack.sfn().describe_state_machine().state_machine_arn(arn).send().await.unwrap();
    let mut definition: Value = serde_json::from_str(&described.definition).unwrap();
    let count = replace(&mut definition, &serde_json::from_str(old).unwrap(), &serde_json::from_str(new).unwrap());
    assert!(count >= 4, "in each state that knows the spec: {count}");
    let update = stack.sfn().update_state_machine().state_machine_arn(arn);
    update.definition(definition.to_string()).send().await.unwrap();
}

/// Puts `new` in place of each part that equals `old`; says how many there were.
fn replace(within: &mut Value, old: &Value, new: &Value) -> usize {
    if within == old {
        *within = new.clone();
        return 1;
    }
    match within {
        Value::Object(fields) => fields.values_mut().map(|field| replace(field, old, new)).sum(),
        Value::Array(items) => items.iter_mut().map(|item| replace(item, old, new)).sum(),
        _ => 0,
    }
}

const DAYS: [&str; 2] = ["2024-01-01 0 1", "2024-01-02 0 2"];

/// Two files, loaded.
async fn loaded(options: local::deployment::Options) -> Fixture {
    let stack = fixture_with(options).await;
    for (name, minutes, date) in [("a.csv", "1", "2024-01-01"), ("b.csv", "2", "2024-01-02")] {
        stack.upload(name, csv(&[("Work", minutes, date)])).await.unwrap();
    }
    let first = run_well(&stack, json!({})).await;
    assert_eq!((first.last_state(), &first.counts["notes"]), ("Loaded", &json!([])));
    assert_eq!(table(&stack).await, DAYS);
    stack
}

/// What the only note says.
fn note(counts: &Value) -> &str {
    let notes = counts["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    notes[0].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_dropped_is_loaded_again() {
    let stack = loaded(vpc_mode()).await;
    sql(&stack, "drop table pomodoro_day_catg").await;
    let again = run_well(&stack, json!({})).await;
    assert_eq!((again.last_state(), &again.counts["new_file_count"]), ("Loaded", &json!(2)));
    assert!(note(&again.counts).contains("nothing is recorded as loaded into public.pomodoro_day_catg"));
    assert_eq!(table(&stack).await, DAYS);
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
}

/// In toggle mode the database is not opened to be asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_emptied_is_noticed_by_the_next_run_that_loads() {
    let stack = loaded(Default::default()).await;
    sql(&stack, "truncate pomodoro_day_catg").await;
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
    stack.upload("c.csv", csv(&[("Work", "4", "2024-01-03")])).await.unwrap();
    let again = run_well(&stack, json!({})).await;
    assert_eq!((again.last_state(), &again.counts["new_file_count"]), ("Loaded", &json!(3)));
    assert_eq!(table(&stack).await, [DAYS[0], DAYS[1], "2024-01-03 0 4"]);
    assert!(!stack.is_database_public().await.unwrap());
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_may_find_nothing_and_closes_the_database() {
    let stack = loaded(Default::default()).await;
    let document = sluice::contract::keys::loaded(&stack.job);
    stack.s3().delete_object().bucket(&stack.bucket).key(&document).send().await.unwrap();
    // Nothing is known, so the first look takes all files; the table knows better.
    let outcome = run_well(&stack, json!({})).await;
    assert_eq!((outcome.last_state(), &outcome.counts["new_file_count"]), ("NothingToDo", &json!(0)));
    assert!(outcome.counts["upsert"].is_null(), "{}", outcome.counts);
    assert!(!stack.is_database_public().await.unwrap());
    // The second look left the document again, so the database is opened no more.
    let next = run_well(&stack, json!({})).await;
    assert_eq!((next.last_state(), &next.counts["notes"]), ("NothingToDo", &json!([])));
    assert!(!next.states.iter().any(|state| state.state == "OpenDatabase"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_reading_loads_all_files_again_unless_some_are_gone() {
    let stack = loaded(vpc_mode()).await;
    let into = |word: &str| format!(r#"{{"Learning": "learning_minutes", "{word}": "work_minutes"}}"#);
    respec(&stack, &into("Work"), &into("Learn")).await;
    stack.upload("b.csv", csv(&[("Learn", "3", "2024-01-02")])).await.unwrap();
    let (error, _) = run_badly(&stack, json!({})).await;
    assert_eq!(error, "InvalidSource", "Work is no category any more, in the file that was loaded before");
    stack.upload("a.csv", csv(&[("Learn", "5", "2024-01-01")])).await.unwrap();
    let again = run_well(&stack, json!({})).await;
    assert_eq!(again.counts["reload"], true);
    assert!(note(&again.counts).starts_with("reload: 2 files, "), "{}", again.counts);
    assert_eq!(table(&stack).await, ["2024-01-01 0 5", "2024-01-02 0 3"]);

    respec(&stack, &into("Learn"), &into("Work")).await;
    stack.s3().delete_object().bucket(&stack.bucket).key("input_data/b.csv").send().await.unwrap();
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let (error, cause) = run_badly(&stack, json!({})).await;
    assert_eq!(error, "Misconfigured");
    for part in ["1, input_data/b.csv", "gone from the bucket", r#"{"reload": true}"#] {
        assert!(cause.contains(part), "{cause}");
    }
    assert_eq!(run_well(&stack, json!({"reload": true, "dry_run": true})).await.last_state(), "WouldLoad");
    let by_hand = run_well(&stack, json!({"reload": true})).await;
    assert_eq!(by_hand.counts["upsert"]["rows_deleted"], 1);
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_selection_is_looked_at_as_a_whole_once() {
    let stack = fixture_with(vpc_mode()).await;
    stack.upload("old.txt", csv(&[("Work", "2", "2024-01-02")])).await.unwrap();
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    run_well(&stack, json!({})).await;
    respec(&stack, r#"".csv""#, r#"[".csv", ".txt"]"#).await;
    let grown = run_well(&stack, json!({})).await;
    assert_eq!(grown.counts["new_file_count"], 1);
    assert!(note(&grown.counts).contains("suffix"), "{}", grown.counts);
    assert_eq!(table(&stack).await, DAYS);
    assert_eq!(run_well(&stack, json!({})).await.counts["notes"], json!([]));
    // One more suffix, of which there is no file: looked at once, and then known.
    respec(&stack, r#"[".csv", ".txt"]"#, r#"[".csv", ".txt", ".tsv"]"#).await;
    let nothing = run_well(&stack, json!({})).await;
    assert_eq!(nothing.last_state(), "NothingToDo");
    assert!(note(&nothing.counts).contains("0 are new"), "{}", nothing.counts);
    assert_eq!(run_well(&stack, json!({})).await.counts["notes"], json!([]));

    respec(&stack, r#"[".csv", ".txt", ".tsv"]"#, r#"".csv""#).await;
    let (error, cause) = run_badly(&stack, json!({})).await;
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains("no longer selected: 1, input_data/old.txt"), "{cause}");
    run_well(&stack, json!({"reload": true})).await;
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_is_changed_by_hand_only() {
    let stack = loaded(vpc_mode()).await;
    respec(&stack, r#""all_files""#, r#""last_run""#).await;
    let (error, cause) = run_badly(&stack, json!({})).await;
    assert_eq!(error, "Misconfigured");
    for part in ["/target/on_overlap is last_run", "loaded by all_files", r#"{"reload": true}"#] {
        assert!(cause.contains(part), "{cause}");
    }
    let explained = run_well(&stack, json!({"explain": ["input_data/a.csv"]})).await;
    assert!(explained.counts["explained"][0]["reason"].as_str().unwrap().contains("a run that starts now fails"));
    run_well(&stack, json!({"reload": true})).await;
    assert_eq!(table(&stack).await, DAYS);
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_known_until_it_changes_or_is_named() {
    let quarantine = (r#"{"suffix": ".csv","#, r#"{"suffix": ".csv", "on_bad_file": "quarantine","#);
    let stack = fixture_with(local::deployment::Options { spec: vec![quarantine], ..vpc_mode() }).await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    stack.upload("bad.csv", b"no,columns,of,the,job\n1,2,3,4,5\n".to_vec()).await.unwrap();
    let first = run_well(&stack, json!({})).await;
    assert_eq!(first.counts["upsert"]["files_bad"], 1);
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
    let explained = run_well(&stack, json!({"explain": ["input_data/bad.csv"]})).await;
    let reason = explained.counts["explained"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("set aside as a bad file by ") && reason.contains("named in forget"), "{reason}");
    let again = run_well(&stack, json!({"forget": ["input_data/bad.csv"]})).await;
    assert_eq!((&again.counts["new_file_count"], &again.counts["upsert"]["files_bad"]), (&json!(1), &json!(1)));
    stack.upload("bad.csv", csv(&[("Work", "2", "2024-01-02")])).await.unwrap();
    let mended = run_well(&stack, json!({})).await;
    assert_eq!(mended.counts["upsert"]["files_bad"], 0);
    assert_eq!(table(&stack).await, DAYS);
}

/// An upload whose run cannot ask the target leaves no mark: it has not come to the lock. But as any run that failed,
/// it is told by the job's alarm, and what it was to load is found by the next one, whatever that is started by: it was
/// not there at the last success.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_wake_up_that_could_not_ask_the_target_is_loaded_by_the_next_run() {
    let stack = loaded(vpc_mode()).await;
    sql(&stack, "alter table sluice.targets rename column has_rows to had_rows").await;
    stack.upload("c.csv", csv(&[("Work", "4", "2024-01-03")])).await.unwrap();
    let woken = run(&stack, json!({"upload": true})).await;
    assert_eq!(woken.status, "FAILED");
    let states: Vec<&str> = woken.states.iter().map(|run| run.state.as_str()).collect();
    assert!(states.contains(&"CheckTarget") && !states.contains(&"DetectNewFiles"), "{states:?}");
    assert_eq!(keys(&stack, "state/pomodoro/again").await, Vec::<String>::new());
    assert_eq!(table(&stack).await, DAYS);
    sql(&stack, "alter table sluice.targets rename column had_rows to has_rows").await;
    let next = run_well(&stack, json!({"scheduled_time": "2024-02-01T00:00:00Z"})).await;
    assert_eq!((next.last_state(), &next.counts["new_file_count"]), ("Loaded", &json!(1)));
    assert_eq!(table(&stack).await, [DAYS[0], DAYS[1], "2024-01-03 0 4"]);
    assert_eq!(run_well(&stack, json!({})).await.last_state(), "NothingToDo");
}
